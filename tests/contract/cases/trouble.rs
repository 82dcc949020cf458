//! Replies that are lost, targets that ask to slow down, credentials that end.

use std::time::Duration;

use tenure::api::{AccountState, Reason};
use tenure::connectors::{Connector, Failure, FailureClass, Membership};
use tenure::controllers::user::act::Ending;
use tenure::converge::{Cause, Wanted};

use crate::difference::{At, Difference, Outcome, none_of, unless};
use crate::stage::{Stage, set};
use crate::subject::{Class, Does, Line, Subject, Wish};

/// The account is made and the reply is lost: the next pass finds it by its marker and makes no second one.
pub(crate) async fn lost_reply_to_create<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    ann.desired.logins.push(stage.subject.login(&stage.name("z")));
    stage.line.lose_reply(Does::Create);
    let Ending::Trouble(_, failure) = ann.pass(ann.granted()).await else {
        panic!("the reply was lost");
    };
    assert_eq!(failure.class, FailureClass::Unknown, "{failure:?}");
    assert_eq!(stage.count().await, 1);
    let settled = ann.converge().await;
    assert_eq!(stage.count().await, 1, "no second account");
    let entry = settled.at("the next pass")?.entry;
    assert_eq!(entry.state, AccountState::Active);
    let marker = ann.spec.marker_attribute().to_owned();
    let found = stage.connector().find(&marker, &ann.marker).await.at("find")?;
    assert_eq!(found.iter().map(|account| &account.id).collect::<Vec<_>>(), [&entry.id]);
    assert!(stage.shown(&entry.id).await.active);
    Ok(())
}

/// The account is suspended and the reply is lost: the next pass sees that, and writes nothing.
pub(crate) async fn lost_reply_to_suspend<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    ann.joins().await?;
    stage.line.lose_reply(Does::Change);
    let Ending::Trouble(_, failure) = ann.pass(Wanted::Gone(Cause::Leave)).await else {
        return Err(Difference::new("suspending needs no change"));
    };
    assert_eq!(failure.class, FailureClass::Unknown, "{failure:?}");
    unless(!stage.shown(ann.id()).await.active, "the lost request was not the last one")?;
    stage.line.forget();
    let entry = ann.gone(Cause::Leave).await.at("the next pass")?;
    assert_eq!(entry.state, AccountState::Suspended);
    none_of(&stage.line.writes(), "it writes again")
}

/// What was said to be done and was not is noticed, and done later.
pub(crate) async fn done_in_word_only<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    stage.line.pretend(Does::Create);
    let ending = ann.pass(ann.granted()).await;
    assert!(!matches!(ending, Ending::Settled(_)), "there is no account: {ending:?}");
    assert_eq!(stage.count().await, 0);
    ann.converge().await.at("create")?;
    assert_eq!(stage.count().await, 1);
    stage.line.pretend(Does::Change);
    let ending = ann.pass(Wanted::Gone(Cause::Leave)).await;
    assert!(!matches!(ending, Ending::Settled(_)), "the account is in use: {ending:?}");
    assert!(stage.shown(ann.id()).await.active);
    ann.gone(Cause::Leave).await.at("suspend")?;
    assert!(!stage.shown(ann.id()).await.active);
    Ok(())
}

/// A target that asks to come again later is taken at its word, and nothing is lost.
pub(crate) async fn throttled<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    for does in [Does::Read, Does::Create] {
        stage.line.throttle(does, 1);
        let Ending::Trouble(_, failure) = ann.pass(ann.granted()).await else {
            return Err(Difference::new(format!("{does:?} is not refused")));
        };
        assert_eq!(
            (failure.class, failure.reason),
            (FailureClass::RetryAfter, Reason::Throttled),
            "{does:?}"
        );
        assert_eq!(failure.retry_after, Some(Duration::from_secs(1)), "{does:?}");
        assert_eq!(stage.count().await, 0);
    }
    let settled = ann.converge().await;
    assert_eq!(stage.count().await, 1);
    settled.map(drop)
}

/// What a call came to, whatever it would have returned.
type Called = Result<(), Failure>;

/// Once the credentials are not known any more every call says so, and nothing is changed or concluded.
pub(crate) async fn credentials_revoked<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let (mut ann, bob) = (stage.person("a"), stage.person("b"));
    ann.joins().await?;
    let group = stage.subject.entitlement(&stage.name("group"));
    let entitlement = stage.subject.make_entitlement(&group).await;
    let before = (stage.shown(ann.id()).await, stage.subject.holders(&group.kind, &entitlement).await);
    // One each: the gate of a connector closes after the first refusal.
    let mut connectors = Vec::new();
    for _ in 0..10 {
        let connector = stage.another_connector(Wish::default());
        connector.probe().await.at("probe")?;
        connectors.push(connector);
    }
    stage.line.revoke_credentials();
    let [c0, c1, c2, c3, c4, c5, c6, c7, c8, c9] = &connectors[..] else { unreachable!() };
    let (marker, id) = (ann.spec.marker_attribute(), ann.id());
    let text = stage.subject.sample(Class::Text, &ann.who).expect("a text");
    let change = set(text.attribute, text.second);
    let new = tenure::converge::NewAccount {
        login: bob.login.clone(),
        marker: (marker.to_owned(), bob.marker.clone()),
        attributes: stage.subject.needs(&bob.who),
    };
    let member = Membership { account: id.to_owned(), held: true };
    let calls: [(&str, Called); 10] = [
        ("find", c0.find(marker, &ann.marker).await.map(drop)),
        ("get", c1.get(id).await.map(drop)),
        ("create", c2.create(&new, None).await.map(drop)),
        ("update", c3.update(id, &[change]).await.map(drop)),
        ("suspend", c4.set_active(id, false).await.map(drop)),
        ("delete", c5.delete(id).await),
        ("resolve", c6.resolve(&group).await.map(drop)),
        (
            "entitle",
            c7.entitle(&group.kind, &entitlement, &[member]).await.and_then(|all| all.into_iter().collect()),
        ),
        ("page", c8.page(None).await.map(drop)),
        ("probe", c9.probe().await.map(drop)),
    ];
    let mut wrong = Vec::new();
    for (call, outcome) in calls {
        let failure = outcome.expect_err(call);
        assert_ne!(failure.class, FailureClass::Gone, "{call}: nothing is known of the account");
        if (failure.class, failure.reason) != (FailureClass::Credentials, Reason::CredentialsRefused) {
            wrong.push(format!("{call}: {}", Difference::from(failure)));
        }
    }
    assert_eq!((stage.shown(id).await, stage.subject.holders(&group.kind, &entitlement).await), before);
    assert_eq!(stage.count().await, 1);
    none_of(&wrong, "other failures")
}
