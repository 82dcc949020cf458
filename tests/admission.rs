//! What the API server accepts and refuses, and what it says: one table, run against the real thing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "admission/profiles.rs"]
mod profiles;
#[path = "admission/rules.rs"]
mod rules;
mod support;

use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use profiles::PROFILES;
use rules::RULES;
use serde_json::{Value, json};
use support::ControlPlane;

/// One attempt: a name, the kind, what is merged over a valid object, and what the refusal must say (`None`: accepted).
type Case = (&'static str, &'static str, &'static str, Option<&'static str>);

#[rustfmt::skip]
const CASES: &[Case] = &[
    // User: identity
    ("minimal user", "User", r"{}", None),
    ("personId missing", "User", r#"{"spec":{"personId":null}}"#, Some("spec.personId: Required value")),
    ("personId empty", "User", r#"{"spec":{"personId":""}}"#, Some("spec.personId")),
    ("personId with leading space", "User", r#"{"spec":{"personId":" 1"}}"#, Some("must not begin or end with white space")),
    ("personId with line break", "User", r#"{"spec":{"personId":"1\n2"}}"#, Some("nor hold tabs or line breaks")),
    ("personId with inner space", "User", r#"{"spec":{"personId":"A 1"}}"#, None),
    ("personId of one character", "User", r#"{"spec":{"personId":"7"}}"#, None),
    ("personId too long", "User", r#"{"spec":{"personId":"@129"}}"#, Some("may not be more than 128")),
    ("userName missing", "User", r#"{"spec":{"userName":null}}"#, Some("spec.userName: Required value")),
    ("userName with trailing tab", "User", r#"{"spec":{"userName":"ann\t"}}"#, Some("userName must not begin or end")),
    ("userName in unicode", "User", r#"{"spec":{"userName":"zoë.müller"}}"#, None),
    // User: attributes
    ("full profile", "User", r#"{"spec":{"name":{"givenName":"Ann","familyName":"Lee"},"displayName":"Ann Lee","emails":[{"value":"a@x.example","type":"work","primary":true},{"value":"b@x.example"}],"phoneNumbers":[{"value":"+1 555"}],"addresses":[{"country":"DE","locality":"Berlin"}],"title":"CTO","department":"IT","manager":"bob","locale":"en-US","timezone":"Europe/Berlin"}}"#, None),
    ("two primary e-mails", "User", r#"{"spec":{"emails":[{"value":"a","primary":true},{"value":"b","primary":true}]}}"#, Some("at most one e-mail address can be primary")),
    ("two primary phones", "User", r#"{"spec":{"phoneNumbers":[{"value":"1","primary":true},{"value":"2","primary":true}]}}"#, Some("at most one telephone number can be primary")),
    ("e-mail without value", "User", r#"{"spec":{"emails":[{"type":"work"}]}}"#, Some("spec.emails[0].value: Required value")),
    ("seventeen e-mails", "User", r#"{"spec":{"emails":"@17"}}"#, Some("must have at most 16 items")),
    ("country not ISO", "User", r#"{"spec":{"addresses":[{"country":"Germany"}]}}"#, Some("spec.addresses[0].country")),
    ("free attributes", "User", r#"{"spec":{"attributes":{"shoeSize":"42","_x1":"y"}}}"#, None),
    ("attribute name with dash", "User", r#"{"spec":{"attributes":{"shoe-size":"42"}}}"#, Some("attribute names are letters, digits and '_'")),
    ("attribute name with digit first", "User", r#"{"spec":{"attributes":{"1a":"42"}}}"#, Some("attribute names are letters")),
    ("attribute not a string", "User", r#"{"spec":{"attributes":{"a":5}}}"#, Some("must be of type string")),
    ("title too long", "User", r#"{"spec":{"title":"@257"}}"#, Some("may not be more than 256")),
    // User: state and dates
    ("state Terminated", "User", r#"{"spec":{"state":"Terminated"}}"#, None),
    ("state unknown", "User", r#"{"spec":{"state":"Gone"}}"#, Some(r#"supported values: "Active", "Suspended", "Terminated""#)),
    ("dates in order", "User", r#"{"spec":{"startTime":"2026-01-01T00:00:00Z","endTime":"2027-01-01T00:00:00Z"}}"#, None),
    ("dates reversed", "User", r#"{"spec":{"startTime":"2027-01-01T00:00:00Z","endTime":"2026-01-01T00:00:00Z"}}"#, Some("endTime must be later than startTime")),
    ("dates equal", "User", r#"{"spec":{"startTime":"2027-01-01T00:00:00Z","endTime":"2027-01-01T00:00:00Z"}}"#, Some("endTime must be later than startTime")),
    ("date without time", "User", r#"{"spec":{"startTime":"2027-01-01"}}"#, Some("spec.startTime")),
    // User: roles
    ("role with dates", "User", r#"{"spec":{"roles":[{"name":"sales","from":"2026-01-01T00:00:00Z","until":"2026-02-01T00:00:00Z","reason":"cover"}]}}"#, None),
    ("role denied", "User", r#"{"spec":{"roles":[{"name":"sales","effect":"Deny"}]}}"#, None),
    ("role effect unknown", "User", r#"{"spec":{"roles":[{"name":"sales","effect":"Maybe"}]}}"#, Some(r#"supported values: "Grant", "Deny""#)),
    ("role twice", "User", r#"{"spec":{"roles":[{"name":"sales"},{"name":"sales"}]}}"#, Some("Duplicate value")),
    ("role dates reversed", "User", r#"{"spec":{"roles":[{"name":"sales","from":"2026-02-01T00:00:00Z","until":"2026-01-01T00:00:00Z"}]}}"#, Some("until must be later than from")),
    ("role of another namespace", "User", r#"{"spec":{"roles":[{"name":"other/sales"}]}}"#, Some("references across namespaces are not possible")),
    ("role name upper-case", "User", r#"{"spec":{"roles":[{"name":"Sales"}]}}"#, Some("plain name of a Role in this namespace")),
    ("too many roles", "User", r#"{"spec":{"roles":"@roles65"}}"#, Some("must have at most 64 items")),
    // Role
    ("minimal role", "Role", r"{}", None),
    ("role with rule, includes and cases", "Role", r#"{"spec":{"match":"user.department == 'IT'","includes":["staff"],"conflictsWith":["auditor"],"cases":[{"name":"it","user":{"department":"IT"},"matches":true}]}}"#, None),
    ("rule empty", "Role", r#"{"spec":{"match":""}}"#, Some("spec.match")),
    ("rule too long", "Role", r#"{"spec":{"match":"@4097"}}"#, Some("may not be more than 4096")),
    ("include twice", "Role", r#"{"spec":{"includes":["staff","staff"]}}"#, Some("Duplicate value")),
    ("include of another namespace", "Role", r#"{"spec":{"includes":["other/staff"]}}"#, Some("spec.includes[0]")),
    ("case without verdict", "Role", r#"{"spec":{"cases":[{"name":"x","user":{}}]}}"#, Some("spec.cases[0].matches: Required value")),
    ("case names twice", "Role", r#"{"spec":{"cases":[{"name":"x","user":{},"matches":true},{"name":"x","user":{},"matches":false}]}}"#, Some("Duplicate value")),
    // App: connector
    ("minimal app", "App", r"{}", None),
    ("no connector", "App", r#"{"spec":{"connector":{"scim":null}}}"#, Some("set exactly one connector: scim, ldap or activeDirectory")),
    ("connector missing", "App", r#"{"spec":{"connector":null}}"#, Some("spec.connector: Required value")),
    ("plain http", "App", r#"{"spec":{"connector":{"scim":{"baseUrl":"http://app.example/scim"}}}}"#, Some("baseUrl must be https")),
    ("plain http allowed", "App", r#"{"spec":{"connector":{"scim":{"baseUrl":"http://app.example/scim","plainHttp":"Allow"}}}}"#, None),
    ("plain http to localhost", "App", r#"{"spec":{"connector":{"scim":{"baseUrl":"http://localhost:8080/v2"}}}}"#, None),
    ("plain http to loopback", "App", r#"{"spec":{"connector":{"scim":{"baseUrl":"http://127.0.0.1:8080"}}}}"#, None),
    ("plain http to IPv6 loopback", "App", r#"{"spec":{"connector":{"scim":{"baseUrl":"http://[::1]:8080/v2"}}}}"#, None),
    ("plain http to a host that looks like loopback", "App", r#"{"spec":{"connector":{"scim":{"baseUrl":"http://127.0.0.1.evil.example/"}}}}"#, Some("baseUrl must be https")),
    ("plain http to a host that begins like localhost", "App", r#"{"spec":{"connector":{"scim":{"baseUrl":"http://localhost.evil.example/"}}}}"#, Some("baseUrl must be https")),
    ("other scheme", "App", r#"{"spec":{"connector":{"scim":{"baseUrl":"ftp://app.example/"}}}}"#, Some("baseUrl must be http(s)://host")),
    ("user in URL", "App", r#"{"spec":{"connector":{"scim":{"baseUrl":"https://me:pw@app.example/"}}}}"#, Some("without user, query or fragment")),
    ("query in URL", "App", r#"{"spec":{"connector":{"scim":{"baseUrl":"https://app.example/?a=b"}}}}"#, Some("without user, query or fragment")),
    ("no auth", "App", r#"{"spec":{"connector":{"scim":{"auth":{"bearer":null}}}}}"#, Some("set exactly one of bearer, basic, oauth2")),
    ("two auths", "App", r#"{"spec":{"connector":{"scim":{"auth":{"basic":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}}}}}}}"#, Some("set exactly one of bearer, basic, oauth2")),
    ("oauth2", "App", r#"{"spec":{"connector":{"scim":{"auth":{"bearer":null,"oauth2":{"tokenUrl":"https://id.example/token","clientIdSecretRef":{"name":"s","key":"i"},"clientSecretSecretRef":{"name":"s","key":"c"},"scopes":["scim"]}}}}}}"#, None),
    ("oauth2 over plain http", "App", r#"{"spec":{"connector":{"scim":{"auth":{"bearer":null,"oauth2":{"tokenUrl":"http://id.example/token","clientIdSecretRef":{"name":"s","key":"i"},"clientSecretSecretRef":{"name":"s","key":"c"}}}}}}}"#, Some("tokenUrl must be https")),
    ("secret of another namespace", "App", r#"{"spec":{"connector":{"scim":{"auth":{"bearer":{"tokenSecretRef":{"name":"other/s","key":"t"}}}}}}}"#, Some("references across namespaces are not possible")),
    ("secret key with slash", "App", r#"{"spec":{"connector":{"scim":{"auth":{"bearer":{"tokenSecretRef":{"name":"s","key":"a/b"}}}}}}}"#, Some("tokenSecretRef.key")),
    ("time-out too long for the lease", "App", r#"{"spec":{"connector":{"scim":{"timeoutSeconds":11}}}}"#, Some("should be less than or equal to 10")),
    // App: directories
    ("minimal ldap", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldaps://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example"}}}}"#, None),
    ("two connectors", "App", r#"{"spec":{"connector":{"ldap":{"servers":["ldaps://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example"}}}}"#, Some("set exactly one connector")),
    ("ldap with everything", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldaps://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example","caSecretRef":{"name":"s","key":"ca"},"timeoutSeconds":5,"pageSize":100,"switchBackAfter":"1m","objectClasses":["inetOrgPerson","posixAccount"],"rdnAttribute":"cn","binaryAttributes":["jpegPhoto","userCertificate;binary"],"groups":{"baseDn":"ou=groups,dc=example","kind":"GroupOfUniqueNames","creation":"OnDemand"},"suspension":{"mechanism":"LeaversUnit","leaversDn":"ou=leavers,ou=people,dc=example"},"suspend":"BestEffort","posix":{"counterDn":"cn=next,dc=example","first":5000,"last":60000,"gidNumber":100}}}}}"#, None),
    ("ldap without servers", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":[],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example"}}}}"#, Some("should have at least 1 items")),
    ("ldap server of another scheme", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["https://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example"}}}}"#, Some("each server must be ldaps://host[:port]")),
    ("ldap server with path", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldaps://ldap.example/dc=x"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example"}}}}"#, Some("each server must be ldaps://host[:port]")),
    ("ldap server twice", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldaps://a.example","ldaps://a.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example"}}}}"#, Some("a server is named twice")),
    ("ldap with StartTLS", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldap://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example"}}}}"#, None),
    ("ldap in the clear", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldap://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example","plainText":"Allow"}}}}"#, Some("plainText: Allow is for servers ldap:// on this machine only")),
    ("ldap in the clear to this machine", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldap://127.0.0.1:1389"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example","plainText":"Allow"}}}}"#, None),
    ("ldap in the clear to a host that looks like loopback", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldap://127.0.0.1.evil.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example","plainText":"Allow"}}}}"#, Some("plainText: Allow is for")),
    ("ldap time-out too long for the lease", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldaps://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example","timeoutSeconds":11}}}}"#, Some("should be less than or equal to 10")),
    ("ldap page of nothing", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldaps://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example","pageSize":0}}}}"#, Some("should be greater than or equal to 1")),
    ("ldap switchBackAfter without unit", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldaps://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example","switchBackAfter":"5"}}}}"#, Some("switchBackAfter is a number and one unit")),
    ("ldap base that is no name", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldaps://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"people"}}}}"#, Some("give a distinguished name")),
    ("ldap group base that is no name", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldaps://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example","groups":{"baseDn":"groups"}}}}}"#, Some("give a distinguished name")),
    ("ldap class malformed", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldaps://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example","objectClasses":["inet Org"]}}}}"#, Some("spec.connector.ldap.objectClasses[0]")),
    ("ldap posixAccount without numbers", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldaps://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example","objectClasses":["inetOrgPerson","posixAccount"]}}}}"#, Some("set posix.counterDn")),
    ("ldap posixGroup made without numbers", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldaps://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example","groups":{"kind":"PosixGroup","creation":"OnDemand"}}}}}"#, Some("set posix.counterDn")),
    ("ldap numbers reversed", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldaps://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example","posix":{"counterDn":"cn=next,dc=example","first":9,"last":8}}}}}"#, Some("first must not be greater than last")),
    ("ldap leavers nowhere", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldaps://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example","suspension":{"mechanism":"LeaversUnit"}}}}}"#, Some("needs the entry that leavers are moved under")),
    ("ldap mechanism unknown", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldaps://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example","suspension":{"mechanism":"Magic"}}}}}"#, Some(r#"supported values: "Auto""#)),
    ("ldap with random first passwords", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldaps://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example","initialPassword":{}}}}}"#, None),
    ("ldap with first passwords in Secrets", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldaps://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example","initialPassword":{"policy":"Secret","removeAfter":"72h","length":127}}}}}"#, None),
    ("first passwords that are nowhere removed", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldaps://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example","initialPassword":{"removeAfter":"72h"}}}}}"#, Some("removeAfter goes with policy Secret")),
    ("first passwords removed at no time", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldaps://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example","initialPassword":{"policy":"Secret","removeAfter":"soon"}}}}}"#, Some("removeAfter is a number and one unit")),
    ("first passwords too short", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldaps://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example","initialPassword":{"length":11}}}}}"#, Some("should be greater than or equal to 12")),
    ("first passwords too long", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldaps://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example","initialPassword":{"length":128}}}}}"#, Some("should be less than or equal to 127")),
    ("first passwords of another kind", "App", r#"{"spec":{"connector":{"scim":null,"ldap":{"servers":["ldaps://ldap.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"ou=people,dc=example","initialPassword":{"policy":"Fixed"}}}}}"#, Some(r#"supported values: "Random", "Secret""#)),
    ("minimal active directory", "App", r#"{"spec":{"connector":{"scim":null,"activeDirectory":{"domain":"corp.example","servers":["ldaps://dc1.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}}}}}}"#, None),
    ("active directory with everything", "App", r#"{"spec":{"connector":{"scim":null,"activeDirectory":{"domain":"corp.example","servers":["ldaps://dc1.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"caSecretRef":{"name":"s","key":"ca"},"pageSize":1000,"baseDn":"OU=Staff,DC=corp,DC=example","newAccountsDn":"OU=New,OU=Staff,DC=corp,DC=example","userPrincipalNameSuffix":"example.com","protectedDns":["OU=Tier 0,DC=corp,DC=example"],"groups":{"baseDn":"OU=Groups,DC=corp,DC=example","creation":"OnDemand","scope":"Universal"},"suspension":{"password":"Keep","leaversDn":"OU=Leavers,OU=Staff,DC=corp,DC=example"}}}}}"#, None),
    ("active directory in the clear", "App", r#"{"spec":{"connector":{"scim":null,"activeDirectory":{"domain":"corp.example","servers":["ldap://dc1.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"plainText":"Allow"}}}}"#, Some("plainText: Allow is for")),
    ("active directory without domain", "App", r#"{"spec":{"connector":{"scim":null,"activeDirectory":{"servers":["ldaps://dc1.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}}}}}}"#, Some("spec.connector.activeDirectory.domain: Required value")),
    ("active directory with a name for a domain", "App", r#"{"spec":{"connector":{"scim":null,"activeDirectory":{"domain":"DC=corp,DC=example","servers":["ldaps://dc1.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}}}}}}"#, Some("domain is a DNS name")),
    ("active directory base that is no name", "App", r#"{"spec":{"connector":{"scim":null,"activeDirectory":{"domain":"corp.example","servers":["ldaps://dc1.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"baseDn":"Staff"}}}}"#, Some("give a distinguished name")),
    ("active directory place of new accounts that is no name", "App", r#"{"spec":{"connector":{"scim":null,"activeDirectory":{"domain":"corp.example","servers":["ldaps://dc1.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"newAccountsDn":"Staff"}}}}"#, Some("give a distinguished name")),
    ("active directory leavers' place that is no name", "App", r#"{"spec":{"connector":{"scim":null,"activeDirectory":{"domain":"corp.example","servers":["ldaps://dc1.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"suspension":{"leaversDn":"Leavers"}}}}}"#, Some("give a distinguished name")),
    ("active directory groups' place that is no name", "App", r#"{"spec":{"connector":{"scim":null,"activeDirectory":{"domain":"corp.example","servers":["ldaps://dc1.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"groups":{"baseDn":"Groups"}}}}}"#, Some("give a distinguished name")),
    ("active directory protects what is no name", "App", r#"{"spec":{"connector":{"scim":null,"activeDirectory":{"domain":"corp.example","servers":["ldaps://dc1.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"protectedDns":["Tier 0"]}}}}"#, Some("spec.connector.activeDirectory.protectedDns[0]")),
    ("active directory suffix with a sign", "App", r#"{"spec":{"connector":{"scim":null,"activeDirectory":{"domain":"corp.example","servers":["ldaps://dc1.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"userPrincipalNameSuffix":"@example.com"}}}}"#, Some("userPrincipalNameSuffix is a DNS name")),
    ("active directory scope unknown", "App", r#"{"spec":{"connector":{"scim":null,"activeDirectory":{"domain":"corp.example","servers":["ldaps://dc1.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"groups":{"scope":"Local"}}}}}"#, Some("spec.connector.activeDirectory.groups.scope")),
    ("active directory password unknown", "App", r#"{"spec":{"connector":{"scim":null,"activeDirectory":{"domain":"corp.example","servers":["ldaps://dc1.example"],"bind":{"usernameSecretRef":{"name":"s","key":"u"},"passwordSecretRef":{"name":"s","key":"p"}},"suspension":{"password":"Forget"}}}}}"#, Some("spec.connector.activeDirectory.suspension.password")),
    ("marker of the connector", "App", r#"{"spec":{"marker":{"prefix":"a/"}}}"#, None),
    ("marker chosen", "App", r#"{"spec":{"marker":{"attribute":"employeeNumber"}}}"#, None),
    // App: policies
    ("all policies", "App", r#"{"spec":{"onLeave":{"action":"Suspend","deleteAfter":"30d","removeEntitlements":"Managed"},"onUnassign":{"action":"Delete"},"onUserDeleted":{"action":"Retain"}}}"#, None),
    ("deleteAfter with Retain", "App", r#"{"spec":{"onLeave":{"action":"Retain","deleteAfter":"30d"}}}"#, Some("deleteAfter goes with action Suspend")),
    ("deleteAfter with Delete", "App", r#"{"spec":{"onUnassign":{"action":"Delete","deleteAfter":"30d"}}}"#, Some("deleteAfter goes with action Suspend")),
    ("deleteAfter without unit", "App", r#"{"spec":{"onLeave":{"deleteAfter":"30"}}}"#, Some("deleteAfter is a number and one unit of s, m, h, d")),
    ("deleteAfter of zero", "App", r#"{"spec":{"onLeave":{"deleteAfter":"0d"}}}"#, Some("deleteAfter is a number and one unit")),
    ("deleteAfter on a deleted User", "App", r#"{"spec":{"onUserDeleted":{"deleteAfter":"1d"}}}"#, Some("the ledger ends with the User")),
    ("everything goes", "App", r#"{"spec":{"onLeave":{"removeEntitlements":"All","revokeSessions":false}}}"#, None),
    ("entitlements unknown", "App", r#"{"spec":{"onLeave":{"removeEntitlements":"Some"}}}"#, Some(r#"supported values: "None", "Managed", "All""#)),
    ("entitlements with Retain", "App", r#"{"spec":{"onUnassign":{"action":"Retain","removeEntitlements":"All"}}}"#, Some("spec.onUnassign.removeEntitlements: Invalid value: action Retain leaves the account as it is")),
    ("time to hand over", "App", r#"{"spec":{"onUnassign":{"action":"Delete","after":"14d"}}}"#, None),
    ("time without unit", "App", r#"{"spec":{"onUnassign":{"after":"14"}}}"#, Some("after is a number and one unit of s, m, h, d")),
    ("time of zero", "App", r#"{"spec":{"onUnassign":{"after":"0d"}}}"#, Some("after is a number and one unit")),
    ("time beyond bounds", "App", r#"{"spec":{"onUnassign":{"after":"1000d"}}}"#, Some("at most 99999s, 99999m, 99999h or 999d")),
    ("time with Retain", "App", r#"{"spec":{"onUnassign":{"action":"Retain","after":"14d"}}}"#, Some("after goes with actions Suspend and Delete")),
    ("a leaver keeps access", "App", r#"{"spec":{"onLeave":{"after":"1h"}}}"#, Some("spec.onLeave.after: Invalid value: after would let people who left keep their access so long")),
    ("a leaver keeps access, denied", "App", r#"{"spec":{"onLeave":{"after":"1h","leaverKeepsAccess":false}}}"#, Some("set leaverKeepsAccess: true beside it")),
    ("a leaver keeps access, as said", "App", r#"{"spec":{"onLeave":{"after":"1h","leaverKeepsAccess":true}}}"#, None),
    ("a leaver keeps nothing, as said", "App", r#"{"spec":{"onLeave":{"leaverKeepsAccess":true}}}"#, Some("leaverKeepsAccess goes with after")),
    ("a mover keeps access, as said", "App", r#"{"spec":{"onUnassign":{"after":"1h","leaverKeepsAccess":true}}}"#, Some("leaverKeepsAccess is about onLeave")),
    ("time on a deleted User", "App", r#"{"spec":{"onUserDeleted":{"after":"1h"}}}"#, Some("spec.onUserDeleted.after: Invalid value: after is not possible here")),
    ("protected accounts", "App", r#"{"spec":{"protectedAccounts":["admin","svc-*","2819c223-7f76"]}}"#, None),
    ("protected account twice", "App", r#"{"spec":{"protectedAccounts":["admin","admin"]}}"#, Some("Duplicate value")),
    ("protected account empty", "App", r#"{"spec":{"protectedAccounts":[""]}}"#, Some("spec.protectedAccounts[0]")),
    ("administrators", "App", r#"{"spec":{"administrators":[{"type":"group","value":"Admins"},{"type":"role","value":"Admins"}]}}"#, None),
    ("administrators twice", "App", r#"{"spec":{"administrators":[{"type":"group","value":"Admins"},{"type":"group","value":"Admins"}]}}"#, Some("Duplicate value")),
    ("administrators without type", "App", r#"{"spec":{"administrators":[{"value":"Admins"}]}}"#, Some("spec.administrators[0].type: Required value")),
    ("every account protected", "App", r#"{"spec":{"protectedAccounts":["**"]}}"#, Some("this protects every account")),
    ("action unknown", "App", r#"{"spec":{"onLeave":{"action":"Destroy"}}}"#, Some(r#"supported values: "Suspend", "Delete", "Retain""#)),
    ("sweep and what follows from it", "App", r#"{"spec":{"sweepInterval":"30m","drift":"Report","orphans":"Suspend","marker":{"prefix":"tenure/"}}}"#, None),
    ("sweepInterval in seconds", "App", r#"{"spec":{"sweepInterval":"30s"}}"#, Some("sweepInterval is a number and one unit of m, h, d")),
    ("sweepInterval of zero", "App", r#"{"spec":{"sweepInterval":"0h"}}"#, Some("sweepInterval is a number and one unit")),
    ("sweepInterval too long", "App", r#"{"spec":{"sweepInterval":"100000000d"}}"#, Some("may not be more than 8")),
    ("drift unknown", "App", r#"{"spec":{"drift":"Ignore"}}"#, Some(r#"supported values: "Correct", "Report""#)),
    ("orphans unknown", "App", r#"{"spec":{"orphans":"Delete"}}"#, Some(r#"supported values: "Report", "Suspend""#)),
    ("orphans suspended by a marker without prefix", "App", r#"{"spec":{"orphans":"Suspend"}}"#, Some("orphans: Suspend needs a marker.prefix")),
    ("removal budget", "App", r#"{"spec":{"removalBudget":{"percent":50,"minimum":60,"maximum":100,"window":"168h","express":60,"settle":"0s"}}}"#, None),
    ("removal budget without bounds", "App", r#"{"spec":{"removalBudget":{"percent":100,"minimum":1000,"maximum":100000,"express":1000,"allowUnbounded":true}}}"#, None),
    ("removal budget of nothing", "App", r#"{"spec":{"removalBudget":{"percent":0,"minimum":0,"maximum":0,"express":0}}}"#, None),
    ("more than half of all accounts", "App", r#"{"spec":{"removalBudget":{"percent":51}}}"#, Some("percent above 50 lets one mistake take half of all accounts")),
    ("minimum above 60", "App", r#"{"spec":{"removalBudget":{"minimum":61}}}"#, Some("minimum above 60 needs allowUnbounded")),
    ("express above 60", "App", r#"{"spec":{"removalBudget":{"express":61}}}"#, Some("express above 60 needs allowUnbounded")),
    ("minimum above maximum", "App", r#"{"spec":{"removalBudget":{"minimum":10,"maximum":9}}}"#, Some("minimum must not be above maximum")),
    ("percent above 100", "App", r#"{"spec":{"removalBudget":{"percent":101,"allowUnbounded":true}}}"#, Some("should be less than or equal to 100")),
    ("window without unit", "App", r#"{"spec":{"removalBudget":{"window":"24"}}}"#, Some("window is a number of hours from 1h to 168h")),
    ("window of nothing", "App", r#"{"spec":{"removalBudget":{"window":"0h"}}}"#, Some("window is a number of hours")),
    ("window too long", "App", r#"{"spec":{"removalBudget":{"window":"169h"}}}"#, Some("window is a number of hours")),
    ("settle too long", "App", r#"{"spec":{"removalBudget":{"settle":"301s"}}}"#, Some("settle is a number of seconds from 0s to 300s")),
    ("mode DryRun", "App", r#"{"spec":{"mode":"DryRun"}}"#, None),
    ("mode unknown", "App", r#"{"spec":{"mode":"Maybe"}}"#, Some(r#"supported values: "Enforce", "DryRun""#)),
    ("no requests a second", "App", r#"{"spec":{"limits":{"requestsPerSecond":0}}}"#, Some("should be greater than or equal to 1")),
    ("too much concurrency", "App", r#"{"spec":{"limits":{"concurrency":65}}}"#, Some("should be less than or equal to 64")),
    ("marker prefix with space", "App", r#"{"spec":{"marker":{"prefix":"a b"}}}"#, Some("spec.marker.prefix")),
    ("five attributes to match on", "App", r#"{"spec":{"adoption":{"matchOn":["a","b","c","d","e"]}}}"#, Some("must have at most 4 items")),
    // AppBinding
    ("minimal binding", "AppBinding", r"{}", None),
    ("binding with everything", "AppBinding", r#"{"spec":{"priority":10,"entitlements":[{"type":"group","value":"Sales"}],"attributes":[{"to":"title","value":"'Rep'"}],"when":"user.employeeType == 'Employee'"}}"#, None),
    ("binding that alone grants", "AppBinding", r#"{"spec":{"authoritative":true,"entitlements":[{"type":"group","value":"Sales"}]}}"#, None),
    ("binding that alone grants nothing", "AppBinding", r#"{"spec":{"authoritative":true}}"#, Some("spec.authoritative: Invalid value: authoritative: true says that only Tenure grants these entitlements: name at least one")),
    ("binding without role", "AppBinding", r#"{"spec":{"roleRef":null}}"#, Some("spec.roleRef: Required value")),
    ("binding to another namespace", "AppBinding", r#"{"spec":{"appRef":{"name":"other/crm"}}}"#, Some("references across namespaces are not possible")),
    ("priority out of bounds", "AppBinding", r#"{"spec":{"priority":1001}}"#, Some("should be less than or equal to 1000")),
    ("entitlement twice", "AppBinding", r#"{"spec":{"entitlements":[{"type":"group","value":"S"},{"type":"group","value":"S"}]}}"#, Some("Duplicate value")),
    ("entitlement type malformed", "AppBinding", r#"{"spec":{"entitlements":[{"type":"Group!","value":"S"}]}}"#, Some("spec.entitlements[0].type")),
    ("entitlement without value", "AppBinding", r#"{"spec":{"entitlements":[{"type":"group","value":""}]}}"#, Some("spec.entitlements[0].value")),
    ("condition empty", "AppBinding", r#"{"spec":{"when":""}}"#, Some("spec.when")),
    // Hold
    ("minimal hold", "Hold", r"{}", None),
    ("approval", "Hold", r#"{"spec":{"approval":{"digest":"@digest","reason":"as agreed","by":"ann"}}}"#, None),
    ("approval and rejection", "Hold", r#"{"spec":{"approval":{"digest":"@digest","reason":"r","by":"ann"},"rejection":{"digest":"@digest","reason":"r","by":"ann"}}}"#, Some("a Hold is approved or rejected, not both")),
    ("approval without digest", "Hold", r#"{"spec":{"approval":{"reason":"r","by":"ann"}}}"#, Some("spec.approval.digest: Required value")),
    ("approval of something else", "Hold", r#"{"spec":{"approval":{"digest":"yes","reason":"r","by":"ann"}}}"#, Some("give status.digest of the Hold")),
    ("approval without reason", "Hold", r#"{"spec":{"approval":{"digest":"@digest","reason":"","by":"ann"}}}"#, Some("spec.approval.reason")),
    ("rejection by nobody", "Hold", r#"{"spec":{"rejection":{"digest":"@digest","reason":"r","by":""}}}"#, Some("spec.rejection.by")),
];

/// Changes of an object that exists.
#[rustfmt::skip]
const UPDATES: &[Case] = &[
    ("personId changed", "User", r#"{"spec":{"personId":"4712"}}"#, Some("personId is immutable")),
    ("userName changed", "User", r#"{"spec":{"userName":"ann.new"}}"#, None),
    ("state changed", "User", r#"{"spec":{"state":"Terminated"}}"#, None),
    ("status left alone by a spec patch", "User", r#"{"status":{"state":"Left"}}"#, None),
    ("policy made contradictory", "App", r#"{"spec":{"onLeave":{"action":"Retain","deleteAfter":"1d"}}}"#, Some("deleteAfter goes with action Suspend")),
];

fn valid(kind: &str) -> Value {
    let spec = match kind {
        "User" => json!({"personId": "4711", "userName": "ann"}),
        "Role" | "Hold" => json!({}),
        "App" => json!({"connector": {"scim": {
            "baseUrl": "https://app.example/scim/v2",
            "auth": {"bearer": {"tokenSecretRef": {"name": "app", "key": "token"}}}}}}),
        _ => json!({"roleRef": {"name": "sales"}, "appRef": {"name": "crm"}}),
    };
    json!({"apiVersion": "tenure.dev/v1alpha1", "kind": kind, "metadata": {"generateName": "case-"}, "spec": spec})
}

/// Long values are written `@N` in the table (N characters), lists `@N` on a list field.
fn long(text: &str) -> Option<String> {
    let n = text.strip_prefix('@')?;
    (n == "roles65" || n == "digest" || n.parse::<usize>().is_ok()).then(|| n.to_owned())
}

fn expand(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, item) in map.iter_mut() {
                match item.as_str().and_then(long) {
                    Some(n) if n == "roles65" => {
                        *item = (0..65).map(|i| json!({"name": format!("r{i}")})).collect();
                    }
                    Some(n) if n == "digest" => *item = format!("sha256:{}", "0a".repeat(32)).into(),
                    Some(n) if key == "emails" => {
                        *item = (0..n.parse().unwrap())
                            .map(|i| json!({"value": format!("{i}@x.example")}))
                            .collect();
                    }
                    Some(n) => *item = Value::String("x".repeat(n.parse().unwrap())),
                    None => expand(item),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(expand),
        _ => {}
    }
}

fn api(kind: &str, client: kube::Client, namespace: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("tenure.dev", "v1alpha1", kind));
    Api::namespaced_with(client, namespace, &resource)
}

fn judge(name: &str, outcome: Result<(), kube::Error>, expected: Option<&str>) -> Option<String> {
    match (outcome, expected) {
        (Ok(()), None) => None,
        (Ok(()), Some(text)) => Some(format!("{name}: accepted, expected a refusal with {text:?}")),
        (Err(kube::Error::Api(status)), Some(text)) if status.message.contains(text) => None,
        (Err(error), expected) => Some(format!("{name}: expected {expected:?}, got {error}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn creations() {
    let plane = ControlPlane::shared().await;
    plane.install_crds().await;
    let namespace = plane.namespace("admission").await;
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let mut wrong = Vec::new();
    for (name, kind, patch, expected) in CASES.iter().chain(RULES) {
        let mut patch: Value = serde_json::from_str(patch).unwrap();
        expand(&mut patch);
        let mut object = valid(kind);
        json_patch::merge(&mut object, &patch);
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let outcome = api(kind, plane.client().await, &namespace).create(&dry, &object).await.map(drop);
        wrong.extend(judge(name, outcome, *expected));
    }
    assert!(CASES.len() >= 60, "the table is meant to be broad");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn create_profile(namespace: &str, client: kube::Client, profile: &Value) -> Result<(), kube::Error> {
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let mut object = valid("App");
    object["spec"]["connector"]["scim"]["profile"] = profile.clone();
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    api("App", client, namespace).create(&dry, &object).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_that_contradict_themselves() {
    let plane = ControlPlane::shared().await;
    plane.install_crds().await;
    let namespace = plane.namespace("admission").await;
    let mut wrong = Vec::new();
    for (name, profile, expected) in PROFILES {
        let profile = serde_json::from_str(profile).unwrap();
        let outcome = create_profile(&namespace, plane.client().await, &profile).await;
        wrong.extend(judge(name, outcome, *expected));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each preset, written out, is a profile without contradictions.
#[tokio::test(flavor = "multi_thread")]
async fn presets_written_out() {
    let plane = ControlPlane::shared().await;
    plane.install_crds().await;
    let namespace = plane.namespace("admission").await;
    let presets: Vec<tenure::api::scim::Preset> =
        serde_json::from_value(profile_schema()["preset"]["enum"].clone()).unwrap();
    let mut wrong = Vec::new();
    for preset in presets {
        let profile = serde_json::to_value(tenure::connectors::scim::preset(preset)).unwrap();
        let outcome = create_profile(&namespace, plane.client().await, &profile).await;
        wrong.extend(judge(&format!("{preset:?}"), outcome, None));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn updates() {
    let plane = ControlPlane::shared().await;
    plane.install_crds().await;
    let namespace = plane.namespace("admission").await;
    let mut wrong = Vec::new();
    for (name, kind, patch, expected) in UPDATES {
        let api = api(kind, plane.client().await, &namespace);
        let object: DynamicObject = serde_json::from_value(valid(kind)).unwrap();
        let made = api.create(&PostParams::default(), &object).await.unwrap();
        let patch: Value = serde_json::from_str(patch).unwrap();
        let outcome =
            api.patch(&made.metadata.name.unwrap(), &PatchParams::default(), &Patch::Merge(&patch)).await;
        if let Ok(after) = &outcome {
            assert_eq!(
                after.data["status"]["state"],
                Value::Null,
                "{name}: a patch of the object must not write status"
            );
        }
        wrong.extend(judge(name, outcome.map(drop), *expected));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn new_objects_say_that_nobody_looked_yet() {
    let plane = ControlPlane::shared().await;
    plane.install_crds().await;
    let namespace = plane.namespace("admission").await;
    for kind in ["User", "Role", "App", "AppBinding"] {
        let object: DynamicObject = serde_json::from_value(valid(kind)).unwrap();
        let made = api(kind, plane.client().await, &namespace)
            .create(&PostParams::default(), &object)
            .await
            .unwrap();
        assert_eq!(made.data["status"]["observedGeneration"], json!(-1), "{kind}");
    }
}

/// Every field is documented, and what rules look at is bounded.
#[test]
fn schemas_are_documented_and_bounded() {
    let mut wrong = Vec::new();
    for crd in tenure::cli::crds::definitions() {
        let schema = serde_json::to_value(&crd.spec.versions[0].schema).unwrap();
        let kind = crd.spec.names.kind.clone();
        for part in ["spec", "status"] {
            inspect(&format!("{kind}.{part}"), &schema["openAPIV3Schema"]["properties"][part], &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn inspect(path: &str, schema: &Value, wrong: &mut Vec<String>) {
    // Conditions are Kubernetes' own type.
    if path.ends_with(".conditions") {
        return;
    }
    if !path.ends_with("[]")
        && !path.ends_with("{}")
        && schema["description"].as_str().is_none_or(str::is_empty)
    {
        wrong.push(format!("{path}: no description"));
    }
    let bounded = |keys: &[&str]| keys.iter().any(|k| !schema[*k].is_null());
    match schema["type"].as_str() {
        Some("string") if !bounded(&["maxLength", "enum", "format", "pattern"]) => {
            wrong.push(format!("{path}: unbounded string"));
        }
        Some("array") if !bounded(&["maxItems"]) => wrong.push(format!("{path}: unbounded list")),
        _ => {}
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        inspect(&format!("{path}.{name}"), property, wrong);
    }
    if schema["items"].is_object() {
        inspect(&format!("{path}[]"), &schema["items"], wrong);
    }
    if schema["additionalProperties"].is_object() {
        inspect(&format!("{path}{{}}"), &schema["additionalProperties"], wrong);
    }
}

#[test]
fn reference_of_reasons_is_current() {
    let on_disk = include_str!("../docs/reasons.md");
    assert_eq!(on_disk, tenure::cli::reasons::page(), "docs/reasons.md is out of date: run `make generate`");
}

/// Every field of a SCIM profile has its row, with every choice.
#[test]
fn reference_of_the_scim_profile_is_complete() {
    let page = include_str!("../docs/connectors/scim.md");
    let mut wrong = Vec::new();
    for (field, schema) in profile_schema().as_object().unwrap() {
        let Some(row) = page.lines().find(|line| line.starts_with(&format!("| `{field}` |"))) else {
            wrong.push(format!("{field}: no row"));
            continue;
        };
        let choices = schema["enum"].as_array().into_iter().flatten().map(|choice| choice.as_str().unwrap());
        wrong.extend(
            choices
                .filter(|choice| !row.contains(&format!("`{choice}`")))
                .map(|c| format!("{field}: no {c}")),
        );
    }
    assert!(wrong.is_empty(), "docs/connectors/scim.md: {}", wrong.join(", "));
}

/// Every field of a directory's connector has its row, itself or with the one that it is part of, and every choice is named.
#[test]
fn reference_of_directories_is_complete() {
    let mut wrong = Vec::new();
    for (connector, page) in [
        ("ldap", include_str!("../docs/connectors/ldap.md")),
        ("activeDirectory", include_str!("../docs/connectors/active-directory.md")),
    ] {
        missing_rows("", &connector_schema(connector), page, &mut wrong);
    }
    assert!(wrong.is_empty(), "docs/connectors: {}", wrong.join(", "));
}

fn missing_rows(above: &str, schema: &Value, page: &str, wrong: &mut Vec<String>) {
    for (name, field) in schema["properties"].as_object().unwrap() {
        let path = format!("{above}{name}");
        let rows = || page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
        if rows().any(|cell| cell.contains(&format!("`{path}`"))) {
            let choices = field["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let unnamed = choices.filter(|choice| !page.contains(&format!("`{choice}`")));
            wrong.extend(unnamed.map(|choice| format!("{path}: no {choice}")));
        } else if field["properties"]["key"].is_null() && field["properties"].is_object() {
            missing_rows(&format!("{path}."), field, page, wrong);
        } else {
            wrong.push(format!("{path}: no row"));
        }
    }
}

fn profile_schema() -> Value {
    connector_schema("scim")["properties"]["profile"]["properties"].clone()
}

fn connector_schema(name: &str) -> Value {
    let crds = serde_json::to_value(tenure::cli::crds::definitions()).unwrap();
    let place = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/connector/properties";
    crds.as_array().unwrap().iter().find_map(|crd| crd.pointer(place)).unwrap()[name].clone()
}

#[test]
fn definitions_on_disk_are_current() {
    for crd in tenure::cli::crds::definitions() {
        let path = format!("{}/crds/{}.yaml", env!("CARGO_MANIFEST_DIR"), crd.spec.names.plural);
        let on_disk = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            on_disk,
            tenure::cli::crds::manifest(&crd).unwrap(),
            "{path} is out of date: run `make generate`"
        );
    }
}
