//! Those who work for one connection: places for passes, and the writers of entitlements.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::AppRuntime;
use super::connect::Connected;
use super::memberships::{Memberships, Target};
use super::places::Places;
use crate::api::{EntitlementSpec, Reason};
use crate::connectors::{Connector, Failure, FailureClass, Membership};
use crate::controllers::conditions::READY;
use crate::controllers::engine::{Engine, Touch};
use crate::controllers::user::act::{Entitlement, Wish};
use crate::converge::{self, Lane, Refusal};
use crate::runtime::failpoint;
use crate::runtime::index::{BindingObject, Name};

/// Who works for a connection, and with what.
pub struct Crew {
    /// The App.
    pub app: Arc<AppRuntime>,
    /// The connection.
    pub connected: Arc<Connected>,
    /// Where passes are made.
    pub places: Arc<Places>,
    /// Who changes who holds what.
    pub memberships: Memberships<Hand>,
}

impl Crew {
    /// A crew that has nothing to do yet.
    pub fn new(engine: &Arc<Engine>, app: &Arc<AppRuntime>, connected: &Arc<Connected>) -> Self {
        // The gate bounds requests, so there may be more places: while some wait for the API server, others send.
        let places = Places::new(2 * usize::from(connected.concurrency));
        let hand = Hand {
            engine: engine.clone(),
            app: app.clone(),
            connected: connected.clone(),
            places: places.clone(),
        };
        let (linger, tasks) = (engine.settings.linger, engine.tasks.clone());
        let memberships = Memberships::new(hand, linger, tasks, connected.end.clone());
        Self { app: app.clone(), connected: connected.clone(), places, memberships }
    }

    /// Whether a wish waits for others of the same kind.
    pub fn collects(&self, wish: &Wish) -> bool {
        match &wish.entitlement {
            Entitlement::Known { kind, .. } => self.connected.connector.batch(kind) > 1,
            Entitlement::ToMake(_) => true,
        }
    }
}

/// What writes who holds an entitlement.
pub struct Hand {
    engine: Arc<Engine>,
    app: Arc<AppRuntime>,
    connected: Arc<Connected>,
    places: Arc<Places>,
}

impl Target for Hand {
    fn batch(&self, kind: &str) -> usize {
        self.connected.connector.batch(kind)
    }

    async fn entitle(
        &self,
        lane: Lane,
        kind: &str,
        id: &str,
        changes: &[Membership],
    ) -> Result<Vec<Result<(), Failure>>, Failure> {
        let lock = self.app.writing.of(&(kind.to_owned(), id.to_owned()));
        let _turn = if self.batch(kind) > 1 { Some(lock.lock().await) } else { None };
        let connector = self.connected.connector.with_lane(lane);
        let written = failpoint::during("members-sent", Box::pin(connector.entitle(kind, id, changes))).await;
        let mut failures =
            written.iter().flatten().filter_map(|one| one.as_ref().err()).chain(written.as_ref().err());
        if failures.any(|failure| failure.reason == Reason::EntitlementNotFound) {
            self.connected.catalogue.doubt(kind, id);
        }
        written
    }

    async fn create(
        &self,
        lane: Lane,
        entitlement: &EntitlementSpec,
        first: &[String],
    ) -> Result<String, Failure> {
        let id = self.connected.connector.with_lane(lane).create_entitlement(entitlement, first).await?;
        converge::ledger_id(&entitlement.kind, &id).map_err(|Refusal { reason, message }| Failure {
            class: FailureClass::Permanent,
            reason,
            message,
            retry_after: None,
        })?;
        self.connected.catalogue.learn(entitlement, &id);
        Ok(id)
    }

    fn expects(&self, within: Duration) -> bool {
        self.places.are_busy()
            || self.engine.deciding.load(Ordering::Relaxed)
            || self.app.queue.expects(within)
    }
}

/// Looks again, until the connection ends, at entitlements that bindings name and nobody can have; whoever lacks one that
/// appears is looked at.
pub async fn look_again(engine: Arc<Engine>, crew: Arc<Crew>) {
    let (app, connected) = (&crew.app, &crew.connected);
    connected.catalogue.wonder(named(&engine, app, was_missing));
    loop {
        tokio::select! {
            biased;
            () = connected.end.cancelled() => return,
            () = connected.catalogue.due() => {}
        }
        let all = named(&engine, app, |_| true);
        let connector = connected.connector.with_lane(Lane::Verify);
        let changed = tokio::select! {
            biased;
            () = connected.end.cancelled() => return,
            changed = connected.catalogue.look_again(&connector, &all) => changed,
        };
        engine.summaries.namespace(&app.key.namespace);
        let concerned = |binding: &BindingObject| {
            binding.spec.entitlements.iter().any(|entitlement| changed.contains(entitlement))
        };
        let people = engine.fleet.read(&app.key.namespace, |ns| {
            let roles: Vec<Name> =
                ns.bindings_of(&app.key.name).filter(|b| concerned(b)).map(|b| b.role().into()).collect();
            ns.concerned(&app.key.namespace, &roles, None)
        });
        for person in people.into_iter().flatten() {
            engine.touch(Touch::Changed(person));
        }
    }
}

/// The entitlements that bindings of the App name.
fn named(
    engine: &Engine,
    app: &AppRuntime,
    of: impl Fn(&BindingObject) -> bool,
) -> BTreeSet<EntitlementSpec> {
    let named = engine.fleet.read(&app.key.namespace, |ns| {
        let bindings = ns.bindings_of(&app.key.name).filter(|binding| of(binding));
        bindings.flat_map(|binding| binding.spec.entitlements.clone()).collect()
    });
    named.unwrap_or_default()
}

/// Whether the binding's stored status says that something it names does not exist.
fn was_missing(binding: &BindingObject) -> bool {
    let not_found = Reason::EntitlementNotFound.as_str();
    binding.status.conditions.iter().any(|c| c.type_ == READY && c.reason == not_found)
}
