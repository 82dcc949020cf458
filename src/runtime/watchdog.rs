//! Ends a process that has stopped getting on, for a silent one is as bad as a dead one and nobody restarts it.
//!
//! Every long-lived loop says that it is alive ([`Beat::alive`]) each time round, and when it waits for work
//! ([`Beat::idle`]). A loop that does neither for longer than it was allowed to, or that ended without saying so, is
//! stuck. Silence is counted in checks made, not by the clock, so a process that was stopped for a while and goes on is
//! not taken for stuck. A thread outside the async runtime watches that the runtime itself gets on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Time between two checks.
const CHECK: Duration = Duration::from_secs(1);

/// A loop that has stopped getting on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} has been silent for {silent:?}")]
pub struct Stuck {
    /// Name of the loop.
    pub name: String,
    /// For how long at least.
    pub silent: Duration,
}

#[derive(Debug, Default)]
struct Pulse {
    beats: AtomicU64,
    idle: AtomicBool,
}

#[derive(Debug)]
struct Watched {
    name: String,
    pulse: Arc<Pulse>,
    allowed: Duration,
    /// Beats at the last check, and checks since they changed.
    last: (u64, u32),
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    watched: BTreeMap<u64, Watched>,
    stuck: Option<Stuck>,
}

/// Watches loops; clones are the same watchdog.
#[derive(Clone, Debug, Default)]
pub struct Watchdog {
    inner: Arc<Mutex<Inner>>,
}

/// A loop's sign of life. Dropped without [`Beat::finish`], the loop counts as dead.
#[derive(Debug)]
pub struct Beat {
    id: u64,
    pulse: Arc<Pulse>,
    watchdog: Watchdog,
}

impl Beat {
    /// The loop is getting on.
    pub fn alive(&self) {
        self.pulse.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits for work, which may take any time. Not for anything that should end by itself.
    pub async fn idle<T>(&self, work: impl Future<Output = T>) -> T {
        let waiting = Idle::new(&self.pulse);
        let result = work.await;
        drop(waiting);
        result
    }

    /// The loop has come to its end as it should.
    pub fn finish(self) {
        self.watchdog.lock().watched.remove(&self.id);
    }
}

/// Marks a loop as waiting, also when the wait is cancelled.
struct Idle<'a>(&'a Pulse);

impl<'a> Idle<'a> {
    fn new(pulse: &'a Pulse) -> Self {
        pulse.idle.store(true, Ordering::Relaxed);
        Self(pulse)
    }
}

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.beats.fetch_add(1, Ordering::Relaxed);
        self.0.idle.store(false, Ordering::Relaxed);
    }
}

impl Watchdog {
    /// Watches a loop that is never silent for longer than `allowed`.
    pub fn beat(&self, name: impl Into<String>, allowed: Duration) -> Beat {
        let pulse = Arc::new(Pulse::default());
        let mut inner = self.lock();
        inner.next += 1;
        let id = inner.next;
        let watched = Watched { name: name.into(), pulse: Arc::clone(&pulse), allowed, last: (0, 0) };
        inner.watched.insert(id, watched);
        Beat { id, pulse, watchdog: self.clone() }
    }

    /// What was found stuck, if anything; for `/healthz`.
    pub fn stuck(&self) -> Option<Stuck> {
        self.lock().stuck.clone()
    }

    /// Checks every second until a loop is stuck. The process should then exit.
    pub async fn run(&self) -> Stuck {
        let mut ticks = tokio::time::interval(CHECK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Some(stuck) = self.check() {
                tracing::error!(%stuck, "watchdog");
                return stuck;
            }
        }
    }

    /// One check, a second after the one before.
    fn check(&self) -> Option<Stuck> {
        let mut inner = self.lock();
        let silent = |checks: u32| CHECK * checks;
        let stuck = inner.watched.values_mut().find_map(|watched| {
            let beats = watched.pulse.beats.load(Ordering::Relaxed);
            let (last, checks) = watched.last;
            let quiet = beats == last && !watched.pulse.idle.load(Ordering::Relaxed);
            watched.last = (beats, if quiet { checks.saturating_add(1) } else { 0 });
            let silent = silent(watched.last.1);
            (silent > watched.allowed).then(|| Stuck { name: watched.name.clone(), silent })
        });
        if stuck.is_some() {
            inner.stuck.clone_from(&stuck);
        }
        stuck
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls `on_stuck` from a thread of its own when the async runtime runs none of its tasks for `allowed`: for when every
/// worker thread is blocked and [`Watchdog::run`] does not run either. Call it inside the runtime. It watches until the
/// runtime ends.
pub fn watch_runtime(allowed: Duration, on_stuck: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let pulse = Arc::new(Pulse::default());
    let weak = Arc::downgrade(&pulse);
    tokio::spawn(async move {
        loop {
            pulse.beats.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(CHECK.min(allowed / 4)).await;
        }
    });
    let checks = (allowed.as_millis() / CHECK.min(allowed / 2).as_millis().max(1)).max(2);
    let pause = CHECK.min(allowed / 2);
    let watch = move || {
        let (mut last, mut quiet) = (0, 0);
        while quiet < checks {
            std::thread::sleep(pause);
            // The task, and with it the pulse, goes when the runtime does.
            let Some(pulse) = weak.upgrade() else { return };
            let beats = pulse.beats.load(Ordering::Relaxed);
            quiet = if beats == last { quiet + 1 } else { 0 };
            last = beats;
        }
        on_stuck();
    };
    std::thread::Builder::new().name("watchdog".to_owned()).spawn(watch).map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn checks(watchdog: &Watchdog, count: usize) -> Option<Stuck> {
        (0..count).find_map(|_| watchdog.check())
    }

    #[test]
    fn a_silent_loop_is_found_and_named() {
        let watchdog = Watchdog::default();
        let lively = watchdog.beat("lively", Duration::from_secs(1));
        let _silent = watchdog.beat("silent", Duration::from_secs(3));
        for _ in 0..3 {
            lively.alive();
            assert_eq!(watchdog.check(), None);
        }
        lively.alive();
        let stuck = watchdog.check().unwrap();
        assert_eq!((stuck.name.as_str(), stuck.silent), ("silent", Duration::from_secs(4)));
        assert_eq!(watchdog.stuck(), Some(stuck));
    }

    #[test]
    fn a_loop_that_finished_may_be_silent_and_one_that_died_may_not() {
        let watchdog = Watchdog::default();
        watchdog.beat("finished", Duration::from_secs(1)).finish();
        assert_eq!(checks(&watchdog, 10), None);
        drop(watchdog.beat("died", Duration::from_secs(1)));
        assert_eq!(checks(&watchdog, 10).unwrap().name, "died");
    }

    #[tokio::test]
    async fn waiting_for_work_is_no_silence_and_being_cancelled_ends_it() {
        let watchdog = Watchdog::default();
        let beat = watchdog.beat("worker", Duration::from_secs(1));
        beat.idle(async { assert_eq!(checks(&watchdog, 10), None) }).await;
        assert_eq!(watchdog.check(), None);
        let cancelled = tokio::time::timeout(Duration::ZERO, beat.idle(std::future::pending::<()>())).await;
        assert!(cancelled.is_err());
        assert_eq!(checks(&watchdog, 10).unwrap().name, "worker");
    }

    #[test]
    fn a_blocked_runtime_is_found_from_outside() {
        let (sender, receiver) = mpsc::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let on_stuck = move || sender.send(()).unwrap();
            watch_runtime(Duration::from_millis(100), on_stuck).unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            receiver.recv_timeout(Duration::from_secs(10)).unwrap();
        });
    }

    #[test]
    fn a_runtime_that_ended_is_not_stuck() {
        let (sender, receiver) = mpsc::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime
            .block_on(async { watch_runtime(Duration::from_millis(50), move || sender.send(()).unwrap()) })
            .unwrap();
        drop(runtime);
        // The sender is dropped unused when the thread ends.
        assert_eq!(receiver.recv_timeout(Duration::from_secs(10)), Err(mpsc::RecvTimeoutError::Disconnected));
    }
}
