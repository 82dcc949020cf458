//! What follows from a sweep: people are looked at, in the ordinary way, with what was found.

use std::collections::BTreeSet;

use crate::api::sweep::{Drift, Orphans};
use crate::api::{AccountState, AppSpec, Mode};
use crate::controllers::app::AppRuntime;
use crate::controllers::engine::{Engine, Touch};
use crate::controllers::user::SOON;
use crate::controllers::user::act::Ending;
use crate::converge::sweep::{Finding, Found, Suspect};
use crate::converge::{Lane, MAX_ENTITLEMENTS, ledger_id};
use crate::runtime::index::{Key, Name};

impl Engine {
    /// Has people looked at about whom a sweep found something. `confirmed`: a person has said that accounts that are
    /// missing may be made again, however many. `ours`: entitlements that only Tenure grants, by type and remote id.
    pub(super) fn follow(
        &self,
        app: &AppRuntime,
        spec: &AppSpec,
        found: &Found,
        confirmed: bool,
        ours: &BTreeSet<(String, String)>,
    ) {
        if spec.mode == Mode::DryRun {
            return;
        }
        let ours: BTreeSet<_> = ours.iter().filter_map(|(kind, id)| ledger_id(kind, id).ok()).collect();
        let gone = found.gone.iter().filter(|_| confirmed || !found.mass);
        for suspect in found.suspects.iter().chain(gone) {
            match suspect.finding {
                finding if spec.drift == Drift::Report && !finding.is_access() => {}
                Finding::EntitlementAdded => self.claim(app, suspect, &ours),
                _ => self.suspect(app, suspect),
            }
        }
        // What bears a leaver's marker is a leaver's access; only where there is no prefix may others have written it.
        let ours = !spec.marker.prefix.is_empty();
        let zombies =
            found.zombies.iter().filter(|(_, left)| spec.orphans == Orphans::Suspend || (**left && ours));
        for (person, _) in zombies {
            self.look_at(app, person, Finding::Zombie, 0);
        }
    }

    /// Puts entitlements that only Tenure grants into the ledger of somebody who holds them otherwise. From then on they
    /// are held like any other: those that nothing grants are taken away, within the budget. `ours`: as the ledger writes
    /// them.
    fn claim(&self, app: &AppRuntime, suspect: &Suspect, ours: &BTreeSet<String>) {
        let Key { namespace, name } = &app.key;
        let key = Key::new(namespace.clone(), suspect.person.clone());
        let entry = self.person(&key).and_then(|person| person.entry(name).cloned());
        let Some(mut entry) = entry.filter(|entry| entry.state == AccountState::Active) else { return };
        let held: BTreeSet<_> = entry.entitlements.iter().cloned().collect();
        let claimed: Vec<_> =
            suspect.fields.iter().filter(|e| ours.contains(*e) && !held.contains(*e)).collect();
        if claimed.is_empty() || held.len() + claimed.len() > MAX_ENTITLEMENTS {
            return;
        }
        entry.entitlements.extend(claimed.into_iter().cloned());
        entry.entitlements.sort();
        entry.applied.clear();
        tell(app, suspect);
        self.recorder.result(&key, name, Some(entry), Lane::Change, SOON);
        self.touch(Touch::Changed(key));
    }

    fn suspect(&self, app: &AppRuntime, suspect: &Suspect) {
        tell(app, suspect);
        self.look_at(app, &suspect.person, suspect.finding, suspect.print);
    }

    fn look_at(&self, app: &AppRuntime, person: &Name, finding: Finding, print: u64) {
        let Key { namespace, name } = &app.key;
        self.fleet.write(namespace, |ns| ns.suspect(person, name, finding, print));
        self.touch(Touch::Changed(Key::new(namespace.clone(), person.clone())));
    }

    /// A pass has come to an end: what a sweep had found about the account has been looked at, unless the pass was cut
    /// off. `acted`: it changed something there.
    pub(in crate::controllers) fn looked_at(
        &self,
        app: &AppRuntime,
        key: &Key,
        ending: &Ending,
        acted: bool,
    ) {
        let settled = matches!(ending, Ending::Settled(_));
        if !ending.is_looked_at() {
            return;
        }
        let found = self.fleet.write(&key.namespace, |ns| ns.clear_suspicion(&key.name, &app.key.name));
        if acted || found.is_some() {
            app.sweep.refute(&key.name, found.filter(|_| settled && !acted));
        }
    }
}

fn tell(app: &AppRuntime, suspect: &Suspect) {
    let Suspect { person, finding, fields, .. } = suspect;
    tracing::info!(
        namespace = &*app.key.namespace,
        app = &*app.key.name,
        user = &**person,
        finding = finding.as_str(),
        fields = fields.join(","),
        "a sweep found an account that is not as it was left"
    );
}
