//! How long leavers keep access while people are being onboarded, and how much goes before them.

use std::ops::Range;
use std::time::{Duration, Instant};

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::report::{Report, grouped, percentile};
use crate::site::{self, Site};
use crate::support::Operator;
use crate::{people, progress};

/// Pause between two leavers.
pub const PACE: Duration = Duration::from_millis(40);
/// When waiting makes no sense any more.
const PATIENCE: Duration = Duration::from_mins(5);

/// Somebody who left.
pub struct Change {
    login: String,
    sent: Instant,
    answered: Duration,
}

/// What was measured; sorted.
pub struct Leavers {
    /// Milliseconds from sending the change of the User to the last suspension.
    cut: Vec<f64>,
    /// Milliseconds that the API server took to answer the change.
    answered: Vec<f64>,
    /// Requests to an App between sending the change and the suspension there.
    passed: Vec<f64>,
    /// Milliseconds from the operator's knowing of a change to the suspension, on average; one an operator asked.
    known: Vec<f64>,
}

/// Has people leave of whom everybody has accounts, while as many more are onboarded.
pub async fn measure(site: &Site, people: usize, report: &mut Report) {
    progress("leavers while joiners run");
    let count = (people / 20).clamp(1, 200);
    site.create(people..2 * people, &[]).await;
    let operator = site.operate().await;
    site.have(people + 1).await;
    let changes = leave(site, 0..count, PACE).await;
    let waiting = (2 * people).saturating_sub(site.accounts());
    let leavers = Leavers::of(site, &changes).await;
    site.onboarded(&operator, people, people).await;
    site::stop(&operator).await;
    report.section(&format!(
        "{} leavers, one every {} ms, while as many joiners as before are onboarded",
        grouped(count),
        PACE.as_millis()
    ));
    leavers.tell(report);
    report.row("joiners still waiting when the last one left", grouped(waiting));
}

/// Has these people leave, one after the other.
pub async fn leave(site: &Site, who: Range<usize>, pace: Duration) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut pace = tokio::time::interval(pace);
    for i in who {
        pace.tick().await;
        let api = site.scene.api("User");
        changes.push(tokio::spawn(async move {
            let sent = Instant::now();
            let patch = Patch::Merge(json!({"spec": {"state": "Terminated"}}));
            let answer = api.patch(&people::name(i), &PatchParams::default(), &patch).await;
            answer.unwrap_or_else(|e| panic!("{}: {e}", people::name(i)));
            Change { login: people::login(i), sent, answered: sent.elapsed() }
        }));
    }
    futures::future::join_all(changes).await.into_iter().map(|c| c.expect("a change")).collect()
}

impl Leavers {
    /// Waits until every account of those who left is suspended.
    pub async fn of(site: &Site, changes: &[Change]) -> Self {
        let begun = Instant::now();
        while site.targets.iter().any(|t| t.cut_count() < changes.len()) {
            assert!(begun.elapsed() < PATIENCE, "not every leaver's accounts are suspended");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut cut = vec![Duration::ZERO; changes.len()];
        let mut passed = Vec::new();
        for target in &site.targets {
            let cuts = loop {
                // Its accounts are listed while others are made: somebody may be missing the first time.
                let cuts = target.cuts().await;
                if changes.iter().all(|change| cuts.contains_key(&change.login)) {
                    break cuts;
                }
                assert!(begun.elapsed() < PATIENCE, "not every leaver's account is shown suspended");
                tokio::time::sleep(Duration::from_secs(1)).await;
            };
            let arrivals = target.arrivals();
            for (change, cut) in changes.iter().zip(&mut cut) {
                let end = cuts[&change.login];
                *cut = end.saturating_duration_since(change.sent).max(*cut);
                passed.push(arrivals.iter().filter(|at| (change.sent..end).contains(*at)).count() as f64);
            }
        }
        let answered = changes.iter().map(|change| millis(change.answered));
        Self {
            cut: sorted(cut.into_iter().map(millis)),
            answered: sorted(answered),
            passed: sorted(passed.into_iter()),
            known: Vec::new(),
        }
    }

    /// With what the operator itself measured.
    pub async fn looked_at(mut self, operator: &Operator) -> Self {
        let metrics = operator.metrics().await;
        let of = |part: &str| {
            metrics.sum(&format!("tenure_change_to_effect_seconds_{part}"), &[("lane", "leave")])
        };
        self.known.push(1000.0 * of("sum") / of("count"));
        self
    }

    /// Several rounds as one.
    pub fn together(all: impl Iterator<Item = Self>) -> Self {
        let mut sum = Self { cut: Vec::new(), answered: Vec::new(), passed: Vec::new(), known: Vec::new() };
        for one in all {
            sum.cut.extend(one.cut);
            sum.answered.extend(one.answered);
            sum.passed.extend(one.passed);
            sum.known.extend(one.known);
        }
        let Self { cut, answered, passed, known } = sum;
        let [cut, answered, passed, known] =
            [cut, answered, passed, known].map(|values| sorted(values.into_iter()));
        Self { cut, answered, passed, known }
    }

    /// Rows of the report.
    pub fn tell(&self, report: &mut Report) {
        let row = |times: &[f64]| {
            let [p50, p99, most] = [0.5, 0.99, 1.0].map(|p| percentile(times, p));
            format!("p50 {p50:.0}, p99 {p99:.0}, max {most:.0} ms")
        };
        report.row("a leaver: from sending the change to all accounts suspended", row(&self.cut));
        report.row("of that, until the API server answers the change", row(&self.answered));
        if !self.known.is_empty() {
            let known = percentile(&self.known, 0.5);
            report.row("of that, from when the operator knew of it", format!("{known:.0} ms on average"));
        }
        let [median, most] = [0.5, 1.0].map(|p| percentile(&self.passed, p));
        report.row(
            "requests to the App meanwhile, before the suspension",
            format!("median {median:.0}, max {most:.0}"),
        );
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}
