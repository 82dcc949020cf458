//! `tenure run`: the operator.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use kube::{Client, Config};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connectors::fence::Fence;
use crate::controllers::engine::{Engine, Settings};
use crate::controllers::summary::{self, Summaries};
use crate::controllers::user::guard::Guard;
use crate::controllers::user::record::Recorder;
use crate::controllers::user::store::Store;
use crate::controllers::user::{Looker, flush};
use crate::runtime::events::Events;
use crate::runtime::health::{self, Readiness};
use crate::runtime::index::{Fleet, WatchSet, Watching};
use crate::runtime::lease::{self, Lease, LeaseConfig};
use crate::runtime::logging::{self, LogFormat};
use crate::runtime::metrics::Metrics;
use crate::runtime::shutdown;
use crate::runtime::watchdog::Watchdog;

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
    /// What is logged, in the syntax of `tracing`'s EnvFilter.
    #[arg(long, env = "TENURE_LOG", default_value = "info")]
    log: String,
    /// Permit plain http and targets on this machine or its link-local network. For tests and trusted networks.
    #[arg(long, env = "TENURE_ALLOW_INSECURE_TARGETS")]
    allow_insecure_targets: bool,
    /// How long a removal that follows from a changed rule, Role or binding, or from a deleted User, waits, so that a
    /// renamed manifest overtakes it; seconds.
    #[arg(long, env = "TENURE_SETTLE_SECONDS", default_value_t = 5)]
    settle_seconds: u64,
    /// How often an App that answers is probed again; seconds.
    #[arg(long, env = "TENURE_PROBE_SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    probe_seconds: u64,
    /// Namespace of the Lease; by default the one this runs in, or the first one served.
    #[arg(long, env = "TENURE_LEASE_NAMESPACE")]
    lease_namespace: Option<String>,
    /// Name of the Lease.
    #[arg(long, env = "TENURE_LEASE_NAME", default_value = "tenure")]
    lease_name: String,
    /// How long a silent leader is waited for, such as `30s`.
    #[arg(long, env = "TENURE_LEASE_DURATION", default_value = "30s", value_parser = seconds)]
    lease_duration: Duration,
    /// How long the leader tries to renew before it ends itself.
    #[arg(long, env = "TENURE_RENEW_DEADLINE", default_value = "20s", value_parser = seconds)]
    renew_deadline: Duration,
    /// Pause between two tries.
    #[arg(long, env = "TENURE_RETRY_PERIOD", default_value = "4s", value_parser = seconds)]
    retry_period: Duration,
    /// Name of this replica in the Lease and in events.
    #[arg(long, env = "POD_NAME")]
    identity: Option<String>,
    /// How long work in hand may take after a request to end.
    #[arg(long, env = "TENURE_DRAIN", default_value = "20s", value_parser = seconds)]
    drain: Duration,
}

/// Reads `500ms`, `30s`, `5m`.
fn seconds(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|_| format!("{text:?} is no duration: give a number and a unit, such as 30s"))?;
    Duration::try_from(span).map_err(|_| "a duration cannot be negative".to_owned())
}

/// Runs the operator until it is asked to end or loses the lease.
pub fn run(args: RunArgs) -> Result<()> {
    logging::init(args.log_format, &args.log)?;
    rustls::crypto::ring::default_provider().install_default().map_err(|_| anyhow!("the TLS provider is installed twice"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let outcome = runtime.block_on(operate(args));
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

async fn operate(args: RunArgs) -> Result<()> {
    let config = Config::infer().await.context("no kubeconfig, and not in a cluster")?;
    let lease_namespace = args
        .lease_namespace
        .clone()
        .or_else(|| args.namespaces.first().cloned())
        .unwrap_or_else(|| config.default_namespace.clone());
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let fence = Fence::closed();
    let (leading_sender, leading) = watch::channel(false);
    let metrics = Metrics::new();
    let readiness = Readiness::default();
    let watchdog = Watchdog::start();
    let (engine, looker) = assemble(&args, &config, fence.clone(), metrics.clone(), leading, stop.clone(), tasks.clone())?;
    let server = health::serve(args.listen, readiness.clone(), metrics.clone(), watchdog.clone(), stop.clone()).await?;
    tokio::spawn(server);
    tokio::spawn(looker);
    tokio::spawn(flush::run(engine.clone()));
    tokio::spawn(summary::run(engine.clone()));
    tokio::spawn(observe(engine.clone(), readiness, watchdog.beat("runtime", Duration::from_secs(60))));
    let lease = Lease::new(lease_config(&args, lease_namespace)?, without_retries(&config)?);
    let outcome = tokio::select! {
        () = shutdown::requested() => None,
        lost = lead(&lease, &fence, &leading_sender, &engine) => Some(lost),
    };
    if let Some(lost) = outcome {
        // Ends at once: another replica may be writing already.
        fence.close();
        return Err(anyhow!("the lease is lost: {lost}"));
    }
    drain(&engine, &tasks, args.drain).await;
    fence.close();
    lease.release().await;
    Ok(())
}
