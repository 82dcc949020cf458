use rstest::rstest;

use super::*;

#[rstest]
#[case::tls("ldaps://ldap.example", false, Ok((636, false)))]
#[case::start_tls("ldap://ldap.example:1389/", false, Ok((1389, true)))]
#[case::plain_here("ldap://127.0.0.5", true, Ok((389, false)))]
#[case::plain_elsewhere("ldap://ldap.example", true, Err("this machine only"))]
#[case::looks_local("ldap://127.0.0.1.evil.example", true, Err("this machine only"))]
#[case::path("ldaps://ldap.example/dc=x", false, Err("ldaps://host[:port]"))]
#[case::password("ldaps://me:pw@ldap.example", false, Err("ldaps://host[:port]"))]
#[case::scheme("https://ldap.example", false, Err("must be ldaps or ldap"))]
fn urls(#[case] url: &str, #[case] plain: bool, #[case] expected: Result<(u16, bool), &str>) {
    let found = Server::new(url, plain, true, Duration::from_secs(1));
    match (found, expected) {
        (Ok(server), Ok(expected)) => assert_eq!((server.port, server.start_tls), expected),
        (Err(failure), Err(expected)) => assert!(failure.message.contains(expected), "{failure}"),
        (found, _) => panic!("{found:?}"),
    }
}

#[test]
fn plain_text_needs_the_flag() {
    assert!(Server::new("ldap://127.0.0.1", true, false, Duration::from_secs(1)).is_err());
}

#[test]
fn authorities_must_be_certificates() {
    assert!(tls(None).is_ok());
    for pem in [&b"nonsense"[..], b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert!(tls(Some(pem)).is_err_and(|failure| failure.reason == Reason::InvalidConfiguration));
    }
}
