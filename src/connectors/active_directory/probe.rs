//! What a domain says of itself, and whether what the App names is there.

use std::sync::Arc;

use super::accounts::is_attribute;
use super::uac::Bit;
use super::{ActiveDirectory, configuration, trouble};
use crate::api::Reason;
use crate::api::app::{Capability, CapabilitySource};
use crate::connectors::directory::{Dn, EXTENDED_DN, Entry, Filter, Schema, Scope, Search};
use crate::connectors::{Failure, FailureClass};

const OPERATION: &str = "probe";
/// In `supportedCapabilities` of a domain controller (MS-ADTS §3.1.1.3.4.3).
const ACTIVE_DIRECTORY: &str = "1.2.840.113556.1.4.800";
/// Begins the name of the recycle bin among the features that are enabled (MS-ADTS §6.1.1.2.4.1.1).
const RECYCLE_BIN: &str = "CN=Recycle Bin Feature,";
const ROOT: [&str; 7] = [
    "defaultNamingContext",
    "configurationNamingContext",
    "subschemaSubentry",
    "supportedCapabilities",
    "supportedControl",
    "domainFunctionality",
    "vendorName",
];

/// What is known of a domain.
#[derive(Clone, Debug, Default)]
pub(super) struct Profile {
    pub(super) schema: Schema,
    configuration: String,
    /// Behaviour version of the domain (MS-ADTS §6.1.4.3).
    level: String,
    vendor: String,
}

impl ActiveDirectory {
    /// Asks a controller what it is. Fails where it is none of the domain that the App names.
    pub(super) async fn explore(&self) -> Result<Arc<Profile>, Failure> {
        let root = self.root().await?;
        let subschema = root.text("subschemaSubentry").unwrap_or_default();
        let wanted = ["attributeTypes", "objectClasses"];
        let filter = Filter::present("objectClass");
        let search = Search { base: subschema, scope: Scope::Base, filter, attributes: &wanted, limit: 1 };
        let schema = self.shared.directory.search(self.op(OPERATION), &search).await?;
        let text = |name: &str| root.text(name).unwrap_or_default().to_owned();
        let profile = Arc::new(Profile {
            schema: schema.first().map(Schema::read).unwrap_or_default(),
            configuration: text("configurationNamingContext"),
            level: text("domainFunctionality"),
            vendor: text("vendorName"),
        });
        *self.shared.profile.lock() = Some(profile.clone());
        Ok(profile)
    }

    async fn root(&self) -> Result<Entry, Failure> {
        let root = self.shared.directory.read(self.op(OPERATION), "", &ROOT).await?;
        let root = root.unwrap_or_default();
        if !root.has("supportedCapabilities", ACTIVE_DIRECTORY) || !root.has("supportedControl", EXTENDED_DN)
        {
            let message = format!(
                "{OPERATION}: the server is no domain controller: for other directories there is the connector ldap"
            );
            return Err(configuration(message));
        }
        let domain = root.text("defaultNamingContext").and_then(|dn| Dn::parse(dn).ok());
        if !domain.is_some_and(|dn| dn.same(&self.shared.places.domain)) {
            let message = format!(
                "{OPERATION}: the server is a controller of another domain than spec.connector.activeDirectory.domain: \
                 correct one of the two"
            );
            return Err(configuration(message));
        }
        Ok(root)
    }

    /// Looks at all that the App names, and says what there is.
    pub(super) async fn examine(&self) -> Result<Vec<Capability>, Failure> {
        self.root().await?;
        let profile = self.profile().await?;
        self.has_attributes(&profile)?;
        self.has_places().await?;
        let recycles = self.recycles(&profile).await?;
        let may_create = self.may_create_accounts().await?;
        let (found, said) = (CapabilitySource::Discovered, CapabilitySource::Default);
        let all = [
            ("creating", if may_create { "Allowed" } else { "Denied" }, CapabilitySource::Probed),
            ("deletion", if recycles { "RecycleBin" } else { "Tombstone" }, found),
            ("domain", self.shared.spec.domain.as_str(), CapabilitySource::Configured),
            ("functionalLevel", level(&profile.level), found),
            ("members", "Direct: who is in a group by way of another group is left there", said),
            ("server", if profile.vendor.is_empty() { "ActiveDirectory" } else { "Samba" }, found),
            (
                "sessions",
                "Kerberos tickets given out before (up to 10 h by default) and open connections go on; new logons are \
                 refused, on other controllers once it has been replicated",
                said,
            ),
            (
                "suspension",
                if self.replaces_passwords() { "Disabled, password replaced twice" } else { "Disabled" },
                CapabilitySource::Configured,
            ),
        ];
        let capability = |(name, value, source): (&str, &str, CapabilitySource)| Capability {
            name: name.to_owned(),
            value: value.to_owned(),
            source,
        };
        Ok(all.into_iter().map(capability).collect())
    }

    /// Whether deleted objects come to the recycle bin.
    async fn recycles(&self, profile: &Profile) -> Result<bool, Failure> {
        let partitions = format!("CN=Partitions,{}", profile.configuration);
        let wanted = ["msDS-EnabledFeature"];
        let entry = self.shared.directory.read(self.op(OPERATION), &partitions, &wanted).await?;
        let entry = entry.unwrap_or_default();
        Ok(entry.texts(wanted[0]).any(|feature| feature.starts_with(RECYCLE_BIN)))
    }

    /// Whether the account that Tenure binds as may make users where new ones are to be (MS-ADTS §3.1.1.4.5.4).
    async fn may_create_accounts(&self) -> Result<bool, Failure> {
        let dn = self.shared.places.new_accounts.to_string();
        let wanted = ["allowedChildClassesEffective"];
        let entry = self.shared.directory.read(self.op(OPERATION), &dn, &wanted).await?;
        Ok(entry.is_some_and(|entry| entry.has(wanted[0], "user")))
    }

    fn has_attributes(&self, profile: &Profile) -> Result<(), Failure> {
        if !profile.schema.is_known() {
            let message = format!(
                "{OPERATION}: the schema cannot be read: let the account that Tenure binds as read it"
            );
            return Err(configuration(message));
        }
        let all = self.shared.attributes.iter().chain([&self.shared.marker]);
        let unknown = |name: &&String| {
            Bit::named(name).is_none() && (!is_attribute(name) || profile.schema.attribute(name).is_none())
        };
        match all.into_iter().find(unknown) {
            None => Ok(()),
            Some(name) => Err(configuration(format!(
                "{OPERATION}: the domain's schema has no attribute {name}: correct spec.attributes, \
                 spec.adoption.matchOn or spec.marker.attribute"
            ))),
        }
    }

    async fn has_places(&self) -> Result<(), Failure> {
        let places = &self.shared.places;
        let spec = &self.shared.spec;
        let mut all = vec![("baseDn", &places.base), ("newAccountsDn", &places.new_accounts)];
        all.extend(places.leavers.iter().map(|dn| ("suspension.leaversDn", dn)));
        if spec.groups.base_dn.is_some() {
            all.push(("groups.baseDn", &places.groups));
        }
        // The first is the domain controllers' unit, which the App does not name.
        all.extend(places.protected.iter().skip(1).map(|dn| ("protectedDns", dn)));
        for (field, dn) in all {
            let found = self.shared.directory.read(self.op(OPERATION), &dn.to_string(), &["1.1"]).await?;
            if found.is_none() {
                return Err(trouble(
                    FailureClass::Permanent,
                    Reason::InvalidConfiguration,
                    format!(
                        "{OPERATION}: spec.connector.activeDirectory.{field} does not exist, or the account that Tenure \
                         binds as may not see it"
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// Name of a functional level (MS-ADTS §6.1.4.2).
fn level(version: &str) -> &str {
    match version {
        "0" => "2000",
        "2" => "2003",
        "3" => "2008",
        "4" => "2008R2",
        "5" => "2012",
        "6" => "2012R2",
        "7" => "2016",
        "10" => "2025",
        other => other,
    }
}
