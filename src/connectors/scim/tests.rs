//! Targets that mean harm, or fail, in every way we know.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use rstest::rstest;

use super::*;
use crate::connectors::testing::{Received, Reply, Server, reply, surroundings};

const CANARY: &str = "canary-c0ffee";

fn config() -> Reply {
    let on = json!({ "supported": true });
    reply(200, "", json!({ "patch": on, "filter": on, "etag": on }).to_string())
}

/// A server that answers `hostile` to everything but the discovery.
async fn server(hostile: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Server {
    let answer = move |request: &Received| {
        if request.path.ends_with("/ServiceProviderConfig") { config() } else { hostile(request) }
    };
    Server::start(answer).await
}

fn scim(server: &Server) -> Scim {
    patient(server, Duration::from_millis(500))
}

fn patient(server: &Server, timeout: Duration) -> Scim {
    configured(HttpConfig { timeout, ..server.config() }, ScimProfile::default())
}

pub(super) fn scim_with(server: &Server, profile: ScimProfile) -> Scim {
    configured(HttpConfig { timeout: Duration::from_millis(1500), ..server.config() }, profile)
}

fn configured(http: HttpConfig, profile: ScimProfile) -> Scim {
    let (fence, gate, meter, _) = surroundings();
    let config = ScimConfig {
        http,
        credentials: Credentials::Bearer(CANARY.into()),
        marker_attribute: "externalId".to_owned(),
        search_by: Vec::new(),
        profile,
        create_groups: true,
    };
    assert!(!format!("{config:?}").contains(CANARY));
    Scim::new(config, fence, gate, meter).unwrap()
}

async fn entitle(server: &Server, account: &str, held: bool) -> Result<(), Failure> {
    let change = Membership { account: account.to_owned(), held };
    scim(server).entitle("group", "g", &[change]).await?.remove(0)
}

fn ann() -> NewAccount {
    NewAccount {
        login: "ann".to_owned(),
        marker: ("externalId".to_owned(), "E-1".to_owned()),
        attributes: [].into(),
    }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut child =
        Command::new("gzip").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("gzip is installed");
    let mut stdin = child.stdin.take().unwrap();
    let content = content.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&content).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output.stdout
}

fn hostile(name: &str) -> Reply {
    let html = format!("<html><body>{CANARY}</body></html>");
    let error = |kind: &str| json!({ "scimType": kind, "detail": CANARY }).to_string();
    let canary = "x-canary: canary-c0ffee\r\n";
    match name {
        "html" => reply(200, "content-type: text/html\r\n", html),
        "empty" => reply(200, "", ""),
        "garbage" => reply(200, canary, b"\xff\xfe{canary-c0ffee".as_slice()),
        "invalid utf-8" => reply(200, "", b"{\"id\":\"\xff\"}".as_slice()),
        "deep" => reply(200, "", "[".repeat(100_000)),
        "oversized" => reply(200, "", vec![b' '; (16 << 20) + 1]),
        "gzip bomb" => reply(200, "content-encoding: gzip\r\n", gzip(&vec![b' '; 17 << 20])),
        "broken gzip" => reply(200, "content-encoding: gzip\r\n", "canary-c0ffee"),
        "cut short" => Reply::Bytes(b"HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\n{".to_vec()),
        "not http" => Reply::Bytes(b"SSH-2.0-canary-c0ffee\r\n\r\n".to_vec()),
        "hang" => Reply::Hang,
        "close" => Reply::Close,
        "redirect" => reply(302, "location: http://127.0.0.1:1/canary-c0ffee\r\n", html),
        "400" => reply(400, "", error("invalidValue")),
        "401" => reply(401, "www-authenticate: canary-c0ffee\r\n", html),
        "403" => reply(403, "", html),
        "404" => reply(404, "", error("")),
        "409" => reply(409, "", html),
        "400 uniqueness" => reply(400, "", error("uniqueness")),
        "429" => reply(429, "retry-after: Thu, 31 Dec 2099 23:59:59 GMT\r\n", error("")),
        "500" => reply(500, "", html),
        "501" => reply(501, "", error("")),
        "503" => reply(503, "retry-after: canary-c0ffee\r\n", ""),
        "wrong kind" => reply(200, "", format!("[\"{CANARY}\"]")),
        "other user" => {
            reply(200, "", json!({ "id": "2", "userName": CANARY, "externalId": "E-2" }).to_string())
        }
        other => panic!("{other}"),
    }
}

/// Classes for reading, creating, changing and deleting account `1`, and for a listing.
#[rstest]
#[case("html", "UUUUU")]
#[case("empty", "UUUUU")]
#[case("garbage", "UUUUU")]
#[case("invalid utf-8", "UUUUU")]
#[case("deep", "UUUUU")]
#[case("oversized", "UUUUU")]
#[case("gzip bomb", "UUUUU")]
#[case("broken gzip", "UUUUU")]
#[case("cut short", "RUUUR")]
#[case("not http", "RUUUR")]
#[case("hang", "RUUUR")]
#[case("close", "RUUUR")]
#[case("redirect", "UUUUU")]
#[case("400", "PPPPP")]
#[case("401", "CCCCC")]
#[case("403", "CCCCC")]
#[case("404", "UUUUU")]
#[case("409", "XXXXX")]
#[case("400 uniqueness", "XXXXX")]
#[case("429", "RRRRR")]
#[case("500", "RRRRR")]
#[case("501", "PPPPP")]
#[case("503", "RRRRR")]
#[case("wrong kind", "UUUUU")]
#[case("other user", "UUUUU")]
#[tokio::test]
async fn every_hostile_answer_is_a_failure_in_our_words(#[case] name: &'static str, #[case] classes: &str) {
    let server = server(|_| hostile(name)).await;
    // On a busy machine long answers take their time; only one that never comes is not waited for.
    let patience = Duration::from_millis(if name == "hang" { 500 } else { 8_000 });
    let scim = || patient(&server, patience);
    // Each has a gate of its own, so that none is refused for what happened to another.
    let change = [Change { attribute: "title".to_owned(), value: Some(json!("x")) }];
    let outcomes = [
        scim().get("1").await.map(drop),
        scim().create(&ann(), None).await.map(drop),
        scim().update("1", &change).await.map(drop),
        scim().delete("1").await,
        scim().page(None).await.map(drop),
    ];
    for (outcome, class) in outcomes.into_iter().zip(classes.chars()) {
        let failure = outcome.unwrap_err();
        let expected = match class {
            'C' => FailureClass::Credentials,
            'P' => FailureClass::Permanent,
            'R' => FailureClass::RetryAfter,
            'U' => FailureClass::Unknown,
            _ => FailureClass::Conflict,
        };
        assert_eq!(failure.class, expected, "{failure:?}");
        assert!(!format!("{failure} {failure:?}").contains("canary"), "{failure:?}");
        assert_eq!(failure.retry_after.is_some(), name == "429");
    }
}

#[tokio::test]
async fn a_filter_that_is_ignored_finds_only_who_matches() {
    let everybody = json!({ "totalResults": 3, "Resources": [
        { "id": "1", "userName": "ann", "externalId": "E-1" },
        { "id": "2", "userName": "bob", "externalId": "E-10" },
        { "id": "3", "userName": "E-1" },
    ]});
    let server = server(move |_| reply(200, "", everybody.to_string())).await;
    let found = scim(&server).find("externalId", "E-1").await.unwrap();
    assert_eq!(found.iter().map(|account| account.id.as_str()).collect::<Vec<_>>(), ["1"]);
    assert_eq!(scim(&server).find("externalId", "E-9").await.unwrap(), []);
}

/// A server that reads no query answers its first page for ever.
#[tokio::test]
async fn a_repeating_page_ends_a_search_and_a_sweep() {
    let page = json!({ "totalResults": 4, "Resources": [{ "id": "1", "userName": "a" }, { "id": "2", "userName": "b" }] });
    let server = server(move |_| reply(200, "", page.to_string())).await;
    let failure = scim(&server).find("userName", "c").await.unwrap_err();
    assert_eq!(failure.reason, Reason::UnexpectedAnswer);
    let scim = scim(&server);
    let first = scim.page(None).await.unwrap();
    let failure = scim.page(first.next.as_deref()).await.unwrap_err();
    assert_eq!((failure.class, failure.reason), (FailureClass::Unknown, Reason::UnexpectedAnswer));
}

/// The change is accepted with 200 and an echo, and nothing changes.
#[tokio::test]
async fn a_suspension_without_effect_is_not_believed() {
    let server = server(|request| {
        let active = request.method == "GET";
        reply(200, "", json!({ "id": "1", "userName": "ann", "active": active }).to_string())
    })
    .await;
    let failure = scim(&server).set_active("1", false).await.unwrap_err();
    assert_eq!((failure.class, failure.reason), (FailureClass::RetryAfter, Reason::NotApplied));
    let failure = scim(&server).delete("1").await.unwrap_err();
    assert_eq!(failure.reason, Reason::NotApplied);
}

#[tokio::test]
async fn a_membership_without_effect_is_not_believed() {
    let server =
        server(|_| reply(200, "", json!({ "id": "g", "members": [{ "value": "1" }] }).to_string())).await;
    entitle(&server, "1", true).await.unwrap();
    let failure = entitle(&server, "1", false).await.unwrap_err();
    assert_eq!(failure.reason, Reason::NotApplied);
    let failure = entitle(&server, "2", true).await.unwrap_err();
    assert_eq!(failure.reason, Reason::NotApplied);
}

/// A refusal to remove a member is a success only with proof that there is none.
#[rstest]
#[case::still_there(json!({ "id": "g", "members": [{ "value": "1" }] }), "", false)]
#[case::not_there(json!({ "id": "g", "members": [{ "value": "2" }] }), "", true)]
#[case::hidden(json!({ "id": "g" }), "", false)]
#[case::no_target(json!({ "id": "g" }), "noTarget", true)]
#[case::no_target_but_there(json!({ "id": "g", "members": [{ "value": "1" }] }), "noTarget", false)]
#[case::other_group(json!({ "id": "h", "members": [] }), "", false)]
#[tokio::test]
async fn a_refused_removal_needs_proof(
    #[case] group: Value,
    #[case] kind: &'static str,
    #[case] success: bool,
) {
    let server = server(move |request| match request.method.as_str() {
        "GET" => reply(200, "", group.to_string()),
        _ => reply(400, "", json!({ "scimType": kind }).to_string()),
    })
    .await;
    assert_eq!(entitle(&server, "1", false).await.is_ok(), success);
}

/// The reply to a creation has no body: the account is looked up by its marker.
#[tokio::test]
async fn an_empty_reply_to_a_creation_is_looked_up() {
    let list =
        json!({ "totalResults": 1, "Resources": [{ "id": "1", "userName": "ann", "externalId": "E-1" }] });
    let server = server(move |request| match request.method.as_str() {
        "POST" => reply(201, "", ""),
        _ => reply(200, "", list.to_string()),
    })
    .await;
    assert_eq!(scim(&server).create(&ann(), None).await.unwrap().id, "1");
}

/// Without PATCH, a change by somebody else between reading and writing is not overwritten.
#[tokio::test]
async fn a_lost_update_is_avoided() {
    let version = std::sync::atomic::AtomicUsize::new(1);
    let server = Server::start(move |request| match request.method.as_str() {
        "GET" if request.path.ends_with("/ServiceProviderConfig") => {
            reply(200, "", json!({ "etag": { "supported": true } }).to_string())
        }
        "GET" => {
            let version = version.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let user = json!({ "id": "1", "userName": "ann", "x": version, "meta": { "version": format!("W/\"{version}\"") } });
            reply(200, "", user.to_string())
        }
        _ if request.head.contains("if-match: w/\"2\"") => reply(200, "", &request.body),
        _ => reply(412, "", ""),
    })
    .await;
    let change = Change { attribute: "title".to_owned(), value: Some(json!("x")) };
    let account = scim(&server).update("1", &[change]).await.unwrap();
    assert_eq!((&account.attributes["x"], &account.attributes["title"]), (&json!(2), &json!("x")));
    assert_eq!(server.count("PUT"), 2);
}

#[rstest]
#[case("noTarget", 400, FailureClass::Permanent, Some("noTarget"))]
#[case("UNIQUENESS", 400, FailureClass::Conflict, Some("uniqueness"))]
#[case("uniqueness", 500, FailureClass::Conflict, Some("uniqueness"))]
#[case("expiredCursor", 400, FailureClass::RetryAfter, Some("expiredCursor"))]
#[case("canary", 404, FailureClass::Gone, None)]
fn the_scim_type_counts_more_than_the_status(
    #[case] kind: &str,
    #[case] status: u16,
    #[case] class: FailureClass,
    #[case] keyword: Option<&str>,
) {
    let verdict = judge(status, Some(&json!({ "scimType": kind })));
    assert_eq!((verdict.class, verdict.keyword), (class, keyword));
}
