//! Removes kept passwords when their time is up.
//!
//! What is kept is known from a watch over the Secrets, so nothing is forgotten over a restart or a change of leaders.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::PATIENCE;
use super::note::{Kept, written};
use crate::api;
use crate::controllers::engine::Engine;
use crate::converge::{self, Fate, Holder};
use crate::runtime::index::{Key, Name};
use crate::runtime::schedule::Wakeups;

/// How often the clock is read.
const TICK: Duration = Duration::from_secs(1);
/// How soon something that the API server did not do is tried again.
const RETRY: SignedDuration = SignedDuration::from_secs(30);
/// How soon, and at the longest, it is looked again whether an account is there: each time twice as long as before.
const FIRST_LOOK: SignedDuration = SignedDuration::from_secs(10);
const LAST_LOOK: SignedDuration = SignedDuration::from_mins(10);
/// Requests to the API server at the same time.
const HANDS: usize = 4;
/// How long the server keeps one watch.
const WATCH_SECONDS: u32 = 290;
/// How soon a watch that broke is begun anew.
const PAUSE: Duration = Duration::from_secs(5);

/// Keeps the time for these namespaces, or for all, until the process ends. Only the leader removes.
pub async fn run(engine: Arc<Engine>, namespaces: Vec<String>) {
    if !engine.lead().await {
        return;
    }
    let apis = if namespaces.is_empty() {
        vec![Api::all(engine.client.clone())]
    } else {
        namespaces.iter().map(|ns| Api::namespaced(engine.client.clone(), ns)).collect()
    };
    for api in apis {
        let keeper = Keeper { engine: engine.clone(), kept: BTreeMap::new(), wakeups: Wakeups::default() };
        tokio::spawn(keeper.run(api));
    }
}

struct Keeper {
    engine: Arc<Engine>,
    kept: BTreeMap<Key, Known>,
    wakeups: Wakeups<Key>,
}

/// A Secret, and how often it was looked at in vain.
struct Known {
    kept: Kept,
    gap: SignedDuration,
    listed: bool,
}

impl Keeper {
    async fn run(mut self, api: Api<PartialObjectMeta<Secret>>) {
        let config = watcher::Config::default().labels(api::INITIAL_PASSWORD_LABEL).timeout(WATCH_SECONDS);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let mut events = watcher(api.clone(), config.clone()).boxed();
            loop {
                tokio::select! {
                    () = self.engine.stop.cancelled() => return,
                    _ = tick.tick() => self.look().await,
                    event = events.next() => match event {
                        Some(Ok(event)) => self.take(event),
                        Some(Err(error)) => {
                            tracing::warn!(%error, "the watch over kept passwords was interrupted; listing again");
                            break;
                        }
                        None => break,
                    },
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn take(&mut self, event: Event<PartialObjectMeta<Secret>>) {
        match event {
            Event::Init => self.kept.values_mut().for_each(|known| known.listed = false),
            Event::InitApply(secret) | Event::Apply(secret) => self.put(&secret),
            Event::Delete(secret) => self.forget(&key(&secret)),
            Event::InitDone => {
                let gone = self.kept.iter().filter(|(_, known)| !known.listed).map(|(key, _)| key.clone());
                for key in gone.collect::<Vec<_>>() {
                    self.forget(&key);
                }
            }
        }
    }

    fn put(&mut self, secret: &PartialObjectMeta<Secret>) {
        let key = key(secret);
        let deleting = secret.metadata.deletion_timestamp.is_some();
        let Some(kept) = Kept::of(&secret.metadata).filter(|_| !deleting) else {
            return self.forget(&key);
        };
        if let Some(known) = self.kept.get_mut(&key).filter(|known| known.kept == kept) {
            known.listed = true;
            return;
        }
        let next = kept.remove_at.unwrap_or_else(Timestamp::now);
        self.kept.insert(key.clone(), Known { kept, gap: FIRST_LOOK, listed: true });
        self.wakeups.set(key, next);
    }

    fn forget(&mut self, key: &Key) {
        self.kept.remove(key);
        self.wakeups.remove(key);
    }

    /// Looks at those whose time has come.
    async fn look(&mut self) {
        let now = Timestamp::now();
        let mut todo = Vec::new();
        for key in self.wakeups.next_due(now) {
            let Some(known) = self.kept.get_mut(&key) else { continue };
            let holder = self.engine.holder(&key, &known.kept);
            let fate = match holder {
                Some((holder, kept_for)) => converge::fate(known.kept.remove_at, holder, kept_for, now),
                None => Fate::Wait(None),
            };
            let again = match fate {
                Fate::Wait(Some(at)) => at,
                Fate::Wait(None) => {
                    known.gap = (known.gap * 2).min(LAST_LOOK);
                    now.saturating_add(known.gap).unwrap_or(Timestamp::MAX)
                }
                _ => {
                    todo.push((key.clone(), known.kept.clone(), fate));
                    // The watch says if it was done; if it was not, this does.
                    now.saturating_add(RETRY).unwrap_or(Timestamp::MAX)
                }
            };
            self.wakeups.set(key, again);
        }
        let engine = &self.engine;
        stream::iter(todo).for_each_concurrent(HANDS, |(key, kept, fate)| engine.act(key, kept, fate)).await;
    }
}

fn key(secret: &PartialObjectMeta<Secret>) -> Key {
    Key::new(secret.namespace().unwrap_or_default(), secret.name_any())
}

impl Engine {
    /// Where the account stands that a password is kept for, and how long it is to be kept. `None`: its User is not
    /// known; the Secret goes with the User.
    fn holder(&self, secret: &Key, kept: &Kept) -> Option<(Holder, SignedDuration)> {
        let user = Key::new(secret.namespace.clone(), Name::from(kept.user.as_str()));
        let decision = self.decide_in(&user, Some(&kept.app))?;
        if *decision.person.uid != *kept.uid {
            return None;
        }
        let account = decision.accounts.iter().find(|account| *account.app == *kept.app);
        let Some(account) = account else {
            return Some((Holder::Gone, converge::kept_for(None)));
        };
        let policy = account.context.spec.as_ref().and_then(|spec| spec.initial_password());
        let now_at = &account.context.target;
        let holder = Holder::of(&account.wanted, account.entry.as_ref(), &kept.target, now_at);
        Some((holder, converge::kept_for(policy.as_ref())))
    }

    async fn act(&self, key: Key, kept: Kept, fate: Fate) {
        let api = Api::<Secret>::namespaced(self.client.clone(), &key.namespace);
        let outcome = match fate {
            Fate::Remove => {
                let same = Preconditions { uid: Some(kept.secret), resource_version: None };
                let params = DeleteParams { preconditions: Some(same), ..DeleteParams::default() };
                tokio::time::timeout(PATIENCE, api.delete(&key.name, &params))
                    .await
                    .map(|done| done.map(drop))
            }
            Fate::Until(at) => self.note(&api, &key, &kept, Some(at)).await,
            Fate::Hold => self.note(&api, &key, &kept, None).await,
            Fate::Wait(_) => return,
        };
        let result = match outcome {
            Ok(Ok(())) => "ok",
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => "conflict",
            Ok(Err(kube::Error::Api(status))) => {
                tracing::warn!(secret = %key, code = status.code, "a kept password could not be seen to; it is tried again");
                "error"
            }
            Ok(Err(_)) | Err(_) => "error",
        };
        self.metrics.api_write("Secret", result);
    }

    /// Writes down when the Secret is removed.
    async fn note(
        &self,
        api: &Api<Secret>,
        key: &Key,
        kept: &Kept,
        remove_at: Option<Timestamp>,
    ) -> Result<kube::Result<()>, tokio::time::error::Elapsed> {
        let patch = json!({"metadata": {
            "uid": kept.secret,
            "annotations": {api::REMOVE_AT: remove_at.map(written)},
        }});
        let patch = Patch::Merge(&patch);
        let params = PatchParams::default();
        let sent = api.patch_metadata(&key.name, &params, &patch);
        tokio::time::timeout(PATIENCE, sent).await.map(|done| done.map(drop))
    }
}
