//! Numbers of Unix accounts: never one twice, whatever happens.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt as _;
use ldap3::Scope;
use serde_json::json;

use crate::company::{APP, by_marker, ldap_app};
use crate::support::LdapProxy;
use crate::support::ldap::Entry;
use crate::support::ldap_proxy::Op;
use crate::support::relay::Relay;
use crate::support::scene::entry;
use crate::support::targets::slapd::{self, Config, Slapd};
use crate::support::{Scene, eventually};

const JOINERS: usize = 500;
const COUNTER: &str = "cn=next-numbers,ou=system,dc=example,dc=org";
const PATIENCE: Duration = Duration::from_mins(5);

async fn accounts(server: &Slapd) -> Vec<Entry> {
    server.admin().search(slapd::PEOPLE, Scope::Subtree, "(objectClass=posixAccount)", &["*", "+"]).await
}

fn number(entry: &Entry) -> u32 {
    entry.one("uidNumber").expect("a number").parse().unwrap()
}

async fn make_counter(server: &Slapd) {
    server
        .admin()
        .add(
            COUNTER,
            &[
                ("objectClass", &["device", "extensibleObject"] as &[&str]),
                ("cn", &["next-numbers"]),
                ("uidNumber", &["20000"]),
            ],
        )
        .await;
}

/// Everybody has one entry with a number of its own, which is in a ledger.
async fn assert_everybody(scene: &Scene, server: &Slapd) -> Vec<Entry> {
    let entries = accounts(server).await;
    assert_eq!(entries.len(), JOINERS, "one each");
    let numbers: BTreeSet<_> = entries.iter().map(number).collect();
    assert_eq!(numbers.len(), JOINERS, "no number twice");
    assert!(numbers.first().is_some_and(|least| *least >= 20000));
    let ids: BTreeSet<_> = entries.iter().map(|e| e.one("entryUUID").unwrap()).collect();
    let users = scene.list("User").await;
    let owned = users.iter().map(|user| entry(user, APP)["id"].as_str().unwrap().to_owned());
    assert_eq!(owned.collect::<BTreeSet<_>>(), ids, "every entry is in a ledger");
    entries
}

/// 500 people join at once; the operator is killed on the way, and then the first server dies: no number is given
/// twice, every entry is in a ledger, and the number of a deleted person is not given to the next.
#[tokio::test(flavor = "multi_thread")]
async fn no_number_is_given_twice() {
    let server = Slapd::start(Config::default()).await;
    let proxy = LdapProxy::start("localhost", server.tls_port());
    let (first, second) = (Relay::start(proxy.port()), Relay::start(proxy.port()));
    make_counter(&server).await;
    let scene = Scene::new("numbers").await;
    let servers = [&first, &second].map(|relay| format!("ldaps://localhost:{}", relay.port()));
    let extra = json!({
        "objectClasses": ["inetOrgPerson", "posixAccount"],
        "posix": { "counterDn": COUNTER, "first": 20000, "gidNumber": 100 },
    });
    let attributes =
        json!({ "attributes": [{ "to": "homeDirectory", "value": "'/home/' + user.userName" }] });
    ldap_app(&scene, &servers, extra, attributes).await;
    let doomed = scene.operator().start().await;
    scene.condition("App", APP, "Ready", "True").await;
    let scene_ref = &scene;
    let applying = futures::stream::iter(0..JOINERS).for_each_concurrent(16, |n| async move {
        scene_ref.user(&format!("p{n}"), &[], json!({})).await;
    });
    let made = async |count: usize| {
        eventually(PATIENCE, async || {
            let adds = proxy
                .requests()
                .into_iter()
                .filter(|r| r.op == Op::Add && r.touches("uidNumber") && r.code == Some(0))
                .count();
            if adds >= count { Ok(()) } else { Err(format!("{adds} entries of {count}")) }
        })
        .await;
    };
    let killing = async {
        made(100).await;
        doomed.process().kill9();
        let operator = scene.operator().start().await;
        made(250).await;
        first.close();
        operator
    };
    let (operator, ()) = tokio::join!(killing, applying);
    scene.all_ready(JOINERS, PATIENCE).await;

    let entries = assert_everybody(&scene, &server).await;
    // Whoever had the greatest number is gone, and the next does not get it.
    let last = entries.iter().max_by_key(|e| number(e)).unwrap();
    let user = last.one("employeeNumber").unwrap();
    let user = user.strip_prefix("id-").unwrap();
    scene.merge("App", APP, json!({ "spec": { "onLeave": { "action": "Delete" } } })).await;
    scene.condition("App", APP, "Ready", "True").await;
    scene.user(user, &[], json!({ "state": "Terminated" })).await;
    scene.account(user, APP, "Deleted").await;
    scene.user("late", &[], json!({})).await;
    scene.ready("late").await;
    let late = number(&by_marker(&server, "late").await.unwrap());
    assert!(entries.iter().all(|entry| number(entry) != late), "{late} was somebody's");
    drop(operator);
}
