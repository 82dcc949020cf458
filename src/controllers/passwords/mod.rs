//! First passwords that are kept for their people, each in a Secret of its own.
//!
//! The Secret is written before the account is made, and made only once: its name follows from person, App and system, and
//! its content cannot be changed. So whoever makes the account, or makes it again after a crash or a reply that was lost,
//! makes it with the password that is in the Secret.

pub mod keeper;
mod note;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::{Api, Client};
use secrecy::SecretString;

use crate::access::DesiredAccount;
use crate::api::{InitialPassword, Reason};
use crate::connectors::{Failure, FailureClass, password};
use crate::controllers::user::act::{Halt, Stop};
use crate::converge;
use crate::runtime::index::Key;
use crate::runtime::metrics::Metrics;

/// How long one call may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longer texts are no names.
const LONGEST_WORD: usize = 128;

/// Whose password, and for which account.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// The User.
    pub user: &'a Key,
    /// `metadata.uid` of it: another User of that name is another person.
    pub uid: &'a str,
    /// Name of the App.
    pub app: &'a str,
    /// Hash of the system that the App points to.
    pub target: &'a str,
}

/// Keeps passwords.
pub struct Passwords {
    client: Client,
    metrics: Metrics,
}

impl Passwords {
    /// Over a client without retries of its own.
    pub fn new(client: Client, metrics: Metrics) -> Self {
        Self { client, metrics }
    }

    /// The password that is kept for the account; the first call makes it.
    pub async fn keep(
        &self,
        owner: &Owner<'_>,
        policy: &InitialPassword,
        words: impl IntoIterator<Item = &str>,
    ) -> Result<SecretString, Halt> {
        let fresh = password::random(policy.length.into(), words);
        let until = Timestamp::now().checked_add(converge::kept_for(Some(policy)));
        let secret = note::secret(owner, &fresh, until.unwrap_or(Timestamp::MAX));
        let api = Api::<Secret>::namespaced(self.client.clone(), &owner.user.namespace);
        let params = PostParams::default();
        let outcome = tokio::time::timeout(PATIENCE, api.create(&params, &secret)).await;
        let result = match outcome {
            Ok(Ok(_)) => Ok(fresh),
            Ok(Err(kube::Error::Api(status))) if status.code == 409 && status.is_already_exists() => {
                return self.kept(&api, owner).await;
            }
            Ok(Err(error)) => Err(halt(&error)),
            Err(_) => Err(Halt::Stop(Stop::Cluster)),
        };
        self.metrics.api_write("Secret", if result.is_ok() { "ok" } else { "error" });
        result
    }

    /// What an earlier attempt, perhaps of another process, has written.
    async fn kept(&self, api: &Api<Secret>, owner: &Owner<'_>) -> Result<SecretString, Halt> {
        let name = note::name(owner);
        match tokio::time::timeout(PATIENCE, api.get_opt(&name)).await {
            Ok(Ok(Some(secret))) => note::password(secret, owner).ok_or_else(|| refused(&foreign(&name))),
            // Its time was up just now: the next attempt makes another.
            Ok(Ok(None)) | Err(_) => Err(Halt::Stop(Stop::Cluster)),
            Ok(Err(error)) => Err(halt(&error)),
        }
    }
}

/// What a password must have no part of: the logins and every text that may be a name.
pub fn words(desired: &DesiredAccount) -> impl Iterator<Item = &str> {
    let texts = desired.attributes.values().filter_map(|attribute| attribute.value.as_str());
    desired.logins.iter().map(String::as_str).chain(texts).filter(|text| text.len() <= LONGEST_WORD)
}

fn foreign(name: &str) -> String {
    format!("Secret {name} is not what Tenure wrote for this account: delete it, and a new one is made")
}

/// What the API server refused for good, against what may do the next time.
fn halt(error: &kube::Error) -> Halt {
    match error {
        kube::Error::Api(status) if matches!(status.code, 400 | 401 | 403 | 413 | 422) => refused(&format!(
            "the Secret with the first password could not be written, so no account is made: the API server answered \
             {}; the operator needs the verbs create, get, patch and delete on secrets, and the namespace room for them",
            status.code
        )),
        _ => Halt::Stop(Stop::Cluster),
    }
}

fn refused(message: &str) -> Halt {
    Halt::Target(Failure {
        class: FailureClass::Permanent,
        reason: Reason::InitialPasswordNotKept,
        message: message.to_owned(),
        retry_after: None,
    })
}
