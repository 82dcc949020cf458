//! A real control plane of one's own: etcd, kube-apiserver and, where asked for, kube-controller-manager.
//!
//! This file starts, stops and hurts the processes; `cluster` holds what tests ask of the cluster,
//! `datastore` what they do to etcd.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::sync::OnceCell;

use super::audit::Audit;
use super::pki::Pki;
use super::process::{Managed, command, read_log, tail};
use super::relay::Relay;
use super::wait::poll;
use super::{Kubectl, http, install_crypto, installed, ports, workdir};

/// Generous: two cores that also compile need it.
const READY: Duration = Duration::from_secs(90);
/// Everything that clients ask, whatever the kind: a claim of "no writes" is about all of them. Left out
/// are the control plane's own loops and the probes.
const AUDIT_POLICY: &str = r#"{
  "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
  "rules": [
    {"level": "None", "users": ["system:apiserver", "system:kube-controller-manager"]},
    {"level": "None", "nonResourceURLs": ["*"]},
    {"level": "Metadata"}
  ]
}"#;

/// What a control plane is started with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Start kube-controller-manager too: namespace deletion, garbage collection, default service accounts.
    pub controllers: bool,
    /// Further flags of kube-apiserver.
    pub apiserver_args: Vec<String>,
}

#[derive(Clone, Copy)]
pub(super) struct Ports {
    pub(super) etcd: u16,
    peer: u16,
    apiserver: u16,
}

/// A control plane. Dropping it kills its processes and removes its data.
pub struct ControlPlane {
    pub(super) dir: PathBuf,
    binaries: PathBuf,
    options: Options,
    pki: Pki,
    pub(super) ports: Ports,
    etcd: Mutex<Option<Managed>>,
    apiserver: Mutex<Option<Managed>>,
    controllers: OnceCell<Managed>,
    relay: Relay,
    kubeconfig: PathBuf,
    direct_kubeconfig: PathBuf,
    pub(super) installing: tokio::sync::Mutex<()>,
}

impl ControlPlane {
    /// The control plane that all tests of this binary share, each in a namespace of its own.
    ///
    /// Tests that freeze, kill, restore or count across namespaces start their own.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
        SHARED.get_or_init(|| Self::start(Options::default())).await
    }

    /// Starts one and waits until it is ready.
    pub async fn start(options: Options) -> Self {
        install_crypto();
        let mut last = String::new();
        for _ in 0..5 {
            let plane = Self::prepare(options.clone());
            match plane.bring_up().await {
                Ok(()) => {
                    if options.controllers {
                        plane.ensure_controllers().await;
                    }
                    return plane;
                }
                // Somebody else took one of the ports between the look and the start.
                Err(reason) if reason.contains("address already in use") => last = reason,
                Err(reason) => panic!("{reason}"),
            }
        }
        panic!("no free ports for a control plane: {last}");
    }

    fn prepare(options: Options) -> Self {
        let dir = workdir::folder("control-plane");
        let pki = Pki::create(&dir);
        let ports = Ports { etcd: ports::free(), peer: ports::free(), apiserver: ports::free() };
        let relay = Relay::start(ports.apiserver);
        std::fs::write(dir.join("audit-policy.json"), AUDIT_POLICY).expect("the audit policy");
        let mut plane = Self {
            binaries: binaries().to_owned(),
            options,
            pki,
            ports,
            etcd: Mutex::default(),
            apiserver: Mutex::default(),
            controllers: OnceCell::new(),
            kubeconfig: PathBuf::new(),
            direct_kubeconfig: PathBuf::new(),
            relay,
            installing: tokio::sync::Mutex::default(),
            dir,
        };
        let admin = serde_json::json!({
            "client-certificate": plane.pki.admin.cert, "client-key": plane.pki.admin.key,
        });
        let controllers = serde_json::json!({
            "client-certificate": plane.pki.controllers.cert, "client-key": plane.pki.controllers.key,
        });
        plane.kubeconfig = plane.write_kubeconfig("admin", plane.relay.port(), &admin);
        plane.direct_kubeconfig = plane.write_kubeconfig("direct", ports.apiserver, &admin);
        plane.write_kubeconfig("controllers", ports.apiserver, &controllers);
        plane
    }

    async fn bring_up(&self) -> Result<(), String> {
        self.run_etcd().await?;
        self.run_apiserver().await
    }

    pub(super) fn write_kubeconfig(&self, name: &str, port: u16, user: &serde_json::Value) -> PathBuf {
        let content = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://127.0.0.1:{port}"), "certificate-authority": self.pki.ca,
            }}],
            "users": [{"name": "test", "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        });
        let path = self.dir.join(format!("{name}.kubeconfig"));
        std::fs::write(&path, content.to_string()).expect("a kubeconfig");
        path
    }

    async fn run_etcd(&self) -> Result<(), String> {
        let (client, peer) = (self.ports.etcd, self.ports.peer);
        let args = [
            "--name=default".to_owned(),
            format!("--data-dir={}", self.etcd_data().display()),
            format!("--listen-client-urls=http://127.0.0.1:{client}"),
            format!("--advertise-client-urls=http://127.0.0.1:{client}"),
            format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
            format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
            format!("--initial-cluster=default=http://127.0.0.1:{peer}"),
            "--unsafe-no-fsync".to_owned(),
            "--log-level=warn".to_owned(),
            "--quota-backend-bytes=8589934592".to_owned(),
        ];
        let process = self.spawn("etcd", &args)?;
        let url = format!("http://127.0.0.1:{client}/health");
        let probe = http();
        ready(&process, async || {
            let text =
                async { probe.get(&url).send().await?.text().await }.await.map_err(|e| e.to_string())?;
            if text.contains("\"true\"") { Ok(()) } else { Err(text) }
        })
        .await?;
        *self.etcd.lock().unwrap() = Some(process);
        Ok(())
    }

    async fn run_apiserver(&self) -> Result<(), String> {
        let process = self.spawn("kube-apiserver", &self.apiserver_args())?;
        ready(&process, async || {
            let request = http::Request::get("/readyz").body(Vec::new()).map_err(|e| e.to_string())?;
            let answer = self.client().await.request_text(request).await;
            answer.map(|_| ()).map_err(|e| format!("{e:?}"))
        })
        .await?;
        *self.apiserver.lock().unwrap() = Some(process);
        Ok(())
    }

    fn apiserver_args(&self) -> Vec<String> {
        let file = |path: &Path| path.display().to_string();
        let mut args = vec![
            format!("--etcd-servers=http://127.0.0.1:{}", self.ports.etcd),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            format!("--secure-port={}", self.ports.apiserver),
            format!("--tls-cert-file={}", file(&self.pki.server.cert)),
            format!("--tls-private-key-file={}", file(&self.pki.server.key)),
            format!("--client-ca-file={}", file(&self.pki.ca)),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-signing-key-file={}", file(&self.pki.service_account_key)),
            format!("--service-account-key-file={}", file(&self.pki.service_account_public)),
            "--authorization-mode=RBAC".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            "--disable-admission-plugins=ServiceAccount".to_owned(),
            format!("--audit-policy-file={}", file(&self.dir.join("audit-policy.json"))),
            format!("--audit-log-path={}", file(&self.dir.join("audit.log"))),
            // Counts must be exact: no batches that are still in memory, no rotation.
            "--audit-log-mode=blocking".to_owned(),
            "--audit-log-maxsize=100000".to_owned(),
        ];
        args.extend(self.options.apiserver_args.iter().cloned());
        args
    }

    fn spawn(&self, program: &str, args: &[String]) -> Result<Managed, String> {
        let path = self.binaries.join(program);
        let log = self.dir.join(format!("{program}.log"));
        Managed::spawn(program, &command(&path, args), &log).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// Starts kube-controller-manager, once, and waits until it works.
    ///
    /// Most tests do without it: it costs 90 MB and a second.
    pub async fn ensure_controllers(&self) {
        self.controllers.get_or_init(|| self.run_controllers()).await;
    }

    async fn run_controllers(&self) -> Managed {
        let port = ports::free();
        let args = [
            "--controllers=namespace-controller,garbage-collector-controller,serviceaccount-controller"
                .to_owned(),
            "--leader-elect=false".to_owned(),
            format!("--kubeconfig={}", self.dir.join("controllers.kubeconfig").display()),
            format!("--service-account-private-key-file={}", self.pki.service_account_key.display()),
            format!("--root-ca-file={}", self.pki.ca.display()),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
        ];
        let process = self.spawn("kube-controller-manager", &args).unwrap_or_else(|e| panic!("{e}"));
        let works = ready(&process, async || self.service_account_exists("default", "default").await).await;
        works.unwrap_or_else(|e| panic!("{e}"));
        process
    }

    /// An administrator's client on the caller's runtime. It does not go through the relay and never retries.
    ///
    /// A client belongs to the runtime it was made on: tests make their own, they do not share.
    pub async fn client(&self) -> Client {
        client_from(&self.direct_kubeconfig).await
    }

    /// An administrator's kubeconfig, through the relay that [`Self::drop_watches`] cuts.
    pub fn kubeconfig_path(&self) -> &Path {
        &self.kubeconfig
    }

    /// The same without the relay, which costs a measurement a copy of every byte.
    pub fn direct_kubeconfig_path(&self) -> &Path {
        &self.direct_kubeconfig
    }

    /// The relay that all kubeconfigs of this control plane lead through.
    pub fn relay(&self) -> &Relay {
        &self.relay
    }

    /// A further relay, to cut off one operator of several: see [`Self::kubeconfig_through`].
    pub fn new_relay(&self) -> Relay {
        Relay::start(self.ports.apiserver)
    }

    /// A kubeconfig as given, but leading through another relay.
    pub fn kubeconfig_through(&self, relay: &Relay, kubeconfig: &Path) -> PathBuf {
        let text = read_log(kubeconfig);
        let ours = format!("127.0.0.1:{}", self.relay.port());
        assert!(text.contains(&ours), "{} is not of this control plane", kubeconfig.display());
        let text = text.replace(&ours, &format!("127.0.0.1:{}", relay.port()));
        workdir::file("relayed.kubeconfig", &text)
    }

    /// kubectl as administrator.
    pub fn kubectl(&self) -> Kubectl {
        Kubectl::new(&self.binaries.join("kubectl"), &self.direct_kubeconfig)
    }

    /// kubectl with another kubeconfig, to see what somebody else may do.
    pub fn kubectl_as(&self, kubeconfig: &Path) -> Kubectl {
        Kubectl::new(&self.binaries.join("kubectl"), kubeconfig)
    }

    /// What clients asked of the API server.
    pub fn audit(&self) -> Audit {
        Audit::new(self.dir.join("audit.log"))
    }

    /// Stops the API server where it is: connections stay open, nothing answers.
    pub fn freeze_apiserver(&self) {
        self.with_apiserver(Managed::sigstop);
    }

    /// Lets a frozen API server go on.
    pub fn thaw_apiserver(&self) {
        self.with_apiserver(Managed::sigcont);
    }

    /// The API server's memory in KiB, for reports.
    pub fn apiserver_resident_kib(&self) -> Option<u64> {
        self.with_apiserver(Managed::resident_kib)
    }

    /// The API server's process id.
    pub fn apiserver_pid(&self) -> i32 {
        self.with_apiserver(Managed::pid)
    }

    fn with_apiserver<T>(&self, action: impl FnOnce(&Managed) -> T) -> T {
        action(self.apiserver.lock().unwrap().as_ref().expect("the API server runs"))
    }

    /// Kills the API server: connections are reset, new ones refused.
    pub fn kill_apiserver(&self) {
        self.apiserver.lock().unwrap().take();
    }

    /// Starts a killed API server again, on the same port.
    pub async fn start_apiserver(&self) {
        self.run_apiserver().await.unwrap_or_else(|e| panic!("{e}"));
    }

    /// Ends every connection that came through a kubeconfig of this control plane, watches included.
    ///
    /// The API server stays up and [`Self::client`] is not touched: a watch that comes back finds
    /// its place. For one that must not find its place (410), see [`Self::expire_watches`].
    pub fn drop_watches(&self) {
        self.relay.cut();
    }

    pub(super) async fn stop_all(&self) {
        self.kill_apiserver();
        let etcd = self.etcd.lock().unwrap().take();
        if let Some(etcd) = etcd {
            etcd.stop(Duration::from_secs(10)).await;
        }
    }

    pub(super) async fn start_all(&self) {
        self.bring_up().await.unwrap_or_else(|e| panic!("{e}"));
    }

    pub(super) fn etcd_data(&self) -> PathBuf {
        self.dir.join("etcd-data")
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        drop(self.controllers.take());
        self.kill_apiserver();
        drop(self.etcd.lock().unwrap().take());
        if std::env::var_os(workdir::KEEP).is_none() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// A client for a kubeconfig file, without kube's retries: a test wants to see the first answer.
pub async fn client_from(kubeconfig: &Path) -> Client {
    install_crypto();
    let parsed =
        Kubeconfig::read_from(kubeconfig).unwrap_or_else(|e| panic!("{}: {e}", kubeconfig.display()));
    let mut config = kube::Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default())
        .await
        .unwrap_or_else(|e| panic!("{}: {e}", kubeconfig.display()));
    config.default_retry = false;
    config.proxy_url = None;
    Client::try_from(config).expect("a client")
}

/// Waits for the probe, but no longer than the process lives.
async fn ready(process: &Managed, probe: impl AsyncFnMut() -> Result<(), String>) -> Result<(), String> {
    let result = tokio::select! {
        result = poll(READY, probe) => result,
        Some(status) = process.wait_exit(READY) => Err(format!("ended with {status}")),
    };
    result.map_err(|reason| {
        format!("{}: {reason}\n--- the end of its log\n{}", process.name(), tail(&process.log()))
    })
}

fn binaries() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| match std::env::var_os("TENURE_CONTROL_PLANE") {
        Some(folder) => folder.into(),
        None => installed("tools/control-plane/build.sh"),
    })
}
