//! SCIM servers.

use std::any::Any;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tenure::api::app::Connector;
use tenure::api::scim::{BearerAuth, GroupCreation, PlainHttp, ScimAuth, ScimConnector, ScimProfile};
use tenure::api::{AppSpec, EntitlementSpec, SecretKeyRef};
use tenure::connectors::fence::Fence;
use tenure::connectors::gate::{Gate, GateConfig};
use tenure::connectors::http::{Credentials, HttpConfig};
use tenure::connectors::scim::{Scim as ScimClient, ScimConfig};
use tenure::converge::RemoteAccount;
use tokio::sync::RwLock;

use crate::subject::{Class, Does, Line, Sample, Subject, Wish};
use crate::support::{self, Action, RecordingProxy, Rule};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const DEPARTMENT: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";

/// Types of entitlement that are values of the account, and the attributes that have them.
const OF_THE_ACCOUNT: [(&str, &str); 2] = [("role", "roles"), ("entitlement", "entitlements")];

/// What is particular to one server.
pub(crate) struct Setup {
    /// Where it is, without the path.
    pub(crate) url: String,
    /// The path of its base URL.
    pub(crate) prefix: String,
    pub(crate) token: String,
    /// Whether it takes PATCH from us; else changes behind the connector's back are made by PUT.
    pub(crate) patch: bool,
    /// What the App says of it.
    pub(crate) profile: ScimProfile,
    pub(crate) marker: &'static str,
    /// The attributes without which it takes no account.
    pub(crate) needs: fn(who: &str) -> Value,
    /// The same for a group, where the server takes none without; made with the first user at hand.
    pub(crate) group_needs: Option<fn(user: &Value) -> Value>,
    /// Whether groups show their members by login in place of id.
    pub(crate) members_by_login: bool,
    /// How many people are there before: more than a page, with pages of three where the server follows wishes.
    pub(crate) crowd: usize,
    /// The attributes to try, instead of those that most servers have.
    pub(crate) sample: fn(class: Class, who: &str) -> Option<Sample>,
    /// Filters that together find everybody, where pages do not.
    pub(crate) everybody: &'static [&'static str],
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            url: String::new(),
            prefix: String::new(),
            token: String::new(),
            patch: true,
            profile: ScimProfile::default(),
            marker: "externalId",
            needs: |who| json!({ "displayName": who }),
            group_needs: None,
            members_by_login: false,
            crowd: 5,
            sample: |class, who| Some(usual(class, who)),
            everybody: &[],
        }
    }
}

/// Attributes that most servers have.
pub(crate) fn usual(class: Class, who: &str) -> Sample {
    let phone = |number: &str, kind: &str| json!({ "value": number, "type": kind });
    let mail = |kind: &str, primary: bool| json!({ "value": format!("{who}@{kind}.example.com"), "type": kind, "primary": primary });
    let (attribute, first, second) = match class {
        Class::Text => ("title", json!("Engineer"), json!("Lead Engineer")),
        Class::Nested => ("name.givenName", json!("Ann"), json!("Anna")),
        Class::Many => (
            "phoneNumbers",
            json!([phone("+49 30 1", "work"), phone("+49 30 2", "mobile")]),
            json!([phone("+49 30 3", "work")]),
        ),
        Class::Extension => (DEPARTMENT, json!("R&D"), json!("Sales")),
        // Users have no flag but `active`; which address is the primary one is the next best.
        Class::Flag => (
            "emails",
            json!([mail("work", true), mail("home", false)]),
            json!([mail("work", false), mail("home", true)]),
        ),
    };
    Sample { attribute, first, second }
}

/// A SCIM server.
pub(crate) struct Scim {
    setup: Setup,
    turns: RwLock<()>,
    http: reqwest::Client,
    /// Kept, for it ends when dropped.
    _server: Box<dyn Any + Send + Sync>,
}

impl Scim {
    pub(crate) async fn new(setup: Setup, server: impl Any + Send + Sync) -> Self {
        let scim = Self { setup, turns: RwLock::default(), http: support::http(), _server: Box::new(server) };
        for n in 0..scim.setup.crowd {
            let who = format!("stranger{n}");
            scim.make(&scim.login(&who), &scim.needs(&who)).await;
        }
        scim
    }

    /// A call past everything: the status and the body, null when there is none.
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let url = format!("{}{}{path}", self.setup.url, self.setup.prefix);
        let mut request = self.http.request(method, &url).bearer_auth(&self.setup.token);
        if let Some(body) = body {
            request = request.header("content-type", "application/scim+json").body(body.to_string());
        }
        let answer = request.send().await.unwrap_or_else(|e| panic!("{url}: {e}"));
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    /// A call that must succeed.
    async fn must(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.call(method.clone(), path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// Everybody that a query finds, on all pages. Other cases come and go meanwhile, so it may have to begin again.
    async fn pages(&self, query: &str) -> Vec<RemoteAccount> {
        for _ in 0..100 {
            let mut found: BTreeMap<String, RemoteAccount> = BTreeMap::new();
            loop {
                let path = format!("/Users?{query}startIndex={}", found.len() + 1);
                let page = self.must(Method::GET, &path, None).await;
                let resources = page["Resources"].as_array().cloned().unwrap_or_default();
                let known = found.len();
                found.extend(
                    resources.iter().map(|user| self.shown(user)).map(|user| (user.id.clone(), user)),
                );
                let total = page["totalResults"].as_u64().expect("a total");
                match (found.len() as u64).cmp(&total) {
                    Ordering::Equal => return found.into_values().collect(),
                    Ordering::Less if found.len() > known => {}
                    _ => break,
                }
            }
        }
        panic!("{query}: the pages do not add up");
    }

    /// The account as a resource shows it, read by other code than the connector's.
    fn shown(&self, user: &Value) -> RemoteAccount {
        let names =
            Class::ALL.into_iter().filter_map(|class| self.sample(class, "")).map(|sample| sample.attribute);
        let needs = self.needs("");
        let text = |name: &str| user[name].as_str().map(str::to_owned);
        RemoteAccount {
            id: text("id").expect("an id"),
            login: text("userName").unwrap_or_default(),
            marker: value_at(user, self.setup.marker).as_str().map(str::to_owned),
            active: user["active"] != json!(false),
            attributes: names
                .chain(needs.keys().map(String::as_str))
                .chain(OF_THE_ACCOUNT.map(|(_, attribute)| attribute))
                .map(|name| (name.to_owned(), value_at(user, name).clone()))
                .filter(|(_, value)| !value.is_null())
                .collect(),
            terms: Arc::default(),
        }
    }
}

/// Where an attribute is, by the name that rules give it: the names of the objects that it is in, then its own.
fn places(name: &str) -> Vec<&str> {
    let (urn, name) = name.rsplit_once(':').map_or((None, name), |(urn, name)| (Some(urn), name));
    urn.into_iter().chain(name.split('.')).collect()
}

fn value_at<'a>(user: &'a Value, name: &str) -> &'a Value {
    places(name).into_iter().fold(user, |value, part| &value[part])
}

fn put_at(user: &mut Value, name: &str, value: &Value) {
    let place = places(name).into_iter().fold(user, |place, part| &mut place[part]);
    *place = value.clone();
}

impl Subject for Scim {
    type Connector = ScimClient;
    type Line = HttpLine;

    fn line(&self) -> HttpLine {
        HttpLine(RecordingProxy::start(&self.setup.url))
    }

    fn connector(&self, line: &HttpLine, wish: Wish) -> ScimClient {
        support::install_crypto();
        let mut profile = self.setup.profile.clone();
        profile.page_size = wish.page.or(profile.page_size);
        let config = ScimConfig {
            http: HttpConfig {
                base_url: format!("{}{}", line.0.url(), self.setup.prefix),
                ca_pem: None,
                timeout: Duration::from_secs(10),
                allow_insecure: true,
                user_agent: "tenure/test".to_owned(),
            },
            credentials: Credentials::Bearer(self.setup.token.clone().into()),
            marker_attribute: self.setup.marker.to_owned(),
            search_by: Vec::new(),
            profile,
            create_groups: wish.create_entitlements,
        };
        ScimClient::new(config, Fence::open(), Gate::new(GateConfig::default()), Arc::new(|_| {})).unwrap()
    }

    fn spec(&self) -> AppSpec {
        let token_secret_ref = SecretKeyRef { name: "app".to_owned(), key: "token".to_owned() };
        let scim = ScimConnector {
            base_url: self.setup.url.clone(),
            auth: ScimAuth { bearer: Some(BearerAuth { token_secret_ref }), ..ScimAuth::default() },
            ca_secret_ref: None,
            plain_http: PlainHttp::Refuse,
            group_creation: GroupCreation::OnDemand,
            profile: None,
            timeout_seconds: 10,
        };
        let mut spec = AppSpec {
            connector: Connector { scim: Some(scim), ..Connector::default() },
            ..AppSpec::default()
        };
        spec.marker.attribute = Some(self.setup.marker.to_owned());
        spec
    }

    fn turns(&self) -> &RwLock<()> {
        &self.turns
    }

    fn login(&self, who: &str) -> String {
        format!("{who}@example.com")
    }

    fn needs(&self, who: &str) -> BTreeMap<String, Value> {
        serde_json::from_value((self.setup.needs)(who)).unwrap()
    }

    fn sample(&self, class: Class, who: &str) -> Option<Sample> {
        (self.setup.sample)(class, who)
    }

    fn entitlement(&self, name: &str) -> EntitlementSpec {
        EntitlementSpec { kind: "group".to_owned(), value: name.to_owned() }
    }

    async fn account(&self, id: &str) -> Option<RemoteAccount> {
        let (status, user) = self.call(Method::GET, &format!("/Users/{id}"), None).await;
        (status == 200).then(|| self.shown(&user))
    }

    async fn accounts(&self) -> Vec<RemoteAccount> {
        if self.setup.everybody.is_empty() {
            return self.pages("").await;
        }
        let mut all = Vec::new();
        for filter in self.setup.everybody {
            all.extend(self.pages(&format!("filter={filter}&")).await);
        }
        all
    }

    async fn make(&self, login: &str, attributes: &BTreeMap<String, Value>) -> String {
        let mut user = json!({ "schemas": [USER], "userName": login, "active": true });
        for (name, value) in attributes {
            put_at(&mut user, name, value);
        }
        let made = self.must(Method::POST, "/Users", Some(&user)).await;
        made["id"].as_str().unwrap().to_owned()
    }

    async fn set(&self, id: &str, attribute: &str, value: &Value) {
        let path = format!("/Users/{id}");
        if self.setup.patch {
            let operation = json!({ "op": "replace", "path": attribute, "value": value });
            let body = json!({ "schemas": [PATCH], "Operations": [operation] });
            self.must(Method::PATCH, &path, Some(&body)).await;
            return;
        }
        let mut user = self.must(Method::GET, &path, None).await;
        put_at(&mut user, attribute, value);
        self.must(Method::PUT, &path, Some(&user)).await;
    }

    async fn suspend(&self, id: &str) {
        self.set(id, "active", &json!(false)).await;
    }

    async fn delete(&self, id: &str) {
        self.must(Method::DELETE, &format!("/Users/{id}"), None).await;
    }

    async fn make_entitlement(&self, entitlement: &EntitlementSpec) -> String {
        let mut group = json!({ "schemas": [GROUP], "displayName": entitlement.value });
        if let Some(needs) = self.setup.group_needs {
            let users = self.must(Method::GET, "/Users", None).await;
            json_patch::merge(&mut group, &needs(&users["Resources"][0]));
        }
        let made = self.must(Method::POST, "/Groups", Some(&group)).await;
        made["id"].as_str().unwrap().to_owned()
    }

    async fn delete_entitlement(&self, id: &str) {
        self.must(Method::DELETE, &format!("/Groups/{id}"), None).await;
    }

    async fn holders(&self, kind: &str, entitlement: &str) -> Vec<String> {
        if let Some(attribute) =
            OF_THE_ACCOUNT.iter().find(|(known, _)| *known == kind).map(|(_, name)| *name)
        {
            let mut all = self.accounts().await;
            let held = |value: &Value| value["value"] == entitlement;
            all.retain(|account| {
                account
                    .attributes
                    .get(attribute)
                    .and_then(Value::as_array)
                    .is_some_and(|all| all.iter().any(held))
            });
            return all.into_iter().map(|account| account.id).collect();
        }
        let group = self.must(Method::GET, &format!("/Groups/{entitlement}"), None).await;
        let members = group["members"].as_array().cloned().unwrap_or_default();
        let members = members.iter().map(|member| member["value"].as_str().unwrap().to_owned());
        if !self.setup.members_by_login {
            return members.collect();
        }
        let all: BTreeMap<_, _> =
            self.accounts().await.into_iter().map(|account| (account.login, account.id)).collect();
        members.map(|login| all.get(&login).cloned().unwrap_or(login)).collect()
    }
}

/// A recording proxy.
pub(crate) struct HttpLine(RecordingProxy);

impl HttpLine {
    /// Does this to the next request about accounts.
    fn once(&self, does: Does, action: &Action) {
        let methods: &[&str] = match does {
            Does::Create => &["POST"],
            Does::Change => &["PATCH", "PUT"],
            Does::Read => &["GET"],
        };
        for method in methods {
            self.0.inject(Rule::new(action.clone()).method(method).path("/Users").times(1));
        }
    }
}

impl Line for HttpLine {
    fn lose_reply(&self, does: Does) {
        self.once(does, &Action::DropReplyAfterForward);
    }

    fn throttle(&self, does: Does, seconds: u64) {
        self.once(does, &Action::retry_after(429, seconds));
    }

    fn pretend(&self, does: Does) {
        self.once(does, &Action::status(204));
    }

    fn revoke_credentials(&self) {
        let unknown = "Bearer canary-of-somebody-else".to_owned();
        self.0.inject(Rule::new(Action::Header("authorization".to_owned(), unknown)));
    }

    fn writes(&self) -> Vec<String> {
        let collection = |path: &str| if path.contains("/Groups") { "Groups" } else { "Users" };
        let writes = self.0.writes_since(0);
        writes.iter().map(|write| format!("{} {}", write.method, collection(&write.path))).collect()
    }

    fn forget(&self) {
        self.0.forget();
    }
}
