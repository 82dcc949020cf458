//! The systems that people get accounts in: the fast target, or a product behind a proxy that counts.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use crate::support::fast_target::{Config, FastTarget};
use crate::support::{ScimServer, proxy::Recorded};

/// Which system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The one in memory, which takes thousands of requests a second.
    Fast,
    /// scim2-server, which takes one or two hundred.
    Scim2,
}

impl Kind {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fast => "the fast target",
            Self::Scim2 => "scim2-server",
        }
    }
}

/// A running system, empty at first.
pub enum Target {
    Fast(FastTarget),
    Scim2(ScimServer),
}

impl Target {
    /// Starts one.
    pub async fn start(kind: Kind) -> Self {
        match kind {
            Kind::Fast => Self::Fast(FastTarget::start(Config::default())),
            Kind::Scim2 => {
                let server = ScimServer::start(crate::support::scim_server::Config::default()).await;
                server.proxy().record_bodies(false);
                Self::Scim2(server)
            }
        }
    }

    /// What an App is given.
    pub fn base_url(&self) -> String {
        match self {
            Self::Fast(target) => target.base_url(),
            Self::Scim2(server) => server.base_url(),
        }
    }

    /// The bearer token; the fast target looks at none.
    pub fn token(&self) -> &str {
        match self {
            Self::Fast(_) => "not-checked",
            Self::Scim2(server) => server.token(),
        }
    }

    /// Accounts that were made.
    pub fn accounts(&self) -> usize {
        match self {
            Self::Fast(target) => target.user_count(),
            Self::Scim2(server) => {
                let made = |r: &&Recorded| r.method == "POST" && r.status == Some(201);
                server.proxy().requests().iter().filter(made).count()
            }
        }
    }

    /// Requests so far, by `METHOD kind`.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        match self {
            Self::Fast(target) => target.counts(),
            Self::Scim2(server) => server.proxy().requests().iter().fold(BTreeMap::new(), |mut counts, r| {
                let kind = r.path.split(['/', '?']).find(|part| part.ends_with('s')).unwrap_or_default();
                *counts.entry(format!("{} {kind}", r.method)).or_default() += 1;
                counts
            }),
        }
    }

    /// When each request came, in order.
    pub fn arrivals(&self) -> Vec<Instant> {
        match self {
            Self::Fast(target) => target.arrivals(),
            Self::Scim2(server) => server.proxy().requests().iter().map(|r| instant(r.at)).collect(),
        }
    }

    /// When each account that a request suspended was, by login.
    pub async fn cuts(&self) -> BTreeMap<String, Instant> {
        match self {
            Self::Fast(target) => target.deactivated().into_iter().collect(),
            Self::Scim2(server) => {
                let mut at = BTreeMap::new();
                for request in server.proxy().requests().iter().filter(|r| r.method == "PATCH") {
                    let id = request.path.rsplit('/').next().unwrap_or_default().to_owned();
                    // The last: one before it may have filled in the manager.
                    at.insert(id, instant(request.at));
                }
                let users = server.users().await;
                let text = |user: &Value, field: &str| user[field].as_str().unwrap_or_default().to_owned();
                let cut = users.iter().filter(|user| user["active"] == false);
                cut.filter_map(|user| Some((text(user, "userName"), *at.get(&text(user, "id"))?))).collect()
            }
        }
    }

    /// How many requests have suspended an account.
    pub fn cut_count(&self) -> usize {
        match self {
            Self::Fast(target) => target.deactivated().len(),
            Self::Scim2(server) => {
                let cut = |r: &&Recorded| r.method == "PATCH" && r.status.is_some_and(|s| s < 300);
                server.proxy().requests().iter().filter(cut).count()
            }
        }
    }
}

/// The proxy keeps the wall clock's time.
fn instant(at: Timestamp) -> Instant {
    let ago = Duration::try_from(Timestamp::now().duration_since(at)).unwrap_or_default();
    Instant::now().checked_sub(ago).unwrap_or_else(Instant::now)
}
