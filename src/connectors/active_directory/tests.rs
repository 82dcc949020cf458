use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::access::{AppRules, BindingRules, Grant, Scope, desired_account};
use crate::api::{AppBindingSpec, EffectiveRole, UserSpec};

fn spec(extra: &Value) -> ActiveDirectoryConnector {
    let reference = |key: &str| json!({ "name": "app", "key": key });
    let mut spec = json!({
        "servers": ["ldaps://dc1.corp.example.com"],
        "bind": { "usernameSecretRef": reference("username"), "passwordSecretRef": reference("password") },
        "domain": "corp.example.com",
    });
    if let (Value::Object(spec), Value::Object(extra)) = (&mut spec, extra) {
        spec.extend(extra.clone());
    }
    serde_json::from_value(spec).unwrap()
}

#[test]
fn places_have_defaults() {
    let places = Places::new(&spec(&json!({}))).ok().unwrap();
    assert_eq!(places.domain.to_string(), "DC=corp,DC=example,DC=com");
    assert!(places.base.same(&places.domain) && places.groups.same(&places.domain));
    assert_eq!(places.new_accounts.to_string(), "CN=Users,DC=corp,DC=example,DC=com");
    assert_eq!(places.new_groups.to_string(), "CN=Users,DC=corp,DC=example,DC=com");
    let staff = Places::new(&spec(&json!({ "baseDn": "ou=Staff,dc=corp,dc=example,dc=com" }))).ok().unwrap();
    assert!(staff.new_accounts.same(&staff.base));
}

#[rstest]
#[case(json!({ "baseDn": "OU=Staff,DC=other,DC=com" }), "baseDn")]
#[case(json!({ "baseDn": "no name" }), "baseDn")]
#[case(json!({ "baseDn": "OU=A,DC=corp,DC=example,DC=com", "newAccountsDn": "OU=B,DC=corp,DC=example,DC=com" }), "newAccountsDn")]
#[case(
    json!({ "baseDn": "OU=A,DC=corp,DC=example,DC=com", "suspension": { "leaversDn": "OU=B,DC=corp,DC=example,DC=com" } }),
    "leaversDn"
)]
#[case(
    json!({ "newAccountsDn": "OU=A,OU=T0,DC=corp,DC=example,DC=com", "protectedDns": ["OU=T0,DC=corp,DC=example,DC=com"] }),
    "protectedDns"
)]
fn places_that_make_no_sense_are_named(#[case] extra: Value, #[case] field: &str) {
    let failure = Places::new(&spec(&extra)).err().unwrap();
    assert_eq!(failure.reason, Reason::InvalidConfiguration);
    assert!(failure.message.contains(field), "{}", failure.message);
}

#[test]
fn what_lies_beneath_is_protected() {
    let places =
        Places::new(&spec(&json!({ "protectedDns": ["OU=T0,DC=corp,DC=example,DC=com"] }))).ok().unwrap();
    let protects = |dn: &str| places.protects(&Dn::parse(dn).unwrap());
    assert!(protects("CN=a,OU=x,ou=t0,dc=corp,dc=example,dc=com"));
    assert!(protects("CN=DC1,OU=Domain Controllers,DC=corp,DC=example,DC=com"));
    assert!(!protects("CN=a\\,OU\\=T0,DC=corp,DC=example,DC=com"));
}

/// The attributes of a person by default.
fn by_default(user: &Value) -> (Vec<String>, std::collections::BTreeMap<String, Value>) {
    let (rules, problems) = AppRules::compile(&TRAITS, &[]);
    assert_eq!(problems, []);
    let binding: AppBindingSpec =
        serde_json::from_value(json!({ "roleRef": { "name": "r" }, "appRef": { "name": "app" } })).unwrap();
    let (binding, _) = BindingRules::compile("b", &binding);
    let user: UserSpec = serde_json::from_value(user.clone()).unwrap();
    let held = [EffectiveRole { name: "r".to_owned(), via: "Rule".to_owned() }];
    match desired_account("app", &rules, &[&binding], &held, &Scope::of(&user)).grant {
        Grant::Yes(account) => {
            let attributes = account.attributes.into_iter().filter(|(_, want)| !want.value.is_null());
            (account.logins, attributes.map(|(name, want)| (name, want.value)).collect())
        }
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case("ann", "ann")]
#[case("ann.smith@example.com", "ann.smith")]
#[case("maximilian.mustermann-meier", "maximilian.musterman")]
fn logins_are_short_and_without_domain(#[case] user_name: &str, #[case] login: &str) {
    let (logins, attributes) = by_default(&json!({ "personId": "1", "userName": user_name }));
    assert_eq!(logins, [login]);
    assert_eq!(attributes, [(NAMING.to_owned(), json!(user_name))].into());
}

#[test]
fn of_several_values_the_one_that_a_domain_keeps() {
    let (_, attributes) = by_default(&json!({
        "personId": "1", "userName": "ann", "displayName": "Ann Smith",
        "emails": [{ "value": "a@x.example" }, { "value": "b@x.example", "primary": true }],
        "phoneNumbers": [{ "value": "1", "type": "mobile" }, { "value": "2", "type": "work" }, { "value": "3" }],
    }));
    let of = |name: &str| attributes.get(name).cloned().unwrap_or_default();
    assert_eq!(of("mail"), json!("b@x.example"));
    assert_eq!((of("telephoneNumber"), of("mobile")), (json!("2"), json!("1")));
    assert_eq!((of(NAMING), of("displayName")), (json!("Ann Smith"), json!("Ann Smith")));
}
