//! A namespace with an operator and manifests in it: what most tests begin with.

use std::path::Path;
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use super::operator::Builder;
use super::{ControlPlane, Operator, ScimServer, eventually};

/// How long anything is waited for.
pub const SOON: Duration = Duration::from_mins(1);

/// A namespace of one test.
pub struct Scene {
    /// The control plane.
    pub plane: &'static ControlPlane,
    /// The namespace.
    pub namespace: String,
    client: kube::Client,
}

impl Scene {
    /// A new namespace on the shared control plane, with the definitions installed.
    pub async fn new(prefix: &str) -> Self {
        Self::on(ControlPlane::shared().await, prefix).await
    }

    /// The same on a control plane of the test's own.
    pub async fn on(plane: &'static ControlPlane, prefix: &str) -> Self {
        plane.install_crds().await;
        let namespace = plane.namespace(prefix).await;
        Self { plane, namespace, client: plane.client().await }
    }

    /// An operator for this namespace, not started.
    pub fn operator(&self) -> Builder {
        self.operator_with(self.plane.kubeconfig_path())
    }

    /// The same with another kubeconfig.
    pub fn operator_with(&self, kubeconfig: &Path) -> Builder {
        self.bare_operator(kubeconfig).short_lease()
    }

    /// One whose lease outlasts a restart of the API server.
    pub fn patient_operator(&self) -> Builder {
        let lease = ["--lease-duration", "20s", "--renew-deadline", "15s", "--retry-period", "500ms"];
        self.bare_operator(self.plane.kubeconfig_path()).args(lease)
    }

    fn bare_operator(&self, kubeconfig: &Path) -> Builder {
        Operator::builder(kubeconfig, &self.namespace).args(["--settle-seconds", "2"])
    }

    /// Objects of a kind of ours, or of `v1` for Secrets and events.
    pub fn api(&self, kind: &str) -> Api<DynamicObject> {
        let gvk = match kind {
            "Secret" | "Event" | "ConfigMap" => GroupVersionKind::gvk("", "v1", kind),
            "Lease" => GroupVersionKind::gvk("coordination.k8s.io", "v1", kind),
            _ => GroupVersionKind::gvk("tenure.dev", "v1alpha1", kind),
        };
        Api::namespaced_with(self.client.clone(), &self.namespace, &ApiResource::from_gvk(&gvk))
    }

    /// Applies an object of a kind of ours: its name and spec.
    pub async fn apply(&self, kind: &str, name: &str, spec: Value) {
        self.try_apply(kind, name, spec).await.unwrap_or_else(|e| panic!("{kind} {name}: {e}"));
    }

    /// The same, where a refusal is of interest.
    pub async fn try_apply(&self, kind: &str, name: &str, spec: Value) -> Result<(), kube::Error> {
        let object = json!({"apiVersion": "tenure.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        let params = PatchParams::apply("test").force();
        self.api(kind).patch(name, &params, &Patch::Apply(&object)).await.map(drop)
    }

    /// Merges a patch into an object.
    pub async fn merge(&self, kind: &str, name: &str, patch: Value) {
        self.api(kind)
            .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap_or_else(|e| panic!("{kind} {name}: {e}"));
    }

    /// A Secret with credentials.
    pub async fn secret(&self, name: &str, key: &str, value: &str) {
        self.secret_of(name, &[(key, value)]).await;
    }

    /// The same with several keys.
    pub async fn secret_of(&self, name: &str, data: &[(&str, &str)]) {
        let data: std::collections::BTreeMap<_, _> = data.iter().copied().collect();
        let object = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name, "labels": {"tenure.dev/credentials": ""}},
            "stringData": data,
        });
        let params = PatchParams::apply("test").force();
        self.api("Secret").patch(name, &params, &Patch::Apply(&object)).await.unwrap();
    }

    /// An App at this base URL, with its Secret. `extra` is merged over the spec.
    pub async fn app(&self, name: &str, base_url: &str, token: &str, extra: Value) {
        self.secret(name, "token", token).await;
        let mut spec = json!({"connector": {"scim": {
            "baseUrl": base_url,
            "auth": {"bearer": {"tokenSecretRef": {"name": name, "key": "token"}}},
            "groupCreation": "OnDemand",
        }}});
        json_patch::merge(&mut spec, &extra);
        self.apply("App", name, spec).await;
    }

    /// A SCIM server and an App of the same name that points to it.
    pub async fn scim_app(&self, name: &str, extra: Value) -> ScimServer {
        let server = ScimServer::start(super::scim_server::Config {
            token: format!("canary-{name}-token"),
            ..Default::default()
        })
        .await;
        self.app(name, &server.base_url(), server.token(), extra).await;
        server
    }

    /// A Role that grants an account in an App, with these groups.
    pub async fn role_for(&self, role: &str, spec: Value, app: &str, groups: &[&str]) {
        self.apply("Role", role, spec).await;
        let entitlements: Vec<_> = groups.iter().map(|g| json!({"type": "group", "value": g})).collect();
        let spec = json!({"roleRef": {"name": role}, "appRef": {"name": app}, "entitlements": entitlements});
        self.apply("AppBinding", &format!("{role}-{app}"), spec).await;
    }

    /// A User. `extra` is merged over a minimal spec with the roles named.
    pub async fn user(&self, name: &str, roles: &[&str], extra: Value) {
        self.apply("User", name, user_spec(name, roles, extra)).await;
    }

    /// Many Users at once, `prefix0` and so on.
    pub async fn crowd(&self, prefix: &str, count: usize, roles: &[&str], extra: &Value) {
        futures::stream::iter(0..count)
            .for_each_concurrent(16, |n| async move {
                self.user(&format!("{prefix}{n}"), roles, extra.clone()).await;
            })
            .await;
    }

    /// Deletes an object, and does not wait for it to be gone.
    pub async fn delete(&self, kind: &str, name: &str) {
        self.api(kind)
            .delete(name, &DeleteParams::default())
            .await
            .unwrap_or_else(|e| panic!("{kind} {name}: {e}"));
    }

    /// An object as JSON; `Null` if it is not there.
    pub async fn get(&self, kind: &str, name: &str) -> Value {
        let found = self.api(kind).get_opt(name).await.unwrap();
        found.map_or(Value::Null, |o| serde_json::to_value(o).unwrap())
    }

    /// All objects of a kind.
    pub async fn list(&self, kind: &str) -> Vec<Value> {
        let list = self.api(kind).list(&ListParams::default()).await.unwrap();
        list.items.into_iter().map(|o| serde_json::to_value(o).unwrap()).collect()
    }

    /// Waits until a condition has this status, and returns its reason and message.
    pub async fn condition(&self, kind: &str, name: &str, condition: &str, status: &str) -> (String, String) {
        eventually(SOON, async || {
            let object = self.get(kind, name).await;
            let found = find_condition(&object, condition);
            match found {
                Some(c) if c["status"] == status && current(&object) => {
                    Ok((text(&c["reason"]), text(&c["message"])))
                }
                other => Err(format!("{kind} {name}: {condition} is {other:?}, not {status}")),
            }
        })
        .await
    }

    /// Waits until a condition has this reason.
    pub async fn reason(&self, kind: &str, name: &str, condition: &str, reason: &str) -> String {
        eventually(SOON, async || {
            let object = self.get(kind, name).await;
            match find_condition(&object, condition) {
                Some(c) if c["reason"] == reason => Ok(text(&c["message"])),
                other => Err(format!("{kind} {name}: {condition} is {other:?}, not {reason}")),
            }
        })
        .await
    }

    /// Waits until a User is `Ready` for the spec as it is now, and returns it.
    pub async fn ready(&self, user: &str) -> Value {
        self.condition("User", user, "Ready", "True").await;
        self.get("User", user).await
    }

    /// Waits until every User is.
    pub async fn all_ready(&self, count: usize, within: Duration) {
        eventually(within, async || {
            let users = self.list("User").await;
            let ready = users
                .iter()
                .filter(|u| current(u) && find_condition(u, "Ready").is_some_and(|c| c["status"] == "True"));
            match ready.count() {
                n if n == count => Ok(()),
                n => Err(format!("{n} of {count} Users are Ready")),
            }
        })
        .await;
    }

    /// Waits until the account in an App has this state, and returns the ledger entry.
    pub async fn account(&self, user: &str, app: &str, state: &str) -> Value {
        eventually(SOON, async || {
            let object = self.get("User", user).await;
            let entry = entry(&object, app);
            if entry["state"] == state {
                Ok(entry)
            } else {
                Err(format!("User {user}, App {app}: {entry}, not {state}"))
            }
        })
        .await
    }

    /// Waits until an object is gone.
    pub async fn gone(&self, kind: &str, name: &str) {
        eventually(SOON, async || match self.get(kind, name).await {
            Value::Null => Ok(()),
            object => Err(format!("{kind} {name} is still there: {}", object["metadata"])),
        })
        .await;
    }
}

/// Every token of every test begins with this; it must not show up anywhere.
pub const CANARY: &str = "canary-";

impl Drop for Scene {
    /// No object and no event of the namespace may hold a secret.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let kinds = "users,roles,apps,appbindings,holds,events,leases";
        let shown =
            self.plane.kubectl().run_now(&["get", kinds, "--namespace", &self.namespace, "--output", "json"]);
        if let Ok(text) = shown {
            assert!(!text.contains(CANARY), "a secret is in an object of {}", self.namespace);
        }
    }
}

/// A minimal User's spec.
pub fn user_spec(name: &str, roles: &[&str], extra: Value) -> Value {
    let roles: Vec<_> = roles.iter().map(|r| json!({"name": r})).collect();
    let mut spec = json!({"personId": format!("id-{name}"), "userName": format!("{name}@example.com"), "displayName": name, "roles": roles});
    json_patch::merge(&mut spec, &extra);
    spec
}

/// For an App where everything may be taken from everybody at once: not what the test is about.
pub fn unbounded() -> Value {
    json!({ "removalBudget": {
        "percent": 100, "maximum": 100_000, "express": 1000, "allowUnbounded": true
    } })
}

/// A ledger entry; `Null` if there is none.
pub fn entry(user: &Value, app: &str) -> Value {
    let accounts = user["status"]["accounts"].as_array().cloned().unwrap_or_default();
    accounts.into_iter().find(|e| e["app"] == app).unwrap_or_default()
}

/// A condition.
pub fn find_condition(object: &Value, kind: &str) -> Option<Value> {
    object["status"]["conditions"].as_array()?.iter().find(|c| c["type"] == kind).cloned()
}

fn current(object: &Value) -> bool {
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
