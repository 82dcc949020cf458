use std::collections::BTreeMap;

use rstest::rstest;
use serde_json::json;
use tenure::api::app::CapabilitySource;
use tenure::connectors::Connector;
use tenure::connectors::scim::Scim;

use crate::server::{Profile, Server, person};

async fn known(scim: &Scim) -> BTreeMap<String, (String, CapabilitySource)> {
    let probe = scim.probe().await.unwrap();
    probe.capabilities.into_iter().map(|line| (line.name, (line.value, line.source))).collect()
}

fn is(value: &str, source: CapabilitySource) -> (String, CapabilitySource) {
    (value.to_owned(), source)
}

/// The server describes all attributes, and the enterprise extension: nothing is taken for missing.
#[rstest]
#[case(Profile::Full, "Patch", "Filter", "Index")]
#[case(Profile::Cursor, "Patch", "Filter", "Cursor")]
#[case(Profile::Bare, "Put", "Listing", "Index")]
#[tokio::test]
async fn what_the_server_says_is_found_out(
    #[case] profile: Profile,
    #[case] update: &str,
    #[case] lookup: &str,
    #[case] paging: &str,
) {
    let server = Server::start(profile).await;
    let (scim, _) = server.connector();
    let known = known(&scim).await;
    assert_eq!(known["update"], is(update, CapabilitySource::Discovered));
    assert_eq!(known["members"], is(update, CapabilitySource::Discovered));
    assert_eq!(known["lookup"], is(lookup, CapabilitySource::Discovered));
    assert_eq!(known["paging"], is(paging, CapabilitySource::Discovered));
    assert_eq!(known["extensions"], is("Enterprise", CapabilitySource::Default));
    assert_eq!(known["unsupportedAttributes"].0, "");
}

/// Filters are tried as soon as there is an account to find.
#[tokio::test]
async fn what_the_server_promises_is_tried() {
    let server = Server::start(Profile::Full).await;
    let (scim, _) = server.connector();
    scim.create(&person("ann", "E-1", &json!({}))).await.unwrap();
    let first = known(&scim).await;
    assert_eq!(first["lookup"], is("Filter", CapabilitySource::Probed));
    assert_eq!(first["userNameCase"], is("Insensitive", CapabilitySource::Probed));
    assert_eq!(first, known(&scim).await, "and it stays so");
}
