//! Dates that take away more than the budget allows: their Hold is made a day ahead, so that somebody can say yes before.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::gate::Gate;
use super::is_of;
use crate::controllers::engine::Engine;
use crate::controllers::user::decide::Decision;
use crate::converge::budget::{Class, FrozenSet, Removal};
use crate::runtime::index::{HoldObject, Key, Name};

/// How long ahead.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// When somebody is to be looked at for whom time alone changes something at `next`.
pub fn look_at(next: Timestamp, now: Timestamp) -> Timestamp {
    let ahead = next.checked_sub(AHEAD).unwrap_or(next);
    if ahead > now { ahead } else { next }
}

impl Engine {
    /// Takes note of what a date will take from a person within a day.
    pub(in crate::controllers) fn foresee(&self, key: &Key, decision: &Decision, now: Timestamp) {
        let soon = decision.next.filter(|at| now.duration_until(*at) <= AHEAD);
        let then = soon.and_then(|at| Some((self.decide_at(key, None, at)?, now.duration_until(at))));
        for account in &decision.accounts {
            let coming = then.as_ref().filter(|_| !account.is_outstanding()).and_then(|(then, within)| {
                let account = then.accounts.iter().find(|other| other.app == account.app)?;
                let removal = account
                    .foreseen(Timestamp::now())
                    .filter(|removal| removal.class() == Class::Personal)?;
                Some((removal, Duration::try_from(*within).unwrap_or_default()))
            });
            let gate = self.gate(&Key::new(key.namespace.clone(), account.app.clone()));
            gate.with(|budget, now| budget.foresee(&key.name, coming, now));
        }
    }

    /// Holds what lies ahead and will not fit.
    pub(super) async fn judge_ahead(&self, gate: &Gate) {
        let nothing = gate.with(|budget, _| !budget.is_active() || budget.coming().next().is_none());
        if nothing || self.is_deciding() || gate.is_resting() {
            return;
        }
        let Some((spec, uid, target)) = self.app_of(gate) else { return };
        gate.set_limits(&spec, self.settings.settle);
        let holds: Vec<Arc<FrozenSet>> = self
            .fleet
            .read(&gate.key.namespace, |ns| {
                let app = ns.apps.get(&gate.key.name)?;
                let open = |hold: &&HoldObject| hold.is_open() && is_of(hold, &gate.key.name, app);
                Some(ns.holds.values().filter(open).map(|hold| hold.frozen.clone()).collect())
            })
            .flatten()
            .unwrap_or_default();
        let held = |removal: &Removal| holds.iter().any(|frozen| frozen.holds(removal));
        let found = gate.with(|budget, now| {
            let (excess, within) = budget.excess_ahead(held, now)?;
            let free = budget.coming().filter(|(_, removal)| !held(removal));
            let people: Vec<(Name, Removal)> = free.map(|(n, r)| (n.clone(), r.clone())).collect();
            Some((people, excess, within))
        });
        let Some((people, excess, within)) = found else { return };
        let due_from =
            SignedDuration::try_from(within).ok().and_then(|w| Timestamp::now().checked_add(w).ok());
        self.freeze(gate, (people, Class::Personal), &excess, due_from, (&uid, &target)).await;
    }
}
