//! What is stored of a budget, and the places that are stored before they are spent.

use std::collections::{BTreeMap, BTreeSet};

use super::members::{Budget, Standing};
use super::removal::Removal;
use super::usage::Moment;
use crate::api::budget::{EntitlementUse, RemovalUse};

/// Places in the App's status that nobody has taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    stored: Count,
    /// Being stored: part of whatever is written meanwhile, and not to be spent before it is.
    asked: Count,
    /// `metadata.uid` of the App whose status has them.
    uid: String,
}

#[derive(Clone, Debug, Default)]
struct Count {
    app: u32,
    entitlements: BTreeMap<String, u32>,
}

impl Count {
    fn of(&self, name: &str) -> u32 {
        self.entitlements.get(name).copied().unwrap_or_default()
    }
}

impl Places {
    /// Takes a place for this removal; `false`: there is none.
    pub(super) fn take(&mut self, removal: &Removal) -> bool {
        let room = self.stored.app > 0 && removal.entitlements.iter().all(|name| self.stored.of(name) > 0);
        if room {
            self.stored.app -= 1;
            for name in &removal.entitlements {
                if let Some(count) = self.stored.entitlements.get_mut(name) {
                    *count -= 1;
                }
            }
        }
        room
    }
}

impl Budget {
    /// Says which App has the status. What another object of the same name had stored is gone.
    pub fn bind(&mut self, uid: &str) {
        if self.places.uid != uid {
            self.places = Places { uid: uid.to_owned(), ..Places::default() };
        }
    }

    /// What is to be stored so that everybody who was promised a place can take it. Until [`Self::stored`] says what came
    /// of it, whatever is written has these places too.
    pub fn ask(&mut self, now: Moment) -> RemovalUse {
        let mut wanted = Count { app: self.promised(now).max(1), entitlements: BTreeMap::new() };
        for (_, standing, removal) in self.people() {
            if matches!(standing, Standing::Express(_) | Standing::Admitted) {
                for name in &removal.entitlements {
                    *wanted.entitlements.entry(name.clone()).or_default() += 1;
                }
            }
        }
        let stored = &self.places.stored;
        let missing = |(name, count): (String, u32)| {
            let missing = count.saturating_sub(stored.of(&name));
            (missing > 0).then_some((name, missing))
        };
        self.places.asked = Count {
            app: wanted.app.saturating_sub(stored.app),
            entitlements: wanted.entitlements.into_iter().filter_map(missing).collect(),
        };
        self.record(now)
    }

    /// Whether what [`Self::ask`] returned was stored.
    pub fn stored(&mut self, success: bool) {
        let asked = std::mem::take(&mut self.places.asked);
        if success {
            self.places.stored.app += asked.app;
            for (name, count) in asked.entitlements {
                *self.places.stored.entitlements.entry(name).or_default() += count;
            }
        }
    }

    /// Gives back places that nobody is promised any more.
    pub fn trim(&mut self, now: Moment) {
        self.places.stored.app = self.places.stored.app.min(self.promised(now));
        let mut stored = std::mem::take(&mut self.places.stored.entitlements);
        for (name, count) in &mut stored {
            *count = (*count).min(self.promised_of(name, now));
        }
        stored.retain(|_, count| *count > 0);
        self.places.stored.entitlements = stored;
        let window = self.limits.window;
        let kept: BTreeSet<_> = self.people.values().flat_map(|m| m.removal.entitlements.iter()).collect();
        let used =
            |name: &String, usage: &super::usage::Usage| usage.count(now, window) > 0 || kept.contains(name);
        self.entitlements.retain(|name, usage| used(name, usage));
    }

    /// The budget as it is stored.
    pub fn record(&self, now: Moment) -> RemovalUse {
        let window = self.limits.window;
        let Places { stored, asked, .. } = &self.places;
        let entitlements = self.entitlements.iter().map(|(name, usage)| EntitlementUse {
            entitlement: name.clone(),
            used: usage.count(now, window),
            limit: self.limits.allowance(usage.known_population()),
            population: usage.known_population(),
            reserved: stored.of(name) + asked.of(name),
            ages: usage.ages(now, window),
        });
        RemovalUse {
            used: self.usage.count(now, window),
            limit: self.limit(),
            population: self.usage.known_population(),
            reserved: stored.app + asked.app,
            ages: self.usage.ages(now, window),
            entitlements: entitlements.filter(|e| e.used + e.reserved > 0).collect(),
        }
    }
}
