//! Several servers: one dies in the middle of the work, both are away.

use std::collections::BTreeSet;
use std::time::Duration;

use ldap3::Scope;
use serde_json::json;

use crate::company::{APP, ldap_app};
use crate::support::ldap::Entry;
use crate::support::ldap_proxy::Op;
use crate::support::relay::Relay;
use crate::support::scene::{SOON, entry};
use crate::support::targets::slapd::{self, Config, Slapd};
use crate::support::wait::always;
use crate::support::{LdapProxy, Scene, eventually};

const PEOPLE: usize = 200;

async fn people(server: &Slapd) -> Vec<Entry> {
    server
        .admin()
        .search(slapd::PEOPLE, Scope::Subtree, "(objectClass=inetOrgPerson)", &["*", "entryUUID"])
        .await
}

fn url(relay: &Relay) -> String {
    format!("ldaps://localhost:{}", relay.port())
}

/// Everybody has one account, and each ledger has the right one.
async fn assert_everybody(scene: &Scene, server: &Slapd, count: usize) {
    let entries = people(server).await;
    assert_eq!(entries.len(), count, "one each");
    let marked: BTreeSet<_> =
        entries.iter().map(|e| (e.one("entryUUID").unwrap(), e.one("employeeNumber").unwrap())).collect();
    let users = scene.list("User").await;
    let linked = users.iter().map(|user| {
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        (text(&entry(user, APP)["id"]), text(&user["spec"]["personId"]))
    });
    assert_eq!(linked.collect::<BTreeSet<_>>(), marked);
}

/// Two ways to one directory, as two servers have that agree. The first dies mid-run: the second takes over, and
/// nothing is lost or done twice. Later both are away: nobody is thought to be gone. Then all goes on.
#[tokio::test(flavor = "multi_thread")]
async fn the_second_server_takes_over_and_without_any_nothing_is_concluded() {
    let server = Slapd::start(Config::default()).await;
    let proxy = LdapProxy::start("localhost", server.tls_port());
    let proxy_port = proxy.port();
    let (first, second) = (Relay::start(proxy_port), Relay::start(proxy_port));
    let scene = Scene::new("failover").await;
    ldap_app(&scene, &[url(&first), url(&second)], json!({}), json!({})).await;
    let _operator = scene.operator().start().await;
    scene.condition("App", APP, "Ready", "True").await;
    for n in 0..PEOPLE {
        scene.user(&format!("p{n}"), &[], json!({})).await;
        if n == PEOPLE / 4 {
            first.close();
        }
    }
    scene.all_ready(PEOPLE, Duration::from_mins(3)).await;
    assert_everybody(&scene, &server, PEOPLE).await;
    let adds = proxy
        .requests()
        .into_iter()
        .filter(|r| r.op == Op::Add && r.touches("employeeNumber") && r.code == Some(0))
        .count();
    assert!(adds <= PEOPLE, "{adds} entries were made for {PEOPLE} people");

    second.close();
    for n in 0..5 {
        scene.user(&format!("p{n}"), &[], json!({ "state": "Terminated" })).await;
    }
    for n in 5..10 {
        scene.user(&format!("p{n}"), &[], json!({ "title": "Lead" })).await;
    }
    scene.user("late", &[], json!({})).await;
    scene.condition("App", APP, "Ready", "False").await;
    always(Duration::from_secs(5), async || {
        let users = scene.list("User").await;
        let states: Vec<_> = users.iter().map(|user| entry(user, APP)["state"].clone()).collect();
        let concluded = states.iter().filter(|state| **state == "Deleted" || **state == "Suspended").count();
        if concluded == 0 { Ok(()) } else { Err(format!("{concluded} accounts are said to be out of use")) }
    })
    .await;
    assert_eq!(people(&server).await.len(), PEOPLE);

    first.open();
    scene.ready("late").await;
    for n in 0..5 {
        scene.account(&format!("p{n}"), APP, "Suspended").await;
    }
    eventually(SOON, async || {
        let titled =
            people(&server).await.iter().filter(|e| e.one("title").as_deref() == Some("Lead")).count();
        if titled == 5 { Ok(()) } else { Err(format!("{titled} of 5 titles")) }
    })
    .await;
    assert_everybody(&scene, &server, PEOPLE + 1).await;
}
