//! Many people leave one large group.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::company::{APP, ldap_app};
use crate::support::scene::unbounded;
use crate::support::targets::slapd::{self, Config, Slapd};
use crate::support::{LdapProxy, Scene, eventually};

const LEAVERS: usize = 1_000;
/// Members who are no concern of ours.
const OTHERS: usize = 9_000;
/// How many members one request changes (facts: about 500).
const CHUNK: usize = 500;
const GROUP: &str = "cn=Everybody,ou=groups,dc=example,dc=org";
/// On a machine that others use too.
const PATIENCE: Duration = Duration::from_mins(8);

/// 9,000 entries of others, and the group that has them all.
fn crowd() -> String {
    let mut ldif = String::new();
    for n in 0..OTHERS {
        write!(
            ldif,
            "dn: uid=other{n},{people}\nobjectClass: inetOrgPerson\nuid: other{n}\ncn: Other {n}\nsn: Other\n\
             memberOf: {GROUP}\n\n",
            people = slapd::PEOPLE
        )
        .unwrap();
    }
    write!(ldif, "dn: {GROUP}\nobjectClass: groupOfNames\ncn: Everybody\n").unwrap();
    for n in 0..OTHERS {
        writeln!(ldif, "member: uid=other{n},{}", slapd::PEOPLE).unwrap();
    }
    ldif
}

/// 1,000 of the 10,000 members of a group leave: all are suspended first, then the group is emptied of them by a few
/// requests, and the rest stay.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_leave_a_group_of_ten_thousand_by_a_few_requests() {
    let server = Slapd::start(Config { seed: crowd(), ..Config::default() }).await;
    let proxy = LdapProxy::start("localhost", server.tls_port());
    let scene = Scene::new("leavers").await;
    let mut policy = json!({ "onLeave": { "removeEntitlements": "Managed" } });
    json_patch::merge(&mut policy, &unbounded());
    ldap_app(&scene, &[proxy.url()], json!({}), policy).await;
    scene.role_for("staff", json!({ "match": "true" }), APP, &["Everybody"]).await;
    scene.crowd("p", LEAVERS, &[], &json!({})).await;
    let operator = scene.patient_operator().args(["--linger-seconds", "120"]).start().await;
    scene.all_ready(LEAVERS, PATIENCE).await;
    let members = async || server.admin().entry(GROUP).await.expect("the group").all("member");
    assert_eq!(members().await.len(), OTHERS + LEAVERS);
    let joined = memberships(&proxy, 0);
    assert_eq!(joined.iter().map(|(_, count)| count).sum::<usize>(), LEAVERS, "each was added once");
    assert!(joined.len() <= 2 * LEAVERS.div_ceil(CHUNK), "they came by {} requests", joined.len());

    let mark = LdapProxy::mark();
    // Nobody can wait for those who have not left yet, so all of them leave before the first is seen to.
    pause(&scene, json!("true")).await;
    scene.condition("App", APP, "Paused", "True").await;
    let scene_ref = &scene;
    futures::stream::iter(0..LEAVERS)
        .for_each_concurrent(16, |n| async move {
            scene_ref.merge("User", &format!("p{n}"), json!({ "spec": { "state": "Terminated" } })).await;
        })
        .await;
    eventually(PATIENCE, async || {
        let waiting = operator.metrics().await.sum("tenure_queue_depth", &[("lane", "leave")]);
        if waiting >= f64::from(u16::try_from(LEAVERS).unwrap()) {
            Ok(())
        } else {
            Err(format!("{waiting} leavers are known of"))
        }
    })
    .await;
    pause(&scene, json!(null)).await;
    eventually(PATIENCE, async || match members().await.len() {
        OTHERS => Ok(()),
        found => Err(format!("{found} members")),
    })
    .await;
    let left = memberships(&proxy, mark);
    assert_eq!(left.iter().map(|(_, count)| count).sum::<usize>(), LEAVERS, "each was removed once");
    assert!(left.len() <= 2 * LEAVERS.div_ceil(CHUNK), "they went by {} requests", left.len());
    let first_removal = left.first().unwrap().0;
    let suspended: BTreeSet<_> = proxy
        .writes_since(mark)
        .into_iter()
        .filter(|write| write.order < first_removal && write.touches("pwdEndTime"))
        .map(|write| write.dn)
        // Not those that suspension is tried with on connecting.
        .filter(|dn| dn.starts_with("uid="))
        .collect();
    assert_eq!(suspended.len(), LEAVERS, "everybody is suspended before anybody loses a group");
    scene.all_ready(LEAVERS, PATIENCE).await;
}

async fn pause(scene: &Scene, paused: Value) {
    scene.merge("App", APP, json!({ "metadata": { "annotations": { "tenure.dev/paused": paused } } })).await;
}

/// Requests about members of the group: their place among all requests, and how many members they were about.
fn memberships(proxy: &LdapProxy, mark: u64) -> Vec<(u64, usize)> {
    let about = proxy.writes_since(mark).into_iter().filter(|write| write.dn.eq_ignore_ascii_case(GROUP));
    about.map(|write| (write.order, write.touched.iter().map(|t| t.values.len()).sum())).collect()
}
