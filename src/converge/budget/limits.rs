//! How much an App allows.

use std::time::Duration;

use crate::api::budget::RemovalBudget;
use crate::converge::parse_duration;

/// A wave that still grows after this long is held whatever its size.
pub(super) const GROWTH: Duration = Duration::from_mins(5);
/// The express count is over this long, sliding.
pub(super) const MINUTE: Duration = Duration::from_mins(1);

/// How much an App allows: `spec.removalBudget`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of every hundred accounts or holders, within [`Self::window`].
    pub percent: u32,
    /// Allowed however few there are.
    pub minimum: u32,
    /// Never more than this, however many there are.
    pub maximum: u32,
    /// Over which time removals are counted, sliding.
    pub window: Duration,
    /// Removals a minute that go at once.
    pub express: u32,
    /// How long a wave must have been quiet before it is counted.
    pub settle: Duration,
}

impl Limits {
    /// What a spec says. `settle`: where it does not say how long a wave settles.
    pub fn of(spec: &RemovalBudget, settle: Duration) -> Self {
        let span = |text: &str| parse_duration(text).and_then(|span| Duration::try_from(span).ok());
        Self {
            percent: spec.percent.into(),
            minimum: spec.minimum,
            maximum: spec.maximum,
            window: span(&spec.window).unwrap_or(Duration::from_hours(24)),
            express: spec.express,
            settle: spec.settle.as_deref().and_then(span).unwrap_or(settle),
        }
    }

    /// How many of `population` may lose something within the window.
    pub fn allowance(&self, population: u32) -> u32 {
        let share = u64::from(population) * u64::from(self.percent) / 100;
        u32::try_from(share).unwrap_or(u32::MAX).max(self.minimum).min(self.maximum)
    }
}
