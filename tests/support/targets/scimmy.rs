//! SCIMMY, a SCIM library, in the Express application its makers suggest.

use super::{Launch, Target, launch, node};

/// Starts one, everything in memory, and waits until it answers.
pub async fn start() -> Target {
    let token = "canary-scimmy";
    launch(|port, _| Launch {
        env: vec![("TOKEN".to_owned(), token.to_owned())],
        ready: "/scim/ServiceProviderConfig",
        ..node("scimmy", "tools/test-servers/scimmy/install.sh", port, "/scim", token)
    })
    .await
}
