//! What sweeps of one App remember, in memory: their report is in the App's status, and the rest is found out again.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::api::AppStatus;
use crate::api::sweep::{Stray, SweepFindings, SweepStatus};
use crate::converge::sweep::Finding;
use crate::runtime::index::{Name, Suspicion};

/// Length of `SweepStatus.message`, in characters.
const MESSAGE: usize = 512;
/// How the message begins that too many accounts are missing at once.
const MASS: &str = "too many accounts are missing at once";

/// What the App's status says of sweeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The last sweep.
    pub sweep: SweepStatus,
    /// The first accounts in use that are in no ledger.
    pub orphans: Vec<Stray>,
    /// How many there are in all.
    pub orphans_total: i64,
}

impl Report {
    /// What is stored, if it is about this target.
    pub fn stored(status: &AppStatus, target: &str) -> Self {
        if status.target != target {
            return Self::default();
        }
        Self {
            sweep: status.sweep.clone().unwrap_or_default(),
            orphans: status.orphans.clone(),
            orphans_total: status.orphans_total,
        }
    }

    /// Whether there was something to look at.
    pub(super) fn is_troubled(&self) -> bool {
        let SweepFindings { drifted, entitlements_lost, gone, reactivated, suspended_elsewhere, .. } =
            self.sweep.findings;
        drifted + entitlements_lost + gone + reactivated + suspended_elsewhere > 0
    }

    pub(super) fn is_mass(&self) -> bool {
        self.sweep.message.starts_with(MASS)
    }
}

/// Why accounts that are missing are not made again, and what to do.
pub(super) fn mass(missing: usize) -> String {
    format!(
        "{MASS}: {missing} are in the ledger and not in the App's list, so the list is doubted and none is made again; \
         see what the App and the credentials show, then ask for another sweep by the annotation \
         tenure.dev/reconcile-requested-at to have them made again"
    )
}

pub(super) fn clip(message: &str) -> String {
    message.chars().take(MESSAGE).collect()
}

/// What sweeps of one App remember.
#[derive(Default)]
pub struct State {
    /// People whose account was worked on since the sweep under way began; `None`: none is under way.
    touched: Mutex<Option<HashSet<Name>>>,
    /// With the hash of the target that it is about.
    report: Mutex<Option<(String, Report)>>,
    /// What was found about people and refuted by a look at the account.
    refuted: Mutex<HashMap<Name, Suspicion>>,
    failures: Mutex<(u32, Option<Instant>)>,
    /// Whoever sweeps holds it.
    pub(super) turn: tokio::sync::Mutex<()>,
}

/// A sweep is under way until this is dropped.
pub(super) struct UnderWay<'a>(&'a State);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        *self.0.touched.lock() = None;
    }
}

impl State {
    /// Notes that a person's account is worked on, or was.
    pub fn touch(&self, person: &Name) {
        if let Some(touched) = self.touched.lock().as_mut() {
            touched.insert(person.clone());
        }
    }

    pub(super) fn begin(&self) -> UnderWay<'_> {
        *self.touched.lock() = Some(HashSet::new());
        UnderWay(self)
    }

    pub(super) fn is_touched(&self, person: &str) -> bool {
        self.touched.lock().as_ref().is_some_and(|touched| touched.contains(person))
    }

    /// A look at the account showed nothing to do about what had been found; or it did, and nothing is refuted.
    pub(super) fn refute(&self, person: &Name, suspicion: Option<Suspicion>) {
        match suspicion {
            Some(suspicion) => self.refuted.lock().insert(person.clone(), suspicion),
            None => self.refuted.lock().remove(person),
        };
    }

    pub(super) fn is_refuted(&self, person: &str, finding: Finding, print: u64) -> bool {
        let refuted = self.refuted.lock();
        let known = refuted.get(person).and_then(|s| Some((s.findings.binary_search(&finding).ok()?, s)));
        known.is_some_and(|(place, suspicion)| suspicion.prints.get(place) == Some(&print))
    }

    pub(super) fn report(&self, target: &str, report: Report) {
        *self.report.lock() = Some((target.to_owned(), report));
    }

    /// What the last sweep of this target in this process showed.
    pub fn last(&self, target: &str) -> Option<Report> {
        self.report.lock().as_ref().filter(|(of, _)| of == target).map(|(_, report)| report.clone())
    }

    pub(super) fn note_outcome(&self, concluded: bool) {
        let mut failures = self.failures.lock();
        *failures = if concluded { (0, None) } else { (failures.0.saturating_add(1), Some(Instant::now())) };
    }

    /// When to try again after sweeps that concluded nothing.
    pub(super) fn retry_at(&self, first: Duration, longest: Duration) -> Option<Instant> {
        let (count, last) = *self.failures.lock();
        let doubled = first.saturating_mul(2_u32.saturating_pow(count.saturating_sub(1).min(16)));
        last.map(|last| last + doubled.min(longest.max(first)))
    }
}
