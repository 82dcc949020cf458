//! Leader election on a `coordination.k8s.io/v1` Lease, as client-go does it, made safe for writes outside the cluster.
//!
//! One replica may write to apps at a time. Losing the Lease cannot call back a request that is on its way, so this
//! module does not tell whether the process leads but *until when* it may write, on its own monotonic clock
//! ([`Validity::extend`]); whoever sends a request compares that instant with the request's own time-out at the last
//! moment. `core` has the rules and why they suffice.
//!
//! See <https://pkg.go.dev/k8s.io/client-go/tools/leaderelection> and the Lease API,
//! <https://kubernetes.io/docs/concepts/architecture/leases/>. RBAC: `get` and `update` on the named Lease, `create`.

mod core;
mod record;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1 as coordination;
use kube::api::{Api, PostParams};
use kube::{Client, Config};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::core::Loss;
use self::core::{Decision, Election, Observation};

/// How long things take. All by monotonic clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTiming {
    /// How long a candidate sees a record unchanged before it takes the Lease. At least 2 s.
    pub lease_duration: Duration,
    /// How long after a renewal was sent its holder may write.
    pub renew_deadline: Duration,
    /// Time between two attempts to renew or to take the Lease.
    pub retry_period: Duration,
}

impl Default for LeaseTiming {
    fn default() -> Self {
        Self {
            lease_duration: Duration::from_secs(30),
            renew_deadline: Duration::from_secs(20),
            retry_period: Duration::from_secs(4),
        }
    }
}

/// Timings with which election would not be safe or not live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimingError {
    /// One second is how a released Lease is told.
    #[error("the lease duration must be at least 2s")]
    TooShort,
    /// A holder must have stopped before another may start.
    #[error("the lease duration must be longer than the renew deadline")]
    Overlap,
    /// A holder must be able to try more than once.
    #[error("the renew deadline must be longer than 1.2 times the retry period, and that longer than zero")]
    NoRetry,
}

impl LeaseTiming {
    /// How far the retry period is stretched at most, so that candidates do not move in step.
    const JITTER: f64 = 0.2;

    /// Checks that the lease outlasts the deadline and the deadline outlasts a retry.
    pub fn validate(&self) -> Result<(), TimingError> {
        if self.lease_duration < Duration::from_secs(2) {
            return Err(TimingError::TooShort);
        }
        if self.lease_duration <= self.renew_deadline {
            return Err(TimingError::Overlap);
        }
        if self.retry_period.is_zero() || self.renew_deadline <= self.retry_period.mul_f64(1.0 + Self::JITTER)
        {
            return Err(TimingError::NoRetry);
        }
        Ok(())
    }

    /// How long one request may take: short enough for several in a renew deadline.
    pub fn call_timeout(&self) -> Duration {
        (self.renew_deadline / 4).min(Duration::from_secs(5))
    }

    fn jittered(mut self, random: f64) -> Self {
        self.retry_period = self.retry_period.mul_f64(1.0 + Self::JITTER * random.clamp(0.0, 1.0));
        self
    }
}

/// Which Lease, and how.
#[derive(Clone, Debug)]
pub struct LeaseConfig {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Timings.
    pub timing: LeaseTiming,
}

/// Who is told until when this process may write. Called from the election's task; must not block.
pub trait Validity: Send + Sync {
    /// Writes may be sent if they end before `until`.
    fn extend(&self, until: Instant);

    /// No write may start any more. When this returns, the Lease may be handed on.
    fn close(&self);
}

/// Where this process stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Another process holds the Lease, or it is not known who does.
    Standby {
        /// The holder's identity, if known.
        holder: Option<String>,
    },
    /// This process holds the Lease and may write from the given instant, as whoever held it before may not know yet.
    Waiting {
        /// When writing begins.
        from: Instant,
    },
    /// This process may write.
    Leading {
        /// Until when, unless renewed.
        until: Instant,
    },
    /// The election is over for this process.
    Ended,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standby { holder: None } => f.write_str("standby, the holder is not known"),
            Self::Standby { holder: Some(holder) } => write!(f, "standby of {holder}"),
            Self::Waiting { from } => {
                let wait = from.saturating_duration_since(Instant::now()).as_secs_f64();
                write!(f, "holds a new lease, writes in {wait:.1} s")
            }
            Self::Leading { .. } => f.write_str("leading"),
            Self::Ended => f.write_str("ended"),
        }
    }
}

/// How an election ended for this process. After `Lost` the process must exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Let go of after draining, or never held.
    Released,
    /// Lost while it was held.
    Lost(Loss),
}

/// A client for the Lease alone: no retries and short time-outs, for a write that sleeps in a retry fires when the Lease
/// is long lost, and a pooled connection of its own, for the shared one may be busy with a relist.
pub fn client(mut config: Config, timing: &LeaseTiming) -> Result<Client, kube::Error> {
    config.default_retry = false;
    config.connect_timeout = Some(timing.call_timeout());
    Client::try_from(config)
}

/// A name for this process that no other process ever has: `POD_NAME` (or else the host name) and a random part.
pub fn identity(pod_name: Option<&str>) -> String {
    let host =
        || std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "tenure".to_owned());
    let name = pod_name.filter(|name| !name.is_empty()).map_or_else(host, str::to_owned);
    format!("{}_{}", name.trim(), uuid::Uuid::new_v4())
}

/// One process's part in the election.
pub struct Lease {
    api: Api<coordination::Lease>,
    name: String,
    identity: String,
    timing: LeaseTiming,
    election: Election,
    object: Option<coordination::Lease>,
    standing: watch::Sender<Standing>,
}

impl Lease {
    /// Takes part under `identity` ([`identity`]) with a client made by [`client`]. The receiver follows the standing.
    pub fn new(
        config: LeaseConfig,
        client: Client,
        identity: String,
    ) -> Result<(Self, watch::Receiver<Standing>), TimingError> {
        config.timing.validate()?;
        let (standing, receiver) = watch::channel(Standing::Standby { holder: None });
        let timing = config.timing.jittered(rand::random());
        let lease = Self {
            api: Api::namespaced(client, &config.namespace),
            name: config.name,
            election: Election::new(identity.clone(), timing, Instant::now()),
            identity,
            timing,
            object: None,
            standing,
        };
        Ok((lease, receiver))
    }

    /// Takes and keeps the Lease until it is lost or `drained` is cancelled: then, with the validity closed, it is
    /// released, so that a standby need not wait. Cancel `drained` only when no write is in flight.
    pub async fn run(mut self, validity: impl Validity, drained: CancellationToken) -> Ended {
        let mut decision = self.election.step(Observation::Tick, Instant::now());
        loop {
            if let Decision::Stop(loss) = decision {
                validity.close();
                tracing::error!(%loss, "leadership lost");
                self.standing.send_replace(Standing::Ended);
                return Ended::Lost(loss);
            }
            self.publish(&validity);
            let observation = tokio::select! {
                biased;
                () = drained.cancelled() => None,
                observation = self.perform(&decision) => Some(observation),
            };
            let Some(observation) = observation else {
                let entitled = self.election.valid_until(Instant::now()).is_some();
                validity.close();
                self.standing.send_replace(Standing::Ended);
                if entitled {
                    self.release().await;
                }
                return Ended::Released;
            };
            decision = self.election.step(observation, Instant::now());
        }
    }

    fn publish(&self, validity: &impl Validity) {
        let now = Instant::now();
        let standing = match (self.election.valid_until(now), self.election.writes_from()) {
            (Some(until), _) => {
                validity.extend(until);
                Standing::Leading { until }
            }
            (None, Some(from)) => Standing::Waiting { from },
            (None, None) => Standing::Standby { holder: self.election.holder().map(str::to_owned) },
        };
        self.standing.send_if_modified(|last| {
            let changed = *last != standing;
            if std::mem::discriminant(last) != std::mem::discriminant(&standing) {
                tracing::info!(identity = %self.identity, "leader election: {standing}");
            }
            *last = standing;
            changed
        });
    }

    async fn perform(&mut self, decision: &Decision) -> Observation {
        match decision {
            Decision::Wait(until) => {
                tokio::time::sleep_until((*until).into()).await;
                Observation::Tick
            }
            Decision::Read => self.read().await,
            Decision::Create => {
                let lease = record::create(&self.name, &self.identity, &self.timing);
                self.write(lease, true).await
            }
            Decision::Write => {
                match self.object.as_ref().map(|o| record::claim(o, &self.identity, &self.timing)) {
                    Some(lease) => self.write(lease, false).await,
                    None => Observation::Conflict,
                }
            }
            Decision::Stop(_) => Observation::Failed,
        }
    }

    async fn read(&mut self) -> Observation {
        match self.call(self.api.get_opt(&self.name)).await {
            Some(Ok(object)) => {
                let record = object.as_ref().map(record::read);
                self.object = object;
                Observation::Read(record)
            }
            Some(Err(error)) => failed(&error),
            None => Observation::Failed,
        }
    }

    async fn write(&mut self, lease: coordination::Lease, new: bool) -> Observation {
        let params = PostParams::default();
        let sent = Instant::now();
        let result = if new {
            self.call(self.api.create(&params, &lease)).await
        } else {
            self.call(self.api.replace(&self.name, &params, &lease)).await
        };
        match result {
            Some(Ok(object)) => {
                let record = record::read(&object);
                self.object = Some(object);
                Observation::Written { record, sent }
            }
            Some(Err(kube::Error::Api(status))) if status.is_conflict() || status.is_already_exists() => {
                Observation::Conflict
            }
            // A PUT finds nothing when the Lease was deleted; a POST, when its namespace was.
            Some(Err(kube::Error::Api(status))) if status.is_not_found() && !new => Observation::Conflict,
            Some(Err(error)) => failed(&error),
            None => Observation::Failed,
        }
    }

    /// Lets go of the Lease if it is still as it was last seen. Failing to is harmless: it then expires.
    async fn release(&mut self) {
        for _ in 0..2 {
            let Some(object) = self.object.as_ref().filter(|o| record::holder(o) == Some(&self.identity))
            else {
                return;
            };
            let lease = record::release(object);
            match self.call(self.api.replace(&self.name, &PostParams::default(), &lease)).await {
                Some(Err(kube::Error::Api(status))) if status.is_conflict() => self.read().await,
                _ => return,
            };
        }
    }

    /// Runs a request for as long as the election can wait for it; `None` if it took longer.
    async fn call<T>(&self, request: impl Future<Output = T>) -> Option<T> {
        let patience = self.election.patience(Instant::now());
        tokio::time::timeout(patience, request)
            .await
            .inspect_err(|_| tracing::warn!("lease request timed out"))
            .ok()
    }
}

fn failed(error: &kube::Error) -> Observation {
    tracing::warn!(%error, "lease request failed");
    Observation::Failed
}
