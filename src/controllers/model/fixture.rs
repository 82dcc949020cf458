//! Who and what there is. Expressions are compiled once for all sequences.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::world::{Form, Structure};
use crate::access::{AppRules, ConnectorTraits, RoleBook};
use crate::api::{App, AppBinding, Role, RoleSpec, RoleStatus};
use crate::runtime::index::{AppObject, Meta, Name, Namespace, RoleObject};

/// Name of the User and `personId`. The last is the first person under another name.
pub(super) const PEOPLE: [(&str, &str); 5] =
    [("ann", "1"), ("bob", "2"), ("cid", "3"), ("dan", "4"), ("anna", "1")];
pub(super) const APPS: [&str; 2] = ["crm", "mail"];
/// Sales are assigned, ops follow from the department.
pub(super) const ROLES: [&str; 2] = ["sales", "ops"];
/// Role, App and group, by place.
pub(super) const BINDINGS: [(usize, usize, &str); 3] = [(0, 0, "g1"), (1, 0, "g2"), (0, 1, "g1")];
/// What is before a `personId` in a marker.
pub(super) const PREFIX: &str = "t-";
/// What each App allows within a day.
pub(super) const LIMIT: usize = 2;
pub(super) const POLICIES: usize = 3;

/// Two attributes: the defaults of a real connector would make each decision some twenty expressions long.
static TRAITS: ConnectorTraits = ConnectorTraits {
    login: "userName",
    defaults: &[("userName", "user.userName")],
    entitlement_types: &["group"],
    single_valued: &[],
    references: &[],
};

struct Prepared {
    roles: Vec<Role>,
    book: RoleBook,
    apps: Vec<BTreeMap<Name, AppObject>>,
    bindings: Vec<AppBinding>,
}

thread_local! {
    static PREPARED: OnceCell<Prepared> = const { OnceCell::new() };
}

fn object<T: serde::de::DeserializeOwned>(kind: &str, name: &str, spec: &Value) -> T {
    let metadata = json!({"name": name, "uid": name, "generation": 1});
    let object =
        json!({"apiVersion": "tenure.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec});
    serde_json::from_value(object).unwrap()
}

fn removal(policies: usize, app: usize) -> Value {
    match (policies, app) {
        (0, _) => json!({"onLeave": {"removeEntitlements": "Managed"}}),
        (1, 0) => json!({"onLeave": {"action": "Delete"}, "onUserDeleted": {"action": "Delete"}}),
        (1, _) => json!({"onUnassign": {"action": "Retain"}}),
        (_, 0) => json!({"onLeave": {"deleteAfter": "2h", "removeEntitlements": "Managed"}}),
        _ => json!({"onLeave": {"after": "30m", "leaverKeepsAccess": true}}),
    }
}

fn app(policies: usize, place: usize) -> AppObject {
    let name = APPS[place];
    let auth = json!({"bearer": {"tokenSecretRef": {"name": name, "key": "token"}}});
    let mut spec = removal(policies, place);
    spec["connector"] = json!({"scim": {"baseUrl": format!("https://{name}.example/v2"), "auth": auth}});
    spec["attributes"] = json!([{"to": "title", "value": "user.title", "clearWhenNull": true}]);
    spec["marker"] = json!({"prefix": PREFIX});
    spec["orphans"] = json!("Suspend");
    spec["removalBudget"] = json!({"percent": 20, "minimum": LIMIT, "express": 1, "settle": "5s"});
    let mut ns = Namespace::default();
    ns.put_app(&name.into(), object::<App>("App", name, &spec), 1);
    let mut made = ns.apps.remove(name).unwrap();
    made.rules = AppRules::compile(&TRAITS, &made.spec.as_ref().unwrap().attributes).0;
    made
}

fn prepare() -> Prepared {
    let rules = [json!({}), json!({"match": "user.department == 'ops'"})];
    let roles: Vec<Role> = ROLES.iter().zip(&rules).map(|(name, spec)| object("Role", name, spec)).collect();
    let mut book = RoleBook::default();
    roles.iter().zip(ROLES).for_each(|(role, name)| book.insert(name, &role.spec));
    let apps = (0..POLICIES).map(|policies| {
        APPS.iter().enumerate().map(|(place, name)| ((*name).into(), app(policies, place))).collect()
    });
    let bindings = BINDINGS.iter().enumerate().map(|(place, (role, app, group))| {
        let spec = json!({"roleRef": {"name": ROLES[*role]}, "appRef": {"name": APPS[*app]},
                          "entitlements": [{"type": "group", "value": group}]});
        object("AppBinding", &format!("b{place}"), &spec)
    });
    Prepared { roles, book, apps: apps.collect(), bindings: bindings.collect() }
}

/// A namespace whose lists have just been read.
pub(super) fn namespace(structure: &Structure, policies: usize) -> Namespace {
    let mut ns = Namespace::default();
    (0..APPS.len()).for_each(|place| put_app(&mut ns, place, policies, structure.apps[place]));
    PREPARED.with(|prepared| {
        let prepared = prepared.get_or_init(prepare);
        if structure.roles == [Some(Form::Good); ROLES.len()] {
            ns.book = prepared.book.clone();
        }
    });
    (0..ROLES.len()).for_each(|place| put_role(&mut ns, place, structure.roles[place]));
    (0..BINDINGS.len()).for_each(|place| drop(put_binding(&mut ns, place, structure.bindings[place])));
    ns
}

/// As the watches take it in, in `runtime::index::kinds`.
pub(super) fn put_app(ns: &mut Namespace, place: usize, policies: usize, form: Option<Form>) {
    let name = Name::from(APPS[place]);
    let good = || PREPARED.with(|prepared| prepared.get_or_init(prepare).apps[policies][&name].clone());
    match form {
        Some(Form::Good) => drop(ns.apps.insert(name.clone(), good())),
        Some(Form::Unreadable) => {
            let app = ns.apps.entry(name.clone()).or_insert_with(|| AppObject { spec: None, ..good() });
            app.undecodable = true;
        }
        None => drop(ns.apps.remove(&name)),
    }
}

pub(super) fn put_role(ns: &mut Namespace, place: usize, form: Option<Form>) {
    let name = Name::from(ROLES[place]);
    let role = PREPARED.with(|prepared| prepared.get_or_init(prepare).roles[place].clone());
    let mut object = RoleObject {
        meta: Meta::default(),
        spec: role.spec.clone(),
        status: RoleStatus::default(),
        undecodable: false,
    };
    match form {
        Some(Form::Good) if ns.book.contains(&name) && !ns.book.is_unreadable(&name) => {
            ns.roles.insert(name, object);
        }
        Some(Form::Good) => drop(ns.put_role(&name, role, 1)),
        // As the watches take it in, in `runtime::index::kinds`.
        Some(Form::Unreadable) => {
            if !ns.roles.contains_key(&name) {
                ns.book.mark_unreadable(&name);
                object.spec = RoleSpec::default();
            }
            object.undecodable = true;
            ns.roles.insert(name, object);
        }
        None => ns.remove_role(&name),
    }
}

/// The roles concerned; `None`: all.
pub(super) fn put_binding(ns: &mut Namespace, place: usize, form: Option<Form>) -> Option<Vec<Name>> {
    let name = Name::from(format!("b{place}"));
    match form {
        Some(Form::Good) => {
            let binding = PREPARED.with(|prepared| prepared.get_or_init(prepare).bindings[place].clone());
            ns.put_binding(&name, binding, 1).filter(|roles| !roles.is_empty())
        }
        Some(Form::Unreadable) => {
            match ns.bindings.get_mut(&name) {
                Some(binding) => binding.undecodable = true,
                None => drop(ns.unreadable_bindings.insert(name, Meta::default())),
            }
            None
        }
        None => Some(ns.remove_binding(&name)).filter(|roles| !roles.is_empty()),
    }
}
