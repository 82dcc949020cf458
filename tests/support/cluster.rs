//! What tests ask of a running cluster: namespaces, identities, CRDs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind, ObjectMeta};
use kube::{Client, ResourceExt};
use rand::Rng;

use super::control_plane::ControlPlane;
use super::{eventually, repository};

impl ControlPlane {
    /// Makes a namespace whose name begins with `prefix` and is nobody else's; returns the name.
    pub async fn namespace(&self, prefix: &str) -> String {
        let name = format!("{prefix}-{:08x}", rand::rng().random::<u32>());
        let namespace = Namespace {
            metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        let api = Api::<Namespace>::all(self.client().await);
        api.create(&PostParams::default(), &namespace).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        name
    }

    /// Makes a service account.
    pub async fn service_account(&self, namespace: &str, name: &str) {
        let account = ServiceAccount {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            ..ServiceAccount::default()
        };
        let api = Api::<ServiceAccount>::namespaced(self.client().await, namespace);
        api.create(&PostParams::default(), &account).await.unwrap_or_else(|e| panic!("{name}: {e}"));
    }

    pub(super) async fn service_account_exists(&self, namespace: &str, name: &str) -> Result<(), String> {
        let api = Api::<ServiceAccount>::namespaced(self.client().await, namespace);
        api.get(name).await.map(|_| ()).map_err(|e| e.to_string())
    }

    /// A kubeconfig with which an existing service account, and nobody more, speaks; through the relay.
    pub async fn kubeconfig_for_service_account(&self, namespace: &str, name: &str) -> PathBuf {
        let request = TokenRequest {
            spec: Some(TokenRequestSpec { expiration_seconds: Some(36_000), ..TokenRequestSpec::default() }),
            ..TokenRequest::default()
        };
        let api = Api::<ServiceAccount>::namespaced(self.client().await, namespace);
        let answer = api
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .unwrap_or_else(|e| panic!("a token for {namespace}/{name}: {e}"));
        let user = serde_json::json!({ "token": answer.status.expect("a token").token });
        self.write_kubeconfig(&format!("{namespace}.{name}"), self.relay().port(), &user)
    }

    /// Applies every manifest of `crds/` and waits until all kinds can be listed.
    ///
    /// May be called by every test of a shared control plane: applying the same again changes nothing.
    pub async fn install_crds(&self) {
        self.install_crds_from(&repository("crds")).await;
    }

    /// As [`Self::install_crds`], from another folder.
    pub async fn install_crds_from(&self, folder: &Path) {
        let _one_at_a_time = self.installing.lock().await;
        let client = self.client().await;
        let crds = read_crds(folder);
        assert!(!crds.is_empty(), "{} holds no manifest: run `make generate`", folder.display());
        futures::future::join_all(crds.iter().map(|crd| apply_crd(&client, crd))).await;
        futures::future::join_all(crds.iter().map(|crd| await_served(&client, crd))).await;
    }
}

fn read_crds(folder: &Path) -> Vec<CustomResourceDefinition> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "yaml" || e == "yml"));
    files.sort();
    let mut crds = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let documents: Vec<CustomResourceDefinition> =
            serde_saphyr::from_multiple(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        crds.extend(documents);
    }
    crds
}

async fn apply_crd(client: &Client, crd: &CustomResourceDefinition) {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    let how = PatchParams::apply("tenure-tests").force();
    let name = crd.name_any();
    api.patch(&name, &how, &Patch::Apply(crd)).await.unwrap_or_else(|e| panic!("{name}: {e}"));
}

/// `Established` is not enough: for a moment after it a list still answers 404 or 429.
async fn await_served(client: &Client, crd: &CustomResourceDefinition) {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    let name = crd.name_any();
    eventually(Duration::from_secs(30), async || {
        let now = api.get(&name).await.map_err(|e| e.to_string())?;
        let conditions = now.status.and_then(|s| s.conditions).unwrap_or_default();
        if conditions.iter().any(|c| c.type_ == "Established" && c.status == "True") {
            Ok(())
        } else {
            Err(format!("{name} is not established"))
        }
    })
    .await;
    let spec = &crd.spec;
    for version in spec.versions.iter().filter(|v| v.served) {
        let kind = GroupVersionKind::gvk(&spec.group, &version.name, &spec.names.kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, &spec.names.plural);
        let objects = Api::<DynamicObject>::all_with(client.clone(), &resource);
        eventually(Duration::from_secs(30), async || {
            let listed = objects.list(&ListParams::default().limit(1)).await;
            listed.map(|_| ()).map_err(|e| format!("{name}: {e}"))
        })
        .await;
    }
}
