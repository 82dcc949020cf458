//! Which remote account is a person's.
//!
//! By the ledger's id; else by our marker, under every policy; else by what `adoption.matchOn` lists, if the account
//! has no marker and a second mapped attribute agrees. What is ambiguous is left to a person.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::compare::{has_login, keeps_login, strings};
use super::observe::{Observed, Query};
use super::steps::{CREATE, DELETE, Refusal};
use super::{Context, RemoteAccount};
use crate::access::DesiredAccount;
use crate::api::app::AdoptionPolicy;
use crate::api::{LedgerEntry, Reason};

/// Where the search for a person's account ended.
pub(super) enum Located<'o> {
    /// This one is theirs.
    Ours(&'o RemoteAccount),
    /// They have none.
    Nothing,
    /// It must not be decided here.
    Unclear(Refusal),
}

impl Located<'_> {
    fn unclear(reason: Reason, message: &str) -> Self {
        Self::Unclear(Refusal::new(reason, message))
    }
}

const SEVERAL_MARKED: &str = "several accounts bear this person's marker: take it from all but one";

/// Finds the account of a person who should have one.
pub(super) fn locate<'o>(
    desired: &DesiredAccount,
    entry: Option<&LedgerEntry>,
    seen: &'o Observed,
    ctx: &Context<'_>,
) -> Result<Located<'o>, Query> {
    if let Some(entry) = ctx.linked(entry)
        && let Some(account) = seen.get(&entry.id)?
    {
        return Ok(if still_ours(account, entry, ctx) { Located::Ours(account) } else { not_ours() });
    }
    match marked(seen, ctx)?.as_slice() {
        [] => {}
        [one] => return Ok(Located::Ours(one)),
        _ => return Ok(Located::unclear(Reason::AmbiguousMatch, SEVERAL_MARKED)),
    }
    if ctx.spec.adoption.policy != AdoptionPolicy::CreateOnly {
        let located = by_match(desired, seen, ctx)?;
        if !matches!(located, Located::Nothing) {
            return Ok(located);
        }
    }
    by_intent(desired, entry, seen, ctx)
}

/// The accounts of a person who should have none, and whether something is there that may not be touched.
pub(super) struct Leaver<'o> {
    /// All that are certainly this person's.
    pub(super) accounts: Vec<&'o RemoteAccount>,
    /// Why there may be another one.
    pub(super) unclear: Option<Refusal>,
}

/// Finds what a leaver may still have: the ledger's account, or where that cannot be had every account with their
/// marker, since each of them would be access that stays.
pub(super) fn locate_leaver<'o>(
    entry: Option<&LedgerEntry>,
    seen: &'o Observed,
    ctx: &Context<'_>,
) -> Result<Leaver<'o>, Query> {
    let mut unclear = None;
    if let Some(entry) = ctx.linked(entry) {
        let account = seen.get(&entry.id)?;
        let ours = account.is_some_and(|account| still_ours(account, entry, ctx));
        let deleted = account.is_none() && announced(Some(entry), DELETE) == Some(entry.id.as_str());
        if ours || deleted {
            return Ok(Leaver { accounts: account.into_iter().collect(), unclear: None });
        }
        unclear = account.map(|_| not_ours_refusal());
    }
    let accounts = marked(seen, ctx)?;
    if accounts.is_empty()
        && let Some(login) = announced(entry, CREATE)
    {
        let found = seen.find(ctx.login_attribute, login)?;
        if found.iter().any(|account| !ctx.foreign(account)) {
            unclear = Some(uncertain_create());
        }
    }
    Ok(Leaver { accounts, unclear })
}

/// Whether the account with the ledger's id is still the one that the ledger is about: ids are reused, and markers
/// are taken away by hand.
fn still_ours(account: &RemoteAccount, entry: &LedgerEntry, ctx: &Context<'_>) -> bool {
    ctx.marked(account) || (!ctx.foreign(account) && has_login(account, &entry.user_name))
}

fn not_ours<'o>() -> Located<'o> {
    Located::Unclear(not_ours_refusal())
}

fn not_ours_refusal() -> Refusal {
    let message = "the account with the recorded id bears neither this person's marker nor the recorded login; \
                   give it back its marker, or delete the account if it is not needed";
    Refusal::new(Reason::NotOurs, message)
}

/// Every account that bears exactly this person's marker.
fn marked<'o>(seen: &'o Observed, ctx: &Context<'_>) -> Result<Vec<&'o RemoteAccount>, Query> {
    if !ctx.marks() {
        return Ok(Vec::new());
    }
    let found = seen.find(ctx.spec.marker_attribute(), ctx.marker)?;
    Ok(distinct(found.iter().filter(|account| ctx.marked(account))))
}

fn distinct<'o>(accounts: impl Iterator<Item = &'o RemoteAccount>) -> Vec<&'o RemoteAccount> {
    accounts.map(|account| (account.id.as_str(), account)).collect::<BTreeMap<_, _>>().into_values().collect()
}

/// Looks by every attribute that `matchOn` lists; what any of them finds is a candidate.
fn by_match<'o>(
    desired: &DesiredAccount,
    seen: &'o Observed,
    ctx: &Context<'_>,
) -> Result<Located<'o>, Query> {
    let mut found = Vec::new();
    for (attribute, value) in searches(desired, ctx) {
        found.extend(seen.find(attribute, value)?);
    }
    let candidates = distinct(found.into_iter());
    // The search by marker has just not shown it: some targets find a new account by one attribute before another.
    let ours: Vec<_> = candidates.iter().copied().filter(|account| ctx.marked(account)).collect();
    Ok(match (ours.as_slice(), candidates.as_slice()) {
        ([one], _) => Located::Ours(one),
        ([_, _, ..], _) => Located::unclear(Reason::AmbiguousMatch, SEVERAL_MARKED),
        (_, []) => Located::Nothing,
        (_, [one]) => match_one(desired, one, ctx),
        _ => Located::unclear(
            Reason::AmbiguousMatch,
            "several accounts match by adoption.matchOn: write this person's marker to the right one",
        ),
    })
}

fn match_one<'o>(desired: &DesiredAccount, account: &'o RemoteAccount, ctx: &Context<'_>) -> Located<'o> {
    if ctx.foreign(account) {
        Located::unclear(
            Reason::AccountExists,
            "an account matches by adoption.matchOn but bears another marker: it is somebody else's",
        )
    } else if recognised(desired, account, &ctx.spec.adoption.match_on, ctx) {
        Located::Ours(account)
    } else {
        Located::unclear(
            Reason::AccountExists,
            "an account matches by adoption.matchOn but no second mapped attribute agrees: \
             write this person's marker to it if it is theirs",
        )
    }
}

/// What to search for: each listed attribute that is mapped, with each value that the person could have there.
fn searches<'d>(desired: &'d DesiredAccount, ctx: &Context<'d>) -> BTreeSet<(&'d str, &'d str)> {
    let listed =
        ctx.spec.adoption.match_on.iter().filter(|attribute| *attribute != ctx.spec.marker_attribute());
    listed
        .flat_map(|attribute| {
            let values = if attribute == ctx.login_attribute {
                desired.logins.iter().map(String::as_str).collect()
            } else {
                let mapped = desired.attributes.get(mapped_name(desired, attribute));
                mapped.and_then(|want| strings(&want.value).first().copied()).into_iter().collect::<Vec<_>>()
            };
            values.into_iter().map(move |value| (attribute.as_str(), value))
        })
        .collect()
}

/// The mapped attribute that a `matchOn` item is about: `emails.value` is about `emails`.
fn mapped_name<'a>(desired: &DesiredAccount, listed: &'a str) -> &'a str {
    match listed.strip_suffix(".value") {
        Some(whole) if !desired.attributes.contains_key(listed) => whole,
        _ => listed,
    }
}

/// Whether one of these attributes agrees, and a second mapped one with it.
pub(super) fn recognised(
    desired: &DesiredAccount,
    account: &RemoteAccount,
    by: &[String],
    ctx: &Context<'_>,
) -> bool {
    let mapped =
        desired.attributes.iter().filter(|(name, want)| agrees(&want.value, account.attributes.get(*name)));
    let mut agreeing: BTreeSet<&str> = mapped.map(|(name, _)| name.as_str()).collect();
    if keeps_login(desired, account) {
        agreeing.insert(ctx.login_attribute);
    }
    agreeing.remove(ctx.spec.marker_attribute());
    agreeing.len() > 1 && by.iter().any(|listed| agreeing.contains(mapped_name(desired, listed)))
}

fn agrees(want: &Value, have: Option<&Value>) -> bool {
    let have = have.map(strings).unwrap_or_default();
    strings(want).iter().any(|one| have.iter().any(|other| one.to_lowercase() == other.to_lowercase()))
}

/// The key of an operation that was announced and whose outcome is not known.
fn announced<'e>(entry: Option<&'e LedgerEntry>, operation: &str) -> Option<&'e str> {
    let pending = entry?.pending.as_ref()?;
    (pending.operation == operation).then_some(pending.key.as_str())
}

/// Whether a creation that was announced, and whose outcome is not known, made an account. With a marker the account
/// would bear it; without one, the account must be recognised by its login and a second attribute.
fn by_intent<'o>(
    desired: &DesiredAccount,
    entry: Option<&LedgerEntry>,
    seen: &'o Observed,
    ctx: &Context<'_>,
) -> Result<Located<'o>, Query> {
    let Some(login) = announced(entry, CREATE) else {
        return Ok(Located::Nothing);
    };
    let found = seen.find(ctx.login_attribute, login)?;
    let candidates = distinct(found.iter().filter(|account| !ctx.foreign(account)));
    let by_login = [ctx.login_attribute.to_owned()];
    Ok(match candidates.as_slice() {
        [] => Located::Nothing,
        [one] if ctx.marked(one) => Located::Ours(one),
        [one] if !ctx.marks() && recognised(desired, one, &by_login, ctx) => Located::Ours(one),
        _ => Located::Unclear(uncertain_create()),
    })
}

pub(super) fn uncertain_create() -> Refusal {
    let message = "whether the account with this login was made for this person cannot be told: \
                   write this person's marker to it, or rename it";
    Refusal::new(Reason::AccountExists, message)
}
