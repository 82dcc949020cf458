//! Domains of Active Directory.

use std::collections::BTreeMap;
use std::sync::Arc;

use ldap3::Scope;
use serde_json::{Value, json};
use tenure::api::{AppSpec, EntitlementSpec};
use tenure::connectors::active_directory::{ActiveDirectory as DomainClient, ActiveDirectoryConfig};
use tenure::connectors::fence::Fence;
use tenure::connectors::gate::{Gate, GateConfig};
use tenure::connectors::http::Meter;
use tenure::converge::RemoteAccount;
use tokio::sync::RwLock;

use super::directory::{LdapLine, directory_config, in_dn, texts, value};
use crate::subject::{Class, Sample, Subject, Wish};
use crate::support::ldap::{Entry, Raw, replace, unicode_password};
use crate::support::targets::samba::{ADMIN, ADMIN_PASSWORD, DOMAIN, Samba};
use crate::support::{self, LdapProxy};

const MARKER: &str = "employeeNumber";
const GROUP: &str = "group";
/// Where the suite's people are.
const PEOPLE: &str = "OU=People,DC=example,DC=test";
/// Where the suite's groups are.
const GROUPS: &str = "OU=Groups,DC=example,DC=test";
/// ACCOUNTDISABLE (MS-ADTS §2.2.16).
const DISABLED: u32 = 2;
/// A user, as `objectCategory` and `objectClass` tell it from a computer.
const USER: &str = "(objectCategory=person)(objectClass=user)";

/// A domain of its own.
pub(crate) struct Domain {
    server: Samba,
    turns: RwLock<()>,
}

/// A Samba server.
pub(crate) async fn samba() -> Domain {
    let server = Samba::start().await;
    for (dn, name) in [(PEOPLE, "People"), (GROUPS, "Groups")] {
        server.admin().add(dn, &[("objectClass", &["organizationalUnit"]), ("ou", &[name])]).await;
    }
    let domain = Domain { server, turns: RwLock::default() };
    for n in 0..5 {
        let who = format!("stranger{n}");
        domain.make(&domain.login(&who), &domain.needs(&who)).await;
    }
    domain
}

/// `objectGUID` in its usual text form: the first three fields are little-endian (RFC 4122 §4.1.2, MS-DTYP §2.3.4).
fn guid(entry: &Entry) -> String {
    let bytes: [u8; 16] = entry.bytes("objectGUID")[0].as_slice().try_into().expect("16 bytes");
    uuid::Uuid::from_bytes_le(bytes).to_string()
}

fn named(id: &str) -> String {
    format!("<GUID={id}>")
}

impl Domain {
    fn raw(&self) -> &Raw {
        self.server.admin()
    }

    async fn by_id(&self, id: &str) -> Option<Entry> {
        self.raw().entry(&named(id)).await.filter(|entry| entry.is_a("user"))
    }

    /// The account as an entry shows it, read by other code than the connector's.
    fn shown(&self, entry: &Entry) -> RemoteAccount {
        let samples = Class::ALL.into_iter().filter_map(|class| self.sample(class, ""));
        let names = samples.map(|sample| sample.attribute.to_owned()).chain(self.needs("").into_keys());
        let control: u32 = entry.one("userAccountControl").expect("flags").parse().expect("a number");
        RemoteAccount {
            id: guid(entry),
            login: entry.one("sAMAccountName").unwrap_or_default(),
            marker: entry.one(MARKER),
            active: control & DISABLED == 0,
            attributes: names
                .map(|name| (name.clone(), value(entry, &name)))
                .filter(|(_, value)| !value.is_null())
                .collect(),
            terms: Arc::default(),
        }
    }
}

fn spec_of(url: &str, wish: Wish) -> AppSpec {
    let reference = |key: &str| json!({ "name": "app", "key": key });
    let creation = if wish.create_entitlements { "OnDemand" } else { "Never" };
    let spec = json!({ "connector": { "activeDirectory": {
        "servers": [url], "caSecretRef": reference("ca"),
        "bind": { "usernameSecretRef": reference("username"), "passwordSecretRef": reference("password") },
        "domain": DOMAIN, "baseDn": PEOPLE,
        "groups": { "baseDn": GROUPS, "creation": creation },
    } } });
    serde_json::from_value(spec).expect("a spec")
}

impl Subject for Domain {
    type Connector = DomainClient;
    type Line = LdapLine;

    fn line(&self) -> LdapLine {
        let (address, port) = self.server.tls_address();
        LdapLine(LdapProxy::start(&address, port))
    }

    fn connector(&self, line: &LdapLine, wish: Wish) -> DomainClient {
        support::install_crypto();
        let spec = spec_of(&line.0.url(), wish);
        let config = ActiveDirectoryConfig {
            directory: directory_config(line, (ADMIN, ADMIN_PASSWORD), wish),
            spec: spec.connector.active_directory.expect("it is one"),
            marker: MARKER.to_owned(),
            attributes: Vec::new(),
        };
        let around = (Fence::open(), Gate::new(GateConfig::default()), Arc::new(|_: &_| {}) as Meter);
        DomainClient::new(config, around).unwrap()
    }

    fn spec(&self) -> AppSpec {
        spec_of(&self.server.url(), Wish { create_entitlements: true, page: None })
    }

    fn turns(&self) -> &RwLock<()> {
        &self.turns
    }

    fn login(&self, who: &str) -> String {
        // A user's `sAMAccountName` is not longer (MS-SAMR §3.1.1.6).
        who.chars().take(20).collect()
    }

    fn needs(&self, who: &str) -> BTreeMap<String, Value> {
        BTreeMap::from([
            ("displayName".to_owned(), json!(format!("Ann {who}"))),
            ("sn".to_owned(), json!(who)),
        ])
    }

    fn sample(&self, class: Class, _who: &str) -> Option<Sample> {
        let (attribute, first, second) = match class {
            Class::Text => ("title", json!("Engineer"), json!("Lead Engineer")),
            // Attributes of a directory have no parts, and Samba's schema has no extension.
            Class::Nested | Class::Extension => return None,
            Class::Many => {
                ("otherTelephone", json!(["+49 30 1", "+49 30 2"]), json!(["+49 30 2", "+49 30 3"]))
            }
            Class::Flag => ("msNPAllowDialin", json!("TRUE"), json!("FALSE")),
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
        let all = self.raw().search(PEOPLE, Scope::Subtree, &format!("(&{USER})"), &["*"]).await;
        all.iter().map(|entry| self.shown(entry)).collect()
    }

    async fn make(&self, login: &str, attributes: &BTreeMap<String, Value>) -> String {
        let password = unicode_password("canary-Of-Their-Own-1");
        let bytes = |texts: Vec<String>| texts.into_iter().map(String::into_bytes).collect::<Vec<_>>();
        let mut all: Vec<(&str, Vec<Vec<u8>>)> = vec![
            ("objectClass", bytes(vec!["user".to_owned()])),
            ("sAMAccountName", bytes(vec![login.to_owned()])),
            ("userAccountControl", bytes(vec!["512".to_owned()])),
            ("unicodePwd", vec![password]),
        ];
        all.extend(attributes.iter().map(|(name, value)| (name.as_str(), bytes(texts(value)))));
        let all: Vec<_> = all.iter().map(|(name, values)| (*name, values.as_slice())).collect();
        let dn = format!("CN={},{PEOPLE}", in_dn(login));
        self.raw().add(&dn, &all).await;
        self.raw().entry(&dn).await.map(|entry| guid(&entry)).expect("it was just made")
    }

    async fn set(&self, id: &str, attribute: &str, value: &Value) {
        let values = texts(value);
        let values: Vec<_> = values.iter().map(String::as_str).collect();
        self.raw().modify(&named(id), vec![replace(attribute, &values)]).await;
    }

    async fn suspend(&self, id: &str) {
        self.raw().modify(&named(id), vec![replace("userAccountControl", &["514"])]).await;
    }

    async fn delete(&self, id: &str) {
        self.raw().delete(&named(id)).await;
    }

    async fn make_entitlement(&self, entitlement: &EntitlementSpec) -> String {
        if entitlement.kind != GROUP {
            let dn = format!("OU={},{PEOPLE}", in_dn(&entitlement.value));
            self.raw().add(&dn, &[("objectClass", &["organizationalUnit"])]).await;
            return self.raw().entry(&dn).await.map(|entry| guid(&entry)).expect("it was just made");
        }
        // Names with quotes are no account names; the group's is in `cn`.
        let dn = format!("CN={},{GROUPS}", in_dn(&entitlement.value));
        self.raw().add(&dn, &[("objectClass", &["group"])]).await;
        self.raw().entry(&dn).await.map(|entry| guid(&entry)).expect("it was just made")
    }

    async fn delete_entitlement(&self, id: &str) {
        self.raw().delete(&named(id)).await;
    }

    async fn holders(&self, kind: &str, entitlement: &str) -> Vec<String> {
        if kind == GROUP {
            let group =
                self.raw().entry(&named(entitlement)).await.unwrap_or_else(|| panic!("no {entitlement}"));
            let mut ids = Vec::new();
            for member in group.all("member") {
                let entry = self.raw().entry(&member).await.unwrap_or_else(|| panic!("no entry {member}"));
                ids.push(guid(&entry));
            }
            return ids;
        }
        // Of an organizational unit: who is right under it.
        let Some(unit) = self.raw().entry(&named(entitlement)).await else {
            return Vec::new();
        };
        let all = self.raw().search(&unit.dn, Scope::OneLevel, &format!("(&{USER})"), &["objectGUID"]).await;
        all.iter().map(guid).collect()
    }
}
