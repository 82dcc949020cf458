use proptest::prelude::*;
use rstest::rstest;

use super::*;

#[rstest]
#[case("512", Some(true))]
#[case("514", Some(false))]
#[case("66050", Some(false))]
#[case("-2147483136", Some(true))]
#[case("", None)]
#[case("0x200", None)]
#[case("4294967296", None)]
fn it_is_a_signed_number(#[case] text: &str, #[case] active: Option<bool>) {
    assert_eq!(Uac::parse(text).map(Uac::is_active), active);
}

#[test]
fn an_account_that_is_put_into_use_needs_a_password() {
    let made_by_hand = Uac::parse("546").unwrap();
    assert_eq!(made_by_hand.with_active(true).to_string(), "512");
}

#[test]
fn rules_name_bits() {
    assert_eq!(Bit::named("userAccountControl.smartcardRequired"), Some(Bit(0x4_0000)));
    assert_eq!(Bit::named("useraccountcontrol.SMARTCARDREQUIRED"), Some(Bit(0x4_0000)));
    for other in ["userAccountControl", "userAccountControl.accountDisable", "other.smartcardRequired", ""] {
        assert_eq!(Bit::named(other), None, "{other}");
    }
    assert!(Bit::all().all(|(name, bit)| Bit::named(&name) == Some(bit)));
}

proptest! {
    #[test]
    fn text_is_kept(bits: i32) {
        prop_assert_eq!(Uac::parse(&bits.to_string()).unwrap().to_string(), bits.to_string());
    }

    #[test]
    fn suspending_changes_one_bit(bits: i32) {
        let before = Uac::parse(&bits.to_string()).unwrap();
        let after = before.with_active(false);
        prop_assert!(!after.is_active());
        prop_assert_eq!(before.0 | DISABLED, after.0);
        prop_assert_eq!(after.with_active(false), after);
    }

    #[test]
    fn a_bit_changes_no_other(bits: i32, set: bool, which in 0..NAMED.len()) {
        let before = Uac::parse(&bits.to_string()).unwrap();
        let bit = Bit(NAMED[which].1);
        let after = before.with(bit, set);
        prop_assert_eq!(after.has(bit), set);
        prop_assert_eq!(before.0 & !bit.0, after.0 & !bit.0);
    }
}
