//! The kinds of `tenure.dev/v1alpha1`: what people write in manifests and what Tenure reports back.
//!
//! Types only: serde, schema and admission rules. Behaviour lives in [`crate::access`] and [`crate::converge`].

pub mod app;
pub mod binding;
pub mod budget;
pub mod common;
pub mod directory;
pub mod hold;
pub mod initial_password;
pub mod ledger;
pub mod person;
pub mod reason;
pub mod role;
pub mod scim;
pub mod sweep;
pub mod user;

pub use app::{App, AppSpec, AppStatus, Mode};
pub use binding::{AppBinding, AppBindingSpec, AppBindingStatus};
pub use common::{AttributeRule, EntitlementSpec, LocalRef, SecretKeyRef, Strength};
pub use hold::{Hold, HoldOutcome, HoldSpec, HoldStatus};
pub use initial_password::{InitialPassword, PasswordPolicy};
pub use ledger::{AccountState, LedgerEntry, PendingIntent, Sessions, SessionsReason};
pub use reason::Reason;
pub use role::{Role, RoleSpec, RoleStatus};
pub use user::{DesiredState, EffectiveRole, RoleAssignment, RoleEffect, User, UserSpec, UserStatus};

/// API group of every kind.
pub const GROUP: &str = "tenure.dev";
/// Version served and stored.
pub const VERSION: &str = "v1alpha1";
/// Finalizer on a User that has, or is about to have, accounts.
pub const FINALIZER: &str = "tenure.dev/accounts";
/// Annotation that stops every remote write for one User or App while it is `"true"`.
pub const PAUSED: &str = "tenure.dev/paused";
/// Annotation whose new value asks for one reconcile now; the value is echoed in `status.lastHandledReconcileAt`.
pub const RECONCILE_REQUESTED: &str = "tenure.dev/reconcile-requested-at";
/// Flux's spelling of [`RECONCILE_REQUESTED`], honoured alike.
pub const FLUX_RECONCILE_REQUESTED: &str = "reconcile.fluxcd.io/requestedAt";
/// Annotation with a reason, by which a person says that a leaver or an account suspended elsewhere may come back.
/// Each value counts once; the last one used is kept in `status.handledResume`.
pub const RESUME: &str = "tenure.dev/resume";
/// Annotation with a reason, by which a person has what is due to be taken from one User taken at once, past the removal
/// budget. Each value counts once; the last one used is kept in `status.handledRemoveNow`.
pub const REMOVE_NOW: &str = "tenure.dev/remove-now";
/// Label of a Hold: the name of its App, cut to what a label takes.
pub const APP_LABEL: &str = "tenure.dev/app";
/// Annotation with a reason, which keeps everything that a person has from being taken away.
pub const PROTECTED: &str = "tenure.dev/protected";
/// Label (any value) without which a Secret is never read.
pub const CREDENTIALS_LABEL: &str = "tenure.dev/credentials";
/// Label of the Secrets that hold first passwords of accounts; its value is empty.
pub const INITIAL_PASSWORD_LABEL: &str = "tenure.dev/initial-password";
/// Type of these Secrets.
pub const INITIAL_PASSWORD_TYPE: &str = "tenure.dev/initial-password";
/// Annotation of these Secrets: the App, and as a label too, where the name is short enough for one.
pub const APP_NOTE: &str = "tenure.dev/app";
/// Label of these Secrets: the User, where the name is short enough for one.
pub const USER_LABEL: &str = "tenure.dev/user";
/// Annotation of these Secrets: the hash of the system that the password was made for.
pub const TARGET_NOTE: &str = "tenure.dev/target";
/// Annotation of these Secrets: when they are removed, once there is an account. RFC 3339.
pub const REMOVE_AT: &str = "tenure.dev/remove-at";
