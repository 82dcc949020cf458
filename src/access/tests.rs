//! What the tests of this layer share, and what is true of it as a whole.

pub(super) mod arbitrary;

use std::time::Instant;

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::api::{AppBindingSpec, UserSpec};

static TRAITS: ConnectorTraits = ConnectorTraits {
    login: "userName",
    defaults: &[
        ("userName", "user.userName"),
        ("displayName", "user.displayName"),
        ("name.givenName", "user.name.givenName"),
        ("name.familyName", "user.name.familyName"),
        ("emails", "user.emails.map(e, {'value': e.value, 'type': e.type, 'primary': e.primary})"),
        ("title", "user.title"),
        ("department", "user.department"),
        ("locale", "user.locale"),
    ],
    entitlement_types: &["group"],
    single_valued: &[],
    references: &[],
};

/// One person, 20 Roles with rules, 2 bindings that count: once scope and roles, then an account in each App.
#[test]
fn deciding_is_cheap() {
    let spec: UserSpec = serde_json::from_value(json!({
        "personId": "4711", "userName": "ann", "displayName": "Ann Lee", "name": {"givenName": "Ann", "familyName": "Lee"},
        "emails": [{"value": "ann@example.com", "primary": true}], "title": "Engineer", "department": "d7",
        "employeeType": "Employee", "roles": [{"name": "r1"}]
    }))
    .unwrap();
    let mut book = RoleBook::default();
    for number in 0..20 {
        let rule = format!("user.department == 'd{number}' && user.employeeType == 'Employee'");
        book.insert(&format!("r{number}"), &serde_json::from_value(json!({"match": rule})).unwrap());
    }
    let (app, problems) = AppRules::compile(&TRAITS, &[]);
    assert!(problems.is_empty());
    let binding = |name: &str, role: &str| {
        let group = json!([{"type": "group", "value": name}]);
        let spec = json!({"roleRef": {"name": role}, "appRef": {"name": "app"}, "entitlements": group});
        let spec: AppBindingSpec = serde_json::from_value(spec).unwrap();
        BindingRules::compile(name, &spec).0
    };
    let bindings = [binding("a", "r1"), binding("b", "r7")];
    let bindings: Vec<&BindingRules> = bindings.iter().collect();
    let rounds = 200;
    let (began, mut deciding) = (Instant::now(), std::time::Duration::ZERO);
    for _ in 0..rounds {
        let scope = Scope::of(&spec);
        let roles = effective_roles(&spec, &scope, &book, &[], Timestamp::UNIX_EPOCH);
        assert_eq!(roles.effective.len(), 2);
        let started = Instant::now();
        let account = desired_account("app", &app, &bindings, &roles.effective, &scope);
        assert!(matches!(account.grant, Grant::Yes(_)));
        deciding += started.elapsed();
    }
    let (all, deciding) = (began.elapsed() / rounds, deciding / rounds);
    println!("scope and roles {:?}, one account {deciding:?}", all.saturating_sub(deciding));
    // Unoptimised, on a machine that has other work: a hundred times what it should be.
    assert!(all.as_millis() < 10, "{all:?}");
}
