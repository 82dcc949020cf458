//! The people of a namespace, as a sweep asks about them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use jiff::Timestamp;

use super::Scope;
use crate::access::Phase;
use crate::api::AppSpec;
use crate::connectors::Connector;
use crate::connectors::any::AnyConnector;
use crate::controllers::user::decide::OwnedContext;
use crate::converge::sweep::{Finding, Ledgers, People, Present};
use crate::converge::{Cause, RemoteAccount, Wanted};
use crate::runtime::index::{Key, Name};

/// Users read from the index before other tasks get a turn.
const BATCH: usize = 256;

/// What a person should have in an App that nothing grants them anything in.
static NOTHING: Wanted = Wanted::Gone(Cause::Unassign);

/// The people of a namespace.
pub(super) struct Folk<'a> {
    scope: &'a Scope<'a>,
    connector: &'a AnyConnector,
    /// Hashes of `userName`s in small letters, with whose they are.
    logins: Vec<(u64, Name)>,
}

impl<'a> Folk<'a> {
    /// The people, and their ledgers for the App, as they are now.
    pub(super) async fn gather(scope: &'a Scope<'a>, connector: &'a AnyConnector) -> (Self, Ledgers) {
        let Key { namespace, name: app } = scope.key;
        let names: Vec<Name> = scope
            .fleet
            .read(namespace, |ns| ns.users().map(|(n, _)| n.clone()).collect())
            .unwrap_or_default();
        let (mut ledgers, mut logins) = (Ledgers::default(), Vec::with_capacity(names.len()));
        for batch in names.chunks(BATCH) {
            scope.fleet.read(namespace, |ns| {
                for name in batch {
                    let Some(person) = ns.user(name) else { continue };
                    logins.extend(person.user_name().map(|login| (login_hash(&login), name.clone())));
                    let status = person.status();
                    let entry = status.iter().flat_map(|status| &status.accounts).find(|e| *e.app == **app);
                    if let Some(entry) = entry {
                        ledgers.add(name, entry, scope.target);
                    }
                }
            });
            tokio::task::yield_now().await;
        }
        logins.sort_unstable();
        (Self { scope, connector, logins }, ledgers)
    }

    fn key(&self, person: &str) -> Key {
        Key::new(self.scope.key.namespace.clone(), person)
    }
}

impl People for Folk<'_> {
    fn present<T>(&self, person: &str, look: impl FnOnce(Option<&Present<'_>>) -> T) -> T {
        let Some(decision) = (self.scope.decide)(&self.key(person)) else {
            return look(None);
        };
        let left = decision.lifecycle.phase == Phase::Left;
        let account = decision.accounts.iter().find(|account| account.app == self.scope.key.name);
        let nowhere = AppSpec::default();
        let nothing = OwnedContext::nothing(self.scope.key.name.clone(), self.scope.target.to_owned());
        let context = account.map_or(&nothing, |account| &account.context);
        let policy = context.spec.as_deref().unwrap_or(&nowhere);
        let due = account.is_some_and(|account| account.is_pending((self.scope.held)(person)));
        look(Some(&Present {
            wanted: account.map_or(&NOTHING, |account| &account.wanted),
            entry: account.and_then(|account| account.entry.as_ref()),
            pending: due || (self.scope.under_way)(person),
            left,
            stalled: decision.is_stalled_twin(),
            context: context.at(policy, Timestamp::now()),
        }))
    }

    fn with_id(&self, person_id: &str) -> Vec<Arc<str>> {
        let same = self.scope.fleet.read(&self.scope.key.namespace, |ns| {
            ns.same_person(person_id).map(|(name, _)| name.clone()).collect()
        });
        same.unwrap_or_default()
    }

    fn with_login(&self, login: &str) -> Vec<Arc<str>> {
        let hash = login_hash(login);
        let first = self.logins.partition_point(|(known, _)| *known < hash);
        let same = self.logins.iter().skip(first).take_while(|(known, _)| *known == hash);
        same.map(|(_, name)| name.clone()).collect()
    }

    fn is_touched(&self, person: &str) -> bool {
        self.scope.state.is_touched(person)
    }

    fn is_refuted(&self, person: &str, finding: Finding, print: u64) -> bool {
        self.scope.state.is_refuted(person, finding, print)
    }

    fn shows(&self, account: &RemoteAccount, kind: &str, entitlement: &str) -> Option<bool> {
        self.connector.shows(account, kind, entitlement)
    }
}

fn login_hash(login: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    login.to_lowercase().hash(&mut hasher);
    hasher.finish()
}
