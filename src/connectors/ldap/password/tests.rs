use super::*;

fn password() -> SecretString {
    SecretString::from("canary-first")
}

/// Against another implementation (Python's hashlib).
#[test]
fn a_salted_hash() {
    let salt = std::array::from_fn(|i| u8::try_from(i).unwrap());
    let expected = "{SSHA}yk0yMGeMK5lALRhkec2QXaGK+acAAQIDBAUGBwgJCgsMDQ4P";
    assert_eq!(String::from_utf8(salted(&password(), salt)).unwrap(), expected);
}

#[test]
fn no_two_are_alike() {
    assert_ne!(hashed(&password()), hashed(&password()));
}
