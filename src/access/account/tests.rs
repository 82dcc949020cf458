use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::access::tests::arbitrary;
use crate::api::{AppBindingSpec, AttributeRule, Strength, UserSpec};

static TRAITS: ConnectorTraits = ConnectorTraits {
    login: "userName",
    defaults: &[
        ("userName", "user.userName"),
        ("title", "user.title"),
        ("name.familyName", "user.name.familyName"),
        ("emails", "user.emails"),
    ],
    entitlement_types: &["group", "license", "profile"],
    single_valued: &["profile"],
    references: &[],
};

fn rule(to: &str, value: &str) -> AttributeRule {
    AttributeRule {
        to: to.to_owned(),
        value: value.to_owned(),
        strength: Strength::Always,
        clear_when_null: false,
    }
}

fn app(rules: &[(&str, &str)]) -> AppRules {
    AppRules::compile(&TRAITS, &rules.iter().map(|(to, value)| rule(to, value)).collect::<Vec<_>>()).0
}

fn spec(value: Value) -> AppBindingSpec {
    let mut whole = json!({"roleRef": {"name": "crm"}, "appRef": {"name": "app"}});
    let Value::Object(fields) = value else { panic!("no object") };
    whole.as_object_mut().unwrap().extend(fields);
    serde_json::from_value(whole).unwrap()
}

fn binding(name: &str, value: Value) -> BindingRules {
    BindingRules::compile(name, &spec(value)).0
}

fn ann() -> UserSpec {
    serde_json::from_value(json!({
        "personId": "1", "userName": "ann", "title": "CANARY", "department": "CANARY", "name": {"givenName": "Ann"},
        "emails": [{"value": "ann@example.com"}]
    }))
    .unwrap()
}

fn held(names: &[&str]) -> Vec<EffectiveRole> {
    names.iter().map(|name| EffectiveRole { name: (*name).to_owned(), via: "Rule".to_owned() }).collect()
}

fn outcome(rules: &AppRules, bindings: &[BindingRules]) -> AccountOutcome {
    let bindings: Vec<&BindingRules> = bindings.iter().collect();
    desired_account("app", rules, &bindings, &held(&["crm", "hr"]), &Scope::of(&ann()))
}

fn account(outcome: AccountOutcome) -> DesiredAccount {
    match outcome.grant {
        Grant::Yes(account) => *account,
        other => panic!("{other:?}"),
    }
}

fn unknown(outcome: AccountOutcome) -> (Reason, String) {
    match outcome.grant {
        Grant::Unknown { reason, message } => (reason, message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn defaults_rules_and_overrides() {
    let plain = || binding("plain", json!({}));
    let account = |rules: &[(&str, &str)], bindings: &[BindingRules]| account(outcome(&app(rules), bindings));
    let by_default = account(&[], &[plain()]);
    assert_eq!(by_default.logins, ["ann"]);
    let names: Vec<_> = by_default.attributes.keys().map(String::as_str).collect();
    assert_eq!(names, ["emails", "name.familyName", "title"]);
    assert_eq!(by_default.attributes["name.familyName"].value, Value::Null);
    assert_eq!(
        by_default.attributes["emails"].value,
        json!([{"value": "ann@example.com", "primary": false}])
    );
    let ruled = account(&[("title", "app + '/' + roles.join(',')"), ("x", "''")], &[plain()]);
    assert_eq!(ruled.attributes["title"].value, json!("app/crm,hr"));
    assert_eq!(ruled.attributes["x"].value, Value::Null);
    let over = json!({"priority": 1, "attributes": [{"to": "title", "value": "'high'", "strength": "Initial", "clearWhenNull": true}]});
    let over = account(&[("title", "1 / 0")], &[plain(), binding("over", over)]);
    let title = DesiredAttribute { value: json!("high"), strength: Strength::Initial, clear_when_null: true };
    assert_eq!(over.attributes["title"], title);
}

#[test]
fn only_bindings_of_held_roles_that_apply_grant() {
    let other =
        binding("other", json!({"roleRef": {"name": "it"}, "attributes": [{"to": "title", "value": "1 +"}]}));
    assert_eq!(outcome(&app(&[]), &[other]).grant, Grant::No);
    let when = |name: &str, when: &str| {
        binding(name, json!({"when": when, "entitlements": [{"type": "group", "value": name}]}))
    };
    let result =
        outcome(&app(&[]), &[when("no", "app == 'other'"), when("b", "'hr' in roles"), when("a", "true")]);
    assert_eq!(result.bindings, ["a", "b"]);
    let groups: Vec<_> = account(result).entitlements.into_iter().map(|group| group.value).collect();
    assert_eq!(groups, ["a", "b"]);
    assert_eq!(outcome(&app(&[]), &[when("no", "false")]).grant, Grant::No);
    let failing =
        outcome(&app(&[]), &[when("yes", "true"), when("bad", "user.department.contains(user.locale)")]);
    assert_eq!(failing.bindings, ["yes"]);
    let (reason, message) = unknown(failing);
    assert_eq!(reason, Reason::ExpressionFailed);
    assert!(message.starts_with("AppBinding bad spec.when: "), "{message}");
    assert_eq!(unknown(outcome(&app(&[]), &[when("bad", "user.")])).0, Reason::InvalidExpression);
    let not_bool = unknown(outcome(&app(&[]), &[when("bad", "user.department")]));
    assert_eq!(not_bool.1, "AppBinding bad spec.when: gives string, not true or false");
}

#[test]
fn one_broken_expression_spoils_the_accounts_that_need_it() {
    let title = |value: &str| json!({"attributes": [{"to": "title", "value": value}]});
    let (reason, message) =
        unknown(outcome(&app(&[("title", "user.title + user.locale")]), &[binding("b", json!({}))]));
    assert_eq!(
        (reason, message.as_str()),
        (Reason::MappingFailed, "App spec.attributes[title].value: cannot add string and null")
    );
    let (reason, message) = unknown(outcome(&app(&[]), &[binding("sales", title("user.titel"))]));
    assert_eq!(reason, Reason::InvalidExpression);
    assert!(
        message.starts_with("AppBinding sales spec.attributes[title].value: there is no field `titel`"),
        "{message}"
    );
    // The broken rule is not needed.
    account(outcome(&app(&[("title", "user.titel")]), &[binding("b", title("'x'"))]));
    let (_, problems) = AppRules::compile(&TRAITS, &[rule("title", "user.titel"), rule("x", "1")]);
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].field, "spec.attributes[title].value");
}

#[test]
fn logins() {
    let logins = |value: &str| {
        let outcome = outcome(&app(&[("userName", value)]), &[binding("b", json!({}))]);
        match outcome.grant {
            Grant::Yes(account) => Ok(account.logins),
            Grant::Unknown { reason: Reason::MappingFailed, message } => Err(message),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(logins("'a'").unwrap(), ["a"]);
    assert_eq!(logins("['a', 'b', 'a', null, '', ' ']").unwrap(), ["a", "b"]);
    for none in ["null", "''", "' '", "[]", "[null]", "5", "{'a': 'b'}", "['a', 5]", "true"] {
        let error = logins(none).unwrap_err();
        assert!(error.starts_with("App spec.attributes[userName].value: gives no login"), "{none}: {error}");
    }
}

#[test]
fn bindings_that_disagree() {
    let title = |name: &str, value: &str, priority: i32| {
        binding(name, json!({"priority": priority, "attributes": [{"to": "title", "value": value}]}))
    };
    let decided = |bindings: &[BindingRules]| {
        let result = outcome(&app(&[]), bindings);
        let issues: Vec<_> =
            result.issues.iter().map(|issue| (issue.binding.clone(), issue.reason)).collect();
        (account(result).attributes["title"].value.clone(), issues)
    };
    let lost = |name: &str, reason| vec![(name.to_owned(), reason)];
    assert_eq!(
        decided(&[title("b", "'B'", 0), title("a", "'A'", 0)]),
        (json!("A"), lost("b", Reason::BindingConflict))
    );
    assert_eq!(decided(&[title("b", "'B'", 1), title("a", "'A'", 0)]), (json!("B"), vec![]));
    assert_eq!(decided(&[title("b", "'a'.upperAscii()", 0), title("a", "'A'", 0)]), (json!("A"), vec![]));
    assert_eq!(
        decided(&[title("b", "'B' + null", 0), title("a", "'A'", 0)]),
        (json!("A"), lost("b", Reason::MappingFailed))
    );
}

#[test]
fn of_single_valued_entitlements_one_counts() {
    let profile = |name: &str, value: &str, priority: i32| {
        binding(
            name,
            json!({"priority": priority, "entitlements": [{"type": "profile", "value": value}, {"type": "license", "value": value}]}),
        )
    };
    let result = outcome(&app(&[]), &[profile("b", "x", 0), profile("a", "y", 0), profile("c", "y", 0)]);
    assert_eq!(result.issues.len(), 1);
    assert_eq!((result.issues[0].binding.as_str(), result.issues[0].reason), ("b", Reason::BindingConflict));
    let held: Vec<_> =
        account(result).entitlements.into_iter().map(|e| format!("{}:{}", e.kind, e.value)).collect();
    assert_eq!(held, ["license:x", "license:y", "profile:y"]);
    let result = outcome(&app(&[]), &[profile("b", "x", 5), profile("a", "y", 0)]);
    assert!(result.issues.is_empty());
    assert!(account(result).entitlements.iter().any(|e| e.kind == "profile" && e.value == "x"));
}

#[test]
fn unknown_entitlement_types_are_named() {
    let spec = spec(
        json!({"when": "user.x", "entitlements": [{"type": "group", "value": "a"}, {"type": "grup", "value": "b"}]}),
    );
    let (rules, problems) = BindingRules::compile("b", &spec);
    let fields: Vec<_> = problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!((fields, rules.entitlements.len()), (vec!["spec.when"], 2));
    let foreign = foreign_entitlement(&spec.entitlements, &TRAITS).unwrap();
    assert_eq!(foreign.field, "spec.entitlements[1].type");
    assert_eq!(
        foreign.message,
        "the App has no entitlements of type `grup`; it has: group, license, profile"
    );
}

/// Condition, priority, role, attributes and groups.
type AnyBinding = (Option<String>, i32, &'static str, Vec<(&'static str, String)>, Vec<&'static str>);

fn any_binding() -> impl Strategy<Value = AnyBinding> {
    let attribute = (prop::sample::select(vec!["title", "userName", "x"]), small_expression());
    (
        prop::option::weighted(
            0.2,
            prop_oneof![
                Just("true".to_owned()),
                Just("user.department == 'Sales'".to_owned()),
                arbitrary::expression()
            ],
        ),
        -1..2,
        prop::sample::select(vec!["crm", "hr", "it"]),
        prop::collection::vec(attribute, 0..3),
        prop::sample::subsequence(vec!["g1", "g2", "g3"], 0..3),
    )
}

fn small_expression() -> impl Strategy<Value = String> {
    let simple = prop::sample::select(vec![
        "'A'",
        "'B'",
        "user.title",
        "user.department",
        "null",
        "['a', 'b']",
        "user.",
        "1/0",
    ]);
    prop_oneof![4 => simple.prop_map(str::to_owned), 1 => arbitrary::expression()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn total_and_independent_of_order(
        spec in arbitrary::user(),
        rules in prop::collection::vec((prop::sample::select(vec!["title", "userName", "y"]), small_expression()), 0..3),
        bindings in prop::collection::vec(any_binding(), 0..4),
    ) {
        let rules = app(&rules.iter().map(|(to, value)| (*to, value.as_str())).collect::<Vec<_>>());
        let compiled: Vec<_> = bindings.iter().enumerate().map(|(index, (when, priority, role, attributes, groups))| {
            let kind = |group: &&str| if *group == "g3" { "profile" } else { "group" };
            binding(&format!("b{index}"), json!({
                "when": when, "priority": priority, "roleRef": {"name": role},
                "attributes": attributes.iter().map(|(to, value)| json!({"to": to, "value": value})).collect::<Vec<_>>(),
                "entitlements": groups.iter().map(|group| json!({"type": kind(group), "value": format!("{group}{index}")})).collect::<Vec<_>>(),
            }))
        }).collect();
        let scope = Scope::of(&spec);
        let all: Vec<&BindingRules> = compiled.iter().collect();
        let turned: Vec<&BindingRules> = compiled.iter().rev().collect();
        let result = desired_account("app", &rules, &all, &held(&["crm", "hr"]), &scope);
        prop_assert_eq!(&desired_account("app", &rules, &turned, &held(&["crm", "hr"]), &scope), &result);
        prop_assert!(result.bindings.iter().all(|name| all.iter().any(|b| b.name() == name && b.role() != "it")));
        match &result.grant {
            Grant::No => prop_assert!(result.bindings.is_empty()),
            Grant::Yes(account) => {
                prop_assert!(!result.bindings.is_empty() && !account.logins.is_empty());
                prop_assert!(account.logins.iter().all(|login| !login.trim().is_empty()));
                prop_assert!(!account.attributes.contains_key("userName"));
                prop_assert!(account.entitlements.iter().filter(|e| e.kind == "profile").count() <= 1);
            }
            Grant::Unknown { message, .. } => prop_assert!(message.starts_with("App")),
        }
    }

    #[test]
    fn messages_carry_no_values(value in arbitrary::expression()) {
        let rules = app(&[("title", &value)]);
        let result = outcome(&rules, &[binding("b", json!({"when": value}))]);
        if let Grant::Unknown { message, .. } = result.grant {
            prop_assert!(!message.contains("CANARY"), "{}", message);
        }
    }
}
