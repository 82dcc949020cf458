//! What follows from a sweep: people are looked at, in the ordinary way, with what was found.

use crate::api::sweep::{Drift, Orphans, StrayKind};
use crate::api::{AppSpec, Mode};
use crate::controllers::app::AppRuntime;
use crate::controllers::engine::{Engine, Touch};
use crate::controllers::user::act::Ending;
use crate::converge::sweep::{Finding, Found, Suspect};
use crate::runtime::index::{Key, Name};

impl Engine {
    /// Has people looked at about whom a sweep found something. `confirmed`: a person has said that accounts that are
    /// missing may be made again, however many.
    pub(super) fn follow(&self, app: &AppRuntime, spec: &AppSpec, found: &Found, confirmed: bool) {
        if spec.mode == Mode::DryRun {
            return;
        }
        let gone = found.gone.iter().filter(|_| confirmed || !found.mass);
        let suspects = found.suspects.iter().filter(|suspect| suspect.finding != Finding::EntitlementAdded);
        for suspect in suspects.chain(gone) {
            if spec.drift == Drift::Correct || suspect.finding.is_access() {
                self.suspect(app, suspect);
            }
        }
        if spec.orphans == Orphans::Suspend {
            let zombies = found.strays.iter().filter(|stray| stray.marked && stray.kind == StrayKind::Zombie);
            for zombie in zombies {
                self.look_at(app, &Name::from(zombie.user.as_str()), Finding::Zombie, 0);
            }
        }
    }

    fn suspect(&self, app: &AppRuntime, suspect: &Suspect) {
        let Suspect { person, finding, print, fields, .. } = suspect;
        tracing::info!(
            namespace = &*app.key.namespace,
            app = &*app.key.name,
            user = &**person,
            finding = finding.as_str(),
            fields = fields.join(","),
            "a sweep found an account that is not as it was left"
        );
        self.look_at(app, person, *finding, *print);
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
        if !settled && !matches!(ending, Ending::Refused(..)) {
            return;
        }
        let found = self.fleet.write(&key.namespace, |ns| ns.clear_suspicion(&key.name, &app.key.name));
        if acted || found.is_some() {
            app.sweep.refute(&key.name, found.filter(|_| settled && !acted));
        }
    }
}
