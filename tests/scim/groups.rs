use std::sync::{Arc, Mutex};

use rstest::rstest;
use serde_json::{Value, json};
use tenure::api::scim::{EmptyGroups, MemberReads, MemberReference, MemberRemoval, ScimProfile};
use tenure::api::{EntitlementSpec, Reason};
use tenure::connectors::http::RequestReport;
use tenure::connectors::scim::Scim;
use tenure::connectors::{Connector, FailureClass, Membership};

use crate::server::{Profile, Server, TOKEN, person};

type Reports = Arc<Mutex<Vec<RequestReport>>>;

/// Requests since the last look that were for this.
fn requests(reports: &Reports, operation: &str) -> usize {
    std::mem::take(&mut *reports.lock().unwrap()).iter().filter(|r| r.operation == operation).count()
}

fn changes(accounts: std::ops::Range<usize>, held: bool) -> Vec<Membership> {
    accounts.map(|n| Membership { account: format!("u{n}"), held }).collect()
}

/// Changes memberships, all of which must succeed.
async fn change(scim: &Scim, group: &str, changes: &[Membership]) {
    for outcome in scim.entitle("group", group, changes).await.unwrap() {
        outcome.unwrap();
    }
}

fn group(value: &str) -> EntitlementSpec {
    EntitlementSpec { kind: "group".to_owned(), value: value.to_owned() }
}

async fn members(server: &Server, id: &str) -> Vec<String> {
    let group = server.get(&format!("/Groups/{id}")).await;
    let members = group["members"].as_array().cloned().unwrap_or_default();
    members.iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_group_is_named_exactly_or_by_its_id() {
    let server = Server::start(Profile::Full).await;
    let (scim, _) = server.connector();
    let id = scim.create_entitlement(&group("Sales & \"Co\""), &[]).await.unwrap();
    assert_eq!(scim.create_entitlement(&group("Sales & \"Co\""), &[]).await.unwrap(), id);
    assert_eq!(scim.resolve(&group(&id)).await.unwrap(), Some(id));
    assert_eq!(scim.resolve(&group("sales & \"co\"")).await.unwrap(), None);
}

#[rstest]
#[tokio::test]
async fn what_is_no_entitlement_is_told(#[values(Profile::Full, Profile::Bare)] profile: Profile) {
    let server = Server::start(profile).await;
    let (scim, _) = server.connector();
    let license = EntitlementSpec { kind: "license".to_owned(), value: "x".to_owned() };
    let failure = scim.resolve(&license).await.unwrap_err();
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

#[rstest]
#[tokio::test]
async fn many_members_are_one_request(
    #[values(Profile::Full, Profile::Cursor, Profile::Bare)] profile: Profile,
) {
    let server = Server::start(profile).await;
    let (scim, reports) = server.connector();
    let id = scim.create_entitlement(&group("Sales"), &[]).await.unwrap();
    assert_eq!(scim.batch("group"), if profile == Profile::Bare { 1_000 } else { 100 });
    change(&scim, &id, &changes(0..100, true)).await;
    assert_eq!(requests(&reports, "add members"), if profile == Profile::Bare { 2 } else { 1 });
    let mut both = changes(50..100, false);
    both.extend(changes(100..150, true));
    change(&scim, &id, &both).await;
    let operation = "change members";
    assert_eq!(requests(&reports, operation), if profile == Profile::Bare { 2 } else { 1 });
    let found = members(&server, &id).await;
    assert_eq!(
        (found.len(), found.contains(&"u49".to_owned()), found.contains(&"u50".to_owned())),
        (100, true, false)
    );
    change(&scim, &id, &both).await;
    assert_eq!(requests(&reports, operation), 0, "so already");
}

/// Members that nobody knows, and those that are there twice, are not ours to tidy up; who is taken out is out.
#[rstest]
#[tokio::test]
async fn strangers_and_duplicates_stay(#[values(Profile::Full, Profile::Bare)] profile: Profile) {
    let server = Server::start(profile).await;
    let (scim, _) = server.connector();
    let twice = ["dangling", "u1", "u2", "u1", "u2"].map(|id| json!({ "value": id }));
    let id =
        server.post("/Groups", &json!({ "schemas": [GROUP], "displayName": "Odd", "members": twice })).await;
    let before = members(&server, &id).await;
    change(&scim, &id, &changes(3..5, true)).await;
    change(&scim, &id, &changes(1..2, false)).await;
    let after = members(&server, &id).await;
    let rest: Vec<_> = before.into_iter().filter(|id| id != "u1").chain(["u3".into(), "u4".into()]).collect();
    assert_eq!(after, rest);
}

const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

#[rstest]
#[case::all_written(ScimProfile { member_removal: Some(MemberRemoval::ReplaceAll), ..ScimProfile::default() })]
#[case::with_reference(ScimProfile { member_reference: Some(MemberReference::ValueAndRef), ..ScimProfile::default() })]
#[case::hidden(ScimProfile { member_reads: Some(MemberReads::Hidden), ..ScimProfile::default() })]
#[case::by_filter(ScimProfile { member_reads: Some(MemberReads::Filter), ..ScimProfile::default() })]
#[tokio::test]
async fn in_every_shape(#[case] profile: ScimProfile) {
    let server = Server::start(Profile::Full).await;
    let (scim, _) = server.connector_as("", TOKEN, profile.clone());
    let id = scim.create_entitlement(&group("Sales"), &[]).await.unwrap();
    change(&scim, &id, &changes(0..10, true)).await;
    let mut both = changes(0..5, false);
    both.extend(changes(10..12, true));
    change(&scim, &id, &both).await;
    let expected: Vec<_> = (5..12).map(|n| format!("u{n}")).collect();
    assert_eq!(members(&server, &id).await, expected);
    let shown = server.get(&format!("/Groups/{id}")).await;
    let reference = shown["members"][0]["$ref"].as_str().is_some_and(|url| url.ends_with("/Users/u5"));
    assert_eq!(reference, profile.member_reference.is_some());
    let capabilities = scim.probe().await.unwrap().capabilities;
    let reads = capabilities.iter().find(|c| c.name == "memberReads").unwrap().value.clone();
    assert_eq!(reads, profile.member_reads.unwrap_or(MemberReads::Group).as_str(), "the filter is believed");
}

#[tokio::test]
async fn where_groups_cannot_be_empty_they_begin_with_their_first_members() {
    let server = Server::start(Profile::Full).await;
    let profile = ScimProfile { empty_groups: Some(EmptyGroups::Refused), ..ScimProfile::default() };
    let (scim, reports) = server.connector_as("", TOKEN, profile);
    let first = ["u1", "u2"].map(str::to_owned);
    let id = scim.create_entitlement(&group("Sales"), &first).await.unwrap();
    assert_eq!(members(&server, &id).await, first);
    change(&scim, &id, &changes(1..3, true)).await;
    assert_eq!(requests(&reports, "add members"), 0);
}

/// Values of the account are its own: nobody's else, and only ours are taken away.
#[rstest]
#[tokio::test]
async fn roles_and_entitlements_come_and_go(
    #[values(Profile::Full, Profile::Bare)] profile: Profile,
    #[values("role", "entitlement")] kind: &str,
) {
    let server = Server::start(profile).await;
    let (scim, _) = server.connector();
    let attribute = if kind == "role" { "roles" } else { "entitlements" };
    let ann = scim
        .create(&person("ann", "E-1", &json!({ attribute: [{ "value": "theirs" }] })), None)
        .await
        .unwrap()
        .id;
    let admin = EntitlementSpec { kind: kind.to_owned(), value: "admin \"x\"".to_owned() };
    let id = scim.resolve(&admin).await.unwrap().unwrap();
    assert_eq!((id.as_str(), scim.batch(kind), scim.may_create(kind)), (admin.value.as_str(), 1, false));
    let set = async |account: &str, held| {
        let change = Membership { account: account.to_owned(), held };
        scim.entitle(kind, &id, &[change]).await.unwrap().remove(0)
    };
    for (held, expected) in [
        (true, vec!["theirs", &id]),
        (true, vec!["theirs", &id]),
        (false, vec!["theirs"]),
        (false, vec!["theirs"]),
    ] {
        set(&ann, held).await.unwrap();
        let user = server.get(&format!("/Users/{ann}")).await;
        let values: Vec<_> =
            user[attribute].as_array().unwrap().iter().map(|v| v["value"].as_str().unwrap()).collect();
        assert_eq!(values, expected);
    }
    assert_eq!(set("nobody", true).await.unwrap_err().reason, Reason::AccountGone);
    set("nobody", false).await.unwrap();
}
