//! What an account holds beyond itself, as far as Tenure granted it.

use std::collections::BTreeSet;

use super::Resolution;
use super::observe::{Observed, Query};
use super::steps::{Refusal, Step};
use crate::access::DesiredAccount;
use crate::api::{LedgerEntry, Reason};

/// How many entitlements a ledger entry holds (`LedgerEntry.entitlements`).
const MAX_ENTITLEMENTS: usize = 64;

/// Type and remote id of an entitlement in the ledger.
pub(super) fn split(entitlement: &str) -> Option<(&str, &str)> {
    entitlement
        .split_once(':')
        .filter(|(kind, remote)| !kind.is_empty() && !remote.is_empty())
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

/// What is to change so that exactly the desired ones of those that Tenure grants are held.
///
/// `account`: its id, or `None` for the one that is about to be made.
pub(super) fn entitlements(
    desired: &DesiredAccount,
    account: Option<&str>,
    held: &BTreeSet<(&str, &str)>,
    seen: &Observed,
) -> Result<Entitlements, Query> {
    let mut out = Entitlements::default();
    let mut wanted = BTreeSet::new();
    for entitlement in &desired.entitlements {
        let remote = match seen.resolve(entitlement)? {
            Resolution::Missing => {
                let message = format!(
                    "{} \"{}\" does not exist in the App",
                    entitlement.kind, entitlement.value
                );
                out.refusal
                    .get_or_insert_with(|| Refusal::new(Reason::EntitlementNotFound, message));
                continue;
            }
            Resolution::Creatable => None,
            Resolution::Id(remote) => {
                let key = (entitlement.kind.as_str(), remote.as_str());
                if !wanted.insert(key) || held.contains(&key) {
                    continue;
                }
                Some(remote.clone())
            }
        };
        let id = account.map(str::to_owned);
        out.grants.push(Step::Grant {
            id,
            entitlement: entitlement.clone(),
            remote,
        });
    }
    out.revokes = held
        .difference(&wanted)
        .filter_map(|&(kind, remote)| revoke(account?, kind, remote))
        .collect();
    let room = MAX_ENTITLEMENTS.saturating_sub(held.intersection(&wanted).count());
    if out.grants.len() > room {
        out.grants.truncate(room);
        let message = format!("an account can hold {MAX_ENTITLEMENTS} entitlements of Tenure's at most");
        out.refusal = Some(Refusal::new(Reason::InvalidConfiguration, message));
    }
    Ok(out)
}

pub(super) fn revoke(account: &str, kind: &str, remote: &str) -> Option<Step> {
    let step = Step::Revoke {
        id: account.to_owned(),
        kind: kind.to_owned(),
        entitlement: remote.to_owned(),
    };
    (!remote.is_empty()).then_some(step)
}
