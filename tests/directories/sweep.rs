//! What was done to entries behind our back is found by one listing, and put right.

use std::time::Duration;

use serde_json::json;

use crate::company::{APP, by_marker, ldap_app};
use crate::support::ldap::{remove_values, replace};
use crate::support::scene::{SOON, entry};
use crate::support::sweeps::{counted, findings};
use crate::support::targets::slapd::{self, Config, Slapd};
use crate::support::{Scene, eventually};

const PEOPLE: usize = 6;
const GROUP: &str = "cn=Staff,ou=groups,dc=example,dc=org";

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
    scene.age("p2").await;
    let clean = scene.sweep(APP, "first").await;
    assert_eq!((findings(&clean), &clean["sweep"]["accounts"]), (vec![], &json!(PEOPLE)), "{clean}");

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

    let status = scene.sweep(APP, "second").await;
    let expected = [("drifted", 1), ("entitlementsLost", 1), ("gone", 1), ("orphans", 1)];
    assert_eq!(findings(&status), counted(&expected), "{status}");
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
    let after = scene.sweep(APP, "third").await;
    assert_eq!(findings(&after), counted(&[("orphans", 1)]), "{after}");
}
