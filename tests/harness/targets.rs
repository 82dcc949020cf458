//! Targets, the proxy before them, and what is read from the operator.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::fast_target::{Config as FastConfig, FastTarget};
use crate::support::metrics::Metrics;
use crate::support::proxy::{Raw, Recorded};
use crate::support::scim_server::Config;
use crate::support::{Action, RecordingProxy, Rule, ScimServer, http};

fn person(n: usize) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": format!("person{n}@example.com"), "externalId": format!("p-{n}"), "active": true,
    })
}

async fn post(server: &ScimServer, user: &Value) -> reqwest::Result<reqwest::Response> {
    let request = http().post(format!("{}/Users", server.base_url())).bearer_auth(server.token());
    request.header("content-type", "application/scim+json").body(user.to_string()).send().await
}

#[tokio::test]
async fn the_scim_server_is_real_and_the_proxy_remembers() {
    let server = ScimServer::start(Config::default()).await;
    let behind = server.create_user(person(0)).await;
    assert!(server.proxy().requests().is_empty(), "the test's own calls are not recorded");
    let mark = RecordingProxy::mark();
    for n in 1..4 {
        assert_eq!(post(&server, &person(n)).await.unwrap().status(), 201);
    }
    assert_eq!(post(&server, &person(1)).await.unwrap().status(), 409);
    assert_eq!(server.users().await.len(), 4);

    let recorded = server.proxy().writes_since(mark);
    let statuses: Vec<_> = recorded.iter().map(|r| r.status).collect();
    assert_eq!(statuses, [Some(201), Some(201), Some(201), Some(409)]);
    assert_eq!(recorded[2].json()["externalId"], "p-3");
    assert_eq!(recorded[0].path, "/v2/Users");
    assert_eq!(server.proxy().counts(), BTreeMap::from([("POST".to_owned(), 4)]));

    server
        .patch(
            &format!("/Users/{}", behind["id"].as_str().unwrap()),
            json!([{
                "op": "replace", "path": "active", "value": false,
            }]),
        )
        .await;
    assert_eq!(server.user_named("PERSON0@example.com").await.unwrap()["active"], false);
    server.delete(&format!("/Users/{}", behind["id"].as_str().unwrap())).await;
    assert_eq!(server.users().await.len(), 3);
}

#[tokio::test]
async fn the_scim_server_keeps_to_the_abilities_it_announces() {
    let server = ScimServer::start(Config {
        tenant: Some("acme".into()),
        service_provider_config: Some(json!({"patch": {"supported": false}})),
        ..Default::default()
    })
    .await;
    assert!(server.base_url().ends_with("/acme/v2"));
    let user = server.create_user(person(0)).await;
    let path = format!("/Users/{}", user["id"].as_str().unwrap());
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "active", "value": false}],
    });
    let refused = server.try_call(Method::PATCH, &path, Some(body)).await.unwrap_err();
    assert!(refused.contains("501"), "{refused}");
}

#[tokio::test]
async fn the_proxy_breaks_what_it_is_told_to() {
    let server = ScimServer::start(Config::default()).await;
    let proxy = server.proxy();

    proxy.inject(Rule::new(Action::retry_after(429, 7)).method("POST").path("/Users").times(1));
    let refused = post(&server, &person(0)).await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"7".parse().unwrap()));
    assert!(server.users().await.is_empty(), "the target was not asked");

    proxy.inject(Rule::new(Action::DropReplyAfterForward).nth(2));
    assert_eq!(post(&server, &person(1)).await.unwrap().status(), 201);
    assert!(post(&server, &person(2)).await.is_err(), "the reply is lost");
    assert_eq!(server.users().await.len(), 2, "and yet it was done");
    let lost = proxy.requests().pop().unwrap();
    assert_eq!((lost.status, lost.target_status), (None, Some(201)));

    proxy.inject(Rule::new(Action::Reset).times(1));
    let reset = post(&server, &person(3)).await.unwrap_err();
    assert!(format!("{reset:?}").contains("ConnectionReset"), "{reset:?}");

    proxy.inject(Rule::new(Action::TruncateBody).times(1));
    let cut = post(&server, &person(4)).await.unwrap();
    assert_eq!(cut.status(), 201);
    assert!(cut.bytes().await.is_err(), "the body ends early");

    proxy.inject(Rule::new(Action::Delay(Duration::from_millis(300))).times(1));
    assert_eq!(post(&server, &person(5)).await.unwrap().status(), 201);
    assert!(proxy.requests().pop().unwrap().took.unwrap() >= Duration::from_millis(300));

    proxy.inject(Rule::new(Action::Hang));
    let user = person(6);
    let hanging = tokio::time::timeout(Duration::from_millis(300), post(&server, &user));
    assert!(hanging.await.is_err());
    proxy.clear();
    assert_eq!(post(&server, &user).await.unwrap().status(), 201);
    assert_eq!(proxy.requests().iter().filter(|r: &&Recorded| r.status.is_none()).count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_answers_what_it_is_told_to() {
    let server = ScimServer::start(Config::default()).await;
    let proxy = server.proxy();

    proxy.inject(Rule::new(Action::Twice).method("POST").times(1));
    let second = post(&server, &person(0)).await.unwrap();
    assert_eq!((second.status().as_u16(), server.users().await.len()), (409, 1), "the first was a success");

    proxy.inject(Rule::new(Action::Rewrite(|user| user["id"] = json!("other"))).times(1));
    let changed: Value = post(&server, &person(1)).await.unwrap().json().await.unwrap();
    assert_eq!((&changed["id"], &changed["userName"]), (&json!("other"), &person(1)["userName"]));

    proxy.inject(Rule::new(Action::Compute(|path| json!({ "path": path }))).times(1));
    let computed: Value = post(&server, &person(2)).await.unwrap().json().await.unwrap();
    assert_eq!(computed["path"], "/v2/Users");

    let flood = Raw::new("HTTP/1.1 200 OK\r\ncontent-length: 3000\r\n\r\n").then("abc", 1_000);
    proxy.inject(Rule::new(Action::Raw(flood)).times(1));
    assert_eq!(post(&server, &person(2)).await.unwrap().bytes().await.unwrap().len(), 3_000);

    let stalled = Raw::new("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").hold();
    let slow = Raw::new("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").drip("1\r\n \r\n");
    for raw in [stalled, slow] {
        proxy.inject(Rule::new(Action::Raw(raw)).times(1));
        let started = post(&server, &person(2)).await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(1_500), started.bytes()).await.is_err());
    }
    assert_eq!(server.users().await.len(), 2, "the target was asked by the first two alone");
}

async fn call(target: &FastTarget, method: Method, path: &str, body: Value) -> (u16, Value) {
    let url = format!("{}{path}", target.base_url());
    let answer = http().request(method, url).bearer_auth("t").body(body.to_string()).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}

async fn fast_target() -> FastTarget {
    let target = FastTarget::start(FastConfig { token: Some("t".into()), ..FastConfig::default() });
    for n in 0..5 {
        assert_eq!(call(&target, Method::POST, "/Users", person(n)).await.0, 201);
    }
    target
}

#[tokio::test]
async fn the_fast_target_finds_and_pages_and_refuses_doubles() {
    let target = fast_target().await;
    let (status, conflict) = call(&target, Method::POST, "/Users", person(0)).await;
    assert_eq!((status, &conflict["scimType"]), (409, &json!("uniqueness")));
    let (_, found) =
        call(&target, Method::GET, "/Users?filter=externalId%20eq%20%22p-3%22", Value::Null).await;
    assert_eq!(found["Resources"][0]["userName"], "person3@example.com");
    let (_, found) =
        call(&target, Method::GET, "/Users?filter=userName+eq+%22PERSON2@example.com%22", Value::Null).await;
    assert_eq!(found["Resources"][0]["externalId"], "p-2");
    let (_, page) = call(&target, Method::GET, "/Users?startIndex=4&count=2", Value::Null).await;
    assert_eq!((&page["totalResults"], page["Resources"].as_array().unwrap().len()), (&json!(5), 2));
    let (status, _) = call(&target, Method::GET, "/Users?filter=title%20co%20%22x%22", Value::Null).await;
    assert_eq!((status, target.counts()["POST Users"]), (400, 6));
}

#[tokio::test]
async fn the_fast_target_patches_users_and_groups() {
    let target = fast_target().await;
    let path = format!("/Users/{}", target.users()[3]["id"].as_str().unwrap());
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let operations = json!([
        {"op": "replace", "path": "active", "value": false},
        {"op": "add", "path": "name.familyName", "value": "Curie"},
        {"op": "add", "path": format!("{enterprise}:department"), "value": "Physics"},
        {"op": "add", "path": "emails[type eq \"work\"].value", "value": "m@example.com"},
        {"op": "replace", "value": {"title": "Dr"}},
    ]);
    let (_, patched) = call(&target, Method::PATCH, &path, json!({ "Operations": operations })).await;
    assert_eq!(patched["active"], false);
    assert_eq!(patched["name"]["familyName"], "Curie");
    assert_eq!(patched[enterprise]["department"], "Physics");
    assert_eq!(patched["emails"], json!([{"type": "work", "value": "m@example.com"}]));
    assert_eq!(patched["title"], "Dr");
    assert_eq!((target.user_count(), target.active_count()), (5, 4));

    let (_, group) = call(&target, Method::POST, "/Groups", json!({"displayName": "g"})).await;
    let path = format!("/Groups/{}", group["id"].as_str().unwrap());
    let members = json!([{"value": "1"}, {"value": "2"}, {"value": "3"}]);
    let addition = json!({"Operations": [{"op": "add", "path": "members", "value": members}]});
    assert_eq!(call(&target, Method::PATCH, &path, addition).await.0, 204);
    let removal = json!({"Operations": [{"op": "remove", "path": "members[value eq \"2\"]"}]});
    call(&target, Method::PATCH, &path, removal).await;
    let (_, group) = call(&target, Method::GET, &path, Value::Null).await;
    assert_eq!(group["members"], json!([{"value": "1"}, {"value": "3"}]));
    let without = format!("{path}?excludedAttributes=members");
    assert_eq!(call(&target, Method::GET, &without, Value::Null).await.1.get("members"), None);
    assert_eq!(call(&target, Method::DELETE, &path, Value::Null).await.0, 204);
    assert_eq!(call(&target, Method::GET, &path, Value::Null).await.0, 404);
}

/// The shapes of RFC 7644 §3.5.2, several members in one operation and several operations in one request.
#[tokio::test]
async fn the_fast_target_keeps_large_groups() {
    let target = fast_target().await;
    let value = |n: usize| json!({"value": n.to_string()});
    let members: Vec<_> = (0..10_000).map(value).collect();
    let id = target.seed_group(json!({"displayName": "all", "members": members}));
    let path = format!("/Groups/{id}");
    let change = async |operations: Value| {
        call(&target, Method::PATCH, &path, json!({ "Operations": operations })).await.0
    };
    let some: Vec<_> = (9_990..10_100).map(value).collect();
    assert_eq!(change(json!([{"op": "add", "path": "members", "value": some}])).await, 204);
    assert_eq!(target.member_count(&id), 10_100, "who is there is not added again");
    let removals = json!([
        {"op": "remove", "path": "members", "value": [value(1), value(2)]},
        {"op": "remove", "path": "members[value eq \"3\" or value eq \"4\"]"},
        {"op": "Remove", "path": "members[value eq \"4711000\"]"},
        {"op": "add", "value": {"members": [value(1)], "externalId": "e"}},
    ]);
    assert_eq!(change(removals).await, 204);
    assert_eq!(target.member_count(&id), 10_097);
    let refused = json!([
        {"op": "remove", "path": "members"},
        {"op": "remove", "path": "members[display co \"x\"]"},
    ]);
    assert_eq!((change(refused).await, target.member_count(&id)), (400, 10_097), "all or nothing");
    assert_eq!(change(json!([{"op": "replace", "path": "members", "value": [value(7)]}])).await, 204);
    let group = call(&target, Method::GET, &path, Value::Null).await.1;
    assert_eq!((&group["members"], &group["externalId"]), (&json!([value(7)]), &json!("e")));
    assert_eq!(change(json!([{"op": "remove", "path": "members"}])).await, 204);
    assert_eq!(target.member_count(&id), 0);
}

#[tokio::test]
async fn the_fast_target_can_be_short_of_quota() {
    let target = FastTarget::start(FastConfig { requests_per_second: Some(3), ..Default::default() });
    let (client, url) = (http(), format!("{}/Users", target.base_url()));
    // At once, so that no slow machine spreads them over several windows of a second.
    let ask = async || client.get(&url).send().await.unwrap().status().as_u16();
    let statuses = futures::future::join_all((0..40).map(|_| ask())).await;
    assert!(statuses.contains(&429), "{statuses:?}");
    assert!(target.counts()["throttled"] >= 1);
}

#[test]
fn metrics_are_taken_apart() {
    let text = "# HELP a_total b\n# TYPE a_total counter\na_total{x=\"1\",y=\"a\\\"}, \"} 3\na_total{x=\"2\"} 4 # {} 1\nb 0.5\n";
    let metrics = Metrics::parse(text);
    assert_eq!(metrics.get("a_total", &[("x", "1"), ("y", "a\"}, ")]), Some(3.0));
    assert!((metrics.sum("a_total", &[]) - 7.0).abs() < f64::EPSILON);
    assert!((metrics.sum("a_total", &[("x", "2")]) - 4.0).abs() < f64::EPSILON);
    assert_eq!(metrics.get("b", &[]), Some(0.5));
}
