use super::*;
use crate::api::{AppBindingSpec, AttributeRule, EffectiveRole};
#[derive(Clone, Debug, Default)] pub struct AppRules;
#[derive(Clone, Debug)] pub struct BindingRules;
#[derive(Clone, Debug)] pub struct FieldProblem { pub field: String, pub message: String }
#[derive(Clone, Debug)] pub struct BindingIssue { pub binding: String, pub reason: Reason, pub message: String }
#[derive(Clone, Debug)] pub struct AccountOutcome { pub grant: Grant, pub bindings: Vec<String>, pub issues: Vec<BindingIssue> }
impl AppRules { pub fn compile(_: &'static ConnectorTraits, _: &[AttributeRule]) -> (Self, Vec<FieldProblem>) { (Self, vec![]) } }
impl BindingRules { pub fn compile(_: &str, _: &AppBindingSpec, _: &'static ConnectorTraits) -> (Self, Vec<FieldProblem>) { (Self, vec![]) } }
pub fn desired_account(_: &str, _: &AppRules, _: &[&BindingRules], _: &[EffectiveRole], _: &Scope<'_>) -> AccountOutcome { AccountOutcome { grant: Grant::No, bindings: vec![], issues: vec![] } }
pub const VIA_ASSIGNED: &str = "Assigned";
