//! Where an account lies: the entitlement type `organizationalUnit`.

use super::decode::WHOLE;
use super::groups::ByName;
use super::write::{Act, entry_dn};
use super::{Ldap, trouble};
use crate::api::Reason;
use crate::connectors::directory::{Dn, Entry, Filter, Refused, Write};
use crate::connectors::{Failure, FailureClass, Membership};

impl Ldap {
    /// The id of a unit, by distinguished name, id or name.
    pub(super) async fn unit_id(&self, value: &str) -> Result<Option<String>, Failure> {
        let class = Filter::equal("objectClass", "organizationalUnit");
        let wanted =
            ByName { operation: "find organizationalUnit", base: &self.shared.base, class, naming: "ou" };
        self.by_name(&wanted, value).await
    }

    /// Moves an account under a unit, or from it to where new accounts are made.
    pub(super) async fn place(&self, unit: &str, change: &Membership) -> Result<(), Failure> {
        const OPERATION: &str = "place account";
        let found = self.entry(OPERATION, &self.shared.base, unit, &WHOLE[1..3]).await?;
        let unit = match found {
            Some(unit) => entry_dn(&unit)?,
            // Nobody lies under a unit that is gone.
            None if !change.held => return Ok(()),
            None => {
                let message = format!("{OPERATION}: there is no entry with this id under baseDn any more");
                return Err(trouble(FailureClass::Gone, Reason::EntitlementNotFound, message));
            }
        };
        let act = Act::Place { unit: &unit, there: change.held };
        match self.on_entry(OPERATION, &change.account, &act).await {
            Err(failure) if failure.class == FailureClass::Gone && !change.held => Ok(()),
            moved => moved.map(|_| ()),
        }
    }

    pub(super) async fn shift(
        &self,
        operation: &'static str,
        id: &str,
        entry: &Entry,
        (unit, there): (&Dn, bool),
    ) -> Result<Option<Entry>, Refused> {
        let lies_there = entry_dn(entry)?.parent().is_some_and(|parent| parent.same(unit));
        match (lies_there, there) {
            (false, true) => self.move_under(operation, id, entry, unit).await,
            (true, false) => self.move_under(operation, id, entry, &self.shared.base).await,
            _ => Ok(Some(entry.clone())),
        }
    }

    /// Moves an entry under another one.
    pub(super) async fn move_under(
        &self,
        operation: &'static str,
        id: &str,
        entry: &Entry,
        unit: &Dn,
    ) -> Result<Option<Entry>, Refused> {
        let profile = self.profile().await?;
        let dn = entry_dn(entry)?;
        if dn.parent().is_some_and(|parent| parent.same(unit)) {
            return Ok(Some(entry.clone()));
        }
        let (name, rdn) = (dn.to_string(), dn.rdn());
        let write = Write::Rename { dn: &name, rdn: &rdn, superior: Some(unit) };
        let written = self.change(operation, id, &write, &profile).await?;
        let moved = unit.prefixed(&dn);
        self.follow(entry, Some(&dn), Some((&moved, None))).await?;
        Ok(written.after)
    }
}
