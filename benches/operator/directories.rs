//! Directories: the connectors alone against raw clients of the same library that do the same operations, and the whole
//! operator against the slower of its two servers.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tenure::connectors::{Connector, Membership};

use crate::entries::{self, Client, PAGE, account, ad_account};
use crate::report::{Report, grouped, median};
use crate::site::{self, APPS, Site};
use crate::support::pki;
use crate::support::targets::samba::Samba;
use crate::support::targets::slapd::{self, Config, Slapd};
use crate::usage::Writes;
use crate::{people, progress, raw};

/// Operations at the same time: an App's own default, and what is good for a domain controller.
const CONCURRENCY: usize = 8;
const AT_A_CONTROLLER: usize = 4;

/// How many entries are measured with.
#[derive(Clone, Copy, Debug)]
pub struct Entries {
    /// Accounts made in slapd; the group that leavers leave has as many members.
    pub made: usize,
    /// Of them, those who leave.
    pub leavers: usize,
    /// Accounts listed in slapd.
    pub listed: usize,
    /// Accounts made and listed in Samba.
    pub domain: usize,
}

/// Measures all of it.
pub async fn measure(scale: Entries, (joiners, rounds): (usize, usize), status: &Value, report: &mut Report) {
    creates(scale.made, rounds, report).await;
    onboarding(joiners, rounds, status, report).await;
    leavers(scale.made, scale.leavers, report).await;
    listing(scale.listed, rounds, report).await;
    domain(scale.domain, report).await;
}

fn slapd_of(server: &Slapd) -> tenure::connectors::ldap::Ldap {
    entries::ldap(&server.url(), &pki::directories().pem(), CONCURRENCY)
}

/// What is done a second.
fn rate(count: usize, begun: Instant) -> f64 {
    count as f64 / begun.elapsed().as_secs_f64()
}

/// Looks for each account and makes it. Accounts a second.
async fn make<C: Connector>(connector: &C, accounts: Vec<tenure::converge::NewAccount>, width: usize) -> f64 {
    let (count, begun) = (accounts.len(), Instant::now());
    stream::iter(accounts)
        .for_each_concurrent(width, |account| async move {
            let (attribute, marker) = &account.marker;
            let found = connector.find(attribute, marker).await.unwrap_or_else(|e| panic!("find: {e}"));
            assert!(found.is_empty());
            let made = connector.create(&account, None).await.unwrap_or_else(|e| panic!("create: {e}"));
            assert!(made.active);
        })
        .await;
    rate(count, begun)
}

async fn creates(count: usize, rounds: usize, report: &mut Report) {
    let mut all = Vec::new();
    for round in 1..=rounds {
        progress(&format!("{} accounts in slapd, round {round} of {rounds}", grouped(count)));
        let server = Slapd::start(Config::default()).await;
        let client = Client::bound(&server.url(), (slapd::OPERATOR, slapd::OPERATOR_PASSWORD)).await;
        let alone = client.onboard(count, CONCURRENCY).await;
        let server = Slapd::start(Config::default()).await;
        let connector = slapd_of(&server);
        connector.probe().await.unwrap_or_else(|e| panic!("probe: {e}"));
        let tenure = make(&connector, (0..count).map(account).collect(), CONCURRENCY).await;
        all.push((alone, tenure));
    }
    report.section(&format!(
        "{} accounts found and made in slapd, {CONCURRENCY} at a time; medians of the rounds",
        grouped(count)
    ));
    tell(report, &all, "accounts/s", "≥ 0.80");
}

fn tell(report: &mut Report, all: &[(f64, f64)], unit: &str, goal: &str) {
    report.row("a raw client of the same library", format!("{:.0} {unit}", median(all.iter().map(|r| r.0))));
    report.row("the connector", format!("{:.0} {unit}", median(all.iter().map(|r| r.1))));
    let ratio = median(all.iter().map(|(alone, tenure)| tenure / alone));
    report.goal("ratio", format!("{ratio:.2}"), goal);
    let each: Vec<_> = all.iter().map(|(alone, tenure)| format!("{:.2}", tenure / alone)).collect();
    report.row("ratio, round by round", each.join(" "));
}

/// The operator onboards people into slapd.
async fn onboarding(people: usize, rounds: usize, status: &Value, report: &mut Report) {
    let mut all = Vec::new();
    for round in 1..=rounds {
        let round = format!("joiners in slapd, round {round} of {rounds}");
        let api = raw::round(&round, people, status).await;
        let api = people as f64 / api.writes.seconds;
        progress(&format!("{round}: a raw client"));
        let server = Slapd::start(Config::default()).await;
        let client = Client::bound(&server.url(), (slapd::OPERATOR, slapd::OPERATOR_PASSWORD)).await;
        let alone = client.onboard(people, CONCURRENCY).await;
        progress(&format!("{round}: the operator"));
        all.push((alone.min(api), operate(people).await));
    }
    report.section(&format!("{} joiners in one App, slapd; medians of the rounds", grouped(people)));
    let of = |f: &dyn Fn(&(f64, f64)) -> f64| median(all.iter().map(f));
    report.row("the slower of API server and directory alone", format!("{:.0} people/s", of(&|r| r.0)));
    report.row("Tenure", format!("{:.0} people/s", of(&|r| r.1)));
    report.goal("ratio to the slower of the two", format!("{:.2}", of(&|r| r.1 / r.0)), "≥ 0.80");
}

async fn operate(people: usize) -> f64 {
    let site = Site::new("directory", &[], &Value::Null).await;
    let server = Slapd::start(Config::default()).await;
    let authority = pki::directories().pem();
    let secret = [
        ("username", slapd::OPERATOR),
        ("password", slapd::OPERATOR_PASSWORD),
        ("ca.crt", authority.as_str()),
    ];
    site.scene.secret_of(APPS[0], &secret).await;
    let reference = |key: &str| json!({"name": APPS[0], "key": key});
    let ldap = json!({
        "servers": [server.url()], "caSecretRef": reference("ca.crt"), "baseDn": slapd::PEOPLE,
        "bind": {"usernameSecretRef": reference("username"), "passwordSecretRef": reference("password")},
    });
    site.scene.apply("App", APPS[0], json!({"connector": {"ldap": ldap}})).await;
    let binding = json!({"roleRef": {"name": "employee"}, "appRef": {"name": APPS[0]}});
    site.scene.apply("AppBinding", "employee", binding).await;
    site.create(0..people, &[]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mark = site::plane().await.audit().mark().await;
    let operator = site.operate().await;
    site.written(&operator, people).await;
    let writes = Writes::since(mark, &site.scene.namespace).await;
    site::stop(&operator).await;
    people as f64 / writes.seconds
}

/// Some members of a large group leave: everybody is suspended, then the group is emptied of them.
async fn leavers(members: usize, leavers: usize, report: &mut Report) {
    progress(&format!("{} leave a group of {} in slapd", grouped(leavers), grouped(members)));
    let server = Slapd::start(Config::default()).await;
    let client = Client::bound(&server.url(), (slapd::OPERATOR, slapd::OPERATOR_PASSWORD)).await;
    client.onboard(members, CONCURRENCY).await;
    client.add_group("everybody", members).await;
    let connector = slapd_of(&server);
    connector.probe().await.unwrap_or_else(|e| panic!("probe: {e}"));
    let who: Vec<String> = stream::iter(0..leavers)
        .map(async |i| {
            let found = connector.find("employeeNumber", &people::person_id(i)).await;
            found.unwrap_or_else(|e| panic!("find: {e}")).remove(0).id
        })
        .buffered(CONCURRENCY)
        .collect()
        .await;
    let begun = Instant::now();
    stream::iter(&who)
        .for_each_concurrent(CONCURRENCY, |id| async {
            connector.set_active(id, false).await.unwrap_or_else(|e| panic!("suspend: {e}"));
        })
        .await;
    let suspended = begun.elapsed().as_secs_f64();
    let entitlement = tenure::api::EntitlementSpec { kind: "group".into(), value: "everybody".into() };
    let group = connector.resolve(&entitlement).await.ok().flatten().expect("the group");
    let begun = Instant::now();
    let chunks = who.chunks(connector.batch("group"));
    let requests = chunks.len();
    for chunk in chunks {
        let away: Vec<_> = chunk.iter().map(|id| Membership { account: id.clone(), held: false }).collect();
        let outcomes = connector.entitle("group", &group, &away).await.unwrap_or_else(|e| panic!("{e}"));
        assert!(outcomes.iter().all(Result::is_ok));
    }
    let removed = begun.elapsed().as_secs_f64();
    let few = (leavers / 10).max(1);
    let one_by_one = client.leave_one_by_one("everybody", leavers..leavers + few).await;
    report.section(&format!("{} leave a group of {} members, slapd", grouped(leavers), grouped(members)));
    report.row("all suspended and read back", format!("{suspended:.2} s"));
    report.row("then the group is without them", format!("{removed:.2} s in {requests} requests"));
    report.row(
        "a raw client that removes one at a time, for as many",
        format!("{:.2} s", leavers as f64 / one_by_one),
    );
}

/// Reads everybody, page by page. Accounts a second.
async fn list<C: Connector>(connector: &C, count: usize) -> f64 {
    let (mut cursor, mut seen, begun) = (None, 0, Instant::now());
    loop {
        let page = connector.page(cursor.as_deref()).await.unwrap_or_else(|e| panic!("list: {e}"));
        seen += page.accounts.len();
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert!(seen >= count, "{seen} of {count}");
    rate(seen, begun)
}

async fn listing(count: usize, rounds: usize, report: &mut Report) {
    progress(&format!("listing {} accounts of slapd", grouped(count)));
    let server = Slapd::seeded(Config::default(), &entries::ldif(count)).await;
    let client = Client::bound(&server.url(), (slapd::OPERATOR, slapd::OPERATOR_PASSWORD)).await;
    let connector = slapd_of(&server);
    connector.probe().await.unwrap_or_else(|e| panic!("probe: {e}"));
    let mut all = Vec::new();
    for _ in 0..rounds {
        let alone = client.list(slapd::PEOPLE, "(objectClass=inetOrgPerson)", PAGE).await;
        all.push((alone, list(&connector, count).await));
    }
    report.section(&format!("{} accounts of slapd listed, {PAGE} a page; medians", grouped(count)));
    tell(report, &all, "accounts/s", "≥ 0.50");
}

async fn domain(count: usize, report: &mut Report) {
    progress(&format!("{} accounts in Samba", grouped(count)));
    let server = Samba::start().await;
    let client = Client::bound(&server.url(), entries::SAMBA_ADMIN).await;
    let alone = client.onboard_domain(count, AT_A_CONTROLLER).await;
    let server = Samba::start().await;
    let connector = entries::active_directory(&server, AT_A_CONTROLLER);
    connector.probe().await.unwrap_or_else(|e| panic!("probe: {e}"));
    let tenure = make(&connector, (0..count).map(ad_account).collect(), AT_A_CONTROLLER).await;
    report.section(&format!(
        "{} accounts found and made in Samba, {AT_A_CONTROLLER} at a time",
        grouped(count)
    ));
    tell(report, &[(alone, tenure)], "accounts/s", "≥ 0.80");
    let client = Client::bound(&server.url(), entries::SAMBA_ADMIN).await;
    let alone = client.list(entries::SAMBA_BASE, "(sAMAccountType=805306368)", PAGE).await;
    let tenure = list(&connector, count).await;
    report.section(&format!("{} accounts of Samba listed", grouped(count)));
    tell(report, &[(alone, tenure)], "accounts/s", "≥ 0.50");
}
