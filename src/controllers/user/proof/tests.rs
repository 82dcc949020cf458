use serde_json::{Value, json};

use super::*;
use crate::controllers::user::decide::{Departure, decide};
use crate::runtime::index::{Key, Namespace, StoredPerson};

const NOW: i64 = 1_800_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(NOW + second).unwrap()
}

/// A namespace with these Apps: names and what is merged over their specs.
fn namespace(apps: &[(&str, Value)]) -> Namespace {
    let mut ns = Namespace::default();
    for (name, extra) in apps {
        let auth = json!({"bearer": {"tokenSecretRef": {"name": "s", "key": "token"}}});
        let mut spec = json!({"connector": {"scim": {"baseUrl": "https://app.example/v2", "auth": auth}}});
        json_patch::merge(&mut spec, extra);
        let app = json!({
            "apiVersion": "tenure.dev/v1alpha1", "kind": "App", "spec": spec,
            "metadata": {"name": name, "namespace": "ns", "uid": name, "generation": 1},
        });
        ns.put_app(&(*name).into(), serde_json::from_value(app).unwrap(), 1);
    }
    ns
}

/// What is decided about somebody who left at this second, with this ledger.
fn decision(ns: &Namespace, left: i64, accounts: &[Value]) -> Decision {
    let spec = AppTarget::of(ns);
    let accounts: Vec<_> = accounts
        .iter()
        .map(|account| {
            let mut entry = json!({"id": "r1", "userName": "ann", "target": spec.0});
            json_patch::merge(&mut entry, account);
            entry
        })
        .collect();
    let user = json!({
        "apiVersion": "tenure.dev/v1alpha1", "kind": "User",
        "metadata": {"name": "ann", "namespace": "ns", "uid": "u", "generation": 1, "finalizers": ["tenure.dev/accounts"]},
        "spec": {"personId": "7", "userName": "ann", "state": "Terminated"},
        "status": {"observedGeneration": 1, "leftAt": at(left), "leftBy": "State", "accounts": accounts},
    });
    let person = StoredPerson::from_raw(serde_json::from_value(user).unwrap()).unwrap();
    decide(ns, person.load(Key::new("ns", "ann")).unwrap(), Departure::Unchecked, at(0))
}

struct AppTarget(String);

impl AppTarget {
    /// Every App of these tests has the same target.
    fn of(ns: &Namespace) -> Self {
        let spec = ns.apps.values().next().and_then(|app| app.spec.clone()).unwrap();
        Self(crate::controllers::app::target::hash(&spec))
    }
}

fn cut(app: &str, verified: i64, sessions: &str) -> Value {
    json!({"app": app, "state": "Suspended", "cutAt": at(-50), "verifiedAt": at(verified), "sessions": sessions})
}

fn said(decision: &Decision) -> (&'static str, Reason, String) {
    let accounts = decision.person.status.accounts.clone();
    let statement = access_revoked(decision, &accounts, &Overdue::default(), at(0)).unwrap();
    (statement.status, statement.reason, statement.message)
}

fn one(app: &str) -> Namespace {
    namespace(&[(app, json!({}))])
}

#[test]
fn it_is_true_only_of_what_was_read_back_since_the_leave() {
    let ns = one("crm");
    let (status, reason, message) = said(&decision(&ns, -50, &[cut("crm", -50, "Revoked")]));
    assert_eq!((status, reason), ("True", Reason::AccessCut));
    assert_eq!(message, "1 account was read back suspended or gone");
    let late = decision(&ns, -40, &[cut("crm", -50, "Revoked")]);
    assert_eq!(said(&late).0, "False");
    assert_eq!(unproved(&late, at(0)), [("crm".into(), at(-40))]);
}

#[test]
fn sessions_that_may_live_on_are_counted_and_do_not_count() {
    let ns = namespace(&[("crm", json!({})), ("git", json!({}))]);
    let accounts = [cut("crm", -1, "Unproved"), cut("git", -1, "Revoked")];
    let (status, _, message) = said(&decision(&ns, -50, &accounts));
    assert_eq!(status, "True");
    assert!(message.ends_with("; sessions of 1 not proved to have ended: crm"), "{message}");
}

#[test]
fn what_is_kept_or_let_go_of_is_named_and_not_called_revoked() {
    let ns = namespace(&[("mail", json!({"onLeave": {"action": "Retain"}}))]);
    let accounts = [json!({"app": "mail", "state": "Retained"}), json!({"app": "old", "state": "Released"})];
    let decision = decision(&ns, -50, &accounts);
    let (status, reason, message) = said(&decision);
    assert_eq!((status, reason), ("False", Reason::AccountsKept));
    assert!(message.ends_with("kept: mail (retained), old (released)"), "{message}");
    assert_eq!(unproved(&decision, at(0)), []);
}

#[test]
fn the_app_that_holds_it_up_comes_first_with_its_trouble() {
    let ns = namespace(&[("crm", json!({})), ("git", json!({}))]);
    let accounts = [cut("crm", -1, "Revoked"), json!({"app": "git", "state": "Active"})];
    let decision = decision(&ns, -50, &accounts);
    let (status, reason, message) = said(&decision);
    assert_eq!((status, reason), ("False", Reason::AccessNotCut));
    assert_eq!(message, "not yet: git (not cut off); 1 account was read back suspended or gone");
    let trouble = Overdue::from([("git".into(), (Reason::Unreachable, "no answer".to_owned()))]);
    let accounts = decision.person.status.accounts.clone();
    let statement = access_revoked(&decision, &accounts, &trouble, at(0)).unwrap();
    assert!(statement.message.starts_with("not yet: git (no answer)"), "{}", statement.message);
}

#[test]
fn who_may_keep_access_for_a_while_is_not_overdue_before_it_ends() {
    let policy = json!({"onLeave": {"after": "1m", "leaverKeepsAccess": true}});
    let ns = namespace(&[("crm", policy)]);
    let account = |left: i64| json!({"app": "crm", "state": "Active", "dueSince": at(left)});
    let waiting = decision(&ns, -50, &[account(-50)]);
    assert_eq!(unproved(&waiting, at(0)), []);
    assert!(said(&waiting).2.contains("onLeave.after lets it be used until"), "{:?}", said(&waiting));
    assert_eq!(unproved(&decision(&ns, -70, &[account(-70)]), at(0)), [("crm".into(), at(-10))]);
}

#[test]
fn who_has_no_account_has_no_access_and_who_did_not_leave_has_no_proof() {
    let ns = one("crm");
    assert_eq!(said(&decision(&ns, -50, &[])).2, "there is no account");
    let mut active = decision(&ns, -50, &[cut("crm", -1, "Revoked")]);
    active.lifecycle.phase = Phase::Active;
    assert_eq!(access_revoked(&active, &[], &Overdue::default(), at(0)), None);
    assert_eq!(unproved(&active, at(0)), []);
}

#[test]
fn a_second_user_with_the_same_person_id_proves_nothing() {
    let mut twin = decision(&one("crm"), -50, &[]);
    twin.stalled = Some((Reason::DuplicatePersonId, "User ann keeps the accounts".to_owned()));
    assert_eq!(said(&twin), ("False", Reason::AccessNotCut, "User ann keeps the accounts".to_owned()));
}

/// What was read back before the leave is no proof, also where nothing is done any more.
#[test]
fn an_older_proof_of_what_is_kept_is_none() {
    let ns = namespace(&[("crm", json!({"onLeave": {"action": "Retain"}}))]);
    let suspended = decision(&ns, -50, &[cut("crm", -60, "Revoked")]);
    assert_eq!((said(&suspended).0, said(&suspended).1), ("False", Reason::AccountsKept));
    let mut released = cut("crm", -60, "Revoked");
    released["state"] = json!("Released");
    released["reason"] = json!("NamespaceDeleted");
    let released = decision(&one("crm"), -50, &[released]);
    assert_eq!((said(&released).0, said(&released).1), ("False", Reason::AccountsKept));
}
