//! What was done to accounts behind our back is found by one listing, and put right or reported, on every kind of server.

use std::time::Duration;

use serde_json::{Value, json};

use crate::company::{APP, ldap_app, samba_app};
use crate::harm::{Harm, Place, Portal, Seen, Server};
use crate::support::scene::{SOON, entry};
use crate::support::sweeps::{counted, findings};
use crate::support::targets::better_auth::{BetterAuth, TOKEN};
use crate::support::targets::samba::{self, Samba};
use crate::support::targets::slapd::{Config, Slapd};
use crate::support::{Scene, eventually};

const BOSS: &str = "p0";
const LEAVER: &str = "p1";
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
    scene.all_ready(HARM.len() + 1, Duration::from_mins(2)).await;
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

/// One listing finds each, and what follows is what the guide says.
async fn found_and_put_right(scene: &Scene, server: &impl Server) {
    people(scene).await;
    scene.age("p3").await;
    let clean = scene.sweep(APP, "first").await;
    let count = HARM.len() + 1;
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

    let status = scene.sweep(APP, "second").await;
    assert_eq!(findings(&status), counted(&FOUND), "{status}");
    eventually(SOON, async || match everybody(server).await {
        now if now == expected => Ok(()),
        now => Err(format!("{now:#?}, not {expected:#?}")),
    })
    .await;
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
    let _operator = scene.operator().args(["--linger-seconds", "1"]).start().await;
    found_and_put_right(&scene, &Place::directory(&server)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_to_a_domain_is_found_and_put_right() {
    let server = Samba::start().await;
    let people = format!("OU=People,{}", samba::BASE);
    server.admin().add(&people, &[("objectClass", &["organizationalUnit"])]).await;
    let scene = Scene::new("adsweep").await;
    let groups = json!({ "baseDn": people, "creation": "OnDemand" });
    samba_app(&scene, &server, json!({ "baseDn": people, "groups": groups }), json!({})).await;
    let _operator = scene.operator().args(["--linger-seconds", "1"]).start().await;
    found_and_put_right(&scene, &Place::domain(&server, &people)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_to_an_application_is_found_and_put_right() {
    let server = BetterAuth::start().await;
    let scene = Scene::new("portalsweep").await;
    scene.app(APP, &server.base_url(), TOKEN, json!({})).await;
    let _operator = scene.operator().args(["--linger-seconds", "1"]).start().await;
    found_and_put_right(&scene, &Portal(&server)).await;
}
