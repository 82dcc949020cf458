//! How a request proves who sends it: a bearer token (RFC 6750), user and password (RFC 7617), or a token obtained
//! with OAuth 2.0 client credentials (RFC 6749 §4.4).

use std::fmt;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use http::HeaderValue;
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::sync::Mutex;
use url::form_urlencoded;

use super::body::{Part, read};
use super::client::{target, unreachable};
use super::verdict::asked_pause;
use super::{Meter, RequestReport, by_status, class};
use crate::api::Reason;
use crate::connectors::{Failure, FailureClass, configuration};

/// Name of token requests in metrics and messages.
const OPERATION: &str = "obtain token";
/// Longest answer of a token endpoint, in bytes.
const ANSWER_AT_MOST: usize = 64 << 10;
/// Lifetime of a token whose answer names none (RFC 6749 §5.1: `expires_in` is only recommended).
const DEFAULT_LIFETIME: Duration = Duration::from_mins(5);
/// A token is renewed this long before it expires, or half its lifetime before, if that is less.
const MARGIN: Duration = Duration::from_mins(1);

/// What proves to a target who we are. Its `Debug` shows nothing but the kind.
#[derive(Clone)]
pub enum Credentials {
    /// A bearer token. White space around it is not part of it.
    Bearer(SecretString),
    /// User and password.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// OAuth 2.0 client credentials, sent in the `Authorization` header (RFC 6749 §2.3.1).
    OAuth2 {
        /// The token endpoint.
        token_url: String,
        /// The client's id.
        client_id: String,
        /// The client's secret.
        client_secret: SecretString,
        /// Scopes to ask for.
        scopes: Vec<String>,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer",
            Self::Basic { .. } => "Basic",
            Self::OAuth2 { .. } => "OAuth2",
        })
    }
}

/// What goes into the `Authorization` header of one request.
pub(super) struct Authorization {
    pub(super) header: HeaderValue,
    /// Whether another token can be had in place of this one.
    pub(super) renewable: bool,
    /// Which token this is.
    pub(super) number: u64,
}

/// Keeps the credentials of one App and the token obtained with them.
pub(super) struct Authorizer {
    credentials: Credentials,
    timeout: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// How many tokens there were.
    number: u64,
    /// The last failure to obtain one, for those who waited for it meanwhile.
    failed: Option<(Instant, Failure)>,
}

struct Token {
    header: HeaderValue,
    renew_at: Instant,
}

impl Authorizer {
    pub(super) fn new(
        credentials: Credentials,
        allow_insecure: bool,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        match &credentials {
            Credentials::Bearer(token) => drop(bearer(token.expose_secret())?),
            Credentials::Basic { user, .. } if user.contains(':') => {
                return Err(configuration("a user name with a colon cannot be sent (RFC 7617 §2)"));
            }
            Credentials::Basic { .. } => {}
            Credentials::OAuth2 { token_url, .. } => drop(target(token_url, allow_insecure)?),
        }
        Ok(Self { credentials, timeout, state: Mutex::default() })
    }

    /// The header for the next request. A token is obtained by one of those who need it while the others wait.
    pub(super) async fn authorization(
        &self,
        client: &Client,
        meter: &Meter,
    ) -> Result<Authorization, Failure> {
        let header = match &self.credentials {
            Credentials::Bearer(token) => bearer(token.expose_secret())?,
            Credentials::Basic { user, password } => basic(user, password.expose_secret())?,
            Credentials::OAuth2 { .. } => return self.token(client, meter).await,
        };
        Ok(Authorization { header, renewable: false, number: 0 })
    }

    /// The target refused this token: the next request obtains another, unless that happened already.
    pub(super) async fn forget(&self, number: u64) {
        let mut state = self.state.lock().await;
        if state.number == number {
            state.token = None;
        }
    }

    async fn token(&self, client: &Client, meter: &Meter) -> Result<Authorization, Failure> {
        let asked = Instant::now();
        let mut state = self.state.lock().await;
        if let Some((at, failure)) = &state.failed
            && *at > asked
        {
            return Err(failure.clone());
        }
        let fresh = state.token.as_ref().filter(|token| token.renew_at > Instant::now());
        let header = if let Some(token) = fresh {
            token.header.clone()
        } else {
            let started = Instant::now();
            let obtained = self.obtain(client).await;
            let (class, status) = match &obtained {
                Ok(_) => ("ok", None),
                Err((failure, status)) => (class(failure), *status),
            };
            meter(&RequestReport { operation: OPERATION, class, status, elapsed: started.elapsed() });
            let token = match obtained {
                Ok(token) => token,
                Err((failure, _)) => {
                    state.failed = Some((Instant::now(), failure.clone()));
                    return Err(failure);
                }
            };
            state.number += 1;
            state.token.insert(token).header.clone()
        };
        Ok(Authorization { header, renewable: true, number: state.number })
    }

    async fn obtain(&self, client: &Client) -> Result<Token, (Failure, Option<u16>)> {
        let Credentials::OAuth2 { token_url, client_id, client_secret, scopes } = &self.credentials else {
            return Err((trouble(FailureClass::Permanent, Reason::InvalidConfiguration, "no token"), None));
        };
        let mut form = vec![("grant_type", "client_credentials".to_owned())];
        if !scopes.is_empty() {
            form.push(("scope", scopes.join(" ")));
        }
        // The header is form-urlencoded first (RFC 6749 §2.3.1).
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let response = client
            .post(token_url)
            .timeout(self.timeout)
            .basic_auth(encoded(client_id.trim()), Some(encoded(client_secret.expose_secret().trim())))
            .header(http::header::ACCEPT, "application/json")
            .form(&form)
            .send()
            .await
            .map_err(|e| (trouble(FailureClass::RetryAfter, Reason::Unreachable, unreachable(&e)), None))?;
        let status = response.status().as_u16();
        if !response.status().is_success() {
            let wait = asked_pause(status, response.headers(), jiff::Timestamp::now());
            return Err((refused(status, wait), Some(status)));
        }
        let answer = match read(response, ANSWER_AT_MOST, None).await {
            Ok(Part::Whole(bytes)) => serde_json::from_slice(&bytes).ok(),
            _ => None,
        };
        answer.as_ref().and_then(token_in).ok_or_else(|| {
            let failure = trouble(
                FailureClass::RetryAfter,
                Reason::UnexpectedAnswer,
                "the answer holds no bearer token",
            );
            (failure, Some(status))
        })
    }
}

/// Every 4xx but 429 means that these credentials give no token (RFC 6749 §5.2).
fn refused(status: u16, retry_after: Option<Duration>) -> Failure {
    let verdict = by_status(status);
    let (class, reason, meaning) = match status {
        408 | 429 | 500..=599 => (FailureClass::RetryAfter, verdict.reason, verdict.meaning),
        400..=499 => (
            FailureClass::Credentials,
            Reason::CredentialsRefused,
            "the token endpoint refused the client: check its id, secret and scopes",
        ),
        _ => (FailureClass::RetryAfter, Reason::UnexpectedAnswer, verdict.meaning),
    };
    let message = format!("{OPERATION}: HTTP {status}: {meaning}");
    Failure { class, reason, message, retry_after }
}

/// The token in a token endpoint's answer (RFC 6749 §5.1). `expires_in` may be a number or a string of digits.
fn token_in(answer: &Value) -> Option<Token> {
    let text = answer.get("access_token")?.as_str().filter(|token| !token.is_empty())?;
    let kind = answer.get("token_type").and_then(Value::as_str).unwrap_or("Bearer");
    if !kind.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let seconds = answer.get("expires_in").and_then(|value| match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    });
    let a_day = 86_400;
    let lifetime = seconds.map_or(DEFAULT_LIFETIME, |seconds: u64| Duration::from_secs(seconds.min(a_day)));
    let renew_at = Instant::now() + lifetime.saturating_sub(MARGIN.min(lifetime / 2));
    Some(Token { header: bearer(text).ok()?, renew_at })
}

fn bearer(token: &str) -> Result<HeaderValue, Failure> {
    sensitive(&format!("Bearer {}", token.trim()))
}

fn basic(user: &str, password: &str) -> Result<HeaderValue, Failure> {
    sensitive(&format!("Basic {}", BASE64.encode(format!("{user}:{password}"))))
}

fn sensitive(value: &str) -> Result<HeaderValue, Failure> {
    let mut header = HeaderValue::from_str(value)
        .map_err(|_| configuration("the token holds characters that an HTTP header cannot carry"))?;
    header.set_sensitive(true);
    Ok(header)
}

fn trouble(class: FailureClass, reason: Reason, what: &str) -> Failure {
    Failure { class, reason, message: format!("{OPERATION}: {what}"), retry_after: None }
}

#[cfg(test)]
mod tests;
