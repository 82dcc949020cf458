//! Listings, page by page (RFC 7644 §3.4.2, RFC 9865), with proof that they are complete.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::accounts::terms;
use super::profile::Profile;
use super::resource::{self, Unreadable, field};
use super::{Scim, about_collection, trouble};
use crate::api::Reason;
use crate::api::scim::Paging;
use crate::connectors::http::{Call, LISTING, Refused, TREE_AT_MOST, heft, percent_encoded};
use crate::connectors::{Failure, FailureClass, Page};

/// A listing with more resources than this is not believed.
const RESOURCES_AT_MOST: u64 = 1_000_000;
/// Nor one with more pages; of so many resources that is fifty a page.
const PAGES_AT_MOST: u64 = RESOURCES_AT_MOST / 50;
/// A listing may grow by this many resources while it is read, beyond twice as many as there were.
const GROWTH: u64 = 1_000;
/// How long a search may take.
const LONGEST_SEARCH: Duration = Duration::from_hours(1);
/// Longest cursor, in bytes.
const CURSOR_AT_MOST: usize = 4096;
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
    /// Pages so far.
    pages: u64,
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

    /// Counts a page; fails when the listing cannot be true, or never ends.
    fn turn(&mut self, resources: &[Value], (least, most): (u64, u64)) -> Result<(), &'static str> {
        self.seen += resources.len() as u64;
        self.pages += 1;
        self.empty = if resources.is_empty() { self.empty + 1 } else { 0 };
        if self.seen > RESOURCES_AT_MOST || self.pages > PAGES_AT_MOST {
            Err("the list does not end")
        } else if self.totals.is_some() && (most > RESOURCES_AT_MOST || most > 2 * least + GROWTH) {
            Err("the list is longer than can be, or grows faster than it is read")
        } else if self.seen > most {
            Err("more resources came than there are")
        } else if self.empty > EMPTY_PAGES {
            Err("the pages are empty and do not end")
        } else {
            Ok(())
        }
    }

    /// Takes the cursor for the next page, if there is one.
    fn follow(&mut self, answer: &Value) -> Result<bool, &'static str> {
        let next = field(answer, "nextCursor").and_then(Value::as_str).filter(|next| !next.is_empty());
        if next.is_some_and(|next| next.len() > CURSOR_AT_MOST) {
            return Err("its cursor is too long");
        }
        if next.is_some() && next == self.cursor.as_deref() {
            return Err("the same page came again");
        }
        self.cursor = next.map(str::to_owned);
        Ok(self.cursor.is_some())
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
        let terms = Arc::new(terms(&*self.profile().await?));
        // Each is let go of when it has been read: a page may be all there is.
        let accounts =
            slice.resources.into_iter().map(|user| resource::account(&user, &self.shared.marker, &terms));
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
        self.collect_within(LONGEST_SEARCH, query, keep).await
    }

    async fn collect_within<T>(
        &self,
        limit: Duration,
        query: &Query<'_>,
        keep: impl Fn(&Value) -> Result<Option<T>, Unreadable>,
    ) -> Result<Vec<T>, Refused> {
        let collected = tokio::time::timeout(limit, self.collect_all(query, keep)).await;
        collected
            .unwrap_or_else(|_| Err(incomplete(query.operation, "the list takes too long to read").into()))
    }

    async fn collect_all<T>(
        &self,
        query: &Query<'_>,
        keep: impl Fn(&Value) -> Result<Option<T>, Unreadable>,
    ) -> Result<Vec<T>, Refused> {
        let (mut kept, mut memory) = (Vec::new(), 0);
        let mut position = None;
        loop {
            let slice = self.slice(query, position).await?;
            for resource in slice.resources {
                let found = keep(&resource).map_err(|why| unreadable(query.operation, why))?;
                if found.is_some() {
                    memory += heft(resource.to_string().as_bytes());
                }
                if memory > TREE_AT_MOST {
                    return Err(incomplete(query.operation, "too many resources match").into());
                }
                kept.extend(found);
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
        let found = answer.body.and_then(|body| contents(body).ok());
        found.map(drop).ok_or_else(|| incomplete(call.operation, "the answer is no list"))
    }

    async fn slice(&self, query: &Query<'_>, position: Option<Position>) -> Result<Slice, Refused> {
        let profile = self.profile().await?;
        let mut call = self.call(query.operation, Method::GET, &[query.collection])?;
        let position = position.unwrap_or_default();
        let parameters = parameters(query, &profile, &position);
        call.url.set_query((!parameters.is_empty()).then_some(&*parameters));
        call.limit = LISTING;
        let answer = self.send(&call).await?.body.unwrap_or_default();
        Ok(judge(&call, profile.paging, position, answer)?)
    }
}

pub(super) fn parameters(query: &Query<'_>, profile: &Profile, position: &Position) -> String {
    let count = profile.page_size;
    let place = match profile.paging {
        Paging::Index => format!("startIndex={}&count={count}", position.seen + 1),
        Paging::Cursor => {
            let cursor = percent_encoded(position.cursor.as_deref().unwrap_or_default());
            format!("cursor={cursor}&count={count}")
        }
        Paging::None => String::new(),
    };
    let filter =
        query.filter.map_or_else(String::new, |filter| format!("filter={}&", percent_encoded(filter)));
    let less = if query.without_members { "excludedAttributes=members&" } else { "" };
    format!("{filter}{less}{place}").trim_end_matches('&').to_owned()
}

/// The resources of a list response; none where there are none.
pub(super) fn contents(body: Value) -> Result<Vec<Value>, ()> {
    let counted = field(&body, "totalResults").is_some();
    let Value::Object(mut body) = body else { return Err(()) };
    let name = body.keys().find(|key| key.eq_ignore_ascii_case("Resources")).cloned();
    match name.and_then(|name| body.remove(&name)) {
        Some(Value::Array(resources)) => Ok(resources),
        None | Some(Value::Null) if counted => Ok(Vec::new()),
        _ => Err(()),
    }
}

/// Decides whether a page can be the one asked for, and whether another follows.
///
/// By position, resources that go away shift others past the reader, so then the listing must begin again. A cursor
/// keeps its place; what comes and goes meanwhile only shows in the totals.
fn judge(call: &Call, paging: Paging, mut position: Position, answer: Value) -> Result<Slice, Failure> {
    let wrong = |what| incomplete(call.operation, what);
    let total = field(&answer, "totalResults").and_then(Value::as_u64);
    let start = field(&answer, "startIndex").and_then(Value::as_u64);
    let follows = match paging {
        Paging::Cursor => position.follow(&answer).map_err(wrong)?,
        Paging::Index | Paging::None => false,
    };
    let Ok(resources) = contents(answer) else {
        return Err(wrong("the answer is no list"));
    };
    if paging == Paging::Index && position.seen > 0 && start.is_some_and(|start| start != position.seen + 1) {
        return Err(wrong("another page came than was asked for"));
    }
    let (least, most) = position.note(total);
    if paging == Paging::Index && total.is_some_and(|total| total < most) {
        return Err(trouble(
            FailureClass::RetryAfter,
            Reason::UnexpectedAnswer,
            format!("{}: resources went away while it was read: it has to begin again", call.operation),
        ));
    }
    position.turn(&resources, (least, most)).map_err(wrong)?;
    let page = fingerprint(&resources).map_err(|why| unreadable(call.operation, why))?;
    let page = page.ok_or_else(|| wrong("a resource came twice on one page"))?;
    if !resources.is_empty() && position.lap.closes(page) {
        return Err(wrong("the same page came again"));
    }
    let more = match (paging, total) {
        (Paging::Cursor, _) => follows,
        (Paging::Index, Some(total)) => position.seen < total && !resources.is_empty(),
        (Paging::None, Some(_)) => false,
        (Paging::Index | Paging::None, None) => {
            return Err(wrong("the list does not say how long it is"));
        }
    };
    if !more && position.seen < least {
        return Err(wrong("fewer resources came than there are"));
    }
    Ok(Slice { resources, next: more.then_some(position) })
}

/// A short hash of the ids on a page; `None` if one is there twice.
fn fingerprint(resources: &[Value]) -> Result<Option<u64>, Unreadable> {
    let (mut hash, mut ids) = (Sha256::new(), BTreeSet::new());
    for resource in resources {
        let id = resource::id(resource)?;
        hash.update(&id);
        hash.update([0]);
        if !ids.insert(id) {
            return Ok(None);
        }
    }
    Ok(Some(hash.finalize().iter().take(8).fold(0, |short, byte| short << 8 | u64::from(*byte))))
}

fn incomplete(operation: &str, what: &str) -> Failure {
    trouble(FailureClass::Unknown, Reason::UnexpectedAnswer, format!("{operation}: {what}"))
}

pub(super) fn unreadable(operation: &str, why: Unreadable) -> Failure {
    incomplete(operation, why.as_str())
}

#[cfg(test)]
mod tests;
