//! kubectl, the way people and pipelines use the API.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A kubectl with its kubeconfig.
#[derive(Clone, Debug)]
pub struct Kubectl {
    binary: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// This kubectl, with this kubeconfig.
    pub fn new(binary: &Path, kubeconfig: &Path) -> Self {
        Self { binary: binary.to_owned(), kubeconfig: kubeconfig.to_owned() }
    }

    /// Runs it; standard output, or what it said was wrong.
    pub async fn run(&self, args: &[&str]) -> Result<String, String> {
        self.run_with(args, String::new()).await
    }

    /// Runs it with this on standard input.
    pub async fn run_with(&self, args: &[&str], input: String) -> Result<String, String> {
        let mut command = Command::new(&self.binary);
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(args);
        command.env_remove("KUBECONFIG");
        tokio::task::spawn_blocking(move || run(command, &input)).await.expect("kubectl's thread")
    }

    /// Runs it and blocks: for use while a test is being taken down.
    pub fn run_now(&self, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.binary);
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(args).env_remove("KUBECONFIG");
        run(command, "")
    }

    /// Applies manifests.
    pub async fn apply(&self, yaml: &str) -> Result<String, String> {
        self.run_with(&["apply", "-f", "-"], yaml.to_owned()).await
    }

    /// Applies manifests in a namespace.
    pub async fn apply_in(&self, namespace: &str, yaml: &str) -> Result<String, String> {
        self.run_with(&["--namespace", namespace, "apply", "-f", "-"], yaml.to_owned()).await
    }

    /// Deletes what manifests name.
    pub async fn delete(&self, yaml: &str) -> Result<String, String> {
        self.run_with(&["delete", "--wait=false", "-f", "-"], yaml.to_owned()).await
    }

    /// An object as JSON.
    pub async fn get_json(&self, args: &[&str]) -> Result<serde_json::Value, String> {
        let args: Vec<&str> = ["get", "--output", "json"].iter().chain(args).copied().collect();
        serde_json::from_str(&self.run(&args).await?).map_err(|e| e.to_string())
    }
}

fn run(mut command: Command, input: &str) -> Result<String, String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{}: {e}", command.get_program().display()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may end without reading all; what it says then is worth more than this error.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|e| e.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}
