//! `removeEntitlements: All`: a leaver is in no group any more, whoever put them there.

use serde_json::json;

use crate::company::{APP, ldap_app, samba_unit_app};
use crate::harm::{Harm, Place, Server};
use crate::support::scene::SOON;
use crate::support::targets::samba::Samba;
use crate::support::targets::slapd::{Config, Slapd};
use crate::support::{Scene, eventually};

async fn leaves_every_group(scene: &Scene, server: &impl Server) {
    scene.role_for("staff", json!({ "match": "true" }), APP, &["Staff"]).await;
    scene.role_for("boss", json!({}), APP, &["Bosses"]).await;
    let _operator = scene.operator().args(["--linger-seconds", "1"]).start().await;
    scene.user("p0", &["boss"], json!({})).await;
    scene.user("p1", &[], json!({})).await;
    scene.all_ready(2, SOON).await;
    server.harm("p1", Harm::AddedToBosses).await;
    let before = server.seen("p1").await.expect("an account");
    assert!(before.staff && before.boss && before.active, "{before:?}");
    scene.user("p1", &[], json!({ "state": "Terminated" })).await;
    eventually(SOON, async || match server.seen("p1").await {
        Some(seen) if !seen.staff && !seen.boss && !seen.active => Ok(()),
        seen => Err(format!("{seen:?}")),
    })
    .await;
    scene.reason("User", "p1", "Ready", "AccessCut").await;
    assert!(server.seen("p0").await.expect("an account").boss, "others stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_directory() {
    let server = Slapd::start(Config::default()).await;
    let scene = Scene::new("ldapstrip").await;
    let policy = json!({ "onLeave": { "removeEntitlements": "All" } });
    ldap_app(&scene, &[server.url()], json!({}), policy).await;
    leaves_every_group(&scene, &Place::directory(&server)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_domain() {
    let server = Samba::start().await;
    let scene = Scene::new("adstrip").await;
    let policy = json!({ "onLeave": { "removeEntitlements": "All" } });
    let people = samba_unit_app(&scene, &server, policy).await;
    leaves_every_group(&scene, &Place::domain(&server, &people)).await;
}
