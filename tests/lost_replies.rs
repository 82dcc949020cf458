//! Replies that are lost while many people join.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::index::sample;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use support::fast_target::{Config, FastTarget};
use support::scene::{entry, user_spec};
use support::{Action, RecordingProxy, Rule, Scene};

const PEOPLE: usize = 500;
const LOST: usize = 100;

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// Of 500 creations the replies to 100 are lost, at random points: in the end there are exactly 500 accounts, one a
/// person, and each ledger has the right one.
#[tokio::test(flavor = "multi_thread")]
async fn lost_replies_make_no_second_account() {
    let seed: u64 =
        std::env::var("TENURE_TEST_SEED").map_or_else(|_| rand::rng().random(), |s| s.parse().unwrap());
    println!("TENURE_TEST_SEED={seed}");
    let token = "canary-lost-replies";
    let target = FastTarget::start(Config { token: Some(token.to_owned()), ..Config::default() });
    let proxy = RecordingProxy::start(target.base_url().trim_end_matches("/scim/v2"));
    let mut lost = sample(&mut StdRng::seed_from_u64(seed), PEOPLE, LOST).into_vec();
    // The last first: a rule does not count what a rule before it took.
    lost.sort_unstable_by(|a, b| b.cmp(a));
    for place in lost {
        proxy.inject(Rule::new(Action::DropReplyAfterForward).method("POST").path("/Users").nth(place + 1));
    }
    let scene = Scene::new("lost").await;
    scene.app("crm", &format!("{}/scim/v2", proxy.url()), token, json!({})).await;
    scene.role_for("all", json!({"match": "user.employeeType == 'Employee'"}), "crm", &[]).await;
    let _operator = scene.operator().start().await;
    scene.condition("App", "crm", "Ready", "True").await;
    for n in 0..PEOPLE {
        let name = format!("p{n}");
        scene.apply("User", &name, user_spec(&name, &[], json!({"employeeType": "Employee"}))).await;
    }
    scene.all_ready(PEOPLE, Duration::from_mins(4)).await;
    let lost = proxy.requests().iter().filter(|r| r.method == "POST" && r.status.is_none()).count();
    assert_eq!(lost, LOST);
    assert_eq!(proxy.count("POST"), PEOPLE, "no creation was sent twice");
    assert_eq!(target.user_count(), PEOPLE);
    let users = scene.list("User").await;
    let linked = users.iter().map(|user| (text(&entry(user, "crm")["id"]), text(&user["spec"]["personId"])));
    let accounts = target.users();
    let marked = accounts.iter().map(|account| (text(&account["id"]), text(&account["externalId"])));
    assert_eq!(
        linked.collect::<BTreeSet<_>>(),
        marked.collect(),
        "each ledger has the account with its marker"
    );
}
