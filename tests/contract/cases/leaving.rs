//! Accounts of people who leave, and accounts that are gone.

use tenure::api::app::RemovalAction;
use tenure::api::{AccountState, Reason};
use tenure::connectors::{Connector, FailureClass};
use tenure::converge::Cause;

use crate::difference::{At, Difference, Outcome, none_of, unless};
use crate::stage::{Stage, set};
use crate::subject::{Class, Line, Subject};

/// A leaver's account is suspended; looked at again, nothing is written; the return takes it back.
pub(crate) async fn leave_and_return<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    ann.joins().await?;
    let id = ann.id().to_owned();
    let entry = ann.gone(Cause::Leave).await.at("leave")?;
    assert_eq!(entry.state, AccountState::Suspended);
    assert!(!stage.shown(&id).await.active);
    stage.line.forget();
    ann.gone(Cause::Leave).await.at("leave again")?;
    none_of(&stage.line.writes(), "it writes again")?;
    let settled = ann.converge().await.at("return")?;
    assert_eq!((settled.entry.id, stage.shown(&id).await.active), (id, true));
    assert_eq!(stage.count().await, 1);
    Ok(())
}

/// Whether an account that was deleted is really gone; some servers keep it, out of use.
async fn is_gone<S: Subject>(stage: &Stage<'_, S>, id: &str) -> Outcome {
    let left = stage.subject.account(id).await;
    assert!(left.as_ref().is_none_or(|account| !account.active), "it can still be used");
    unless(left.is_none(), "it can still be read, out of use")
}

/// A leaver's account is deleted, where the policy says so.
pub(crate) async fn delete<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    ann.joins().await?;
    let id = ann.id().to_owned();
    ann.spec.on_leave.action = RemovalAction::Delete;
    let entry = ann.gone(Cause::Leave).await?;
    assert_eq!(entry.state, AccountState::Deleted);
    is_gone(stage, &id).await
}

/// To delete what is deleted is no error.
pub(crate) async fn delete_twice<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    ann.joins().await?;
    stage.connector().delete(ann.id()).await?;
    stage.connector().delete(ann.id()).await.at("again")?;
    is_gone(stage, ann.id()).await
}

/// An account that somebody else deleted: a leaver needs nothing more, a person who should have one gets a new one.
pub(crate) async fn deleted_elsewhere<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let (mut ann, mut bob) = (stage.person("a"), stage.person("b"));
    ann.joins().await?;
    bob.joins().await?;
    stage.subject.delete(ann.id()).await;
    stage.subject.delete(bob.id()).await;
    let old = bob.id().to_owned();
    ann.ages();
    let entry = ann.gone(Cause::Leave).await.at("leave")?;
    unless(entry.state == AccountState::Deleted, "it is not seen that it is gone")?;
    assert_eq!(entry.reason, Reason::AccountGone.as_str());
    bob.ages();
    let settled = bob.converge().await.at("make anew")?;
    assert_ne!(settled.entry.id, old);
    assert!(stage.shown(&settled.entry.id).await.active);
    Ok(())
}

/// Nothing is read of what is deleted, it is not found, and it is not made again by a change.
pub(crate) async fn get_deleted<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    ann.joins().await?;
    stage.subject.delete(ann.id()).await;
    let found = stage.connector().get(ann.id()).await.at("get")?;
    assert!(found.as_ref().is_none_or(|account| !account.active));
    unless(found.is_none(), "it can still be read, out of use")?;
    let marker = ann.spec.marker_attribute().to_owned();
    assert_eq!(stage.connector().find(&marker, &ann.marker).await.at("find")?, []);
    let sample = stage.subject.sample(Class::Text, &ann.who).expect("a text");
    let change = set(sample.attribute, sample.first);
    let update = stage.connector().update(ann.id(), &[change]).await.expect_err("there is nothing to update");
    let suspend =
        stage.connector().set_active(ann.id(), false).await.expect_err("there is nothing to suspend");
    for (step, failure) in [("update", update), ("suspend", suspend)] {
        if failure.class != FailureClass::Gone {
            return Err::<(), _>(Difference::from(failure)).at(step);
        }
    }
    assert_eq!(stage.count().await, 0);
    Ok(())
}
