use proptest::prelude::*;
use serde_json::json;

use super::*;

fn binding(role: u8, app: u8) -> AppBinding {
    let spec = json!({"roleRef": {"name": format!("role-{role}")}, "appRef": {"name": format!("app-{app}")}});
    serde_json::from_value(json!({
        "apiVersion": "tenure.dev/v1alpha1", "kind": "AppBinding", "metadata": {}, "spec": spec,
    }))
    .unwrap()
}

proptest! {
    /// Whatever comes, changes and goes: what is found by App or Role is what looking through all would find.
    #[test]
    fn bindings_are_found_by_app_and_role(
        changes in prop::collection::vec((0_u8..6, prop::option::of((0_u8..3, 0_u8..3))), 0..40),
    ) {
        let mut ns = Namespace::default();
        for (name, change) in changes {
            let name = Name::from(format!("binding-{name}"));
            match change {
                Some((role, app)) => drop(ns.put_binding(&name, binding(role, app), 1)),
                None => drop(ns.remove_binding(&name)),
            }
            for bound in ["app-0", "app-1", "app-2"] {
                let found: Vec<_> = ns.bindings_of(bound).map(|b| &b.spec).collect();
                let all: Vec<_> = ns.bindings.values().filter(|b| b.app() == bound).map(|b| &b.spec).collect();
                prop_assert_eq!(found, all);
            }
            let roles = BTreeSet::from(["role-0", "role-2"]);
            let found: BTreeSet<_> = ns.apps_for(&roles).collect();
            let all = ns.bindings.values().filter(|b| roles.contains(b.role())).map(BindingObject::app);
            prop_assert_eq!(found, all.collect::<BTreeSet<_>>());
            prop_assert!(ns.bindings_by_app.is_tidy() && ns.bindings_by_role.is_tidy());
        }
    }
}

/// A User that was let go of stays so, although the watch brings the version of before only then.
#[test]
fn an_event_that_letting_go_overtook_is_dropped() {
    let raw = |finalizers: &[&str]| {
        let user = json!({
            "metadata": {
                "name": "ann", "uid": "u", "resourceVersion": "7", "finalizers": finalizers,
                "deletionTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": {"personId": "1", "userName": "ann"},
        });
        serde_json::from_str(&user.to_string()).unwrap()
    };
    let (name, mut ns) = (Name::from("ann"), Namespace::default());
    let held = || StoredPerson::from_raw(raw(&["tenure.dev/accounts"])).unwrap();
    assert_eq!(ns.put_user(&name, held(), None), Intake::Changed);
    let let_go = StoredPerson::from_own_write(raw(&[])).unwrap();
    assert_eq!(ns.put_user(&name, let_go, None), Intake::Changed);
    assert_eq!(ns.put_user(&name, held(), None), Intake::Same);
    assert!(ns.user(&name).unwrap().finalizers.is_empty());
}

/// The status is to say that the last spec was observed, although it is the one before the last again.
#[test]
fn a_spec_that_comes_back_is_news() {
    let user = |generation: i64| {
        let user = json!({
            "metadata": {"name": "ann", "uid": "u", "resourceVersion": generation.to_string(), "generation": generation},
            "spec": {"personId": "1", "userName": "ann"},
        });
        StoredPerson::from_raw(serde_json::from_str(&user.to_string()).unwrap()).unwrap()
    };
    let (name, mut ns) = (Name::from("ann"), Namespace::default());
    let intakes = [1, 3, 3].map(|generation| ns.put_user(&name, user(generation), None));
    assert_eq!(intakes, [Intake::Changed, Intake::Changed, Intake::Same]);
}
