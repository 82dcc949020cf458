//! What is known of the entitlements that bindings name in one App: asked once, whoever wants to know, and again from
//! time to time where something is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::api::EntitlementSpec;
use crate::connectors::locks::Locks;
use crate::connectors::{Connector, Failure, FailureClass};
use crate::converge::{self, Refusal, Resolution};

/// How soon what is wrong is looked at again; doubled each time.
const FIRST_LOOK: Duration = Duration::from_secs(5);
/// The longest time between two looks.
const LAST_LOOK: Duration = Duration::from_mins(5);

/// The entitlements of one connection's target.
#[derive(Default)]
pub struct Catalogue {
    entries: Mutex<BTreeMap<EntitlementSpec, Entry>>,
    asking: Locks<EntitlementSpec>,
    news: Notify,
}

#[derive(Clone, Debug)]
struct Entry {
    /// `None`: to be asked.
    resolution: Option<Resolution>,
    /// When to look again, and how long to wait after that.
    again: Option<(Instant, Duration)>,
}

impl Catalogue {
    /// What is known, if anything is.
    pub fn known(&self, entitlement: &EntitlementSpec) -> Option<Resolution> {
        self.entries.lock().get(entitlement)?.resolution.clone()
    }

    /// What is to be known of an entitlement; asks the target where it has not been asked yet, once for all who want to
    /// know at the same time.
    ///
    /// An entitlement that can never be had is not a failure, so that a person gets everything else.
    pub async fn resolve<C: Connector>(
        &self,
        connector: &C,
        entitlement: &EntitlementSpec,
    ) -> Result<Resolution, Failure> {
        if let Some(known) = self.known(entitlement) {
            return Ok(known);
        }
        let lock = self.asking.of(entitlement);
        let _turn = lock.lock().await;
        match self.known(entitlement) {
            Some(known) => Ok(known),
            None => self.ask(connector, entitlement).await,
        }
    }

    async fn ask<C: Connector>(
        &self,
        connector: &C,
        entitlement: &EntitlementSpec,
    ) -> Result<Resolution, Failure> {
        let kind = &entitlement.kind;
        let resolution = match connector.resolve(entitlement).await {
            Ok(Some(id)) => match converge::ledger_id(kind, &id) {
                Ok(_) => Resolution::Id(id),
                Err(refusal) => Resolution::Refused(refusal),
            },
            Ok(None) if connector.may_create(kind) => Resolution::Creatable,
            Ok(None) => Resolution::Missing,
            Err(Failure {
                class: FailureClass::Permanent | FailureClass::Conflict, reason, message, ..
            }) => Resolution::Refused(Refusal { reason, message }),
            Err(failure) => return Err(failure),
        };
        self.note(entitlement, resolution.clone());
        Ok(resolution)
    }

    fn note(&self, entitlement: &EntitlementSpec, resolution: Resolution) {
        let mut entries = self.entries.lock();
        let wait =
            entries.get(entitlement).and_then(|entry| entry.again).map_or(FIRST_LOOK, |(_, wait)| wait);
        let again = is_wrong(&resolution).then(|| (Instant::now() + wait, (wait * 2).min(LAST_LOOK)));
        entries.insert(entitlement.clone(), Entry { resolution: Some(resolution), again });
        self.news.notify_one();
    }

    /// Looks again later.
    fn put_off(&self, entitlement: &EntitlementSpec) {
        if let Some((at, wait)) = self.entries.lock().get_mut(entitlement).and_then(|e| e.again.as_mut()) {
            *at = Instant::now() + *wait;
            *wait = (*wait * 2).min(LAST_LOOK);
        }
    }

    /// It has this remote id, for it was made or granted just now.
    pub fn learn(&self, entitlement: &EntitlementSpec, id: &str) {
        self.note(entitlement, Resolution::Id(id.to_owned()));
    }

    /// What is known of the entitlement with this remote id is in doubt.
    pub fn doubt(&self, kind: &str, id: &str) {
        let is = |known: &EntitlementSpec, entry: &Entry| {
            known.kind == kind && matches!(&entry.resolution, Some(Resolution::Id(known)) if known == id)
        };
        self.entries.lock().retain(|known, entry| !is(known, entry));
    }

    /// Has [`Self::look_again`] ask for these, unless they are known.
    pub fn wonder(&self, entitlements: impl IntoIterator<Item = EntitlementSpec>) {
        let mut entries = self.entries.lock();
        for entitlement in entitlements {
            let unasked = Entry { resolution: None, again: Some((Instant::now(), FIRST_LOOK)) };
            entries.entry(entitlement).or_insert(unasked);
        }
        self.news.notify_one();
    }

    /// Asks for what is wrong and due, as far as some binding still names it. Returns what is no longer as it was.
    ///
    /// A look that fails leaves things as they are.
    pub async fn look_again<C: Connector>(
        &self,
        connector: &C,
        named: &BTreeSet<EntitlementSpec>,
    ) -> Vec<EntitlementSpec> {
        let now = Instant::now();
        let due: Vec<_> = {
            let mut entries = self.entries.lock();
            entries.retain(|entitlement, entry| entry.again.is_none() || named.contains(entitlement));
            let due = entries.iter().filter(|(_, entry)| entry.again.is_some_and(|(at, _)| at <= now));
            due.map(|(entitlement, entry)| (entitlement.clone(), entry.resolution.clone())).collect()
        };
        let mut changed = Vec::new();
        for (entitlement, before) in due {
            match self.ask(connector, &entitlement).await {
                Ok(after) if before.is_some_and(|before| before != after) => changed.push(entitlement),
                Ok(_) => {}
                Err(_) => self.put_off(&entitlement),
            }
        }
        changed
    }

    /// Waits until something wrong is to be looked at again.
    pub async fn due(&self) {
        loop {
            let next = self.entries.lock().values().filter_map(|entry| entry.again).map(|(at, _)| at).min();
            match next {
                Some(at) => tokio::select! {
                    () = tokio::time::sleep_until(at) => return,
                    () = self.news.notified() => {}
                },
                None => self.news.notified().await,
            }
        }
    }
}

fn is_wrong(resolution: &Resolution) -> bool {
    matches!(resolution, Resolution::Missing | Resolution::Refused(_))
}

#[cfg(test)]
mod tests;
