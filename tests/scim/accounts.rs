use rstest::rstest;
use serde_json::{Value, json};
use tenure::api::Reason;
use tenure::api::app::CapabilitySource;
use tenure::connectors::scim::Scim;
use tenure::connectors::{Connector, FailureClass};
use tenure::converge::{Change, Lane};

use crate::server::{Profile, Server, TOKEN, person};

const DEPARTMENT: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
const COST_CENTER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter";

fn ann() -> Value {
    json!({
        "name.givenName": "Ann", "name.familyName": "Smith", "name.formatted": "Ann Smith",
        "displayName": "Ann \"the\" Smith", "title": "Engineer", "preferredLanguage": "de", "locale": "de-DE",
        "timezone": "Europe/Berlin", "userType": "Employee",
        "emails": [
            { "value": "ann@example.com", "type": "work", "primary": true },
            { "value": "a@home.example", "type": "home", "primary": null },
        ],
        "phoneNumbers": [{ "value": "tel:+49-30-1", "type": "work" }],
        DEPARTMENT: "R&D", COST_CENTER: "42",
    })
}

fn set(attribute: &str, value: Value) -> Change {
    Change { attribute: attribute.to_owned(), value: Some(value) }
}

fn clear(attribute: &str) -> Change {
    Change { attribute: attribute.to_owned(), value: None }
}

#[rstest]
#[tokio::test]
async fn an_account_from_the_cradle_to_the_grave(
    #[values(Profile::Full, Profile::Cursor, Profile::Bare)] profile: Profile,
) {
    let server = Server::start(profile).await;
    let (scim, _) = server.connector();
    let probe = scim.probe().await.unwrap();
    let known = |name: &str| {
        let found = probe.capabilities.iter().find(|capability| capability.name == name).unwrap();
        (found.value.clone(), found.source)
    };
    let discovered = |value: &str| (value.to_owned(), CapabilitySource::Discovered);
    let bare = profile == Profile::Bare;
    assert_eq!(known("update"), discovered(if bare { "Put" } else { "Patch" }));
    assert_eq!(known("lookup"), discovered(if bare { "Listing" } else { "Filter" }));
    assert_eq!(known("etag"), discovered("Use"));
    assert_eq!(known("paging"), discovered(if profile == Profile::Cursor { "Cursor" } else { "Index" }));

    assert_eq!(scim.find("externalId", "E-1").await.unwrap(), []);
    let made = scim.create(&person("ann.smith", "E-1", &ann())).await.unwrap();
    assert_eq!((made.login.as_str(), made.marker.as_deref(), made.active), ("ann.smith", Some("E-1"), true));
    for (name, value) in ann().as_object().unwrap() {
        if name != "emails" {
            assert_eq!(made.attributes.get(name), Some(value), "{name}");
        }
    }
    assert_eq!(made.attributes["emails"][1]["value"], "a@home.example");
    for (attribute, value) in [
        ("externalId", "E-1"),
        ("userName", "ANN.Smith"),
        ("emails", "ann@example.com"),
        ("emails.value", "A@home.example"),
        (DEPARTMENT, "r&d"),
        ("displayName", "Ann \"the\" Smith"),
    ] {
        assert_eq!(scim.find(attribute, value).await.unwrap(), std::slice::from_ref(&made), "{attribute}");
    }
    assert_eq!(scim.find("externalId", "e-1").await.unwrap(), [], "externalId is case exact");
    assert_eq!(scim.get(&made.id).await.unwrap(), Some(made.clone()));

    changed(&scim, &made.id).await;

    for active in [false, false, true, true, false] {
        assert_eq!(scim.set_active(&made.id, active).await.unwrap().active, active);
        assert_eq!(server.get(&format!("/Users/{}", made.id)).await["active"], active);
    }
    scim.delete(&made.id).await.unwrap();
    scim.delete(&made.id).await.unwrap();
    assert_eq!(scim.get(&made.id).await.unwrap(), None);
    assert_eq!(scim.find("externalId", "E-1").await.unwrap(), []);
    let failure = scim.set_active(&made.id, false).await.unwrap_err();
    assert_eq!((failure.class, failure.reason), (FailureClass::Gone, Reason::AccountGone));
}

/// Every class of attribute is set, replaced and cleared; what is not named stays.
async fn changed(scim: &Scim, id: &str) {
    let mails = json!([{ "value": "ann@new.example", "type": "work" }]);
    let changes = [
        set("userName", json!("ann.miller")),
        set("name.familyName", json!("Miller")),
        set("title", json!("Lead")),
        set("emails", mails.clone()),
        set(DEPARTMENT, json!("Sales")),
        set("nickName", json!("A")),
    ];
    let account = scim.update(id, &changes).await.unwrap();
    assert_eq!(account.login, "ann.miller");
    for change in &changes {
        assert_eq!(account.attributes.get(&change.attribute), change.value.as_ref(), "{}", change.attribute);
    }
    assert_eq!(account.attributes["name.givenName"], "Ann");
    assert_eq!(account.attributes[COST_CENTER], "42");

    let cleared =
        ["title", "name.formatted", "phoneNumbers", COST_CENTER, "nickName", "nickName", "profileUrl"];
    let account = scim.update(id, &cleared.map(clear)).await.unwrap();
    for attribute in cleared {
        assert_eq!(account.attributes.get(attribute), None, "{attribute}");
    }
    assert_eq!(account.attributes["emails"], mails);
    assert_eq!(account.attributes[DEPARTMENT], "Sales");
    assert_eq!(account.attributes["name.familyName"], "Miller");

    let account =
        scim.update(id, &[clear(DEPARTMENT), clear("emails"), set("externalId", json!("E-1"))]).await;
    let account = account.unwrap();
    assert_eq!(account.attributes.get(DEPARTMENT), None);
    assert_eq!(account.attributes.get("emails"), None);
    assert_eq!(account.marker.as_deref(), Some("E-1"));
    assert_eq!(scim.update(id, &[]).await.unwrap(), account);
}

#[rstest]
#[tokio::test]
async fn a_login_that_is_taken_is_a_conflict(#[values(Profile::Full, Profile::Bare)] profile: Profile) {
    let server = Server::start(profile).await;
    let (scim, _) = server.connector();
    let taken = scim.create(&person("bob", "E-1", &json!({}))).await.unwrap();
    let failure = scim.create(&person("BOB", "E-2", &json!({}))).await.unwrap_err();
    assert_eq!((failure.class, failure.reason), (FailureClass::Conflict, Reason::AccountExists));
    let other = scim.create(&person("bob.2", "E-2", &json!({}))).await.unwrap();
    let failure = scim.update(&other.id, &[set("userName", json!("Bob"))]).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Conflict);
    assert_eq!(scim.find("userName", "bob").await.unwrap(), [taken]);
}

#[rstest]
#[tokio::test]
async fn an_account_made_by_others_is_adopted_with_what_it_has(
    #[values(Profile::Full, Profile::Bare)] profile: Profile,
) {
    let server = Server::start(profile).await;
    let (scim, _) = server.connector();
    let id = server
        .post(
            "/Users",
            &json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "carl",
                "roles": [{ "value": "editor" }], "name": { "middleName": "M" }, "nickName": "C",
            }),
        )
        .await;
    let found = scim.find("userName", "Carl").await.unwrap();
    assert_eq!(
        (found[0].id.as_str(), found[0].marker.as_deref(), found[0].active),
        (id.as_str(), None, true)
    );
    let changes =
        [set("externalId", json!("E-3")), set("name.givenName", json!("Carl")), set(DEPARTMENT, json!("X"))];
    let adopted = scim.with_lane(Lane::Change).update(&id, &changes).await.unwrap();
    assert_eq!(adopted.marker.as_deref(), Some("E-3"));
    let user = server.get(&format!("/Users/{id}")).await;
    assert_eq!(user["roles"][0]["value"], "editor");
    assert_eq!(user["name"], json!({ "givenName": "Carl", "middleName": "M" }));
    assert_eq!(user["nickName"], "C");
    assert!(user.get("active").is_none() || user["active"] == true);
}

#[rstest]
#[tokio::test]
async fn hostile_values_find_nothing_and_break_nothing(
    #[values(Profile::Full, Profile::Bare)] profile: Profile,
) {
    let server = Server::start(profile).await;
    let (scim, _) = server.connector();
    scim.create(&person("dora", "E-1", &json!({}))).await.unwrap();
    for value in [
        "x\" or userName pr or userName eq \"",
        "\\",
        "\"",
        "a\\\"b",
        "*",
        "é\u{1F600}\n\t",
        "%22",
        "&filter=",
    ] {
        assert_eq!(scim.find("userName", value).await.unwrap(), [], "{value}");
    }
    let odd = "a\\\"b &+#%/?=é";
    let made = scim.create(&person(odd, odd, &json!({}))).await.unwrap();
    assert_eq!(scim.find("userName", odd).await.unwrap(), std::slice::from_ref(&made));
    assert_eq!(scim.find("externalId", odd).await.unwrap(), [made]);
}

#[tokio::test]
async fn onboarding_costs_one_lookup_and_one_create() {
    let server = Server::start(Profile::Full).await;
    let (scim, reports) = server.connector();
    scim.probe().await.unwrap();
    reports.lock().unwrap().clear();
    assert_eq!(scim.find("externalId", "E-1").await.unwrap(), []);
    scim.create(&person("eve", "E-1", &ann())).await.unwrap();
    let operations: Vec<_> = reports.lock().unwrap().iter().map(|r| (r.operation, r.class)).collect();
    assert_eq!(operations, [("find account", "ok"), ("create account", "ok")]);
}

#[tokio::test]
async fn wrong_credentials_are_told_and_not_shown() {
    let server = Server::start(Profile::Full).await;
    let (scim, _) = server.connector_with("canary-wrong-55aa");
    let failure = scim.probe().await.unwrap_err();
    assert_eq!((failure.class, failure.reason), (FailureClass::Credentials, Reason::CredentialsRefused));
    assert!(!format!("{failure:?} {failure}").contains("canary"));
}

#[tokio::test]
async fn a_wrong_base_url_is_no_news_about_accounts() {
    let server = Server::start(Profile::Full).await;
    let (scim, _) = server.connector();
    let made = scim.create(&person("finn", "E-1", &json!({}))).await.unwrap();
    let (scim, _) = server.connector_at("/elsewhere", TOKEN);
    let outcomes = [
        scim.get(&made.id).await.map(drop),
        scim.delete(&made.id).await,
        scim.set_active(&made.id, false).await.map(drop),
        scim.find("externalId", "E-1").await.map(drop),
        scim.create(&person("finn", "E-1", &json!({}))).await.map(drop),
        scim.page(None).await.map(drop),
        scim.probe().await.map(drop),
    ];
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let failure = outcome.unwrap_err();
        assert_eq!(failure.class, FailureClass::Unknown, "{number}: {failure:?}");
    }
}
