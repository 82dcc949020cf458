//! What would be done in an App that only plans.

use std::collections::BTreeMap;

use crate::api::app::PlannedSteps;
use crate::converge::{Plan, Step};
use crate::runtime::index::Name;

/// How many steps the status shows.
const SAMPLE: usize = 20;

/// Plans by person.
#[derive(Default)]
pub struct Planned(BTreeMap<Name, Vec<&'static str>>);

impl Planned {
    /// Keeps a person's plan; one without steps is dropped.
    pub fn put(&mut self, person: &Name, plan: &Plan) {
        let mut steps: Vec<_> = plan
            .steps
            .iter()
            .filter(|s| s.is_remote() || matches!(s, Step::Adopt { .. }))
            .map(Step::as_str)
            .collect();
        if plan.blocked.is_some() {
            steps.push("blocked");
        }
        if steps.is_empty() {
            self.0.remove(person);
        } else {
            self.0.insert(person.clone(), steps);
        }
    }

    /// Drops a person's plan.
    pub fn remove(&mut self, person: &str) {
        self.0.remove(person);
    }

    /// Counts of accounts by kind of step, and the first people by name.
    pub fn report(&self) -> PlannedSteps {
        let count = |kinds: &[&str]| {
            i64::try_from(self.0.values().filter(|s| s.iter().any(|k| kinds.contains(k))).count())
                .unwrap_or(i64::MAX)
        };
        PlannedSteps {
            create: count(&["create"]),
            adopt: count(&["adopt"]),
            update: count(&["update", "grant", "revoke"]),
            suspend: count(&["suspend"]),
            resume: count(&["resume"]),
            delete: count(&["delete"]),
            blocked: count(&["blocked"]),
            sample: self
                .0
                .iter()
                .take(SAMPLE)
                .map(|(person, steps)| format!("{person}: {}", steps.join(", ")))
                .collect(),
        }
    }
}
