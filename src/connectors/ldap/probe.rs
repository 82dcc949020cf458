//! What a directory can do, asked of it and tried.

use std::sync::Arc;
use std::time::Duration;

use ldap3::controls::RawControl;
use tokio::time::Instant;

use super::accounts::is_description;
use super::decode::WHOLE;
use super::suspension::{ACCOUNT_LOCK, END_TIME, LOCKED_TIME, Mechanism};
use super::trial::Trial;
use super::{LOGIN, Ldap, configuration, trouble};
use crate::api::Reason;
use crate::api::app::{Capability, CapabilitySource};
use crate::api::directory::ldap::{SuspendProof, SuspensionMechanism};
use crate::connectors::directory::{ASSERTION, Entry, POST_READ, Schema, post_read};
use crate::connectors::{Failure, FailureClass};

const OPERATION: &str = "probe";
/// How long what was learnt is believed: policies change.
const BELIEVED: Duration = Duration::from_hours(24);

/// What is known of a directory.
#[derive(Debug)]
pub(super) struct Profile {
    /// The attribute that identifies entries: `entryUUID` (RFC 4530), or `nsUniqueId` of 389 Directory Server's kin.
    pub(super) id_attribute: String,
    /// Whether a write can be made to depend on what the entry is (RFC 4528).
    pub(super) assertion: bool,
    /// Whether a write can show the entry after it (RFC 4527).
    pub(super) post_read: bool,
    pub(super) schema: Schema,
    pub(super) mechanism: Mechanism,
    trial: Option<Trial>,
    /// The id of who Tenure binds as.
    pub(super) own: Option<String>,
    pub(super) capabilities: Vec<Capability>,
    since: Instant,
}

/// Whether the text can be an id: hexadecimal digits and dashes.
pub(super) fn is_id(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_hexdigit).count();
    digits == 32 && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-') && text.len() <= 36
}

impl Profile {
    /// The id of an entry, in lower case.
    pub(super) fn id(&self, entry: &Entry) -> Option<String> {
        entry.text(&self.id_attribute).map(str::to_lowercase).filter(|id| is_id(id))
    }

    /// Asks for the entry as a write leaves it.
    pub(super) fn shown_after(&self) -> Vec<RawControl> {
        if self.post_read { vec![post_read(&WHOLE)] } else { Vec::new() }
    }

    /// Whether a suspended account is proved to be closed, and to stay so when somebody sets a password.
    fn is_proved(&self) -> bool {
        self.trial == Some(Trial::Bites { survives_reset: true })
    }
}

impl Ldap {
    /// Looks at the directory as an App is about to use it, and refuses what would fail later.
    pub(super) async fn examine(&self) -> Result<Arc<Profile>, Failure> {
        let known = self.shared.profile.lock().clone().filter(|profile| profile.since.elapsed() < BELIEVED);
        let profile = match known {
            Some(profile) => {
                self.base_entry().await?;
                profile
            }
            None => self.explore().await?,
        };
        self.check_names(&profile)?;
        self.check_places().await?;
        let wanted = self.shared.spec.suspend == SuspendProof::Proved;
        if wanted && self.shared.may_try && !profile.is_proved() {
            *self.shared.profile.lock() = None;
            return Err(unproved(&profile));
        }
        Ok(profile)
    }

    /// Asks what the directory can do.
    pub(super) async fn explore(&self) -> Result<Arc<Profile>, Failure> {
        let base = self.base_entry().await?;
        let id_attribute = ["entryUUID", "nsUniqueId"].into_iter().find(|name| base.text(name).is_some());
        let id_attribute = id_attribute.ok_or_else(|| {
            configuration(format!(
                "{OPERATION}: entries have no entryUUID (RFC 4530), or the account that Tenure binds as may not see it: \
                 without it no entry can be told from another of the same name"
            ))
        })?;
        let root = self.shared.directory.read(self.op(OPERATION), "", &["*", "+"]).await?.unwrap_or_default();
        let schema = match base.text("subschemaSubentry").or_else(|| root.text("subschemaSubentry")) {
            Some(dn) => {
                let wanted = ["attributeTypes", "objectClasses"];
                self.shared.directory.read(self.op(OPERATION), dn, &wanted).await?
            }
            None => None,
        };
        let schema = schema.as_ref().map(Schema::read).unwrap_or_default();
        let (mechanism, trial) = self.choose(&schema).await?;
        let mut profile = Profile {
            id_attribute: id_attribute.to_owned(),
            assertion: root.has("supportedControl", ASSERTION),
            post_read: root.has("supportedControl", POST_READ),
            schema,
            mechanism,
            trial,
            own: None,
            capabilities: Vec::new(),
            since: Instant::now(),
        };
        // Who may not see itself is no account under the base either.
        let wanted = [profile.id_attribute.as_str()];
        let own = self.shared.directory.read(self.op(OPERATION), &self.shared.bound_as, &wanted).await;
        profile.own = own.ok().flatten().and_then(|entry| profile.id(&entry));
        profile.capabilities = self.capabilities(&profile);
        let profile = Arc::new(profile);
        *self.shared.profile.lock() = Some(profile.clone());
        Ok(profile)
    }

    async fn base_entry(&self) -> Result<Entry, Failure> {
        let base = self.shared.base.to_string();
        let wanted = ["entryUUID", "nsUniqueId", "subschemaSubentry"];
        let found = self.shared.directory.read(self.op(OPERATION), &base, &wanted).await?;
        found.ok_or_else(|| missing("baseDn"))
    }

    /// Every place that the App names is there.
    async fn check_places(&self) -> Result<(), Failure> {
        let spec = &self.shared.spec;
        let places = [
            ("groups.baseDn", spec.groups.base_dn.as_deref()),
            ("suspension.leaversDn", spec.suspension.leavers_dn.as_deref()),
            ("posix.counterDn", spec.posix.as_ref().map(|posix| posix.counter_dn.as_str())),
        ];
        for (field, dn) in places {
            let Some(dn) = dn else { continue };
            if self.shared.directory.read(self.op(OPERATION), dn, &["1.1"]).await?.is_none() {
                return Err(missing(field));
            }
        }
        Ok(())
    }

    /// Every attribute and class that the App names is in the schema.
    fn check_names(&self, profile: &Profile) -> Result<(), Failure> {
        let spec = &self.shared.spec;
        let named = [self.shared.marker.as_str(), spec.rdn_attribute.as_str(), LOGIN];
        let named = named.into_iter().chain(self.shared.attributes.iter().map(String::as_str));
        for name in named {
            if !is_description(name) {
                return Err(configuration(format!(
                    "{OPERATION}: {name} is no name of an attribute in a directory"
                )));
            }
            if profile.schema.is_known() && profile.schema.attribute(name).is_none() {
                return Err(configuration(format!(
                    "{OPERATION}: the directory's schema has no attribute {name}: correct the App, or extend the schema"
                )));
            }
        }
        let class = spec.object_classes.iter().find(|class| !profile.schema.has_class(class));
        match class {
            Some(class) if profile.schema.is_known() => Err(configuration(format!(
                "{OPERATION}: the directory's schema has no class {class}: correct spec.connector.ldap.objectClasses, \
                 or extend the schema"
            ))),
            _ => Ok(()),
        }
    }

    /// Mechanisms that the App and the server allow, best first.
    fn candidates(&self, schema: &Schema) -> Vec<Mechanism> {
        let has = |name| schema.attribute(name).is_some();
        let policy = Mechanism::PasswordPolicy { end_time: has(END_TIME), locked_time: has(LOCKED_TIME) };
        let mut all = Vec::new();
        let chosen = self.shared.spec.suspension.mechanism;
        let allows = |mechanism| chosen == mechanism || chosen == SuspensionMechanism::Auto;
        if allows(SuspensionMechanism::PasswordPolicy) && (has(END_TIME) || has(LOCKED_TIME)) {
            all.push(policy);
        }
        if allows(SuspensionMechanism::AccountLock) && has(ACCOUNT_LOCK) {
            all.push(Mechanism::AccountLock);
        }
        if allows(SuspensionMechanism::HashPrefix) {
            all.push(Mechanism::HashPrefix);
        }
        if chosen == SuspensionMechanism::LeaversUnit {
            all.push(Mechanism::LeaversUnit);
        }
        all
    }

    /// The first mechanism that a trial shows to bite, and whether it outlives a new password. Of those that cannot be
    /// tried, the first.
    async fn choose(&self, schema: &Schema) -> Result<(Mechanism, Option<Trial>), Failure> {
        let candidates = self.candidates(schema);
        let Some(first) = candidates.first().copied() else {
            return Err(configuration(format!(
                "{OPERATION}: the directory's schema lacks what spec.connector.ldap.suspension.mechanism needs"
            )));
        };
        if !self.shared.may_try || first == Mechanism::LeaversUnit {
            return Ok((first, None));
        }
        let mut untried = None;
        for mechanism in candidates {
            match self.try_mechanism(mechanism).await? {
                Trial::Bites { survives_reset } => {
                    return Ok((mechanism, Some(Trial::Bites { survives_reset })));
                }
                Trial::Vain => {}
                Trial::Refused => untried = untried.or(Some(mechanism)),
            }
        }
        untried.map(|mechanism| (mechanism, Some(Trial::Refused))).ok_or_else(|| {
            let message = format!(
                "{OPERATION}: an account that was suspended for a trial could still bind, by every mechanism that the \
                 server has: let a password policy apply to accounts, or let the account that Tenure binds as read and \
                 write userPassword"
            );
            trouble(FailureClass::Permanent, Reason::SuspendUnproved, message)
        })
    }

    fn capabilities(&self, profile: &Profile) -> Vec<Capability> {
        let capability = |name: &str, value: &str, source| Capability {
            name: name.to_owned(),
            value: value.to_owned(),
            source,
        };
        let yes_no = |yes| if yes { "Yes" } else { "No" };
        let (proof, source) = match profile.trial {
            Some(Trial::Bites { survives_reset: true }) => {
                ("Refuses a bind, also after a new password", CapabilitySource::Probed)
            }
            Some(Trial::Bites { survives_reset: false }) => {
                ("Refuses a bind, until a new password is set", CapabilitySource::Probed)
            }
            Some(Trial::Refused | Trial::Vain) => ("Could not be tried", CapabilitySource::Probed),
            None => ("Not tried", CapabilitySource::Default),
        };
        let chosen = match self.shared.spec.suspension.mechanism {
            SuspensionMechanism::Auto => source,
            _ => CapabilitySource::Configured,
        };
        vec![
            capability("identity", &profile.id_attribute, CapabilitySource::Discovered),
            capability("assertion", yes_no(profile.assertion), CapabilitySource::Discovered),
            capability("postRead", yes_no(profile.post_read), CapabilitySource::Discovered),
            capability("schema", yes_no(profile.schema.is_known()), CapabilitySource::Discovered),
            capability("suspension", profile.mechanism.as_str(), chosen),
            capability("suspensionProof", proof, source),
            capability("openConnections", "Not ended", CapabilitySource::Default),
        ]
    }
}

fn missing(field: &str) -> Failure {
    configuration(format!(
        "{OPERATION}: the entry in spec.connector.ldap.{field} does not exist, or the account that Tenure binds as may \
         not see it"
    ))
}

fn unproved(profile: &Profile) -> Failure {
    let what = match profile.trial {
        Some(Trial::Bites { .. }) => {
            "a suspended account is open again as soon as somebody sets a password, as no password policy that would \
             prevent it applies"
        }
        Some(Trial::Refused | Trial::Vain) => {
            "it could not be tried whether a suspended account can bind, as the directory refused an account for the \
             trial"
        }
        None => "suspending by this mechanism stops no bind",
    };
    let message = format!(
        "{OPERATION}: {what}: see docs/connectors/ldap.md, or set spec.connector.ldap.suspend to BestEffort"
    );
    trouble(FailureClass::Permanent, Reason::SuspendUnproved, message)
}
