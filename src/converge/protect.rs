//! Accounts from which nothing is ever taken away.

use super::{Context, Observed, Query, Refusal, RemoteAccount, Step};
use crate::api::Reason;

/// What a connector knows of an account beyond what is written in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Nothing.
    #[default]
    Ordinary,
    /// It came with the system, or Tenure itself works with it: taking it away would end all administration.
    BuiltIn,
}

/// Whether `protectedAccounts` names an account: by its login, a pattern of it, or its remote id.
pub fn names(protected: &[String], account: &RemoteAccount) -> bool {
    let login = account.login.to_lowercase();
    protected.iter().any(|item| *item == account.id || fits(&item.to_lowercase(), &login))
}

/// Whether a text fits a pattern, in which `*` stands for any text, none included.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        // The first place is as good as any: whatever fits after a later one fits after this one.
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

/// Why nothing may be taken away from this account, if that is so. An account that is out of use is no administrator.
pub(super) fn spared(
    account: &RemoteAccount,
    seen: &Observed,
    ctx: &Context<'_>,
) -> Result<Option<Refusal>, Query> {
    if is_protected(account, seen, ctx) {
        return Ok(Some(protected()));
    }
    let asks = account.active && !ctx.spec.administrators.is_empty();
    Ok((asks && seen.is_last_administrator(&account.id)?).then(|| {
        let message = "the account is the last one in use that is an administrator of this App: make somebody else one \
                       first";
        Refusal::new(Reason::LastAdministrator, message)
    }))
}

/// Whether nothing may ever be taken away from this account.
pub(super) fn is_protected(account: &RemoteAccount, seen: &Observed, ctx: &Context<'_>) -> bool {
    seen.standing(&account.id) == Standing::BuiltIn || names(&ctx.spec.protected_accounts, account)
}

pub(super) fn protected() -> Refusal {
    let message = "the account is protected in this App, by spec.protectedAccounts or as one of its own: it is neither \
                   taken over nor taken away. Do it there by hand, or take it off the list";
    Refusal::new(Reason::ProtectedAccount, message)
}

/// Why nothing is taken away from a person who bears the annotation.
pub fn protected_person() -> Refusal {
    let message = "the User bears the annotation tenure.dev/protected: nothing is taken away from this person. Take it \
                   off to let that happen";
    Refusal::new(Reason::ProtectedPerson, message)
}

/// The revocations that may be carried out: all or none, and then why.
pub(super) fn spare(
    revokes: Vec<Step>,
    account: &RemoteAccount,
    seen: &Observed,
    ctx: &Context<'_>,
) -> Result<(Vec<Step>, Option<Refusal>), Query> {
    if revokes.is_empty() {
        return Ok((revokes, None));
    }
    let why = spared(account, seen, ctx)?.or_else(|| ctx.protected.then(protected_person));
    Ok(if why.is_some() { (Vec::new(), why) } else { (revokes, None) })
}
