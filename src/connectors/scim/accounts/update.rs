//! Accounts changed, suspended and resumed: written as the service provider wants it, and proved by what it shows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value};

use super::super::path::canonical;
use super::super::profile::Profile;
use super::super::resource::{self, matches};
use super::super::{Scim, no_such_method, trouble};
use super::not_applied;
use super::patch::operations;
use super::written::{apply, kept, terms};
use crate::api::Reason;
use crate::api::scim::{PatchStyle, ScimProfile, Suspension, Update};
use crate::connectors::http::{Answer, Refused};
use crate::connectors::{Failure, FailureClass};
use crate::converge::{Change, RemoteAccount, equivalent, is_empty};

/// One change of one account.
#[derive(Clone, Copy)]
struct Edit<'a> {
    operation: &'static str,
    id: &'a str,
    changes: &'a [Change],
    profile: &'a Profile,
}

impl Scim {
    /// Changes attributes. What the target takes and does not keep is not in the account that is returned.
    pub(in crate::connectors::scim) async fn change_account(
        &self,
        id: &str,
        changes: &[Change],
    ) -> Result<RemoteAccount, Failure> {
        let profile = self.profile().await?;
        let changes = kept(changes, &terms(&profile));
        if changes.is_empty() {
            return self.read_back(id).await;
        }
        let edit = Edit { operation: "update account", id, changes: &changes, profile: &profile };
        let (answer, by) = self.write(&edit).await?;
        let mut account = match self.shown(&edit, answer)? {
            Some(account) if edit.changes.iter().all(|change| is_made(&account, change)) => account,
            _ => self.read_back(id).await?,
        };
        if by == Update::Patch
            && !self.shared.put_is_vain.load(Ordering::Relaxed)
            && !edit.changes.iter().any(|change| is_made(&account, change))
        {
            account = self.try_put(&edit, account).await?;
        }
        self.shared.index.note(&account);
        Ok(account)
    }

    /// Suspends or resumes. What the answer to the change says is an echo, not a proof: the account is read.
    pub(in crate::connectors::scim) async fn activate(
        &self,
        id: &str,
        active: bool,
    ) -> Result<RemoteAccount, Failure> {
        let operation = if active { "resume account" } else { "suspend account" };
        let profile = self.profile().await?;
        if !active {
            suspends(&profile)?;
        }
        let change = Change { attribute: "active".to_owned(), value: Some(Value::Bool(active)) };
        let edit = Edit { operation, id, changes: &[change], profile: &profile };
        let (_, by) = self.write(&edit).await?;
        let mut account = self.read_back(id).await?;
        if account.active != active && by == Update::Patch {
            account = self.try_put(&edit, account).await?;
        }
        if account.active == active { Ok(account) } else { Err(not_applied(operation)) }
    }

    /// Writes by the whole resource what a PATCH was accepted for and did not do; the account as it is then. If that
    /// helps, it is done so from now on; if not, it is not tried again for attributes.
    async fn try_put(&self, edit: &Edit<'_>, unchanged: RemoteAccount) -> Result<RemoteAccount, Failure> {
        let written = AtomicBool::new(false);
        let account = match self.put(edit, &written).await {
            Ok(_) => self.read_back(edit.id).await?,
            Err(refused) if refused.failure.class == FailureClass::Permanent => unchanged,
            Err(refused) => return Err(refused.into()),
        };
        match edit.changes.iter().any(|change| is_made(&account, change)) {
            true if written.into_inner() => self.learn_put(),
            // It was applied after all, late.
            true => {}
            false => self.shared.put_is_vain.store(true, Ordering::Relaxed),
        }
        Ok(account)
    }

    fn learn_put(&self) {
        self.learn(ScimProfile { update: Some(Update::Put), ..ScimProfile::default() });
    }

    /// Sends the changes; the last answer, and which way they went.
    async fn write(&self, edit: &Edit<'_>) -> Result<(Answer, Update), Failure> {
        let mut by = edit.profile.update;
        let mut outcome = match by {
            Update::Patch => self.patch_account(edit).await,
            Update::Put => self.put(edit, &AtomicBool::default()).await,
        };
        if by == Update::Patch && outcome.as_ref().is_err_and(no_such_method) {
            self.learn_put();
            by = Update::Put;
            outcome = self.put(edit, &AtomicBool::default()).await;
        }
        match outcome {
            Ok(answer) => Ok((answer, by)),
            Err(refused) if refused.failure.class == FailureClass::Gone => {
                self.write_hidden(edit, by, refused.failure).await
            }
            Err(refused) => Err(refused.into()),
        }
    }

    /// Some service providers say that an inactive account is not there when it is to be changed. It is gone only if
    /// it cannot be read either.
    async fn write_hidden(
        &self,
        edit: &Edit<'_>,
        by: Update,
        gone: Failure,
    ) -> Result<(Answer, Update), Failure> {
        let Some(account) = self.account(edit.id).await? else { return Err(gone) };
        if edit.changes.iter().all(|change| is_made(&account, change)) {
            return Ok((Answer::default(), by));
        }
        if by == Update::Patch
            && let Ok(answer) = self.put(edit, &AtomicBool::default()).await
        {
            return Ok((answer, Update::Put));
        }
        let message = "the account can be read, and the target says that it is not there when it is to be changed: \
                       change it there by hand";
        let message = format!("{}: {message}", edit.operation);
        Err(trouble(FailureClass::Permanent, Reason::Rejected, message))
    }

    async fn put(&self, edit: &Edit<'_>, written: &AtomicBool) -> Result<Answer, Refused> {
        let change = |resource: &mut Map<String, Value>| {
            let different = apply(resource, edit.changes, edit.profile);
            written.store(different, Ordering::Relaxed);
            different
        };
        let outcome = self.replace(edit.operation, &["Users", edit.id], change).await;
        outcome.map_err(|refused| named(refused, edit.changes))
    }

    /// By PATCH: all at once, or where that is refused, one attribute after the other, so that one which the target
    /// does not like keeps back no other.
    async fn patch_account(&self, edit: &Edit<'_>) -> Result<Answer, Refused> {
        let single = edit.profile.patch_style == PatchStyle::OneOperationPerRequest;
        if !single || edit.changes.len() == 1 {
            match self.send_patch(edit, edit.changes).await {
                Err(refused) if edit.changes.len() > 1 && is_about_content(&refused) => {}
                outcome => return outcome.map_err(|refused| named(refused, edit.changes)),
            }
        }
        let mut last = Answer::default();
        let mut refusals = Vec::new();
        for change in edit.changes {
            match self.send_patch(edit, std::slice::from_ref(change)).await {
                Ok(answer) => last = answer,
                Err(refused) if is_about_content(&refused) => refusals.push((change, refused)),
                Err(refused) => return Err(refused),
            }
        }
        // An attribute that is refused is one that the target does not keep; of who it is about, it must keep all.
        let essential = |change: &Change| {
            ["userName", self.shared.marker.as_str()]
                .iter()
                .any(|name| name.eq_ignore_ascii_case(&change.attribute))
        };
        let all = refusals.len() == edit.changes.len();
        match refusals.into_iter().find(|(change, _)| all || essential(change)) {
            Some((change, refused)) => Err(named(refused, std::slice::from_ref(change))),
            None => Ok(last),
        }
    }

    async fn send_patch(&self, edit: &Edit<'_>, changes: &[Change]) -> Result<Answer, Refused> {
        let outcome =
            self.patch(edit.operation, &["Users", edit.id], operations(changes, edit.profile)).await;
        let clears = changes.len() == 1 && changes.iter().all(|change| change.value.is_none());
        match outcome {
            // There is nothing to clear.
            Err(refused) if clears && refused.keyword == Some("noTarget") => Ok(Answer::default()),
            outcome => outcome,
        }
    }

    /// The account that an answer to a change shows, if it does.
    fn shown(&self, edit: &Edit<'_>, answer: Answer) -> Result<Option<RemoteAccount>, Failure> {
        let Some(body) = answer.body.filter(|body| resource::id(body).is_ok()) else { return Ok(None) };
        let terms = Arc::new(terms(edit.profile));
        self.this_account(edit.operation, edit.id, &body, &terms).map(Some)
    }
}

/// Fails where `active: false` does something else than suspend.
fn suspends(profile: &Profile) -> Result<(), Failure> {
    let (reason, why) = match profile.suspension {
        Suspension::Reversible => return Ok(()),
        Suspension::Deletes => (Reason::SuspendDeletes, "the target would delete the account"),
        Suspension::Unsupported => (Reason::SuspendUnsupported, "the target has no suspended accounts"),
    };
    let message = format!("suspend account: not sent: {why}: use the action Delete or Retain");
    Err(trouble(FailureClass::Permanent, reason, message))
}

/// Whether the account is as the change wants it.
fn is_made(account: &RemoteAccount, change: &Change) -> bool {
    let name = canonical(&change.attribute);
    match (name.as_str(), &change.value) {
        ("active", Some(Value::Bool(active))) => account.active == *active,
        ("userName", Some(Value::String(login))) => matches(account, "", "userName", login),
        (name, value) => {
            let have = account.attributes.get(name).unwrap_or(&Value::Null);
            value.as_ref().map_or_else(|| is_empty(have), |value| equivalent(value, have))
        }
    }
}

/// Whether it is the request as it is that was refused.
fn is_about_content(refused: &Refused) -> bool {
    refused.failure.class == FailureClass::Permanent && matches!(refused.status, Some(400 | 422))
}

/// The refusal, with the names of what was to be changed.
fn named(mut refused: Refused, changes: &[Change]) -> Refused {
    if is_about_content(&refused) {
        let names: Vec<_> = changes.iter().map(|change| change.attribute.as_str()).collect();
        refused.failure.message = format!("{} ({})", refused.failure.message, names.join(", "));
    }
    refused
}
