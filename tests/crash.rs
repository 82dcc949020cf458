//! `kill -9` at every labelled point of the loop: after the restart each person has exactly one account in the right
//! state, and the ledger says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::scene::entry;
use support::{Action, Rule, Scene, ScimServer};

const PERSON: &str = "ann";

struct Stage {
    scene: Scene,
    servers: Vec<(&'static str, ScimServer)>,
}

impl Stage {
    /// Two Apps, both granted to everybody; `policy` is merged over their specs.
    async fn set(point: &str, policy: &Value) -> Self {
        let scene = Scene::new(&format!("crash-{point}")).await;
        let mut servers = Vec::new();
        for app in ["crm", "git"] {
            servers.push((app, scene.scim_app(app, policy.clone()).await));
            scene.role_for(&format!("all-{app}"), json!({"match": "true"}), app, &["All"]).await;
        }
        Self { scene, servers }
    }

    /// Answers to writes come late, so that a request is sent and not answered when the process ends.
    fn slow_answers(&self, method: &str) {
        for (_, server) in &self.servers {
            server
                .proxy()
                .inject(Rule::new(Action::Delay(Duration::from_millis(600))).method(method).path("/Users"));
        }
    }

    /// Runs an operator that ends at this point, then one that does not.
    async fn crash_then_recover(&self, point: &str) -> support::Operator {
        let doomed = self.scene.operator().failpoint(point).spawn();
        doomed.process().wait_exit(Duration::from_mins(1)).await.unwrap_or_else(|| {
            panic!("the operator never came to {point}:\n{}", support::process::tail(&doomed.log()))
        });
        assert!(
            doomed.log().contains(&format!("failpoint {point}")),
            "it ended by itself: {}",
            support::process::tail(&doomed.log())
        );
        self.servers.iter().for_each(|(_, s)| s.proxy().clear());
        self.scene.operator().start().await
    }

    /// Exactly one account in each App, in this state, and the ledger agrees.
    async fn assert_accounts(&self, state: &str) {
        for (app, server) in &self.servers {
            let ledger = self.scene.account(PERSON, app, state).await;
            let accounts = server.users().await;
            assert_eq!(accounts.len(), usize::from(state != "Deleted"), "{app}: {accounts:?}");
            if let Some(account) = accounts.first() {
                assert_eq!(account["id"], ledger["id"]);
                assert_eq!(account["externalId"], "id-ann");
                assert_eq!(account["active"] != json!(false), state == "Active", "{account}");
            }
        }
    }
}

async fn on_create(point: &str) {
    let stage = Stage::set(point, &json!({})).await;
    stage.slow_answers("POST");
    stage.scene.user(PERSON, &[], json!({})).await;
    let _operator = stage.crash_then_recover(point).await;
    stage.scene.ready(PERSON).await;
    stage.assert_accounts("Active").await;
    for (_, server) in &stage.servers {
        let members = server.groups().await[0]["members"].as_array().map_or(0, Vec::len);
        assert_eq!(members, 1);
    }
}

/// A person who is there; then something changes, and the process ends while it is being done.
async fn on_change(point: &str, policy: Value, patch: Value, final_state: &str) -> Stage {
    let stage = Stage::set(point, &policy).await;
    let operator = stage.scene.operator().start().await;
    stage.scene.user(PERSON, &[], json!({"title": "Old"})).await;
    stage.scene.ready(PERSON).await;
    operator.process().sigterm();
    operator.process().wait_exit(Duration::from_secs(20)).await.expect("it drains");
    stage.slow_answers("PATCH");
    stage.slow_answers("DELETE");
    stage.scene.merge("User", PERSON, json!({"spec": patch})).await;
    let _operator = stage.crash_then_recover(point).await;
    stage.assert_accounts(final_state).await;
    stage.scene.ready(PERSON).await;
    stage.assert_accounts(final_state).await;
    stage
}

async fn on_update(point: &str) {
    let stage = on_change(point, json!({}), json!({"title": "New"}), "Active").await;
    for (_, server) in &stage.servers {
        assert_eq!(server.users().await[0]["title"], "New");
    }
}

async fn on_suspend(point: &str) {
    let stage = on_change(point, json!({}), json!({"state": "Terminated"}), "Suspended").await;
    let user = stage.scene.get("User", PERSON).await;
    assert_eq!(user["status"]["state"], "Left");
    assert!(entry(&user, "crm")["reason"].is_null());
}

async fn on_delete(point: &str) {
    on_change(point, json!({"onLeave": {"action": "Delete"}}), json!({"state": "Terminated"}), "Deleted")
        .await;
}

macro_rules! crashes {
    ($($name:ident: $scenario:ident at $point:literal,)+) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            $scenario($point).await;
        })+
    };
}

crashes! {
    create_after_find: on_create at "after-find",
    create_after_finalizer: on_create at "after-finalizer",
    create_sent: on_create at "create-sent",
    create_answered: on_create at "after-create",
    create_between_account_and_group: on_create at "after-grant",
    create_between_two_apps: on_create at "after-pass",
    create_before_status: on_create at "before-status",
    create_after_status: on_create at "after-status",
    update_after_find: on_update at "after-find",
    update_sent: on_update at "update-sent",
    update_answered: on_update at "after-update",
    update_before_status: on_update at "before-status",
    suspend_after_find: on_suspend at "after-find",
    suspend_sent: on_suspend at "suspend-sent",
    suspend_answered: on_suspend at "after-suspend",
    suspend_between_two_apps: on_suspend at "after-pass",
    suspend_before_status: on_suspend at "before-status",
    suspend_after_status: on_suspend at "after-status",
    delete_announced: on_delete at "after-announce",
    delete_sent: on_delete at "delete-sent",
    delete_answered: on_delete at "after-delete",
    delete_before_status: on_delete at "before-status",
}
