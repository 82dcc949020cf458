//! What a date will take away: counted before its day, so that what will not fit is held, and can be approved, ahead.

use std::sync::Arc;
use std::time::Duration;

use super::members::Budget;
use super::removal::Removal;
use super::usage::Moment;
use super::wave::Excess;

/// One that lies ahead.
#[derive(Clone, Debug)]
pub(super) struct Coming {
    removal: Removal,
    at: Moment,
    since: Moment,
}

impl Budget {
    /// Something will be taken from somebody, so long from now; `None`: no date takes anything from them soon.
    pub fn foresee(&mut self, person: &Arc<str>, coming: Option<(Removal, Duration)>, now: Moment) {
        let before = self.coming.remove(person);
        let Some((removal, within)) = coming else { return };
        let since = before.filter(|known| known.removal == removal).map_or(now, |known| known.since);
        self.coming.insert(person.clone(), Coming { removal, at: now.after(within), since });
    }

    /// Everybody from whom a date will take something soon.
    pub fn coming(&self) -> impl Iterator<Item = (&Arc<str>, &Removal)> {
        self.coming.iter().map(|(name, coming)| (name, &coming.removal))
    }

    /// Why what lies ahead will not fit when the first of it falls due, and how long that is from now; `None`: it will, or
    /// more of it has come up so short a time ago that still more may. `held`: what a Hold has already.
    pub fn excess_ahead(&self, held: impl Fn(&Removal) -> bool, now: Moment) -> Option<(Excess, Duration)> {
        let free = || self.coming.values().filter(|coming| !held(&coming.removal));
        let (first, last) = (free().map(|c| c.at).min()?, free().map(|c| c.since).max()?);
        let used = self.usage.count(first.max(now), self.limits.window).saturating_add(self.promised(now));
        let (limit, count) = (self.limit(), u32::try_from(free().count()).unwrap_or(u32::MAX));
        let left = limit.saturating_sub(used);
        let fits = count <= left || now.since(last) < self.limits.settle;
        (!fits).then(|| (Excess::App { left, limit }, first.since(now)))
    }
}
