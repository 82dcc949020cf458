//! Everybody from whom something is about to be taken, and where each stands.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::limits::{Limits, MINUTE};
use super::removal::{Class, Removal};
use super::usage::{Moment, Usage};
use crate::api::budget::RemovalUse;

/// How many entitlements one window keeps count of. More cannot be stored, so more is held.
pub(super) const MAX_ENTITLEMENTS: usize = 256;

/// Where somebody stands from whom something is to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In the wave of its class.
    Waiting,
    /// In this Hold, which nobody has approved.
    Held(String),
    /// Goes at once; the place is kept for a minute from then on.
    Express(Moment),
    /// Its wave has passed; the place is kept.
    Admitted,
    /// This Hold was approved.
    Approved(String),
    /// A person has ordered it by `tenure.dev/remove-now`.
    Ordered,
    /// Begun. What is not finished goes on without another place.
    Passed {
        /// Whether it took a place in the budget.
        counted: bool,
    },
}

impl Standing {
    /// Whether it may be worked on.
    pub fn may_go(&self) -> bool {
        !matches!(self, Self::Waiting | Self::Held(_))
    }
}

/// What binds a removal from outside: an order, or a Hold that has it in its frozen set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bond {
    /// Nothing.
    Free,
    /// `tenure.dev/remove-now`.
    Ordered,
    /// A Hold that was not approved, or was rejected.
    Held(String),
    /// A Hold that was made before the day, and that nobody has answered: those go for whom there is room.
    Announced(String),
    /// A Hold that was approved.
    Approved(String),
}

/// That something may be taken away. One that counts is given by [`Budget::pass`] alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    counted: bool,
}

impl Permit {
    /// For what is no removal, or was approved or ordered by a person.
    pub const fn uncounted() -> Self {
        Self { counted: false }
    }

    /// Whether it took a place in the budget.
    pub const fn is_counted(self) -> bool {
        self.counted
    }
}

/// Whether the next step may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// Yes.
    Go(Permit),
    /// A place is promised and not stored: see [`Budget::ask`].
    Store,
    /// No.
    Wait,
}

#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) removal: Removal,
    pub(super) standing: Standing,
    pub(super) since: Moment,
}

/// The budget of one App.
#[derive(Debug)]
pub struct Budget {
    pub(super) limits: Limits,
    /// Whether what was used before is known; until then nothing goes.
    pub(super) active: bool,
    pub(super) usage: Usage,
    pub(super) entitlements: BTreeMap<String, Usage>,
    pub(super) people: BTreeMap<Arc<str>, Member>,
    /// From whom a date will take something.
    pub(super) coming: BTreeMap<Arc<str>, super::ahead::Coming>,
    /// When express removals were begun.
    pub(super) passes: VecDeque<Moment>,
    claims: BTreeMap<Arc<str>, Moment>,
    admitted: u32,
    pub(super) places: super::record::Places,
}

impl Budget {
    /// One that lets nothing go before [`Self::restore`].
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            active: false,
            usage: Usage::default(),
            entitlements: BTreeMap::new(),
            people: BTreeMap::new(),
            coming: BTreeMap::new(),
            passes: VecDeque::new(),
            claims: BTreeMap::new(),
            admitted: 0,
            places: super::record::Places::default(),
        }
    }

    /// Takes limits over.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether what was used before is known.
    pub fn is_active(&self) -> bool {
        self.active
    }

    /// Takes over what was used before: as the App's status says, and as the ledgers say (ages in seconds). The larger
    /// counts.
    pub fn restore(&mut self, stored: Option<&RemovalUse>, ledgers: &[u64], now: Moment) {
        let none = RemovalUse::default();
        let stored = stored.unwrap_or(&none);
        let window = self.limits.window;
        let said = stored.ages.iter().map(|age| (age.age_seconds, age.count));
        let said = Usage::restored(said.chain([(0, stored.reserved)]), stored.population, now);
        let seen = Usage::restored(ledgers.iter().map(|age| (*age, 1)), stored.population, now);
        self.usage = if seen.count(now, window) > said.count(now, window) { seen } else { said };
        self.entitlements = stored
            .entitlements
            .iter()
            .map(|e| {
                let ages = e.ages.iter().map(|age| (age.age_seconds, age.count)).chain([(0, e.reserved)]);
                (e.entitlement.clone(), Usage::restored(ages, e.population, now))
            })
            .collect();
        // Which of the youngest went express is not known.
        let recent = stored.ages.iter().filter(|age| age.age_seconds == 0).map(|age| age.count);
        let recent = recent.chain([stored.reserved]).fold(0, u32::saturating_add);
        self.passes = (0..recent.min(self.limits.express)).map(|_| now).collect();
        // Who came before it was known what was used is offered anew: they may go at once.
        self.people.retain(|_, member| member.standing != Standing::Waiting);
        self.active = true;
    }

    /// Takes note of how many accounts are in use.
    pub fn measured(&mut self, accounts: u32, now: Moment) {
        self.usage.population(accounts, now, self.limits.window);
    }

    /// Removals within the window.
    pub fn used(&self, now: Moment) -> u32 {
        self.usage.count(now, self.limits.window)
    }

    /// The limit of the window.
    pub fn limit(&self) -> u32 {
        self.limits.allowance(self.usage.known_population())
    }

    /// Somebody has something taken from them, or still has: where they stand. `holders`: how many accounts hold an
    /// entitlement.
    pub fn offer(
        &mut self,
        person: &Arc<str>,
        removal: Removal,
        bond: &Bond,
        holders: impl Fn(&str) -> u32,
        now: Moment,
    ) -> Standing {
        let known = self.people.get(person);
        if let Some(member) = known.filter(|m| m.removal.covers(&removal) && keeps(&m.standing, now)) {
            return member.standing.clone();
        }
        let removal = match known {
            Some(member) if removal.is_faded(&member.removal) => member.removal.clone(),
            _ => removal,
        };
        let same = known.filter(|m| m.removal == removal).map(|m| (m.standing.clone(), m.since));
        let standing = match bond {
            Bond::Ordered => Standing::Ordered,
            Bond::Announced(_) if self.goes_express(&removal, &holders, now) => Standing::Express(now),
            Bond::Held(hold) | Bond::Announced(hold) => Standing::Held(hold.clone()),
            Bond::Approved(hold) => Standing::Approved(hold.clone()),
            Bond::Free if matches!(same, Some((Standing::Waiting, _))) => Standing::Waiting,
            Bond::Free if self.goes_express(&removal, &holders, now) => Standing::Express(now),
            Bond::Free => Standing::Waiting,
        };
        let since = same.filter(|(before, _)| *before == standing).map_or(now, |(_, since)| since);
        self.place(person, Member { removal, standing: standing.clone(), since });
        standing
    }

    fn goes_express(&mut self, removal: &Removal, holders: impl Fn(&str) -> u32, now: Moment) -> bool {
        if !self.active || removal.class() != Class::Personal {
            return false;
        }
        self.passes.retain(|at| now.since(*at) < MINUTE);
        self.claims.retain(|_, at| now.since(*at) < MINUTE);
        let busy = u32::try_from(self.passes.len() + self.claims.len()).unwrap_or(u32::MAX);
        busy < self.limits.express
            && self.left(now) > 0
            && self.has_room(removal.entitlements.iter())
            && removal.entitlements.iter().all(|name| self.left_of(name, holders(name), now).0 > 0)
    }

    /// Whether what is kept count of can be stored with these.
    pub(super) fn has_room<'e>(&self, names: impl Iterator<Item = &'e String>) -> bool {
        let new = names.filter(|name| !self.entitlements.contains_key(*name)).count();
        self.entitlements.len() + new <= MAX_ENTITLEMENTS
    }

    /// What is known of somebody's removal, if it covers this one.
    pub fn covering(&self, person: &str, removal: &Removal) -> Option<&Removal> {
        self.people.get(person).map(|m| &m.removal).filter(|known| known.covers(removal))
    }

    /// Where somebody stands, and what is to be taken from them.
    pub fn standing(&self, person: &str) -> Option<(&Standing, &Removal)> {
        self.people.get(person).map(|m| (&m.standing, &m.removal))
    }

    /// Everybody from whom something is to be taken.
    pub fn people(&self) -> impl Iterator<Item = (&Arc<str>, &Standing, &Removal)> {
        self.people.iter().map(|(name, m)| (name, &m.standing, &m.removal))
    }

    /// Nothing is to be taken from this person any more.
    pub fn withdraw(&mut self, person: &str) {
        if let Some(member) = self.people.remove(person) {
            self.uncount(person, &member.standing);
        }
    }

    /// Lets a wave go that [`Self::judge`] passed; who is in it.
    pub fn admit(&mut self, class: Class) -> Vec<Arc<str>> {
        self.move_wave(class, &Standing::Admitted, |_| true)
    }

    /// Notes that these are frozen in a Hold.
    pub fn hold(&mut self, class: Class, hold: &str, frozen: impl Fn(&Removal) -> bool) {
        self.move_wave(class, &Standing::Held(hold.to_owned()), frozen);
    }

    fn move_wave(&mut self, class: Class, to: &Standing, which: impl Fn(&Removal) -> bool) -> Vec<Arc<str>> {
        let waits = |m: &Member| m.standing == Standing::Waiting && m.removal.class() == class;
        let wave: Vec<_> = self
            .people
            .iter()
            .filter(|(_, m)| waits(m) && which(&m.removal))
            .map(|(name, m)| (name.clone(), m.clone()))
            .collect();
        for (name, member) in &wave {
            self.place(name, Member { standing: to.clone(), ..member.clone() });
        }
        wave.into_iter().map(|(name, _)| name).collect()
    }

    /// Whether a step that takes this away may be taken now. Where it takes a place in the budget, that is spent.
    pub fn pass(&mut self, person: &Arc<str>, removal: &Removal, now: Moment) -> Passage {
        let Some(member) = self.people.get(person).filter(|m| m.removal.covers(removal)).cloned() else {
            return Passage::Wait;
        };
        let counted = match member.standing {
            Standing::Passed { counted } => return Passage::Go(Permit { counted }),
            Standing::Waiting | Standing::Held(_) => return Passage::Wait,
            Standing::Express(at) if now.since(at) >= MINUTE => return Passage::Wait,
            Standing::Approved(_) | Standing::Ordered => false,
            Standing::Express(_) | Standing::Admitted => true,
        };
        if counted {
            if self.is_spent(&member.removal, now) {
                // The limit was lowered since the place was promised.
                self.place(person, Member { standing: Standing::Waiting, since: now, ..member });
                return Passage::Wait;
            }
            if !self.places.take(&member.removal) {
                return Passage::Store;
            }
            self.spend(&member, now);
        }
        self.place(person, Member { standing: Standing::Passed { counted }, ..member });
        Passage::Go(Permit { counted })
    }

    fn is_spent(&self, removal: &Removal, now: Moment) -> bool {
        let window = self.limits.window;
        let full =
            |usage: &Usage| usage.count(now, window) >= self.limits.allowance(usage.known_population());
        full(&self.usage)
            || removal.entitlements.iter().any(|name| self.entitlements.get(name).is_some_and(full))
    }

    fn spend(&mut self, member: &Member, now: Moment) {
        let window = self.limits.window;
        self.usage.spend(1, now, window);
        for name in &member.removal.entitlements {
            self.entitlements.entry(name.clone()).or_default().spend(1, now, window);
        }
        if matches!(member.standing, Standing::Express(_)) {
            self.passes.push_back(now);
        }
    }

    /// Places that are kept for people.
    pub(super) fn promised(&self, now: Moment) -> u32 {
        let claims = self.claims.values().filter(|at| now.since(**at) < MINUTE).count();
        self.admitted.saturating_add(u32::try_from(claims).unwrap_or(u32::MAX))
    }

    /// The same of one entitlement.
    pub(super) fn promised_of(&self, name: &str, now: Moment) -> u32 {
        let kept = |m: &&Member| {
            m.removal.entitlements.contains(name)
                && match m.standing {
                    Standing::Express(at) => now.since(at) < MINUTE,
                    Standing::Admitted => true,
                    _ => false,
                }
        };
        u32::try_from(self.people.values().filter(kept).count()).unwrap_or(u32::MAX)
    }

    fn place(&mut self, person: &Arc<str>, member: Member) {
        match &member.standing {
            Standing::Express(at) => drop(self.claims.insert(person.clone(), *at)),
            Standing::Admitted => self.admitted += 1,
            _ => {}
        }
        let is_claim = matches!(member.standing, Standing::Express(_));
        if let Some(before) = self.people.insert(person.clone(), member) {
            match before.standing {
                Standing::Express(_) if !is_claim => drop(self.claims.remove(person)),
                Standing::Admitted => self.admitted = self.admitted.saturating_sub(1),
                _ => {}
            }
        }
    }

    fn uncount(&mut self, person: &str, standing: &Standing) {
        match standing {
            Standing::Express(_) => drop(self.claims.remove(person)),
            Standing::Admitted => self.admitted = self.admitted.saturating_sub(1),
            _ => {}
        }
    }
}

/// Whether a place that was given stays given.
fn keeps(standing: &Standing, now: Moment) -> bool {
    match standing {
        Standing::Passed { .. } | Standing::Admitted => true,
        Standing::Express(at) => now.since(*at) < MINUTE,
        _ => false,
    }
}
