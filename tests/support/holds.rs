//! Holds: waited for, and answered.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::eventually;
use super::scene::{SOON, Scene, find_condition};

impl Scene {
    /// Waits until there are so many Holds, and each says what it is.
    pub async fn holds(&self, count: usize) -> Vec<Value> {
        eventually(SOON, async || {
            let holds = self.list("Hold").await;
            let ready = holds.iter().all(|h| find_condition(h, "Ready").is_some());
            if holds.len() == count && ready { Ok(holds) } else { Err(format!("{holds:?}")) }
        })
        .await
    }

    /// Waits until this became of a Hold, and returns it.
    pub async fn outcome(&self, hold: &Value, outcome: &str) -> Value {
        self.outcome_within(hold, outcome, SOON).await
    }

    /// The same, where much is to be done before.
    pub async fn outcome_within(&self, hold: &Value, outcome: &str, within: Duration) -> Value {
        eventually(within, async || {
            let hold = self.get("Hold", name(hold)).await;
            if hold["status"]["outcome"] == outcome { Ok(hold) } else { Err(hold["status"].to_string()) }
        })
        .await
    }

    /// Says `approval` or `rejection` to a Hold, about what has this digest.
    pub async fn say(&self, hold: &Value, word: &str, digest: &Value) {
        let word = json!({"spec": {word: {"digest": digest, "reason": "as agreed", "by": "admin"}}});
        self.merge("Hold", name(hold), word).await;
    }

    /// The versions of all Users: the same when nothing was written.
    pub async fn versions(&self) -> BTreeMap<String, String> {
        let version = |user: &Value| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&user["metadata"]["name"]), text(&user["metadata"]["resourceVersion"]))
        };
        self.list("User").await.iter().map(version).collect()
    }
}

fn name(hold: &Value) -> &str {
    hold["metadata"]["name"].as_str().unwrap()
}
