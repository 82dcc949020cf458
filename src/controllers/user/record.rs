//! Which people's status is due to be written, and the results that are not written yet.
//!
//! Results are coalesced: a status is written when nothing is under way for the person, or at a deadline that depends
//! on how much the result matters. One write a person is the aim; see `docs/architecture.md`. Those of leavers go before all
//! others: a Hold that is carried out has thousands to write, and the proof that somebody has no access must not wait for them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::api::LedgerEntry;
use crate::converge::Lane;
use crate::runtime::index::{Key, Name};

/// Results and due writes of all people.
#[derive(Default)]
pub struct Recorder {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    /// Results not stored yet; `None` drops the entry.
    fresh: HashMap<Key, BTreeMap<Name, Fresh>>,
    people: HashMap<Key, Due>,
    /// Leavers, and everybody else.
    order: [BTreeMap<(Instant, u64), Key>; 2],
    serial: u64,
    busy: HashSet<Key>,
}

/// A result, with a serial that tells it from a later one.
struct Fresh {
    serial: u64,
    entry: Option<LedgerEntry>,
}

#[derive(Clone, Copy)]
struct Due {
    place: (Instant, u64),
    deadline: Instant,
    leaver: bool,
}

/// A status that may have to be written now.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Whose.
    pub key: Key,
    /// Until when it may wait for more results.
    pub deadline: Instant,
    /// Whether it goes before others.
    leaver: bool,
}

/// What became of a [`Turn`].
pub enum Outcome {
    /// Stored, or there was nothing to store. Results up to here are in the index.
    Stored {
        /// The results that were in it.
        seen: Vec<(Name, u64)>,
    },
    /// Something is under way: look again at the deadline, or when told.
    Waits,
    /// It failed; try again after this.
    Again(Duration),
    /// The person is gone.
    Gone,
}

impl Recorder {
    /// Keeps a result of work in `lane` until it is stored, which is to happen within `within`.
    pub fn result(&self, key: &Key, app: &Name, entry: Option<LedgerEntry>, lane: Lane, within: Duration) {
        let mut state = self.state.lock();
        state.serial += 1;
        let fresh = Fresh { serial: state.serial, entry };
        state.fresh.entry(key.clone()).or_default().insert(app.clone(), fresh);
        state.ask(key, lane, within);
        drop(state);
        self.wake.notify_one();
    }

    /// The person's status may differ from what is stored, by work in `lane`; it is to be looked at within `within`.
    pub fn look(&self, key: &Key, lane: Lane, within: Duration) {
        self.state.lock().ask(key, lane, within);
        self.wake.notify_one();
    }

    /// Lays results that are not stored yet over a ledger read from the index; answers whose Apps they are.
    pub fn overlay(&self, key: &Key, accounts: &mut Vec<LedgerEntry>) -> Vec<(Name, u64)> {
        let state = self.state.lock();
        for (app, fresh) in state.fresh.get(key).into_iter().flatten() {
            accounts.retain(|e| e.app != **app);
            accounts.extend(fresh.entry.clone());
        }
        accounts.sort_by(|a, b| a.app.cmp(&b.app));
        state
            .fresh
            .get(key)
            .map(|fresh| fresh.iter().map(|(app, f)| (app.clone(), f.serial)).collect())
            .unwrap_or_default()
    }

    /// Drops results that are not stored: somebody else stores them.
    pub fn drop_results(&self, key: &Key) {
        self.state.lock().fresh.remove(key);
    }

    /// Forgets a person who is no longer in the API server.
    pub fn forget(&self, key: &Key) {
        let mut state = self.state.lock();
        state.fresh.remove(key);
        state.drop_place(key);
    }

    /// Whether no results wait to be stored, but that there is no account: whoever comes next looks for it anew.
    pub fn is_empty(&self) -> bool {
        let state = self.state.lock();
        let mut fresh = state.fresh.values().flat_map(BTreeMap::values);
        fresh.all(|fresh| fresh.entry.is_none()) && state.busy.is_empty()
    }

    /// Makes everything due now: the process is about to end.
    pub fn hurry(&self) {
        let mut state = self.state.lock();
        let now = Instant::now();
        let all: Vec<_> = state.people.iter().map(|(key, due)| (key.clone(), due.leaver)).collect();
        for (key, leaver) in all {
            state.place(&key, leaver, now, now);
        }
        drop(state);
        self.wake.notify_one();
    }

    /// The next status that is due. Give the outcome to [`Self::done`]; until then the person has no other turn.
    pub async fn next(&self) -> Turn {
        loop {
            let wait = {
                let mut state = self.state.lock();
                match state.take(Instant::now()) {
                    Ok(turn) => return turn,
                    Err(wait) => wait,
                }
            };
            let woken = self.wake.notified();
            match wait {
                Some(at) => tokio::select! {
                    () = woken => {}
                    () = tokio::time::sleep_until(at) => {}
                },
                None => woken.await,
            }
        }
    }

    /// Ends a turn.
    pub fn done(&self, turn: &Turn, outcome: Outcome) {
        let mut state = self.state.lock();
        state.busy.remove(&turn.key);
        match outcome {
            Outcome::Stored { seen } => state.stored(&turn.key, &seen),
            Outcome::Gone => {
                state.fresh.remove(&turn.key);
                state.drop_place(&turn.key);
            }
            Outcome::Waits => {
                let asked = state.people.get(&turn.key).copied();
                let deadline = asked.map_or(turn.deadline, |due| due.deadline.min(turn.deadline));
                // Somebody who asked meanwhile has their look; the deadline stays the earlier one.
                let at = asked.map_or(deadline, |due| due.place.0).min(deadline).max(Instant::now());
                state.place(&turn.key, turn.leaver || asked.is_some_and(|due| due.leaver), at, deadline);
            }
            Outcome::Again(after) => {
                let at = Instant::now() + after;
                state.place(&turn.key, turn.leaver, at, at);
            }
        }
        drop(state);
        self.wake.notify_one();
    }
}

impl State {
    fn ask(&mut self, key: &Key, lane: Lane, within: Duration) {
        let now = Instant::now();
        let before = self.people.get(key).copied();
        let deadline = before.map_or(now + within, |due| due.deadline.min(now + within));
        let leaver = lane == Lane::Leave || before.is_some_and(|due| due.leaver);
        self.place(key, leaver, now, deadline);
    }

    fn place(&mut self, key: &Key, leaver: bool, at: Instant, deadline: Instant) {
        self.drop_place(key);
        self.serial += 1;
        let due = Due { place: (at, self.serial), deadline, leaver };
        self.order(leaver).insert(due.place, key.clone());
        self.people.insert(key.clone(), due);
    }

    fn drop_place(&mut self, key: &Key) {
        if let Some(due) = self.people.remove(key) {
            self.order(due.leaver).remove(&due.place);
        }
    }

    fn order(&mut self, leaver: bool) -> &mut BTreeMap<(Instant, u64), Key> {
        let [leavers, others] = &mut self.order;
        if leaver { leavers } else { others }
    }

    /// The next turn, or from when on there may be one.
    fn take(&mut self, now: Instant) -> Result<Turn, Option<Instant>> {
        let free = |order: &BTreeMap<_, Key>| {
            order.iter().find(|(_, key)| !self.busy.contains(*key)).map(|(place, key)| (*place, key.clone()))
        };
        let next: Vec<((Instant, u64), Key)> = self.order.iter().filter_map(free).collect();
        let Some((_, key)) = next.iter().find(|(place, _)| place.0 <= now) else {
            return Err(next.iter().map(|(place, _)| place.0).min());
        };
        let due = self.people.get(key).copied();
        self.drop_place(key);
        self.busy.insert(key.clone());
        let (deadline, leaver) = due.map_or((now, false), |due| (due.deadline, due.leaver));
        Ok(Turn { key: key.clone(), deadline, leaver })
    }

    fn stored(&mut self, key: &Key, seen: &[(Name, u64)]) {
        if let Some(fresh) = self.fresh.get_mut(key) {
            fresh.retain(|app, result| {
                !seen.iter().any(|(name, serial)| name == app && *serial == result.serial)
            });
            if fresh.is_empty() {
                self.fresh.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(app: &str, id: &str) -> LedgerEntry {
        LedgerEntry { app: app.into(), id: id.into(), ..LedgerEntry::default() }
    }

    fn result(recorder: &Recorder, key: &Key, app: &str, id: &str, within: u64) {
        recorder.result(key, &app.into(), Some(entry(app, id)), Lane::Join, Duration::from_secs(within));
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_waits_comes_back_at_its_deadline_or_with_the_next_result() {
        let recorder = Recorder::default();
        let key = Key::new("ns", "ann");
        let start = Instant::now();
        result(&recorder, &key, "a", "1", 1);
        let turn = recorder.next().await;
        recorder.done(&turn, Outcome::Waits);
        let turn = recorder.next().await;
        assert_eq!(start.elapsed(), Duration::from_secs(1));
        recorder.done(&turn, Outcome::Waits);
        result(&recorder, &key, "b", "2", 1);
        recorder.next().await;
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn results_stay_until_they_are_stored() {
        let recorder = Recorder::default();
        let key = Key::new("ns", "ann");
        result(&recorder, &key, "a", "1", 0);
        let turn = recorder.next().await;
        let seen = recorder.overlay(&key, &mut Vec::new());
        result(&recorder, &key, "a", "2", 0);
        recorder.done(&turn, Outcome::Stored { seen });
        let mut ledger = vec![entry("a", "1")];
        let seen = recorder.overlay(&key, &mut ledger);
        assert_eq!(ledger[0].id, "2");
        let turn = recorder.next().await;
        recorder.done(&turn, Outcome::Stored { seen });
        assert!(recorder.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn one_person_has_one_turn_at_a_time() {
        let recorder = Recorder::default();
        let (ann, bob) = (Key::new("ns", "ann"), Key::new("ns", "bob"));
        recorder.look(&ann, Lane::Join, Duration::ZERO);
        let first = recorder.next().await;
        recorder.look(&ann, Lane::Join, Duration::ZERO);
        recorder.look(&bob, Lane::Join, Duration::ZERO);
        assert_eq!(recorder.next().await.key, bob);
        recorder.done(&first, Outcome::Gone);
    }

    #[tokio::test(start_paused = true)]
    async fn leavers_go_first_and_stay_first_until_they_are_stored() {
        let recorder = Recorder::default();
        let [ann, bob, cid] = ["ann", "bob", "cid"].map(|name| Key::new("ns", name));
        recorder.look(&ann, Lane::Change, Duration::ZERO);
        recorder.look(&bob, Lane::Leave, Duration::ZERO);
        recorder.look(&bob, Lane::Join, Duration::ZERO);
        let turn = recorder.next().await;
        assert_eq!(turn.key, bob);
        recorder.done(&turn, Outcome::Again(Duration::from_secs(1)));
        assert_eq!(recorder.next().await.key, ann);
        tokio::time::sleep(Duration::from_secs(1)).await;
        recorder.look(&cid, Lane::Change, Duration::ZERO);
        assert_eq!(recorder.next().await.key, bob);
    }
}
