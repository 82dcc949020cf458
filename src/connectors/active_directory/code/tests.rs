use proptest::prelude::*;
use rstest::rstest;

use super::*;

#[rstest]
#[case("00002071: samldb: samAccountName already in use", Some(Said::Exists))]
#[case("00000524: UpdErr: DSID-031A1262, problem 6005 (ENTRY_EXISTS), data 0", Some(Said::Exists))]
#[case("000021C8: AtrErr: DSID-03200EEC, #1:\n\t0: 000021C8: DSID-03200EEC", Some(Said::Exists))]
#[case("0000052D: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0", Some(Said::WeakPassword))]
#[case("00000562: UpdErr: DSID-031A11E2, problem 6005 (ENTRY_EXISTS), data 0", None)]
#[case("00000057: LdapErr", None)]
#[case("Entry CN=00000524: already exists", None)]
#[case("2071: short", None)]
#[case("", None)]
fn codes_stand_at_the_beginning(#[case] diagnostic: &str, #[case] expected: Option<Said>) {
    assert_eq!(said(diagnostic), expected);
}

proptest! {
    #[test]
    fn nothing_panics(text: String) {
        let _ = said(&text);
    }
}
