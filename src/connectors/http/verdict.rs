//! What an answer's status and headers say.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::api::Reason;
use crate::connectors::FailureClass;
use crate::connectors::gate::LONGEST_PAUSE;

/// Reads a refusal: from the status (not 2xx) and the body, where it is JSON.
pub type Judge = fn(u16, Option<&Value>) -> Verdict;

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What kind of trouble.
    pub class: FailureClass,
    /// Reason for conditions.
    pub reason: Reason,
    /// The same for people, with the cure.
    pub meaning: &'static str,
    /// Keyword by which the protocol names the error.
    pub keyword: Option<&'static str>,
}

/// What a status means where the protocol says nothing else (RFC 9110 §15).
pub const fn by_status(status: u16) -> Verdict {
    use FailureClass::{Conflict, Credentials, Gone, Permanent, RetryAfter, Unknown};
    let (class, reason, meaning) = match status {
        300..=399 => (
            Unknown,
            Reason::UnexpectedAnswer,
            "the target redirects, which is not followed: set the base URL to where it points",
        ),
        401 => {
            (Credentials, Reason::CredentialsRefused, "the target refused the credentials: check the Secret")
        }
        403 => (
            Credentials,
            Reason::CredentialsRefused,
            "the target does not let these credentials do this: check their scopes",
        ),
        404 | 410 => (Gone, Reason::AccountGone, "there is nothing under this id"),
        405 | 501 => (Permanent, Reason::Rejected, "the target does not support this"),
        408 => (RetryAfter, Reason::TargetError, "the target waited too long for the request"),
        409 => (Conflict, Reason::AccountExists, "something with that login or name exists"),
        412 => (RetryAfter, Reason::Rejected, "somebody else changed it at the same time"),
        429 => (RetryAfter, Reason::Throttled, "the target asked to slow down"),
        400..=499 => (Permanent, Reason::Rejected, "the target refused the request as it is"),
        500..=599 => (RetryAfter, Reason::TargetError, "the target has trouble of its own"),
        _ => (Unknown, Reason::UnexpectedAnswer, "the status makes no sense"),
    };
    Verdict { class, reason, meaning, keyword: None }
}

/// `Retry-After` as a length of time from `now`, an hour at most; `None` if there is none or it makes no sense
/// (RFC 9110 §10.2.3).
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit are a very long time.
        return Some(value.parse().map_or(LONGEST_PAUSE, Duration::from_secs).min(LONGEST_PAUSE));
    }
    let seconds = http_date(value)?.duration_since(now).as_secs();
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).min(LONGEST_PAUSE))
}

/// The three forms of RFC 9110 §5.6.7, all in GMT.
fn http_date(value: &str) -> Option<Timestamp> {
    const FORMS: [&str; 3] =
        ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let date = FORMS.iter().find_map(|form| DateTime::strptime(form, value).ok())?;
    TimeZone::UTC.to_timestamp(date).ok()
}

#[cfg(test)]
mod tests;
