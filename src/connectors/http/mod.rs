//! What every connector that speaks HTTP shares: one way to send a request.
//!
//! A request passes the fence (if it changes anything) and the App's gate, gets its credentials, has a bound on its
//! time and on the size of its answer, and every trouble becomes a [`Failure`] in our own words: operation, status,
//! cure. What a target says goes no further than to the protocol's [`Judge`].

pub mod auth;
mod body;
mod client;
mod verdict;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, LOCATION};
use http::{HeaderMap, HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::sync::Semaphore;
use url::Url;

pub use self::auth::Credentials;
pub use self::body::{TREE_AT_MOST, heft};
pub use self::client::HttpConfig;
pub use self::verdict::{Judge, Verdict, by_status};

pub(super) use self::client::forbidden;

use self::auth::Authorizer;
use self::body::{FencedBody, Part, Wait, read};
use self::client::TIMEOUT_AT_MOST;
use super::fence::{Fence, Fenced};
use super::gate::{Gate, Permit, Signal};
use super::{Failure, FailureClass};
use crate::api::Reason;
use crate::converge::Lane;

/// Longest answer to a listing, in bytes.
pub const LISTING: usize = 16 << 20;
/// Longest answer to anything else, in bytes.
pub const SINGLE: usize = 1 << 20;
/// Longest refusal, in bytes.
const REFUSAL: usize = 64 << 10;
/// All but the unreserved characters (RFC 3986 §2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Text as it can stand in a segment of a path, or as a value in a query.
pub fn percent_encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// What is said of each request, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestReport {
    /// What was asked for, such as `create account`.
    pub operation: &'static str,
    /// `ok`, or the class of the failure: `retry`, `throttled`, `permanent`, `credentials`, `conflict`, `gone`,
    /// `unknown`, `fenced`.
    pub class: &'static str,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Time from the request's leaving the gate to the end of its answer.
    pub elapsed: Duration,
}

/// Told of every request after it ended.
pub type Meter = Arc<dyn Fn(&RequestReport) + Send + Sync>;

/// How a protocol marks its requests and reads refusals.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// `Accept`.
    pub accept: &'static str,
    /// `Content-Type` of request bodies.
    pub content_type: &'static str,
    /// Reads refusals.
    pub judge: Judge,
}

/// One request.
#[derive(Debug)]
pub struct Call {
    /// What it is for, in metrics and messages: `create account`.
    pub operation: &'static str,
    /// Method; all but GET change something.
    pub method: Method,
    /// Where.
    pub url: Url,
    /// JSON to send.
    pub body: Option<Value>,
    /// Only if the resource still has this version.
    pub if_match: Option<HeaderValue>,
    /// Longest answer, in bytes: [`SINGLE`] or [`LISTING`].
    pub limit: usize,
    /// Order at the gate.
    pub lane: Lane,
    /// Passes while the App is in quarantine, to see whether that can end.
    pub probe: bool,
}

/// A 2xx answer.
#[derive(Debug, Default)]
pub struct Answer {
    /// Its body, if it has one.
    pub body: Option<Value>,
    /// Its version.
    pub etag: Option<HeaderValue>,
    /// Where it says that what it is about is. Not to be followed: it may lead anywhere.
    pub location: Option<String>,
}

/// Any other end of a request. Holds nothing that the target said but a keyword of its protocol.
#[derive(Debug)]
pub struct Refused {
    /// The trouble.
    pub failure: Failure,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Keyword by which the protocol names the error, such as SCIM's `scimType`.
    pub keyword: Option<&'static str>,
}

/// In place of a keyword: the request succeeded, and its answer is too long to be read.
const TOO_LONG: &str = "the answer is too long";

impl Refused {
    /// Whether the request succeeded, and its answer is too long to be read.
    pub fn is_too_long(&self) -> bool {
        self.keyword == Some(TOO_LONG)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        refused.failure
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { failure, status: None, keyword: None }
    }
}

/// An HTTP service as one App uses it.
pub struct Http {
    client: reqwest::Client,
    base: Url,
    timeout: Duration,
    authorizer: Authorizer,
    protocol: Protocol,
    fence: Fence,
    gate: Gate,
    meter: Meter,
    /// Answers longer than [`SINGLE`] are read one after the other, so that an App takes up the memory of one.
    long_answers: Semaphore,
}

impl Http {
    /// Checks the configuration and sets up a client. Connects to nothing yet.
    pub fn new(
        config: &HttpConfig,
        credentials: Credentials,
        protocol: Protocol,
        (fence, gate, meter): (Fence, Gate, Meter),
    ) -> Result<Self, Failure> {
        let base = client::target(&config.base_url, config.allow_insecure)?;
        let timeout = config.timeout.min(TIMEOUT_AT_MOST);
        Ok(Self {
            client: client::build(config, timeout)?,
            base,
            timeout,
            authorizer: Authorizer::new(credentials, config.allow_insecure, timeout)?,
            protocol,
            fence,
            gate,
            meter,
            long_answers: Semaphore::new(1),
        })
    }

    /// The URL of what lies under the base URL at these path segments, which are percent-encoded here.
    ///
    /// Fails for a segment that would not stay what it is: an empty one, `.` or `..` (RFC 3986 §5.2.4).
    pub fn url(&self, segments: &[&str]) -> Result<Url, Failure> {
        if segments.iter().any(|segment| ["", ".", ".."].contains(segment)) {
            return Err(Failure {
                class: FailureClass::Permanent,
                reason: Reason::UnexpectedAnswer,
                message: "an id of the target cannot stand in a URL".to_owned(),
                retry_after: None,
            });
        }
        // Not by `path_segments_mut`, which drops tabs and line breaks: the id `1\n2` would lead to account 12.
        let base = self.base.path();
        let mut path = base.strip_suffix('/').unwrap_or(base).to_owned();
        for segment in segments {
            path.push('/');
            path.push_str(&percent_encoded(segment));
        }
        let mut url = self.base.clone();
        url.set_path(&path);
        Ok(url)
    }

    /// Sends a request and reads its answer. A token that the target refuses is renewed once, where it can be.
    pub async fn send(&self, call: &Call) -> Result<Answer, Refused> {
        let mut renewed = false;
        loop {
            if call.method != Method::GET {
                self.fence.check(self.timeout).map_err(|fenced| fenced_off(call, fenced))?;
            }
            let permit = self.admit(call).await?;
            let authorization = match self.authorizer.authorization(&self.client, &self.meter).await {
                Ok(authorization) => authorization,
                Err(failure) => return Err(settle(permit, failure.into())),
            };
            let started = Instant::now();
            let outcome = self.exchange(call, authorization.header).await;
            self.tell(call.operation, &outcome, started);
            match outcome {
                Ok(answer) => {
                    permit.report(Signal::Answered);
                    return Ok(answer);
                }
                Err(refused) if refused.status == Some(401) && authorization.renewable && !renewed => {
                    renewed = true;
                    self.authorizer.forget(authorization.number).await;
                }
                Err(refused) => return Err(settle(permit, refused)),
            }
        }
    }

    async fn admit(&self, call: &Call) -> Result<Permit, Failure> {
        let admitted =
            if call.probe { self.gate.admit_probe().await } else { self.gate.admit(call.lane).await };
        admitted.map_err(|failure| Failure {
            message: format!("{}: {}", call.operation, failure.message),
            ..failure
        })
    }

    async fn exchange(&self, call: &Call, authorization: HeaderValue) -> Result<Answer, Refused> {
        let sent = Arc::new(AtomicBool::new(false));
        let deadline = Instant::now() + self.timeout;
        let request = self.request(call, authorization, &sent)?;
        let lost = |error: &reqwest::Error| lost(call, error, sent.load(Ordering::Acquire));
        let response = self.client.execute(request).await.map_err(|error| lost(&error))?;
        let status = response.status();
        let headers = response.headers().clone();
        let limit = if status.is_success() { call.limit } else { call.limit.min(REFUSAL) };
        let wait = Wait { turn: &self.long_answers, until: deadline };
        let part = read(response, limit, Some(wait)).await;
        if !status.is_success() {
            return Err(self.refused(call, status.as_u16(), &headers, part.ok()));
        }
        let body = match part {
            Ok(Part::Whole(bytes)) if bytes.is_empty() => None,
            Ok(Part::Whole(bytes)) if heft(&bytes) > TREE_AT_MOST => {
                return Err(Refused {
                    keyword: Some(TOO_LONG),
                    ..senseless(call, status.as_u16(), "the answer holds too many values")
                });
            }
            Ok(Part::Whole(bytes)) => Some(serde_json::from_slice(&bytes).map_err(|_| {
                senseless(call, status.as_u16(), "the answer is not JSON: check the base URL")
            })?),
            Ok(Part::TooLong) => {
                return Err(Refused {
                    keyword: Some(TOO_LONG),
                    ..senseless(call, status.as_u16(), TOO_LONG)
                });
            }
            Ok(Part::TooLate) => return Err(late(call)),
            Err(error) if client::undecodable(&error) => {
                return Err(senseless(call, status.as_u16(), "the answer's encoding is broken"));
            }
            Err(error) => return Err(lost(&error)),
        };
        let location = headers.get(LOCATION).and_then(|location| location.to_str().ok()).map(str::to_owned);
        Ok(Answer { body, etag: headers.get(ETAG).cloned(), location })
    }

    fn request(
        &self,
        call: &Call,
        authorization: HeaderValue,
        sent: &Arc<AtomicBool>,
    ) -> Result<reqwest::Request, Failure> {
        let mut builder = self
            .client
            .request(call.method.clone(), call.url.clone())
            .timeout(self.timeout)
            .header(ACCEPT, self.protocol.accept)
            .header(AUTHORIZATION, authorization);
        if let Some(version) = &call.if_match {
            builder = builder.header(IF_MATCH, version);
        }
        if call.body.is_some() {
            builder = builder.header(CONTENT_TYPE, self.protocol.content_type);
        }
        if call.method != Method::GET {
            let bytes = call.body.as_ref().map(|body| body.to_string().into());
            let deadline = Instant::now() + self.timeout;
            let body = FencedBody::new(bytes, self.fence.clone(), deadline, sent.clone());
            builder = builder.body(reqwest::Body::wrap(body));
        }
        builder.build().map_err(|_| Failure {
            class: FailureClass::Permanent,
            reason: Reason::InvalidConfiguration,
            message: format!("{}: the request cannot be built", call.operation),
            retry_after: None,
        })
    }

    fn refused(&self, call: &Call, status: u16, headers: &HeaderMap, part: Option<Part>) -> Refused {
        let body: Option<Value> = match part {
            Some(Part::Whole(bytes)) => serde_json::from_slice(&bytes).ok(),
            _ => None,
        };
        let verdict = (self.protocol.judge)(status, body.as_ref());
        Refused {
            failure: Failure {
                class: verdict.class,
                reason: verdict.reason,
                message: format!("{}: HTTP {status}: {}", call.operation, verdict.meaning),
                retry_after: verdict::asked_pause(status, headers, jiff::Timestamp::now()),
            },
            status: Some(status),
            keyword: verdict.keyword,
        }
    }

    fn tell(&self, operation: &'static str, outcome: &Result<Answer, Refused>, started: Instant) {
        let (class, status) = match outcome {
            Ok(_) => ("ok", None),
            Err(refused) => (class(&refused.failure), refused.status),
        };
        (self.meter)(&RequestReport { operation, class, status, elapsed: started.elapsed() });
    }
}

/// Name of a failure's class in metrics.
pub(super) fn class(failure: &Failure) -> &'static str {
    match failure.class {
        FailureClass::RetryAfter if failure.reason == Reason::Throttled => "throttled",
        FailureClass::RetryAfter => "retry",
        FailureClass::Permanent => "permanent",
        FailureClass::Credentials => "credentials",
        FailureClass::Conflict => "conflict",
        FailureClass::Gone => "gone",
        FailureClass::Unknown => "unknown",
        FailureClass::Fenced => "fenced",
    }
}

/// Tells the gate of a request that failed.
///
/// 401 says that the target does not know us. 403 may be about this one account, so it only counts as a failure.
fn settle(permit: Permit, refused: Refused) -> Refused {
    let Failure { class, reason, retry_after, .. } = refused.failure;
    match class {
        // It works, and has much to say, or minds what others do.
        _ if refused.is_too_long() || refused.status == Some(412) => permit.report(Signal::Answered),
        FailureClass::Fenced => {}
        FailureClass::RetryAfter if reason == Reason::Throttled => {
            permit.report(Signal::Throttled { retry_after });
        }
        FailureClass::Credentials if refused.status != Some(403) => permit.report(Signal::CredentialsRefused),
        FailureClass::RetryAfter | FailureClass::Unknown | FailureClass::Credentials => {
            permit.report(Signal::Failed { reason, retry_after });
        }
        _ if reason == Reason::InvalidConfiguration => permit.report(Signal::Failed { reason, retry_after }),
        _ => permit.report(Signal::Answered),
    }
    refused
}

/// No whole answer came.
fn lost(call: &Call, error: &reqwest::Error, sent: bool) -> Refused {
    if let Some(fenced) = cause::<Fenced>(error) {
        return fenced_off(call, *fenced);
    }
    let (class, reason, what) = match client::diagnose(error) {
        Some(what) => (FailureClass::Permanent, Reason::InvalidConfiguration, what),
        None if sent => (
            FailureClass::Unknown,
            Reason::Unreachable,
            "the request was sent and no whole answer came: it may or may not have had an effect",
        ),
        None => (FailureClass::RetryAfter, Reason::Unreachable, client::unreachable(error)),
    };
    let message = format!("{}: {what}", call.operation);
    Failure { class, reason, message, retry_after: None }.into()
}

/// The answer is long, and others as long were still being read when its time was up.
fn late(call: &Call) -> Refused {
    let class = if call.method == Method::GET { FailureClass::RetryAfter } else { FailureClass::Unknown };
    let message = format!("{}: no whole answer in time", call.operation);
    Failure { class, reason: Reason::Unreachable, message, retry_after: None }.into()
}

fn fenced_off(call: &Call, fenced: Fenced) -> Refused {
    Failure {
        class: FailureClass::Fenced,
        reason: Reason::Progressing,
        message: format!("{}: {fenced}", call.operation),
        retry_after: None,
    }
    .into()
}

/// A 2xx answer that makes no sense: it is not known what was done.
fn senseless(call: &Call, status: u16, what: &str) -> Refused {
    Refused {
        failure: Failure {
            class: FailureClass::Unknown,
            reason: Reason::UnexpectedAnswer,
            message: format!("{}: HTTP {status}: {what}", call.operation),
            retry_after: None,
        },
        status: Some(status),
        keyword: None,
    }
}

/// The first cause of this type.
fn cause<'a, E: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a E> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref())
}

#[cfg(test)]
mod tests;
