use ldap3::asn1::TagClass;
use proptest::prelude::*;

use super::*;

fn octets(octets: &[u8]) -> StructureTag {
    StructureTag { class: TagClass::Universal, id: 4, payload: PL::P(octets.to_vec()) }
}

fn list(parts: Vec<StructureTag>) -> StructureTag {
    StructureTag { class: TagClass::Universal, id: 16, payload: PL::C(parts) }
}

fn entry(dn: &[u8], attributes: &[(&str, &[&[u8]])]) -> StructureTag {
    let attributes = attributes
        .iter()
        .map(|(name, values)| {
            list(vec![octets(name.as_bytes()), list(values.iter().map(|value| octets(value)).collect())])
        })
        .collect();
    StructureTag { id: SEARCH_RESULT_ENTRY, ..list(vec![octets(dn), list(attributes)]) }
}

#[test]
fn names_are_found_in_any_case_and_values_are_octets() {
    // 16 octets that happen to be UTF-8 are as binary as others.
    let tag = entry(b"cn=a", &[("objectGUID", &[b"0123456789abcdef"]), ("MAIL", &[b"a@x", b"\xff"])]);
    let entry = Entry::read(tag).unwrap();
    assert_eq!(entry.values("objectguid"), [b"0123456789abcdef".to_vec()]);
    assert_eq!((entry.text("mail"), entry.values("mail").len()), (Some("a@x"), 2));
    assert!(entry.has("Mail", "A@X") && !entry.has("mail", "b@x"));
    assert_eq!(entry.values("cn"), [] as [Vec<u8>; 0]);
    assert_eq!(entry.attributes().map(|(name, _)| name).collect::<Vec<_>>(), ["MAIL", "objectGUID"]);
}

fn any_tag() -> impl Strategy<Value = StructureTag> {
    let leaf = (0_u64..32, prop::collection::vec(any::<u8>(), 0..8))
        .prop_map(|(id, value)| StructureTag { id, ..octets(&value) });
    leaf.prop_recursive(5, 40, 5, |inner| {
        (0_u64..32, prop::collection::vec(inner, 0..5))
            .prop_map(|(id, parts)| StructureTag { id, ..list(parts) })
    })
}

proptest! {
    #[test]
    fn nothing_that_a_server_sends_breaks_the_reader(tag in any_tag()) {
        let _ = Entry::read(StructureTag { id: SEARCH_RESULT_ENTRY, ..tag });
    }
}
