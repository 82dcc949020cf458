//! Two replicas, a lost lease, a lost API server, a restored one: never two writers, never a change that nobody asked for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::time::{Duration, Instant};

use kube::api::DeleteParams;
use serde_json::{Value, json};
use support::fast_target::{self, FastTarget};
use support::scene::{SOON, entry};
use support::wait::always;
use support::{ControlPlane, Operator, Options, RecordingProxy, Scene, eventually};

/// As in `Builder::short_lease`.
const LEASE: Duration = Duration::from_secs(6);

struct Slow {
    proxy: RecordingProxy,
    target: FastTarget,
}

/// An App so slow that work lasts for the whole test, with people queued for it.
async fn slow_app(scene: &Scene, people: usize) -> Slow {
    let target =
        FastTarget::start(fast_target::Config { token: Some("canary-fast".into()), ..Default::default() });
    let proxy = RecordingProxy::start(&target.base_url());
    scene.app("crm", &proxy.url(), "canary-fast", json!({"limits": {"requestsPerSecond": 10}})).await;
    scene.role_for("all", json!({"match": "true"}), "crm", &[]).await;
    for i in 0..people {
        scene.user(&format!("p{i}"), &[], json!({})).await;
    }
    Slow { proxy, target }
}

async fn leads(operator: &Operator) -> bool {
    match operator.probe("/metrics").await {
        Ok(text) => support::metrics::Metrics::parse(&text).get("tenure_leader", &[]) == Some(1.0),
        Err(_) => false,
    }
}

async fn until_leader(operator: &Operator) {
    eventually(SOON, async || if leads(operator).await { Ok(()) } else { Err("does not lead".to_owned()) })
        .await;
}

async fn until_writing(slow: &Slow) {
    let mark = RecordingProxy::mark();
    eventually(SOON, async || {
        if slow.proxy.writes_since(mark).len() > 3 { Ok(()) } else { Err("no writes".to_owned()) }
    })
    .await;
}

fn nobody_twice(slow: &Slow) {
    let mut markers: Vec<_> = slow.target.users().iter().map(|u| u["externalId"].to_string()).collect();
    let all = markers.len();
    markers.sort();
    markers.dedup();
    assert_eq!(markers.len(), all, "somebody has two accounts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_leader_is_replaced_and_writes_nothing_when_it_wakes() {
    let scene = Scene::new("frozen").await;
    let slow = slow_app(&scene, 200).await;
    // Each replica has its own door to the target, so that its writes can be told apart.
    let first = scene.operator().start().await;
    until_leader(&first).await;
    until_writing(&slow).await;
    let second = scene.operator().start().await;
    first.process().sigstop();
    until_leader(&second).await;
    until_writing(&slow).await;
    // From here on every write must be the second's; the first's connections are its own.
    let audited_before = first.audit_lines().len();
    let woken = RecordingProxy::mark();
    first.process().sigcont();
    let status = first.process().wait_exit(Duration::from_secs(15)).await;
    assert!(status.is_some_and(|s| !s.success()), "the old leader ends: {status:?}");
    let remote = |line: &Value| line["fields"]["result"] == "ok" || line["result"] == "ok";
    let late: Vec<_> = first.audit_lines().into_iter().skip(audited_before).filter(|l| remote(l)).collect();
    // What it had sent before it was frozen may be answered now; what it starts now may not.
    let by_second = second.audit_lines().len();
    let writes = slow.proxy.writes_since(woken).len();
    assert!(late.len() <= 10, "answers to requests in flight only: {late:?}");
    assert!(
        writes <= by_second,
        "{writes} writes reached the target after the old leader woke, {by_second} were the new one's"
    );
    nobody_twice(&slow);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_cannot_renew_stops_before_another_could_start() {
    let scene = Scene::new("renew").await;
    let slow = slow_app(&scene, 200).await;
    let relay = scene.plane.new_relay();
    let kubeconfig = scene.plane.kubeconfig_through(&relay, scene.plane.kubeconfig_path());
    let operator = scene.operator_with(&kubeconfig).start().await;
    until_leader(&operator).await;
    until_writing(&slow).await;
    relay.stall();
    let cut = Instant::now();
    let status = operator.process().wait_exit(LEASE + Duration::from_secs(5)).await;
    assert!(status.is_some_and(|s| !s.success()), "{status:?}");
    assert!(cut.elapsed() < LEASE + Duration::from_secs(1), "it ended only after {:?}", cut.elapsed());
    let mark = RecordingProxy::mark();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(slow.proxy.writes_since(mark).is_empty());
}

/// Kills the leader of these, and waits until another one leads.
async fn fail_over(replicas: &mut Vec<Operator>) {
    let mut leader = None;
    for (place, replica) in replicas.iter().enumerate() {
        if leads(replica).await {
            leader = Some(place);
        }
    }
    replicas.remove(leader.expect("one leads")).process().kill9();
    eventually(SOON, async || {
        for replica in &*replicas {
            if leads(replica).await {
                return Ok(());
            }
        }
        Err("nobody leads".to_owned())
    })
    .await;
}

/// The leader dies between the removals of a wave, the next one between those of leavers: the third has no more places
/// than the first had.
#[tokio::test(flavor = "multi_thread")]
async fn leaders_that_die_in_a_wave_give_no_place_back() {
    const LIMIT: usize = 20;
    const WAVE: usize = 15;
    let scene = Scene::new("wavefailover").await;
    let target =
        FastTarget::start(fast_target::Config { token: Some("canary-fast".into()), ..Default::default() });
    let budget = json!({"removalBudget": {"percent": 20, "settle": "2s"}});
    scene.app("crm", &target.base_url(), "canary-fast", budget).await;
    scene.role_for("all", json!({}), "crm", &[]).await;
    scene.role_for("wave", json!({}), "crm", &[]).await;
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(scene.operator().start().await);
    }
    scene.crowd("p", 5 * LIMIT - WAVE, &["all"], &json!({})).await;
    scene.crowd("w", WAVE, &["wave"], &json!({})).await;
    scene.all_ready(5 * LIMIT, SOON).await;
    scene.merge("App", "crm", json!({"spec": {"limits": {"requestsPerSecond": 1}}})).await;
    scene.condition("App", "crm", "Ready", "True").await;
    let removed = async |at_least: usize| {
        eventually(SOON, async || match target.deactivated().len() {
            n if n >= at_least => Ok(n),
            n => Err(format!("{n} removals")),
        })
        .await
    };
    scene.delete("AppBinding", "wave-crm").await;
    let first = removed(2).await;
    assert!(first < WAVE, "it dies in the middle of the wave");
    fail_over(&mut replicas).await;
    // What the first had kept places for counts as taken, so the rest of the wave is too much.
    scene.reason("App", "crm", "Held", "RemovalsHeld").await;
    let first = target.deactivated().len();
    // Leavers for whom there is room; and when their leader dies too, more of them, for whom there is none.
    let leave = async |people: std::ops::Range<usize>| {
        for n in people {
            scene.merge("User", &format!("p{n}"), json!({"spec": {"state": "Terminated"}})).await;
        }
    };
    leave(0..LIMIT - WAVE).await;
    removed(first + 1).await;
    fail_over(&mut replicas).await;
    leave(LIMIT - WAVE..LIMIT).await;
    scene.merge("App", "crm", json!({"spec": {"limits": null}})).await;
    always(Duration::from_secs(15), async || match target.deactivated().len() {
        n if n <= LIMIT => Ok(()),
        n => Err(format!("{n} removals, and the limit is {LIMIT}")),
    })
    .await;
    assert_eq!(target.active_count(), 5 * LIMIT - target.deactivated().len());
}

/// Rights as a `ServiceAccount` has them: everything the operator needs, the Lease apart from the rest.
fn rights(namespace: &str) -> String {
    format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: tenure-{namespace}}}
rules:
- {{apiGroups: [tenure.dev], resources: ['*'], verbs: [get, list, watch, update, patch]}}
- {{apiGroups: [''], resources: [secrets, namespaces], verbs: [get, list, watch]}}
- {{apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]}}
- {{apiGroups: [apiextensions.k8s.io], resources: [customresourcedefinitions], verbs: [get]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: tenure-{namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: tenure-{namespace}}}
subjects: [{{kind: ServiceAccount, name: tenure, namespace: {namespace}}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: tenure-lease, namespace: {namespace}}}
rules: [{{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, update]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: tenure-lease, namespace: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: tenure-lease}}
subjects: [{{kind: ServiceAccount, name: tenure, namespace: {namespace}}}]
"
    )
}

/// Only the Lease cannot be written any more; everything else, the targets too, can still be reached.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_cannot_write_its_lease_writes_nothing_after_the_deadline() {
    let scene = Scene::new("leaseless").await;
    let slow = slow_app(&scene, 200).await;
    scene.plane.service_account(&scene.namespace, "tenure").await;
    scene.plane.kubectl().apply(&rights(&scene.namespace)).await.unwrap();
    let kubeconfig = scene.plane.kubeconfig_for_service_account(&scene.namespace, "tenure").await;
    let operator = scene.operator_with(&kubeconfig).start().await;
    until_leader(&operator).await;
    until_writing(&slow).await;
    let revoked = Instant::now();
    let args = ["delete", "rolebinding", "tenure-lease", "--namespace", &scene.namespace];
    scene.plane.kubectl().run(&args).await.unwrap();
    let status = operator.process().wait_exit(LEASE + Duration::from_secs(5)).await;
    assert!(status.is_some_and(|s| !s.success()), "{status:?}");
    assert!(
        revoked.elapsed() < LEASE + Duration::from_secs(1),
        "it ended only after {:?}",
        revoked.elapsed()
    );
    let mark = RecordingProxy::mark();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(slow.proxy.writes_since(mark).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_lease_never_makes_two_writers() {
    let scene = Scene::new("lease").await;
    let slow = slow_app(&scene, 300).await;
    let first = scene.operator().start().await;
    until_leader(&first).await;
    let second = scene.operator().start().await;
    until_writing(&slow).await;
    scene.api("Lease").delete("tenure", &DeleteParams::default()).await.unwrap();
    let end = Instant::now() + LEASE * 3;
    let mut first_gone = None;
    let mut second_leads = None;
    while Instant::now() < end && (first_gone.is_none() || second_leads.is_none()) {
        if first_gone.is_none() && first.process().exit_status().is_some() {
            first_gone = Some(Instant::now());
        }
        if second_leads.is_none() && leads(&second).await {
            second_leads = Some(Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (gone, leads) = (first_gone.expect("the holder ends"), second_leads.expect("the other takes over"));
    assert!(gone <= leads, "two led at once");
    nobody_twice(&slow);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_asked_to_end_hands_over_at_once() {
    let scene = Scene::new("handover").await;
    let slow = slow_app(&scene, 100).await;
    let first = scene.operator().start().await;
    until_leader(&first).await;
    let second = scene.operator().start().await;
    until_writing(&slow).await;
    first.process().sigterm();
    let status = first.process().wait_exit(Duration::from_secs(20)).await.expect("it drains");
    assert!(status.success());
    let handed = Instant::now();
    until_leader(&second).await;
    assert!(handed.elapsed() < LEASE, "the lease was waited for");
    nobody_twice(&slow);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_away_for_thirty_seconds_changes_nothing() {
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start(Options::default()).await));
    let scene = Scene::on(plane, "away").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("all", json!({"match": "user.department == 'Sales'"}), "crm", &[]).await;
    let operator = scene.operator().start().await;
    for i in 0..10 {
        scene.user(&format!("p{i}"), &[], json!({"department": "Sales"})).await;
    }
    scene.all_ready(10, SOON).await;
    let mark = RecordingProxy::mark();
    plane.kill_apiserver();
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(crm.proxy().writes_since(mark).is_empty(), "an outage is no reason to change anything");
    // It cannot renew its lease: it ends, as it must, and is started again, as Kubernetes does.
    assert!(!operator.process().is_running());
    plane.start_apiserver().await;
    let _operator = scene.operator().start().await;
    scene.user("p0", &[], json!({"department": "Legal"})).await;
    scene.user("p10", &[], json!({"department": "Sales"})).await;
    scene.account("p0", "crm", "Suspended").await;
    scene.account("p10", "crm", "Active").await;
    let writes = crm.proxy().writes_since(mark);
    assert_eq!(writes.len(), 2, "{writes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_broken_by_compaction_is_taken_up_with_a_list() {
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start(Options::default()).await));
    let scene = Scene::on(plane, "compact").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("all", json!({"match": "true"}), "crm", &[]).await;
    let _operator = scene.operator().start().await;
    scene.user("ann", &[], json!({})).await;
    scene.ready("ann").await;
    let mark = RecordingProxy::mark();
    plane.expire_watches().await;
    scene.user("bob", &[], json!({})).await;
    scene.account("bob", "crm", "Active").await;
    let writes = crm.proxy().writes_since(mark);
    assert_eq!(writes.len(), 1, "{writes:?}");
}

/// The server goes back to an older etcd: what was declared since is undone there, and only that is followed.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_restored_from_an_older_backup_resumes_and_cuts_nobody_off() {
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start(Options::default()).await));
    let scene = Scene::on(plane, "restore").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("all", json!({"match": "true"}), "crm", &[]).await;
    let operator = scene.patient_operator().start().await;
    for name in ["stays", "leaves", "moves"] {
        scene.user(name, &[], json!({"title": "Rep"})).await;
        scene.ready(name).await;
    }
    let backup = plane.snapshot().await;
    scene.user("leaves", &[], json!({"title": "Rep", "state": "Terminated"})).await;
    scene.account("leaves", "crm", "Suspended").await;
    scene.user("joins", &[], json!({})).await;
    scene.account("joins", "crm", "Active").await;
    scene.user("moves", &[], json!({"title": "Lead"})).await;
    scene.ready("moves").await;
    let mark = RecordingProxy::mark();
    plane.restore(&backup).await;
    // What the restored server declares is what counts: the old title. The leaver's account was suspended by a
    // termination that the server has forgotten; nobody takes it back into use by that.
    eventually(SOON, async || match crm.user_named("moves@example.com").await.unwrap()["title"].as_str() {
        Some("Rep") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    scene.account("leaves", "crm", "Conflict").await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert!(operator.process().is_running());
    let accounts = crm.users().await;
    assert_eq!(accounts.len(), 4, "{accounts:?}");
    let by = |name: &str| {
        accounts.iter().find(|a| a["userName"] == format!("{name}@example.com")).unwrap().clone()
    };
    assert_eq!(by("leaves")["active"], json!(false), "a restore resurrects nobody");
    assert_ne!(by("joins")["active"], json!(false), "a restore cuts nobody off");
    assert_ne!(by("stays")["active"], json!(false));
    let user = scene.get("User", "leaves").await;
    assert_eq!(entry(&user, "crm")["reason"], "SuspendedElsewhere", "{}", user["status"]);
    let writes: Vec<_> = crm.proxy().writes_since(mark).into_iter().filter(|w| w.method != "PATCH").collect();
    assert!(writes.is_empty(), "{writes:?}");
}
