//! Named points of the reconcile loop at which a test can end the process, as `kill -9` would.
//!
//! The environment variable `TENURE_FAILPOINT` names one point. Without the cargo feature `failpoints`, which no
//! release has, the functions are empty.

use std::future::Future;

/// Ends the process if `TENURE_FAILPOINT` is `name`.
#[cfg(feature = "failpoints")]
pub fn hit(name: &str) {
    if armed(name) {
        eprintln!("failpoint {name}");
        std::process::abort();
    }
}

/// Ends the process if `TENURE_FAILPOINT` is `name`.
#[cfg(not(feature = "failpoints"))]
pub fn hit(_: &str) {}

/// Awaits `work`; if `TENURE_FAILPOINT` is `name`, ends the process a moment after it began: sent, not answered.
#[cfg(feature = "failpoints")]
pub async fn during<T>(name: &str, work: impl Future<Output = T>) -> T {
    if !armed(name) {
        return work.await;
    }
    tokio::select! {
        done = work => done,
        () = tokio::time::sleep(std::time::Duration::from_millis(200)) => {
            hit(name);
            std::future::pending().await
        }
    }
}

/// Awaits `work`; if `TENURE_FAILPOINT` is `name`, ends the process a moment after it began: sent, not answered.
#[cfg(not(feature = "failpoints"))]
pub async fn during<T>(_: &str, work: impl Future<Output = T>) -> T {
    work.await
}

#[cfg(feature = "failpoints")]
fn armed(name: &str) -> bool {
    std::env::var("TENURE_FAILPOINT").is_ok_and(|wanted| wanted == name)
}
