use rstest::rstest;
use serde_json::json;

use super::quirky::Quirk::{self, *};
use super::quirky::{Quirky, ann};
use crate::api::Reason;
use crate::api::scim::{Deletion, Lookup, ScimProfile};
use crate::connectors::{Connector, FailureClass};

/// However an account is announced, it is known by its id and as it is kept.
#[rstest]
#[case(&[], 0)]
#[case(&[CreateSilent], 1)]
#[case(&[CreateLocation], 1)]
#[case(&[CreateLocationByLogin], 3)]
#[case(&[CreateTerse], 1)]
#[case(&[CreateSilent, MarkerDropped], 2)]
#[tokio::test]
async fn a_new_account_is_known_whatever_the_answer(#[case] quirks: &[Quirk], #[case] reads: usize) {
    let target = Quirky::start(quirks).await;
    let scim = target.scim(ScimProfile::default());
    scim.profile().await.unwrap();
    let before = target.server.count("GET");
    let made = scim.create(&ann(json!({ "title": "Nurse" })), None).await.unwrap();
    assert_eq!(
        (made.id.as_str(), made.login.as_str(), &made.attributes["title"]),
        ("id1", "ann", &json!("Nurse"))
    );
    assert_eq!(target.server.count("GET") - before, reads);
    assert_eq!((target.users().len(), target.server.count("POST")), (1, 1));
}

#[tokio::test]
async fn an_account_that_is_said_to_be_made_and_is_not_there_is_none() {
    let target = Quirky::start(&[CreateEcho]).await;
    let failure = target.scim(ScimProfile::default()).create(&ann(json!({})), None).await.unwrap_err();
    assert_eq!((failure.class, failure.reason), (FailureClass::Unknown, Reason::UnexpectedAnswer));
}

/// Whatever a target says to a second account with a login, it is a conflict.
#[rstest]
#[tokio::test]
async fn a_duplicate_is_a_conflict_in_whatever_words(
    #[values(None, Some(DuplicateCrashes), Some(DuplicateMalformed))] duplicate: Option<Quirk>,
    #[values(None, Some(FilterIgnored), Some(FilterUnknown))] filter: Option<Quirk>,
    #[values(None, Some("E-1"), Some("E-2"))] marker: Option<&str>,
) {
    let quirks: Vec<Quirk> = duplicate.into_iter().chain(filter).collect();
    let target = Quirky::start(&quirks).await;
    target.seed(json!({ "userName": "ann", "externalId": marker }));
    target.seed(json!({ "userName": "bob" }));
    target.seed(json!({ "userName": "carl" }));
    let failure = target.scim(ScimProfile::default()).create(&ann(json!({})), None).await.unwrap_err();
    assert_eq!((failure.class, failure.reason), (FailureClass::Conflict, Reason::AccountExists));
    assert!(!failure.message.contains("canary"), "{failure}");
}

/// Nobody has the login: then it is another trouble, and stays what it was.
#[tokio::test]
async fn a_crash_that_is_no_duplicate_stays_one() {
    let target = Quirky::start(&[]).await;
    target.seed(json!({ "userName": "ann" }));
    let lookup = Some(Lookup::Listing);
    let scim = target.scim(ScimProfile { lookup, ..ScimProfile::default() });
    let failure = scim.create(&ann(json!({})), None).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Conflict);
    assert_eq!(target.listings(), 1);
    scim.create(&ann(json!({})), None).await.unwrap_err();
    assert_eq!(target.listings(), 1, "the listing explains it");
}

/// A creation that took effect although the answer was an error is found the next time, not made again.
#[rstest]
#[tokio::test]
async fn a_creation_that_failed_and_happened_is_found(
    #[values(None, Some(FilterUnknown))] filter: Option<Quirk>,
) {
    let quirks: Vec<Quirk> = [CreateThenCrash].into_iter().chain(filter).collect();
    let target = Quirky::start(&quirks).await;
    let scim = target.scim(ScimProfile::default());
    assert_eq!(scim.find("externalId", "E-1").await.unwrap(), []);
    let failure = scim.create(&ann(json!({})), None).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Conflict);
    assert_eq!(scim.find("externalId", "E-1").await.unwrap().len(), 1);
}

/// Whether the account is gone, or read as inactive, there is nothing left to delete, now and again.
#[rstest]
#[case(None, Deletion::Permanent)]
#[case(Some(DeleteSoft), Deletion::Soft)]
#[tokio::test]
async fn what_is_deleted_stays_deleted(#[case] quirk: Option<Quirk>, #[case] deletion: Deletion) {
    let target = Quirky::start(&quirk.into_iter().collect::<Vec<_>>()).await;
    let scim = target.scim(ScimProfile::default());
    let id = target.seed(json!({ "userName": "ann", "active": true }));
    scim.delete(&id).await.unwrap();
    scim.delete(&id).await.unwrap();
    assert_eq!(scim.profile().await.unwrap().deletion, deletion);
}

#[rstest]
#[case(Some(DeleteVain), None, FailureClass::RetryAfter, 1)]
#[case(Some(DeleteUnknown), None, FailureClass::Permanent, 1)]
#[case(None, Some(Deletion::Unsupported), FailureClass::Permanent, 0)]
#[tokio::test]
async fn what_is_not_deleted_is_not_said_to_be(
    #[case] quirk: Option<Quirk>,
    #[case] deletion: Option<Deletion>,
    #[case] class: FailureClass,
    #[case] sent: usize,
) {
    let target = Quirky::start(&quirk.into_iter().collect::<Vec<_>>()).await;
    let scim = target.scim(ScimProfile { deletion, ..ScimProfile::default() });
    let id = target.seed(json!({ "userName": "ann" }));
    assert_eq!(scim.delete(&id).await.unwrap_err().class, class);
    assert_eq!(target.server.count("DELETE"), sent);
}
