//! Directory servers, and the proxy before them.

use std::time::{Duration, Instant};

use ldap3::Scope;

use crate::support::LdapProxy;
use crate::support::ldap::{Raw, add_values, bind_code, replace, unicode_password};
use crate::support::ldap_proxy::{Action, BUSY, How, Op, Rule};
use crate::support::relay::Relay;
use crate::support::targets::samba::{self, Samba};
use crate::support::targets::slapd::{self, Config, Policy, Slapd};

async fn person(raw: &Raw, uid: &str) -> String {
    let dn = format!("uid={uid},{}", slapd::PEOPLE);
    let attributes = [
        ("objectClass", "inetOrgPerson"),
        ("uid", uid),
        ("cn", uid),
        ("sn", uid),
        ("userPassword", "canary-own"),
    ];
    let attributes: Vec<_> =
        attributes.iter().map(|(name, value)| (*name, std::slice::from_ref(value))).collect();
    raw.add(&dn, &attributes).await;
    dn
}

/// What the suspending of accounts rests on (see the manual of `slapo-ppolicy`).
#[tokio::test]
async fn slapd_has_the_password_policy_that_it_is_asked_for() {
    for (policy, locked) in
        [(Policy::Lockout, 49), (Policy::WithoutLockout, 0), (Policy::Inapplicable, 0), (Policy::Absent, 17)]
    {
        let server = Slapd::start(Config { policy, ..Config::default() }).await;
        let dn = person(server.admin(), "ann").await;
        assert_eq!(bind_code(&server.url(), &dn, "canary-own").await, 0);
        assert_eq!(bind_code(&server.url(), &dn, "canary-wrong").await, 49);
        let operator = Raw::bound(&server.url(), slapd::OPERATOR, slapd::OPERATOR_PASSWORD).await;
        let lock = replace("pwdAccountLockedTime", &["000001010000Z"]);
        let found = match operator.try_modify(&dn, vec![lock]).await.rc {
            0 => bind_code(&server.url(), &dn, "canary-own").await,
            refused => refused,
        };
        assert_eq!(found, locked, "{policy:?}");
    }
}

#[tokio::test]
async fn slapd_keeps_to_its_limits_and_memberships_follow_entries() {
    let server = Slapd::start(Config { size_limit: Some(3), ..Config::default() }).await;
    let mut people = Vec::new();
    for name in ["a", "b", "c", "d"] {
        people.push(person(server.admin(), name).await);
    }
    let operator = Raw::bound(&server.url(), slapd::OPERATOR, slapd::OPERATOR_PASSWORD).await;
    let found = operator.ldap().search(slapd::PEOPLE, Scope::Subtree, "(uid=*)", vec!["uid"]).await.unwrap();
    assert_eq!((found.1.rc, found.0.len()), (4, 3), "the limit is passed, and some come all the same");
    let group = format!("cn=group,{}", slapd::GROUPS);
    server
        .admin()
        .add(&group, &[("objectClass", &["groupOfNames"]), ("cn", &["group"]), ("member", &[&people[0]])])
        .await;
    server.admin().rename(&people[0], "uid=ann", None).await;
    let renamed = format!("uid=ann,{}", slapd::PEOPLE);
    assert_eq!(server.admin().entry(&group).await.unwrap().all("member"), std::slice::from_ref(&renamed));
    assert_eq!(server.admin().entry(&renamed).await.unwrap().all("memberOf"), std::slice::from_ref(&group));
    server.admin().delete(&renamed).await;
    assert_eq!(server.admin().entry(&group).await.unwrap().all("member"), [slapd::PLACEHOLDER]);
}

#[tokio::test]
async fn samba_is_a_domain_of_its_own() {
    let (one, two) = tokio::join!(Samba::start(), Samba::start());
    let dn = format!("CN=Ann,{}", samba::USERS);
    let password = unicode_password("canary-Own-1");
    let attributes: [(&str, &[&[u8]]); 4] = [
        ("objectClass", &[b"user"]),
        ("sAMAccountName", &[b"ann"]),
        ("userAccountControl", &[b"512"]),
        ("unicodePwd", &[&password]),
    ];
    one.admin().add(&dn, &attributes).await;
    assert_eq!(bind_code(&one.url(), "ann@example.test", "canary-Own-1").await, 0);
    assert_eq!(bind_code(&two.url(), "ann@example.test", "canary-Own-1").await, 49);
    one.admin().modify(&dn, vec![replace("userAccountControl", &["514"])]).await;
    assert_eq!(bind_code(&one.url(), "ann@example.test", "canary-Own-1").await, 49);
    assert_eq!(
        one.admin().find(samba::BASE, "(sAMAccountName=ann)").await.unwrap().bytes("objectGUID").len(),
        1
    );
    assert_eq!(two.admin().find(samba::BASE, "(sAMAccountName=ann)").await, None);
}

#[tokio::test]
async fn the_proxy_remembers_and_breaks_what_it_is_told_to() {
    let server = Slapd::start(Config::default()).await;
    let proxy = LdapProxy::start("localhost", server.tls_port());
    let raw = Raw::bound(&proxy.url(), slapd::OPERATOR, slapd::OPERATOR_PASSWORD).await;
    let ann = person(&raw, "ann").await;
    raw.modify(&ann, vec![add_values("mail", &["a@example.com", "b@example.com"])]).await;
    let seen = proxy.requests();
    assert_eq!(seen.iter().map(|r| r.op).collect::<Vec<_>>(), [Op::Bind, Op::Add, Op::Modify]);
    assert_eq!((&seen[2].dn, seen[2].code), (&ann, Some(0)));
    assert_eq!(
        seen[2].touched.iter().map(|t| (t.attribute.as_str(), t.how, t.values.len())).collect::<Vec<_>>(),
        [("mail", How::Add, 2)]
    );
    assert_eq!(proxy.writes_since(0).len(), 2);

    proxy.inject(Rule::new(Action::Answer(BUSY), |r| r.op == Op::Modify).times(1));
    assert_eq!(raw.try_modify(&ann, vec![replace("title", &["Rep"])]).await.rc, BUSY);
    proxy.inject(Rule::new(Action::Answer(0), |r| r.op == Op::Modify).times(1));
    assert_eq!(raw.try_modify(&ann, vec![replace("title", &["Rep"])]).await.rc, 0);
    assert_eq!(server.admin().entry(&ann).await.unwrap().one("title"), None, "the server was not asked");

    proxy.inject(Rule::new(Action::Delay(Duration::from_millis(300)), |r| r.op == Op::Search).times(1));
    let begun = Instant::now();
    assert_eq!(raw.entry(&ann).await.unwrap().dn, ann);
    assert!(begun.elapsed() >= Duration::from_millis(300));

    proxy.inject(Rule::new(Action::LoseReply, |r| r.op == Op::Modify).from(2).times(1));
    raw.modify(&ann, vec![replace("title", &["One"])]).await;
    let changes = vec![replace("title", &["Two"])];
    let changes: Vec<ldap3::Mod<Vec<u8>>> = changes;
    assert!(raw.ldap().modify(&ann, changes).await.is_err(), "the reply is lost");
    assert_eq!(server.admin().entry(&ann).await.unwrap().one("title").unwrap(), "Two", "and yet it was done");

    proxy.revoke_credentials();
    assert_eq!(bind_code(&proxy.url(), slapd::OPERATOR, slapd::OPERATOR_PASSWORD).await, 49);
    proxy.clear();
    assert_eq!(bind_code(&proxy.url(), slapd::OPERATOR, slapd::OPERATOR_PASSWORD).await, 0);
}

#[tokio::test]
async fn a_directory_behind_a_relay_can_be_cut_off() {
    let server = Slapd::start(Config::default()).await;
    let relay = Relay::start(server.tls_port());
    let url = format!("ldaps://localhost:{}", relay.port());
    let raw = Raw::bound(&url, slapd::OPERATOR, slapd::OPERATOR_PASSWORD).await;
    assert!(raw.entry(slapd::PEOPLE).await.is_some());
    relay.close();
    let gone = raw.ldap().search(slapd::PEOPLE, Scope::Base, "(objectClass=*)", vec!["ou"]).await;
    assert!(gone.is_err());
    relay.open();
    assert_eq!(bind_code(&url, slapd::OPERATOR, slapd::OPERATOR_PASSWORD).await, 0);
}
