use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use rstest::rstest;
use serde_json::json;

use super::super::tests::scim_with;
use super::*;
use crate::api::scim::{Discovery, Preset};
use crate::connectors::testing::{Received, Reply, Server, reply};
use crate::connectors::{Connector, FailureClass};

/// How a service provider answers. `Users` has Ann alone.
#[derive(Clone)]
struct Manner {
    config: Value,
    /// Statuses by what is asked: `config`, `configs`, `types`, `schemas`, `index`, `cursor`, `bare`, `filter`, `marker`.
    statuses: BTreeMap<&'static str, u16>,
    /// Whether a filter finds Ann by this attribute and value.
    finds: fn(&str, &str) -> bool,
    empty: bool,
}

fn found(attribute: &str, value: &str) -> bool {
    match attribute {
        "userName" => value.eq_ignore_ascii_case("Ann"),
        "externalId" => value == "E-1",
        _ => false,
    }
}

fn manner(statuses: &[(&'static str, u16)]) -> Manner {
    let on = json!({ "supported": true });
    Manner {
        config: json!({ "patch": on, "filter": on }),
        statuses: statuses.iter().copied().collect(),
        finds: found,
        empty: false,
    }
}

impl Manner {
    fn answer(&self, request: &Received) -> Reply {
        let path = percent_encoding::percent_decode_str(&request.path).decode_utf8_lossy().into_owned();
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let kind = match path.rsplit('/').next().unwrap() {
            "ServiceProviderConfig" => "config",
            "ServiceProviderConfigs" => "configs",
            "ResourceTypes" => "types",
            "Schemas" => "schemas",
            _ if query.contains("externalId eq") => "marker",
            _ if query.contains(" eq ") => "filter",
            _ if query.contains("startIndex=") => "index",
            _ if query.contains("cursor=") => "cursor",
            _ => "bare",
        };
        let status = self.statuses.get(kind).copied();
        match (status, kind) {
            (Some(200), _) => reply(200, "content-type: text/html\r\n", "<html>"),
            (Some(status), _) => reply(status, "", ""),
            (None, "config") => reply(200, "", self.config.to_string()),
            (None, "configs" | "types" | "schemas") => reply(404, "", ""),
            (None, _) => reply(200, "", self.users(query).to_string()),
        }
    }

    fn users(&self, query: &str) -> Value {
        let ann = json!({ "id": "1", "userName": "Ann", "externalId": "E-1" });
        let here = !self.empty
            && match query.split_once("filter=") {
                Some((_, filter)) => {
                    let (attribute, rest) = filter.split_once(" eq \"").unwrap();
                    (self.finds)(attribute, rest.split('"').next().unwrap())
                }
                None => true,
            };
        let users = if here { vec![ann] } else { Vec::new() };
        json!({ "totalResults": users.len(), "Resources": users })
    }
}

async fn explore(manner: &Manner, configured: ScimProfile) -> (Server, Result<Arc<Profile>, Failure>) {
    let manner = manner.clone();
    let server = Server::start(move |request| manner.answer(request)).await;
    let scim = scim_with(&server, configured);
    let outcome = scim.probe().await.map(|_| scim.shared.profile.explored().unwrap());
    assert!(server.count("GET") <= 9 && server.requests.lock().unwrap().iter().all(|r| r.method == "GET"));
    (server, outcome)
}

async fn profile(manner: &Manner) -> Arc<Profile> {
    explore(manner, ScimProfile::default()).await.1.unwrap()
}

fn probed(profile: &Profile, name: &str) -> bool {
    profile.sources.get(name) == Some(&CapabilitySource::Probed)
}

#[tokio::test]
async fn what_holds_is_confirmed() {
    let profile = profile(&manner(&[])).await;
    assert_eq!((profile.lookup, profile.user_name_case), (Lookup::Filter, AttributeCase::Insensitive));
    assert!(probed(&profile, "lookup") && probed(&profile, "userNameCase"));
    assert!(profile.filterable.is_empty() && !probed(&profile, "paging"));
}

#[rstest]
#[case::refused(manner(&[("filter", 400)]))]
#[case::not_there(manner(&[("filter", 501)]))]
#[case::not_found(manner(&[("filter", 404)]))]
#[case::ignored(Manner { finds: |_, _| true, ..manner(&[]) })]
#[case::blind(Manner { finds: |_, _| false, ..manner(&[]) })]
#[tokio::test]
async fn a_filter_that_does_not_hold_is_not_used(#[case] manner: Manner) {
    let profile = profile(&manner).await;
    assert_eq!(profile.lookup, Lookup::Listing);
    assert!(probed(&profile, "lookup"));
}

#[rstest]
#[case::blind(Manner { finds: |name, value| name == "userName" && found(name, value), ..manner(&[]) })]
#[case::refused(manner(&[("marker", 400)]))]
#[tokio::test]
async fn a_marker_that_no_filter_finds_is_looked_for_in_a_listing(#[case] manner: Manner) {
    let profile = profile(&manner).await;
    assert_eq!((profile.lookup, &*profile.filterable), (Lookup::Filter, &["userName".to_owned()][..]));
}

#[tokio::test]
async fn letter_case_that_counts_is_noticed() {
    let exact = |name: &str, value: &str| found(name, value) && value != "aNN";
    let profile = profile(&Manner { finds: exact, ..manner(&[]) }).await;
    assert_eq!((profile.lookup, profile.user_name_case), (Lookup::Filter, AttributeCase::Exact));
}

/// Without an account there is nothing to find, and no conclusion but that nobody is nobody.
#[tokio::test]
async fn an_empty_service_provider_is_believed() {
    let profile = profile(&Manner { empty: true, ..manner(&[]) }).await;
    assert_eq!(profile.lookup, Lookup::Filter);
    assert!(!probed(&profile, "lookup") && !probed(&profile, "userNameCase"));
}

/// What wanted for an account is tried once there is one, and then no more.
#[tokio::test]
async fn what_could_not_be_tried_is_made_up_for() {
    let here = Arc::new(AtomicBool::new(false));
    let (filled, manner) = (here.clone(), manner(&[]));
    let answer = move |request: &Received| {
        Manner { empty: !filled.load(Ordering::Relaxed), ..manner.clone() }.answer(request)
    };
    let server = Server::start(answer).await;
    let scim = scim_with(&server, ScimProfile::default());
    let mut asked = 0;
    let mut requests = async || {
        scim.probe().await.unwrap();
        let so_far = server.count("GET");
        so_far - std::mem::replace(&mut asked, so_far)
    };
    requests().await;
    assert_eq!(requests().await, 1);
    here.store(true, Ordering::Relaxed);
    assert_eq!(requests().await, 5, "an account, nobody, the login, the marker, the letter case");
    assert_eq!(requests().await, 1);
    let profile = scim.shared.profile.explored().unwrap();
    assert!(probed(&profile, "lookup") && probed(&profile, "userNameCase"));
}

#[rstest]
#[case::index(&[], false, Paging::Index)]
#[case::no_paging(&[("index", 500)], false, Paging::None)]
#[case::no_paging(&[("index", 400)], false, Paging::None)]
#[case::cursor(&[], true, Paging::Cursor)]
#[case::cursor_alone(&[("index", 400)], true, Paging::Cursor)]
#[case::no_cursor(&[("cursor", 501)], true, Paging::Index)]
#[case::nothing(&[("cursor", 500), ("index", 500)], true, Paging::None)]
#[tokio::test]
async fn pages_are_tried(
    #[case] statuses: &[(&'static str, u16)],
    #[case] cursor: bool,
    #[case] expected: Paging,
) {
    let mut manner = manner(statuses);
    manner.config["pagination"] = json!({ "cursor": cursor });
    assert_eq!(profile(&manner).await.paging, expected);
}

/// Trouble is no answer: nothing is concluded, and the next probe begins anew.
#[rstest]
#[case(&[("index", 503)], FailureClass::RetryAfter)]
#[case(&[("index", 500), ("bare", 500)], FailureClass::RetryAfter)]
#[case(&[("index", 401)], FailureClass::Credentials)]
#[case(&[("index", 404)], FailureClass::Unknown)]
#[case(&[("config", 503)], FailureClass::RetryAfter)]
#[case(&[("filter", 403)], FailureClass::Credentials)]
#[case(&[("filter", 429)], FailureClass::RetryAfter)]
#[case(&[("filter", 500)], FailureClass::RetryAfter)]
#[case(&[("marker", 502)], FailureClass::RetryAfter)]
#[tokio::test]
async fn trouble_is_the_probes(#[case] statuses: &[(&'static str, u16)], #[case] class: FailureClass) {
    let (_server, outcome) = explore(&manner(statuses), ScimProfile::default()).await;
    assert_eq!(outcome.unwrap_err().class, class);
}

#[rstest]
#[case::plural(&[("config", 404)], Discovery::None)]
#[case::html(&[("config", 200)], Discovery::None)]
#[case::hidden(&[("config", 401), ("configs", 401)], Discovery::None)]
#[case::trouble_with_schemas(&[("schemas", 500), ("types", 403)], Discovery::ServiceProviderConfig)]
#[tokio::test]
async fn a_service_provider_that_hides_itself_is_spoken_to_as_the_standards_say(
    #[case] statuses: &[(&'static str, u16)],
    #[case] discovery: Discovery,
) {
    let (server, outcome) = explore(&manner(statuses), ScimProfile::default()).await;
    assert_eq!(outcome.unwrap().discovery, discovery);
    let gate = scim_with(&server, ScimProfile::default());
    gate.probe().await.unwrap();
}

#[tokio::test]
async fn the_configuration_is_found_under_its_other_name() {
    let server = Server::start(|request| match request.path.rsplit('/').next().unwrap() {
        "ServiceProviderConfigs" => reply(200, "", json!({ "patch": { "supported": true } }).to_string()),
        path if path.starts_with("Users") => reply(200, "", json!({ "totalResults": 0 }).to_string()),
        _ => reply(404, "", ""),
    })
    .await;
    let scim = scim_with(&server, ScimProfile::default());
    scim.probe().await.unwrap();
    let profile = scim.shared.profile.explored().unwrap();
    assert_eq!(profile.discovery, Discovery::ServiceProviderConfigs);
    assert_eq!(profile.update, crate::api::scim::Update::Patch);
    let preset = ScimProfile { preset: Some(Preset::Salesforce), ..ScimProfile::default() };
    let scim = scim_with(&server, preset);
    let before = server.count("GET");
    scim.probe().await.unwrap();
    assert_eq!(server.count("GET") - before, 4, "users, configuration, types, schemas");
}

/// What the App says is not tried; what is known is not asked again.
#[tokio::test]
async fn only_what_is_open_is_tried_and_only_once() {
    let configured = ScimProfile {
        lookup: Some(Lookup::Filter),
        paging: Some(Paging::Index),
        discovery: Some(Discovery::None),
        ..ScimProfile::default()
    };
    let manner = manner(&[]);
    let server = Server::start(move |request| manner.answer(request)).await;
    let scim = scim_with(&server, configured);
    scim.probe().await.unwrap();
    assert_eq!(server.count("GET"), 1);
    let again = scim.probe().await.unwrap();
    assert_eq!(server.count("GET"), 2);
    assert_eq!(again, scim.probe().await.unwrap());
}

#[tokio::test]
async fn a_service_provider_that_cannot_count_is_asked_without_counting() {
    let manner = manner(&[("index", 500)]);
    let server = Server::start(move |request| {
        if request.path.contains("count=") { reply(500, "", "") } else { manner.answer(request) }
    })
    .await;
    let scim = scim_with(&server, ScimProfile::default());
    for _ in 0..2 {
        scim.probe().await.unwrap();
    }
    assert!(server.requests.lock().unwrap().last().unwrap().path.ends_with("/Users"));
}

#[tokio::test]
async fn messages_are_labelled_as_the_profile_says() {
    for (preset, label) in
        [(None, "application/scim+json, application/json"), (Some(Preset::Entra), "application/json")]
    {
        let manner = manner(&[]);
        let server = Server::start(move |request| manner.answer(request)).await;
        let scim = scim_with(&server, ScimProfile { preset, ..ScimProfile::default() });
        scim.probe().await.unwrap();
        let requests = server.requests.lock().unwrap();
        assert!(requests.iter().all(|r| r.head.contains(&format!("accept: {label}\r\n"))));
    }
}
