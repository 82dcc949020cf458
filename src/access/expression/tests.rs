use std::time::Instant;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::access::tests::arbitrary;

fn ann() -> UserSpec {
    serde_json::from_value(json!({
        "personId": "4711", "userName": "Ann.Jürgens", "name": {"givenName": "Ann", "familyName": "Jürgens"},
        "department": "Sales", "emails": [{"value": "ann@example.com", "primary": true}, {"value": "a@home.example"}],
        "attributes": {"floor": "3"}, "roles": [{"name": "crm"}]
    }))
    .unwrap()
}

fn value(source: &str) -> Result<Json, String> {
    let base = Scope::of(&ann());
    let scope = base.within("crm", ["crm", "sales"].into_iter());
    let expression = Expression::compile(source).map_err(|error| format!("compile: {error}"))?;
    expression.evaluate(&scope).map_err(|error| format!("evaluate: {error}"))
}

fn values() -> Vec<(&'static str, Json)> {
    vec![
        ("user.department == 'Sales'", json!(true)),
        ("user.division == 'Sales'", json!(false)),
        ("user.division", json!(null)),
        ("user.name.formatted", json!(null)),
        ("has(user.department)", json!(true)),
        ("has(user.division)", json!(false)),
        ("has(user.phoneNumbers)", json!(false)),
        ("has(user.emails)", json!(true)),
        ("has(user.attributes.floor) && !has(user.attributes.door)", json!(true)),
        ("has(user.division) ? user.division : 'none'", json!("none")),
        ("user.attributes.floor + '/' + user.attributes['floor']", json!("3/3")),
        ("'floor' in user.attributes && 'sales' in roles", json!(true)),
        (
            "(user.name.givenName + '.' + user.name.familyName).lowerAscii().replace('ü', 'ue')",
            json!("ann.juergens"),
        ),
        ("[user.name.givenName, user.name.formatted].filter(n, n != null).join(' ')", json!("Ann")),
        ("user.emails.filter(e, e.primary).map(e, e.value)", json!(["ann@example.com"])),
        ("user.emails.map(e, !e.primary, e.value)", json!(["a@home.example"])),
        ("user.emails.exists(e, e.type == 'work')", json!(false)),
        ("user.emails.all(e, e.value.contains('@'))", json!(true)),
        ("user.emails.exists_one(e, e.primary)", json!(true)),
        ("user.emails[0].value.split('@')[0]", json!("ann")),
        ("user.name.familyName.size()", json!(7)),
        ("user.name.familyName.substring(0, size(user.name.familyName))", json!("Jürgens")),
        ("user.userName.matches('^Ann[.]')", json!(true)),
        (
            "user.emails.map(e, e.value.matches('home') && e.value.matches('[.]example$'))",
            json!([false, true]),
        ),
        ("sets.intersects(roles, ['sales', 'hr'])", json!(true)),
        ("{'b': 1, 'a': [app, null, 1.5]}", json!({"a": ["crm", null, 1.5], "b": 1})),
        ("user.state + user.roles[0].effect", json!("ActiveGrant")),
        ("user.startTime == null && user.manager == null", json!(true)),
        ("'it\\'s' == 'x' // no !! here\n", json!(false)),
        ("'--!!'", json!("--!!")),
    ]
}

#[test]
fn gives_values() {
    assert_eq!(value("r'\\'.size() + \"a'b\".size()"), Ok(json!(4)));
    assert_eq!(value("1 - 2 != -1"), Ok(json!(false)));
    for (source, expected) in values() {
        assert_eq!(value(source), Ok(expected), "{source}");
    }
}

/// Expressions, and a part of what is said of them (`|`: either).
const REFUSED: &[(&str, &str)] = &[
    ("user.departmnt == 'x'", "no field `departmnt`"),
    ("user.name.first", "the fields are givenName"),
    ("user.department.name", "single value"),
    ("user.emails.value", "asks a list"),
    ("user.title[0]", "single value"),
    ("person.title", "`person` is not known"),
    ("user.title.lower()", "no function `lower`"),
    ("_foo(1)", "no function `_foo`"),
    ("timestamp(user.startTime)", "no function `timestamp`"),
    ("lists.range(1000000)", "`lists` is not known|no function `range`"),
    ("!!user.department", "two `!`"),
    ("! ! true", "two `!`"),
    ("--1", "two `-`"),
    ("-size(user.title) < 0", "0 - x"),
    ("Thing{a: 1}", "use a map"),
    ("b'abc'", "bytes"),
    ("user.department ==", "line 1, column 19"),
    ("", "line 1"),
    ("user.attributes.map(k, k)", "no fixed order"),
    ("[] + user.attributes", "maps"),
    ("user.title.matches(user.department)", "must be a literal"),
    ("user.title.matches('(')", "no regular expression"),
    ("user.title.matches('\\\\w{300}')", "too large"),
    ("user.emails.map(a, user.emails.map(b, user.emails.map(c, 1)))", "nests loops"),
    ("user.emails.map(a, user.emails.map(b, a.value + b.value)).map(x, x.join().split(''))", "can "),
    ("user.title.replace('', user.title).replace('', user.title)", "can build a text"),
    ("user.roles.map(r, r.reason).join(',').indexOf(user.roles.map(r, r.name).join(','))", "can cost"),
    ("user.roles.exists(r, user.attributes.exists(a, user.attributes[a].indexOf(r.reason) > 0))", "can cost"),
    ("has((has(user.name.formatted) ? user : user).name)", "has() inside"),
    ("lowerAscii('x')", "x.lowerAscii()"),
    ("'1'.int()", "int(x)"),
    ("'1'.trim(2)", "too few or too many"),
    ("user.x-y", "no field `x`"),
    ("user.attributes.`x-y`", "['x-y']"),
];

#[test]
fn refuses_with_the_reason() {
    let deep = format!("{}1{}", "(".repeat(33), ")".repeat(33));
    let long = format!("'{}'", "ä".repeat(4095));
    let wide = format!("[{}]", "1,".repeat(1000) + "1");
    let chain = format!("user.department{}", ".trim()".repeat(70));
    let sized: [(&str, &str); 4] = [
        (&deep, "deeper than 32"),
        (&long, "longer than"),
        (&wide, "more than 1000 parts"),
        (&chain, "nests deeper"),
    ];
    for (source, expected) in REFUSED.iter().chain(&sized) {
        let error = Expression::compile(source).map_or_else(|e| e.to_string(), |_| "compiled".to_owned());
        assert!(expected.split('|').any(|part| error.contains(part)), "{source:.80}: {error}");
    }
    let error = Expression::compile_rule("'crm' in roles").unwrap_err().to_string();
    assert_eq!(error, "`roles` is not known here: there is user");
}

#[test]
fn accepts_what_people_write() {
    for source in [
        "roles.filter(r, r.startsWith('app-')).map(r, r.substring(4))",
        "user.roles.exists(r, r.name in ['a', 'b'] && user.emails.exists(e, e.value.endsWith(r.name)))",
        "[user.userName, user.userName + '1', user.userName + '2'].map(l, l.lowerAscii().replace(' ', '.'))",
        "user.displayName.lowerAscii().replace('ä','ae').replace('ö','oe').replace('ü','ue').replace('ß','ss').replace('é','e').replace(' ','-')",
        "user.addresses.map(a, {'street': a.streetAddress, 'country': has(a.country) ? a.country : 'DE'})",
        "'cn={x},ou=people'.replace('{x}', user.displayName)",
        "user.emails.map(e, e.value).distinct()",
    ] {
        Expression::compile(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    }
}

/// Whatever the nesting, neither parser nor evaluator may leave a thread's stack (2 MiB by default; less here).
#[test]
fn deep_expressions_fit_on_the_stack() {
    let chains = [
        ("1".to_owned(), "+1"),
        ("user".to_owned(), ".a"),
        ("user".to_owned(), "[0]"),
        ("a".to_owned(), ".b()"),
        ("a".to_owned(), "<a"),
        ("a".to_owned(), "?a:a"),
        ("a".to_owned(), "||a"),
        ("!".to_owned(), "a"),
    ];
    let whole =
        chains.map(|(start, link)| format!("{start}{}", link.repeat((4096 - start.len()) / link.len())));
    let nested = ["(", "[", "{1:", "size(", "-(", "!("].map(|open| open.repeat(4096 / open.len()));
    let fitting = [
        format!("user.department{}", ".trim()".repeat(60)),
        format!("{}true{}", "(true?".repeat(30), ":true)".repeat(30)),
        format!("{}1{}", "[".repeat(30), "]".repeat(30)),
        format!("1{}", "+1".repeat(60)),
    ];
    let check = move || {
        for source in whole.iter().chain(&nested) {
            let _ = Expression::compile(source);
        }
        for source in &fitting {
            value(source).unwrap();
        }
    };
    std::thread::Builder::new().stack_size(768 * 1024).spawn(check).unwrap().join().unwrap();
}

#[test]
fn errors_name_no_values() {
    for (source, expected) in [
        ("{'a': 1}[user.department]", "a key that is looked up is not there"),
        ("user.attributes.door", "there is no `door`"),
        ("user.department + user.division", "cannot add string and null"),
        ("user.division.startsWith('x')", "wrong type"),
        ("!user.division.contains('x')", "`contains` cannot be applied"),
        ("user.department.contains(user.division)", "`contains` cannot be applied"),
        ("int(user.department)", "`int` cannot be applied"),
        ("[user.division, 'x'].join('')", "`join` cannot be applied"),
        ("user.department < 3", "wrong type"),
        ("user.department ? 1 : 2", "wrong type"),
        ("user.department.substring(9)", "`substring` cannot be applied"),
        ("user.emails[7]", "an index is beyond"),
        ("[user.department][0][0]", "single value"),
        ("9223372036854775807 + size(user.department)", "too large"),
        ("1 / (size(user.department) - 5)", "division by zero"),
        ("double('NaN')", "no JSON value"),
    ] {
        let error = value(source).unwrap_err();
        assert!(error.contains(expected), "{source}: {error}");
        assert!(!error.contains("Sales"), "{error}");
    }
    let not_bool = Expression::compile("user.department").unwrap().evaluate_bool(&Scope::of(&ann()));
    assert_eq!(not_bool.unwrap_err().to_string(), "gives string, not true or false");
}

#[test]
fn the_fields_of_user_are_those_of_a_spec() {
    let full = json!({
        "personId": "1", "userName": "u", "name": {"givenName": "g", "familyName": "f", "formatted": "g f"},
        "displayName": "d", "emails": [{"value": "v", "type": "t", "primary": true}],
        "phoneNumbers": [{"value": "v", "type": "t", "primary": false}],
        "addresses": [{"type": "t", "streetAddress": "s", "locality": "l", "region": "r", "postalCode": "p", "country": "DE"}],
        "title": "t", "department": "d", "division": "d", "organization": "o", "costCenter": "c", "employeeType": "e",
        "employeeNumber": "n", "manager": "m", "locale": "de", "timezone": "UTC", "preferredLanguage": "de",
        "attributes": {"a": "b"}, "state": "Active", "startTime": "2026-01-01T00:00:00Z",
        "endTime": "2027-01-01T00:00:00Z",
        "roles": [{"name": "r", "effect": "Deny", "from": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z", "reason": "x"}]
    });
    let spec: UserSpec = serde_json::from_value(full.clone()).unwrap();
    let shown = Expression::compile("user").unwrap().evaluate(&Scope::of(&spec)).unwrap();
    assert_eq!(shown, full);
    // What a spec can say is what is shown: a new field must be added here, in USER and in user().
    let properties = serde_json::to_value(schemars::schema_for!(UserSpec)).unwrap()["properties"].clone();
    let mut known: Vec<_> = properties.as_object().unwrap().keys().cloned().collect();
    let mut named: Vec<_> = schema::USER.iter().map(|(name, _)| (*name).to_owned()).collect();
    known.sort();
    named.sort();
    assert_eq!(known, named);
}

#[test]
fn samples_are_checked() {
    let of = |sample: Json| {
        let Json::Object(sample) = sample else { panic!("no object") };
        Scope::of_sample(&sample)
            .and_then(|scope| Expression::compile("user.department").unwrap().evaluate(&scope))
            .map_err(|error| error.to_string())
    };
    assert_eq!(of(json!({"department": "x"})), Ok(json!("x")));
    assert_eq!(of(json!({})), Ok(json!(null)));
    assert!(of(json!({"departmnt": "x"})).unwrap_err().contains("departmnt"));
    assert!(of(json!({"department": 5})).unwrap_err().contains("wrong type"));
    assert!(of(json!({"department": "x".repeat(2000)})).unwrap_err().contains("larger"));
    assert!(of(json!({"emails": vec![json!({"value": "x"}); 65]})).unwrap_err().contains("larger"));
}

/// Text that is nearly CEL.
fn nearly_cel() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "user",
        ".",
        "department",
        "emails",
        "attributes",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "'",
        "\"",
        "x",
        "map",
        "e",
        ",",
        "!",
        "-",
        "+",
        "?",
        ":",
        "==",
        "&&",
        "||",
        "in",
        "1",
        "2.5",
        "9223372036854775807",
        "null",
        "true",
        "has",
        "r'",
        "'''",
        "//",
        "\n",
        "\\",
        "`",
        "ü",
        "roles",
        "exists",
        " ",
        "size",
        "b'",
        "1u",
    ]);
    prop::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn any_text_compiles_or_is_refused(source in prop_oneof![nearly_cel(), ".{0,80}"]) {
        if let Ok(expression) = Expression::compile(&source) {
            let scope = Scope::of(&ann());
            let _ = expression.evaluate(&scope.within("app", std::iter::empty()));
        }
    }

    #[test]
    fn evaluating_is_total_and_repeatable(source in arbitrary::expression(), spec in arbitrary::user()) {
        if let Ok(expression) = Expression::compile(&source) {
            let base = Scope::of(&spec);
            let scope = base.within("app", ["a", "b"].into_iter());
            let again = Scope::of(&spec);
            let again = again.within("app", ["a", "b"].into_iter());
            let result = expression.evaluate(&scope);
            prop_assert_eq!(&result, &expression.evaluate(&again));
            // The words for a panic that was caught.
            prop_assert!(result.err().is_none_or(|error| error.to_string() != "cannot be evaluated"));
        }
    }
}

/// The dearest expressions that compile, for the largest person that admission lets in.
#[test]
fn what_compiles_is_quick() {
    let text = "ä".repeat(250);
    let contact = json!({"value": text, "type": "work", "primary": true});
    let role = json!({"name": "r".repeat(250), "reason": text});
    let largest = serde_json::from_value(json!({
        "personId": "1", "userName": text, "department": text, "emails": vec![contact.clone(); 16],
        "phoneNumbers": vec![contact; 16], "roles": vec![role; 64],
        "attributes": (0..64).map(|i| (format!("a{i}"), "x".repeat(1024))).collect::<std::collections::BTreeMap<_, _>>(),
    }))
    .unwrap();
    let base = Scope::of(&largest);
    let names: Vec<String> = (0..256).map(|i| format!("{i:0>250}")).collect();
    let scope = base.within("app", names.iter().map(String::as_str));
    for source in [
        "roles.filter(r, r.startsWith('0')).map(r, r.substring(4))",
        "roles.filter(r, roles.exists(s, s == r))",
        "user.roles.map(r, user.emails.map(e, e.value))",
        "user.roles.filter(r, user.roles.exists(s, s.reason != r.reason))",
        "roles.distinct()",
        "user.emails.map(e, user.attributes.a1.indexOf(e.value))",
        "user.roles.exists(r, r.reason.matches('(?i)x.*y.*z'))",
    ] {
        match Expression::compile(source) {
            Ok(expression) => {
                let began = Instant::now();
                let _ = expression.evaluate(&scope);
                let took = began.elapsed();
                println!("{took:?}: {source}");
                // Unoptimised, on a machine that has other work.
                assert!(took.as_millis() < 2000, "{source} took {took:?}");
            }
            Err(error) => println!("refused: {source}: {error}"),
        }
    }
}
