use std::sync::Mutex as StdMutex;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn gate(requests_per_second: Option<u32>) -> Gate {
    Gate::new(GateConfig { requests_per_second, concurrency: None })
}

fn narrow(concurrency: u8) -> Gate {
    Gate::new(GateConfig { requests_per_second: None, concurrency: Some(concurrency) })
}

async fn send(gate: &Gate, lane: Lane, signal: Signal) {
    gate.admit(lane).await.unwrap().report(signal);
}

fn failed(reason: Reason) -> Signal {
    Signal::Failed { reason, retry_after: None }
}

fn throttled(seconds: Option<u64>) -> Signal {
    Signal::Throttled { retry_after: seconds.map(Duration::from_secs) }
}

fn is_open(gate: &Gate) -> bool {
    matches!(gate.state(), GateState::Open { .. })
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_kept_with_a_small_burst() {
    let gate = gate(Some(20));
    let start = Instant::now();
    for _ in 0..201 {
        send(&gate, Lane::Join, Signal::Answered).await;
    }
    let took = start.elapsed().as_secs_f64();
    assert!((9.8..10.3).contains(&took), "200 requests at 20 a second took {took} s");
    tokio::time::sleep(SECOND * 60).await;
    let start = Instant::now();
    for _ in 0..2 {
        send(&gate, Lane::Join, Signal::Answered).await;
    }
    assert!(start.elapsed() < Duration::from_millis(1));
    send(&gate, Lane::Join, Signal::Answered).await;
    assert!(start.elapsed() > Duration::from_millis(20), "no credit beyond the burst");
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_nothing_waits() {
    let gate = gate(None);
    let start = Instant::now();
    for _ in 0..10_000 {
        send(&gate, Lane::Join, Signal::Answered).await;
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// Eight workers go through 2,000 joiners; a termination comes in the middle.
#[tokio::test(start_paused = true)]
async fn a_leaver_is_next() {
    let gate = gate(Some(20));
    let sent = Arc::new(StdMutex::new(Vec::new()));
    for _ in 0..8 {
        let (gate, sent) = (gate.clone(), sent.clone());
        tokio::spawn(async move {
            for _ in 0..250 {
                let permit = gate.admit(Lane::Join).await.unwrap();
                sent.lock().unwrap().push(Lane::Join);
                permit.report(Signal::Answered);
            }
        });
    }
    tokio::time::sleep(SECOND * 5).await;
    let before = sent.lock().unwrap().len();
    for _ in 0..3 {
        let permit = gate.admit(Lane::Leave).await.unwrap();
        sent.lock().unwrap().push(Lane::Leave);
        permit.report(Signal::Answered);
    }
    let sent = sent.lock().unwrap().clone();
    assert!((95..=105).contains(&before), "{before}");
    let last = sent.iter().rposition(|lane| *lane == Lane::Leave).unwrap();
    assert!(
        last < before + 6,
        "the leaver's third request was number {} after the termination",
        last - before
    );
}

#[tokio::test(start_paused = true)]
async fn lanes_first_then_arrival() {
    let gate = gate(Some(1));
    send(&gate, Lane::Join, Signal::Answered).await;
    let order = Arc::new(StdMutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for (number, lane) in
        [Lane::Verify, Lane::Join, Lane::Leave, Lane::Change, Lane::Leave, Lane::Join].into_iter().enumerate()
    {
        let (gate, order) = (gate.clone(), order.clone());
        tasks.push(tokio::spawn(async move {
            send(&gate, lane, Signal::Answered).await;
            order.lock().unwrap().push(number);
        }));
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [2, 4, 3, 1, 5, 0]);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_stands_in_nobodys_way() {
    let gate = gate(Some(1));
    send(&gate, Lane::Join, Signal::Answered).await;
    let first = tokio::spawn({
        let gate = gate.clone();
        async move { gate.admit(Lane::Leave).await.map(drop) }
    });
    let second = tokio::spawn({
        let gate = gate.clone();
        async move { gate.admit(Lane::Join).await.map(drop) }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    first.abort();
    tokio::time::timeout(SECOND * 2, second).await.unwrap().unwrap().unwrap();
    assert!(gate.lock().queue.is_empty());
}

#[tokio::test(start_paused = true)]
async fn nobody_sends_before_a_short_pause_is_over() {
    let gate = gate(None);
    send(&gate, Lane::Join, throttled(Some(4))).await;
    assert!(matches!(gate.state(), GateState::Paused { .. }));
    let start = Instant::now();
    send(&gate, Lane::Leave, Signal::Answered).await;
    assert!(start.elapsed() >= SECOND * 4);
    assert_eq!(gate.state(), GateState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_long_pause_is_told_and_the_leave_lane_tries() {
    let gate = gate(None);
    send(&gate, Lane::Join, throttled(Some(1_000_000))).await;
    let failure = gate.admit(Lane::Join).await.unwrap_err();
    assert_eq!((failure.class, failure.reason), (FailureClass::RetryAfter, Reason::Throttled));
    assert_eq!(failure.retry_after, Some(LONGEST_PAUSE));
    assert_eq!(gate.admit(Lane::Leave).await.unwrap_err().retry_after, Some(LEAVE_PROBE));
    tokio::time::sleep(LEAVE_PROBE).await;
    let trying = gate.admit(Lane::Leave).await.unwrap();
    assert!(gate.admit(Lane::Leave).await.is_err(), "one at a time tries");
    trying.report(Signal::Answered);
    send(&gate, Lane::Leave, Signal::Answered).await;
    assert!(gate.admit(Lane::Join).await.is_err(), "the pause goes on for the others");
}

#[tokio::test(start_paused = true)]
async fn waiters_learn_of_a_pause_and_of_quarantine() {
    for signal in [throttled(Some(60)), Signal::CredentialsRefused] {
        let gate = gate(Some(1));
        let permit = gate.admit(Lane::Join).await.unwrap();
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.admit(Lane::Join).await.map(drop) }
        });
        tokio::task::yield_now().await;
        permit.report(signal);
        waiting.await.unwrap().unwrap_err();
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_without_a_length_double() {
    let gate = gate(None);
    let mut pauses = Vec::new();
    for _ in 0..4 {
        send(&gate, Lane::Join, throttled(None)).await;
        let GateState::Paused { until } = gate.state() else { panic!("no pause") };
        pauses.push((until - Instant::now()).as_secs());
        tokio::time::sleep_until(until).await;
    }
    assert_eq!(pauses, [1, 2, 4, 8]);
}

#[tokio::test(start_paused = true)]
async fn throttling_halves_the_pace_once_a_second_and_it_comes_back() {
    let gate = gate(Some(40));
    for _ in 0..80 {
        send(&gate, Lane::Join, Signal::Answered).await;
    }
    let permits = [gate.admit(Lane::Join).await.unwrap(), gate.admit(Lane::Join).await.unwrap()];
    for permit in permits {
        permit.report(throttled(Some(1)));
    }
    let in_ten_seconds = async || {
        let end = Instant::now() + SECOND * 10;
        let mut sent = 0;
        while Instant::now() < end {
            send(&gate, Lane::Join, Signal::Answered).await;
            sent += 1;
        }
        sent
    };
    tokio::time::sleep(SECOND).await;
    let slow = in_ten_seconds().await;
    assert!((170..=240).contains(&slow), "{slow}");
    tokio::time::sleep(SECOND * 120).await;
    let restored = in_ten_seconds().await;
    assert!((390..=410).contains(&restored), "{restored}");
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_throttling_sets_one_by_what_was_sent() {
    let gate = gate(None);
    for _ in 0..100 {
        send(&gate, Lane::Join, Signal::Answered).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    send(&gate, Lane::Join, throttled(Some(0))).await;
    let start = Instant::now();
    for _ in 0..100 {
        send(&gate, Lane::Join, Signal::Answered).await;
    }
    let took = start.elapsed().as_secs_f64();
    assert!((1.5..2.5).contains(&took), "{took}");
}

/// Takes permits until none is given any more, whatever the pace.
async fn fill(gate: &Gate, lane: Lane) -> Vec<Permit> {
    let mut permits = Vec::new();
    while let Ok(permit) = tokio::time::timeout(SECOND * 2, gate.admit(lane)).await {
        permits.push(permit.unwrap());
    }
    permits
}

#[tokio::test(start_paused = true)]
async fn joiners_under_way_hold_up_no_leaver() {
    let gate = narrow(4);
    let joiners = fill(&gate, Lane::Join).await;
    assert_eq!(joiners.len(), 4);
    let leavers = fill(&gate, Lane::Leave).await;
    assert_eq!(leavers.len(), usize::from(RESERVED));
    drop(joiners);
    assert_eq!(fill(&gate, Lane::Join).await.len(), 2, "leavers count as well");
    let more = fill(&gate, Lane::Leave).await;
    assert_eq!(leavers.len() + more.len(), 4, "but are bounded by the concurrency themselves");
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_room_goes_in_order_of_lanes() {
    let gate = narrow(1);
    let under_way = gate.admit(Lane::Join).await.unwrap();
    let order = Arc::new(StdMutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for lane in [Lane::Verify, Lane::Join, Lane::Change] {
        let (gate, order) = (gate.clone(), order.clone());
        tasks.push(tokio::spawn(async move {
            let permit = gate.admit(lane).await.unwrap();
            order.lock().unwrap().push(lane);
            permit.report(Signal::Answered);
        }));
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(SECOND).await;
    assert!(order.lock().unwrap().is_empty());
    // One that is given up without a report makes room too.
    drop(under_way);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [Lane::Change, Lane::Join, Lane::Verify]);
}

/// The target refuses every request beyond three at a time.
#[tokio::test(start_paused = true)]
async fn a_target_that_takes_few_at_a_time_recovers() {
    let gate = narrow(16);
    let under_way = Arc::new(StdMutex::new(0));
    let answered = Arc::new(StdMutex::new([0, 0]));
    for _ in 0..16 {
        let (gate, under_way, answered) = (gate.clone(), under_way.clone(), answered.clone());
        tokio::spawn(async move {
            loop {
                let Ok(permit) = gate.admit(Lane::Join).await else { continue };
                *under_way.lock().unwrap() += 1;
                let refused = *under_way.lock().unwrap() > 3;
                tokio::time::sleep(Duration::from_millis(100)).await;
                *under_way.lock().unwrap() -= 1;
                answered.lock().unwrap()[usize::from(refused)] += 1;
                permit.report(if refused { throttled(Some(1)) } else { Signal::Answered });
            }
        });
    }
    tokio::time::sleep(SECOND * 5).await;
    *answered.lock().unwrap() = [0, 0];
    tokio::time::sleep(SECOND * 300).await;
    let [fine, refused] = *answered.lock().unwrap();
    assert!(fine > 300 * 10, "{fine}");
    assert!(refused * 50 < fine, "{refused} of {fine} refused");
}

#[tokio::test(start_paused = true)]
async fn the_concurrency_comes_back() {
    let gate = narrow(8);
    let mut permits = Vec::new();
    for _ in 0..8 {
        permits.push(gate.admit(Lane::Join).await.unwrap());
    }
    permits.pop().unwrap().report(throttled(Some(0)));
    permits.pop().unwrap().report(throttled(Some(0)));
    drop(permits);
    assert_eq!(fill(&gate, Lane::Join).await.len(), 4, "two 429s at once halve it once");
    tokio::time::sleep(SECOND * 20).await;
    assert_eq!(fill(&gate, Lane::Join).await.len(), 5);
    tokio::time::sleep(SECOND * 600).await;
    assert_eq!(fill(&gate, Lane::Join).await.len(), 8, "and no further");
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_open_the_breaker_and_a_probe_closes_it() {
    let gate = gate(None);
    let under_way = gate.admit(Lane::Join).await.unwrap();
    send(&gate, Lane::Join, Signal::CredentialsRefused).await;
    let GateState::Open { next_probe, reason, .. } = gate.state() else { panic!("not open") };
    assert_eq!(reason, Reason::CredentialsRefused);
    let wait = (next_probe - Instant::now()).as_secs_f64();
    assert!((4.0..=6.0).contains(&wait), "{wait}");
    let failure = gate.admit(Lane::Leave).await.unwrap_err();
    assert_eq!((failure.class, failure.reason), (FailureClass::RetryAfter, Reason::Quarantined));
    under_way.report(Signal::Answered);
    assert!(is_open(&gate), "an answer to what was sent before proves nothing");
    gate.admit_probe().await.unwrap().report(Signal::Answered);
    assert_eq!(gate.state(), GateState::Closed);
}

#[tokio::test(start_paused = true)]
async fn failed_probes_become_rarer() {
    let gate = gate(None);
    send(&gate, Lane::Join, Signal::CredentialsRefused).await;
    for _ in 0..10 {
        gate.admit_probe().await.unwrap().report(failed(Reason::Unreachable));
    }
    let GateState::Open { next_probe, reason, .. } = gate.state() else { panic!("not open") };
    assert_eq!(reason, Reason::Unreachable);
    let wait = (next_probe - Instant::now()).as_secs();
    assert!((240..=360).contains(&wait), "{wait}");
}

#[tokio::test(start_paused = true)]
async fn more_than_half_failing_opens_the_breaker() {
    let four = gate(None);
    for _ in 0..4 {
        send(&four, Lane::Join, failed(Reason::TargetError)).await;
    }
    assert!(!is_open(&four), "four are too few");
    send(&four, Lane::Join, failed(Reason::TargetError)).await;
    assert!(is_open(&four));

    let half = gate(None);
    for n in 0..100 {
        let signal = if n % 2 == 0 { Signal::Answered } else { failed(Reason::TargetError) };
        send(&half, Lane::Join, signal).await;
    }
    assert!(!is_open(&half), "half is not more than half");
    send(&half, Lane::Join, failed(Reason::Unreachable)).await;
    assert!(is_open(&half));
}

#[tokio::test(start_paused = true)]
async fn throttling_never_opens_the_breaker() {
    let gate = gate(None);
    for _ in 0..40 {
        send(&gate, Lane::Join, throttled(Some(1))).await;
    }
    assert!(!is_open(&gate));
}
