//! canaille and django-scim2-server: they start, and have the faults that tests rely on.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::http;
use crate::support::targets::canaille::Canaille;
use crate::support::targets::{Target, django_scim2_server};

fn person(name: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": name, "externalId": format!("id-{name}"), "active": true,
        "name": {"givenName": "A", "familyName": "Person", "formatted": "A Person"},
        "emails": [{"value": format!("{name}@example.com")}],
    })
}

/// Creates, reads and suspends a user; returns its path.
async fn suspended_user(target: &Target) -> String {
    let (status, user) = target.call(Method::POST, "/Users", Some(person("ada"))).await;
    assert_eq!(status, 201, "{user}");
    let path = format!("/Users/{}", user["id"].as_str().unwrap());
    let (status, user) = target.call(Method::GET, &path, None).await;
    assert_eq!((status, &user["userName"], &user["active"]), (200, &json!("ada"), &json!(true)));
    let suspension = json!([{"op": "replace", "path": "active", "value": false}]);
    let (status, user) = target.patch(&path, suspension).await;
    assert_eq!((status, &user["active"]), (200, &json!(false)));
    assert!(target.proxy().requests().is_empty(), "the test's own calls are not recorded");
    path
}

#[tokio::test]
async fn canaille_ignores_filters_and_fails_with_html() {
    let target = Canaille::start().await;
    let path = suspended_user(&target).await;

    let (status, found) = target.call(Method::GET, "/Users?filter=userName%20eq%20%22nobody%22", None).await;
    assert_eq!((status, &found["totalResults"]), (200, &json!(1)), "filters are ignored");
    assert_eq!(found["Resources"][0]["externalId"], Value::Null, "externalId is dropped");

    let bearer = format!("Bearer {}", target.token());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/scim+json")];
    let again = Some(person("ada").to_string());
    for (method, path, body) in
        [(Method::GET, "/scim/v2/Users?count=1", None), (Method::POST, "/scim/v2/Users", again)]
    {
        let (status, headers, body) = target.direct(method, path, &headers, body).await;
        assert_eq!((status, body), (500, Value::Null), "{path}: a page");
        assert_eq!(headers["content-type"], "application/scim+json", "and yet labelled so");
    }

    assert_eq!(target.call(Method::DELETE, &path, None).await.0, 204);
    assert_eq!(target.call(Method::GET, &path, None).await.0, 404);
}

#[tokio::test]
async fn canaille_gives_its_client_tokens() {
    let canaille = Canaille::start().await;
    let (id, secret) = (canaille.client_id(), canaille.client_secret());
    let request = http().post(canaille.token_url()).basic_auth(id, Some(secret));
    let answer = request.form(&[("grant_type", "client_credentials")]).send().await.unwrap();
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let token = answer["access_token"].as_str().unwrap();
    let users = http().get(format!("{}/Users", canaille.base_url()));
    for (token, status) in [(token, 200), (canaille.token(), 200), ("another", 401)] {
        let answer = users.try_clone().unwrap().bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
    assert_eq!(canaille.proxy().counts()["GET"], 3);
}

#[tokio::test]
async fn django_scim2_server_deletes_softly() {
    let target = django_scim2_server::start().await;
    let path = suspended_user(&target).await;
    let (_, found) = target.call(Method::GET, "/Users?filter=externalId%20eq%20%22ID-ADA%22", None).await;
    assert_eq!(found["totalResults"], 1, "filters ignore letter case");

    let activation = json!([{"op": "replace", "path": "active", "value": true}]);
    assert_eq!(target.patch(&path, activation).await.1["active"], true);
    for _ in 0..2 {
        assert_eq!(target.call(Method::DELETE, &path, None).await.0, 204);
        let (status, user) = target.call(Method::GET, &path, None).await;
        assert_eq!((status, &user["active"]), (200, &json!(false)));
    }
    let (status, refused) = target.call(Method::POST, "/Users", Some(person("ada"))).await;
    assert_eq!((status, &refused["scimType"]), (409, &json!("uniqueness")));
}
