use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::lanes::{Found, Lanes};
use super::{Job, Outcome, WorkQueue};
use crate::converge::Lane;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A queue under test, with a clock of its own.
struct Clocked {
    lanes: Lanes<u32>,
    now: Instant,
}

impl Clocked {
    fn new() -> Self {
        Self { lanes: Lanes::new(), now: Instant::now() }
    }

    fn push(&mut self, key: u32, lane: Lane) {
        self.lanes.push(key, lane, self.now, false, self.now);
    }

    fn push_fresh(&mut self, key: u32, lane: Lane) {
        self.lanes.push(key, lane, self.now, true, self.now);
    }

    fn push_after(&mut self, key: u32, lane: Lane, delay: Duration) {
        self.lanes.push(key, lane, self.now + delay, false, self.now);
    }

    fn pop(&mut self) -> Option<u32> {
        self.pop_job(false).map(|(key, _)| key)
    }

    fn pop_job(&mut self, reserved: bool) -> Option<(u32, Lane)> {
        match self.lanes.pop(reserved, self.now) {
            Found::Job(key, lane, _) => Some((key, lane)),
            Found::Nothing(_) => None,
        }
    }

    fn done(&mut self, key: u32, outcome: Outcome) {
        self.lanes.done(key, outcome, self.now);
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
    }
}

#[test]
fn lanes_in_order_and_first_come_first_served_within() {
    let mut queue = Clocked::new();
    for (key, lane) in
        [(1, Lane::Join), (2, Lane::Verify), (3, Lane::Leave), (4, Lane::Join), (5, Lane::Change)]
    {
        queue.push(key, lane);
    }
    queue.push(1, Lane::Join);
    let order: Vec<u32> = std::iter::from_fn(|| queue.pop()).collect();
    assert_eq!(order, [3, 5, 1, 4, 2]);
}

#[test]
fn an_earlier_lane_promotes_and_a_later_one_does_not_demote() {
    let mut queue = Clocked::new();
    queue.push(1, Lane::Join);
    queue.push(2, Lane::Join);
    queue.push(2, Lane::Leave);
    queue.push(2, Lane::Verify);
    assert_eq!(queue.pop_job(false), Some((2, Lane::Leave)));
    assert_eq!(queue.pop(), Some(1));
    assert_eq!(queue.pop(), None);
}

#[test]
fn a_key_is_worked_on_once_at_a_time_and_again_if_pushed_meanwhile() {
    let mut queue = Clocked::new();
    queue.push(1, Lane::Join);
    assert_eq!(queue.pop(), Some(1));
    queue.push(1, Lane::Verify);
    queue.push(1, Lane::Leave);
    queue.push(1, Lane::Join);
    assert_eq!(queue.pop(), None);
    queue.done(1, Outcome::Ok);
    assert_eq!(queue.pop_job(false), Some((1, Lane::Leave)));
    queue.done(1, Outcome::Ok);
    assert_eq!(queue.pop(), None);
    assert_eq!(queue.lanes.stats(queue.now), super::Stats::default());
}

#[test]
fn a_key_pushed_meanwhile_goes_before_those_who_came_later_but_only_once() {
    let mut queue = Clocked::new();
    queue.push(1, Lane::Join);
    queue.push(2, Lane::Join);
    for next in [1, 2] {
        assert_eq!(queue.pop(), Some(1));
        queue.push(1, Lane::Join);
        queue.done(1, Outcome::Ok);
        if next == 2 {
            assert_eq!(queue.pop(), Some(2));
        }
    }
    assert_eq!(queue.pop(), Some(1));
}

#[test]
fn reserved_workers_take_leavers_only() {
    let mut queue = Clocked::new();
    queue.push(1, Lane::Join);
    queue.push(2, Lane::Change);
    assert_eq!(queue.pop_job(true), None);
    queue.push(3, Lane::Leave);
    assert_eq!(queue.pop_job(true), Some((3, Lane::Leave)));
}

#[test]
fn a_failed_key_backs_off_whatever_is_pushed_unless_it_is_new_evidence() {
    let mut queue = Clocked::new();
    queue.push(1, Lane::Join);
    queue.pop();
    queue.done(1, Outcome::Retry { after: secs(60) });
    queue.push(1, Lane::Change);
    queue.push_after(1, Lane::Change, secs(1));
    queue.wait(secs(59));
    assert_eq!(queue.pop(), None);
    queue.wait(secs(1));
    assert_eq!(queue.pop_job(false), Some((1, Lane::Change)));

    queue.done(1, Outcome::Retry { after: secs(60) });
    queue.push_fresh(1, Lane::Leave);
    assert_eq!(queue.pop_job(false), Some((1, Lane::Leave)));

    queue.push_fresh(1, Lane::Leave);
    queue.done(1, Outcome::Retry { after: secs(60) });
    assert_eq!(queue.pop(), Some(1), "evidence that came while it was worked on");

    queue.push(1, Lane::Leave);
    queue.done(1, Outcome::Retry { after: secs(60) });
    assert_eq!(queue.pop(), None, "no evidence");
}

#[test]
fn later_is_no_back_off() {
    let mut queue = Clocked::new();
    queue.push(1, Lane::Verify);
    queue.pop();
    queue.done(1, Outcome::Later(queue.now + secs(600)));
    assert_eq!(queue.pop(), None);
    queue.push(1, Lane::Change);
    assert_eq!(queue.pop_job(false), Some((1, Lane::Change)));
    queue.push(1, Lane::Change);
    queue.done(1, Outcome::Later(queue.now + secs(600)));
    assert_eq!(queue.pop(), Some(1));
    queue.done(1, Outcome::Later(queue.now + secs(600)));
    queue.wait(secs(600));
    assert_eq!(queue.pop(), Some(1));
}

#[test]
fn a_delay_ends_with_a_sooner_push_and_is_not_put_off_by_a_later_one() {
    let mut queue = Clocked::new();
    queue.push_after(1, Lane::Verify, secs(10));
    queue.push_after(1, Lane::Verify, secs(20));
    assert_eq!(queue.lanes.pop(false, queue.now), Found::Nothing(Some(queue.now + secs(10))));
    queue.push_after(1, Lane::Join, secs(5));
    queue.wait(secs(5));
    assert_eq!(queue.pop_job(false), Some((1, Lane::Join)));
}

#[test]
fn a_paused_queue_gives_out_nothing_and_the_longest_pause_counts() {
    let mut queue = Clocked::new();
    queue.push(1, Lane::Leave);
    queue.lanes.pause(Some(queue.now + secs(10)));
    queue.lanes.pause(Some(queue.now + secs(5)));
    assert_eq!(queue.lanes.pop(false, queue.now), Found::Nothing(Some(queue.now + secs(10))));
    queue.wait(secs(10));
    assert_eq!(queue.pop(), Some(1));

    queue.lanes.pause(None);
    queue.lanes.pause(Some(queue.now));
    queue.push(2, Lane::Leave);
    assert_eq!(queue.lanes.pop(false, queue.now), Found::Nothing(None));
    queue.lanes.resume();
    assert_eq!(queue.pop(), Some(2));
}

#[test]
fn ages_count_from_the_first_push_over_retries() {
    let mut queue = Clocked::new();
    queue.push(1, Lane::Leave);
    queue.push(2, Lane::Join);
    queue.push_after(3, Lane::Verify, secs(100));
    queue.wait(secs(5));
    queue.pop();
    queue.done(1, Outcome::Retry { after: secs(60) });
    queue.wait(secs(5));
    let stats = queue.lanes.stats(queue.now);
    let [leave, change, join, verify] = stats.lanes;
    assert_eq!((leave.ready, leave.waiting, leave.oldest), (0, 1, Some(secs(10))));
    assert_eq!(change, super::LaneStats::default());
    assert_eq!((join.ready, join.waiting, join.oldest), (1, 0, Some(secs(10))));
    assert_eq!((verify.waiting, verify.oldest), (1, Some(Duration::ZERO)));
    queue.push(2, Lane::Leave);
    assert_eq!(queue.lanes.stats(queue.now).lanes[0].oldest, Some(secs(10)));
    assert_eq!(queue.pop(), Some(2), "promoted keys go to the end of their lane, which is empty");
}

#[derive(Clone, Debug)]
enum Act {
    Push(u32, Lane, bool),
    After(u32, Lane, u64),
    Pop(bool),
    Done(usize, Outcome2),
    Wait(u64),
}

#[derive(Clone, Copy, Debug)]
enum Outcome2 {
    Ok,
    Retry(u64),
    Later(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let lane = prop::sample::select(Lane::ALL.to_vec());
    let outcome = prop_oneof![
        Just(Outcome2::Ok),
        (0..50_u64).prop_map(Outcome2::Retry),
        (0..50_u64).prop_map(Outcome2::Later)
    ];
    prop_oneof![
        (0..6_u32, lane.clone(), any::<bool>()).prop_map(|(k, l, f)| Act::Push(k, l, f)),
        (0..6_u32, lane, 0..50_u64).prop_map(|(k, l, d)| Act::After(k, l, d)),
        any::<bool>().prop_map(Act::Pop),
        (0..6_usize, outcome).prop_map(|(i, o)| Act::Done(i, o)),
        (0..60_u64).prop_map(Act::Wait),
    ]
}

proptest! {
    /// Whatever happens, no key is out twice, and everything pushed is worked on after its last push.
    #[test]
    fn nothing_is_lost_or_doubled(acts in prop::collection::vec(act(), 0..120)) {
        let mut queue = Clocked::new();
        let mut out: Vec<u32> = Vec::new();
        let mut owed: BTreeMap<u32, bool> = BTreeMap::new();
        for act in acts {
            match act {
                Act::Push(key, lane, fresh) => {
                    queue.lanes.push(key, lane, queue.now, fresh, queue.now);
                    owed.insert(key, true);
                }
                Act::After(key, lane, delay) => {
                    queue.push_after(key, lane, secs(delay));
                    owed.insert(key, true);
                }
                Act::Pop(reserved) => {
                    if let Some((key, lane)) = queue.pop_job(reserved) {
                        prop_assert!(!out.contains(&key));
                        prop_assert!(!reserved || lane == Lane::Leave);
                        out.push(key);
                        owed.insert(key, false);
                    }
                }
                Act::Done(_, _) if out.is_empty() => {}
                Act::Done(index, outcome) => {
                    let key = out.remove(index % out.len());
                    let (outcome, again) = match outcome {
                        Outcome2::Ok => (Outcome::Ok, false),
                        Outcome2::Retry(after) => (Outcome::Retry { after: secs(after) }, true),
                        Outcome2::Later(at) => (Outcome::Later(queue.now + secs(at)), true),
                    };
                    queue.done(key, outcome);
                    *owed.entry(key).or_default() |= again;
                }
                Act::Wait(time) => queue.wait(secs(time)),
            }
            prop_assert_eq!(queue.lanes.stats(queue.now).working, out.len());
        }
        for key in out {
            queue.done(key, Outcome::Ok);
        }
        queue.wait(secs(100));
        let mut rest: Vec<u32> = std::iter::from_fn(|| queue.pop()).collect();
        rest.sort_unstable();
        let due: Vec<u32> = owed.into_iter().filter_map(|(key, owed)| owed.then_some(key)).collect();
        prop_assert_eq!(rest, due);
    }
}

async fn pop(queue: &WorkQueue<u32>, reserved: bool) -> Option<Job<u32>> {
    while queue.ready(reserved).await {
        if let Some(job) = queue.take(reserved) {
            return Some(job);
        }
    }
    None
}

#[test]
fn what_is_ready_or_soon_due_is_expected() {
    let queue = WorkQueue::<u32>::new();
    assert!(!queue.expects(secs(60)));
    queue.push_after(1, Lane::Join, secs(30));
    assert!(queue.expects(secs(60)) && !queue.expects(secs(1)));
    queue.push(2, Lane::Join);
    assert!(queue.expects(Duration::ZERO));
    assert_eq!(queue.take(false).map(|job| job.key), Some(2));
    assert!(!queue.expects(Duration::ZERO), "one that is worked on is not waited for here");
}

#[tokio::test]
async fn workers_wake_for_pushes_timers_and_the_end() {
    let queue = WorkQueue::<u32>::new();
    let worker = tokio::spawn({
        let queue = queue.clone();
        async move {
            let mut seen = Vec::new();
            while let Some(job) = pop(&queue, false).await {
                seen.push(job.key);
                queue.done(job, Outcome::Ok);
                if seen.len() == 2 {
                    queue.close();
                }
            }
            seen
        }
    });
    tokio::task::yield_now().await;
    queue.push_after(2, Lane::Leave, Duration::from_millis(30));
    tokio::task::yield_now().await;
    queue.push(1, Lane::Verify);
    assert_eq!(worker.await.unwrap(), [1, 2]);
    queue.push(3, Lane::Leave);
    assert!(pop(&queue, false).await.is_none());
}

#[tokio::test]
async fn a_job_whose_worker_dies_comes_back() {
    let queue = WorkQueue::<u32>::new();
    queue.push(1, Lane::Leave);
    let job = pop(&queue, true).await.unwrap();
    let worker = tokio::spawn(async move {
        let _job = job;
        panic!("a worker dies");
    });
    assert!(worker.await.is_err());
    assert_eq!(queue.stats().lanes[0].waiting, 1);
    assert_eq!(pop(&queue, true).await.unwrap().key, 1);
}

#[tokio::test]
async fn a_pause_ends_by_itself() {
    let queue = WorkQueue::<u32>::new();
    queue.push(1, Lane::Join);
    let start = Instant::now();
    queue.pause(Some(start + Duration::from_millis(50)));
    let job = pop(&queue, false).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(50));
    queue.done(job, Outcome::Ok);
}
