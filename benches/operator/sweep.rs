//! A sweep of a directory with as many accounts as the ledger has: the time beside that of a raw client that reads the same
//! pages, and how much the operator's memory grows by it. It is made in a process that holds the index and nothing else.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenure::api::sweep::SweepFindings;
use tenure::connectors::Connector;
use tenure::connectors::any::AnyConnector;
use tenure::controllers::app::sweep::{Scope, State};
use tenure::controllers::user::decide::{Decision, Departure, decide_in};
use tenure::converge::Wanted;
use tenure::converge::sweep::Named;
use tenure::runtime::index::{Fleet, Key, Name, Namespace};

use crate::entries::{self, Client};
use crate::report::{Report, grouped, median, mib};
use crate::support::targets::slapd::{self, Config, Slapd};
use crate::support::{pki, workdir};
use crate::{apart, index, people, progress, synthetic};

const APP: &str = "directory";
/// How often memory is read while the sweep is under way.
const LOOK: Duration = Duration::from_millis(5);

/// What the other process is to do.
#[derive(Serialize, Deserialize)]
struct Job {
    pages: PathBuf,
    url: String,
    authority: String,
}

/// What it measured.
#[derive(Serialize, Deserialize)]
struct Measured {
    seconds: f64,
    /// Bytes, at the peak of the sweep above those before it.
    grown: u64,
    accounts: usize,
    findings: SweepFindings,
}

/// Sweeps, in turns with a raw client.
pub async fn measure(count: usize, rounds: usize, report: &mut Report) {
    progress(&format!("inventing {} people with an account in slapd", grouped(count)));
    let folder = workdir::folder("sweep");
    let pages = folder.join("pages.jsonl");
    let server = Slapd::seeded(Config::default(), &invent(&pages, count)).await;
    let client = Client::bound(&server.url(), (slapd::OPERATOR, slapd::OPERATOR_PASSWORD)).await;
    let job = Job { pages, url: server.url(), authority: pki::directories().pem() };
    let said = folder.join("job.json");
    std::fs::write(&said, serde_json::to_vec(&job).expect("a job")).expect("a file");
    let said = said.to_str().expect("a path that is text");
    let mut all: Vec<(f64, Measured)> = Vec::new();
    for round in 1..=rounds {
        progress(&format!("a raw client reads them and the operator sweeps, round {round} of {rounds}"));
        let alone =
            client.list(slapd::PEOPLE, "(objectClass=inetOrgPerson)", entries::PAGE).await / count as f64;
        all.push((alone.recip(), apart::run("sweeper", ["--measure-sweep", said]).await));
    }
    for (_, measured) in &all {
        assert_eq!((measured.accounts, &measured.findings), (count, &SweepFindings::default()));
    }
    report.section(&format!(
        "A sweep of {} accounts of slapd against as many ledger entries; medians of the rounds",
        grouped(count)
    ));
    let of = |f: &dyn Fn(&(f64, Measured)) -> f64| median(all.iter().map(f));
    report.row("a raw client reads the same pages", format!("{:.1} s", of(&|(alone, _)| *alone)));
    report.row("the sweep", format!("{:.1} s", of(&|(_, sweep)| sweep.seconds)));
    let ratio = of(&|(alone, sweep)| alone / sweep.seconds);
    report.row("ratio", format!("{ratio:.2}"));
    let most = all.iter().map(|(_, sweep)| sweep.grown).max().unwrap_or_default();
    report.goal("memory of the operator, growth at the peak", mib(most as f64), "< 50 MB");
}

/// Puts the App, a Role and a binding into an empty namespace.
fn furnish(ns: &mut Namespace, url: &str) {
    let reference = json!({"name": APP, "key": "key"});
    let ldap = json!({
        "servers": [url], "baseDn": slapd::PEOPLE,
        "bind": {"usernameSecretRef": reference, "passwordSecretRef": reference},
    });
    let app = synthetic::object("App", APP, &json!({"connector": {"ldap": ldap}}));
    ns.put_app(&Name::from(APP), app, 0);
    let rule = json!({"match": "user.employeeType == 'Employee'"});
    ns.put_role(&Name::from("employee"), synthetic::object("Role", "employee", &rule), 0);
    let binding = json!({"roleRef": {"name": "employee"}, "appRef": {"name": APP}});
    ns.put_binding(&Name::from("employee"), synthetic::object("AppBinding", "employee", &binding), 0);
}

/// Writes pages of people whose ledger is up to date, and gives their accounts as LDIF.
fn invent(pages: &Path, count: usize) -> String {
    let mut ns = Namespace::default();
    // The ledger names the target by a hash, and not by the address.
    furnish(&mut ns, "ldaps://directory.example");
    let mut ldif = String::new();
    let people = (0..count).map(|i| {
        let mut spec = people::spec(i, &[]);
        // A reference would have to be a DN.
        spec.as_object_mut().expect("an object").remove("manager");
        let (user, decision) = synthetic::onboarded(&mut ns, i, &spec);
        account(&mut ldif, i, &decision).expect("a text");
        user
    });
    synthetic::write_users(pages, people).expect("pages");
    ldif
}

fn account(ldif: &mut String, i: usize, decision: &Decision) -> std::fmt::Result {
    let Some(Wanted::Account(desired)) = decision.accounts.first().map(|account| &account.wanted) else {
        panic!("{} has no account", people::name(i));
    };
    let login = &desired.logins[0];
    writeln!(ldif, "dn: uid={login},{}\nobjectClass: inetOrgPerson\nuid: {login}", slapd::PEOPLE)?;
    writeln!(ldif, "employeeNumber: {}\nentryUUID: {}", people::person_id(i), synthetic::id(APP, login))?;
    for (name, attribute) in &desired.attributes {
        let one = std::slice::from_ref(&attribute.value);
        let values = attribute.value.as_array().map_or(one, Vec::as_slice);
        for value in values.iter().filter_map(Value::as_str) {
            writeln!(ldif, "{name}: {value}")?;
        }
    }
    ldif.push('\n');
    Ok(())
}

/// What the other process does.
pub fn measure_and_print(job: &Path) {
    let job = std::fs::read(job).expect("the job");
    let job: Job = serde_json::from_slice(&job).expect("a job");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let measured = runtime.block_on(sweep(&job));
    println!("{}", serde_json::to_string(&measured).expect("numbers"));
}

async fn sweep(job: &Job) -> Measured {
    let fleet = Fleet::default();
    let key = Key::new("people", APP);
    fleet.write(&key.namespace, |ns| furnish(ns, "ldaps://directory.example"));
    index::feed(&fleet, &job.pages, None);
    assert_eq!(index::decide_everybody(&fleet, &key.namespace), 0, "the fleet is converged");
    let connector = AnyConnector::Ldap(entries::ldap(&job.url, &job.authority, 8));
    connector.probe().await.unwrap_or_else(|e| panic!("probe: {e}"));
    let decide = |person: &Key| {
        let found = fleet.read(&person.namespace, |ns| {
            let person = ns.user(&person.name)?.load(person.clone())?;
            Some(decide_in(ns, person, Departure::default(), synthetic::now(), Some(APP)))
        });
        found.flatten()
    };
    let scope = Scope {
        fleet: &fleet,
        key: &key,
        target: &target(&decide),
        prefix: Some(String::new()),
        decide: &decide,
        under_way: &|_| false,
        held: &|_| false,
        state: &State::default(),
        named: &Named::default(),
    };
    let before = apart::rested();
    let (ended, peak) = (AtomicBool::new(false), AtomicU64::new(0));
    let begun = Instant::now();
    let found = std::thread::scope(|threads| {
        threads.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                peak.fetch_max(apart::resident(), Ordering::Relaxed);
                std::thread::sleep(LOOK);
            }
        });
        let sweep = scope.sweep(&connector, |_| {});
        let found = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(sweep));
        ended.store(true, Ordering::Relaxed);
        found
    });
    let seconds = begun.elapsed().as_secs_f64();
    let (found, note) = found.unwrap_or_else(|broken| panic!("{}", broken.message));
    assert_eq!(note, None);
    let grown = peak.into_inner().saturating_sub(before);
    Measured { seconds, grown, accounts: found.accounts, findings: found.counts }
}

/// Hash of the App's target, as decisions name it.
fn target(decide: &dyn Fn(&Key) -> Option<Decision>) -> String {
    let decision = decide(&Key::new("people", people::name(0).as_str())).expect("a person of the index");
    decision.accounts[0].context.target.clone()
}
