//! A TCP relay in front of the API server: a network that can be cut.
//!
//! TLS passes through untouched. Cutting here ends every connection that uses this relay, watches
//! included, while the API server itself, and everybody who does not come this way, goes on.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::background;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Open,
    Stalled,
    Closed,
}

/// A relay on a loopback port of its own.
pub struct Relay {
    port: u16,
    flow: watch::Sender<Flow>,
    cuts: watch::Sender<u64>,
    accepting: AbortHandle,
}

impl Relay {
    /// Relays to a loopback port.
    pub fn start(target: u16) -> Self {
        let (flow, flow_seen) = watch::channel(Flow::Open);
        let (cuts, cuts_seen) = watch::channel(0);
        let listener = listen();
        let port = listener.local_addr().expect("an address").port();
        let accepting = background().spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            loop {
                match listener.accept().await {
                    Ok((client, _)) if *flow_seen.borrow() != Flow::Closed => {
                        tokio::spawn(carry(client, target, flow_seen.clone(), cuts_seen.clone()));
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        });
        Self { port, flow, cuts, accepting: accepting.abort_handle() }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends all connections; new ones are welcome.
    pub fn cut(&self) {
        self.cuts.send_modify(|n| *n += 1);
    }

    /// Carries nothing any more, in silence: connections stay, and are accepted.
    pub fn stall(&self) {
        self.flow.send_replace(Flow::Stalled);
    }

    /// Ends all connections and every new one, until [`Relay::open`].
    pub fn close(&self) {
        self.flow.send_replace(Flow::Closed);
        self.cut();
    }

    /// Carries again what was stalled or closed.
    pub fn open(&self) {
        self.flow.send_replace(Flow::Open);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

fn listen() -> std::net::TcpListener {
    let listener = std::net::TcpListener::bind(("127.0.0.1", super::ports::free())).expect("a free port");
    listener.set_nonblocking(true).expect("a listener");
    listener
}

async fn carry(client: TcpStream, target: u16, flow: watch::Receiver<Flow>, mut cuts: watch::Receiver<u64>) {
    // What was cut before this connection began does not concern it.
    cuts.mark_unchanged();
    if *flow.borrow() == Flow::Closed {
        return;
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else {
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        _ = pump(from_client, to_server, flow.clone()) => {}
        _ = pump(from_server, to_client, flow) => {}
        _ = cuts.changed() => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut flow: watch::Receiver<Flow>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        if flow.wait_for(|f| *f != Flow::Stalled).await.is_err() {
            return Ok(());
        }
        to.write_all(&buffer[..count]).await?;
    }
}
