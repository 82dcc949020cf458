//! The contract of connectors: every connector passes the same cases against its real servers.
//!
//! A [`Subject`](subject::Subject) is a server with its connector. Each case runs against each subject. What a server
//! cannot do is declared in `capabilities/FAMILY/SUBJECT.yaml`, and it must behave exactly so: a test fails when a
//! server does less than is declared, or more. `TENURE_UPDATE_CAPABILITIES=1` writes the tables anew, and
//! the pages `docs/connectors/FAMILY-servers.md` from them.
//!
//! What a connector may never do is not to be declared: cases assert it. It may say that it could not; it may not say
//! that it did and the server shows otherwise, nor make a second account, nor take another's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_in_result,
    reason = "a test that cannot do its work must fail, with the reason"
)]

mod cases;
mod connection;
mod difference;
mod person;
mod stage;
mod subject;
mod subjects;
#[path = "../support/mod.rs"]
mod support;
mod tables;

/// Every case, by the module of [`cases`] that it is in.
macro_rules! each_case {
    ($act:ident) => {
        $act! {
            joining::create, joining::create_with_everything, joining::adopt, joining::ambiguous,
            joining::foreign_marker, joining::login_taken, joining::next_login,
            finding::find_by_marker, finding::find_by_login, finding::find_nothing, finding::find_several, finding::hostile_searches,
            changing::update_text, changing::update_nested, changing::update_many, changing::update_extension,
            changing::update_flag, changing::clear_text, changing::clear_nested, changing::clear_many,
            changing::clear_extension, changing::clear_flag, changing::leave_the_rest, changing::rename,
            changing::rename_to_taken, changing::drift, changing::quiescence, changing::hostile_values, changing::long_values,
            suspending::suspend, suspending::suspend_twice, suspending::resume, suspending::suspended_elsewhere,
            suspending::change_while_suspended,
            leaving::leave_and_return, leaving::delete, leaving::delete_twice, leaving::deleted_elsewhere,
            leaving::get_deleted,
            entitling::grant_and_revoke, entitling::grant_twice, entitling::revoke_not_held,
            entitling::several_at_once, entitling::unknown_entitlement, entitling::vanished_entitlement,
            entitling::create_on_demand, entitling::move_between, entitling::other_types,
            listing::full_listing,
            trouble::lost_reply_to_create, trouble::lost_reply_to_suspend, trouble::done_in_word_only, trouble::throttled,
            trouble::credentials_revoked,
        }
    };
}

macro_rules! names {
    ($($area:ident::$case:ident),+ $(,)?) => {
        pub(crate) const CASES: &[&str] = &[$(stringify!($case)),+];
    };
}
each_case!(names);

/// The tests of one subject, which has `FAMILY`, `NAME` and `subject()`.
macro_rules! tests {
    ($($area:ident::$case:ident),+ $(,)?) => {$(
        #[tokio::test]
        async fn $case() {
            let stage = crate::stage::Stage::new(subject().await).await;
            let outcome = crate::cases::$area::$case(&stage).await;
            crate::tables::check(FAMILY, NAME, stringify!($case), &crate::tables::spelled(&outcome));
            stage.tidy().await;
        }
    )+};
}

/// Makes a module of tests of each subject. Its server is started when the first of them begins.
macro_rules! subjects {
    ($($family:ident / $name:ident: $kind:ty = $start:expr;)+) => {
        pub(crate) const SUBJECTS: &[(&str, &str)] = &[$((stringify!($family), stringify!($name))),+];
        $(mod $name {
            const FAMILY: &str = stringify!($family);
            const NAME: &str = stringify!($name);

            async fn subject() -> &'static $kind {
                static SHARED: tokio::sync::OnceCell<$kind> = tokio::sync::OnceCell::const_new();
                SHARED.get_or_init(async || $start.await).await
            }

            each_case!(tests);

            #[tokio::test]
            async fn profile() {
                let found = crate::cases::profile(subject().await).await;
                crate::tables::check_profile(FAMILY, NAME, found);
            }
        })+
    };
}

subjects! {
    scim / scim2_server: crate::subjects::Scim = crate::subjects::scim2_server(serde_json::json!({}), None);
    scim / scim2_server_without_patch: crate::subjects::Scim =
        crate::subjects::scim2_server(serde_json::json!({ "patch": { "supported": false } }), None);
    scim / scim2_server_without_filters: crate::subjects::Scim =
        crate::subjects::scim2_server(serde_json::json!({ "filter": { "supported": false, "maxResults": 1000 } }), None);
    scim / scim2_server_without_etags: crate::subjects::Scim =
        crate::subjects::scim2_server(serde_json::json!({ "etag": { "supported": false } }), None);
    scim / scim2_server_bare: crate::subjects::Scim = crate::subjects::scim2_server(crate::subjects::bare(), None);
    scim / scim2_server_with_cursors: crate::subjects::Scim =
        crate::subjects::scim2_server(crate::subjects::cursors(), None);
    scim / scim2_server_of_a_tenant: crate::subjects::Scim =
        crate::subjects::scim2_server(serde_json::json!({}), Some("acme"));
    scim / better_auth: crate::subjects::Scim = crate::subjects::better_auth();
    scim / scimmy: crate::subjects::Scim = crate::subjects::scimmy();
    scim / canaille: crate::subjects::Scim = crate::subjects::canaille();
    scim / django_scim2_server: crate::subjects::Scim = crate::subjects::django_scim2_server();
    ldap / slapd: crate::subjects::Ldap = crate::subjects::slapd(crate::support::targets::slapd::Policy::Lockout);
    ldap / slapd_without_policy: crate::subjects::Ldap =
        crate::subjects::slapd(crate::support::targets::slapd::Policy::Absent);
    active_directory / samba: crate::subjects::Domain = crate::subjects::samba();
}
