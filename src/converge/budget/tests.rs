use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::api::budget::{RemovalBudget, RemovalUse};
use crate::converge::Cause;

const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;

fn limits() -> Limits {
    Limits::of(&RemovalBudget::default(), Duration::from_secs(5))
}

fn suspend(uid: &str, personal: bool) -> Removal {
    Removal {
        uid: uid.to_owned(),
        cause: Some(if personal { Cause::Leave } else { Cause::Unassign }),
        kind: Kind::Suspend,
        personal,
        deferred: false,
        entitlements: BTreeSet::new(),
        attributes: BTreeSet::new(),
    }
}

fn revoke(uid: &str, personal: bool, entitlement: &str) -> Removal {
    Removal {
        cause: None,
        kind: Kind::Change,
        entitlements: [entitlement.to_owned()].into(),
        ..suspend(uid, personal)
    }
}

fn name(uid: &str) -> Arc<str> {
    uid.into()
}

/// A budget over a population, with nothing used.
fn budget(population: u32) -> Budget {
    let mut budget = Budget::new(limits());
    budget.restore(None, &[], Moment(0));
    budget.measured(population, Moment(0));
    budget
}

fn offer(budget: &mut Budget, removal: Removal, now: Moment) -> Standing {
    let person = name(&removal.uid);
    budget.offer(&person, removal, &Bond::Free, |_| 40, now)
}

/// Begins a removal, with places stored as they are needed; whether it may go.
fn begin(budget: &mut Budget, removal: &Removal, now: Moment) -> bool {
    let person = name(&removal.uid);
    if budget.pass(&person, removal, now) == Passage::Store {
        budget.ask(now);
        budget.stored(true);
    }
    matches!(budget.pass(&person, removal, now), Passage::Go(_))
}

#[test]
fn limits_are_a_share_between_minimum_and_maximum() {
    let limits = limits();
    assert_eq!(limits.allowance(0), 5);
    assert_eq!(limits.allowance(100), 20);
    assert_eq!(limits.allowance(1_000_000), 500);
}

#[test]
fn ten_leavers_go_at_once_and_two_more_as_a_wave() {
    let mut budget = budget(100);
    let now = Moment(1_000);
    let leavers: Vec<_> = (0..12).map(|i| suspend(&format!("p{i}"), true)).collect();
    let standings: Vec<_> = leavers.iter().map(|r| offer(&mut budget, r.clone(), now)).collect();
    assert!(standings[..10].iter().all(|s| *s == Standing::Express(now)));
    assert!(standings[10..].iter().all(|s| *s == Standing::Waiting));
    assert!(leavers[..10].iter().all(|r| begin(&mut budget, r, now)));
    assert!(!begin(&mut budget, &leavers[10], now));
    let none = |_: &str| 0;
    assert_eq!(budget.judge(Class::Personal, none, Moment(5_999)), Verdict::Settling);
    assert_eq!(budget.judge(Class::Personal, none, Moment(6_000)), Verdict::Passes);
    assert_eq!(budget.admit(Class::Personal).len(), 2);
    assert!(leavers[10..].iter().all(|r| begin(&mut budget, r, Moment(6_000))));
    assert_eq!(budget.record(Moment(6_000)).used, 12);
}

#[test]
fn sixty_leavers_are_ten_and_one_hold() {
    let mut budget = budget(100);
    let leavers: Vec<_> = (0..60).map(|i| suspend(&format!("p{i:02}"), true)).collect();
    for removal in &leavers {
        offer(&mut budget, removal.clone(), Moment(0));
    }
    let late = Moment(5_000);
    let excess = Excess::App { left: 10, limit: 20 };
    assert_eq!(budget.judge(Class::Personal, |_| 0, late), Verdict::Held(excess));
    let frozen = FrozenSet::of(budget.wave(Class::Personal).map(|(_, removal)| removal));
    assert_eq!(frozen.len(), 50);
    budget.hold(Class::Personal, "h", |_| true);
    // Not one by one a minute later either: the Hold has them.
    let later = Moment(2 * MINUTE);
    let bond = Bond::Held("h".to_owned());
    assert!(frozen.holds(&leavers[59]));
    let standing = budget.offer(&name("p59"), leavers[59].clone(), &bond, |_| 0, later);
    assert_eq!(standing, Standing::Held("h".to_owned()));
    // An order takes exactly this one, and is not counted.
    let used = budget.record(later).used;
    budget.offer(&name("p59"), leavers[59].clone(), &Bond::Ordered, |_| 0, later);
    assert_eq!(budget.pass(&name("p59"), &leavers[59], later), Passage::Go(Permit::uncounted()));
    assert_eq!(budget.record(later).used, used);
}

#[test]
fn a_wave_that_keeps_growing_is_held_whatever_its_size() {
    let mut budget = budget(3_000);
    for second in 0..=300_i64 {
        let now = Moment(second * 1_000);
        offer(&mut budget, suspend(&format!("p{second}"), false), now);
        let verdict = budget.judge(Class::Structural, |_| 0, now);
        let expected = if second < 300 { Verdict::Settling } else { Verdict::Held(Excess::Growth) };
        assert_eq!(verdict, expected);
    }
}

#[test]
fn a_small_change_to_the_app_does_not_empty_a_group() {
    let mut budget = budget(1_000);
    for i in 0..9 {
        offer(&mut budget, revoke(&format!("p{i}"), false, "group:g"), Moment(0));
    }
    let excess = Excess::Entitlement { name: "group:g".into(), count: 9, left: 8, limit: 8 };
    assert_eq!(budget.judge(Class::Structural, |_| 40, Moment(5_000)), Verdict::Held(excess));
    budget.withdraw("p8");
    assert_eq!(budget.judge(Class::Structural, |_| 40, Moment(5_000)), Verdict::Passes);
}

#[test]
fn newer_personal_evidence_about_a_held_member_goes_express() {
    let mut budget = budget(100);
    let held = suspend("ann", false);
    let frozen = FrozenSet::of([&held].into_iter());
    offer(&mut budget, held, Moment(0));
    budget.hold(Class::Structural, "h", |_| true);
    let fired = suspend("ann", true);
    assert!(!frozen.holds(&fired));
    assert_eq!(offer(&mut budget, fired, Moment(1)), Standing::Express(Moment(1)));
    let own = Removal { personal: true, ..suspend("bob", false) };
    let frozen = FrozenSet::of([&suspend("bob", false)].into_iter());
    assert!(!frozen.holds(&own));
}

#[test]
fn evidence_that_fades_leaves_the_person_where_they_are() {
    let mut budget = budget(100);
    let own = Removal { personal: true, ..suspend("ann", false) };
    let frozen = FrozenSet::of([&own].into_iter());
    let faded = Removal { personal: false, ..own.clone() };
    assert!(frozen.holds(&faded));
    assert_eq!(offer(&mut budget, own.clone(), Moment(0)), Standing::Express(Moment(0)));
    assert_eq!(offer(&mut budget, faded, Moment(1)), Standing::Express(Moment(0)));
    assert!(begin(&mut budget, &own, Moment(2)));
}

#[test]
fn an_approval_covers_nothing_that_takes_more() {
    let frozen = FrozenSet::of([&suspend("ann", false), &revoke("bob", false, "group:a")].into_iter());
    let deleted = Removal { kind: Kind::Delete, ..suspend("ann", false) };
    assert!(!frozen.holds(&deleted));
    assert!(!frozen.holds(&revoke("bob", false, "group:b")));
    assert!(!frozen.holds(&suspend("eve", false)));
    let other = FrozenSet::of([&suspend("ann", false)].into_iter());
    assert_ne!(frozen.digest("crm", "t"), other.digest("crm", "t"));
    assert_ne!(frozen.digest("crm", "t"), frozen.digest("git", "t"));
    assert_eq!(FrozenSet::decode(&frozen.encode()), Some(frozen));
    assert_eq!(FrozenSet::decode("AAAA"), None);
    assert_eq!(FrozenSet::decode("?"), None);
}

#[test]
fn a_limit_that_is_lowered_counts_at_once() {
    let mut budget = budget(100);
    let removal = suspend("ann", true);
    offer(&mut budget, removal.clone(), Moment(0));
    budget.set_limits(Limits { maximum: 0, ..limits() });
    assert!(!begin(&mut budget, &removal, Moment(1)));
    assert_eq!(budget.standing("ann").map(|(s, _)| s.clone()), Some(Standing::Waiting));
}

#[test]
fn nothing_goes_before_it_is_known_what_was_used() {
    let mut budget = Budget::new(limits());
    assert_eq!(offer(&mut budget, suspend("ann", true), Moment(0)), Standing::Waiting);
    let stored = RemovalUse { reserved: 500, population: 100, ..RemovalUse::default() };
    budget.restore(Some(&stored), &[], Moment(0));
    assert_eq!(offer(&mut budget, suspend("ann", true), Moment(0)), Standing::Waiting);
    let verdict = budget.judge(Class::Personal, |_| 0, Moment(5_000));
    assert_eq!(verdict, Verdict::Held(Excess::App { left: 0, limit: 20 }));
}

#[test]
fn who_came_before_that_goes_at_once_where_there_is_room() {
    let mut budget = Budget::new(limits());
    assert_eq!(offer(&mut budget, suspend("ann", true), Moment(0)), Standing::Waiting);
    budget.restore(None, &[], Moment(0));
    budget.measured(100, Moment(0));
    assert_eq!(offer(&mut budget, suspend("ann", true), Moment(1)), Standing::Express(Moment(1)));
}

/// What may happen.
#[derive(Clone, Debug)]
enum Event {
    Offer {
        person: u8,
        personal: bool,
        group: Option<bool>,
    },
    Withdraw(u8),
    Judge(u8),
    Begin {
        person: u8,
        store: Store,
    },
    /// The App's status is written for another reason.
    Write,
    Pass {
        minutes: i64,
    },
    Seconds(i64),
    /// The process ends and another begins, whose clock is off by this many minutes.
    Restart {
        skew: i64,
    },
    /// The App is deleted and made anew.
    Recreate,
}

#[derive(Clone, Copy, Debug)]
enum Store {
    Works,
    Fails,
    /// The write arrives, and the process ends before it knows.
    Lost,
}

fn event() -> impl Strategy<Value = Event> {
    let group = proptest::option::of(any::<bool>());
    let store = prop_oneof![8 => Just(Store::Works), 1 => Just(Store::Fails), 1 => Just(Store::Lost)];
    prop_oneof![
        12 => (0..60_u8, any::<bool>(), group)
            .prop_map(|(person, personal, group)| Event::Offer { person, personal, group }),
        2 => (0..60_u8).prop_map(Event::Withdraw),
        4 => (0..3_u8).prop_map(Event::Judge),
        12 => (0..60_u8, store).prop_map(|(person, store)| Event::Begin { person, store }),
        1 => Just(Event::Write),
        1 => (1..900_i64).prop_map(|minutes| Event::Pass { minutes }),
        4 => (0..40_i64).prop_map(Event::Seconds),
        1 => (-60..=60_i64).prop_map(|skew| Event::Restart { skew }),
        1 => Just(Event::Recreate),
    ]
}

struct World {
    budget: Budget,
    now: Moment,
    stored: Option<RemovalUse>,
    apps: u32,
    /// Whether the status was written since the App was made: before, only exact ledgers can say.
    written: bool,
    removed: Vec<(Moment, Removal, bool)>,
}

impl World {
    fn new() -> Self {
        let mut budget = budget(100);
        budget.bind("0");
        Self { budget, now: Moment(0), stored: None, apps: 0, written: false, removed: Vec::new() }
    }

    fn take(&mut self, event: &Event) {
        self.budget.measured(100, self.now);
        match event {
            Event::Offer { person, personal, group } => {
                let uid = format!("p{person}");
                let removal = match group {
                    None => suspend(&uid, *personal),
                    Some(other) => revoke(&uid, *personal, if *other { "group:a" } else { "group:b" }),
                };
                self.budget.offer(&name(&uid), removal, &Bond::Free, |_| 40, self.now);
            }
            Event::Withdraw(person) => self.budget.withdraw(&format!("p{person}")),
            Event::Judge(class) => {
                let class = Class::ALL[usize::from(*class)];
                if self.budget.judge(class, |_| 40, self.now) == Verdict::Passes {
                    self.budget.admit(class);
                }
            }
            Event::Begin { person, store } => self.begin(&format!("p{person}"), *store),
            Event::Write => {
                self.budget.trim(self.now);
                self.write(&self.budget.record(self.now));
            }
            Event::Pass { minutes } => self.now.0 += minutes * MINUTE,
            Event::Seconds(seconds) => self.now.0 += seconds * 1_000,
            Event::Restart { skew } => self.restart(*skew),
            Event::Recreate => {
                self.apps += 1;
                self.budget.bind(&self.apps.to_string());
                self.stored = None;
                self.written = false;
            }
        }
    }

    fn write(&mut self, record: &RemovalUse) {
        // As it is read again.
        let text = serde_json::to_string(record).unwrap();
        self.stored = Some(serde_json::from_str(&text).unwrap());
        self.written = true;
    }

    fn begin(&mut self, uid: &str, store: Store) {
        let person = name(uid);
        let Some((standing, removal)) = self.budget.standing(uid) else { return };
        let (standing, removal) = (standing.clone(), removal.clone());
        if self.budget.pass(&person, &removal, self.now) == Passage::Store {
            let record = self.budget.ask(self.now);
            match store {
                Store::Works => {
                    self.write(&record);
                    self.budget.stored(true);
                }
                Store::Fails => self.budget.stored(false),
                Store::Lost => {
                    self.write(&record);
                    return self.restart(0);
                }
            }
        }
        let begun = matches!(standing, Standing::Passed { .. });
        if let Passage::Go(permit) = self.budget.pass(&person, &removal, self.now)
            && !begun
        {
            assert!(permit.is_counted());
            let express = matches!(standing, Standing::Express(_));
            self.removed.push((self.now, removal, express));
        }
    }

    fn restart(&mut self, skew: i64) {
        let skew = if self.written { skew * MINUTE } else { 0 };
        if !self.written {
            // The ledgers do not say who lost which entitlement.
            self.removed.iter_mut().for_each(|(_, removal, _)| removal.entitlements.clear());
        }
        let age = |at: &Moment| u64::try_from((self.now.0 - at.0 + skew) / 1_000).unwrap_or_default();
        let ledgers: Vec<_> = self.removed.iter().map(|(at, ..)| age(at)).filter(|s| *s < 86_400).collect();
        self.budget = Budget::new(limits());
        self.budget.bind(&self.apps.to_string());
        self.budget.restore(self.stored.as_ref(), &ledgers, self.now);
    }

    fn check(&self) {
        let within = |span: i64| self.removed.iter().filter(move |(at, ..)| self.now.0 - at.0 < span);
        assert!(within(24 * HOUR).count() <= 20, "{} removals in a day", within(24 * HOUR).count());
        assert!(within(MINUTE).filter(|(.., express)| *express).count() <= 10);
        if self.written {
            let mut lost: BTreeMap<&str, u32> = BTreeMap::new();
            for (_, removal, _) in within(24 * HOUR) {
                for entitlement in &removal.entitlements {
                    *lost.entry(entitlement).or_default() += 1;
                }
            }
            assert!(lost.values().all(|count| *count <= 8), "{lost:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_events_takes_away_more_than_the_limit(events in proptest::collection::vec(event(), 1..200)) {
        let mut world = World::new();
        for event in &events {
            world.take(event);
            world.check();
        }
    }
}

#[test]
fn what_dates_bring_is_held_ahead_where_it_will_not_fit() {
    let mut budget = budget(40);
    let (day, settled) = (Duration::from_hours(20), Moment(HOUR));
    let foresee = |budget: &mut Budget, n: usize, now: Moment| {
        let uid = n.to_string();
        budget.foresee(&name(&uid), Some((suspend(&uid, true), day)), now);
    };
    // Used now, and not any more on that day.
    for n in 100..105 {
        let removal = suspend(&n.to_string(), true);
        offer(&mut budget, removal.clone(), Moment(-6 * HOUR));
        assert!(begin(&mut budget, &removal, Moment(-6 * HOUR)));
    }
    (0..8).for_each(|n| foresee(&mut budget, n, Moment(0)));
    assert_eq!(budget.excess_ahead(|_| false, settled), None);
    foresee(&mut budget, 8, settled);
    assert_eq!(budget.excess_ahead(|_| false, settled), None, "more may come");
    let later = Moment(HOUR + MINUTE);
    let (excess, within) = budget.excess_ahead(|_| false, later).unwrap();
    assert_eq!(excess, Excess::App { left: 8, limit: 8 });
    assert_eq!(within, Duration::from_mins(20 * 60 - 61));
    assert_eq!(budget.excess_ahead(|removal| removal.uid != "8", later), None);
    budget.foresee(&name("8"), None, later);
    assert_eq!(budget.excess_ahead(|_| false, later), None);
}
