//! A namespace with people and Apps in it, and what is done there.

use std::ops::Range;
use std::time::Duration;

use futures::{StreamExt, stream};
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::people;
use crate::scim::Sample;
use crate::support::{ControlPlane, Operator, Scene, process};
use crate::target::{Kind, Target};

/// Clients at the same time, of the benchmark's own; the operator has as many writers.
pub const CLIENTS: usize = 16;
/// Names of the Apps.
pub const APPS: [&str; 2] = ["crm", "git"];
/// When waiting makes no sense any more.
const PATIENCE: Duration = Duration::from_mins(10);

/// Two of the fast target.
pub const TWO: [Kind; 2] = [Kind::Fast, Kind::Fast];

/// A namespace with Apps that everybody has an account in.
pub struct Site {
    pub scene: Scene,
    pub targets: Vec<Target>,
}

/// What the operator wrote in a run that does not count.
pub struct Templates {
    /// A User's status, with accounts in two Apps.
    pub status: Value,
    /// An account.
    pub account: Sample,
}

/// The control plane of the whole run.
pub async fn plane() -> &'static ControlPlane {
    ControlPlane::shared().await
}

/// Has the operator onboard a few people, so that nothing measured later is the first of its kind.
pub async fn warm_up() -> Templates {
    crate::progress("starting the control plane and warming up");
    let site = Site::new("warm-up", &TWO, &Value::Null).await;
    site.create(0..200, &[]).await;
    let operator = site.operate().await;
    site.onboarded(&operator, 0, 200).await;
    let status = site.scene.get("User", &people::name(7)).await["status"].take();
    stop(&operator).await;
    let Target::Fast(target) = &site.targets[0] else { panic!("not the fast target") };
    let mut users = target.users();
    let account = users.iter_mut().find(|user| user["userName"] == people::login(7)).expect("an account");
    Templates { status, account: Sample::new(account.take(), 7) }
}

impl Site {
    /// Makes one on the control plane of the run, with an App for each of these, all with the same limits.
    pub async fn new(prefix: &str, kinds: &[Kind], limits: &Value) -> Self {
        let scene = Scene::on(plane().await, prefix).await;
        let mut targets = Vec::new();
        scene.apply("Role", "employee", json!({"match": "user.employeeType == 'Employee'"})).await;
        for (app, kind) in APPS.iter().zip(kinds) {
            let target = Target::start(*kind).await;
            // Measured is how fast leavers go when many do: none of them is to be held.
            let budget = json!({"percent": 100, "minimum": 100_000, "maximum": 100_000, "express": 1_000, "allowUnbounded": true});
            let spec = json!({ "limits": limits, "removalBudget": budget });
            scene.app(app, &target.base_url(), target.token(), spec).await;
            targets.push(target);
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

    /// Creates people, with these roles assigned.
    pub async fn create(&self, people: Range<usize>, roles: &[String]) {
        create(&self.scene, people, roles).await;
    }

    /// Starts the operator for this namespace, as it is released.
    pub async fn operate(&self) -> Operator {
        let plane = self.scene.plane;
        Operator::builder(plane.direct_kubeconfig_path(), &self.scene.namespace).start().await
    }

    /// Accounts at the target that has fewer.
    pub fn accounts(&self) -> usize {
        self.targets.iter().map(Target::accounts).min().unwrap_or_default()
    }

    /// Waits until everywhere there are as many accounts.
    pub async fn have(&self, accounts: usize) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.accounts() < accounts {
            assert!(tokio::time::Instant::now() < deadline, "{} of {accounts} accounts", self.accounts());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until `people` people more than `before` have their accounts, and this operator has written their
    /// statuses.
    pub async fn onboarded(&self, operator: &Operator, before: usize, people: usize) {
        self.have(before + people).await;
        self.written(operator, people).await;
    }

    /// Waits until this operator has written as many statuses as there are people, and then nothing for a second.
    pub async fn written(&self, operator: &Operator, people: usize) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut written = (0.0, tokio::time::Instant::now());
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let metrics = operator.metrics().await;
            let now = metrics.sum("tenure_api_writes_total", &[("kind", "UserStatus"), ("result", "ok")]);
            if now > written.0 {
                written = (now, tokio::time::Instant::now());
            }
            // A second without a write: the last of them is done.
            if now >= people as f64 && written.1.elapsed() >= Duration::from_secs(1) {
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
pub async fn create(scene: &Scene, people: Range<usize>, roles: &[String]) -> Vec<Made> {
    let api = scene.api("User");
    let one = async |i: usize| {
        let (name, spec) = (people::name(i), people::spec(i, roles));
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
