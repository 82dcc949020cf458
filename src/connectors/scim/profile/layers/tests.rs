use super::*;
use crate::api::scim::{Lookup, Paging, Update};

fn unsupported(names: &[&str]) -> ScimProfile {
    ScimProfile {
        unsupported_attributes: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..ScimProfile::default()
    }
}

fn source(profile: &Profile, name: &str) -> CapabilitySource {
    profile.capabilities().into_iter().find(|line| line.name == name).unwrap().source
}

#[test]
fn what_was_shown_counts_more_than_what_was_said_and_less_than_what_is_configured() {
    let layers = Layers::new(ScimProfile { paging: Some(Paging::None), ..ScimProfile::default() });
    layers.shown(ScimProfile {
        update: Some(Update::Put),
        paging: Some(Paging::Index),
        ..ScimProfile::default()
    });
    assert_eq!(layers.profile(), None);
    let said = ScimProfile {
        update: Some(Update::Patch),
        lookup: Some(Lookup::Filter),
        paging: Some(Paging::Cursor),
        ..ScimProfile::default()
    };
    let profile = layers.discovered(said);
    assert_eq!((profile.update, profile.lookup, profile.paging), (Update::Put, Lookup::Filter, Paging::None));
    assert_eq!(source(&profile, "update"), CapabilitySource::Probed);
    assert_eq!(source(&profile, "lookup"), CapabilitySource::Discovered);
    assert_eq!(source(&profile, "paging"), CapabilitySource::Configured);
    assert_eq!(source(&profile, "etag"), CapabilitySource::Default);
    assert_eq!(layers.profile(), Some(profile));
}

#[test]
fn attributes_that_are_not_kept_add_up_until_the_app_lists_them() {
    let layers = Layers::new(ScimProfile::default());
    layers.discovered(unsupported(&["ims"]));
    layers.shown(unsupported(&["title"]));
    layers.shown(unsupported(&["locale", "title"]));
    assert_eq!(layers.profile().unwrap().unsupported_attributes, ["ims", "title", "locale"]);
    let layers = Layers::new(unsupported(&["photos"]));
    layers.discovered(unsupported(&["ims"]));
    assert_eq!(layers.profile().unwrap().unsupported_attributes, ["photos"]);
}
