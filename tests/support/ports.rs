//! Free loopback ports.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Mutex;

use rand::Rng;

/// A port on which nothing listened a moment ago; no two calls in one process return the same.
///
/// It is below the kernel's ephemeral range on purpose: while a server is down for a restart on its
/// port, an outgoing connection could otherwise be given that very port, or, connecting to it, even
/// be joined to itself.
pub fn free() -> u16 {
    static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    for _ in 0..1000 {
        let port = rand::rng().random_range(10_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && TAKEN.lock().unwrap().insert(port) {
            return port;
        }
    }
    panic!("no free port between 10000 and 32000");
}
