//! One bad App harms no other, and a leaver waits for nobody.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::time::Duration;

use serde_json::json;
use support::fast_target::{self, FastTarget};
use support::scene::{SOON, entry, user_spec};
use support::{Action, RecordingProxy, Rule, Scene, eventually};

const PEOPLE: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn three_broken_apps_do_not_hold_up_the_fourth_and_each_says_what_is_wrong() {
    let scene = Scene::new("isolation").await;
    let mut servers = Vec::new();
    for name in ["hangs", "throttles", "fails", "works"] {
        let server = scene.scim_app(name, json!({"connector": {"scim": {"timeoutSeconds": 2}}})).await;
        scene.role_for(&format!("r-{name}"), json!({"match": "true"}), name, &["All"]).await;
        servers.push(server);
    }
    servers[0].proxy().inject(Rule::new(Action::Hang));
    servers[1].proxy().inject(Rule::new(Action::retry_after(429, 30)));
    servers[2].proxy().inject(Rule::new(Action::status(500)));
    for i in 0..PEOPLE {
        scene.user(&format!("p{i}"), &[], json!({})).await;
    }
    let _operator = scene.operator().start().await;
    eventually(SOON, async || match servers[3].users().await.len() {
        PEOPLE => Ok(()),
        n => Err(format!("{n} accounts")),
    })
    .await;
    for (app, reason) in [("hangs", "Unreachable"), ("throttles", "Throttled"), ("fails", "TargetError")] {
        let message = scene.reason("App", app, "Ready", reason).await;
        assert!(!message.is_empty());
    }
    scene.condition("App", "hangs", "Reachable", "False").await;
    scene.condition("App", "works", "Ready", "True").await;
    // The results of the good App are written although the others have none.
    let user = eventually(SOON, async || {
        let user = scene.get("User", "p0").await;
        if entry(&user, "works")["state"] == "Active" { Ok(user) } else { Err(format!("{}", user["status"])) }
    })
    .await;
    assert_eq!(user["status"]["accounts"].as_array().unwrap().len(), 1);
    // And when they recover, they get theirs.
    for server in &servers {
        server.proxy().clear();
    }
    eventually(Duration::from_mins(2), async || {
        match servers[0].users().await.len() + servers[2].users().await.len() {
            n if n == 2 * PEOPLE => Ok(()),
            n => Err(format!("{n} accounts")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_are_said_and_a_rotated_secret_is_picked_up() {
    let scene = Scene::new("rotate").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("all", json!({"match": "true"}), "crm", &[]).await;
    scene.secret("crm", "token", "canary-wrong").await;
    let _operator = scene.operator().start().await;
    scene.user("ann", &[], json!({})).await;
    scene.reason("App", "crm", "CredentialsValid", "CredentialsRefused").await;
    scene.condition("App", "crm", "Ready", "False").await;
    assert!(crm.users().await.is_empty());
    scene.secret("crm", "token", crm.token()).await;
    scene.account("ann", "crm", "Active").await;
    scene.condition("App", "crm", "CredentialsValid", "True").await;
    // Without the label the Secret is not used.
    scene.merge("Secret", "crm", json!({"metadata": {"labels": {"tenure.dev/credentials": null}}})).await;
    scene
        .merge("App", "crm", json!({"metadata": {"annotations": {"tenure.dev/reconcile-requested-at": "1"}}}))
        .await;
    let message = scene.reason("App", "crm", "Ready", "SecretNotFound").await;
    assert!(message.contains("tenure.dev/credentials"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaver_goes_before_two_thousand_joiners() {
    let scene = Scene::new("leavers").await;
    let target =
        FastTarget::start(fast_target::Config { token: Some("canary-fast".into()), ..Default::default() });
    let proxy = RecordingProxy::start(&target.base_url());
    scene.app("crm", &proxy.url(), "canary-fast", json!({"limits": {"requestsPerSecond": 20}})).await;
    scene.role_for("all", json!({"match": "true"}), "crm", &[]).await;
    let _operator = scene.operator().start().await;
    scene.user("leaver", &[], json!({})).await;
    scene.ready("leaver").await;
    let joiners = futures::future::join_all((0..16).map(async |batch| {
        for i in 0..125 {
            let name = format!("j{batch}-{i}");
            scene.try_apply("User", &name, user_spec(&name, &[], json!({}))).await.unwrap();
        }
    }));
    joiners.await;
    let before = RecordingProxy::mark();
    scene.merge("User", "leaver", json!({"spec": {"state": "Terminated"}})).await;
    let is_suspension = |r: &support::proxy::Recorded| r.method == "PATCH" || r.method == "PUT";
    eventually(SOON, async || match proxy.since(before).iter().position(is_suspension) {
        Some(_) => Ok(()),
        None => Err("not suspended".to_owned()),
    })
    .await;
    let place = proxy.since(before).iter().position(is_suspension).unwrap();
    assert!(place < 10, "{place} requests went before the suspension");
    assert!(target.user_count() < 2_000, "the joiners were still queued");
}

/// A quarantine that ends with the first probe leaves nobody behind.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_recovers_at_once_is_worked_on_again() {
    let scene = Scene::new("recovers").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("all", json!({"match": "true"}), "crm", &[]).await;
    let _operator = scene.operator().start().await;
    scene.user("leaver", &[], json!({})).await;
    scene.ready("leaver").await;
    // Only changes fail: probes go on succeeding.
    crm.proxy().inject(Rule::new(Action::status(500)).method("POST"));
    crm.proxy().inject(Rule::new(Action::status(500)).method("PATCH"));
    for i in 0..12 {
        scene.user(&format!("p{i}"), &[], json!({})).await;
    }
    let (_, message) = scene.condition("App", "crm", "Ready", "False").await;
    assert!(!message.is_empty());
    scene.merge("User", "leaver", json!({"spec": {"state": "Terminated"}})).await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    crm.proxy().clear();
    scene.account("leaver", "crm", "Suspended").await;
    eventually(Duration::from_secs(90), async || match crm.users().await.len() {
        13 => Ok(()),
        n => Err(format!("{n} accounts")),
    })
    .await;
    scene.condition("App", "crm", "Ready", "True").await;
}

/// The reply to a create is lost, and the person leaves before anybody could look again.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_whose_creation_is_uncertain_is_cut_off_when_its_person_leaves() {
    let scene = Scene::new("uncertain").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("all", json!({"match": "true"}), "crm", &[]).await;
    let _operator = scene.operator().start().await;
    scene.condition("App", "crm", "Ready", "True").await;
    crm.proxy().inject(Rule::new(Action::DropReplyAfterForward).method("POST").times(1));
    let made = RecordingProxy::mark();
    scene.user("ann", &[], json!({})).await;
    eventually(SOON, async || match crm.proxy().writes_since(made).len() {
        0 => Err("no create".to_owned()),
        _ => Ok(()),
    })
    .await;
    crm.proxy().inject(Rule::new(Action::status(503)).path("filter"));
    scene.merge("User", "ann", json!({"spec": {"state": "Terminated"}})).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    crm.proxy().clear();
    eventually(Duration::from_secs(90), async || match crm.user_named("ann@example.com").await {
        Some(account) if account["active"] == json!(false) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    scene.account("ann", "crm", "Suspended").await;
}
