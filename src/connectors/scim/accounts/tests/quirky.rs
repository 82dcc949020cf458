//! A small service provider with the quirks of real ones.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::scim::ScimProfile;
use crate::connectors::http::Credentials;
use crate::connectors::scim::resource::field;
use crate::connectors::scim::{Scim, ScimConfig};
use crate::connectors::testing::{Received, Reply, Server, reply, surroundings};
use crate::converge::{Change, NewAccount};

/// What it does differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Quirk {
    /// Everybody, whatever the filter.
    FilterIgnored,
    /// Nobody, whatever the filter.
    FilterBlind,
    /// 501.
    FilterUnknown,
    /// A second account with a login: 500 with HTML.
    DuplicateCrashes,
    /// A second account with a login: 400 without a keyword.
    DuplicateMalformed,
    /// The listing fails.
    ListingFails,
    /// 204, no body, no Location.
    CreateSilent,
    /// 201 with only a Location, by id.
    CreateLocation,
    /// 201 with only a Location, by login.
    CreateLocationByLogin,
    /// The answer has the id and the login only.
    CreateTerse,
    /// 201 with the whole account, and there is none.
    CreateEcho,
    /// Every creation: made, and the answer is 500.
    CreateThenCrash,
    /// `externalId` is dropped.
    MarkerDropped,
    /// 200 with the account as it was.
    PatchVain,
    /// 204, and nothing happens.
    PatchVainSilent,
    /// 501.
    PatchUnknown,
    /// 400 for a request about `nickName`.
    NickNameRefused,
    /// `nickName` is dropped silently.
    NickNameDropped,
    /// 400 for every PATCH.
    PatchRefused,
    /// PATCH of an inactive account: 404.
    InactiveHidden,
    /// PUT as well.
    PutInactiveHidden,
    /// 200, and nothing happens.
    PutVain,
    /// The version is always the same.
    VersionStuck,
    /// The first writes: 412.
    VersionChanges,
    /// DELETE makes it inactive; 204 ever after.
    DeleteSoft,
    /// 204, and nothing happens.
    DeleteVain,
    /// 405.
    DeleteUnknown,
}
use Quirk::*;

#[derive(Default)]
struct Store {
    users: BTreeMap<String, Value>,
    last: usize,
    refusals: usize,
}

pub(super) struct Quirky {
    pub(super) server: Server,
    store: Arc<Mutex<Store>>,
}

impl Quirky {
    pub(super) async fn start(quirks: &[Quirk]) -> Self {
        let store: Arc<Mutex<Store>> = Arc::default();
        let (kept, quirks) = (store.clone(), quirks.to_vec());
        let server = Server::start(move |request| kept.lock().unwrap().answer(request, &quirks)).await;
        Self { server, store }
    }

    pub(super) fn scim(&self, profile: ScimProfile) -> Scim {
        let (fence, gate, meter, _) = surroundings();
        let config = ScimConfig {
            http: crate::connectors::http::HttpConfig {
                timeout: Duration::from_secs(10),
                ..self.server.config()
            },
            credentials: Credentials::Bearer("canary-quirky".into()),
            marker_attribute: "externalId".to_owned(),
            search_by: vec!["emails".to_owned()],
            profile,
            create_groups: false,
        };
        Scim::new(config, fence, gate, meter).unwrap()
    }

    /// Puts a user there behind the connector's back; its id.
    pub(super) fn seed(&self, user: Value) -> String {
        self.store.lock().unwrap().insert(user)
    }

    pub(super) fn users(&self) -> Vec<Value> {
        self.store.lock().unwrap().users.values().cloned().collect()
    }

    pub(super) fn user(&self, id: &str) -> Value {
        self.store.lock().unwrap().users[id].clone()
    }

    /// Requests so far that read more than one account.
    pub(super) fn listings(&self) -> usize {
        let requests = self.server.requests.lock().unwrap();
        requests
            .iter()
            .filter(|r| r.method == "GET" && collection(&r.path) && !r.path.contains("filter="))
            .count()
    }

    pub(super) fn filters(&self) -> usize {
        self.server.requests.lock().unwrap().iter().filter(|r| r.path.contains("filter=")).count()
    }
}

pub(super) fn ann(attributes: Value) -> NewAccount {
    person("ann", "E-1", attributes)
}

pub(super) fn person(login: &str, marker: &str, attributes: Value) -> NewAccount {
    NewAccount {
        login: login.to_owned(),
        marker: ("externalId".to_owned(), marker.to_owned()),
        attributes: serde_json::from_value(attributes).unwrap(),
    }
}

pub(super) fn set(attribute: &str, value: Value) -> Change {
    Change { attribute: attribute.to_owned(), value: Some(value) }
}

fn collection(path: &str) -> bool {
    path.split('?').next().is_some_and(|path| path.ends_with("/Users"))
}

fn list(users: &[Value]) -> Reply {
    reply(200, "", json!({ "totalResults": users.len(), "Resources": users }).to_string())
}

impl Store {
    fn insert(&mut self, mut user: Value) -> String {
        self.last += 1;
        let id = format!("id{}", self.last);
        user["id"] = json!(id);
        self.users.insert(id.clone(), user);
        id
    }

    fn answer(&mut self, request: &Received, quirks: &[Quirk]) -> Reply {
        let has = |quirk| quirks.contains(&quirk);
        if request.path.ends_with("/ServiceProviderConfig") {
            let on = json!({ "supported": true });
            return reply(200, "", json!({ "patch": on, "filter": on, "etag": on }).to_string());
        }
        if collection(&request.path) {
            return if request.method == "POST" {
                self.create(request, &has)
            } else {
                self.list(request, &has)
            };
        }
        let id = request.path.rsplit('/').next().unwrap_or_default().to_owned();
        let Some(user) = self.users.get(&id).cloned() else { return reply(404, "", "") };
        let hidden = user["active"] == false;
        match request.method.as_str() {
            "GET" => self.show(&user, &has),
            "PATCH" if has(PatchUnknown) => reply(501, "", ""),
            "PATCH" if hidden && has(InactiveHidden) => reply(404, "", ""),
            "PATCH" => self.patch(&id, user, request, &has),
            "PUT" if hidden && has(PutInactiveHidden) => reply(404, "", ""),
            "PUT" => self.put(&id, &user, request, &has),
            _ if has(DeleteUnknown) => reply(405, "", ""),
            _ if has(DeleteVain) => reply(204, "", ""),
            _ if has(DeleteSoft) => {
                self.users.get_mut(&id).unwrap()["active"] = json!(false);
                reply(204, "", "")
            }
            _ => {
                self.users.remove(&id);
                reply(204, "", "")
            }
        }
    }

    fn list(&self, request: &Received, has: &impl Fn(Quirk) -> bool) -> Reply {
        let everybody: Vec<Value> = self.users.values().cloned().collect();
        let query = request.path.split_once('?').map_or("", |(_, query)| query);
        let parameters: BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).collect();
        let Some(filter) = parameters.get("filter") else {
            return if has(ListingFails) { reply(500, "", "") } else { list(&everybody) };
        };
        if has(FilterUnknown) {
            return reply(501, "", "");
        } else if has(FilterIgnored) {
            return list(&everybody);
        } else if has(FilterBlind) {
            return list(&[]);
        }
        let mut parts = filter.splitn(3, ' ');
        let (attribute, value) = (parts.next().unwrap(), parts.nth(1).unwrap());
        let value: String = serde_json::from_str(value).unwrap();
        let same = |user: &&Value| {
            field(user, attribute).and_then(Value::as_str).is_some_and(|v| v.eq_ignore_ascii_case(&value))
        };
        list(&everybody.iter().filter(same).cloned().collect::<Vec<_>>())
    }

    fn create(&mut self, request: &Received, has: &impl Fn(Quirk) -> bool) -> Reply {
        let mut user: Value = serde_json::from_str(&request.body).unwrap();
        let taken = self.users.values().any(|other| other["userName"] == user["userName"]);
        if taken && has(DuplicateCrashes) {
            return reply(500, "content-type: text/html\r\n", "<html>canary-duplicate</html>");
        } else if taken && has(DuplicateMalformed) {
            return reply(400, "", "canary-duplicate");
        } else if taken {
            return reply(409, "", "canary-duplicate");
        }
        if has(MarkerDropped) {
            user.as_object_mut().unwrap().remove("externalId");
        }
        if has(CreateEcho) {
            user["id"] = json!("id9");
            user.as_object_mut().unwrap().remove("externalId");
            return reply(201, "", user.to_string());
        }
        let login = user["userName"].as_str().unwrap().to_owned();
        let id = self.insert(user);
        if has(CreateSilent) {
            reply(204, "", "")
        } else if has(CreateLocation) {
            reply(201, &format!("location: http://other.example/x/Users/{id}?a=b\r\n"), "")
        } else if has(CreateLocationByLogin) {
            reply(201, &format!("location: /Users/{login}\r\n"), "")
        } else if has(CreateTerse) {
            reply(201, "", json!({ "id": id, "userName": login }).to_string())
        } else if has(CreateThenCrash) {
            reply(500, "", "")
        } else {
            reply(201, "", self.users[&id].to_string())
        }
    }

    fn show(&self, user: &Value, has: &impl Fn(Quirk) -> bool) -> Reply {
        reply(200, "", self.versioned(user, has).to_string())
    }

    /// The version is the resource itself, in short.
    fn versioned(&self, user: &Value, has: &impl Fn(Quirk) -> bool) -> Value {
        let mut user = user.clone();
        let version = if has(VersionStuck) { 1 } else { user.to_string().len() + 1000 * self.refusals };
        user["meta"] = json!({ "version": format!("W/\"{version}\"") });
        user
    }

    fn patch(&mut self, id: &str, user: Value, request: &Received, has: &impl Fn(Quirk) -> bool) -> Reply {
        let nick = request.body.contains("nickName");
        if has(PatchRefused) || (nick && has(NickNameRefused)) {
            return reply(400, "", "canary-refused");
        } else if has(PatchVain) {
            return self.show(&user, has);
        } else if has(PatchVainSilent) {
            return reply(204, "", "");
        }
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let mut changed = user;
        super::patch(&mut changed, &body["Operations"]);
        if has(NickNameDropped) {
            changed.as_object_mut().unwrap().remove("nickName");
        }
        self.users.insert(id.to_owned(), changed.clone());
        self.show(&changed, has)
    }

    fn put(&mut self, id: &str, user: &Value, request: &Received, has: &impl Fn(Quirk) -> bool) -> Reply {
        let version = self.versioned(user, has)["meta"]["version"].as_str().unwrap().to_lowercase();
        if has(PutVain) {
            return self.show(user, has);
        } else if !request.head.contains(&format!("if-match: {version}")) && !has(VersionStuck) {
            return reply(428, "", "");
        } else if has(VersionChanges) && self.refusals < 3 {
            self.refusals += 1;
            return reply(412, "", "");
        }
        let mut changed: Value = serde_json::from_str(&request.body).unwrap();
        if has(NickNameDropped) {
            changed.as_object_mut().unwrap().remove("nickName");
        }
        self.users.insert(id.to_owned(), changed.clone());
        self.show(&changed, has)
    }
}
