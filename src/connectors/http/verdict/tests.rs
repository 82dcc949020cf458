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
    assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs));
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
