//! The connections to a directory: all to one of its servers at a time, the most preferred that answers.
//!
//! What was written to one server may not have come to another yet, so another one is taken only when this one fails,
//! or when the preferred one may be back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ldap3::Ldap;
use parking_lot::Mutex;
use rustls::ClientConfig;
use tokio::time::Instant;

use super::server::{Identity, Server, Trouble, away, invalid};
use crate::connectors::Failure;

/// Oldest that a connection gets. `ldap3` keeps a number for every search that ended until the connection does.
const LIFETIME: Duration = Duration::from_mins(10);
/// Most operations that a connection is used for.
const USES: usize = 500_000;
/// How long a server that failed is asked last.
const COOLING: Duration = Duration::from_secs(30);

/// A connection that is bound.
pub(super) struct Connection {
    ldap: Ldap,
    server: usize,
    born: Instant,
    uses: AtomicUsize,
    retired: AtomicBool,
}

impl Connection {
    /// A handle for one operation.
    pub(super) fn handle(&self) -> Ldap {
        self.uses.fetch_add(1, Ordering::Relaxed);
        self.ldap.clone()
    }

    /// Not to be used for anything more.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }

    fn is_usable(&self) -> bool {
        !self.retired.load(Ordering::Relaxed)
            && self.born.elapsed() < LIFETIME
            && self.uses.load(Ordering::Relaxed) < USES
            && !self.ldap.clone().is_closed()
    }
}

/// The connections to a directory.
pub(super) struct Pool {
    servers: Vec<Server>,
    tls: Arc<ClientConfig>,
    identity: Identity,
    switch_back: Duration,
    size: usize,
    state: Mutex<State>,
    connecting: tokio::sync::Mutex<()>,
}

struct State {
    connections: Vec<Arc<Connection>>,
    turn: usize,
    /// The server in use, and since when.
    current: (usize, Instant),
    /// Until when each server is asked last.
    cooling: Vec<Option<Instant>>,
}

impl Pool {
    /// Connects to nothing yet. At most `size` connections.
    pub(super) fn new(
        servers: Vec<Server>,
        tls: Arc<ClientConfig>,
        identity: Identity,
        (switch_back, size): (Duration, usize),
    ) -> Result<Self, Failure> {
        if servers.is_empty() {
            return Err(invalid("no server is named"));
        }
        let state = State {
            connections: Vec::new(),
            turn: 0,
            current: (0, Instant::now()),
            cooling: vec![None; servers.len()],
        };
        Ok(Self {
            servers,
            tls,
            identity,
            switch_back,
            size: size.max(1),
            state: Mutex::new(state),
            connecting: tokio::sync::Mutex::default(),
        })
    }

    /// A connection to the server in use, a new one if needed.
    pub(super) async fn connection(&self) -> Result<Arc<Connection>, Failure> {
        let live = self.live();
        if live.full
            && let Some(connection) = live.one
        {
            return Ok(connection);
        }
        // While somebody else connects, those there are do.
        let _connecting = match live.one {
            Some(connection) => match self.connecting.try_lock() {
                Ok(turn) => turn,
                Err(_) => return Ok(connection),
            },
            None => self.connecting.lock().await,
        };
        let live = self.live();
        match live.one {
            Some(connection) if live.full => Ok(connection),
            _ => self.open().await,
        }
    }

    /// The server of this connection did not answer, or said that it cannot: it is asked last for a while.
    pub(super) fn failed(&self, connection: &Connection) {
        let mut state = self.state.lock();
        if let Some(cooling) = state.cooling.get_mut(connection.server) {
            *cooling = Some(Instant::now() + COOLING);
        }
        for other in state.connections.iter().filter(|other| other.server == connection.server) {
            other.retire();
        }
    }

    /// Whether somebody can bind: the code that the server in use answers.
    pub(super) async fn binds(&self, identity: &Identity) -> Result<u32, Failure> {
        let current = self.state.lock().current.0;
        let Some(server) = self.servers.get(current) else {
            return Err(invalid("no server is named"));
        };
        match server.binds(&self.tls, identity).await {
            Ok(bound) => Ok(bound.rc),
            Err(Trouble::Server(failure) | Trouble::Configuration(failure)) => Err(failure),
        }
    }

    fn live(&self) -> Live {
        let mut state = self.state.lock();
        let switch_back = self.is_time_to_switch_back(&state);
        state.connections.retain(|connection| connection.is_usable());
        state.turn = state.turn.wrapping_add(1);
        let count = state.connections.len();
        let one = state.turn.checked_rem(count).and_then(|turn| state.connections.get(turn).cloned());
        Live { one, full: count >= self.size && !switch_back }
    }

    fn is_time_to_switch_back(&self, state: &State) -> bool {
        state.current.0 > 0 && state.current.1.elapsed() >= self.switch_back
    }

    /// The servers in the order in which they are to be tried.
    fn order(&self) -> Vec<usize> {
        let mut state = self.state.lock();
        let now = Instant::now();
        let back = self.is_time_to_switch_back(&state);
        if back {
            // Should the preferred ones still be away, they are not tried again before as long a time.
            state.current.1 = now;
        }
        let current = state.current.0;
        let mut order: Vec<_> = (0..self.servers.len()).collect();
        order.sort_by_key(|server| {
            let cools = state.cooling.get(*server).copied().flatten().is_some_and(|until| until > now);
            (cools, !back && *server != current, *server)
        });
        order
    }

    async fn open(&self) -> Result<Arc<Connection>, Failure> {
        let mut last = away("no server can be reached");
        for place in self.order() {
            let Some(server) = self.servers.get(place) else { continue };
            match server.connect(&self.tls, &self.identity).await {
                Ok(ldap) => return Ok(self.opened(ldap, place)),
                Err(Trouble::Configuration(failure)) => return Err(failure),
                Err(Trouble::Server(failure)) => {
                    let mut state = self.state.lock();
                    if let Some(cooling) = state.cooling.get_mut(place) {
                        *cooling = Some(Instant::now() + COOLING);
                    }
                    last = failure;
                }
            }
        }
        Err(last)
    }

    fn opened(&self, ldap: Ldap, server: usize) -> Arc<Connection> {
        let connection = Arc::new(Connection {
            ldap,
            server,
            born: Instant::now(),
            uses: AtomicUsize::new(0),
            retired: AtomicBool::new(false),
        });
        let mut state = self.state.lock();
        if state.current.0 != server {
            state.current = (server, Instant::now());
        }
        state.connections.retain(|other| other.server == server);
        state.connections.push(connection.clone());
        connection
    }
}

struct Live {
    one: Option<Arc<Connection>>,
    full: bool,
}
