//! The harness: a real control plane, real target servers, and the means to break both.
//!
//! Every integration test begins with `mod support;`. Nothing here fakes what the operator talks
//! to: the control plane is kube-apiserver and etcd, targets are products behind a recording
//! proxy. The one exception, [`fast_target`], is for load alone.
#![allow(dead_code, unused_imports, reason = "each test binary uses a part of the harness")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_in_result,
    clippy::struct_field_names,
    clippy::needless_pass_by_value,
    reason = "a harness that cannot do its work must fail the test; names are those of the protocols"
)]

pub mod audit;
pub mod clock;
pub mod cluster;
pub mod control_plane;
pub mod datastore;
pub mod fast_target;
pub mod holds;
pub mod hostile;
pub mod kubectl;
pub mod ldap;
pub mod ldap_proxy;
pub mod metrics;
pub mod operator;
pub mod pki;
pub mod ports;
pub mod process;
pub mod proxy;
pub mod relay;
pub mod scene;
pub mod scim_server;
pub mod sweeps;
pub mod targets;
pub mod wait;
pub mod workdir;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use tokio::runtime::Runtime;

pub use audit::Entry;
pub use control_plane::{ControlPlane, Options};
pub use kubectl::Kubectl;
pub use ldap_proxy::LdapProxy;
pub use operator::Operator;
pub use process::Managed;
pub use proxy::{Action, RecordingProxy, Rule};
pub use scene::Scene;
pub use scim_server::ScimServer;
pub use targets::Target;
pub use wait::eventually;

/// Runs the harness's own servers (proxies, relays).
///
/// They must not live on a test's runtime: a test that blocks its only thread would stop them, and
/// what is shared between tests would end with the test that happened to start it.
pub fn background() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("harness")
            .enable_all()
            .build()
            .expect("the harness's runtime")
    })
}

/// A client for loopback servers: no proxy from the environment, no redirects, every call bounded.
pub fn http() -> reqwest::Client {
    install_crypto();
    reqwest::Client::builder()
        // A kept connection that the server is just closing would fail a request for no fault of anybody's.
        .pool_max_idle_per_host(0)
        .no_proxy()
        .no_gzip()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(30))
        .build()
        .expect("an HTTP client")
}

/// Chooses rustls' crypto for the process; whoever comes first wins, and all choose the same.
pub fn install_crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A path inside the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs an installer of `tools/` and returns the folder it prints as its last line.
pub fn installed(script: &str) -> PathBuf {
    let output = std::process::Command::new(repository(script))
        .stderr(std::process::Stdio::inherit())
        .output()
        .unwrap_or_else(|e| panic!("{script}: {e}"));
    assert!(output.status.success(), "{script} failed: {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    PathBuf::from(text.lines().last().unwrap_or_else(|| panic!("{script} printed no folder")).trim())
}
