use rstest::rstest;
use serde_json::json;

use super::quirky::Quirk::{self, *};
use super::quirky::{Quirky, ann, person, set};
use crate::api::scim::{AttributeCase, Lookup, ScimProfile};
use crate::connectors::{Connector, FailureClass};

async fn crowd(quirks: &[Quirk]) -> Quirky {
    let target = Quirky::start(quirks).await;
    for number in 0..5 {
        target.seed(json!({
            "userName": format!("user{number}"), "externalId": format!("E-1{number}"),
            "emails": [{ "value": format!("u{number}@x.example") }],
        }));
    }
    target
}

/// Where filters are of no use everybody is read once, not once a person.
#[rstest]
#[case(FilterIgnored, 1)]
#[case(FilterUnknown, 1)]
#[tokio::test]
async fn filters_that_are_no_use_are_not_used_for_long(#[case] quirk: Quirk, #[case] filters: usize) {
    let target = crowd(&[quirk]).await;
    let scim = target.scim(ScimProfile::default());
    for number in 0..5 {
        for (attribute, value) in [
            ("externalId", format!("E-1{number}")),
            ("userName", format!("USER{number}")),
            ("emails", format!("u{number}@X.example")),
        ] {
            let found = scim.find(attribute, &value).await.unwrap();
            assert_eq!(found.iter().map(|a| a.login.clone()).collect::<Vec<_>>(), [format!("user{number}")]);
        }
    }
    assert_eq!(scim.find("externalId", "E-1").await.unwrap(), []);
    assert_eq!(scim.find("externalId", "e-10").await.unwrap(), [], "the marker is exact");
    assert_eq!((target.filters(), target.listings()), (filters, 1));
    assert_eq!(scim.profile().await.unwrap().lookup, Lookup::Listing);
}

#[tokio::test]
async fn who_looks_at_once_shares_one_listing() {
    let target = crowd(&[]).await;
    let scim = target.scim(ScimProfile { lookup: Some(Lookup::Listing), ..ScimProfile::default() });
    let logins: Vec<_> = (0..5).map(|number| format!("user{number}")).collect();
    let found = futures::future::join_all(logins.iter().map(|login| scim.find("userName", login))).await;
    assert!(found.into_iter().zip(&logins).all(|(found, login)| found.unwrap()[0].login == *login));
    assert_eq!(target.listings(), 1);
}

#[tokio::test]
async fn a_failed_listing_finds_nobody_and_is_shared() {
    let target = crowd(&[ListingFails]).await;
    let scim = target.scim(ScimProfile { lookup: Some(Lookup::Listing), ..ScimProfile::default() });
    scim.profile().await.unwrap();
    let (one, other) = tokio::join!(scim.find("userName", "user1"), scim.find("userName", "user2"));
    assert_eq!(one.unwrap_err().class, FailureClass::RetryAfter);
    assert_eq!(other.unwrap_err().class, FailureClass::RetryAfter);
    assert_eq!(target.listings(), 1);
    scim.find("userName", "user1").await.unwrap_err();
    assert_eq!(target.listings(), 2);
}

/// A value that a crowd has tells nobody from another: they are not read one by one, and others are found as ever.
#[tokio::test]
async fn a_crowd_with_one_marker_is_nobody() {
    let target = crowd(&[]).await;
    for _ in 0..101 {
        target.seed(json!({ "userName": "twin", "externalId": "E-2" }));
    }
    let scim = target.scim(ScimProfile { lookup: Some(Lookup::Listing), ..ScimProfile::default() });
    for _ in 0..2 {
        let failure = scim.find("externalId", "E-2").await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Unknown);
        assert!(failure.message.contains("too many resources match"), "{}", failure.message);
        assert_eq!(scim.find("userName", "user1").await.unwrap().len(), 1);
    }
    let reads = target.server.requests.lock().unwrap().iter().filter(|r| r.path.contains("/Users/")).count();
    assert_eq!((reads, target.listings()), (2, 2));
}

/// What the connector does itself is in the index; what others did is read before it counts.
#[tokio::test]
async fn the_index_follows_what_is_done() {
    let target = crowd(&[]).await;
    let scim = target.scim(ScimProfile { lookup: Some(Lookup::Listing), ..ScimProfile::default() });
    assert_eq!(scim.find("userName", "ann").await.unwrap(), []);
    let made = scim.create(&ann(json!({})), None).await.unwrap();
    assert_eq!(scim.find("externalId", "E-1").await.unwrap(), std::slice::from_ref(&made));
    scim.update(&made.id, &[set("userName", json!("anna"))]).await.unwrap();
    assert_eq!(scim.find("userName", "ann").await.unwrap(), []);
    assert_eq!(scim.find("userName", "anna").await.unwrap()[0].id, made.id);
    scim.delete(&made.id).await.unwrap();
    assert_eq!(scim.find("userName", "anna").await.unwrap(), []);
    let lists =
        target.server.requests.lock().unwrap().iter().filter(|r| r.path.contains("count=100")).count();
    assert_eq!(lists, 1);
}

#[tokio::test]
async fn attributes_that_cannot_be_filtered_by_are_looked_for_in_the_listing() {
    let target = crowd(&[]).await;
    let filterable = Some(vec!["USERNAME".to_owned()]);
    let scim = target.scim(ScimProfile { filterable, ..ScimProfile::default() });
    assert_eq!(scim.find("userName", "user1").await.unwrap().len(), 1);
    assert_eq!((target.filters(), target.listings()), (1, 0));
    assert_eq!(scim.find("emails", "u1@x.example").await.unwrap().len(), 1);
    assert_eq!(scim.find("externalId", "E-13").await.unwrap().len(), 1);
    assert_eq!((target.filters(), target.listings()), (1, 1));
}

#[rstest]
#[case(None, 2)]
#[case(Some(AttributeCase::Exact), 1)]
#[tokio::test]
async fn logins_that_differ_in_case_are_one_or_two(
    #[case] user_name_case: Option<AttributeCase>,
    #[case] count: usize,
    #[values(None, Some(Lookup::Listing))] lookup: Option<Lookup>,
) {
    let target = Quirky::start(&[]).await;
    target.seed(json!({ "userName": "Ann" }));
    target.seed(json!({ "userName": "ann" }));
    let scim = target.scim(ScimProfile { lookup, user_name_case, ..ScimProfile::default() });
    let found = scim.find("userName", "Ann").await.unwrap();
    assert_eq!(found.len(), count);
    assert_eq!(found[0].login, "Ann");
}

/// A filter shows nobody, the target says that somebody is there, and a listing shows who.
#[tokio::test]
async fn a_blind_filter_is_found_out() {
    let target = Quirky::start(&[FilterBlind]).await;
    target.seed(json!({ "userName": "ann", "externalId": "E-1" }));
    // That the App says otherwise does not help against what is seen.
    let scim = target.scim(ScimProfile { lookup: Some(Lookup::Filter), ..ScimProfile::default() });
    assert_eq!(scim.find("externalId", "E-1").await.unwrap(), []);
    let failure = scim.create(&ann(json!({})), None).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Conflict);
    assert_eq!(scim.find("externalId", "E-1").await.unwrap()[0].login, "ann");
    assert_eq!(scim.find("userName", "ann").await.unwrap()[0].login, "ann");
    assert_eq!(target.listings(), 1);
    scim.create(&person("bob", "E-2", json!({})), None).await.unwrap();
    assert_eq!(scim.find("externalId", "E-2").await.unwrap()[0].login, "bob");
    assert_eq!(target.listings(), 1);
}
