use serde_json::{Value, json};

use super::*;
use crate::controllers::user::status::{self, Overdue};
use crate::runtime::index::{Key, Meta, StoredPerson};

const NOW: i64 = 1_800_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    let metadata = json!({"name": name, "namespace": "ns", "uid": name, "generation": 1});
    json!({"apiVersion": "tenure.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
}

/// A namespace with a Role, an App and a binding of the two.
fn namespace() -> Namespace {
    let mut ns = Namespace::default();
    let read = |value: Value| serde_json::from_value(value).unwrap();
    ns.put_role(&"sales".into(), serde_json::from_value(object("Role", "sales", &json!({}))).unwrap(), 1);
    let auth = json!({"bearer": {"tokenSecretRef": {"name": "crm", "key": "token"}}});
    let app = json!({"connector": {"scim": {"baseUrl": "https://crm.example/v2", "auth": auth}}});
    ns.put_app(&"crm".into(), serde_json::from_value(object("App", "crm", &app)).unwrap(), 1);
    let binding = json!({"roleRef": {"name": "sales"}, "appRef": {"name": "crm"}});
    ns.put_binding(&"sales-crm".into(), read(object("AppBinding", "sales-crm", &binding)), 1);
    ns
}

/// Ann, who has the role by assignment and an account by it.
fn ann(ns: &Namespace, spec: &Value) -> Person {
    let target = target::hash(ns.apps["crm"].spec.as_ref().unwrap());
    let mut user = object("User", "ann", spec);
    user["spec"]["personId"] = json!("7");
    user["spec"]["userName"] = json!("ann@example.com");
    user["metadata"]["finalizers"] = json!(["tenure.dev/accounts"]);
    user["status"] = json!({
        "observedGeneration": 1,
        "roles": [{"name": "sales", "via": "Assigned"}],
        "accounts": [{"app": "crm", "target": target, "id": "r1", "userName": "ann@example.com", "state": "Active"}],
    });
    StoredPerson::from_raw(serde_json::from_value(user).unwrap())
        .unwrap()
        .load(Key::new("ns", "ann"))
        .unwrap()
}

fn decided(ns: &Namespace, spec: &Value) -> AccountDecision {
    let decision = decide(ns, ann(ns, spec), Departure::Unchecked, now());
    decision.accounts.into_iter().next().expect("a decision about the account")
}

fn assigned() -> Value {
    json!({"roles": [{"name": "sales"}]})
}

#[test]
fn a_role_that_is_granted_wants_an_account() {
    assert!(matches!(decided(&namespace(), &assigned()).wanted, Wanted::Account(_)));
}

#[test]
fn a_deleted_role_is_nobodys_own_doing() {
    let mut ns = namespace();
    ns.remove_role("sales");
    let account = decided(&ns, &assigned());
    assert_eq!(account.wanted, Wanted::Gone(Cause::Unassign));
    assert!(!account.personal && account.may_remove(), "it waits and is guarded");
}

#[test]
fn a_deleted_binding_is_nobodys_own_doing() {
    let mut ns = namespace();
    ns.remove_binding("sales-crm");
    let account = decided(&ns, &assigned());
    assert_eq!(account.wanted, Wanted::Gone(Cause::Unassign));
    assert!(!account.personal && account.may_remove());
}

#[test]
fn an_assignment_taken_away_or_over_is_the_persons_own() {
    let past = Timestamp::from_second(NOW - 1).unwrap();
    for spec in [
        json!({}),
        json!({"roles": [{"name": "sales", "until": past}]}),
        json!({"roles": [{"name": "sales", "effect": "Deny"}]}),
    ] {
        let account = decided(&namespace(), &spec);
        assert_eq!(account.wanted, Wanted::Gone(Cause::Unassign), "{spec}");
        assert!(account.personal && account.may_remove(), "{spec}");
    }
}

#[test]
fn a_leave_is_the_persons_own() {
    let account = decided(&namespace(), &json!({"state": "Terminated", "roles": [{"name": "sales"}]}));
    assert_eq!(account.wanted, Wanted::Gone(Cause::Leave));
    assert!(account.personal && account.may_remove());
}

#[test]
fn an_unreadable_binding_freezes_removals_but_not_suspensions() {
    let mut ns = namespace();
    ns.remove_binding("sales-crm");
    ns.unreadable_bindings.insert("sales-crm".into(), Meta::default());
    assert!(matches!(
        decided(&ns, &assigned()).wanted,
        Wanted::Unknown { reason: Reason::RemovalsFrozen, .. }
    ));
    let suspended = decided(&ns, &json!({"state": "Suspended", "roles": [{"name": "sales"}]}));
    assert_eq!(suspended.wanted, Wanted::Gone(Cause::Suspension));
}

#[test]
fn a_user_being_deleted_waits_until_it_is_known_why_unless_they_left() {
    let ns = namespace();
    let due = |spec: &Value, departure| {
        let mut person = ann(&ns, spec);
        person.deleting = true;
        let decision = decide(&ns, person, departure, now());
        let account = decision.accounts.into_iter().next().unwrap();
        (account.wanted, matches!(account.due, Due::Work { .. }))
    };
    assert_eq!(due(&assigned(), Departure::Unchecked), (Wanted::Gone(Cause::UserDeleted), false));
    assert_eq!(due(&assigned(), Departure::Ordinary), (Wanted::Gone(Cause::UserDeleted), true));
    let left = json!({"state": "Terminated", "roles": [{"name": "sales"}]});
    assert_eq!(due(&left, Departure::Unchecked), (Wanted::Gone(Cause::Leave), true));
    let released = Departure::Released(Reason::NamespaceDeleted);
    assert_eq!(due(&assigned(), released).0, Wanted::Released(Reason::NamespaceDeleted));
}

/// What the ledger says of a leaver may be less than there is.
#[test]
fn of_somebody_who_leaves_every_app_is_asked_once() {
    let mut ns = namespace();
    let mut leaver = ann(&ns, &json!({"state": "Terminated"}));
    leaver.stored.accounts.clear();
    leaver.status.accounts.clear();
    let about = |ns: &Namespace, person: &Person| decide(ns, person.clone(), Departure::Unchecked, now());
    let observed = |decision: &Decision| status::status(decision, &Overdue::new(), now()).observed_generation;

    let asked = about(&ns, &leaver);
    assert_eq!(asked.accounts[0].wanted, Wanted::Gone(Cause::Leave));
    assert!(asked.accounts[0].unanswered && asked.accounts[0].may_remove());
    assert_eq!(observed(&asked), Some(0));
    let answered = about(&ns, &Person { fresh: vec![("crm".into(), 1)], ..leaver.clone() });
    assert_eq!((answered.accounts[0].unanswered, observed(&answered)), (false, Some(1)));
    leaver.stored.left_at = Some(now());
    leaver.status.left_at = Some(now());
    assert!(about(&ns, &leaver).accounts.is_empty());

    // What cannot be told cannot be asked either, and is not forgotten.
    let mut unread = leaver.clone();
    unread.generation = 2;
    ns.apps.get_mut("crm").unwrap().spec = None;
    let unknown = about(&ns, &unread);
    assert!(unknown.accounts[0].unanswered && !unknown.accounts[0].is_outstanding());
    assert_eq!(observed(&unknown), Some(1));
}

#[test]
fn who_is_suspended_loses_at_once_what_nothing_grants_any_more() {
    let mut ns = namespace();
    ns.remove_role("sales");
    let account = decided(&ns, &json!({"state": "Suspended", "roles": [{"name": "sales"}]}));
    assert_eq!(account.wanted, Wanted::Gone(Cause::Suspension));
    assert!(account.personal);
}
