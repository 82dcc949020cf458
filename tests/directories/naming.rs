//! Names change, are used again, and are meant to do harm: a write reaches the right entry or none.

use std::time::Duration;

use serde_json::{Value, json};

use crate::company::{APP, by_id, by_marker, ldap_app};
use crate::support::ldap::{Entry, Raw};
use crate::support::ldap_proxy::{Action, Op, Rule};
use crate::support::scene::{SOON, entry, find_condition};
use crate::support::targets::slapd::{self, Config, Slapd};
use crate::support::{LdapProxy, Scene, eventually};

async fn unit(raw: &Raw, name: &str) -> String {
    let dn = format!("ou={name},{}", slapd::PEOPLE);
    raw.add(&dn, &[("objectClass", &["organizationalUnit"]), ("ou", &[name])]).await;
    dn
}

/// Somebody else's entry, under whatever name.
async fn stranger(raw: &Raw, dn: &str, uid: &str) -> Entry {
    let attributes: [(&str, &[&str]); 4] =
        [("objectClass", &["inetOrgPerson"]), ("uid", &[uid]), ("cn", &["Somebody Else"]), ("sn", &["Else"])];
    raw.add(dn, &attributes).await;
    raw.entry(dn).await.expect("it was just added")
}

/// Waits until the App says of somebody that the name is another's.
async fn is_taken(scene: &Scene, user: &str) {
    eventually(SOON, async || {
        let ready = find_condition(&scene.get("User", user).await, "Ready").unwrap_or_default();
        let taken = ready["message"].as_str().is_some_and(|message| message.contains("AccountExists"));
        if taken { Ok(()) } else { Err(format!("{user}: {ready}")) }
    })
    .await;
}

async fn title_becomes(server: &Slapd, id: &Value, title: &str) -> Entry {
    eventually(SOON, async || {
        let entry = by_id(server, id).await.ok_or("there is no entry")?;
        let found = entry.one("title");
        if found.as_deref() == Some(title) {
            Ok(entry)
        } else {
            Err(format!("title is {found:?}, not {title}"))
        }
    })
    .await
}

/// An entry that others rename or move is the same account, and changes follow it there.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_followed_wherever_it_is_put() {
    let server = Slapd::start(Config::default()).await;
    let scene = Scene::new("moved").await;
    ldap_app(&scene, &[server.url()], json!({}), json!({})).await;
    let elsewhere = unit(server.admin(), "elsewhere").await;
    let _operator = scene.operator().start().await;
    scene.user("ann", &[], json!({})).await;
    let id = entry(&scene.ready("ann").await, APP)["id"].clone();
    let ann = by_id(&server, &id).await.unwrap();
    server.admin().rename(&ann.dn, "uid=renamed", Some(&elsewhere)).await;
    scene.user("ann", &[], json!({ "title": "Lead" })).await;
    let found = title_becomes(&server, &id, "Lead").await;
    assert_eq!(found.one("uid").as_deref(), Some("ann@example.com"), "its login is put right");
    assert!(found.dn.ends_with(&elsewhere), "it is left where others put it: {}", found.dn);
    scene.ready("ann").await;
    scene.user("ann", &[], json!({ "title": "Lead", "state": "Suspended" })).await;
    scene.account("ann", APP, "Suspended").await;
    assert_eq!(entry(&scene.get("User", "ann").await, APP)["id"], id);
}

/// The entry is deleted, and somebody else's is made under its name: that one is left alone, whenever it happens.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_used_again_is_somebody_else() {
    let server = Slapd::start(Config::default()).await;
    let proxy = LdapProxy::start("localhost", server.tls_port());
    let scene = Scene::new("recycled").await;
    ldap_app(&scene, &[proxy.url()], json!({}), json!({})).await;
    let _operator = scene.operator().start().await;
    for name in ["ann", "bob", "eve"] {
        scene.user(name, &[], json!({})).await;
    }
    let mut dns = Vec::new();
    for name in ["ann", "bob", "eve"] {
        scene.ready(name).await;
        let entry = by_marker(&server, name).await.unwrap();
        dns.push((entry.dn.clone(), entry.one("uid").unwrap()));
    }
    // Between two writes.
    server.admin().delete(&dns[0].0).await;
    let other = stranger(server.admin(), &dns[0].0, &dns[0].1).await;
    scene.user("ann", &[], json!({ "title": "Lead" })).await;
    is_taken(&scene, "ann").await;
    assert_eq!(server.admin().entry(&other.dn).await.unwrap(), other);
    // While a write is on its way: a change, and a suspension.
    for (name, dn, change) in
        [("bob", &dns[1], json!({ "title": "Lead" })), ("eve", &dns[2], json!({ "state": "Terminated" }))]
    {
        let held = dn.0.clone();
        let slow = Action::Delay(Duration::from_millis(800));
        proxy.inject(
            Rule::new(slow, move |r| r.op == Op::Modify && r.dn.eq_ignore_ascii_case(&held)).times(1),
        );
        let mark = LdapProxy::mark();
        scene.user(name, &[], change).await;
        eventually(SOON, async || {
            let on_its_way =
                proxy.writes_since(mark).iter().any(|write| write.dn.eq_ignore_ascii_case(&dn.0));
            if on_its_way { Ok(()) } else { Err(format!("nothing is written about {name}")) }
        })
        .await;
        server.admin().delete(&dn.0).await;
        let other = stranger(server.admin(), &dn.0, &dn.1).await;
        eventually(SOON, async || {
            let writes = proxy.writes_since(mark);
            let answered = writes.iter().any(|w| w.dn.eq_ignore_ascii_case(&dn.0) && w.code.is_some());
            if answered { Ok(()) } else { Err(format!("{name}: the write is not answered: {writes:?}")) }
        })
        .await;
        if name == "eve" {
            let left = scene.account("eve", APP, "Deleted").await;
            assert_eq!(left["reason"], "AccountGone", "{left}");
        } else {
            is_taken(&scene, name).await;
        }
        assert_eq!(server.admin().entry(&other.dn).await.unwrap(), other, "{name}");
    }
}

/// People whose names mean something in a DN or a filter get entries with exactly these names, or are refused.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_are_names() {
    let names = [
        "comma, plus+ quote\"",
        "back\\slash",
        "<angle> ;semi; =equals=",
        "#hash",
        " leading",
        "trailing ",
        "*",
        "*)(uid=*",
        "(objectClass=*)",
        "uid=admin,dc=example,dc=org",
        "Zoë Müller",
        "山田太郎",
        "\u{1F469}\u{200D}\u{1F680}",
        "a/b",
        "a\u{7}b",
        &"x".repeat(64),
        "..",
        "%00",
        "\\00",
        "\\2a",
    ];
    let server = Slapd::start(Config::default()).await;
    let scene = Scene::new("hostile-names").await;
    // The names are those of the entries too.
    let attributes = json!({ "attributes": [
        { "to": "cn", "value": "user.displayName" }, { "to": "uid", "value": "user.userName" },
    ] });
    ldap_app(&scene, &[server.url()], json!({ "rdnAttribute": "cn" }), attributes).await;
    let before = server
        .admin()
        .search(slapd::BASE, ldap3::Scope::Subtree, "(objectClass=*)", &["entryUUID", "entryCSN"])
        .await;
    let _operator = scene.operator().start().await;
    for (n, name) in names.iter().enumerate() {
        scene.user(&format!("p{n}"), &[], json!({ "displayName": name })).await;
    }
    for (n, name) in names.iter().enumerate() {
        let user = format!("p{n}");
        scene.ready(&user).await;
        let entry = by_marker(&server, &user).await.unwrap_or_else(|| panic!("no entry for {name:?}"));
        assert_eq!(entry.one("cn").as_deref(), Some(*name), "{}", entry.dn);
        let parent = format!(",{}", slapd::PEOPLE);
        assert!(entry.dn.ends_with(&parent), "{name:?} is {}", entry.dn);
    }
    for entry in before {
        assert_eq!(
            server
                .admin()
                .search(&entry.dn, ldap3::Scope::Base, "(objectClass=*)", &["entryUUID", "entryCSN"])
                .await,
            [entry]
        );
    }
}
