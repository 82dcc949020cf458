//! Targets that mean harm: a correct SCIM service behind a proxy that answers some requests as it should not.
//!
//! All that they say of their own accord holds [`CANARY`], so that whatever leaks of it is noticed.

mod answers;
mod lists;
mod tls;

use serde_json::Value;

pub use self::tls::TlsTarget;
use super::fast_target::{self, FastTarget};
use super::proxy::RecordingProxy;
use super::{Action, Rule};

/// Is in everything that a hostile target says.
pub const CANARY: &str = "canary-hostile";
/// The token that hostile targets ask for.
pub const TOKEN: &str = "canary-hostile-token";

/// What a hostile target does.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    rules: Vec<Rule>,
    user: Option<Value>,
}

impl Behaviour {
    /// Does this to every request.
    pub fn always(action: Action) -> Self {
        Self::default().with(Rule::new(action))
    }

    /// Does this to requests of this method.
    pub fn to(method: &str, action: Action) -> Self {
        Self::default().with(Rule::new(action).method(method))
    }

    /// The same, and this too, where nothing said before applies.
    #[must_use]
    pub fn with(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Has had this user before.
    #[must_use]
    pub fn knowing(mut self, user: Value) -> Self {
        self.user = Some(user);
        self
    }

    /// What is known by this name; panics for any other.
    pub fn named(name: &str) -> Self {
        answers::behaviour(name).or_else(|| lists::behaviour(name)).unwrap_or_else(|| panic!("no {name}"))
    }
}

/// A running one.
pub struct Hostile {
    /// The service behind the proxy.
    pub target: FastTarget,
    /// What does the harm.
    pub proxy: RecordingProxy,
}

impl Hostile {
    /// Starts one that behaves so.
    pub fn start(behaviour: Behaviour) -> Self {
        let target =
            FastTarget::start(fast_target::Config { token: Some(TOKEN.to_owned()), ..Default::default() });
        if let Some(user) = behaviour.user {
            target.seed_user(user);
        }
        let proxy = RecordingProxy::start(target.base_url().trim_end_matches("/scim/v2"));
        for rule in behaviour.rules {
            proxy.inject(rule);
        }
        Self { target, proxy }
    }

    /// What an App is given.
    pub fn base_url(&self) -> String {
        format!("{}/scim/v2", self.proxy.url())
    }
}
