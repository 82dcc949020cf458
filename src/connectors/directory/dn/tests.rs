use std::str::FromStr;

use proptest::prelude::*;
use rstest::rstest;
use x509_cert::name::RdnSequence;

use super::*;

const PEOPLE: &str = "ou=people,dc=example,dc=com";

/// Characters that mean something to somebody, and some that do not.
fn hostile() -> impl Strategy<Value = String> {
    let special = prop::sample::select(
        " ,+\"\\<>;=#*()\0\n\t/'`|&!~:%äßé漢😀İ\u{301}\u{200b}a1".chars().collect::<Vec<_>>(),
    );
    let any = prop_oneof![4 => special, 1 => any::<char>()];
    prop::collection::vec(any, 1..70).prop_map(|characters| characters.into_iter().collect())
}

proptest! {
    /// A library that is none of ours reads back exactly the value, and the entries above are what they were.
    #[test]
    fn a_value_is_never_anything_but_a_value(value in hostile()) {
        let base = Dn::parse(PEOPLE).unwrap();
        let text = base.child("cn", &value).to_string();
        let read = RdnSequence::from_str(&text).unwrap();
        prop_assert_eq!(read.0.len(), 4, "{}", text);
        let own: Vec<_> = read.0[3].0.iter().collect();
        prop_assert_eq!(own.len(), 1, "{}", &text);
        prop_assert_eq!(own[0].oid.to_string(), "2.5.4.3");
        prop_assert_eq!(own[0].value.value(), value.as_bytes(), "{}", &text);
        prop_assert!(text.ends_with(PEOPLE));
    }

    #[test]
    fn what_is_written_is_read(value in hostile()) {
        let name = Dn::parse(PEOPLE).unwrap().child("uid", &value);
        let read = Dn::parse(&name.to_string()).unwrap();
        prop_assert_eq!(read.naming_value("UID"), Some(value.as_str()));
        prop_assert_eq!(&read, &name);
        prop_assert!(read.same(&name) && read.is_within(&Dn::parse(PEOPLE).unwrap()));
        prop_assert_eq!(read.parent(), Dn::parse(PEOPLE).ok());
    }

    #[test]
    fn no_text_breaks_the_reader(text in hostile()) {
        if let Ok(name) = Dn::parse(&text) {
            prop_assert!(Dn::parse(&name.to_string()).is_ok_and(|again| again == name), "{}", name);
        }
    }
}

#[rstest]
#[case::spaces_around("cn = Ann Lee , dc = x", "CN=ann  lee,DC=X", true)]
#[case::escapes("cn=Lee\\, Ann,dc=x", "cn=Lee\\2C Ann,dc=x", true)]
#[case::quotes("cn=\"Lee, Ann\",dc=x", "cn=Lee\\, Ann,dc=x", true)]
#[case::several("cn=a+uid=b,dc=x", "uid=b+cn=a,dc=x", true)]
#[case::hexadecimal("cn=#0401FF,dc=x", "cn=#0401ff,dc=x", true)]
#[case::another("cn=ann,dc=x", "cn=anne,dc=x", false)]
#[case::deeper("cn=ann,dc=x", "cn=ann,ou=y,dc=x", false)]
#[case::escaped_space_counts_for_nothing("cn=ann\\20,dc=x", "cn=ann,dc=x", true)]
fn names_are_compared(#[case] one: &str, #[case] other: &str, #[case] same: bool) {
    assert_eq!(Dn::parse(one).unwrap().same(&Dn::parse(other).unwrap()), same);
}

#[rstest]
#[case("Sales")]
#[case("=x")]
#[case("cn=a,")]
#[case("cn=a,,dc=x")]
#[case("cn=\"a")]
#[case("cn=a\\")]
#[case("cn=a\\g")]
#[case("cn=#4")]
#[case("c n=a")]
fn what_is_no_name_is_refused(#[case] text: &str) {
    assert_eq!(Dn::parse(text), Err(NotADn));
}

#[test]
fn places() {
    let dn = |text| Dn::parse(text).unwrap();
    let ann = dn("uid=ann,ou=people,dc=example");
    assert!(ann.is_within(&dn("OU=People,dc=EXAMPLE")) && ann.is_within(&dn("")) && ann.is_within(&ann));
    assert!(!ann.is_within(&dn("ou=eople,dc=example")) && !dn("dc=example").is_within(&ann));
    assert_eq!(ann.rdn(), "uid=ann");
    assert_eq!(dn("ou=gone,dc=example").prefixed(&ann).to_string(), "uid=ann,ou=gone,dc=example");
    assert_eq!(dn("").parent(), None);
}
