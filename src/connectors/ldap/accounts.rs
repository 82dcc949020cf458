//! Reading accounts: by id, by attribute, all of them.

use super::decode::WHOLE;
use super::{LOGIN, Ldap, MANAGER, configuration, under_base};
use crate::connectors::directory::{Entry, Filter, Scope, Search};
use crate::connectors::{Failure, Page};
use crate::converge::RemoteAccount;

/// Most accounts of which one attribute has the same value.
const ALIKE_AT_MOST: usize = 200;

impl Ldap {
    /// The entry of an account by its id, whole.
    pub(super) async fn account_entry(
        &self,
        operation: &'static str,
        id: &str,
    ) -> Result<Option<Entry>, Failure> {
        self.entry(operation, &self.shared.base, id, &WHOLE).await
    }

    pub(super) async fn find_accounts(
        &self,
        attribute: &str,
        value: &str,
    ) -> Result<Vec<RemoteAccount>, Failure> {
        if value.is_empty() {
            return Ok(Vec::new());
        }
        if !is_description(attribute) {
            return Err(configuration(format!("{attribute} is no name of an attribute in a directory")));
        }
        let base = self.shared.base.to_string();
        let filter = Filter::And(vec![self.are_accounts(), Filter::equal(attribute, value)]);
        let search =
            Search { base: &base, scope: Scope::Subtree, filter, attributes: &WHOLE, limit: ALIKE_AT_MOST };
        let found =
            self.shared.directory.search(self.op("find account"), &search).await.map_err(under_base)?;
        let mut accounts = Vec::with_capacity(found.len());
        for entry in found.iter().filter(|entry| self.bears(entry, attribute, value)) {
            let account = self.account(entry).await?;
            if attribute.eq_ignore_ascii_case(LOGIN) && account.login.to_lowercase() != value.to_lowercase() {
                // It bears the login besides another one: nobody else can have it either.
                accounts.push(RemoteAccount { login: value.to_owned(), ..account });
            } else {
                accounts.push(account);
            }
        }
        Ok(accounts)
    }

    pub(super) async fn accounts_page(&self, cursor: Option<&str>) -> Result<Page, Failure> {
        let base = self.shared.base.to_string();
        let filter = self.are_accounts();
        let search = Search { base: &base, scope: Scope::Subtree, filter, attributes: &WHOLE, limit: 0 };
        let (entries, next) = self
            .shared
            .directory
            .page(self.op("list accounts"), &search, cursor)
            .await
            .map_err(under_base)?;
        let mut accounts = Vec::with_capacity(entries.len());
        if entries.iter().any(|entry| entry.text(MANAGER).is_some()) {
            // Most managers are on the list themselves.
            let profile = self.profile().await?;
            for entry in &entries {
                self.shared.names.put(&entry.dn, profile.id(entry));
            }
        }
        for entry in &entries {
            accounts.push(self.account(entry).await?);
        }
        Ok(Page { accounts, next })
    }

    /// Accounts are entries of the first class that new ones get.
    fn are_accounts(&self) -> Filter {
        let class = self.shared.spec.object_classes.first().map_or("inetOrgPerson", String::as_str);
        Filter::equal("objectClass", class)
    }

    /// Whether the attribute has the value: the marker letter for letter, all others as most matching rules see it.
    fn bears(&self, entry: &Entry, attribute: &str, value: &str) -> bool {
        if attribute.eq_ignore_ascii_case(&self.shared.marker) {
            return entry.texts(attribute).any(|text| text == value);
        }
        let folded = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let wanted = folded(value);
        entry.texts(attribute).any(|text| folded(text) == wanted)
    }
}

/// Whether the text can be an attribute description (RFC 4512 §2.5).
pub(super) fn is_description(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-.;".contains(c))
}
