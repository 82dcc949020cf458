//! What is known of one service provider, layer over layer.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{Profile, presets};
use crate::api::app::CapabilitySource;
use crate::api::scim::ScimProfile;

/// What is known of one service provider. A later source counts more: the standards, what it says of itself, its
/// preset, what it showed when it was tried and used, the App's own word.
pub(in crate::connectors::scim) struct Layers {
    preset: ScimProfile,
    configured: ScimProfile,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    discovered: ScimProfile,
    shown: ScimProfile,
    /// All layers, once the service provider was asked.
    profile: Option<Arc<Profile>>,
    explored: bool,
    /// Something could not be tried, for there was nobody to try it with.
    open: bool,
}

impl Layers {
    pub(in crate::connectors::scim) fn new(configured: ScimProfile) -> Self {
        let preset = configured.preset.map(presets::preset).unwrap_or_default();
        Self { preset, configured, known: RwLock::default() }
    }

    /// The profile; `None` before the service provider was asked what it says of itself.
    pub(in crate::connectors::scim) fn profile(&self) -> Option<Arc<Profile>> {
        self.read().profile.clone()
    }

    /// The profile as far as it is known, though nothing may have been asked.
    pub(in crate::connectors::scim) fn so_far(&self) -> Arc<Profile> {
        let known = self.read();
        known.profile.clone().unwrap_or_else(|| self.put_together(&known))
    }

    /// The profile; `None` before the service provider was tried.
    pub(in crate::connectors::scim) fn explored(&self) -> Option<Arc<Profile>> {
        let known = self.read();
        known.profile.clone().filter(|_| known.explored)
    }

    /// Whether something is still to be tried, for there was nobody to try it with.
    pub(in crate::connectors::scim) fn is_open(&self) -> bool {
        self.read().open
    }

    /// Notes that the service provider was tried; `open`: for want of an account not in all.
    pub(in crate::connectors::scim) fn set_explored(&self, open: bool) {
        let mut known = self.write();
        known.explored = true;
        known.open = open;
    }

    /// Keeps what the service provider says of itself.
    pub(in crate::connectors::scim) fn discovered(&self, discovered: ScimProfile) -> Arc<Profile> {
        let mut known = self.write();
        known.discovered = discovered;
        let profile = self.put_together(&known);
        known.profile = Some(profile.clone());
        profile
    }

    /// Adds what the service provider showed.
    pub(in crate::connectors::scim) fn shown(&self, shown: ScimProfile) {
        let mut known = self.write();
        super::add(&mut known.shown, shown);
        if known.profile.is_some() {
            known.profile = Some(self.put_together(&known));
        }
    }

    fn put_together(&self, known: &Known) -> Arc<Profile> {
        let mut profile = Profile::default();
        profile.overlay(&known.discovered, CapabilitySource::Discovered);
        profile.overlay(&self.preset, CapabilitySource::Preset);
        profile.overlay(&known.shown, CapabilitySource::Probed);
        profile.overlay(&self.configured, CapabilitySource::Configured);
        Arc::new(profile)
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
