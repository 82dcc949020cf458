//! What happened to users of other products is a test here: `docs/safety.md` says which, and this says that it is there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::path::Path;

/// The rows of the table of incidents: what happened, and the tests named.
fn rows() -> Vec<(String, Vec<String>)> {
    let page = include_str!("../docs/safety.md");
    let section = page.split("## What happened to others").nth(1).expect("the section");
    let rows = section.lines().skip_while(|line| !line.starts_with("|---"));
    let rows = rows.skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split('|');
        let what = cells.next().expect("an incident").trim().to_owned();
        let tests = cells.next_back().expect("tests").split('`').skip(1).step_by(2).map(str::to_owned);
        (what, tests.collect())
    })
    .collect()
}

#[test]
fn every_incident_has_tests_that_are_there() {
    let rows = rows();
    assert!(rows.len() > 12, "{rows:?}");
    for (what, tests) in rows {
        assert!(!tests.is_empty(), "{what}");
        for test in tests {
            let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("{what}: {test}"));
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{what}: {file}: {e}"));
            assert!(text.contains(&format!("fn {name}(")), "{what}: no test {name} in {file}");
        }
    }
}
