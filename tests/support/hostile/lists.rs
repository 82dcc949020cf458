//! Listings that never end, or lie about their length. These targets have no filter, so that a search reads them.

use serde_json::{Value, json};

use super::{Behaviour, CANARY};
use crate::support::{Action, Rule};

pub(super) fn behaviour(name: &str) -> Option<Behaviour> {
    let by_position = |answer| listing("startIndex=", false, answer);
    let by_cursor = |answer| listing("cursor=", true, answer);
    Some(match name {
        "endless" => by_position(|path| {
            let start = number(path, "startIndex=");
            page((start..start + 100).map(user), Some(start + 1_000))
        }),
        "endless-million" => by_position(|path| {
            let start = number(path, "startIndex=");
            page((start..start + 5_000).map(user), Some(999_999))
        }),
        "endless-cursor" => by_cursor(|path| {
            let start = number(path, "cursor=");
            let mut page = page((start..start + 5_000).map(user), None);
            page["nextCursor"] = json!((start + 5_000).to_string());
            page
        }),
        "endless-empty" => by_cursor(|path| {
            let mut page = page(std::iter::empty(), None);
            page["nextCursor"] = json!((number(path, "cursor=") + 1).to_string());
            page
        }),
        "same-cursor" => by_cursor(|path| {
            let start = number(path, "cursor=");
            let mut page = page((start..start + 2).map(user), None);
            page["nextCursor"] = json!("1");
            page
        }),
        "same-page" => by_position(|_| page((1..3).map(user), Some(40))),
        "claims-more" => by_position(|_| page(std::iter::empty(), Some(40))),
        "claims-less" => by_position(|_| page((1..9).map(user), Some(2))),
        "one-id-ten-thousand-times" => by_position(|_| page((0..10_000).map(|_| user(1)), Some(10_000))),
        "everybody-matches" => by_position(|path| {
            let start = number(path, "startIndex=");
            let twin = |n| json!({ "id": format!("u{n}"), "externalId": "id-everybody-matches", "userName": CANARY, "title": "x".repeat(100_000) });
            page((start..start + 100).map(twin), Some(500_000))
        }),
        _ => return None,
    })
}

/// A service without filters whose listings of this kind are answered so.
fn listing(kind: &str, cursor: bool, answer: fn(&str) -> Value) -> Behaviour {
    let on = json!({ "supported": true });
    let off = json!({ "supported": false });
    let config =
        json!({ "patch": on, "filter": off, "etag": off, "pagination": { "cursor": cursor, "index": true } });
    let config = Action::Status { code: 200, headers: Vec::new(), body: config.to_string() };
    Behaviour::default()
        .with(Rule::new(config).path("ServiceProviderConfig"))
        .with(Rule::new(Action::Compute(answer)).path(kind))
}

fn user(n: u64) -> Value {
    json!({ "id": format!("u{n}"), "userName": format!("u{n}") })
}

fn page(users: impl Iterator<Item = Value>, total: Option<u64>) -> Value {
    let mut page = json!({ "Resources": users.collect::<Value>(), "canary": CANARY });
    if let Some(total) = total {
        page["totalResults"] = json!(total);
    }
    page
}

/// The number that follows `name`; 0 where there is none.
fn number(path: &str, name: &str) -> u64 {
    let digits = path.split(name).nth(1).unwrap_or_default();
    digits.split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok()).unwrap_or(0)
}
