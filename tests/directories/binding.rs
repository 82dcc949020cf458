//! Whether people can bind: that is what suspending is about.

use std::time::Duration;

use serde_json::{Value, json};

use crate::company::{APP, by_id, in_domain, ldap_app, samba_app, set_domain_password};
use crate::support::ldap::{Entry, bind_code, replace};
use crate::support::scene::{SOON, entry};
use crate::support::sweeps::{counted, findings};
use crate::support::targets::samba::Samba;
use crate::support::targets::slapd::{Config, Policy, Slapd};
use crate::support::wait::{always, eventually};
use crate::support::{Operator, Scene};

const FIRST: &str = "canary-First-1";
const SECOND: &str = "canary-Second-2";
const REFUSED: u32 = 49;

struct Ldap {
    server: Slapd,
    scene: Scene,
    _operator: Operator,
}

impl Ldap {
    /// Ann has an account in a directory with this policy.
    async fn with(name: &str, policy: Policy, extra: Value) -> Self {
        let server = Slapd::start(Config { policy, ..Config::default() }).await;
        let scene = Scene::new(name).await;
        ldap_app(&scene, &[server.url()], extra, json!({})).await;
        let operator = scene.operator().start().await;
        scene.condition("App", APP, "Ready", "True").await;
        scene.user("ann", &[], json!({})).await;
        scene.ready("ann").await;
        Self { server, scene, _operator: operator }
    }

    async fn entry(&self) -> Entry {
        let user = self.scene.get("User", "ann").await;
        by_id(&self.server, &entry(&user, APP)["id"]).await.expect("ann's entry")
    }

    /// An administrator of the directory gives Ann a password.
    async fn set_password(&self, password: &str) {
        self.server.admin().modify(&self.entry().await.dn, vec![replace("userPassword", &[password])]).await;
    }

    async fn bind(&self, password: &str) -> u32 {
        bind_code(&self.server.url(), &self.entry().await.dn, password).await
    }

    async fn becomes(&self, state: &str, account: &str) {
        self.scene.user("ann", &[], json!({ "state": state })).await;
        self.scene.account("ann", APP, account).await;
        self.scene.ready("ann").await;
    }

    async fn capability(&self, name: &str) -> String {
        let app = self.scene.get("App", APP).await;
        let all = app["status"]["capabilities"].as_array().cloned().unwrap_or_default();
        let found = all.into_iter().find(|c| c["name"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {}", app["status"]))["value"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// In and out of use, twice: with the password of before, and with one set meanwhile.
    async fn suspends_and_resumes(&self) {
        self.set_password(FIRST).await;
        assert_eq!(self.bind(FIRST).await, 0);
        self.becomes("Suspended", "Suspended").await;
        assert_eq!(self.bind(FIRST).await, REFUSED);
        self.becomes("Active", "Active").await;
        assert_eq!(self.bind(FIRST).await, 0, "as before, with the same password");
        self.becomes("Suspended", "Suspended").await;
        assert_eq!(self.bind(FIRST).await, REFUSED);
        self.set_password(SECOND).await;
    }
}

/// Where a policy applies a new password opens nothing, lockout or not.
#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_person_cannot_bind_where_a_policy_applies() {
    let both = [("lockout", Policy::Lockout), ("no-lockout", Policy::WithoutLockout)];
    futures::future::join_all(both.map(async |(name, policy)| {
        let ldap = Ldap::with(&format!("bind-{name}"), policy, json!({})).await;
        ldap.suspends_and_resumes().await;
        always(Duration::from_secs(5), async || match ldap.bind(SECOND).await {
            REFUSED => Ok(()),
            code => Err(format!("{name}: a new password let a suspended person in: {code}")),
        })
        .await;
        ldap.becomes("Active", "Active").await;
        assert_eq!(ldap.bind(SECOND).await, 0, "{name}");
        let mechanism = ldap.capability("suspension").await;
        assert!(mechanism.contains("PasswordPolicy"), "{name}: {mechanism}");
    }))
    .await;
}

/// Where none applies accounts are closed by their hash, and the next sweep undoes what a new password opened.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_is_undone_where_no_policy_applies() {
    let both = [("inapplicable", Policy::Inapplicable), ("absent", Policy::Absent)];
    futures::future::join_all(both.map(async |(name, policy)| {
        let extra = json!({ "suspend": "BestEffort" });
        let ldap = Ldap::with(&format!("bind-{name}"), policy, extra).await;
        ldap.suspends_and_resumes().await;
        assert_eq!(ldap.bind(SECOND).await, 0, "{name}: until somebody looks");
        let status = ldap.scene.sweep(APP, "after the new password").await;
        assert_eq!(findings(&status), counted(&[("reactivated", 1)]), "{name}: {status}");
        eventually(SOON, async || match ldap.bind(SECOND).await {
            REFUSED => Ok(()),
            code => Err(format!("{name}: the new password still lets a suspended person in: {code}")),
        })
        .await;
        let mechanism = ldap.capability("suspension").await;
        assert!(mechanism.contains("HashPrefix"), "{name}: {mechanism}");
        ldap.becomes("Active", "Active").await;
        assert_eq!(ldap.bind(SECOND).await, 0, "{name}");
    }))
    .await;
}

/// An App that cannot prove that suspending holds is not ready until it is told that this is enough.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_proved_is_said() {
    let server = Slapd::start(Config { policy: Policy::Absent, ..Config::default() }).await;
    let scene = Scene::new("bind-unproved").await;
    ldap_app(&scene, &[server.url()], json!({}), json!({})).await;
    let _operator = scene.operator().start().await;
    let (_, message) = scene.condition("App", APP, "Ready", "False").await;
    assert!(message.contains("BestEffort"), "{message}");
    scene
        .merge("App", APP, json!({ "spec": { "connector": { "ldap": { "suspend": "BestEffort" } } } }))
        .await;
    scene.condition("App", APP, "Ready", "True").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_person_cannot_bind_to_a_domain() {
    let server = Samba::start().await;
    let scene = Scene::new("bind-samba").await;
    samba_app(&scene, &server, json!({}), json!({})).await;
    let _operator = scene.operator().start().await;
    scene.user("ann", &[], json!({})).await;
    scene.ready("ann").await;
    let ann = in_domain(&server, "ann").await.expect("ann's entry");
    let set = async |password: &str| set_domain_password(&server, &ann.dn, password).await;
    let bind = async |password: &str| bind_code(&server.url(), &ann.dn, password).await;
    let becomes = async |state: &str, account: &str| {
        scene.user("ann", &[], json!({ "state": state })).await;
        scene.account("ann", APP, account).await;
        scene.ready("ann").await;
    };
    set(FIRST).await;
    assert_eq!(bind(FIRST).await, 0);
    becomes("Suspended", "Suspended").await;
    assert_eq!(bind(FIRST).await, REFUSED);
    becomes("Active", "Active").await;
    set(FIRST).await;
    assert_eq!(bind(FIRST).await, 0);
    becomes("Suspended", "Suspended").await;
    set(SECOND).await;
    assert_eq!((bind(FIRST).await, bind(SECOND).await), (REFUSED, REFUSED));
    becomes("Active", "Active").await;
    assert_eq!(bind(SECOND).await, 0);
}
