//! What others do to accounts behind our back, and what accounts look like past the operator.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::ldap::{Entry, Raw, add_values, remove_values, replace, unicode_password};
use crate::support::targets::Target;
use crate::support::targets::samba::{self, Samba};
use crate::support::targets::slapd::{self, Slapd};

/// What is done to an account.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Harm {
    Reactivated,
    Suspended,
    Deleted,
    Renamed,
    Edited,
    AddedToBosses,
    RemovedFromStaff,
}

/// An account as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) login: String,
    pub(crate) name: Option<String>,
    pub(crate) active: bool,
    pub(crate) staff: bool,
    pub(crate) boss: bool,
}

/// A server, past the operator.
pub(crate) trait Server {
    /// Does this to the account of a User.
    async fn harm(&self, user: &str, harm: Harm);

    /// The account that bears the User's marker.
    async fn seen(&self, user: &str) -> Option<Seen>;

    /// Makes an account that is nobody's.
    async fn stranger(&self);
}

/// Where a directory or a domain has its people and groups.
pub(crate) struct Place<'a> {
    admin: &'a Raw,
    base: &'a str,
    people: &'a str,
    groups: &'a str,
    is_domain: bool,
}

impl<'a> Place<'a> {
    pub(crate) fn directory(server: &'a Slapd) -> Self {
        let (people, groups) = (slapd::PEOPLE, slapd::GROUPS);
        Self { admin: server.admin(), base: slapd::BASE, people, groups, is_domain: false }
    }

    /// People and groups are in one unit.
    pub(crate) fn domain(server: &'a Samba, unit: &'a str) -> Self {
        Self { admin: server.admin(), base: samba::BASE, people: unit, groups: unit, is_domain: true }
    }

    async fn find(&self, user: &str) -> Option<Entry> {
        self.admin.find(self.base, &format!("(employeeNumber=id-{user})")).await
    }

    fn group(&self, name: &str) -> String {
        format!("cn={name},{}", self.groups)
    }

    async fn holds(&self, group: &str, dn: &str) -> bool {
        let group = self.admin.entry(&self.group(group)).await.expect("a group");
        group.all("member").iter().any(|member| member.eq_ignore_ascii_case(dn))
    }
}

impl Server for Place<'_> {
    async fn harm(&self, user: &str, harm: Harm) {
        let dn = self.find(user).await.expect("an entry").dn;
        let (dn, change) = match (harm, self.is_domain) {
            (Harm::Reactivated, false) => {
                let suspended = ["pwdEndTime", "pwdAccountLockedTime"].map(|name| replace(name, &[]));
                return self.admin.modify(&dn, suspended.to_vec()).await;
            }
            (Harm::Reactivated, true) => (dn, replace("userAccountControl", &["512"])),
            (Harm::Suspended, true) => (dn, replace("userAccountControl", &["514"])),
            (Harm::Suspended, false) => (dn, replace("pwdAccountLockedTime", &["000001010000Z"])),
            (Harm::Deleted, _) => return self.admin.delete(&dn).await,
            (Harm::Renamed, true) => (dn, replace("sAMAccountName", &["king"])),
            (Harm::Renamed, false) => return self.admin.rename(&dn, "uid=king", None).await,
            (Harm::Edited, _) => (dn, replace("displayName", &["King"])),
            (Harm::AddedToBosses, _) => (self.group("Bosses"), add_values("member", &[&dn])),
            (Harm::RemovedFromStaff, _) => (self.group("Staff"), remove_values("member", &[&dn])),
        };
        self.admin.modify(&dn, vec![change]).await;
    }

    async fn seen(&self, user: &str) -> Option<Seen> {
        let entry = self.find(user).await?;
        let active = if self.is_domain {
            // ACCOUNTDISABLE (MS-ADTS §2.2.16).
            entry.one("userAccountControl").expect("flags").parse::<u32>().expect("a number") & 2 == 0
        } else {
            entry.one("pwdEndTime").or_else(|| entry.one("pwdAccountLockedTime")).is_none()
        };
        let login = if self.is_domain { "sAMAccountName" } else { "uid" };
        Some(Seen {
            login: entry.one(login).expect("a login"),
            name: entry.one("displayName"),
            active,
            staff: self.holds("Staff", &entry.dn).await,
            boss: self.holds("Bosses", &entry.dn).await,
        })
    }

    async fn stranger(&self) {
        if self.is_domain {
            let password = unicode_password("canary-Of-A-Stranger-1");
            let attributes: [(&str, &[&[u8]]); 4] = [
                ("objectClass", &[b"user"]),
                ("sAMAccountName", &[b"stranger"]),
                ("userAccountControl", &[b"512"]),
                ("unicodePwd", &[&password]),
            ];
            self.admin.add(&format!("CN=Stranger,{}", self.people), &attributes).await;
        } else {
            let name = ["Stranger"];
            let attributes: [(&str, &[&str]); 4] =
                [("objectClass", &["inetOrgPerson"]), ("uid", &["stranger"]), ("cn", &name), ("sn", &name)];
            self.admin.add(&format!("uid=stranger,{}", self.people), &attributes).await;
        }
    }
}

/// An application that speaks SCIM.
pub(crate) struct Portal<'a>(pub(crate) &'a Target);

impl Portal<'_> {
    async fn all(&self, kind: &str) -> Vec<Value> {
        let (status, list) = self.0.call(Method::GET, &format!("/{kind}?count=100"), None).await;
        assert_eq!(status, 200, "{list}");
        list["Resources"].as_array().cloned().unwrap_or_default()
    }

    async fn find(&self, user: &str) -> Option<Value> {
        let marker = format!("id-{user}");
        self.all("Users").await.into_iter().find(|account| account["externalId"] == marker.as_str())
    }

    async fn group(&self, name: &str) -> Value {
        self.all("Groups").await.into_iter().find(|group| group["displayName"] == name).expect("a group")
    }

    async fn holds(&self, group: &str, id: &Value) -> bool {
        let group = self.group(group).await;
        group["members"].as_array().into_iter().flatten().any(|member| member["value"] == *id)
    }

    async fn patch(&self, kind: &str, resource: &Value, operation: Value) {
        let path = format!("/{kind}/{}", resource["id"].as_str().expect("an id"));
        let (status, answer) = self.0.patch(&path, json!([operation])).await;
        assert!((200..300).contains(&status), "{status} {answer}");
    }
}

impl Server for Portal<'_> {
    async fn harm(&self, user: &str, harm: Harm) {
        let account = self.find(user).await.expect("an account");
        let id = account["id"].as_str().expect("an id");
        let set = |path: &str, value: Value| json!({ "op": "replace", "path": path, "value": value });
        let operation = match harm {
            Harm::Reactivated => set("active", json!(true)),
            Harm::Suspended => set("active", json!(false)),
            Harm::Renamed => set("userName", json!("king@example.com")),
            Harm::Edited => set("displayName", json!("King")),
            Harm::Deleted => {
                let (status, _) = self.0.call(Method::DELETE, &format!("/Users/{id}"), None).await;
                assert_eq!(status, 204);
                return;
            }
            Harm::AddedToBosses => {
                let add = json!({ "op": "add", "path": "members", "value": [{ "value": id }] });
                return self.patch("Groups", &self.group("Bosses").await, add).await;
            }
            Harm::RemovedFromStaff => {
                let remove = json!({ "op": "remove", "path": format!("members[value eq \"{id}\"]") });
                return self.patch("Groups", &self.group("Staff").await, remove).await;
            }
        };
        self.patch("Users", &account, operation).await;
    }

    async fn seen(&self, user: &str) -> Option<Seen> {
        let account = self.find(user).await?;
        Some(Seen {
            login: account["userName"].as_str().expect("a login").to_owned(),
            name: account["displayName"].as_str().map(str::to_owned),
            active: account["active"] != json!(false),
            staff: self.holds("Staff", &account["id"]).await,
            boss: self.holds("Bosses", &account["id"]).await,
        })
    }

    async fn stranger(&self) {
        let mail = "stranger@example.com";
        let account = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": mail, "active": true,
            "displayName": "Stranger", "emails": [{ "value": mail, "type": "work", "primary": true }],
        });
        let (status, answer) = self.0.call(Method::POST, "/Users", Some(account)).await;
        assert_eq!(status, 201, "{answer}");
    }
}
