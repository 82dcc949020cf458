use proptest::prelude::*;
use rstest::rstest;

use super::*;

#[rstest]
#[case("0", Some("never"))]
#[case("9223372036854775807", Some("never"))]
#[case("116444736000000000", Some("1970-01-01T00:00:00Z"))]
#[case("133536384000000001", Some("2024-02-29T00:00:00.0000001Z"))]
#[case("", None)]
#[case("tomorrow", None)]
fn the_number_is_an_instant(#[case] number: &str, #[case] instant: Option<&str>) {
    let end = End::parse(number);
    assert_eq!(end.map(|end| end.text().unwrap_or_else(|| "never".to_owned())).as_deref(), instant);
}

#[rstest]
#[case("2024-02-29T00:00:00Z", Some(133_536_384_000_000_000))]
#[case("2024-02-29T01:00:00+01:00", Some(133_536_384_000_000_000))]
#[case("never", Some(0))]
#[case("Never", Some(0))]
#[case("133536384000000000", Some(133_536_384_000_000_000))]
#[case("1600-12-31T00:00:00Z", None)]
#[case("29.2.2024", None)]
#[case("", None)]
fn rules_give_instants(#[case] text: &str, #[case] ticks: Option<i64>) {
    assert_eq!(End::wanted(text).and_then(End::ticks), ticks);
}

proptest! {
    #[test]
    fn numbers_are_kept(ticks in 1..i64::MAX) {
        if let Some(end) = End::parse(&ticks.to_string()) {
            prop_assert_eq!(end.ticks(), Some(ticks));
            prop_assert_eq!(End::wanted(&end.text().unwrap()), Some(end));
        }
    }

    #[test]
    fn nothing_panics(ticks: i64, text: String) {
        let _ = (End::parse(&ticks.to_string()), End::wanted(&text));
    }
}
