//! A connection as the operator has it, with the cluster left out: the same code learns what entitlements there are, and
//! collects changes of who holds them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use tenure::access::DesiredAccount;
use tenure::api::{EntitlementSpec, LedgerEntry};
use tenure::connectors::{Connector, Failure, Membership};
use tenure::controllers::app::catalogue::Catalogue;
use tenure::controllers::app::memberships::{Memberships, Target};
use tenure::controllers::user::act::{Halt, Ports, Stop, Turn, Wish};
use tenure::converge::budget::Permit;
use tenure::converge::{Lane, Plan, Resolution, Step};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a change of who holds an entitlement waits for others.
const LINGER: Duration = Duration::from_millis(50);

/// A connector, and what belongs to it for as long as it is connected.
pub(crate) struct Connection<C> {
    pub(crate) connector: C,
    catalogue: Arc<Catalogue>,
    memberships: Memberships<Hand<C>>,
}

struct Hand<C> {
    connector: C,
    catalogue: Arc<Catalogue>,
}

impl<C: Connector + Clone + 'static> Connection<C> {
    pub(crate) fn new(connector: C) -> Self {
        let catalogue = Arc::new(Catalogue::default());
        let hand = Hand { connector: connector.clone(), catalogue: catalogue.clone() };
        let memberships = Memberships::new(hand, LINGER, TaskTracker::new(), CancellationToken::new());
        Self { connector, catalogue, memberships }
    }
}

impl<C: Connector + 'static> Target for Hand<C> {
    fn batch(&self, kind: &str) -> usize {
        self.connector.batch(kind)
    }

    async fn entitle(
        &self,
        _lane: Lane,
        kind: &str,
        id: &str,
        changes: &[Membership],
    ) -> Result<Vec<Result<(), Failure>>, Failure> {
        self.connector.entitle(kind, id, changes).await
    }

    async fn create(
        &self,
        _lane: Lane,
        entitlement: &EntitlementSpec,
        first: &[String],
    ) -> Result<String, Failure> {
        let id = self.connector.create_entitlement(entitlement, first).await?;
        self.catalogue.learn(entitlement, &id);
        Ok(id)
    }

    fn expects(&self, _within: Duration) -> bool {
        false
    }
}

/// What one pass needs besides the target. The cluster agrees to everything.
pub(crate) struct Pass<'a, C> {
    connection: &'a Connection<C>,
    steps: Mutex<Vec<&'static str>>,
}

impl<'a, C> Pass<'a, C> {
    pub(crate) fn new(connection: &'a Connection<C>) -> Self {
        Self { connection, steps: Mutex::default() }
    }

    /// The steps that reached the target.
    pub(crate) fn steps(self) -> Vec<&'static str> {
        self.steps.into_inner().unwrap()
    }
}

impl<C: Connector + 'static> Ports for Pass<'_, C> {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn before_first_account(&self) -> Result<(), Stop> {
        Ok(())
    }

    async fn first_password(&self, _: &DesiredAccount) -> Result<Option<SecretString>, Halt> {
        Ok(None)
    }

    async fn before_removal(&self, _plan: &Plan) -> Result<Permit, Stop> {
        Ok(Permit::uncounted())
    }

    async fn resolve(&self, entitlement: &EntitlementSpec) -> Result<Resolution, Failure> {
        self.connection.catalogue.resolve(&self.connection.connector, entitlement).await
    }

    async fn entitle(&self, _entry: Option<&LedgerEntry>, wishes: Vec<Wish>) -> Vec<Result<String, Halt>> {
        let changes = wishes.into_iter().map(|wish| self.connection.memberships.change(wish, Lane::Change));
        futures::future::join_all(changes).await
    }

    async fn administration(&self) -> Turn {
        Arc::<tokio::sync::Mutex<()>>::default().lock_owned().await
    }

    async fn announce(&self, _entry: &LedgerEntry) -> Result<(), Stop> {
        Ok(())
    }

    fn performed(&self, step: &Step, _entry: &LedgerEntry, _outcome: Result<(), &Failure>) {
        self.steps.lock().unwrap().push(step.as_str());
    }
}
