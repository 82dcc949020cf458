//! A running scim2-server and a connector to it.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tenure::connectors::fence::Fence;
use tenure::connectors::gate::{Gate, GateConfig};
use tenure::connectors::http::{Credentials, HttpConfig, RequestReport};
use tenure::connectors::scim::{Scim, ScimConfig};
use tenure::converge::NewAccount;

const TOKEN: &str = "canary-token-8d1e";

/// What the server announces, and keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Everything but cursors.
    Full,
    /// Pages of three, by cursor.
    Cursor,
    /// Neither PATCH nor filters: PUT and listings must do.
    Bare,
}

impl Profile {
    fn config(self) -> Value {
        let on = json!({ "supported": true });
        let bare = json!({ "supported": self != Self::Bare });
        let mut filter = bare.clone();
        filter["maxResults"] = json!(1000);
        let mut config = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
            "patch": bare, "filter": filter, "etag": on, "sort": on, "changePassword": on,
            "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
            "authenticationSchemes": [],
        });
        if self == Self::Cursor {
            config["pagination"] = json!({
                "cursor": true, "index": true, "defaultPaginationMethod": "cursor",
                "defaultPageSize": 3, "maxPageSize": 3, "cursorTimeout": 3600,
            });
        }
        config
    }
}

pub(crate) struct Server {
    process: Child,
    pub(crate) url: String,
    http: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// Starts `$SCIM2_SERVER`, by default the `scim2-server` of the path, and waits until it answers.
    pub(crate) async fn start(profile: Profile) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let program = std::env::var("SCIM2_SERVER").unwrap_or_else(|_| "scim2-server".to_owned());
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.json");
        std::fs::write(&config, profile.config().to_string()).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let process = Command::new(&program)
            .args([
                "--port",
                &port.to_string(),
                "--bearer-token",
                TOKEN,
                "--service-provider-config",
            ])
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}: pip install 'scim2-server[cursor]==0.8.3'"));
        let url = format!("http://127.0.0.1:{port}/v2");
        let server = Self {
            process,
            url,
            http: reqwest::Client::new(),
            _folder: folder,
        };
        for _ in 0..300 {
            if server.try_get("/ServiceProviderConfig").await.is_some() {
                return server;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("scim2-server does not answer");
    }

    async fn try_get(&self, path: &str) -> Option<Value> {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(TOKEN);
        request
            .send()
            .await
            .ok()?
            .error_for_status()
            .ok()?
            .json()
            .await
            .ok()
    }

    /// What the server shows, past the connector.
    pub(crate) async fn get(&self, path: &str) -> Value {
        self.try_get(path).await.unwrap()
    }

    /// Makes something behind the connector's back; answers its id.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> String {
        let request = self.http.post(format!("{}{path}", self.url)).bearer_auth(TOKEN);
        let request = request
            .header("content-type", "application/scim+json")
            .body(body.to_string());
        let made: Value = request
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap()
            .json()
            .await
            .unwrap();
        made["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn connector(&self) -> (Scim, Arc<Mutex<Vec<RequestReport>>>) {
        self.connector_with(TOKEN)
    }

    pub(crate) fn connector_with(&self, token: &str) -> (Scim, Arc<Mutex<Vec<RequestReport>>>) {
        let reports: Arc<Mutex<Vec<RequestReport>>> = Arc::default();
        let kept = reports.clone();
        let http = HttpConfig {
            base_url: self.url.clone(),
            ca_pem: None,
            timeout: Duration::from_secs(10),
            allow_insecure: true,
            user_agent: "tenure/test".to_owned(),
        };
        let config = ScimConfig {
            http,
            credentials: Credentials::Bearer(token.into()),
            marker_attribute: "externalId".to_owned(),
            create_groups: true,
        };
        let gate = Gate::new(GateConfig::default());
        let meter = Arc::new(move |report: &RequestReport| kept.lock().unwrap().push(*report));
        (Scim::new(config, Fence::open(), gate, meter).unwrap(), reports)
    }
}

pub(crate) fn person(login: &str, marker: &str, attributes: &Value) -> NewAccount {
    let attributes: BTreeMap<String, Value> = serde_json::from_value(attributes.clone()).unwrap();
    NewAccount {
        login: login.to_owned(),
        marker: ("externalId".to_owned(), marker.to_owned()),
        attributes,
    }
}
