//! From an entry to an account.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::Instant;

use super::probe::Profile;
use super::suspension::{ACCOUNT_LOCK, END_TIME, LOCKED_TIME, Mechanism};
use super::{LOGIN, Ldap, MANAGER, Shared, now, trouble, values};
use crate::api::Reason;
use crate::connectors::directory::{Dn, Entry};
use crate::connectors::{Failure, FailureClass};
use crate::converge::{Lists, RemoteAccount, Terms};

/// How long it is believed that an entry has a name.
const BELIEVED: Duration = Duration::from_secs(30);
/// Most names that are kept.
const NAMES_AT_MOST: usize = 50_000;

/// Attributes that are no part of an account: secrets, and what is shown by other means.
const HIDDEN: [&str; 6] =
    ["userpassword", "objectclass", "entryuuid", "nsuniqueid", "memberof", "krbprincipalkey"];

static TERMS: LazyLock<Arc<Terms>> =
    LazyLock::new(|| Arc::new(Terms { lists: Lists::Texts, ..Terms::default() }));

/// Ids of entries by name, for a moment: listings ask for the same managers again and again.
#[derive(Default)]
pub(super) struct Names(Mutex<HashMap<String, (Option<String>, Instant)>>);

impl Names {
    #[allow(clippy::option_option, reason = "whether it is known, and whether there is one")]
    fn get(&self, dn: &str) -> Option<Option<String>> {
        let names = self.0.lock();
        names.get(dn).filter(|(_, since)| since.elapsed() < BELIEVED).map(|(id, _)| id.clone())
    }

    pub(super) fn put(&self, dn: &str, id: Option<String>) {
        let mut names = self.0.lock();
        if names.len() >= NAMES_AT_MOST {
            names.clear();
        }
        names.insert(dn.to_owned(), (id, Instant::now()));
    }

    /// Names changed.
    pub(super) fn forget(&self) {
        self.0.lock().clear();
    }
}

/// What is asked of an account: all of it, its id, and what shows whether it is suspended.
pub(super) const WHOLE: [&str; 6] = ["*", "entryUUID", "nsUniqueId", END_TIME, LOCKED_TIME, ACCOUNT_LOCK];

impl Ldap {
    /// The account that an entry is.
    pub(super) async fn account(&self, entry: &Entry) -> Result<RemoteAccount, Failure> {
        let profile = self.profile().await?;
        let mut account = self.shared.read(entry, &profile)?;
        if let Some(Value::String(dn)) = account.attributes.get(MANAGER).cloned()
            && let Some(id) = self.id_of(&dn).await?
        {
            account.attributes.insert(MANAGER.to_owned(), Value::String(id));
        }
        Ok(account)
    }

    /// The id of the entry of this name, if there is one.
    async fn id_of(&self, dn: &str) -> Result<Option<String>, Failure> {
        if let Some(known) = self.shared.names.get(dn) {
            return Ok(known);
        }
        let profile = self.profile().await?;
        let found = match Dn::parse(dn) {
            Ok(_) => {
                let op = self.op("find manager");
                self.shared.directory.read(op, dn, &[&profile.id_attribute]).await?
            }
            Err(_) => None,
        };
        let id = found.and_then(|entry| profile.id(&entry));
        self.shared.names.put(dn, id.clone());
        Ok(id)
    }
}

impl Shared {
    fn read(&self, entry: &Entry, profile: &Profile) -> Result<RemoteAccount, Failure> {
        let senseless = |what: &str| {
            trouble(FailureClass::Unknown, Reason::UnexpectedAnswer, format!("read account: {what}"))
        };
        let id = profile.id(entry).ok_or_else(|| senseless("an entry without entryUUID"))?;
        let dn = Dn::parse(&entry.dn).map_err(|_| senseless("an entry whose name is none"))?;
        // Of several the one that the entry is named by.
        let named = dn.naming_value(LOGIN).filter(|login| entry.has(LOGIN, login));
        let login = named.or_else(|| entry.text(LOGIN)).unwrap_or_default().to_owned();
        Ok(RemoteAccount {
            id,
            login,
            marker: entry.text(&self.marker).map(str::to_owned),
            active: !self.is_suspended(entry, &dn, profile),
            attributes: self.attributes_of(entry),
            terms: TERMS.clone(),
        })
    }

    /// Whether an entry is suspended.
    pub(super) fn is_suspended(&self, entry: &Entry, dn: &Dn, profile: &Profile) -> bool {
        match profile.mechanism {
            Mechanism::LeaversUnit => self.leavers.as_ref().is_some_and(|unit| dn.is_within(unit)),
            mechanism => mechanism.shows(entry, now()),
        }
    }

    fn attributes_of(&self, entry: &Entry) -> BTreeMap<String, Value> {
        let mut attributes = BTreeMap::new();
        for (name, octets) in entry.attributes() {
            let hidden = HIDDEN.iter().any(|hidden| hidden.eq_ignore_ascii_case(name));
            if hidden || name.eq_ignore_ascii_case(LOGIN) || name.eq_ignore_ascii_case(&self.marker) {
                continue;
            }
            if let Some(value) = values::to_json(octets, self.is_binary(name)) {
                // As the App spells it, if it does.
                let spelt = self.attributes.iter().find(|spelt| spelt.eq_ignore_ascii_case(name));
                attributes.insert(spelt.map_or(name, String::as_str).to_owned(), value);
            }
        }
        attributes
    }

    /// Whether the values of an attribute are not text.
    pub(super) fn is_binary(&self, name: &str) -> bool {
        name.to_ascii_lowercase().ends_with(";binary")
            || self.spec.binary_attributes.iter().any(|binary| binary.eq_ignore_ascii_case(name))
    }
}
