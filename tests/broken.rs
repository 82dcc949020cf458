//! One broken thing at a time: nobody loses or regains access by it, and the right object says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::scene::{SOON, entry};
use support::{Action, ControlPlane, Options, RecordingProxy, Rule, Scene, ScimServer, eventually};

/// Longer than structural removals settle in these tests.
const SETTLED: Duration = Duration::from_secs(5);

async fn account(server: &ScimServer, name: &str) -> Value {
    server.user_named(&format!("{name}@example.com")).await.unwrap_or_else(|| panic!("{name} has no account"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undecodable_role_takes_nothing_away() {
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start(Options::default()).await));
    let scene = Scene::on(plane, "undecodable").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("sales", json!({"match": "user.department == 'Sales'"}), "crm", &[]).await;
    let operator = scene.operator().start().await;
    scene.user("ann", &[], json!({"department": "Sales"})).await;
    scene.ready("ann").await;
    // Definitions of another version let in what this version cannot read.
    let loose = json!({"spec": {"versions": [{
        "name": "v1alpha1", "served": true, "storage": true, "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
    }]}});
    plane
        .kubectl()
        .run(&["patch", "crd", "roles.tenure.dev", "--type=merge", "-p", &loose.to_string()])
        .await
        .unwrap();
    let mark = RecordingProxy::mark();
    eventually(SOON, async || {
        scene.merge("Role", "sales", json!({"spec": {"includes": "not a list"}})).await;
        let role = scene.get("Role", "sales").await;
        if role["spec"]["includes"].is_string() { Ok(()) } else { Err("still pruned".to_owned()) }
    })
    .await;
    scene.reason("Role", "sales", "Ready", "Undecodable").await;
    // Neither now nor after a restart, when there is no last good form.
    tokio::time::sleep(SETTLED).await;
    assert!(crm.proxy().writes_since(mark).is_empty());
    drop(operator);
    let operator = scene.operator().start().await;
    tokio::time::sleep(SETTLED + Duration::from_secs(7)).await;
    assert!(crm.proxy().writes_since(mark).is_empty());
    assert_eq!(scene.get("User", "ann").await["status"]["roles"], json!([{"name": "sales", "via": "Rule"}]));
    assert!(operator.metrics().await.sum("tenure_undecodable_objects", &[("kind", "Role")]) >= 1.0);
    // The rest goes on.
    scene.user("ann", &[], json!({"department": "Sales", "title": "Lead"})).await;
    eventually(SOON, async || match account(&crm, "ann").await["title"].as_str() {
        Some("Lead") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_starts_to_fail_keeps_everybody_as_they_were() {
    let scene = Scene::new("badrule").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("sales", json!({"match": "user.department == 'Sales'"}), "crm", &[]).await;
    let _operator = scene.operator().start().await;
    scene.user("ann", &[], json!({"department": "Sales"})).await;
    scene.user("bob", &[], json!({"department": "Legal"})).await;
    scene.ready("ann").await;
    scene.ready("bob").await;
    let mark = RecordingProxy::mark();
    for rule in [
        "user.department ==",
        "user.department.noSuchFunction()",
        "1 / 0 == 1",
        "nobody.department == 'Sales'",
    ] {
        scene.merge("Role", "sales", json!({"spec": {"match": rule}})).await;
        let (reason, message) = eventually(SOON, async || {
            let role = scene.get("Role", "sales").await;
            let ready = support::scene::find_condition(&role, "Ready").unwrap_or_default();
            let current = role["status"]["observedGeneration"] == role["metadata"]["generation"];
            if current && ready["status"] == "False" {
                Ok((ready["reason"].to_string(), ready["message"].to_string()))
            } else {
                Err(format!("{rule}: {ready}"))
            }
        })
        .await;
        assert!(
            reason.contains("InvalidExpression") || reason.contains("ExpressionFailed"),
            "{rule}: {reason} {message}"
        );
    }
    tokio::time::sleep(SETTLED).await;
    assert!(crm.proxy().writes_since(mark).is_empty());
    assert_eq!(crm.users().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_replaced_by_another_is_correlated_before_it_is_written_to() {
    let scene = Scene::new("replaced").await;
    let old = scene.scim_app("crm", json!({})).await;
    scene.role_for("all", json!({}), "crm", &[]).await;
    let _operator = scene.operator().start().await;
    for name in ["ann", "bob", "leaver"] {
        scene.user(name, &["all"], json!({})).await;
        scene.ready(name).await;
    }
    scene.user("leaver", &["all"], json!({"state": "Terminated"})).await;
    scene.account("leaver", "crm", "Suspended").await;
    let new =
        ScimServer::start(support::scim_server::Config { token: "canary-new".into(), ..Default::default() })
            .await;
    let user = |name: &str| json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": format!("{name}@example.com"), "externalId": format!("id-{name}"), "active": true});
    let ann = new.create_user(user("ann")).await;
    new.create_user(user("leaver")).await;
    let mark = RecordingProxy::mark();
    scene.app("crm", &new.base_url(), new.token(), json!({})).await;
    // Ann's account there is hers by its marker, Bob gets one, and the leaver's is cut off there too.
    eventually(SOON, async || {
        let entry = entry(&scene.get("User", "ann").await, "crm");
        if entry["id"] == ann["id"] { Ok(()) } else { Err(entry.to_string()) }
    })
    .await;
    eventually(SOON, async || {
        new.user_named("bob@example.com").await.map(drop).ok_or_else(|| "no account".to_owned())
    })
    .await;
    eventually(SOON, async || match account(&new, "leaver").await["active"] {
        Value::Bool(false) => Ok(()),
        ref other => Err(other.to_string()),
    })
    .await;
    assert!(old.proxy().writes_since(mark).is_empty(), "the former target is not touched");
    assert_eq!(new.users().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_users_with_one_person_id_the_older_keeps_the_account() {
    let scene = Scene::new("twins").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("all", json!({}), "crm", &[]).await;
    let _operator = scene.operator().start().await;
    scene.user("first", &["all"], json!({"personId": "7"})).await;
    scene.ready("first").await;
    // Object ages have a resolution of a second.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let mark = RecordingProxy::mark();
    scene.user("second", &["all"], json!({"personId": "7", "state": "Terminated"})).await;
    let (reason, message) = scene.condition("User", "second", "Stalled", "True").await;
    assert_eq!(reason, "DuplicatePersonId");
    assert!(message.contains("User first"), "{message}");
    tokio::time::sleep(SETTLED).await;
    assert!(crm.proxy().writes_since(mark).is_empty());
    // Deleting the newer changes nothing for the older.
    scene.delete("User", "second").await;
    scene.gone("User", "second").await;
    assert!(crm.proxy().writes_since(mark).is_empty());
}

/// A manifest renamed: pipelines delete and create in either order.
#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_manifest_suspends_nobody() {
    let scene = Scene::new("renamed").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("all", json!({}), "crm", &["All"]).await;
    let _operator = scene.operator().start().await;
    for (name, id) in [("ann", "7"), ("bob", "8")] {
        scene.user(name, &["all"], json!({"personId": id, "userName": format!("{name}@example.com")})).await;
        scene.ready(name).await;
    }
    let before = crm.users().await;
    let mark = RecordingProxy::mark();
    scene.delete("User", "ann").await;
    scene
        .user(
            "ann-lee",
            &["all"],
            json!({"personId": "7", "userName": "ann@example.com", "displayName": "ann"}),
        )
        .await;
    scene
        .user(
            "bob-ray",
            &["all"],
            json!({"personId": "8", "userName": "bob@example.com", "displayName": "bob"}),
        )
        .await;
    scene.delete("User", "bob").await;
    for (old, new) in [("ann", "ann-lee"), ("bob", "bob-ray")] {
        scene.gone("User", old).await;
        let user = scene.ready(new).await;
        assert_eq!(entry(&user, "crm")["state"], "Active");
        assert_eq!(user["metadata"]["finalizers"], json!(["tenure.dev/accounts"]));
        assert_eq!(
            entry(&user, "crm")["entitlements"].as_array().map(Vec::len),
            Some(1),
            "what was granted is still known"
        );
    }
    tokio::time::sleep(SETTLED).await;
    assert!(crm.proxy().writes_since(mark).is_empty(), "{:?}", crm.proxy().writes_since(mark));
    assert_eq!(crm.users().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_mapping_spoils_one_account_only() {
    let scene = Scene::new("mapping").await;
    let crm = scene
        .scim_app(
            "crm",
            json!({"attributes": [{"to": "nickName", "value": "user.attributes.nick.upperAscii()"}]}),
        )
        .await;
    let git = scene.scim_app("git", json!({})).await;
    scene.role_for("crm", json!({}), "crm", &[]).await;
    scene.role_for("git", json!({}), "git", &[]).await;
    let _operator = scene.operator().start().await;
    scene.user("ann", &["crm", "git"], json!({})).await;
    scene.user("bob", &["crm", "git"], json!({"attributes": {"nick": "Bobby"}})).await;
    scene.ready("bob").await;
    scene.account("ann", "git", "Active").await;
    let (reason, message) = scene.condition("User", "ann", "Ready", "False").await;
    assert!(reason == "MappingFailed" || reason == "AccountsFailed", "{reason}");
    assert!(message.contains("nickName"), "{message}");
    assert_eq!(crm.users().await.len(), 1);
    assert_eq!(git.users().await.len(), 2);
    // A rule that cannot be compiled is said on the App.
    scene
        .merge("App", "git", json!({"spec": {"attributes": [{"to": "title", "value": "user.title +"}]}}))
        .await;
    let message = scene.reason("App", "git", "Ready", "InvalidExpression").await;
    assert!(message.contains("spec.attributes[0].value") || message.contains("title"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn references_that_do_not_exist_are_said_where_they_stand() {
    let scene = Scene::new("missing").await;
    let _crm = scene.scim_app("crm", json!({})).await;
    scene
        .apply("AppBinding", "no-app", json!({"roleRef": {"name": "all"}, "appRef": {"name": "nowhere"}}))
        .await;
    scene
        .apply("AppBinding", "no-role", json!({"roleRef": {"name": "nobody"}, "appRef": {"name": "crm"}}))
        .await;
    scene.apply("AppBinding", "no-type", json!({"roleRef": {"name": "all"}, "appRef": {"name": "crm"}, "entitlements": [{"type": "licence", "value": "x"}]})).await;
    scene.apply("Role", "all", json!({"includes": ["ghost"]})).await;
    let auth = json!({"bearer": {"tokenSecretRef": {"name": "nothing", "key": "token"}}});
    scene
        .apply(
            "App",
            "no-secret",
            json!({"connector": {"scim": {"baseUrl": "https://app.example/v2", "auth": auth}}}),
        )
        .await;
    let _operator = scene.operator().start().await;
    scene.user("ann", &["ghost"], json!({})).await;
    assert!(scene.reason("AppBinding", "no-app", "Ready", "AppNotFound").await.contains("nowhere"));
    assert!(scene.reason("AppBinding", "no-role", "Ready", "RoleNotFound").await.contains("nobody"));
    let (_, message) = scene.condition("AppBinding", "no-type", "Ready", "False").await;
    assert!(message.contains("spec.entitlements[0].type"), "{message}");
    assert!(scene.reason("Role", "all", "Ready", "RoleNotFound").await.contains("ghost"));
    assert!(scene.reason("App", "no-secret", "Ready", "SecretNotFound").await.contains("nothing"));
    assert!(scene.reason("User", "ann", "Ready", "RoleNotFound").await.contains("ghost"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_answers_nonsense_is_said_and_believed_in_nothing() {
    let scene = Scene::new("nonsense").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("all", json!({}), "crm", &[]).await;
    let _operator = scene.operator().start().await;
    scene.user("ann", &["all"], json!({})).await;
    scene.ready("ann").await;
    let html = Action::Status {
        code: 200,
        headers: vec![("content-type".into(), "text/html".into())],
        body: "<html>canary-body".into(),
    };
    crm.proxy().inject(Rule::new(html).path("/Users"));
    scene.user("ann", &["all"], json!({"state": "Terminated"})).await;
    let (_, message) = scene.condition("App", "crm", "Ready", "False").await;
    assert!(!message.contains("html"), "{message}");
    assert_ne!(entry(&scene.get("User", "ann").await, "crm")["state"], "Suspended", "nothing is believed");
    crm.proxy().clear();
    scene.account("ann", "crm", "Suspended").await;
    assert_eq!(account(&crm, "ann").await["active"], json!(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_that_does_not_take_is_not_believed() {
    let scene = Scene::new("lies").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("all", json!({}), "crm", &[]).await;
    let _operator = scene.operator().start().await;
    scene.user("ann", &["all"], json!({})).await;
    scene.ready("ann").await;
    // What a PATCH did not do, a PUT would.
    for method in ["PATCH", "PUT"] {
        crm.proxy().inject(Rule::new(Action::status(204)).method(method));
    }
    scene.user("ann", &["all"], json!({"state": "Terminated"})).await;
    let message = eventually(SOON, async || {
        let app = scene.get("App", "crm").await;
        let ready = support::scene::find_condition(&app, "Ready").unwrap_or_default();
        if ready["reason"] == "NotApplied" {
            Ok(ready["message"].to_string())
        } else {
            Err(format!("{ready}"))
        }
    })
    .await;
    assert!(!message.is_empty());
    assert_ne!(entry(&scene.get("User", "ann").await, "crm")["state"], "Suspended");
    crm.proxy().clear();
    scene.account("ann", "crm", "Suspended").await;
}
