//! What the suite needs to know of a server beside its connector.

use std::collections::BTreeMap;

use serde_json::Value;
use tenure::api::{AppSpec, EntitlementSpec};
use tenure::connectors::Connector;
use tenure::converge::RemoteAccount;
use tokio::sync::RwLock;

/// Kinds of attribute that connectors write in different ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// One text.
    Text,
    /// Part of a complex attribute.
    Nested,
    /// A list of values.
    Many,
    /// Of an extension of the schema.
    Extension,
    /// True or false, or with something in it that is.
    Flag,
}

impl Class {
    pub(crate) const ALL: [Self; 5] = [Self::Text, Self::Nested, Self::Many, Self::Extension, Self::Flag];
}

/// An attribute of a class, and two values that it may have.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) attribute: &'static str,
    pub(crate) first: Value,
    pub(crate) second: Value,
}

/// How a connector is to be configured, beyond what its server needs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wish {
    /// Entitlements that do not exist are made.
    pub(crate) create_entitlements: bool,
    /// Pages are to be this small.
    pub(crate) page: Option<u16>,
}

/// A real server under test. One serves all cases of the suite; each case has its own people there, beside a crowd that
/// is nobody's and more than a page long.
///
/// What is read or done past the connector goes to the server directly, is written here with no code of the connector,
/// and panics where the server refuses it.
pub(crate) trait Subject {
    type Connector: Connector + Clone + 'static;
    type Line: Line;

    /// A way to the server that is one case's own.
    fn line(&self) -> Self::Line;
    /// A connector on this line.
    fn connector(&self, line: &Self::Line, wish: Wish) -> Self::Connector;
    /// An App's spec for this server: which connector, which marker; policies as they are by default.
    fn spec(&self) -> AppSpec;
    /// Held for reading by each case, and for writing by those that need the server to themselves.
    fn turns(&self) -> &RwLock<()>;

    /// The login of somebody; `who` is a few letters and digits.
    fn login(&self, who: &str) -> String;
    /// The attributes without which the server takes no account, besides login and marker.
    fn needs(&self, who: &str) -> BTreeMap<String, Value>;
    /// An attribute of this class; `None` where accounts have none.
    fn sample(&self, class: Class, who: &str) -> Option<Sample>;
    /// What a binding would name; several names are several entitlements of the connector's chief type.
    fn entitlement(&self, name: &str) -> EntitlementSpec;
    /// The account as the server shows it: login, marker, whether in use, and each attribute that [`Subject::needs`]
    /// or [`Subject::sample`] names, as far as it has a value.
    async fn account(&self, id: &str) -> Option<RemoteAccount>;
    /// Every account, as the server shows it.
    async fn accounts(&self) -> Vec<RemoteAccount>;
    /// Makes an account without our marker; answers its id.
    async fn make(&self, login: &str, attributes: &BTreeMap<String, Value>) -> String;
    /// Gives an attribute, the login or the marker among them, another value.
    async fn set(&self, id: &str, attribute: &str, value: &Value);
    async fn suspend(&self, id: &str);
    async fn delete(&self, id: &str);
    /// Makes an entitlement; answers its id.
    async fn make_entitlement(&self, entitlement: &EntitlementSpec) -> String;
    async fn delete_entitlement(&self, id: &str);
    /// Ids of the accounts that hold an entitlement, as often as the server shows them.
    async fn holders(&self, kind: &str, entitlement: &str) -> Vec<String>;
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    /// Makes an account.
    Create,
    /// Changes an account: suspending is a change.
    Change,
    /// Reads.
    Read,
}

/// A way to the server that remembers what passes, and fails when told to.
pub(crate) trait Line {
    /// The next request that does this reaches the server, and its reply is lost.
    fn lose_reply(&self, does: Does);
    /// The next request that does this is refused, and told to come again after that many seconds.
    fn throttle(&self, does: Does, seconds: u64);
    /// The next request that does this is answered as if it had been done, and does not reach the server.
    fn pretend(&self, does: Does);
    /// From now on the server sees credentials that it does not know.
    fn revoke_credentials(&self);
    /// Requests so far that would change something, in short and without ids: `PATCH Users`.
    fn writes(&self) -> Vec<String>;
    /// Forgets the requests so far.
    fn forget(&self);
}
