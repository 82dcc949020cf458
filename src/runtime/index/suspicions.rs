//! What sweeps found about people's accounts, until a pass has looked at them. In memory only: a sweep finds it again.

use std::collections::{BTreeMap, HashMap};

use super::Name;
use crate::converge::Finding;

/// What was found about one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suspicion {
    /// Each once, in order.
    pub findings: Vec<Finding>,
    /// What stands for each of them, as the sweep saw it.
    pub prints: Vec<u64>,
}

impl Suspicion {
    fn add(&mut self, finding: Finding, print: u64) {
        match self.findings.binary_search(&finding) {
            Ok(place) => {
                if let Some(known) = self.prints.get_mut(place) {
                    *known = print;
                }
            }
            Err(place) => {
                self.findings.insert(place, finding);
                self.prints.insert(place, print);
            }
        }
    }
}

/// By User, then App. A User without any takes no room.
#[derive(Default)]
pub(super) struct Suspicions(HashMap<Name, BTreeMap<Name, Suspicion>>);

impl Suspicions {
    pub(super) fn add(&mut self, user: &Name, app: &Name, finding: Finding, print: u64) {
        let of_user = self.0.entry(user.clone()).or_default();
        of_user.entry(app.clone()).or_default().add(finding, print);
    }

    pub(super) fn of(&self, user: &str, app: &str) -> Option<&Suspicion> {
        self.0.get(user)?.get(app)
    }

    /// Apps in which something was found about this User.
    pub(super) fn apps(&self, user: &str) -> impl Iterator<Item = &Name> {
        self.0.get(user).into_iter().flat_map(BTreeMap::keys)
    }

    pub(super) fn take(&mut self, user: &str, app: &str) -> Option<Suspicion> {
        let of_user = self.0.get_mut(user)?;
        let taken = of_user.remove(app);
        if of_user.is_empty() {
            self.0.remove(user);
        }
        taken
    }

    pub(super) fn forget_user(&mut self, user: &str) {
        self.0.remove(user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_kept_once_and_goes_when_it_is_taken() {
        let (ann, crm): (Name, Name) = ("ann".into(), "crm".into());
        let mut all = Suspicions::default();
        all.add(&ann, &crm, Finding::Gone, 1);
        all.add(&ann, &crm, Finding::Drifted, 2);
        all.add(&ann, &crm, Finding::Gone, 3);
        assert_eq!(all.apps("ann").collect::<Vec<_>>(), [&crm]);
        let taken = all.take("ann", "crm").unwrap();
        assert_eq!((taken.findings, taken.prints), (vec![Finding::Drifted, Finding::Gone], vec![2, 3]));
        assert!(all.0.is_empty() && all.of("ann", "crm").is_none());
    }
}
