//! First passwords: in the Secret that was asked for and nowhere else, the one that the account really got, and for no
//! longer than was asked.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde_json::{Value, json};

use crate::company::{APP, by_marker, ldap_app};
use crate::support::ldap::bind_code;
use crate::support::scene::{SOON, entry};
use crate::support::targets::slapd::{self, Slapd};
use crate::support::{Operator, Scene, eventually, process};

const LABEL: &str = "tenure.dev/initial-password";

/// A directory that everybody has an account in.
struct Stage {
    scene: Scene,
    directory: Slapd,
}

impl Stage {
    async fn set(prefix: &str, initial_password: Value) -> Self {
        let scene = Scene::new(prefix).await;
        let directory = Slapd::start(slapd::Config::default()).await;
        let extra = json!({ "initialPassword": initial_password });
        ldap_app(&scene, &[directory.url()], extra, json!({})).await;
        Self { scene, directory }
    }

    /// The Secrets with first passwords.
    async fn kept(&self) -> Vec<Value> {
        let mut all = self.scene.list("Secret").await;
        all.retain(|secret| !secret["metadata"]["labels"][LABEL].is_null());
        all
    }

    /// The one Secret, and the password in it.
    async fn password(&self) -> (Value, String) {
        let kept = self.kept().await;
        assert_eq!(kept.len(), 1, "{kept:?}");
        let secret = kept.into_iter().next().unwrap();
        let value = BASE64.decode(secret["data"]["password"].as_str().unwrap()).unwrap();
        (secret, String::from_utf8(value).unwrap())
    }

    /// What a bind as Ann is answered.
    async fn bind(&self, password: &str) -> u32 {
        let found = by_marker(&self.directory, "ann").await.unwrap();
        bind_code(&self.directory.url(), &found.dn, password).await
    }

    /// The password is in no object but the Secret, and in nothing that the operator says.
    async fn assert_nowhere_else(&self, operator: &Operator, password: &str) {
        let encoded = BASE64.encode(password);
        let metrics = operator.probe("/metrics").await.unwrap();
        let mut places = vec![("the log", operator.log()), ("the metrics", metrics)];
        for kind in ["User", "App", "Role", "AppBinding", "Event", "ConfigMap", "Lease"] {
            places.push((kind, serde_json::to_string(&self.scene.list(kind).await).unwrap()));
        }
        for (place, text) in places {
            assert!(!text.contains(password) && !text.contains(&encoded), "the password is in {place}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_joiner_finds_the_password_that_logs_in_and_it_goes_when_its_time_is_up() {
    let stage =
        Stage::set("first-password", json!({"policy": "Secret", "removeAfter": "15s", "length": 30})).await;
    let operator = stage.scene.operator().start().await;
    stage.scene.user("ann", &[], json!({})).await;
    let user = stage.scene.ready("ann").await;
    let (secret, password) = stage.password().await;
    assert_eq!(password.len(), 30);
    assert_eq!(stage.bind(&password).await, 0);
    let meta = &secret["metadata"];
    assert_eq!(secret["immutable"], true);
    assert_eq!(secret["type"], LABEL);
    assert!(meta["finalizers"].is_null());
    let owners = meta["ownerReferences"].as_array().unwrap();
    assert_eq!(
        (owners.len(), &owners[0]["uid"], &owners[0]["kind"]),
        (1, &user["metadata"]["uid"], &json!("User"))
    );
    assert_eq!(meta["labels"]["tenure.dev/user"], "ann");
    assert_eq!(meta["labels"]["tenure.dev/app"], APP);
    stage.assert_nowhere_else(&operator, &password).await;
    // Nothing is remembered: another process sees to it.
    operator.process().stop(SOON).await;
    let next = stage.scene.operator().start().await;
    eventually(SOON, async || match stage.kept().await.len() {
        0 => Ok(()),
        n => Err(format!("{n} are kept")),
    })
    .await;
    assert_eq!(stage.bind(&password).await, 0, "the account is as it was");
    stage.assert_nowhere_else(&next, &password).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_random_one_is_kept_nowhere() {
    let stage = Stage::set("random-password", json!({})).await;
    let _operator = stage.scene.operator().start().await;
    stage.scene.user("ann", &[], json!({})).await;
    stage.scene.ready("ann").await;
    assert_eq!(stage.kept().await, Vec::<Value>::new());
    let found = by_marker(&stage.directory, "ann").await.unwrap();
    assert!(found.one("userPassword").unwrap().starts_with("{SSHA}"), "it is set, and not in the clear");
}

/// `kill -9` between writing it down and the ledger: the next process makes, or finds, the account with this password.
async fn cut_off_at(point: &str) {
    let stage = Stage::set(&format!("password-{point}"), json!({"policy": "Secret"})).await;
    stage.scene.user("ann", &[], json!({})).await;
    let doomed = stage.scene.operator().failpoint(point).spawn();
    let ended = doomed.process().wait_exit(Duration::from_mins(1)).await;
    assert!(ended.is_some(), "never came to {point}:\n{}", process::tail(&doomed.log()));
    let (_, before) = stage.password().await;
    let operator = stage.scene.operator().start().await;
    stage.scene.ready("ann").await;
    let (_, after) = stage.password().await;
    assert_eq!(before, after, "never two");
    assert_eq!(stage.bind(&after).await, 0);
    stage.assert_nowhere_else(&operator, &after).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_off_when_it_is_written_down() {
    cut_off_at("after-password").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_off_when_the_account_is_made() {
    cut_off_at("after-create").await;
}

/// The rights that the guide names: with those of the line that is commented out first passwords can be kept, without them
/// no account is made, and the ledger says why.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_write_secrets_no_account_is_made() {
    let stage = Stage::set("password-rights", json!({"policy": "Secret"})).await;
    let scene = &stage.scene;
    scene.plane.service_account(&scene.namespace, "tenure").await;
    let role = documented_rights().replace("name: tenure}", &format!("name: tenure-{}}}", scene.namespace));
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": format!("tenure-{}", scene.namespace)},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": format!("tenure-{}", scene.namespace)},
        "subjects": [{"kind": "ServiceAccount", "name": "tenure", "namespace": scene.namespace}],
    });
    scene.plane.kubectl().apply(&format!("{role}\n---\n{binding}")).await.unwrap();
    let kubeconfig = scene.plane.kubeconfig_for_service_account(&scene.namespace, "tenure").await;
    let _operator = scene.operator_with(&kubeconfig).start().await;
    scene.user("ann", &[], json!({})).await;
    let failed = scene.account("ann", APP, "Failed").await;
    assert_eq!(failed["reason"], "InitialPasswordNotKept", "{failed}");
    assert!(failed["message"].as_str().unwrap().contains("403"), "{failed}");
    assert_eq!(by_marker(&stage.directory, "ann").await, None);
    scene.plane.kubectl().apply(&role.replace("# - {", "- {")).await.unwrap();
    scene.merge("User", "ann", json!({"spec": {"title": "Nurse"}})).await;
    let user = scene.ready("ann").await;
    assert_eq!(entry(&user, APP)["state"], "Active");
    let (_, password) = stage.password().await;
    assert_eq!(stage.bind(&password).await, 0);
}

/// The `ClusterRole` in the guide.
fn documented_rights() -> String {
    let guide = include_str!("../../docs/guide.md");
    let blocks = guide.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.filter(|block| block.contains("kind: ClusterRole")).collect()
}
