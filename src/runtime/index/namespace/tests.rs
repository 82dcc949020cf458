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
