//! Who left and may still have access somewhere: counted, and how long ago it should have ended.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::runtime::index::{Key, Name};

/// Apps on which access is not proved to have ended, and since when it should have, by person.
#[derive(Default)]
pub struct Leavers(Mutex<HashMap<Key, Vec<(Name, Timestamp)>>>);

/// The leavers of one App whose access is not proved to have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unproved {
    /// How many there are.
    pub count: usize,
    /// Since when the access of the first of them should have ended.
    pub since: Option<Timestamp>,
}

impl Leavers {
    /// What the last decision about a person found.
    pub fn note(&self, person: &Key, open: Vec<(Name, Timestamp)>) {
        let mut people = self.0.lock();
        if open.is_empty() {
            people.remove(person);
        } else {
            people.insert(person.clone(), open);
        }
    }

    /// Forgets a person who is no longer in the API server.
    pub fn forget(&self, person: &Key) {
        self.0.lock().remove(person);
    }

    /// Counts by App. Apps without such leavers are not there.
    pub fn by_app(&self) -> BTreeMap<(Name, Name), Unproved> {
        let mut apps = BTreeMap::<_, Unproved>::new();
        for (person, open) in self.0.lock().iter() {
            for (app, since) in open {
                let all = apps.entry((person.namespace.clone(), app.clone())).or_default();
                all.count += 1;
                all.since = Some(all.since.map_or(*since, |first| first.min(*since)));
            }
        }
        apps
    }
}

impl Unproved {
    /// How long ago the access of the first of them should have ended.
    pub fn age(&self, now: Timestamp) -> Duration {
        let age = self.since.map(|since| now.duration_since(since));
        age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_an_app_counts_and_who_is_proved_does_not() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let (leavers, ann, bob) = (Leavers::default(), Key::new("ns", "ann"), Key::new("ns", "bob"));
        leavers.note(&ann, vec![("crm".into(), at(100)), ("git".into(), at(100))]);
        leavers.note(&bob, vec![("crm".into(), at(50))]);
        let crm = leavers.by_app()[&("ns".into(), "crm".into())];
        assert_eq!((crm.count, crm.age(at(110))), (2, Duration::from_mins(1)));
        leavers.note(&bob, Vec::new());
        leavers.forget(&Key::new("ns", "zoe"));
        let crm = leavers.by_app()[&("ns".into(), "crm".into())];
        // A clock that went back makes nobody's age negative.
        assert_eq!((crm.count, crm.age(at(90))), (1, Duration::ZERO));
    }
}
