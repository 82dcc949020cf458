//! First passwords: where they are, and where they are not.

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::company::{APP, by_id, ldap_app};
use crate::support::ldap::bind_code;
use crate::support::scene::{SOON, entry};
use crate::support::targets::slapd::{Config, Slapd};
use crate::support::{Scene, eventually};

const PEOPLE: usize = 5;

/// Every object that the operator writes or could write, Secrets aside.
async fn everything(scene: &Scene) -> String {
    let mut all = String::new();
    for kind in ["User", "Role", "App", "AppBinding", "Event", "Lease", "ConfigMap"] {
        all.push_str(&serde_json::to_string(&scene.list(kind).await).unwrap());
    }
    all
}

async fn first_passwords(scene: &Scene) -> Vec<Value> {
    let params = ListParams::default().labels("tenure.dev/initial-password");
    let found = scene.api("Secret").list(&params).await.unwrap();
    found.items.into_iter().map(|secret| serde_json::to_value(secret).unwrap()).collect()
}

/// Whoever joins can bind with the password in their Secret, which stands nowhere else: not in the state or metadata of
/// any object, no event, no log line and no metric.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_password_is_in_its_secret_alone() {
    let server = Slapd::start(Config::default()).await;
    let scene = Scene::new("first-passwords").await;
    let extra = json!({ "initialPassword": { "policy": "Secret", "removeAfter": "1h" } });
    ldap_app(&scene, &[server.url()], extra, json!({})).await;
    let operator = scene.operator().args(["--log", "debug"]).start().await;
    for n in 0..PEOPLE {
        scene.user(&format!("p{n}"), &[], json!({})).await;
    }
    scene.all_ready(PEOPLE, SOON).await;
    let secrets = eventually(SOON, async || match first_passwords(&scene).await {
        found if found.len() == PEOPLE => Ok(found),
        found => Err(format!("{} Secrets of {PEOPLE}", found.len())),
    })
    .await;
    // What is done with an account later does not spread it either.
    scene.user("p0", &[], json!({ "title": "Lead" })).await;
    scene.user("p1", &[], json!({ "state": "Terminated" })).await;
    scene.account("p1", APP, "Suspended").await;
    scene.ready("p0").await;

    let written = [everything(&scene).await, operator.log(), operator.probe("/metrics").await.unwrap()];
    for secret in &secrets {
        let encoded = secret["data"]["password"].as_str().expect("a password");
        let password = String::from_utf8(BASE64.decode(encoded).unwrap()).unwrap();
        assert!(password.len() >= 12);
        for text in &written {
            assert!(
                !text.contains(&password) && !text.contains(encoded),
                "a first password is written elsewhere"
            );
        }
        let name = secret["metadata"]["name"].as_str().unwrap();
        assert!(!secret["metadata"].to_string().contains(&password), "{name}: it is in the metadata");
        let user = secret["metadata"]["ownerReferences"][0]["name"].as_str().unwrap();
        let id = entry(&scene.get("User", user).await, APP)["id"].clone();
        let dn = by_id(&server, &id).await.unwrap().dn;
        let code = bind_code(&server.url(), &dn, &password).await;
        assert_eq!(code, if user == "p1" { 49 } else { 0 }, "{user}");
    }
}
