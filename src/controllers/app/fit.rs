//! Whether a target can do what an App's policies ask of it. Pure.

use crate::api::app::RemovalAction;
use crate::api::{AppSpec, Reason};
use crate::connectors::Suspending;

/// Why accounts cannot be suspended there, if they cannot.
pub const fn cannot_suspend(suspension: Suspending) -> Option<Reason> {
    match suspension {
        Suspending::Reversible => None,
        Suspending::Deletes => Some(Reason::SuspendDeletes),
        Suspending::Unsupported => Some(Reason::SuspendUnsupported),
    }
}

/// Why an App must not be used as its policies say, and what to do: one of them would suspend accounts, and the target
/// would delete them, or leave them in use.
pub fn misfit(spec: &AppSpec, suspension: Suspending) -> Option<(Reason, String)> {
    let reason = cannot_suspend(suspension)?;
    let policies = [
        ("onLeave", &spec.on_leave),
        ("onUnassign", &spec.on_unassign),
        ("onUserDeleted", &spec.on_user_deleted),
    ];
    let suspending = policies.iter().filter(|(_, policy)| policy.action == RemovalAction::Suspend);
    let names: Vec<_> = suspending.map(|(name, _)| *name).collect();
    if names.is_empty() {
        return None;
    }
    let what = match reason {
        Reason::SuspendDeletes => "the App deletes accounts that are suspended",
        _ => "the App cannot suspend accounts",
    };
    Some((reason, format!("{what}: choose action Delete or Retain in {}", names.join(", "))))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn app(policies: &Value) -> AppSpec {
        let mut spec = serde_json::to_value(AppSpec::default()).unwrap();
        json_patch::merge(&mut spec, policies);
        serde_json::from_value(spec).unwrap()
    }

    fn never() -> Value {
        json!({"onLeave": {"action": "Delete"}, "onUnassign": {"action": "Retain"}, "onUserDeleted": {"action": "Delete"}})
    }

    #[rstest]
    #[case::defaults(json!({}), Suspending::Deletes, Some("Retain in onLeave, onUnassign, onUserDeleted"))]
    #[case::one(json!({"onUnassign": {"action": "Suspend"}}), Suspending::Unsupported, Some("in onUnassign"))]
    #[case::none(json!({}), Suspending::Unsupported, None)]
    #[case::reversible(json!({"onLeave": {"action": "Suspend"}}), Suspending::Reversible, None)]
    fn every_policy_counts(
        #[case] policies: Value,
        #[case] suspension: Suspending,
        #[case] message: Option<&str>,
    ) {
        let mut spec = if message.is_some_and(|m| m.contains("onLeave,")) { json!({}) } else { never() };
        json_patch::merge(&mut spec, &policies);
        let found = misfit(&app(&spec), suspension);
        assert_eq!(
            found.as_ref().map(|(reason, _)| *reason),
            message.and_then(|_| cannot_suspend(suspension))
        );
        assert!(found.is_none_or(|(_, text)| text.ends_with(message.unwrap())));
    }
}
