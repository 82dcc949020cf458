//! The queue itself, without tasks and without a clock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::time::{Duration, Instant};

use super::{Outcome, Stats};
use crate::converge::Lane;

/// How many keys' worth of memory an empty queue keeps.
const ROOM: usize = 1_024;
/// From one position to the next: behind each is one for its key's second turn.
const STRIDE: u64 = 2;

/// When a key may be worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// At once.
    Now,
    /// From then on; a push may bring it forward.
    At(Instant),
    /// From then on, after a failure; only new evidence may bring it forward.
    BackOff(Instant),
}

/// Where a key is. A key that is nowhere has no entry.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In its lane, at this position.
    Ready(u64),
    /// Among the timers.
    Waiting { until: Instant, back_off: bool },
    /// With a worker, who took it from this position.
    Working(u64),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    lane: Lane,
    /// Since when there is something to do.
    since: Instant,
    place: Place,
}

/// A push of a key that is being worked on.
#[derive(Clone, Copy, Debug)]
struct Again {
    lane: Lane,
    since: Instant,
    fresh: bool,
}

/// What a worker finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<K> {
    /// This, to be worked on; due since then.
    Job(K, Lane, Instant),
    /// Nothing before then, unless something is pushed.
    Nothing(Option<Instant>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    No,
    Until(Instant),
    UntilResumed,
}

#[derive(Debug)]
pub(super) struct Lanes<K> {
    entries: HashMap<K, Entry>,
    ready: [BTreeMap<u64, K>; Lane::ALL.len()],
    timers: BTreeSet<(Instant, K)>,
    /// Pushes of keys that are being worked on: few, so not part of every entry.
    again: HashMap<K, Again>,
    position: u64,
    working: usize,
    pause: Pause,
}

impl<K: Ord + Clone + Hash> Lanes<K> {
    pub(super) fn new() -> Self {
        Self {
            entries: HashMap::new(),
            ready: Default::default(),
            timers: BTreeSet::new(),
            again: HashMap::new(),
            position: 0,
            working: 0,
            pause: Pause::No,
        }
    }

    /// Queues `key` from `at` on. A lane before its own promotes it. A back-off goes on unless the push is `fresh`.
    pub(super) fn push(&mut self, key: K, lane: Lane, at: Instant, fresh: bool, now: Instant) {
        let since = at.max(now);
        let Some(entry) = self.entries.get(&key).copied() else {
            return self.place(key, lane, since, due(at, now));
        };
        let known = (entry.lane, entry.since);
        match entry.place {
            Place::Working(_) => {
                let before = self.again.get(&key).copied();
                let (lane, since) =
                    before.map_or((lane, since), |b| earlier((b.lane, b.since), (lane, since)));
                let fresh = fresh || before.is_some_and(|before| before.fresh);
                self.again.insert(key, Again { lane, since, fresh });
            }
            Place::Ready(_) if lane >= entry.lane => {}
            Place::Ready(_) => {
                self.take_out(&key, entry);
                self.place(key, lane, now, Due::Now);
            }
            Place::Waiting { until, back_off } => {
                self.take_out(&key, entry);
                let (lane, since) = earlier(known, (lane, since));
                let due = if back_off && !fresh { Due::BackOff(until) } else { due(at.min(until), now) };
                self.place(key, lane, since, due);
            }
        }
    }

    /// The next job for a worker; a `reserved` one takes leavers only.
    pub(super) fn pop(&mut self, reserved: bool, now: Instant) -> Found<K> {
        if let Err(at) = self.ready(reserved, now) {
            return Found::Nothing(at);
        }
        let next = self.open(reserved).find_map(BTreeMap::pop_first);
        let Some((position, (key, entry))) =
            next.and_then(|(position, key)| Some((position, (key.clone(), self.entries.get_mut(&key)?))))
        else {
            return Found::Nothing(None);
        };
        entry.place = Place::Working(position);
        self.working += 1;
        Found::Job(key, entry.lane, entry.since)
    }

    /// Whether there is a job for a worker; else from when on there may be one without a push.
    pub(super) fn ready(&mut self, reserved: bool, now: Instant) -> Result<(), Option<Instant>> {
        match self.pause {
            Pause::UntilResumed => return Err(None),
            Pause::Until(until) if now < until => return Err(Some(until)),
            _ => self.pause = Pause::No,
        }
        self.ripen(now);
        if self.open(reserved).all(|lane| lane.is_empty()) {
            return Err(self.timers.first().map(|(at, _)| *at));
        }
        Ok(())
    }

    /// The lanes that a worker takes from.
    fn open(&mut self, reserved: bool) -> impl Iterator<Item = &mut BTreeMap<u64, K>> {
        let lanes = if reserved { 1 } else { self.ready.len() };
        self.ready.iter_mut().take(lanes)
    }

    /// Whether a job may be taken, or will be by then without a push.
    pub(super) fn is_expected_by(&self, at: Instant) -> bool {
        self.ready.iter().any(|lane| !lane.is_empty())
            || self.timers.first().is_some_and(|(due, _)| *due <= at)
    }

    /// Takes a job back with what came of it.
    pub(super) fn done(&mut self, key: K, outcome: Outcome, now: Instant) {
        let Some(entry) = self.entries.remove(&key) else {
            return;
        };
        self.working = self.working.saturating_sub(1);
        let again = self.again.remove(&key);
        match (outcome, again) {
            (Outcome::Ok, None) => self.shrink(),
            (Outcome::Ok, Some(again)) => match entry.place {
                // Nobody who came later holds up what has begun; but one that is pushed all the time gives way to others.
                Place::Working(position) if again.since <= now && position.is_multiple_of(STRIDE) => {
                    self.stand(key, again.lane, again.since, position + 1);
                }
                _ => self.place(key, again.lane, again.since, due(again.since, now)),
            },
            (Outcome::Later(at), None) => self.place(key, entry.lane, at.max(now), due(at, now)),
            (Outcome::Later(at), Some(again)) => {
                self.place(key, again.lane, again.since, due(at.min(again.since), now));
            }
            (Outcome::Retry { after }, again) => {
                let before = (entry.lane, entry.since);
                let (lane, since) = again.map_or(before, |again| earlier(before, (again.lane, again.since)));
                let fresh = again.is_some_and(|again| again.fresh);
                self.place(key, lane, since, if fresh { Due::Now } else { Due::BackOff(now + after) });
            }
        }
    }

    /// Drops a key that no worker has.
    pub(super) fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.get(key).copied()
            && !matches!(entry.place, Place::Working(_))
        {
            self.take_out(key, entry);
            self.entries.remove(key);
            self.shrink();
        }
    }

    /// Whether the key is with a worker, or queued and not backing off.
    pub(super) fn is_under_way(&self, key: &K) -> bool {
        self.entries
            .get(key)
            .is_some_and(|entry| !matches!(entry.place, Place::Waiting { back_off: true, .. }))
    }

    /// Gives out nothing until then, or until resumed. A longer pause outlasts a shorter one.
    pub(super) fn pause(&mut self, until: Option<Instant>) {
        self.pause = match (self.pause, until) {
            (Pause::UntilResumed, _) | (_, None) => Pause::UntilResumed,
            (Pause::Until(before), Some(until)) => Pause::Until(before.max(until)),
            (Pause::No, Some(until)) => Pause::Until(until),
        };
    }

    pub(super) fn resume(&mut self) {
        self.pause = Pause::No;
    }

    /// Counts and ages. Looks at every entry.
    pub(super) fn stats(&self, now: Instant) -> Stats {
        let mut stats = Stats { working: self.working, ..Stats::default() };
        for entry in self.entries.values() {
            let lane = &mut stats.lanes[entry.lane as usize];
            match entry.place {
                Place::Ready(_) => lane.ready += 1,
                Place::Waiting { .. } => lane.waiting += 1,
                Place::Working(_) => {}
            }
            let age = now.saturating_duration_since(entry.since);
            lane.oldest = Some(lane.oldest.unwrap_or(Duration::ZERO).max(age));
        }
        stats
    }

    /// Gives back the memory of a wave that is over.
    fn shrink(&mut self) {
        if self.entries.is_empty() && self.entries.capacity() > ROOM {
            self.entries.shrink_to(ROOM);
        }
    }

    fn place(&mut self, key: K, lane: Lane, since: Instant, due: Due) {
        match due {
            Due::Now => {
                self.position += STRIDE;
                self.stand(key, lane, since, self.position);
            }
            Due::At(until) | Due::BackOff(until) => {
                self.timers.insert((until, key.clone()));
                let place = Place::Waiting { until, back_off: matches!(due, Due::BackOff(_)) };
                self.entries.insert(key, Entry { lane, since, place });
            }
        }
    }

    /// Puts a key into its lane, at a position that no other has.
    fn stand(&mut self, key: K, lane: Lane, since: Instant, position: u64) {
        self.ready[lane as usize].insert(position, key.clone());
        self.entries.insert(key, Entry { lane, since, place: Place::Ready(position) });
    }

    /// Takes a key out of its lane or the timers.
    fn take_out(&mut self, key: &K, entry: Entry) {
        match entry.place {
            Place::Ready(position) => {
                self.ready[entry.lane as usize].remove(&position);
            }
            Place::Waiting { until, .. } => {
                self.timers.remove(&(until, key.clone()));
            }
            Place::Working(_) => {}
        }
    }

    /// Moves what has waited long enough to its lane.
    fn ripen(&mut self, now: Instant) {
        while self.timers.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.timers.pop_first() else {
                return;
            };
            if let Some(entry) = self.entries.get(&key).copied() {
                self.place(key, entry.lane, entry.since, Due::Now);
            }
        }
    }
}

fn due(at: Instant, now: Instant) -> Due {
    if at > now { Due::At(at) } else { Due::Now }
}

/// Of two wishes for one key: the earlier lane, with the age it has there.
fn earlier(one: (Lane, Instant), other: (Lane, Instant)) -> (Lane, Instant) {
    match one.0.cmp(&other.0) {
        std::cmp::Ordering::Less => one,
        std::cmp::Ordering::Greater => other,
        std::cmp::Ordering::Equal => (one.0, one.1.min(other.1)),
    }
}
