//! Third-party servers, each as its makers ship it: SCIM servers behind a recording proxy, and directories.

pub mod better_auth;
pub mod canaille;
pub mod django_scim2_server;
pub mod samba;
pub mod scimmy;
pub mod slapd;

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::process::{Managed, command, tail};
use super::proxy::RecordingProxy;
use super::wait::poll;
use super::{http, installed, ports, workdir};

/// A running server of whatever make. What it holds ends with it.
pub struct Target {
    process: Managed,
    proxy: RecordingProxy,
    http: reqwest::Client,
    prefix: String,
    token: String,
    port: u16,
}

/// How a server is started on a port, with a folder of its own to work in.
pub(super) struct Launch {
    /// For logs and messages.
    pub name: &'static str,
    pub program: PathBuf,
    pub args: Vec<String>,
    /// Tokens belong here, not into `args`, which every user of the machine can read.
    pub env: Vec<(String, String)>,
    /// The path of its SCIM base: `/scim/v2`.
    pub prefix: String,
    /// The bearer token it asks for.
    pub token: String,
    /// An absolute path that answers with success, given the token, once the server can be used.
    pub ready: &'static str,
}

/// Starts a server and waits until it answers; with another port when the port was taken meanwhile.
pub(super) async fn launch(build: impl Fn(u16, &Path) -> Launch) -> Target {
    let mut last = String::new();
    for _ in 0..5 {
        match try_launch(&build).await {
            Ok(target) => return target,
            Err(reason) if reason.to_lowercase().contains("address already in use") => last = reason,
            Err(reason) => panic!("{reason}"),
        }
    }
    panic!("no free port: {last}");
}

async fn try_launch(build: impl Fn(u16, &Path) -> Launch) -> Result<Target, String> {
    let (port, folder) = (ports::free(), workdir::folder("target"));
    let Launch { name, program, args, env, prefix, token, ready } = build(port, &folder);
    let mut command = command(&program, args);
    command.envs(env).current_dir(&folder);
    let process = Managed::spawn(name, &command, &folder.join("server.log"))
        .map_err(|e| format!("{}: {e}", program.display()))?;
    let proxy = RecordingProxy::start(&format!("http://127.0.0.1:{port}"));
    let target = Target { process, proxy, http: http(), prefix, token, port };
    let within = Duration::from_mins(2);
    let result = tokio::select! {
        result = poll(within, async || target.answers(ready).await) => result,
        Some(status) = target.process.wait_exit(within) => Err(format!("ended with {status}")),
    };
    result.map_err(|e| format!("{name}: {e}\n--- the end of its log\n{}", tail(&target.process.log())))?;
    Ok(target)
}

/// How a server that is an `app.mjs` on Node.js is started; what else it needs is the caller's to add.
fn node(name: &'static str, installer: &str, port: u16, prefix: &str, token: &str) -> Launch {
    let runtime = installed("tools/test-servers/node/install.sh");
    let platform = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "x64",
    };
    Launch {
        name,
        program: runtime.join(format!("node_modules/node-linux-{platform}/bin/node")),
        args: vec![installed(installer).join("app.mjs").display().to_string(), port.to_string()],
        env: Vec::new(),
        prefix: prefix.to_owned(),
        token: token.to_owned(),
        ready: "/",
    }
}

/// Copies a prepared file into the folder that a server is started in.
fn copied(file: &Path, folder: &Path) {
    let name = file.file_name().expect("the name of a file");
    std::fs::copy(file, folder.join(name)).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
}

impl Target {
    /// What an App is given: through the proxy.
    pub fn base_url(&self) -> String {
        format!("{}{}", self.proxy.url(), self.prefix)
    }

    /// Where it is itself, past the proxy, without a path.
    pub fn direct_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The path of its SCIM base.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The bearer token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The proxy: the log of requests, and faults.
    pub fn proxy(&self) -> &RecordingProxy {
        &self.proxy
    }

    /// The process: to kill or stop it.
    pub fn process(&self) -> &Managed {
        &self.process
    }

    /// A SCIM call past the proxy, so that it is not recorded; `path` is relative to the SCIM base.
    ///
    /// The answer's status and body, null when the body is no JSON.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let bearer = format!("Bearer {}", self.token);
        let mut headers = vec![("authorization", bearer.as_str())];
        if body.is_some() {
            headers.push(("content-type", "application/scim+json"));
        }
        let path = format!("{}{path}", self.prefix);
        let (status, _, body) = self.direct(method, &path, &headers, body.map(|b| b.to_string())).await;
        (status, body)
    }

    /// PATCH with these operations (RFC 7644 section 3.5.2), past the proxy.
    pub async fn patch(&self, path: &str, operations: Value) -> (u16, Value) {
        let schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
        let body = json!({ "schemas": [schema], "Operations": operations });
        self.call(Method::PATCH, path, Some(body)).await
    }

    /// Any call past the proxy: `path` is absolute on the server, credentials are the caller's.
    pub async fn direct(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> (u16, HeaderMap, Value) {
        self.try_direct(&method, path, headers, body)
            .await
            .unwrap_or_else(|e| panic!("{}: {method} {path}: {e}", self.process.name()))
    }

    async fn try_direct(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> reqwest::Result<(u16, HeaderMap, Value)> {
        let url = format!("{}{path}", self.direct_url());
        let mut request = self.http.request(method.clone(), url);
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("the name of a header");
            request = request.header(name, HeaderValue::from_str(value).expect("the value of a header"));
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await?;
        Ok((status, headers, serde_json::from_str(&text).unwrap_or_default()))
    }

    async fn answers(&self, path: &str) -> Result<(), String> {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("authorization", bearer.as_str())];
        match self.try_direct(&Method::GET, path, &headers, None).await {
            Ok((200..=299, ..)) => Ok(()),
            Ok((status, _, body)) => Err(format!("GET {path}: {status} {body}")),
            Err(e) => Err(format!("GET {path}: {e}")),
        }
    }
}
