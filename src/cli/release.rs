//! `tenure release`: the way out. Lets go of every User, and prints what the ledgers said.

use anyhow::{Context, Result};
use clap::Args;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject};
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
        // Not decoded: the way out must be open for what this version cannot read, too.
        let kind = ApiResource::erase::<User>(&());
        let scopes: Vec<Api<DynamicObject>> = if args.namespaces.is_empty() {
            vec![Api::all_with(client.clone(), &kind)]
        } else {
            args.namespaces.iter().map(|n| Api::namespaced_with(client.clone(), n, &kind)).collect()
        };
        for api in scopes {
            release(&client, &api, args.dry_run).await?;
        }
        Ok(())
    })
}

async fn release(client: &Client, api: &Api<DynamicObject>, dry_run: bool) -> Result<()> {
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

async fn let_go(client: &Client, user: &DynamicObject, dry_run: bool) -> Result<()> {
    let (name, namespace) = (user.name_any(), user.namespace().unwrap_or_default());
    let person_id = &user.data["spec"]["personId"];
    let accounts = user.data["status"]["accounts"].as_array().cloned().unwrap_or_default();
    println!(
        "{}",
        json!({"namespace": namespace, "user": name, "personId": person_id, "accounts": accounts})
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
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), &namespace, &ApiResource::erase::<User>(&()));
    match api.patch(&name, &PatchParams::default(), &Patch::Json::<()>(patch)).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        outcome => outcome
            .map(drop)
            .with_context(|| format!("User {namespace}/{name} could not be let go of; run again")),
    }
}
