use rstest::rstest;

use super::*;

#[rstest]
#[case("https://scim.example.com/v2")]
#[case("https://10.1.2.3:8443")]
#[case("https://[fd00::1]/scim")]
fn ordinary_targets_are_allowed(#[case] url: &str) {
    target(url, false).unwrap();
}

#[rstest]
#[case::plain("http://scim.example.com")]
#[case::scheme("file:///etc/passwd")]
#[case::loopback("https://127.0.0.1")]
#[case::other_loopback("https://127.8.9.1")]
#[case::decimal("https://2130706433/")]
#[case::octal("https://0177.0.0.1/")]
#[case::hex("https://0x7f.1/")]
#[case::metadata("https://169.254.169.254/latest")]
#[case::unspecified("https://0.0.0.0")]
#[case::loopback6("https://[::1]")]
#[case::link_local6("https://[fe80::1]")]
#[case::mapped("https://[::ffff:127.0.0.1]")]
#[case::mapped_metadata("https://[::ffff:a9fe:a9fe]")]
#[case::user("https://user:geheim@example.com")]
#[case::fragment("https://example.com/#x")]
#[case::nonsense("scim.example.com")]
fn others_are_refused(#[case] url: &str) {
    let failure = target(url, false).unwrap_err();
    assert_eq!(
        (failure.class, failure.reason),
        (FailureClass::Permanent, Reason::InvalidConfiguration)
    );
    assert!(!failure.message.contains("geheim"));
}

#[test]
fn the_operator_may_allow_plain_and_local_targets() {
    target("http://127.0.0.1:8080/v2", true).unwrap();
    assert!(target("ftp://127.0.0.1", true).is_err());
}

#[tokio::test]
async fn names_that_lead_here_are_refused() {
    let name = || "localhost".parse::<Name>().unwrap();
    let error = Resolver { anywhere: false }.resolve(name()).await.err().unwrap();
    assert!(error.is::<Local>());
    assert!(Resolver { anywhere: true }.resolve(name()).await.unwrap().count() > 0);
}

#[rstest]
#[case::not_pem(b"hello".as_slice())]
#[case::empty(b"".as_slice())]
#[case::broken(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".as_slice())]
fn broken_authorities_are_named(#[case] pem: &[u8]) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = HttpConfig {
        base_url: "https://example.com".to_owned(),
        ca_pem: Some(pem.to_vec()),
        timeout: TIMEOUT_AT_MOST,
        allow_insecure: false,
        user_agent: "tenure/test".to_owned(),
    };
    let failure = build(&config, TIMEOUT_AT_MOST).unwrap_err();
    assert_eq!(failure.reason, Reason::InvalidConfiguration);
}
