//! The removal budget: what is beyond it touches nobody before a person says yes, and leavers wait for nobody.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use support::clock::FakeClock;
use support::fast_target::{self, FastTarget};
use support::scene::SOON;
use support::{Scene, eventually};

/// Long enough for a wave to settle, and for what must not happen to happen.
const QUIET: Duration = Duration::from_secs(8);

struct Stage {
    scene: Scene,
    target: FastTarget,
}

impl Stage {
    async fn new(name: &str, extra: Value) -> Self {
        let scene = Scene::new(name).await;
        let target = FastTarget::start(fast_target::Config {
            token: Some("canary-fast".into()),
            ..Default::default()
        });
        scene.app("crm", &target.base_url(), "canary-fast", extra).await;
        Self { scene, target }
    }

    async fn people(&self, prefix: &str, count: usize, roles: &[&str]) {
        self.scene.crowd(prefix, count, roles, &json!({})).await;
    }

    /// Waits until so many accounts are in use, and the App's status says so.
    async fn active(&self, count: usize) {
        eventually(Duration::from_mins(10), async || {
            let app = self.scene.get("App", "crm").await;
            let (there, said) = (self.target.active_count(), &app["status"]["accounts"]["active"]);
            if there == count && *said == json!(count) {
                Ok(())
            } else {
                Err(format!("{there} accounts in use, {said} counted, not {count}; {}", app["status"]))
            }
        })
        .await;
    }

    async fn fire(&self, names: impl Iterator<Item = String>) {
        let terminated = json!({"spec": {"state": "Terminated"}});
        let fire = async |name: String| self.scene.merge("User", &name, terminated.clone()).await;
        futures::future::join_all(names.map(fire)).await;
    }

    async fn suspended(&self, count: usize) {
        eventually(SOON, async || match self.target.deactivated().len() {
            n if n == count => Ok(()),
            n => Err(format!("{n} accounts were suspended, not {count}")),
        })
        .await;
    }

    fn members(&self, group: &str) -> usize {
        let groups = self.target.groups();
        let group = groups.iter().find(|g| g["displayName"] == group);
        group.map_or(0, |g| self.target.member_count(g["id"].as_str().unwrap()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_matches_nobody_is_one_hold_and_no_write_per_person() {
    let stage = Stage::new("norule", json!({})).await;
    stage.scene.role_for("all", json!({"match": "true"}), "crm", &[]).await;
    let _operator = stage.scene.operator().start().await;
    stage.people("p", 300, &[]).await;
    stage.active(300).await;
    stage.scene.all_ready(300, SOON).await;
    let before = stage.scene.versions().await;
    stage.scene.apply("Role", "all", json!({"match": "user.department == 'Slaes'"})).await;
    let hold = stage.scene.holds(1).await.remove(0);
    assert_eq!(hold["status"]["people"], 300);
    assert_eq!(hold["status"]["cause"], "Structural");
    assert_eq!(hold["status"]["counts"]["suspend"], 300);
    assert_eq!(hold["status"]["sample"].as_array().unwrap().len(), 20);
    stage.scene.reason("App", "crm", "Held", "RemovalsHeld").await;
    tokio::time::sleep(QUIET).await;
    assert_eq!(stage.target.active_count(), 300);
    assert_eq!(stage.scene.versions().await, before, "holding writes nothing per person");
    assert_eq!(stage.scene.list("Hold").await.len(), 1);
    // It is put right: nothing is due any more.
    stage.scene.apply("Role", "all", json!({"match": "true"})).await;
    stage.scene.outcome(&hold, "Superseded").await;
    assert_eq!(stage.target.active_count(), 300);
    // Too late to say yes.
    stage.scene.say(&hold, "approval", &hold["status"]["digest"]).await;
    tokio::time::sleep(QUIET).await;
    assert_eq!(stage.target.active_count(), 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_for_those_who_were_frozen_and_are_still_due() {
    let budget = json!({"removalBudget": {"percent": 10, "minimum": 1}});
    let stage = Stage::new("approval", budget).await;
    for role in ["a", "b", "c"] {
        stage.scene.role_for(role, json!({}), "crm", &[]).await;
    }
    let operator = stage.scene.operator().start().await;
    stage.people("a", 25, &["a"]).await;
    stage.people("b", 5, &["b"]).await;
    stage.active(30).await;
    stage.scene.delete("AppBinding", "a-crm").await;
    let first = stage.scene.holds(1).await.remove(0);
    assert_eq!(first["status"]["people"], 25);
    // Fired meanwhile: at once. No longer due: drops out.
    stage.fire(["a0".to_owned()].into_iter()).await;
    stage.suspended(1).await;
    stage.scene.user("a1", &["a", "c"], json!({})).await;
    stage.scene.say(&first, "approval", &json!(format!("sha256:{}", "0".repeat(64)))).await;
    let name = first["metadata"]["name"].as_str().unwrap();
    stage.scene.reason("Hold", name, "Ready", "WrongDigest").await;
    // One more set after the Hold is another Hold.
    stage.scene.delete("AppBinding", "b-crm").await;
    let holds = stage.scene.holds(2).await;
    assert_eq!(stage.target.active_count(), 29);
    stage.scene.say(&first, "approval", &first["status"]["digest"]).await;
    stage.scene.outcome(&first, "Done").await;
    stage.suspended(24).await;
    let mut active: Vec<_> = stage
        .target
        .users()
        .into_iter()
        .filter(|u| u["active"] != json!(false))
        .map(|u| u["displayName"].as_str().unwrap().to_owned())
        .collect();
    active.sort();
    assert_eq!(active, ["a1", "b0", "b1", "b2", "b3", "b4"].map(str::to_owned));
    let second = holds.iter().find(|h| h["metadata"]["name"] != first["metadata"]["name"]).unwrap();
    assert_eq!(second["status"]["people"], 5);
    eventually(SOON, async || match &stage.scene.get("App", "crm").await["status"]["removals"] {
        removals if removals["used"] == 1 => Ok(()),
        removals => Err(format!("what was approved is not counted: {removals}")),
    })
    .await;
    // The same after a restart: what is frozen stays frozen.
    operator.process().kill9();
    let _operator = stage.scene.operator().start().await;
    tokio::time::sleep(QUIET).await;
    assert_eq!(stage.target.active_count(), 6);
    assert_eq!(stage.scene.list("Hold").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_leavers_of_a_hundred_go_ten_at_once_and_two_as_a_wave() {
    let limits = json!({"removalBudget": {"settle": "5s"}, "limits": {"requestsPerSecond": 20}});
    let stage = Stage::new("twelve", limits).await;
    stage.scene.role_for("all", json!({"match": "true"}), "crm", &[]).await;
    let _operator = stage.scene.operator().start().await;
    stage.people("p", 100, &[]).await;
    stage.active(100).await;
    // Work for longer than all of this takes.
    stage.people("late", 400, &[]).await;
    let sent = Instant::now();
    stage.fire((0..12).map(|i| format!("p{i}"))).await;
    stage.suspended(12).await;
    let times: Vec<_> = stage.target.deactivated().into_iter().map(|(_, at)| at).collect();
    assert!(times[9] - times[0] < times[10] - times[9], "ten go at once, two have waited");
    let joiners = stage.target.arrivals_without_id();
    for (n, cut) in times.iter().take(10).enumerate() {
        let before = if n == 0 { sent } else { times[n - 1] };
        let between = joiners.iter().filter(|at| **at > before && **at <= *cut).count();
        assert!(between <= 10, "{between} requests for others before leaver {n}, who was next");
    }
    assert!(stage.scene.list("Hold").await.is_empty());
    assert!(stage.target.user_count() < 500, "others still wait");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_leavers_of_a_hundred_are_ten_and_one_hold() {
    let stage = Stage::new("sixty", json!({})).await;
    stage.scene.role_for("all", json!({"match": "true"}), "crm", &[]).await;
    let _operator = stage.scene.operator().start().await;
    stage.people("p", 100, &[]).await;
    stage.active(100).await;
    stage.fire((0..60).map(|i| format!("p{i}"))).await;
    let hold = stage.scene.holds(1).await.remove(0);
    assert_eq!((&hold["status"]["people"], &hold["status"]["cause"]), (&json!(50), &json!("Personal")));
    stage.suspended(10).await;
    let gone: Vec<_> = stage.target.deactivated().into_iter().map(|(login, _)| login).collect();
    let one = (0..60).map(|i| format!("p{i}")).find(|p| !gone.contains(&format!("{p}@example.com"))).unwrap();
    let order = json!({"metadata": {"annotations": {"tenure.dev/remove-now": "escorted out"}}});
    stage.scene.merge("User", &one, order).await;
    stage.suspended(11).await;
    assert_eq!(stage.target.deactivated().last().unwrap().0, format!("{one}@example.com"));
    stage.scene.say(&hold, "rejection", &hold["status"]["digest"]).await;
    stage.scene.outcome(&hold, "Rejected").await;
    // Longer than the express minute: nobody trickles away.
    tokio::time::sleep(Duration::from_secs(70)).await;
    stage.suspended(11).await;
    assert_eq!(stage.scene.list("Hold").await.len(), 1, "a rejected Hold stays quiet");
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_crash_nor_a_new_app_gives_the_budget_back() {
    let stage = Stage::new("crash", json!({})).await;
    stage.scene.role_for("all", json!({"match": "true"}), "crm", &[]).await;
    let operator = stage.scene.operator().failpoint("after-suspend").spawn();
    stage.people("p", 40, &[]).await;
    stage.active(40).await;
    // Of 40, eight may go.
    stage.fire((0..6).map(|i| format!("p{i}"))).await;
    operator.process().wait_exit(SOON).await.expect("it ends at the failpoint");
    let operator = stage.scene.operator().start().await;
    stage.fire((6..20).map(|i| format!("p{i}"))).await;
    stage.scene.reason("App", "crm", "Held", "RemovalsHeld").await;
    tokio::time::sleep(QUIET).await;
    assert!(stage.target.deactivated().len() <= 8, "{:?}", stage.target.deactivated());
    let extra = json!({});
    stage.scene.delete("App", "crm").await;
    stage.scene.gone("App", "crm").await;
    stage.scene.app("crm", &stage.target.base_url(), "canary-fast", extra).await;
    tokio::time::sleep(QUIET).await;
    assert!(stage.target.deactivated().len() <= 8, "{:?}", stage.target.deactivated());
    operator.process().kill9();
    let _operator = stage.scene.operator().start().await;
    tokio::time::sleep(QUIET).await;
    assert!(stage.target.deactivated().len() <= 8, "{:?}", stage.target.deactivated());
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_that_take_too_many_are_held_before_their_day() {
    let stage = Stage::new("dates", json!({})).await;
    stage.scene.role_for("all", json!({"match": "true"}), "crm", &[]).await;
    let _operator = stage.scene.operator().start().await;
    stage.people("p", 10, &[]).await;
    stage.people("c", 30, &[]).await;
    stage.active(40).await;
    // Of 40, eight may go.
    let day = Timestamp::now() + SignedDuration::from_secs(60);
    let contract = json!({"spec": {"endTime": day.to_string()}});
    for n in 0..30 {
        stage.scene.merge("User", &format!("c{n}"), contract.clone()).await;
    }
    let hold = stage.scene.holds(1).await.remove(0);
    let status = &hold["status"];
    assert_eq!(
        (&status["people"], &status["due"], &status["cause"]),
        (&json!(30), &json!(30), &json!("Personal"))
    );
    assert!(
        status["message"].as_str().unwrap().contains("will lose something; of the limit of 8"),
        "{status}"
    );
    assert!(Timestamp::now() < day && stage.target.deactivated().is_empty(), "it comes before the day");
    // One stays longer after all, and drops out.
    stage.scene.merge("User", "c0", json!({"spec": {"endTime": null}})).await;
    stage.scene.say(&hold, "approval", &status["digest"]).await;
    stage.scene.outcome(&hold, "Approved").await;
    assert!(Timestamp::now() < day && stage.target.deactivated().is_empty(), "nobody goes before their day");
    stage.scene.outcome_within(&hold, "Done", Duration::from_mins(3)).await;
    stage.suspended(29).await;
    assert_eq!(stage.target.active_count(), 11);
    assert_eq!(stage.scene.list("Hold").await.len(), 1);
}

/// The budget's hour is over neither sooner nor later for a clock that says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_gives_no_place_back() {
    let stage = Stage::new("clock", json!({"removalBudget": {"window": "1h"}})).await;
    stage.scene.role_for("all", json!({"match": "true"}), "crm", &[]).await;
    let clock = FakeClock::right();
    let operator = clock.of(stage.scene.operator()).start().await;
    stage.people("p", 40, &[]).await;
    stage.active(40).await;
    // Of 40, eight may go.
    stage.fire((0..6).map(|i| format!("p{i}"))).await;
    stage.suspended(6).await;
    for (jump, fired) in [("+61m", 6..13), ("-61m", 13..20)] {
        clock.jump(jump);
        tokio::time::sleep(Duration::from_secs(2)).await;
        stage.fire(fired.map(|i| format!("p{i}"))).await;
        tokio::time::sleep(QUIET).await;
        assert!(stage.target.deactivated().len() <= 8, "{jump}: {:?}", stage.target.deactivated());
    }
    operator.process().kill9();
    clock.jump("+61m");
    let _operator = clock.of(stage.scene.operator()).start().await;
    stage.scene.reason("App", "crm", "Held", "RemovalsHeld").await;
    tokio::time::sleep(QUIET).await;
    assert!(stage.target.deactivated().len() <= 8, "after a restart: {:?}", stage.target.deactivated());
}

/// Eight a second, until it is more than the App's limit of 500.
#[tokio::test(flavor = "multi_thread")]
async fn a_prune_of_thousands_ends_in_a_hold_before_its_first_suspension() {
    const PEOPLE: usize = 3_000;
    const PRUNED: usize = 520;
    let stage = Stage::new("prune", json!({"removalBudget": {"settle": "5s"}})).await;
    stage.scene.role_for("all", json!({"match": "true"}), "crm", &[]).await;
    let _operator = stage.scene.operator().start().await;
    stage.people("p", PEOPLE, &[]).await;
    stage.active(PEOPLE).await;
    stage.scene.all_ready(PEOPLE, SOON).await;
    let mut pace = tokio::time::interval(Duration::from_millis(125));
    for i in 0..PRUNED {
        pace.tick().await;
        stage.scene.delete("User", &format!("p{i}")).await;
    }
    let hold = stage.scene.holds(1).await.remove(0);
    assert_eq!(hold["status"]["people"], PRUNED);
    assert_eq!(stage.target.active_count(), PEOPLE);
    stage.scene.say(&hold, "rejection", &hold["status"]["digest"]).await;
    eventually(SOON, async || match stage.scene.list("User").await.len() {
        n if n == PEOPLE - PRUNED => Ok(()),
        n => Err(format!("{n} Users are left")),
    })
    .await;
    assert_eq!(stage.target.active_count(), PEOPLE, "the accounts are kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_edit_does_not_empty_a_group() {
    let stage = Stage::new("group", json!({})).await;
    stage.scene.role_for("all", json!({"match": "true"}), "crm", &[]).await;
    stage.scene.role_for("ops", json!({}), "crm", &["Ops"]).await;
    let _operator = stage.scene.operator().start().await;
    stage.people("o", 40, &["ops"]).await;
    stage.people("p", 210, &[]).await;
    stage.active(250).await;
    eventually(SOON, async || match stage.members("Ops") {
        40 => Ok(()),
        n => Err(format!("{n} members")),
    })
    .await;
    stage.scene.all_ready(250, SOON).await;
    let binding = json!({"roleRef": {"name": "ops"}, "appRef": {"name": "crm"}, "entitlements": []});
    stage.scene.apply("AppBinding", "ops-crm", binding).await;
    let hold = stage.scene.holds(1).await.remove(0);
    assert_eq!((&hold["status"]["people"], &hold["status"]["counts"]["change"]), (&json!(40), &json!(40)));
    assert!(hold["status"]["message"].as_str().unwrap().contains("its limit of 8"), "{hold}");
    tokio::time::sleep(QUIET).await;
    assert_eq!(stage.members("Ops"), 40);
    stage.scene.say(&hold, "approval", &hold["status"]["digest"]).await;
    stage.scene.outcome(&hold, "Done").await;
    assert_eq!(stage.members("Ops"), 0);
    assert_eq!(stage.target.active_count(), 250);
}
