//! A simulated target, and the least shell that works on it the way the real one does.

use super::*;
use crate::converge::compare::{same_login, strings as texts};

/// The group of the administrators.
pub(super) const ADMINS: &str = "g3";

/// A target with accounts and groups, and what was done to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct World {
    pub(super) accounts: BTreeMap<String, RemoteAccount>,
    /// Id to name.
    pub(super) groups: BTreeMap<String, String>,
    /// Account and group.
    pub(super) members: std::collections::BTreeSet<(String, String)>,
    pub(super) creates_groups: bool,
    pub(super) drops_marker: bool,
    /// Accounts can be deleted while they are in use, because there is no other way.
    pub(super) never_suspends: bool,
    pub(super) made: usize,
    pub(super) done: Vec<Step>,
    pub(super) asked: Vec<Query>,
}

impl World {
    pub(super) fn with(accounts: impl IntoIterator<Item = RemoteAccount>) -> Self {
        let groups = [("g1", "G1"), ("g2", "G2"), ("g3", "G3")];
        Self {
            accounts: accounts.into_iter().map(|account| (account.id.clone(), account)).collect(),
            groups: groups.map(|(id, name)| (id.to_owned(), name.to_owned())).into(),
            ..Self::default()
        }
    }

    /// What other observers see.
    pub(super) fn visible(&self) -> (Vec<&RemoteAccount>, Vec<(String, String)>) {
        (self.accounts.values().collect(), self.members.iter().cloned().collect())
    }

    pub(super) fn marked(&self) -> Vec<&RemoteAccount> {
        self.accounts.values().filter(|account| account.marker.as_deref() == Some(OURS)).collect()
    }

    fn answer(&mut self, query: Query, seen: &mut Observed) {
        assert!(!self.asked.contains(&query), "asked twice: {query:?}");
        self.asked.push(query.clone());
        match query {
            Query::Get(id) => {
                let found = self.accounts.get(&id).cloned();
                seen.account(id, found);
            }
            Query::Find { attribute, value } => {
                let hit = |account: &&RemoteAccount| match attribute.as_str() {
                    "externalId" => account.marker.as_deref() == Some(&value),
                    "userName" => same_login(&account.login, &value),
                    other => account
                        .attributes
                        .get(other)
                        .is_some_and(|have| texts(have).contains(&value.as_str())),
                };
                let found = self.accounts.values().filter(hit).cloned().collect();
                seen.found(attribute, value, found);
            }
            Query::LastAdministrator(id) => {
                let holds = |account: &str| self.members.contains(&(account.to_owned(), ADMINS.to_owned()));
                let other =
                    |account: &&RemoteAccount| account.active && account.id != id && holds(&account.id);
                let alone = holds(&id) && !self.accounts.values().any(|account| other(&account));
                seen.administers(id, alone);
            }
            Query::Held(id) => {
                let held = self.members.iter().filter(|(account, _)| *account == id);
                let held: Vec<_> = held.map(|(_, group)| ("group".to_owned(), group.clone())).collect();
                seen.holds(id, held);
            }
            Query::Resolve(spec) => {
                let id = self.groups.iter().find(|(_, name)| **name == spec.value).map(|(id, _)| id.clone());
                let missing = if self.creates_groups { Resolution::Creatable } else { Resolution::Missing };
                seen.resolution(spec, id.map_or(missing, Resolution::Id));
            }
        }
    }

    /// `Err`: that login is taken.
    fn perform(&mut self, step: &Step, own: &str) -> Result<Reply, String> {
        if step.is_remote() {
            self.done.push(step.clone());
        }
        Ok(match step {
            Step::Create(new) => Reply::Account(self.create(new)?),
            Step::Update { id, changes } => Reply::Account(self.update(id, changes)?),
            Step::Suspend { id } => Reply::Account(self.set_active(id, false)),
            Step::Resume { id } => Reply::Account(self.set_active(id, true)),
            Step::EndSessions { id } => {
                assert!(self.accounts.get(id).is_none_or(|account| !account.active), "ended while in use");
                Reply::Sessions(SessionReport::REVOKED)
            }
            Step::Delete { id } => {
                let gone = self.accounts.remove(id);
                assert!(
                    self.never_suspends || gone.is_none_or(|account| !account.active),
                    "deleted while in use"
                );
                self.members.retain(|(account, _)| account != id);
                Reply::Done
            }
            Step::Revoke { id, entitlement, .. } => {
                self.members.remove(&(id.clone(), entitlement.clone()));
                Reply::Done
            }
            Step::Grant { id, entitlement, remote } => {
                let group = remote.clone().unwrap_or_else(|| self.group(&entitlement.value));
                let account = id.clone().unwrap_or_else(|| own.to_owned());
                assert!(self.accounts.contains_key(&account), "granted to nobody");
                self.members.insert((account, group.clone()));
                Reply::Entitlement(group)
            }
            Step::Adopt { .. } | Step::Announce(_) | Step::Retain | Step::Release { .. } | Step::Forget => {
                Reply::Done
            }
        })
    }

    fn group(&mut self, name: &str) -> String {
        let id = format!("g-{name}");
        self.groups.insert(id.clone(), name.to_owned());
        id
    }

    fn taken(&self, login: &str, by_other_than: &str) -> bool {
        self.accounts.values().any(|account| account.id != by_other_than && same_login(&account.login, login))
    }

    fn create(&mut self, new: &NewAccount) -> Result<RemoteAccount, String> {
        if self.taken(&new.login, "") {
            return Err(new.login.clone());
        }
        self.made += 1;
        let marks = !self.drops_marker && !new.marker.0.is_empty();
        let account = RemoteAccount {
            id: format!("n{}", self.made),
            login: new.login.clone(),
            marker: marks.then(|| new.marker.1.clone()),
            active: true,
            attributes: new.attributes.clone(),
            terms: Arc::default(),
        };
        self.accounts.insert(account.id.clone(), account.clone());
        Ok(account)
    }

    fn update(&mut self, id: &str, changes: &[Change]) -> Result<RemoteAccount, String> {
        assert!(!changes.is_empty(), "an update of nothing");
        for change in changes {
            let text = change.value.as_ref().and_then(Value::as_str).map(str::to_owned);
            if change.attribute == "userName" && self.taken(text.as_deref().unwrap(), id) {
                return Err(text.unwrap());
            }
            let drops = self.drops_marker;
            let account = self.accounts.get_mut(id).expect("updated what is not there");
            match (change.attribute.as_str(), &change.value) {
                ("externalId", _) if drops => {}
                ("externalId", _) => account.marker = text,
                ("userName", _) => account.login = text.unwrap(),
                (name, Some(value)) => drop(account.attributes.insert(name.to_owned(), value.clone())),
                (name, None) => drop(account.attributes.remove(name)),
            }
        }
        Ok(self.accounts[id].clone())
    }

    fn set_active(&mut self, id: &str, active: bool) -> RemoteAccount {
        let account = self.accounts.get_mut(id).expect("switched what is not there");
        assert_ne!(account.active, active, "switched to what it was");
        account.active = active;
        account.clone()
    }
}

/// Where a pass is cut off.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Crash {
    /// After so many requests that change something; `None`: never.
    pub(super) after: Option<usize>,
    /// Whether the ledger is stored after each step, rather than only where it must be.
    pub(super) stores: bool,
}

/// What one pass did.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) steps: Vec<Step>,
    pub(super) blocked: Option<Refusal>,
}

impl Outcome {
    pub(super) fn remote(&self) -> usize {
        self.steps.iter().filter(|step| step.is_remote()).count()
    }
}

/// The plan as the target is now.
pub(super) fn plan_now(
    world: &mut World,
    wanted: &Wanted,
    stored: Option<&LedgerEntry>,
    seen: &mut Observed,
    ctx: &Context<'_>,
) -> Plan {
    loop {
        match plan(wanted, stored, seen, ctx) {
            Ok(plan) => return plan,
            Err(query) => world.answer(query, seen),
        }
    }
}

/// One pass: decide, look, act, record.
pub(super) fn pass(
    world: &mut World,
    wanted: &Wanted,
    stored: &mut Option<LedgerEntry>,
    ctx: &Context<'_>,
    crash: Crash,
) -> Outcome {
    match due(wanted, stored.as_ref(), ctx) {
        Due::Nothing { .. } => Outcome::default(),
        Due::Ledger(entry) => {
            assert_ne!(stored.as_ref(), Some(&*entry), "a write that changes nothing");
            *stored = Some(*entry);
            assert!(!matches!(due(wanted, stored.as_ref(), ctx), Due::Ledger(_)), "never at rest");
            pass(world, wanted, stored, ctx, crash)
        }
        Due::Work { removal, .. } => {
            let outcome = work(world, wanted, stored, ctx, crash);
            let adopts = outcome.steps.iter().any(|step| matches!(step, Step::Adopt { .. }));
            // A login that was changed by hand shows only by looking.
            let removes = outcome.steps.iter().any(|step| step.removes(""));
            assert!(removal || adopts || !removes, "an unannounced removal");
            outcome
        }
    }
}

/// A pass without asking whether it is due.
pub(super) fn work(
    world: &mut World,
    wanted: &Wanted,
    stored: &mut Option<LedgerEntry>,
    ctx: &Context<'_>,
    crash: Crash,
) -> Outcome {
    let mut seen = Observed::default();
    let mut fuel = crash.after.unwrap_or(usize::MAX);
    let mut outcome = Outcome::default();
    let mut current = stored.clone();
    'plan: loop {
        world.asked.clear();
        let plan = plan_now(world, wanted, current.as_ref(), &mut seen, ctx);
        let mut entry = open(current.as_ref(), ctx);
        let mut account = plan.account.clone();
        for step in &plan.steps {
            if step.is_remote() && fuel == 0 {
                return outcome;
            }
            fuel -= usize::from(step.is_remote());
            let reply = match world.perform(step, &entry.id) {
                Ok(reply) => reply,
                Err(login) => {
                    seen.refused(login);
                    current = Some(entry);
                    continue 'plan;
                }
            };
            outcome.steps.push(step.clone());
            entry = record(entry, step, &reply, ctx);
            if let Reply::Account(changed) = reply {
                account = Some(changed);
            }
            if crash.stores || matches!(step, Step::Announce(_)) {
                *stored = Some(entry.clone());
            }
            if step.is_remote() && fuel == 0 {
                return outcome;
            }
        }
        *stored = settle(entry, wanted, &plan, account.as_ref(), ctx);
        outcome.blocked = plan.blocked;
        return outcome;
    }
}
