use rstest::rstest;
use serde_json::json;

use super::super::profile::Profile;
use super::*;
use crate::api::app::CapabilitySource;

fn conservative() -> ScimProfile {
    read(&json!({}))
}

#[rstest]
#[case::nonsense(json!({ "patch": true, "filter": [], "pagination": "yes" }), conservative())]
#[case::strings(
    json!({ "Patch": { "Supported": "True" }, "etag": { "supported": "false" } }),
    ScimProfile { update: Some(Update::Patch), members: Some(MemberChange::Patch), ..conservative() }
)]
#[case::full(
    json!({ "filter": { "supported": true }, "etag": { "supported": true } }),
    ScimProfile { lookup: Some(Lookup::Filter), etag: Some(Etag::Use), ..conservative() }
)]
#[case::cursor(
    json!({ "pagination": { "cursor": true, "index": true, "maxPageSize": 20 } }),
    ScimProfile { paging: Some(Paging::Cursor), page_size: Some(20), ..conservative() }
)]
#[case::large_pages(
    json!({ "pagination": { "cursor": false, "maxPageSize": 5000 } }),
    ScimProfile { page_size: Some(100), ..conservative() }
)]
#[case::largest_answer(
    json!({ "filter": { "supported": false, "maxResults": 50 } }),
    ScimProfile { page_size: Some(50), ..conservative() }
)]
fn what_is_not_promised_is_done_without(#[case] config: Value, #[case] expected: ScimProfile) {
    assert_eq!(read(&config), expected);
}

/// What a service provider leaves unsaid is as little as what it does not have.
#[test]
fn silence_promises_nothing() {
    let mut profile = Profile::default();
    profile.overlay(&conservative(), CapabilitySource::Default);
    assert!(
        Profile::default().capabilities().iter().zip(profile.capabilities()).all(|(a, b)| a.value == b.value)
    );
}
