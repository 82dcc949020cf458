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

/// How long a refusal asks us to wait, an hour at most; `None` where it does not say, or makes no sense.
pub(super) fn asked_pause(status: u16, headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    retry_after(headers, now).or_else(|| (status == 429).then(|| quota_reset(headers, now)).flatten())
}

/// `Retry-After` as a length of time from `now` (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit are a very long time.
        return Some(value.parse().map_or(LONGEST_PAUSE, Duration::from_secs).min(LONGEST_PAUSE));
    }
    let seconds = http_date(value)?.duration_since(now).as_secs();
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).min(LONGEST_PAUSE))
}

/// When a quota that is used up is renewed: `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10 §4), the
/// `RateLimit-Reset` of its earlier drafts, or the `X-RateLimit-Reset` of many products. Of several quotas the last.
///
/// One of which something remains is not why the request was refused; when it is renewed says nothing then.
fn quota_reset(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let listed = headers.get_all("ratelimit").iter().filter_map(|value| value.to_str().ok());
    let listed = listed.flat_map(|value| value.split(',')).map(|quota| {
        let parameter = |name: &str| {
            quota
                .split(';')
                .skip(1)
                .find_map(|p| p.trim().strip_prefix(name)?.strip_prefix('=')?.parse().ok())
        };
        (parameter("r"), parameter("t"))
    });
    let named = ["ratelimit", "x-ratelimit", "x-rate-limit"].into_iter().map(|prefix| {
        let number = |suffix| headers.get(format!("{prefix}-{suffix}"))?.to_str().ok()?.trim().parse().ok();
        (number("remaining"), number("reset"))
    });
    listed
        .chain(named)
        .filter(|(remaining, _): &(Option<f64>, _)| remaining.is_none_or(|some| some < 1.0))
        .filter_map(|(_, reset)| from_now(reset?, now))
        .max()
}

/// Seconds or milliseconds since 1970, or seconds from now, which are fewer by far, as a length of time, if any is left.
fn from_now(reset: f64, now: Timestamp) -> Option<Duration> {
    const SECONDS_SINCE_1970: f64 = 1e9;
    const MILLISECONDS_SINCE_1970: f64 = 1e12;
    let seconds = match reset {
        _ if reset >= MILLISECONDS_SINCE_1970 => reset / 1e3 - now.as_duration().as_secs_f64(),
        _ if reset >= SECONDS_SINCE_1970 => reset - now.as_duration().as_secs_f64(),
        _ => reset,
    };
    let length = Duration::try_from_secs_f64(seconds).ok()?;
    Some(length.min(LONGEST_PAUSE)).filter(|length| !length.is_zero())
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
