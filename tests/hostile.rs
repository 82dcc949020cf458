//! A hostile target does no harm: one operator, and an App for each way in which a target can mean harm. Each App says
//! what is wrong, everybody gets their account in the App that works, and memory stays bounded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::fast_target::{self, FastTarget};
use support::hostile::{Behaviour, Hostile, TOKEN, TlsTarget};
use support::scene::{entry, find_condition};
use support::{Operator, Scene, eventually};

/// How long a condition is waited for: many Apps share one processor, and none is in a hurry.
const LONG: Duration = Duration::from_mins(3);
/// What the operator may take up, in KiB, whatever targets send. About 280 MiB were seen where a dozen lists that never end
/// are read, by searches and by sweeps at the same time, and 45 where nobody sends much.
const MEMORY: u64 = 384 << 10;

/// Reason of `Ready` and a part of its message.
type Says = (&'static str, &'static str);

const UNEXPECTED: &str = "UnexpectedAnswer";
const UNREACHABLE: &str = "Unreachable";

const NO_ANSWER: [(&str, Says); 10] = [
    ("silent", (UNREACHABLE, "no answer in time")),
    ("reset", (UNREACHABLE, "the connection broke")),
    ("cut-short", (UNREACHABLE, "the connection broke")),
    ("half-open", (UNREACHABLE, "no answer in time")),
    ("slow-body", (UNREACHABLE, "no answer in time")),
    ("slow-head", (UNREACHABLE, "no answer in time")),
    ("not-http", (UNREACHABLE, "the connection broke")),
    ("continues", (UNREACHABLE, "no answer in time")),
    ("huge-header", (UNREACHABLE, "the connection broke")),
    ("many-headers", (UNREACHABLE, "the connection broke")),
];

const SENSELESS: [(&str, Says); 6] = [
    ("html", (UNEXPECTED, "not JSON")),
    ("text", (UNEXPECTED, "not JSON")),
    ("not-utf-8", (UNEXPECTED, "not JSON")),
    ("deep", (UNEXPECTED, "not JSON")),
    ("very-deep", (UNEXPECTED, "too many values")),
    ("other-json", (UNEXPECTED, "no list")),
];

const TOO_MUCH: [(&str, Says); 11] = [
    ("gigabyte", (UNEXPECTED, "too long")),
    ("gigabyte-unannounced", (UNEXPECTED, "too long")),
    ("gigabyte-in-chunks", (UNEXPECTED, "too long")),
    ("gigabyte-refusal", ("TargetError", "HTTP 500")),
    ("many-values", (UNEXPECTED, "too many values")),
    ("gzip-bomb", (UNEXPECTED, "too long")),
    ("gzip-twice", (UNEXPECTED, "not JSON")),
    ("gzip-two-headers", (UNEXPECTED, "too long")),
    ("gzip-in-gzip", (UNEXPECTED, "not JSON")),
    ("gzip-of-nothing", (UNREACHABLE, "no answer in time")),
    ("gzip-broken", (UNEXPECTED, "encoding is broken")),
];

const REFUSALS: [(&str, Says); 8] = [
    ("redirect-to-metadata", (UNEXPECTED, "redirects")),
    ("redirect-in-a-circle", (UNEXPECTED, "redirects")),
    ("refuses-us", ("CredentialsRefused", "")),
    ("wait-for-a-date", ("Throttled", "")),
    ("wait-until-the-past", ("Throttled", "")),
    ("wait-negative", ("Throttled", "")),
    ("wait-nonsense", ("Throttled", "")),
    ("wait-a-million-years", ("Throttled", "")),
];

const LISTS: [(&str, Says); 10] = [
    ("endless", (UNEXPECTED, "grows faster than it is read")),
    ("endless-million", (UNEXPECTED, "more resources came than there are")),
    ("endless-cursor", (UNEXPECTED, "does not end")),
    ("endless-empty", (UNEXPECTED, "the pages are empty")),
    ("same-cursor", (UNEXPECTED, "the same page came again")),
    ("same-page", (UNEXPECTED, "the same page came again")),
    ("claims-more", (UNEXPECTED, "fewer resources came")),
    ("claims-less", (UNEXPECTED, "more resources came")),
    ("one-id-ten-thousand-times", (UNEXPECTED, "twice on one page")),
    ("everybody-matches", (UNEXPECTED, "too many resources match")),
];

const UNTRUE: [(&str, Says); 4] = [
    ("id-too-long", (UNEXPECTED, "no usable id")),
    ("id-is-dots", (UNEXPECTED, "no usable id")),
    ("id-with-controls", (UNEXPECTED, "no usable id")),
    ("keys-twice", (UNEXPECTED, "another account")),
];

/// What one answer says that is not so, the next look puts right.
const PUT_RIGHT: [&str; 6] = [
    "id-is-anothers",
    "answers-about-another",
    "id-climbs",
    "login-too-long",
    "delivered-twice",
    "reply-lost",
];

const TLS: [(&str, Says); 5] = [
    ("expired", (UNREACHABLE, "certificate")),
    ("of-another-authority", (UNREACHABLE, "certificate")),
    ("for-another-host", (UNREACHABLE, "certificate")),
    ("only-old-tls", (UNREACHABLE, "no TLS 1.2 or 1.3")),
    ("tls-garbage", (UNREACHABLE, "no TLS 1.2 or 1.3")),
];

/// Where credentials of machines are to be had.
const OFF_LIMITS: [(&str, &str); 4] = [
    ("metadata", "http://169.254.169.254/latest"),
    ("metadata-by-number", "http://2852039166/latest"),
    ("metadata-mapped", "https://[::ffff:169.254.169.254]/latest"),
    ("local-link", "https://[fe80::1]/scim"),
];

/// A scene with an App that works, of which everybody has an account.
struct Stage {
    scene: Scene,
    healthy: FastTarget,
    operator: Operator,
    people: Vec<String>,
}

impl Stage {
    async fn new(name: &str) -> Self {
        let scene = Scene::new(name).await;
        let token = Some("canary-healthy".to_owned());
        let healthy = FastTarget::start(fast_target::Config { token, ..Default::default() });
        scene.app("healthy", &healthy.base_url(), "canary-healthy", json!({})).await;
        scene.role_for("staff", json!({"match": "true"}), "healthy", &["All"]).await;
        let operator = scene.operator().start().await;
        Self { scene, healthy, operator, people: Vec::new() }
    }

    /// An App at this URL, and a person with an account there.
    async fn app(&mut self, name: &str, base_url: &str, extra: Value) {
        let mut spec = json!({"connector": {"scim": {"timeoutSeconds": 1}}});
        json_patch::merge(&mut spec, &extra);
        self.scene.app(name, base_url, TOKEN, spec).await;
        self.scene.role_for(name, json!({}), name, &[]).await;
        self.scene.user(name, &[name], json!({})).await;
        self.people.push(name.to_owned());
    }

    async fn hostile(&mut self, name: &str) -> Hostile {
        let hostile = Hostile::start(Behaviour::named(name));
        self.app(name, &hostile.base_url(), json!({})).await;
        hostile
    }

    /// Waits until each App has said what is wrong; some try again meanwhile and seem fine for a moment.
    async fn all_say(&self, expected: &[(&str, Says)]) {
        let mut left = expected.to_vec();
        eventually(LONG, async || {
            let apps = self.scene.list("App").await;
            let ready = |name: &str| {
                let app = apps.iter().find(|app| app["metadata"]["name"] == name);
                app.and_then(|app| find_condition(app, "Ready")).unwrap_or_default()
            };
            left.retain(|(name, says)| !is_said(&ready(name), *says));
            match left.as_slice() {
                [] => Ok(()),
                left => {
                    let lines =
                        left.iter().map(|(name, says)| format!("{name}: not {says:?} but {}", ready(name)));
                    Err(lines.collect::<Vec<_>>().join("\n"))
                }
            }
        })
        .await;
    }

    /// Everybody has their account in the App that works, it is in their ledger, and the operator is no larger than it
    /// may be.
    async fn others_are_fine(&self) {
        self.scene.condition("App", "healthy", "Ready", "True").await;
        for person in &self.people {
            eventually(LONG, async || {
                let user = self.scene.get("User", person).await;
                let entry = entry(&user, "healthy");
                if entry["state"] == "Active" { Ok(()) } else { Err(format!("{person}: {}", user["status"])) }
            })
            .await;
        }
        assert_eq!(self.healthy.active_count(), self.people.len());
        let peak = self.operator.process().memory_kib("VmHWM").unwrap();
        assert!(peak < MEMORY, "{peak} KiB");
    }
}

fn is_said(ready: &Value, (reason, part): Says) -> bool {
    let message = ready["message"].as_str().unwrap_or_default();
    ready["status"] == "False" && ready["reason"] == reason && message.contains(part)
}

async fn each_says_what_is_wrong(name: &str, behaviours: &[(&str, Says)]) {
    let mut stage = Stage::new(name).await;
    let mut running = Vec::new();
    for (name, _) in behaviours {
        running.push(stage.hostile(name).await);
    }
    stage.all_say(behaviours).await;
    stage.others_are_fine().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_none_or_too_much() {
    let behaviours = [NO_ANSWER.as_slice(), &SENSELESS, &TOO_MUCH, &REFUSALS].concat();
    each_says_what_is_wrong("hostile-answers", &behaviours).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_that_never_end_and_answers_that_lie() {
    each_says_what_is_wrong("hostile-lists", &[LISTS.as_slice(), &UNTRUE].concat()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_answer_says_is_not_believed() {
    let mut stage = Stage::new("hostile-lies").await;
    let mut running = Vec::new();
    for name in PUT_RIGHT {
        running.push(stage.hostile(name).await);
    }
    for (name, hostile) in PUT_RIGHT.iter().zip(&running) {
        stage.scene.account(name, name, "Active").await;
        assert_eq!(hostile.target.user_count(), 1, "{name}");
        let below = |path: &str| {
            ["/Users", "/Groups", "/ServiceProviderConfig", "/ResourceTypes", "/Schemas"]
                .iter()
                .any(|part| path.starts_with(&format!("/scim/v2{part}")))
        };
        assert!(hostile.proxy.requests().iter().all(|r| below(&r.path) && !r.path.contains("..")), "{name}");
    }
    stage.others_are_fine().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_cannot_be_trusted_and_places_that_are_off_limits() {
    let mut stage = Stage::new("hostile-tls").await;
    let mut running = Vec::new();
    for name in TLS.iter().map(|(name, _)| *name).chain(["trusted"]) {
        let target = TlsTarget::start(name);
        let authority = format!("{name}-authority");
        stage.scene.secret(&authority, "ca.crt", &target.authority).await;
        let ca = json!({"connector": {"scim": {"caSecretRef": {"name": authority, "key": "ca.crt"}}}});
        stage.app(name, &target.base_url, ca).await;
        running.push(target);
    }
    for (name, url) in OFF_LIMITS {
        stage.app(name, url, json!({"connector": {"scim": {"plainHttp": "Allow"}}})).await;
    }
    let refused = OFF_LIMITS.map(|(name, _)| (name, ("InvalidConfiguration", "never allowed")));
    stage.all_say(&[TLS.as_slice(), &refused].concat()).await;
    stage.scene.condition("App", "trusted", "Reachable", "True").await;
    stage.others_are_fine().await;
}
