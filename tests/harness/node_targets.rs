//! The third-party servers that run on Node.js, and what is peculiar to each.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::targets::better_auth::{BetterAuth, NEXT_TOKEN, READER_TOKEN};
use crate::support::targets::{Target, scimmy};

const PASSWORD: &str = "canary-password";

fn person(n: usize) -> Value {
    let address = format!("person{n}@example.com");
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": address,
        "externalId": format!("p-{n}"),
        "name": {"givenName": "Person", "familyName": n.to_string()},
        "emails": [{"value": address, "type": "work", "primary": true}],
        "active": true,
    })
}

/// Makes a user and returns its path.
async fn joiner(target: &Target, n: usize) -> String {
    let (status, user) = target.call(Method::POST, "/Users", Some(person(n))).await;
    assert_eq!(status, 201, "{user}");
    format!("/Users/{}", user["id"].as_str().unwrap())
}

async fn suspend(target: &Target, path: &str) {
    let operations = json!([{"op": "replace", "path": "active", "value": false}]);
    let (status, user) = target.patch(path, operations).await;
    assert_eq!((status, &user["active"]), (200, &json!(false)), "{user}");
}

async fn takes_a_user_through_its_life(target: &Target) {
    let path = joiner(target, 1).await;
    let (status, user) = target.call(Method::GET, &path, None).await;
    assert_eq!((status, &user["externalId"], &user["active"]), (200, &json!("p-1"), &json!(true)));
    suspend(target, &path).await;
    assert_eq!(target.call(Method::GET, &path, None).await.1["active"], false);
    assert_eq!(target.call(Method::DELETE, &path, None).await.0, 204);
    assert_eq!(target.call(Method::GET, &path, None).await.0, 404);
    assert!(target.proxy().requests().is_empty(), "the test's own calls are not recorded");

    let through = format!("{}/Users", target.base_url());
    let answer = crate::support::http().get(through).bearer_auth(target.token()).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), target.proxy().count("GET")), (200, 1));
}

#[tokio::test]
async fn better_auth_takes_a_user_through_its_life() {
    let target = BetterAuth::start().await;
    takes_a_user_through_its_life(&target).await;
}

#[tokio::test]
async fn scimmy_takes_a_user_through_its_life() {
    takes_a_user_through_its_life(&scimmy::start().await).await;
}

#[tokio::test]
async fn better_auth_ends_sessions_of_a_suspended_user_but_lets_the_password_in_again() {
    let target = BetterAuth::start().await;
    let path = joiner(&target, 1).await;
    assert_eq!(target.sign_in("person1@example.com", PASSWORD).await, None, "has no password yet");
    target.set_password("person1@example.com", PASSWORD).await;
    let session = target.sign_in("person1@example.com", PASSWORD).await.unwrap();
    assert!(target.session_lives(&session).await);
    assert_eq!(target.sign_in("person1@example.com", "canary-wrong").await, None);

    suspend(&target, &path).await;
    assert!(!target.session_lives(&session).await);
    // As the product is: SCIM alone does not keep a leaver out who still knows a password.
    let again = target.sign_in("person1@example.com", PASSWORD).await.unwrap();
    assert!(target.session_lives(&again).await);

    assert_eq!(target.call(Method::DELETE, &path, None).await.0, 204);
    assert!(!target.session_lives(&again).await);
    assert!(target.sign_in("person1@example.com", PASSWORD).await.is_some());
}

#[tokio::test]
async fn better_auth_refuses_a_revoked_token_and_writes_of_a_reader() {
    let target = BetterAuth::start().await;
    let status = async |method: Method, token: &str| {
        let headers =
            [("authorization", &*format!("Bearer {token}")), ("content-type", "application/scim+json")];
        let body = (method == Method::POST).then(|| person(1).to_string());
        target.direct(method, "/api/auth/scim/v2/Users", &headers, body).await.0
    };
    assert_eq!(status(Method::GET, READER_TOKEN).await, 200);
    assert_eq!(status(Method::POST, READER_TOKEN).await, 403);
    target.revoke("first").await;
    assert_eq!(status(Method::GET, target.token()).await, 401);
    assert_eq!(status(Method::POST, NEXT_TOKEN).await, 201);
}

#[tokio::test]
async fn scimmy_answers_every_page_with_the_first() {
    let target = scimmy::start().await;
    for n in 0..25 {
        joiner(&target, n).await;
    }
    let (_, first) = target.call(Method::GET, "/Users?startIndex=1&count=10", None).await;
    let (_, second) = target.call(Method::GET, "/Users?startIndex=11&count=10", None).await;
    assert_eq!(first["totalResults"], 25);
    assert_eq!(first["Resources"].as_array().unwrap().len(), 20);
    assert_eq!((&second["startIndex"], &second["itemsPerPage"]), (&json!(1), &json!(20)));
    assert_eq!(first["Resources"], second["Resources"]);
}

/// Makes a group of these users, as many at a time as every server takes; returns its path.
async fn group(target: &Target, users: &[String]) -> String {
    let schema = "urn:ietf:params:scim:schemas:core:2.0:Group";
    let body = json!({"schemas": [schema], "displayName": "staff"});
    let (status, group) = target.call(Method::POST, "/Groups", Some(body)).await;
    assert_eq!(status, 201, "{group}");
    let path = format!("/Groups/{}", group["id"].as_str().unwrap());
    for some in users.chunks(50) {
        assert_eq!(target.patch(&path, additions(some)).await.0, 200);
    }
    path
}

fn additions(users: &[String]) -> Value {
    let value: Vec<Value> =
        users.iter().map(|path| json!({"value": path.trim_start_matches("/Users/")})).collect();
    json!([{"op": "add", "path": "members", "value": value}])
}

async fn member_count(target: &Target, path: &str) -> usize {
    let (_, group) = target.call(Method::GET, path, None).await;
    group["members"].as_array().unwrap().len()
}

#[tokio::test]
async fn better_auth_says_that_all_members_are_removed_and_removes_a_hundred() {
    let target = BetterAuth::start().await;
    let mut users = Vec::new();
    for n in 0..120 {
        users.push(joiner(&target, n).await);
    }
    let path = group(&target, &users).await;
    assert_eq!(member_count(&target, &path).await, 120);
    let (status, _) = target.patch(&path, json!([{"op": "remove", "path": "members"}])).await;
    assert_eq!((status, member_count(&target, &path).await), (200, 20));
    let (status, _) = target.patch(&path, additions(&users[..101])).await;
    assert_eq!((status, member_count(&target, &path).await), (400, 20));
}

#[tokio::test]
async fn scimmy_keeps_a_member_twice_that_is_added_twice() {
    let target = scimmy::start().await;
    let user = joiner(&target, 1).await;
    let path = group(&target, std::slice::from_ref(&user)).await;
    assert_eq!(target.patch(&path, additions(&[user])).await.0, 200);
    assert_eq!(member_count(&target, &path).await, 2);
}
