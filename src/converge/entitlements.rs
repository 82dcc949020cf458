//! What an account holds beyond itself, as far as Tenure granted it.

use std::collections::BTreeSet;

use super::Resolution;
use super::observe::{Observed, Query};
use super::steps::{Refusal, Step};
use crate::access::DesiredAccount;
use crate::api::{EntitlementSpec, LedgerEntry, Reason};

/// How many entitlements a ledger entry holds (`LedgerEntry.entitlements`).
pub const MAX_ENTITLEMENTS: usize = 64;

/// Length of an item of `LedgerEntry.entitlements`, in characters.
const MAX_LENGTH: usize = 300;

/// How the ledger writes an entitlement: `type:remote-id`. Fails where that is longer than the ledger takes.
pub fn ledger_id(kind: &str, remote: &str) -> Result<String, Refusal> {
    let id = format!("{kind}:{remote}");
    if id.chars().count() <= MAX_LENGTH {
        return Ok(id);
    }
    let message = format!("the App's id of a {kind} is too long for the ledger: it cannot be granted");
    Err(Refusal::new(Reason::InvalidConfiguration, message))
}

/// Type and remote id of an entitlement in the ledger.
pub(super) fn split(entitlement: &str) -> Option<(&str, &str)> {
    entitlement.split_once(':').filter(|(kind, remote)| !kind.is_empty() && !remote.is_empty())
}

/// What the ledger says Tenure granted, as (type, remote id).
pub(super) fn held(entry: &LedgerEntry) -> BTreeSet<(&str, &str)> {
    entry.entitlements.iter().filter_map(|text| split(text)).collect()
}

/// What is to change about the entitlements of an account.
#[derive(Default)]
pub(super) struct Entitlements {
    pub(super) revokes: Vec<Step>,
    pub(super) grants: Vec<Step>,
    pub(super) refusal: Option<Refusal>,
}

/// What is to change so that of all that Tenure grants exactly the desired ones are held.
///
/// `account`: its id, or `None` for the one that is about to be made. `held`: what the ledger says it was granted.
/// `confirmed`: whether that can be relied on, else it is granted again.
pub(super) fn entitlements(
    desired: &DesiredAccount,
    account: Option<&str>,
    held: &BTreeSet<(&str, &str)>,
    confirmed: bool,
    seen: &Observed,
) -> Result<Entitlements, Query> {
    let mut out = Entitlements::default();
    let mut wanted = BTreeSet::new();
    // It cannot be told which of those that are held they are.
    let mut unclear = BTreeSet::new();
    let mut room = MAX_ENTITLEMENTS;
    for entitlement in &desired.entitlements {
        let remote = match seen.resolve(entitlement)? {
            Resolution::Missing => {
                out.refusal.get_or_insert_with(|| not_found(entitlement));
                continue;
            }
            Resolution::Refused(refusal) => {
                unclear.insert(entitlement.kind.as_str());
                out.refusal.get_or_insert_with(|| refusal.clone());
                continue;
            }
            Resolution::Id(remote) if wanted.contains(&(entitlement.kind.as_str(), remote.as_str())) => {
                continue;
            }
            Resolution::Id(remote) => Some(remote.as_str()),
            Resolution::Creatable => None,
        };
        if room == 0 {
            out.refusal.get_or_insert_with(too_many);
            break;
        }
        room -= 1;
        let key = remote.map(|remote| (entitlement.kind.as_str(), remote));
        wanted.extend(key);
        if !confirmed || key.is_none_or(|key| !held.contains(&key)) {
            out.grants.push(Step::Grant {
                id: account.map(str::to_owned),
                entitlement: entitlement.clone(),
                remote: remote.map(str::to_owned),
            });
        }
    }
    let stale = held.difference(&wanted).filter(|(kind, _)| !unclear.contains(kind));
    out.revokes = stale.filter_map(|&(kind, remote)| Some(revoke(account?, kind, remote))).collect();
    Ok(out)
}

/// Why an entitlement that does not exist is not granted.
pub fn not_found(entitlement: &EntitlementSpec) -> Refusal {
    let EntitlementSpec { kind, value } = entitlement;
    let message =
        format!("{kind} \"{value}\" does not exist in the App: make it there, or correct the AppBinding");
    Refusal::new(Reason::EntitlementNotFound, message)
}

fn too_many() -> Refusal {
    let message = format!("bindings grant more than {MAX_ENTITLEMENTS} entitlements in one account");
    Refusal::new(Reason::InvalidConfiguration, message)
}

/// Takes an entitlement from an account.
pub(super) fn revoke(account: &str, kind: &str, remote: &str) -> Step {
    Step::Revoke { id: account.to_owned(), kind: kind.to_owned(), entitlement: remote.to_owned() }
}
