//! `tenure release`: the way out. Lets go of every User, and prints what the ledgers said.

use anyhow::{Context, Result};
use clap::Args;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use crate::api::{FINALIZER, User};

/// Options of `tenure release`.
#[derive(Args, Debug)]
pub struct ReleaseArgs {
    /// Namespace to let go of; repeat for several. Without it, every namespace.
    #[arg(long = "namespace")]
    namespaces: Vec<String>,
    /// Print the ledgers, change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Takes Tenure's finalizer off Users and prints each ledger as one line of JSON, before it could be lost.
///
/// Accounts stay as they are. Stop the operator first: it would take hold again.
pub fn run(args: &ReleaseArgs) -> Result<()> {
    super::install_tls()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let client = Client::try_default().await.context("no kubeconfig, and not in a cluster")?;
        let scopes: Vec<Api<User>> = if args.namespaces.is_empty() {
            vec![Api::all(client.clone())]
        } else {
            args.namespaces.iter().map(|n| Api::namespaced(client.clone(), n)).collect()
        };
        for api in scopes {
            release(&client, &api, args.dry_run).await?;
        }
        Ok(())
    })
}

async fn release(client: &Client, api: &Api<User>, dry_run: bool) -> Result<()> {
    let mut params = ListParams::default().limit(500);
    loop {
        let page = api.list(&params).await.context("Users cannot be listed")?;
        for user in page.items {
            if user.finalizers().iter().any(|f| f == FINALIZER) {
                let_go(client, &user, dry_run).await?;
            }
        }
        match page.metadata.continue_ {
            Some(token) if !token.is_empty() => params = params.continue_token(&token),
            _ => return Ok(()),
        }
    }
}

async fn let_go(client: &Client, user: &User, dry_run: bool) -> Result<()> {
    let (name, namespace) = (user.name_any(), user.namespace().unwrap_or_default());
    let accounts = user.status.as_ref().map(|s| s.accounts.clone()).unwrap_or_default();
    println!(
        "{}",
        json!({"namespace": namespace, "user": name, "personId": user.spec.person_id, "accounts": accounts})
    );
    if dry_run {
        return Ok(());
    }
    let finalizers: Vec<_> = user.finalizers().iter().filter(|f| *f != FINALIZER).collect();
    let patch = json!([
        {"op": "test", "path": "/metadata/finalizers", "value": user.finalizers()},
        {"op": "add", "path": "/metadata/finalizers", "value": finalizers},
    ]);
    let patch: json_patch::Patch = serde_json::from_value(patch)?;
    let api = Api::<User>::namespaced(client.clone(), &namespace);
    api.patch(&name, &PatchParams::default(), &Patch::Json::<()>(patch))
        .await
        .with_context(|| format!("User {namespace}/{name} could not be let go of; run again"))?;
    Ok(())
}
