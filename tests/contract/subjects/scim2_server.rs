//! scim2-server: keeps to whatever service provider configuration it is given.

use serde_json::{Value, json};

use super::scim::{Scim, Setup};
use crate::support::ScimServer;
use crate::support::scim_server::Config;

/// One whose service provider configuration has these changes (a JSON merge patch).
pub(crate) async fn scim2_server(changes: Value, tenant: Option<&str>) -> Scim {
    let patch = changes["patch"]["supported"] != json!(false);
    let token = "canary-scim2-server-8d1e".to_owned();
    let server = ScimServer::start(Config {
        token: token.clone(),
        tenant: tenant.map(str::to_owned),
        service_provider_config: Some(changes),
    })
    .await;
    let setup = Setup { url: server.direct_url(), prefix: server.prefix(), token, patch, ..Setup::default() };
    Scim::new(setup, server).await
}

/// Pages of three, by cursor.
pub(crate) fn cursors() -> Value {
    json!({ "pagination": {
        "cursor": true, "index": true, "defaultPaginationMethod": "cursor",
        "defaultPageSize": 3, "maxPageSize": 3, "cursorTimeout": 3600,
    } })
}

/// Only what RFC 7644 demands: no PATCH, no filters, no versions, no bulk, no sorting.
pub(crate) fn bare() -> Value {
    let off = json!({ "supported": false });
    let mut all = json!({ "patch": off, "etag": off, "sort": off, "changePassword": off });
    all["filter"] = json!({ "supported": false, "maxResults": 1000 });
    all["bulk"] = json!({ "supported": false, "maxOperations": 0, "maxPayloadSize": 0 });
    all
}
