//! What one case works with: a line, a connector, names that nobody else has.

use std::cell::Cell;
use std::collections::BTreeMap;

use rand::Rng;
use rand::distr::Uniform;
use serde_json::Value;
use tenure::connectors::Connector;
use tenure::converge::{Change, RemoteAccount, equivalent, is_empty};
use tokio::sync::{RwLockReadGuard, RwLockWriteGuard};

use crate::connection::Connection;
use crate::person::Person;
use crate::subject::{Class, Line, Sample, Subject, Wish};

/// One case's own part of a server.
pub(crate) struct Stage<'s, S: Subject> {
    pub(crate) subject: &'s S,
    pub(crate) line: S::Line,
    pub(crate) connection: Connection<S::Connector>,
    tag: String,
    turn: Cell<Option<RwLockReadGuard<'s, ()>>>,
}

impl<'s, S: Subject> Stage<'s, S> {
    pub(crate) async fn new(subject: &'s S) -> Self {
        let turn = Cell::new(Some(subject.turns().read().await));
        let letters = Uniform::new_inclusive('a', 'z').unwrap();
        let tag = rand::rng().sample_iter(letters).take(6).collect();
        let line = subject.line();
        let wish = Wish { create_entitlements: true, page: None };
        let connection = Connection::new(subject.connector(&line, wish));
        // As the operator does; what it finds is for another case to say.
        let _ = connection.connector.probe().await;
        line.forget();
        Self { subject, line, connection, tag, turn }
    }

    /// Waits until no other case uses the server, and keeps it.
    pub(crate) async fn alone(&self) -> RwLockWriteGuard<'s, ()> {
        self.turn.set(None);
        self.subject.turns().write().await
    }

    /// The connector of the case's own connection.
    pub(crate) fn connector(&self) -> &S::Connector {
        &self.connection.connector
    }

    /// Another connector on the same line.
    pub(crate) fn another_connector(&self, wish: Wish) -> S::Connector {
        self.subject.connector(&self.line, wish)
    }

    /// A few letters and digits that are this case's alone.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}{name}", self.tag)
    }

    /// Somebody of this case, who has no account yet.
    pub(crate) fn person(&self, name: &str) -> Person<'_, 's, S> {
        Person::new(self, &self.name(name))
    }

    /// The account past the connector; it must be there.
    pub(crate) async fn shown(&self, id: &str) -> RemoteAccount {
        self.subject.account(id).await.unwrap_or_else(|| panic!("the server shows no account {id}"))
    }

    /// The accounts of this case, past the connector. Other cases come and go meanwhile, so that somebody may slip from
    /// one page to another between them: only what two listings agree on counts.
    async fn ours(&self) -> Vec<RemoteAccount> {
        let mut before = self.listed().await;
        loop {
            let now = self.listed().await;
            if now == before {
                return now;
            }
            before = now;
        }
    }

    async fn listed(&self) -> Vec<RemoteAccount> {
        let mut all = self.subject.accounts().await;
        all.retain(|account| account.login.to_lowercase().contains(&self.tag));
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all
    }

    /// How many accounts of this case there are, past the connector.
    pub(crate) async fn count(&self) -> usize {
        self.ours().await.len()
    }

    /// Leaves the server to other cases as it was.
    pub(crate) async fn tidy(self) {
        let _turn = match self.turn.take() {
            Some(turn) => turn,
            None => self.subject.turns().read().await,
        };
        for account in self.ours().await {
            self.subject.delete(&account.id).await;
        }
    }

    /// What a connector returned must be what the server shows.
    pub(crate) async fn assert_true(&self, told: &RemoteAccount) {
        let shown = self.shown(&told.id).await;
        assert_eq!(told.login.to_lowercase(), shown.login.to_lowercase(), "login");
        assert_eq!(told.marker, shown.marker, "marker");
        assert_eq!(told.active, shown.active, "whether it can be used");
        for (name, value) in &shown.attributes {
            let told = told.attributes.get(name).unwrap_or(&Value::Null);
            assert!(equivalent(told, value), "{name}: the connector told {told}, the server shows {value}");
        }
    }

    /// The samples that the subject has, one an attribute.
    pub(crate) fn samples(&self, who: &str) -> Vec<Sample> {
        let mut found = BTreeMap::new();
        for sample in Class::ALL.into_iter().filter_map(|class| self.subject.sample(class, who)) {
            found.entry(sample.attribute).or_insert(sample);
        }
        found.into_values().collect()
    }
}

/// Whether an account has a value, whatever the target adds to it; `None`: no value.
pub(crate) fn has(account: &RemoteAccount, attribute: &str, value: Option<&Value>) -> bool {
    let found = account.attributes.get(attribute).unwrap_or(&Value::Null);
    value.map_or_else(|| is_empty(found), |value| equivalent(value, found))
}

pub(crate) fn set(attribute: &str, value: impl Into<Value>) -> Change {
    Change { attribute: attribute.to_owned(), value: Some(value.into()) }
}
