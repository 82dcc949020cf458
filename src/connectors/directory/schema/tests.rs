use super::*;

#[test]
fn descriptions_are_read() {
    let words = words_of(
        "( 2.5.4.4 NAME ( 'sn' 'surname' ) DESC 'RFC2256: last (family) name' SUP name SINGLE-VALUE )",
    );
    assert_eq!(values(&words, "NAME"), ["sn", "surname"]);
    assert_eq!(values(&words, "SUP"), ["name"]);
    assert_eq!(values(&words, "MUST"), [] as [&str; 0]);
    let class =
        words_of("( 2.5.6.9 NAME 'groupOfNames' SUP top STRUCTURAL MUST ( member $ cn ) MAY ( owner ) )");
    assert_eq!(values(&class, "MUST"), ["member", "cn"]);
    assert_eq!(values(&class, "NAME"), ["groupOfNames"]);
}

fn words_of(text: &str) -> Vec<&str> {
    words(text)
}

proptest::proptest! {
    #[test]
    fn no_description_breaks_the_reader(text in "[ ()$'a-zA-Zé]{0,60}") {
        let words = words(&text);
        let _ = (values(&words, "NAME"), values(&words, "a"));
    }
}
