//! What was done to accounts behind our back is found by one listing, and put right or reported, on every kind of server.

use std::time::Duration;

use serde_json::{Value, json};

use crate::company::{APP, ldap_app, samba_unit_app};
use crate::harm::{Harm, Place, Portal, Seen, Server};
use crate::support::ldap_proxy::{self, Action, Rule};
use crate::support::scene::{SOON, entry};
use crate::support::sweeps::{counted, findings};
use crate::support::targets::better_auth::{BetterAuth, TOKEN};
use crate::support::targets::samba::Samba;
use crate::support::targets::slapd::{self, Config, Slapd};
use crate::support::{LdapProxy, Operator, Scene, eventually};

const BOSS: &str = "p0";
const LEAVER: &str = "p1";
/// People to whom nothing is done: more than a sweep may send requests.
const OTHERS: usize = 40;
/// Requests of a sweep that finds nothing: pages, a look at each of two groups and at what they are, and the probe that comes
/// with being asked for it, which in a directory tries a suspension out.
const AT_MOST: f64 = 30.0;
/// Requests that it takes to look at an account, to put it right and to read it back, and to see who is in a group.
const EACH: f64 = 6.0;
/// What is done, and to whom.
const HARM: [(&str, Harm); 7] = [
    (LEAVER, Harm::Reactivated),
    ("p2", Harm::Suspended),
    ("p3", Harm::Deleted),
    ("p4", Harm::Renamed),
    ("p5", Harm::Edited),
    ("p6", Harm::AddedToBosses),
    ("p7", Harm::RemovedFromStaff),
];
/// What a sweep finds of that, and of a stranger.
const FOUND: [(&str, i64); 7] = [
    ("drifted", 2),
    ("entitlementsAdded", 1),
    ("entitlementsLost", 1),
    ("gone", 1),
    ("orphans", 1),
    ("reactivated", 1),
    ("suspendedElsewhere", 1),
];

/// Everybody, with the boss; one has left.
async fn people(scene: &Scene) {
    scene.role_for("staff", json!({ "match": "true" }), APP, &["Staff"]).await;
    scene.role_for("boss", json!({}), APP, &["Bosses"]).await;
    let person = async |name: &str, extra: Value| {
        let mail = format!("{name}@example.com");
        let mut spec = json!({ "emails": [{ "value": mail, "type": "work", "primary": true }] });
        json_patch::merge(&mut spec, &extra);
        let roles: &[&str] = if name == BOSS { &["boss"] } else { &[] };
        scene.user(name, roles, spec).await;
    };
    person(BOSS, json!({})).await;
    for (name, _) in HARM {
        person(name, json!({})).await;
    }
    for n in 0..OTHERS {
        person(&format!("other{n}"), json!({})).await;
    }
    scene.all_ready(HARM.len() + OTHERS + 1, Duration::from_mins(2)).await;
    person(LEAVER, json!({ "state": "Terminated" })).await;
    scene.account(LEAVER, APP, "Suspended").await;
    scene.ready(LEAVER).await;
}

async fn everybody(server: &impl Server) -> Vec<Option<Seen>> {
    let mut all = Vec::new();
    for (user, _) in HARM {
        all.push(server.seen(user).await);
    }
    all
}

/// Requests to the server so far.
async fn requests(operator: &Operator) -> f64 {
    operator.metrics().await.sum("tenure_remote_requests_total", &[("app", APP)])
}

/// One listing finds each, and what follows is what the guide says.
async fn found_and_put_right(scene: &Scene, operator: &Operator, server: &impl Server) {
    people(scene).await;
    scene.age("p3").await;
    let before = requests(operator).await;
    let clean = scene.sweep(APP, "first").await;
    let sent = requests(operator).await - before;
    assert!((1.0..=AT_MOST).contains(&sent), "{sent} requests");
    let count = HARM.len() + OTHERS + 1;
    assert_eq!((findings(&clean), &clean["sweep"]["accounts"]), (vec![], &json!(count)), "{clean}");
    let mut expected = everybody(server).await;
    let old = entry(&scene.get("User", "p3").await, APP)["id"].clone();
    for (user, harm) in HARM {
        server.harm(user, harm).await;
    }
    server.stranger().await;
    let harmed = everybody(server).await;
    for (n, (_, harm)) in HARM.iter().enumerate() {
        assert_ne!(harmed[n], expected[n], "{harm:?}");
        // What is not put right: another's suspension is for a person to decide, another's grant is reported.
        if matches!(harm, Harm::Suspended | Harm::AddedToBosses) {
            expected[n].clone_from(&harmed[n]);
        }
    }

    let before = requests(operator).await;
    let status = scene.sweep(APP, "second").await;
    assert_eq!(findings(&status), counted(&FOUND), "{status}");
    eventually(SOON, async || match everybody(server).await {
        now if now == expected => Ok(()),
        now => Err(format!("{now:#?}, not {expected:#?}")),
    })
    .await;
    let sent = requests(operator).await - before;
    let harmed = f64::from(u8::try_from(HARM.len()).unwrap());
    assert!(sent <= AT_MOST + EACH * harmed, "{sent} requests");
    let conflict = scene.account("p2", APP, "Conflict").await;
    assert_eq!(conflict["reason"], "SuspendedElsewhere");
    assert_ne!(scene.account("p3", APP, "Active").await["id"], old, "it was made again");
    let after = scene.sweep(APP, "third").await;
    // The one in conflict waits for a person, and says so itself.
    assert_eq!(findings(&after), counted(&[("entitlementsAdded", 1), ("orphans", 1)]), "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_to_a_directory_is_found_and_put_right() {
    let server = Slapd::start(Config::default()).await;
    let scene = Scene::new("ldapsweep").await;
    ldap_app(&scene, &[server.url()], json!({}), json!({})).await;
    let operator = scene.operator().args(["--linger-seconds", "1"]).start().await;
    found_and_put_right(&scene, &operator, &Place::directory(&server)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_to_a_domain_is_found_and_put_right() {
    let server = Samba::start().await;
    let scene = Scene::new("adsweep").await;
    let people = samba_unit_app(&scene, &server, json!({})).await;
    let operator = scene.operator().args(["--linger-seconds", "1"]).start().await;
    found_and_put_right(&scene, &operator, &Place::domain(&server, &people)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_to_an_application_is_found_and_put_right() {
    let server = BetterAuth::start().await;
    let scene = Scene::new("portalsweep").await;
    scene.app(APP, &server.base_url(), TOKEN, json!({})).await;
    let operator = scene.operator().args(["--linger-seconds", "1"]).start().await;
    found_and_put_right(&scene, &operator, &Portal(&server)).await;
}

/// What others took for "nobody is there" (Gitea 4402 and 7949, `OPNsense` 10128, cf-mgmt 121, GLPI 984, Keycloak 24669).
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_does_not_answer_to_the_end_has_nobody_removed_and_nobody_made_again() {
    let server = Slapd::start(Config::default()).await;
    let proxy = LdapProxy::start("localhost", server.tls_port());
    let scene = Scene::new("ldapcut").await;
    ldap_app(&scene, &[proxy.url()], json!({}), json!({})).await;
    let _operator = scene.operator().args(["--linger-seconds", "1"]).start().await;
    scene.crowd("p", 12, &[], &json!({})).await;
    scene.all_ready(12, Duration::from_mins(2)).await;
    for number in 0..12 {
        scene.age(&format!("p{number}")).await;
    }
    scene.sweep(APP, "good").await;
    let mark = LdapProxy::mark();
    let listing = |request: &ldap_proxy::Recorded| request.paged && request.dn == slapd::PEOPLE;
    let trouble = [
        ("time limit exceeded", Action::Answer(3)),
        ("size limit exceeded", Action::Answer(4)),
        ("administrative limit exceeded", Action::Answer(11)),
        ("no such object", Action::Answer(32)),
        ("unavailable", Action::Answer(52)),
        ("gone in the middle", Action::LoseReply),
        ("unreachable", Action::Close),
    ];
    for (what, action) in trouble {
        proxy.inject(Rule::new(action, listing));
        let status = scene.sweep(APP, what).await;
        let message = status["sweep"]["message"].as_str().unwrap();
        assert!(message.contains("nothing was concluded"), "{what}: {status}");
        proxy.clear();
        scene.condition("App", APP, "Ready", "True").await;
    }
    let written = proxy.writes_since(mark);
    let people: Vec<_> = written.iter().filter(|write| write.dn.starts_with("uid=p")).collect();
    assert!(people.is_empty(), "{people:?}");
    let after = scene.sweep(APP, "after").await;
    assert_eq!((findings(&after), &after["sweep"]["accounts"]), (vec![], &json!(12)), "{after}");
}
