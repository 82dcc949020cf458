//! Sweeps of an App: asked for, and what they found.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::eventually;
use super::scene::{SOON, Scene, entry};

/// When the accounts that [`Scene::age`] was asked for changed last.
const LONG_AGO: &str = "2026-01-01T00:00:00Z";

impl Scene {
    /// Asks for a sweep, waits for its end, and returns the App's status.
    pub async fn sweep(&self, app: &str, request: &str) -> Value {
        let annotation = json!({"metadata": {"annotations": {"tenure.dev/reconcile-requested-at": request}}});
        self.merge("App", app, annotation).await;
        eventually(SOON, async || {
            let status = self.get("App", app).await["status"].clone();
            let sweep = &status["sweep"];
            if sweep["requestedAt"] == request { Ok(status) } else { Err(sweep.to_string()) }
        })
        .await
    }

    /// Makes a person's accounts old enough for their absence to mean something.
    pub async fn age(&self, user: &str) {
        let mut accounts = self.get("User", user).await["status"]["accounts"].clone();
        for account in accounts.as_array_mut().unwrap() {
            account["lastTransitionTime"] = json!(LONG_AGO);
        }
        let app = accounts[0]["app"].as_str().unwrap().to_owned();
        let patch = json!({"status": {"accounts": accounts}});
        self.api("User").patch_status(user, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
        eventually(SOON, async || {
            let since = entry(&self.get("User", user).await, &app)["lastTransitionTime"].clone();
            if since == LONG_AGO { Ok(()) } else { Err(since.to_string()) }
        })
        .await;
    }
}

/// What the last sweep found, of which there is any.
pub fn findings(app_status: &Value) -> Vec<(String, i64)> {
    let all = app_status["sweep"]["findings"].as_object().unwrap();
    let all = all.iter().map(|(name, count)| (name.clone(), count.as_i64().unwrap()));
    all.filter(|(_, count)| *count > 0).collect()
}

/// The same, as one expects it.
pub fn counted(all: &[(&str, i64)]) -> Vec<(String, i64)> {
    all.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}
