//! `tenure orphans`: every account in use of an App that is in no ledger, as a file.

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::api::sweep::Stray;
use crate::api::{App, AppBinding, AppSpec, Mode, Role};
use crate::connectors::Connector;
use crate::connectors::fence::Fence;
use crate::connectors::gate::{Gate, GateConfig};
use crate::controllers::app::connect::{self, Connected, Surroundings};
use crate::controllers::app::sweep::{Scope, State, prefix};
use crate::controllers::user::decide::{self, Departure};
use crate::converge::Lane;
use crate::converge::sweep::Named;
use crate::runtime::index::{Fleet, Key, Name, RawUser, StoredPerson};

/// Objects a page.
const PAGE: u32 = 500;

/// Options of `tenure orphans`.
#[derive(Args, Debug)]
pub struct OrphansArgs {
    /// Name of the App.
    app: String,
    /// Namespace of the App.
    #[arg(long, short)]
    namespace: String,
    /// Where to write; standard output by default.
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Permit plain http, and targets on this machine.
    #[arg(long)]
    allow_insecure_targets: bool,
}

/// Lists the accounts of an App and writes those in use that are in no ledger, one line of JSON each: id, login, what it
/// is, whether it bears our marker, and whose it seems to be. Reads only, with the App's own credentials and limits.
///
/// Fails where the listing could not prove that it is complete; what was written is true even then, but not all.
pub fn run(args: &OrphansArgs) -> Result<()> {
    super::install_tls()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let out: Box<dyn Write> = match &args.output {
        Some(path) => {
            Box::new(File::create(path).with_context(|| format!("cannot write {}", path.display()))?)
        }
        None => Box::new(io::stdout()),
    };
    runtime.block_on(write(args, BufWriter::new(out)))
}

async fn write(args: &OrphansArgs, mut out: impl Write) -> Result<()> {
    let client = Client::try_default().await.context("no kubeconfig, and not in a cluster")?;
    let namespace = Name::from(args.namespace.as_str());
    let fleet = read(&client, &namespace).await?;
    let spec = fleet.read(&namespace, |ns| ns.apps.get(args.app.as_str()).and_then(|app| app.spec.clone()));
    let Some(spec) = spec.flatten() else {
        bail!("App {} does not exist in namespace {namespace}, or cannot be decoded", args.app);
    };
    let connected = connect(args, client, &spec).await?;
    let key = Key::new(namespace, args.app.as_str());
    let state = State::default();
    let decide = |person: &Key| {
        let found = fleet.read(&person.namespace, |ns| {
            let person = ns.user(&person.name)?.load(person.clone())?;
            Some(decide::decide_in(ns, person, Departure::default(), Timestamp::now(), Some(&args.app)))
        });
        found.flatten()
    };
    let scope = Scope {
        fleet: &fleet,
        key: &key,
        target: &connected.target,
        prefix: prefix(&spec),
        decide: &decide,
        under_way: &|_| false,
        held: &|_| false,
        state: &state,
        named: &Named::default(),
    };
    let mut problem = None;
    let line = |stray: &Stray| {
        let written =
            serde_json::to_string(stray).map_err(io::Error::from).and_then(|line| writeln!(out, "{line}"));
        problem = problem.take().or_else(|| written.err());
    };
    let connector = connected.connector.with_lane(Lane::Verify);
    let found = scope.sweep(&connector, line).await;
    out.flush()?;
    problem.map_or(Ok(()), Err)?;
    let (found, _) = found.map_err(|broken| anyhow!("not all accounts were listed: {}", broken.message))?;
    eprintln!("{} of {} accounts are in use and in no ledger", found.strays_total, found.accounts);
    Ok(())
}

/// The connector, through which nothing can be changed.
async fn connect(args: &OrphansArgs, client: Client, spec: &AppSpec) -> Result<Connected> {
    let around = Surroundings {
        client,
        fence: Fence::closed(),
        insecure_targets: args.allow_insecure_targets,
        longest_request: Duration::from_secs(10),
        meter: Arc::new(|_| {}),
    };
    let gate = Gate::new(GateConfig {
        requests_per_second: spec.limits.requests_per_second,
        concurrency: Some(spec.limits.concurrency),
    });
    // Nothing is tried out either.
    let spec = AppSpec { mode: Mode::DryRun, ..spec.clone() };
    let connected = connect::connect(&around, &args.namespace, &spec, gate, CancellationToken::new()).await;
    let connected = connected.map_err(|(reason, message)| anyhow!("{reason}: {message}"))?;
    connected.connector.probe().await?;
    Ok(connected)
}

/// All of a namespace that decisions need.
async fn read(client: &Client, namespace: &Name) -> Result<Fleet> {
    let fleet = Fleet::default();
    each::<Role>(client, namespace, |name, role| {
        fleet.write(namespace, |ns| ns.put_role(name, role, 0));
    })
    .await?;
    each::<App>(client, namespace, |name, app| {
        fleet.write(namespace, |ns| ns.put_app(name, app, 0));
    })
    .await?;
    each::<AppBinding>(client, namespace, |name, binding| {
        fleet.write(namespace, |ns| ns.put_binding(name, binding, 0));
    })
    .await?;
    let mut undecodable = 0;
    each::<RawUser>(client, namespace, |name, user| match StoredPerson::from_raw(user) {
        Ok(person) => {
            fleet.write(namespace, |ns| ns.put_user(name, person, None));
        }
        Err(_) => undecodable += 1,
    })
    .await?;
    if undecodable > 0 {
        bail!("{undecodable} Users cannot be decoded: whose accounts are in no ledger cannot be told");
    }
    Ok(fleet)
}

async fn each<K>(client: &Client, namespace: &str, mut take: impl FnMut(&Name, K)) -> Result<()>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Debug,
{
    let api = Api::<K>::namespaced(client.clone(), namespace);
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = api.list(&params).await.with_context(|| format!("{} cannot be listed", K::plural(&())))?;
        for object in page.items {
            take(&Name::from(object.name_any()), object);
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(()),
        }
    }
}
