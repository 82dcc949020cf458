//! A listing that is cut, doubled or in another order, and changes while it is read.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::access::{DesiredAccount, DesiredAttribute};
use crate::api::app::{RemovalAction, RemovalPolicy};
use crate::api::sweep::StrayKind;
use crate::api::{AppSpec, Reason, Strength};
use crate::converge::{Cause, digest};

const TARGET: &str = "t1";

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

/// One person of a [`Town`], with what the ledger says.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Citizen {
    wanted: Wanted,
    entry: Option<LedgerEntry>,
    pending: bool,
    left: bool,
    stalled: bool,
    touched: bool,
    marker: String,
}

/// Everybody a sweep is about.
#[derive(Clone, Debug, Default)]
struct Town {
    citizens: BTreeMap<Arc<str>, Citizen>,
    spec: AppSpec,
    refuted: Vec<(Finding, u64)>,
}

impl People for Town {
    fn present<T>(&self, person: &str, look: impl FnOnce(Option<&Present<'_>>) -> T) -> T {
        let Some(citizen) = self.citizens.get(person) else { return look(None) };
        look(Some(&Present {
            wanted: &citizen.wanted,
            entry: citizen.entry.as_ref(),
            pending: citizen.pending,
            left: citizen.left,
            stalled: citizen.stalled,
            context: context(&self.spec, &citizen.marker),
        }))
    }

    fn with_id(&self, person_id: &str) -> Vec<Arc<str>> {
        self.citizens.iter().filter(|(_, c)| c.marker == person_id).map(|(name, _)| name.clone()).collect()
    }

    fn with_login(&self, login: &str) -> Vec<Arc<str>> {
        self.citizens.keys().filter(|name| ***name == *login).cloned().collect()
    }

    fn is_touched(&self, person: &str) -> bool {
        self.citizens.get(person).is_some_and(|citizen| citizen.touched)
    }

    fn is_refuted(&self, _: &str, finding: Finding, print: u64) -> bool {
        self.refuted.contains(&(finding, print))
    }

    fn shows(&self, account: &RemoteAccount, kind: &str, entitlement: &str) -> Option<bool> {
        let roles = account.attributes.get("roles").filter(|_| kind == "role")?;
        Some(roles.as_array()?.contains(&json!(entitlement)))
    }
}

fn context<'a>(spec: &'a AppSpec, marker: &'a str) -> Context<'a> {
    Context { target: TARGET, marker, now: now(), ..crate::converge::tests::context(spec) }
}

fn desired(login: &str) -> DesiredAccount {
    let title =
        DesiredAttribute { value: json!("Clerk"), strength: Strength::Always, clear_when_null: false };
    DesiredAccount {
        logins: vec![login.to_owned()],
        attributes: [("title".to_owned(), title)].into(),
        entitlements: std::collections::BTreeSet::new(),
    }
}

fn entry(number: usize, state: AccountState) -> LedgerEntry {
    let login = format!("p{number}");
    LedgerEntry {
        app: "app".into(),
        target: TARGET.into(),
        id: format!("a{number}"),
        state,
        applied: digest(&desired(&login), &login),
        user_name: login,
        last_transition_time: Some(now() - SignedDuration::from_hours(5)),
        ..LedgerEntry::default()
    }
}

impl Citizen {
    fn at_work(number: usize) -> Self {
        Self {
            wanted: Wanted::Account(Box::new(desired(&format!("p{number}")))),
            entry: Some(entry(number, AccountState::Active)),
            pending: false,
            left: false,
            stalled: false,
            touched: false,
            marker: format!("m{number}"),
        }
    }

    fn gone(number: usize) -> Self {
        Self {
            wanted: Wanted::Gone(Cause::Leave),
            entry: Some(entry(number, AccountState::Suspended)),
            left: true,
            ..Self::at_work(number)
        }
    }
}

fn account(number: usize) -> RemoteAccount {
    RemoteAccount {
        id: format!("a{number}"),
        login: format!("p{number}"),
        marker: Some(format!("m{number}")),
        active: true,
        attributes: [("title".to_owned(), json!("Clerk"))].into(),
        terms: Arc::default(),
    }
}

/// A town of as many people, every third of whom left, and their accounts as they should be.
fn town(people: usize) -> (Town, Vec<RemoteAccount>) {
    let mut town = Town::default();
    let mut accounts = Vec::new();
    for number in 0..people {
        let leaver = number % 3 == 2;
        let citizen = if leaver { Citizen::gone(number) } else { Citizen::at_work(number) };
        town.citizens.insert(format!("p{number}").into(), citizen);
        accounts.push(RemoteAccount { active: !leaver, ..account(number) });
    }
    (town, accounts)
}

fn begin(town: &Town) -> Sweep {
    let mut ledgers = Ledgers::default();
    for (name, citizen) in &town.citizens {
        citizen.entry.iter().for_each(|entry| ledgers.add(name, entry, TARGET));
    }
    Sweep::begin(ledgers, Named::default(), Some(String::new()))
}

fn listed(
    sweep: &mut Sweep,
    accounts: &[RemoteAccount],
    page: usize,
    town: &Town,
) -> Result<(), Inconclusive> {
    for accounts in accounts.chunks(page.max(1)) {
        sweep.page(accounts, false, town, |_| {})?;
    }
    sweep.page(&[], true, town, |_| {})
}

fn swept(town: &Town, accounts: &[RemoteAccount]) -> Found {
    let mut sweep = begin(town);
    listed(&mut sweep, accounts, 3, town).unwrap();
    sweep.conclude(town).unwrap()
}

fn about(found: &Found) -> Vec<(&str, Finding)> {
    let mut all: Vec<_> = found.suspects.iter().chain(&found.gone).map(|s| (&*s.person, s.finding)).collect();
    all.sort_unstable();
    all
}

#[test]
fn each_difference_is_found_by_its_name() {
    let (town, mut accounts) = town(12);
    accounts[0].attributes.insert("title".into(), json!("King"));
    accounts[1].login = "renamed".into();
    accounts[2].active = true;
    accounts[3].active = false;
    accounts[4].marker = None;
    accounts.remove(6);
    accounts.push(RemoteAccount { id: "x1".into(), login: "nobody".into(), marker: None, ..account(99) });
    accounts.push(RemoteAccount { id: "x2".into(), login: "second".into(), ..account(7) });
    accounts.push(RemoteAccount { id: "x3".into(), login: "p5".into(), marker: None, ..account(5) });
    accounts.push(RemoteAccount { id: "x4".into(), active: false, marker: None, ..account(98) });
    let found = swept(&town, &accounts);
    let expected = [
        ("p0", Finding::Drifted),
        ("p1", Finding::Drifted),
        ("p2", Finding::Reactivated),
        ("p3", Finding::SuspendedElsewhere),
        ("p4", Finding::Drifted),
        ("p6", Finding::Gone),
    ];
    assert_eq!(about(&found), expected);
    assert_eq!(found.suspects.iter().find(|s| &*s.person == "p1").unwrap().fields, ["userName"]);
    let strays: Vec<_> =
        found.strays.iter().map(|s| (s.id.as_str(), s.kind, s.marked, s.user.as_str())).collect();
    let expected = [
        ("x1", StrayKind::Orphan, false, ""),
        ("x2", StrayKind::Duplicate, true, "p7"),
        ("x3", StrayKind::Zombie, false, "p5"),
    ];
    assert_eq!(strays, expected);
    assert_eq!((found.accounts, found.strays_total, found.mass), (15, 3, false));
}

#[test]
fn an_account_of_somebody_who_should_have_none_is_a_zombie_and_one_that_is_about_to_be_theirs_is_none() {
    let (mut town, _) = town(2);
    let leaver = Citizen { entry: None, ..Citizen::gone(5) };
    town.citizens.insert("p5".into(), leaver);
    let joiner = Citizen { entry: None, pending: true, ..Citizen::at_work(6) };
    town.citizens.insert("p6".into(), joiner);
    let found = swept(&town, &[account(0), account(1), account(5), account(6)]);
    let strays: Vec<_> = found.strays.iter().map(|s| (s.id.as_str(), s.kind, s.user.as_str())).collect();
    assert_eq!(strays, [("a5", StrayKind::Zombie, "p5")]);
}

#[test]
fn entitlements_are_told_from_one_look_at_their_holders() {
    let (mut town, accounts) = town(5);
    let held = |town: &mut Town, person: &str, held: &[&str]| {
        let entry = town.citizens.get_mut(person).unwrap().entry.as_mut().unwrap();
        entry.entitlements = held.iter().map(|held| (*held).to_owned()).collect();
    };
    held(&mut town, "p0", &["group:g1"]);
    held(&mut town, "p1", &["group:g1"]);
    held(&mut town, "p3", &["role:admin"]);
    let mut sweep = begin(&town);
    sweep.named.bound = BTreeSet::from([("role".to_owned(), "reader".to_owned())]);
    let mut listing = accounts;
    listing[3].attributes.insert("roles".into(), json!(["reader"]));
    listed(&mut sweep, &listing, 2, &town).unwrap();
    let asked: Vec<_> = sweep.entitlements().into_iter().collect();
    let expected = [("group", "g1"), ("role", "admin"), ("role", "reader")];
    assert_eq!(asked, expected.map(|(kind, id)| (kind.to_owned(), id.to_owned())));
    sweep.holders("group", "g1", &HashSet::from(["a0".to_owned(), "a4".to_owned(), "foreign".to_owned()]));
    let found = sweep.conclude(&town).unwrap();
    let expected = [
        ("p1", Finding::EntitlementLost),
        ("p3", Finding::EntitlementLost),
        ("p3", Finding::EntitlementAdded),
        ("p4", Finding::EntitlementAdded),
    ];
    assert_eq!(about(&found), expected);
    let fields: Vec<_> = found.suspects.iter().map(|suspect| suspect.fields.join(" ")).collect();
    assert_eq!(fields, ["role:admin", "role:reader", "group:g1", "group:g1"]);
}

#[test]
fn an_administrator_in_no_ledger_is_told_of() {
    let (town, mut accounts) = town(2);
    let stranger =
        |n: usize, active| RemoteAccount { marker: None, active, login: format!("x{n}"), ..account(n) };
    accounts.extend([stranger(7, true), stranger(8, true), stranger(9, false)]);
    accounts[2].attributes.insert("roles".into(), json!(["root"]));
    let mut sweep = begin(&town);
    let pair = |kind: &str, id: &str| (kind.to_owned(), id.to_owned());
    sweep.named.administrators = BTreeSet::from([pair("role", "root"), pair("group", "wheel")]);
    listed(&mut sweep, &accounts, 2, &town).unwrap();
    assert!(sweep.entitlements().contains(&pair("group", "wheel")));
    let wheel = ["a0", "a7", "a8", "a9", "nobody"].map(str::to_owned);
    sweep.holders("group", "wheel", &HashSet::from(wheel));
    let counts = sweep.conclude(&town).unwrap().counts;
    assert_eq!((counts.orphans, counts.privileged), (2, 2));
}

#[test]
fn what_an_app_does_not_keep_is_no_drift() {
    let (mut town, mut accounts) = town(2);
    accounts[0].attributes.clear();
    let entry = town.citizens.get_mut("p0").unwrap().entry.as_mut().unwrap();
    entry.reason = Reason::AttributesNotKept.as_str().into();
    entry.message = "the App does not keep emails, title; it is not sent again".into();
    assert!(swept(&town, &accounts).suspects.is_empty());
    town.citizens.get_mut("p0").unwrap().entry.as_mut().unwrap().message =
        "the App does not keep emails; it is not sent again".into();
    assert_eq!(about(&swept(&town, &accounts)), [("p0", Finding::Drifted)]);
}

#[test]
fn a_finding_that_a_look_has_refuted_is_no_news_until_the_account_looks_otherwise() {
    let (mut town, mut accounts) = town(2);
    accounts[0].attributes.clear();
    let first = swept(&town, &accounts);
    town.refuted = first.suspects.iter().map(|s| (s.finding, s.print)).collect();
    assert!(swept(&town, &accounts).suspects.is_empty());
    accounts[0].attributes.insert("title".into(), json!("King"));
    assert_eq!(about(&swept(&town, &accounts)), [("p0", Finding::Drifted)]);
}

#[test]
fn what_is_kept_by_policy_may_be_in_use() {
    let (mut town, mut accounts) = town(3);
    accounts[2].active = true;
    town.spec.on_leave = RemovalPolicy { action: RemovalAction::Retain, ..RemovalPolicy::default() };
    assert!(about(&swept(&town, &accounts)).is_empty());
}

#[test]
fn nobody_is_gone_whose_account_is_new_and_no_leaver_where_what_is_suspended_is_not_listed() {
    let (mut town, accounts) = town(6);
    town.citizens.get_mut("p0").unwrap().entry.as_mut().unwrap().last_transition_time =
        Some(now() - SignedDuration::from_secs(30));
    let listing: Vec<_> = accounts.iter().skip(1).filter(|account| account.active).cloned().collect();
    assert!(about(&swept(&town, &listing)).is_empty());
    // Once something suspended is listed, its absence means something.
    let listing: Vec<_> = accounts.iter().filter(|account| account.id != "a5").cloned().collect();
    assert_eq!(about(&swept(&town, &listing)), [("p5", Finding::Gone)]);
}

#[test]
fn so_many_missing_accounts_that_the_list_is_doubted() {
    let (town, accounts) = town(60);
    assert!(!swept(&town, &accounts[5..]).mass);
    assert!(swept(&town, &accounts[20..]).mass);
    assert!(swept(&town, &[]).mass);
}

#[test]
fn strays_are_counted_and_the_first_are_kept() {
    let (town, mut accounts) = town(1);
    accounts.extend((0..120).map(|n| {
        let login = format!("nobody{n}");
        RemoteAccount { id: format!("x{n:03}"), login, marker: None, ..account(99) }
    }));
    let mut told = 0;
    let mut sweep = begin(&town);
    sweep.page(&accounts, true, &town, |_| told += 1).unwrap();
    let found = sweep.conclude(&town).unwrap();
    assert_eq!((found.strays_total, found.strays.len(), told), (120, 50, 120));
    assert_eq!((found.strays[0].id.as_str(), found.strays[49].id.as_str()), ("x000", "x049"));
}

#[test]
fn everybody_whose_marker_is_on_an_account_they_should_not_have_is_known_however_many_strays_there_are() {
    let (mut town, _) = town(0);
    let mut accounts: Vec<_> = (0..60)
        .map(|n| RemoteAccount {
            id: format!("a{n:03}"),
            login: format!("nobody{n}"),
            marker: None,
            ..account(0)
        })
        .collect();
    let leaver = Citizen { entry: None, ..Citizen::gone(1) };
    let mover = Citizen { wanted: Wanted::Gone(Cause::Unassign), entry: None, ..Citizen::at_work(2) };
    for (name, citizen) in [("p1", leaver), ("p2", mover)] {
        let id = format!("x{}", citizen.marker);
        accounts.push(RemoteAccount { id, marker: Some(citizen.marker.clone()), ..account(99) });
        town.citizens.insert(name.into(), citizen);
    }
    let found = swept(&town, &accounts);
    assert_eq!(found.zombies, BTreeMap::from([("p1".into(), true), ("p2".into(), false)]));
    assert_eq!((found.strays.len(), found.counts.zombies), (50, 2));
}

#[test]
fn of_several_users_with_one_person_id_the_one_who_has_the_accounts_is_asked() {
    let (mut town, _) = town(0);
    let keeper = Citizen { entry: None, ..Citizen::gone(1) };
    let twin =
        Citizen { wanted: Wanted::Gone(Cause::Unassign), stalled: true, left: false, ..keeper.clone() };
    for (older, newer) in [("p1", "p2"), ("p2", "p1")] {
        town.citizens = BTreeMap::from([(older.into(), keeper.clone()), (newer.into(), twin.clone())]);
        let found = swept(&town, &[account(1)]);
        assert_eq!(found.zombies, BTreeMap::from([(older.into(), true)]));
    }
}

/// What somebody did to an account behind our back.
fn tampered(account: &RemoteAccount, how: u8) -> Option<RemoteAccount> {
    let mut account = account.clone();
    match how {
        0 => return None,
        1 => account.active = !account.active,
        2 => account.login.push('x'),
        3 => account.marker = None,
        4 => drop(account.attributes.insert("title".into(), json!("King"))),
        _ => {}
    }
    Some(account)
}

proptest! {
    /// The order of accounts and pages does not matter.
    #[test]
    fn any_order_finds_the_same(
        tampering in proptest::collection::vec(0_u8..12, 1..25),
        seed in any::<proptest::sample::Index>(),
        page in 1_usize..9,
    ) {
        let (town, accounts) = town(tampering.len());
        let listing: Vec<_> =
            accounts.iter().zip(&tampering).filter_map(|(account, how)| tampered(account, *how)).collect();
        let mut other = listing.clone();
        other.reverse();
        if !other.is_empty() {
            let turn = seed.index(other.len());
            other.rotate_left(turn);
        }
        let mut sweep = begin(&town);
        listed(&mut sweep, &other, page, &town).unwrap();
        let found = sweep.conclude(&town).unwrap();
        let straight = swept(&town, &listing);
        prop_assert_eq!(about(&found), about(&straight));
    }

    /// A listing that is cut off or shows an account twice concludes nothing, whatever it showed.
    #[test]
    fn a_listing_that_is_not_complete_concludes_nothing(
        people in 1_usize..20,
        cut in any::<proptest::sample::Index>(),
        doubled in any::<bool>(),
        page in 1_usize..9,
    ) {
        let (town, mut listing) = town(people);
        let place = cut.index(people);
        let mut sweep = begin(&town);
        if doubled {
            listing.push(listing[place].clone());
            prop_assert_eq!(listed(&mut sweep, &listing, page, &town), Err(Inconclusive::Twice));
        } else {
            for accounts in listing[..place].chunks(page) {
                sweep.page(accounts, false, &town, |_| {}).unwrap();
            }
        }
        prop_assert!(sweep.conclude(&town).is_err());
    }

    /// Whoever's account was worked on, is being worked on, or has another ledger entry than when the sweep began, is
    /// not accused, whatever the listing shows of the account; and everybody else is judged as ever.
    #[test]
    fn what_changes_while_the_list_is_read_causes_no_false_finding(
        people in proptest::collection::vec((0_u8..12, 0_u8..8), 1..25),
    ) {
        let (mut town, accounts) = town(people.len());
        let listing: Vec<_> =
            accounts.iter().zip(&people).filter_map(|(account, (how, _))| tampered(account, *how)).collect();
        let before = swept(&town, &listing);
        let mut sweep = begin(&town);
        listed(&mut sweep, &listing, 4, &town).unwrap();
        let mut changed = BTreeSet::new();
        for (number, (_, change)) in people.iter().enumerate() {
            let name = format!("p{number}");
            let citizen = town.citizens.get_mut(&*name).unwrap();
            let entry = citizen.entry.as_mut().unwrap();
            match change {
                0 => citizen.touched = true,
                1 => citizen.pending = true,
                2 => entry.id = format!("b{number}"),
                3 => entry.applied = "v1:other".into(),
                4 => entry.last_transition_time = Some(now()),
                5 => drop(town.citizens.remove(&*name)),
                _ => continue,
            }
            changed.insert(name);
        }
        let found = sweep.conclude(&town).unwrap();
        let expected: Vec<_> = about(&before).into_iter().filter(|(name, _)| !changed.contains(*name)).collect();
        prop_assert_eq!(about(&found), expected);
    }
}
