//! Attributes and logins that change, here and there.

use serde_json::{Value, json};
use tenure::api::Reason;
use tenure::connectors::{Connector, FailureClass};

use crate::cases::joining::short;
use crate::difference::{At, Difference, Outcome, none_of, unless};
use crate::stage::{Stage, has, set};
use crate::subject::{Class, Line, Sample, Subject};

fn sample<S: Subject>(stage: &Stage<'_, S>, class: Class, who: &str) -> Result<Sample, Difference> {
    stage.subject.sample(class, who).ok_or_else(|| Difference::new("accounts have no such attribute"))
}

async fn update<S: Subject>(stage: &Stage<'_, S>, class: Class) -> Outcome {
    let mut ann = stage.person("a");
    let sample = sample(stage, class, &ann.who)?;
    ann.wish(sample.attribute, sample.first.clone());
    ann.joins().await?;
    ann.wish(sample.attribute, sample.second.clone());
    let settled = ann.converge().await.at("update")?;
    ann.read().await?;
    settled.kept()?;
    assert!(has(&stage.shown(ann.id()).await, sample.attribute, Some(&sample.second)));
    Ok(())
}

pub(crate) async fn update_text<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    update(stage, Class::Text).await
}

pub(crate) async fn update_nested<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    update(stage, Class::Nested).await
}

pub(crate) async fn update_many<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    update(stage, Class::Many).await
}

pub(crate) async fn update_extension<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    update(stage, Class::Extension).await
}

pub(crate) async fn update_flag<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    update(stage, Class::Flag).await
}

/// An attribute is made empty; clearing it again is no error.
async fn clear<S: Subject>(stage: &Stage<'_, S>, class: Class) -> Outcome {
    let mut ann = stage.person("a");
    let sample = sample(stage, class, &ann.who)?;
    ann.wish(sample.attribute, sample.first.clone());
    ann.joins().await?;
    unless(
        has(&stage.shown(ann.id()).await, sample.attribute, Some(&sample.first)),
        "there is nothing to clear",
    )?;
    ann.wish(sample.attribute, Value::Null);
    let settled = ann.converge().await.at("clear")?;
    ann.read().await?;
    settled.kept()?;
    assert!(has(&stage.shown(ann.id()).await, sample.attribute, None));
    let again = tenure::converge::Change { attribute: sample.attribute.to_owned(), value: None };
    let account = stage.connector().update(ann.id(), &[again]).await.at("clear again")?;
    stage.assert_true(&account).await;
    Ok(())
}

pub(crate) async fn clear_text<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    clear(stage, Class::Text).await
}

pub(crate) async fn clear_nested<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    clear(stage, Class::Nested).await
}

pub(crate) async fn clear_many<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    clear(stage, Class::Many).await
}

pub(crate) async fn clear_extension<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    clear(stage, Class::Extension).await
}

pub(crate) async fn clear_flag<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    clear(stage, Class::Flag).await
}

/// An update of one attribute leaves every other as it is, those of others too.
pub(crate) async fn leave_the_rest<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    ann.joins().await?;
    let samples = stage.samples(&ann.who);
    let (changed, rest) = samples.split_first().expect("a sample");
    for sample in rest {
        stage.subject.set(ann.id(), sample.attribute, &sample.first).await;
    }
    let before = stage.shown(ann.id()).await;
    let account =
        stage.connector().update(ann.id(), &[set(changed.attribute, changed.first.clone())]).await?;
    stage.assert_true(&account).await;
    let after = stage.shown(ann.id()).await;
    assert_eq!((&after.login, &after.marker, after.active), (&before.login, &before.marker, before.active));
    let lost: Vec<_> = rest
        .iter()
        .map(|s| s.attribute)
        .filter(|name| before.attributes.get(*name) != after.attributes.get(*name))
        .collect();
    none_of(&lost, "changed with it")
}

/// A new login is the same account.
pub(crate) async fn rename<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    ann.joins().await?;
    let id = ann.id().to_owned();
    let new = stage.subject.login(&stage.name("miller"));
    ann.desired.logins = vec![new.clone()];
    let settled = ann.converge().await;
    assert_eq!(stage.count().await, 1, "no second account");
    let settled = settled?;
    assert_eq!(settled.entry.id, id);
    ann.read().await?;
    settled.kept()?;
    assert_eq!(stage.shown(&id).await.login.to_lowercase(), new.to_lowercase());
    let old = stage.connector().find(ann.login_attribute(), &ann.login).await.at("find by the old login")?;
    assert_eq!(old, []);
    Ok(())
}

/// A login that somebody else has is not taken from them.
pub(crate) async fn rename_to_taken<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let (mut ann, mut bob) = (stage.person("a"), stage.person("b"));
    ann.joins().await?;
    bob.joins().await?;
    let before = (stage.shown(ann.id()).await, stage.shown(bob.id()).await);
    let login = set(ann.login_attribute(), bob.login.clone());
    let renamed = stage.connector().update(ann.id(), &[login]).await;
    assert_eq!(stage.shown(bob.id()).await, before.1);
    let Err(failure) = renamed else {
        return Err(Difference::new("the server takes a second account of one login"));
    };
    assert_eq!(stage.shown(ann.id()).await, before.0);
    let told = (failure.class, failure.reason) == (FailureClass::Conflict, Reason::AccountExists);
    if told { Ok(()) } else { Err(failure.into()) }
}

/// What somebody changed behind our back is seen and put right; that is all that is written.
pub(crate) async fn drift<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    let sample = sample(stage, Class::Text, &ann.who)?;
    ann.wish(sample.attribute, sample.first.clone());
    ann.joins().await?;
    stage.subject.set(ann.id(), sample.attribute, &sample.second).await;
    let seen = ann.read().await?;
    assert!(has(&seen, sample.attribute, Some(&sample.second)));
    ann.converge().await?;
    unless(has(&stage.shown(ann.id()).await, sample.attribute, Some(&sample.first)), "it is not put right")?;
    assert_eq!(ann.steps, ["update"]);
    Ok(())
}

/// Where nothing is to be done nothing is written: not for any class of attribute, nor for entitlements.
pub(crate) async fn quiescence<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    for sample in stage.samples(&ann.who) {
        ann.wish(sample.attribute, sample.first);
    }
    ann.desired.entitlements.insert(stage.subject.entitlement(&stage.name("group")));
    ann.joins().await?;
    let before = stage.shown(ann.id()).await;
    stage.line.forget();
    for _ in 0..2 {
        ann.converge().await.at("the next pass")?;
    }
    assert_eq!(stage.shown(ann.id()).await, before);
    none_of(&stage.line.writes(), "it writes again")
}

async fn round_trip<S: Subject>(stage: &Stage<'_, S>, values: &[String]) -> Outcome {
    let mut ann = stage.person("a");
    ann.joins().await?;
    let attribute = sample(stage, Class::Text, &ann.who)?.attribute;
    let mut wrong = Vec::new();
    for value in values {
        let value = json!(value);
        match stage.connector().update(ann.id(), &[set(attribute, value.clone())]).await {
            Ok(account) => {
                stage.assert_true(&account).await;
                if account.attributes.get(attribute) != Some(&value) {
                    wrong.push(short(&value));
                }
            }
            Err(failure) => wrong.push(format!("{}: {}", short(&value), Difference::from(failure))),
        }
    }
    none_of(&wrong, "not kept")
}

/// Values that look like something else come back as they were sent.
pub(crate) async fn hostile_values<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let values = [
        "\"quoted\" 'twice'",
        "back\\slash \\\\ \\n",
        "*)(uid=*",
        "a,b+c;d=e<f>#g",
        "${jndi:x} {{7*7}} %s",
        "Zoë Müller-Łukasz",
        "山田太郎",
        "\u{1F469}\u{200D}\u{1F680}",
        "true",
        "42",
    ];
    round_trip(stage, &values.map(str::to_owned)).await
}

/// 255 characters, of one byte and of four.
pub(crate) async fn long_values<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    round_trip(stage, &["x".repeat(255), "\u{1F600}".repeat(255)]).await
}
