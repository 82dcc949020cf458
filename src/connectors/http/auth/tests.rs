use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use rstest::rstest;

use super::*;
use crate::connectors::http::{Call, Http, Protocol, SINGLE};
use crate::connectors::testing::{Reply, Server, reply, surroundings};
use crate::converge::Lane;

const CANARY: &str = "canary-51cc";

fn oauth2(server: &Server) -> Credentials {
    Credentials::OAuth2 {
        token_url: server.url.replace("/v2", "/token"),
        client_id: "id with:colon".to_owned(),
        client_secret: format!("{CANARY}\n").into(),
        scopes: vec!["users.read".to_owned(), "users.write".to_owned()],
    }
}

fn http(server: &Server, credentials: Credentials) -> Http {
    let protocol = Protocol {
        accept: "application/json",
        content_type: "application/json",
        judge: |status, _| by_status(status),
    };
    let (fence, gate, meter, _) = surroundings();
    Http::new(&server.config(), credentials, protocol, (fence, gate, meter)).unwrap()
}

async fn get(http: &Http) -> Result<(), Failure> {
    let call = Call {
        operation: "try",
        method: Method::GET,
        url: http.url(&["Users"]).unwrap(),
        body: None,
        if_match: None,
        limit: SINGLE,
        lane: Lane::Join,
        probe: false,
    };
    http.send(&call).await.map(drop).map_err(Failure::from)
}

fn token(n: usize, more: &str) -> Reply {
    reply(200, "", format!("{{\"access_token\":\"t{n}\",\"token_type\":\"bearer\"{more}}}"))
}

#[tokio::test]
async fn one_token_serves_all_and_is_renewed_before_it_expires() {
    let issued = AtomicUsize::new(0);
    let server = Server::start(move |request| match request.method.as_str() {
        "POST" => token(issued.fetch_add(1, Ordering::SeqCst), ",\"expires_in\":\"2\""),
        _ => reply(200, "", "{}"),
    })
    .await;
    let http = http(&server, oauth2(&server));
    let (a, b, c) = tokio::join!(get(&http), get(&http), get(&http));
    a.and(b).and(c).unwrap();
    assert_eq!(server.count("POST"), 1, "one asks while the others wait");
    {
        let requests = server.requests.lock().unwrap();
        assert!(requests[0].head.contains("authorization: basic "));
        assert_eq!(requests[0].body, "grant_type=client_credentials&scope=users.read+users.write");
        assert!(requests[1].head.contains("authorization: bearer t0"));
    }
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    get(&http).await.unwrap();
    assert_eq!(server.count("POST"), 2);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let issued = AtomicUsize::new(0);
    let server = Server::start(move |request| match request.method.as_str() {
        "POST" => token(issued.fetch_add(1, Ordering::SeqCst), ""),
        _ if request.head.contains("bearer t1") => reply(200, "", "{}"),
        _ => reply(401, "", ""),
    })
    .await;
    let http = http(&server, oauth2(&server));
    get(&http).await.unwrap();
    assert_eq!((server.count("POST"), server.count("GET")), (2, 2));
    get(&http).await.unwrap();
    assert_eq!((server.count("POST"), server.count("GET")), (2, 3));
}

#[rstest]
#[case::oauth2(true, 2)]
#[case::bearer(false, 1)]
#[tokio::test]
async fn a_second_refusal_is_final(#[case] oauth: bool, #[case] requests: usize) {
    let server = Server::start(move |request| match request.method.as_str() {
        "POST" => token(0, ""),
        _ => reply(401, "", ""),
    })
    .await;
    let credentials = if oauth { oauth2(&server) } else { Credentials::Bearer(CANARY.into()) };
    let failure = get(&http(&server, credentials)).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Credentials);
    assert_eq!(server.count("GET"), requests);
}

#[rstest]
#[case(400, FailureClass::Credentials, Reason::CredentialsRefused)]
#[case(401, FailureClass::Credentials, Reason::CredentialsRefused)]
#[case(429, FailureClass::RetryAfter, Reason::Throttled)]
#[case(500, FailureClass::RetryAfter, Reason::TargetError)]
#[case(302, FailureClass::RetryAfter, Reason::UnexpectedAnswer)]
#[case(200, FailureClass::RetryAfter, Reason::UnexpectedAnswer)]
#[tokio::test]
async fn trouble_of_the_token_endpoint_is_told_apart(
    #[case] status: u16,
    #[case] class: FailureClass,
    #[case] reason: Reason,
) {
    let server = Server::start(move |_| reply(status, "", CANARY)).await;
    let failure = get(&http(&server, oauth2(&server))).await.unwrap_err();
    assert_eq!((failure.class, failure.reason), (class, reason));
    assert!(failure.message.starts_with(OPERATION));
    assert!(!format!("{failure:?}").contains(CANARY));
    assert_eq!(server.count("GET"), 0);
}

#[tokio::test]
async fn those_who_waited_share_a_failure() {
    let asked = std::sync::Arc::new(StdMutex::new(0));
    let counted = asked.clone();
    let server = Server::start(move |_| {
        *counted.lock().unwrap() += 1;
        std::thread::sleep(Duration::from_millis(50));
        reply(500, "", "")
    })
    .await;
    let http = http(&server, oauth2(&server));
    let (a, b, c) = tokio::join!(get(&http), get(&http), get(&http));
    assert!(a.is_err() && b.is_err() && c.is_err());
    assert_eq!(*asked.lock().unwrap(), 1);
}

#[test]
fn credentials_that_cannot_be_sent_are_refused_without_showing_them() {
    let new = |credentials| Authorizer::new(credentials, false, Duration::from_secs(1));
    let basic = |user: &str| Credentials::Basic { user: user.to_owned(), password: CANARY.into() };
    let plain = Credentials::OAuth2 {
        token_url: format!("http://example.com/{CANARY}"),
        client_id: CANARY.to_owned(),
        client_secret: CANARY.into(),
        scopes: Vec::new(),
    };
    for credentials in [Credentials::Bearer(format!("{CANARY}\n{CANARY}").into()), basic("a:b"), plain] {
        assert!(!format!("{credentials:?}").contains(CANARY));
        let failure = new(credentials).err().unwrap();
        assert_eq!(failure.reason, Reason::InvalidConfiguration);
        assert!(!format!("{failure:?}").contains(CANARY));
    }
    new(Credentials::Bearer(format!(" {CANARY}\n").into())).unwrap();
    new(basic("ann")).unwrap();
}

#[tokio::test]
async fn basic_credentials_are_sent_as_such() {
    let server = Server::start(|_| reply(200, "", "{}")).await;
    let credentials = Credentials::Basic { user: "Aladdin".to_owned(), password: "open sesame".into() };
    get(&http(&server, credentials)).await.unwrap();
    // The example of RFC 7617 §2, in lower case as the server keeps it.
    assert!(server.requests.lock().unwrap()[0].head.contains("basic qwxhzgrpbjpvcgvuihnlc2ftzq=="));
}
