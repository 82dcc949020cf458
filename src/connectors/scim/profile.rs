//! How one service provider is spoken to: the standards, what it says of itself, its preset, and the App's own word.

mod layers;
pub(super) mod presets;

use std::collections::BTreeMap;

pub(super) use self::layers::Layers;
use crate::api::app::{Capability, CapabilitySource};
use crate::api::scim::{
    AttributeCase, Booleans, Clearing, Deletion, Discovery, EmptyGroups, Etag, Extensions, Lookup,
    ManagerShape, MediaType, MemberChange, MemberReads, MemberReference, MemberRemoval, MultiValued,
    OperationCase, Paging, PasswordLogin, PatchStyle, ScimProfile, SuspendedSessions, Suspension, Update,
};

/// How many resources a page should hold.
const PAGE: u16 = 100;
/// How many members one PATCH should change.
const MEMBERS: u16 = 100;

/// How long a list may be in an App's status, in bytes, before the rest is counted: `Capability.value` has room for 256
/// characters.
const ROOM: usize = 230;

/// How a service provider is spoken to. Its fields are those of [`ScimProfile`], each decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) update: Update,
    pub(super) patch_style: PatchStyle,
    pub(super) operation_case: OperationCase,
    pub(super) booleans: Booleans,
    pub(super) clearing: Clearing,
    pub(super) suspension: Suspension,
    pub(super) sessions: SuspendedSessions,
    pub(super) password_login: PasswordLogin,
    pub(super) deletion: Deletion,
    pub(super) lookup: Lookup,
    /// Empty: any attribute.
    pub(super) filterable: Vec<String>,
    pub(super) user_name_case: AttributeCase,
    pub(super) unsupported_attributes: Vec<String>,
    pub(super) multi_valued: MultiValued,
    pub(super) extensions: Extensions,
    pub(super) manager: ManagerShape,
    pub(super) members: MemberChange,
    pub(super) member_removal: MemberRemoval,
    pub(super) member_reference: MemberReference,
    pub(super) member_reads: MemberReads,
    pub(super) members_per_patch: u16,
    pub(super) empty_groups: EmptyGroups,
    pub(super) paging: Paging,
    pub(super) page_size: u16,
    pub(super) discovery: Discovery,
    pub(super) media_type: MediaType,
    pub(super) etag: Etag,
    /// How each field came to be as it is; [`CapabilitySource::Default`] where it is not listed.
    pub(super) sources: BTreeMap<&'static str, CapabilitySource>,
}

/// What RFC 7644 asks of every service provider: PATCH (§3.5.2) and filters (§3.4.2.2) are optional, PUT (§3.5.1) and
/// listing are not.
impl Default for Profile {
    fn default() -> Self {
        Self {
            update: Update::Put,
            patch_style: PatchStyle::PathPerOperation,
            operation_case: OperationCase::Lower,
            booleans: Booleans::Boolean,
            clearing: Clearing::Remove,
            suspension: Suspension::Reversible,
            sessions: SuspendedSessions::Unknown,
            password_login: PasswordLogin::Refused,
            deletion: Deletion::Permanent,
            lookup: Lookup::Listing,
            filterable: Vec::new(),
            user_name_case: AttributeCase::Insensitive,
            unsupported_attributes: Vec::new(),
            multi_valued: MultiValued::Many,
            extensions: Extensions::Enterprise,
            manager: ManagerShape::Object,
            members: MemberChange::Put,
            member_removal: MemberRemoval::ValueFilter,
            member_reference: MemberReference::Value,
            member_reads: MemberReads::Group,
            members_per_patch: MEMBERS,
            empty_groups: EmptyGroups::Allowed,
            paging: Paging::Index,
            page_size: PAGE,
            discovery: Discovery::ServiceProviderConfig,
            media_type: MediaType::Scim,
            etag: Etag::Ignore,
            sources: BTreeMap::new(),
        }
    }
}

/// Runs `$act` for the name of each field, as in manifests, and the field.
macro_rules! for_each_field {
    ($act:ident) => {
        $act!("update", update);
        $act!("patchStyle", patch_style);
        $act!("operationCase", operation_case);
        $act!("booleans", booleans);
        $act!("clearing", clearing);
        $act!("suspension", suspension);
        $act!("sessions", sessions);
        $act!("passwordLogin", password_login);
        $act!("deletion", deletion);
        $act!("lookup", lookup);
        $act!("filterable", filterable);
        $act!("userNameCase", user_name_case);
        $act!("unsupportedAttributes", unsupported_attributes);
        $act!("multiValued", multi_valued);
        $act!("extensions", extensions);
        $act!("manager", manager);
        $act!("members", members);
        $act!("memberRemoval", member_removal);
        $act!("memberReference", member_reference);
        $act!("memberReads", member_reads);
        $act!("membersPerPatch", members_per_patch);
        $act!("emptyGroups", empty_groups);
        $act!("paging", paging);
        $act!("pageSize", page_size);
        $act!("discovery", discovery);
        $act!("mediaType", media_type);
        $act!("etag", etag);
    };
}

impl Profile {
    /// Puts what is set in `over` in place of what was there. Attributes that are not supported add up; only the App
    /// itself has the last word on them.
    pub(super) fn overlay(&mut self, over: &ScimProfile, source: CapabilitySource) {
        let before = std::mem::take(&mut self.unsupported_attributes);
        macro_rules! put {
            ($name:literal, $field:ident) => {
                if let Some(value) = &over.$field {
                    self.$field = value.clone();
                    self.sources.insert($name, source);
                }
            };
        }
        for_each_field!(put);
        if source != CapabilitySource::Configured || over.unsupported_attributes.is_none() {
            self.unsupported_attributes = joined(before, &self.unsupported_attributes);
        }
    }

    /// For the App's status, one line a field.
    pub(super) fn capabilities(&self) -> Vec<Capability> {
        let mut all = Vec::new();
        macro_rules! line {
            ($name:literal, $field:ident) => {
                let source = self.sources.get($name).copied().unwrap_or_default();
                all.push(Capability { name: $name.to_owned(), value: self.$field.spelled(), source });
            };
        }
        for_each_field!(line);
        all
    }
}

/// Adds to `known` what is set in `more`, in place of what was set there. Attributes that are not supported add up.
fn add(known: &mut ScimProfile, more: ScimProfile) {
    let before = known.unsupported_attributes.take();
    macro_rules! put {
        ($name:literal, $field:ident) => {
            if more.$field.is_some() {
                known.$field = more.$field;
            }
        };
    }
    for_each_field!(put);
    if let Some(before) = before {
        let after = known.unsupported_attributes.take().unwrap_or_default();
        known.unsupported_attributes = Some(joined(before, &after));
    }
}

/// Both lists, without names that come again, whatever their letter case (RFC 7643 §2.1).
fn joined(mut names: Vec<String>, more: &[String]) -> Vec<String> {
    for name in more {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            names.push(name.clone());
        }
    }
    names
}

/// A value as it stands in an App's status.
trait Spelled {
    fn spelled(&self) -> String;
}

macro_rules! spelled_as_str {
    ($($choice:ty),+ $(,)?) => {$(
        impl Spelled for $choice {
            fn spelled(&self) -> String {
                self.as_str().to_owned()
            }
        }
    )+};
}

spelled_as_str!(
    Update,
    PatchStyle,
    OperationCase,
    Booleans,
    Clearing,
    Suspension,
    SuspendedSessions,
    PasswordLogin,
    Deletion,
    Lookup,
    AttributeCase,
    MultiValued,
    Extensions,
    ManagerShape,
    MemberChange,
    MemberRemoval,
    MemberReference,
    MemberReads,
    EmptyGroups,
    Paging,
    Discovery,
    MediaType,
    Etag,
);

impl Spelled for u16 {
    fn spelled(&self) -> String {
        self.to_string()
    }
}

/// The list as people write one; where a status has no room for more, how many more there are.
impl Spelled for Vec<String> {
    fn spelled(&self) -> String {
        let mut text = String::new();
        for (place, name) in self.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            if text.len() + name.len() > ROOM {
                return format!("{text}{comma}and {} more", self.len() - place);
            }
            text.push_str(comma);
            text.push_str(name);
        }
        text
    }
}

#[cfg(test)]
mod tests;
