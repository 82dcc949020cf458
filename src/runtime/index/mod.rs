//! The fleet index: everything the decisions need, in memory, fed by watches.
//!
//! No decision reads the API server. Users are kept as the JSON the server sent (specs and ledgers of a hundred thousand
//! people stay small that way) and decoded when a decision is due; the few Roles, Apps and `AppBindings` are kept decoded
//! and compiled. A relist marks what it sees and sweeps the rest, in place, so that nothing is held twice.

mod kinds;
mod links;
mod namespace;
mod objects;
mod person;
mod references;
mod suspicions;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard};

pub use namespace::{Intake, Namespace};
pub use objects::{AppObject, BindingObject, HoldObject, Meta, RoleObject};
pub use person::{AccountSummary, Person, RawUser, StoredPerson, Summary};
pub use suspicions::Suspicion;
pub use watch::{Change, WatchSet, Watching};

/// A name or namespace, shared rather than copied.
pub type Name = Arc<str>;

/// A namespaced object's name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Namespace.
    pub namespace: Name,
    /// Name in it.
    pub name: Name,
}

impl Key {
    /// Puts a key together.
    pub fn new(namespace: impl Into<Name>, name: impl Into<Name>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Everything known of the cluster, by namespace.
#[derive(Default)]
pub struct Fleet {
    namespaces: RwLock<BTreeMap<Name, Namespace>>,
}

impl Fleet {
    /// Reads one namespace; `None` where nothing of ours is in it.
    pub fn read<T>(&self, namespace: &str, f: impl FnOnce(&Namespace) -> T) -> Option<T> {
        self.namespaces.read().get(namespace).map(f)
    }

    /// Changes one namespace, which is made if it is new.
    pub fn write<T>(&self, namespace: &Name, f: impl FnOnce(&mut Namespace) -> T) -> T {
        let mut all = self.namespaces.write();
        if !all.contains_key(namespace) {
            all.insert(namespace.clone(), Namespace::default());
        }
        // The entry was made above; `entry()` would clone the name each time.
        match all.get_mut(namespace) {
            Some(found) => f(found),
            None => f(&mut Namespace::default()),
        }
    }

    /// Every namespace, for counting.
    pub fn all(&self) -> RwLockReadGuard<'_, BTreeMap<Name, Namespace>> {
        self.namespaces.read()
    }
}
