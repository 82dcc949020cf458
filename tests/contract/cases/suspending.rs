//! Accounts that are taken out of use, and back.

use serde_json::json;
use tenure::api::{AccountState, Reason};
use tenure::connectors::Connector;
use tenure::controllers::user::act::Ending;
use tenure::converge::Cause;

use crate::difference::{At, Difference, Outcome, unless};
use crate::stage::{Stage, has, set};
use crate::subject::{Class, Line, Subject};

/// A suspended account is there, and cannot be used.
pub(crate) async fn suspend<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    ann.joins().await?;
    let before = stage.shown(ann.id()).await;
    let entry = ann.gone(Cause::Suspension).await?;
    assert_eq!(entry.state, AccountState::Suspended);
    let shown = stage.shown(ann.id()).await;
    assert!(!shown.active, "it was said to be suspended");
    let same = (&shown.login, &shown.marker, &shown.attributes)
        == (&before.login, &before.marker, &before.attributes);
    unless(same, "the account changes")?;
    let marker = ann.spec.marker_attribute().to_owned();
    let found = stage.connector().find(&marker, &ann.marker).await.at("find")?;
    unless(found.len() == 1 && !found[0].active, "it is not found by its marker")
}

/// Suspended once more, an account is as it was.
pub(crate) async fn suspend_twice<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    ann.joins().await?;
    for _ in 0..2 {
        let account = stage.connector().set_active(ann.id(), false).await?;
        stage.assert_true(&account).await;
        assert!(!account.active);
    }
    Ok(())
}

/// What was suspended comes back as it was.
pub(crate) async fn resume<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    ann.joins().await?;
    let before = stage.shown(ann.id()).await;
    ann.gone(Cause::Suspension).await.at("suspend")?;
    let settled = ann.converge().await.at("resume")?;
    assert_eq!(settled.entry.state, AccountState::Active);
    unless(stage.shown(ann.id()).await == before, "the account has changed")
}

/// What somebody else suspended is seen as such and not taken back into use.
pub(crate) async fn suspended_elsewhere<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    ann.joins().await?;
    stage.subject.suspend(ann.id()).await;
    stage.line.forget();
    let ending = ann.pass(ann.granted()).await;
    assert!(!stage.shown(ann.id()).await.active);
    assert_eq!(stage.line.writes(), Vec::<String>::new());
    match ending {
        Ending::Refused(_, refusal) if refusal.reason == Reason::SuspendedElsewhere => Ok(()),
        other => Err(Difference::new(format!("{other:?}"))),
    }
}

/// A change does not take a suspended account back into use.
pub(crate) async fn change_while_suspended<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    ann.joins().await?;
    stage.connector().set_active(ann.id(), false).await.at("suspend")?;
    let sample = stage.subject.sample(Class::Text, &ann.who).expect("a text");
    let account = stage.connector().update(ann.id(), &[set(sample.attribute, sample.first.clone())]).await?;
    stage.assert_true(&account).await;
    assert!(!account.active, "an update may not resume");
    unless(has(&account, sample.attribute, Some(&json!(sample.first))), "the value is not kept")
}
