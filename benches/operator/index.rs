//! Memory of the fleet index, in a process that holds nothing else.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Instant;

use kube::ResourceExt;
use kube::api::ObjectList;
use serde::{Deserialize, Serialize};
use tenure::controllers::user::decide::{Decision, Departure, decide};
use tenure::converge::Due;
use tenure::runtime::index::{AccountSummary, Fleet, Key, Name, RawUser, StoredPerson, Summary};

use crate::apart::{self, resident, rested};
use crate::report::{Report, grouped, mib};
use crate::support::workdir;
use crate::{progress, synthetic};

/// What was measured; sizes in bytes, of everybody together.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Measured {
    people: usize,
    /// As sent by the API server.
    sent: usize,
    /// What the index says that it holds.
    counted: usize,
    steady: u64,
    relist_peak: u64,
    after_relist: u64,
    /// Seconds.
    fill: f64,
    relist: f64,
    decide: f64,
    /// Accounts with work due: none, as the ledgers are up to date.
    due: usize,
}

/// Invents a fleet and measures its index in a process of its own.
pub async fn measure_apart(people: usize) -> Measured {
    progress(&format!("inventing {} people with {} accounts each", grouped(people), synthetic::APPS));
    let folder = workdir::folder("index");
    let pages = folder.join("pages.jsonl");
    synthetic::write_pages(&pages, people).expect("pages");
    progress("their index, in a process of its own");
    let said = pages.to_str().expect("a path that is text");
    let measured = apart::run("index", ["--measure-index", said]).await;
    std::fs::remove_file(&pages).expect("the pages are there");
    measured
}

/// What the other process does.
pub fn measure_and_print(pages: &Path) {
    println!("{}", serde_json::to_string(&measure(pages)).expect("numbers"));
}

fn measure(pages: &Path) -> Measured {
    let fleet = Fleet::default();
    let namespace = Name::from("people");
    fleet.write(&namespace, synthetic::furnish);
    let empty = resident();
    let above = |bytes: u64| bytes.saturating_sub(empty);
    let begun = Instant::now();
    let filled = feed(&fleet, pages, None);
    let fill = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let due = decide_everybody(&fleet, &namespace);
    let decide = begun.elapsed().as_secs_f64();
    let steady = above(rested());
    let begun = Instant::now();
    let relisted = feed(&fleet, pages, Some(begun));
    let relist = begun.elapsed().as_secs_f64();
    let after_relist = above(rested());
    let counted = fleet.read(&namespace, |ns| ns.users().map(|(_, p)| p.heap_bytes() + size_of_val(p)).sum());
    Measured {
        people: filled.people,
        sent: filled.bytes,
        counted: counted.unwrap_or_default(),
        steady,
        relist_peak: above(relisted.peak),
        after_relist,
        fill,
        relist,
        decide,
        due,
    }
}

/// What was put into the index.
#[derive(Default)]
pub struct Fed {
    people: usize,
    bytes: usize,
    peak: u64,
}

/// Puts every page into the index, as the watch does with a list; memory is read while the page is still there.
pub fn feed(fleet: &Fleet, pages: &Path, listed_since: Option<Instant>) -> Fed {
    let mut fed = Fed::default();
    for line in BufReader::new(File::open(pages).expect("the pages")).lines() {
        let line = line.expect("a page");
        let page: ObjectList<RawUser> = serde_json::from_str(&line).expect("a list of Users");
        fed.bytes += line.len();
        for user in page.items {
            let key = Key::new(user.namespace().unwrap_or_default(), user.name_any());
            let person = StoredPerson::from_raw(user).expect("a good User");
            fleet.write(&key.namespace, |ns| ns.put_user(&key.name, person, listed_since));
            fed.people += 1;
        }
        fed.peak = fed.peak.max(resident());
    }
    fed
}

/// Decides about everybody, one after the other, and keeps what the operator keeps of it. Returns the accounts due.
pub fn decide_everybody(fleet: &Fleet, namespace: &Name) -> usize {
    let names: Vec<Name> =
        fleet.read(namespace, |ns| ns.users().map(|(n, _)| n.clone()).collect()).unwrap_or_default();
    let mut due = 0;
    for name in names {
        let key = Key::new(namespace.clone(), name);
        let decision = fleet.read(namespace, |ns| {
            let person = ns.user(&key.name).and_then(|p| p.load(key.clone())).expect("a person of the index");
            decide(ns, person, Departure::default(), synthetic::now())
        });
        let decision = decision.expect("the namespace is there");
        due += decision.accounts.iter().filter(|a| !matches!(a.due, Due::Nothing { .. })).count();
        let summary = summarize(&decision);
        fleet.write(namespace, |ns| {
            if let Some(person) = ns.user_mut(&key.name) {
                person.summary = summary;
            }
        });
    }
    due
}

/// As the controller of Users summarises a decision.
fn summarize(decision: &Decision) -> Summary {
    let bindings: std::collections::BTreeSet<Name> =
        decision.accounts.iter().flat_map(|a| a.bindings.iter().cloned()).collect();
    let account = |a: &tenure::controllers::user::decide::AccountDecision| AccountSummary {
        app: a.app.clone(),
        state: a.entry.as_ref().map(|e| e.state),
        due: matches!(a.due, Due::Work { .. }),
        troubled: false,
    };
    Summary {
        left_at: decision.lifecycle.left_at,
        roles: decision.roles.effective.iter().map(|r| Name::from(r.name.as_str())).collect(),
        rule_errors: Box::default(),
        bindings: bindings.into_iter().collect(),
        accounts: decision.accounts.iter().map(account).collect(),
    }
}

impl Measured {
    /// Rows of the report.
    pub fn tell(&self, report: &mut Report) {
        let each = |bytes: f64| format!("{} bytes a person", grouped_rounded(bytes / self.people as f64));
        let both = |bytes: u64| format!("{}, {}", mib(bytes as f64), each(bytes as f64));
        let time =
            |seconds: f64| format!("{seconds:.1} s, {:.0} µs a person", seconds * 1e6 / self.people as f64);
        report.section(&format!(
            "The index of {} people with {} accounts each",
            grouped(self.people),
            synthetic::APPS
        ));
        report.row("as sent by the API server, in JSON", each(self.sent as f64));
        report.row("held by the index, by its own count", each(self.counted as f64));
        report.row("resident, steady", both(self.steady));
        report.row("resident, at the peak of a relist", both(self.relist_peak));
        report.row("resident, after the relist", both(self.after_relist));
        report.row("to fill it from a list", time(self.fill));
        report.row("to relist", time(self.relist));
        report.row("to decide about everybody, on one core", time(self.decide));
        report.row(
            "work found due by that (the fleet is converged)",
            format!("{} accounts", grouped(self.due)),
        );
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes are positive and small")]
fn grouped_rounded(number: f64) -> String {
    grouped(number.round() as usize)
}
