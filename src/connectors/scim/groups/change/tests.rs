//! Service providers that refuse, lie and hide, as no product here does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;

use rstest::rstest;

use super::*;
use crate::api::scim::MemberReads;
use crate::connectors::http::Credentials;
use crate::connectors::scim::ScimConfig;
use crate::connectors::testing::{Received, Reply, Server, reply, surroundings};

/// A group in memory.
#[derive(Default)]
struct Model {
    members: BTreeSet<String>,
    /// Members that make a request fail, with this status.
    bad: BTreeSet<String>,
    status: u16,
    /// More changes in one request are refused with 413.
    limit: Option<usize>,
    /// Neither answers nor reads show members.
    hidden: bool,
    /// Changes are accepted and not made for these.
    deaf: BTreeSet<String>,
    gone: bool,
}

type Shared = Arc<Mutex<Model>>;

fn group(model: &Model) -> Value {
    let members: Vec<_> = model.members.iter().map(|id| json!({ "value": id })).collect();
    if model.hidden { json!({ "id": "g" }) } else { json!({ "id": "g", "members": members }) }
}

fn named(operation: &Value) -> Vec<String> {
    if let Some(path) = operation["path"].as_str().and_then(|path| path.strip_prefix("members[value eq \"")) {
        return vec![path.trim_end_matches("\"]").to_owned()];
    }
    let values = operation["value"].as_array().unwrap();
    values.iter().map(|value| value["value"].as_str().unwrap().to_owned()).collect()
}

fn patch(model: &mut Model, body: &str) -> Reply {
    let body: Value = serde_json::from_str(body).unwrap();
    let operations = body["Operations"].as_array().unwrap();
    let all: Vec<_> = operations.iter().flat_map(named).collect();
    if model.limit.is_some_and(|limit| all.len() > limit) {
        return reply(413, "", "{}");
    }
    if all.iter().any(|id| model.bad.contains(id)) {
        return reply(model.status, "", "{}");
    }
    for operation in operations {
        for id in named(operation).into_iter().filter(|id| !model.deaf.contains(id)) {
            if operation["op"] == "add" {
                model.members.insert(id)
            } else {
                model.members.remove(&id)
            };
        }
    }
    if model.hidden { reply(204, "", "") } else { reply(200, "", group(model).to_string()) }
}

fn answer(model: &Shared, request: &Received) -> Reply {
    let mut model = model.lock().unwrap();
    let path = request.path.strip_prefix("/v2/").unwrap();
    match (request.method.as_str(), path) {
        ("GET", "ServiceProviderConfig") => {
            let on = json!({ "supported": true });
            reply(200, "", json!({ "patch": on, "filter": on }).to_string())
        }
        ("GET", path) if path.starts_with("Groups/g") && !model.gone => {
            reply(200, "", group(&model).to_string())
        }
        ("GET", path) if path.starts_with("Groups/") => reply(404, "", "{}"),
        ("GET", path) if path.starts_with("Users/bad") => reply(404, "", "{}"),
        ("GET", path) if path.starts_with("Users/") => {
            let id = &path["Users/".len()..];
            reply(200, "", json!({ "id": id, "userName": id }).to_string())
        }
        ("PATCH", _) if model.gone => reply(404, "", "{}"),
        ("PATCH", "Groups/g") => patch(&mut model, &request.body),
        ("GET", _) => reply(200, "", json!({ "totalResults": 0, "Resources": [] }).to_string()),
        other => panic!("{other:?}"),
    }
}

async fn stage(model: Model, profile: ScimProfile) -> (Scim, Server, Shared) {
    let model = Arc::new(Mutex::new(model));
    let shared = model.clone();
    let server = Server::start(move |request| answer(&shared, request)).await;
    let (fence, gate, meter, _) = surroundings();
    let config = ScimConfig {
        http: server.config(),
        credentials: Credentials::Bearer("canary-group".into()),
        marker_attribute: "externalId".to_owned(),
        search_by: Vec::new(),
        profile,
        create_groups: true,
    };
    (Scim::new(config, fence, gate, meter).unwrap(), server, model)
}

fn ids(names: impl IntoIterator<Item = impl ToString>) -> BTreeSet<String> {
    names.into_iter().map(|name| name.to_string()).collect()
}

fn all(names: impl IntoIterator<Item = impl ToString>, held: bool) -> Vec<Membership> {
    names.into_iter().map(|name| Membership { account: name.to_string(), held }).collect()
}

fn failed(outcomes: &[Outcome]) -> Vec<usize> {
    outcomes.iter().enumerate().filter(|(_, outcome)| outcome.is_err()).map(|(place, _)| place).collect()
}

#[tokio::test]
async fn what_is_so_already_is_not_sent() {
    let (scim, server, model) =
        stage(Model { members: ids(0..50), ..Model::default() }, ScimProfile::default()).await;
    let mut changes = all(0..60, true);
    changes.extend(all(70..80, false));
    assert_eq!(failed(&scim.change_members("g", &changes).await.unwrap()), [0; 0]);
    let sent = server.requests.lock().unwrap().iter().rfind(|r| r.method == "PATCH").unwrap().body.clone();
    let sent: Value = serde_json::from_str(&sent).unwrap();
    assert_eq!(sent["Operations"].as_array().unwrap().len(), 1);
    assert_eq!(ids(named(&sent["Operations"][0])), ids(50..60));
    assert_eq!(model.lock().unwrap().members, ids(0..60));

    let reads = server.count("GET");
    scim.change_members("g", &all(60..70, true)).await.unwrap();
    assert_eq!(server.count("GET"), reads, "the answer showed who is in it");
    assert_eq!(failed(&scim.change_members("g", &all(0..70, true)).await.unwrap()), [0; 0]);
    assert_eq!(server.count("PATCH"), 2, "nothing to do");
}

#[rstest]
#[case::unknown_member(400)]
#[case::not_found(404)]
#[case::precondition(412)]
#[tokio::test]
async fn one_bad_member_fails_alone(#[case] status: u16) {
    let model = Model { bad: ids(["bad1", "bad2"]), status, ..Model::default() };
    let (scim, server, model) = stage(model, ScimProfile::default()).await;
    let mut changes = all(0..98, true);
    changes.insert(20, Membership { account: "bad1".to_owned(), held: true });
    changes.insert(77, Membership { account: "bad2".to_owned(), held: true });
    let outcomes = scim.change_members("g", &changes).await.unwrap();
    assert_eq!(failed(&outcomes), [20, 77]);
    let failure = outcomes[20].clone().unwrap_err();
    assert_eq!((failure.class, failure.reason), (FailureClass::Gone, Reason::AccountGone));
    assert_eq!(model.lock().unwrap().members, ids(0..98));
    assert!(server.count("PATCH") < 40, "halved, not one by one");
}

/// It is not for each of a thousand members to find out that a group takes none.
#[tokio::test]
async fn a_group_that_takes_nobody_is_not_asked_for_each() {
    let model = Model { bad: ids(0..100), status: 400, ..Model::default() };
    let (scim, server, _) = stage(model, ScimProfile::default()).await;
    let outcomes = scim.change_members("g", &all(0..100, true)).await.unwrap();
    assert_eq!(failed(&outcomes).len(), 100);
    assert!(outcomes.iter().all(|outcome| outcome.as_ref().unwrap_err().reason == Reason::Rejected));
    assert!(server.count("PATCH") < 30);
}

#[tokio::test]
async fn a_limit_is_learnt() {
    let (scim, server, model) =
        stage(Model { limit: Some(30), ..Model::default() }, ScimProfile::default()).await;
    scim.profile().await.unwrap();
    assert_eq!(scim.members_at_once(), 100);
    assert_eq!(failed(&scim.change_members("g", &all(0..100, true)).await.unwrap()), [0; 0]);
    assert_eq!((model.lock().unwrap().members.len(), scim.members_at_once()), (100, 25));
    let patches = server.count("PATCH");
    scim.change_members("g", &all(0..25, false)).await.unwrap();
    assert_eq!(server.count("PATCH"), patches + 1);
}

#[tokio::test]
async fn what_had_no_effect_is_not_believed_and_is_nobody_elses_failure() {
    let model = Model { deaf: ids(["3", "7"]), members: ids(["7"]), ..Model::default() };
    let (scim, _, _) = stage(model, ScimProfile::default()).await;
    let mut changes = all(0..7, true);
    changes.extend(all([7], false));
    let outcomes = scim.change_members("g", &changes).await.unwrap();
    assert_eq!(failed(&outcomes), [3, 7]);
    assert_eq!(outcomes[3].clone().unwrap_err().reason, Reason::NotApplied);
}

#[rstest]
#[tokio::test]
async fn a_group_that_is_gone_is_told_apart(#[values(true, false)] hidden: bool) {
    let reads = hidden.then_some(MemberReads::Hidden);
    let (scim, server, _) = stage(
        Model { gone: true, ..Model::default() },
        ScimProfile { member_reads: reads, ..ScimProfile::default() },
    )
    .await;
    let mut changes = all(0..50, true);
    changes.extend(all(50..60, false));
    let outcomes = scim.change_members("g", &changes).await.unwrap();
    assert_eq!(failed(&outcomes), (0..50).collect::<Vec<_>>(), "nobody is in a group that is not there");
    assert!(outcomes[..50].iter().all(|o| o.as_ref().unwrap_err().reason == Reason::EntitlementNotFound));
    assert!(server.count("PATCH") <= 1);
}

#[tokio::test]
async fn hidden_members_are_sent_and_believed() {
    let model = Model { hidden: true, ..Model::default() };
    let (scim, server, model) = stage(model, ScimProfile::default()).await;
    for _ in 0..2 {
        assert_eq!(failed(&scim.change_members("g", &all(0..5, true)).await.unwrap()), [0; 0]);
    }
    assert_eq!((model.lock().unwrap().members.len(), server.count("PATCH")), (5, 2));
}

#[tokio::test]
async fn without_groups_there_is_a_cure() {
    let profile = ScimProfile { members: Some(MemberChange::Unsupported), ..ScimProfile::default() };
    let (scim, server, _) = stage(Model::default(), profile).await;
    let failure = scim.change_members("g", &all(0..5, true)).await.unwrap_err();
    assert_eq!((failure.class, failure.reason), (FailureClass::Permanent, Reason::InvalidConfiguration));
    assert!(failure.message.contains("spec.connector.scim.profile.members"), "{failure}");
    assert_eq!((scim.has_groups().await.unwrap_err(), server.count("PATCH")), (failure, 0));
}

/// Trouble of the target is everybody's, but what was taken before it is done.
#[tokio::test]
async fn trouble_in_between_leaves_what_was_done() {
    let model = Model { bad: ids(["4"]), status: 503, ..Model::default() };
    let (scim, _, model) = stage(model, ScimProfile::default()).await;
    let outcomes = scim.change_members("g", &all(0..6, true)).await.unwrap();
    assert_eq!(failed(&outcomes).len(), 6);
    assert!(outcomes.iter().all(|o| o.as_ref().unwrap_err().class == FailureClass::RetryAfter));
    assert!(model.lock().unwrap().members.is_empty());
}
