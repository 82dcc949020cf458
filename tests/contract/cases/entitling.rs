//! Entitlements that come and go.

use std::collections::BTreeSet;

use tenure::api::{EntitlementSpec, Reason};
use tenure::connectors::any::traits;
use tenure::connectors::{Connector, Failure, FailureClass, Membership};
use tenure::controllers::user::act::Ending;

use crate::connection::Connection;
use crate::difference::{At, Difference, Outcome, none_of, unless};
use crate::person::Person;
use crate::stage::Stage;
use crate::subject::{Line, Subject, Wish};

/// For where only the type counts.
const ANY: &str = "any";

fn held(account: &str, held: bool) -> Membership {
    Membership { account: account.to_owned(), held }
}

/// Carries the changes out in batches as large as the connector takes.
async fn entitle<S: Subject>(
    stage: &Stage<'_, S>,
    entitlement: &str,
    changes: &[Membership],
) -> Result<(), Failure> {
    let kind = stage.subject.entitlement(ANY).kind;
    let batch = stage.connector().batch(&kind);
    assert!(batch > 0);
    for part in changes.chunks(batch) {
        let outcomes = stage.connector().entitle(&kind, entitlement, part).await?;
        assert_eq!(outcomes.len(), part.len(), "an outcome for each");
        outcomes.into_iter().collect::<Result<(), _>>()?;
    }
    Ok(())
}

/// Those of these people who hold it, by what the server shows.
async fn holders<'p, S: Subject>(
    stage: &Stage<'_, S>,
    id: &str,
    people: &'p [Person<'_, '_, S>],
) -> BTreeSet<&'p str> {
    let all = stage.subject.holders(&stage.subject.entitlement(ANY).kind, id).await;
    people.iter().map(Person::id).filter(|id| all.iter().any(|holder| holder == id)).collect()
}

async fn people<'a, 's, S: Subject>(
    stage: &'a Stage<'s, S>,
    names: &[&str],
) -> Result<Vec<Person<'a, 's, S>>, Difference> {
    let mut people = Vec::new();
    for name in names {
        let mut person = stage.person(name);
        person.joins().await?;
        people.push(person);
    }
    Ok(people)
}

/// An entitlement that exists is granted to one, taken away, and granted again; another keeps it throughout.
pub(crate) async fn grant_and_revoke<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut both = people(stage, &["a", "b"]).await?;
    let sales = stage.subject.entitlement(&stage.name("Sales & \"Co\""));
    let id = stage.subject.make_entitlement(&sales).await;
    both[1].desired.entitlements.insert(sales.clone());
    both[1].converge().await.at("grant to the other")?;
    for (step, grants) in [("grant", true), ("revoke", false), ("grant again", true), ("revoke again", false)]
    {
        if grants {
            both[0].desired.entitlements.insert(sales.clone());
        } else {
            both[0].desired.entitlements.clear();
        }
        both[0].converge().await.at(step)?;
        let expected: BTreeSet<_> = both.iter().skip(usize::from(!grants)).map(Person::id).collect();
        assert_eq!(holders(stage, &id, &both).await, expected, "{step}");
    }
    both[1].desired.entitlements.clear();
    both[1].converge().await.at("revoke from the last")?;
    assert_eq!(holders(stage, &id, &both).await, BTreeSet::new());
    Ok(())
}

/// To grant what is held is no error, and it is held once.
pub(crate) async fn grant_twice<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let one = people(stage, &["a"]).await?;
    let id = stage.subject.make_entitlement(&stage.subject.entitlement(&stage.name("group"))).await;
    for step in ["grant", "grant again"] {
        entitle(stage, &id, &[held(one[0].id(), true)]).await.at(step)?;
        assert_eq!(holders(stage, &id, &one).await.len(), 1);
    }
    let kind = stage.subject.entitlement(ANY).kind;
    let all = stage.subject.holders(&kind, &id).await;
    let times = all.iter().filter(|holder| *holder == one[0].id()).count();
    entitle(stage, &id, &[held(one[0].id(), false)]).await.at("revoke")?;
    assert_eq!(holders(stage, &id, &one).await.len(), 0, "not even once");
    unless(times == 1, &format!("it is held {times} times"))
}

/// To take away what is not held is no error and takes nothing from others.
pub(crate) async fn revoke_not_held<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let both = people(stage, &["a", "b"]).await?;
    let id = stage.subject.make_entitlement(&stage.subject.entitlement(&stage.name("group"))).await;
    entitle(stage, &id, &[held(both[0].id(), false)]).await.at("while nobody holds it")?;
    entitle(stage, &id, &[held(both[1].id(), true)]).await.at("grant")?;
    entitle(stage, &id, &[held(both[0].id(), false)]).await.at("while another holds it")?;
    assert_eq!(holders(stage, &id, &both).await, BTreeSet::from([both[1].id()]));
    Ok(())
}

/// Several accounts, some in and some out; those that were not named stay.
pub(crate) async fn several_at_once<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let all = people(stage, &["a", "b", "c", "d", "e"]).await?;
    let id = stage.subject.make_entitlement(&stage.subject.entitlement(&stage.name("group"))).await;
    let ids: Vec<_> = all.iter().map(Person::id).collect();
    let first: Vec<_> = ids[..3].iter().map(|id| held(id, true)).collect();
    entitle(stage, &id, &first).await.at("three")?;
    assert_eq!(holders(stage, &id, &all).await, BTreeSet::from([ids[0], ids[1], ids[2]]));
    let mixed = [held(ids[3], true), held(ids[0], false), held(ids[4], true), held(ids[1], false)];
    entitle(stage, &id, &mixed).await.at("in and out")?;
    assert_eq!(holders(stage, &id, &all).await, BTreeSet::from([ids[2], ids[3], ids[4]]));
    Ok(())
}

/// An entitlement that does not exist and may not be made: the account is made without it, and that is said.
pub(crate) async fn unknown_entitlement<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let wish = Wish { create_entitlements: false, page: None };
    let connection = Connection::new(stage.another_connector(wish));
    let connector = &connection.connector;
    let mut ann = stage.person("a");
    let nowhere = stage.subject.entitlement(&stage.name("nowhere"));
    assert!(!connector.may_create(&nowhere.kind));
    assert_eq!(connector.resolve(&nowhere).await.at("resolve")?, None);
    ann.desired.entitlements.insert(nowhere.clone());
    match ann.pass_with(&connection, ann.granted()).await {
        Ending::Refused(_, refusal) if refusal.reason == Reason::EntitlementNotFound => {}
        Ending::Trouble(_, failure) => return Err(failure.into()),
        other => panic!("{other:?}"),
    }
    assert!(stage.shown(ann.id()).await.active);
    assert_eq!(connector.resolve(&nowhere).await.at("resolve again")?, None, "nor was it made");
    Ok(())
}

/// An entitlement that is gone cannot be granted, which is said, and need not be taken away.
pub(crate) async fn vanished_entitlement<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let one = people(stage, &["a"]).await?;
    let id = stage.subject.make_entitlement(&stage.subject.entitlement(&stage.name("group"))).await;
    stage.subject.delete_entitlement(&id).await;
    let failure = entitle(stage, &id, &[held(one[0].id(), true)]).await.expect_err("nothing is there");
    if (failure.class, failure.reason) != (FailureClass::Gone, Reason::EntitlementNotFound) {
        return Err::<(), _>(Difference::from(failure)).at("grant");
    }
    entitle(stage, &id, &[held(one[0].id(), false)]).await.at("revoke")
}

/// A missing entitlement is made for the first who is to hold it, once, whoever else asks for it at the same time.
pub(crate) async fn create_on_demand<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut all = people(stage, &["a", "b", "c"]).await?;
    let fresh = stage.subject.entitlement(&stage.name("fresh"));
    assert!(stage.connector().may_create(&fresh.kind));
    for person in &mut all {
        person.desired.entitlements.insert(fresh.clone());
    }
    let [a, b, c] = &mut all[..] else { unreachable!() };
    let (one, two, three) = tokio::join!(a.converge(), b.converge(), c.converge());
    let ids: BTreeSet<_> =
        [one?, two?, three?].into_iter().flat_map(|settled| settled.entry.entitlements).collect();
    assert_eq!(ids.len(), 1, "one for all: {ids:?}");
    let id = stage.connector().resolve(&fresh).await.at("resolve")?.expect("it was made");
    assert_eq!(ids.first(), Some(&format!("{}:{id}", fresh.kind)));
    assert_eq!(holders(stage, &id, &all).await.len(), 3);
    Ok(())
}

/// A mover loses the old and gets the new; the next pass writes nothing.
pub(crate) async fn move_between<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut one = people(stage, &["a"]).await?;
    let names = ["sales", "engineering"].map(|name| stage.subject.entitlement(&stage.name(name)));
    let sales = stage.subject.make_entitlement(&names[0]).await;
    let engineering = stage.subject.make_entitlement(&names[1]).await;
    one[0].desired.entitlements.insert(names[0].clone());
    one[0].converge().await.at("the old")?;
    one[0].desired.entitlements = BTreeSet::from([names[1].clone()]);
    one[0].converge().await.at("the new")?;
    assert_eq!(one[0].steps, ["revoke", "grant"]);
    assert_eq!(holders(stage, &sales, &one).await.len(), 0);
    assert_eq!(holders(stage, &engineering, &one).await.len(), 1);
    stage.line.forget();
    one[0].converge().await.at("the next pass")?;
    none_of(&stage.line.writes(), "it writes again")?;
    unless(one[0].steps.is_empty(), "it has steps to take")
}

/// What else the connector has than its chief type comes and goes too, each where it should.
pub(crate) async fn other_types<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let chief = stage.subject.entitlement(ANY).kind;
    let types = traits(&stage.subject.spec().connector).entitlement_types;
    let mut wrong = Vec::new();
    for (n, kind) in types.iter().filter(|kind| **kind != chief).enumerate() {
        let mut ann = stage.person(&format!("t{n}"));
        ann.joins().await?;
        let wanted = EntitlementSpec { kind: (*kind).to_owned(), value: stage.name("\"x\" & y") };
        if stage.connector().resolve(&wanted).await.at(kind)?.is_none() {
            stage.subject.make_entitlement(&wanted).await;
        }
        ann.desired.entitlements.insert(wanted);
        if let Err(why) = comes_and_goes(stage, &mut ann, kind).await {
            wrong.push(format!("{kind}: {why}"));
        }
    }
    none_of(&wrong, "not so")
}

async fn comes_and_goes<S: Subject>(
    stage: &Stage<'_, S>,
    person: &mut Person<'_, '_, S>,
    kind: &str,
) -> Outcome {
    let granted = person.converge().await.at("grant")?.entry;
    let held = granted.entitlements.iter().find_map(|held| held.strip_prefix(kind)?.strip_prefix(':'));
    let id = held.expect("it is in the ledger");
    assert_eq!(stage.subject.holders(kind, id).await, [person.id()]);
    person.desired.entitlements.clear();
    person.converge().await.at("revoke")?;
    assert_eq!(stage.subject.holders(kind, id).await, Vec::<String>::new());
    Ok(())
}
