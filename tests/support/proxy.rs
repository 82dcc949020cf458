//! A reverse proxy in front of a target: it remembers every request, and breaks what it is told to break.

mod reply;
mod rule;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use self::reply::{Reply, halved, made_up, remove_hop_by_hop, rewritten, whole};
pub use self::rule::{Action, Raw, Rule};
use super::{background, http as http_client, ports};

/// Numbers requests over all proxies of the process, so that the order *between* targets can be seen.
static ORDER: AtomicU64 = AtomicU64::new(0);

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
#[derive(Debug, Clone, thiserror::Error)]
enum Abort {
    #[error("the connection is closed")]
    Close,
    #[error("the connection is reset")]
    Reset,
    #[error("other bytes are written")]
    Raw(Raw),
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let _ = stream.set_nodelay(true);
    let mut cleared = state.cleared.subscribe();
    let end = Arc::new(Mutex::new(None));
    let wanted = Arc::clone(&end);
    let service = service_fn(move |request| {
        let (state, end) = (Arc::clone(&state), Arc::clone(&wanted));
        // Pinned, because hyper gives the stream back only from a connection that can be moved.
        Box::pin(async move {
            let result = answer(&state, request).await;
            *end.lock().unwrap() = result.as_ref().err().cloned();
            result
        })
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // An error from the service is how a connection is closed without an answer.
    let _ = poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
    let mut stream = connection.into_parts().io.into_inner();
    let end = end.lock().unwrap().take();
    match end {
        // With nothing to linger for, closing sends RST in place of FIN.
        Some(Abort::Reset) => stream.set_zero_linger().unwrap_or_default(),
        Some(Abort::Raw(raw)) => tokio::select! {
            _ = raw.write(&mut stream) => {}
            _ = cleared.changed() => {}
        },
        Some(Abort::Close) | None => {}
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

async fn act(action: Option<Action>, mut forward: Forward<'_>) -> Result<Reply, Abort> {
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
        Some(Action::DelayReply(time)) => {
            let reply = forward.send().await;
            tokio::time::sleep(time).await;
            reply.map(whole)
        }
        Some(Action::TruncateBody) => forward.send().await.map(halved),
        Some(Action::Twice) => {
            forward.clone().send().await?;
            forward.send().await.map(whole)
        }
        Some(Action::Raw(raw)) => Err(Abort::Raw(raw)),
        Some(Action::Rewrite(change)) => forward.send().await.map(|reply| rewritten(reply, change)),
        Some(Action::Header(name, value)) => {
            let name = HeaderName::try_from(name).expect("a header's name");
            if let Some(sent) = forward.headers.get_mut(&name) {
                *sent = HeaderValue::try_from(value).expect("a header's value");
            }
            forward.send().await.map(whole)
        }
        Some(Action::Compute(answer)) => Ok(made_up(200, &[], answer(&forward.path).to_string())),
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

#[derive(Clone)]
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
