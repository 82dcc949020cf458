//! `/healthz`, `/readyz` and `/metrics`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::metrics::{self, Metrics};
use super::watchdog::Watchdog;

/// What must be so before this replica counts as ready. A standby is ready: it need not lead. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    gates: Arc<Mutex<BTreeMap<String, String>>>,
}

/// One thing that readiness waits for.
#[derive(Clone, Debug)]
pub struct Gate {
    name: String,
    readiness: Readiness,
}

impl Readiness {
    /// A gate that is shut from now on, for `reason`.
    pub fn gate(&self, name: impl Into<String>, reason: impl Into<String>) -> Gate {
        let gate = Gate { name: name.into(), readiness: self.clone() };
        gate.wait(reason);
        gate
    }

    /// Why this replica is not ready, by gate; empty when it is.
    pub fn reasons(&self) -> Vec<String> {
        self.lock().iter().map(|(name, reason)| format!("{name}: {reason}")).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    /// Opens the gate.
    pub fn open(&self) {
        self.readiness.lock().remove(&self.name);
    }

    /// Shuts the gate, for `reason` (`waiting for the list of Users`).
    pub fn wait(&self, reason: impl Into<String>) {
        self.readiness.lock().insert(self.name.clone(), reason.into());
    }
}

/// What the server tells.
#[derive(Clone)]
pub struct Health {
    /// For `/readyz`.
    pub readiness: Readiness,
    /// For `/healthz`.
    pub watchdog: Watchdog,
    /// For `/metrics`.
    pub metrics: Metrics,
}

/// Answers on `listener` until `stop` is cancelled.
pub async fn serve(listener: TcpListener, health: Health, stop: CancellationToken) -> std::io::Result<()> {
    axum::serve(listener, router(health)).with_graceful_shutdown(stop.cancelled_owned()).await
}

fn router(health: Health) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_text))
        .with_state(health)
}

async fn healthz(State(health): State<Health>) -> Response {
    match health.watchdog.stuck() {
        None => "ok\n".into_response(),
        Some(stuck) => (StatusCode::SERVICE_UNAVAILABLE, format!("{stuck}\n")).into_response(),
    }
}

async fn readyz(State(health): State<Health>) -> Response {
    let reasons = health.readiness.reasons();
    if reasons.is_empty() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n").into_response()
}

async fn metrics_text(State(health): State<Health>) -> Response {
    match health.metrics.encode() {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn get(address: SocketAddr, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    #[tokio::test]
    async fn tells_health_readiness_with_the_reason_and_metrics() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (readiness, watchdog, stop) =
            (Readiness::default(), Watchdog::default(), CancellationToken::new());
        let health =
            Health { readiness: readiness.clone(), watchdog: watchdog.clone(), metrics: Metrics::new() };
        let server = tokio::spawn(serve(listener, health, stop.clone()));

        let users = readiness.gate("users", "waiting for the list of Users");
        let roles = readiness.gate("roles", "waiting for the list of Roles");
        let expected = "roles: waiting for the list of Roles\nusers: waiting for the list of Users\n";
        assert_eq!(get(address, "/readyz").await, (503, expected.to_owned()));
        roles.open();
        users.open();
        assert_eq!(get(address, "/readyz").await, (200, "ok\n".to_owned()));

        assert_eq!(get(address, "/healthz").await, (200, "ok\n".to_owned()));
        drop(watchdog.beat("loop", Duration::ZERO));
        let stuck = watchdog.run().await;
        assert_eq!(get(address, "/healthz").await, (503, format!("{stuck}\n")));

        let (status, text) = get(address, "/metrics").await;
        assert!(status == 200 && text.contains("tenure_leader 0"), "{text}");
        assert_eq!(get(address, "/").await.0, 404);

        stop.cancel();
        server.await.unwrap().unwrap();
    }
}
