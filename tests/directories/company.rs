//! A namespace with an App for a directory.

use serde_json::{Value, json};

use crate::support::ldap::{Entry, unicode_password};
use crate::support::targets::samba::{self, Samba};
use crate::support::targets::slapd::{self, Slapd};
use crate::support::{Scene, pki};

/// The name of the App, and of its Secret.
pub(crate) const APP: &str = "directory";

/// An App for an LDAP directory at these addresses; `extra` is merged over the connector's part of the spec, `policy`
/// over the rest. Everybody is to have an account.
pub(crate) async fn ldap_app(scene: &Scene, servers: &[String], extra: Value, policy: Value) {
    ldap_app_named(scene, APP, servers, extra, policy).await;
}

/// The same under a name of its own.
pub(crate) async fn ldap_app_named(
    scene: &Scene,
    app: &str,
    servers: &[String],
    extra: Value,
    policy: Value,
) {
    let own = json!({
        "baseDn": slapd::PEOPLE,
        "groups": { "baseDn": slapd::GROUPS, "creation": "OnDemand" },
    });
    let ldap = directory(app, servers, &[own, extra]);
    let credentials = (slapd::OPERATOR, slapd::OPERATOR_PASSWORD);
    directory_app(scene, app, json!({ "ldap": ldap }), credentials, policy).await;
}

/// The same for the domain of a Samba server.
pub(crate) async fn samba_app(scene: &Scene, server: &Samba, extra: Value, policy: Value) {
    samba_app_named(scene, APP, server.url(), extra, policy).await;
}

/// The same for a unit of a domain, made for people and groups; its name.
pub(crate) async fn samba_unit_app(scene: &Scene, server: &Samba, policy: Value) -> String {
    let people = format!("OU=People,{}", samba::BASE);
    server.admin().add(&people, &[("objectClass", &["organizationalUnit"])]).await;
    let groups = json!({ "baseDn": people, "creation": "OnDemand" });
    samba_app(scene, server, json!({ "baseDn": people, "groups": groups }), policy).await;
    people
}

/// The same under a name of its own, with the server at this address.
pub(crate) async fn samba_app_named(scene: &Scene, app: &str, url: String, extra: Value, policy: Value) {
    let domain = directory(app, &[url], &[json!({ "domain": samba::DOMAIN }), extra]);
    let credentials = (samba::ADMIN, samba::ADMIN_PASSWORD);
    directory_app(scene, app, json!({ "activeDirectory": domain }), credentials, policy).await;
}

/// The connector's part of a spec: what all directories have, and this merged over it.
fn directory(app: &str, servers: &[String], more: &[Value]) -> Value {
    let reference = |key: &str| json!({ "name": app, "key": key });
    let mut spec = json!({
        "servers": servers, "caSecretRef": reference("ca.crt"),
        "bind": { "usernameSecretRef": reference("username"), "passwordSecretRef": reference("password") },
    });
    for more in more {
        json_patch::merge(&mut spec, more);
    }
    spec
}

async fn directory_app(scene: &Scene, app: &str, connector: Value, credentials: (&str, &str), policy: Value) {
    let authority = pki::directories().pem();
    let data = [("username", credentials.0), ("password", credentials.1), ("ca.crt", authority.as_str())];
    scene.secret_of(app, &data).await;
    let mut spec = json!({ "connector": connector });
    json_patch::merge(&mut spec, &policy);
    scene.apply("App", app, spec).await;
    scene.role_for("staff", json!({ "match": "true" }), app, &[]).await;
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

/// The entry in a domain that bears the marker of this User.
pub(crate) async fn in_domain(server: &Samba, user: &str) -> Option<Entry> {
    server.admin().find(samba::BASE, &format!("(employeeNumber=id-{user})")).await
}

/// An administrator of a domain gives an entry a password.
pub(crate) async fn set_domain_password(server: &Samba, dn: &str, password: &str) {
    let change = ldap3::Mod::Replace(b"unicodePwd".to_vec(), [unicode_password(password)].into());
    server.admin().modify(dn, vec![change]).await;
}
