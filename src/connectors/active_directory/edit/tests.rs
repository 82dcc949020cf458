use rstest::rstest;
use serde_json::json;

use super::*;

const GUID: &str = "00112233-4455-6677-8899-aabbccddeeff";

fn change(attribute: &str, value: Value) -> Change {
    Change { attribute: attribute.to_owned(), value: (!value.is_null()).then_some(value) }
}

fn entry(values: &[(&str, &str)]) -> Entry {
    let mut entry = Entry::default();
    for (name, value) in values {
        entry.put(name, name, vec![value.as_bytes().to_vec()]);
    }
    entry
}

/// What would be written to Ann, whose login is `ann`.
fn written(
    present: &[(&str, &str)],
    attribute: &str,
    value: Value,
) -> Result<Vec<(String, Vec<String>)>, Failure> {
    let entry = entry(present);
    let before = Before { uac: Uac::NEW, login: "ann", entry: Some(&entry) };
    let edit = Edit::plan(before, &[change(attribute, value)], "x.example", &Profile::default())?;
    let name = edit.name.map(|name| ("name".to_owned(), vec![name]));
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    let modified =
        edit.modifications.into_iter().map(|m| (m.attribute, m.values.into_iter().map(text).collect()));
    Ok(modified.chain(name).collect())
}

fn one(attribute: &str, value: &str) -> Vec<(String, Vec<String>)> {
    vec![(attribute.to_owned(), vec![value.to_owned()])]
}

#[rstest]
#[case(&[("title", "Boss")], "title", json!("Boss"), vec![])]
#[case(&[("title", "Boss")], "TITLE", json!("boss"), one("TITLE", "boss"))]
#[case(&[("title", "Boss")], "title", json!(null), vec![("title".to_owned(), vec![])])]
#[case(&[], "title", json!(null), vec![])]
#[case(&[("countryCode", "49")], "countryCode", json!(49), vec![])]
#[case(&[("accountExpires", "0")], "accountExpires", json!(null), vec![])]
#[case(&[("accountExpires", "9223372036854775807")], "accountExpires", json!("never"), vec![])]
#[case(&[("accountExpires", "133536384000000000")], "accountExpires", json!("2024-02-29T01:00:00+01:00"), vec![])]
#[case(&[("accountExpires", "0")], "accountExpires", json!("2024-02-29T00:00:00Z"), one("accountExpires", "133536384000000000"))]
#[case(&[("pwdLastSet", "133536384000000000")], "pwdLastSet", json!("-1"), vec![])]
#[case(&[("pwdLastSet", "133536384000000000")], "pwdLastSet", json!("0"), one("pwdLastSet", "0"))]
#[case(&[], "manager", json!(GUID), one("manager", "<GUID=00112233-4455-6677-8899-aabbccddeeff>"))]
#[case(&[("manager", "<GUID=00112233-4455-6677-8899-aabbccddeeff>;CN=Boss,DC=x")], "manager", json!(GUID), vec![])]
#[case(&[("manager", "<GUID=10112233-4455-6677-8899-aabbccddeeff>;CN=Boss,DC=x")], "manager", json!("cn=boss, dc=x"), vec![])]
#[case(&[], "userAccountControl.smartcardRequired", json!(true), one("userAccountControl", "262656"))]
#[case(&[], "userAccountControl.smartcardRequired", json!("FALSE"), vec![])]
#[case(&[("cn", "Ann")], "cn", json!("Ann"), vec![])]
#[case(&[("cn", "Ann (ann)")], "cn", json!("Ann"), vec![])]
#[case(&[("cn", "Ann")], "cn", json!("Ann Smith"), one("name", "Ann Smith"))]
#[case(&[("cn", "Ann")], "cn", json!(null), vec![])]
#[case(&[], "sAMAccountName", json!("anna"), one("sAMAccountName", "anna"))]
fn only_what_differs_is_written(
    #[case] present: &[(&str, &str)],
    #[case] attribute: &str,
    #[case] value: Value,
    #[case] expected: Vec<(String, Vec<String>)>,
) {
    assert_eq!(written(present, attribute, value), Ok(expected));
}

#[test]
fn the_principal_name_follows_the_login_as_long_as_it_did() {
    let followed =
        written(&[("userPrincipalName", "ANN@x.example")], "sAMAccountName", json!("anna")).unwrap();
    assert_eq!(followed[1], ("userPrincipalName".to_owned(), vec!["anna@x.example".to_owned()]));
    let other =
        written(&[("userPrincipalName", "ann.smith@x.example")], "sAMAccountName", json!("anna")).unwrap();
    assert_eq!(other.len(), 1);
}

#[rstest]
#[case("sAMAccountName", json!("a/b"), Reason::Rejected)]
#[case("sAMAccountName", json!("x".repeat(21)), Reason::Rejected)]
#[case("cn", json!("a\0b"), Reason::Rejected)]
#[case("accountExpires", json!("tomorrow"), Reason::Rejected)]
#[case("pwdLastSet", json!("1"), Reason::Rejected)]
#[case("userAccountControl.smartcardRequired", json!("perhaps"), Reason::Rejected)]
#[case("title", json!({}), Reason::Rejected)]
#[case("userAccountControl", json!("514"), Reason::InvalidConfiguration)]
#[case("unicodePwd", json!("canary-password"), Reason::InvalidConfiguration)]
#[case("userPassword", json!("canary-password"), Reason::InvalidConfiguration)]
#[case("memberOf", json!("CN=G"), Reason::InvalidConfiguration)]
fn what_cannot_be_written_is_named(#[case] attribute: &str, #[case] value: Value, #[case] reason: Reason) {
    let failure = written(&[], attribute, value).unwrap_err();
    assert_eq!((failure.class, failure.reason), (FailureClass::Permanent, reason));
    let plain = attribute.split('.').next().unwrap();
    assert!(failure.message.contains(plain) && !failure.message.contains("canary"), "{}", failure.message);
}

#[test]
fn a_new_account_is_in_use_and_has_both_logins() {
    let before = Before { uac: Uac::NEW, login: "", entry: None };
    let changes = [change("sAMAccountName", json!("ann")), change("employeeNumber", json!("E-1"))];
    let edit = Edit::plan(before, &changes, "x.example", &Profile::default()).unwrap();
    assert_eq!(edit.text("userPrincipalName"), Some("ann@x.example"));
    assert_eq!(edit.text("userAccountControl"), Some("512"));
    assert_eq!(edit.text("employeeNumber"), Some("E-1"));
}
