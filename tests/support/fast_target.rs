//! A SCIM target in memory, for load: products take 5 to 200 users a second, and then a benchmark would
//! measure the product. It is correct within what it serves and no more; behaviour is tested on products.
//!
//! It depends on nothing else of the harness, so that `benches/` can include this file by `#[path]`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a poisoned lock or a port that cannot be had must end the test or benchmark"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use axum::routing::{any, get};
use serde_json::{Value, json};
use tokio::sync::oneshot;

// Spelt out, for a file included by path looks for its modules elsewhere.
#[path = "fast_target/members.rs"]
mod members;
#[path = "fast_target/patch.rs"]
mod patch;
#[path = "fast_target/store.rs"]
mod store;

use store::{Answer, MAX_PAGE, Refusal, Store, bad, with_members};

/// How the target is to be.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The bearer token it asks for; none when `None`.
    pub token: Option<String>,
    /// Requests a second beyond which it answers 429 with `Retry-After: 1`.
    pub requests_per_second: Option<u32>,
    /// How long every answer takes.
    pub latency: Duration,
}

/// A running target, on a thread and a runtime of its own. Dropping it ends it.
pub struct FastTarget {
    port: u16,
    shared: Arc<Shared>,
    _stop: oneshot::Sender<()>,
}

struct Shared {
    config: Config,
    store: Mutex<Store>,
    counts: Mutex<BTreeMap<String, u64>>,
    /// When each request came, and whether it was about one account or group by its id.
    arrivals: Mutex<Vec<(Instant, bool)>>,
    window: Mutex<(Instant, u32)>,
}

impl FastTarget {
    /// Starts one.
    pub fn start(config: Config) -> Self {
        let shared = Arc::new(Shared {
            config,
            store: Mutex::default(),
            counts: Mutex::default(),
            arrivals: Mutex::default(),
            window: Mutex::new((Instant::now(), 0)),
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = mpsc::channel();
        let router = router(Arc::clone(&shared));
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
                tell.send(listener.local_addr().expect("an address").port()).expect("the starter waits");
                tokio::select! {
                    _ = axum::serve(listener, router) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { port: told.recv().expect("the target starts"), shared, _stop: stop }
    }

    /// What an App is given.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/scim/v2", self.port)
    }

    /// Requests so far, by `METHOD Users`, `METHOD Groups` and `throttled`.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.shared.counts.lock().unwrap().clone()
    }

    /// When each request came that was about users or groups, in order.
    pub fn arrivals(&self) -> Vec<Instant> {
        self.shared.arrivals.lock().unwrap().iter().map(|(at, _)| *at).collect()
    }

    /// When each request came that was not about an account or group by its id: those that look for accounts and make them.
    pub fn arrivals_without_id(&self) -> Vec<Instant> {
        self.shared.arrivals.lock().unwrap().iter().filter(|(_, by_id)| !by_id).map(|(at, _)| *at).collect()
    }

    /// Requests so far that change something and were let through.
    pub fn writes(&self) -> u64 {
        let is_write = |k: &str| ["POST ", "PUT ", "PATCH ", "DELETE "].iter().any(|m| k.starts_with(m));
        self.counts().iter().filter(|(k, _)| is_write(k)).map(|(_, n)| n).sum()
    }

    /// Counts from zero again.
    pub fn reset_counts(&self) {
        self.shared.counts.lock().unwrap().clear();
    }

    /// How many users there are.
    pub fn user_count(&self) -> usize {
        self.shared.store.lock().unwrap().users.resources.len()
    }

    /// How many users are active.
    pub fn active_count(&self) -> usize {
        let store = self.shared.store.lock().unwrap();
        store.users.resources.values().filter(|u| u["active"] != json!(false)).count()
    }

    /// `userName` of every user that a request made inactive, and when.
    pub fn deactivated(&self) -> Vec<(String, Instant)> {
        self.shared.store.lock().unwrap().deactivated.clone()
    }

    /// All users, in the order of their creation.
    pub fn users(&self) -> Vec<Value> {
        self.shared.store.lock().unwrap().users.resources.values().cloned().collect()
    }

    /// All groups, in the order of their creation.
    pub fn groups(&self) -> Vec<Value> {
        let store = self.shared.store.lock().unwrap();
        store.groups.resources.keys().filter_map(|id| store.groups.read(id, true).ok()).collect()
    }

    /// How many members a group has.
    pub fn member_count(&self, group: &str) -> usize {
        self.shared.store.lock().unwrap().groups.member_count(group)
    }

    /// Puts a user there without a request; returns its id.
    pub fn seed_user(&self, user: Value) -> String {
        self.shared.store.lock().unwrap().insert(true, user)
    }

    /// Puts a group there without a request; returns its id.
    pub fn seed_group(&self, group: Value) -> String {
        self.shared.store.lock().unwrap().insert(false, group)
    }
}

fn router(shared: Arc<Shared>) -> Router {
    let provider = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true}, "filter": {"supported": true, "maxResults": MAX_PAGE},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "sort": {"supported": false}, "etag": {"supported": false}, "changePassword": {"supported": false},
        "authenticationSchemes": [{"type": "oauthbearertoken", "name": "Bearer", "description": "A token"}],
    });
    Router::new()
        .route(
            "/scim/v2/ServiceProviderConfig",
            get(async move || reply(Ok((StatusCode::OK, Some(provider))))),
        )
        .route("/scim/v2/{kind}", any(collection))
        .route("/scim/v2/{kind}/{id}", any(single))
        .with_state(shared)
}

async fn collection(
    State(shared): State<Arc<Shared>>,
    Path(kind): Path<String>,
    request: Request,
) -> Response {
    handle(shared, &kind, None, request).await
}

async fn single(
    State(shared): State<Arc<Shared>>,
    Path((kind, id)): Path<(String, String)>,
    request: Request,
) -> Response {
    handle(shared, &kind, Some(id), request).await
}

async fn handle(shared: Arc<Shared>, kind: &str, id: Option<String>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    shared.arrivals.lock().unwrap().push((Instant::now(), id.is_some()));
    if let Some(refusal) = shared.refuse(&head.headers) {
        return refusal;
    }
    if !shared.config.latency.is_zero() {
        tokio::time::sleep(shared.config.latency).await;
    }
    *shared.counts.lock().unwrap().entry(format!("{} {kind}", head.method)).or_default() += 1;
    let users = match kind {
        "Users" => true,
        "Groups" => false,
        _ => return reply(Err((StatusCode::NOT_FOUND, "", format!("no {kind}")))),
    };
    let body = axum::body::to_bytes(body, 16 << 20).await.unwrap_or_else(|_| Bytes::new());
    let mut store = shared.store.lock().unwrap();
    reply(match (head.method, id) {
        (Method::GET, None) => store.collection(users).list(head.uri.query().unwrap_or_default()),
        (Method::POST, None) => json_object(&body).and_then(|v| store.create(users, v)),
        (Method::GET, Some(id)) => {
            let with_members = with_members(head.uri.query().unwrap_or_default());
            store.collection(users).read(&id, with_members).map(|v| (StatusCode::OK, Some(v)))
        }
        (Method::PUT, Some(id)) => json_object(&body).and_then(|v| store.replace(users, &id, v)),
        (Method::PATCH, Some(id)) => json_object(&body).and_then(|v| store.patch(users, &id, &v)),
        (Method::DELETE, Some(id)) => store.delete(users, &id),
        _ => Err((StatusCode::METHOD_NOT_ALLOWED, "", String::new())),
    })
}

impl Shared {
    fn refuse(&self, headers: &HeaderMap) -> Option<Response> {
        let bearer = self.config.token.as_ref().map(|t| format!("Bearer {t}"));
        let sent = headers.get("authorization").and_then(|v| v.to_str().ok());
        if bearer.is_some() && bearer.as_deref() != sent {
            return Some(reply(Err((StatusCode::UNAUTHORIZED, "", "wrong token".into()))));
        }
        let limit = self.config.requests_per_second?;
        let mut window = self.window.lock().unwrap();
        if window.0.elapsed() >= Duration::from_secs(1) {
            *window = (Instant::now(), 0);
        }
        window.1 += 1;
        if window.1 <= limit {
            return None;
        }
        *self.counts.lock().unwrap().entry("throttled".into()).or_default() += 1;
        let mut response = reply(Err((StatusCode::TOO_MANY_REQUESTS, "", "slow down".into())));
        response.headers_mut().insert("retry-after", axum::http::HeaderValue::from_static("1"));
        Some(response)
    }
}

fn reply(answer: Answer) -> Response {
    let (status, body) = answer.unwrap_or_else(|(status, scim_type, detail)| {
        let mut error = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": status.as_u16().to_string(), "detail": detail,
        });
        if !scim_type.is_empty() {
            error["scimType"] = json!(scim_type);
        }
        (status, Some(error))
    });
    let body = body.map_or_else(Body::empty, |b| Body::from(b.to_string()));
    let response = Response::builder().status(status).header("content-type", "application/scim+json");
    response.body(body).expect("a response")
}

fn json_object(body: &[u8]) -> Result<Value, Refusal> {
    let value: Value = serde_json::from_slice(body).map_err(|e| bad("invalidSyntax", e.to_string()))?;
    if value.is_object() { Ok(value) } else { Err(bad("invalidSyntax", "not an object")) }
}
