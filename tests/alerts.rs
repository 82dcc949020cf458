//! Alert rules ask for metrics that there are, and their runbooks for pages that there are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::time::Duration;

use serde_json::Value;
use tenure::runtime::metrics::Metrics;

fn rules() -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(include_str!("../deploy/alerts.yaml")).unwrap();
    let groups = file["spec"]["groups"].as_array().unwrap().clone();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// Names of metrics in an expression.
fn named(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("tenure_"))
}

#[test]
fn every_metric_is_there_with_its_labels() {
    let metrics = Metrics::new();
    metrics.unproved_leavers("hr", "crm", 1, Duration::from_secs(5));
    metrics.quarantined("hr", "crm", true);
    metrics.removals("hr", "crm", (1, 5), 3);
    metrics.queue("hr", "crm", &tenure::runtime::queue::Stats::default());
    let text = metrics.encode().unwrap();
    for rule in rules() {
        let expression = rule["expr"].as_str().unwrap();
        let names: Vec<_> = named(expression).collect();
        assert!(!names.is_empty(), "{rule}");
        for name in names {
            let line = text.lines().find(|line| line.split(['{', ' ']).next() == Some(name));
            let line = line.unwrap_or_else(|| panic!("{expression}: no metric {name}"));
            if expression.contains("by (namespace, app)") {
                assert!(line.contains("namespace=\"hr\"") && line.contains("app=\"crm\""), "{line}");
            }
        }
    }
}

#[test]
fn every_alert_says_what_to_do() {
    let page = include_str!("../docs/safety.md");
    assert!(rules().iter().any(|rule| rule["alert"] == "TenureLeaverUnproved"));
    for rule in rules() {
        let runbook = rule["annotations"]["runbook"].as_str().unwrap();
        let (file, heading) = runbook.split_once(", ").unwrap();
        assert_eq!(file, "docs/safety.md");
        assert!(page.contains(&format!("## {}", heading.trim_matches('"'))), "no heading {heading}");
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning"].contains(&severity), "{rule}");
    }
}
