//! A namespace with an App for a directory.

use serde_json::{Value, json};

use crate::support::ldap::Entry;
use crate::support::targets::samba::{self, Samba};
use crate::support::targets::slapd::{self, Slapd};
use crate::support::{Scene, pki};

/// The name of the App, and of its Secret.
pub(crate) const APP: &str = "directory";

/// An App for an LDAP directory at these addresses; `extra` is merged over the connector's part of the spec, `policy`
/// over the rest. Everybody is to have an account.
pub(crate) async fn ldap_app(scene: &Scene, servers: &[String], extra: Value, policy: Value) {
    let mut ldap = json!({
        "servers": servers, "caSecretRef": { "name": APP, "key": "ca.crt" },
        "bind": {
            "usernameSecretRef": { "name": APP, "key": "username" },
            "passwordSecretRef": { "name": APP, "key": "password" },
        },
        "baseDn": slapd::PEOPLE,
        "groups": { "baseDn": slapd::GROUPS, "creation": "OnDemand" },
    });
    json_patch::merge(&mut ldap, &extra);
    directory_app(scene, json!({ "ldap": ldap }), (slapd::OPERATOR, slapd::OPERATOR_PASSWORD), policy).await;
}

/// The same for the domain of a Samba server.
pub(crate) async fn samba_app(scene: &Scene, server: &Samba, extra: Value, policy: Value) {
    let mut domain = json!({
        "domain": samba::DOMAIN, "servers": [server.url()], "caSecretRef": { "name": APP, "key": "ca.crt" },
        "bind": {
            "usernameSecretRef": { "name": APP, "key": "username" },
            "passwordSecretRef": { "name": APP, "key": "password" },
        },
    });
    json_patch::merge(&mut domain, &extra);
    directory_app(scene, json!({ "activeDirectory": domain }), (samba::ADMIN, samba::ADMIN_PASSWORD), policy)
        .await;
}

async fn directory_app(scene: &Scene, connector: Value, credentials: (&str, &str), policy: Value) {
    let authority = pki::directories().pem();
    let data = [("username", credentials.0), ("password", credentials.1), ("ca.crt", authority.as_str())];
    scene.secret_of(APP, &data).await;
    let mut spec = json!({ "connector": connector });
    json_patch::merge(&mut spec, &policy);
    scene.apply("App", APP, spec).await;
    scene.role_for("staff", json!({ "match": "true" }), APP, &[]).await;
}

/// The entry of the account with this id.
pub(crate) async fn by_id(server: &Slapd, id: &Value) -> Option<Entry> {
    let id = id.as_str().filter(|id| !id.is_empty()).expect("an id in the ledger");
    server.admin().find(slapd::BASE, &format!("(entryUUID={id})")).await
}

/// The entry that bears the marker of this User.
pub(crate) async fn by_marker(server: &Slapd, user: &str) -> Option<Entry> {
    server.admin().find(slapd::BASE, &format!("(employeeNumber=id-{user})")).await
}
