//! From an App's spec and its Secrets to a connector.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::catalogue::Catalogue;
use super::target;
use crate::api::directory::{
    ActiveDirectoryConnector, DirectoryServers, LdapConnector, PlainText, SimpleBind,
};
use crate::api::scim::{GroupCreation, ScimAuth, ScimConnector};
use crate::api::{AppSpec, CREDENTIALS_LABEL, Mode, Reason, SecretKeyRef, app};
use crate::connectors::active_directory::{ActiveDirectory, ActiveDirectoryConfig};
use crate::connectors::any::AnyConnector;
use crate::connectors::directory::{DirectoryConfig, Identity};
use crate::connectors::fence::Fence;
use crate::connectors::gate::Gate;
use crate::connectors::http::{Credentials, HttpConfig, Meter};
use crate::connectors::ldap::{Ldap, LdapConfig};
use crate::connectors::scim::{Scim, ScimConfig};
use crate::converge::parse_duration;
use crate::runtime::index::Name;

/// How long reading a Secret may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// `switchBackAfter` where it cannot be read, which admission prevents.
const SWITCH_BACK: Duration = Duration::from_mins(5);

/// A connector in use.
pub struct Connected {
    /// The connector.
    pub connector: AnyConnector,
    /// Hash of the system that it speaks to: work decided for another one is not done with it.
    pub target: String,
    /// What is known of entitlements.
    pub catalogue: Arc<Catalogue>,
    /// Requests under way together.
    pub concurrency: u8,
    /// Ends the workers that use it.
    pub end: CancellationToken,
}

/// Why there is no connector: a reason and what to do.
pub type Refused = (Reason, String);

/// What a connector needs from around it.
pub struct Surroundings {
    /// For the Secrets.
    pub client: Client,
    /// Whether remote systems may be changed.
    pub fence: Fence,
    /// Plain http and targets on this machine are permitted.
    pub insecure_targets: bool,
    /// The longest that a request may take, so that the lease outlasts it.
    pub longest_request: Duration,
    /// Told of every request.
    pub meter: Meter,
}

/// Names of the Secrets that an App uses.
pub fn secrets(spec: &AppSpec) -> Vec<Name> {
    references(spec).into_iter().map(|r| r.name.as_str().into()).collect()
}

fn references(spec: &AppSpec) -> Vec<&SecretKeyRef> {
    if let Some(directory) = spec.connector.directory() {
        let SimpleBind { username_secret_ref, password_secret_ref } = &directory.bind;
        let bind = [username_secret_ref, password_secret_ref];
        return directory.ca_secret_ref.iter().chain(bind).collect();
    }
    let Some(scim) = &spec.connector.scim else {
        return Vec::new();
    };
    let mut all: Vec<_> = scim.ca_secret_ref.iter().collect();
    let auth = &scim.auth;
    all.extend(auth.bearer.iter().map(|b| &b.token_secret_ref));
    all.extend(auth.basic.iter().flat_map(|b| [&b.username_secret_ref, &b.password_secret_ref]));
    all.extend(auth.oauth2.iter().flat_map(|o| [&o.client_id_secret_ref, &o.client_secret_secret_ref]));
    all
}

/// Builds the connector.
pub async fn connect(
    around: &Surroundings,
    namespace: &str,
    spec: &AppSpec,
    gate: Gate,
    end: CancellationToken,
) -> Result<Connected, Refused> {
    let values = Values::read(around, namespace, spec).await?;
    let context = (around.fence.clone(), gate, around.meter.clone());
    let connector = match &spec.connector {
        app::Connector { scim: Some(scim), .. } => {
            let config = scim_config(around, spec, scim, &values)?;
            Scim::new(config, context.0, context.1, context.2).map(AnyConnector::Scim)
        }
        app::Connector { ldap: Some(ldap), .. } => {
            let config = ldap_config(around, spec, ldap, &values)?;
            Ldap::new(config, context).map(AnyConnector::Ldap)
        }
        app::Connector { active_directory: Some(domain), .. } => {
            let config = domain_config(around, spec, domain, &values)?;
            ActiveDirectory::new(config, context).map(AnyConnector::ActiveDirectory)
        }
        _ => {
            let message = "spec.connector: set exactly one connector";
            return Err((Reason::InvalidConfiguration, message.to_owned()));
        }
    };
    Ok(Connected {
        connector: connector.map_err(|failure| (failure.reason, failure.message))?,
        target: target::hash(spec),
        catalogue: Arc::default(),
        concurrency: spec.limits.concurrency,
        end,
    })
}

fn scim_config(
    around: &Surroundings,
    spec: &AppSpec,
    scim: &ScimConnector,
    values: &Values,
) -> Result<ScimConfig, Refused> {
    if scim.base_url.starts_with("http://") && !around.insecure_targets {
        let cure = "spec.connector.scim.baseUrl is plain http: use https, or run the operator with --allow-insecure-targets";
        return Err((Reason::InvalidConfiguration, cure.to_owned()));
    }
    Ok(ScimConfig {
        http: HttpConfig {
            base_url: scim.base_url.clone(),
            ca_pem: scim.ca_secret_ref.as_ref().map(|r| values.bytes(r)).transpose()?,
            timeout: Duration::from_secs(scim.timeout_seconds.into()).min(around.longest_request),
            allow_insecure: around.insecure_targets,
            user_agent: concat!("tenure/", env!("CARGO_PKG_VERSION")).to_owned(),
        },
        credentials: credentials(&scim.auth, values)?,
        marker_attribute: spec.marker_attribute().to_owned(),
        search_by: spec.adoption.match_on.clone(),
        profile: scim.profile.clone().unwrap_or_default(),
        create_groups: scim.group_creation == GroupCreation::OnDemand,
    })
}

/// Connections to an LDAP directory: more of them do not make it faster.
const LDAP_CONNECTIONS: usize = 2;

fn ldap_config(
    around: &Surroundings,
    spec: &AppSpec,
    ldap: &LdapConnector,
    values: &Values,
) -> Result<LdapConfig, Refused> {
    let mut attributes: Vec<_> = spec.attributes.iter().map(|rule| rule.to.clone()).collect();
    attributes.extend(spec.adoption.match_on.iter().cloned());
    Ok(LdapConfig {
        directory: directory_config(around, &ldap.directory, values, LDAP_CONNECTIONS)?,
        spec: ldap.clone(),
        marker: spec.marker_attribute().to_owned(),
        attributes,
        may_try: spec.mode == Mode::Enforce,
    })
}

/// Connections to a domain: more of them make some controllers slower.
const DOMAIN_CONNECTIONS: usize = 2;

fn domain_config(
    around: &Surroundings,
    spec: &AppSpec,
    domain: &ActiveDirectoryConnector,
    values: &Values,
) -> Result<ActiveDirectoryConfig, Refused> {
    let mut attributes: Vec<_> = spec.attributes.iter().map(|rule| rule.to.clone()).collect();
    attributes.extend(spec.adoption.match_on.iter().cloned());
    Ok(ActiveDirectoryConfig {
        directory: directory_config(around, &domain.directory, values, DOMAIN_CONNECTIONS)?,
        spec: domain.clone(),
        marker: spec.marker_attribute().to_owned(),
        attributes,
    })
}

fn directory_config(
    around: &Surroundings,
    directory: &DirectoryServers,
    values: &Values,
    connections: usize,
) -> Result<DirectoryConfig, Refused> {
    let switch_back = parse_duration(&directory.switch_back_after).map(SignedDuration::unsigned_abs);
    Ok(DirectoryConfig {
        servers: directory.servers.clone(),
        ca_pem: directory.ca_secret_ref.as_ref().map(|r| values.bytes(r)).transpose()?,
        plain_text: directory.plain_text == PlainText::Allow,
        identity: Identity {
            name: values.text(&directory.bind.username_secret_ref)?,
            password: values.secret(&directory.bind.password_secret_ref)?,
        },
        timeout: Duration::from_secs(directory.timeout_seconds.into()).min(around.longest_request),
        switch_back: switch_back.unwrap_or(SWITCH_BACK),
        page_size: directory.page_size,
        connections,
        allow_insecure: around.insecure_targets,
    })
}

fn credentials(auth: &ScimAuth, values: &Values) -> Result<Credentials, Refused> {
    if let Some(bearer) = &auth.bearer {
        return Ok(Credentials::Bearer(values.secret(&bearer.token_secret_ref)?));
    }
    if let Some(basic) = &auth.basic {
        let user = values.text(&basic.username_secret_ref)?;
        return Ok(Credentials::Basic { user, password: values.secret(&basic.password_secret_ref)? });
    }
    if let Some(oauth2) = &auth.oauth2 {
        return Ok(Credentials::OAuth2 {
            token_url: oauth2.token_url.clone(),
            client_id: values.text(&oauth2.client_id_secret_ref)?,
            client_secret: values.secret(&oauth2.client_secret_secret_ref)?,
            scopes: oauth2.scopes.clone(),
        });
    }
    Err((
        Reason::InvalidConfiguration,
        "spec.connector.scim.auth: set exactly one of bearer, basic, oauth2".to_owned(),
    ))
}

/// The data of the Secrets that an App uses.
struct Values(BTreeMap<String, BTreeMap<String, Vec<u8>>>);

impl Values {
    async fn read(around: &Surroundings, namespace: &str, spec: &AppSpec) -> Result<Self, Refused> {
        let api = Api::<Secret>::namespaced(around.client.clone(), namespace);
        let mut all = BTreeMap::new();
        for name in secrets(spec) {
            if all.contains_key(&*name) {
                continue;
            }
            let found = tokio::time::timeout(PATIENCE, api.get_opt(&name)).await;
            let secret = match found {
                Ok(Ok(Some(secret))) => secret,
                Ok(Ok(None)) => {
                    return Err((
                        Reason::SecretNotFound,
                        format!("Secret {name} does not exist in this namespace"),
                    ));
                }
                Ok(Err(kube::Error::Api(status))) => {
                    return Err((
                        Reason::SecretNotFound,
                        format!("Secret {name} could not be read: the API server answered {}", status.code),
                    ));
                }
                Ok(Err(_)) | Err(_) => {
                    return Err((
                        Reason::SecretNotFound,
                        format!("Secret {name} could not be read: the API server gave no answer"),
                    ));
                }
            };
            if !secret.labels().contains_key(CREDENTIALS_LABEL) {
                return Err((
                    Reason::SecretNotFound,
                    format!(
                        "Secret {name} lacks the label {CREDENTIALS_LABEL}, without which no Secret is used"
                    ),
                ));
            }
            all.insert(
                name.to_string(),
                secret.data.unwrap_or_default().into_iter().map(|(k, v)| (k, v.0)).collect(),
            );
        }
        Ok(Self(all))
    }

    fn bytes(&self, reference: &SecretKeyRef) -> Result<Vec<u8>, Refused> {
        let SecretKeyRef { name, key } = reference;
        let found = self.0.get(name).and_then(|data| data.get(key)).filter(|v| !v.is_empty());
        found.cloned().ok_or_else(|| {
            (Reason::SecretNotFound, format!("Secret {name} has no value under the key {key}"))
        })
    }

    fn text(&self, reference: &SecretKeyRef) -> Result<String, Refused> {
        // An editor's line break at the end of a file is never part of a credential.
        String::from_utf8(self.bytes(reference)?)
            .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|_| {
                (
                    Reason::InvalidConfiguration,
                    format!("Secret {}, key {}: not UTF-8", reference.name, reference.key),
                )
            })
    }

    fn secret(&self, reference: &SecretKeyRef) -> Result<SecretString, Refused> {
        self.text(reference).map(SecretString::from)
    }
}
