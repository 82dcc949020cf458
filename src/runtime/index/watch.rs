//! The watches that feed the index: one a kind and scope, with mark and sweep instead of a second copy.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::watcher::watcher;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Resource, ResourceExt};
use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::kinds::{Pass, Watched};
use super::person::RawUser;
use super::{Fleet, Key, Name};
use crate::api::{App, AppBinding, Hold, Role};

/// Something in the cluster changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This person may have to be looked at.
    User(Key),
    /// The API server has an older version of this person than before: it was restored from a backup.
    WentBack(Key),
    /// This person is no longer in the API server.
    UserGone {
        /// The User.
        key: Key,
        /// The `personId`, which another User may have too.
        person_id: Box<str>,
    },
    /// Roles changed: everybody in the namespace may be concerned.
    Role(Key),
    /// A binding changed: holders of these roles may be concerned.
    Binding {
        /// The binding.
        key: Key,
        /// The roles; `None` for everybody in the namespace: what the binding grants was or is unknown.
        roles: Option<Vec<Name>>,
    },
    /// An App changed or is gone.
    App(Key),
    /// A Hold changed or is gone.
    Hold(Key),
    /// A labelled Secret changed or is gone.
    Secret(Key),
    /// Every list is complete for the first time.
    Synced,
}

/// Which watches have listed everything, and when each last heard from the server.
#[derive(Default)]
pub struct Watching {
    lists: Mutex<Vec<ListState>>,
    undecodable: [AtomicU32; KINDS.len()],
}

#[derive(Clone, Copy)]
struct ListState {
    kind: &'static str,
    /// Everything was listed at least once.
    complete: bool,
    /// The watch is up: since the last trouble a list was begun.
    up: bool,
}

/// Kinds in the order of the undecodable counters.
pub const KINDS: [&str; 5] = ["User", "Role", "App", "AppBinding", "Hold"];

impl Watching {
    fn enlist(&self, kind: &'static str) -> usize {
        let mut lists = self.lists.lock();
        lists.push(ListState { kind, complete: false, up: false });
        lists.len() - 1
    }

    /// Notes a word from the server; `listed` completes the first list. Whether everything is complete just now.
    fn heard(&self, slot: usize, listed: bool) -> bool {
        let mut lists = self.lists.lock();
        let before = lists.iter().all(|l| l.complete);
        if let Some(list) = lists.get_mut(slot) {
            list.complete |= listed;
            list.up = true;
        }
        !before && lists.iter().all(|l| l.complete)
    }

    /// Notes that a watch broke; it is up again with the next word.
    fn interrupted(&self, slot: usize) {
        if let Some(list) = self.lists.lock().get_mut(slot) {
            list.up = false;
        }
    }

    /// Kinds whose first list is not complete.
    pub fn waiting_for(&self) -> Vec<&'static str> {
        self.lists.lock().iter().filter(|l| !l.complete).map(|l| l.kind).collect()
    }

    /// Kinds whose every watch is up. A quiet watch is a healthy one: the server ends it every minute, and a connection
    /// that is dead is noticed by that.
    pub fn up(&self) -> Vec<&'static str> {
        let lists = self.lists.lock();
        let mut kinds: Vec<_> = lists.iter().map(|l| l.kind).collect();
        kinds.dedup();
        kinds.retain(|kind| lists.iter().all(|l| l.kind != *kind || l.up));
        kinds
    }

    /// Objects that could not be decoded since the start, by kind.
    pub fn undecodable(&self) -> impl Iterator<Item = (&'static str, u32)> {
        KINDS.iter().zip(&self.undecodable).map(|(k, n)| (*k, n.load(Ordering::Relaxed)))
    }

    fn count_undecodable(&self, kind: &str) {
        if let Some(i) = KINDS.iter().position(|k| *k == kind) {
            self.undecodable[i].fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Where watches put what they see.
#[derive(Clone)]
pub struct WatchSet {
    /// The index.
    pub fleet: Arc<Fleet>,
    /// State of the lists.
    pub watching: Arc<Watching>,
    /// Who is told of changes.
    pub changes: UnboundedSender<Change>,
    /// Namespaces to watch; empty for all.
    pub namespaces: Vec<String>,
}

impl WatchSet {
    /// Starts every watch. They end when `stop` is cancelled.
    pub fn start(&self, client: &Client, stop: &CancellationToken) {
        let scopes: Vec<Option<Name>> = if self.namespaces.is_empty() {
            vec![None]
        } else {
            self.namespaces.iter().map(|n| Some(n.as_str().into())).collect()
        };
        for scope in scopes {
            self.spawn::<RawUser>(client, scope.clone(), stop);
            self.spawn::<DeserializeGuard<Role>>(client, scope.clone(), stop);
            self.spawn::<DeserializeGuard<App>>(client, scope.clone(), stop);
            self.spawn::<DeserializeGuard<AppBinding>>(client, scope.clone(), stop);
            self.spawn::<DeserializeGuard<Hold>>(client, scope.clone(), stop);
            self.spawn::<PartialObjectMeta<Secret>>(client, scope, stop);
        }
    }

    fn spawn<K: Watched>(&self, client: &Client, scope: Option<Name>, stop: &CancellationToken) {
        let slot = self.watching.enlist(K::KIND);
        let api: Api<K> = match &scope {
            Some(namespace) => K::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        };
        let task = Watch::<K> {
            set: self.clone(),
            slot,
            scope,
            epoch: 0,
            began: Instant::now(),
            kind: std::marker::PhantomData,
        };
        let stop = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = task.run(api) => {}
            }
        });
    }
}

/// How long the server keeps one watch; a dead connection is noticed five seconds later.
const WATCH_SECONDS: u32 = 60;

/// First and longest pause before a list is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LAST_PAUSE: Duration = Duration::from_secs(10);

struct Watch<K> {
    set: WatchSet,
    slot: usize,
    scope: Option<Name>,
    epoch: u32,
    began: Instant,
    kind: std::marker::PhantomData<fn() -> K>,
}

impl<K: Watched> Watch<K> {
    /// Lists and watches for ever. Any error begins anew with a list: a watch that is resumed by resource version after
    /// the server went back to an older etcd would skip what was written since.
    async fn run(mut self, api: Api<K>) {
        let mut config = watcher::Config::default().timeout(WATCH_SECONDS);
        if let Some(labels) = K::LABELS {
            config = config.labels(labels);
        }
        let mut pause = FIRST_PAUSE;
        loop {
            let mut events = watcher(api.clone(), config.clone()).boxed();
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) => {
                        pause = FIRST_PAUSE;
                        self.take(event);
                    }
                    Err(error) => {
                        tracing::warn!(kind = K::KIND, %error, "watch interrupted; listing again");
                        self.set.watching.interrupted(self.slot);
                        break;
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    fn take(&mut self, event: Event<K>) {
        let complete = self.set.watching.heard(self.slot, matches!(event, Event::InitDone));
        match event {
            Event::Init => {
                self.epoch += 1;
                self.began = Instant::now();
            }
            Event::InitApply(object) => {
                self.put(object, Pass { epoch: self.epoch, listed_since: Some(self.began) });
            }
            Event::Apply(object) => self.put(object, Pass { epoch: self.epoch, listed_since: None }),
            Event::Delete(object) => {
                let key = key_of(&object);
                self.tell(K::gone(&self.set.fleet, &key));
            }
            Event::InitDone => {
                for key in K::unseen(&self.set.fleet, self.scope.as_ref(), self.epoch) {
                    self.tell(K::gone(&self.set.fleet, &key));
                }
            }
        }
        if complete {
            self.tell(Some(Change::Synced));
        }
    }

    fn put(&self, object: K, pass: Pass) {
        let key = key_of(&object);
        match K::put(&self.set.fleet, &key, object, pass) {
            Ok(change) => self.tell(change),
            Err(problem) => {
                self.set.watching.count_undecodable(K::KIND);
                tracing::error!(kind = K::KIND, object = %key, problem, "object cannot be decoded; its last good form counts");
                self.tell(K::changed(&key));
            }
        }
    }

    fn tell(&self, change: Option<Change>) {
        if let Some(change) = change {
            // The receiver goes away only when the process ends.
            let _ = self.set.changes.send(change);
        }
    }
}

fn key_of<K: Resource>(object: &K) -> Key {
    Key::new(object.namespace().unwrap_or_default(), object.name_any())
}
