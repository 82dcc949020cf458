use proptest::prelude::*;

use super::*;

fn is_of(class: &[u8], password: &str) -> bool {
    password.bytes().any(|byte| class.contains(&byte))
}

proptest! {
    /// Whatever is asked for: as long, with a character of every class and none of no class, and of no part of a name.
    #[test]
    fn is_complex(length in 0_usize..128, words in prop::collection::vec("[a-zA-Z0-9._ @-]{0,12}", 0..5)) {
        let password = random(length, words.iter().map(String::as_str));
        let password = password.expose_secret();
        prop_assert_eq!(password.len(), length.max(SHORTEST));
        for class in CLASSES {
            prop_assert!(is_of(class, password));
        }
        prop_assert!(password.bytes().all(|byte| CLASSES.concat().contains(&byte)));
        let lower = password.to_lowercase();
        for word in &words {
            for part in word.split(['.', '-', '_', ' ', '@']).filter(|part| part.len() >= SHORTEST_WORD) {
                prop_assert!(!lower.contains(&part.to_lowercase()), "contains {part:?}");
            }
        }
    }
}

#[test]
fn a_name_in_any_letter_case_is_a_part() {
    let parts = parts("Ann.van-Dyck@example.com");
    assert_eq!(parts, ["ann.van-dyck@example.com", "ann", "van", "dyck", "example", "com"]);
    assert!(contains_any("xxDYCKxx", &parts));
    assert!(!contains_any("xxDYxx", &parts));
}

#[test]
fn no_two_are_alike() {
    let all: std::collections::HashSet<String> =
        (0..1000).map(|_| random(SHORTEST, []).expose_secret().to_owned()).collect();
    assert_eq!(all.len(), 1000);
}

/// Every character of every class turns up about as often as any other: nothing is left out, nothing preferred.
#[test]
fn all_characters_are_used() {
    let text: String = (0..500).map(|_| random(64, []).expose_secret().to_owned()).collect();
    for byte in CLASSES.concat() {
        let count = text.bytes().filter(|b| *b == byte).count();
        assert!((200..1200).contains(&count), "{} occurs {count} times", char::from(byte));
    }
}
