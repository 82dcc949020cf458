//! Rules that give attributes their values, and what the API server says of them.

use super::Case;

#[rustfmt::skip]
pub const RULES: &[Case] = &[
    ("attribute rule", "App", r#"{"spec":{"attributes":[{"to":"title","value":"user.title","strength":"IfEmpty","clearWhenNull":true}]}}"#, None),
    ("attribute rule twice", "App", r#"{"spec":{"attributes":[{"to":"title","value":"user.title"},{"to":"title","value":"'x'"}]}}"#, Some("Duplicate value")),
    ("attribute rule without value", "App", r#"{"spec":{"attributes":[{"to":"title"}]}}"#, Some("spec.attributes[0].value: Required value")),
    ("attribute name with space", "App", r#"{"spec":{"attributes":[{"to":"a b","value":"1"}]}}"#, Some("spec.attributes[0].to")),
    ("strength unknown", "App", r#"{"spec":{"attributes":[{"to":"title","value":"1","strength":"Often"}]}}"#, Some(r#"supported values: "Always", "Initial", "IfEmpty""#)),
    ("rule for what suspends", "App", r#"{"spec":{"attributes":[{"to":"active","value":"user.department == 'sales'"}]}}"#, Some("this attribute is Tenure's own to write")),
    ("rule for what suspends, in other letters", "AppBinding", r#"{"spec":{"attributes":[{"to":"nsaccountlock","value":"'true'"}]}}"#, Some("accounts are known, suspended or secured by it")),
    ("rule for a secret", "App", r#"{"spec":{"attributes":[{"to":"userPassword","value":"'x'"}]}}"#, Some("accounts are known, suspended or secured by it")),
    ("rule for the login", "App", r#"{"spec":{"attributes":[{"to":"userName","value":"user.userName"}]}}"#, None),
    ("rule for the login in other letters", "App", r#"{"spec":{"attributes":[{"to":"username","value":"user.userName"}]}}"#, Some("write the login as the connector does")),
    ("rule for the login by its schema", "App", r#"{"spec":{"attributes":[{"to":"urn:ietf:params:scim:schemas:core:2.0:User:userName","value":"user.userName"}]}}"#, Some("leave out the schema of core attributes")),
    ("rule for an extension", "App", r#"{"spec":{"attributes":[{"to":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department","value":"user.department"}]}}"#, None),
];
