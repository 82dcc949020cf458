//! A directory as tests see it, past the operator: plain operations that panic when they are refused.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ldap3::controls::RawControl;
use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Mod, ResultEntry, Scope, SearchEntry,
};
use rustls::{ClientConfig, RootCertStore};

use super::{background, install_crypto, pki};

/// An entry: attribute names in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub dn: String,
    attributes: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Entry {
    /// The values of an attribute, as bytes.
    pub fn bytes(&self, name: &str) -> &[Vec<u8>] {
        self.attributes.get(&name.to_lowercase()).map_or(&[], Vec::as_slice)
    }

    /// The values of an attribute, as text.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.bytes(name).iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    }

    /// The one value of an attribute, as text.
    pub fn one(&self, name: &str) -> Option<String> {
        let mut all = self.all(name);
        assert!(all.len() < 2, "{}: {name} has several values: {all:?}", self.dn);
        all.pop()
    }

    /// Whether it is of this object class.
    pub fn is_a(&self, class: &str) -> bool {
        self.all("objectClass").iter().any(|found| found.eq_ignore_ascii_case(class))
    }
}

impl From<ResultEntry> for Entry {
    fn from(result: ResultEntry) -> Self {
        let found = SearchEntry::construct(result);
        let texts = found.attrs.into_iter().map(|(name, values)| {
            (name.to_lowercase(), values.into_iter().map(String::into_bytes).collect::<Vec<_>>())
        });
        let mut attributes: BTreeMap<String, Vec<Vec<u8>>> = texts.collect();
        for (name, values) in found.bin_attrs {
            attributes.entry(name.to_lowercase()).or_default().extend(values);
        }
        Self { dn: found.dn, attributes }
    }
}

/// A change of an attribute.
pub fn replace(name: &str, values: &[&str]) -> Mod<Vec<u8>> {
    Mod::Replace(name.into(), values.iter().map(|value| value.as_bytes().to_vec()).collect())
}

/// Values to be added.
pub fn add_values(name: &str, values: &[&str]) -> Mod<Vec<u8>> {
    Mod::Add(name.into(), values.iter().map(|value| value.as_bytes().to_vec()).collect())
}

/// Values to be removed; all of them when none is given.
pub fn remove_values(name: &str, values: &[&str]) -> Mod<Vec<u8>> {
    Mod::Delete(name.into(), values.iter().map(|value| value.as_bytes().to_vec()).collect())
}

/// `unicodePwd` of a password: in quotes, UTF-16LE (MS-ADTS §3.1.1.3.1.5).
pub fn unicode_password(password: &str) -> Vec<u8> {
    format!("\"{password}\"").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A connection that has bound. Clones share it.
#[derive(Clone)]
pub struct Raw(Ldap);

impl Raw {
    /// Connects to `ldaps://…` or `ldap://…` and binds; the result of the bind.
    pub async fn connect(url: &str, dn: &str, password: &str) -> (Self, LdapResult) {
        let url = url.to_owned();
        // On the harness's runtime: a connection ends with the runtime that it was made on.
        let connected = background().spawn(async move {
            let settings =
                LdapConnSettings::new().set_conn_timeout(Duration::from_secs(10)).set_config(trust());
            let (connection, ldap) = LdapConnAsync::with_settings(settings, &url).await?;
            tokio::spawn(connection.drive());
            Ok::<_, LdapError>(ldap)
        });
        let ldap = connected.await.expect("it does not panic").unwrap_or_else(|e| panic!("connect: {e}"));
        let mut raw = Self(ldap);
        let result = raw.op().simple_bind(dn, password).await.unwrap_or_else(|e| panic!("bind: {e}"));
        (raw, result)
    }

    /// The same, where the bind must succeed.
    pub async fn bound(url: &str, dn: &str, password: &str) -> Self {
        let (raw, result) = Self::connect(url, dn, password).await;
        assert_eq!(result.rc, 0, "bind as {dn}: {result}");
        raw
    }

    /// A handle for one operation, which is bounded in time.
    fn op(&mut self) -> &mut Ldap {
        self.0.with_timeout(Duration::from_secs(30))
    }

    /// The library's own handle.
    pub fn ldap(&self) -> Ldap {
        self.0.clone()
    }

    /// Binds anew on this connection; the result code.
    pub async fn bind(&self, dn: &str, password: &str) -> u32 {
        self.clone().op().simple_bind(dn, password).await.unwrap_or_else(|e| panic!("bind: {e}")).rc
    }

    /// Every entry that a search finds, on all pages.
    pub async fn search(&self, base: &str, scope: Scope, filter: &str, attributes: &[&str]) -> Vec<Entry> {
        self.search_with(base, scope, filter, attributes, Vec::new()).await
    }

    /// The same with a control more.
    pub async fn search_with(
        &self,
        base: &str,
        scope: Scope,
        filter: &str,
        attributes: &[&str],
        controls: Vec<RawControl>,
    ) -> Vec<Entry> {
        use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
        let adapters: Vec<Box<dyn Adapter<_, _>>> =
            vec![Box::new(EntriesOnly::new()), Box::new(PagedResults::new(400))];
        let mut ldap = self.0.clone();
        ldap.with_timeout(Duration::from_secs(30));
        if !controls.is_empty() {
            ldap.with_controls(controls);
        }
        let mut stream = ldap
            .streaming_search_with(adapters, base, scope, filter, attributes.to_vec())
            .await
            .unwrap_or_else(|e| panic!("{base} {filter}: {e}"));
        let mut found = Vec::new();
        while let Some(entry) = stream.next().await.unwrap_or_else(|e| panic!("{base} {filter}: {e}")) {
            found.push(entry.into());
        }
        let result = stream.finish().await;
        assert!(result.rc == 0 || result.rc == 32, "{base} {filter}: {result}");
        found
    }

    /// The entry of this name, or of `<GUID=…>`.
    pub async fn entry(&self, dn: &str) -> Option<Entry> {
        self.search(dn, Scope::Base, "(objectClass=*)", &["*", "+"]).await.pop()
    }

    /// The first entry below `base` that the filter finds; there may be no second.
    pub async fn find(&self, base: &str, filter: &str) -> Option<Entry> {
        let mut found = self.search(base, Scope::Subtree, filter, &["*", "+"]).await;
        assert!(found.len() < 2, "{filter} finds {found:?}");
        found.pop()
    }

    /// Adds an entry; the result.
    pub async fn try_add<V: AsRef<[u8]>>(&self, dn: &str, attributes: &[(&str, &[V])]) -> LdapResult {
        let attributes = attributes
            .iter()
            .filter(|(_, values)| !values.is_empty())
            .map(|(name, values)| {
                let values: HashSet<Vec<u8>> = values.iter().map(|value| value.as_ref().to_vec()).collect();
                (name.as_bytes().to_vec(), values)
            })
            .collect();
        self.clone().op().add(dn, attributes).await.unwrap_or_else(|e| panic!("add {dn}: {e}"))
    }

    /// Adds an entry.
    pub async fn add<V: AsRef<[u8]>>(&self, dn: &str, attributes: &[(&str, &[V])]) {
        let result = self.try_add(dn, attributes).await;
        assert_eq!(result.rc, 0, "add {dn}: {result}");
    }

    /// Changes an entry; the result.
    pub async fn try_modify(&self, dn: &str, changes: Vec<Mod<Vec<u8>>>) -> LdapResult {
        self.clone().op().modify(dn, changes).await.unwrap_or_else(|e| panic!("modify {dn}: {e}"))
    }

    /// Changes an entry.
    pub async fn modify(&self, dn: &str, changes: Vec<Mod<Vec<u8>>>) {
        let result = self.try_modify(dn, changes).await;
        assert_eq!(result.rc, 0, "modify {dn}: {result}");
    }

    /// Gives an entry another name below the same parent, or below another.
    pub async fn rename(&self, dn: &str, rdn: &str, parent: Option<&str>) {
        let result = self.clone().op().modifydn(dn, rdn, true, parent).await;
        let result = result.unwrap_or_else(|e| panic!("rename {dn}: {e}"));
        assert_eq!(result.rc, 0, "rename {dn} to {rdn} below {parent:?}: {result}");
    }

    /// Deletes an entry.
    pub async fn delete(&self, dn: &str) {
        let result = self.clone().op().delete(dn).await.unwrap_or_else(|e| panic!("delete {dn}: {e}"));
        assert_eq!(result.rc, 0, "delete {dn}: {result}");
    }
}

/// Trust in the servers of this process, and in no other.
pub fn trust() -> Arc<ClientConfig> {
    install_crypto();
    let mut roots = RootCertStore::empty();
    roots.add(pki::directories().der().clone()).expect("a certificate");
    Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// The result code of a bind on a connection of its own: 0 when it succeeds, 49 when it is refused.
pub async fn bind_code(url: &str, dn: &str, password: &str) -> u32 {
    Raw::connect(url, dn, password).await.1.rc
}
