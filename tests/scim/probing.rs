use std::collections::BTreeMap;

use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use tenure::api::app::CapabilitySource::{self, Default, Discovered, Probed};
use tenure::api::scim::{Preset, ScimProfile};
use tenure::connectors::Connector;
use tenure::connectors::scim::Scim;

use crate::server::{Profile, Server, connect, person};
use crate::support::targets::better_auth::BetterAuth;
use crate::support::targets::canaille::Canaille;
use crate::support::targets::{django_scim2_server, scimmy};
use crate::support::{Target, install_crypto};

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
    assert_eq!(known["update"], is(update, Discovered));
    assert_eq!(known["members"], is(update, Discovered));
    assert_eq!(known["lookup"], is(lookup, Discovered));
    assert_eq!(known["paging"], is(paging, Discovered));
    assert_eq!(known["extensions"], is("Enterprise", Default));
    assert_eq!(known["unsupportedAttributes"].0, "");
}

/// Filters are tried as soon as there is an account to find.
#[tokio::test]
async fn what_the_server_promises_is_tried() {
    let server = Server::start(Profile::Full).await;
    let (scim, _) = server.connector();
    scim.create(&person("ann", "E-1", &json!({})), None).await.unwrap();
    let first = known(&scim).await;
    assert_eq!(first["lookup"], is("Filter", Probed));
    assert_eq!(first["userNameCase"], is("Insensitive", Probed));
    assert_eq!(first, known(&scim).await, "and it stays so");
}

/// What a service provider with one account is found to be: name, value and source of what is worth telling.
async fn assert_found(target: &Target, profile: ScimProfile, expected: &[(&str, &str, CapabilitySource)]) {
    install_crypto();
    let ann = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ann@x.example", "externalId": "E-1",
        "name": {"givenName": "Ann", "familyName": "Lee", "formatted": "Ann Lee"}, "active": true,
        "emails": [{"value": "ann@x.example"}],
    });
    let (status, made) = target.call(Method::POST, "/Users", Some(ann)).await;
    assert_eq!(status, 201, "{made}");
    let (scim, reports) = connect(target.base_url(), target.token(), "externalId", profile);
    let first = known(&scim).await;
    for (name, value, source) in expected {
        assert_eq!(first[*name], is(value, *source), "{name}");
    }
    let asked = reports.lock().unwrap().len();
    assert!(asked <= 8, "{asked} requests");
    assert_eq!(first, known(&scim).await, "and it stays so");
    assert_eq!(reports.lock().unwrap().len(), asked + 1);
}

#[tokio::test]
async fn better_auth_keeps_what_it_promises() {
    let expected = [
        ("lookup", "Filter", Probed),
        ("userNameCase", "Insensitive", Probed),
        ("unsupportedAttributes", "nickName, profileUrl, ims, photos, x509Certificates", Discovered),
        ("extensions", "Enterprise", Default),
        ("etag", "Ignore", Discovered),
    ];
    let app = BetterAuth::start().await;
    assert_found(&app, ScimProfile::default(), &expected).await;
}

#[tokio::test]
async fn scimmy_minds_the_letter_case() {
    let expected = [("lookup", "Filter", Probed), ("userNameCase", "Exact", Probed)];
    assert_found(&scimmy::start().await, ScimProfile::default(), &expected).await;
}

#[tokio::test]
async fn django_scim2_server_has_no_extension() {
    let expected = [("lookup", "Filter", Probed), ("extensions", "None", Discovered)];
    assert_found(&django_scim2_server::start().await, ScimProfile::default(), &expected).await;
}

#[tokio::test]
async fn canaille_has_neither_filters_nor_pages() {
    let canaille = Canaille::start().await;
    let expected =
        [("lookup", "Listing", Discovered), ("paging", "None", Probed), ("etag", "Use", Discovered)];
    assert_found(&canaille, ScimProfile::default(), &expected).await;
    let preset = ScimProfile { preset: Some(Preset::Canaille), ..ScimProfile::default() };
    let (scim, reports) = connect(canaille.base_url(), canaille.token(), "externalId", preset);
    let known = known(&scim).await;
    assert_eq!(known["paging"], is("None", CapabilitySource::Preset));
    assert_eq!(known["etag"], is("Ignore", CapabilitySource::Preset));
    assert_eq!(reports.lock().unwrap().len(), 4, "there is nothing to try");
}
