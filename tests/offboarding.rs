//! The way out: staged, proved, resumable, and not past what is protected.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use support::scene::{SOON, entry, find_condition};
use support::targets::better_auth::{BetterAuth, TOKEN};
use support::{Action, Operator, RecordingProxy, Rule, Scene, ScimServer, eventually};

const PASSWORD: &str = "canary-password-of-ann";
const MAIL: &str = "ann@example.com";

fn profile() -> Value {
    json!({"emails": [{"value": MAIL, "type": "work", "primary": true}]})
}

async fn suspended(server: &ScimServer) -> bool {
    server.user_named(MAIL).await.expect("an account")["active"] == json!(false)
}

fn instant(entry: &Value, field: &str) -> Timestamp {
    entry[field].as_str().unwrap_or_else(|| panic!("{field}: {entry}")).parse().unwrap()
}

async fn gauge(operator: &Operator, name: &str, app: &str, fits: impl Fn(f64) -> bool) {
    eventually(SOON, async || {
        let value = operator.metrics().await.sum(name, &[("app", app)]);
        if fits(value) { Ok(()) } else { Err(format!("{name} of {app} is {value}")) }
    })
    .await;
}

/// An application with sessions, and one that is down when Ann leaves.
struct Company {
    scene: Scene,
    portal: BetterAuth,
    crm: ScimServer,
}

impl Company {
    async fn new() -> Self {
        let scene = Scene::new("proof").await;
        let portal = BetterAuth::start().await;
        let preset = json!({"connector": {"scim": {"profile": {"preset": "betterAuth"}}}});
        scene.app("portal", &portal.base_url(), TOKEN, preset).await;
        let crm = scene.scim_app("crm", json!({})).await;
        scene.role_for("staff", json!({}), "portal", &[]).await;
        scene.role_for("sales", json!({}), "crm", &["Sales"]).await;
        Self { scene, portal, crm }
    }

    async fn ann(&self, extra: Value) {
        let mut spec = profile();
        json_patch::merge(&mut spec, &extra);
        self.scene.user("ann", &["staff", "sales"], spec).await;
    }

    /// Ann works in the portal: the cookie of her session.
    async fn at_work(&self) -> String {
        self.ann(json!({})).await;
        self.scene.ready("ann").await;
        self.portal.set_password(MAIL, PASSWORD).await;
        let cookie = self.portal.sign_in(MAIL, PASSWORD).await.expect("a session");
        assert!(self.portal.session_lives(&cookie).await);
        cookie
    }

    async fn proof(&self, status: &str) -> (String, String) {
        self.scene.condition("User", "ann", "AccessRevoked", status).await
    }
}

/// What is proved is read back, on every App; what is not is named.
#[tokio::test(flavor = "multi_thread")]
async fn access_is_proved_to_be_revoked_app_by_app() {
    let company = Company::new().await;
    let operator = company.scene.operator().start().await;
    let cookie = company.at_work().await;
    let working = company.scene.get("User", "ann").await;
    assert!(find_condition(&working, "AccessRevoked").is_none(), "she did not leave");
    company.crm.proxy().inject(Rule::new(Action::status(503)));
    company.ann(json!({"state": "Terminated"})).await;
    let (reason, message) = company.proof("False").await;
    assert_eq!(reason, "AccessNotCut");
    assert!(message.contains("crm (not cut off)"), "{message}");
    let portal = company.scene.account("ann", "portal", "Suspended").await;
    assert!(!company.portal.session_lives(&cookie).await, "her session is over");
    assert_eq!(portal["sessions"], "Revoked");
    assert!(instant(&portal, "dueSince") <= instant(&portal, "cutAt"));
    assert!(instant(&portal, "cutAt") <= instant(&portal, "verifiedAt"));
    gauge(&operator, "tenure_unproved_leavers", "crm", |count| count > 0.0).await;
    gauge(&operator, "tenure_oldest_unproved_leaver_seconds", "crm", |age| age > 0.0).await;
    gauge(&operator, "tenure_unproved_leavers", "portal", |count| count == 0.0).await;
    let left_open = company.scene.condition("App", "portal", "LoginLeftOpen", "True").await;
    assert!(left_open.1.contains("a password still logs in"), "{left_open:?}");

    company.crm.proxy().clear();
    let (reason, message) = company.proof("True").await;
    assert_eq!(reason, "AccessCut");
    let expected = "2 accounts were read back suspended or gone; sessions of 1 not proved to have ended: crm";
    assert_eq!(message, expected);
    assert!(suspended(&company.crm).await);
    let crm = entry(&company.scene.get("User", "ann").await, "crm");
    assert_eq!((&crm["sessions"], &crm["sessionsReason"]), (&json!("Unproved"), &json!("Unknown")));
    gauge(&operator, "tenure_unproved_leavers", "crm", |count| count == 0.0).await;

    // The manifest of before changes nothing; a rehire gets the same account.
    company.ann(json!({"state": "Active"})).await;
    company.scene.reason("User", "ann", "Ready", "StaleRehire").await;
    company.proof("True").await;
    assert!(suspended(&company.crm).await);
    let start = Timestamp::now().checked_sub(SignedDuration::from_millis(1)).unwrap();
    company.ann(json!({"state": "Active", "startTime": start.to_string()})).await;
    let user = company.scene.ready("ann").await;
    assert!(find_condition(&user, "AccessRevoked").is_none());
    let again = entry(&user, "portal");
    assert_eq!((&again["id"], &again["state"]), (&portal["id"], &json!("Active")));
    assert!(again["cutAt"].is_null() && again["sessions"].is_null(), "{again}");
    assert!(!company.portal.session_lives(&cookie).await, "her old session stays over");
}

/// An account that was suspended before the person left is looked at again: nobody is taken at an old word.
#[tokio::test(flavor = "multi_thread")]
async fn a_leave_reads_back_what_was_suspended_before() {
    let scene = Scene::new("again").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("sales", json!({}), "crm", &[]).await;
    let _operator = scene.operator().start().await;
    scene.user("ann", &["sales"], profile()).await;
    let id = entry(&scene.ready("ann").await, "crm")["id"].clone();
    scene.merge("User", "ann", json!({"spec": {"state": "Suspended"}})).await;
    scene.account("ann", "crm", "Suspended").await;
    // Somebody puts it back into use.
    let path = format!("/Users/{}", id.as_str().unwrap());
    crm.patch(&path, json!([{"op": "replace", "path": "active", "value": true}])).await;
    assert!(!suspended(&crm).await);
    tokio::time::sleep(Duration::from_secs(2)).await;
    scene.merge("User", "ann", json!({"spec": {"state": "Terminated"}})).await;
    scene.condition("User", "ann", "AccessRevoked", "True").await;
    assert!(suspended(&crm).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_named_and_not_called_revoked() {
    let scene = Scene::new("kept").await;
    let _crm = scene.scim_app("crm", json!({})).await;
    let mail = scene.scim_app("mail", json!({"onLeave": {"action": "Retain"}})).await;
    let _old = scene.scim_app("old", json!({})).await;
    for app in ["crm", "mail", "old"] {
        scene.role_for(&format!("r-{app}"), json!({}), app, &[]).await;
    }
    let operator = scene.operator().start().await;
    scene.user("ann", &["r-crm", "r-mail", "r-old"], profile()).await;
    scene.ready("ann").await;
    scene.delete("App", "old").await;
    scene.account("ann", "old", "Released").await;
    scene.merge("User", "ann", json!({"spec": {"state": "Terminated"}})).await;
    let message = scene.reason("User", "ann", "AccessRevoked", "AccountsKept").await;
    assert!(message.contains("kept: mail (retained), old (released)"), "{message}");
    assert!(!suspended(&mail).await);
    // Nothing is outstanding, so nothing is to be alarmed about.
    gauge(&operator, "tenure_unproved_leavers", "mail", |count| count == 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mover_has_time_to_hand_over_and_a_leaver_has_none() {
    let scene = Scene::new("handover").await;
    let crm = scene.scim_app("crm", json!({"onUnassign": {"after": "8s"}})).await;
    let git = scene.scim_app("git", json!({"onUnassign": {"after": "2d"}})).await;
    scene.role_for("sales", json!({}), "crm", &[]).await;
    scene.role_for("devs", json!({}), "git", &[]).await;
    let _operator = scene.operator().start().await;
    scene.user("ann", &["sales", "devs"], profile()).await;
    scene.ready("ann").await;
    scene.user("ann", &[], profile()).await;
    let waiting = eventually(SOON, async || {
        let entry = entry(&scene.get("User", "ann").await, "crm");
        if entry["dueSince"].is_string() { Ok(entry) } else { Err(format!("{entry}")) }
    })
    .await;
    assert_eq!(waiting["state"], "Active");
    assert!(!suspended(&crm).await);
    let cut = scene.account("ann", "crm", "Suspended").await;
    assert_eq!(cut["dueSince"], waiting["dueSince"]);
    let kept = instant(&cut, "cutAt").duration_since(instant(&cut, "dueSince"));
    assert!(kept >= SignedDuration::from_secs(8), "{kept}");
    assert!(!suspended(&git).await, "two days are not over");
    scene.user("ann", &[], json!({"state": "Terminated"})).await;
    scene.condition("User", "ann", "AccessRevoked", "True").await;
    assert!(suspended(&git).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_entitlement_goes_where_the_policy_says_all() {
    let scene = Scene::new("strip").await;
    let strip = |which: &str| json!({"onLeave": {"removeEntitlements": which}});
    let all = scene.scim_app("all", strip("All")).await;
    let managed = scene.scim_app("managed", strip("Managed")).await;
    for app in ["all", "managed"] {
        scene.role_for(&format!("r-{app}"), json!({}), app, &["Granted"]).await;
    }
    let _operator = scene.operator().start().await;
    scene.user("ann", &["r-all", "r-managed"], profile()).await;
    let user = scene.ready("ann").await;
    for (app, server) in [("all", &all), ("managed", &managed)] {
        let member = json!({"value": entry(&user, app)["id"]});
        server.create_group(json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "By hand", "members": [member]})).await;
    }
    scene.merge("User", "ann", json!({"spec": {"state": "Terminated"}})).await;
    scene.condition("User", "ann", "AccessRevoked", "True").await;
    for (app, server, expected) in [("all", &all, 0), ("managed", &managed, 1)] {
        eventually(SOON, async || {
            let groups = server.groups().await;
            let members: usize = groups.iter().map(|g| g["members"].as_array().map_or(0, Vec::len)).sum();
            if members == expected { Ok(()) } else { Err(format!("{app}: {groups:?}")) }
        })
        .await;
    }
    let user = scene.ready("ann").await;
    assert_eq!(entry(&user, "all")["stripped"], true);
    assert!(entry(&user, "managed")["stripped"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_protected_is_neither_taken_over_nor_taken_away() {
    let scene = Scene::new("protect").await;
    let crm = scene.scim_app("crm", json!({"adoption": {"matchOn": ["userName"]}})).await;
    scene.role_for("sales", json!({}), "crm", &["Sales"]).await;
    let _operator = scene.operator().start().await;
    scene.user("ann", &["sales"], profile()).await;
    scene.user("root", &["sales"], json!({})).await;
    let id = entry(&scene.ready("root").await, "crm")["id"].clone();
    scene.ready("ann").await;
    let patterns = json!(["ROOT@*", "service-?", "break*glass@example.com"]);
    scene.merge("App", "crm", json!({"spec": {"protectedAccounts": patterns}})).await;
    let mark = RecordingProxy::mark();
    // An account that Tenure has already.
    scene.merge("User", "root", json!({"spec": {"state": "Terminated"}})).await;
    let message = scene.reason("User", "root", "AccessRevoked", "AccessNotCut").await;
    eventually(SOON, async || {
        let entry = entry(&scene.get("User", "root").await, "crm");
        if entry["reason"] == "ProtectedAccount" { Ok(()) } else { Err(format!("{entry}")) }
    })
    .await;
    assert!(message.contains("crm ("), "{message}");
    // One that it would take over.
    let login = "break-the-glass@example.com";
    let found = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": login, "displayName": "glass", "active": true});
    crm.create_user(found).await;
    scene.user("glass", &["sales"], json!({"userName": login})).await;
    let (reason, message) = scene.condition("User", "glass", "Ready", "False").await;
    assert!(reason.starts_with("Accounts") && message.contains("ProtectedAccount"), "{reason} {message}");
    // A person.
    let protect = json!({"metadata": {"annotations": {"tenure.dev/protected": "holds the keys"}}});
    scene.merge("User", "ann", protect).await;
    scene.merge("User", "ann", json!({"spec": {"state": "Terminated"}})).await;
    let (_, message) = scene.condition("User", "ann", "Ready", "False").await;
    assert!(message.contains("ProtectedPerson"), "{message}");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(crm.proxy().writes_since(mark).len(), 0, "{:?}", crm.proxy().writes_since(mark));
    // Neither is for ever.
    let free = json!({"metadata": {"annotations": {"tenure.dev/protected": null}}});
    scene.merge("User", "ann", free).await;
    scene.condition("User", "ann", "AccessRevoked", "True").await;
    scene.merge("App", "crm", json!({"spec": {"protectedAccounts": [id]}})).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    scene.reason("User", "root", "AccessRevoked", "AccessNotCut").await;
    scene.merge("App", "crm", json!({"spec": {"protectedAccounts": null}})).await;
    scene.condition("User", "root", "AccessRevoked", "True").await;
}

/// A protected person's object can be deleted: nothing hangs, and the account stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_protected_person_who_is_deleted_keeps_the_account() {
    let scene = Scene::new("glass").await;
    let crm = scene.scim_app("crm", json!({"onUserDeleted": {"action": "Delete"}})).await;
    scene.role_for("sales", json!({}), "crm", &[]).await;
    let _operator = scene.operator().start().await;
    scene.user("ann", &["sales"], profile()).await;
    scene.ready("ann").await;
    let protect = json!({"metadata": {"annotations": {"tenure.dev/protected": "holds the keys"}}});
    scene.merge("User", "ann", protect).await;
    scene.delete("User", "ann").await;
    scene.gone("User", "ann").await;
    assert!(!suspended(&crm).await);
}

/// Of two administrators who leave at the same time one stays, until there is another.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_administrator_stays() {
    let scene = Scene::new("admins").await;
    let administrators = json!([{"type": "group", "value": "Admins"}]);
    let crm = scene.scim_app("crm", json!({"administrators": administrators})).await;
    scene.role_for("admin", json!({}), "crm", &["Admins"]).await;
    scene.role_for("sales", json!({}), "crm", &[]).await;
    let _operator = scene.operator().start().await;
    for name in ["ann", "bob"] {
        scene.user(name, &["admin"], json!({})).await;
    }
    scene.user("eve", &["sales"], json!({})).await;
    scene.all_ready(3, SOON).await;
    for name in ["ann", "bob", "eve"] {
        scene.merge("User", name, json!({"spec": {"state": "Terminated"}})).await;
    }
    scene.condition("User", "eve", "AccessRevoked", "True").await;
    let kept = eventually(SOON, async || {
        let mut kept = Vec::new();
        for name in ["ann", "bob"] {
            let user = scene.get("User", name).await;
            match (&entry(&user, "crm")["reason"], &entry(&user, "crm")["state"]) {
                (reason, _) if reason == "LastAdministrator" => kept.push(name),
                (_, state) if state == "Suspended" => {}
                other => return Err(format!("{name}: {other:?}")),
            }
        }
        Ok(kept)
    })
    .await;
    assert_eq!(kept.len(), 1);
    let users = crm.users().await;
    assert_eq!(users.iter().filter(|user| user["active"] != json!(false)).count(), 1, "{users:?}");
    scene.user("zoe", &["admin"], json!({})).await;
    scene.ready("zoe").await;
    scene.condition("User", kept[0], "AccessRevoked", "True").await;
}
