//! A namespace with people and two Apps in it, and what is done there.

use std::ops::Range;
use std::time::Duration;

use futures::{StreamExt, stream};
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::people;
use crate::support::fast_target::{Config, FastTarget};
use crate::support::{ControlPlane, Operator, Scene, process};

/// Clients at the same time, of the benchmark's own; the operator has as many writers.
pub const CLIENTS: usize = 16;
/// Names of the Apps.
pub const APPS: [&str; 2] = ["crm", "git"];
/// When waiting makes no sense any more.
const PATIENCE: Duration = Duration::from_mins(10);

/// A namespace with two Apps that everybody has an account in.
pub struct Site {
    pub scene: Scene,
    pub targets: [FastTarget; 2],
}

/// The control plane of the whole run.
pub async fn plane() -> &'static ControlPlane {
    ControlPlane::shared().await
}

/// Has the operator onboard a few people, so that nothing measured later is the first of its kind. Returns one of the
/// statuses that it wrote.
pub async fn warm_up() -> Value {
    crate::progress("starting the control plane and warming up");
    let site = Site::new("warm-up").await;
    site.create(0..200).await;
    let operator = site.operate().await;
    site.onboarded(&operator, 0, 200).await;
    let status = site.scene.get("User", &people::name(7)).await["status"].take();
    stop(&operator).await;
    status
}

impl Site {
    /// Makes one on the control plane of the run.
    pub async fn new(prefix: &str) -> Self {
        let scene = Scene::on(plane().await, prefix).await;
        let targets = APPS.map(|_| FastTarget::start(Config::default()));
        scene.apply("Role", "employee", json!({"match": "user.employeeType == 'Employee'"})).await;
        for (app, target) in APPS.iter().zip(&targets) {
            scene.app(app, &target.base_url(), "not-checked", json!({})).await;
            let spec = json!({"roleRef": {"name": "employee"}, "appRef": {"name": app}});
            scene.apply("AppBinding", &format!("employee-{app}"), spec).await;
        }
        let site = Self { scene, targets };
        site.put_released_lease().await;
        site
    }

    /// A Lease that its last holder gave up, as after a rollout. Where there is none, one may have been deleted, and the
    /// operator waits for as long as it could have been valid.
    async fn put_released_lease(&self) {
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "tenure"},
            "spec": {"holderIdentity": "", "leaseDurationSeconds": 1, "leaseTransitions": 1},
        });
        let lease = serde_json::from_value(lease).expect("a Lease");
        self.scene.api("Lease").create(&PostParams::default(), &lease).await.expect("a Lease");
    }

    /// Creates people.
    pub async fn create(&self, people: Range<usize>) {
        create(&self.scene, people).await;
    }

    /// Starts the operator for this namespace, as it is released.
    pub async fn operate(&self) -> Operator {
        let plane = self.scene.plane;
        Operator::builder(plane.direct_kubeconfig_path(), &self.scene.namespace).start().await
    }

    /// Accounts at the target that has fewer.
    pub fn accounts(&self) -> usize {
        self.targets.iter().map(FastTarget::user_count).min().unwrap_or_default()
    }

    /// Waits until `people` people more than `before` have their accounts, and this operator has written their
    /// statuses.
    pub async fn onboarded(&self, operator: &Operator, before: usize, people: usize) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut written = (0.0, tokio::time::Instant::now());
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let metrics = operator.metrics().await;
            let now = metrics.sum("tenure_api_writes_total", &[("kind", "UserStatus"), ("result", "ok")]);
            if now > written.0 {
                written = (now, tokio::time::Instant::now());
            }
            let complete = self.accounts() >= before + people && now >= people as f64;
            // A second without a write: the last of them is done.
            if complete && written.1.elapsed() >= Duration::from_secs(1) {
                return;
            }
            let log = || process::tail(&operator.log());
            assert!(operator.process().is_running(), "the operator ended\n{}", log());
            let stand = format!("{} accounts an App and {now} statuses", self.accounts());
            assert!(
                tokio::time::Instant::now() < deadline,
                "{people} people expected, {stand} there\n{}",
                log()
            );
        }
    }
}

/// A User as the API server has it.
pub struct Made {
    pub name: String,
    pub uid: String,
    pub resource_version: String,
    pub spec: Value,
}

/// Creates people in the namespace of a scene.
pub async fn create(scene: &Scene, people: Range<usize>) -> Vec<Made> {
    let api = scene.api("User");
    let one = async |i: usize| {
        let (name, spec) = (people::name(i), people::spec(i, &[]));
        let user = json!({"apiVersion": "tenure.dev/v1alpha1", "kind": "User", "metadata": {"name": name}, "spec": spec});
        let user = serde_json::from_value(user).expect("a User");
        let mut made =
            api.create(&PostParams::default(), &user).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        Made {
            name,
            uid: made.metadata.uid.unwrap_or_default(),
            resource_version: made.metadata.resource_version.unwrap_or_default(),
            spec: made.data["spec"].take(),
        }
    };
    stream::iter(people).map(one).buffer_unordered(CLIENTS).collect().await
}

/// Asks an operator to end, so that it gives the lease up.
pub async fn stop(operator: &Operator) {
    operator.process().stop(Duration::from_secs(30)).await;
}
