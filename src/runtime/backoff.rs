//! How long a key that failed is left alone: exponential, with jitter, by the kind of failure.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// What a failure says of the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It may well succeed soon: 1 s, doubling to 5 min.
    Transient,
    /// It cannot succeed before something changes: 30 s, doubling to 30 min.
    Permanent,
}

impl Severity {
    const fn bounds(self) -> (Duration, Duration) {
        match self {
            Self::Transient => (Duration::from_secs(1), Duration::from_mins(5)),
            Self::Permanent => (Duration::from_secs(30), Duration::from_mins(30)),
        }
    }
}

/// The longest `Retry-After` (RFC 9110 §10.2.3) that is obeyed: a target must not be able to keep a leaver for good.
const LONGEST_WISH: Duration = Duration::from_hours(1);

/// Counts failures by key. Only keys that failed take room.
#[derive(Debug)]
pub struct Backoff<K> {
    failures: HashMap<K, u8>,
}

impl<K: Eq + Hash> Default for Backoff<K> {
    fn default() -> Self {
        Self { failures: HashMap::new() }
    }
}

impl<K: Eq + Hash> Backoff<K> {
    /// Takes note of a failure and says how long to wait: between half and all of the current delay (`random` in
    /// `0.0..=1.0` says where), and not less than the target asked for.
    pub fn failed(
        &mut self,
        key: K,
        severity: Severity,
        retry_after: Option<Duration>,
        random: f64,
    ) -> Duration {
        let count = self.failures.entry(key).or_default();
        let (first, cap) = severity.bounds();
        let delay = first.saturating_mul(2_u32.saturating_pow(u32::from(*count))).min(cap);
        *count = count.saturating_add(1);
        let jittered = delay.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0);
        jittered.max(retry_after.unwrap_or_default().min(LONGEST_WISH))
    }

    /// Forgets what failed: the key succeeded, or there is new evidence.
    pub fn reset(&mut self, key: &K) {
        self.failures.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Severity::Transient, &[1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300])]
    #[case(Severity::Permanent, &[30, 60, 120, 240, 480, 960, 1800, 1800])]
    fn delays_double_up_to_a_cap(#[case] severity: Severity, #[case] seconds: &[u64]) {
        let mut backoff = Backoff::default();
        for expected in seconds {
            assert_eq!(backoff.failed(1, severity, None, 1.0), Duration::from_secs(*expected));
        }
    }

    #[test]
    fn jitter_spreads_over_the_upper_half() {
        let delay = |random| Backoff::default().failed(1, Severity::Permanent, None, random);
        assert_eq!([0.0, 0.5, 1.0].map(delay), [15_000, 22_500, 30_000].map(Duration::from_millis));
    }

    #[test]
    fn success_and_new_evidence_start_anew_for_that_key_alone() {
        let mut backoff = Backoff::default();
        for key in [1, 1, 2, 2] {
            backoff.failed(key, Severity::Transient, None, 1.0);
        }
        backoff.reset(&1);
        assert_eq!(backoff.failed(1, Severity::Transient, None, 1.0), Duration::from_secs(1));
        assert_eq!(backoff.failed(2, Severity::Transient, None, 1.0), Duration::from_secs(4));
    }

    #[test]
    fn the_target_may_ask_for_more_within_reason() {
        let wish = |seconds| {
            Backoff::default().failed(1, Severity::Transient, Some(Duration::from_secs(seconds)), 1.0)
        };
        assert_eq!([0, 90, u64::MAX].map(wish), [1, 90, 3600].map(Duration::from_secs));
    }

    #[test]
    fn many_failures_do_not_overflow() {
        let mut backoff = Backoff::default();
        for _ in 0..300 {
            assert!(backoff.failed(1, Severity::Permanent, None, 1.0) <= Duration::from_mins(30));
        }
    }
}
