use proptest::prelude::*;
use rstest::rstest;

use super::*;

const BYTES: [u8; 16] =
    [0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];

#[test]
fn fields_are_little_endian() {
    let guid = Guid::from_bytes(&BYTES).unwrap();
    assert_eq!(guid.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
    assert_eq!(guid.dn(), "<GUID=00112233-4455-6677-8899-aabbccddeeff>");
    assert_eq!(guid.to_bytes(), BYTES);
    assert_eq!(Guid::from_bytes(&BYTES[..15]), None);
}

#[rstest]
#[case("00112233-4455-6677-8899-aabbccddeeff", true)]
#[case("00112233-4455-6677-8899-AABBCCDDEEFF", true)]
#[case("{00112233-4455-6677-8899-aabbccddeeff}", true)]
#[case("00112233445566778899aabbccddeeff", false)]
#[case("urn:uuid:00112233-4455-6677-8899-aabbccddeeff", false)]
#[case("00112233-4455-6677-8899-aabbccddeef>", false)]
#[case("", false)]
fn only_the_usual_text_is_one(#[case] text: &str, #[case] is: bool) {
    assert_eq!(text.parse::<Guid>().is_ok(), is);
}

#[rstest]
#[case(&[1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0], Some("S-1-5-18"))]
#[case(&[1, 4, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 255, 255, 255, 255], Some("S-1-5-21-1-2-4294967295"))]
#[case(&[1, 0, 0, 0, 0, 0, 0, 5], Some("S-1-5"))]
#[case(&[2, 0, 0, 0, 0, 0, 0, 5], None)]
#[case(&[1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0], None)]
#[case(&[1, 2, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0], None)]
#[case(&[], None)]
fn security_identifiers(#[case] bytes: &[u8], #[case] text: Option<&str>) {
    assert_eq!(Sid::from_bytes(bytes).map(|sid| sid.to_string()).as_deref(), text);
}

#[test]
fn the_last_part_is_the_relative_id() {
    let sid = Sid::from_bytes(&[1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 1, 2, 0, 0]).unwrap();
    assert_eq!(sid.relative_id(), Some(513));
}

proptest! {
    #[test]
    fn text_and_bytes_are_the_same(bytes: [u8; 16]) {
        let guid = Guid::from_bytes(&bytes).unwrap();
        prop_assert_eq!(guid.to_string().parse(), Ok(guid));
        prop_assert_eq!(guid.to_bytes(), bytes);
    }

    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..80), text: String) {
        let _ = (Guid::from_bytes(&bytes), Sid::from_bytes(&bytes), text.parse::<Guid>());
    }
}
