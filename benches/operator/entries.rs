//! Accounts in directories, connectors for them, and raw clients that do nothing but send.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::{Ldap as Handle, Mod, Scope};
use secrecy::SecretString;
use serde_json::{Value, json};
use tenure::connectors::active_directory::{ActiveDirectory, ActiveDirectoryConfig};
use tenure::connectors::directory::{DirectoryConfig, Identity, post_read};
use tenure::connectors::fence::Fence;
use tenure::connectors::gate::{Gate, GateConfig};
use tenure::connectors::http::Meter;
use tenure::connectors::ldap::{Ldap, LdapConfig};
use tenure::connectors::password;
use tenure::converge::NewAccount;

use crate::people;
use crate::support::ldap::{Raw, unicode_password};
use crate::support::pki;
use crate::support::targets::samba::{self, Samba};
use crate::support::targets::slapd;

/// The root of Samba's domain.
pub const SAMBA_BASE: &str = samba::BASE;
/// Who may do everything there.
pub const SAMBA_ADMIN: (&str, &str) = (samba::ADMIN, samba::ADMIN_PASSWORD);
/// Entries on a page.
pub const PAGE: u16 = 500;
/// Connections, of the raw clients as of the connectors.
const CONNECTIONS: usize = 2;
/// What the raw clients have shown, as the connectors do.
const WHOLE: [&str; 5] = ["*", "entryUUID", "pwdEndTime", "pwdAccountLockedTime", "nsAccountLock"];

fn new_account(login: String, i: usize, attributes: Value) -> NewAccount {
    let attributes = serde_json::from_value(attributes).expect("attributes");
    NewAccount { login, marker: ("employeeNumber".to_owned(), people::person_id(i)), attributes }
}

/// An account in an LDAP directory.
pub fn account(i: usize) -> NewAccount {
    let name = people::name(i);
    let attributes = json!({
        "cn": format!("Ada Lovelace ({i})"), "sn": "Lovelace", "givenName": "Ada", "displayName": format!("Ada ({i})"),
        "mail": people::login(i), "telephoneNumber": format!("+49 30 {i:08}"), "title": "Specialist",
        "departmentNumber": "Research", "o": "Corporation", "employeeType": "Employee", "preferredLanguage": "en",
    });
    new_account(name, i, attributes)
}

/// An account in a domain.
pub fn ad_account(i: usize) -> NewAccount {
    let attributes = json!({
        "cn": format!("Ada Lovelace ({i})"), "sn": "Lovelace", "givenName": "Ada", "displayName": format!("Ada ({i})"),
        "mail": people::login(i), "title": "Specialist", "department": "Research", "company": "Corporation",
        "userPrincipalName": format!("{}@{}", people::name(i), samba::DOMAIN),
    });
    new_account(people::name(i), i, attributes)
}

/// Accounts as a directory is filled with them.
pub fn ldif(count: usize) -> String {
    let mut text = String::new();
    for i in 0..count {
        writeln!(text, "dn: {}\nobjectClass: inetOrgPerson", dn(i)).expect("a text");
        for (name, value) in attributes(&account(i), "uid") {
            writeln!(text, "{name}: {value}").expect("a text");
        }
        text.push('\n');
    }
    text
}

fn dn(i: usize) -> String {
    format!("uid={},{}", people::name(i), slapd::PEOPLE)
}

fn attributes(account: &NewAccount, login: &'static str) -> Vec<(String, String)> {
    let mapped = account.attributes.iter();
    let mut all: Vec<_> =
        mapped.map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned())).collect();
    all.push((login.to_owned(), account.login.clone()));
    all.push(account.marker.clone());
    all
}

fn config(url: &str, authority: &str, (name, password): (&str, &str)) -> DirectoryConfig {
    DirectoryConfig {
        servers: vec![url.to_owned()],
        ca_pem: Some(authority.as_bytes().to_vec()),
        plain_text: false,
        identity: Identity { name: name.to_owned(), password: SecretString::from(password) },
        timeout: Duration::from_secs(10),
        switch_back: Duration::from_mins(5),
        connections: CONNECTIONS,
        page_size: PAGE,
        allow_insecure: true,
    }
}

/// What is said of servers in an App, which the connectors here are not built from.
fn said(url: &str, own: &Value) -> Value {
    let reference = json!({"name": "directory", "key": "key"});
    let mut spec =
        json!({"servers": [url], "bind": {"usernameSecretRef": reference, "passwordSecretRef": reference}});
    json_patch::merge(&mut spec, own);
    spec
}

fn around(concurrency: usize) -> (Fence, Gate, Meter) {
    let concurrency = u8::try_from(concurrency).ok();
    (
        Fence::open(),
        Gate::new(GateConfig { concurrency, requests_per_second: None }),
        Arc::new(|_: &_| {}) as Meter,
    )
}

/// A connector for slapd, as an App has it; `authority` is what its certificate is held against, in PEM.
pub fn ldap(url: &str, authority: &str, concurrency: usize) -> Ldap {
    let own = json!({"baseDn": slapd::PEOPLE, "groups": {"baseDn": slapd::GROUPS}});
    let config = LdapConfig {
        directory: config(url, authority, (slapd::OPERATOR, slapd::OPERATOR_PASSWORD)),
        spec: serde_json::from_value(said(url, &own)).expect("a spec"),
        marker: "employeeNumber".to_owned(),
        attributes: Vec::new(),
        may_try: true,
    };
    Ldap::new(config, around(concurrency)).unwrap_or_else(|e| panic!("{e}"))
}

/// A connector for Samba, as an App has it.
pub fn active_directory(server: &Samba, concurrency: usize) -> ActiveDirectory {
    let config = ActiveDirectoryConfig {
        directory: config(&server.url(), &pki::directories().pem(), SAMBA_ADMIN),
        spec: serde_json::from_value(said(&server.url(), &json!({"domain": samba::DOMAIN}))).expect("a spec"),
        marker: "employeeNumber".to_owned(),
        attributes: Vec::new(),
    };
    ActiveDirectory::new(config, around(concurrency)).unwrap_or_else(|e| panic!("{e}"))
}

/// A client that knows what it wants.
pub struct Client {
    connections: Vec<Handle>,
    turn: AtomicUsize,
}

impl Client {
    /// Bound to a server.
    pub async fn bound(url: &str, (name, password): (&str, &str)) -> Self {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(Raw::bound(url, name, password).await.ldap());
        }
        Self { connections, turn: AtomicUsize::new(0) }
    }

    fn handle(&self) -> Handle {
        self.connections[self.turn.fetch_add(1, Ordering::Relaxed) % CONNECTIONS].clone()
    }

    async fn find(&self, base: &str, filter: &str, attributes: Vec<&str>) {
        let found = self.handle().search(base, Scope::Subtree, filter, attributes).await;
        let (found, _) =
            found.and_then(ldap3::SearchResult::success).unwrap_or_else(|e| panic!("{filter}: {e}"));
        assert!(found.is_empty());
    }

    async fn add(&self, dn: &str, values: Vec<(Vec<u8>, HashSet<Vec<u8>>)>, shows: bool) {
        let mut handle = self.handle();
        if shows {
            handle.with_controls(vec![post_read(&WHOLE)]);
        }
        let done = handle.add(dn, values).await;
        done.and_then(ldap3::LdapResult::success).unwrap_or_else(|e| panic!("{dn}: {e}"));
    }

    /// Looks for each account in slapd and makes it, with the entry shown by the same request. Accounts a second.
    pub async fn onboard(&self, count: usize, width: usize) -> f64 {
        let begun = Instant::now();
        stream::iter(0..count)
            .for_each_concurrent(width, |i| async move {
                let account = account(i);
                let filter = format!("(&(objectClass=inetOrgPerson)(employeeNumber={}))", account.marker.1);
                self.find(slapd::PEOPLE, &filter, WHOLE.to_vec()).await;
                let mut values = octets(&attributes(&account, "uid"));
                values.push(one("objectClass", b"inetOrgPerson"));
                self.add(&dn(i), values, true).await;
            })
            .await;
        count as f64 / begun.elapsed().as_secs_f64()
    }

    /// Looks for each account in Samba, makes it in use and reads it. Accounts a second.
    pub async fn onboard_domain(&self, count: usize, width: usize) -> f64 {
        let begun = Instant::now();
        stream::iter(0..count)
            .for_each_concurrent(width, |i| async move {
                let account = ad_account(i);
                let filter = format!("(&(sAMAccountType=805306368)(employeeNumber={}))", account.marker.1);
                self.find(samba::BASE, &filter, vec!["*"]).await;
                let password = password::random(64, []);
                let mut values = octets(&attributes(&account, "sAMAccountName"));
                values.retain(|(name, _)| name != b"cn");
                values.push(one("objectClass", b"user"));
                values.push(one("userAccountControl", b"512"));
                let secret = secrecy::ExposeSecret::expose_secret(&password);
                values.push(one("unicodePwd", &unicode_password(secret)));
                let dn = format!("CN=Ada Lovelace ({i}),{}", samba::USERS);
                self.add(&dn, values, false).await;
                let read = self.handle().search(&dn, Scope::Base, "(objectClass=*)", vec!["*"]).await;
                read.and_then(ldap3::SearchResult::success).unwrap_or_else(|e| panic!("{dn}: {e}"));
            })
            .await;
        count as f64 / begun.elapsed().as_secs_f64()
    }

    /// Makes a group of the first accounts.
    pub async fn add_group(&self, name: &str, members: usize) {
        let members = (0..members).map(|i| dn(i).into_bytes()).collect();
        let values = vec![
            one("objectClass", b"groupOfNames"),
            one("cn", name.as_bytes()),
            (b"member".to_vec(), members),
        ];
        self.add(&group(name), values, false).await;
    }

    /// Takes members out of a group, each by a request. Members a second.
    pub async fn leave_one_by_one(&self, name: &str, who: std::ops::Range<usize>) -> f64 {
        let (count, begun) = (who.len(), Instant::now());
        for i in who {
            let gone = vec![Mod::Delete(b"member".to_vec(), HashSet::from([dn(i).into_bytes()]))];
            let done = self.handle().modify(&group(name), gone).await;
            done.and_then(ldap3::LdapResult::success).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        count as f64 / begun.elapsed().as_secs_f64()
    }

    /// Reads everybody, page by page. Accounts a second.
    pub async fn list(&self, base: &str, filter: &str, page: u16) -> f64 {
        let (mut seen, begun) = (0_usize, Instant::now());
        let adapters: Vec<Box<dyn Adapter<_, _>>> =
            vec![Box::new(EntriesOnly::new()), Box::new(PagedResults::new(page.into()))];
        let mut handle = self.handle();
        let stream =
            handle.streaming_search_with(adapters, base, Scope::Subtree, filter, WHOLE.to_vec()).await;
        let mut stream = stream.unwrap_or_else(|e| panic!("{base}: {e}"));
        while stream.next().await.unwrap_or_else(|e| panic!("{base}: {e}")).is_some() {
            seen += 1;
        }
        assert_eq!(stream.finish().await.rc, 0, "{base}");
        seen as f64 / begun.elapsed().as_secs_f64()
    }
}

fn group(name: &str) -> String {
    format!("cn={name},{}", slapd::GROUPS)
}

fn one(name: &str, value: &[u8]) -> (Vec<u8>, HashSet<Vec<u8>>) {
    (name.as_bytes().to_vec(), HashSet::from([value.to_vec()]))
}

fn octets(attributes: &[(String, String)]) -> Vec<(Vec<u8>, HashSet<Vec<u8>>)> {
    attributes.iter().map(|(name, value)| one(name, value.as_bytes())).collect()
}
