//! Nothing changed: nothing is written. And what a joiner costs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use support::scene::user_spec;
use support::{Action, RecordingProxy, Rule, Scene, ScimServer};

const PEOPLE: usize = 300;

async fn versions(scene: &Scene) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for kind in ["User", "Role", "App", "AppBinding"] {
        for object in scene.list(kind).await {
            let name = format!("{kind}/{}", object["metadata"]["name"].as_str().unwrap());
            all.insert(name, object["metadata"]["resourceVersion"].as_str().unwrap().to_owned());
        }
    }
    all
}

/// One lookup and one create a person; and one of the people may be who the App's filters are tried with. A lookup that got
/// no answer is no lookup.
fn each_is_looked_for_and_made_once(server: &ScimServer) {
    let requests = server.proxy().requests();
    let mut asked = BTreeMap::<_, Vec<_>>::new();
    for request in &requests {
        let whose = match request.method.as_str() {
            "GET" if request.status.is_none() => continue,
            "GET" if request.path.contains("/Users?filter=externalId") => request.path.clone(),
            "POST" if request.path.ends_with("/Users") => request.json()["userName"].to_string(),
            _ => continue,
        };
        asked.entry((request.method.as_str(), whose)).or_default().push((
            request.at,
            request.status,
            request.took,
        ));
    }
    assert_eq!(asked.len(), 2 * PEOPLE, "people looked for and made");
    let more: Vec<_> = asked.iter().filter(|(_, times)| times.len() > 1).collect();
    let tried = more.iter().all(|((method, _), times)| *method == "GET" && times.len() == 2);
    assert!(more.len() <= 1 && tried, "more than once: {more:?}");
}

/// What is known of an App says so when it was tried: with somebody, so after the first accounts at the earliest.
async fn is_tried(scene: &Scene, app: &str) {
    support::eventually(Duration::from_mins(1), async || {
        let capabilities = scene.get("App", app).await["status"]["capabilities"].clone();
        let lookup = capabilities.as_array().unwrap().iter().find(|c| c["name"] == "lookup").unwrap();
        if lookup["source"] == "Probed" { Ok(()) } else { Err(format!("{app}: {lookup}")) }
    })
    .await;
}

/// Onboarding 300 people into two Apps: at most 2.1 writes a person to the API server, one lookup and one create an
/// App. Then silence, over two forced relists and a restart.
#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_people_cost_little_and_then_nothing() {
    let scene = Scene::new("quiet").await;
    let (crm, git) = (scene.scim_app("crm", json!({})).await, scene.scim_app("git", json!({})).await);
    for app in ["crm", "git"] {
        scene
            .role_for(&format!("all-{app}"), json!({"match": "user.employeeType == 'Employee'"}), app, &[])
            .await;
    }
    // Probed soon again: Apps without anybody cannot be tried in all, and their status changes when they have been.
    let operator = operator(&scene).await;
    for app in ["crm", "git"] {
        scene.condition("App", app, "Ready", "True").await;
    }
    let mark = scene.plane.audit().mark().await;
    futures::future::join_all((0..10).map(async |batch| {
        for i in 0..PEOPLE / 10 {
            let name = format!("p{batch}-{i}");
            let spec = user_spec(&name, &[], json!({"employeeType": "Employee", "title": "x"}));
            scene.try_apply("User", &name, spec).await.unwrap();
        }
    }))
    .await;
    scene.all_ready(PEOPLE, Duration::from_mins(3)).await;
    let namespace = scene.namespace.clone();
    let ours = |e: &support::Entry| {
        e.group == "tenure.dev" && e.namespace == namespace && e.user_agent.starts_with("tenure/")
    };
    let writes = scene.plane.audit().writes_since(mark, ours).await;
    let counts = support::audit::counts(&writes);
    println!("{} writes for {PEOPLE} people: {counts:?}", writes.len());
    assert!(writes.len() * 10 <= PEOPLE * 21, "more than 2.1 writes a person: {counts:?}");
    for server in [&crm, &git] {
        each_is_looked_for_and_made_once(server);
        assert_eq!(server.users().await.len(), PEOPLE);
    }
    for app in ["crm", "git"] {
        is_tried(&scene, app).await;
    }
    // The counts of Apps and Roles are written within ten seconds more.
    tokio::time::sleep(Duration::from_secs(15)).await;
    silence(&scene, operator, &[&crm, &git]).await;
}

/// People whose App is down, one of them deleted: nobody is looked at again and again until it is back.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_keeps_nothing_busy() {
    let scene = Scene::new("quietwait").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("staff", json!({}), "crm", &[]).await;
    let operator = operator(&scene).await;
    for user in ["ann", "bob", "cid"] {
        scene.user(user, &["staff"], json!({})).await;
    }
    scene.all_ready(3, Duration::from_mins(1)).await;
    crm.proxy().inject(Rule::new(Action::status(503)));
    scene.user("ann", &["staff"], json!({"title": "King"})).await;
    scene.user("bob", &["staff"], json!({"state": "Terminated"})).await;
    scene.delete("User", "cid").await;
    scene.condition("User", "bob", "AccessRevoked", "False").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = operator.process().cpu_seconds().unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let busy = operator.process().cpu_seconds().unwrap() - before;
    assert!(busy < 1.0, "{busy} s of 10 on a processor");
    crm.proxy().clear();
    scene.gone("User", "cid").await;
    scene.condition("User", "bob", "AccessRevoked", "True").await;
}

async fn operator(scene: &Scene) -> support::Operator {
    scene.operator().args(["--probe-seconds", "5"]).start().await
}

async fn silence(scene: &Scene, operator: support::Operator, servers: &[&ScimServer]) {
    let before = versions(scene).await;
    let mark = scene.plane.audit().mark().await;
    let remote = RecordingProxy::mark();
    for _ in 0..2 {
        scene.plane.drop_watches();
        tokio::time::sleep(Duration::from_secs(6)).await;
    }
    drop(operator);
    let operator = self::operator(scene).await;
    // Longer than the old lease lasts, so that the new process has led for a while.
    support::eventually(Duration::from_secs(30), async || {
        match operator.metrics().await.get("tenure_leader", &[]) {
            Some(1.0) => Ok(()),
            other => Err(format!("leader: {other:?}")),
        }
    })
    .await;
    tokio::time::sleep(Duration::from_secs(13)).await;
    let namespace = scene.namespace.clone();
    let writes =
        scene.plane.audit().writes_since(mark, |e| e.group == "tenure.dev" && e.namespace == namespace).await;
    assert!(writes.is_empty(), "{:?}", support::audit::counts(&writes));
    for server in servers {
        let writes = server.proxy().writes_since(remote);
        assert!(writes.is_empty(), "{writes:?}");
    }
    assert_eq!(versions(scene).await, before, "resource versions");
}
