//! What only a domain has: two logins, names that collide, bits, places that are nobody's, and passwords of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ldap3::{Mod, Scope};
use serde_json::{Value, json};
use tenure::api::{EntitlementSpec, Reason};
use tenure::connectors::active_directory::{ActiveDirectory, ActiveDirectoryConfig};
use tenure::connectors::directory::{DirectoryConfig, Identity};
use tenure::connectors::fence::Fence;
use tenure::connectors::gate::{Gate, GateConfig};
use tenure::connectors::http::Meter;
use tenure::connectors::{Connector, Failure, FailureClass, Membership};
use tenure::converge::{Change, NewAccount, RemoteAccount};
use tokio::sync::OnceCell;

use crate::support::ldap::{Entry, bind_code, replace, unicode_password};
use crate::support::targets::samba::{ADMIN, ADMIN_PASSWORD, BASE, DOMAIN, Samba};
use crate::support::{install_crypto, pki};

const REFUSED: u32 = 49;
const PASSWORD: &str = "canary-Of-Ann-1";

async fn server() -> &'static Samba {
    static SHARED: OnceCell<Samba> = OnceCell::const_new();
    SHARED.get_or_init(Samba::start).await
}

/// A unit of the domain that is one test's own.
struct Unit {
    server: &'static Samba,
    dn: String,
}

impl Unit {
    async fn new(name: &str) -> Self {
        let unit = Self { server: server().await, dn: format!("OU={name},{BASE}") };
        unit.make_unit(&unit.dn).await;
        unit
    }

    async fn make_unit(&self, dn: &str) {
        self.server.admin().add(dn, &[("objectClass", &["organizationalUnit"])]).await;
    }

    /// A connector for the accounts in this unit; `extra` is merged over its part of the spec.
    fn connector(&self, extra: Value) -> ActiveDirectory {
        self.try_connector(extra).unwrap()
    }

    fn try_connector(&self, extra: Value) -> Result<ActiveDirectory, Failure> {
        install_crypto();
        let reference = json!({ "name": "app", "key": "k" });
        let mut spec = json!({
            "servers": [self.server.url()], "domain": DOMAIN, "baseDn": self.dn,
            "bind": { "usernameSecretRef": reference, "passwordSecretRef": reference },
            "groups": { "baseDn": self.dn, "creation": "OnDemand" },
        });
        json_patch::merge(&mut spec, &extra);
        let config = ActiveDirectoryConfig {
            directory: DirectoryConfig {
                servers: vec![self.server.url()],
                ca_pem: Some(pki::directories().pem().into_bytes()),
                plain_text: false,
                identity: Identity { name: ADMIN.to_owned(), password: ADMIN_PASSWORD.into() },
                timeout: Duration::from_secs(10),
                switch_back: Duration::from_mins(5),
                connections: 2,
                page_size: 500,
                allow_insecure: true,
            },
            spec: serde_json::from_value(spec).unwrap(),
            marker: "employeeNumber".to_owned(),
            attributes: vec!["description".to_owned(), "userAccountControl.smartcardRequired".to_owned()],
        };
        let around = (Fence::open(), Gate::new(GateConfig::default()), Arc::new(|_: &_| {}) as Meter);
        ActiveDirectory::new(config, around)
    }

    async fn entry(&self, id: &str) -> Entry {
        self.server.admin().entry(&format!("<GUID={id}>")).await.expect("an entry")
    }

    async fn set_password(&self, id: &str, password: &str) {
        let value = unicode_password(password);
        let change = Mod::Replace(b"unicodePwd".to_vec(), [value].into());
        self.server.admin().modify(&format!("<GUID={id}>"), vec![change]).await;
    }

    async fn bind(&self, login: &str, password: &str) -> u32 {
        bind_code(&self.server.url(), &format!("{login}@{DOMAIN}"), password).await
    }
}

fn person(login: &str, attributes: &[(&str, Value)]) -> NewAccount {
    let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    NewAccount {
        login: login.to_owned(),
        marker: ("employeeNumber".to_owned(), format!("E-{login}")),
        attributes: attributes.collect::<BTreeMap<_, _>>(),
    }
}

fn set(attribute: &str, value: Value) -> Change {
    Change { attribute: attribute.to_owned(), value: (!value.is_null()).then_some(value) }
}

fn member(account: &RemoteAccount, held: bool) -> Membership {
    Membership { account: account.id.clone(), held }
}

async fn entitle(ad: &ActiveDirectory, kind: &str, id: &str, changes: &[Membership]) {
    let outcomes = ad.entitle(kind, id, changes).await.unwrap();
    outcomes.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
}

/// A new account is in use with the first password, under both logins; a suspended one is neither with it nor with one
/// that is set meanwhile; the password of before counts no more when it comes back.
#[tokio::test(flavor = "multi_thread")]
async fn suspended_people_cannot_bind() {
    let unit = Unit::new("suspending").await;
    let ad = unit.connector(json!({}));
    let ann = ad.create(&person("sann", &[]), Some(&PASSWORD.into())).await.unwrap();
    assert_eq!(unit.entry(&ann.id).await.one("userPrincipalName").unwrap(), "sann@example.test");
    assert_eq!(unit.bind("sann", PASSWORD).await, 0);
    assert!(!ad.set_active(&ann.id, false).await.unwrap().active);
    assert_eq!(unit.bind("sann", PASSWORD).await, REFUSED);
    assert!(ad.set_active(&ann.id, true).await.unwrap().active);
    assert_eq!(
        unit.bind("sann", PASSWORD).await,
        REFUSED,
        "it was replaced twice: not even for the hour of grace"
    );
    unit.set_password(&ann.id, PASSWORD).await;
    assert_eq!(unit.bind("sann", PASSWORD).await, 0);
    ad.set_active(&ann.id, false).await.unwrap();
    unit.set_password(&ann.id, "canary-Another-2").await;
    assert_eq!(unit.bind("sann", "canary-Another-2").await, REFUSED);
}

/// Nobody knows the password of an account that is made without one.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_may_stay() {
    let unit = Unit::new("keeping").await;
    let ad = unit.connector(json!({ "suspension": { "password": "Keep" } }));
    let ann = ad.create(&person("kann", &[]), Some(&PASSWORD.into())).await.unwrap();
    ad.set_active(&ann.id, false).await.unwrap();
    assert_eq!(unit.bind("kann", PASSWORD).await, REFUSED);
    ad.set_active(&ann.id, true).await.unwrap();
    assert_eq!(unit.bind("kann", PASSWORD).await, 0);
}

/// Only the one bit changes, whatever others have set; an expiry that is over ends with the suspension.
#[tokio::test(flavor = "multi_thread")]
async fn bits_of_others_stay() {
    let unit = Unit::new("bits").await;
    let ad = unit.connector(json!({}));
    let ann = ad.create(&person("bann", &[]), None).await.unwrap();
    let dn = format!("<GUID={}>", ann.id);
    unit.server.admin().modify(&dn, vec![replace("userAccountControl", &["66048"])]).await;
    let bits = async || unit.entry(&ann.id).await.one("userAccountControl").unwrap();
    ad.set_active(&ann.id, false).await.unwrap();
    assert_eq!(bits().await, "66050");
    let flag = set("userAccountControl.smartcardRequired", json!(true));
    let account = ad.update(&ann.id, &[flag]).await.unwrap();
    assert!(!account.active);
    assert_eq!(bits().await, (66_050 + 0x4_0000).to_string());
    unit.server.admin().modify(&dn, vec![replace("accountExpires", &["116444736000000000"])]).await;
    ad.set_active(&ann.id, true).await.unwrap();
    assert_eq!(bits().await, (66_048 + 0x4_0000).to_string());
    assert_eq!(unit.entry(&ann.id).await.one("accountExpires").unwrap(), "0");
}

/// Two people of one name in one place, and what cannot be a login.
#[tokio::test(flavor = "multi_thread")]
async fn names_collide_and_logins_do_not() {
    let unit = Unit::new("names").await;
    let ad = unit.connector(json!({}));
    let name = || [("cn", json!("Ann, \"the\" +Smith\\;<>=#"))];
    let one = ad.create(&person("nann1", &name()), None).await.unwrap();
    let other = ad.create(&person("nann2", &name()), None).await.unwrap();
    assert_eq!(unit.entry(&one.id).await.one("cn").unwrap(), "Ann, \"the\" +Smith\\;<>=#");
    assert_eq!(unit.entry(&other.id).await.one("cn").unwrap(), "Ann, \"the\" +Smith\\;<>=# (nann2)");
    assert_eq!((&one.attributes["cn"], &other.attributes["cn"]), (&name()[0].1, &name()[0].1));
    let before = unit.entry(&other.id).await;
    ad.update(&other.id, &[set("cn", name()[0].1.clone())]).await.unwrap();
    assert_eq!(unit.entry(&other.id).await, before, "nothing is written again");
    let taken = ad.create(&person("NANN1", &[("cn", json!("Somebody"))]), None).await.unwrap_err();
    assert_eq!((taken.class, taken.reason), (FailureClass::Conflict, Reason::AccountExists));
    let principal = [("userPrincipalName", json!("nann1@example.test")), ("cn", json!("Somebody"))];
    let taken = ad.create(&person("nann3", &principal), None).await.unwrap_err();
    assert_eq!((taken.class, taken.reason), (FailureClass::Conflict, Reason::AccountExists), "{taken}");
    for login in ["a/b", "a@b", "x".repeat(21).as_str(), "dot."] {
        let refused = ad.create(&person(login, &[]), None).await.unwrap_err();
        assert_eq!((refused.class, refused.reason), (FailureClass::Permanent, Reason::Rejected), "{login}");
        assert!(refused.message.contains("sAMAccountName"), "{refused}");
    }
    let all = unit.server.admin().search(&unit.dn, Scope::OneLevel, "(objectClass=user)", &["cn"]).await;
    assert_eq!(all.len(), 2);
}

/// What the schema does not have or the syntax refuses is named, and nothing is half written.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_domain_refuses_is_named() {
    let unit = Unit::new("refusals").await;
    let ad = unit.connector(json!({}));
    for (attribute, value) in [("externalId", json!("x")), ("countryCode", json!("x"))] {
        let refused = ad.create(&person("rann", &[(attribute, value)]), None).await.unwrap_err();
        assert_eq!(
            (refused.class, refused.reason),
            (FailureClass::Permanent, Reason::Rejected),
            "{attribute}"
        );
        assert!(refused.message.contains(attribute), "{refused}");
    }
    let nowhere = json!({ "newAccountsDn": format!("OU=Nowhere,{}", unit.dn) });
    let elsewhere = unit.connector(nowhere);
    let refused = elsewhere.create(&person("rann", &[]), None).await.unwrap_err();
    assert_eq!(refused.reason, Reason::InvalidConfiguration, "{refused}");
    let refused = elsewhere.probe().await.unwrap_err();
    assert!(refused.message.contains("newAccountsDn"), "{refused}");
    let other =
        unit.try_connector(json!({ "domain": "other.test", "baseDn": null, "groups": null })).unwrap();
    let refused = other.find("sAMAccountName", "rann").await.unwrap_err();
    assert!(refused.message.contains("another domain"), "{refused}");
}

/// Renamed and moved behind our back, an account is reached; another one that comes under its name is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_recycled_name_is_another_account() {
    let unit = Unit::new("recycled").await;
    let ad = unit.connector(json!({}));
    let ann = ad.create(&person("cann", &[("cn", json!("Ann"))]), None).await.unwrap();
    let elsewhere = format!("OU=Elsewhere,{}", unit.dn);
    unit.make_unit(&elsewhere).await;
    unit.server.admin().rename(&format!("CN=Ann,{}", unit.dn), "CN=Renamed", Some(&elsewhere)).await;
    let other = ad.create(&person("cann2", &[("cn", json!("Ann"))]), None).await.unwrap();
    ad.update(&ann.id, &[set("description", json!("ours"))]).await.unwrap();
    assert_eq!(unit.entry(&ann.id).await.one("description").unwrap(), "ours");
    assert!(!ad.set_active(&ann.id, false).await.unwrap().active);
    assert!(ad.get(&other.id).await.unwrap().unwrap().active);
    ad.delete(&ann.id).await.unwrap();
    assert_eq!(ad.get(&ann.id).await.unwrap(), None);
    assert_eq!(unit.entry(&other.id).await.one("description"), None);
}

/// Nothing under a protected unit is written, nothing is moved there, and the domain's own accounts are let be.
#[tokio::test(flavor = "multi_thread")]
async fn protected_units_are_nobodys() {
    let unit = Unit::new("protected").await;
    let vault = format!("OU=Vault,{}", unit.dn);
    unit.make_unit(&vault).await;
    let ad = unit.connector(json!({ "protectedDns": [vault] }));
    let ann = ad.create(&person("pann", &[("cn", json!("Ann"))]), None).await.unwrap();
    let into = EntitlementSpec { kind: "organizationalUnit".to_owned(), value: vault.clone() };
    assert_eq!(ad.resolve(&into).await.unwrap_err().reason, Reason::InvalidConfiguration);
    unit.server.admin().rename(&format!("CN=Ann,{}", unit.dn), "CN=Ann", Some(&vault)).await;
    let before = unit.entry(&ann.id).await;
    let refusals = [
        ad.update(&ann.id, &[set("description", json!("x"))]).await.unwrap_err(),
        ad.set_active(&ann.id, false).await.unwrap_err(),
        ad.delete(&ann.id).await.unwrap_err(),
    ];
    for refused in refusals {
        assert!(refused.message.contains("protectedDns"), "{refused}");
    }
    assert_eq!(unit.entry(&ann.id).await, before);
    let whole = unit.connector(json!({ "baseDn": null }));
    let krbtgt = whole.find("sAMAccountName", "krbtgt").await.unwrap();
    let administrator = whole.find("sAMAccountName", "Administrator").await.unwrap();
    for account in krbtgt.iter().chain(&administrator) {
        let refused = whole.set_active(&account.id, false).await.unwrap_err();
        assert!(refused.message.contains("for itself"), "{refused}");
    }
    assert_eq!(administrator.len(), 1);
}

/// Leavers are moved away, and back when they return; a unit is an entitlement.
#[tokio::test(flavor = "multi_thread")]
async fn places() {
    let unit = Unit::new("places").await;
    let (leavers, sales) = (format!("OU=Leavers,{}", unit.dn), format!("OU=Sales,{}", unit.dn));
    for dn in [&leavers, &sales] {
        unit.make_unit(dn).await;
    }
    let ad = unit.connector(json!({ "suspension": { "leaversDn": leavers } }));
    let ann = ad.create(&person("lann", &[("cn", json!("Ann"))]), None).await.unwrap();
    let place = EntitlementSpec { kind: "organizationalUnit".to_owned(), value: "Sales".to_owned() };
    let id = ad.resolve(&place).await.unwrap().expect("it is there");
    let dn = async || unit.entry(&ann.id).await.dn;
    for _ in 0..2 {
        entitle(&ad, "organizationalUnit", &id, &[member(&ann, true)]).await;
        assert_eq!(dn().await, format!("CN=Ann,{sales}"));
    }
    ad.set_active(&ann.id, false).await.unwrap();
    assert_eq!(dn().await, format!("CN=Ann,{leavers}"));
    ad.set_active(&ann.id, true).await.unwrap();
    assert_eq!(dn().await, format!("CN=Ann,{}", unit.dn));
    entitle(&ad, "organizationalUnit", &id, &[member(&ann, true)]).await;
    // Somebody of that name is there already.
    ad.create(&person("lann2", &[("cn", json!("Ann"))]), None).await.unwrap();
    entitle(&ad, "organizationalUnit", &id, &[member(&ann, false)]).await;
    assert_eq!(dn().await, format!("CN=Ann (lann),{}", unit.dn));
}

/// The manager is an account, by its id; one who is gone holds up nobody. Expiry is an instant.
#[tokio::test(flavor = "multi_thread")]
async fn references_and_instants() {
    let unit = Unit::new("references").await;
    let ad = unit.connector(json!({}));
    let boss = ad.create(&person("fboss", &[]), None).await.unwrap();
    let wishes = [
        ("manager", json!(boss.id)),
        ("accountExpires", json!("2030-01-31T18:00:00+01:00")),
        ("title", json!("A")),
    ];
    let ann = ad.create(&person("fann", &wishes), None).await.unwrap();
    let entry = unit.entry(&ann.id).await;
    assert_eq!(entry.one("manager").unwrap(), unit.entry(&boss.id).await.dn);
    assert_eq!(entry.one("accountExpires").unwrap(), "135405828000000000");
    assert_eq!(ann.attributes["manager"], json!(boss.id));
    assert_eq!(ann.attributes["accountExpires"], wishes[1].1, "as it was asked for");
    let read = ad.get(&ann.id).await.unwrap().unwrap();
    assert_eq!(read.attributes["accountExpires"], json!("2030-01-31T17:00:00Z"));
    ad.delete(&boss.id).await.unwrap();
    let changes = [set("manager", json!(boss.id)), set("title", json!("B"))];
    let after = ad.update(&ann.id, &changes).await.unwrap();
    assert_eq!((after.attributes["title"].clone(), after.attributes.get("manager")), (json!("B"), None));
    let gone = [("manager", json!(boss.id))];
    assert!(ad.create(&person("fbob", &gone), None).await.unwrap().active);
}

/// Groups in chunks: what is so already is no error, nor is one who is gone among many; the primary group cannot be left.
#[tokio::test(flavor = "multi_thread")]
async fn groups_by_identity() {
    let unit = Unit::new("groups").await;
    let ad = unit.connector(json!({}));
    let mut all = Vec::new();
    for n in 0..7 {
        all.push(ad.create(&person(&format!("gann{n}"), &[]), None).await.unwrap());
    }
    let spec = EntitlementSpec { kind: "group".to_owned(), value: "Sales & \"Co\"".to_owned() };
    assert_eq!(ad.resolve(&spec).await.unwrap(), None);
    let id = ad.create_entitlement(&spec, &[]).await.unwrap();
    assert_eq!(ad.create_entitlement(&spec, &[]).await.unwrap(), id, "it is made once");
    let members = async || unit.entry(&id).await.all("member").len();
    entitle(&ad, "group", &id, &[member(&all[0], true), member(&all[1], true)]).await;
    unit.server.admin().rename(&unit.entry(&id).await.dn, "CN=Renamed", None).await;
    let everybody: Vec<_> = all.iter().map(|account| member(account, true)).collect();
    entitle(&ad, "group", &id, &everybody).await;
    assert_eq!(members().await, 7);
    ad.delete(&all[3].id).await.unwrap();
    let mixed: Vec<_> = all.iter().enumerate().map(|(n, account)| member(account, n % 2 == 1)).collect();
    let outcomes = ad.entitle("group", &id, &mixed).await.unwrap();
    for (n, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Ok(()) => assert_ne!(n, 3),
            Err(failure) => assert_eq!((n, failure.class), (3, FailureClass::Gone)),
        }
    }
    assert_eq!(members().await, 2);
    let whole = unit.connector(json!({ "groups": { "baseDn": null } }));
    let users = EntitlementSpec { kind: "group".to_owned(), value: "Domain Users".to_owned() };
    let users = whole.resolve(&users).await.unwrap().expect("every domain has it");
    entitle(&whole, "group", &users, &[member(&all[0], true)]).await;
    let refused =
        whole.entitle("group", &users, &[member(&all[0], false)]).await.unwrap().remove(0).unwrap_err();
    assert!(refused.message.contains("primary group"), "{refused}");
}

/// Large changes go out by one request, and are proved by one search before and after.
#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_at_once() {
    let unit = Unit::new("many").await;
    let ad = unit.connector(json!({}));
    let admin = unit.server.admin();
    let mut changes = Vec::new();
    for n in 0..300 {
        let dn = format!("CN=m{n},{}", unit.dn);
        admin
            .add(&dn, &[("objectClass", &["user"]), ("sAMAccountName", &[format!("many{n}").as_str()])])
            .await;
    }
    let page = ad.page(None).await.unwrap();
    assert_eq!((page.accounts.len(), page.next), (300, None));
    changes.extend(page.accounts.iter().map(|account| member(account, true)));
    let spec = EntitlementSpec { kind: "group".to_owned(), value: "Many".to_owned() };
    let id = ad.create_entitlement(&spec, &[]).await.unwrap();
    entitle(&ad, "group", &id, &changes).await;
    assert_eq!(unit.entry(&id).await.all("member").len(), 300);
    for change in &mut changes {
        change.held = false;
    }
    entitle(&ad, "group", &id, &changes).await;
    assert_eq!(unit.entry(&id).await.all("member").len(), 0);
}

/// An account with entries beneath it is deleted with them; its tombstone is nobody's account.
#[tokio::test(flavor = "multi_thread")]
async fn what_lies_beneath_an_account_goes_with_it() {
    let unit = Unit::new("beneath").await;
    let ad = unit.connector(json!({}));
    let ann = ad.create(&person("tann", &[("cn", json!("Ann"))]), None).await.unwrap();
    let device = format!("CN=device,CN=Ann,{}", unit.dn);
    unit.server.admin().add(&device, &[("objectClass", &["classStore"])]).await;
    ad.delete(&ann.id).await.unwrap();
    ad.delete(&ann.id).await.unwrap();
    assert_eq!(ad.get(&ann.id).await.unwrap(), None);
    assert_eq!(ad.find("employeeNumber", "E-tann").await.unwrap(), []);
    let again = ad.create(&person("tann", &[("cn", json!("Ann"))]), None).await.unwrap();
    assert_ne!(again.id, ann.id);
}
