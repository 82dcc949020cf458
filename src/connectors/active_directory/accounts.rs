//! Reading accounts: by id, by attribute, all of them.

use std::collections::BTreeSet;

use super::decode::Seen;
use super::guid::Guid;
use super::{ActiveDirectory, CRITICAL, LOGIN, PRINCIPAL, TRAITS, configuration, refusal, trouble, uac};
use crate::api::Reason;
use crate::connectors::directory::{Dn, Entry, Filter, RawControl, Scope, Search, extended_dn};
use crate::connectors::{Failure, FailureClass, Page};
use crate::converge::RemoteAccount;

/// Most accounts of which one attribute has the same value.
const ALIKE_AT_MOST: usize = 200;
/// What is asked of one account: all that is no secret and not computed.
const WHOLE: [&str; 1] = ["*"];

/// Users, and neither computers nor the accounts of trusts and services (`SAM_NORMAL_USER_ACCOUNT`, MS-SAMR §2.2.1.9).
pub(super) fn are_accounts() -> Filter {
    Filter::equal("sAMAccountType", "805306368")
}

impl ActiveDirectory {
    /// The account with this id, wherever it is.
    pub(super) async fn seen(&self, operation: &'static str, id: &str) -> Result<Option<Seen>, Failure> {
        let profile = self.profile().await?;
        let Ok(guid) = id.parse::<Guid>() else { return Ok(None) };
        let dn = guid.dn();
        let search = Search { filter: are_accounts(), ..Search::of_entry(&dn, &WHOLE) };
        let found = self.shared.directory.search_with(self.op(operation), &search, identities()).await;
        let found = match found {
            Ok(found) => found.into_iter().next(),
            // The domain has just answered about itself.
            Err(refused) if refused.failure.class == FailureClass::Gone => None,
            Err(refused) => return Err(refused.failure),
        };
        let Some(entry) = found else { return Ok(None) };
        let entry = self.complete(operation, entry).await?;
        let seen = self.shared.read(entry, &profile)?;
        if seen.guid == guid {
            return Ok(Some(seen));
        }
        let message = format!("{operation}: the answer is about another account");
        Err(trouble(FailureClass::Unknown, Reason::UnexpectedAnswer, message))
    }

    /// The account of this name.
    pub(super) async fn seen_at(&self, operation: &'static str, dn: &str) -> Result<Option<Seen>, Failure> {
        let profile = self.profile().await?;
        let search = Search { filter: are_accounts(), ..Search::of_entry(dn, &WHOLE) };
        match self.shared.directory.search_with(self.op(operation), &search, identities()).await {
            Ok(found) => found.into_iter().next().map(|entry| self.shared.read(entry, &profile)).transpose(),
            Err(refused) if refused.failure.class == FailureClass::Gone => Ok(None),
            Err(refused) => Err(refused.failure),
        }
    }

    pub(super) async fn find_accounts(
        &self,
        attribute: &str,
        value: &str,
    ) -> Result<Vec<RemoteAccount>, Failure> {
        let found = self.find_under(&self.shared.places.base, attribute, value).await?;
        Ok(found.into_iter().map(|seen| seen.account).collect())
    }

    /// The accounts under an entry that have this value.
    pub(super) async fn find_under(
        &self,
        base: &Dn,
        attribute: &str,
        value: &str,
    ) -> Result<Vec<Seen>, Failure> {
        if value.is_empty() {
            return Ok(Vec::new());
        }
        if !is_attribute(attribute) {
            return Err(configuration(format!(
                "{attribute} is no attribute that a domain can be searched by"
            )));
        }
        let profile = self.profile().await?;
        let base = base.to_string();
        let filter = Filter::And(vec![are_accounts(), Filter::equal(attribute, value)]);
        let search =
            Search { base: &base, scope: Scope::Subtree, filter, attributes: &WHOLE, limit: ALIKE_AT_MOST };
        let op = self.op("find account");
        let found = self.shared.directory.search_with(op, &search, identities()).await;
        let mut all = Vec::new();
        for entry in found.map_err(refusal::about_base)? {
            if self.bears(&entry, attribute, value) {
                all.push(self.shared.read(self.complete("find account", entry).await?, &profile)?);
            }
        }
        Ok(all)
    }

    /// Whether the entry has the value. A domain ignores accents too, which make another person; letter case counts for
    /// the marker.
    fn bears(&self, entry: &Entry, attribute: &str, value: &str) -> bool {
        if attribute.eq_ignore_ascii_case(&self.shared.marker) {
            return entry.texts(attribute).any(|text| text == value);
        }
        entry.texts(attribute).any(|text| text.to_lowercase() == value.to_lowercase())
    }

    pub(super) async fn accounts_page(&self, cursor: Option<&str>) -> Result<Page, Failure> {
        let profile = self.profile().await?;
        let base = self.shared.places.base.to_string();
        let wanted = self.listed();
        let wanted: Vec<_> = wanted.iter().map(String::as_str).collect();
        let search = Search {
            base: &base,
            scope: Scope::Subtree,
            filter: are_accounts(),
            attributes: &wanted,
            limit: ALIKE_AT_MOST,
        };
        let op = self.op("list accounts");
        let page = self.shared.directory.page_with(op, &search, cursor, identities()).await;
        let (entries, next) = page.map_err(refusal::about_base)?;
        let mut accounts = Vec::with_capacity(entries.len());
        for entry in entries {
            accounts.push(self.shared.read(entry, &profile)?.account);
        }
        Ok(Page { accounts, next })
    }

    /// What is asked of each account in a listing: no photographs and no memberships.
    fn listed(&self) -> BTreeSet<String> {
        let own = [LOGIN, PRINCIPAL, uac::ATTRIBUTE, "objectGUID", CRITICAL, self.shared.marker.as_str()];
        let mapped = TRAITS.defaults.iter().map(|(name, _)| *name);
        let configured = self.shared.attributes.iter().map(String::as_str).filter(|name| is_attribute(name));
        own.into_iter().chain(mapped).chain(configured).map(str::to_owned).collect()
    }
}

/// Asks that DNs bear the identities of what they name.
pub(super) fn identities() -> Vec<RawControl> {
    vec![extended_dn()]
}

/// Whether the text can be the name of an attribute (RFC 4512 §2.5).
pub(super) fn is_attribute(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}
