//! Service providers whose differences are known.
//!
//! What is known comes from what the vendor says, named beside it, or was seen on the product itself. What a service
//! provider says of itself counts less, what it shows and what the App says count more.

use crate::api::scim::{
    AttributeCase, Deletion, Discovery, EmptyGroups, Etag, Lookup, MediaType, MemberChange, MemberReads,
    MemberReference, MemberRemoval, MultiValued, Paging, PasswordLogin, PatchStyle, Preset, ScimProfile,
    SuspendedSessions, Suspension, Update,
};

/// What is known of a service provider.
pub fn preset(preset: Preset) -> ScimProfile {
    match preset {
        Preset::Atlassian => atlassian(),
        Preset::Aws => aws(),
        Preset::BetterAuth => better_auth(),
        Preset::Canaille => canaille(),
        Preset::Canva => canva(),
        Preset::Entra => entra(),
        Preset::Github => github(),
        Preset::GithubOrganization => github_organization(),
        Preset::Gitlab => gitlab(),
        Preset::HcpTerraform => hcp_terraform(),
        Preset::Miro => miro(),
        Preset::Pagerduty => pagerduty(),
        Preset::Salesforce => salesforce(),
        Preset::Slack => slack(),
        Preset::Snowflake => snowflake(),
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Atlassian Support, "How to filter users in provisioning SCIM using REST API"; Atlassian Developer, "User
/// provisioning REST API".
fn atlassian() -> ScimProfile {
    ScimProfile {
        lookup: Some(Lookup::Filter),
        filterable: Some(names(&["userName", "externalId"])),
        // "There is no method to reverse these changes except by creating a new SCIM record."
        deletion: Some(Deletion::Permanent),
        ..ScimProfile::default()
    }
}

/// AWS, "IAM Identity Center SCIM Implementation Developer Guide".
fn aws() -> ScimProfile {
    ScimProfile {
        update: Some(Update::Patch),
        // PatchUser: without path only one attribute.
        patch_style: Some(PatchStyle::PathPerOperation),
        // "Limitations": only `eq` with `and`; ListUsers and ListGroups: by these attributes.
        lookup: Some(Lookup::Filter),
        filterable: Some(names(&["userName", "externalId", "displayName"])),
        // ListUsers: `startIndex` is not supported, `cursor` is; at most 100 a page.
        paging: Some(Paging::Cursor),
        page_size: Some(100),
        // "Limitations": of several values one is kept, and these attributes are not.
        multi_valued: Some(MultiValued::One),
        unsupported_attributes: Some(names(&["ims", "photos", "entitlements", "x509Certificates"])),
        members: Some(MemberChange::Patch),
        // PatchGroup: at most 100 changes of membership, and no replacement of all.
        members_per_patch: Some(100),
        // ListGroups: the list of members is empty; a filter by id and member tells.
        member_reads: Some(MemberReads::Filter),
        ..ScimProfile::default()
    }
}

/// Seen on better-auth 1.7.5 with @better-auth/scim.
fn better_auth() -> ScimProfile {
    ScimProfile {
        // Cookies and tokens are rows of one table, which go.
        sessions: Some(SuspendedSessions::End),
        // Even after DELETE, unless the application itself asks whether the account is active.
        password_login: Some(PasswordLogin::Accepted),
        ..ScimProfile::default()
    }
}

/// Seen on Canaille 0.3.6.
fn canaille() -> ScimProfile {
    ScimProfile {
        // Access tokens up to ten days.
        sessions: Some(SuspendedSessions::TokensLiveOn),
        // A filter is ignored: everybody comes.
        lookup: Some(Lookup::Listing),
        // `count` is answered with 500.
        paging: Some(Paging::None),
        // `type` and `primary` of an e-mail address are refused.
        multi_valued: Some(MultiValued::ValueOnly),
        // These are answered with 500.
        unsupported_attributes: Some(names(&["entitlements", "roles"])),
        // A group is created with members, and each with `$ref`.
        member_reference: Some(MemberReference::ValueAndRef),
        empty_groups: Some(EmptyGroups::Refused),
        // Versions change once a second: two changes within one share theirs.
        etag: Some(Etag::Ignore),
        ..ScimProfile::default()
    }
}

/// Canva, "SCIM API: Delete a user": there is no DELETE, `active` is set to false.
fn canva() -> ScimProfile {
    ScimProfile { deletion: Some(Deletion::Unsupported), ..ScimProfile::default() }
}

/// Microsoft, "Microsoft Entra ID SCIM API reference".
fn entra() -> ScimProfile {
    ScimProfile {
        // Users and groups take GET, POST, PATCH and DELETE; PUT is answered with 405.
        update: Some(Update::Patch),
        members: Some(MemberChange::Patch),
        // Of value paths only `[type eq "work"]`.
        member_removal: Some(MemberRemoval::ValueArray),
        // RFC 9865 alone: lists have no `totalResults`, pages at most 100 resources.
        paging: Some(Paging::Cursor),
        page_size: Some(100),
        // DELETE with `Accept: application/scim+json` is refused.
        media_type: Some(MediaType::Json),
        ..ScimProfile::default()
    }
}

/// GitHub, "REST API endpoints for SCIM" (enterprise): an inactive user comes back with all they had; DELETE is for
/// good, and takes repositories and keys along.
fn github() -> ScimProfile {
    ScimProfile {
        suspension: Some(Suspension::Reversible),
        deletion: Some(Deletion::Permanent),
        ..ScimProfile::default()
    }
}

/// GitHub, "REST API endpoints for SCIM" (organization): `active: false` removes the member and the SCIM identity.
fn github_organization() -> ScimProfile {
    ScimProfile {
        suspension: Some(Suspension::Deletes),
        deletion: Some(Deletion::Permanent),
        ..ScimProfile::default()
    }
}

/// GitLab's issues: a list is the lookup of one user by filter.
fn gitlab() -> ScimProfile {
    ScimProfile { lookup: Some(Lookup::Filter), ..ScimProfile::default() }
}

/// `HashiCorp`, "SCIM Users API reference" and "SCIM Groups API reference".
fn hcp_terraform() -> ScimProfile {
    ScimProfile {
        // Users by these two, groups by `displayName` and `externalId`.
        lookup: Some(Lookup::Filter),
        filterable: Some(names(&["userName", "externalId", "displayName"])),
        // "Matches for userName are case-insensitive."
        user_name_case: Some(AttributeCase::Insensitive),
        // `startIndex` and `count`, capped at 200.
        paging: Some(Paging::Index),
        page_size: Some(200),
        ..ScimProfile::default()
    }
}

/// Miro Developer, "SCIM: rate limits and errors".
fn miro() -> ScimProfile {
    ScimProfile {
        members: Some(MemberChange::Patch),
        // Of PATCHes of a group that are longer than 500 bytes only five in 30 s are taken: few and large ones.
        members_per_patch: Some(1000),
        ..ScimProfile::default()
    }
}

/// `PagerDuty`, "Assign or Deactivate Users": `active`, "when set to false, the user will be deleted".
fn pagerduty() -> ScimProfile {
    ScimProfile {
        suspension: Some(Suspension::Deletes),
        deletion: Some(Deletion::Permanent),
        ..ScimProfile::default()
    }
}

/// Salesforce Help, "Manage Salesforce User Identities with SCIM".
fn salesforce() -> ScimProfile {
    ScimProfile {
        // `/ServiceProviderConfigs`.
        discovery: Some(Discovery::ServiceProviderConfigs),
        // Users are deactivated, never deleted.
        deletion: Some(Deletion::Unsupported),
        // "Manage Groups": `remove` with the path `members` and a value.
        member_removal: Some(MemberRemoval::ValueArray),
        ..ScimProfile::default()
    }
}

/// Slack, "SCIM 2.0 API reference": DELETE "sets a Slack user to deactivated".
fn slack() -> ScimProfile {
    ScimProfile { deletion: Some(Deletion::Soft), ..ScimProfile::default() }
}

/// Snowflake, "SCIM 2.0 API reference": attributes with several values are not supported.
fn snowflake() -> ScimProfile {
    ScimProfile { multi_valued: Some(MultiValued::One), ..ScimProfile::default() }
}

#[cfg(test)]
mod tests;
