//! One removal: what is about to be taken from one person in one App, and why.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use crate::api::LedgerEntry;
use crate::api::app::RemovalAction;
use crate::converge::due::to_strip;
use crate::converge::removal::deletion_due;
use crate::converge::{Cause, Context, Plan, Step, Wanted};

/// What is taken away, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Entitlements, the login or attributes of an account that stays in use.
    Change,
    /// Entitlements of an account that is suspended already.
    Strip,
    /// The use of the account.
    Suspend,
    /// The account.
    Delete,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Change, Self::Strip, Self::Suspend, Self::Delete];

    /// Name in samples.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Strip => "strip",
            Self::Suspend => "suspend",
            Self::Delete => "delete",
        }
    }
}

/// Which wave a removal would join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// What people's own records say, beyond the express count.
    Personal,
    /// What follows from a rule, Role, `AppBinding` or App, or from a deleted object.
    Structural,
    /// What was suspended before and falls due to be deleted.
    Deferred,
}

impl Class {
    /// Every class, in the order in which they are counted.
    pub const ALL: [Self; 3] = [Self::Personal, Self::Structural, Self::Deferred];
}

/// A removal as a Hold remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(pub u64);

/// What is about to be taken from one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// `metadata.uid` of the User.
    pub uid: String,
    /// Why they should have no account; `None`: they keep it.
    pub cause: Option<Cause>,
    /// What is taken.
    pub kind: Kind,
    /// Whether this follows from the person's own record.
    pub personal: bool,
    /// The account was suspended before.
    pub deferred: bool,
    /// Entitlements taken from an account that stays in use, as the ledger writes them.
    pub entitlements: BTreeSet<String>,
    /// Attributes cleared, or changed where that is a removal, of an account that stays in use.
    pub attributes: BTreeSet<String>,
}

impl Removal {
    /// What the steps of a plan take away; `None`: nothing.
    ///
    /// Nothing is taken from somebody who has lost the account before and is suspended again.
    pub fn of(
        plan: &Plan,
        wanted: &Wanted,
        entry: Option<&LedgerEntry>,
        login_attribute: &str,
        (uid, personal): (&str, bool),
    ) -> Option<Self> {
        let steps = || plan.steps.iter().filter(|step| step.removes(login_attribute));
        let any = |wanted: fn(&Step) -> bool| steps().any(wanted);
        // One that is only taken over now was in use until now, whatever the ledger says of another one.
        let adopted = plan.steps.iter().any(|step| matches!(step, Step::Adopt { .. }));
        let out = !adopted && entry.is_some_and(|entry| entry.state.is_out_of_use());
        let kind = if any(|step| matches!(step, Step::Delete { .. })) {
            Kind::Delete
        } else if any(|step| matches!(step, Step::Suspend { .. })) && !out {
            Kind::Suspend
        } else if any(|step| matches!(step, Step::Revoke { .. })) && matches!(wanted, Wanted::Gone(_)) {
            Kind::Strip
        } else if any(|step| matches!(step, Step::Revoke { .. } | Step::Update { .. })) {
            Kind::Change
        } else {
            return None;
        };
        let mut removal = Self::plain(uid, cause_of(wanted), kind, personal, out);
        if kind == Kind::Change {
            for step in steps() {
                match step {
                    Step::Revoke { kind, entitlement, .. } => {
                        removal.entitlements.insert(format!("{kind}:{entitlement}"));
                    }
                    Step::Update { changes, .. } => {
                        let taken = |c: &&crate::converge::Change| {
                            c.value.is_none() || c.attribute == login_attribute
                        };
                        removal.attributes.extend(changes.iter().filter(taken).map(|c| c.attribute.clone()));
                    }
                    _ => {}
                }
            }
        }
        Some(removal)
    }

    fn plain(uid: &str, cause: Option<Cause>, kind: Kind, personal: bool, out: bool) -> Self {
        Self {
            uid: uid.to_owned(),
            cause,
            kind,
            personal,
            deferred: out && kind != Kind::Change,
            entitlements: BTreeSet::new(),
            attributes: BTreeSet::new(),
        }
    }

    /// Which wave it would join.
    pub fn class(&self) -> Class {
        match (self.deferred, self.personal) {
            (true, _) => Class::Deferred,
            (false, true) => Class::Personal,
            (false, false) => Class::Structural,
        }
    }

    /// The mark of exactly this removal.
    pub fn mark(&self) -> Mark {
        self.mark_as(self.personal)
    }

    /// The mark it has, or would have, as one that is personal or not.
    pub(super) fn mark_as(&self, personal: bool) -> Mark {
        let cause = match self.cause {
            Some(Cause::Leave) => "leave",
            Some(Cause::Suspension) => "suspension",
            Some(Cause::Unassign) => "unassign",
            Some(Cause::UserDeleted) => "user-deleted",
            None => "kept",
        };
        let flags = [if personal { "personal" } else { "" }, if self.deferred { "deferred" } else { "" }];
        let parts = [self.uid.as_str(), cause, self.kind.as_str()].into_iter().chain(flags);
        let mut hasher = Sha256::new();
        let mut add = |part: &str| {
            hasher.update(u64::try_from(part.len()).unwrap_or_default().to_be_bytes());
            hasher.update(part);
        };
        parts.for_each(&mut add);
        self.entitlements.iter().for_each(|part| add(part));
        add("");
        self.attributes.iter().for_each(|part| add(part));
        let digest = hasher.finalize();
        Mark(digest.iter().take(8).fold(0, |mark, byte| mark << 8 | u64::from(*byte)))
    }

    /// Whether permission for this one is permission for the other: for the same reason no more is taken.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.uid == other.uid
            && self.cause == other.cause
            && self.kind >= other.kind
            && (self.kind == Kind::Change) == (other.kind == Kind::Change)
            && other.entitlements.is_subset(&self.entitlements)
            && other.attributes.is_subset(&self.attributes)
    }

    /// Whether this is the other one with its evidence gone: the status has been written since.
    pub(super) fn is_faded(&self, other: &Self) -> bool {
        !self.personal && other.personal && self.mark_as(true) == other.mark()
    }
}

fn cause_of(wanted: &Wanted) -> Option<Cause> {
    match wanted {
        Wanted::Gone(cause) => Some(*cause),
        _ => None,
    }
}

/// What will certainly be taken away, told from the ledger alone; `None`: nothing, or it cannot be told before the
/// account has been looked at.
pub fn foreseen(
    wanted: &Wanted,
    entry: Option<&LedgerEntry>,
    ctx: &Context<'_>,
    (uid, personal): (&str, bool),
) -> Option<Removal> {
    let Wanted::Gone(cause) = wanted else { return None };
    let entry = ctx.linked(entry)?;
    let policy = ctx.policy(*cause);
    let out = entry.state.is_out_of_use();
    let kind = match policy.action {
        RemovalAction::Delete => Kind::Delete,
        RemovalAction::Suspend if !out => Kind::Suspend,
        RemovalAction::Suspend if deletion_due(*cause, entry, ctx) => Kind::Delete,
        RemovalAction::Suspend if to_strip(policy.remove_entitlements, entry) => Kind::Strip,
        RemovalAction::Suspend | RemovalAction::Retain => return None,
    };
    Some(Removal::plain(uid, Some(*cause), kind, personal, out))
}
