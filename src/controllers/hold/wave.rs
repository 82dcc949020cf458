//! Waves: counted when they are quiet, let go whole or frozen in a Hold.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio::time::Instant;

use super::gate::{Gate, in_use};
use super::status;
use crate::api::{self, Hold, HoldSpec, HoldStatus, Reason};
use crate::controllers::conditions::whole_seconds;
use crate::controllers::engine::{Engine, Touch};
use crate::controllers::patch::MANAGER;
use crate::controllers::user::guard::Ground;
use crate::converge::Cause;
use crate::converge::budget::{Class, Excess, FrozenSet, Removal, Verdict};
use crate::runtime::events::Notice;
use crate::runtime::failpoint;
use crate::runtime::index::{Key, Name};

/// People in one Hold at most.
const MAX_PEOPLE: usize = 50_000;
/// How often a name is tried that a Hold of the past has.
const NAMES: usize = 100;
const PATIENCE: Duration = Duration::from_secs(15);

impl Engine {
    /// Looks whether a wave of this App can be counted, and sees to what follows.
    pub(super) async fn judge(&self, gate: &Gate) {
        if gate.is_resting() || !gate.with(|budget, _| budget.is_active()) {
            return;
        }
        for class in Class::ALL {
            if gate.with(|budget, now| budget.is_settled(class, now)) == Some(true) {
                self.judge_wave(gate, class).await;
            }
        }
    }

    async fn judge_wave(&self, gate: &Gate, class: Class) {
        let Some((spec, uid, target)) = self.app_of(gate) else { return };
        if class != Class::Personal {
            if self.is_deciding() || self.is_looking(gate) {
                return;
            }
            match self.guard.ground(&gate.key.namespace, Instant::now()).await {
                Ground::Firm => {}
                Ground::Vanishing(reason) => return self.release_deleted(gate, class, reason),
                Ground::Behind | Ground::Unclear(_) => return gate.rest(),
            }
            if self.is_deciding() {
                return;
            }
        }
        gate.set_limits(&spec, self.settings.settle);
        let accounts = self.fleet.read(&gate.key.namespace, |ns| in_use(ns, &gate.key.name));
        let taken = gate.with(|budget, now| {
            budget.measured(accounts.unwrap_or_default(), now);
            let names = budget.wave(class).flat_map(|(_, removal)| removal.entitlements.iter().cloned());
            names.collect::<std::collections::BTreeSet<_>>()
        });
        let holders: std::collections::HashMap<_, _> =
            taken.into_iter().map(|name| (name.clone(), self.holders(gate, &name))).collect();
        let verdict = gate.with(|budget, now| {
            let holders = |name: &str| holders.get(name).copied().unwrap_or_default();
            let verdict = budget.judge(class, holders, now);
            let admitted = if verdict == Verdict::Passes { budget.admit(class) } else { Vec::new() };
            (verdict, admitted)
        });
        match verdict {
            (Verdict::Held(excess), _) => {
                let wave = gate.with(|budget, _| {
                    let wave = budget.wave(class);
                    wave.map(|(name, removal)| (Name::from(name), removal.clone())).collect()
                });
                self.freeze(gate, (wave, class), &excess, None, (&uid, &target)).await;
            }
            (_, admitted) => {
                for name in admitted {
                    self.touch(Touch::Again(Key::new(gate.key.namespace.clone(), name)));
                }
            }
        }
    }

    pub(super) fn app_of(&self, gate: &Gate) -> Option<(std::sync::Arc<api::AppSpec>, String, String)> {
        let found = self.fleet.read(&gate.key.namespace, |ns| {
            let app = ns.apps.get(&gate.key.name)?;
            let spec = app.spec.clone()?;
            let target = crate::controllers::app::target::hash(&spec);
            Some((spec, app.meta.uid.clone(), target))
        });
        found.flatten()
    }

    /// Whether accounts are being looked at that may turn out to have something taken away.
    fn is_looking(&self, gate: &Gate) -> bool {
        let Some(app) = self.known_app(&gate.key) else { return false };
        gate.expected().iter().any(|person| app.is_under_way(person))
    }

    /// The namespace or the definitions are being deleted: Users that are being deleted are let go of; the others wait
    /// for their own deletion.
    fn release_deleted(&self, gate: &Gate, class: Class, reason: Reason) {
        let deleted = gate.with(|budget, _| {
            let wave = budget.wave(class).filter(|(_, removal)| removal.cause == Some(Cause::UserDeleted));
            wave.map(|(name, _)| Name::from(name)).collect::<Vec<_>>()
        });
        for name in deleted {
            self.keep_accounts(&Key::new(gate.key.namespace.clone(), name), reason);
        }
    }

    /// Freezes a wave, or what lies ahead, in a Hold. `due_from`: when the first of it falls due, if that lies ahead.
    pub(super) async fn freeze(
        &self,
        gate: &Gate,
        (mut wave, class): (Vec<(Name, Removal)>, Class),
        excess: &Excess,
        due_from: Option<Timestamp>,
        (uid, target): (&str, &str),
    ) {
        // Those beyond are another Hold, as they are still there when this one is made.
        wave.truncate(MAX_PEOPLE);
        let frozen = FrozenSet::of(wave.iter().map(|(_, removal)| removal));
        let digest = frozen.digest(&gate.key.name, target);
        let mut held = status::frozen(&wave, class, excess, due_from.map(whole_seconds));
        held.app = gate.key.name.to_string();
        uid.clone_into(&mut held.app_uid);
        target.clone_into(&mut held.target);
        digest.clone_into(&mut held.digest);
        held.frozen = frozen.encode();
        match self.make_hold(gate, held).await {
            Ok(name) => {
                gate.with(|budget, _| budget.hold(class, &name, |removal| frozen.holds(removal)));
                tracing::warn!(app = %gate.key, hold = name, people = wave.len(), "removals are held");
                self.announce_hold(gate, uid, &name, wave.len());
                self.summaries.namespace(&gate.key.namespace);
            }
            Err(problem) => {
                tracing::warn!(app = %gate.key, problem, "a Hold could not be made; nothing is removed meanwhile");
                gate.rest();
            }
        }
    }

    /// Makes the Hold with this status, or finds it made; its name.
    async fn make_hold(&self, gate: &Gate, status: HoldStatus) -> Result<String, String> {
        let api = Api::<Hold>::namespaced(self.client.clone(), &gate.key.namespace);
        for attempt in 0..NAMES {
            let name = name(&gate.key.name, &status.digest, attempt);
            let key = Key::new(gate.key.namespace.clone(), name.as_str());
            let made = match self.made(&api, &name, &gate.key.name).await? {
                hold if hold.status.as_ref().is_none_or(|s| s.digest.is_empty()) => hold,
                hold => {
                    let stored = hold.status.as_ref();
                    let same = stored.is_some_and(|s| {
                        s.digest == status.digest
                            && s.app_uid == status.app_uid
                            && s.outcome == status.outcome
                    });
                    if same {
                        self.know_hold(&key, hold);
                        return Ok(name);
                    }
                    continue;
                }
            };
            failpoint::hit("after-hold");
            let patch = json!({"metadata": {"uid": made.uid()}, "status": status});
            let params = PatchParams::apply(MANAGER);
            let patch = Patch::Merge(&patch);
            let write = api.patch_status(&name, &params, &patch);
            let written = tokio::time::timeout(PATIENCE, write).await.map_err(|e| e.to_string())?;
            self.metrics.api_write("Hold", if written.is_ok() { "ok" } else { "failed" });
            self.know_hold(&key, written.map_err(|e| e.to_string())?);
            return Ok(name);
        }
        Err("every name is taken: delete old Holds".to_owned())
    }

    async fn made(&self, api: &Api<Hold>, name: &str, app: &str) -> Result<Hold, String> {
        let mut hold = Hold::new(name, HoldSpec::default());
        hold.metadata.labels = Some([(api::APP_LABEL.to_owned(), label(app))].into());
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let create = api.create(&params, &hold);
        match tokio::time::timeout(PATIENCE, create).await.map_err(|e| e.to_string())? {
            Ok(hold) => Ok(hold),
            Err(kube::Error::Api(status)) if status.code == 409 => {
                api.get(name).await.map_err(|e| e.to_string())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Takes a Hold into the index before the watch brings it: those whom it has frozen must not be taken for new.
    pub(super) fn know_hold(&self, key: &Key, hold: Hold) {
        self.fleet.write(&key.namespace, |ns| {
            let epoch = ns.holds.get(&key.name).map_or(0, |old| old.meta.epoch());
            ns.put_hold(&key.name, hold, epoch);
        });
    }

    fn announce_hold(&self, gate: &Gate, uid: &str, hold: &str, people: usize) {
        let regarding = ObjectReference {
            api_version: Some(format!("{}/{}", api::GROUP, api::VERSION)),
            kind: Some("App".to_owned()),
            namespace: Some(gate.key.namespace.to_string()),
            name: Some(gate.key.name.to_string()),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        };
        let note = format!("{people} removals are held: approve or reject Hold {hold}");
        let reason = Reason::RemovalsHeld;
        self.events.publish(Notice { regarding, warning: true, action: "Hold", reason, note });
    }
}

/// The name that a set gets, so that it is the same after a crash.
pub(in crate::controllers) fn name(app: &str, digest: &str, attempt: usize) -> String {
    let app: String = app.chars().take(200).collect();
    let digest: String = digest.trim_start_matches("sha256:").chars().take(10).collect();
    match attempt {
        0 => format!("{app}-{digest}"),
        _ => format!("{app}-{digest}-{attempt}"),
    }
}

/// A label's value is shorter than a name may be.
fn label(app: &str) -> String {
    app.chars().take(63).collect::<String>().trim_end_matches(['-', '.']).to_owned()
}
