//! The closed set of reasons that conditions, ledger entries and events carry. They are part of the API.

use std::fmt;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Why a condition, an account or an event is as it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason { $($(#[doc = $doc])+ $name,)+ }

        impl Reason {
            /// Every reason, in the order of their documentation.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The reason as it stands in objects.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// What the reason means and what cures it.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+),)+ }
            }
        }
    };
}

reasons! {
    /// Everything is as declared.
    InSync,
    /// Work is under way.
    Progressing,
    /// The object bears the annotation `tenure.dev/paused: "true"`.
    PausedByAnnotation,
    /// The App only plans (`mode: DryRun`).
    DryRun,
    /// Some account could not be brought to what is declared: see the ledger.
    AccountsFailed,
    /// Some account needs a person's decision: see the ledger.
    AccountsInConflict,
    /// Another User with the same `personId` is older and keeps the accounts. Delete one of the two.
    DuplicatePersonId,
    /// The person left, and nothing newer says that they are back: set a `startTime` later than `status.leftAt`, or the annotation `tenure.dev/resume`.
    StaleRehire,
    /// A Role that is named does not exist in this namespace.
    RoleNotFound,
    /// A Role that is named exists but could not be read; what it gave before is kept.
    RoleUnreadable,
    /// Roles include each other in a circle; each counts once.
    RoleCycle,
    /// Two roles exclude each other; the one named in the message was withheld.
    RoleConflict,
    /// The App that is named does not exist in this namespace.
    AppNotFound,
    /// A CEL expression does not compile or costs too much.
    InvalidExpression,
    /// A CEL expression failed for some people; they keep what they had.
    ExpressionFailed,
    /// Some case under `spec.cases` does not hold.
    CasesFailed,
    /// Every case under `spec.cases` holds.
    CasesPassed,
    /// Bindings disagree about an attribute or a single-valued entitlement; the message says which one counts.
    BindingConflict,
    /// An attribute could not be computed: the account is left as it is.
    MappingFailed,
    /// The Secret or its key does not exist, or lacks the label `tenure.dev/credentials`.
    SecretNotFound,
    /// The Secret that is to hold the first password of an account could not be written, so the account was not made: the message says why.
    InitialPasswordNotKept,
    /// A value in the App's spec or Secret cannot be used.
    InvalidConfiguration,
    /// The target refused the credentials.
    CredentialsRefused,
    /// The target accepted the credentials.
    CredentialsAccepted,
    /// The target could not be reached, or gave no answer in time.
    Unreachable,
    /// The target answered.
    Answered,
    /// The target asked to slow down.
    Throttled,
    /// The target answered with a server error.
    TargetError,
    /// The target's answers make no sense for its protocol.
    UnexpectedAnswer,
    /// The target refused the account or the change as it is.
    Rejected,
    /// An account with this login exists and is not known to be this person's.
    AccountExists,
    /// Several accounts match this person.
    AmbiguousMatch,
    /// `adoption.policy: AdoptOnly` and no account matches.
    NothingToAdopt,
    /// The account was suspended by somebody else: set the annotation `tenure.dev/resume` to take it back into use.
    SuspendedElsewhere,
    /// The App points to another system than when the account was made.
    TargetChanged,
    /// The account is not there any more.
    AccountGone,
    /// The account no longer bears this person's marker or login: it was not touched.
    NotOurs,
    /// The target accepted a change and did not make it.
    NotApplied,
    /// The target does not keep some attribute: it is named in the message and not sent again.
    AttributesNotKept,
    /// An entitlement that a binding names does not exist in the App.
    EntitlementNotFound,
    /// The App, its namespace or its kind was deleted: the account was left as it was.
    AppDeleted,
    /// The namespace is being deleted: the accounts were left as they were.
    NamespaceDeleted,
    /// The custom resource definitions are being deleted: the accounts were left as they were.
    DefinitionsDeleted,
    /// In this App `active: false` deletes the account, and a policy, or the state of a person, asks to suspend it. Nothing is deleted by way of a suspension: choose action `Delete` or `Retain` in `onLeave`, `onUnassign` and `onUserDeleted`; a person in state `Suspended` keeps the account in use until then.
    SuspendDeletes,
    /// This App cannot suspend accounts, and a policy, or the state of a person, asks for it: choose action `Delete` or `Retain` in `onLeave`, `onUnassign` and `onUserDeleted`; a person in state `Suspended` keeps the account in use.
    SuspendUnsupported,
    /// It is not proved that a suspended account cannot be used, or that it stays so when somebody sets a password: see the message, and set `suspend: BestEffort` in the connector if that will do.
    SuspendUnproved,
    /// Kept by policy although no longer granted.
    RetainedByPolicy,
    /// The App is in quarantine after repeated failures; it is probed and released by itself.
    Quarantined,
    /// Objects of this namespace could not all be read, so nothing is taken away for now.
    RemovalsFrozen,
    /// More would be taken away than `spec.removalBudget` allows: a Hold says what, and waits for a person's yes.
    RemovalsHeld,
    /// The Hold waits for a person: set `spec.approval` or `spec.rejection`, with `status.digest`.
    ApprovalNeeded,
    /// The Hold was approved, and what it holds is being done.
    HoldApproved,
    /// The Hold was approved, and what was still due is done.
    HoldDone,
    /// The Hold was rejected: what it holds stays as it is. Delete the Hold to have it counted anew.
    HoldRejected,
    /// The approval or rejection names another digest than the Hold has: read `status` again, and give `status.digest`.
    WrongDigest,
    /// Nobody approved or rejected the Hold within seven days; what is still due is held anew.
    HoldExpired,
    /// Nothing that the Hold holds is due any more.
    HoldSuperseded,
    /// The object cannot be decoded; its last good form counts.
    Undecodable,
    /// The person left, and access was cut.
    AccessCut,
    /// The person left, and on some App the account is not read back suspended or gone yet: the message names it.
    AccessNotCut,
    /// The person left, and some account is kept by policy or was let go of: it may be in use.
    AccountsKept,
    /// The App protects this account (`spec.protectedAccounts`, or one of its own): nothing is taken away from it, and it is not taken over.
    ProtectedAccount,
    /// The account is the last one in use that is an administrator of the App (`spec.administrators`): make somebody else one first.
    LastAdministrator,
    /// The User bears the annotation `tenure.dev/protected`: nothing is taken away from this person.
    ProtectedPerson,
    /// Suspending an account in this App does not close every way in: the message names those that are known. Cut the single sign-on as well.
    LoginLeftOpen,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
