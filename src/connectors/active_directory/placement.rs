//! Where an account lies: the entitlement type `organizationalUnit`.

use super::decode::Seen;
use super::guid::Guid;
use super::update::name_taken;
use super::{ActiveDirectory, NAMING, configuration, gone, names, refusal, trouble};
use crate::api::Reason;
use crate::connectors::directory::{Dn, Entry, Filter, Scope, Search, code as result};
use crate::connectors::{Failure, FailureClass, Membership};

/// Units of one name that are told apart before that is given up.
const ALIKE_AT_MOST: usize = 10;
const IDENTITY: [&str; 1] = ["objectGUID"];

impl ActiveDirectory {
    /// The id of a unit, by distinguished name, id or name.
    pub(super) async fn unit_id(&self, value: &str) -> Result<Option<String>, Failure> {
        const OPERATION: &str = "find organizationalUnit";
        self.profile().await?;
        let found = if let Ok(guid) = value.parse::<Guid>() {
            self.shared.directory.read(self.op(OPERATION), &guid.dn(), &IDENTITY).await?.into_iter().collect()
        } else if let Ok(dn) = Dn::parse(value)
            && dn.is_within(&self.shared.places.domain)
        {
            self.shared
                .directory
                .read(self.op(OPERATION), &dn.to_string(), &IDENTITY)
                .await?
                .into_iter()
                .collect()
        } else {
            self.units_named(OPERATION, value).await?
        };
        let unit = match found.as_slice() {
            [] => return Ok(None),
            [one] => one,
            _ => {
                let message =
                    format!("{OPERATION}: several have this name: give the distinguished name instead");
                return Err(trouble(FailureClass::Permanent, Reason::AmbiguousMatch, message));
            }
        };
        let dn = entry_dn(unit)?;
        if !dn.is_within(&self.shared.places.base) || self.shared.places.protects(&dn) {
            return Err(configuration(format!(
                "{OPERATION}: it does not lie under spec.connector.activeDirectory.baseDn, where accounts could be found \
                 again, or lies under protectedDns"
            )));
        }
        Ok(identity(unit).map(|guid| guid.to_string()))
    }

    async fn units_named(&self, operation: &'static str, name: &str) -> Result<Vec<Entry>, Failure> {
        let base = self.shared.places.base.to_string();
        let filter =
            Filter::And(vec![Filter::equal("objectClass", "organizationalUnit"), Filter::equal("ou", name)]);
        let search = Search {
            base: &base,
            scope: Scope::Subtree,
            filter,
            attributes: &IDENTITY,
            limit: ALIKE_AT_MOST,
        };
        self.shared.directory.search(self.op(operation), &search).await.map_err(refusal::about_base)
    }

    /// Moves an account under a unit, or from it to where new accounts are made.
    pub(super) async fn place(&self, unit: &str, change: &Membership) -> Result<(), Failure> {
        const OPERATION: &str = "place account";
        self.profile().await?;
        let found = match unit.parse::<Guid>() {
            Ok(guid) => self.shared.directory.read(self.op(OPERATION), &guid.dn(), &IDENTITY).await?,
            Err(_) => None,
        };
        let unit = match found {
            Some(unit) => entry_dn(&unit)?,
            // Nobody lies under a unit that is gone.
            None if !change.held => return Ok(()),
            None => {
                let message = format!("{OPERATION}: there is no organizational unit with this id any more");
                return Err(trouble(FailureClass::Gone, Reason::EntitlementNotFound, message));
            }
        };
        let seen = match self.seen(OPERATION, &change.account).await? {
            Some(seen) => seen,
            None if !change.held => return Ok(()),
            None => return Err(gone(OPERATION)),
        };
        let lies_there = seen.dn.parent().is_some_and(|parent| parent.same(&unit));
        if lies_there == change.held {
            return Ok(());
        }
        self.may_write(OPERATION, &seen)?;
        let to = if change.held { &unit } else { &self.shared.places.new_accounts };
        self.move_under(OPERATION, &seen, to).await?;
        let after = self.seen(OPERATION, &change.account).await?.ok_or_else(|| gone(OPERATION))?;
        if to.same(&unit) || after.dn.parent().is_some_and(|parent| parent.same(to)) {
            return Ok(());
        }
        let message = format!("{OPERATION}: the domain accepted it, and the account lies where it was");
        Err(trouble(FailureClass::RetryAfter, Reason::NotApplied, message))
    }

    /// Moves an entry to a place that may be written to.
    pub(super) async fn relocate(
        &self,
        operation: &'static str,
        seen: &Seen,
        unit: &Dn,
    ) -> Result<(), Failure> {
        let own = unit.prefixed(&seen.dn);
        let name = seen.entry.text(NAMING).unwrap_or(&seen.account.login);
        let wanted = names::plain(name, &seen.account.login);
        for to in [own, unit.child("CN", &names::qualified(wanted, &seen.account.login))] {
            match self.move_to(operation, seen, &to).await {
                Err(refused) if refused.is(result::ENTRY_EXISTS) => {}
                outcome => return outcome.map_err(|refused| refused.failure),
            }
        }
        Err(name_taken(operation))
    }
}

/// The identity of an entry that was asked for it.
pub(super) fn identity(entry: &Entry) -> Option<Guid> {
    Guid::from_bytes(entry.values("objectGUID").first()?)
}

pub(super) fn entry_dn(entry: &Entry) -> Result<Dn, Failure> {
    Dn::parse(&entry.dn).map_err(|_| {
        let message = "an entry has a name that is none".to_owned();
        trouble(FailureClass::Unknown, Reason::UnexpectedAnswer, message)
    })
}
