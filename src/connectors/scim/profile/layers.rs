//! What is known of one service provider, layer over layer.

use std::sync::{Arc, PoisonError, RwLock};

use super::Profile;
use crate::api::app::CapabilitySource;
use crate::api::scim::ScimProfile;

/// What is known of one service provider. A later source counts more: the standards, what it says of itself, its
/// preset, what it showed when it was tried and used, the App's own word.
pub(in crate::connectors::scim) struct Layers {
    configured: ScimProfile,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    /// `None` before it was asked.
    discovered: Option<ScimProfile>,
    shown: ScimProfile,
    /// All layers, once it was asked.
    profile: Option<Arc<Profile>>,
}

impl Layers {
    pub(in crate::connectors::scim) fn new(configured: ScimProfile) -> Self {
        Self { configured, known: RwLock::default() }
    }

    /// The profile; `None` before the service provider was asked what it says of itself.
    pub(in crate::connectors::scim) fn profile(&self) -> Option<Arc<Profile>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).profile.clone()
    }

    /// Keeps what the service provider says of itself.
    pub(in crate::connectors::scim) fn discovered(&self, discovered: ScimProfile) -> Arc<Profile> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let profile = Arc::new(self.put_together(&discovered, &known.shown));
        known.discovered = Some(discovered);
        known.profile = Some(profile.clone());
        profile
    }

    /// Adds what the service provider showed.
    pub(in crate::connectors::scim) fn shown(&self, shown: ScimProfile) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        super::add(&mut known.shown, shown);
        let profile = known.discovered.as_ref().map(|d| Arc::new(self.put_together(d, &known.shown)));
        known.profile = profile;
    }

    fn put_together(&self, discovered: &ScimProfile, shown: &ScimProfile) -> Profile {
        let mut profile = Profile::default();
        profile.overlay(discovered, CapabilitySource::Discovered);
        profile.overlay(shown, CapabilitySource::Probed);
        profile.overlay(&self.configured, CapabilitySource::Configured);
        profile
    }
}

#[cfg(test)]
mod tests;
