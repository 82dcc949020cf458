//! What a service provider says of itself (RFC 7643 §5 to §7, RFC 7644 §4, RFC 9865 §4).

mod schemas;

use std::sync::Arc;

use http::Method;
use serde_json::Value;

use super::Scim;
use super::profile::Profile;
use super::resource::field;
use crate::api::scim::{Discovery, Etag, Lookup, MemberChange, Paging, ScimProfile, Update};
use crate::connectors::http::{Answer, LISTING};
use crate::connectors::{Failure, FailureClass};

/// The largest page that is asked for.
const PAGE: u64 = 100;

impl Scim {
    /// Reads the service provider configuration, under either of its names, and keeps what it says. Where there is
    /// none, nothing is promised.
    ///
    /// Two requests at most.
    pub(super) async fn discover(&self) -> Result<Arc<Profile>, Failure> {
        let (place, config) = self.configuration().await?;
        Ok(self.shared.profile.discovered(said(place, config.as_ref())))
    }

    /// Reads all that the service provider says of itself. That its resource types or schemas are not to be had is no
    /// failure: then nothing is concluded.
    ///
    /// Three requests at most.
    pub(super) async fn discover_all(&self) -> Result<Arc<Profile>, Failure> {
        let asked = self.shared.profile.so_far().discovery;
        let (place, config) = self.configuration().await?;
        let mut discovered = said(place, config.as_ref());
        if place != Discovery::None {
            // Under its second name the configuration has cost two requests.
            let types = if place == asked { self.document("ResourceTypes").await } else { Ok(None) };
            let schemas = self.document("Schemas").await;
            let (types, schemas) = (types.ok().flatten(), schemas.ok().flatten());
            schemas::read(types.as_ref(), schemas.as_ref(), &self.shared.marker, &mut discovered);
        }
        Ok(self.shared.profile.discovered(discovered))
    }

    /// The service provider configuration and where it is.
    async fn configuration(&self) -> Result<(Discovery, Option<Value>), Failure> {
        let profile = self.shared.profile.so_far();
        let places: &[(Discovery, &'static str)] = match profile.discovery {
            Discovery::ServiceProviderConfig => &[
                (Discovery::ServiceProviderConfig, "ServiceProviderConfig"),
                (Discovery::ServiceProviderConfigs, "ServiceProviderConfigs"),
            ],
            Discovery::ServiceProviderConfigs => {
                &[(Discovery::ServiceProviderConfigs, "ServiceProviderConfigs")]
            }
            Discovery::None => &[],
        };
        for (place, path) in places {
            if let Some(config @ Value::Object(_)) = self.document(path).await? {
                return Ok((*place, Some(config)));
            }
        }
        Ok((Discovery::None, None))
    }

    /// A document about the service provider; `None` where there is none. Some answer what they do not have with a
    /// page for people, and some show it to nobody, though they take the credentials elsewhere.
    async fn document(&self, path: &'static str) -> Result<Option<Value>, Failure> {
        let mut call = self.call("read capabilities", Method::GET, &[path])?;
        call.limit = LISTING;
        match self.send(&call).await {
            Ok(Answer { body, .. }) => Ok(body),
            Err(refused) if matches!(refused.status, Some(200..=299 | 400 | 404 | 405 | 410 | 501)) => {
                Ok(None)
            }
            Err(refused) if refused.failure.class == FailureClass::Credentials => {
                self.collection_answers("Users").await?;
                Ok(None)
            }
            Err(refused) => Err(refused.into()),
        }
    }
}

/// What the configuration says, and where it was found.
fn said(place: Discovery, config: Option<&Value>) -> ScimProfile {
    let discovered = config.map(read).unwrap_or_default();
    ScimProfile { discovery: Some(place), ..discovered }
}

/// Reads a service provider configuration. Cursors are used wherever they are offered: an account that is deleted
/// while a listing is read by position shifts another one past the reader.
fn read(config: &Value) -> ScimProfile {
    let flag = |section: &str, name: &str| match field(config, section).and_then(|s| field(s, name)) {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    };
    let number = |section: &str, name: &str| {
        let number = field(config, section).and_then(|s| field(s, name)).and_then(Value::as_u64);
        number.filter(|number| *number > 0)
    };
    let most = number("pagination", "maxPageSize").or_else(|| number("filter", "maxResults"));
    let patch = flag("patch", "supported");
    ScimProfile {
        update: Some(if patch { Update::Patch } else { Update::Put }),
        members: Some(if patch { MemberChange::Patch } else { MemberChange::Put }),
        lookup: Some(if flag("filter", "supported") { Lookup::Filter } else { Lookup::Listing }),
        etag: Some(if flag("etag", "supported") { Etag::Use } else { Etag::Ignore }),
        paging: Some(if flag("pagination", "cursor") { Paging::Cursor } else { Paging::Index }),
        page_size: most.and_then(|most| u16::try_from(most.min(PAGE)).ok()),
        ..ScimProfile::default()
    }
}

#[cfg(test)]
mod tests;
