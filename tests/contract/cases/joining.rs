//! Accounts that are made, or found and taken over.

use serde_json::{Value, json};
use tenure::api::Reason;
use tenure::connectors::Connector;
use tenure::controllers::user::act::Ending;

use crate::difference::{At, Difference, Outcome, none_of, unless};
use crate::stage::{Stage, has};
use crate::subject::{Class, Line, Subject};

/// A new account has its login and marker, is in use, and was made by one request.
pub(crate) async fn create<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    let settled = ann.converge().await?;
    let shown = stage.shown(ann.id()).await;
    assert_eq!(shown.login.to_lowercase(), ann.login.to_lowercase());
    assert!(shown.active);
    assert_eq!(stage.count().await, 1);
    settled.kept()?;
    assert_eq!(shown.marker.as_deref(), Some(&*ann.marker));
    for (name, want) in &ann.desired.attributes {
        assert!(has(&shown, name, Some(&want.value)), "{name}");
    }
    let writes = stage.line.writes();
    unless(writes.len() == 1, &format!("it takes {}", writes.join(", ")))
}

/// A new account has a value of every class of attribute.
pub(crate) async fn create_with_everything<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    let samples = stage.samples(&ann.who);
    for sample in &samples {
        ann.wish(sample.attribute, sample.first.clone());
    }
    let settled = ann.converge().await?;
    ann.read().await?;
    settled.kept()?;
    let shown = stage.shown(ann.id()).await;
    for sample in &samples {
        assert!(has(&shown, sample.attribute, Some(&sample.first)), "{}", sample.attribute);
    }
    Ok(())
}

/// An account that others made is found by its login, gets our marker, and keeps what it has.
pub(crate) async fn adopt<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    let mut attributes = stage.subject.needs(&ann.who);
    let sample = stage.subject.sample(Class::Text, &ann.who).expect("a text");
    attributes.insert(sample.attribute.to_owned(), sample.first.clone());
    let id = stage.subject.make(&ann.login, &attributes).await;
    ann.spec.adoption.match_on = vec![ann.login_attribute().to_owned()];
    let settled = ann.converge().await;
    assert_eq!(stage.count().await, 1, "no second account");
    let settled = settled?;
    assert_eq!(settled.entry.id, id);
    let shown = stage.shown(&id).await;
    assert!(has(&shown, sample.attribute, Some(&sample.first)), "what no rule is about stays");
    assert!(shown.active);
    settled.kept()?;
    assert_eq!(shown.marker.as_deref(), Some(&*ann.marker));
    Ok(())
}

/// Two accounts match: both are found, neither is taken.
pub(crate) async fn ambiguous<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    let sample = stage.subject.sample(Class::Text, &ann.who).expect("a text");
    let shared = stage.name("shared");
    let mut ids = Vec::new();
    for who in ["b", "c"] {
        let mut attributes = stage.subject.needs(&stage.name(who));
        attributes.insert(sample.attribute.to_owned(), json!(shared));
        ids.push(stage.subject.make(&stage.subject.login(&stage.name(who)), &attributes).await);
    }
    let found = stage.connector().find(sample.attribute, &shared).await.at("find")?;
    let mut found: Vec<_> = found.into_iter().map(|account| account.id).collect();
    found.sort();
    ids.sort();
    assert_eq!(found, ids, "all that match, and no other");
    ann.wish(sample.attribute, json!(shared));
    ann.spec.adoption.match_on = vec![sample.attribute.to_owned()];
    let ending = ann.pass(ann.granted()).await;
    assert_eq!(stage.line.writes(), Vec::<String>::new());
    match ending {
        Ending::Refused(_, refusal) if refusal.reason == Reason::AmbiguousMatch => Ok(()),
        other => Err(Difference::new(format!("{other:?}"))),
    }
}

/// An account that matches and bears another's marker is left alone.
pub(crate) async fn foreign_marker<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let (mut ann, mut bob) = (stage.person("a"), stage.person("b"));
    bob.joins().await?;
    let before = stage.shown(bob.id()).await;
    stage.line.forget();
    ann.desired.logins.clone_from(&bob.desired.logins);
    ann.desired.attributes.clone_from(&bob.desired.attributes);
    ann.spec.adoption.match_on = vec![ann.login_attribute().to_owned()];
    let ending = ann.pass(ann.granted()).await;
    if before.marker.is_none() {
        return Err(Difference::new("the account bears no marker"));
    }
    assert_eq!(stage.shown(bob.id()).await, before);
    assert_eq!(stage.line.writes(), Vec::<String>::new());
    assert!(
        matches!(&ending, Ending::Refused(_, refusal) if refusal.reason == Reason::AccountExists),
        "{ending:?}"
    );
    Ok(())
}

/// The login is somebody else's: that is said, and they keep it.
pub(crate) async fn login_taken<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    let id = stage.subject.make(&ann.login, &stage.subject.needs("b")).await;
    let before = stage.shown(&id).await;
    let ending = ann.pass(ann.granted()).await;
    assert_eq!(stage.shown(&id).await, before);
    if stage.count().await > 1 {
        return Err(Difference::new("the server takes a second account of one login"));
    }
    match ending {
        Ending::Refused(_, refusal) if refusal.reason == Reason::AccountExists => Ok(()),
        Ending::Refused(_, refusal) => Err(Difference::new(format!("refused: {}", refusal.reason))),
        Ending::Trouble(_, failure) => Err(failure.into()),
        other => panic!("{other:?}"),
    }
}

/// Where the first login is taken the next one is given, and stays.
pub(crate) async fn next_login<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    let taken = stage.subject.make(&ann.login, &stage.subject.needs(&stage.name("b"))).await;
    let next = stage.subject.login(&stage.name("z"));
    ann.desired.logins.push(next.clone());
    ann.joins().await?;
    assert_ne!(ann.id(), taken);
    assert_eq!(stage.shown(ann.id()).await.login.to_lowercase(), next.to_lowercase());
    stage.subject.delete(&taken).await;
    stage.line.forget();
    ann.converge().await?;
    assert_eq!(stage.shown(ann.id()).await.login.to_lowercase(), next.to_lowercase(), "it stays");
    none_of(&stage.line.writes(), "it writes again")
}

/// What a value looks like in a difference.
pub(crate) fn short(value: &Value) -> String {
    value.to_string().chars().take(40).collect()
}
