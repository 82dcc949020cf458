//! scim2-server, a strict SCIM server, behind a recording proxy.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::process::{Managed, command, tail};
use super::proxy::RecordingProxy;
use super::wait::poll;
use super::{http, installed, ports, workdir};

/// How the server is to be.
#[derive(Clone, Debug)]
pub struct Config {
    /// The bearer token it asks for.
    pub token: String,
    /// Serve under `/TENANT`.
    pub tenant: Option<String>,
    /// Changes to the service provider configuration it announces, and keeps to (a JSON merge patch):
    /// `{"patch": {"supported": false}}`, for example.
    pub service_provider_config: Option<Value>,
}

impl Default for Config {
    fn default() -> Self {
        Self { token: "test-token".to_owned(), tenant: None, service_provider_config: None }
    }
}

/// A running server. What it holds is in memory and ends with it.
pub struct ScimServer {
    process: Managed,
    proxy: RecordingProxy,
    config: Config,
    port: u16,
    http: reqwest::Client,
}

impl ScimServer {
    /// Starts one and waits until it answers.
    pub async fn start(config: Config) -> Self {
        let mut last = String::new();
        for _ in 0..5 {
            match Self::try_start(config.clone()).await {
                Ok(server) => return server,
                Err(reason) if reason.to_lowercase().contains("address already in use") => last = reason,
                Err(reason) => panic!("{reason}"),
            }
        }
        panic!("no free port for scim2-server: {last}");
    }

    async fn try_start(config: Config) -> Result<Self, String> {
        let port = ports::free();
        let folder = workdir::folder("scim2-server");
        let mut args =
            vec!["--port".to_owned(), port.to_string(), "--bearer-token".into(), config.token.clone()];
        if let Some(tenant) = &config.tenant {
            args.extend(["--tenant".to_owned(), tenant.clone()]);
        }
        if let Some(changes) = &config.service_provider_config {
            let path = folder.join("service-provider-config.json");
            std::fs::write(&path, provider_config(changes).to_string()).map_err(|e| e.to_string())?;
            args.extend(["--service-provider-config".to_owned(), path.display().to_string()]);
        }
        let program = venv().join("bin/scim2-server");
        let process = Managed::spawn("scim2-server", &command(&program, args), &folder.join("server.log"))
            .map_err(|e| format!("{}: {e}", program.display()))?;
        let proxy = RecordingProxy::start(&format!("http://127.0.0.1:{port}"));
        let server = Self { process, proxy, config, port, http: http() };
        let within = Duration::from_secs(30);
        let ready = poll(within, async || server.try_call(Method::GET, "/ServiceProviderConfig", None).await);
        let result = tokio::select! {
            result = ready => result.map(|_| ()),
            Some(status) = server.process.wait_exit(within) => Err(format!("ended with {status}")),
        };
        match result {
            Ok(()) => Ok(server),
            Err(e) => {
                Err(format!("scim2-server: {e}\n--- the end of its log\n{}", tail(&server.process.log())))
            }
        }
    }

    /// What an App is given: through the proxy, with tenant and version.
    pub fn base_url(&self) -> String {
        format!("{}{}", self.proxy.url(), self.prefix())
    }

    /// Where it is itself, past the proxy, without a path.
    pub fn direct_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The path of its base URL.
    pub fn prefix(&self) -> String {
        self.config.tenant.as_ref().map_or_else(|| "/v2".to_owned(), |t| format!("/{t}/v2"))
    }

    /// The bearer token.
    pub fn token(&self) -> &str {
        &self.config.token
    }

    /// The proxy: the log of requests, and faults.
    pub fn proxy(&self) -> &RecordingProxy {
        &self.proxy
    }

    /// The process: to kill or stop it.
    pub fn process(&self) -> &Managed {
        &self.process
    }

    /// All users. This, like every look of the test's own, passes by the proxy and is not recorded.
    pub async fn users(&self) -> Vec<Value> {
        self.all("/Users").await
    }

    /// All groups.
    pub async fn groups(&self) -> Vec<Value> {
        self.all("/Groups").await
    }

    /// The user of this login, letter case aside.
    pub async fn user_named(&self, user_name: &str) -> Option<Value> {
        let is = |u: &Value| u["userName"].as_str().is_some_and(|n| n.eq_ignore_ascii_case(user_name));
        self.users().await.into_iter().find(is)
    }

    /// Makes a user behind the operator's back; the answer is the user with its id.
    pub async fn create_user(&self, user: Value) -> Value {
        self.call(Method::POST, "/Users", Some(user)).await
    }

    /// Makes a group.
    pub async fn create_group(&self, group: Value) -> Value {
        self.call(Method::POST, "/Groups", Some(group)).await
    }

    /// Patches `/Users/ID` or `/Groups/ID` with these operations.
    pub async fn patch(&self, path: &str, operations: Value) {
        let schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
        self.call(Method::PATCH, path, Some(json!({ "schemas": [schema], "Operations": operations }))).await;
    }

    /// Deletes `/Users/ID` or `/Groups/ID`.
    pub async fn delete(&self, path: &str) {
        self.call(Method::DELETE, path, None).await;
    }

    /// Any call, past the proxy; null when the answer has no body. Panics when it is refused.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        self.try_call(method, path, body).await.unwrap_or_else(|e| panic!("{e}"))
    }

    /// Any call, past the proxy.
    pub async fn try_call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, String> {
        let url = format!("{}{}{path}", self.direct_url(), self.prefix());
        let mut request = self.http.request(method.clone(), &url).bearer_auth(&self.config.token);
        if let Some(body) = body {
            request = request.header("content-type", "application/scim+json").body(body.to_string());
        }
        let fail = |e: reqwest::Error| format!("{method} {url}: {e}");
        let answer = request.send().await.map_err(fail)?;
        let status = answer.status();
        let text = answer.text().await.map_err(fail)?;
        if !status.is_success() {
            return Err(format!("{method} {url}: {status} {text}"));
        }
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    async fn all(&self, path: &str) -> Vec<Value> {
        let mut found = Vec::new();
        loop {
            let page = format!("{path}?startIndex={}&count=500", found.len() + 1);
            let answer = self.call(Method::GET, &page, None).await;
            let resources = answer["Resources"].as_array().cloned().unwrap_or_default();
            let total = answer["totalResults"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
            let empty = resources.is_empty();
            found.extend(resources);
            if empty || found.len() >= total {
                return found;
            }
        }
    }
}

/// What the server announces by itself, with these changes.
fn provider_config(changes: &Value) -> Value {
    let mut config = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true},
        "bulk": {"supported": true, "maxOperations": 1000, "maxPayloadSize": 1_048_576},
        "filter": {"supported": true, "maxResults": 1000},
        "changePassword": {"supported": true},
        "sort": {"supported": true},
        "etag": {"supported": true},
        "authenticationSchemes": [{
            "type": "oauthbearertoken", "name": "Bearer token", "description": "A static bearer token",
        }],
    });
    json_patch::merge(&mut config, changes);
    config
}

fn venv() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| installed("tools/test-servers/scim2-server/install.sh"))
}
