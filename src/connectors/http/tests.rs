use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::connectors::gate::{GateConfig, GateState};
use crate::connectors::testing::{Reply, Server, reply, surroundings};

const CANARY: &str = "canary-7f3a";

fn protocol() -> Protocol {
    Protocol {
        accept: "application/json",
        content_type: "application/json",
        judge: |status, _| by_status(status),
    }
}

fn bearer() -> Credentials {
    Credentials::Bearer(CANARY.into())
}

fn http(server: &Server) -> (Http, Fence, Gate) {
    let (fence, gate, meter, _) = surroundings();
    let http =
        Http::new(&server.config(), bearer(), protocol(), (fence.clone(), gate.clone(), meter)).unwrap();
    (http, fence, gate)
}

fn call(http: &Http, method: Method) -> Call {
    Call {
        operation: "try",
        body: [Method::POST, Method::PATCH, Method::PUT].contains(&method).then(|| json!({"a": 1})),
        method,
        url: http.url(&["Users"]).unwrap(),
        if_match: None,
        limit: SINGLE,
        lane: Lane::Join,
        probe: false,
    }
}

/// The fence closes after the request was queued at the gate, and before the gate lets it go.
#[rstest]
#[case(Method::POST)]
#[case(Method::PUT)]
#[case(Method::PATCH)]
#[case(Method::DELETE)]
#[tokio::test]
async fn no_byte_leaves_after_the_lease(
    #[case] method: Method,
    #[values(false, true)] kept_alive: bool,
    #[values(false, true)] expires: bool,
) {
    let server = Server::start(|_| reply(200, "", "{}")).await;
    let (fence, _, meter, _) = surroundings();
    let gate = Gate::new(GateConfig { requests_per_second: Some(5), concurrency: None });
    let http =
        Http::new(&server.config(), bearer(), protocol(), (fence.clone(), gate.clone(), meter)).unwrap();
    if kept_alive {
        http.send(&call(&http, method.clone())).await.unwrap();
    } else {
        drop(gate.admit(Lane::Join).await.unwrap());
    }
    let before = server.bytes.lock().unwrap().len();
    if expires {
        fence.extend(Instant::now() + http.timeout + Duration::from_millis(100));
    }
    let call = call(&http, method);
    let (outcome, ()) = tokio::join!(http.send(&call), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if !expires {
            fence.close();
        }
    });
    let refused = outcome.unwrap_err();
    assert_eq!(refused.failure.class, FailureClass::Fenced, "{:?}", refused.failure);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.bytes.lock().unwrap().len(), before, "bytes were written");
    assert_eq!(server.requests.lock().unwrap().len(), usize::from(kept_alive));
    if kept_alive {
        assert_eq!(*server.connections.lock().unwrap(), 1);
    }
}

#[tokio::test]
async fn a_closed_fence_stops_changes_before_the_gate_and_lets_reads_pass() {
    let server = Server::start(|_| reply(200, "", "{}")).await;
    let (http, fence, _) = http(&server);
    fence.close();
    let refused = http.send(&call(&http, Method::POST)).await.unwrap_err();
    assert_eq!(refused.failure.class, FailureClass::Fenced);
    http.send(&call(&http, Method::GET)).await.unwrap();
    assert_eq!(server.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn requests_are_complete_and_say_who_sends_them() {
    let server = Server::start(|_| reply(200, "etag: W/\"7\"\r\n", "{\"b\":2}")).await;
    let (http, ..) = http(&server);
    let answer = http.send(&call(&http, Method::PATCH)).await.unwrap();
    assert_eq!(answer.body, Some(json!({"b": 2})));
    assert_eq!(answer.etag.unwrap(), "W/\"7\"");
    http.send(&call(&http, Method::DELETE)).await.unwrap();
    let requests = server.requests.lock().unwrap();
    assert_eq!(requests[0].body, "{\"a\":1}");
    assert!(requests[0].head.contains("user-agent: tenure/test"));
    assert!(requests[0].head.contains(&format!("authorization: bearer {CANARY}")));
    assert!(requests[0].head.contains("content-type: application/json"));
    assert!(!requests[1].head.contains("transfer-encoding"), "{}", requests[1].head);
}

#[tokio::test]
async fn path_segments_are_encoded_and_cannot_climb() {
    let server = Server::start(|_| reply(200, "", "{}")).await;
    let (http, ..) = http(&server);
    let url = http.url(&["Users", "a/b?c#d%2e é"]).unwrap();
    assert!(url.as_str().ends_with("/v2/Users/a%2Fb%3Fc%23d%252e%20%C3%A9"), "{url}");
    for id in ["", ".", ".."] {
        http.url(&["Users", id]).unwrap_err();
    }
}

/// Texts made of what means something in URLs, filters and terminals, and any others.
fn unruly() -> impl Strategy<Value = String> {
    let meaning = "[\\x00-\\x20\\x7f\"\\\\/%?#.;:@&=+'\\[\\](),a2eE5cé\u{2028}\u{202e}😀]{0,12}";
    prop_oneof![meaning, any::<String>(), Just("%2e%2e".to_owned()), Just(".\n.".to_owned())]
}

proptest! {
    /// Whatever an id holds, the URL leads to it, below the base URL, and nowhere else, however often it is read.
    #[test]
    fn every_id_reads_back_from_the_path(id in unruly(), base in "(/[a-z%0-9.~]{1,4}){0,2}/?") {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let base: Url = format!("https://example.com{base}").parse().unwrap();
        let config = HttpConfig {
            base_url: base.to_string(),
            ca_pem: None,
            timeout: Duration::from_secs(1),
            allow_insecure: false,
            user_agent: "tenure/test".to_owned(),
        };
        let (fence, gate, meter, _) = surroundings();
        let http = Http::new(&config, bearer(), protocol(), (fence, gate, meter)).unwrap();
        if ["", ".", ".."].contains(&id.as_str()) {
            prop_assert!(http.url(&["Users", &id]).is_err());
            return Ok(());
        }
        let url = http.url(&["Users", &id]).unwrap();
        prop_assert_eq!(&Url::parse(url.as_str()).unwrap(), &url);
        let sent: http::Uri = url.as_str().parse().unwrap();
        prop_assert_eq!((sent.path(), sent.query()), (url.path(), None));
        let above = format!("{}/Users/", base.path().trim_end_matches('/'));
        let segment = sent.path().strip_prefix(&above).unwrap();
        prop_assert!(!segment.contains('/'));
        prop_assert_eq!(percent_decode_str(segment).decode_utf8().unwrap(), id);
    }
}

#[rstest]
#[case::get(Method::GET, FailureClass::RetryAfter)]
#[case::post(Method::POST, FailureClass::Unknown)]
#[case::delete(Method::DELETE, FailureClass::Unknown)]
#[tokio::test]
async fn a_lost_reply_is_unknown_only_for_changes(
    #[case] method: Method,
    #[case] class: FailureClass,
    #[values(false, true)] hang: bool,
) {
    let server = Server::start(move |_| if hang { Reply::Hang } else { Reply::Close }).await;
    let (fence, gate, meter, _) = surroundings();
    let config = HttpConfig { timeout: Duration::from_millis(300), ..server.config() };
    let http = Http::new(&config, bearer(), protocol(), (fence, gate, meter)).unwrap();
    let failure = http.send(&call(&http, method)).await.unwrap_err().failure;
    assert_eq!((failure.class, failure.reason), (class, Reason::Unreachable));
    assert_eq!(server.requests.lock().unwrap().len(), 1, "no retries of its own");
}

#[tokio::test]
async fn a_refused_connection_had_no_effect() {
    let server = Server::start(|_| Reply::Close).await;
    let config = HttpConfig { base_url: "http://127.0.0.1:1/v2".to_owned(), ..server.config() };
    let (fence, gate, meter, reports) = surroundings();
    let http = Http::new(&config, bearer(), protocol(), (fence, gate, meter)).unwrap();
    let failure = http.send(&call(&http, Method::POST)).await.unwrap_err().failure;
    assert_eq!((failure.class, failure.reason), (FailureClass::RetryAfter, Reason::Unreachable));
    let report = reports.lock().unwrap()[0];
    assert_eq!((report.operation, report.class, report.status), ("try", "retry", None));
}

#[tokio::test]
async fn a_name_that_leads_here_is_a_matter_of_configuration() {
    let server = Server::start(|_| Reply::Close).await;
    let config = HttpConfig {
        base_url: "https://localhost:1/v2".to_owned(),
        allow_insecure: false,
        ..server.config()
    };
    let (fence, gate, meter, _) = surroundings();
    let http = Http::new(&config, bearer(), protocol(), (fence, gate, meter)).unwrap();
    let failure = http.send(&call(&http, Method::POST)).await.unwrap_err().failure;
    assert_eq!((failure.class, failure.reason), (FailureClass::Permanent, Reason::InvalidConfiguration));
}

#[tokio::test]
async fn the_gate_learns_from_answers() {
    let server = Server::start(|request| match request.path.rsplit('/').next().unwrap() {
        "slow" => reply(429, "retry-after: 60\r\n", ""),
        "who" => reply(401, "", ""),
        _ => reply(404, "", ""),
    })
    .await;
    let (http, _, gate) = http(&server);
    let at = |id: &str| Call { url: http.url(&["Users", id]).unwrap(), ..call(&http, Method::GET) };
    for _ in 0..30 {
        http.send(&at("gone")).await.unwrap_err();
    }
    assert_eq!(gate.state(), GateState::Closed, "a 404 is an answer");
    let failure = http.send(&at("slow")).await.unwrap_err().failure;
    assert_eq!(failure.retry_after, Some(Duration::from_mins(1)));
    assert!(matches!(gate.state(), GateState::Paused { .. }));

    let (http, _, gate) = self::http(&server);
    let at = |id: &str| Call { url: http.url(&["Users", id]).unwrap(), ..call(&http, Method::GET) };
    http.send(&at("who")).await.unwrap_err();
    assert!(matches!(gate.state(), GateState::Open { reason: Reason::CredentialsRefused, .. }));
    let failure = http.send(&at("gone")).await.unwrap_err().failure;
    assert_eq!((failure.class, failure.reason), (FailureClass::RetryAfter, Reason::Quarantined));
    http.send(&Call { probe: true, ..at("gone") }).await.unwrap_err();
    assert_eq!(gate.state(), GateState::Closed);
}

#[tokio::test]
async fn one_account_that_is_off_limits_does_not_stop_the_app() {
    let server = Server::start(|_| reply(403, "", "")).await;
    let (http, _, gate) = http(&server);
    let failure = http.send(&call(&http, Method::DELETE)).await.unwrap_err().failure;
    assert_eq!(failure.class, FailureClass::Credentials);
    assert_eq!(gate.state(), GateState::Closed);
}

/// One answer that is long and slow holds up other long ones of its App, until their time is up, and no short ones.
#[tokio::test]
async fn long_answers_take_turns() {
    let server = Server::start(|request| match request.path.rsplit('/').next().unwrap() {
        // Announces more than it sends.
        "stalls" => {
            let length = 2 * SINGLE;
            let head = format!("HTTP/1.1 200 X\r\ncontent-length: {}\r\n\r\n", length + 1);
            Reply::Bytes([head.into_bytes(), vec![b' '; length]].concat())
        }
        "long" => reply(200, "", [vec![b' '; 2 * SINGLE], b"{}".to_vec()].concat()),
        _ => reply(200, "", "{}"),
    })
    .await;
    let (fence, gate, meter, _) = surroundings();
    let config = HttpConfig { timeout: Duration::from_secs(1), ..server.config() };
    let http = Http::new(&config, bearer(), protocol(), (fence, gate, meter)).unwrap();
    let at =
        |name: &str, method| Call { url: http.url(&[name]).unwrap(), limit: LISTING, ..call(&http, method) };
    // Enough that went well, or the failures below would put the App in quarantine.
    for _ in 0..4 {
        http.send(&at("long", Method::GET)).await.unwrap();
    }
    let turn = http.long_answers.acquire().await.unwrap();
    for (method, class) in [(Method::GET, FailureClass::RetryAfter), (Method::DELETE, FailureClass::Unknown)]
    {
        let failure = http.send(&at("long", method)).await.unwrap_err().failure;
        assert_eq!((failure.class, failure.reason), (class, Reason::Unreachable));
    }
    http.send(&at("short", Method::GET)).await.unwrap();
    drop(turn);
    let failure = http.send(&at("stalls", Method::GET)).await.unwrap_err().failure;
    assert_eq!(failure.reason, Reason::Unreachable);
    http.send(&at("long", Method::GET)).await.unwrap();
}

/// A refusal counts by its status, however long it is, and is not read to its end.
#[tokio::test]
async fn long_refusals_are_refusals() {
    let server = Server::start(|_| reply(409, "", vec![b' '; 4 * REFUSAL])).await;
    let (http, ..) = http(&server);
    let failure = http.send(&Call { limit: LISTING, ..call(&http, Method::POST) }).await.unwrap_err().failure;
    assert_eq!(failure.class, FailureClass::Conflict);
}
