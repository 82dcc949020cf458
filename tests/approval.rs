//! The policies in deploy/admission: nobody approves in another's name, and what lifts a guard needs a verb of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use serde_json::json;
use support::{ControlPlane, eventually};

const ROLES: &str = r"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: editor}
rules:
  - {apiGroups: [tenure.dev], resources: [users, holds], verbs: [get, list, create, update, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: approver}
rules:
  - {apiGroups: [tenure.dev], resources: [holds], verbs: [approve]}
  - {apiGroups: [tenure.dev], resources: [users], verbs: [remove-now, resume, protect]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: editors}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: editor}
subjects: [{kind: User, name: ann}, {kind: User, name: bob}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: approvers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: approver}
subjects: [{kind: User, name: ann}]
";

const OBJECTS: &str = r"
apiVersion: tenure.dev/v1alpha1
kind: Hold
metadata: {name: h}
spec: {}
---
apiVersion: tenure.dev/v1alpha1
kind: User
metadata: {name: eve}
spec: {personId: '1', userName: eve}
";

#[tokio::test(flavor = "multi_thread")]
async fn approvals_and_annotations_need_their_verbs_and_ones_own_name() {
    let plane = ControlPlane::shared().await;
    plane.install_crds().await;
    let namespace = plane.namespace("approval").await;
    let kubectl = plane.kubectl();
    kubectl.apply(ROLES).await.unwrap();
    let policies = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/admission/");
    kubectl.run(&["apply", "--filename", policies]).await.unwrap();
    kubectl.apply_in(&namespace, OBJECTS).await.unwrap();
    let patch = async |who: &str, kind: &str, name: &str, patch: &serde_json::Value| {
        let (who, patch) = (format!("--as={who}"), format!("--patch={patch}"));
        kubectl.run(&["patch", kind, name, "--namespace", &namespace, "--type=merge", &who, &patch]).await
    };
    let word = |by: &str| json!({"digest": format!("sha256:{}", "0".repeat(64)), "reason": "r", "by": by});
    let refused = async |who: &str, kind: &str, name: &str, change: serde_json::Value, text: &str| {
        let outcome = patch(who, kind, name, &change).await;
        match outcome {
            Err(error) if error.contains(text) => Ok(()),
            other => Err(format!("{who} {change}: expected {text:?}, got {other:?}")),
        }
    };
    // A policy takes a moment to be in force.
    let approval = json!({"spec": {"approval": word("bob")}});
    eventually(support::scene::SOON, async || {
        let text = "the verb approve on holds.tenure.dev is needed";
        let outcome = refused("bob", "hold", "h", approval.clone(), text).await;
        if outcome.is_err() {
            // What was let through stands, and to say it once more would be no change.
            let withdrawal = r#"--patch={"spec":{"approval":null}}"#;
            let patch = ["patch", "hold", "h", "--namespace", &namespace, "--type=merge", withdrawal];
            kubectl.run(&patch).await.unwrap();
        }
        outcome
    })
    .await;
    refused("ann", "hold", "h", approval, "spec.approval.by: give your own name, ann").await.unwrap();
    refused(
        "ann",
        "hold",
        "h",
        json!({"spec": {"rejection": word("bob")}}),
        "spec.rejection.by: give your own name, ann",
    )
    .await
    .unwrap();
    patch("ann", "hold", "h", &json!({"spec": {"approval": word("ann")}})).await.unwrap();
    // What stands may stay, and cannot be taken back by just anybody.
    patch("bob", "hold", "h", &json!({"metadata": {"labels": {"a": "b"}}})).await.unwrap();
    let withdrawal = json!({"spec": {"approval": null}});
    refused("bob", "hold", "h", withdrawal, "may not approve or reject").await.unwrap();
    for (name, verb) in [("remove-now", "remove-now"), ("resume", "resume"), ("protected", "protect")] {
        let change = json!({"metadata": {"annotations": {format!("tenure.dev/{name}"): "because"}}});
        let text = format!("the verb {verb} on users.tenure.dev is needed");
        eventually(support::scene::SOON, async || refused("bob", "user", "eve", change.clone(), &text).await)
            .await;
        patch("ann", "user", "eve", &change).await.unwrap();
    }
    patch("bob", "user", "eve", &json!({"spec": {"title": "CTO"}})).await.unwrap();
    let bare = json!({"metadata": {"annotations": {"tenure.dev/protected": null}}});
    refused("bob", "user", "eve", bare.clone(), "the verb protect on users.tenure.dev").await.unwrap();
    patch("ann", "user", "eve", &bare).await.unwrap();
}
