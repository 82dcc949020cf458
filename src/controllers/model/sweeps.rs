//! The sweep of an App: the real one, over the index of the process.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt;
use jiff::Timestamp;

use super::fixture::{APPS, PREFIX};
use super::process::{Process, key};
use super::sim::Sim;
use super::target::Wire;
use crate::access::Phase;
use crate::api::AppSpec;
use crate::connectors::Connector;
use crate::controllers::app::target;
use crate::controllers::user::decide::OwnedContext;
use crate::converge::sweep::{Finding, Found, Inconclusive, Ledgers, Named, People, Present, Sweep};
use crate::converge::{Cause, RemoteAccount, Wanted};

/// The people, as `controllers::app::sweep::people` knows them.
struct Folk<'a> {
    process: &'a Process,
    app: usize,
    target: String,
    now: Timestamp,
}

impl People for Folk<'_> {
    fn present<T>(&self, person: &str, look: impl FnOnce(Option<&Present<'_>>) -> T) -> T {
        let app = APPS[self.app];
        let Some(decision) = self.process.decide(&key(&person.into()), Some(app), self.now) else {
            return look(None);
        };
        let account = decision.accounts.iter().find(|account| *account.app == *app);
        let (nobody, nowhere) = (Wanted::Gone(Cause::Unassign), AppSpec::default());
        let nothing = OwnedContext::nothing(app.into(), self.target.clone());
        let context = account.map_or(&nothing, |account| &account.context);
        let held = self.process.desks[self.app].is_held(person);
        let due = account.is_some_and(|account| account.is_pending(held));
        let mut queue = self.process.queue.iter();
        look(Some(&Present {
            wanted: account.map_or(&nobody, |account| &account.wanted),
            entry: account.and_then(|account| account.entry.as_ref()),
            pending: due || queue.any(|(_, of, name)| *of == self.app && **name == *person),
            left: decision.lifecycle.phase == Phase::Left,
            stalled: decision.is_stalled_twin(),
            context: context.at(context.spec.as_deref().unwrap_or(&nowhere), self.now),
        }))
    }

    fn with_id(&self, person_id: &str) -> Vec<Arc<str>> {
        self.process.ns.same_person(person_id).map(|(name, _)| name.clone()).collect()
    }

    fn with_login(&self, login: &str) -> Vec<Arc<str>> {
        let is = |person: &crate::runtime::index::StoredPerson| person.user_name().as_deref() == Some(login);
        self.process.ns.users().filter(|(_, person)| is(person)).map(|(name, _)| name.clone()).collect()
    }

    fn is_touched(&self, _: &str) -> bool {
        false
    }

    fn is_refuted(&self, person: &str, finding: Finding, print: u64) -> bool {
        let known = self.process.refuted.get(&(self.app, person.into()));
        known.is_some_and(|known| {
            let place = known.findings.binary_search(&finding).ok();
            place.and_then(|place| known.prints.get(place)) == Some(&print)
        })
    }

    fn shows(&self, _: &RemoteAccount, _: &str, _: &str) -> Option<bool> {
        None
    }
}

impl Sim {
    /// Lists all accounts of an App and has people looked at.
    pub(super) fn sweep(&self, app: usize) {
        let Some(found) = self.list(app) else { return };
        let mut process = self.process.lock();
        let gone = found.gone.iter().filter(|_| !found.mass);
        let suspects = found.suspects.iter().filter(|suspect| suspect.finding != Finding::EntitlementAdded);
        for suspect in suspects.chain(gone) {
            process.ns.suspect(&suspect.person, &APPS[app].into(), suspect.finding, suspect.print);
            process.touch(&suspect.person, true);
        }
        for name in found.zombies.keys() {
            process.ns.suspect(name, &APPS[app].into(), Finding::Zombie, 0);
            process.touch(name, true);
        }
    }

    fn list(&self, app: usize) -> Option<Found> {
        let wire = Wire { world: &self.world, app };
        let mut pages = Vec::new();
        let mut cursor = None;
        loop {
            let page = wire.page(cursor.as_deref()).now_or_never()?.ok()?;
            cursor = page.next;
            pages.push(page.accounts);
            if cursor.is_none() || pages.len() > 1 {
                break;
            }
        }
        let process = self.process.lock();
        let now = self.world.lock().now;
        let target = process.ns.apps.get(APPS[app])?.spec.as_deref().map(target::hash)?;
        let folk = Folk { process: &process, app, target, now };
        let mut ledgers = Ledgers::default();
        for (name, person) in process.ns.users() {
            let entries = person.status()?.accounts;
            let mine = entries.iter().filter(|entry| *entry.app == *APPS[app]);
            mine.for_each(|entry| ledgers.add(name, entry, &folk.target));
        }
        let mut sweep = Sweep::begin(ledgers, Named::default(), Some(PREFIX.to_owned()));
        self.hold_against(&mut sweep, &pages, &folk).ok()?;
        sweep.conclude(&folk).ok()
    }

    fn hold_against(
        &self,
        sweep: &mut Sweep,
        pages: &[Vec<RemoteAccount>],
        folk: &Folk<'_>,
    ) -> Result<(), Inconclusive> {
        for page in pages {
            sweep.page(page, false, folk, |_| {})?;
        }
        sweep.page(&[], true, folk, |_| {})?;
        let entitlements: BTreeSet<_> = sweep.entitlements();
        let members = self.world.lock().targets[folk.app].members.clone();
        for (kind, id) in entitlements {
            let holders =
                members.iter().filter(|(_, group)| *group == id).map(|(account, _)| account.clone());
            sweep.holders(&kind, &id, &holders.collect());
        }
        Ok(())
    }
}
