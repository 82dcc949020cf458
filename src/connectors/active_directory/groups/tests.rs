use super::*;

#[test]
fn groups_are_for_security() {
    assert_eq!(group_type(GroupScope::Global), -2_147_483_646);
    assert_eq!(group_type(GroupScope::DomainLocal), -2_147_483_644);
    assert_eq!(group_type(GroupScope::Universal), -2_147_483_640);
}
