use super::*;
use crate::api::Reason;
use crate::connectors::FailureClass;

fn user(id: &str, login: &str) -> RemoteAccount {
    let attributes =
        [("userName".to_owned(), login.into()), ("externalId".to_owned(), format!("E-{id}").into())];
    RemoteAccount {
        id: id.to_owned(),
        login: login.to_owned(),
        attributes: attributes.into(),
        ..Default::default()
    }
}

fn index() -> Index {
    Index::new("externalId", &["username".to_owned(), "emails".to_owned()])
}

fn list(index: &Index, accounts: &[RemoteAccount]) -> Pairs {
    let mut pairs = Pairs::new();
    for account in accounts {
        index.pairs(account, &mut pairs);
    }
    pairs
}

fn ids(index: &Index, login: &str, now: Instant) -> Option<Vec<String>> {
    let found = index.candidates(index.key("userName", login)?, now)?;
    Some(found.iter().map(ToString::to_string).collect())
}

fn failure() -> Failure {
    Failure {
        class: FailureClass::RetryAfter,
        reason: Reason::TargetError,
        message: String::new(),
        retry_after: None,
    }
}

#[test]
fn a_listing_tells_where_to_look_for_a_while() {
    let (index, now) = (index(), Instant::now());
    assert_eq!(ids(&index, "ann", now), None);
    let begun = index.begin(now);
    let key = index.key("USERNAME", "Ann").unwrap();
    let pairs = list(&index, &[user("1", "ann"), user("2", "ANN"), user("3", "bob")]);
    assert_eq!(index.end(&begun, Ok(pairs), key).unwrap().len(), 2);
    assert_eq!(ids(&index, "aNN", now).unwrap(), ["1", "2"]);
    assert_eq!(ids(&index, "carl", now).unwrap(), [""; 0]);
    assert_eq!(ids(&index, "ann", now + VALID), None);
    assert_eq!(index.key("title", "x"), None);
    index.drop_candidate(key, "1".into());
    assert_eq!(ids(&index, "ann", now).unwrap(), ["2"]);
}

#[test]
fn what_is_made_here_is_known_whenever_the_listing_passed() {
    let (index, now) = (index(), Instant::now());
    index.note(&user("0", "early"));
    let begun = index.begin(now);
    index.note(&user("1", "meanwhile"));
    index.end(&begun, Ok(Pairs::new()), 0).unwrap();
    index.note(&user("2", "after"));
    assert_eq!(ids(&index, "early", now).unwrap(), [""; 0], "the listing began later and would show it");
    assert_eq!(ids(&index, "meanwhile", now).unwrap(), ["1"]);
    assert_eq!(ids(&index, "after", now).unwrap(), ["2"]);
}

#[test]
fn a_listing_that_may_lack_somebody_is_not_believed() {
    let (index, now) = (index(), Instant::now());
    let begun = index.begin(now);
    index.invalidate();
    index.end(&begun, Ok(list(&index, &[user("1", "ann")])), 0).unwrap();
    assert_eq!(ids(&index, "ann", now), None);
    let begun = index.begin(now);
    index.end(&begun, Ok(list(&index, &[user("1", "ann")])), 0).unwrap();
    index.invalidate_stale(now + FRESH / 2);
    assert!(ids(&index, "ann", now).is_some());
    index.invalidate_stale(now + FRESH);
    assert_eq!(ids(&index, "ann", now), None);
}

#[test]
fn only_who_waited_for_a_listing_shares_its_failure() {
    let (index, now) = (index(), Instant::now());
    let waiting = index.ended();
    let begun = index.begin(now);
    assert_eq!(index.end(&begun, Err(failure()), 0).unwrap_err(), failure());
    assert_eq!(index.failed_since(waiting), Some(failure()));
    assert_eq!(index.failed_since(index.ended()), None);
    let begun = index.begin(now);
    index.end(&begun, Ok(Pairs::new()), 0).unwrap();
    assert_eq!(index.failed_since(waiting), None);
}
