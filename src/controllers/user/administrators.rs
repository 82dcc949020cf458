//! The last administrator of an App.

use super::act::Ports;
use crate::api::EntitlementSpec;
use crate::connectors::{Connector, Failure};
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
        let holders = connector.holders(&entitlement.kind, &remote).await?;
        holds |= holders.iter().any(|holder| holder == account);
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
