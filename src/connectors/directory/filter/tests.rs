use ldap3::asn1::{ASNTag, PL, StructureTag};
use proptest::prelude::*;

use super::*;

/// Identifiers of filter choices (RFC 4511 §4.5.1.7).
const AND: u64 = 0;
const EQUALITY: u64 = 3;

fn read(filter: &Filter) -> StructureTag {
    ldap3::parse_filter(filter.to_string()).unwrap().into_structure()
}

fn parts(tag: StructureTag) -> Vec<StructureTag> {
    tag.expect_constructed().unwrap()
}

proptest! {
    /// The parser of `ldap3` finds one comparison, with exactly the value.
    #[test]
    fn a_value_is_never_anything_but_a_value(value in prop::collection::vec(any::<u8>(), 1..80)) {
        let both = Filter::And(vec![Filter::equal("objectClass", "person"), Filter::equal("uid", &value)]);
        let tag = read(&both);
        prop_assert_eq!(tag.id, AND);
        let mut found = parts(tag);
        prop_assert_eq!(found.len(), 2);
        let last = found.pop().unwrap();
        prop_assert_eq!(last.id, EQUALITY);
        let octets: Vec<_> = parts(last).into_iter().map(|part| part.payload).collect();
        prop_assert_eq!(octets, vec![PL::P(b"uid".to_vec()), PL::P(value)]);
    }

    #[test]
    fn metacharacters_are_values_too(value in "[*()\\\\&|!=<>~\0 a]{1,40}") {
        let tag = read(&Filter::equal("cn", &value));
        prop_assert_eq!(tag.id, EQUALITY);
        prop_assert_eq!(&parts(tag)[1].payload, &PL::P(value.into_bytes()));
    }

    #[test]
    fn an_attribute_is_never_anything_but_a_name(name in "[a*()\\\\&|!=:;-]{0,20}") {
        let text = Filter::equal(&name, "x").to_string();
        prop_assert!(!text.trim_start_matches('(').contains('('), "{}", text);
    }
}

#[test]
fn filters_are_written() {
    let filter = Filter::Or(vec![
        Filter::present("mail"),
        Filter::Not(Box::new(Filter::equal("uid", "a*"))),
        Filter::Matches {
            attribute: "member".to_owned(),
            rule: "1.2.840.113556.1.4.1941",
            value: b"cn=a".to_vec(),
        },
    ]);
    assert_eq!(filter.to_string(), "(|(mail=*)(!(uid=a\\2a))(member:1.2.840.113556.1.4.1941:=cn\\3da))");
}
