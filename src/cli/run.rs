//! `tenure run`: the operator.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use kube::{Client, Config};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::connectors::fence::Fence;
use crate::controllers::engine::{Engine, Settings};
use crate::controllers::user::{Looker, flush};
use crate::controllers::{observe, passwords, summary};
use crate::runtime::events::Events;
use crate::runtime::health::{self, Health, Readiness};
use crate::runtime::index::WatchSet;
use crate::runtime::lease::{self, Ended, Lease, LeaseConfig, LeaseTiming, Standing, Validity};
use crate::runtime::logging::{self, LogFormat};
use crate::runtime::metrics::Metrics;
use crate::runtime::shutdown::Shutdown;
use crate::runtime::watchdog::{Watchdog, watch_runtime};

/// How long the process may seem stuck before it ends itself.
const STUCK: Duration = Duration::from_mins(1);

/// Options of `tenure run`. Each can be given by the environment too.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Namespace to serve; repeat for several. Without it all are served.
    #[arg(long = "namespace", env = "TENURE_NAMESPACES", value_delimiter = ',')]
    namespaces: Vec<String>,
    /// Where health and metrics are served: `/healthz`, `/readyz`, `/metrics`.
    #[arg(long, env = "TENURE_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Format of the log.
    #[arg(long, env = "TENURE_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    log_format: LogFormat,
    /// What is logged, in the syntax of `tracing`'s `EnvFilter`.
    #[arg(long, env = "TENURE_LOG", default_value = "info,kube_client::client::builder=off")]
    log: String,
    /// Permit plain http, and targets on this machine. For tests and trusted networks. The local link and the clouds'
    /// metadata services are never permitted.
    #[arg(long, env = "TENURE_ALLOW_INSECURE_TARGETS")]
    allow_insecure_targets: bool,
    /// How long a removal that follows from a changed rule, Role or binding, or from a deleted User, waits, so that a
    /// renamed manifest overtakes it; seconds.
    #[arg(long, env = "TENURE_SETTLE_SECONDS", default_value_t = 5)]
    settle_seconds: u64,
    /// How long the grant of a group or the like may wait for others of the same, so that one request makes them all;
    /// seconds. What is taken from an account in use waits a fifth of it.
    #[arg(long, env = "TENURE_LINGER_SECONDS", default_value_t = 5)]
    linger_seconds: u64,
    /// How often an App that answers is probed again; seconds.
    #[arg(long, env = "TENURE_PROBE_SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    probe_seconds: u64,
    /// Namespace of the Lease; by default the first one served, or else the one this runs in.
    #[arg(long, env = "TENURE_LEASE_NAMESPACE")]
    lease_namespace: Option<String>,
    /// Name of the Lease.
    #[arg(long, env = "TENURE_LEASE_NAME", default_value = "tenure")]
    lease_name: String,
    /// How long a silent leader is waited for, such as `30s`.
    #[arg(long, env = "TENURE_LEASE_DURATION", default_value = "30s", value_parser = duration)]
    lease_duration: Duration,
    /// How long the leader tries to renew before it ends itself. No request to a target may take longer than half of it.
    #[arg(long, env = "TENURE_RENEW_DEADLINE", default_value = "20s", value_parser = duration)]
    renew_deadline: Duration,
    /// Pause between two tries.
    #[arg(long, env = "TENURE_RETRY_PERIOD", default_value = "4s", value_parser = duration)]
    retry_period: Duration,
    /// Name of this replica in the Lease and in events.
    #[arg(long, env = "POD_NAME")]
    identity: Option<String>,
    /// How long work in hand may take after a request to end.
    #[arg(long, env = "TENURE_DRAIN", default_value = "20s", value_parser = duration)]
    drain: Duration,
}

/// Reads `500ms`, `30s`, `5m`.
fn duration(text: &str) -> Result<Duration, String> {
    let cure = || format!("{text:?} is no duration: give a number and a unit, such as 30s");
    let span: jiff::SignedDuration = text.parse().map_err(|_| cure())?;
    Duration::try_from(span).map_err(|_| cure())
}

/// The fence follows the lease.
struct FenceOfLease(Fence);

impl Validity for FenceOfLease {
    fn extend(&self, until: Instant) {
        self.0.extend(until);
    }

    fn close(&self) {
        self.0.close();
    }
}

/// Runs the operator until it is asked to end or loses the lease.
pub fn run(args: &RunArgs) -> Result<()> {
    logging::init(args.log_format, &args.log)?;
    super::install_tls()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(operate(args));
    // What still hangs must not keep a process that lost the lease alive.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

async fn operate(args: &RunArgs) -> Result<()> {
    let mut config = Config::infer().await.context("no kubeconfig, and not in a cluster")?;
    config.default_retry = false;
    config.headers.push((
        http::header::USER_AGENT,
        http::HeaderValue::from_static(concat!("tenure/", env!("CARGO_PKG_VERSION"))),
    ));
    let timing = LeaseTiming {
        lease_duration: args.lease_duration,
        renew_deadline: args.renew_deadline,
        retry_period: args.retry_period,
    };
    let identity = lease::identity(args.identity.as_deref());
    let namespace = args.lease_namespace.clone().or_else(|| args.namespaces.first().cloned());
    let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
    let lease_config = LeaseConfig { namespace, name: args.lease_name.clone(), timing };
    let (lease, standing) =
        Lease::new(lease_config, lease::client(config.clone(), &timing)?, identity.clone())?;

    let shutdown = Shutdown::on_signals().context("signals cannot be listened for")?;
    let fence = Fence::closed();
    let client = client(config)?;
    let engine = start(args, client, fence.clone(), standing, &identity).await?;
    watch_runtime(STUCK, || {
        eprintln!("tenure: the runtime is stuck; ending");
        std::process::exit(70);
    })?;

    let drained = CancellationToken::new();
    let mut election = tokio::spawn(lease.run(FenceOfLease(fence), drained.clone()));
    tokio::select! {
        () = shutdown.requested.cancelled() => {}
        ended = &mut election => return conclude(ended),
        stuck = engine.1.run() => bail!("{stuck}"),
    }
    tokio::select! {
        // Renewed until the last write is done.
        ended = &mut election => return conclude(ended),
        () = drain(&engine.0, &shutdown, args.drain) => {}
    }
    drained.cancel();
    conclude(election.await)
}

/// The client for everything but the lease. A watch that hangs is noticed by its own time-out.
fn client(mut config: Config) -> Result<Client> {
    config.connect_timeout = Some(Duration::from_secs(5));
    let client = Client::try_from(config).context("cannot make a Kubernetes client")?;
    Ok(client)
}

fn conclude(ended: Result<Ended, tokio::task::JoinError>) -> Result<()> {
    match ended {
        Ok(Ended::Released) => Ok(()),
        Ok(Ended::Lost(loss)) => bail!("the lease is lost: {loss}"),
        Err(error) => bail!("the election ended: {error}"),
    }
}

/// Starts everything; on a standby it keeps warm until it leads.
async fn start(
    args: &RunArgs,
    client: Client,
    fence: Fence,
    standing: watch::Receiver<Standing>,
    identity: &str,
) -> Result<(Arc<Engine>, Watchdog)> {
    let metrics = Metrics::new();
    let (events, publisher) = Events::new(metrics.clone());
    tokio::spawn(publisher.run(client.clone(), identity.to_owned()));
    let settings = Settings {
        settle: Duration::from_secs(args.settle_seconds),
        insecure_targets: args.allow_insecure_targets,
        longest_request: args.renew_deadline / 2,
        linger: Duration::from_secs(args.linger_seconds),
        probe_interval: Duration::from_secs(args.probe_seconds),
    };
    let (touch_sender, touches) = mpsc::unbounded_channel();
    let engine = Arc::new(Engine::new(
        settings,
        client.clone(),
        fence,
        metrics.clone(),
        events,
        standing,
        touch_sender,
    ));
    let (change_sender, changes) = mpsc::unbounded_channel();
    let watches = WatchSet {
        fleet: engine.fleet.clone(),
        watching: engine.watching.clone(),
        changes: change_sender,
        namespaces: args.namespaces.clone(),
    };
    watches.start(&client, &engine.stop);
    let watchdog = Watchdog::default();
    let readiness = Readiness::default();
    let listener =
        TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    let health = Health { readiness: readiness.clone(), watchdog: watchdog.clone(), metrics };
    tokio::spawn(health::serve(listener, health, engine.stop.clone()));
    tokio::spawn(Looker::new(engine.clone()).run(changes, touches, watchdog.beat("decisions", STUCK)));
    tokio::spawn(flush::run(engine.clone()));
    tokio::spawn(summary::run(engine.clone()));
    tokio::spawn(passwords::keeper::run(engine.clone(), args.namespaces.clone()));
    tokio::spawn(observe::run(engine.clone(), readiness.gate("lists", "waiting for the first lists")));
    Ok((engine, watchdog))
}

/// Starts nothing new, finishes what is under way, stores what is known.
async fn drain(engine: &Engine, shutdown: &Shutdown, bound: Duration) {
    engine.stop.cancel();
    let drained = shutdown.drain(&engine.tasks, bound).await;
    tracing::info!(?drained, "work has ended");
    engine.recorder.hurry();
    let stored = async {
        while !engine.recorder.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(bound, stored).await.is_err() {
        tracing::warn!("not every status could be stored; what is missing will be found by looking");
    }
}
