//! The main job: people get accounts in real SCIM servers, keep what they should have, and lose the rest.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use support::scene::{SOON, entry};
use support::{RecordingProxy, Scene, ScimServer, eventually};

fn active(account: &Value) -> bool {
    account["active"] != json!(false)
}

async fn groups_of(server: &ScimServer, id: &Value) -> Vec<String> {
    let groups = server.groups().await;
    let member = |g: &&Value| g["members"].as_array().is_some_and(|m| m.iter().any(|m| m["value"] == *id));
    groups.iter().filter(member).map(|g| g["displayName"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn joiner_gets_account_with_attributes_groups_and_marker() {
    let scene = Scene::new("joiner").await;
    let crm = scene
        .scim_app("crm", json!({"attributes": [{"to": "nickName", "value": "user.attributes.nick"}]}))
        .await;
    scene.role_for("sales", json!({}), "crm", &["Sales", "Everybody"]).await;
    let _operator = scene.operator().start().await;
    let profile = json!({
        "name": {"givenName": "Ann", "familyName": "Lee"}, "title": "Rep", "department": "Sales",
        "emails": [{"value": "ann@example.com", "type": "work", "primary": true}], "attributes": {"nick": "Annie"},
    });
    scene.user("ann", &["sales"], profile).await;
    let user = scene.ready("ann").await;
    let account = crm.user_named("ann@example.com").await.expect("an account");
    assert_eq!(account["externalId"], "id-ann");
    assert_eq!(account["name"]["givenName"], "Ann");
    assert_eq!(account["title"], "Rep");
    assert_eq!(account["nickName"], "Annie");
    assert_eq!(account["emails"][0]["value"], "ann@example.com");
    assert_eq!(account["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]["department"], "Sales");
    let mut groups = groups_of(&crm, &account["id"]).await;
    groups.sort();
    assert_eq!(groups, ["Everybody", "Sales"]);
    let ledger = entry(&user, "crm");
    assert_eq!(ledger["id"], account["id"]);
    assert_eq!(ledger["state"], "Active");
    assert_eq!(user["status"]["roles"], json!([{"name": "sales", "via": "Assigned"}]));
    assert_eq!(user["metadata"]["finalizers"], json!(["tenure.dev/accounts"]));
    scene.condition("AppBinding", "sales-crm", "Ready", "True").await;
    eventually(SOON, async || {
        let (app, role) = (scene.get("App", "crm").await, scene.get("Role", "sales").await);
        let counted = app["status"]["accounts"]["active"] == 1 && role["status"]["members"] == 1;
        if counted { Ok(()) } else { Err(format!("{} {}", app["status"]["accounts"], role["status"])) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_and_login_follow_the_person() {
    let scene = Scene::new("follow").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("sales", json!({}), "crm", &[]).await;
    let _operator = scene.operator().start().await;
    scene.user("ann", &["sales"], json!({"title": "Rep"})).await;
    let before = scene.ready("ann").await;
    scene.user("ann", &["sales"], json!({"title": "Lead", "userName": "ann.new@example.com"})).await;
    let account = eventually(SOON, async || {
        let account = crm.user_named("ann.new@example.com").await.ok_or("not renamed")?;
        if account["title"] == "Lead" { Ok(account) } else { Err(format!("{account}")) }
    })
    .await;
    assert_eq!(account["id"], entry(&before, "crm")["id"], "the same account");
    let after = scene.ready("ann").await;
    assert_eq!(entry(&after, "crm")["userName"], "ann.new@example.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn mover_by_rule_loses_the_old_app_and_keeps_what_another_role_grants() {
    let scene = Scene::new("mover").await;
    let (crm, git) = (scene.scim_app("crm", json!({})).await, scene.scim_app("git", json!({})).await);
    scene.role_for("sales", json!({"match": "user.department == 'Sales'"}), "crm", &["Sales"]).await;
    scene
        .role_for("engineering", json!({"match": "user.department == 'Engineering'"}), "git", &["Devs"])
        .await;
    scene.role_for("staff", json!({"match": "user.employeeType == 'Employee'"}), "git", &["Everybody"]).await;
    let _operator = scene.operator().start().await;
    scene.user("ann", &[], json!({"department": "Sales", "employeeType": "Employee"})).await;
    scene.ready("ann").await;
    let in_crm = crm.user_named("ann@example.com").await.unwrap();
    let in_git = git.user_named("ann@example.com").await.unwrap();
    assert_eq!(groups_of(&git, &in_git["id"]).await, ["Everybody"]);
    scene.user("ann", &[], json!({"department": "Engineering", "employeeType": "Employee"})).await;
    scene.account("ann", "crm", "Suspended").await;
    let user = scene.ready("ann").await;
    assert!(!active(&crm.user_named("ann@example.com").await.unwrap()));
    assert!(active(&git.user_named("ann@example.com").await.unwrap()));
    let mut groups = groups_of(&git, &in_git["id"]).await;
    groups.sort();
    assert_eq!(groups, ["Devs", "Everybody"]);
    assert_eq!(entry(&user, "crm")["id"], in_crm["id"]);
    // And back: the same account is resumed.
    scene.user("ann", &[], json!({"department": "Sales", "employeeType": "Employee"})).await;
    scene.account("ann", "crm", "Active").await;
    scene.ready("ann").await;
    let again = crm.user_named("ann@example.com").await.unwrap();
    assert!(active(&again));
    assert_eq!(again["id"], in_crm["id"]);
    assert_eq!(
        groups_of(&git, &in_git["id"]).await,
        ["Everybody"],
        "the engineers' group is taken away again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn leaver_is_suspended_and_stays_so_when_the_old_manifest_is_applied_again() {
    let scene = Scene::new("leaver").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("sales", json!({}), "crm", &["Sales"]).await;
    let _operator = scene.operator().start().await;
    scene.user("ann", &["sales"], json!({})).await;
    scene.ready("ann").await;
    scene.user("ann", &["sales"], json!({"state": "Terminated"})).await;
    scene.account("ann", "crm", "Suspended").await;
    assert!(!active(&crm.user_named("ann@example.com").await.unwrap()));
    let user = scene.ready("ann").await;
    assert_eq!(user["status"]["state"], "Left");
    let left_at = user["status"]["leftAt"].clone();
    assert!(left_at.is_string());
    // The manifest of before is applied again: nobody comes back by that.
    scene.user("ann", &["sales"], json!({"state": "Active"})).await;
    let message = scene.reason("User", "ann", "Ready", "StaleRehire").await;
    assert!(message.contains("startTime later than status.leftAt"), "{message}");
    assert!(!active(&crm.user_named("ann@example.com").await.unwrap()));
    // A rehire says so with a new start.
    let start = Timestamp::now().checked_sub(SignedDuration::from_millis(1)).unwrap();
    scene.user("ann", &["sales"], json!({"state": "Active", "startTime": start.to_string()})).await;
    scene.account("ann", "crm", "Active").await;
    let user = scene.ready("ann").await;
    assert_eq!(user["status"]["state"], "Active");
    assert!(active(&crm.user_named("ann@example.com").await.unwrap()));
    let events = scene.list("Event").await;
    assert!(events.iter().any(|e| e["reason"] == "AccessCut"), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_take_effect_by_themselves() {
    let scene = Scene::new("dates").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("sales", json!({}), "crm", &["Sales"]).await;
    scene.role_for("cover", json!({}), "crm", &["Cover"]).await;
    let _operator = scene.operator().start().await;
    let at =
        |seconds: i64| Timestamp::now().checked_add(SignedDuration::from_secs(seconds)).unwrap().to_string();
    scene.user("early", &["sales"], json!({"startTime": at(8)})).await;
    scene.user("ends", &["sales"], json!({"endTime": at(8)})).await;
    scene.user("covers", &[], json!({"roles": [{"name": "sales"}, {"name": "cover", "until": at(8)}]})).await;
    scene.ready("ends").await;
    let covers = scene.ready("covers").await;
    assert_eq!(entry(&covers, "crm")["entitlements"].as_array().unwrap().len(), 2);
    assert!(scene.ready("early").await["status"]["accounts"].is_null());
    let mark = scene.plane.audit().mark().await;
    scene.account("early", "crm", "Active").await;
    scene.account("ends", "crm", "Suspended").await;
    eventually(SOON, async || {
        let user = scene.get("User", "covers").await;
        match entry(&user, "crm")["entitlements"].as_array().map(Vec::len) {
            Some(1) => Ok(()),
            other => Err(format!("{other:?} entitlements")),
        }
    })
    .await;
    assert!(active(&crm.user_named("early@example.com").await.unwrap()));
    assert!(!active(&crm.user_named("ends@example.com").await.unwrap()));
    // Time is not found out by asking the API server: the operator lists nothing.
    let namespace = scene.namespace.clone();
    let listed = scene
        .plane
        .audit()
        .since(mark, move |e| e.namespace == namespace && e.verb == "list" && e.user_agent.contains("tenure"))
        .await;
    assert!(listed.iter().all(|e| e.resource != "users"), "{listed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_account_is_adopted_only_as_the_policy_says() {
    let scene = Scene::new("adopt").await;
    let extra = json!({"adoption": {"matchOn": ["userName"]}});
    let crm = scene.scim_app("crm", extra).await;
    scene.role_for("sales", json!({}), "crm", &[]).await;
    let user = |name: &str, given: &str| json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": format!("{name}@example.com"), "name": {"givenName": given}, "displayName": name, "active": true});
    let ours = crm.create_user(user("ann", "Ann")).await;
    let mut other = user("bob", "Robert");
    other["displayName"] = json!("Another Bob");
    crm.create_user(other).await;
    let _operator = scene.operator().start().await;
    scene.user("ann", &["sales"], json!({"name": {"givenName": "Ann"}})).await;
    scene.user("bob", &["sales"], json!({"name": {"givenName": "Bob"}})).await;
    let ann = scene.ready("ann").await;
    assert_eq!(entry(&ann, "crm")["id"], ours["id"]);
    assert_eq!(crm.user_named("ann@example.com").await.unwrap()["externalId"], "id-ann");
    let (reason, message) = scene.condition("User", "bob", "Ready", "False").await;
    assert_eq!(reason, "AccountsInConflict", "{message}");
    let bob = crm.user_named("bob@example.com").await.unwrap();
    assert_eq!(bob["displayName"], "Another Bob", "somebody else's account is not touched");
    assert!(bob["externalId"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn login_candidates_are_tried_in_order_and_the_one_taken_is_kept() {
    let scene = Scene::new("candidates").await;
    let rule = json!({"attributes": [{"to": "userName", "value": "['ann', 'ann.lee', 'ann.lee2']"}]});
    let crm = scene.scim_app("crm", rule).await;
    crm.create_user(json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ann"}))
        .await;
    scene.role_for("sales", json!({}), "crm", &[]).await;
    let _operator = scene.operator().start().await;
    scene.user("ann", &["sales"], json!({})).await;
    let user = scene.ready("ann").await;
    assert_eq!(entry(&user, "crm")["userName"], "ann.lee");
    assert_eq!(crm.users().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn dry_run_plans_and_writes_nothing() {
    let scene = Scene::new("dryrun").await;
    let crm = scene.scim_app("crm", json!({"mode": "DryRun"})).await;
    scene.role_for("sales", json!({}), "crm", &["Sales"]).await;
    let _operator = scene.operator().start().await;
    for name in ["ann", "bob", "cat"] {
        scene.user(name, &["sales"], json!({})).await;
    }
    eventually(SOON, async || {
        let planned = scene.get("App", "crm").await["status"]["planned"].clone();
        if planned["create"] == 3 { Ok(()) } else { Err(format!("{planned}")) }
    })
    .await;
    let planned = scene.get("App", "crm").await["status"]["planned"].clone();
    assert!(planned["sample"][0].as_str().unwrap().starts_with("ann: create"), "{planned}");
    assert!(crm.proxy().writes_since(0).is_empty());
    let ann = scene.ready("ann").await;
    assert!(ann["metadata"]["finalizers"].is_null());
    assert!(ann["status"]["accounts"].is_null());
    // Switched on, it does just that.
    scene.merge("App", "crm", json!({"spec": {"mode": "Enforce"}})).await;
    scene.account("cat", "crm", "Active").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_person_is_left_alone_and_a_request_is_answered_once() {
    let scene = Scene::new("paused").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("sales", json!({}), "crm", &[]).await;
    let _operator = scene.operator().start().await;
    scene.user("ann", &["sales"], json!({})).await;
    scene.ready("ann").await;
    scene.merge("User", "ann", json!({"metadata": {"annotations": {"tenure.dev/paused": "true"}}})).await;
    scene.condition("User", "ann", "Paused", "True").await;
    let mark = RecordingProxy::mark();
    scene.merge("User", "ann", json!({"spec": {"title": "Boss"}})).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(crm.proxy().writes_since(mark).is_empty());
    let annotations = json!({"tenure.dev/paused": null, "tenure.dev/reconcile-requested-at": "now"});
    scene.merge("User", "ann", json!({"metadata": {"annotations": annotations}})).await;
    eventually(SOON, async || match crm.user_named("ann@example.com").await.unwrap()["title"].as_str() {
        Some("Boss") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let user = scene.ready("ann").await;
    assert_eq!(user["status"]["lastHandledReconcileAt"], "now");
    assert!(user["status"]["conditions"].as_array().unwrap().iter().all(|c| c["type"] != "Paused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_user_is_suspended_before_the_object_goes() {
    let scene = Scene::new("deleted").await;
    let crm = scene.scim_app("crm", json!({})).await;
    let keep = scene.scim_app("keep", json!({"onUserDeleted": {"action": "Retain"}})).await;
    let drop = scene.scim_app("drop", json!({"onUserDeleted": {"action": "Delete"}})).await;
    for app in ["crm", "keep", "drop"] {
        scene.role_for(&format!("r-{app}"), json!({}), app, &[]).await;
    }
    let _operator = scene.operator().start().await;
    scene.user("ann", &["r-crm", "r-keep", "r-drop"], json!({})).await;
    scene.ready("ann").await;
    scene.delete("User", "ann").await;
    scene.gone("User", "ann").await;
    assert!(!active(&crm.user_named("ann@example.com").await.unwrap()));
    assert!(active(&keep.user_named("ann@example.com").await.unwrap()));
    assert!(drop.user_named("ann@example.com").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_suspending_deletes_nobody_is_suspended() {
    let scene = Scene::new("deletes").await;
    let profile = json!({"connector": {"scim": {"profile": {"suspension": "Deletes"}}}});
    let crm = scene.scim_app("crm", profile).await;
    scene.role_for("sales", json!({}), "crm", &[]).await;
    let _operator = scene.operator().start().await;
    scene.user("ann", &["sales"], json!({})).await;
    let message = scene.reason("App", "crm", "Ready", "SuspendDeletes").await;
    assert!(
        message.ends_with("choose action Delete or Retain in onLeave, onUnassign, onUserDeleted"),
        "{message}"
    );
    scene.reason("App", "crm", "Stalled", "SuspendDeletes").await;
    scene.condition("App", "crm", "CredentialsValid", "True").await;
    assert!(crm.proxy().writes_since(0).is_empty());
    let delete = json!({"action": "Delete"});
    let policies = json!({"onLeave": delete, "onUnassign": delete, "onUserDeleted": delete});
    scene.merge("App", "crm", json!({"spec": policies})).await;
    scene.ready("ann").await;
    // A suspended person may be back tomorrow.
    scene.merge("User", "ann", json!({"spec": {"state": "Suspended"}})).await;
    let message = scene.reason("User", "ann", "Ready", "AccountsFailed").await;
    assert!(message.contains("SuspendDeletes"), "{message}");
    assert!(active(&crm.user_named("ann@example.com").await.unwrap()));
    scene.merge("User", "ann", json!({"spec": {"state": "Active"}})).await;
    scene.ready("ann").await;
    scene.merge("User", "ann", json!({"spec": {"state": "Terminated"}})).await;
    scene.account("ann", "crm", "Deleted").await;
    assert!(crm.user_named("ann@example.com").await.is_none());
    let writes = crm.proxy().writes_since(0);
    let methods: Vec<_> = writes.iter().map(|write| write.method.as_str()).collect();
    assert_eq!(methods, ["POST", "DELETE"]);
}
