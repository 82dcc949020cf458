//! LDAP directories.

use std::collections::BTreeMap;
use std::sync::Arc;

use ldap3::Scope;
use serde_json::{Value, json};
use tenure::api::{AppSpec, EntitlementSpec};
use tenure::connectors::fence::Fence;
use tenure::connectors::gate::{Gate, GateConfig};
use tenure::connectors::http::Meter;
use tenure::connectors::ldap::{Ldap as LdapClient, LdapConfig};
use tenure::converge::RemoteAccount;
use tokio::sync::RwLock;

use super::directory::{LdapLine, directory_config, in_dn, in_filter, texts, value};
use crate::subject::{Class, Sample, Subject, Wish};
use crate::support::ldap::{Entry, Raw, replace};
use crate::support::targets::slapd::{
    Config, GROUPS, OPERATOR, OPERATOR_PASSWORD, PEOPLE, PLACEHOLDER, Policy, Slapd,
};
use crate::support::{self, LdapProxy};

/// When an account is locked for good (draft-behera-ldap-password-policy §5.3.3).
const FOR_GOOD: &str = "000001010000Z";
const MARKER: &str = "employeeNumber";
const GROUP: &str = "group";
/// In place of the password of somebody who has none.
const NO_PASSWORD: &str = "{!}";

/// A slapd, whose people are of a class of its own too.
pub(crate) struct Ldap {
    server: Slapd,
    policy: Policy,
    turns: RwLock<()>,
}

/// A slapd with this policy for passwords.
pub(crate) async fn slapd(policy: Policy) -> Ldap {
    let server = Slapd::start(Config { policy, ..Config::default() }).await;
    let ldap = Ldap { server, policy, turns: RwLock::default() };
    for n in 0..5 {
        let who = format!("stranger{n}");
        ldap.make(&ldap.login(&who), &ldap.needs(&who)).await;
    }
    ldap
}

impl Ldap {
    fn raw(&self) -> &Raw {
        self.server.admin()
    }

    async fn by_id(&self, id: &str) -> Option<Entry> {
        self.raw().find(PEOPLE, &format!("(&(entryUUID={})(objectClass=inetOrgPerson))", in_filter(id))).await
    }

    async fn must_be(&self, id: &str) -> Entry {
        self.by_id(id).await.unwrap_or_else(|| panic!("there is no account {id}"))
    }

    async fn group(&self, id: &str) -> Entry {
        let found = self.raw().find(GROUPS, &format!("(entryUUID={})", in_filter(id))).await;
        found.unwrap_or_else(|| panic!("there is no group {id}"))
    }

    /// Whether nothing that the server heeds keeps this person from binding.
    fn is_active(&self, entry: &Entry) -> bool {
        if self.policy == Policy::Lockout {
            let now = jiff::Timestamp::now().strftime("%Y%m%d%H%M%SZ").to_string();
            let ended = entry.one("pwdEndTime").is_some_and(|end| end <= now);
            return !ended && entry.one("pwdAccountLockedTime").as_deref() != Some(FOR_GOOD);
        }
        !entry.all("userPassword").iter().any(|hash| hash.contains("}!") || hash == NO_PASSWORD)
    }

    /// The account as an entry shows it, read by other code than the connector's.
    fn shown(&self, entry: &Entry) -> RemoteAccount {
        let samples = Class::ALL.into_iter().filter_map(|class| self.sample(class, ""));
        let names = samples.map(|sample| sample.attribute.to_owned()).chain(self.needs("").into_keys());
        RemoteAccount {
            id: entry.one("entryUUID").expect("an id"),
            login: entry.one("uid").unwrap_or_default(),
            marker: entry.one(MARKER),
            active: self.is_active(entry),
            attributes: names
                .map(|name| (name.clone(), value(entry, &name)))
                .filter(|(_, value)| !value.is_null())
                .collect(),
            terms: Arc::default(),
        }
    }

    fn spec_of(&self, url: &str, wish: Wish) -> AppSpec {
        let reference = |key: &str| json!({ "name": "app", "key": key });
        let creation = if wish.create_entitlements { "OnDemand" } else { "Never" };
        let spec = json!({ "connector": { "ldap": {
            "servers": [url], "caSecretRef": reference("ca"),
            "bind": { "usernameSecretRef": reference("username"), "passwordSecretRef": reference("password") },
            "baseDn": PEOPLE,
            "objectClasses": ["inetOrgPerson", "examplePerson"],
            "groups": { "baseDn": GROUPS, "creation": creation },
            "suspend": if self.policy == Policy::Lockout { "Proved" } else { "BestEffort" },
        } } });
        serde_json::from_value(spec).expect("a spec")
    }
}

impl Subject for Ldap {
    type Connector = LdapClient;
    type Line = LdapLine;

    fn line(&self) -> LdapLine {
        LdapLine(LdapProxy::start("localhost", self.server.tls_port()))
    }

    fn connector(&self, line: &LdapLine, wish: Wish) -> LdapClient {
        support::install_crypto();
        let spec = self.spec_of(&line.0.url(), wish);
        let config = LdapConfig {
            directory: directory_config(line, (OPERATOR, OPERATOR_PASSWORD), wish),
            spec: spec.connector.ldap.expect("it is one"),
            marker: MARKER.to_owned(),
            attributes: Vec::new(),
            // That suspended people cannot bind is tried by tests/directories.
            may_try: false,
        };
        let around = (Fence::open(), Gate::new(GateConfig::default()), Arc::new(|_: &_| {}) as Meter);
        LdapClient::new(config, around).unwrap()
    }

    fn spec(&self) -> AppSpec {
        self.spec_of(&self.server.url(), Wish { create_entitlements: true, page: None })
    }

    fn turns(&self) -> &RwLock<()> {
        &self.turns
    }

    fn login(&self, who: &str) -> String {
        who.to_owned()
    }

    fn needs(&self, who: &str) -> BTreeMap<String, Value> {
        BTreeMap::from([("cn".to_owned(), json!(format!("Ann {who}"))), ("sn".to_owned(), json!(who))])
    }

    fn sample(&self, class: Class, _who: &str) -> Option<Sample> {
        let (attribute, first, second) = match class {
            Class::Text => ("title", json!("Engineer"), json!("Lead Engineer")),
            // Attributes of a directory have no parts.
            Class::Nested => return None,
            Class::Many => {
                ("telephoneNumber", json!(["+49 30 1", "+49 30 2"]), json!(["+49 30 2", "+49 30 3"]))
            }
            Class::Extension => ("exampleBadge", json!("B-1"), json!("B-2")),
            Class::Flag => ("exampleRemote", json!("TRUE"), json!("FALSE")),
        };
        Some(Sample { attribute, first, second })
    }

    fn entitlement(&self, name: &str) -> EntitlementSpec {
        EntitlementSpec { kind: GROUP.to_owned(), value: name.to_owned() }
    }

    async fn account(&self, id: &str) -> Option<RemoteAccount> {
        self.by_id(id).await.map(|entry| self.shown(&entry))
    }

    async fn accounts(&self) -> Vec<RemoteAccount> {
        let all = self.raw().search(PEOPLE, Scope::Subtree, "(objectClass=inetOrgPerson)", &["*", "+"]).await;
        all.iter().map(|entry| self.shown(entry)).collect()
    }

    async fn make(&self, login: &str, attributes: &BTreeMap<String, Value>) -> String {
        let mut all: Vec<(&str, Vec<String>)> = vec![
            ("objectClass", vec!["inetOrgPerson".to_owned(), "examplePerson".to_owned()]),
            ("uid", vec![login.to_owned()]),
            ("userPassword", vec!["canary-of-their-own".to_owned()]),
        ];
        all.extend(attributes.iter().map(|(name, value)| (name.as_str(), texts(value))));
        let all: Vec<_> = all.iter().map(|(name, values)| (*name, values.as_slice())).collect();
        let dn = format!("uid={},{PEOPLE}", in_dn(login));
        self.raw().add(&dn, &all).await;
        self.raw().entry(&dn).await.and_then(|entry| entry.one("entryUUID")).expect("it was just made")
    }

    async fn set(&self, id: &str, attribute: &str, value: &Value) {
        let entry = self.must_be(id).await;
        let values = texts(value);
        if attribute == "uid" {
            self.raw().rename(&entry.dn, &format!("uid={}", in_dn(&values[0])), None).await;
            return;
        }
        let values: Vec<_> = values.iter().map(String::as_str).collect();
        self.raw().modify(&entry.dn, vec![replace(attribute, &values)]).await;
    }

    async fn suspend(&self, id: &str) {
        let entry = self.must_be(id).await;
        let change = if self.policy == Policy::Lockout {
            replace("pwdAccountLockedTime", &[FOR_GOOD])
        } else {
            let hash = entry.one("userPassword").unwrap_or_else(|| "{CRYPT}".to_owned());
            replace("userPassword", &[&hash.replacen('}', "}!", 1)])
        };
        self.raw().modify(&entry.dn, vec![change]).await;
    }

    async fn delete(&self, id: &str) {
        let entry = self.must_be(id).await;
        self.raw().delete(&entry.dn).await;
    }

    async fn make_entitlement(&self, entitlement: &EntitlementSpec) -> String {
        let name = [entitlement.value.as_str()];
        if entitlement.kind != GROUP {
            let dn = format!("ou={},{PEOPLE}", in_dn(&entitlement.value));
            self.raw().add(&dn, &[("objectClass", &["organizationalUnit"] as &[&str]), ("ou", &name)]).await;
            return self
                .raw()
                .entry(&dn)
                .await
                .and_then(|entry| entry.one("entryUUID"))
                .expect("it was just made");
        }
        let dn = format!("cn={},{GROUPS}", in_dn(&entitlement.value));
        self.raw()
            .add(
                &dn,
                &[("objectClass", &["groupOfNames"] as &[&str]), ("cn", &name), ("member", &[PLACEHOLDER])],
            )
            .await;
        self.raw().entry(&dn).await.and_then(|entry| entry.one("entryUUID")).expect("it was just made")
    }

    async fn delete_entitlement(&self, id: &str) {
        let group = self.group(id).await;
        self.raw().delete(&group.dn).await;
    }

    async fn holders(&self, kind: &str, entitlement: &str) -> Vec<String> {
        if kind == GROUP {
            let mut ids = Vec::new();
            for member in self.group(entitlement).await.all("member") {
                let entry = self.raw().entry(&member).await.unwrap_or_else(|| panic!("no entry {member}"));
                ids.extend(entry.is_a("inetOrgPerson").then(|| entry.one("entryUUID").expect("an id")));
            }
            return ids;
        }
        // Of an organizational unit: who is right under it.
        let unit = self.raw().find(PEOPLE, &format!("(entryUUID={})", in_filter(entitlement))).await;
        let Some(unit) = unit else {
            return Vec::new();
        };
        let all =
            self.raw().search(&unit.dn, Scope::OneLevel, "(objectClass=inetOrgPerson)", &["entryUUID"]).await;
        all.iter().map(|entry| entry.one("entryUUID").expect("an id")).collect()
    }
}
