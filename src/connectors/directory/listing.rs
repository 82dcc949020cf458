//! Long searches, page by page (RFC 2696). A server's place in one is good on the connection that it was got on only.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ldap3::controls::RawControl;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::pool::Connection;
use super::{Directory, Entry, Failure, FailureClass, Op, Reason, Refused, Search, named, senseless};

/// How long a listing is kept that nobody goes on with.
const KEPT: Duration = Duration::from_mins(5);

/// Listings that are under way, by the cursor of their next page.
#[derive(Default)]
pub(super) struct Listings(Mutex<State>);

#[derive(Default)]
struct State {
    places: HashMap<String, Place>,
    count: u64,
}

struct Place {
    connection: Arc<Connection>,
    cookie: Vec<u8>,
    since: Instant,
}

impl Listings {
    fn put(&self, connection: Arc<Connection>, cookie: Vec<u8>) -> String {
        let mut state = self.0.lock();
        state.count += 1;
        let cursor = state.count.to_string();
        state.places.retain(|_, place| place.since.elapsed() < KEPT);
        state.places.insert(cursor.clone(), Place { connection, cookie, since: Instant::now() });
        cursor
    }

    fn take(&self, cursor: &str) -> Option<Place> {
        self.0.lock().places.remove(cursor)
    }
}

impl Directory {
    /// One page of a search, as long as the App says, and the cursor of the next; `None` after the last. Begins where `cursor` is `None`.
    ///
    /// A cursor is good once. A listing that was broken off has to begin again: the failure is `RetryAfter`.
    pub async fn page(
        &self,
        op: Op,
        search: &Search<'_>,
        cursor: Option<&str>,
    ) -> Result<(Vec<Entry>, Option<String>), Refused> {
        self.page_with(op, search, cursor, Vec::new()).await
    }

    /// The same, with controls, which are to be the same for each page.
    pub async fn page_with(
        &self,
        op: Op,
        search: &Search<'_>,
        cursor: Option<&str>,
        mut controls: Vec<RawControl>,
    ) -> Result<(Vec<Entry>, Option<String>), Refused> {
        let place =
            cursor.map(|cursor| self.listings.take(cursor).ok_or_else(|| broken_off(op))).transpose()?;
        let (on, cookie) = place.map_or((None, Vec::new()), |place| (Some(place.connection), place.cookie));
        let search = &Search { limit: self.page_size.into(), ..search.clone() };
        controls.push(super::controls::paged(self.page_size.into(), cookie));
        let found = Box::pin(self.find(op, search, on, controls)).await?;
        let Some(next) = super::controls::cookie(&found.controls) else {
            return Err(senseless(op, "the server does not page its answer, so that it may be a part").into());
        };
        let next = next.map(|cookie| self.listings.put(found.connection, cookie));
        Ok((found.entries, next))
    }
}

fn broken_off(op: Op) -> Failure {
    named(
        op,
        Failure {
            class: FailureClass::RetryAfter,
            reason: Reason::UnexpectedAnswer,
            message: "the listing was broken off: it has to begin again".to_owned(),
            retry_after: None,
        },
    )
}
