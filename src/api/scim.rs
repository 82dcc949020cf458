//! The connector `scim`: a SCIM 2.0 service provider.

mod profile;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretKeyRef;
pub use profile::{
    AttributeCase, Booleans, Clearing, Deletion, Discovery, EmptyGroups, Etag, Extensions, Lookup,
    ManagerShape, MediaType, MemberChange, MemberReads, MemberReference, MemberRemoval, MultiValued,
    OperationCase, Paging, PasswordLogin, PatchStyle, Preset, ScimProfile, SuspendedSessions, Suspension,
    Update,
};

/// A SCIM 2.0 service provider.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.baseUrl.startsWith('https://') || self.plainHttp == 'Allow' || self.baseUrl.matches('^http://(localhost|127[.][0-9.]+|\\\\[::1\\\\])([:/].*)?$')").message("baseUrl must be https: credentials would travel in the clear. Use https, or set plainHttp: Allow if the network is trusted").field_path(".baseUrl"),
    validation = Rule::new("!has(self.auth.oauth2) || self.auth.oauth2.tokenUrl.startsWith('https://') || self.plainHttp == 'Allow' || self.auth.oauth2.tokenUrl.matches('^http://(localhost|127[.][0-9.]+|\\\\[::1\\\\])([:/].*)?$')").message("auth.oauth2.tokenUrl must be https: credentials would travel in the clear. Use https, or set plainHttp: Allow if the network is trusted").field_path(".auth.oauth2.tokenUrl")
)]
pub struct ScimConnector {
    /// Base URL of the service provider: what stands before `/Users`.
    #[schemars(length(min = 8, max = 2048))]
    #[x_kube(
        validation = Rule::new("self.matches('^https?://[^/@ ?#]+(/[^@ ?#]*)?$')").message("baseUrl must be http(s)://host[:port][/path], without user, query or fragment")
    )]
    pub base_url: String,
    /// How Tenure proves who it is.
    pub auth: ScimAuth,
    /// PEM certificates of the authority that signed the server's certificate, where the public ones do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretKeyRef>,
    /// Whether `http://` to a host other than this machine is acceptable.
    #[serde(default)]
    pub plain_http: PlainHttp,
    /// Whether a `group` that a binding names and the App does not have is created.
    #[serde(default)]
    pub group_creation: GroupCreation,
    /// How this service provider differs from the standards. What is not set is taken from the preset, if one is
    /// named, else from what the service provider says of itself, else from the standards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ScimProfile>,
    /// How long one request may take, in seconds.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1, max = 10))]
    pub timeout_seconds: u8,
}

fn default_timeout() -> u8 {
    10
}

/// Whether `http://` to a host other than this machine is acceptable.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlainHttp {
    /// Only https, and http to this machine.
    #[default]
    Refuse,
    /// The network is trusted.
    Allow,
}

/// Whether missing groups are created.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupCreation {
    /// A missing group is reported.
    #[default]
    Never,
    /// A missing group is created when the first person is to be in it.
    OnDemand,
}

/// How Tenure proves who it is to a SCIM service provider: exactly one way.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.bearer), has(self.basic), has(self.oauth2)].filter(c, c).size() == 1").message("set exactly one of bearer, basic, oauth2")
)]
pub struct ScimAuth {
    /// A bearer token (RFC 6750).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<BearerAuth>,
    /// User and password (RFC 7617).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<BasicAuth>,
    /// OAuth 2.0 client credentials (RFC 6749 §4.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2: Option<OAuth2Auth>,
}

/// A bearer token (RFC 6750).
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BearerAuth {
    /// The token.
    pub token_secret_ref: SecretKeyRef,
}

/// User and password (RFC 7617).
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BasicAuth {
    /// The user.
    pub username_secret_ref: SecretKeyRef,
    /// The password.
    pub password_secret_ref: SecretKeyRef,
}

/// OAuth 2.0 client credentials (RFC 6749 §4.4).
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OAuth2Auth {
    /// The token endpoint.
    #[schemars(length(min = 8, max = 2048))]
    #[x_kube(
        validation = Rule::new("self.matches('^https?://[^/@ #]+(/[^@ #]*)?$')").message("tokenUrl must be http(s)://host[:port][/path], without user or fragment")
    )]
    pub token_url: String,
    /// The client's id.
    pub client_id_secret_ref: SecretKeyRef,
    /// The client's secret.
    pub client_secret_secret_ref: SecretKeyRef,
    /// Scopes to ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 256)))]
    pub scopes: Vec<String>,
}
