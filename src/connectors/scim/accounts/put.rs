//! Whole resources read, changed and written back (RFC 7644 §3.5.1).

use http::{HeaderValue, Method};
use serde_json::{Map, Value};

use super::super::resource::{self, field};
use super::super::{Scim, unexpected};
use crate::api::scim::{Etag, ScimProfile};
use crate::connectors::http::{Answer, Call, LISTING, Refused};

/// How often a change is begun anew because somebody else changed the resource at the same time.
const ATTEMPTS: usize = 4;

/// A resource as it was read, to be changed and written back.
struct Original {
    resource: Map<String, Value>,
    version: Option<HeaderValue>,
}

impl Scim {
    /// Reads a resource, changes it, and writes it back whole, with all that we do not know. Where versions are
    /// supported a change by somebody else in between is not overwritten (RFC 7644 §3.14).
    ///
    /// Nothing is written when `change` says that nothing has to be.
    pub(in crate::connectors::scim) async fn replace(
        &self,
        operation: &'static str,
        path: &[&str; 2],
        change: impl Fn(&mut Map<String, Value>) -> bool,
    ) -> Result<Answer, Refused> {
        let mut attempt = 1;
        loop {
            let Original { resource: original, version } = self.original(operation, path).await?;
            let mut resource = original.clone();
            if !change(&mut resource) {
                return Ok(Answer { body: Some(Value::Object(original)), ..Answer::default() });
            }
            let call = Call {
                body: Some(Value::Object(resource)),
                if_match: version.clone(),
                limit: LISTING,
                ..self.call(operation, Method::PUT, path)?
            };
            match self.send(&call).await {
                Err(refused) if refused.status == Some(412) && attempt < ATTEMPTS => attempt += 1,
                Ok(answer) => {
                    if version.is_some() && same_version(&original, version.as_ref(), &answer) {
                        // Clocks of a second's resolution are popular: such a version protects from nothing.
                        self.learn(ScimProfile { etag: Some(Etag::Ignore), ..ScimProfile::default() });
                    }
                    return Ok(answer);
                }
                refused => return refused,
            }
        }
    }

    async fn original(&self, operation: &'static str, path: &[&str; 2]) -> Result<Original, Refused> {
        let call = Call { limit: LISTING, ..self.call(operation, Method::GET, path)? };
        let answer = self.send(&call).await?;
        let used = self.profile().await?.etag == Etag::Use;
        let version = version(&answer).filter(|_| used);
        let Some(body) = answer.body.filter(|body| resource::id(body).is_ok_and(|id| id == path[1])) else {
            return Err(unexpected(&call, "the answer is about something else").into());
        };
        let Value::Object(mut resource) = body else {
            return Err(unexpected(&call, "the answer is no resource").into());
        };
        resource.retain(|key, _| !is_read_only(key));
        Ok(Original { resource, version })
    }
}

/// What only the service provider writes: its own account of the resource, and a user's groups.
fn is_read_only(key: &str) -> bool {
    ["meta", "groups"].iter().any(|own| own.eq_ignore_ascii_case(key))
}

fn version(answer: &Answer) -> Option<HeaderValue> {
    let body = || field(field(answer.body.as_ref()?, "meta")?, "version")?.as_str()?.parse().ok();
    answer.etag.clone().or_else(body)
}

/// Whether two different states of a resource have one version.
fn same_version(before: &Map<String, Value>, version_before: Option<&HeaderValue>, after: &Answer) -> bool {
    let Some(Value::Object(resource)) = &after.body else { return false };
    let differs = before.iter().any(|(key, value)| resource.get(key).is_some_and(|now| now != value));
    differs && version(after).as_ref() == version_before
}
