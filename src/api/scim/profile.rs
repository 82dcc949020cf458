//! How a service provider differs from RFC 7643 and RFC 7644, in words that a manifest can say.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One choice among several, written as its name.
macro_rules! choices {
    ($($(#[doc = $about:literal])+ $name:ident { $($(#[doc = $doc:literal])+ $variant:ident),+ $(,)? })+) => {$(
        $(#[doc = $about])+
        #[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[doc = $doc])+ $variant),+ }

        impl $name {
            /// The choice as it stands in manifests and in an App's status.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),+ }
            }
        }
    )+};
}

choices! {
    /// How an account is changed.
    Update {
        /// Attribute by attribute (RFC 7644 §3.5.2).
        Patch,
        /// The whole resource is read, changed and written back, with what Tenure does not know (RFC 7644 §3.5.1).
        Put,
    }
    /// What a PATCH of an account looks like.
    PatchStyle {
        /// One operation an attribute, each with its `path`.
        PathPerOperation,
        /// The same, one request an operation.
        OneOperationPerRequest,
        /// One operation without `path`, whose value is an object like the resource.
        NoPath,
        /// The same, with the names of sub-attributes dotted: `name.givenName`.
        DottedKeys,
    }
    /// How the operations of a PATCH are spelled.
    OperationCase {
        /// `add`, `replace`, `remove` (RFC 7644 §3.5.2).
        Lower,
        /// `Add`, `Replace`, `Remove`.
        Capitalised,
    }
    /// How `active` is written.
    Booleans {
        /// `true` and `false`.
        Boolean,
        /// `"True"` and `"False"`.
        String,
    }
    /// How an attribute is made empty by PATCH.
    Clearing {
        /// The operation `remove` (RFC 7644 §3.5.2.2).
        Remove,
        /// The operation `replace` with an empty value: `""` or `[]`.
        ReplaceEmpty,
        /// The operation `replace` with `null`.
        ReplaceNull,
    }
    /// What `active: false` does.
    Suspension {
        /// The account cannot be used and comes back with `active: true`.
        Reversible,
        /// The account is deleted: not done under a policy with action `Suspend`.
        Deletes,
        /// Nothing: the service provider knows no suspended accounts.
        Unsupported,
    }
    /// What becomes of the sessions of an account that is suspended.
    SuspendedSessions {
        /// Nothing is known.
        Unknown,
        /// They end at once, and tokens that were issued before with them.
        End,
        /// They end, and tokens that were issued before stay good until they expire.
        TokensLiveOn,
        /// They stay open: only new logins are refused.
        StayOpen,
    }
    /// Whether the password of a suspended account still logs in.
    PasswordLogin {
        /// It does not (RFC 7643 §4.1.1: `active` implies that the user can log in).
        Refused,
        /// It does.
        Accepted,
    }
    /// What DELETE of an account does.
    Deletion {
        /// The account is gone.
        Permanent,
        /// The account can still be read, as an inactive one.
        Soft,
        /// There is no DELETE.
        Unsupported,
    }
    /// How accounts and groups are found.
    Lookup {
        /// By filter (RFC 7644 §3.4.2.2). What comes back is checked all the same.
        Filter,
        /// In a listing of all, which is read once and kept for a while.
        Listing,
    }
    /// Whether the service provider minds the letter case of an attribute's values.
    AttributeCase {
        /// `Ann` and `ann` are two.
        Exact,
        /// `Ann` and `ann` are one (RFC 7643 §4.1.1 for `userName`).
        Insensitive,
    }
    /// How multi-valued attributes (`emails`, `phoneNumbers`, `addresses`) are written.
    MultiValued {
        /// All values, with `type` and `primary`.
        Many,
        /// All values, by `value` alone.
        ValueOnly,
        /// Only the primary value, else the first.
        One,
    }
    /// Whether the service provider knows the enterprise extension (RFC 7643 §4.3).
    Extensions {
        /// It does.
        Enterprise,
        /// Its attributes are not sent.
        None,
    }
    /// How a manager is written.
    ManagerShape {
        /// `{"value": "ID"}` (RFC 7643 §4.3).
        Object,
        /// `"ID"`.
        String,
        /// Not at all.
        None,
    }
    /// How the members of a group are changed.
    MemberChange {
        /// By PATCH, those that change.
        Patch,
        /// The whole group is read, changed and written back by PUT.
        Put,
        /// There are no groups, or their members cannot be changed.
        Unsupported,
    }
    /// How members are taken out of a group by PATCH.
    MemberRemoval {
        /// One operation a member: `members[value eq "ID"]`.
        ValueFilter,
        /// One operation for several: `members`, with an array of values.
        ValueArray,
        /// The rest of the members is written: `replace` of `members`.
        ReplaceAll,
    }
    /// What a member of a group is written as.
    MemberReference {
        /// Its `value` alone.
        Value,
        /// Its `value` and `$ref`.
        ValueAndRef,
    }
    /// Whether the members of a group can be read.
    MemberReads {
        /// They come with the group.
        Group,
        /// One by one, by the filter `id eq "GROUP" and members eq "ID"`.
        Filter,
        /// They cannot be read: what was written is believed.
        Hidden,
    }
    /// Whether a group may be empty.
    EmptyGroups {
        /// It may.
        Allowed,
        /// It is created with its first member, and the last one cannot be taken out.
        Refused,
    }
    /// How a listing is paged.
    Paging {
        /// By position: `startIndex` and `count` (RFC 7644 §3.4.2.4).
        Index,
        /// By cursor (RFC 9865).
        Cursor,
        /// Not at all: one answer has everything, and no parameters are sent.
        None,
    }
    /// Where the service provider describes itself.
    Discovery {
        /// `/ServiceProviderConfig` (RFC 7644 §4).
        ServiceProviderConfig,
        /// `/ServiceProviderConfigs`.
        ServiceProviderConfigs,
        /// Nowhere.
        None,
    }
    /// How messages are labelled.
    MediaType {
        /// `application/scim+json` (RFC 7644 §3.1); `application/json` is taken too.
        Scim,
        /// `application/json`, for those that refuse or do not read the other.
        Json,
    }
    /// Whether versions protect against lost updates (RFC 7644 §3.14).
    Etag {
        /// A change is refused if somebody else made one since.
        Use,
        /// Versions are not sent.
        Ignore,
    }
}

/// A service provider whose differences are known.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum Preset {
    /// Atlassian Guard.
    Atlassian,
    /// AWS IAM Identity Center.
    Aws,
    /// An application made with better-auth and its SCIM plugin.
    BetterAuth,
    /// Canaille.
    Canaille,
    /// Canva.
    Canva,
    /// Microsoft Entra ID as a service provider.
    Entra,
    /// GitHub Enterprise Managed Users.
    Github,
    /// A GitHub organization.
    GithubOrganization,
    /// GitLab.
    Gitlab,
    /// HCP Terraform.
    HcpTerraform,
    /// Miro.
    Miro,
    /// `PagerDuty`.
    Pagerduty,
    /// Salesforce.
    Salesforce,
    /// Slack.
    Slack,
    /// Snowflake.
    Snowflake,
}

/// How a service provider differs from RFC 7643 and RFC 7644.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.patchStyle) || !has(self.update) || self.update == 'Patch'").message("patchStyle is about PATCH, and update is Put: set one of the two").field_path(".patchStyle"),
    validation = Rule::new("!has(self.clearing) || !has(self.update) || self.update == 'Patch'").message("clearing is about PATCH, and update is Put: set one of the two").field_path(".clearing"),
    validation = Rule::new("!has(self.operationCase) || !has(self.update) || self.update == 'Patch' || !has(self.members) || self.members == 'Patch'").message("operationCase is about PATCH, and neither update nor members is Patch").field_path(".operationCase"),
    validation = Rule::new("!has(self.memberRemoval) || !has(self.members) || self.members == 'Patch'").message("memberRemoval is about PATCH, and members is not Patch").field_path(".memberRemoval"),
    validation = Rule::new("!has(self.membersPerPatch) || !has(self.members) || self.members == 'Patch'").message("membersPerPatch is about PATCH, and members is not Patch").field_path(".membersPerPatch"),
    validation = Rule::new("!has(self.memberReference) || !has(self.members) || self.members != 'Unsupported'").message("memberReference is about members, which are Unsupported").field_path(".memberReference"),
    validation = Rule::new("!has(self.memberReads) || !has(self.members) || self.members != 'Unsupported'").message("memberReads is about members, which are Unsupported").field_path(".memberReads"),
    validation = Rule::new("!has(self.emptyGroups) || !has(self.members) || self.members != 'Unsupported'").message("emptyGroups is about members, which are Unsupported").field_path(".emptyGroups"),
    validation = Rule::new("!has(self.memberReads) || self.memberReads == 'Group' || !has(self.members) || self.members != 'Put'").message("members Put writes back what was read: memberReads must be Group").field_path(".memberReads"),
    validation = Rule::new("!has(self.memberReads) || self.memberReads == 'Group' || !has(self.memberRemoval) || self.memberRemoval != 'ReplaceAll'").message("memberRemoval ReplaceAll writes the members that stay: memberReads must be Group").field_path(".memberRemoval"),
    validation = Rule::new("!has(self.memberReads) || self.memberReads != 'Filter' || !has(self.lookup) || self.lookup == 'Filter'").message("memberReads Filter needs filters, and lookup is Listing").field_path(".memberReads"),
    validation = Rule::new("!has(self.filterable) || !has(self.lookup) || self.lookup == 'Filter'").message("filterable is about filters, and lookup is Listing").field_path(".filterable"),
    validation = Rule::new("!has(self.pageSize) || !has(self.paging) || self.paging != 'None'").message("pageSize is about pages, and paging is None").field_path(".pageSize"),
    validation = Rule::new("!has(self.manager) || self.manager == 'None' || !has(self.extensions) || self.extensions == 'Enterprise'").message("the manager is in the enterprise extension, and extensions is None").field_path(".manager"),
    validation = Rule::new("!has(self.unsupportedAttributes) || !self.unsupportedAttributes.exists(a, a.lowerAscii() in ['id', 'schemas', 'username', 'active'])").message("id, schemas, userName and active are always sent; if accounts cannot be suspended, set suspension").field_path(".unsupportedAttributes")
)]
pub struct ScimProfile {
    /// A service provider whose differences are known. What is set beside it counts more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// How an account is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<Update>,
    /// What a PATCH of an account looks like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch_style: Option<PatchStyle>,
    /// How the operations of a PATCH are spelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_case: Option<OperationCase>,
    /// How `active` is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booleans: Option<Booleans>,
    /// How an attribute is made empty by PATCH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clearing: Option<Clearing>,
    /// What `active: false` does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspension: Option<Suspension>,
    /// What becomes of the sessions of an account that is suspended: what Tenure may report of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<SuspendedSessions>,
    /// Whether the password of a suspended account still logs in: if so, the App warns of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_login: Option<PasswordLogin>,
    /// What DELETE of an account does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
    /// How accounts and groups are found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookup: Option<Lookup>,
    /// The only attributes that filters may name; others are looked for in a listing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 256)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub filterable: Option<Vec<String>>,
    /// Whether the letter case of a `userName` counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name_case: Option<AttributeCase>,
    /// Attributes that are never sent, because the service provider refuses or drops them. The list takes the place
    /// of all that is known otherwise: an empty one sends everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub unsupported_attributes: Option<Vec<String>>,
    /// How multi-valued attributes are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multi_valued: Option<MultiValued>,
    /// Whether the service provider knows the enterprise extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Extensions>,
    /// How a manager is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<ManagerShape>,
    /// How the members of a group are changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<MemberChange>,
    /// How members are taken out of a group by PATCH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_removal: Option<MemberRemoval>,
    /// What a member of a group is written as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_reference: Option<MemberReference>,
    /// Whether the members of a group can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_reads: Option<MemberReads>,
    /// How many members one PATCH may add or take out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub members_per_patch: Option<u16>,
    /// Whether a group may be empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_groups: Option<EmptyGroups>,
    /// How a listing is paged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paging: Option<Paging>,
    /// How many resources a page should hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub page_size: Option<u16>,
    /// Where the service provider describes itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery: Option<Discovery>,
    /// How messages are labelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// Whether versions protect against lost updates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<Etag>,
}
