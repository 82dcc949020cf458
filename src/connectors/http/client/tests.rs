use rstest::rstest;

use super::*;
use crate::api::Reason;
use crate::connectors::FailureClass;

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
#[case::mapped_private_metadata("https://[::ffff:100.100.100.200]")]
#[case::nat64("https://[64:ff9b::a9fe:a9fe]")]
#[case::user("https://user:geheim@example.com")]
#[case::fragment("https://example.com/#x")]
#[case::nonsense("scim.example.com")]
fn others_are_refused(#[case] url: &str) {
    let failure = target(url, false).unwrap_err();
    assert_eq!((failure.class, failure.reason), (FailureClass::Permanent, Reason::InvalidConfiguration));
    assert!(!failure.message.contains("geheim"));
}

#[test]
fn the_operator_may_allow_plain_and_local_targets() {
    for url in ["http://127.0.0.1:8080/v2", "http://[::1]/v2", "https://[::ffff:127.0.0.1]", "http://0.0.0.0"]
    {
        target(url, true).unwrap();
    }
    assert!(target("ftp://127.0.0.1", true).is_err());
}

#[rstest]
#[case::metadata("https://169.254.169.254/latest")]
#[case::other_link_local("https://169.254.0.1")]
#[case::decimal("http://2852039166/")]
#[case::link_local6("https://[fe80::1]")]
#[case::link_local6_end("https://[febf:ffff::1]")]
#[case::mapped("https://[::ffff:169.254.169.254]")]
#[case::compatible("https://[::169.254.169.254]")]
#[case::nat64("https://[64:ff9b::a9fe:a9fe]")]
#[case::alibaba("http://100.100.100.200/latest/meta-data")]
#[case::azure("http://168.63.129.16/machine")]
#[case::amazon6("http://[fd00:ec2::254]/latest")]
#[case::google6("http://[fd20:ce::254]")]
fn the_local_link_is_never_allowed(#[case] url: &str, #[values(false, true)] allow_insecure: bool) {
    let failure = target(url, allow_insecure).unwrap_err();
    assert_eq!(failure.reason, Reason::InvalidConfiguration);
    if allow_insecure || url.starts_with("https") {
        assert_eq!(failure.message, NEVER);
    }
}

#[tokio::test]
async fn names_that_lead_here_are_refused() {
    let name = || "localhost".parse::<Name>().unwrap();
    let error = Resolver { allow_insecure: false }.resolve(name()).await.err().unwrap();
    assert_eq!(error.downcast::<Forbidden>().unwrap().0, LOCAL);
    assert!(Resolver { allow_insecure: true }.resolve(name()).await.unwrap().count() > 0);
    // What a resolver that is asked for an address answers is judged in the same way.
    let link = "169.254.169.254".parse::<Name>().unwrap();
    let error = Resolver { allow_insecure: true }.resolve(link).await.err().unwrap();
    assert_eq!(error.downcast::<Forbidden>().unwrap().0, NEVER);
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

/// A server that speaks TLS for one connection, with a certificate for `127.0.0.1` of an authority of its own.
fn tls_server() -> (String, String) {
    use std::io::{Read as _, Write as _};

    use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};

    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, stream);
        let mut buffer = [0; 1024];
        if stream.read(&mut buffer).is_ok() {
            let _ = stream.write_all(b"HTTP/1.1 204 X\r\n\r\n");
        }
    });
    (url, authority.pem())
}

#[tokio::test]
async fn certificates_are_verified_and_a_private_authority_can_be_trusted() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = |url: &str, ca_pem: Option<Vec<u8>>| HttpConfig {
        base_url: url.to_owned(),
        ca_pem,
        timeout: TIMEOUT_AT_MOST,
        allow_insecure: true,
        user_agent: "tenure/test".to_owned(),
    };
    let (url, authority) = tls_server();
    let client = build(&config(&url, Some(authority.into_bytes())), TIMEOUT_AT_MOST).unwrap();
    assert_eq!(client.get(&url).send().await.unwrap().status(), 204);

    let (url, _) = tls_server();
    let client = build(&config(&url, None), TIMEOUT_AT_MOST).unwrap();
    let error = client.get(&url).send().await.unwrap_err();
    assert!(unreachable(&error).contains("certificate"), "{error:?}");
}
