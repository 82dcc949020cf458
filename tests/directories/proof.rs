//! Somebody who leaves a directory, a domain and an application at once is proved gone when all three were read back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::company::{by_marker, in_domain, ldap_app_named, samba_app_named, set_domain_password};
use crate::support::ldap::{bind_code, replace};
use crate::support::ldap_proxy;
use crate::support::scene::{entry, find_condition};
use crate::support::targets::better_auth::{BetterAuth, TOKEN};
use crate::support::targets::samba::Samba;
use crate::support::targets::slapd::{Config, Slapd};
use crate::support::{Action, LdapProxy, Rule, Scene};

const APPS: [&str; 3] = ["directory", "domain", "portal"];
const PASSWORD: &str = "canary-Of-The-Leaver-1";
const REFUSED: u32 = 49;

fn mail(user: &str) -> String {
    format!("{user}@example.com")
}

/// Three servers, each behind a proxy.
struct Company {
    scene: Scene,
    slapd: Slapd,
    samba: Samba,
    portal: BetterAuth,
    to_slapd: LdapProxy,
    to_samba: LdapProxy,
}

impl Company {
    async fn new() -> Self {
        let (slapd, samba, portal) =
            tokio::join!(Slapd::start(Config::default()), Samba::start(), BetterAuth::start());
        let to_slapd = LdapProxy::start("localhost", slapd.tls_port());
        let (address, port) = samba.tls_address();
        let to_samba = LdapProxy::start(&address, port);
        let scene = Scene::new("threefold").await;
        ldap_app_named(&scene, "directory", &[to_slapd.url()], json!({}), json!({})).await;
        samba_app_named(&scene, "domain", to_samba.url(), json!({}), json!({})).await;
        let preset = json!({ "connector": { "scim": { "profile": { "preset": "betterAuth" } } } });
        scene.app("portal", &portal.base_url(), TOKEN, preset).await;
        scene.role_for("staff", json!({ "match": "true" }), "portal", &[]).await;
        Self { scene, slapd, samba, portal, to_slapd, to_samba }
    }

    async fn user(&self, user: &str, extra: Value) {
        let mut spec = json!({ "emails": [{ "value": mail(user), "type": "work", "primary": true }] });
        json_patch::merge(&mut spec, &extra);
        self.scene.user(user, &[], spec).await;
    }

    /// Somebody works in all three: the session in the portal.
    async fn at_work(&self, user: &str) -> String {
        self.user(user, json!({})).await;
        self.scene.ready(user).await;
        let dn = by_marker(&self.slapd, user).await.expect("an entry").dn;
        self.slapd.admin().modify(&dn, vec![replace("userPassword", &[PASSWORD])]).await;
        let dn = in_domain(&self.samba, user).await.expect("an entry").dn;
        set_domain_password(&self.samba, &dn, PASSWORD).await;
        self.portal.set_password(&mail(user), PASSWORD).await;
        let session = self.portal.sign_in(&mail(user), PASSWORD).await.expect("a session");
        assert_eq!(self.ways_in(user, &session).await, [true; 3], "{user}");
        session
    }

    /// Whether the person gets into each of the three.
    async fn ways_in(&self, user: &str, session: &str) -> [bool; 3] {
        let bind = async |url: String, dn: String| match bind_code(&url, &dn, PASSWORD).await {
            0 => true,
            REFUSED => false,
            code => panic!("{dn}: {code}"),
        };
        let (directory, domain) = tokio::join!(by_marker(&self.slapd, user), in_domain(&self.samba, user));
        [
            bind(self.slapd.url(), directory.expect("an entry").dn).await,
            bind(self.samba.url(), domain.expect("an entry").dn).await,
            self.portal.session_lives(session).await,
        ]
    }

    /// One of the servers goes away. The directory does so after it has done what was asked, before it says so.
    fn close(&self, app: &str) {
        match app {
            "directory" => {
                let gone = Arc::new(AtomicBool::new(false));
                let (last, after) = (Arc::clone(&gone), gone);
                let suspends = move |request: &ldap_proxy::Recorded| {
                    let fits = request.dn.starts_with("uid=") && request.touches("pwdEndTime");
                    last.fetch_or(fits, Ordering::SeqCst);
                    fits
                };
                self.to_slapd.inject(ldap_proxy::Rule::new(ldap_proxy::Action::LoseReply, suspends).times(1));
                let away = move |_: &ldap_proxy::Recorded| after.load(Ordering::SeqCst);
                self.to_slapd.inject(ldap_proxy::Rule::new(ldap_proxy::Action::Close, away));
            }
            "domain" => {
                self.to_samba.inject(ldap_proxy::Rule::new(ldap_proxy::Action::Close, |_| true));
                self.to_samba.cut();
            }
            _ => self.portal.proxy().inject(Rule::new(Action::status(503))),
        }
    }

    fn open(&self, app: &str) {
        match app {
            "directory" => self.to_slapd.clear(),
            "domain" => self.to_samba.clear(),
            _ => self.portal.proxy().clear(),
        }
    }

    /// Leaves while one of the servers is away; the ledger and the session of before.
    async fn leaves_without(&self, user: &str, away: &str) -> (Value, String) {
        let session = self.at_work(user).await;
        let working = self.scene.get("User", user).await;
        assert!(find_condition(&working, "AccessRevoked").is_none(), "{user} did not leave");
        self.close(away);
        self.user(user, json!({ "state": "Terminated" })).await;
        for app in APPS.into_iter().filter(|app| *app != away) {
            self.scene.account(user, app, "Suspended").await;
        }
        let (reason, message) = self.scene.condition("User", user, "AccessRevoked", "False").await;
        assert_eq!(reason, "AccessNotCut");
        for app in APPS {
            assert_eq!(message.contains(&format!("{app} (")), app == away, "{away} is away: {message}");
        }
        let ways = self.ways_in(user, &session).await;
        for (app, open) in APPS.into_iter().zip(ways) {
            // The directory closed the account, and nobody has read it back.
            assert_eq!(open, app == away && away != "directory", "{app}: {ways:?}, {away} is away");
        }
        self.open(away);
        self.proved(user, &session).await;
        (self.scene.get("User", user).await, session)
    }

    /// All was read back before it was called proved, and is so.
    async fn proved(&self, user: &str, session: &str) {
        let (reason, _) = self.scene.condition("User", user, "AccessRevoked", "True").await;
        assert_eq!(reason, "AccessCut");
        assert_eq!(self.ways_in(user, session).await, [false; 3], "{user}");
        let object = self.scene.get("User", user).await;
        let instant = |value: &Value| -> Timestamp {
            value.as_str().unwrap_or_else(|| panic!("{}", object["status"])).parse().unwrap()
        };
        let said = instant(&find_condition(&object, "AccessRevoked").unwrap()["lastTransitionTime"]);
        for app in APPS {
            let account = entry(&object, app);
            assert!(instant(&account["cutAt"]) <= instant(&account["verifiedAt"]), "{account}");
            // Conditions know whole seconds.
            assert!(instant(&account["verifiedAt"]).as_second() <= said.as_second(), "{said}: {account}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaver_is_proved_gone_when_all_three_were_read_back() {
    let company = Company::new().await;
    let _operator = company.scene.operator().start().await;
    for app in APPS {
        company.scene.condition("App", app, "Ready", "True").await;
    }
    for (user, away) in [("ann", "directory"), ("bob", "domain")] {
        company.leaves_without(user, away).await;
    }
    let (left, session) = company.leaves_without("eve", "portal").await;

    // The manifest of before changes nothing.
    company.user("eve", json!({ "state": "Active" })).await;
    company.scene.reason("User", "eve", "Ready", "StaleRehire").await;
    company.proved("eve", &session).await;
    // A newer start does, and gives the same accounts back.
    let start = Timestamp::now().checked_sub(SignedDuration::from_millis(1)).unwrap();
    company.user("eve", json!({ "state": "Active", "startTime": start.to_string() })).await;
    let back = company.scene.ready("eve").await;
    assert!(find_condition(&back, "AccessRevoked").is_none());
    for app in APPS {
        let (before, now) = (entry(&left, app), entry(&back, app));
        assert_eq!((&now["id"], &now["state"]), (&before["id"], &json!("Active")), "{app}");
        assert!(now["cutAt"].is_null() && now["verifiedAt"].is_null(), "{now}");
    }
    // Not with what was open before.
    let domain = in_domain(&company.samba, "eve").await.expect("an entry");
    set_domain_password(&company.samba, &domain.dn, PASSWORD).await;
    assert_eq!(company.ways_in("eve", &session).await, [true, true, false]);
    assert!(company.portal.sign_in(&mail("eve"), PASSWORD).await.is_some());
}
