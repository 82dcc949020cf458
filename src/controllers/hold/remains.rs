//! What is left of a Hold's frozen set: whoever is no longer due drops out, for good. A word about the Hold is about those who
//! were due when it was given, not about whoever falls due again for the same reason later. Pure.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::converge::budget::{FrozenSet, Mark, Moment, Removal};

/// How long nothing must have been due before that is believed: work may be about to be found.
const BELIEF: Duration = Duration::from_secs(5);

/// Since when each of a Hold's removals has not been due.
#[derive(Debug, Default)]
pub struct Remains {
    absent: HashMap<Mark, Moment>,
}

impl Remains {
    /// Takes note of what is due now, and answers in how many something still is, with what is left of the set. `None` for
    /// the number: nothing is, which is not believed yet. `unclear`: not everything that is due may be known.
    pub fn look<'a>(
        &mut self,
        frozen: &FrozenSet,
        due: impl Iterator<Item = &'a Removal>,
        unclear: bool,
        now: Moment,
    ) -> (Option<i64>, FrozenSet) {
        let due: BTreeSet<Mark> = due.filter_map(|removal| frozen.mark_of(removal)).collect();
        if unclear {
            self.absent.clear();
        } else {
            let absent = frozen.marks().filter(|mark| !due.contains(mark));
            self.absent = absent.map(|mark| (mark, self.absent.get(&mark).copied().unwrap_or(now))).collect();
        }
        let gone = |mark: &Mark| self.absent.get(mark).is_some_and(|since| now.since(*since) >= BELIEF);
        let left = frozen.without(gone);
        let believed = !due.is_empty() || left.is_empty();
        (believed.then(|| i64::try_from(due.len()).unwrap_or(i64::MAX)), left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::converge::Cause;
    use crate::converge::budget::Kind;

    fn removal(person: &str) -> Removal {
        Removal {
            uid: person.to_owned(),
            cause: Some(Cause::Unassign),
            kind: Kind::Suspend,
            personal: false,
            deferred: false,
            entitlements: BTreeSet::new(),
            attributes: BTreeSet::new(),
        }
    }

    #[test]
    fn who_is_no_longer_due_drops_out_for_good_once_that_is_certain() {
        let (ann, bob) = (removal("ann"), removal("bob"));
        let frozen = FrozenSet::of([&ann, &bob].into_iter());
        let mut remains = Remains::default();
        let mut look = |frozen: &FrozenSet, due: &[&Removal], unclear, at| {
            let (count, left) = remains.look(frozen, due.iter().copied(), unclear, Moment(at));
            (count, left.len(), left)
        };
        assert_eq!(look(&frozen, &[&ann, &bob], false, 0).1, 2);
        assert_eq!(look(&frozen, &[&ann], false, 1_000).1, 2);
        // A restart, or an App that cannot be told, is no evidence.
        assert_eq!(look(&frozen, &[&ann], true, 5_000).1, 2);
        assert_eq!(look(&frozen, &[&ann], false, 6_000).1, 2);
        let (count, _, left) = look(&frozen, &[&ann], false, 11_000);
        assert_eq!((count, left.holds(&ann), left.holds(&bob)), (Some(1), true, false));
        // Bob is due again, for the same reason: nobody has said anything about that.
        assert_eq!(look(&left, &[&ann, &bob], false, 12_000).0, Some(1));
        assert_eq!(look(&left, &[], false, 13_000).0, None);
        assert_eq!(look(&left, &[], false, 18_000).0, Some(0));
    }
}
