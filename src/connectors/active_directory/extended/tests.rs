use proptest::prelude::*;
use rstest::rstest;

use super::*;

const GUID: &str = "00112233-4455-6677-8899-aabbccddeeff";

#[rstest]
#[case("<GUID=00112233-4455-6677-8899-aabbccddeeff>;<SID=S-1-5-21-1>;CN=a>b,DC=x", Some(GUID), "CN=a>b,DC=x")]
#[case("<GUID=00112233-4455-6677-8899-aabbccddeeff>;CN=a,DC=x", Some(GUID), "CN=a,DC=x")]
#[case("<GUID=00112233-4455-6677-8899-aabbccddeeff>", Some(GUID), "")]
#[case("<SID=S-1-5-21-1>;CN=a,DC=x", None, "CN=a,DC=x")]
#[case("CN=\\<GUID=x\\>,DC=x", None, "CN=\\<GUID=x\\>,DC=x")]
#[case("<GUID=nonsense>;CN=a,DC=x", None, "CN=a,DC=x")]
#[case("", None, "")]
fn identities_stand_before_the_name(#[case] text: &str, #[case] guid: Option<&str>, #[case] dn: &str) {
    assert_eq!(Extended::parse(text), Extended { guid: guid.map(|guid| guid.parse().unwrap()), dn });
}

proptest! {
    #[test]
    fn nothing_panics(text in "[<>GUID=;a,]{0,40}") {
        let _ = Extended::parse(&text);
    }
}
