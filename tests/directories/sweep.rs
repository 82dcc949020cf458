//! What was done to entries behind our back is found by one listing, and put right.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::company::{APP, by_marker, ldap_app};
use crate::support::ldap::{remove_values, replace};
use crate::support::scene::{SOON, entry};
use crate::support::targets::slapd::{self, Config, Slapd};
use crate::support::{Scene, eventually};

const PEOPLE: usize = 6;
const GROUP: &str = "cn=Staff,ou=groups,dc=example,dc=org";

async fn swept(scene: &Scene, request: &str) -> Value {
    let annotation = json!({"metadata": {"annotations": {"tenure.dev/reconcile-requested-at": request}}});
    scene.merge("App", APP, annotation).await;
    eventually(SOON, async || {
        let sweep = scene.get("App", APP).await["status"]["sweep"].clone();
        if sweep["requestedAt"] == request { Ok(sweep) } else { Err(format!("{sweep}")) }
    })
    .await
}

fn findings(sweep: &Value) -> Vec<(String, i64)> {
    let all = sweep["findings"].as_object().unwrap();
    let all = all.iter().map(|(name, count)| (name.clone(), count.as_i64().unwrap()));
    all.filter(|(_, count)| *count > 0).collect()
}

/// Makes an account old enough for its absence to mean something.
async fn age(scene: &Scene, user: &str) {
    let mut accounts = scene.get("User", user).await["status"]["accounts"].clone();
    accounts[0]["lastTransitionTime"] = json!("2026-01-01T00:00:00Z");
    let patch = json!({"status": {"accounts": accounts}});
    scene.api("User").patch_status(user, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_behind_our_back_is_found_and_put_right() {
    let server = Slapd::start(Config::default()).await;
    let scene = Scene::new("ldapsweep").await;
    ldap_app(&scene, &[server.url()], json!({}), json!({})).await;
    scene.role_for("staff", json!({ "match": "true" }), APP, &["Staff"]).await;
    let _operator = scene.operator().args(["--linger-seconds", "1"]).start().await;
    for n in 0..PEOPLE {
        scene.user(&format!("p{n}"), &[], json!({})).await;
    }
    scene.all_ready(PEOPLE, Duration::from_mins(2)).await;
    age(&scene, "p2").await;
    let clean = swept(&scene, "first").await;
    assert_eq!((findings(&clean), &clean["accounts"]), (vec![], &json!(PEOPLE)), "{clean}");

    let dn = async |user: &str| by_marker(&server, user).await.expect("an entry").dn;
    let admin = server.admin();
    admin.modify(&dn("p1").await, vec![replace("displayName", &["King"])]).await;
    let gone = dn("p2").await;
    let old = entry(&scene.get("User", "p2").await, APP)["id"].clone();
    admin.delete(&gone).await;
    let outcast = dn("p3").await;
    admin.modify(GROUP, vec![remove_values("member", &[&outcast])]).await;
    let classes: [&str; 1] = ["inetOrgPerson"];
    let attributes: [(&str, &[&str]); 4] =
        [("objectClass", &classes), ("uid", &["stranger"]), ("cn", &["Stranger"]), ("sn", &["Stranger"])];
    admin.add(&format!("uid=stranger,{}", slapd::PEOPLE), &attributes).await;

    let sweep = swept(&scene, "second").await;
    let found = findings(&sweep);
    let expected = [("drifted", 1), ("entitlementsLost", 1), ("gone", 1), ("orphans", 1)];
    assert_eq!(found, expected.map(|(name, count)| (name.to_owned(), count)), "{sweep}");
    eventually(SOON, async || {
        let name = by_marker(&server, "p1").await.and_then(|entry| entry.one("displayName"));
        let again = entry(&scene.get("User", "p2").await, APP)["id"].clone();
        let made = by_marker(&server, "p2").await.is_some() && again != old;
        let members = admin.entry(GROUP).await.expect("the group").all("member");
        match (name.as_deref(), made, members.contains(&outcast)) {
            (Some("p1"), true, true) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let after = swept(&scene, "third").await;
    assert_eq!(findings(&after), [("orphans".to_owned(), 1)], "{after}");
}
