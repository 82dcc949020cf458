use rstest::rstest;

use super::*;

#[rstest]
#[case("member;range=0-1499", Some(("member", 0, Some(1499))))]
#[case("member;Range=1500-*", Some(("member", 1500, None)))]
#[case("member", None)]
#[case("member;binary", None)]
#[case("member;range=a-b", None)]
#[case("member;range=0", None)]
#[case("member;rängé", None)]
fn parts_are_told_by_an_option(#[case] text: &str, #[case] expected: Option<(&str, usize, Option<usize>)>) {
    let part = Part::parse(text).map(|part| (part.attribute, part.first, part.last));
    assert_eq!(part, expected);
}

#[test]
fn the_rest_is_asked_for_until_the_end() {
    let begun = Part::parse("member;range=0-1499").unwrap();
    assert_eq!(begun.after(), Some(("member;range=1500-*".to_owned(), 1500)));
    assert_eq!(Part::parse("member;range=1500-*").unwrap().after(), None);
    assert_eq!(Part { attribute: "member", first: 0, last: Some(usize::MAX) }.after(), None);
}
