//! Making accounts.

use secrecy::SecretString;

use super::edit::{Before, Edit, as_asked};
use super::probe::Profile;
use super::uac::Uac;
use super::update::name_taken;
use super::{ActiveDirectory, LOGIN, MANAGER, configuration, names, password, trouble};
use crate::api::Reason;
use crate::connectors::directory::{Refused, Write, code as result};
use crate::connectors::{Failure, FailureClass};
use crate::converge::{Change, NewAccount, RemoteAccount};

const OPERATION: &str = "create account";

/// Attributes and their values, as a new entry gets them.
type Attributes = Vec<(String, Vec<Vec<u8>>)>;

impl ActiveDirectory {
    /// Makes an account by one request: in use, and with this password, or one that nobody knows.
    pub(super) async fn create_account(
        &self,
        account: &NewAccount,
        password: Option<&SecretString>,
    ) -> Result<RemoteAccount, Failure> {
        let profile = self.profile().await?;
        let changes = wishes(account);
        let before = Before { uac: Uac::NEW, login: "", entry: None };
        let edit = Edit::plan(before, &changes, self.suffix(), &profile)?;
        let wanted = edit.name.as_deref().unwrap_or(&account.login);
        let mut attributes = attributes(&edit);
        let unknown = password::unknown(words(account));
        let password = password.unwrap_or(&unknown);
        for name in [names::common_name(wanted), names::qualified(wanted, &account.login)] {
            let dn = self.shared.places.new_accounts.child("CN", &name).to_string();
            let mut outcome = self.add(&dn, &attributes, password).await;
            let manager = attributes.iter().find(|(name, _)| name.eq_ignore_ascii_case(MANAGER));
            if let Err(refused) = &outcome
                && self.manager_is_gone(refused, manager.and_then(|(_, values)| values.first())).await?
            {
                // A manager who is gone holds up nobody.
                attributes.retain(|(name, _)| !name.eq_ignore_ascii_case(MANAGER));
                outcome = self.add(&dn, &attributes, password).await;
            }
            match outcome {
                Ok(()) => return self.made(&dn, account, &changes, &profile).await,
                // The name is another entry's, and only the name.
                Err(refused)
                    if refused.is(result::ENTRY_EXISTS) && self.taken(&edit, None).await.is_none() => {}
                Err(refused) if refused.is(result::NO_SUCH_OBJECT) => return Err(no_place()),
                Err(refused) => return Err(self.why_not(OPERATION, refused, &edit, None, &profile).await),
            }
        }
        Err(name_taken(OPERATION))
    }

    async fn add(&self, dn: &str, attributes: &Attributes, password: &SecretString) -> Result<(), Refused> {
        let mut attributes = attributes.clone();
        attributes.push(("unicodePwd".to_owned(), vec![password::unicode_pwd(password)]));
        let write = Write::Add { dn, attributes };
        self.shared.directory.write(self.op(OPERATION), &write, Vec::new()).await.map(drop)
    }

    /// The account that was just made under this name. Somebody may have moved it, and another one be there.
    async fn made(
        &self,
        dn: &str,
        account: &NewAccount,
        changes: &[Change],
        profile: &Profile,
    ) -> Result<RemoteAccount, Failure> {
        let seen = self.seen_at(OPERATION, dn).await?;
        let seen = seen.filter(|seen| seen.account.login.to_lowercase() == account.login.to_lowercase());
        let seen = seen.ok_or_else(|| {
            let message = format!("{OPERATION}: the domain accepted it, and the account is not shown");
            trouble(FailureClass::Unknown, Reason::UnexpectedAnswer, message)
        })?;
        Ok(as_asked(seen, changes, self.suffix(), profile))
    }
}

/// All that a new account is to have.
fn wishes(account: &NewAccount) -> Vec<Change> {
    let (marker, person) = &account.marker;
    let mapped = account.attributes.iter().map(|(name, value)| (name.as_str(), value.clone()));
    let own = [(LOGIN, account.login.as_str().into()), (marker.as_str(), person.as_str().into())];
    let all = mapped.chain(own).filter(|(name, value)| !name.is_empty() && *value != "");
    all.map(|(name, value)| Change { attribute: name.to_owned(), value: Some(value) }).collect()
}

fn attributes(edit: &Edit) -> Attributes {
    let class = ("objectClass".to_owned(), vec![b"user".to_vec()]);
    let given = edit.modifications.iter().filter(|m| !m.values.is_empty());
    given.map(|m| (m.attribute.clone(), m.values.clone())).chain([class]).collect()
}

/// Names that a password may not have a part of.
fn words(account: &NewAccount) -> impl Iterator<Item = &str> {
    let names = account.attributes.iter().filter(|(name, _)| {
        ["displayName", "cn", "givenName", "sn"].iter().any(|known| known.eq_ignore_ascii_case(name))
    });
    names.filter_map(|(_, value)| value.as_str()).chain([account.login.as_str()])
}

fn no_place() -> Failure {
    configuration(format!(
        "{OPERATION}: the entry that new accounts are made under does not exist, or the account that Tenure binds as may \
         not see it: check spec.connector.activeDirectory.newAccountsDn and baseDn"
    ))
}
