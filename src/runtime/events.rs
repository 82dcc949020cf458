//! Kubernetes events for refusals, conflicts and leavers: on transitions only, and never in anybody's way.
//!
//! Publishing is queued, at most [`ROOM`] events; what finds no room is dropped and counted. The same thing said twice
//! in a row of one object is said once. RBAC: `create` and `patch` on `events.events.k8s.io`.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;

use super::metrics::Metrics;
use crate::api::Reason;

/// How many events may wait to be published.
const ROOM: usize = 1_000;
/// How many objects' last events are remembered; beyond that all are forgotten, and some may be repeated.
const MEMORY: usize = 20_000;
/// How long publishing one event may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest note in bytes (`events.k8s.io/v1`: "note ... at most 1kB").
const NOTE: usize = 1_024;

/// Something that happened to an object.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The object.
    pub regarding: ObjectReference,
    /// Whether somebody should look at it.
    pub warning: bool,
    /// What was done or refused, in `PascalCase`: `Suspend`, `Adopt`.
    pub action: &'static str,
    /// Why.
    pub reason: Reason,
    /// The same for people, without values that a target or feed said.
    pub note: String,
}

/// Publishes events; clones share queue and memory.
#[derive(Clone)]
pub struct Events {
    queue: mpsc::Sender<Notice>,
    said: Arc<Mutex<HashMap<u64, u64>>>,
    metrics: Metrics,
}

/// The other end of [`Events`].
pub struct Publisher {
    queue: mpsc::Receiver<Notice>,
}

impl Events {
    /// A queue and what empties it.
    pub fn new(metrics: Metrics) -> (Self, Publisher) {
        let (sender, queue) = mpsc::channel(ROOM);
        (Self { queue: sender, said: Arc::default(), metrics }, Publisher { queue })
    }

    /// Queues an event, unless it was the last one of this object and action or there is no room.
    pub fn publish(&self, notice: Notice) {
        let subject = hash(&(
            &notice.regarding.uid,
            &notice.regarding.namespace,
            &notice.regarding.name,
            notice.action,
        ));
        let content = hash(&(notice.reason, notice.warning, &notice.note));
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.get(&subject) == Some(&content) {
            return;
        }
        if self.queue.try_send(notice).is_err() {
            return self.metrics.event_dropped();
        }
        if said.len() >= MEMORY {
            said.clear();
        }
        said.insert(subject, content);
    }
}

impl Publisher {
    /// Publishes as `controller` and `instance` (the Pod) until every [`Events`] is gone. What cannot be published is
    /// logged and left.
    pub async fn run(mut self, client: Client, instance: String) {
        let reporter = Reporter { controller: "tenure".to_owned(), instance: Some(instance) };
        let recorder = Recorder::new(client, reporter);
        while let Some(notice) = self.queue.recv().await {
            let event = event(&notice);
            match tokio::time::timeout(PATIENCE, recorder.publish(&event, &notice.regarding)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "event not published"),
                Err(_) => tracing::debug!("event not published in time"),
            }
        }
    }
}

fn event(notice: &Notice) -> Event {
    Event {
        type_: if notice.warning { EventType::Warning } else { EventType::Normal },
        reason: notice.reason.as_str().to_owned(),
        note: Some(notice.note[..notice.note.floor_char_boundary(NOTE)].to_owned()),
        action: notice.action.to_owned(),
        secondary: None,
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(user: &str, note: &str) -> Notice {
        Notice {
            regarding: ObjectReference { name: Some(user.to_owned()), ..ObjectReference::default() },
            warning: true,
            action: "Suspend",
            reason: Reason::RoleConflict,
            note: note.to_owned(),
        }
    }

    #[test]
    fn the_same_is_said_once_until_something_else_is() {
        let (events, mut publisher) = Events::new(Metrics::new());
        for (user, note) in [("a", "x"), ("a", "x"), ("b", "x"), ("a", "y"), ("a", "x")] {
            events.publish(notice(user, note));
        }
        let mut said = Vec::new();
        while let Ok(notice) = publisher.queue.try_recv() {
            said.push((notice.regarding.name.unwrap(), notice.note));
        }
        let expected = [("a", "x"), ("b", "x"), ("a", "y"), ("a", "x")];
        assert_eq!(said, expected.map(|(user, note)| (user.to_owned(), note.to_owned())));
    }

    #[test]
    fn what_finds_no_room_is_counted_and_may_be_said_later() {
        let metrics = Metrics::new();
        let (events, mut publisher) = Events::new(metrics.clone());
        for number in 0..=ROOM {
            events.publish(notice(&number.to_string(), "x"));
        }
        assert!(metrics.encode().unwrap().contains("tenure_events_dropped_total 1"));
        while publisher.queue.try_recv().is_ok() {}
        events.publish(notice(&ROOM.to_string(), "x"));
        assert!(publisher.queue.try_recv().is_ok());
    }

    #[test]
    fn notes_are_cut_between_characters() {
        let event = event(&notice("a", &"ü".repeat(1_000)));
        assert_eq!(event.note.unwrap().len(), NOTE);
        assert_eq!(event.reason, "RoleConflict");
    }
}
