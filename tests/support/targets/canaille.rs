//! canaille, an identity provider: it ignores filters, and fails with an HTML page labelled as SCIM.

use std::ops::Deref;
use std::sync::OnceLock;

use serde::Deserialize;

use super::{Launch, Target, copied, launch};
use crate::support::installed;

/// A running canaille: the SCIM server, whose token is one of its client's, and that client.
pub struct Canaille {
    target: Target,
    client: &'static Client,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Client {
    client_id: String,
    client_secret: String,
    token: String,
}

impl Deref for Canaille {
    type Target = Target;

    fn deref(&self) -> &Target {
        &self.target
    }
}

impl Canaille {
    /// Starts one, without people and groups, and waits until it answers.
    pub async fn start() -> Self {
        let environment = installed("tools/test-servers/canaille/install.sh");
        let client = client();
        let target = launch(|port, folder| {
            copied(&environment.join("template/canaille.sqlite"), folder);
            let config = environment.join("template/canaille.toml").display().to_string();
            // No workers: the process serves by itself. A worker would load everything once more, and
            // outlive a killed parent.
            let args = ["run", "--workers", "0", "--bind", &format!("127.0.0.1:{port}")];
            Launch {
                name: "canaille",
                program: environment.join("bin/canaille"),
                args: args.map(str::to_owned).into(),
                env: vec![("CANAILLE_CONFIG".to_owned(), config)],
                prefix: "/scim/v2".to_owned(),
                token: client.token.clone(),
                ready: "/scim/v2/ServiceProviderConfig",
            }
        });
        Self { target: target.await, client }
    }

    /// Where the client gets tokens by the client credentials grant, through the proxy.
    pub fn token_url(&self) -> String {
        format!("{}/oauth/token", self.proxy().url())
    }

    /// The client's id.
    pub fn client_id(&self) -> &str {
        &self.client.client_id
    }

    /// The client's secret. The token endpoint takes it by HTTP Basic alone.
    pub fn client_secret(&self) -> &str {
        &self.client.client_secret
    }
}

fn client() -> &'static Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    let text = include_str!("../../../tools/test-servers/canaille/credentials.json");
    CLIENT.get_or_init(|| serde_json::from_str(text).expect("credentials.json"))
}
