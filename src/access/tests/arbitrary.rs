//! Arbitrary people and expressions.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::api::UserSpec;

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["Sales", "IT", "", "a", "ü!", "Ann Lee", "9"]).prop_map(str::to_owned),
        1 => ".{0,12}",
    ]
}

/// A User's spec without roles and dates.
pub(crate) fn user() -> impl Strategy<Value = UserSpec> {
    let fields =
        prop::sample::subsequence(vec!["department", "title", "displayName", "manager", "locale"], 0..=5);
    let emails =
        prop::collection::vec((word(), prop::option::of(word()), prop::option::of(any::<bool>())), 0..4);
    let attributes = prop::collection::btree_map("[a-c]", word(), 0..3);
    (fields, prop::collection::vec(word(), 5), emails, attributes, prop::option::of(word())).prop_map(
        |(fields, words, emails, attributes, given)| {
            let mut spec = json!({"personId": "1", "userName": words[0], "attributes": attributes});
            for (field, word) in fields.iter().zip(&words) {
                spec[field] = json!(word);
            }
            if let Some(given) = given {
                spec["name"] = json!({"givenName": given});
            }
            spec["emails"] = emails
                .into_iter()
                .map(|(value, kind, primary)| json!({"value": value, "type": kind, "primary": primary}))
                .collect::<Vec<Value>>()
                .into();
            serde_json::from_value(spec).unwrap()
        },
    )
}

const LEAVES: &[&str] = &[
    "user",
    "roles",
    "app",
    "x",
    "user.department",
    "user.title",
    "user.name",
    "user.name.givenName",
    "user.emails",
    "user.attributes",
    "user.attributes.a",
    "user.roles",
    "null",
    "true",
    "'a'",
    "'Sales'",
    "''",
    "0",
    "1",
    "-7",
    "9223372036854775807",
    "2.5",
    "3u",
    "[]",
    "{}",
    "user.userName",
];

const METHODS: &[&str] = &[
    "lowerAscii()",
    "trim()",
    "size()",
    "reverse()",
    "distinct()",
    "join('-')",
    "join()",
    "split('')",
    "split('a', 2)",
    "substring(1)",
    "charAt(0)",
    "matches('^[A-S]')",
    "replace('a', 'bb')",
    "indexOf('a')",
    "lastIndexOf('a', -3)",
    "slice(0, 1)",
    "contains('a')",
    "startsWith('S')",
    "value",
    "primary",
    "a",
];

/// CEL from a grammar: well-formed, often ill-typed.
pub(crate) fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(LEAVES).prop_map(str::to_owned);
    leaf.prop_recursive(5, 40, 3, |inner| {
        let binary = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in",
        ]);
        let method = prop::sample::select(METHODS);
        let each = prop::sample::select(vec!["map", "filter", "exists", "all", "exists_one"]);
        prop_oneof![
            (inner.clone(), binary, inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (inner.clone(), method).prop_map(|(a, method)| format!("{a}.{method}")),
            (inner.clone(), each, inner.clone()).prop_map(|(a, each, b)| format!("{a}.{each}(x, {b})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{{a}: {b}}}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}[{b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("sets.contains({a}, {b})")),
            inner.clone().prop_map(|a| format!("has({a}.a)")),
            inner.clone().prop_map(|a| format!("!({a})")),
            inner.prop_map(|a| format!("string({a})")),
        ]
    })
}
