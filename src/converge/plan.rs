//! From what is wanted, remembered and seen to the steps that make it so.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::compare::{changes, is_empty, keeps_login};
use super::correlate::{Located, locate, recognised, uncertain_create};
use super::entitlements::{entitlements, held};
use super::observe::{Observed, Query};
use super::protect::{is_protected, protected, protected_person, spare};
use super::removal::{may_show_late, plan_gone};
use super::steps::{CREATE, Plan, Refusal, Step, announce};
use super::{Change, Context, Finding, NewAccount, RemoteAccount, Wanted};
use crate::access::DesiredAccount;
use crate::api::app::AdoptionPolicy;
use crate::api::{AccountState, LedgerEntry, Reason};

/// What to do about one (person, App).
///
/// Asks for one thing at a time: `Err` is the question to answer into `seen` before calling again. No question is
/// asked twice, and there are at most a few more than entitlements and candidate logins.
pub fn plan(
    wanted: &Wanted,
    entry: Option<&LedgerEntry>,
    seen: &Observed,
    ctx: &Context<'_>,
) -> Result<Plan, Query> {
    match wanted {
        Wanted::Account(desired) => plan_account(desired, entry, seen, ctx),
        Wanted::Gone(cause) => plan_gone(*cause, entry, seen, ctx),
        Wanted::Released(_) | Wanted::Unknown { .. } => Ok(Plan::default()),
    }
}

fn plan_account(
    desired: &DesiredAccount,
    entry: Option<&LedgerEntry>,
    seen: &Observed,
    ctx: &Context<'_>,
) -> Result<Plan, Query> {
    match locate(desired, entry, seen, ctx)? {
        Located::Ours(account) => plan_existing(desired, account, entry, seen, ctx),
        Located::Nothing => match not_surely_gone(entry, ctx) {
            Some(refusal) => Ok(Plan::blocked(refusal)),
            None => plan_create(desired, entry, seen, ctx),
        },
        Located::Unclear(refusal) => Ok(Plan::blocked(refusal)),
    }
}

/// Why the account that the ledger names, which its id does not find, is not made again: it would be a second one if the
/// App showed it later. That there is none needs more than one answer: the search by the marker, or where accounts bear
/// none a whole listing; and it needs time.
fn not_surely_gone(entry: Option<&LedgerEntry>, ctx: &Context<'_>) -> Option<Refusal> {
    let entry = ctx.linked(entry)?;
    let message = "the App does not show the account: it is made again when a sweep does not find it either";
    let in_doubt = !ctx.marks() && !ctx.findings.contains(&Finding::Gone);
    may_show_late(entry, ctx).or_else(|| in_doubt.then(|| Refusal::new(Reason::AccountGone, message)))
}

fn plan_create(
    desired: &DesiredAccount,
    entry: Option<&LedgerEntry>,
    seen: &Observed,
    ctx: &Context<'_>,
) -> Result<Plan, Query> {
    let policy = ctx.spec.adoption.policy;
    if policy == AdoptionPolicy::AdoptOnly {
        let message = "no account matches, and adoption.policy is AdoptOnly: make the account by hand, or allow to create";
        return Ok(Plan::blocked(Refusal::new(Reason::NothingToAdopt, message)));
    }
    // A single candidate needs no look first: the target itself refuses a login that is taken.
    let look = policy == AdoptionPolicy::CreateOnly || desired.logins.len() > 1;
    let login = match choose_login(desired, None, look, seen, ctx)? {
        Login::Free(login) => login,
        Login::Ours(account) => return plan_existing(desired, account, entry, seen, ctx),
        Login::Unclear => return Ok(Plan::blocked(uncertain_create())),
        Login::None => return Ok(Plan::blocked(no_login(desired))),
    };
    let entitlements = entitlements(desired, None, &BTreeSet::new(), false, seen)?;
    let mut steps = Vec::new();
    if policy == AdoptionPolicy::CreateOnly || !ctx.marks() {
        steps.extend(announce(entry, CREATE, login, ctx));
    }
    steps.push(Step::Create(NewAccount {
        login: login.to_owned(),
        marker: (ctx.spec.marker_attribute().to_owned(), ctx.marker.to_owned()),
        attributes: initial_attributes(desired),
    }));
    steps.extend(entitlements.grants);
    Ok(Plan { steps, blocked: entitlements.refusal, account: None })
}

fn initial_attributes(desired: &DesiredAccount) -> BTreeMap<String, Value> {
    let with_value = desired.attributes.iter().filter(|(_, want)| !is_empty(&want.value));
    with_value.map(|(name, want)| (name.clone(), want.value.clone())).collect()
}

enum Login<'a> {
    Free(&'a str),
    /// The login is that of an account which bears our marker, though the search by marker did not show it.
    Ours(&'a RemoteAccount),
    /// The login is that of an account without marker that is in all as the one to be made: it may well be the work
    /// of an earlier attempt on a target that drops the marker, and another one would be a second account.
    Unclear,
    None,
}

/// The first candidate that nobody but the account `own` has.
fn choose_login<'a>(
    desired: &'a DesiredAccount,
    own: Option<&str>,
    look: bool,
    seen: &'a Observed,
    ctx: &Context<'_>,
) -> Result<Login<'a>, Query> {
    for login in desired.logins.iter().filter(|login| !seen.is_refused(login)) {
        if !look {
            return Ok(Login::Free(login));
        }
        let found = seen.find(ctx.login_attribute, login)?;
        if own.is_none()
            && let Some(ours) = found.iter().find(|account| ctx.marked(account))
        {
            return Ok(Login::Ours(ours));
        }
        if own.is_none() && found.iter().any(|account| is_twin(desired, account, ctx)) {
            return Ok(Login::Unclear);
        }
        if found.iter().all(|account| Some(account.id.as_str()) == own) {
            return Ok(Login::Free(login));
        }
    }
    Ok(Login::None)
}

fn is_twin(desired: &DesiredAccount, account: &RemoteAccount, ctx: &Context<'_>) -> bool {
    let by_login = [ctx.login_attribute.to_owned()];
    !ctx.foreign(account)
        && recognised(desired, account, &by_login, ctx)
        && changes(desired, account).is_empty()
}

fn no_login(desired: &DesiredAccount) -> Refusal {
    if desired.logins.is_empty() {
        Refusal::new(Reason::MappingFailed, "the login attribute has no value")
    } else {
        let message = "every login that this person could have is taken: give the account the person's marker if it \
                       is theirs, or add candidates to the login's mapping";
        Refusal::new(Reason::AccountExists, message)
    }
}

/// Takes away, changes, resumes, grants: in this order, so that nobody holds old and new at once, and an account comes
/// back into use only as it should be.
fn plan_existing(
    desired: &DesiredAccount,
    account: &RemoteAccount,
    entry: Option<&LedgerEntry>,
    seen: &Observed,
    ctx: &Context<'_>,
) -> Result<Plan, Query> {
    let linked = ctx.linked(entry).filter(|entry| entry.id == account.id);
    if !account.active && !may_resume(linked, ctx) {
        let message = "the account was suspended by somebody else: the annotation tenure.dev/resume takes it back \
                       into use";
        let refusal = Refusal::new(Reason::SuspendedElsewhere, message);
        return Ok(Plan { account: Some(account.clone()), ..Plan::blocked(refusal) });
    }
    let guarded = is_protected(account, seen, ctx);
    if guarded && linked.is_none() {
        return Ok(Plan { account: Some(account.clone()), ..Plan::blocked(protected()) });
    }
    let held = linked.map(held).unwrap_or_default();
    let (rename, login_refusal) = rename(desired, account, seen, ctx)?;
    // Some targets drop what a suspended account held.
    let confirmed = account.active
        && linked.is_some_and(|entry| entry.state == AccountState::Active)
        && !ctx.findings.contains(&Finding::EntitlementLost);
    let entitlements = entitlements(desired, Some(&account.id), &held, confirmed, seen)?;
    let id = || account.id.clone();

    let mut steps = Vec::new();
    if linked.is_none() {
        steps.push(Step::Adopt { id: id(), login: account.login.clone(), in_use: true });
    }
    let (revokes, spared) = spare(entitlements.revokes, account, seen, ctx)?;
    steps.extend(revokes);
    let mut changed = changes(desired, account);
    changed.extend(rename);
    changed.extend(missing_marker(account, ctx));
    if !changed.is_empty() {
        steps.push(Step::Update { id: id(), changes: changed });
    }
    if !account.active {
        steps.push(Step::Resume { id: id() });
    }
    steps.extend(entitlements.grants);
    let blocked = login_refusal.or(entitlements.refusal).or(spared);
    Ok(Plan { steps, blocked, account: Some(account.clone()) })
}

/// Only what the ledger says Tenure suspended, or a person said may come back.
fn may_resume(linked: Option<&LedgerEntry>, ctx: &Context<'_>) -> bool {
    let by_us = linked.is_some_and(|entry| {
        entry.state.is_out_of_use() && entry.reason != Reason::SuspendedElsewhere.as_str()
    });
    by_us || ctx.resume
}

fn rename(
    desired: &DesiredAccount,
    account: &RemoteAccount,
    seen: &Observed,
    ctx: &Context<'_>,
) -> Result<(Option<Change>, Option<Refusal>), Query> {
    if keeps_login(desired, account) {
        return Ok((None, None));
    }
    // A login that changes is taken away; and by it the account may be protected.
    let kept = is_protected(account, seen, ctx).then(protected);
    if let Some(why) = kept.or_else(|| ctx.protected.then(protected_person)) {
        return Ok((None, Some(why)));
    }
    Ok(match choose_login(desired, Some(&account.id), true, seen, ctx)? {
        Login::Free(login) => (Some(change(ctx.login_attribute, login)), None),
        Login::Ours(_) | Login::Unclear | Login::None => (None, Some(no_login(desired))),
    })
}

fn missing_marker(account: &RemoteAccount, ctx: &Context<'_>) -> Option<Change> {
    (ctx.marks() && !ctx.marked(account)).then(|| change(ctx.spec.marker_attribute(), ctx.marker))
}

fn change(attribute: &str, value: &str) -> Change {
    Change { attribute: attribute.to_owned(), value: Some(Value::from(value)) }
}
