//! Instants as Active Directory keeps them: intervals of 100 ns since 1601, UTC (MS-DTYP §2.3.3).

use jiff::{SignedDuration, Timestamp};

/// What stands for no instant (MS-ADA1 §2.1): either.
const NEVER: [i64; 2] = [0, i64::MAX];
/// The beginning of 1601, in seconds since 1970.
const EPOCH: i64 = -11_644_473_600;
const PER_SECOND: i64 = 10_000_000;

/// When something ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Never,
    At(Timestamp),
}

impl End {
    /// Reads an attribute such as `accountExpires`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let ticks: i64 = text.parse().ok()?;
        if NEVER.contains(&ticks) {
            return Some(Self::Never);
        }
        let nanoseconds = i32::try_from(ticks.rem_euclid(PER_SECOND) * 100).ok()?;
        Timestamp::new(EPOCH + ticks.div_euclid(PER_SECOND), nanoseconds).ok().map(Self::At)
    }

    /// Reads what a rule gives: an instant (RFC 3339), `never`, or the attribute's own number.
    pub(super) fn wanted(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("never") {
            return Some(Self::Never);
        }
        text.parse().map(Self::At).ok().or_else(|| Self::parse(text)).filter(|end| end.ticks().is_some())
    }

    /// The attribute's number; `None` for an instant before 1601.
    pub(super) fn ticks(self) -> Option<i64> {
        let Self::At(at) = self else { return Some(NEVER[0]) };
        let since: SignedDuration = at.duration_since(Timestamp::from_second(EPOCH).ok()?);
        let ticks = i64::try_from(since.as_nanos() / 100).ok()?;
        (ticks > 0).then_some(ticks)
    }

    /// As rules give it; `None`: never.
    pub(super) fn text(self) -> Option<String> {
        match self {
            Self::Never => None,
            Self::At(at) => Some(at.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
