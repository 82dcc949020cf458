use proptest::prelude::*;
use rstest::rstest;

use super::*;

#[rstest]
#[case::hash("{SSHA}abc=", "{SSHA}!abc=")]
#[case::lower("{crypt}$6$x", "{crypt}!$6$x")]
#[case::clear("secret", "{!}secret")]
#[case::clear_by_name("{CLEARTEXT}secret", "{!}{CLEARTEXT}secret")]
#[case::brace("{secret", "{!}{secret")]
#[case::empty_scheme("{}secret", "{!}{}secret")]
fn a_barred_value_matches_no_password(#[case] value: &str, #[case] barred: &str) {
    assert_eq!(String::from_utf8(bar(value.as_bytes())).unwrap(), barred);
    assert_eq!(unbar(barred.as_bytes()).unwrap(), value.as_bytes());
}

#[test]
fn a_place_holder_goes() {
    assert_eq!(unbar(PLACE_HOLDER.as_bytes()), None);
    assert!(is_barred(PLACE_HOLDER.as_bytes()));
}

#[rstest]
#[case("20000101000000Z", true)]
#[case("19700101000000Z", true)]
#[case("99991231235959Z", false)]
#[case("tomorrow", false)]
fn an_end_counts_when_it_is_past(#[case] end: &str, #[case] past: bool) {
    assert_eq!(generalized(end).is_some_and(|end| end <= Timestamp::now()), past);
}

proptest! {
    #[test]
    fn barring_is_undone_and_done_once(value in prop::collection::vec(any::<u8>(), 1..40)) {
        // A scheme without hash cannot be told from a place holder, and matches no password either.
        prop_assume!(!is_barred(&value) && scheme(&value) != Some(value.len()));
        let barred = bar(&value);
        prop_assert!(is_barred(&barred));
        prop_assert_eq!(bar(&barred), barred.clone());
        prop_assert_eq!(unbar(&barred), Some(value));
    }
}
