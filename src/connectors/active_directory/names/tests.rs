use proptest::prelude::*;
use rstest::rstest;

use super::*;

#[rstest]
#[case("ann", true)]
#[case("ann.o'neill-smith", true)]
#[case("Zoë Müller", true)]
#[case("abcdefghijklmnopqrst", true)]
#[case("abcdefghijklmnopqrstu", false)]
#[case("", false)]
#[case("  ", false)]
#[case("ann.", false)]
#[case(" ann", false)]
#[case("a/b", false)]
#[case("ann@example.com", false)]
#[case("a\0b", false)]
fn logins(#[case] login: &str, #[case] fit: bool) {
    assert_eq!(unfit_login(login).is_none(), fit);
}

#[rstest]
#[case(" Ann Smith ", "Ann Smith")]
#[case(",+\"\\<>;=#", ",+\"\\<>;=#")]
#[case("a\0b", "")]
#[case("line\nbreak", "")]
#[case("  ", "")]
fn common_names(#[case] wanted: &str, #[case] name: &str) {
    assert_eq!(common_name(wanted), name);
}

#[test]
fn the_name_of_two_people_is_told_apart_by_their_logins() {
    assert_eq!(qualified("Ann Smith", "asmith2"), "Ann Smith (asmith2)");
    assert_eq!(plain("Ann Smith (asmith2)", "asmith2"), "Ann Smith");
    assert_eq!(plain("Ann Smith (HR)", "asmith2"), "Ann Smith (HR)");
    assert_eq!(plain(" (asmith2)", "asmith2"), " (asmith2)");
}

#[rstest]
#[case("Sales & \"Co\"", "Sales & _Co_")]
#[case("a@b.", "a_b")]
#[case("VPN", "VPN")]
fn group_logins(#[case] name: &str, #[case] login: &str) {
    assert_eq!(group_login(name), login);
}

proptest! {
    #[test]
    fn names_fit(wanted in "\\PC{0,90}", login in "[a-z]{1,20}") {
        let (name, other) = (common_name(&wanted), qualified(&wanted, &login));
        prop_assert!(units(&name) <= COMMON_NAME && units(&other) <= COMMON_NAME);
        prop_assert_eq!(name.trim(), name.as_str());
        let expected = format!("({login})");
        prop_assert!(other.ends_with(&expected));
        prop_assert!(name.starts_with(plain(&other, &login)) || name.is_empty());
    }

    #[test]
    fn groups_get_logins_that_are_allowed(name in "\\PC{0,90}") {
        let login = group_login(&name);
        prop_assert!(!login.contains(forbidden) && !login.ends_with('.') && units(&login) <= GROUP_LOGIN);
    }
}
