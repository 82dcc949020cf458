use rstest::rstest;
use serde_json::json;

use super::quirky::Quirk::{self, *};
use super::quirky::{Quirky, set};
use crate::api::Reason;
use crate::api::scim::{
    Booleans, Clearing, Etag, Extensions, OperationCase, PatchStyle, ScimProfile, Suspension, Update,
};
use crate::connectors::{Connector, FailureClass};
use crate::converge::Change;

async fn with_ann(quirks: &[Quirk]) -> (Quirky, String) {
    let target = Quirky::start(quirks).await;
    let id = target.seed(json!({
        "userName": "ann", "externalId": "E-1", "active": true, "title": "Nurse", "urn:acme:User": { "x": 1 },
        "roles": [{ "value": "r", "urn:acme:note": "n" }], "schemas": ["urn:acme:User"],
    }));
    (target, id)
}

#[rstest]
#[tokio::test]
async fn an_account_changes_in_every_style(
    #[values(
        PatchStyle::PathPerOperation,
        PatchStyle::OneOperationPerRequest,
        PatchStyle::NoPath,
        PatchStyle::DottedKeys
    )]
    patch_style: PatchStyle,
    #[values(Clearing::Remove, Clearing::ReplaceEmpty, Clearing::ReplaceNull)] clearing: Clearing,
) {
    let (target, id) = with_ann(&[]).await;
    let profile = ScimProfile {
        patch_style: Some(patch_style),
        clearing: Some(clearing),
        operation_case: Some(OperationCase::Capitalised),
        ..ScimProfile::default()
    };
    let scim = target.scim(profile);
    let gone = Change { attribute: "title".to_owned(), value: None };
    let changes = [set("name.givenName", json!("Ann")), gone, set("userName", json!("anna"))];
    let account = scim.update(&id, &changes).await.unwrap();
    assert_eq!((account.login.as_str(), &account.attributes["name.givenName"]), ("anna", &json!("Ann")));
    let title = account.attributes.get("title");
    assert!(title.is_none_or(|title| title == ""), "{title:?}");
    let user = target.user(&id);
    assert_eq!(
        (&user["urn:acme:User"], &user["roles"][0]["urn:acme:note"]),
        (&json!({ "x": 1 }), &json!("n"))
    );
    let requests = if patch_style == PatchStyle::OneOperationPerRequest { 3 } else { 1 };
    assert_eq!((target.server.count("PATCH"), target.server.count("PUT")), (requests, 0));
}

#[tokio::test]
async fn what_cannot_be_kept_is_not_sent() {
    let (target, id) = with_ann(&[]).await;
    let scim = target.scim(ScimProfile {
        unsupported_attributes: Some(vec!["name".to_owned()]),
        extensions: Some(Extensions::None),
        booleans: Some(Booleans::String),
        ..ScimProfile::default()
    });
    let department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
    scim.update(&id, &[set("name.givenName", json!("Ann")), set(department, json!("R&D"))]).await.unwrap();
    assert_eq!(target.server.count("PATCH"), 0);
    assert!(!scim.set_active(&id, false).await.unwrap().active);
    assert_eq!(target.user(&id)["active"], "False");
}

/// A PATCH that is accepted and does nothing is written as PUT, and from then on everything is.
#[rstest]
#[tokio::test]
async fn a_patch_in_vain_is_put(#[values(PatchVain, PatchVainSilent, PatchUnknown)] quirk: Quirk) {
    let (target, id) = with_ann(&[quirk]).await;
    let scim = target.scim(ScimProfile::default());
    let account = scim.update(&id, &[set("title", json!("Doctor"))]).await.unwrap();
    assert_eq!(account.attributes["title"], "Doctor");
    assert!(!scim.set_active(&id, false).await.unwrap().active);
    let user = target.user(&id);
    assert_eq!(
        (&user["urn:acme:User"], &user["roles"][0]["urn:acme:note"]),
        (&json!({ "x": 1 }), &json!("n"))
    );
    assert_eq!((target.server.count("PATCH"), target.server.count("PUT")), (1, 2));
    assert_eq!(scim.profile().await.unwrap().update, Update::Put);
}

/// An attribute that the target does not keep is told by its absence, and fought over once.
#[tokio::test]
async fn what_is_not_kept_is_not_fought_over() {
    let (target, id) = with_ann(&[NickNameDropped]).await;
    let scim = target.scim(ScimProfile::default());
    for _ in 0..3 {
        let account = scim.update(&id, &[set("nickName", json!("A"))]).await.unwrap();
        assert_eq!(account.attributes.get("nickName"), None);
    }
    assert_eq!((target.server.count("PATCH"), target.server.count("PUT")), (3, 1));
    let account = scim.update(&id, &[set("nickName", json!("A")), set("title", json!("x"))]).await.unwrap();
    assert_eq!(account.attributes["title"], "x");
    assert_eq!(scim.profile().await.unwrap().update, Update::Patch);
}

#[rstest]
#[tokio::test]
async fn a_suspension_is_proved_or_fails(#[values(PatchVain, PatchVainSilent)] quirk: Quirk) {
    let (target, id) = with_ann(&[quirk, PutVain]).await;
    let scim = target.scim(ScimProfile::default());
    for _ in 0..2 {
        let failure = scim.set_active(&id, false).await.unwrap_err();
        assert_eq!((failure.class, failure.reason), (FailureClass::RetryAfter, Reason::NotApplied));
    }
    assert_eq!(target.server.count("PUT"), 2, "somebody's access is worth another try");
}

/// One attribute that is refused keeps back no other, unless it says whose account it is.
#[tokio::test]
async fn a_refused_attribute_keeps_back_no_other() {
    let (target, id) = with_ann(&[NickNameRefused]).await;
    let scim = target.scim(ScimProfile::default());
    let changes = [set("nickName", json!("A")), set("title", json!("x")), set("locale", json!("de"))];
    let account = scim.update(&id, &changes).await.unwrap();
    assert_eq!((&account.attributes["title"], &account.attributes["locale"]), (&json!("x"), &json!("de")));
    assert_eq!(account.attributes.get("nickName"), None);
    let failure = scim.update(&id, &changes[..1]).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Permanent);
    assert!(failure.message.contains("nickName") && !failure.message.contains("canary"), "{failure}");

    let (target, id) = with_ann(&[PatchRefused]).await;
    let failure = target.scim(ScimProfile::default()).update(&id, &changes).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Permanent);
}

#[rstest]
#[case(Suspension::Deletes, Reason::SuspendDeletes)]
#[case(Suspension::Unsupported, Reason::SuspendUnsupported)]
#[tokio::test]
async fn what_is_no_suspension_is_not_sent(#[case] suspension: Suspension, #[case] reason: Reason) {
    let (target, id) = with_ann(&[]).await;
    let scim = target.scim(ScimProfile { suspension: Some(suspension), ..ScimProfile::default() });
    let failure = scim.set_active(&id, false).await.unwrap_err();
    assert_eq!((failure.class, failure.reason), (FailureClass::Permanent, reason));
    assert_eq!(target.server.count("PATCH") + target.server.count("PUT"), 0);
}

/// Some say that an inactive account is not there. It is read before that is believed.
#[tokio::test]
async fn an_inactive_account_that_hides_comes_back() {
    let (target, id) = with_ann(&[InactiveHidden]).await;
    let scim = target.scim(ScimProfile::default());
    assert!(!scim.set_active(&id, false).await.unwrap().active);
    assert!(!scim.set_active(&id, false).await.unwrap().active, "it is so already");
    assert!(scim.set_active(&id, true).await.unwrap().active);
    assert_eq!(scim.find("externalId", "E-1").await.unwrap()[0].id, id);

    let (target, id) = with_ann(&[InactiveHidden, PutInactiveHidden]).await;
    let scim = target.scim(ScimProfile::default());
    scim.set_active(&id, false).await.unwrap();
    let failure = scim.set_active(&id, true).await.unwrap_err();
    assert_eq!((failure.class, failure.reason), (FailureClass::Permanent, Reason::Rejected));
    assert_eq!(scim.set_active("id9", true).await.unwrap_err().class, FailureClass::Gone);
}

#[tokio::test]
async fn a_version_that_does_not_change_is_not_trusted() {
    let (target, id) = with_ann(&[VersionStuck]).await;
    let scim = target.scim(ScimProfile { update: Some(Update::Put), ..ScimProfile::default() });
    for (title, etag) in [("Nurse", Etag::Use), ("x", Etag::Ignore), ("y", Etag::Ignore)] {
        scim.update(&id, &[set("title", json!(title))]).await.unwrap();
        assert_eq!(scim.profile().await.unwrap().etag, etag);
    }
    let puts = target.server.requests.lock().unwrap().clone().into_iter().filter(|r| r.method == "PUT");
    let with_version: Vec<_> = puts.map(|put| put.head.contains("if-match")).collect();
    assert_eq!(with_version, [true, false], "and nothing is written that is so already");
}

#[tokio::test]
async fn a_change_by_somebody_else_is_read_again_a_few_times() {
    let (target, id) = with_ann(&[VersionChanges]).await;
    let scim = target.scim(ScimProfile { update: Some(Update::Put), ..ScimProfile::default() });
    let account = scim.update(&id, &[set("title", json!("x"))]).await.unwrap();
    assert_eq!(account.attributes["title"], "x");
    assert_eq!(target.server.count("PUT"), 4);
}
