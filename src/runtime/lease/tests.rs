use std::time::{Duration, Instant};

use rstest::rstest;

use super::core::{Decision, Election, Loss, Observation, Record};
use super::{LeaseTiming, TimingError, identity, record};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn held(version: u32, holder: &str) -> Record {
    let holder = Some(holder.to_owned());
    Record { uid: "uid".to_owned(), resource_version: version.to_string(), holder, released: false }
}

/// A process `me` that leads since `start`, by way of an expired Lease.
fn leader(start: Instant) -> Election {
    let timing = LeaseTiming::default();
    let mut election = Election::new("me".to_owned(), timing, start);
    election.step(Observation::Tick, start);
    election.step(Observation::Read(Some(held(1, "other"))), start);
    let later = start + timing.lease_duration;
    election.step(Observation::Tick, later);
    assert_eq!(election.step(Observation::Read(Some(held(1, "other"))), later), Decision::Write);
    let record = held(2, "me");
    assert_eq!(
        election.step(Observation::Written { record, sent: later }, later + secs(1)),
        Decision::Wait(later + secs(4)),
    );
    election
}

#[test]
fn a_held_lease_is_taken_once_unchanged_for_its_duration() {
    let start = Instant::now();
    let election = leader(start);
    let taken = start + secs(30);
    // Counted from when the request was sent, not from when its reply came.
    assert_eq!(election.valid_until(taken + secs(1)), Some(taken + secs(20)));
}

#[test]
fn a_change_of_the_record_starts_the_wait_again() {
    let start = Instant::now();
    let mut election = Election::new("me".to_owned(), LeaseTiming::default(), start);
    for (at, version) in [(0, 1), (25, 2), (31, 2), (50, 2)] {
        let now = start + secs(at);
        election.step(Observation::Tick, now);
        let decision = election.step(Observation::Read(Some(held(version, "other"))), now);
        assert!(matches!(decision, Decision::Wait(_)), "{at}: {decision:?}");
    }
    let now = start + secs(55);
    election.step(Observation::Tick, now);
    assert_eq!(election.step(Observation::Read(Some(held(2, "other"))), now), Decision::Write);
}

#[test]
fn a_released_lease_is_taken_at_once() {
    let now = Instant::now();
    let mut election = Election::new("me".to_owned(), LeaseTiming::default(), now);
    assert_eq!(election.step(Observation::Tick, now), Decision::Read);
    let record = Record { holder: None, released: true, ..held(7, "") };
    assert_eq!(election.step(Observation::Read(Some(record)), now), Decision::Write);
    election.step(Observation::Written { record: held(8, "me"), sent: now }, now);
    assert_eq!(election.valid_until(now), Some(now + secs(20)));
}

#[test]
fn a_lease_that_somebody_emptied_is_not_a_released_one() {
    let now = Instant::now();
    let mut election = Election::new("me".to_owned(), LeaseTiming::default(), now);
    let record = Record { holder: None, ..held(7, "") };
    assert!(matches!(election.step(Observation::Read(Some(record)), now), Decision::Wait(_)));
}

#[test]
fn a_new_lease_gives_nothing_before_its_duration_has_passed() {
    let start = Instant::now();
    let mut election = Election::new("me".to_owned(), LeaseTiming::default(), start);
    election.step(Observation::Tick, start);
    assert_eq!(election.step(Observation::Read(None), start), Decision::Create);
    for (version, at) in (1..).zip((0..30).step_by(4)) {
        let now = start + secs(at);
        election.step(Observation::Written { record: held(version, "me"), sent: now }, now);
        assert_eq!(election.valid_until(now), None, "{at}");
    }
    assert_eq!(election.valid_until(start + secs(30)), Some(start + secs(48)));
}

#[rstest]
#[case::deleted(None, Loss::Gone)]
#[case::taken(Some(held(3, "other")), Loss::Taken)]
#[case::replaced(Some(Record { uid: "new".to_owned(), ..held(3, "me") }), Loss::Gone)]
fn a_leader_that_does_not_find_its_lease_stops(#[case] found: Option<Record>, #[case] loss: Loss) {
    let start = Instant::now();
    let mut election = leader(start);
    let now = start + secs(34);
    assert_eq!(election.step(Observation::Tick, now), Decision::Write);
    assert_eq!(election.step(Observation::Conflict, now), Decision::Read);
    assert_eq!(election.step(Observation::Read(found), now), Decision::Stop(loss));
}

#[test]
fn a_leader_whose_renewal_succeeded_unheard_renews_again() {
    let start = Instant::now();
    let mut election = leader(start);
    let now = start + secs(34);
    election.step(Observation::Tick, now);
    election.step(Observation::Failed, now + secs(5));
    election.step(Observation::Tick, now + secs(6));
    assert_eq!(election.step(Observation::Conflict, now + secs(6)), Decision::Read);
    assert_eq!(election.step(Observation::Read(Some(held(3, "me"))), now + secs(6)), Decision::Write);
    // A second conflict in one round waits for the next.
    assert!(matches!(election.step(Observation::Conflict, now + secs(6)), Decision::Wait(_)));
}

#[test]
fn a_leader_that_cannot_renew_stops_at_its_deadline() {
    let start = Instant::now();
    let mut election = leader(start);
    let taken = start + secs(30);
    for at in [4, 8, 12, 16, 19] {
        let now = taken + secs(at);
        election.step(Observation::Tick, now);
        let Decision::Wait(next) = election.step(Observation::Failed, now) else { panic!("at {at}") };
        assert!(next <= taken + secs(20), "sleeps past the deadline at {at}");
    }
    assert_eq!(election.step(Observation::Tick, taken + secs(20)), Decision::Stop(Loss::Expired));
    assert_eq!(leader(start).patience(taken + secs(18)), secs(2));
}

#[rstest]
#[case(30_000, 20_000, 4_000, Ok(()))]
#[case(2_000, 1_500, 300, Ok(()))]
#[case(1_000, 600, 100, Err(TimingError::TooShort))]
#[case(20_000, 20_000, 4_000, Err(TimingError::Overlap))]
#[case(30_000, 20_000, 17_000, Err(TimingError::NoRetry))]
#[case(30_000, 20_000, 0, Err(TimingError::NoRetry))]
fn timings(
    #[case] duration: u64,
    #[case] deadline: u64,
    #[case] retry: u64,
    #[case] valid: Result<(), TimingError>,
) {
    let timing = LeaseTiming {
        lease_duration: Duration::from_millis(duration),
        renew_deadline: Duration::from_millis(deadline),
        retry_period: Duration::from_millis(retry),
    };
    assert_eq!(timing.validate(), valid);
}

#[test]
fn lease_objects_are_written_as_client_go_does() {
    let timing = LeaseTiming::default();
    let mut lease = record::create("tenure", "a", &timing);
    lease.metadata.uid = Some("u".to_owned());
    lease.metadata.resource_version = Some("1".to_owned());
    let spec = lease.spec.clone().unwrap();
    assert_eq!((spec.lease_duration_seconds, spec.lease_transitions), (Some(30), Some(0)));

    let renewed = record::claim(&lease, "a", &timing).spec.unwrap();
    assert_eq!((renewed.lease_transitions, renewed.acquire_time), (Some(0), spec.acquire_time));

    let released = record::release(&lease);
    assert!(record::read(&released).released);
    let taken = record::claim(&released, "b", &timing);
    assert_eq!(taken.spec.as_ref().unwrap().lease_transitions, Some(1));
    let read = record::read(&taken);
    assert_eq!((read.uid.as_str(), read.resource_version.as_str(), read.released), ("u", "1", false));
    assert_eq!(read.holder.as_deref(), Some("b"));
}

#[test]
fn identities_differ_and_name_the_pod() {
    let (one, other) = (identity(Some("tenure-0")), identity(Some("tenure-0")));
    assert!(one.starts_with("tenure-0_") && one != other);
    assert!(!identity(Some("")).starts_with('_') && !identity(None).contains('\n'));
}
