//! One listing of all accounts in place of many filters, where filters cannot be had or trusted.
//!
//! It tells where to look, never what is there: a hit is read before it counts. So it keeps ids and short hashes of
//! values only, and forgets nothing when an account changes; what no longer fits is dropped when it is met.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::super::resource::texts;
use crate::connectors::Failure;
use crate::converge::RemoteAccount;

/// How long a listing is believed.
const VALID: Duration = Duration::from_mins(5);
/// A listing younger than this is not repeated because it does not explain a refusal.
pub(super) const FRESH: Duration = Duration::from_mins(1);

/// An attribute and a value, in short.
type Key = u64;
/// Who has which value.
pub(super) type Pairs = BTreeSet<(Key, Arc<str>)>;

/// The accounts of one target by the values that they are looked for by.
pub(in crate::connectors::scim) struct Index {
    attributes: Vec<String>,
    hasher: RandomState,
    /// Held by who lists; others wait for what comes of it.
    pub(super) turn: tokio::sync::Mutex<()>,
    known: Mutex<Known>,
    blind: AtomicBool,
}

#[derive(Default)]
struct Known {
    listed: Option<Listed>,
    /// What was made or changed here while a listing was under way, which may have passed its place.
    meanwhile: Option<Pairs>,
    /// Rises when something proves that a listing, finished or not, cannot be complete.
    epoch: u64,
    /// How many listings have ended.
    ended: u64,
    /// How the last one failed, if it did.
    failure: Option<Failure>,
}

struct Listed {
    pairs: Pairs,
    begun: Instant,
}

/// A listing under way.
pub(super) struct Begun {
    epoch: u64,
    at: Instant,
}

impl Index {
    /// Of the marker, the login and the other attributes that accounts are looked for by.
    pub(in crate::connectors::scim) fn new(marker: &str, search_by: &[String]) -> Self {
        let mut attributes: Vec<String> = Vec::new();
        for name in [marker, "userName"].into_iter().chain(search_by.iter().map(String::as_str)) {
            if !name.is_empty() && !attributes.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                attributes.push(name.to_owned());
            }
        }
        Self {
            attributes,
            hasher: RandomState::new(),
            turn: tokio::sync::Mutex::default(),
            known: Mutex::default(),
            blind: AtomicBool::new(false),
        }
    }

    /// Where to look for accounts with this value. `None` where the index is not about this attribute.
    pub(super) fn key(&self, attribute: &str, value: &str) -> Option<Key> {
        let place = self.attributes.iter().position(|known| known.eq_ignore_ascii_case(attribute))?;
        // Folded, whatever the attribute's own rule: the account itself is compared afterwards.
        Some(self.hasher.hash_one((place, value.to_lowercase())))
    }

    /// Adds all that is looked for of one account.
    pub(super) fn pairs(&self, account: &RemoteAccount, into: &mut Pairs) {
        let id: Arc<str> = account.id.as_str().into();
        for attribute in &self.attributes {
            for value in texts(account, attribute) {
                into.extend(self.key(attribute, &value).map(|key| (key, id.clone())));
            }
        }
    }

    /// Whether filters have been shown to miss what is there.
    pub(super) fn is_blind(&self) -> bool {
        self.blind.load(Ordering::Relaxed)
    }

    pub(super) fn set_blind(&self) {
        self.blind.store(true, Ordering::Relaxed);
    }

    /// Ids of those who may have the value; `None` where no listing is valid now.
    pub(super) fn candidates(&self, key: Key, now: Instant) -> Option<Vec<Arc<str>>> {
        let known = self.known.lock();
        let listed = known.listed.as_ref()?;
        (now.saturating_duration_since(listed.begun) < VALID)
            .then(|| candidates(&listed.pairs, key).cloned().collect())
    }

    /// Takes note of an account that was made or changed here.
    pub(super) fn note(&self, account: &RemoteAccount) {
        let mut known = self.known.lock();
        let mut pairs = Pairs::new();
        self.pairs(account, &mut pairs);
        if let Some(listed) = &mut known.listed {
            listed.pairs.extend(pairs.iter().cloned());
        }
        if let Some(meanwhile) = &mut known.meanwhile {
            meanwhile.append(&mut pairs);
        }
    }

    /// Drops a candidate that turned out not to have the value.
    pub(super) fn drop_candidate(&self, key: Key, id: Arc<str>) {
        if let Some(listed) = &mut self.known.lock().listed {
            listed.pairs.remove(&(key, id));
        }
    }

    /// Accounts may have come to be that no listing begun before now shows.
    pub(super) fn invalidate(&self) {
        let mut known = self.known.lock();
        known.epoch += 1;
        known.listed = None;
    }

    /// The same, unless the listing was begun less than [`FRESH`] ago.
    pub(super) fn invalidate_stale(&self, now: Instant) {
        let mut known = self.known.lock();
        known.listed = known.listed.take().filter(|l| now.saturating_duration_since(l.begun) < FRESH);
    }

    /// How many listings have ended, for [`Index::failed_since`].
    pub(super) fn ended(&self) -> u64 {
        self.known.lock().ended
    }

    /// How a listing failed that was under way when `ended` was asked for: it would not go better now.
    pub(super) fn failed_since(&self, ended: u64) -> Option<Failure> {
        let known = self.known.lock();
        known.failure.clone().filter(|_| known.ended > ended)
    }

    /// Begins a listing. Only who has the turn may.
    pub(super) fn begin(&self, now: Instant) -> Begun {
        let mut known = self.known.lock();
        known.meanwhile = Some(Pairs::new());
        Begun { epoch: known.epoch, at: now }
    }

    /// Ends a listing; what was asked for from it. It is kept, unless it was invalidated while it was under way.
    pub(super) fn end(
        &self,
        begun: &Begun,
        outcome: Result<Pairs, Failure>,
        key: Key,
    ) -> Result<Vec<Arc<str>>, Failure> {
        let mut known = self.known.lock();
        known.ended += 1;
        known.failure = outcome.as_ref().err().cloned();
        let meanwhile = known.meanwhile.take();
        let mut pairs = outcome?;
        pairs.extend(meanwhile.into_iter().flatten());
        let found = candidates(&pairs, key).cloned().collect();
        if known.epoch == begun.epoch {
            known.listed = Some(Listed { pairs, begun: begun.at });
        }
        Ok(found)
    }
}

/// Ids of those who may have the value.
pub(super) fn candidates(pairs: &Pairs, key: Key) -> impl Iterator<Item = &Arc<str>> {
    let from = (key, Arc::from(""));
    pairs.range(from..).take_while(move |(other, _)| *other == key).map(|(_, id)| id)
}

#[cfg(test)]
mod tests;
