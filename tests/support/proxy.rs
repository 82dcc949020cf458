//! A reverse proxy in front of a target: it remembers every request, and breaks what it is told to break.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::{background, http as http_client, ports};

type Reply = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// Numbers requests over all proxies of the process, so that the order *between* targets can be seen.
static ORDER: AtomicU64 = AtomicU64::new(0);

/// What to do to a request.
#[derive(Clone, Debug)]
pub enum Action {
    /// Take it and never answer (until [`RecordingProxy::clear`], which closes the connection).
    Hang,
    /// Answer this, without asking the target.
    Status {
        /// The status.
        code: u16,
        /// Headers.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// Let the target do it, then close the connection without an answer: the lost reply.
    DropReplyAfterForward,
    /// Wait, then go on as usual.
    Delay(Duration),
    /// Reset the connection (RST) without asking the target.
    Reset,
    /// Let the target do it; announce its whole body, send half of it, and close.
    TruncateBody,
}

impl Action {
    /// An answer without headers and body.
    pub fn status(code: u16) -> Self {
        Self::Status { code, headers: Vec::new(), body: String::new() }
    }

    /// 429, or another refusal, that says when to come back.
    pub fn retry_after(code: u16, seconds: u64) -> Self {
        let headers = vec![("retry-after".to_owned(), seconds.to_string())];
        Self::Status { code, headers, body: String::new() }
    }
}

/// An action, and which requests it is for.
#[derive(Clone, Debug)]
pub struct Rule {
    action: Action,
    method: Option<String>,
    path: String,
    skip: usize,
    limit: usize,
}

impl Rule {
    /// For all requests, until cleared.
    pub fn new(action: Action) -> Self {
        Self { action, method: None, path: String::new(), skip: 0, limit: usize::MAX }
    }

    /// Only for this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only where path and query contain this.
    #[must_use]
    pub fn path(mut self, part: &str) -> Self {
        part.clone_into(&mut self.path);
        self
    }

    /// Only for the first `count` of the requests it is for.
    #[must_use]
    pub fn times(mut self, count: usize) -> Self {
        self.limit = count;
        self
    }

    /// Only for the nth of the requests it is for, counted from 1.
    #[must_use]
    pub fn nth(mut self, n: usize) -> Self {
        self.skip = n - 1;
        self.limit = 1;
        self
    }

    fn applies(&mut self, method: &str, path: &str) -> bool {
        if self.method.as_deref().is_some_and(|m| m != method) || !path.contains(&self.path) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        let fires = self.limit > 0;
        self.limit = self.limit.saturating_sub(1);
        fires
    }
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its place among all requests to all proxies of this process.
    pub order: u64,
    /// When it came.
    pub at: Timestamp,
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The body, where bodies are recorded.
    pub body: Option<Bytes>,
    /// What the client was answered; `None` while, or because, it was not.
    pub status: Option<u16>,
    /// What the target answered; `None` when it was not asked.
    pub target_status: Option<u16>,
    /// How long that took.
    pub took: Option<Duration>,
}

impl Recorded {
    /// Whether the method is one that changes something.
    pub fn is_write(&self) -> bool {
        matches!(self.method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE")
    }

    /// The body as JSON; null when there is none.
    pub fn json(&self) -> serde_json::Value {
        self.body.as_ref().and_then(|b| serde_json::from_slice(b).ok()).unwrap_or_default()
    }
}

struct State {
    target: String,
    client: reqwest::Client,
    record_bodies: AtomicBool,
    log: Mutex<BTreeMap<u64, Recorded>>,
    rules: Mutex<Vec<Rule>>,
    cleared: watch::Sender<u64>,
}

/// The proxy. Dropping it closes its port.
pub struct RecordingProxy {
    port: u16,
    state: Arc<State>,
    accepting: AbortHandle,
}

impl RecordingProxy {
    /// Starts one in front of `target`, a base URL without a path.
    pub fn start(target: &str) -> Self {
        let state = Arc::new(State {
            target: target.trim_end_matches('/').to_owned(),
            client: http_client(),
            record_bodies: AtomicBool::new(true),
            log: Mutex::default(),
            rules: Mutex::default(),
            cleared: watch::Sender::new(0),
        });
        let listener = std::net::TcpListener::bind(("127.0.0.1", ports::free())).expect("a free port");
        listener.set_nonblocking(true).expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::clone(&state);
        let accepting = background().spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, Arc::clone(&shared)));
                }
            }
        });
        Self { port, state, accepting: accepting.abort_handle() }
    }

    /// Where clients go, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Whether bodies are kept; they are, unless a test makes too many.
    pub fn record_bodies(&self, record: bool) {
        self.state.record_bodies.store(record, Ordering::Relaxed);
    }

    /// Adds a rule. The first that applies is used; rules used up are passed over.
    pub fn inject(&self, rule: Rule) {
        self.state.rules.lock().unwrap().push(rule);
    }

    /// Removes all rules and ends what hangs.
    pub fn clear(&self) {
        self.state.rules.lock().unwrap().clear();
        self.state.cleared.send_modify(|n| *n += 1);
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
        self.state.log.lock().unwrap().range(mark..).map(|(_, r)| r.clone()).collect()
    }

    /// Requests since the mark that would change something.
    pub fn writes_since(&self, mark: u64) -> Vec<Recorded> {
        let mut requests = self.since(mark);
        requests.retain(Recorded::is_write);
        requests
    }

    /// How many requests of each method there were.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        self.state.log.lock().unwrap().values().fold(BTreeMap::new(), |mut counts, request| {
            *counts.entry(request.method.clone()).or_default() += 1;
            counts
        })
    }

    /// How many requests of this method there were.
    pub fn count(&self, method: &str) -> usize {
        self.state.log.lock().unwrap().values().filter(|r| r.method == method).count()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.state.log.lock().unwrap().clear();
    }
}

impl Drop for RecordingProxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.clear();
    }
}

/// How a request ends when not with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Abort {
    #[error("the connection is closed")]
    Close,
    #[error("the connection is reset")]
    Reset,
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let wants_reset = Arc::clone(&reset);
    let service = service_fn(move |request| {
        let (state, reset) = (Arc::clone(&state), Arc::clone(&wants_reset));
        // Pinned, because hyper gives the stream back only from a connection that can be moved.
        Box::pin(async move {
            let result = answer(&state, request).await;
            reset.store(matches!(result, Err(Abort::Reset)), Ordering::SeqCst);
            result
        })
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // An error from the service is how a connection is closed without an answer.
    let _ = poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
    let stream = connection.into_parts().io.into_inner();
    if reset.load(Ordering::SeqCst) {
        // With nothing to linger for, closing sends RST in place of FIN.
        let _ = stream.set_zero_linger();
    }
}

async fn answer(state: &State, request: Request<Incoming>) -> Result<Reply, Abort> {
    let begun = Instant::now();
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Abort::Close)?.to_bytes();
    let path = head.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
    let method = head.method.to_string();
    let order = ORDER.fetch_add(1, Ordering::SeqCst);
    let kept = state.record_bodies.load(Ordering::Relaxed) && !body.is_empty();
    let recorded = Recorded {
        order,
        at: Timestamp::now(),
        method: method.clone(),
        path: path.clone(),
        body: kept.then(|| body.clone()),
        status: None,
        target_status: None,
        took: None,
    };
    state.log.lock().unwrap().insert(order, recorded);
    let action = {
        let mut rules = state.rules.lock().unwrap();
        rules.iter_mut().find_map(|r| r.applies(&method, &path).then(|| r.action.clone()))
    };
    let forward = Forward { state, order, method: head.method, path, headers: head.headers, body };
    let result = act(action, forward).await;
    if let Ok(reply) = &result {
        state.note(order, |r| {
            r.status = Some(reply.status().as_u16());
            r.took = Some(begun.elapsed());
        });
    }
    result
}

async fn act(action: Option<Action>, forward: Forward<'_>) -> Result<Reply, Abort> {
    match action {
        None => forward.send().await.map(whole),
        Some(Action::Delay(time)) => {
            tokio::time::sleep(time).await;
            forward.send().await.map(whole)
        }
        Some(Action::Hang) => {
            let _ = forward.state.cleared.subscribe().changed().await;
            Err(Abort::Close)
        }
        Some(Action::Status { code, headers, body }) => Ok(made_up(code, &headers, body)),
        Some(Action::Reset) => Err(Abort::Reset),
        Some(Action::DropReplyAfterForward) => {
            forward.send().await?;
            Err(Abort::Close)
        }
        Some(Action::TruncateBody) => forward.send().await.map(halved),
    }
}

impl State {
    fn note(&self, order: u64, change: impl FnOnce(&mut Recorded)) {
        // Gone when the log was forgotten meanwhile.
        if let Some(recorded) = self.log.lock().unwrap().get_mut(&order) {
            change(recorded);
        }
    }
}

struct Forward<'a> {
    state: &'a State,
    order: u64,
    method: http::Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Forward<'_> {
    /// Asks the target. The Host header stays the client's, so that links in the answer lead here again.
    async fn send(mut self) -> Result<Response<Bytes>, Abort> {
        remove_hop_by_hop(&mut self.headers);
        let url = format!("{}{}", self.state.target, self.path);
        let request = self.state.client.request(self.method, url).headers(self.headers).body(self.body);
        let answer = request.send().await.map_err(|_| Abort::Close)?;
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        self.state.note(self.order, |r| r.target_status = Some(status.as_u16()));
        let body = answer.bytes().await.map_err(|_| Abort::Close)?;
        remove_hop_by_hop(&mut headers);
        let mut reply = Response::new(body);
        *reply.status_mut() = status;
        *reply.headers_mut() = headers;
        Ok(reply)
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    // The length is set anew for the body that is really sent.
    for name in [CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
        headers.remove(name);
    }
}

fn whole(reply: Response<Bytes>) -> Reply {
    reply.map(|body| Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync())
}

fn halved(reply: Response<Bytes>) -> Reply {
    let (mut head, body) = reply.into_parts();
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let half = body.slice(..body.len() / 2);
    let frames = stream::unfold(Some(half), |half| async move {
        if let Some(half) = half {
            return Some((Ok(Frame::data(half)), None));
        }
        // Time for the first half to leave: an error drops what is not yet sent.
        tokio::time::sleep(Duration::from_millis(50)).await;
        Some((Err(io::Error::from(io::ErrorKind::ConnectionAborted)), None))
    });
    Response::from_parts(head, BodyExt::boxed_unsync(StreamBody::new(frames)))
}

fn made_up(code: u16, headers: &[(String, String)], body: String) -> Reply {
    let mut reply = Response::new(Bytes::from(body));
    *reply.status_mut() = http::StatusCode::from_u16(code).expect("a status");
    for (name, value) in headers {
        let name = HeaderName::try_from(name).expect("a header's name");
        reply.headers_mut().insert(name, HeaderValue::try_from(value).expect("a header's value"));
    }
    whole(reply)
}
