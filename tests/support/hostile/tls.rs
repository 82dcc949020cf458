//! Targets that speak TLS, more or less.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::CANARY;
use crate::support::pki;

/// A target on a thread of its own; what it answers is an empty listing.
pub struct TlsTarget {
    /// What an App is given.
    pub base_url: String,
    /// The authority that an App is to trust, PEM.
    pub authority: String,
    port: u16,
    ended: Arc<AtomicBool>,
}

/// How connections are answered.
enum Manner {
    Tls(Arc<ServerConfig>),
    /// These bytes, whatever comes.
    Bytes(Vec<u8>),
}

impl TlsTarget {
    /// Starts one: `trusted`, `expired`, `of-another-authority`, `for-another-host`, `only-old-tls`, `tls-garbage`.
    pub fn start(name: &str) -> Self {
        let ca = pki::authority();
        let here = ["127.0.0.1", "localhost"];
        let later = (2099, 1, 1);
        let tls = |config| Manner::Tls(Arc::new(config));
        let manner = match name {
            "trusted" => tls(pki::server_config(&ca, &here, later)),
            "expired" => tls(pki::server_config(&ca, &here, (2020, 1, 1))),
            "of-another-authority" => tls(pki::server_config(&pki::authority(), &here, later)),
            "for-another-host" => tls(pki::server_config(&ca, &["example.com"], later)),
            // The alert protocol_version (RFC 8446 §6.2), as one says that knows TLS 1.0 alone.
            "only-old-tls" => Manner::Bytes(vec![0x15, 3, 1, 0, 2, 2, 70]),
            "tls-garbage" => Manner::Bytes(CANARY.as_bytes().repeat(1_000)),
            other => panic!("no {other}"),
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept()
                && !end.load(Ordering::SeqCst)
            {
                // A connection that breaks is no concern of the next one.
                let _ = answer(&manner, stream);
            }
        });
        Self { base_url: format!("https://127.0.0.1:{port}/scim/v2"), authority: ca.pem(), port, ended }
    }
}

impl Drop for TlsTarget {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn answer(manner: &Manner, mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(std::time::Duration::from_secs(2)))?;
    let mut buffer = [0; 16 << 10];
    match manner {
        Manner::Bytes(bytes) => {
            let _ = stream.read(&mut buffer)?;
            stream.write_all(bytes)
        }
        Manner::Tls(config) => {
            let connection = ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
            let mut stream = StreamOwned::new(connection, stream);
            let _ = stream.read(&mut buffer)?;
            let body = "{\"totalResults\":0,\"Resources\":[]}";
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )?;
            stream.conn.send_close_notify();
            stream.flush()
        }
    }
}
