//! The sweep: what somebody did to accounts behind our back is found and put right, at the price of a listing; what
//! cannot be known is not concluded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use support::operator::Builder;
use support::scene::{SOON, entry};
use support::sweeps::{counted, findings};
use support::{Action, RecordingProxy, Rule, Scene, ScimServer, eventually};

const PEOPLE: usize = 12;
/// How the first page of a sweep is asked for; a probe asks for less.
const LISTING: &str = "/Users?startIndex=1&count=100";

struct Company {
    scene: Scene,
    crm: ScimServer,
}

impl Company {
    /// People `p0` and so on in group Staff; the last of them has left.
    async fn found(name: &str, app: Value) -> (Self, support::Operator) {
        Self::found_with(name, app, Scene::operator).await
    }

    async fn found_with(
        name: &str,
        app: Value,
        operator: impl FnOnce(&Scene) -> Builder,
    ) -> (Self, support::Operator) {
        let scene = Scene::new(name).await;
        let crm = scene.scim_app("crm", app).await;
        scene.role_for("staff", json!({}), "crm", &["Staff"]).await;
        scene.role_for("boss", json!({}), "crm", &["Bosses"]).await;
        let operator = operator(&scene).args(["--linger-seconds", "1"]).start().await;
        for number in 0..PEOPLE {
            let roles: &[&str] = if number == 0 { &["staff", "boss"] } else { &["staff"] };
            scene.user(&format!("p{number}"), roles, json!({})).await;
        }
        scene.all_ready(PEOPLE, Duration::from_mins(2)).await;
        let leaver = format!("p{}", PEOPLE - 1);
        scene.user(&leaver, &["staff"], json!({"state": "Terminated"})).await;
        scene.account(&leaver, "crm", "Suspended").await;
        scene.ready(&leaver).await;
        (Self { scene, crm }, operator)
    }

    async fn id(&self, user: &str) -> String {
        entry(&self.scene.get("User", user).await, "crm")["id"].as_str().unwrap().to_owned()
    }

    async fn patch(&self, user: &str, operations: Value) {
        self.crm.patch(&format!("/Users/{}", self.id(user).await), operations).await;
    }

    async fn group(&self, name: &str) -> Value {
        self.crm.groups().await.into_iter().find(|group| group["displayName"] == name).unwrap()
    }

    async fn holds(&self, group: &str, user: &str) -> bool {
        let id = self.id(user).await;
        let group = self.group(group).await;
        group["members"].as_array().into_iter().flatten().any(|member| member["value"] == id.as_str())
    }

    async fn let_in(&self, group: &str, ids: &[String]) {
        let members: Vec<_> = ids.iter().map(|id| json!({"value": id})).collect();
        let path = format!("/Groups/{}", self.group(group).await["id"].as_str().unwrap());
        self.crm.patch(&path, json!([{"op": "add", "path": "members", "value": members}])).await;
    }

    /// Does to accounts what nobody should: one thing to each of eight people.
    async fn tamper(&self) {
        let leaver = format!("p{}", PEOPLE - 1);
        self.patch(&leaver, json!([{"op": "replace", "path": "active", "value": true}])).await;
        self.patch("p1", json!([{"op": "replace", "path": "active", "value": false}])).await;
        self.crm.delete(&format!("/Users/{}", self.id("p2").await)).await;
        self.patch("p3", json!([{"op": "replace", "path": "userName", "value": "king@example.com"}])).await;
        self.patch("p4", json!([{"op": "replace", "path": "displayName", "value": "King"}])).await;
        self.patch("p5", json!([{"op": "remove", "path": "externalId"}])).await;
        let (staff, bosses) = (self.group("Staff").await, self.group("Bosses").await);
        let removed = format!("members[value eq \"{}\"]", self.id("p6").await);
        let remove = json!([{"op": "remove", "path": removed}]);
        self.crm.patch(&format!("/Groups/{}", staff["id"].as_str().unwrap()), remove).await;
        let add = json!([{"op": "add", "path": "members", "value": [{"value": self.id("p7").await}]}]);
        self.crm.patch(&format!("/Groups/{}", bosses["id"].as_str().unwrap()), add).await;
        let schemas = json!(["urn:ietf:params:scim:schemas:core:2.0:User"]);
        self.crm.create_user(json!({"schemas": schemas, "userName": "stranger", "active": true})).await;
    }
}

const TAMPERED: [(&str, i64); 7] = [
    ("drifted", 3),
    ("entitlementsAdded", 1),
    ("entitlementsLost", 1),
    ("gone", 1),
    ("orphans", 1),
    ("reactivated", 1),
    ("suspendedElsewhere", 1),
];

/// Accounts read one by one since the mark.
fn read_by_id(crm: &ScimServer, mark: u64) -> BTreeSet<String> {
    let requests = crm.proxy().since(mark);
    let ids = requests.iter().filter(|r| r.method == "GET").filter_map(|r| r.path.split("/Users/").nth(1));
    ids.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_behind_our_back_is_found_by_one_listing_and_put_right() {
    let (company, operator) = Company::found("sweep", json!({})).await;
    let (scene, crm) = (&company.scene, &company.crm);
    scene.age("p2").await;
    let clean = scene.sweep("crm", "first").await;
    assert_eq!((findings(&clean), &clean["sweep"]["accounts"]), (vec![], &json!(PEOPLE)), "{clean}");

    company.tamper().await;
    let old = company.id("p2").await;
    let mut touched = BTreeSet::from([old.clone()]);
    for user in ["p1", "p3", "p4", "p5", "p6", "p11"] {
        touched.insert(company.id(user).await);
    }
    let mark = RecordingProxy::mark();
    let status = scene.sweep("crm", "second").await;
    assert_eq!(findings(&status), counted(&TAMPERED), "{status}");
    assert_eq!(status["orphansTotal"], 1);
    assert_eq!(
        (&status["orphans"][0]["userName"], &status["orphans"][0]["kind"]),
        (&json!("stranger"), &json!("Orphan"))
    );

    eventually(SOON, async || {
        let users = crm.users().await;
        let find =
            |name: &str| users.iter().find(|u| u["userName"] == format!("{name}@example.com")).cloned();
        let again = find("p2").is_some_and(|user| user["id"] != old.as_str());
        let put_right = [
            ("p11 is suspended", find("p11").is_some_and(|user| user["active"] == false)),
            ("p2 is made again", again),
            ("p3 has its login", find("p3").is_some()),
            ("p4 has its name", find("p4").is_some_and(|user| user["displayName"] == "p4")),
            ("p5 has its marker", find("p5").is_some_and(|user| user["externalId"] == "id-p5")),
            ("p6 is in Staff", company.holds("Staff", "p6").await),
        ];
        match put_right.iter().find(|(_, right)| !right) {
            None => Ok(()),
            Some((what, _)) => Err(format!("not yet: {what}")),
        }
    })
    .await;
    scene.account("p1", "crm", "Conflict").await;
    assert!(company.holds("Bosses", "p7").await, "what Tenure did not grant it does not take away");
    let new = company.id("p2").await;
    touched.insert(new);
    let read = read_by_id(crm, mark);
    assert!(read.is_subset(&touched), "read one by one: {read:?}, tampered with: {touched:?}");
    let listings = crm.proxy().since(mark).iter().filter(|r| r.path.ends_with(LISTING)).count();
    assert_eq!(listings, 1);

    let after = scene.sweep("crm", "third").await;
    // The one in conflict waits for a person, and says so itself.
    assert_eq!(findings(&after), counted(&[("entitlementsAdded", 1), ("orphans", 1)]), "{after}");
    let metrics = operator.metrics().await;
    let strangers = metrics.sum("tenure_sweep_findings", &[("app", "crm"), ("finding", "orphans")]);
    assert!((strangers - 1.0).abs() < f64::EPSILON, "{strangers}");
    let strays = orphans(scene, "crm");
    assert_eq!((strays.len(), &strays[0]["userName"]), (1, &json!("stranger")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_tenure_grants_is_taken_from_those_who_got_it_elsewhere_within_the_budget() {
    let (company, _operator) = Company::found("sweepauthority", json!({})).await;
    let scene = &company.scene;
    let stranger = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "stranger"});
    let stranger = company.crm.create_user(stranger).await;
    company.let_in("Bosses", &[company.id("p7").await, stranger["id"].as_str().unwrap().to_owned()]).await;
    scene.merge("AppBinding", "boss-crm", json!({"spec": {"authoritative": true}})).await;
    eventually(SOON, async || {
        let binding = scene.get("AppBinding", "boss-crm").await;
        let (seen, now) = (&binding["status"]["observedGeneration"], &binding["metadata"]["generation"]);
        if seen == now { Ok(()) } else { Err(format!("{seen}, not {now}")) }
    })
    .await;
    let one = scene.sweep("crm", "one").await;
    assert_eq!(findings(&one), counted(&[("entitlementsAdded", 1), ("orphans", 1)]), "{one}");
    eventually(SOON, async || {
        if company.holds("Bosses", "p7").await { Err("p7 is still a boss".to_owned()) } else { Ok(()) }
    })
    .await;
    assert!(company.holds("Bosses", "p0").await);
    assert_eq!(company.group("Bosses").await["members"].as_array().unwrap().len(), 2);
    scene.ready("p7").await;

    let mut many = Vec::new();
    for number in 1..=7 {
        many.push(company.id(&format!("p{number}")).await);
    }
    company.let_in("Bosses", &many).await;
    scene.sweep("crm", "many").await;
    let hold = scene.holds(1).await.remove(0);
    assert_eq!((&hold["status"]["people"], &hold["status"]["counts"]["change"]), (&json!(7), &json!(7)));
    assert!(company.holds("Bosses", "p1").await);
    scene.say(&hold, "approval", &hold["status"]["digest"]).await;
    scene.outcome(&hold, "Done").await;
    assert!(!company.holds("Bosses", "p1").await);
    assert_eq!(company.group("Bosses").await["members"].as_array().unwrap().len(), 2);
}

/// What `tenure orphans` writes.
fn orphans(scene: &Scene, app: &str) -> Vec<Value> {
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(["orphans", app, "--namespace", &scene.namespace, "--allow-insecure-targets"])
        .env("KUBECONFIG", scene.plane.kubeconfig_path())
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_drift_is_only_reported_nothing_is_written_but_a_leaver_is_suspended_again() {
    let (company, _operator) = Company::found("sweepreport", json!({"drift": "Report"})).await;
    let (scene, crm) = (&company.scene, &company.crm);
    scene.age("p2").await;
    company.tamper().await;
    let mark = RecordingProxy::mark();
    let status = scene.sweep("crm", "once").await;
    assert_eq!(findings(&status), counted(&TAMPERED), "{status}");
    eventually(SOON, async || match crm.user_named("p11@example.com").await.unwrap()["active"].as_bool() {
        Some(false) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let writes = crm.proxy().writes_since(mark);
    assert!(writes.len() == 1 && writes[0].method == "PATCH", "{writes:?}");
    scene.account("p1", "crm", "Active").await;
}

/// Whether these accounts are in use, by login.
async fn in_use<const N: usize>(crm: &ScimServer, logins: [&str; N]) -> [bool; N] {
    let users = crm.users().await;
    let user = |login: &str| users.iter().find(|user| user["userName"] == login).unwrap().clone();
    logins.map(|login| user(login)["active"] != false)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_bears_a_leavers_marker_is_suspended_and_what_is_nobodys_only_when_somebody_says_whose_it_is() {
    let app = json!({"marker": {"prefix": "t/"}, "orphans": "Report"});
    let (company, _operator) = Company::found("sweepzombies", app).await;
    let (scene, crm) = (&company.scene, &company.crm);
    let logins = ["left", "free", "nobody"];
    for login in logins {
        let schemas = json!(["urn:ietf:params:scim:schemas:core:2.0:User"]);
        let marker = format!("t/id-{login}");
        crm.create_user(json!({"schemas": schemas, "userName": login, "externalId": marker, "active": true}))
            .await;
    }
    scene.user("left", &[], json!({"state": "Terminated"})).await;
    scene.user("free", &[], json!({})).await;
    scene.ready("left").await;
    scene.ready("free").await;
    let status = scene.sweep("crm", "report").await;
    assert_eq!(findings(&status), counted(&[("orphans", 1), ("zombies", 2)]), "{status}");
    let becomes = async |expected: [bool; 3]| {
        eventually(SOON, async || {
            let now = in_use(crm, logins).await;
            if now == expected { Ok(()) } else { Err(format!("{now:?}")) }
        })
        .await;
    };
    becomes([false, true, true]).await;
    assert_eq!(scene.account("left", "crm", "Suspended").await["reason"], json!(null));
    scene.condition("User", "left", "AccessRevoked", "True").await;

    scene.merge("App", "crm", json!({"spec": {"orphans": "Suspend"}})).await;
    scene.sweep("crm", "suspend").await;
    becomes([false, false, true]).await;

    scene.user("nobody", &[], json!({"state": "Terminated"})).await;
    scene.ready("nobody").await;
    scene.sweep("crm", "named").await;
    becomes([false, false, false]).await;
    scene.account("nobody", "crm", "Suspended").await;
}

/// A list that is held up while people come, change and go.
#[tokio::test(flavor = "multi_thread")]
async fn what_changes_while_the_list_is_read_is_no_finding() {
    // Whose requests may take longer than the list is held up.
    let (company, _operator) =
        Company::found_with("sweepmeanwhile", json!({}), Scene::patient_operator).await;
    let (scene, crm) = (&company.scene, &company.crm);
    for number in 0..PEOPLE {
        scene.age(&format!("p{number}")).await;
    }
    // The answer is made before what follows, and reaches the sweep after it.
    let hold = Rule::new(Action::DelayReply(Duration::from_secs(5)));
    crm.proxy().inject(hold.method("GET").path(LISTING).times(1));
    let annotation = json!({"metadata": {"annotations": {"tenure.dev/reconcile-requested-at": "held-up"}}});
    scene.merge("App", "crm", annotation).await;
    eventually(SOON, async || {
        let asked = crm.proxy().requests().iter().any(|r| r.path.ends_with(LISTING) && r.status.is_none());
        if asked { Ok(()) } else { Err("not asked yet".to_owned()) }
    })
    .await;
    scene.user("p1", &["staff"], json!({"displayName": "Renamed"})).await;
    scene.user("p2", &["staff"], json!({"state": "Terminated"})).await;
    scene.user("late", &["staff"], json!({})).await;
    scene.account("p2", "crm", "Suspended").await;
    let status = eventually(SOON, async || {
        let status = scene.get("App", "crm").await["status"].clone();
        if status["sweep"]["requestedAt"] == "held-up" { Ok(status) } else { Err("not swept yet".to_owned()) }
    })
    .await;
    assert_eq!(findings(&status), vec![], "{status}");
}

/// Lists that are cut, doubled, refused or empty.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_cannot_be_complete_concludes_nothing() {
    let (company, _operator) = Company::found("sweepliar", json!({})).await;
    let (scene, crm) = (&company.scene, &company.crm);
    for number in 0..PEOPLE {
        scene.age(&format!("p{number}")).await;
    }
    scene.sweep("crm", "good").await;
    let before = scene.get("App", "crm").await["status"]["sweep"]["lastCompleted"].clone();
    let mark = RecordingProxy::mark();
    let lies: [(&str, Action); 4] = [
        (
            "half of it",
            Action::Rewrite(|list| {
                if let Some(all) = list["Resources"].as_array_mut() {
                    all.truncate(5);
                }
            }),
        ),
        (
            "one twice",
            Action::Rewrite(|list| {
                if let Some(all) = list["Resources"].as_array_mut() {
                    all[1] = all[0].clone();
                }
            }),
        ),
        ("refused", Action::status(500)),
        ("cut off", Action::TruncateBody),
    ];
    for (what, lie) in lies {
        crm.proxy().inject(Rule::new(lie).method("GET").path(LISTING));
        // Where the first page is short, this is the second.
        let nothing = Action::Rewrite(|list| list["Resources"] = json!([]));
        crm.proxy().inject(Rule::new(nothing).method("GET").path("/Users?startIndex=6&"));
        let status = scene.sweep("crm", what).await;
        crm.proxy().clear();
        assert!(
            status["sweep"]["message"].as_str().unwrap().starts_with("nothing was concluded"),
            "{what}: {status}"
        );
        assert_eq!((findings(&status), &status["sweep"]["lastCompleted"]), (vec![], &before), "{what}");
    }
    // This one proves complete, and is doubted all the same: everybody would be gone at once.
    let empty =
        Action::Rewrite(|list| *list = json!({"totalResults": 0, "startIndex": 1, "itemsPerPage": 0}));
    crm.proxy().inject(Rule::new(empty).method("GET").path(LISTING));
    let status = scene.sweep("crm", "nobody").await;
    crm.proxy().clear();
    assert!(
        status["sweep"]["message"].as_str().unwrap().starts_with("too many accounts are missing"),
        "{status}"
    );
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(crm.proxy().writes_since(mark).is_empty(), "{:?}", crm.proxy().writes_since(mark));
    assert_eq!(crm.users().await.len(), PEOPLE);
}
