use super::*;

#[test]
fn a_password_is_quoted_utf_16() {
    let value = unicode_pwd(&"aé\u{1F600}".to_owned().into());
    assert_eq!(value, [0x22, 0, 0x61, 0, 0xE9, 0, 0x3D, 0xD8, 0x00, 0xDE, 0x22, 0]);
}

#[test]
fn nobody_learns_a_password() {
    let names = ["Ann", "Ann Smith"];
    let (one, other) = (unknown(names), unknown(names));
    assert_eq!(one.expose_secret().len(), LENGTH);
    assert_ne!(one.expose_secret(), other.expose_secret());
    assert!(!one.expose_secret().to_lowercase().contains("ann"));
}
