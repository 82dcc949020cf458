//! Servers that others made, each as it comes.

use serde_json::{Value, json};
use tenure::api::scim::{Preset, ScimProfile};

use super::scim::{Scim, Setup, usual};
use crate::subject::{Class, Sample};
use crate::support::targets::better_auth::BetterAuth;
use crate::support::targets::canaille::Canaille;
use crate::support::targets::{Target, django_scim2_server as django, scimmy as scimmy_server};

fn setup(target: &Target) -> Setup {
    Setup {
        url: target.direct_url(),
        prefix: target.prefix().to_owned(),
        token: target.token().to_owned(),
        ..Setup::default()
    }
}

fn mail(who: &str) -> Value {
    json!([{ "value": format!("{who}@work.example.com"), "type": "work", "primary": true }])
}

/// An application made with better-auth and its SCIM plugin.
pub(crate) async fn better_auth() -> Scim {
    let target = BetterAuth::start().await;
    let needs = |who: &str| json!({ "displayName": who, "emails": mail(who) });
    Scim::new(Setup { needs, ..setup(&target) }, target).await
}

/// SCIMMY in Express.
pub(crate) async fn scimmy() -> Scim {
    let target = scimmy_server::start().await;
    let everybody = &[
        "id sw \"0\"",
        "id sw \"1\"",
        "id sw \"2\"",
        "id sw \"3\"",
        "id sw \"4\"",
        "id sw \"5\"",
        "id sw \"6\"",
        "id sw \"7\"",
        "id sw \"8\"",
        "id sw \"9\"",
        "id sw \"a\"",
        "id sw \"b\"",
        "id sw \"c\"",
        "id sw \"d\"",
        "id sw \"e\"",
        "id sw \"f\"",
    ];
    Scim::new(Setup { crowd: 21, everybody, ..setup(&target) }, target).await
}

/// canaille, an identity provider. It knows no type of an address or a number, and keeps no `externalId`.
pub(crate) async fn canaille() -> Scim {
    let target = Canaille::start().await;
    let needs = |who: &str| {
        json!({
            "displayName": who, "name.formatted": format!("Ann {who}"), "name.familyName": who,
            "emails": [{ "value": format!("{who}@work.example.com") }],
        })
    };
    let sample = |class, who: &str| match class {
        Class::Many => Some(Sample {
            attribute: "phoneNumbers",
            first: json!([{ "value": "+49 30 1" }, { "value": "+49 30 2" }]),
            second: json!([{ "value": "+49 30 3" }]),
        }),
        Class::Flag => None,
        _ => Some(usual(class, who)),
    };
    let member =
        |user: &Value| json!({ "members": [{ "value": user["id"], "$ref": user["meta"]["location"] }] });
    let profile = ScimProfile { preset: Some(Preset::Canaille), ..ScimProfile::default() };
    let setup = Setup {
        marker: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber",
        group_needs: Some(member),
        members_by_login: true,
        profile,
        needs,
        sample,
        ..setup(&target)
    };
    Scim::new(setup, target).await
}

/// django-scim2-server in a small Django site: names and one address is all that it keeps.
pub(crate) async fn django_scim2_server() -> Scim {
    let target = django::start().await;
    let needs = |who: &str| json!({ "name.givenName": who });
    let sample = |class, who: &str| {
        let mail = |kind: &str| json!([{ "value": format!("{who}@{kind}.example.com"), "primary": true }]);
        let (attribute, first, second) = match class {
            Class::Text => ("name.familyName", json!("Lee"), json!("Miller")),
            Class::Nested => ("name.givenName", json!("Ann"), json!("Anna")),
            Class::Many => ("emails", mail("work"), mail("home")),
            Class::Extension | Class::Flag => return None,
        };
        Some(Sample { attribute, first, second })
    };
    Scim::new(Setup { needs, sample, ..setup(&target) }, target).await
}
