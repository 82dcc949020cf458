//! The operator itself, as a process: what is released is what is tested.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::metrics::Metrics;
use super::process::{Managed, tail};
use super::wait::poll;
use super::{http, ports, workdir};

/// A running `tenure run`. Dropping it kills it.
pub struct Operator {
    process: Managed,
    port: u16,
    http: reqwest::Client,
}

/// How to start one.
#[derive(Clone, Debug)]
pub struct Builder {
    kubeconfig: PathBuf,
    namespace: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl Operator {
    /// An operator for a namespace.
    pub fn builder(kubeconfig: &Path, namespace: &str) -> Builder {
        Builder {
            kubeconfig: kubeconfig.to_owned(),
            namespace: namespace.to_owned(),
            args: Vec::new(),
            env: Vec::new(),
        }
    }

    /// Waits until `/readyz` says yes; panics with the end of its log when it does not, or when it ends.
    pub async fn wait_ready(&self, within: Duration) {
        let ready = poll(within, async || self.probe("/readyz").await.map(|_| ()));
        let result = tokio::select! {
            result = ready => result,
            Some(status) = self.process.wait_exit(within) => Err(format!("it ended with {status}")),
        };
        result.unwrap_or_else(|e| panic!("the operator: {e}\n--- the end of its log\n{}", tail(&self.log())));
    }

    /// Gets a path of its HTTP endpoint: the body, or what went wrong.
    pub async fn probe(&self, path: &str) -> Result<String, String> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let answer = self.http.get(&url).send().await.map_err(|e| e.to_string())?;
        let status = answer.status();
        let text = answer.text().await.map_err(|e| e.to_string())?;
        if status.is_success() { Ok(text) } else { Err(format!("{path}: {status} {text}")) }
    }

    /// Its metrics now.
    pub async fn metrics(&self) -> Metrics {
        Metrics::parse(&self.probe("/metrics").await.unwrap_or_else(|e| panic!("{e}")))
    }

    /// The port of its HTTP endpoint.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process: to kill, stop or await it.
    pub fn process(&self) -> &Managed {
        &self.process
    }

    /// Everything it logged so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// What it logged as JSON; a panic's text, say, is not among it.
    pub fn log_lines(&self) -> Vec<Value> {
        self.log().lines().filter_map(|l| serde_json::from_str(l).ok()).collect()
    }

    /// Its audit lines: those whose target is `audit`, or a module of that name.
    pub fn audit_lines(&self) -> Vec<Value> {
        let is_audit = |line: &Value| {
            let target = line["target"].as_str().unwrap_or_default();
            target.rsplit("::").next() == Some("audit")
        };
        self.log_lines().into_iter().filter(is_audit).collect()
    }
}

impl Drop for Operator {
    /// Nothing that it logged or measured may hold a secret.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let metrics = scrape(self.port).unwrap_or_default();
        for (place, text) in [("the log", self.log()), ("the metrics", metrics)] {
            assert!(!text.contains(super::scene::CANARY), "a secret is in {place} of the operator");
        }
    }
}

/// The metrics, without a runtime: for use while a test is being taken down.
fn scrape(port: u16) -> std::io::Result<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

impl Builder {
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }

    /// Ends the process at a named point of its work.
    #[must_use]
    pub fn failpoint(self, name: &str) -> Self {
        self.env("TENURE_FAILPOINT", name)
    }

    /// A lease that passes to another replica within a test's patience.
    #[must_use]
    pub fn short_lease(self) -> Self {
        self.args(["--lease-duration", "6s", "--renew-deadline", "4s", "--retry-period", "500ms"])
    }

    /// Starts it, and does not wait.
    pub fn spawn(self) -> Operator {
        let port = ports::free();
        let folder = workdir::folder("operator");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
        command
            .args(["run", "--namespace", &self.namespace])
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .args(["--log-format", "json"])
            // Test servers are plain http on loopback.
            .arg("--allow-insecure-targets")
            .args(&self.args)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("NO_PROXY", "127.0.0.1,localhost")
            .env("RUST_BACKTRACE", "1")
            .current_dir(&folder)
            .envs(self.env.iter().map(|(k, v)| (k, v)));
        let log = folder.join("operator.log");
        let process = Managed::spawn("tenure", &command, &log).unwrap_or_else(|e| panic!("tenure: {e}"));
        Operator { process, port, http: http() }
    }

    /// Starts it and waits until it is ready.
    pub async fn start(self) -> Operator {
        let operator = self.spawn();
        operator.wait_ready(Duration::from_secs(30)).await;
        operator
    }
}
