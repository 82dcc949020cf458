//! Groups at the size of a company: a change of many memberships costs few requests, whoever decided them, and what is
//! wrong with an entitlement is said once, where it is named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::{Value, json};
use support::fast_target::{Config, FastTarget};
use support::operator::Builder;
use support::scene::{SOON, entry, unbounded};
use support::{RecordingProxy, Scene, eventually};

const PEOPLE: usize = 1_000;
/// Members of the group who are no concern of ours.
const OTHERS: usize = 10_000;
/// How many members one PATCH changes by default.
const CHUNK: usize = 100;
/// On a machine that others use too.
const PATIENCE: Duration = Duration::from_mins(5);

/// A company whose people all have accounts in an App that has one large group.
struct Company {
    scene: Scene,
    target: FastTarget,
    proxy: RecordingProxy,
    group: String,
}

impl Company {
    async fn found(name: &str) -> Self {
        let scene = Scene::new(name).await;
        let target =
            FastTarget::start(Config { token: Some("canary-crm-token".into()), ..Config::default() });
        let others: Vec<_> = (0..OTHERS).map(|n| json!({ "value": format!("other-{n}") })).collect();
        let group = target.seed_group(json!({ "displayName": "Everybody", "members": others }));
        let url = target.base_url();
        let (host, path) = url.split_at(url.find("/scim").unwrap());
        let proxy = RecordingProxy::start(host);
        scene.app("crm", &format!("{}{path}", proxy.url()), "canary-crm-token", unbounded()).await;
        scene.role_for("staff", json!({ "match": "true" }), "crm", &[]).await;
        let scene_ref = &scene;
        futures::stream::iter(0..PEOPLE)
            .for_each_concurrent(
                16,
                |n| async move { scene_ref.user(&format!("p{n}"), &[], json!({})).await },
            )
            .await;
        Self { scene, target, proxy, group }
    }

    /// One that collects for as long as it makes sense, however slow this machine is.
    fn operator(&self) -> Builder {
        self.scene.patient_operator().args(["--linger-seconds", "120"])
    }

    /// Has the group granted to everybody, or to nobody.
    async fn grant(&self, groups: &[&str]) {
        self.proxy.forget();
        self.scene.role_for("staff", json!({ "match": "true" }), "crm", groups).await;
    }

    async fn has_members(&self, count: usize) {
        eventually(PATIENCE, async || match self.target.member_count(&self.group) {
            found if found == count => Ok(()),
            found => Err(format!("{found} members, not {count}")),
        })
        .await;
    }

    /// How often each member was sent, and in how many requests.
    fn sent(&self) -> (BTreeMap<String, usize>, usize) {
        let mut members = BTreeMap::new();
        let mut requests = 0;
        let writes = self.proxy.requests().into_iter().filter(|r| r.is_write() && r.path.contains("/Groups"));
        for request in writes {
            requests += 1;
            let body = request.json();
            for operation in body["Operations"].as_array().unwrap() {
                for member in named(operation) {
                    *members.entry(member).or_default() += 1;
                }
            }
        }
        (members, requests)
    }

    /// Everybody's membership was written once, in no more requests than it takes.
    fn assert_frugal(&self) {
        let (members, requests) = self.sent();
        assert_eq!((members.len(), members.values().sum::<usize>()), (PEOPLE, PEOPLE));
        assert!(requests <= PEOPLE.div_ceil(CHUNK), "{requests} requests");
    }
}

/// The members that an operation is about.
fn named(operation: &Value) -> Vec<String> {
    let path = operation["path"].as_str().unwrap();
    if let Some(id) = path.strip_prefix("members[value eq \"").and_then(|rest| rest.strip_suffix("\"]")) {
        return vec![id.to_owned()];
    }
    operation["value"].as_array().unwrap().iter().map(|m| m["value"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_people_come_and_go_in_ten_requests_each_and_a_crash_repeats_one_at_most() {
    let company = Company::found("company").await;
    let operator = company.operator().start().await;
    company.scene.all_ready(PEOPLE, PATIENCE).await;

    company.grant(&["Everybody"]).await;
    company.has_members(OTHERS + PEOPLE).await;
    company.scene.all_ready(PEOPLE, PATIENCE).await;
    company.assert_frugal();

    company.grant(&[]).await;
    company.has_members(OTHERS).await;
    company.scene.all_ready(PEOPLE, PATIENCE).await;
    company.assert_frugal();

    company.grant(&["Everybody"]).await;
    eventually(PATIENCE, async || match company.sent().1 {
        early @ 0..4 => Err(format!("{early} requests")),
        _ => Ok(()),
    })
    .await;
    operator.process().kill9();
    let _next = company.operator().start().await;
    company.has_members(OTHERS + PEOPLE).await;
    company.scene.all_ready(PEOPLE, PATIENCE).await;
    let (members, _) = company.sent();
    let again = members.values().sum::<usize>() - PEOPLE;
    assert!(members.len() == PEOPLE && again <= CHUNK, "{again} were sent again");
}

/// A group that does not exist is its binding's trouble; people get everything else, and the group when it appears.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_group_is_said_where_it_is_named_and_granted_when_it_appears() {
    let scene = Scene::new("unknown-group").await;
    let never = json!({"connector": {"scim": {"groupCreation": "Never"}}});
    let crm = scene.scim_app("crm", never).await;
    let group =
        |name: &str| json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name});
    let known = crm.create_group(group("Known")).await;
    let operator = scene.operator().start().await;
    scene.role_for("sales", json!({}), "crm", &["Known", "Unknown"]).await;
    scene.user("ann", &["sales"], json!({})).await;

    let message = scene.reason("AppBinding", "sales-crm", "Ready", "EntitlementNotFound").await;
    assert!(message.starts_with("spec.entitlements[1]: group \"Unknown\""), "{message}");
    let held = |user: &Value| entry(user, "crm")["entitlements"].clone();
    let expected = json!([format!("group:{}", known["id"].as_str().unwrap())]);
    eventually(SOON, async || match held(&scene.get("User", "ann").await) {
        found if found == expected => Ok(()),
        found => Err(format!("{found}")),
    })
    .await;

    // It is known after a restart too, without a moment of hope.
    drop(operator);
    let _operator = scene.operator().start().await;
    crm.create_group(group("Unknown")).await;
    scene.condition("AppBinding", "sales-crm", "Ready", "True").await;
    let user = scene.ready("ann").await;
    assert_eq!(held(&user).as_array().unwrap().len(), 2);
}
