//! What each server can do, as it is declared in `capabilities/`, and the pages of the documentation made from that.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::support::repository;

/// Set this to write the tables anew from what the servers do. Look at the difference before you commit it.
const UPDATE: &str = "TENURE_UPDATE_CAPABILITIES";
/// What a case that has no difference is declared as.
const WORKS: &str = "works";

/// What is declared of one server.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
struct Table {
    /// The server and its version, written by hand.
    title: String,
    /// How it was set up and what the App said of it, written by hand.
    setup: String,
    /// What the probe said of it, with the source.
    profile: BTreeMap<String, String>,
    /// `works`, or how it differs.
    cases: BTreeMap<String, String>,
}

fn path(family: &str, server: &str) -> PathBuf {
    repository("tests/contract/capabilities").join(family).join(format!("{server}.yaml"))
}

fn page(family: &str) -> PathBuf {
    repository("docs/connectors").join(format!("{}-servers.md", family.replace('_', "-")))
}

fn read(family: &str, server: &str) -> Option<Table> {
    let path = path(family, server);
    let text = std::fs::read_to_string(&path).ok()?;
    Some(serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

fn updates() -> bool {
    std::env::var_os(UPDATE).is_some_and(|value| !value.is_empty())
}

fn declared(family: &str, server: &str) -> Table {
    read(family, server).unwrap_or_else(|| panic!("{family}/{server} has no table: run with {UPDATE}=1"))
}

/// Compares what a case found with what is declared of the server.
pub(crate) fn check(family: &str, server: &str, case: &str, found: &str) {
    if updates() {
        return change(family, server, |table| table.cases.insert(case.to_owned(), found.to_owned()));
    }
    let table = declared(family, server);
    let declared = table.cases.get(case);
    assert_eq!(
        Some(found),
        declared.map(String::as_str),
        "found (left) is not as declared (right); if that is right, run with {UPDATE}=1"
    );
}

/// Compares what the probe said with what is declared of the server.
pub(crate) fn check_profile(family: &str, server: &str, found: BTreeMap<String, String>) {
    if updates() {
        return change(family, server, |table| table.profile = found);
    }
    assert_eq!(found, declared(family, server).profile, "if that is right, run with {UPDATE}=1");
}

pub(crate) fn spelled(outcome: &crate::difference::Outcome) -> String {
    outcome.as_ref().err().map_or_else(|| WORKS.to_owned(), ToString::to_string)
}

fn change<T>(family: &str, server: &str, edit: impl FnOnce(&mut Table) -> T) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut table =
        read(family, server).unwrap_or_else(|| Table { title: server.to_owned(), ..Table::default() });
    edit(&mut table);
    table.cases.retain(|case, _| crate::CASES.contains(&case.as_str()));
    std::fs::write(path(family, server), serde_saphyr::to_string(&table).unwrap()).unwrap();
    std::fs::write(page(family), document(family)).unwrap();
}

fn servers(family: &str) -> impl Iterator<Item = &'static str> {
    crate::SUBJECTS.iter().filter(move |subject| subject.0 == family).map(|subject| subject.1)
}

/// The page about the servers of one family.
fn document(family: &str) -> String {
    let tables: Vec<_> = servers(family).filter_map(|server| read(family, server)).collect();
    let intro =
        std::fs::read_to_string(repository("tests/contract/capabilities").join(family).join("intro.md"));
    let mut text = intro.unwrap();
    text.push_str("\n| server | cases that work | differences |\n|---|---|---|\n");
    for table in &tables {
        let works = table.cases.values().filter(|found| *found == WORKS).count();
        let differ = table.cases.len() - works;
        writeln!(text, "| {} | {works} | {differ} |", table.title).unwrap();
    }
    for table in &tables {
        section(&mut text, table);
    }
    text
}

fn section(text: &mut String, table: &Table) {
    write!(text, "\n## {}\n\n{}\n\n", table.title, table.setup.trim()).unwrap();
    let differ: Vec<_> = table.cases.iter().filter(|(_, found)| *found != WORKS).collect();
    if differ.is_empty() {
        text.push_str("Every case works.\n");
    } else {
        text.push_str("| case | difference |\n|---|---|\n");
        for (case, found) in differ {
            writeln!(text, "| {} | {} |", case.replace('_', " "), found.replace('|', "\\|")).unwrap();
        }
    }
    let found: Vec<_> = table
        .profile
        .iter()
        .filter(|(_, value)| !value.ends_with("(Default)"))
        .map(|(name, value)| format!("`{name}: {value}`"))
        .collect();
    if !found.is_empty() {
        writeln!(text, "\nProfile beyond the defaults: {}.", found.join(", ")).unwrap();
    }
}

/// No case is missing from any table, and no table has one that is none.
#[test]
fn every_table_has_every_case() {
    if updates() {
        return;
    }
    for (family, server) in crate::SUBJECTS {
        let table = declared(family, server);
        let known: Vec<_> = crate::CASES.iter().copied().filter(|case| *case != "profile").collect();
        let mut sorted = known.clone();
        sorted.sort_unstable();
        assert_eq!(table.cases.keys().collect::<Vec<_>>(), sorted.iter().collect::<Vec<_>>(), "{server}");
        assert!(!table.setup.is_empty(), "{server} has no setup");
    }
}

#[test]
fn the_pages_say_what_the_tables_say() {
    if updates() {
        return;
    }
    for (family, _) in crate::SUBJECTS {
        let page = std::fs::read_to_string(page(family)).unwrap_or_default();
        assert_eq!(page, document(family), "run with {UPDATE}=1");
    }
}
