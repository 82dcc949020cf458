//! One account, written in every shape that a service provider may ask for.

use rstest::rstest;
use serde_json::{Value, json};
use tenure::api::scim::{
    AttributeCase, Booleans, Clearing, Lookup, MultiValued, OperationCase, PatchStyle, ScimProfile, Update,
};
use tenure::connectors::Connector;
use tenure::connectors::scim::Scim;
use tenure::converge::Change;

use crate::server::{Profile, Server, TOKEN, person};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const MANAGER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value";

fn set(attribute: &str, value: Value) -> Change {
    Change { attribute: attribute.to_owned(), value: Some(value) }
}

fn clear(attribute: &str) -> Change {
    Change { attribute: attribute.to_owned(), value: None }
}

async fn connector(server: &Server, profile: ScimProfile) -> Scim {
    let (scim, _) = server.connector_as("", TOKEN, profile);
    scim.probe().await.unwrap();
    scim
}

/// A manager is set, replaced and cleared under one name, and what others wrote stays.
async fn moved(server: &Server, scim: &Scim, id: &str) {
    let changes = [
        set(MANAGER, json!("m1")),
        set("name.givenName", json!("Ann")),
        set("emails", json!([{ "value": "ann@new.example", "type": "work" }])),
    ];
    let account = scim.update(id, &changes).await.unwrap();
    assert_eq!(
        (&account.attributes[MANAGER], &account.attributes["name.givenName"]),
        (&json!("m1"), &json!("Ann"))
    );
    let account = scim.update(id, &[set(MANAGER, json!("m2")), clear("title")]).await.unwrap();
    assert_eq!((&account.attributes[MANAGER], account.attributes.get("title")), (&json!("m2"), None));
    let account = scim.update(id, &[clear(MANAGER), clear("title")]).await.unwrap();
    assert_eq!(account.attributes.get(MANAGER), None);
    let user = server.get(&format!("/Users/{id}")).await;
    assert_eq!(user["emails"][0]["value"], "ann@new.example");
    assert_eq!(user["name"]["familyName"], "Smith");
    assert_eq!(user[ENTERPRISE]["division"], "North");
    assert_eq!(user["roles"][0]["value"], "editor");
}

async fn lived(server: &Server, scim: &Scim) {
    let mapped = json!({ "title": "Nurse", "name.familyName": "Smith", MANAGER: "m0" });
    let made = scim.create(&person("ann", "E-1", &mapped), None).await.unwrap();
    assert_eq!(made.attributes[MANAGER], "m0");
    // What somebody else wrote.
    let theirs = json!([
        { "op": "add", "path": format!("{ENTERPRISE}:division"), "value": "North" },
        { "op": "add", "path": "roles", "value": [{ "value": "editor" }] },
    ]);
    server.patch(&format!("/Users/{}", made.id), theirs).await;
    moved(server, scim, &made.id).await;
    for active in [false, true, false] {
        assert_eq!(scim.set_active(&made.id, active).await.unwrap().active, active);
        assert_eq!(server.get(&format!("/Users/{}", made.id)).await["active"], active);
    }
    let found = scim.find("externalId", "E-1").await.unwrap();
    assert_eq!((found.len(), found[0].active), (1, false), "an inactive account is found by its marker");
    scim.delete(&made.id).await.unwrap();
    assert_eq!(scim.find("userName", "ann").await.unwrap(), []);
}

#[rstest]
#[tokio::test]
async fn an_account_lives_in_every_style_of_patch(
    #[values(
        PatchStyle::PathPerOperation,
        PatchStyle::OneOperationPerRequest,
        PatchStyle::NoPath,
        PatchStyle::DottedKeys
    )]
    patch_style: PatchStyle,
) {
    let server = Server::start(Profile::Full).await;
    let profile = ScimProfile {
        patch_style: Some(patch_style),
        operation_case: Some(OperationCase::Capitalised),
        booleans: Some(Booleans::String),
        ..ScimProfile::default()
    };
    let (scim, reports) = server.connector_as("", TOKEN, profile);
    scim.probe().await.unwrap();
    lived(&server, &scim).await;
    // By PATCH, and none was refused: no second way was taken.
    let writes = reports.lock().unwrap().clone();
    let writes = writes.iter().filter(|report| report.operation.starts_with("update"));
    assert!(writes.clone().all(|report| report.class == "ok"), "{:?}", writes.collect::<Vec<_>>());
    let probe = scim.probe().await.unwrap();
    assert!(probe.capabilities.iter().any(|known| known.name == "update" && known.value == "Patch"));
}

#[rstest]
#[case(ScimProfile { update: Some(Update::Put), ..ScimProfile::default() })]
#[case(ScimProfile { lookup: Some(Lookup::Listing), ..ScimProfile::default() })]
#[case(ScimProfile { multi_valued: Some(MultiValued::ValueOnly), ..ScimProfile::default() })]
#[case(ScimProfile { clearing: Some(Clearing::ReplaceNull), ..ScimProfile::default() })]
#[tokio::test]
async fn an_account_lives_in_other_shapes(#[case] profile: ScimProfile) {
    let server = Server::start(Profile::Full).await;
    lived(&server, &connector(&server, profile).await).await;
}

/// One listing serves everybody who is looked for, and is not fooled by what others do.
#[tokio::test]
async fn a_listing_in_place_of_filters_stays_true() {
    let server = Server::start(Profile::Cursor).await;
    let lookup = Some(Lookup::Listing);
    let (scim, reports) = server.connector_as("", TOKEN, ScimProfile { lookup, ..ScimProfile::default() });
    let mut ids = Vec::new();
    for number in 0..7 {
        let made =
            scim.create(&person(&format!("user{number}"), &format!("E-{number}"), &json!({})), None).await;
        ids.push(made.unwrap().id);
    }
    reports.lock().unwrap().clear();
    for (number, id) in ids.iter().enumerate() {
        let found = scim.find("externalId", &format!("E-{number}")).await.unwrap();
        assert_eq!(found.iter().map(|account| &account.id).collect::<Vec<_>>(), [id]);
    }
    // Seven accounts are three pages, read once.
    let pages = reports.lock().unwrap().iter().filter(|report| report.operation == "find account").count();
    assert_eq!(pages, 3);
    let taken = json!([{ "op": "replace", "path": "userName", "value": "renamed" }]);
    server.patch(&format!("/Users/{}", ids[3]), taken).await;
    assert_eq!(scim.find("userName", "user3").await.unwrap(), [], "somebody else renamed it");
    assert_eq!(
        scim.create(&person("USER4", "E-9", &json!({})), None).await.unwrap_err().class,
        tenure::connectors::FailureClass::Conflict
    );
    assert_eq!(scim.find("externalId", "E-9").await.unwrap(), []);
}

#[tokio::test]
async fn a_login_that_only_looks_alike_is_not_adopted_where_case_counts() {
    let server = Server::start(Profile::Full).await;
    server
        .post(
            "/Users",
            &json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "Ann" }),
        )
        .await;
    let profile = ScimProfile { user_name_case: Some(AttributeCase::Exact), ..ScimProfile::default() };
    let scim = connector(&server, profile).await;
    assert_eq!(scim.find("userName", "ann").await.unwrap(), []);
    assert_eq!(scim.find("userName", "Ann").await.unwrap().len(), 1);
}
