//! Waves: what is counted as a whole before its first write.

use std::collections::BTreeMap;

use super::limits::GROWTH;
use super::members::{Budget, Standing};
use super::removal::{Class, Removal};
use super::usage::Moment;

/// What becomes of a wave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody is in it.
    Empty,
    /// It has not been quiet for long enough.
    Settling,
    /// It passes whole.
    Passes,
    /// It is held whole.
    Held(Excess),
}

/// What a wave that is held exceeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Excess {
    /// What is left of the App's limit.
    App {
        /// Removals that may still be made.
        left: u32,
        /// The limit.
        limit: u32,
    },
    /// What is left of an entitlement's limit.
    Entitlement {
        /// Which, as the ledger writes it.
        name: String,
        /// How many in the wave would lose it.
        count: u32,
        /// How many still may.
        left: u32,
        /// The limit.
        limit: u32,
    },
    /// So many entitlements that their use cannot be kept count of.
    Entitlements,
    /// It has grown for five minutes.
    Growth,
}

impl Budget {
    /// The wave of a class: who is in it, and what would be taken from them.
    pub fn wave(&self, class: Class) -> impl Iterator<Item = (&str, &Removal)> {
        self.people
            .iter()
            .filter(move |(_, m)| m.standing == Standing::Waiting && m.removal.class() == class)
            .map(|(name, m)| (&**name, &m.removal))
    }

    /// Whether a wave has been quiet for long enough to be counted, or has grown for too long; `None`: nobody is in it.
    pub fn is_settled(&self, class: Class, now: Moment) -> Option<bool> {
        let (began, last) = self.times(class)?;
        Some(now.since(last) >= self.limits.settle || now.since(began) >= GROWTH)
    }

    fn times(&self, class: Class) -> Option<(Moment, Moment)> {
        let waits =
            |m: &&super::members::Member| m.standing == Standing::Waiting && m.removal.class() == class;
        self.people.values().filter(waits).map(|m| m.since).fold(None, |times, at| {
            let (began, last) = times.unwrap_or((at, at));
            Some((began.min(at), last.max(at)))
        })
    }

    /// Counts a wave. `holders`: how many accounts hold an entitlement.
    pub fn judge(&mut self, class: Class, holders: impl Fn(&str) -> u32, now: Moment) -> Verdict {
        let Some((began, last)) = self.times(class) else { return Verdict::Empty };
        let quiet = now.since(last) >= self.limits.settle;
        if !quiet && now.since(began) < GROWTH {
            return Verdict::Settling;
        }
        if !quiet {
            return Verdict::Held(Excess::Growth);
        }
        let count = u32::try_from(self.wave(class).count()).unwrap_or(u32::MAX);
        let (left, limit) = (self.left(now), self.limit());
        if count > left {
            return Verdict::Held(Excess::App { left, limit });
        }
        let mut taken: BTreeMap<String, u32> = BTreeMap::new();
        for (_, removal) in self.wave(class) {
            for entitlement in &removal.entitlements {
                *taken.entry(entitlement.clone()).or_default() += 1;
            }
        }
        if !self.has_room(taken.keys()) {
            return Verdict::Held(Excess::Entitlements);
        }
        for (name, count) in taken {
            let (left, limit) = self.left_of(&name, holders(&name), now);
            if count > left {
                return Verdict::Held(Excess::Entitlement { name, count, left, limit });
            }
        }
        Verdict::Passes
    }

    /// How many removals may still be promised, of accounts.
    pub(super) fn left(&self, now: Moment) -> u32 {
        let gone = self.used(now).saturating_add(self.promised(now));
        self.limit().saturating_sub(gone)
    }

    /// The same of one entitlement, and its limit.
    pub(super) fn left_of(&mut self, name: &str, holders: u32, now: Moment) -> (u32, u32) {
        let window = self.limits.window;
        let promised = self.promised_of(name, now);
        let usage = self.entitlements.entry(name.to_owned()).or_default();
        let population = usage.population(holders, now, window);
        let limit = self.limits.allowance(population);
        (limit.saturating_sub(usage.count(now, window).saturating_add(promised)), limit)
    }
}
