//! How the process comes to its end: asked to, it starts nothing new, finishes what is under way, and goes.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What stops the process.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Cancelled at the first SIGTERM or SIGINT: start nothing new.
    pub requested: CancellationToken,
    /// Cancelled at the second: do not wait for what is under way.
    pub forced: CancellationToken,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Everything under way ended.
    Clean,
    /// So many tasks had not ended when time was up or a second signal came.
    Abandoned(usize),
}

impl Shutdown {
    /// Listens for SIGTERM and SIGINT from now on.
    pub fn on_signals() -> std::io::Result<Self> {
        let shutdown = Self::default();
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let tokens = shutdown.clone();
        tokio::spawn(async move {
            for token in [&tokens.requested, &tokens.forced] {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                tracing::info!(forced = tokens.requested.is_cancelled(), "asked to stop");
                token.cancel();
            }
        });
        Ok(shutdown)
    }

    /// Waits until the tracked tasks have ended, at most `bound` and not beyond a second signal.
    pub async fn drain(&self, tasks: &TaskTracker, bound: Duration) -> Drained {
        tasks.close();
        tokio::select! {
            biased;
            () = tasks.wait() => return Drained::Clean,
            () = self.forced.cancelled() => {}
            () = tokio::time::sleep(bound) => {}
        }
        tracing::warn!(tasks = tasks.len(), "not everything ended in time");
        Drained::Abandoned(tasks.len())
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::{Signal, raise};

    use super::*;

    #[tokio::test]
    async fn a_drain_waits_for_work_but_not_for_ever() {
        let (shutdown, tasks) = (Shutdown::default(), TaskTracker::new());
        tasks.spawn(tokio::time::sleep(Duration::from_millis(20)));
        assert_eq!(shutdown.drain(&tasks, Duration::from_mins(1)).await, Drained::Clean);

        tasks.reopen();
        tasks.spawn(std::future::pending::<()>());
        assert_eq!(shutdown.drain(&tasks, Duration::from_millis(20)).await, Drained::Abandoned(1));
        shutdown.forced.cancel();
        assert_eq!(shutdown.drain(&tasks, Duration::from_mins(1)).await, Drained::Abandoned(1));
    }

    #[tokio::test]
    async fn the_first_signal_asks_and_the_second_forces() {
        let shutdown = Shutdown::on_signals().unwrap();
        raise(Signal::SIGTERM).unwrap();
        shutdown.requested.cancelled().await;
        assert!(!shutdown.forced.is_cancelled());
        raise(Signal::SIGINT).unwrap();
        shutdown.forced.cancelled().await;
    }
}
