//! The last administrator of an App.

use std::collections::HashSet;

use super::act::Ports;
use crate::api::EntitlementSpec;
use crate::connectors::{Connector, Failure, cannot_show};
use crate::converge::Resolution;

/// Who is an administrator besides an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Administration {
    /// The account is none.
    Ordinary,
    /// It is one, and another one is in use.
    Shared,
    /// It is one, and no other is in use.
    Alone,
}

/// How an account stands among those that hold any of these entitlements.
pub async fn of<C: Connector, P: Ports>(
    connector: &C,
    ports: &P,
    administrators: &[EntitlementSpec],
    account: &str,
) -> Result<Administration, Failure> {
    let mut others = Vec::new();
    let mut holds = false;
    for entitlement in administrators {
        let Resolution::Id(remote) = ports.resolve(entitlement).await? else { continue };
        let holders = match connector.holders(&entitlement.kind, &remote).await? {
            Some(holders) => holders,
            None => listed(connector, &entitlement.kind, &remote).await?,
        };
        holds |= holders.contains(account);
        others.extend(holders.into_iter().filter(|holder| holder != account));
    }
    if !holds {
        return Ok(Administration::Ordinary);
    }
    for other in others {
        if connector.get(&other).await?.is_some_and(|other| other.active) {
            return Ok(Administration::Shared);
        }
    }
    Ok(Administration::Alone)
}

/// Who shows in a listing of all accounts that they hold an entitlement.
async fn listed<C: Connector>(
    connector: &C,
    kind: &str,
    entitlement: &str,
) -> Result<HashSet<String>, Failure> {
    let mut holders = HashSet::new();
    let mut cursor = None;
    loop {
        let page = connector.page(cursor.as_deref()).await?;
        for account in page.accounts {
            match connector.shows(&account, kind, entitlement) {
                Some(true) => {
                    holders.insert(account.id);
                }
                Some(false) => {}
                None => {
                    return Err(cannot_show("who holds an entitlement: take it out of spec.administrators"));
                }
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(holders);
        }
    }
}
