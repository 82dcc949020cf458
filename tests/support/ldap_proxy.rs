//! A proxy in front of a directory: it remembers every request, and breaks what it is told to break.
//!
//! It speaks TLS to both sides, as what [`pki::directories`](super::pki::directories) vouches for.

mod message;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub use self::message::{How, Op, Touched};
use self::message::{Reader, Request};
use super::{background, ldap, pki, ports};

/// The result code `busy` (RFC 4511 appendix A).
pub const BUSY: u32 = 51;

/// The extended operation that sets a password (RFC 3062).
const PASSWORD_MODIFY: &str = "1.3.6.1.4.1.4203.1.11.1";

/// Numbers requests over all proxies of the process, so that the order *between* directories can be seen.
static ORDER: AtomicU64 = AtomicU64::new(0);

/// A request that came.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its place among all requests to all proxies of this process.
    pub order: u64,
    /// When it came.
    pub at: Instant,
    /// What it asks for.
    pub op: Op,
    /// The entry it is about, the base of a search, or the name of an extended operation.
    pub dn: String,
    /// What a modify changes; what an add brings.
    pub touched: Vec<Touched>,
    /// Whether it asks for a page of a search.
    pub paged: bool,
    /// The result code that the client was answered; `None` while, or because, it was not.
    pub code: Option<u32>,
}

impl Recorded {
    /// Whether it would change something.
    pub fn is_write(&self) -> bool {
        let sets_password = self.op == Op::Extended && self.dn == PASSWORD_MODIFY;
        sets_password || matches!(self.op, Op::Add | Op::Modify | Op::Rename | Op::Delete)
    }

    /// Whether it is about members of groups: it touches nothing else.
    pub fn is_membership(&self) -> bool {
        let of_groups = ["member", "uniquemember", "memberuid"];
        self.op == Op::Modify && self.touched.iter().all(|t| of_groups.contains(&t.attribute.as_str()))
    }

    /// Whether it touches this attribute.
    pub fn touches(&self, attribute: &str) -> bool {
        self.touched.iter().any(|t| t.attribute.eq_ignore_ascii_case(attribute))
    }
}

/// What to do to a request.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// Let the directory do it, then close the connection without an answer.
    LoseReply,
    /// Answer this result code, without asking the directory.
    Answer(u32),
    /// Wait, then go on as usual.
    Delay(Duration),
    /// Close the connection without asking the directory.
    Close,
    /// Of a bind: send a password that nobody has.
    WrongPassword,
}

/// What to break, and when.
#[derive(Clone)]
pub struct Rule {
    action: Action,
    applies: Arc<dyn Fn(&Recorded) -> bool + Send + Sync>,
    skip: usize,
    left: Option<usize>,
}

impl Rule {
    /// Does this to every request that fits.
    pub fn new(action: Action, applies: impl Fn(&Recorded) -> bool + Send + Sync + 'static) -> Self {
        Self { action, applies: Arc::new(applies), skip: 0, left: None }
    }

    /// Only to so many.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.left = Some(times);
        self
    }

    /// Only from the nth on, counted from 1.
    #[must_use]
    pub fn from(mut self, nth: usize) -> Self {
        self.skip = nth.saturating_sub(1);
        self
    }

    fn take(&mut self, request: &Recorded) -> Option<Action> {
        if self.left == Some(0) || !(self.applies)(request) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.left = self.left.map(|n| n - 1);
        Some(self.action)
    }
}

struct State {
    host: String,
    port: u16,
    log: Mutex<Vec<Recorded>>,
    rules: Mutex<Vec<Rule>>,
    cuts: watch::Sender<u64>,
    open: AtomicUsize,
}

/// The proxy. Dropping it closes its port and its connections.
pub struct LdapProxy {
    port: u16,
    state: Arc<State>,
    accepting: AbortHandle,
}

impl LdapProxy {
    /// Starts one in front of a directory that takes TLS at this name and port.
    pub fn start(host: &str, port: u16) -> Self {
        let state = Arc::new(State {
            host: host.to_owned(),
            port,
            log: Mutex::default(),
            rules: Mutex::default(),
            cuts: watch::Sender::new(0),
            open: AtomicUsize::new(0),
        });
        let listener = std::net::TcpListener::bind(("127.0.0.1", ports::free())).expect("a free port");
        listener.set_nonblocking(true).expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        let config = pki::server_config(pki::directories(), &["localhost", "127.0.0.1"], (2099, 1, 1));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let shared = Arc::clone(&state);
        let accepting = background().spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    let (state, acceptor) = (Arc::clone(&shared), acceptor.clone());
                    tokio::spawn(async move {
                        let mut cuts = state.cuts.subscribe();
                        state.open.fetch_add(1, Ordering::SeqCst);
                        // A connection that breaks is no concern of the next one.
                        tokio::select! {
                            _ = serve(stream, &acceptor, &state) => {}
                            _ = cuts.changed() => {}
                        }
                        state.open.fetch_sub(1, Ordering::SeqCst);
                    });
                }
            }
        });
        Self { port, state, accepting: accepting.abort_handle() }
    }

    /// Where clients go.
    pub fn url(&self) -> String {
        format!("ldaps://localhost:{}", self.port)
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Adds a rule. The first that applies is used; rules used up are passed over.
    pub fn inject(&self, rule: Rule) {
        self.state.rules.lock().unwrap().push(rule);
    }

    /// Removes all rules.
    pub fn clear(&self) {
        self.state.rules.lock().unwrap().clear();
    }

    /// Ends all connections, and returns when they have ended; new ones are welcome.
    pub fn cut(&self) {
        self.state.cuts.send_modify(|n| *n += 1);
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.state.open.load(Ordering::SeqCst) > 0 {
            assert!(Instant::now() < deadline, "connections do not end");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// From now on no password is right.
    pub fn revoke_credentials(&self) {
        self.state.rules.lock().unwrap().insert(0, Rule::new(Action::WrongPassword, |r| r.op == Op::Bind));
        // A connection that has bound stays so, whatever becomes of the password.
        self.cut();
    }

    /// Now, for [`Self::since`]; holds over all proxies.
    pub fn mark() -> u64 {
        ORDER.load(Ordering::SeqCst)
    }

    /// All requests so far, in order.
    pub fn requests(&self) -> Vec<Recorded> {
        self.since(0)
    }

    /// Requests since the mark, in order.
    pub fn since(&self, mark: u64) -> Vec<Recorded> {
        let mut log = self.state.log.lock().unwrap().clone();
        log.retain(|request| request.order >= mark);
        log.sort_by_key(|request| request.order);
        log
    }

    /// Requests since the mark that would change something, in order.
    pub fn writes_since(&self, mark: u64) -> Vec<Recorded> {
        let mut requests = self.since(mark);
        requests.retain(Recorded::is_write);
        requests
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.state.log.lock().unwrap().clear();
    }
}

impl Drop for LdapProxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.state.cuts.send_modify(|n| *n += 1);
    }
}

impl State {
    fn record(&self, request: &Request) -> (u64, Option<Action>) {
        let recorded = Recorded {
            order: ORDER.fetch_add(1, Ordering::SeqCst),
            at: Instant::now(),
            op: request.op,
            dn: request.dn.clone(),
            touched: request.touched.clone(),
            paged: request.paged,
            code: None,
        };
        let action = self.rules.lock().unwrap().iter_mut().find_map(|rule| rule.take(&recorded));
        let order = recorded.order;
        self.log.lock().unwrap().push(recorded);
        (order, action)
    }

    fn answered(&self, order: u64, code: u32) {
        // Gone when the log was forgotten meanwhile.
        if let Some(recorded) = self.log.lock().unwrap().iter_mut().rfind(|r| r.order == order) {
            recorded.code = Some(code);
        }
    }
}

/// A request that waits for its result.
struct Waiting {
    id: Vec<u8>,
    order: u64,
    lose: bool,
}

type Client = tokio_rustls::server::TlsStream<TcpStream>;
type Server = tokio_rustls::client::TlsStream<TcpStream>;

async fn serve(stream: TcpStream, acceptor: &TlsAcceptor, state: &State) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let client: Client = acceptor.accept(stream).await?;
    let server = TcpStream::connect((state.host.as_str(), state.port)).await?;
    server.set_nodelay(true)?;
    let name = ServerName::try_from(state.host.clone()).map_err(std::io::Error::other)?;
    let server: Server = TlsConnector::from(ldap::trust()).connect(name, server).await?;
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = tokio::io::split(server);
    let to_client = tokio::sync::Mutex::new(to_client);
    let waiting = Mutex::new(Vec::new());
    tokio::select! {
        ended = requests(Reader::new(from_client), to_server, &to_client, &waiting, state) => ended,
        ended = replies(Reader::new(from_server), &to_client, &waiting, state) => ended,
    }
}

async fn requests(
    mut from: Reader<tokio::io::ReadHalf<Client>>,
    mut to_server: WriteHalf<Server>,
    to_client: &tokio::sync::Mutex<WriteHalf<Client>>,
    waiting: &Mutex<Vec<Waiting>>,
    state: &State,
) -> std::io::Result<()> {
    while let Some(bytes) = from.message().await? {
        let mut request = Request::parse(&bytes)?;
        let (order, action) = state.record(&request);
        let mut lose = false;
        match action {
            Some(Action::Answer(code)) => {
                state.answered(order, code);
                let mut client = to_client.lock().await;
                client.write_all(&request.answer(code)).await?;
                client.flush().await?;
                continue;
            }
            Some(Action::Close) => return Ok(()),
            Some(Action::WrongPassword) => request.set_password("canary-of-somebody-else"),
            Some(Action::Delay(time)) => tokio::time::sleep(time).await,
            Some(Action::LoseReply) => lose = true,
            None => {}
        }
        waiting.lock().unwrap().push(Waiting { id: request.id.clone(), order, lose });
        to_server.write_all(&request.bytes()).await?;
        to_server.flush().await?;
    }
    Ok(())
}

async fn replies(
    mut from: Reader<tokio::io::ReadHalf<Server>>,
    to_client: &tokio::sync::Mutex<WriteHalf<Client>>,
    waiting: &Mutex<Vec<Waiting>>,
    state: &State,
) -> std::io::Result<()> {
    while let Some(bytes) = from.message().await? {
        let (id, result) = message::result(&bytes)?;
        let known = {
            let mut waiting = waiting.lock().unwrap();
            let place = waiting.iter().position(|w| w.id == id);
            let known = place.map(|place| (waiting[place].order, waiting[place].lose));
            if result.is_some()
                && let Some(place) = place
            {
                waiting.swap_remove(place);
            }
            known
        };
        match (known, result) {
            (Some((_, true)), Some(_)) => return Ok(()),
            (Some((_, true)), None) => continue,
            (Some((order, false)), Some(code)) => state.answered(order, code),
            _ => {}
        }
        let mut client = to_client.lock().await;
        client.write_all(&bytes).await?;
        client.flush().await?;
    }
    Ok(())
}
