//! From an entry to an account.

use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::extended::Extended;
use super::filetime::End;
use super::guid::Guid;
use super::probe::Profile;
use super::uac::{self, Bit, Uac};
use super::{CRITICAL, LOGIN, MANAGER, NAMING, Shared, names, trouble};
use crate::api::Reason;
use crate::connectors::directory::{Dn, Entry, values};
use crate::connectors::{Failure, FailureClass};
use crate::converge::{Lists, RemoteAccount, Terms};

/// Attributes that are no part of an account: secrets, what is shown by other means, and what others keep.
const HIDDEN: [&str; 14] = [
    "objectguid",
    "objectsid",
    "objectclass",
    "memberof",
    "useraccountcontrol",
    "unicodepwd",
    "userpassword",
    "dbcspwd",
    "lmpwdhistory",
    "ntpwdhistory",
    "supplementalcredentials",
    "ntsecuritydescriptor",
    "msds-managedpassword",
    "name",
];

/// When the account can no longer be used.
pub(super) const EXPIRES: &str = "accountExpires";
/// When the password was set; 0: it has to be changed at the next logon.
pub(super) const PASSWORD_SET: &str = "pwdLastSet";

static TERMS: LazyLock<Arc<Terms>> =
    LazyLock::new(|| Arc::new(Terms { lists: Lists::Texts, ..Terms::default() }));

/// An account as the domain shows it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) guid: Guid,
    pub(super) dn: Dn,
    pub(super) uac: Uac,
    /// Whether the domain needs it for itself.
    pub(super) critical: bool,
    pub(super) account: RemoteAccount,
    pub(super) entry: Entry,
}

impl Shared {
    /// The account that an entry is, whose DNs bear identities.
    pub(super) fn read(&self, entry: Entry, profile: &Profile) -> Result<Seen, Failure> {
        let senseless = |what: &str| {
            trouble(FailureClass::Unknown, Reason::UnexpectedAnswer, format!("read account: {what}"))
        };
        let named = Extended::parse(&entry.dn);
        let guid = named.guid.or_else(|| Guid::from_bytes(entry.values("objectGUID").first()?));
        let guid = guid.ok_or_else(|| senseless("an account without objectGUID"))?;
        let dn = Dn::parse(named.dn).map_err(|_| senseless("an account whose name is none"))?;
        let uac = entry.text(uac::ATTRIBUTE).and_then(Uac::parse).ok_or_else(|| {
            senseless("the account that Tenure binds as may not read userAccountControl: give it that right")
        })?;
        let login = entry.text(LOGIN).unwrap_or_default().to_owned();
        let mut attributes: std::collections::BTreeMap<_, _> =
            Bit::all().map(|(name, bit)| (self.spelt(&name), truth(uac.has(bit)))).collect();
        for (name, octets) in entry.attributes() {
            let lower = name.to_ascii_lowercase();
            let own = [LOGIN, self.marker.as_str()].iter().any(|own| own.eq_ignore_ascii_case(name));
            if own || HIDDEN.contains(&lower.as_str()) {
                continue;
            }
            if let Some(value) = shown(name, octets, &login, profile) {
                attributes.insert(self.spelt(name), value);
            }
        }
        let account = RemoteAccount {
            id: guid.to_string(),
            marker: entry.text(&self.marker).map(str::to_owned),
            active: uac.is_active(),
            login,
            attributes,
            terms: TERMS.clone(),
        };
        let critical = entry.has(CRITICAL, "TRUE");
        Ok(Seen { guid, dn, uac, critical, account, entry })
    }

    /// The name as the App spells it, if it does.
    pub(super) fn spelt(&self, name: &str) -> String {
        let spelt = self.attributes.iter().find(|spelt| spelt.eq_ignore_ascii_case(name));
        spelt.map_or(name, String::as_str).to_owned()
    }
}

pub(super) fn truth(flag: bool) -> Value {
    // RFC 4517 §3.3.3.
    Value::from(if flag { "TRUE" } else { "FALSE" })
}

/// The value of an attribute as rules give it.
fn shown(name: &str, octets: &[Vec<u8>], login: &str, profile: &Profile) -> Option<Value> {
    let text = || std::str::from_utf8(octets.first()?).ok();
    if name.eq_ignore_ascii_case(EXPIRES) {
        return End::parse(text()?)?.text().map(Value::String);
    }
    if name.eq_ignore_ascii_case(PASSWORD_SET) {
        return Some(Value::from(if text()? == "0" { "0" } else { "-1" }));
    }
    if name.eq_ignore_ascii_case(NAMING) {
        return Some(Value::from(names::plain(text()?, login)));
    }
    if name.eq_ignore_ascii_case(MANAGER) {
        let manager = Extended::parse(text()?);
        return Some(Value::String(
            manager.guid.map_or_else(|| manager.dn.to_owned(), |guid| guid.to_string()),
        ));
    }
    let value = values::to_json(octets, profile.schema.is_binary(name))?;
    Some(if profile.schema.is_name(name) { without_identity(value) } else { value })
}

fn without_identity(value: Value) -> Value {
    match value {
        Value::String(text) => Value::from(Extended::parse(&text).dn),
        Value::Array(items) => items.into_iter().map(without_identity).collect(),
        other => other,
    }
}
