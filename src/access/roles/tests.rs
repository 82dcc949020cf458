use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::{EffectiveRole, RoleEffect, UserSpec};

fn day(day: i64) -> Timestamp {
    Timestamp::from_second(day * 86_400).unwrap()
}

fn book(roles: &[(&str, Value)]) -> RoleBook {
    let mut book = RoleBook::default();
    for (name, spec) in roles {
        if spec.is_null() {
            book.mark_unreadable(name);
        } else {
            book.insert(name, &serde_json::from_value(spec.clone()).unwrap());
        }
    }
    book
}

fn user(spec: Value) -> UserSpec {
    let mut whole = json!({"personId": "1", "userName": "ann"});
    let Value::Object(fields) = spec else { panic!("no object") };
    whole.as_object_mut().unwrap().extend(fields);
    serde_json::from_value(whole).unwrap()
}

fn had(roles: &[(&str, &str)]) -> Vec<EffectiveRole> {
    roles
        .iter()
        .map(|(name, via)| EffectiveRole { name: (*name).to_owned(), via: (*via).to_owned() })
        .collect()
}

fn roles(book: &RoleBook, spec: &UserSpec, previous: &[EffectiveRole]) -> Roles {
    effective_roles(spec, &Scope::of(spec), book, previous, day(10))
}

fn check(
    book: &RoleBook,
    spec: Value,
    previous: &[(&str, &str)],
    effective: &[(&str, &str)],
    issues: &[(&str, Reason)],
) {
    let result = roles(book, &user(spec), &had(previous));
    assert_eq!(result.effective, had(effective));
    let found: Vec<_> = result.issues.iter().map(|issue| (issue.role.as_str(), issue.reason)).collect();
    assert_eq!(found, issues);
}

fn assigned(names: &[&str]) -> Value {
    json!({"roles": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()})
}

#[test]
fn assigned_by_rule_and_included() {
    let book = book(&[
        ("sales", json!({"match": "user.department == 'Sales'", "includes": ["staff", "gone", "crm"]})),
        ("staff", json!({"match": "user.employeeType == 'Employee'", "includes": ["mail"]})),
        ("crm", json!({"includes": ["mail"]})),
        ("mail", json!({})),
    ]);
    check(&book, json!({"department": "IT"}), &[("sales", "Rule")], &[], &[]);
    let by_rule = [("crm", "Role/sales"), ("mail", "Role/crm"), ("sales", "Rule"), ("staff", "Role/sales")];
    check(&book, json!({"department": "Sales"}), &[], &by_rule, &[]);
    let spec = json!({"department": "Sales", "employeeType": "Employee", "roles": [{"name": "mail"}, {"name": "nope"}]});
    let all = [("crm", "Role/sales"), ("mail", "Assigned"), ("sales", "Rule"), ("staff", "Rule")];
    check(&book, spec, &[], &all, &[("nope", Reason::RoleNotFound)]);
    assert_eq!(book.problems("sales")[0].0, Reason::RoleNotFound);
    assert!(book.problems("mail").is_empty() && book.problems("none").is_empty());
}

#[test]
fn deny_takes_a_role_and_what_it_alone_brings() {
    let book = book(&[
        ("a", json!({"match": "true", "includes": ["b", "c"]})),
        ("b", json!({"includes": ["d"]})),
        ("c", json!({})),
        ("d", json!({})),
    ]);
    let deny = |until: &str| json!({"roles": [{"name": "b", "effect": "Deny", "until": until}]});
    check(&book, deny("2026-01-01T00:00:00Z"), &[], &[("a", "Rule"), ("c", "Role/a")], &[]);
    let all = [("a", "Rule"), ("b", "Role/a"), ("c", "Role/a"), ("d", "Role/b")];
    check(&book, deny("1970-01-11T00:00:00Z"), &[], &all, &[]);
    let missing = json!({"roles": [{"name": "typo", "effect": "Deny"}]});
    check(&book, missing, &[], &all, &[("typo", Reason::RoleNotFound)]);
}

#[test]
fn dates_of_assignments() {
    let book = book(&[("a", json!({})), ("b", json!({}))]);
    let spec = user(json!({"roles": [
        {"name": "a", "from": "1970-01-05T00:00:00Z", "until": "1970-01-21T00:00:00Z"},
        {"name": "b", "from": "1970-01-16T00:00:00Z"}
    ]}));
    let at = |now| effective_roles(&spec, &Scope::of(&spec), &book, &[], day(now));
    for (now, effective, next) in [
        (3, vec![], Some(4)),
        (4, vec!["a"], Some(15)),
        (15, vec!["a", "b"], Some(20)),
        (20, vec!["b"], None),
    ] {
        let result = at(now);
        let names: Vec<_> = result.effective.iter().map(|role| role.name.as_str()).collect();
        assert_eq!((names, result.next), (effective, next.map(day)), "{now}");
    }
}

#[test]
fn what_cannot_be_told_stays() {
    let book = book(&[
        ("fails", json!({"match": "user.department.startsWith('S')", "includes": ["x"]})),
        ("broken", json!({"match": "user.department ==", "includes": ["y"]})),
        ("unread", Value::Null),
        ("x", json!({})),
        ("y", json!({})),
        ("z", json!({})),
    ]);
    check(&book, json!({}), &[], &[], &[]);
    check(&book, json!({"department": "IT"}), &[("fails", "Rule")], &[], &[]);
    let before =
        [("broken", "Rule"), ("fails", "Rule"), ("unread", "Rule"), ("x", "Assigned"), ("z", "Role/unread")];
    let after = [
        ("broken", "Rule"),
        ("fails", "Rule"),
        ("unread", "Rule"),
        ("x", "Role/fails"),
        ("y", "Role/broken"),
        ("z", "Role/unread"),
    ];
    check(&book, json!({}), &before, &after, &[("unread", Reason::RoleUnreadable)]);
    assert_eq!(roles(&book, &user(json!({})), &[]).rule_errors, ["fails"]);
    // Membership by assignment ends with the assignment, whatever the rule.
    check(&book, json!({}), &[("fails", "Assigned"), ("unread", "Assigned")], &[], &[]);
    let kept = [("unread", "Assigned"), ("z", "Role/unread")];
    let previous = [("unread", "Assigned"), ("z", "Role/unread")];
    check(&book, assigned(&["unread"]), &previous, &kept, &[("unread", Reason::RoleUnreadable)]);
    assert_eq!(book.problems("broken")[0].0, Reason::InvalidExpression);
    assert_eq!(book.problems("unread")[0].0, Reason::RoleUnreadable);
}

#[test]
fn circles_count_once() {
    let book = book(&[
        ("a", json!({"includes": ["b"]})),
        ("b", json!({"includes": ["c"]})),
        ("c", json!({"includes": ["a", "c"]})),
        ("d", json!({"includes": ["a"]})),
    ]);
    check(&book, assigned(&["b"]), &[], &[("a", "Role/c"), ("b", "Assigned"), ("c", "Role/b")], &[]);
    let circle = (Reason::RoleCycle, "the Role includes itself: a → b → c → a".to_owned());
    assert_eq!(book.problems("a"), [circle]);
    assert_eq!(book.problems("c")[0].1, "the Role includes itself: c → c");
    assert!(book.problems("d").is_empty());
}

#[test]
fn of_two_in_conflict_one_stays() {
    let book = book(&[
        ("buyer", json!({"conflictsWith": ["payer"], "includes": ["orders", "mail"]})),
        ("payer", json!({"includes": ["ledger", "mail"]})),
        ("orders", json!({})),
        ("ledger", json!({})),
        ("mail", json!({})),
        ("all", json!({"includes": ["buyer", "payer"]})),
    ]);
    let both = assigned(&["payer", "buyer"]);
    let buyer = [("buyer", "Assigned"), ("mail", "Role/buyer"), ("orders", "Role/buyer")];
    let payer = [("ledger", "Role/payer"), ("mail", "Role/payer"), ("payer", "Assigned")];
    check(&book, both.clone(), &[], &buyer, &[("payer", Reason::RoleConflict)]);
    check(&book, both, &[("payer", "Rule")], &payer, &[("buyer", Reason::RoleConflict)]);
    let dated = json!({"roles": [
        {"name": "buyer", "from": "1970-01-03T00:00:00Z"}, {"name": "payer", "from": "1970-01-02T00:00:00Z"}
    ]});
    check(&book, dated.clone(), &[], &payer, &[("buyer", Reason::RoleConflict)]);
    check(&book, dated, &[("buyer", "Assigned")], &buyer, &[("payer", Reason::RoleConflict)]);
    assert_eq!(book.problems("all")[0].0, Reason::RoleConflict);
}

#[test]
fn what_only_a_withheld_role_brings_disturbs_nobody() {
    // q beats p, which alone brings w, so l has no rival.
    let book = book(&[
        ("p", json!({"includes": ["a-w"]})),
        ("a-w", json!({"conflictsWith": ["l"]})),
        ("l", json!({})),
        ("b-q", json!({"conflictsWith": ["p"]})),
    ]);
    let effective = [("b-q", "Assigned"), ("l", "Assigned")];
    check(&book, assigned(&["p", "l", "b-q"]), &[], &effective, &[("p", Reason::RoleConflict)]);
}

#[test]
fn cases_are_run() {
    let case =
        |name: &str, user: Value, matches: bool| json!({"name": name, "user": user, "matches": matches});
    let spec = json!({"match": "user.department.startsWith('S')", "cases": [
        case("good", json!({"department": "Sales"}), true),
        case("bad", json!({"department": "Sales"}), false),
        case("absent", json!({}), false),
        case("typo", json!({"departmnt": "Sales"}), true)
    ]});
    let book = book(&[("a", spec), ("b", json!({"cases": [case("none", json!({}), true)]}))]);
    let failed = book.run_cases("a");
    assert_eq!(failed.len(), 3, "{failed:?}");
    assert_eq!(failed[0], "case `bad`: the rule matches and should not");
    assert!(failed[1].starts_with("case `absent`: a value is of the wrong type"));
    assert!(failed[2].contains("departmnt"));
    assert_eq!(book.run_cases("b"), ["case `none`: the rule does not match and should"]);
}

const NAMES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

fn some_names() -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![2 => Just(Vec::new()), 3 => prop::sample::subsequence(NAMES.to_vec(), 0..3)]
}

fn role() -> impl Strategy<Value = Value> {
    let rule = prop::sample::select(vec![
        None,
        None,
        Some("user.department == 'Sales'"),
        Some("user.title.contains('a')"),
        Some("user.title == 5 -"),
    ]);
    let known = (rule, some_names(), some_names()).prop_map(|(rule, includes, conflicts)| {
        let mut spec = json!({"includes": includes, "conflictsWith": conflicts});
        if let Some(source) = rule {
            spec["match"] = json!(source);
        }
        spec
    });
    prop_oneof![8 => known, 1 => Just(Value::Null)]
}

fn assignment() -> impl Strategy<Value = Value> {
    let date = || prop::option::of(6_i64..14);
    (prop::sample::select(NAMES.to_vec()), prop::bool::weighted(0.2), date(), date()).prop_map(|(name, deny, from, until)| {
        json!({
            "name": name, "effect": if deny { "Deny" } else { "Grant" },
            "from": from.map(|from| day(from).to_string()), "until": until.map(|until| day(until).to_string())
        })
    })
}

#[derive(Clone, Debug)]
struct Given {
    roles: Vec<(&'static str, Value)>,
    spec: UserSpec,
    previous: Vec<EffectiveRole>,
}

fn given() -> impl Strategy<Value = Given> {
    let via = prop::sample::select(vec!["Assigned", "Rule", "Role/a", "Role/b", "Role/c"]);
    (
        prop::collection::vec(role(), 7),
        prop::collection::vec(assignment(), 0..5),
        prop::option::of(prop::sample::select(vec!["Sales", "IT"])),
        prop::option::of(prop::sample::select(vec!["a", "b"])),
        prop::sample::subsequence(NAMES.to_vec(), 0..6),
        prop::collection::vec(via, 7),
    )
        .prop_map(|(roles, assignments, department, title, before, vias)| Given {
            // One of the names is never there.
            roles: NAMES[..6].iter().copied().zip(roles).collect(),
            spec: user(json!({"roles": assignments, "department": department, "title": title})),
            previous: had(&before.into_iter().zip(vias).collect::<Vec<_>>()),
        })
}

fn solve(given: &Given, now: Timestamp) -> Roles {
    effective_roles(&given.spec, &Scope::of(&given.spec), &book(&given.roles), &given.previous, now)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn order_does_not_matter(
        (given, mixed) in given().prop_flat_map(|given| {
            let roles = Just(given.roles.clone()).prop_shuffle();
            let assignments = Just(given.spec.roles.clone()).prop_shuffle();
            let previous = Just(given.previous.clone()).prop_shuffle();
            (Just(given), roles, assignments, previous)
        }).prop_map(|(given, roles, assignments, previous)| {
            let spec = UserSpec { roles: assignments, ..given.spec.clone() };
            (given, Given { roles, spec, previous })
        })
    ) {
        prop_assert_eq!(solve(&given, day(10)), solve(&mixed, day(10)));
    }

    #[test]
    fn roles_are_what_they_must_be(given in given()) {
        let book = book(&given.roles);
        let result = solve(&given, day(10));
        let names: BTreeSet<&str> = result.effective.iter().map(|role| role.name.as_str()).collect();
        prop_assert_eq!(names.len(), result.effective.len());
        let counts = |effect: RoleEffect| given.spec.roles.iter().filter(move |role| {
            role.effect == effect && role.from.is_none_or(|f| f <= day(10)) && role.until.is_none_or(|u| u > day(10))
        }).map(|role| role.name.as_str());
        let denied: BTreeSet<&str> = counts(RoleEffect::Deny).collect();
        prop_assert!(names.is_disjoint(&denied), "a Deny always wins");
        for role in &result.effective {
            prop_assert!(book.contains(&role.name));
            let is_assigned = counts(RoleEffect::Grant).any(|name| name == role.name);
            prop_assert_eq!(role.via == "Assigned", is_assigned);
            if let Some(by) = role.via.strip_prefix("Role/") {
                prop_assert!(names.contains(by), "{} via nobody's {}", role.name, by);
            }
            for other in &names {
                prop_assert!(!book.conflict(&role.name, other), "{} beside {}", role.name, other);
            }
            let withheld = |name: &str| names.iter().any(|other| book.conflict(name, other));
            for include in book.known(&role.name).into_iter().flat_map(|known| &known.includes) {
                let include = include.as_str();
                let there = names.contains(include) || denied.contains(include) || !book.contains(include);
                prop_assert!(there || withheld(include), "{} lacks {}", role.name, include);
            }
        }
        for issue in result.issues.iter().filter(|issue| issue.reason == Reason::RoleConflict) {
            prop_assert!(!names.contains(issue.role.as_str()));
        }
    }

    #[test]
    fn looking_again_changes_nothing(given in given()) {
        let first = solve(&given, day(10));
        let again = Given { previous: first.effective.clone(), ..given };
        prop_assert_eq!(solve(&again, day(10)).effective, first.effective);
    }

    #[test]
    fn nothing_changes_before_next(given in given(), now in 5_i64..15, wait in 0_i64..10) {
        let first = solve(&given, day(now));
        prop_assert!(first.next.is_none_or(|next| next > day(now)));
        if first.next.is_none_or(|next| day(now + wait) < next) {
            prop_assert_eq!(solve(&given, day(now + wait)), first);
        }
    }

    #[test]
    fn problems_and_cases_are_total(given in given()) {
        let book = book(&given.roles);
        for name in NAMES {
            book.problems(name);
            book.run_cases(name);
        }
    }
}
