use std::collections::BTreeSet;

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::note::{Kept, name, password, secret};
use super::*;

const UID: &str = "7d2a5f0e-0000-4000-8000-000000000001";

fn at() -> Timestamp {
    "2026-03-01T10:00:00.5Z".parse().unwrap()
}

fn key(user: &str) -> Key {
    Key::new("team", user)
}

fn owner<'a>(user: &'a Key, app: &'a str, target: &'a str) -> Owner<'a> {
    Owner { user, uid: UID, app, target }
}

#[test]
fn what_is_written_is_found_again_by_its_own_account_only() {
    let (ann, bob) = (key("ann"), key("bob"));
    let owner_of_it = owner(&ann, "ldap", "t1");
    let written = secret(&owner_of_it, &SecretString::from("canary-1"), at());
    let read = password(written.clone(), &owner_of_it).unwrap();
    assert_eq!(read.expose_secret(), "canary-1");
    let another = Owner { uid: "another", ..owner_of_it };
    for other in [another, owner(&ann, "ad", "t1"), owner(&ann, "ldap", "t2")] {
        assert!(password(written.clone(), &other).is_none());
        assert_ne!(name(&other), name(&owner_of_it));
    }
    assert_ne!(name(&owner(&bob, "ldap", "t1")), name(&owner_of_it));
}

#[test]
fn a_secret_that_somebody_else_made_is_not_used() {
    let ann = key("ann");
    let owner = owner(&ann, "ldap", "t1");
    let written = secret(&owner, &SecretString::from("canary-1"), at());
    let changes: [fn(&mut Secret); 6] = [
        |secret| secret.type_ = None,
        |secret| secret.immutable = None,
        |secret| secret.data = None,
        |secret| secret.metadata.labels = None,
        |secret| secret.metadata.owner_references = None,
        |secret| secret.data.iter_mut().flatten().for_each(|(_, value)| value.0.clear()),
    ];
    for change in changes {
        let mut other = written.clone();
        change(&mut other);
        assert!(password(other, &owner).is_none());
    }
}

#[test]
fn metadata_say_all_that_is_needed_to_remove_it() {
    let ann = key("ann");
    let mut meta = secret(&owner(&ann, "ldap", "t1"), &SecretString::from("canary-1"), at()).metadata;
    meta.uid = Some("s-1".into());
    let kept = Kept::of(&meta).unwrap();
    let expected = Kept {
        user: "ann".into(),
        uid: UID.into(),
        app: "ldap".into(),
        target: "t1".into(),
        remove_at: Some("2026-03-01T10:00:00Z".parse().unwrap()),
        secret: "s-1".into(),
    };
    assert_eq!(kept, expected);
    assert!(meta.finalizers.is_none(), "nothing may hang on it");
    assert!(Kept::of(&kube::api::ObjectMeta::default()).is_none());
}

proptest! {
    /// Names of objects may have 253 characters, those of labels 63.
    #[test]
    fn long_names_make_valid_objects(
        user in "[a-z0-9]([-a-z0-9.]{0,250}[a-z0-9])?",
        app in "[a-z0-9]([-a-z0-9.]{0,250}[a-z0-9])?",
    ) {
        let key = key(&user);
        let owner = owner(&key, &app, "0123456789ab");
        let secret = secret(&owner, &SecretString::from("canary-1"), at());
        let name = secret.metadata.name.clone().unwrap();
        prop_assert!(name.len() <= 253);
        prop_assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
        prop_assert!(!name.starts_with('-') && !name.ends_with('-'));
        for value in secret.metadata.labels.as_ref().unwrap().values() {
            prop_assert!(value.len() <= 63);
        }
        prop_assert!(password(secret, &owner).is_some());
    }
}

#[test]
fn two_people_never_share_one() {
    let (a, b) = (key("a-b"), key("a"));
    let all: BTreeSet<String> =
        [owner(&a, "c", "t"), owner(&b, "b-c", "t"), Owner { uid: "2", ..owner(&a, "c", "t") }]
            .iter()
            .map(name)
            .collect();
    assert_eq!(all.len(), 3);
}

#[test]
fn refusals_name_the_cure_and_not_the_password() {
    let status = |code| {
        let status = kube::core::Status::failure("canary-1 is forbidden", "Forbidden").with_code(code);
        kube::Error::Api(Box::new(status))
    };
    for code in [400, 403, 413, 422] {
        let Halt::Target(failure) = halt(&status(code)) else { panic!("{code}") };
        assert_eq!(
            (failure.class, failure.reason),
            (FailureClass::Permanent, Reason::InitialPasswordNotKept)
        );
        assert!(failure.message.contains(&code.to_string()) && failure.message.contains("verbs"));
        assert!(!failure.message.contains("canary"));
        assert!(failure.message.chars().count() <= 512);
    }
    for code in [404, 409, 429, 500, 503] {
        assert_eq!(halt(&status(code)), Halt::Stop(Stop::Cluster), "{code}");
    }
}
