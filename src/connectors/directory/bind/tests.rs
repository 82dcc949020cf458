use proptest::prelude::*;
use rstest::rstest;

use super::*;

#[rstest]
#[case(
    "80090308: LdapErr: DSID-0C090569, comment: AcceptSecurityContext error, data 533, v4563",
    BindRefusal::Disabled
)]
#[case(
    "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data 52e, v1db1",
    BindRefusal::Unknown
)]
#[case("comment: AcceptSecurityContext error, data 773, v1db1", BindRefusal::PasswordExpired)]
#[case("data 775", BindRefusal::LockedOut)]
#[case("data 701", BindRefusal::Expired)]
#[case("data 530", BindRefusal::NotNow)]
#[case("nonsense, data x", BindRefusal::Unknown)]
fn binds_are_refused_for_a_reason(#[case] diagnostic: &str, #[case] expected: BindRefusal) {
    assert_eq!(BindRefusal::read(diagnostic), expected);
}

proptest! {
    #[test]
    fn nothing_panics(text: String) {
        let _ = BindRefusal::read(&text);
    }
}
