//! Thousands of people in an application, a directory and a domain at once: what would lock them out is held, and what is
//! approved holds up nobody who leaves meanwhile.

use std::time::Duration;

use serde_json::{Value, json};

use crate::company::{in_domain, ldap_app_named, samba_app_named};
use crate::support::fast_target::{Config as FastConfig, FastTarget};
use crate::support::scene::find_condition;
use crate::support::targets::samba::{self, Samba};
use crate::support::targets::slapd::{self, Config, Slapd};
use crate::support::{Scene, eventually};

const PEOPLE: usize = 3_000;
/// Of them, those who work in the domain.
const OFFICE: usize = 300;
/// On a machine that others use too.
const PATIENCE: Duration = Duration::from_mins(10);
/// Long enough for a wave to settle, and for what must not happen to happen.
const QUIET: Duration = Duration::from_secs(10);
/// How long the proof of one leaver may take beside thousands of removals, on such a machine.
const AT_ONCE: Duration = Duration::from_secs(30);

struct Company {
    scene: Scene,
    crm: FastTarget,
    slapd: Slapd,
    samba: Samba,
}

impl Company {
    async fn new() -> Self {
        let (slapd, samba) = tokio::join!(Slapd::start(Config::default()), Samba::start());
        let crm =
            FastTarget::start(FastConfig { token: Some("canary-fast".into()), ..FastConfig::default() });
        let scene = Scene::new("mass").await;
        // As many requests as it takes for thousands of removals to last longer than the proof of one.
        let limits = json!({ "limits": { "requestsPerSecond": 150 } });
        scene.app("crm", &crm.base_url(), "canary-fast", limits).await;
        scene.role_for("staff", json!({ "match": "true" }), "crm", &[]).await;
        ldap_app_named(&scene, "directory", &[slapd.url()], json!({}), json!({})).await;
        samba_app_named(&scene, "domain", samba.url(), json!({}), json!({})).await;
        let office = json!({ "spec": { "when": "user.department == 'Office'" } });
        scene.merge("AppBinding", "staff-domain", office).await;
        scene.role_for("keeper", json!({}), "crm", &[]).await;
        Self { scene, crm, slapd, samba }
    }

    async fn hire(&self) {
        let (office, field) = (json!({ "department": "Office" }), json!({ "department": "Field" }));
        self.scene.crowd("office", OFFICE, &[], &office).await;
        self.scene.crowd("field", PEOPLE - OFFICE, &[], &field).await;
        self.scene.all_ready(PEOPLE, PATIENCE).await;
        assert_eq!(self.in_use().await, [PEOPLE, PEOPLE, OFFICE]);
    }

    /// Accounts in use in the application, the directory and the domain.
    async fn in_use(&self) -> [usize; 3] {
        let count = async |admin: &crate::support::ldap::Raw, base: &str, filter: &str| {
            admin.search(base, ldap3::Scope::Subtree, filter, &["1.1"]).await.len()
        };
        let directory = "(&(employeeNumber=*)(!(pwdEndTime=*)))";
        let domain = "(&(employeeNumber=*)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))";
        [
            self.crm.active_count(),
            count(self.slapd.admin(), slapd::PEOPLE, directory).await,
            count(self.samba.admin(), samba::BASE, domain).await,
        ]
    }

    async fn proved(&self, user: &str) {
        eventually(AT_ONCE, async || {
            let found = find_condition(&self.scene.get("User", user).await, "AccessRevoked");
            if found.as_ref().is_some_and(|c| c["status"] == "True") {
                Ok(())
            } else {
                Err(format!("{found:?}"))
            }
        })
        .await;
    }

    async fn fire(&self, user: &str) {
        self.scene.merge("User", user, json!({ "spec": { "state": "Terminated" } })).await;
    }
}

fn about<'a>(holds: &'a [Value], app: &str) -> &'a Value {
    holds.iter().find(|hold| hold["status"]["app"] == app).expect("a Hold of this App")
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_are_held_and_leavers_wait_neither_for_the_word_nor_for_the_work() {
    let company = Company::new().await;
    let scene = &company.scene;
    let _operator = scene.patient_operator().start().await;
    company.hire().await;
    let before = scene.versions().await;

    // A binding is deleted, another one is, and a condition matches nobody any more.
    scene.delete("AppBinding", "staff-crm").await;
    scene.delete("AppBinding", "staff-directory").await;
    let nobody = json!({ "spec": { "when": "user.department == 'Offices'" } });
    scene.merge("AppBinding", "staff-domain", nobody).await;
    let holds = scene.holds(3).await;
    for (app, people) in [("crm", PEOPLE), ("directory", PEOPLE), ("domain", OFFICE)] {
        let status = &about(&holds, app)["status"];
        assert_eq!(
            (&status["people"], &status["counts"]["suspend"]),
            (&json!(people), &json!(people)),
            "{app}"
        );
        assert_eq!(status["sample"].as_array().expect("a sample").len(), 20);
    }
    tokio::time::sleep(QUIET).await;
    assert_eq!(company.in_use().await, [PEOPLE, PEOPLE, OFFICE], "nobody is touched");
    assert_eq!(scene.versions().await, before, "nothing is written per person");

    // One is fired meanwhile, and one is to keep an account.
    company.fire("office0").await;
    company.proved("office0").await;
    assert_eq!(company.in_use().await, [PEOPLE - 1, PEOPLE - 1, OFFICE - 1]);
    scene.user("office1", &["keeper"], json!({ "department": "Office" })).await;

    for hold in &holds {
        scene.say(hold, "approval", &hold["status"]["digest"]).await;
    }
    eventually(PATIENCE, async || {
        if company.crm.active_count() < PEOPLE - 100 { Ok(()) } else { Err("none went".to_owned()) }
    })
    .await;
    company.fire("office1").await;
    company.proved("office1").await;
    assert!(company.crm.active_count() > 0, "the leaver was proved before all that is approved was done");
    for hold in &holds {
        scene.outcome_within(hold, "Done", PATIENCE).await;
    }
    assert_eq!(company.in_use().await, [0, 0, 0]);
    let still_there = in_domain(&company.samba, "office7").await;
    assert!(still_there.is_some(), "suspended, not deleted");
    assert_eq!(scene.list("Hold").await.len(), 3);
}
