//! The control plane, whole and hurt.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::core::ObjectMeta;
use serde_json::json;

use crate::support::control_plane::client_from;
use crate::support::{ControlPlane, Managed, Options, audit, eventually, workdir};

const SOON: Duration = Duration::from_secs(20);

fn config_map(name: &str, value: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() },
        data: Some(BTreeMap::from([("key".to_owned(), value.to_owned())])),
        ..ConfigMap::default()
    }
}

fn config_maps(client: Client, namespace: &str) -> Api<ConfigMap> {
    Api::namespaced(client, namespace)
}

async fn value_of(api: &Api<ConfigMap>, name: &str) -> Option<String> {
    api.get_opt(name).await.unwrap().and_then(|m| m.data?.remove("key"))
}

#[tokio::test]
async fn each_test_gets_a_namespace_of_its_own() {
    let plane = ControlPlane::shared().await;
    let (one, other) = (plane.namespace("ns").await, plane.namespace("ns").await);
    assert_ne!(one, other);
    config_maps(plane.client().await, &one)
        .create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap();
    let elsewhere = config_maps(plane.client().await, &other).list(&ListParams::default()).await.unwrap();
    assert!(elsewhere.items.iter().all(|m| m.metadata.name.as_deref() != Some("a")));
}

#[tokio::test]
async fn kubectl_applies_and_says_what_is_wrong() {
    let plane = ControlPlane::shared().await;
    let namespace = plane.namespace("kubectl").await;
    let manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {key: '1'}}";
    plane.kubectl().apply_in(&namespace, manifest).await.unwrap();
    let read = plane.kubectl().get_json(&["configmap", "a", "--namespace", &namespace]).await.unwrap();
    assert_eq!(read["data"]["key"], "1");
    let refusal = plane.kubectl().apply_in(&namespace, "{apiVersion: v1, kind: Nonsense}").await.unwrap_err();
    assert!(refusal.contains("Nonsense"), "{refusal}");
}

#[tokio::test]
async fn the_audit_log_counts_each_request_once() {
    let plane = ControlPlane::shared().await;
    let namespace = plane.namespace("audit").await;
    let leases = Api::<Lease>::namespaced(plane.client().await, &namespace);
    let lease = |n: usize| Lease {
        metadata: ObjectMeta { name: Some(format!("lease-{n}")), ..ObjectMeta::default() },
        ..Lease::default()
    };
    let mark = plane.audit().mark().await;
    for n in 0..7 {
        leases.create(&PostParams::default(), &lease(n)).await.unwrap();
    }
    leases.create(&PostParams::default(), &lease(0)).await.unwrap_err();
    let patch = Patch::Merge(json!({"spec": {"holderIdentity": "me"}}));
    leases.patch("lease-1", &PatchParams::default(), &patch).await.unwrap();
    leases.delete("lease-2", &DeleteParams::default()).await.unwrap();
    leases.list(&ListParams::default()).await.unwrap();

    let writes = plane.audit().writes_since(mark, |e| e.namespace == namespace).await;
    let expected = [
        ("create leases.coordination.k8s.io", 8),
        ("delete leases.coordination.k8s.io", 1),
        ("patch leases.coordination.k8s.io", 1),
    ];
    assert_eq!(audit::counts(&writes), expected.map(|(k, n)| (k.to_owned(), n)).into());
    assert_eq!(writes.iter().filter(|e| e.code == 409).count(), 1, "refused writes count too");
    assert_eq!(writes[8].name, "lease-1");
    let all = plane.audit().since(mark, |e| e.namespace == namespace).await;
    assert_eq!(all.iter().filter(|e| e.verb == "list").count(), 1);
}

#[tokio::test]
async fn a_service_account_may_do_what_it_was_granted_and_no_more() {
    let plane = ControlPlane::shared().await;
    let namespace = plane.namespace("sa").await;
    plane.service_account(&namespace, "reader").await;
    let rbac = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [''], resources: [configmaps], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader}]
";
    plane.kubectl().apply_in(&namespace, rbac).await.unwrap();
    let kubeconfig = plane.kubeconfig_for_service_account(&namespace, "reader").await;
    let theirs = config_maps(client_from(&kubeconfig).await, &namespace);
    eventually(SOON, async || {
        theirs.list(&ListParams::default()).await.map(|_| ()).map_err(|e| e.to_string())
    })
    .await;
    let refused = theirs.create(&PostParams::default(), &config_map("a", "1")).await.unwrap_err();
    assert!(refused.to_string().contains("forbidden"), "{refused}");
}

#[tokio::test]
async fn a_namespace_is_deleted_once_the_controllers_run() {
    let plane = ControlPlane::shared().await;
    plane.ensure_controllers().await;
    let namespace = plane.namespace("gone").await;
    config_maps(plane.client().await, &namespace)
        .create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap();
    plane.kubectl().run(&["delete", "namespace", &namespace, "--wait=false"]).await.unwrap();
    eventually(Duration::from_mins(1), async || {
        match plane.kubectl().get_json(&["namespace", &namespace]).await {
            Err(e) if e.contains("NotFound") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn a_frozen_api_server_is_silent_and_a_killed_one_refuses() {
    let plane = ControlPlane::start(Options::default()).await;
    let namespace = plane.namespace("hurt").await;
    let api = config_maps(plane.client().await, &namespace);
    api.create(&PostParams::default(), &config_map("a", "1")).await.unwrap();

    plane.freeze_apiserver();
    let get = tokio::time::timeout(Duration::from_millis(700), api.get("a"));
    assert!(get.await.is_err(), "a frozen server must not answer");
    plane.thaw_apiserver();
    assert_eq!(value_of(&api, "a").await.as_deref(), Some("1"));

    plane.kill_apiserver();
    let refused = tokio::time::timeout(SOON, api.get("a")).await.expect("a quick answer");
    assert!(refused.is_err());
    plane.start_apiserver().await;
    assert_eq!(value_of(&api, "a").await.as_deref(), Some("1"), "same port, same data, same client");
}

#[tokio::test]
async fn a_restored_snapshot_brings_back_the_past() {
    let plane = ControlPlane::start(Options::default()).await;
    let namespace = plane.namespace("time").await;
    let api = config_maps(plane.client().await, &namespace);
    let before = api.create(&PostParams::default(), &config_map("a", "old")).await.unwrap();

    let snapshot = plane.snapshot().await;
    let patch = Patch::Merge(json!({"data": {"key": "new"}}));
    api.patch("a", &PatchParams::default(), &patch).await.unwrap();
    api.create(&PostParams::default(), &config_map("b", "later")).await.unwrap();
    plane.restore(&snapshot).await;

    let after = api.get("a").await.unwrap();
    assert_eq!(value_of(&api, "a").await.as_deref(), Some("old"));
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version);
    assert_eq!(value_of(&api, "b").await, None);
}

/// Reads a watch until it ends; true when its last word was 410.
async fn watch_to_its_end(api: &Api<ConfigMap>, version: &str) -> bool {
    let mut gone = false;
    match api.watch(&WatchParams::default().timeout(30), version).await {
        Err(kube::Error::Api(status)) => return status.code == 410,
        Err(e) => panic!("{e}"),
        Ok(stream) => {
            let mut stream = std::pin::pin!(stream);
            while let Some(event) = futures::StreamExt::next(&mut stream).await {
                gone = matches!(&event, Ok(WatchEvent::Error(e)) if e.code == 410);
                if event.is_err() || gone {
                    break;
                }
            }
        }
    }
    gone
}

#[tokio::test]
async fn watches_can_be_cut_and_can_be_made_to_start_over() {
    let plane = ControlPlane::start(Options::default()).await;
    let namespace = plane.namespace("watch").await;
    let relayed = config_maps(client_from(plane.kubeconfig_path()).await, &namespace);
    let first = relayed.create(&PostParams::default(), &config_map("a", "1")).await.unwrap();
    let version = first.metadata.resource_version.unwrap();

    let watching = watch_to_its_end(&relayed, &version);
    let cutting = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        plane.drop_watches();
    };
    let (gone, ()) = tokio::time::timeout(Duration::from_secs(10), async { tokio::join!(watching, cutting) })
        .await
        .expect("a cut watch ends well before its own time-out");
    assert!(!gone, "a cut watch only ends");

    let patch = Patch::Merge(json!({"data": {"key": "2"}}));
    relayed.patch("a", &PatchParams::default(), &patch).await.unwrap();
    plane.expire_watches().await;
    assert!(watch_to_its_end(&relayed, &version).await, "a place that is forgotten answers 410");
}

#[tokio::test]
async fn one_of_two_clients_can_be_cut_off() {
    let plane = ControlPlane::shared().await;
    let relay = plane.new_relay();
    let kubeconfig = plane.kubeconfig_through(&relay, plane.kubeconfig_path());
    let cut_off = config_maps(client_from(&kubeconfig).await, "default");
    let other = config_maps(client_from(plane.kubeconfig_path()).await, "default");
    cut_off.list(&ListParams::default()).await.unwrap();

    relay.stall();
    let all = ListParams::default();
    let stalled = tokio::time::timeout(Duration::from_millis(500), cut_off.list(&all));
    assert!(stalled.await.is_err());
    other.list(&ListParams::default()).await.unwrap();

    relay.close();
    assert!(cut_off.list(&ListParams::default()).await.is_err());
    relay.open();
    cut_off.list(&ListParams::default()).await.unwrap();
}

#[tokio::test]
async fn crds_are_served_once_installed() {
    let plane = ControlPlane::shared().await;
    let crd = |plural: &str, kind: &str| {
        format!(
            "---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.harness.example.com}}
spec:
  group: harness.example.com
  scope: Namespaced
  names: {{plural: {plural}, singular: {singular}, kind: {kind}}}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
",
            singular = kind.to_lowercase()
        )
    };
    let file = workdir::file("crds.yaml", &(crd("apples", "Apple") + &crd("pears", "Pear")));
    plane.install_crds_from(file.parent().unwrap()).await;
    plane.install_crds_from(file.parent().unwrap()).await;
    let namespace = plane.namespace("crds").await;
    let pear = "{apiVersion: harness.example.com/v1, kind: Pear, metadata: {name: a}}";
    plane.kubectl().apply_in(&namespace, pear).await.unwrap();
}

/// Names the file into which the victim below writes; without it there is no victim.
const VICTIM: &str = "TENURE_HARNESS_VICTIM";

/// Started by the next test in a process of its own, to be killed.
#[tokio::test]
async fn victim() {
    let Some(file) = std::env::var_os(VICTIM) else {
        return;
    };
    let plane = ControlPlane::start(Options::default()).await;
    let folder = plane.kubeconfig_path().parent().unwrap();
    std::fs::write(file, format!("{} {}", plane.apiserver_pid(), folder.display())).unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn nothing_is_left_when_a_test_process_is_killed() {
    let told = workdir::folder("victim").join("told");
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "control_plane::victim"]).env(VICTIM, &told);
    let victim = Managed::spawn("victim", &command, &told.with_extension("log")).unwrap();
    let (pid, folder) = eventually(Duration::from_mins(1), async || {
        let text = std::fs::read_to_string(&told).map_err(|e| format!("{e}: {}", victim.log()))?;
        text.split_once(' ').map(|(p, f)| (p.to_owned(), f.to_owned())).ok_or(text)
    })
    .await;
    let process = PathBuf::from(format!("/proc/{pid}"));
    assert!(process.exists() && Path::new(&folder).exists());

    victim.kill9();
    eventually(SOON, async || if process.exists() { Err(format!("{pid} lives")) } else { Ok(()) }).await;
    eventually(
        SOON,
        async || {
            if Path::new(&folder).exists() { Err(format!("{folder} is left")) } else { Ok(()) }
        },
    )
    .await;
}
