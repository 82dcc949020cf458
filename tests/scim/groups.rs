use rstest::rstest;
use serde_json::{Value, json};
use tenure::api::{EntitlementSpec, Reason};
use tenure::connectors::{Connector, FailureClass};

use crate::server::{Profile, Server, entitle, person};

fn group(value: &str) -> EntitlementSpec {
    EntitlementSpec { kind: "group".to_owned(), value: value.to_owned() }
}

async fn members(server: &Server, id: &str) -> Vec<String> {
    let group = server.get(&format!("/Groups/{id}")).await;
    let members = group["members"].as_array().cloned().unwrap_or_default();
    members.iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect()
}

#[rstest]
#[tokio::test]
async fn membership_comes_and_goes(
    #[values(Profile::Full, Profile::Cursor, Profile::Bare)] profile: Profile,
) {
    let server = Server::start(profile).await;
    let (scim, _) = server.connector();
    assert!(scim.may_create("group") && !scim.may_create("role"));
    assert_eq!(scim.resolve(&group("Sales & \"Co\"")).await.unwrap(), None);
    let id = scim.create_entitlement(&group("Sales & \"Co\""), &[]).await.unwrap();
    assert_eq!(scim.create_entitlement(&group("Sales & \"Co\""), &[]).await.unwrap(), id);
    assert_eq!(scim.resolve(&group("Sales & \"Co\"")).await.unwrap(), Some(id.clone()));
    assert_eq!(scim.resolve(&group(&id)).await.unwrap(), Some(id.clone()));
    assert_eq!(scim.resolve(&group("sales & \"co\"")).await.unwrap(), None, "exactly");

    let ann = scim.create(&person("ann", "E-1", &json!({}))).await.unwrap().id;
    let bob = scim.create(&person("bob", "E-2", &json!({}))).await.unwrap().id;
    for who in [&ann, &bob, &ann] {
        entitle(&scim, who, &id, true).await.unwrap();
    }
    assert_eq!(members(&server, &id).await, [ann.clone(), bob.clone()]);
    entitle(&scim, &ann, &id, false).await.unwrap();
    entitle(&scim, &ann, &id, false).await.unwrap();
    assert_eq!(members(&server, &id).await, std::slice::from_ref(&bob));
    entitle(&scim, &bob, &id, false).await.unwrap();
    entitle(&scim, &bob, &id, false).await.unwrap();
    assert_eq!(members(&server, &id).await, Vec::<String>::new());
}

#[rstest]
#[tokio::test]
async fn unknown_groups_are_told_apart(#[values(Profile::Full, Profile::Bare)] profile: Profile) {
    let server = Server::start(profile).await;
    let (scim, _) = server.connector();
    let ann = scim.create(&person("ann", "E-1", &json!({}))).await.unwrap().id;
    let failure = entitle(&scim, &ann, "nowhere", true).await.unwrap_err();
    assert_eq!((failure.class, failure.reason), (FailureClass::Gone, Reason::EntitlementNotFound));
    entitle(&scim, &ann, "nowhere", false).await.unwrap();
    let failure =
        scim.resolve(&EntitlementSpec { kind: "role".to_owned(), value: "x".to_owned() }).await.unwrap_err();
    assert_eq!((failure.class, failure.reason), (FailureClass::Permanent, Reason::InvalidConfiguration));
    for name in ["a/b", "..", "."] {
        assert_eq!(scim.resolve(&group(name)).await.unwrap(), None, "{name}");
    }
}

#[tokio::test]
async fn two_groups_of_one_name_are_ambiguous() {
    let server = Server::start(Profile::Full).await;
    let (scim, _) = server.connector();
    let twin: Value =
        json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Twin" });
    let first = server.post("/Groups", &twin).await;
    server.post("/Groups", &twin).await;
    let failure = scim.resolve(&group("Twin")).await.unwrap_err();
    assert_eq!((failure.class, failure.reason), (FailureClass::Conflict, Reason::AmbiguousMatch));
    assert_eq!(scim.resolve(&group(&first)).await.unwrap(), Some(first));
}

/// The server allows two groups of one name, so only our own order keeps it from getting them.
#[tokio::test]
async fn two_at_once_make_one_group() {
    let server = Server::start(Profile::Full).await;
    let (scim, _) = server.connector();
    let sales = group("Sales");
    let (a, b, c) = tokio::join!(
        scim.create_entitlement(&sales, &[]),
        scim.create_entitlement(&sales, &[]),
        scim.create_entitlement(&sales, &[])
    );
    let id = a.unwrap();
    assert_eq!((b.unwrap(), c.unwrap()), (id.clone(), id));
    assert_eq!(server.get("/Groups").await["totalResults"], 1);
}

/// Without PATCH the whole group is written back.
#[tokio::test]
async fn two_at_once_lose_no_member() {
    let server = Server::start(Profile::Bare).await;
    let (scim, _) = server.connector();
    let id = scim.create_entitlement(&group("Sales"), &[]).await.unwrap();
    let (a, b, c) = tokio::join!(
        entitle(&scim, "u1", &id, true),
        entitle(&scim, "u2", &id, true),
        entitle(&scim, "u3", &id, true)
    );
    a.and(b).and(c).unwrap();
    assert_eq!(members(&server, &id).await.len(), 3);
}
