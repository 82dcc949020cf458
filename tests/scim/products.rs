//! Accounts on products that each do something differently.

use serde_json::{Value, json};
use tenure::api::Reason;
use tenure::api::scim::{PatchStyle, Preset, ScimProfile};
use tenure::connectors::scim::Scim;
use tenure::connectors::{Connector, FailureClass};
use tenure::converge::{Change, NewAccount};

use crate::server::{connect, person};
use crate::support;
use crate::support::targets::better_auth::BetterAuth;
use crate::support::targets::canaille::Canaille;
use crate::support::targets::{Target, django_scim2_server, scimmy};

const NUMBER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber";
const DEPARTMENT: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";

fn set(attribute: &str, value: &str) -> Change {
    Change { attribute: attribute.to_owned(), value: Some(value.into()) }
}

fn somebody(login: &str, marker: (&str, &str)) -> NewAccount {
    let attributes = json!({
        "name.formatted": "Ann Smith", "name.familyName": "Smith", "name.givenName": "Ann", "title": "Nurse",
        "emails": [{ "value": format!("{login}@example.com"), "type": "work", "primary": true }],
        DEPARTMENT: "R&D",
    });
    let account = person(login, marker.1, &attributes);
    NewAccount { marker: (marker.0.to_owned(), marker.1.to_owned()), ..account }
}

fn canaille(target: &Target, profile: ScimProfile) -> Scim {
    let profile = ScimProfile { preset: Some(Preset::Canaille), ..profile };
    // It drops `externalId`.
    connect(target.base_url(), target.token(), NUMBER, profile).0
}

fn other(target: &Target) -> Scim {
    connect(target.base_url(), target.token(), "externalId", ScimProfile::default()).0
}

async fn known(scim: &Scim, name: &str) -> String {
    let capabilities = scim.probe().await.unwrap().capabilities;
    capabilities.into_iter().find(|known| known.name == name).unwrap().value
}

/// Found, refused a second time, changed, renamed, suspended, resumed, deleted.
async fn lives(scim: &Scim, marker: &str) {
    scim.probe().await.unwrap();
    let made = scim.create(&somebody("ann", (marker, "E-1")), None).await.unwrap();
    assert_eq!((made.login.as_str(), made.marker.as_deref(), made.active), ("ann", Some("E-1"), true));
    assert_eq!(made.attributes["emails"][0]["value"], "ann@example.com");
    for (attribute, value) in [(marker, "E-1"), ("userName", "ann")] {
        assert_eq!(scim.find(attribute, value).await.unwrap(), std::slice::from_ref(&made));
    }
    assert_eq!(scim.find("userName", "bob").await.unwrap(), []);
    let failure = scim.create(&somebody("ann", (marker, "E-2")), None).await.unwrap_err();
    assert_eq!((failure.class, failure.reason), (FailureClass::Conflict, Reason::AccountExists));

    let changes = [set("name.givenName", "Anna"), set(DEPARTMENT, "Sales"), set("userName", "anna")];
    let account = scim.update(&made.id, &changes).await.unwrap();
    assert_eq!((account.login.as_str(), &account.attributes["name.givenName"]), ("anna", &json!("Anna")));
    if account.terms.kept(DEPARTMENT, &Value::Null).is_some() {
        assert_eq!(account.attributes[DEPARTMENT], "Sales");
    }
    assert_eq!(account.attributes["name.familyName"], "Smith");
    for active in [false, false, true, false] {
        assert_eq!(scim.set_active(&made.id, active).await.unwrap().active, active);
    }
    let found = scim.find(marker, "E-1").await.unwrap();
    assert_eq!((found.len(), found[0].active), (1, false), "an inactive account is found by its marker");
    scim.delete(&made.id).await.unwrap();
    scim.delete(&made.id).await.unwrap();
    assert!(scim.get(&made.id).await.unwrap().is_none_or(|account| !account.active));
}

#[tokio::test]
async fn on_canaille() {
    support::install_crypto();
    let target = Canaille::start().await;
    let scim = canaille(&target, ScimProfile::default());
    lives(&scim, NUMBER).await;

    // It ignores filters: everybody is read once.
    for login in ["bob", "carl", "dora"] {
        scim.create(&somebody(login, (NUMBER, &format!("E-{login}"))), None).await.unwrap();
    }
    let scim = canaille(&target, ScimProfile::default());
    scim.probe().await.unwrap();
    target.proxy().forget();
    for login in ["bob", "carl", "dora"] {
        let found = scim.find(NUMBER, &format!("E-{login}")).await.unwrap();
        assert_eq!((found.len(), found[0].login.as_str()), (1, login));
    }
    let listings = target.proxy().requests().iter().filter(|r| r.path.ends_with("/Users")).count();
    assert_eq!(listings, 1);

    // It accepts an extension in a PATCH without path and does nothing about it.
    let patch_style = Some(PatchStyle::NoPath);
    let scim = canaille(&target, ScimProfile { patch_style, ..ScimProfile::default() });
    let bob = scim.find("userName", "bob").await.unwrap().remove(0);
    let account = scim.update(&bob.id, &[set(DEPARTMENT, "Sales")]).await.unwrap();
    assert_eq!(account.attributes[DEPARTMENT], "Sales");
    assert_eq!(account.attributes["emails"], bob.attributes["emails"]);
    assert_eq!(known(&scim, "update").await, "Put");
}

#[tokio::test]
async fn on_django_scim2_server() {
    support::install_crypto();
    let target = django_scim2_server::start().await;
    let scim = other(&target);
    lives(&scim, "externalId").await;
    assert_eq!(known(&scim, "deletion").await, "Soft", "a deleted account can still be read");
}

#[tokio::test]
async fn on_better_auth() {
    support::install_crypto();
    let target = BetterAuth::start().await;
    lives(&other(&target), "externalId").await;
}

#[tokio::test]
async fn on_scimmy() {
    support::install_crypto();
    let target = scimmy::start().await;
    lives(&other(&target), "externalId").await;
}
