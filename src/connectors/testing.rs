//! A server that answers as a test tells it, and keeps what it got.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::fence::Fence;
use super::gate::{Gate, GateConfig};
use super::http::{HttpConfig, Meter, RequestReport};

/// A request as it was received.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// Path with query, as sent.
    pub(crate) path: String,
    /// Head, in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// What the server does about a request.
pub(crate) enum Reply {
    Bytes(Vec<u8>),
    /// Never answers.
    Hang,
    /// Closes the connection.
    Close,
}

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) requests: Arc<Mutex<Vec<Received>>>,
    /// Every byte received on any connection.
    pub(crate) bytes: Arc<Mutex<Vec<u8>>>,
    pub(crate) connections: Arc<Mutex<usize>>,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!("http://{}/v2", listener.local_addr().unwrap()),
            requests: Arc::default(),
            bytes: Arc::default(),
            connections: Arc::default(),
        };
        let answer = Arc::new(answer);
        let (requests, bytes, connections) =
            (server.requests.clone(), server.bytes.clone(), server.connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *connections.lock().unwrap() += 1;
                tokio::spawn(talk(stream, answer.clone(), requests.clone(), bytes.clone()));
            }
        });
        server
    }

    pub(crate) fn count(&self, method: &str) -> usize {
        self.requests.lock().unwrap().iter().filter(|request| request.method == method).count()
    }

    pub(crate) fn config(&self) -> HttpConfig {
        let _ = rustls::crypto::ring::default_provider().install_default();
        HttpConfig {
            base_url: self.url.clone(),
            ca_pem: None,
            timeout: Duration::from_secs(2),
            allow_insecure: true,
            user_agent: "tenure/test".to_owned(),
        }
    }
}

async fn talk(
    mut stream: TcpStream,
    answer: Arc<impl Fn(&Received) -> Reply>,
    requests: Arc<Mutex<Vec<Received>>>,
    bytes: Arc<Mutex<Vec<u8>>>,
) {
    let mut buffer = Vec::new();
    let mut chunk = [0; 8_192];
    while let Ok(read) = stream.read(&mut chunk).await
        && read > 0
    {
        bytes.lock().unwrap().extend_from_slice(&chunk[..read]);
        buffer.extend_from_slice(&chunk[..read]);
        let Some(request) = complete(&buffer) else {
            continue;
        };
        buffer.clear();
        requests.lock().unwrap().push(request.clone());
        match answer(&request) {
            Reply::Bytes(reply) => stream.write_all(&reply).await.unwrap_or(()),
            Reply::Hang => std::future::pending().await,
            Reply::Close => return,
        }
    }
}

fn complete(buffer: &[u8]) -> Option<Received> {
    let text = String::from_utf8_lossy(buffer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let lower = head.to_lowercase();
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let whole = if lower.contains("transfer-encoding: chunked") {
        body.ends_with("0\r\n\r\n")
    } else {
        body.len() >= length
    };
    let mut line = head.split(' ');
    let (method, path) = (line.next()?.to_owned(), line.next()?.to_owned());
    whole.then(|| Received { method, path, head: lower, body: body.to_owned() })
}

/// A reply with a JSON or any other body.
pub(crate) fn reply(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Reply {
    let body = body.as_ref();
    let mut bytes =
        format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    Reply::Bytes(bytes)
}

/// A fence that is open, a gate without limits, and a meter that keeps its reports.
pub(crate) fn surroundings() -> (Fence, Gate, Meter, Arc<Mutex<Vec<RequestReport>>>) {
    let reports: Arc<Mutex<Vec<RequestReport>>> = Arc::default();
    let kept = reports.clone();
    let meter: Meter = Arc::new(move |report| kept.lock().unwrap().push(*report));
    (Fence::open(), Gate::new(GateConfig::default()), meter, reports)
}
