use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use futures::FutureExt as _;
use futures::future::join_all;
use proptest::prelude::*;

use super::*;

const LINGER: Duration = Duration::from_secs(5);

/// A target in memory.
#[derive(Clone)]
struct Model(Arc<State>);

struct State {
    limit: usize,
    latency: Duration,
    expecting: AtomicBool,
    refusing: Mutex<BTreeSet<String>>,
    failing: AtomicBool,
    makes: AtomicUsize,
    writing: Mutex<BTreeSet<String>>,
    members: Mutex<BTreeSet<(String, String)>>,
    writes: Mutex<Vec<(Lane, Vec<Membership>)>>,
}

fn failure(class: FailureClass) -> Failure {
    Failure { class, reason: Reason::Rejected, message: "no".to_owned(), retry_after: None }
}

impl Target for Model {
    fn batch(&self, kind: &str) -> usize {
        if kind == "role" { 1 } else { self.0.limit }
    }

    async fn entitle(
        &self,
        lane: Lane,
        _kind: &str,
        id: &str,
        changes: &[Membership],
    ) -> Result<Vec<Result<(), Failure>>, Failure> {
        assert!(changes.len() <= self.0.limit);
        assert!(self.0.writing.lock().insert(id.to_owned()), "one writer at a time");
        self.0.writes.lock().push((lane, changes.to_vec()));
        tokio::time::sleep(self.0.latency).await;
        self.0.writing.lock().remove(id);
        if self.0.failing.load(Ordering::Relaxed) {
            return Err(failure(FailureClass::RetryAfter));
        }
        let mut members = self.0.members.lock();
        let outcome = |change: &Membership| {
            if self.0.refusing.lock().contains(&change.account) {
                return Err(failure(FailureClass::Permanent));
            }
            let member = (id.to_owned(), change.account.clone());
            if change.held {
                members.insert(member)
            } else {
                members.remove(&member)
            };
            Ok(())
        };
        Ok(changes.iter().map(outcome).collect())
    }

    async fn create(
        &self,
        _: Lane,
        entitlement: &EntitlementSpec,
        first: &[String],
    ) -> Result<String, Failure> {
        assert!(!first.is_empty() && first.len() <= self.0.limit);
        self.0.makes.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.0.latency).await;
        if self.0.failing.load(Ordering::Relaxed) {
            return Err(failure(FailureClass::RetryAfter));
        }
        Ok(format!("id of {}", entitlement.value))
    }

    fn expects(&self, _: Duration) -> bool {
        self.0.expecting.load(Ordering::Relaxed)
    }
}

struct Office {
    model: Model,
    memberships: Memberships<Model>,
    tasks: TaskTracker,
    end: CancellationToken,
}

fn office(limit: usize, expecting: bool) -> Office {
    let model = Model(Arc::new(State {
        limit,
        latency: Duration::from_millis(50),
        expecting: AtomicBool::new(expecting),
        refusing: Mutex::default(),
        failing: AtomicBool::default(),
        makes: AtomicUsize::default(),
        writing: Mutex::default(),
        members: Mutex::default(),
        writes: Mutex::default(),
    }));
    let (tasks, end) = (TaskTracker::new(), CancellationToken::new());
    let memberships = Memberships::new(model.clone(), LINGER, tasks.clone(), end.clone());
    Office { model, memberships, tasks, end }
}

impl Office {
    fn change(&self, account: usize, held: bool) -> impl Future<Output = Outcome> + use<> {
        self.wish(account, held, false, Entitlement::Known { kind: "group".into(), id: "g".into() })
    }

    fn wish(
        &self,
        account: usize,
        held: bool,
        urgent: bool,
        entitlement: Entitlement,
    ) -> impl Future<Output = Outcome> + use<> {
        let wish = Wish { entitlement, account: account.to_string(), held, urgent };
        let memberships = self.memberships.clone();
        async move { memberships.change(wish, Lane::Join).await }
    }

    fn sizes(&self) -> Vec<usize> {
        self.model.0.writes.lock().iter().map(|(_, changes)| changes.len()).collect()
    }

    /// Nothing is left behind.
    async fn close(self) {
        self.tasks.close();
        self.tasks.wait().await;
        assert!(self.memberships.0.desks.lock().is_empty());
    }
}

fn sales() -> Entitlement {
    Entitlement::ToMake(EntitlementSpec { kind: "group".into(), value: "Sales".into() })
}

const CHANGED: Outcome = Err(Halt::Stop(Stop::Changed));

/// Whoever is suspended already waits for others to be, however many they are.
#[tokio::test(start_paused = true)]
async fn tidying_waits_while_more_is_expected() {
    let office = office(100, true);
    let tidied = tokio::spawn(join_all((0..300).map(|account| office.change(account, false))));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(office.sizes(), [] as [usize; 0]);
    office.model.0.expecting.store(false, Ordering::Relaxed);
    assert!(tidied.await.unwrap().iter().all(Result::is_ok));
    assert_eq!(office.sizes(), [100, 100, 100]);
    office.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_changes_are_ten_writes() {
    let office = office(100, true);
    let outcomes = join_all((0..1_000).map(|account| office.change(account, true))).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Ok("g".to_owned())));
    assert_eq!(office.sizes(), [100; 10]);
    assert_eq!(office.model.0.members.lock().len(), 1_000);
    office.close().await;
}

/// As many at a time as an App has places: each gives its own up while it waits.
#[tokio::test(start_paused = true)]
async fn what_is_left_goes_when_no_more_is_expected_or_when_time_is_up() {
    let office = office(100, false);
    let begun = Instant::now();
    join_all((0..30).map(|account| office.change(account, true))).await;
    assert_eq!((office.sizes(), begun.elapsed() < Duration::from_secs(1)), (vec![30], true));

    office.model.0.expecting.store(true, Ordering::Relaxed);
    for (urgent, linger) in [(false, LINGER), (true, LINGER / FRACTION)] {
        let begun = Instant::now();
        let known = Entitlement::Known { kind: "group".into(), id: "g".into() };
        office.wish(1, false, urgent, known).await.unwrap();
        assert!(begun.elapsed() >= linger && begun.elapsed() < linger + Duration::from_secs(1));
    }
    office.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_collected_goes_straight_through() {
    let office = office(100, true);
    let role = Entitlement::Known { kind: "role".into(), id: "admin".into() };
    let begun = Instant::now();
    assert_eq!(office.wish(1, true, false, role).await, Ok("admin".to_owned()));
    assert_eq!(begun.elapsed(), office.model.0.latency);
    office.close().await;
}

#[tokio::test(start_paused = true)]
async fn one_refusal_is_nobody_elses_and_a_failure_is_everybodys() {
    let office = office(100, false);
    office.model.0.refusing.lock().insert("3".to_owned());
    let outcomes = join_all((0..6).map(|account| office.change(account, true))).await;
    let refused: Vec<_> = outcomes.iter().map(Result::is_err).collect();
    assert_eq!(refused, [false, false, false, true, false, false]);
    office.model.0.failing.store(true, Ordering::Relaxed);
    let outcomes = join_all((0..6).map(|account| office.change(account, false))).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Err(Halt::Target(failure(FailureClass::RetryAfter)))));
    office.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_contrary_wish_replaces_one_that_waits() {
    let office = office(100, false);
    let (first, second) = tokio::join!(office.change(1, true), office.change(1, false));
    assert_eq!((first, second), (CHANGED, Ok("g".to_owned())));
    assert_eq!(office.sizes(), [1]);
    assert!(office.model.0.members.lock().is_empty());
    office.close().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_dropped_loses_nobody_else() {
    let office = office(100, true);
    let dropped = office.change(1, true).now_or_never();
    assert!(dropped.is_none());
    let others = join_all((2..5).map(|account| office.change(account, true))).await;
    assert!(others.iter().all(Result::is_ok));
    assert_eq!(office.sizes(), [3]);
    assert!(office.change(6, true).now_or_never().is_none(), "the last one, too, may be dropped");
    office.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_made_once_and_then_held_by_all() {
    let office = office(100, true);
    let outcomes = join_all((0..1_000).map(|account| office.wish(account, true, false, sales()))).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Ok("id of Sales".to_owned())));
    assert_eq!(office.model.0.makes.load(Ordering::Relaxed), 1);
    assert_eq!(office.sizes(), [100; 10]);

    office.model.0.failing.store(true, Ordering::Relaxed);
    let outcomes = join_all((0..1_000).map(|account| office.wish(account, true, false, sales()))).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(Halt::Target(_)))));
    assert_eq!(office.model.0.makes.load(Ordering::Relaxed), 2, "the failure is everybody's");
    office.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_hangs_nobody_and_writes_nothing_more() {
    let office = office(10, true);
    let waiting = tokio::spawn(join_all((0..15).map(|account| office.change(account, true))));
    let making = tokio::spawn(office.wish(99, true, false, sales()));
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(office.sizes(), [10], "one write is under way");
    office.end.cancel();
    let outcomes = waiting.await.unwrap();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 10, "what was sent is told");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == CHANGED).count(), 5);
    assert_eq!(making.await.unwrap(), CHANGED);
    assert_eq!((office.change(1, false).await, office.sizes()), (CHANGED, vec![10]));
    office.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_most_urgent_lane_of_a_write_counts() {
    let office = office(100, false);
    let wish = |account: &str| Wish {
        entitlement: Entitlement::Known { kind: "group".into(), id: "g".into() },
        account: account.to_owned(),
        held: true,
        urgent: false,
    };
    let (one, other) = tokio::join!(
        office.memberships.change(wish("1"), Lane::Join),
        office.memberships.change(wish("2"), Lane::Leave)
    );
    one.and(other).unwrap();
    assert_eq!(office.model.0.writes.lock()[0].0, Lane::Leave);
    office.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever comes when: everybody is told, and who was told that it is done last, by account, got what they wished.
    #[test]
    fn answers_are_true(
        wishes in prop::collection::vec((0_usize..5, any::<bool>(), 0_u64..400), 1..40),
        limit in 2_usize..6,
        expecting in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let office = office(limit, expecting);
            let told = join_all(wishes.iter().map(|&(account, held, at)| {
                let change = office.change(account, held);
                async move {
                    tokio::time::sleep(Duration::from_millis(at)).await;
                    change.await
                }
            })).await;
            let mut final_wish = std::collections::BTreeMap::new();
            for (place, (account, _, at)) in wishes.iter().enumerate() {
                let latest = final_wish.entry(account).or_insert((at, place));
                *latest = (*latest).max((at, place));
            }
            for (account, (_, place)) in final_wish {
                assert_eq!(told[place], Ok("g".to_owned()), "the last wish is never replaced");
                let member = ("g".to_owned(), account.to_string());
                assert_eq!(office.model.0.members.lock().contains(&member), wishes[place].1);
            }
            assert!(told.iter().all(|outcome| *outcome == CHANGED || outcome.is_ok()));
            office.close().await;
        });
    }
}
