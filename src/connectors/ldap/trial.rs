//! Whether a suspended account can bind: tried with one that is made for it.
//!
//! What applies to an account (the effective password policy, the server's configuration) cannot be read by everybody;
//! a bind that is refused is the only proof. The account has a random password, is made under the base, as policies may
//! depend on the place, and is deleted at once.

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use super::decode::WHOLE;
use super::suspension::{Mechanism, PASSWORD};
use super::{Ldap, now};
use crate::connectors::directory::{
    Edit, Entry, Filter, Identity, Modification, Refused, Scope, Search, Write, code,
};
use crate::connectors::{Failure, FailureClass};

const OPERATION: &str = "try suspension";
/// By which accounts of trials that a crash left behind are found.
const PURPOSE: &str = "made by Tenure to see whether suspended accounts can bind; to be deleted";
/// Older ones were left behind.
const ABANDONED: SignedDuration = SignedDuration::from_mins(10);

/// What a trial showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trial {
    /// A suspended account cannot bind.
    Bites {
        /// Not even after a new password was set.
        survives_reset: bool,
    },
    /// It can.
    Vain,
    /// The directory did not let it be tried.
    Refused,
}

impl Ldap {
    /// Tries a mechanism. Only trouble with the server or the connection is an error.
    pub(super) async fn try_mechanism(&self, mechanism: Mechanism) -> Result<Trial, Failure> {
        self.clear_abandoned().await?;
        let name = format!("tenure-trial-{}", uuid::Uuid::new_v4());
        let dn = self.shared.base.child("cn", &name).to_string();
        let password = secret();
        let text = |text: &str| vec![text.as_bytes().to_vec()];
        let attributes = vec![
            ("objectClass".to_owned(), text("person")),
            ("cn".to_owned(), text(&name)),
            ("sn".to_owned(), text("trial")),
            ("description".to_owned(), text(PURPOSE)),
            (PASSWORD.to_owned(), text(&password)),
        ];
        let made = self.write(&Write::Add { dn: &dn, attributes }).await;
        let shown = match made {
            Ok(()) => self.observe(mechanism, &dn, &password).await,
            Err(refused) => Err(refused),
        };
        // However it went, the account goes.
        let gone = self.write(&Write::Delete { dn: &dn }).await;
        match (shown, gone) {
            (Ok(trial), Ok(())) => Ok(trial),
            (Err(refused), _) | (Ok(_), Err(refused)) => outcome(refused),
        }
    }

    async fn observe(&self, mechanism: Mechanism, dn: &str, password: &str) -> Result<Trial, Refused> {
        if !self.binds(dn, password).await? {
            // Nothing follows from a bind that was refused anyway.
            return Ok(Trial::Refused);
        }
        let entry = self.shown(dn).await?;
        self.modify(dn, mechanism.suspend(&entry)).await?;
        if self.binds(dn, password).await? {
            return Ok(Trial::Vain);
        }
        if !mechanism.shows(&self.shown(dn).await?, now()) {
            return Ok(Trial::Vain);
        }
        let other = secret();
        let reset = Modification::new(Edit::Replace, PASSWORD, vec![other.clone().into_bytes()]);
        self.modify(dn, vec![reset]).await?;
        let survives_reset = !self.binds(dn, &other).await?;
        let entry = self.shown(dn).await?;
        if mechanism.shows(&entry, now()) {
            self.modify(dn, mechanism.resume(&entry, now())).await?;
        }
        // One that cannot be taken back is no suspension.
        let back = self.binds(dn, &other).await?;
        Ok(if back { Trial::Bites { survives_reset } } else { Trial::Vain })
    }

    async fn shown(&self, dn: &str) -> Result<Entry, Refused> {
        let entry = self.shared.directory.read(self.op(OPERATION), dn, &WHOLE).await?;
        Ok(entry.unwrap_or_default())
    }

    async fn binds(&self, dn: &str, password: &str) -> Result<bool, Failure> {
        let identity = Identity { name: dn.to_owned(), password: SecretString::from(password) };
        self.shared.directory.can_bind(self.op(OPERATION), &identity).await
    }

    async fn modify(&self, dn: &str, changes: Vec<Modification>) -> Result<(), Refused> {
        self.write(&Write::Modify { dn, changes }).await
    }

    async fn write(&self, write: &Write<'_>) -> Result<(), Refused> {
        self.shared.directory.write(self.op(OPERATION), write, Vec::new()).await.map(|_| ())
    }

    /// Deletes the accounts of trials that a crash left behind.
    async fn clear_abandoned(&self) -> Result<(), Failure> {
        let base = self.shared.base.to_string();
        let filter =
            Filter::And(vec![Filter::equal("objectClass", "person"), Filter::equal("description", PURPOSE)]);
        let attributes = &["cn", "createTimestamp"];
        let search = Search { base: &base, scope: Scope::OneLevel, filter, attributes, limit: 1_000 };
        let found = self.shared.directory.search(self.op(OPERATION), &search).await?;
        let since = now().checked_sub(ABANDONED).unwrap_or(Timestamp::MIN);
        let since = since.strftime("%Y%m%d%H%M%SZ").to_string();
        let ours = |entry: &&Entry| entry.text("cn").is_some_and(|name| name.starts_with("tenure-trial-"));
        for entry in found.iter().filter(ours) {
            if entry.text("createTimestamp").is_none_or(|made| made < since.as_str()) {
                let gone = self.write(&Write::Delete { dn: &entry.dn }).await;
                if let Err(refused) = gone
                    && !refused.is(code::NO_SUCH_OBJECT)
                {
                    return Err(refused.failure);
                }
            }
        }
        Ok(())
    }
}

/// What a refusal in a trial says: nothing about the mechanism, or that there is trouble.
fn outcome(refused: Refused) -> Result<Trial, Failure> {
    let about_access = refused.is(code::INSUFFICIENT_ACCESS);
    match refused.failure.class {
        _ if about_access => Ok(Trial::Refused),
        FailureClass::Permanent | FailureClass::Conflict if refused.code.is_some() => Ok(Trial::Refused),
        _ => Err(refused.failure),
    }
}

/// A password that no quality check should mind.
fn secret() -> String {
    format!("Aa1!{}", uuid::Uuid::new_v4())
}
