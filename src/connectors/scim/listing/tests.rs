use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::super::ScimConfig;
use super::super::accounts::filter;
use super::*;
use crate::api::scim::ScimProfile;
use crate::connectors::http::{Credentials, SINGLE};
use crate::connectors::testing::{Server, reply, surroundings};
use crate::converge::Lane;

fn call() -> Call {
    Call {
        operation: "list accounts",
        method: Method::GET,
        url: "https://example.com/Users".parse().unwrap(),
        body: None,
        if_match: None,
        limit: SINGLE,
        lane: Lane::Verify,
        probe: false,
    }
}

fn connector(server: &Server) -> Scim {
    let (fence, gate, meter, _) = surroundings();
    let config = ScimConfig {
        http: server.config(),
        credentials: Credentials::Bearer("canary-listing".into()),
        marker_attribute: "externalId".to_owned(),
        search_by: Vec::new(),
        profile: ScimProfile::default(),
        create_groups: false,
    };
    Scim::new(config, fence, gate, meter).unwrap()
}

fn users(ids: &[&str]) -> Vec<Value> {
    ids.iter().map(|id| json!({ "id": id })).collect()
}

/// Reads these answers one after the other; the number of resources, or the failure.
fn read(paging: Paging, answers: &[Value]) -> Result<usize, Failure> {
    let (mut position, mut seen) = (Position::default(), 0);
    for (number, answer) in answers.iter().enumerate() {
        let slice = judge(&call(), paging, position, answer.clone())?;
        seen += slice.resources.len();
        let Some(next) = slice.next else {
            assert_eq!(number + 1, answers.len(), "ended early");
            return Ok(seen);
        };
        position = next;
    }
    panic!("did not end");
}

fn page(ids: &[&str], total: u64, start: u64) -> Value {
    json!({ "Resources": users(ids), "totalResults": total, "startIndex": start, "itemsPerPage": ids.len() })
}

fn next(ids: &[&str], cursor: &str) -> Value {
    json!({ "Resources": users(ids), "nextCursor": cursor })
}

#[rstest]
#[case::empty(&[json!({ "totalResults": 0 })], 0)]
#[case::one(&[page(&["a"], 1, 1)], 1)]
#[case::two(&[page(&["a", "b"], 3, 1), page(&["c"], 3, 3)], 3)]
#[case::lower_case(&[json!({ "resources": users(&["a"]), "totalresults": 1 })], 1)]
#[case::no_echo(&[json!({ "Resources": users(&["a"]), "totalResults": 1 })], 1)]
#[case::grows(&[page(&["a", "b"], 3, 1), page(&["c"], 4, 3), page(&["d"], 4, 4)], 4)]
fn listings_by_position_end(#[case] answers: &[Value], #[case] count: usize) {
    assert_eq!(read(Paging::Index, answers).unwrap(), count);
}

#[rstest]
#[case::no_list(&[json!({ "id": "a" })], FailureClass::Unknown)]
#[case::html(&[Value::Null], FailureClass::Unknown)]
#[case::bare_array(&[json!(users(&["a"]))], FailureClass::Unknown)]
#[case::no_total(&[json!({ "Resources": users(&["a"]) })], FailureClass::Unknown)]
#[case::no_id(&[json!({ "Resources": [{}], "totalResults": 1 })], FailureClass::Unknown)]
#[case::too_few(&[page(&["a"], 3, 1), page(&[], 3, 2)], FailureClass::Unknown)]
#[case::empty_with_total(&[page(&[], 3, 1)], FailureClass::Unknown)]
#[case::too_many(&[page(&["a", "b"], 1, 1)], FailureClass::Unknown)]
#[case::first_page_again(&[page(&["a", "b"], 4, 1), page(&["a", "b"], 4, 3)], FailureClass::Unknown)]
#[case::wrong_page(&[page(&["a", "b"], 4, 1), page(&["c", "d"], 4, 1)], FailureClass::Unknown)]
#[case::endless(&[page(&["a"], RESOURCES_AT_MOST + 1, 1)], FailureClass::Unknown)]
#[case::twice_on_one_page(&[page(&["a", "a"], 2, 1)], FailureClass::Unknown)]
#[case::shrinks(&[page(&["a", "b"], 4, 1), page(&["d"], 3, 3)], FailureClass::RetryAfter)]
fn listings_by_position_that_cannot_be_complete_fail(#[case] answers: &[Value], #[case] class: FailureClass) {
    let failure = read(Paging::Index, answers).unwrap_err();
    assert_eq!((failure.class, failure.reason), (class, Reason::UnexpectedAnswer));
}

#[rstest]
#[case::empty(&[json!({ "totalResults": 0, "Resources": [] })], 0)]
#[case::two(&[next(&["a", "b"], "x"), json!({ "Resources": users(&["c"]) })], 3)]
#[case::empty_page(&[next(&["a"], "x"), next(&[], "y"), json!({ "Resources": users(&["c"]) })], 2)]
#[case::null_cursor(&[json!({ "Resources": users(&["a"]), "nextCursor": null })], 1)]
#[case::comings_and_goings(
    &[
        json!({ "Resources": users(&["a", "b"]), "totalResults": 5, "nextCursor": "x" }),
        json!({ "Resources": users(&["c", "d"]), "totalResults": 3 }),
    ],
    4
)]
fn listings_by_cursor_end(#[case] answers: &[Value], #[case] count: usize) {
    assert_eq!(read(Paging::Cursor, answers).unwrap(), count);
}

#[rstest]
#[case::too_few(&[json!({ "Resources": users(&["a"]), "totalResults": 3 })])]
#[case::same_page(&[next(&["a", "b"], "x"), next(&["a", "b"], "y")])]
#[case::twice_on_one_page(&[next(&["a", "b", "a"], "x")])]
#[case::same_cursor(&[next(&["a"], "x"), next(&["b"], "x")])]
#[case::long_cursor(&[next(&["a"], &"x".repeat(CURSOR_AT_MOST + 1))])]
#[case::empty_for_ever(&vec![next(&[], "x"); 20])]
fn listings_by_cursor_that_cannot_be_complete_fail(#[case] answers: &[Value]) {
    let failure = read(Paging::Cursor, answers).unwrap_err();
    assert_eq!((failure.class, failure.reason), (FailureClass::Unknown, Reason::UnexpectedAnswer));
}

proptest! {
    /// Pages that come round are noticed within three rounds, wherever the circle begins and however long it is.
    #[test]
    fn every_circle_is_noticed(tail in 0_usize..20, circle in 1_usize..40) {
        let at = |n: usize| if n < tail + circle { n } else { tail + (n - tail) % circle };
        let mut position = Position::default();
        let noticed = (0..3 * (tail + circle) + 3).find(|n| {
            let answer = next(&[&format!("id{}", at(*n))], &format!("c{n}"));
            let slice = judge(&call(), Paging::Cursor, position.clone(), answer);
            slice.map(|slice| position = slice.next.unwrap()).is_err()
        });
        prop_assert!(noticed.is_some_and(|n| n >= tail + circle), "{:?}", noticed);
    }

    /// Filter and cursor come out of the URL as what they were, and the value out of the filter.
    #[test]
    fn every_value_reads_back_from_the_query(value in any::<String>(), more in "[\"\\\\%/?#.&=+ \\x00-\\x1f]{0,8}", cursor in any::<String>()) {
        let value = format!("{value}{more}");
        let filter = filter("userName", &value);
        let query = Query { operation: "find account", collection: "Users", filter: Some(&filter), without_members: false };
        let profile = Profile { paging: Paging::Cursor, ..Profile::default() };
        let position = Position { cursor: Some(cursor.clone()), ..Position::default() };
        let mut url = call().url;
        url.set_query(Some(&parameters(&query, &profile, &position)));
        let read: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        prop_assert_eq!(read.len(), 3, "{}", url);
        prop_assert_eq!(&read[0], &("filter".to_owned(), filter));
        prop_assert_eq!(&read[1], &("cursor".to_owned(), cursor));
        prop_assert_eq!((url.path(), url.fragment()), ("/Users", None));
        let literal = read[0].1.strip_prefix("userName eq ").unwrap();
        prop_assert_eq!(serde_json::from_str::<String>(literal).unwrap(), value);
    }

    #[test]
    fn positions_survive_being_cursors(seen in any::<u64>(), cursor in proptest::option::of(".{0,20}"), page in any::<u64>()) {
        let position = Position { cursor, seen, pages: seen, totals: Some((1, seen)), empty: 3, lap: Lap { page, passed: 2, until: 4 } };
        let text = serde_json::to_string(&position).unwrap();
        prop_assert_eq!(serde_json::from_str::<Position>(&text).unwrap(), position);
    }
}

#[test]
fn parameters_are_encoded() {
    let query = Query {
        operation: "find account",
        collection: "Users",
        filter: Some("userName eq \"a&b+c d\""),
        without_members: false,
    };
    let by_position = parameters(&query, &Profile::default(), &Position::default());
    assert_eq!(by_position, "filter=userName%20eq%20%22a%26b%2Bc%20d%22&startIndex=1&count=100");
    let profile = Profile { paging: Paging::Cursor, page_size: 3, ..Profile::default() };
    let position = Position { cursor: Some("a=&b".to_owned()), ..Position::default() };
    let query = Query { filter: None, without_members: true, ..query };
    assert_eq!(parameters(&query, &profile, &position), "excludedAttributes=members&cursor=a%3D%26b&count=3");
}

/// Always a fresh page: by position with a total that runs ahead, by cursor with a new cursor.
#[rstest]
#[case::by_position(Paging::Index, 20)]
#[case::by_cursor(Paging::Cursor, PAGES_AT_MOST + 1)]
fn a_list_that_never_ends_is_given_up(#[case] paging: Paging, #[case] pages: u64) {
    let (mut position, mut read) = (Position::default(), 0);
    loop {
        let ids: Vec<Value> = (0..100).map(|n| json!({ "id": format!("{read}-{n}") })).collect();
        let answer = match paging {
            Paging::Cursor => json!({ "Resources": &ids[..1], "nextCursor": format!("c{read}") }),
            _ => json!({ "Resources": ids, "totalResults": (read + 2) * 100 }),
        };
        read += 1;
        match judge(&call(), paging, position, answer) {
            Ok(slice) => position = slice.next.unwrap(),
            Err(failure) => {
                assert_eq!(
                    (failure.class, failure.reason),
                    (FailureClass::Unknown, Reason::UnexpectedAnswer)
                );
                break;
            }
        }
    }
    assert!(read <= pages, "{read} pages");
}

/// A service without discovery whose listings are what `page` makes of `startIndex`.
async fn service(page: impl Fn(u64) -> Value + Send + Sync + 'static) -> Server {
    Server::start(move |request| {
        let start = request.path.split("startIndex=").nth(1).and_then(|rest| rest.split('&').next());
        match start.and_then(|start| start.parse().ok()) {
            Some(start) => reply(200, "", page(start).to_string()),
            None => reply(404, "", ""),
        }
    })
    .await
}

const EVERYBODY: Query<'_> =
    Query { operation: "find account", collection: "Users", filter: None, without_members: false };

/// However many pages come, and however fast, a search ends.
#[tokio::test]
async fn a_search_that_takes_too_long_is_given_up() {
    let server = service(|start| page(&[&start.to_string()], 900_000, start)).await;
    let scim = connector(&server);
    let keep = |_: &Value| Ok(None::<()>);
    let refused = scim.collect_within(Duration::from_millis(300), &EVERYBODY, keep).await.unwrap_err();
    assert_eq!(refused.failure.message, "find account: the list takes too long to read");
    assert!(server.count("GET") > 1);
}

/// Those who all match are not kept beyond what memory allows.
#[tokio::test]
async fn a_search_that_finds_too_much_is_given_up() {
    let server = service(|start| {
        let user = |n: u64| json!({ "id": n.to_string(), "x": "y".repeat(1 << 20) });
        json!({ "Resources": (start..start + 15).map(user).collect::<Vec<_>>(), "totalResults": 900_000 })
    })
    .await;
    let refused = connector(&server).collect(&EVERYBODY, |user| Ok(Some(user.clone()))).await.unwrap_err();
    assert_eq!(refused.failure.message, "find account: too many resources match");
}
