//! Objects deleted while in use: accounts are handled by policy, and nothing hangs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use kube::api::{Api, DeleteParams};
use serde_json::{Value, json};
use support::fast_target::{self, FastTarget};
use support::scene::{SOON, entry};
use support::{Action, ControlPlane, Options, RecordingProxy, Rule, Scene, ScimServer, eventually};
use tokio::sync::OnceCell;

/// Long enough for hundreds of people.
const MANY: Duration = Duration::from_mins(8);

async fn all_active(server: &ScimServer, count: usize) {
    let accounts = server.users().await;
    assert_eq!(accounts.len(), count);
    assert!(accounts.iter().all(|a| a["active"] != json!(false)), "{accounts:?}");
}

async fn people(scene: &Scene, count: usize) {
    scene.crowd("p", count, &["all"], &json!({})).await;
    scene.all_ready(count, SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_app_leaves_its_accounts_as_they_are() {
    let scene = Scene::new("noapp").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("all", json!({}), "crm", &[]).await;
    let _operator = scene.operator().start().await;
    people(&scene, 3).await;
    let mark = RecordingProxy::mark();
    scene.delete("App", "crm").await;
    let ledger = scene.account("p0", "crm", "Released").await;
    assert_eq!(ledger["reason"], "AppDeleted");
    scene.reason("AppBinding", "all-crm", "Ready", "AppNotFound").await;
    scene.delete("User", "p0").await;
    scene.gone("User", "p0").await;
    assert!(crm.proxy().writes_since(mark).is_empty());
    all_active(&crm, 3).await;
    // The App comes back: its accounts are found again by their marker.
    scene.app("crm", &crm.base_url(), crm.token(), json!({})).await;
    scene.account("p1", "crm", "Active").await;
    scene.ready("p1").await;
    assert_eq!(crm.users().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_binding_or_role_ends_the_grant_by_policy() {
    let scene = Scene::new("nobind").await;
    let crm = scene.scim_app("crm", json!({"onUnassign": {"action": "Retain"}})).await;
    let _git = scene.scim_app("git", json!({})).await;
    scene.role_for("all", json!({}), "crm", &[]).await;
    scene.role_for("devs", json!({}), "git", &[]).await;
    let _operator = scene.operator().start().await;
    scene.user("ann", &["all", "devs"], json!({})).await;
    scene.ready("ann").await;
    scene.delete("AppBinding", "all-crm").await;
    scene.account("ann", "crm", "Retained").await;
    all_active(&crm, 1).await;
    scene.delete("Role", "devs").await;
    scene.account("ann", "git", "Suspended").await;
    scene.reason("User", "ann", "Ready", "RoleNotFound").await;
    // A retained account is still reached by a leave.
    scene.user("ann", &["all"], json!({"state": "Terminated"})).await;
    scene.account("ann", "crm", "Suspended").await;
    assert_eq!(crm.users().await[0]["active"], json!(false));
}

/// A control plane that ends namespaces.
async fn plane_with_controllers() -> &'static ControlPlane {
    static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
    let options = Options { controllers: true, ..Options::default() };
    SHARED.get_or_init(|| ControlPlane::start(options)).await
}

/// What is the matter when the namespace is deleted.
#[derive(PartialEq, Eq)]
enum Matter {
    Nothing,
    AppUnreachable,
    AppDeleted,
}

/// A namespace with many Users is deleted: it ends by itself, and no account is touched.
async fn namespace_ends(name: &str, matter: Matter) {
    const PEOPLE: usize = 500;
    let plane = plane_with_controllers().await;
    let scene = Scene::on(plane, name).await;
    let token = Some("canary-fast".to_owned());
    let target = FastTarget::start(fast_target::Config { token, ..Default::default() });
    let proxy = RecordingProxy::start(&target.base_url());
    scene.app("crm", &proxy.url(), "canary-fast", json!({})).await;
    scene.role_for("all", json!({}), "crm", &["All"]).await;
    // The operator lives elsewhere, as it does in a cluster.
    let home = plane.namespace("home").await;
    let operator = scene.operator().args(["--lease-namespace", &home]).start().await;
    scene.crowd("p", PEOPLE, &["all"], &json!({})).await;
    scene.all_ready(PEOPLE, MANY).await;
    let before = (target.users(), target.groups());
    match matter {
        Matter::Nothing => {}
        Matter::AppUnreachable => proxy.inject(Rule::new(Action::Reset)),
        Matter::AppDeleted => {
            scene.delete("App", "crm").await;
            scene.gone("App", "crm").await;
        }
    }
    let namespaces = Api::<k8s_openapi::api::core::v1::Namespace>::all(plane.client().await);
    namespaces.delete(&scene.namespace, &DeleteParams::default()).await.unwrap();
    eventually(MANY, async || match namespaces.get_opt(&scene.namespace).await.unwrap() {
        None => Ok(()),
        Some(ns) => Err(format!("{:?}", ns.status)),
    })
    .await;
    assert_eq!((target.users(), target.groups()), before, "the accounts and the group stay as they are");
    if matter != Matter::AppDeleted {
        let released = operator.audit_lines().into_iter().filter(|l| l["cause"] == "NamespaceDeleted");
        assert_eq!(released.count(), PEOPLE, "an audit line for each account that is let go");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_namespace_ends_by_itself_and_leaves_accounts_as_they_are() {
    namespace_ends("nons", Matter::Nothing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_namespace_ends_although_the_app_gives_no_answer() {
    namespace_ends("nonsaway", Matter::AppUnreachable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_namespace_ends_although_the_app_went_before() {
    namespace_ends("nonsnoapp", Matter::AppDeleted).await;
}

/// The account of each person.
async fn ids(scene: &Scene) -> BTreeMap<String, Value> {
    let users = scene.list("User").await;
    users
        .iter()
        .map(|user| (user["metadata"]["name"].to_string(), entry(user, "crm")["id"].clone()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_definitions_leave_accounts_as_they_are_and_find_them_again() {
    const COUNT: usize = 50;
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start(Options::default()).await));
    let scene = Scene::on(plane, "nocrd").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("all", json!({}), "crm", &[]).await;
    let _operator = scene.operator().start().await;
    people(&scene, COUNT).await;
    let before = ids(&scene).await;
    let mark = RecordingProxy::mark();
    for plural in ["appbindings", "roles", "users", "apps"] {
        plane
            .kubectl()
            .run(&["delete", "crd", &format!("{plural}.tenure.dev"), "--wait=true", "--timeout=60s"])
            .await
            .unwrap();
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(crm.proxy().writes_since(mark).is_empty(), "{:?}", crm.proxy().writes_since(mark));
    all_active(&crm, COUNT).await;
    plane.install_crds().await;
    scene.app("crm", &crm.base_url(), crm.token(), json!({})).await;
    scene.role_for("all", json!({}), "crm", &[]).await;
    people(&scene, COUNT).await;
    all_active(&crm, COUNT).await;
    // People may be known of before the binding is: then they have no account, and nothing is wrong with that.
    eventually(SOON, async || match ids(&scene).await {
        now if now == before => Ok(()),
        now => Err(format!("found by their markers: {now:?}, not {before:?}")),
    })
    .await;
    let made =
        crm.proxy().since(mark).into_iter().filter(|r| r.method == "POST" && r.path.ends_with("/Users"));
    assert_eq!(made.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn release_lets_go_of_everything_and_prints_the_ledgers() {
    let scene = Scene::new("release").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("all", json!({}), "crm", &[]).await;
    let operator = scene.operator().start().await;
    people(&scene, 2).await;
    operator.process().sigterm();
    operator.process().wait_exit(Duration::from_secs(20)).await;
    let user = scene.get("User", "p0").await;
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(["release", "--namespace", &scene.namespace])
        .env("KUBECONFIG", scene.plane.kubeconfig_path())
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let ledgers: Vec<Value> =
        String::from_utf8(run.stdout).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(ledgers.len(), 2);
    let first = ledgers.iter().find(|l| l["user"] == "p0").unwrap();
    assert_eq!(first["accounts"][0]["id"], entry(&user, "crm")["id"]);
    scene.delete("User", "p0").await;
    scene.gone("User", "p0").await;
    all_active(&crm, 2).await;
}

/// Who leaves while the App object is away is cut off when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_leaver_is_cut_off_when_the_app_comes_back() {
    let scene = Scene::new("appback").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("all", json!({}), "crm", &[]).await;
    let _operator = scene.operator().start().await;
    people(&scene, 2).await;
    scene.delete("App", "crm").await;
    scene.account("p0", "crm", "Released").await;
    scene.merge("User", "p0", json!({"spec": {"state": "Terminated"}})).await;
    scene.reason("User", "p0", "Ready", "AccessCut").await;
    scene.app("crm", &crm.base_url(), crm.token(), json!({})).await;
    scene.account("p0", "crm", "Suspended").await;
    let account = crm.user_named("p0@example.com").await.unwrap();
    assert_eq!(account["active"], json!(false));
    scene.account("p1", "crm", "Active").await;
}

/// A pause stops the clean-up; it must not turn a deletion into an account that nobody knows of.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_user_that_is_deleted_waits() {
    let scene = Scene::new("pausedel").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("all", json!({}), "crm", &[]).await;
    let _operator = scene.operator().start().await;
    people(&scene, 1).await;
    scene.merge("User", "p0", json!({"metadata": {"annotations": {"tenure.dev/paused": "true"}}})).await;
    scene.condition("User", "p0", "Paused", "True").await;
    scene.delete("User", "p0").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    all_active(&crm, 1).await;
    assert!(!scene.get("User", "p0").await.is_null());
    scene.merge("User", "p0", json!({"metadata": {"annotations": {"tenure.dev/paused": null}}})).await;
    scene.gone("User", "p0").await;
    assert_eq!(crm.users().await[0]["active"], json!(false));
}
