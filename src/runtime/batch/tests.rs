use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const QUIET: Duration = Duration::from_millis(100);

fn change(key: u8, held: bool, ticket: u64, due: Instant) -> Change<u8, ()> {
    Change { key, held, waiters: vec![Waiter { ticket, tell: () }], due }
}

fn tickets(waiters: &[Waiter<()>]) -> Vec<u64> {
    waiters.iter().map(|waiter| waiter.ticket).collect()
}

#[test]
fn it_goes_out_when_full_when_due_or_when_no_more_is_expected() {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let mut batch = Batch::default();
    assert_eq!(batch.next(2, false, QUIET, start), Next::Empty);
    batch.add(change(1, true, 1, at(5_000)), start);
    assert_eq!(batch.next(2, true, QUIET, start), Next::At(at(100)));
    assert_eq!(batch.next(2, false, QUIET, start), Next::At(at(100)), "more may come at once");
    assert_eq!(batch.next(2, false, QUIET, at(100)), Next::Go);
    assert_eq!(batch.next(2, true, QUIET, at(4_999)), Next::At(at(5_000)));
    assert_eq!(batch.next(2, true, QUIET, at(5_000)), Next::Go);
    batch.add(change(2, true, 2, at(5_000)), start);
    assert_eq!(batch.next(2, true, QUIET, start), Next::Go);
    assert_eq!(batch.take(2).len(), 2);
    assert_eq!(batch.next(2, true, QUIET, at(9_000)), Next::Empty);
}

#[test]
fn the_urgent_go_first_then_in_order() {
    let now = Instant::now();
    let later = now + Duration::from_secs(4);
    let mut batch = Batch::default();
    for (ticket, (key, due)) in [(1, later), (2, later), (3, now), (4, later)].into_iter().enumerate() {
        batch.add(change(key, true, ticket as u64, due), now);
    }
    batch.add(change(4, true, 9, now), now);
    assert_eq!(batch.take(3).iter().map(|c| c.key).collect::<Vec<_>>(), [3, 4, 1]);
    assert_eq!(batch.take(3).iter().map(|c| c.key).collect::<Vec<_>>(), [2]);
}

#[test]
fn the_contrary_replaces_and_the_same_joins() {
    let now = Instant::now();
    let mut batch = Batch::default();
    assert!(batch.add(change(1, true, 1, now), now).is_empty());
    assert!(batch.add(change(1, true, 2, now), now).is_empty());
    assert_eq!(tickets(&batch.add(change(1, false, 3, now), now)), [1, 2]);
    assert!(!batch.withdraw(&1, 2), "it was told already");
    let taken = batch.take(9);
    assert_eq!((taken.len(), taken[0].held, tickets(&taken[0].waiters)), (1, false, vec![3]));
}

#[test]
fn what_nobody_waits_for_is_not_written() {
    let now = Instant::now();
    let mut batch = Batch::default();
    batch.add(change(1, true, 1, now), now);
    batch.add(change(1, true, 2, now), now);
    batch.add(change(2, true, 3, now), now);
    assert!(batch.withdraw(&1, 1) && batch.withdraw(&2, 3) && !batch.withdraw(&2, 3));
    assert_eq!(batch.take(9).iter().map(|c| c.key).collect::<Vec<_>>(), [1]);
}

#[derive(Clone, Debug)]
enum Act {
    Add { key: u8, held: bool, linger: u64 },
    Withdraw { ticket: u64 },
    Take { limit: usize },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0_u8..6, any::<bool>(), 0_u64..9).prop_map(|(key, held, linger)| Act::Add { key, held, linger }),
        1 => (0_u64..40).prop_map(|ticket| Act::Withdraw { ticket }),
        1 => (1_usize..5).prop_map(|limit| Act::Take { limit }),
    ]
}

proptest! {
    /// Everybody gets exactly one answer, and a true one: written as they wanted, or replaced by a later contrary wish.
    #[test]
    fn everybody_is_answered_once_and_truly(acts in prop::collection::vec(act(), 1..60)) {
        let start = Instant::now();
        let mut batch = Batch::default();
        let mut wishes: Vec<(u8, bool)> = Vec::new();
        let mut answered = BTreeSet::new();
        let mut written: HashMap<u8, bool> = HashMap::new();
        let mut write = |batch: &mut Batch<u8, ()>, limit: usize, answered: &mut BTreeSet<u64>,
                         wishes: &[(u8, bool)]| {
            let taken = batch.take(limit);
            assert!(taken.len() <= limit);
            assert_eq!(taken.iter().map(|c| c.key).collect::<BTreeSet<_>>().len(), taken.len());
            for change in taken {
                assert!(!change.waiters.is_empty());
                written.insert(change.key, change.held);
                for ticket in tickets(&change.waiters) {
                    assert_eq!(wishes[usize::try_from(ticket).unwrap()], (change.key, change.held));
                    assert!(answered.insert(ticket));
                }
            }
            written.clone()
        };
        for act in acts {
            match act {
                Act::Add { key, held, linger } => {
                    let ticket = wishes.len() as u64;
                    wishes.push((key, held));
                    let due = start + Duration::from_secs(linger);
                    for replaced in tickets(&batch.add(change(key, held, ticket, due), start)) {
                        assert_eq!(wishes[usize::try_from(replaced).unwrap()], (key, !held));
                        assert!(answered.insert(replaced));
                    }
                }
                Act::Withdraw { ticket } => {
                    if let Some((key, _)) = wishes.get(usize::try_from(ticket).unwrap()) {
                        let found = batch.withdraw(key, ticket);
                        assert_eq!(found, answered.insert(ticket), "there until answered");
                    }
                }
                Act::Take { limit } => {
                    write(&mut batch, limit, &mut answered, &wishes);
                }
            }
        }
        let written = write(&mut batch, usize::MAX, &mut answered, &wishes);
        prop_assert!(batch.is_empty());
        prop_assert_eq!(answered.len(), wishes.len());
        for (key, held) in written {
            prop_assert!(wishes.contains(&(key, held)));
        }
    }

    /// Without withdrawals the last wish about each key is what was written last.
    #[test]
    fn the_last_wish_counts(wishes in prop::collection::vec((0_u8..6, any::<bool>(), 0_u64..9), 1..60), limit in 1_usize..5) {
        let start = Instant::now();
        let mut batch = Batch::default();
        let mut written = HashMap::new();
        let mut latest = HashMap::new();
        for (ticket, (key, held, linger)) in wishes.into_iter().enumerate() {
            latest.insert(key, held);
            batch.add(change(key, held, ticket as u64, start + Duration::from_secs(linger)), start);
            if batch.len() > limit {
                written.extend(batch.take(limit).into_iter().map(|c| (c.key, c.held)));
            }
        }
        written.extend(batch.take(usize::MAX).into_iter().map(|c| (c.key, c.held)));
        prop_assert_eq!(written, latest);
    }
}
