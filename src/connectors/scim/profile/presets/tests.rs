use rstest::rstest;

use super::*;
use crate::api::app::CapabilitySource;
use crate::connectors::scim::profile::{Layers, Profile};

fn with(preset: Preset) -> ScimProfile {
    ScimProfile { preset: Some(preset), ..ScimProfile::default() }
}

/// That none contradicts itself is for the API server to say: `tests/admission.rs`.
#[rstest]
fn what_a_preset_says_takes_effect(
    #[values(
        Preset::Atlassian,
        Preset::Aws,
        Preset::BetterAuth,
        Preset::Canaille,
        Preset::Canva,
        Preset::Entra,
        Preset::Github,
        Preset::GithubOrganization,
        Preset::Gitlab,
        Preset::HcpTerraform,
        Preset::Miro,
        Preset::Pagerduty,
        Preset::Salesforce,
        Preset::Slack,
        Preset::Snowflake
    )]
    name: Preset,
) {
    let mut alone = Profile::default();
    alone.overlay(&preset(name), CapabilitySource::Preset);
    assert!(!alone.sources.is_empty());
    assert_eq!(preset(name).preset, None);
    let profile = Layers::new(with(name)).discovered(ScimProfile::default());
    assert_eq!(*profile, alone);
}

#[test]
fn a_preset_counts_more_than_what_was_said_and_less_than_what_was_shown() {
    let layers = Layers::new(with(Preset::Aws));
    let said =
        ScimProfile { paging: Some(Paging::Index), update: Some(Update::Put), ..ScimProfile::default() };
    assert_eq!(layers.discovered(said).paging, Paging::Cursor);
    layers.shown(ScimProfile { paging: Some(Paging::None), ..ScimProfile::default() });
    let profile = layers.profile().unwrap();
    assert_eq!((profile.paging, profile.update), (Paging::None, Update::Patch));
    assert_eq!(profile.sources["paging"], CapabilitySource::Probed);
    assert_eq!(profile.sources["update"], CapabilitySource::Preset);
}
