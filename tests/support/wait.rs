//! Waiting for what must come true in bounded time.

use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(50);

/// Tries until it succeeds; panics with the last reason when time is up.
///
/// An attempt that does not return counts as a failure too: it is cut off at the deadline.
pub async fn eventually<T>(within: Duration, attempt: impl AsyncFnMut() -> Result<T, String>) -> T {
    match poll(within, attempt).await {
        Ok(value) => value,
        Err(reason) => panic!("{reason}"),
    }
}

/// As [`eventually`], for those that can do something about a failure.
pub async fn poll<T>(
    within: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, String> {
    let deadline = Instant::now() + within;
    let mut last = String::from("the first attempt never returned");
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, attempt()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(reason)) => last = reason,
            Err(_) => return Err(format!("not within {within:?}; last reason: {last}")),
        }
        if Instant::now() >= deadline {
            return Err(format!("not within {within:?}; last reason: {last}"));
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Fails as soon as the check does; returns when it held for the whole time.
pub async fn always(during: Duration, mut check: impl AsyncFnMut() -> Result<(), String>) {
    let end = Instant::now() + during;
    while Instant::now() < end {
        if let Err(reason) = check().await {
            panic!("did not hold for {during:?}: {reason}");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
