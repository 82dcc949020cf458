//! The main job on products of others, each with a quirk that would cost somebody an account.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use support::scene::entry;
use support::targets::Target;
use support::targets::better_auth::{self, BetterAuth};
use support::targets::canaille::Canaille;
use support::targets::scimmy;
use support::{RecordingProxy, Scene, eventually};

/// People who have an account before Tenure comes.
const PEOPLE: usize = 300;
const NUMBER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber";

fn family(n: usize) -> String {
    format!("Lee-{n}")
}

async fn everybody(target: &Target) -> BTreeMap<String, Value> {
    let (status, body) = target.call(Method::GET, "/Users", None).await;
    assert_eq!(status, 200);
    let users = body["Resources"].as_array().cloned().unwrap_or_default();
    users.into_iter().map(|user| (user["id"].as_str().unwrap().to_owned(), user)).collect()
}

async fn make_account(target: &Target, login: &str, family: &str) {
    let account = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": login, "active": true,
        "name": { "formatted": format!("Ann {family}"), "familyName": family },
    });
    let (status, _) = target.call(Method::POST, "/Users", Some(account)).await;
    assert_eq!(status, 201);
}

fn person(login: &str, family: &str) -> Value {
    let name = json!({ "formatted": format!("Ann {family}"), "familyName": family });
    json!({ "userName": login, "name": name })
}

/// Requests for all accounts, as opposed to those for one.
fn listings(target: &Target) -> usize {
    let of_all = |path: &str| path.split('?').next().is_some_and(|path| path.ends_with("/Users"));
    target.proxy().requests().iter().filter(|r| r.method == "GET" && of_all(&r.path)).count()
}

/// canaille answers every filter with everybody: who is who is found in one listing, and an account that is somebody
/// else's stays as it is, whatever its login.
#[tokio::test(flavor = "multi_thread")]
async fn people_are_found_on_a_server_that_ignores_filters() {
    let canaille = Canaille::start().await;
    for n in 0..PEOPLE {
        make_account(&canaille, &format!("p{n}"), &family(n)).await;
    }
    make_account(&canaille, "eve", "Stranger").await;
    let before = everybody(&canaille).await;
    let scene = Scene::new("canaille").await;
    let app = json!({
        "connector": { "scim": { "profile": { "preset": "canaille" }, "groupCreation": "Never" } },
        "marker": { "attribute": NUMBER }, "adoption": { "matchOn": ["userName"] },
    });
    scene.app("sso", &canaille.base_url(), canaille.token(), app).await;
    let spec = json!({ "match": "user.employeeType == 'Employee'" });
    let (users, profile) = (&scene, json!({ "employeeType": "Employee" }));
    futures::stream::iter(0..PEOPLE)
        .for_each_concurrent(16, |n| {
            let mut profile = profile.clone();
            json_patch::merge(&mut profile, &person(&format!("p{n}"), &family(n)));
            async move { users.user(&format!("p{n}"), &[], profile).await }
        })
        .await;
    let _operator = scene.operator().start().await;
    scene.condition("App", "sso", "Ready", "True").await;
    canaille.proxy().forget();
    scene.role_for("staff", spec, "sso", &[]).await;
    eventually(Duration::from_mins(5), async || {
        let active = scene.get("App", "sso").await["status"]["accounts"]["active"].clone();
        if active == PEOPLE { Ok(()) } else { Err(format!("{active} accounts")) }
    })
    .await;
    assert_eq!(listings(&canaille), 1, "one listing for everybody");
    assert_eq!(canaille.proxy().count("POST"), 0);

    scene.user("eve", &["staff"], person("eve", "Lee")).await;
    scene.reason("User", "eve", "Ready", "AccountsInConflict").await;
    let after = everybody(&canaille).await;
    assert!(before.keys().eq(after.keys()), "none made, none gone");
    for (id, account) in &after {
        let number = NUMBER.rsplit_once(':').map(|(urn, name)| &account[urn][name]).unwrap();
        match account["userName"].as_str().unwrap() {
            "eve" => assert_eq!(account, &before[id]),
            login => assert_eq!(number, &json!(format!("id-{login}"))),
        }
    }
}

/// A leaver's live session ends with the suspension. What a suspension does not end here is in docs/connectors/scim.md.
#[tokio::test(flavor = "multi_thread")]
async fn a_leaver_is_signed_out() {
    let server = BetterAuth::start().await;
    let scene = Scene::new("signed-out").await;
    scene.app("portal", &server.base_url(), better_auth::TOKEN, json!({})).await;
    scene.role_for("staff", json!({}), "portal", &[]).await;
    let _operator = scene.operator().start().await;
    let address = json!({ "emails": [{ "value": "ann@example.com", "type": "work", "primary": true }] });
    scene.user("ann", &["staff"], address.clone()).await;
    scene.ready("ann").await;
    server.set_password("ann@example.com", "canary-password-of-ann").await;
    let session = server.sign_in("ann@example.com", "canary-password-of-ann").await.expect("a session");
    assert!(server.session_lives(&session).await);

    let mut leaves = address;
    leaves["state"] = json!("Terminated");
    scene.user("ann", &["staff"], leaves).await;
    let ledger = scene.account("ann", "portal", "Suspended").await;
    assert!(!server.session_lives(&session).await);
    let path = format!("/Users/{}", ledger["id"].as_str().unwrap());
    let (_, account) = server.call(Method::GET, &path, None).await;
    assert_eq!(account["active"], json!(false));
    assert_eq!(entry(&scene.get("User", "ann").await, "portal")["state"], "Suspended");
}

/// SCIMMY in Express answers every page with the first twenty: a listing of more is declared incomplete, and that
/// somebody is not on it proves nothing. Ann is the last of thirty.
#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_comes_round_again_is_believed_in_nothing() {
    let server = scimmy::start().await;
    for n in 0..29 {
        make_account(&server, &format!("p{n}"), &family(n)).await;
    }
    make_account(&server, "ann", "Lee").await;
    let scene = Scene::new("scimmy").await;
    let lookup = |how: &str| {
        json!({
            "connector": { "scim": { "profile": { "lookup": how } } }, "adoption": { "matchOn": ["userName"] },
        })
    };
    scene.app("crm", &server.base_url(), server.token(), lookup("Listing")).await;
    scene.role_for("staff", json!({}), "crm", &[]).await;
    let _operator = scene.operator().start().await;
    scene.user("ann", &["staff"], person("ann", "Lee")).await;
    let message = scene.reason("App", "crm", "Ready", "UnexpectedAnswer").await;
    assert!(message.contains("another page came than was asked for"), "{message}");
    // It is tried again, to no other end.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(server.proxy().writes_since(0).len(), 0);
    assert_eq!(entry(&scene.get("User", "ann").await, "crm"), Value::Null);

    let mark = RecordingProxy::mark();
    scene.app("crm", &server.base_url(), server.token(), lookup("Filter")).await;
    scene.account("ann", "crm", "Active").await;
    assert!(server.proxy().writes_since(mark).iter().all(|r| r.method != "POST"), "she has an account");
    assert_eq!(server.call(Method::GET, "/Users", None).await.1["totalResults"], 30);
}
