//! Listings, page by page (RFC 7644 §3.4.2, RFC 9865), with proof that they are complete.

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::profile::Profile;
use super::resource::{self, Unreadable, field};
use super::{Scim, about_collection, trouble};
use crate::api::Reason;
use crate::api::scim::Paging;
use crate::connectors::http::{Call, LISTING, Refused};
use crate::connectors::{Failure, FailureClass, Page};

/// All but the unreserved characters (RFC 3986 §2.3).
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// A listing with more resources than this is not believed.
const RESOURCES_AT_MOST: u64 = 10_000_000;
/// A cursor may lead through this many empty pages in a row.
const EMPTY_PAGES: u32 = 10;

/// What is listed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<'a> {
    pub(super) operation: &'static str,
    /// `Users` or `Groups`.
    pub(super) collection: &'a str,
    pub(super) filter: Option<&'a str>,
    /// Leaves the members of groups out.
    pub(super) without_members: bool,
}

/// Where a listing stands after some pages: enough to ask for the next one and to judge it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The cursor for the next page; by position, `seen` tells.
    cursor: Option<String>,
    /// Resources so far.
    seen: u64,
    /// The least and the most that `totalResults` has been, if it was there.
    totals: Option<(u64, u64)>,
    /// Empty pages in a row.
    empty: u32,
    lap: Lap,
}

impl Position {
    /// Takes note of a `totalResults`; the least and the most that it has been.
    fn note(&mut self, total: Option<u64>) -> (u64, u64) {
        if let Some(total) = total {
            let (least, most) = self.totals.unwrap_or((total, total));
            self.totals = Some((least.min(total), most.max(total)));
        }
        self.totals.unwrap_or((0, RESOURCES_AT_MOST))
    }

    /// Takes the cursor for the next page, if there is one.
    fn follow(&mut self, answer: &Value) -> bool {
        let next = field(answer, "nextCursor").and_then(Value::as_str).filter(|next| !next.is_empty());
        self.cursor = next.map(str::to_owned);
        self.cursor.is_some()
    }
}

/// Finds out whether pages come round again, however long the circle (Brent's algorithm): remembers one page, compares
/// the following ones with it, and takes a later one when twice as many have passed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Lap {
    page: u64,
    passed: u64,
    until: u64,
}

impl Lap {
    /// Whether this page was met before.
    fn closes(&mut self, page: u64) -> bool {
        if page == self.page {
            return true;
        }
        self.passed += 1;
        if self.passed > self.until {
            *self = Self { page, passed: 0, until: (self.until * 2).max(1) };
        }
        false
    }
}

/// One page.
pub(super) struct Slice {
    pub(super) resources: Vec<Value>,
    pub(super) next: Option<Position>,
}

impl Scim {
    /// One page of accounts, for a sweep. The cursor is a [`Position`] in JSON.
    pub(super) async fn accounts_page(&self, cursor: Option<&str>) -> Result<Page, Failure> {
        let query =
            Query { operation: "list accounts", collection: "Users", filter: None, without_members: false };
        let position = match cursor.map(serde_json::from_str) {
            None => None,
            Some(Ok(position)) => Some(position),
            Some(Err(_)) => return Err(incomplete(query.operation, "the cursor is none of ours")),
        };
        let slice = self.slice(&query, position).await;
        let slice = slice.map_err(|refused| about_collection(query.operation, refused))?;
        let accounts = slice.resources.iter().map(|user| resource::account(user, &self.shared.marker));
        let accounts = accounts.collect::<Result<_, _>>().map_err(|why| unreadable(query.operation, why))?;
        let next = slice.next.as_ref().map(serde_json::to_string).transpose();
        let next = next.map_err(|_| incomplete(query.operation, "its position cannot be kept"))?;
        Ok(Page { accounts, next })
    }

    /// What `keep` makes of each resource of a listing, from all its pages.
    pub(super) async fn collect<T>(
        &self,
        query: &Query<'_>,
        keep: impl Fn(&Value) -> Result<Option<T>, Unreadable>,
    ) -> Result<Vec<T>, Refused> {
        let mut kept = Vec::new();
        let mut position = None;
        loop {
            let slice = self.slice(query, position).await?;
            for resource in &slice.resources {
                kept.extend(keep(resource).map_err(|why| unreadable(query.operation, why))?);
            }
            match slice.next {
                Some(next) => position = Some(next),
                None => return Ok(kept),
            }
        }
    }

    /// The resources on the first page of a listing.
    pub(super) async fn first_page(&self, query: &Query<'_>) -> Result<Vec<Value>, Refused> {
        Ok(self.slice(query, None).await?.resources)
    }

    /// Fails unless the collection is there: only then does a 404 about one of its members mean anything.
    pub(super) async fn collection_answers(&self, collection: &str) -> Result<(), Failure> {
        let mut call = self.call("read collection", Method::GET, &[collection])?;
        // Some cannot count, and some can do nothing but.
        if self.shared.profile.so_far().paging != Paging::None {
            call.url.set_query(Some("count=1"));
        }
        call.limit = LISTING;
        let answer = self.send(&call).await;
        let answer = answer.map_err(|refused| about_collection(call.operation, refused))?;
        let found = answer.body.as_ref().and_then(|body| contents(body).ok());
        found.map(drop).ok_or_else(|| incomplete(call.operation, "the answer is no list"))
    }

    async fn slice(&self, query: &Query<'_>, position: Option<Position>) -> Result<Slice, Refused> {
        let profile = self.profile().await?;
        let mut call = self.call(query.operation, Method::GET, &[query.collection])?;
        let position = position.unwrap_or_default();
        call.url.set_query(Some(&parameters(query, &profile, &position)));
        call.limit = LISTING;
        let answer = self.send(&call).await?.body.unwrap_or_default();
        Ok(judge(&call, profile.paging, position, &answer)?)
    }
}

pub(super) fn parameters(query: &Query<'_>, profile: &Profile, position: &Position) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, QUERY).to_string();
    let count = profile.page_size;
    let place = match profile.paging {
        Paging::Index => format!("startIndex={}&count={count}", position.seen + 1),
        Paging::Cursor => {
            format!("cursor={}&count={count}", encoded(position.cursor.as_deref().unwrap_or_default()))
        }
        Paging::None => String::new(),
    };
    let filter = query.filter.map_or_else(String::new, |filter| format!("filter={}&", encoded(filter)));
    let less = if query.without_members { "excludedAttributes=members&" } else { "" };
    format!("{filter}{less}{place}").trim_end_matches('&').to_owned()
}

/// The resources of a list response; none where there are none.
pub(super) fn contents(body: &Value) -> Result<Vec<Value>, ()> {
    match field(body, "Resources") {
        Some(Value::Array(resources)) => Ok(resources.clone()),
        None | Some(Value::Null) if field(body, "totalResults").is_some() => Ok(Vec::new()),
        _ => Err(()),
    }
}

/// Decides whether a page can be the one asked for, and whether another follows.
///
/// By position, resources that go away shift others past the reader, so then the listing must begin again. A cursor
/// keeps its place; what comes and goes meanwhile only shows in the totals.
fn judge(call: &Call, paging: Paging, mut position: Position, answer: &Value) -> Result<Slice, Failure> {
    let wrong = |what| Err(incomplete(call.operation, what));
    let Ok(resources) = contents(answer) else {
        return wrong("the answer is no list");
    };
    let total = field(answer, "totalResults").and_then(Value::as_u64);
    let start = field(answer, "startIndex").and_then(Value::as_u64);
    if paging == Paging::Index && position.seen > 0 && start.is_some_and(|start| start != position.seen + 1) {
        return wrong("another page came than was asked for");
    }
    let (least, most) = position.note(total);
    if paging == Paging::Index && total.is_some_and(|total| total < most) {
        return Err(trouble(
            FailureClass::RetryAfter,
            Reason::UnexpectedAnswer,
            format!("{}: resources went away while it was read: it has to begin again", call.operation),
        ));
    }
    position.seen += resources.len() as u64;
    if position.seen > most {
        return wrong("more resources came than there are");
    }
    position.empty = if resources.is_empty() { position.empty + 1 } else { 0 };
    if position.empty > EMPTY_PAGES {
        return wrong("the pages are empty and do not end");
    }
    let page = fingerprint(&resources).map_err(|why| unreadable(call.operation, why))?;
    if !resources.is_empty() && position.lap.closes(page) {
        return wrong("the same page came again");
    }
    let more = match (paging, total) {
        (Paging::Cursor, _) => position.follow(answer),
        (Paging::Index, Some(total)) => position.seen < total && !resources.is_empty(),
        (Paging::None, Some(_)) => false,
        (Paging::Index | Paging::None, None) => return wrong("the list does not say how long it is"),
    };
    if !more && position.seen < least {
        return wrong("fewer resources came than there are");
    }
    Ok(Slice { resources, next: more.then_some(position) })
}

/// A short hash of the ids on a page.
fn fingerprint(resources: &[Value]) -> Result<u64, Unreadable> {
    let mut hash = Sha256::new();
    for resource in resources {
        hash.update(resource::id(resource)?);
        hash.update([0]);
    }
    Ok(hash.finalize().iter().take(8).fold(0, |short, byte| short << 8 | u64::from(*byte)))
}

fn incomplete(operation: &str, what: &str) -> Failure {
    trouble(FailureClass::Unknown, Reason::UnexpectedAnswer, format!("{operation}: {what}"))
}

pub(super) fn unreadable(operation: &str, why: Unreadable) -> Failure {
    incomplete(operation, why.as_str())
}

#[cfg(test)]
mod tests;
