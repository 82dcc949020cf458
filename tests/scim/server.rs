//! A running scim2-server and a connector to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tenure::api::scim::ScimProfile;
use tenure::connectors::fence::Fence;
use tenure::connectors::gate::{Gate, GateConfig};
use tenure::connectors::http::{Credentials, HttpConfig, RequestReport};
use tenure::connectors::scim::{Scim, ScimConfig};
use tenure::converge::NewAccount;

use crate::support::scim_server::Config;
use crate::support::{self, ScimServer};

pub(crate) const TOKEN: &str = "canary-token-8d1e";

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

pub(crate) struct Server(ScimServer);

impl Server {
    /// Starts a server of this profile.
    pub(crate) async fn start(profile: Profile) -> Self {
        support::install_crypto();
        let service_provider_config = Some(profile.config());
        Self(
            ScimServer::start(Config {
                token: TOKEN.to_owned(),
                service_provider_config,
                ..Config::default()
            })
            .await,
        )
    }

    /// What the server shows, past the connector.
    pub(crate) async fn get(&self, path: &str) -> Value {
        self.0.call(Method::GET, path, None).await
    }

    /// Makes something behind the connector's back; answers its id.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> String {
        let made = self.0.call(Method::POST, path, Some(body.clone())).await;
        made["id"].as_str().unwrap().to_owned()
    }

    /// Changes something behind the connector's back.
    pub(crate) async fn patch(&self, path: &str, operations: Value) {
        self.0.patch(path, operations).await;
    }

    pub(crate) fn connector(&self) -> (Scim, Arc<Mutex<Vec<RequestReport>>>) {
        self.connector_at("", TOKEN)
    }

    pub(crate) fn connector_at(&self, path: &str, token: &str) -> (Scim, Arc<Mutex<Vec<RequestReport>>>) {
        self.connector_as(path, token, ScimProfile::default())
    }

    pub(crate) fn connector_as(
        &self,
        path: &str,
        token: &str,
        profile: ScimProfile,
    ) -> (Scim, Arc<Mutex<Vec<RequestReport>>>) {
        connect(format!("{}{path}", self.0.base_url()), token, "externalId", profile)
    }
}

/// A connector to a service provider, and what it reports of its requests.
pub(crate) fn connect(
    base_url: String,
    token: &str,
    marker: &str,
    profile: ScimProfile,
) -> (Scim, Arc<Mutex<Vec<RequestReport>>>) {
    let reports: Arc<Mutex<Vec<RequestReport>>> = Arc::default();
    let kept = reports.clone();
    let http = HttpConfig {
        base_url,
        ca_pem: None,
        timeout: Duration::from_secs(10),
        allow_insecure: true,
        user_agent: "tenure/test".to_owned(),
    };
    let config = ScimConfig {
        http,
        credentials: Credentials::Bearer(token.into()),
        marker_attribute: marker.to_owned(),
        search_by: Vec::new(),
        profile,
        create_groups: true,
    };
    let gate = Gate::new(GateConfig::default());
    let meter = Arc::new(move |report: &RequestReport| kept.lock().unwrap().push(*report));
    (Scim::new(config, Fence::open(), gate, meter).unwrap(), reports)
}

pub(crate) fn person(login: &str, marker: &str, attributes: &Value) -> NewAccount {
    let attributes: BTreeMap<String, Value> = serde_json::from_value(attributes.clone()).unwrap();
    NewAccount { login: login.to_owned(), marker: ("externalId".to_owned(), marker.to_owned()), attributes }
}
