//! A fleet as the API server would list it: people with ten accounts each, all of them as they should be.

use std::io::{BufWriter, Write};
use std::path::Path;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tenure::api::{AccountState, LedgerEntry, UserStatus};
use tenure::controllers::user::decide::{Decision, Departure, decide};
use tenure::converge::{Wanted, digest};
use tenure::runtime::index::{Key, Name, Namespace, RawUser, StoredPerson};

use crate::people;

/// Apps; everybody has an account in each.
pub const APPS: usize = 10;
/// Apps that come with employment. The others come with the team, and with a group each.
const COMMON: usize = 6;
const TEAMS: usize = 4;
/// Users on a page of a list: as many as the watch asks for.
const PAGE: usize = 500;
const INSTANT: &str = "2026-01-05T09:30:00Z";

/// Puts Apps, Roles and their bindings into an empty namespace of the index.
pub fn furnish(ns: &mut Namespace) {
    let put_binding = |ns: &mut Namespace, role: &str, app: &str, groups: &[&str]| {
        let name = format!("{role}-{app}");
        let groups: Vec<_> = groups.iter().map(|g| json!({"type": "group", "value": g})).collect();
        let spec = json!({"roleRef": {"name": role}, "appRef": {"name": app}, "entitlements": groups});
        ns.put_binding(&Name::from(name.as_str()), object("AppBinding", &name, &spec), 0);
    };
    for app in (0..APPS).map(app_name) {
        let auth = json!({"bearer": {"tokenSecretRef": {"name": app, "key": "token"}}});
        let spec = json!({"connector": {"scim": {"baseUrl": format!("https://{app}.example/scim/v2"), "auth": auth}}});
        ns.put_app(&Name::from(app.as_str()), object("App", &app, &spec), 0);
    }
    let rule = json!({"match": "user.employeeType == 'Employee'"});
    ns.put_role(&Name::from("employee"), object("Role", "employee", &rule), 0);
    for app in (0..COMMON).map(app_name) {
        put_binding(ns, "employee", &app, &[]);
    }
    for team in (0..TEAMS).map(team_name) {
        ns.put_role(&Name::from(team.as_str()), object("Role", &team, &json!({"description": "A team"})), 0);
        for app in (COMMON..APPS).map(app_name) {
            put_binding(ns, &team, &app, &[&team]);
        }
    }
}

fn app_name(i: usize) -> String {
    format!("application-{i}")
}

fn team_name(i: usize) -> String {
    format!("team-{}", i % TEAMS)
}

/// An object of namespace `people`.
pub fn object<K: DeserializeOwned>(kind: &str, name: &str, spec: &Value) -> K {
    let metadata = json!({"name": name, "namespace": "people", "uid": id("uid", name), "resourceVersion": "1", "generation": 1});
    let object =
        json!({"apiVersion": "tenure.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec});
    serde_json::from_value(object).unwrap_or_else(|e| panic!("{kind} {name}: {e}"))
}

/// A text of the form of a UUID, always the same for the same arguments.
pub fn id(kind: &str, of: &str) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (kind, of, salt).hash(&mut hasher);
        hasher.finish()
    };
    uuid::Uuid::from_u64_pair(half(0), half(1)).to_string()
}

/// Writes the pages of a list of this many people, one a line.
pub fn write_pages(path: &Path, people: usize) -> std::io::Result<()> {
    let mut ns = Namespace::default();
    furnish(&mut ns);
    write_users(path, (0..people).map(|i| onboarded(&mut ns, i, &people::spec(i, &[team_name(i)])).0))
}

/// Writes the pages of a list of these Users, one a line.
pub fn write_users(path: &Path, mut users: impl Iterator<Item = Value>) -> std::io::Result<()> {
    let mut out = BufWriter::new(std::fs::File::create(path)?);
    loop {
        let items: Vec<Value> = users.by_ref().take(PAGE).collect();
        if items.is_empty() {
            return out.flush();
        }
        let page = json!({"apiVersion": "tenure.dev/v1alpha1", "kind": "UserList", "metadata": {"resourceVersion": "900000"}, "items": items});
        serde_json::to_writer(&mut out, &page)?;
        out.write_all(b"\n")?;
    }
}

/// A person whose ledger says that every account is as decided, and the decision.
pub fn onboarded(ns: &mut Namespace, i: usize, spec: &Value) -> (Value, Decision) {
    let name = people::name(i);
    let metadata = json!({
        "name": name, "namespace": "people", "uid": id("uid", &name), "resourceVersion": (100_000 + i).to_string(),
        "generation": 1, "creationTimestamp": INSTANT, "finalizers": [tenure::api::FINALIZER],
        "managedFields": [managed("hr", "", spec), managed("tenure", "status", &json!({"accounts": [], "conditions": [], "roles": []}))],
    });
    let mut user =
        json!({"apiVersion": "tenure.dev/v1alpha1", "kind": "User", "metadata": metadata, "spec": spec});
    let raw: RawUser = serde_json::from_value(user.clone()).expect("a User");
    let key = Key::new("people", name.as_str());
    ns.put_user(&key.name, StoredPerson::from_raw(raw).expect("a good User"), None);
    let person = ns.user(&key.name).and_then(|p| p.load(key.clone())).expect("the person just put there");
    let decision = decide(ns, person, Departure::default(), now());
    ns.remove_user(&key.name);
    user["status"] = serde_json::to_value(status(&decision)).expect("a status");
    (user, decision)
}

/// The instant at which everything is decided.
pub fn now() -> Timestamp {
    INSTANT.parse().expect("an instant")
}

fn managed(manager: &str, subresource: &str, part: &Value) -> Value {
    let fields: serde_json::Map<_, _> =
        part.as_object().into_iter().flatten().map(|(name, _)| (format!("f:{name}"), json!({}))).collect();
    json!({
        "manager": manager, "operation": "Update", "apiVersion": "tenure.dev/v1alpha1", "time": INSTANT,
        "subresource": subresource, "fieldsType": "FieldsV1", "fieldsV1": {if subresource.is_empty() { "f:spec" } else { "f:status" }: fields},
    })
}

fn status(decision: &Decision) -> UserStatus {
    let condition = json!({
        "type": "Ready", "status": "True", "reason": "Succeeded", "message": "every account is as it should be",
        "observedGeneration": 1, "lastTransitionTime": INSTANT,
    });
    let roles: Vec<_> = decision.roles.effective.iter().collect();
    let status = json!({
        "observedGeneration": 1, "state": "Active", "summary": format!("{APPS}/{APPS}"), "roles": roles,
        "accounts": ledger(decision), "conditions": [condition],
    });
    serde_json::from_value(status).expect("a status")
}

fn ledger(decision: &Decision) -> Vec<LedgerEntry> {
    let entry = |account: &tenure::controllers::user::decide::AccountDecision| {
        let Wanted::Account(desired) = &account.wanted else { panic!("{:?} is not wanted", account.app) };
        let login = &desired.logins[0];
        LedgerEntry {
            app: account.app.to_string(),
            target: account.context.target.clone(),
            id: id(&account.app, login),
            user_name: login.clone(),
            state: AccountState::Active,
            entitlements: desired
                .entitlements
                .iter()
                .map(|e| format!("{}:{}", e.kind, id(&account.app, &e.value)))
                .collect(),
            applied: digest(desired, login),
            last_transition_time: Some(now()),
            ..LedgerEntry::default()
        }
    };
    decision.accounts.iter().map(entry).collect()
}
