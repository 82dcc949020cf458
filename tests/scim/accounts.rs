use rstest::rstest;
use serde_json::json;
use tenure::connectors::{Connector, FailureClass};

use crate::server::{Profile, Server, TOKEN, person};

const DEPARTMENT: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";

/// By value or sub-attribute of a list, by an attribute of an extension; letter case counts for `externalId` alone.
#[rstest]
#[tokio::test]
async fn an_account_is_found_by_any_attribute(#[values(Profile::Full, Profile::Bare)] profile: Profile) {
    let server = Server::start(profile).await;
    let (scim, _) = server.connector();
    let attributes = json!({
        "displayName": "Ann \"the\" Smith", DEPARTMENT: "R&D",
        "emails": [
            { "value": "ann@example.com", "type": "work", "primary": true },
            { "value": "a@home.example", "type": "home", "primary": null },
        ],
    });
    let made = scim.create(&person("ann.smith", "E-1", &attributes), None).await.unwrap();
    for (attribute, value) in [
        ("userName", "ANN.Smith"),
        ("emails", "ann@example.com"),
        ("emails.value", "A@home.example"),
        (DEPARTMENT, "r&d"),
        ("displayName", "Ann \"the\" Smith"),
    ] {
        assert_eq!(scim.find(attribute, value).await.unwrap(), std::slice::from_ref(&made), "{attribute}");
    }
    assert_eq!(scim.find("externalId", "e-1").await.unwrap(), [], "externalId is case exact");
}

#[tokio::test]
async fn a_wrong_base_url_is_no_news_about_accounts() {
    let server = Server::start(Profile::Full).await;
    let (scim, _) = server.connector();
    let made = scim.create(&person("finn", "E-1", &json!({})), None).await.unwrap();
    let (scim, _) = server.connector_at("/elsewhere", TOKEN);
    let outcomes = [
        scim.get(&made.id).await.map(drop),
        scim.delete(&made.id).await,
        scim.set_active(&made.id, false).await.map(drop),
        scim.find("externalId", "E-1").await.map(drop),
        scim.create(&person("finn", "E-1", &json!({})), None).await.map(drop),
        scim.page(None).await.map(drop),
        scim.probe().await.map(drop),
    ];
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let failure = outcome.unwrap_err();
        assert_eq!(failure.class, FailureClass::Unknown, "{number}: {failure:?}");
    }
}
