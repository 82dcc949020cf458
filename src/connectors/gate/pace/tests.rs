use proptest::prelude::*;

use super::*;

/// Sends for `length` seconds, work always waiting, every wake `late` milliseconds late in turn. Returns when.
fn drive(rate: u32, length: u64, late: &[u64]) -> Vec<Duration> {
    let begun = Instant::now();
    let mut pace = Pace::new(Some(rate), begun);
    let mut now = begun;
    let mut sent = Vec::new();
    for late in late.iter().cycle() {
        let at = pace.ready_at(now);
        if at > now {
            now = at + Duration::from_millis(*late);
            continue;
        }
        if now.duration_since(begun) >= Duration::from_secs(length) {
            return sent;
        }
        pace.take(now);
        sent.push(now.duration_since(begun));
    }
    sent
}

proptest! {
    /// Late by up to half of what a request takes, or 18 ms where requests are many: no time is lost, and in no
    /// stretch of time is more sent than the rate and the burst allow.
    #[test]
    fn late_wakes_lose_nothing(rate in 1_u32..2_000, late in prop::collection::vec(0.0..1.0_f64, 1..50)) {
        let most = (500 / u64::from(rate)).max(18);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "milliseconds, from none to some hundred"
        )]
        let late: Vec<u64> = late.iter().map(|share| (share * most as f64) as u64).collect();
        let length = 20;
        let sent = drive(rate, length, &late);
        let rate = f64::from(rate);
        #[allow(clippy::cast_precision_loss, reason = "some ten thousand requests at the most")]
        let count = |from: usize, to: usize| (to - from) as f64;
        prop_assert!(count(0, sent.len()) >= 0.98 * rate * 20.0 - 1.0, "{} of {}", sent.len(), rate * 20.0);
        let step = sent.len() / 60 + 1;
        for from in (0..sent.len()).step_by(step) {
            for to in (from..sent.len()).step_by(step) {
                let allowed = burst(rate) + rate * (sent[to].as_secs_f64() - sent[from].as_secs_f64());
                prop_assert!(count(from, to) <= allowed + 1e-6);
            }
        }
    }
}
