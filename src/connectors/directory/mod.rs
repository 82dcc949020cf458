//! What the connectors that speak LDAP (RFC 4511) share: one way to ask and to write.
//!
//! An operation passes the fence (if it changes anything) and the App's gate, has a bound on its time and on the size
//! of its answer, and every trouble becomes a [`Failure`] in our own words: operation, result code, cure. Referrals
//! are not followed, aliases not dereferenced. Anything but success is an error, never a part of the truth.

mod bind;
mod controls;
mod dn;
mod entry;
mod filter;
mod listing;
mod pool;
mod request;
mod schema;
mod server;
pub mod values;
mod verdict;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use ldap3::Scope;
use ldap3::controls::Control;
pub use ldap3::controls::RawControl;
use ldap3::{LdapError, LdapResult};

pub use self::controls::{ASSERTION, EXTENDED_DN, POST_READ, assertion, extended_dn, post_read, tree_delete};
pub use self::dn::{Dn, NotADn};
pub use self::entry::Entry;
pub use self::filter::Filter;
pub use self::request::{Edit, Modification, Search, Write, Written};
pub use self::schema::Schema;
pub use self::server::Identity;
pub use self::verdict::{Verdict, by_code, code};

use self::listing::Listings;
use self::pool::{Connection, Pool};
use self::server::Server;
use super::fence::Fence;
use super::gate::{Gate, Permit, Signal};
use super::http::{Meter, RequestReport, class};
use super::{Failure, FailureClass};
use crate::api::Reason;
use crate::converge::Lane;

/// No operation may take longer: a lease is held for a multiple of it.
const TIMEOUT_AT_MOST: Duration = Duration::from_secs(10);
/// When to come back to a server that is busy: it names no time (RFC 4511 appendix A.2).
const WHEN_BUSY: Duration = Duration::from_secs(1);
/// Most octets that a search may answer with.
const ANSWER_AT_MOST: usize = 64 << 20;

/// How a directory is reached.
#[derive(Clone, Debug)]
pub struct DirectoryConfig {
    /// `ldaps://host[:port]` or `ldap://host[:port]`, in order of preference.
    pub servers: Vec<String>,
    /// PEM certificates to trust besides the machine's own authorities.
    pub ca_pem: Option<Vec<u8>>,
    /// Does without StartTLS on `ldap://`, which is then for this machine only.
    pub plain_text: bool,
    /// Who is bound as.
    pub identity: Identity,
    /// How long one operation may take, from its leaving the gate; at most 10 s count.
    pub timeout: Duration,
    /// How long another server stands in before the preferred one is tried again.
    pub switch_back: Duration,
    /// Most connections at a time. Operations share them.
    pub connections: usize,
    /// Most entries on a page of a listing (RFC 2696).
    pub page_size: u16,
    /// Allows servers on this machine.
    pub allow_insecure: bool,
}

/// What an operation is for.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    /// Name in metrics and messages, such as `create account`.
    pub operation: &'static str,
    /// Order at the gate.
    pub lane: Lane,
    /// Passes while the App is in quarantine, to see whether that can end.
    pub probe: bool,
}

/// Why an operation failed. What the server said stays with the connectors.
#[derive(Clone)]
pub struct Refused {
    /// The trouble.
    pub failure: Failure,
    /// Result code, if there was an answer.
    pub code: Option<u32>,
    /// The last entry of the name that exists, where the code is `NO_SUCH_OBJECT` (RFC 4511 §4.1.9).
    pub matched: String,
    /// What the server said, for connectors that look for a keyword in it. Not to be shown to anybody.
    pub diagnostic: String,
}

impl Refused {
    /// Whether the server answered with this code.
    pub fn is(&self, code: u32) -> bool {
        self.code == Some(code)
    }
}

impl std::fmt::Debug for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Refused")
            .field("failure", &self.failure)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        refused.failure
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { failure, code: None, matched: String::new(), diagnostic: String::new() }
    }
}

/// A directory as one App uses it.
pub struct Directory {
    pool: Pool,
    timeout: Duration,
    page_size: u16,
    listings: Listings,
    fence: Fence,
    gate: Gate,
    meter: Meter,
}

/// What came back, before it is judged.
struct Raw {
    result: LdapResult,
    entries: Vec<Entry>,
}

impl Directory {
    /// Checks the configuration. Connects to nothing yet.
    pub fn new(config: DirectoryConfig, (fence, gate, meter): (Fence, Gate, Meter)) -> Result<Self, Failure> {
        let timeout = config.timeout.min(TIMEOUT_AT_MOST);
        if secrecy::ExposeSecret::expose_secret(&config.identity.password).is_empty() {
            return Err(server::invalid("the password in the Secret is empty: that is no authentication"));
        }
        let servers: Result<Vec<_>, _> = config
            .servers
            .iter()
            .map(|url| Server::new(url, config.plain_text, config.allow_insecure, timeout))
            .collect();
        let tls = server::tls(config.ca_pem.as_deref())?;
        let pool = Pool::new(servers?, tls, config.identity, (config.switch_back, config.connections))?;
        let page_size = config.page_size;
        Ok(Self { pool, timeout, page_size, listings: Listings::default(), fence, gate, meter })
    }

    /// All entries that match. One that there are too many of is an error, as is anything but success.
    pub async fn search(&self, op: Op, search: &Search<'_>) -> Result<Vec<Entry>, Refused> {
        self.search_with(op, search, Vec::new()).await
    }

    /// The same, with controls.
    pub async fn search_with(
        &self,
        op: Op,
        search: &Search<'_>,
        controls: Vec<RawControl>,
    ) -> Result<Vec<Entry>, Refused> {
        // Boxed, or whatever asks would be as large as all that is done here.
        let ask = || Box::pin(self.find(op, search, None, controls.clone()));
        let found = match ask().await {
            // What only reads can be asked again, of another server if this one is gone.
            Err(refused) if refused.code.is_none() && refused.failure.reason == Reason::Unreachable => {
                ask().await?
            }
            found => found?,
        };
        Ok(found.entries)
    }

    /// The entry of this name, or `None`.
    pub async fn read(&self, op: Op, dn: &str, attributes: &[&str]) -> Result<Option<Entry>, Refused> {
        let search = Search::of_entry(dn, attributes);
        match self.search(op, &search).await {
            Ok(found) => Ok(found.into_iter().next()),
            Err(refused) if refused.is(code::NO_SUCH_OBJECT) => Ok(None),
            Err(refused) => Err(refused),
        }
    }

    /// Changes something. The entry as it was then is returned where a post-read control asked for it and the server
    /// can show it.
    pub async fn write(
        &self,
        op: Op,
        write: &Write<'_>,
        controls: Vec<RawControl>,
    ) -> Result<Written, Refused> {
        Box::pin(self.write_now(op, write, controls)).await
    }

    async fn write_now(
        &self,
        op: Op,
        write: &Write<'_>,
        controls: Vec<RawControl>,
    ) -> Result<Written, Refused> {
        self.fence.check(self.timeout).map_err(|fenced| fenced_off(op, fenced))?;
        let permit = self.admit(op).await?;
        let connection = match self.pool.connection().await {
            Ok(connection) => connection,
            Err(failure) => return Err(self.not_sent(op, permit, failure)),
        };
        // Again, as the gate and the connection may have taken their time.
        if let Err(fenced) = self.fence.check(self.timeout) {
            return Err(fenced_off(op, fenced).into());
        }
        let started = Instant::now();
        let mut handle = connection.handle();
        handle.with_timeout(self.timeout);
        let sent = write.send(&mut handle, controls).await;
        let sent = sent.map(|result| Raw { result, entries: Vec::new() });
        let raw = self.judge(op, permit, &connection, (sent, started), true)?;
        Ok(Written { after: controls::entry_after(&raw.result.ctrls) })
    }

    /// Whether somebody can bind, tried on a connection of its own, as what they are let do is not ours.
    pub async fn can_bind(&self, op: Op, identity: &Identity) -> Result<bool, Failure> {
        let permit = self.admit(op).await?;
        let started = Instant::now();
        let bound = self.pool.binds(identity).await;
        let outcome = bound.as_ref().map_or_else(class, |_| "ok");
        self.tell(op, outcome, started);
        match bound {
            Ok(0) => {
                permit.report(Signal::Answered);
                Ok(true)
            }
            Ok(code::INVALID_CREDENTIALS | code::INSUFFICIENT_ACCESS | code::UNWILLING | 48) => {
                permit.report(Signal::Answered);
                Ok(false)
            }
            Ok(other) => Err(refused(op, other, by_code(other)).failure),
            Err(failure) => Err(named(op, failure)),
        }
    }

    /// Asks, and takes in what comes, up to what was bargained for.
    async fn find(
        &self,
        op: Op,
        search: &Search<'_>,
        on: Option<Arc<Connection>>,
        controls: Vec<RawControl>,
    ) -> Result<Found, Refused> {
        let permit = self.admit(op).await?;
        let connection = match on {
            Some(connection) => connection,
            None => match self.pool.connection().await {
                Ok(connection) => connection,
                Err(failure) => return Err(self.not_sent(op, permit, failure)),
            },
        };
        let started = Instant::now();
        let asked = search.send(connection.handle(), controls, self.timeout);
        let raw = match tokio::time::timeout(self.timeout, asked).await {
            Ok(Ok(Some(raw))) => Ok(raw),
            Ok(Ok(None)) => {
                connection.retire();
                let failure = senseless(op, "the answer is longer than what was asked for");
                self.tell(op, class(&failure), started);
                permit.report(Signal::Failed { reason: failure.reason, retry_after: None });
                return Err(failure.into());
            }
            Ok(Err(error)) => Err(error),
            Err(elapsed) => Err(LdapError::from(elapsed)),
        };
        let raw = self.judge(op, permit, &connection, (raw, started), false)?;
        Ok(Found { entries: raw.entries, controls: raw.result.ctrls, connection })
    }

    fn judge(
        &self,
        op: Op,
        permit: Permit,
        connection: &Connection,
        (raw, started): (Result<Raw, LdapError>, Instant),
        writes: bool,
    ) -> Result<Raw, Refused> {
        let refused = match raw {
            Ok(raw) if raw.result.rc == 0 => {
                self.tell(op, "ok", started);
                permit.report(Signal::Answered);
                return Ok(raw);
            }
            Ok(Raw { result, .. }) => {
                if result.rc == code::UNAVAILABLE {
                    self.pool.failed(connection);
                }
                Refused {
                    matched: result.matched,
                    diagnostic: result.text,
                    ..refused(op, result.rc, by_code(result.rc))
                }
            }
            Err(error) => {
                connection.retire();
                lost(op, &error, writes).into()
            }
        };
        self.tell(op, class(&refused.failure), started);
        Err(settle(permit, refused))
    }

    async fn admit(&self, op: Op) -> Result<Permit, Failure> {
        let admitted = if op.probe { self.gate.admit_probe().await } else { self.gate.admit(op.lane).await };
        admitted.map_err(|failure| named(op, failure))
    }

    fn not_sent(&self, op: Op, permit: Permit, failure: Failure) -> Refused {
        self.tell(op, class(&failure), Instant::now());
        settle(permit, named(op, failure).into())
    }

    fn tell(&self, op: Op, class: &'static str, started: Instant) {
        let Op { operation, .. } = op;
        (self.meter)(&RequestReport { operation, class, status: None, elapsed: started.elapsed() });
    }
}

/// What a search found.
struct Found {
    entries: Vec<Entry>,
    controls: Vec<Control>,
    connection: Arc<Connection>,
}

/// Tells the gate of an operation that failed.
///
/// Credentials refused at the bind are everybody's trouble. Access that is denied may be about this one entry, so it
/// only counts as a failure.
fn settle(permit: Permit, refused: Refused) -> Refused {
    let Failure { class, reason, retry_after, .. } = refused.failure;
    match class {
        _ if refused.is(code::ASSERTION_FAILED) || refused.is(code::SIZE_LIMIT) => {
            permit.report(Signal::Answered);
        }
        FailureClass::Fenced => {}
        // The gate knows better how long, as it counts how often.
        FailureClass::RetryAfter if reason == Reason::Throttled => {
            permit.report(Signal::Throttled { retry_after: None });
        }
        FailureClass::Credentials if !refused.is(code::INSUFFICIENT_ACCESS) => {
            permit.report(Signal::CredentialsRefused);
        }
        FailureClass::RetryAfter | FailureClass::Unknown | FailureClass::Credentials => {
            permit.report(Signal::Failed { reason, retry_after });
        }
        _ if reason == Reason::InvalidConfiguration => permit.report(Signal::Failed { reason, retry_after }),
        _ => permit.report(Signal::Answered),
    }
    refused
}

fn refused(op: Op, code: u32, verdict: Verdict) -> Refused {
    let Verdict { class, reason, meaning } = verdict;
    let message = format!("{}: LDAP result {code}: {meaning}", op.operation);
    let retry_after = (code == code::BUSY).then_some(WHEN_BUSY);
    Refused { code: Some(code), ..Failure { class, reason, message, retry_after }.into() }
}

/// No whole answer came.
fn lost(op: Op, error: &LdapError, writes: bool) -> Failure {
    let (class, reason, what) = match error {
        LdapError::OpSend { .. } | LdapError::IdScrubSend { .. } => {
            (FailureClass::RetryAfter, Reason::Unreachable, "the connection to the server ended")
        }
        LdapError::FilterParsing | LdapError::AddNoValues => {
            (FailureClass::Permanent, Reason::Rejected, "this cannot be asked of a directory")
        }
        _ if writes => (
            FailureClass::Unknown,
            Reason::Unreachable,
            "the request was sent and no whole answer came: it may or may not have had an effect",
        ),
        LdapError::Timeout { .. } => (FailureClass::RetryAfter, Reason::Unreachable, "no answer in time"),
        _ => (
            FailureClass::RetryAfter,
            Reason::Unreachable,
            "the connection broke before the answer was complete",
        ),
    };
    named(op, Failure { class, reason, message: what.to_owned(), retry_after: None })
}

fn named(op: Op, mut failure: Failure) -> Failure {
    failure.message = format!("{}: {}", op.operation, failure.message);
    failure
}

fn fenced_off(op: Op, fenced: super::fence::Fenced) -> Failure {
    Failure {
        class: FailureClass::Fenced,
        reason: Reason::Progressing,
        message: format!("{}: {fenced}", op.operation),
        retry_after: None,
    }
}

/// An answer that makes no sense.
pub fn senseless(op: Op, what: &str) -> Failure {
    Failure {
        class: FailureClass::Unknown,
        reason: Reason::UnexpectedAnswer,
        message: format!("{}: {what}", op.operation),
        retry_after: None,
    }
}
