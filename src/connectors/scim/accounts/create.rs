//! Accounts made, and what became of an attempt.

use std::sync::Arc;
use std::time::Instant;

use http::Method;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::super::listing::unreadable;
use super::super::resource::{self, matches};
use super::super::{Scim, about_collection, trouble, unexpected};
use super::written::{representation, terms};
use crate::api::Reason;
use crate::connectors::http::{Answer, Call, Refused};
use crate::connectors::{Failure, FailureClass};
use crate::converge::{NewAccount, RemoteAccount, Terms, equivalent};

impl Scim {
    pub(in crate::connectors::scim) async fn create_account(
        &self,
        account: &NewAccount,
    ) -> Result<RemoteAccount, Failure> {
        let profile = self.profile().await?;
        let terms = Arc::new(terms(&profile));
        let mut call = self.call("create account", Method::POST, &["Users"])?;
        call.body = Some(representation(account, &profile, &terms));
        match self.send(&call).await {
            Ok(answer) => {
                let made = self.made(&call, account, answer, &terms).await;
                match &made {
                    Ok(made) => self.shared.index.note(made),
                    // Perhaps there is an account now: no listing from before shows it.
                    Err(_) => self.shared.index.invalidate(),
                }
                made
            }
            Err(refused) => Err(self.why_not(account, refused).await),
        }
    }

    /// The account that an answer to its creation is about, as the target keeps it.
    async fn made(
        &self,
        call: &Call,
        account: &NewAccount,
        answer: Answer,
        terms: &Arc<Terms>,
    ) -> Result<RemoteAccount, Failure> {
        let Some(body) = answer.body.filter(|body| resource::id(body).is_ok()) else {
            return self.look_for_made(call, account, answer.location.as_deref()).await;
        };
        let made = resource::account(&body, &self.shared.marker, terms);
        let made = made.map_err(|why| unreadable(call.operation, why))?;
        if !is_this(&made, account) {
            return Err(unexpected(call, "the answer is about another account"));
        }
        if shows(&made, account) {
            return Ok(made);
        }
        // Some answer with less than they keep.
        match self.account(&made.id).await {
            Ok(Some(read)) => Ok(read),
            Ok(None) => Err(unexpected(call, "the target says that it made an account, and there is none")),
            Err(_) => Ok(made),
        }
    }

    /// The account that was made by a request whose answer does not show it.
    async fn look_for_made(
        &self,
        call: &Call,
        account: &NewAccount,
        location: Option<&str>,
    ) -> Result<RemoteAccount, Failure> {
        // Some service providers put something else than the id there.
        if let Some(id) = location.and_then(last_segment)
            && let Ok(Some(made)) = self.account(&id).await
            && is_this(&made, account)
        {
            return Ok(made);
        }
        self.shared.index.invalidate();
        for (attribute, value) in keys(account) {
            let mut found = self.find_accounts(attribute, value).await?;
            found.retain(|found| is_this(found, account));
            match (found.pop(), found.is_empty()) {
                (Some(made), true) => return Ok(made),
                (Some(_), false) => break,
                (None, _) => {}
            }
        }
        Err(unexpected(call, "the answer is empty and the account is not found"))
    }

    /// Why an account was not made. Many service providers refuse a second account with a login in words of their
    /// own, or none: so after a refusal that may mean this, the account is looked for.
    async fn why_not(&self, account: &NewAccount, refused: Refused) -> Failure {
        let Failure { class, reason, .. } = refused.failure;
        let sure = class == FailureClass::Conflict;
        let ambiguous = class == FailureClass::Unknown
            || (class == FailureClass::RetryAfter && reason == Reason::TargetError);
        if ambiguous {
            self.shared.index.invalidate();
        }
        let perhaps = sure || matches!(refused.status, Some(400 | 422 | 500));
        if perhaps && self.is_there(account, sure).await.unwrap_or(false) {
            let message = "create account: an account with this login or marker is there already".to_owned();
            return trouble(FailureClass::Conflict, Reason::AccountExists, message);
        }
        let malformed = class == FailureClass::Permanent && refused.status == Some(400);
        let failure = about_collection("create account", refused);
        if !malformed {
            return failure;
        }
        let cure =
            "if it does not know one of the attributes, name it in the profile's unsupportedAttributes";
        Failure { message: format!("{}: {cure}", failure.message), ..failure }
    }

    /// Whether somebody has the new account's marker or login.
    ///
    /// Where the target is sure of it (409) and no filter shows anybody, all are listed: if that shows somebody, its
    /// filters are blind.
    async fn is_there(&self, account: &NewAccount, sure: bool) -> Result<bool, Failure> {
        for (attribute, value) in keys(account) {
            if !self.find_accounts(attribute, value).await?.is_empty() {
                return Ok(true);
            }
        }
        if !sure {
            return Ok(false);
        }
        self.shared.index.invalidate_stale(Instant::now());
        for (attribute, value) in keys(account) {
            if !self.find_by_listing(attribute, value).await?.is_empty() {
                self.doubt_filter(attribute, value).await;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Asks the filter once more for somebody whom a listing has just shown: not to see them now is being blind.
    async fn doubt_filter(&self, attribute: &str, value: &str) {
        let filters = self.profile().await.is_ok_and(|profile| self.may_filter(&profile, attribute));
        if filters && self.find_by_filter(attribute, value).await.is_ok_and(|found| found.is_empty()) {
            self.shared.index.set_blind();
            self.learn_listing();
        }
    }
}

/// What a new account can be found by.
fn keys(account: &NewAccount) -> impl Iterator<Item = (&str, &str)> + Send {
    let (marker, person) = &account.marker;
    let keys = [(marker.as_str(), person.as_str()), ("userName", account.login.as_str())];
    keys.into_iter().filter(|(attribute, value)| !attribute.is_empty() && !value.is_empty())
}

/// Whether it can be the new account: its login, and no marker but its own.
fn is_this(found: &RemoteAccount, account: &NewAccount) -> bool {
    let foreign = found.marker.as_ref().is_some_and(|marker| *marker != account.marker.1);
    !foreign && matches(found, "", "userName", &account.login)
}

/// Whether all that was sent can be seen.
fn shows(made: &RemoteAccount, account: &NewAccount) -> bool {
    let nothing = Value::Null;
    let attribute = |(name, value): (&String, &Value)| {
        let have = made.attributes.get(name).unwrap_or(&nothing);
        made.terms.kept(name, value).is_none_or(|kept| equivalent(&kept, have))
    };
    made.marker.as_deref().unwrap_or_default() == account.marker.1 && account.attributes.iter().all(attribute)
}

/// The id at the end of a `Location` (RFC 7644 §3.3). The rest of it is not followed: it may lead anywhere.
fn last_segment(location: &str) -> Option<String> {
    let path = location.split(['?', '#']).next()?;
    let segment = path.rsplit('/').find(|segment| !segment.is_empty())?;
    percent_decode_str(segment).decode_utf8().ok().map(Into::into)
}
