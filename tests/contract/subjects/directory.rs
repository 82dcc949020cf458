//! What directories of both kinds share as subjects.

use std::time::Duration;

use serde_json::{Value, json};
use tenure::connectors::directory::{DirectoryConfig, Identity};

use crate::subject::{Does, Line, Wish};
use crate::support::ldap::Entry;
use crate::support::ldap_proxy::{Action, BUSY, Op, Recorded, Rule};
use crate::support::{LdapProxy, pki};

/// A proxy that speaks LDAP.
pub(crate) struct LdapLine(pub(crate) LdapProxy);

fn does(request: &Recorded, what: Does) -> bool {
    match what {
        Does::Create => request.op == Op::Add && is_person(request),
        Does::Change => request.op == Op::Rename || (request.op == Op::Modify && !request.is_membership()),
        // What a server says of itself is not read about accounts.
        Does::Read => {
            request.op == Op::Search
                && !request.dn.is_empty()
                && !request.dn.eq_ignore_ascii_case("cn=Subschema")
        }
    }
}

fn is_person(request: &Recorded) -> bool {
    let classes = request.touched.iter().filter(|t| t.attribute == "objectclass").flat_map(|t| &t.values);
    classes.into_iter().any(|class| ["inetorgperson", "user"].contains(&class.to_lowercase().as_str()))
}

impl LdapLine {
    fn once(&self, what: Does, action: Action) {
        self.0.inject(Rule::new(action, move |request| does(request, what)).times(1));
    }
}

impl Line for LdapLine {
    fn lose_reply(&self, what: Does) {
        self.once(what, Action::LoseReply);
    }

    /// `busy` (RFC 4511 appendix A.2) names no time.
    fn throttle(&self, what: Does, seconds: u64) {
        assert_eq!(seconds, 1, "how long connectors wait when they are told no time");
        self.once(what, Action::Answer(BUSY));
    }

    fn pretend(&self, what: Does) {
        self.once(what, Action::Answer(0));
    }

    fn revoke_credentials(&self) {
        self.0.revoke_credentials();
    }

    fn writes(&self) -> Vec<String> {
        let short = |write: &Recorded| {
            let of_groups = write.is_membership() || (write.op == Op::Add && !is_person(write));
            format!("{:?} {}", write.op, if of_groups { "groups" } else { "people" })
        };
        self.0.writes_since(0).iter().map(short).collect()
    }

    fn forget(&self) {
        self.0.forget();
    }
}

/// An attribute as connectors tell it: a text, or a list where there are several values.
pub(crate) fn value(entry: &Entry, name: &str) -> Value {
    let mut all = entry.all(name);
    match all.len() {
        0 => Value::Null,
        1 => json!(all.remove(0)),
        _ => json!(all),
    }
}

/// How a connector reaches a directory on this line.
pub(crate) fn directory_config(
    line: &LdapLine,
    (name, password): (&str, &str),
    wish: Wish,
) -> DirectoryConfig {
    DirectoryConfig {
        servers: vec![line.0.url()],
        ca_pem: Some(pki::directories().pem().into_bytes()),
        plain_text: false,
        identity: Identity { name: name.to_owned(), password: password.into() },
        timeout: Duration::from_secs(10),
        switch_back: Duration::from_mins(5),
        connections: 2,
        page_size: wish.page.unwrap_or(500),
        allow_insecure: true,
    }
}

/// A value as a directory takes it.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(all) => all.iter().flat_map(texts).collect(),
        Value::Bool(flag) => vec![if *flag { "TRUE" } else { "FALSE" }.to_owned()],
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

/// A value within a DN (RFC 4514 §2.4): every byte that is not plainly harmless is written in hex.
pub(crate) fn in_dn(value: &str) -> String {
    escaped(value)
}

/// A value within a filter (RFC 4515 §3).
pub(crate) fn in_filter(value: &str) -> String {
    escaped(value)
}

fn escaped(value: &str) -> String {
    value
        .bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("\\{b:02x}") })
        .collect()
}
