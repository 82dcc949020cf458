//! Accounts that are looked for.

use serde_json::json;
use tenure::connectors::Connector;

use crate::difference::{At, Outcome, unless};
use crate::stage::Stage;
use crate::subject::{Class, Subject, Wish};

/// Exactly the account that bears the marker, which counts letter for letter.
pub(crate) async fn find_by_marker<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let (mut ann, mut bob) = (stage.person("a"), stage.person("b"));
    ann.joins().await?;
    bob.joins().await?;
    let attribute = ann.spec.marker_attribute().to_owned();
    let found = stage.connector().find(&attribute, &ann.marker).await?;
    unless(!found.is_empty(), "it is not found")?;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].id, ann.id());
    stage.assert_true(&found[0]).await;
    let lower = stage.connector().find(&attribute, &ann.marker.to_lowercase()).await.at("in lower case")?;
    assert_eq!(lower, [], "another marker");
    Ok(())
}

/// By login, whose case does not count.
pub(crate) async fn find_by_login<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    ann.joins().await?;
    let attribute = ann.login_attribute();
    let found = stage.connector().find(attribute, &ann.login).await?;
    unless(!found.is_empty(), "it is not found")?;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].id, ann.id());
    stage.assert_true(&found[0]).await;
    let upper = stage.connector().find(attribute, &ann.login.to_uppercase()).await.at("in upper case")?;
    unless(upper.len() == 1, "it is not found in upper case")
}

/// Nobody is found where nobody is: by marker, login, or another attribute.
pub(crate) async fn find_nothing<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    ann.joins().await?;
    let nobody = stage.person("nobody");
    let text = stage.subject.sample(Class::Text, &ann.who).expect("a text").attribute;
    for (attribute, value) in [
        (nobody.spec.marker_attribute(), nobody.marker.as_str()),
        (nobody.login_attribute(), nobody.login.as_str()),
        (text, nobody.who.as_str()),
    ] {
        let found = stage.connector().find(attribute, value).await.at(attribute)?;
        assert_eq!(found, [], "{attribute}");
    }
    Ok(())
}

/// Of several accounts that match, on more than one page, each is found once.
pub(crate) async fn find_several<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let _alone = stage.alone().await;
    let connector = stage.another_connector(Wish { create_entitlements: false, page: Some(3) });
    let text = stage.subject.sample(Class::Text, "").expect("a text").attribute;
    let shared = stage.name("shared");
    let mut ids = Vec::new();
    for n in 0..7 {
        let who = stage.name(&n.to_string());
        let mut attributes = stage.subject.needs(&who);
        attributes.insert(text.to_owned(), json!(shared));
        ids.push(stage.subject.make(&stage.subject.login(&who), &attributes).await);
    }
    let found = connector.find(text, &shared).await?;
    let mut found: Vec<_> = found.into_iter().map(|account| account.id).collect();
    found.sort();
    ids.sort();
    assert_eq!(found, ids);
    Ok(())
}

/// What means something in a filter, a DN or a URL is a value like any other.
pub(crate) async fn hostile_searches<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let (mut ann, mut bob) = (stage.person("a"), stage.person("b"));
    let text = stage.subject.sample(Class::Text, &ann.who).expect("a text").attribute;
    let odd = format!("{} \\\"a\\b*(c)&,+=#<d>;%22é", ann.who);
    ann.wish(text, json!(odd));
    ann.joins().await?;
    bob.joins().await?;
    let login = ann.login_attribute();
    let any = format!("x\" or {login} pr or {login} eq \"");
    for value in
        [any.as_str(), "*", "\\", "\"", "a\\\"b", "*)(objectClass=*", "%22", "&filter=", "é\u{1F600}"]
    {
        for attribute in [login, text, ann.spec.marker_attribute()] {
            let found = stage.connector().find(attribute, value).await.at(&format!("{attribute} {value}"))?;
            assert_eq!(found, [], "{attribute} {value}");
        }
    }
    let kept = stage.shown(ann.id()).await.attributes.get(text) == Some(&json!(odd));
    unless(kept, &format!("{text} is not kept as it was sent"))?;
    let found = stage.connector().find(text, &odd).await.at("find by the value")?;
    let ids: Vec<_> = found.iter().map(|account| account.id.as_str()).collect();
    unless(ids == [ann.id()], "it is not found by the value")
}
