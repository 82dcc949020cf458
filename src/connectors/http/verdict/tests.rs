use rstest::rstest;

use super::*;

#[rstest]
#[case::seconds("120", Some(120))]
#[case::none_needed("0", Some(0))]
#[case::imf("Sun, 06 Nov 1994 08:49:37 GMT", Some(37))]
#[case::rfc850("Sunday, 06-Nov-94 08:49:37 GMT", Some(37))]
#[case::asctime("Sun Nov  6 08:49:37 1994", Some(37))]
#[case::past("Sun, 06 Nov 1994 08:00:00 GMT", Some(0))]
#[case::negative("-5", None)]
#[case::fraction("1.5", None)]
#[case::words("soon", None)]
#[case::empty("", None)]
#[case::endless("99999999999999999999999999", Some(3600))]
#[case::far("Thu, 31 Dec 2099 23:59:59 GMT", Some(3600))]
fn retry_after_is_read_in_all_its_forms(#[case] value: &str, #[case] seconds: Option<u64>) {
    let now: Timestamp = "1994-11-06T08:49:00Z".parse().unwrap();
    let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
    assert_eq!(asked_pause(503, &headers, now), seconds.map(Duration::from_secs));
}

#[rstest]
#[case::draft(&[("ratelimit", "\"default\";r=0;t=30")], Some(30))]
#[case::of_several_the_one_used_up(&[("ratelimit", "\"burst\";r=0;t=2, \"daily\";r=900;t=40000")], Some(2))]
#[case::of_several_used_up_the_last(&[("ratelimit", "\"a\"; r=0; t=2"), ("ratelimit", "\"b\";r=0;t=7")], Some(7))]
#[case::without_what_remains(&[("ratelimit", "\"default\";t=30")], Some(30))]
#[case::earlier_draft(&[("ratelimit-remaining", "0"), ("ratelimit-reset", "12")], Some(12))]
#[case::since_1970(&[("x-ratelimit-reset", "1767225645")], Some(45))]
#[case::in_milliseconds(&[("x-ratelimit-reset", "1767225645000")], Some(45))]
#[case::with_a_fraction(&[("x-ratelimit-reset", "1767225645.0")], Some(45))]
#[case::spelt_with_one_more_hyphen(&[("x-rate-limit-reset", "1767225645")], Some(45))]
#[case::something_remains(&[("x-ratelimit-remaining", "37"), ("x-ratelimit-reset", "3000")], None)]
#[case::over_already(&[("x-ratelimit-reset", "1767225599")], None)]
#[case::now(&[("ratelimit-reset", "0")], None)]
#[case::far(&[("x-ratelimit-reset", "86400")], Some(3600))]
#[case::negative(&[("x-ratelimit-reset", "-1")], None)]
#[case::words(&[("x-ratelimit-reset", "soon"), ("ratelimit", "limit")], None)]
#[case::no_number(&[("x-ratelimit-reset", "NaN")], None)]
#[case::endless(&[("x-ratelimit-reset", "inf")], None)]
#[case::retry_after_first(&[("retry-after", "5"), ("x-ratelimit-reset", "50")], Some(5))]
fn a_quotas_renewal_counts_where_there_is_no_retry_after(
    #[case] headers: &[(&'static str, &str)],
    #[case] seconds: Option<u64>,
) {
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    assert_eq!(asked_pause(429, &map, now), seconds.map(Duration::from_secs));
    if !map.contains_key(RETRY_AFTER) {
        assert_eq!(asked_pause(503, &map, now), None);
    }
}

#[rstest]
#[case(302, FailureClass::Unknown, Reason::UnexpectedAnswer)]
#[case(400, FailureClass::Permanent, Reason::Rejected)]
#[case(401, FailureClass::Credentials, Reason::CredentialsRefused)]
#[case(403, FailureClass::Credentials, Reason::CredentialsRefused)]
#[case(404, FailureClass::Gone, Reason::AccountGone)]
#[case(409, FailureClass::Conflict, Reason::AccountExists)]
#[case(422, FailureClass::Permanent, Reason::Rejected)]
#[case(429, FailureClass::RetryAfter, Reason::Throttled)]
#[case(500, FailureClass::RetryAfter, Reason::TargetError)]
#[case(501, FailureClass::Permanent, Reason::Rejected)]
#[case(503, FailureClass::RetryAfter, Reason::TargetError)]
#[case(999, FailureClass::Unknown, Reason::UnexpectedAnswer)]
fn every_status_has_a_class(#[case] status: u16, #[case] class: FailureClass, #[case] reason: Reason) {
    let verdict = by_status(status);
    assert_eq!((verdict.class, verdict.reason), (class, reason));
}
