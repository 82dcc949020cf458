//! How long a leaver keeps access while people are being onboarded.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::report::{Report, grouped, percentile};
use crate::site::{self, Site};
use crate::support::fast_target::FastTarget;
use crate::{people, progress};

/// Pause between two leavers.
const PACE: Duration = Duration::from_millis(40);
/// When waiting makes no sense any more.
const PATIENCE: Duration = Duration::from_mins(5);

/// What was measured.
pub struct Leavers {
    /// Milliseconds from sending the change of the User to the last of the two suspensions, sorted.
    cut: Vec<f64>,
    /// Milliseconds that the API server took to answer the change, sorted.
    answered: Vec<f64>,
    /// Joiners without all accounts when the last leaver's change was sent.
    waiting: usize,
}

/// Has people leave of whom everybody has accounts, while as many more are onboarded.
pub async fn measure(site: &Site, people: usize) -> Leavers {
    progress("leavers while joiners run");
    let count = (people / 20).clamp(1, 200);
    site.create(people..2 * people).await;
    let operator = site.operate().await;
    let begun = Instant::now();
    while site.accounts() == people {
        assert!(begun.elapsed() < PATIENCE, "nobody is onboarded");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut changes = Vec::new();
    let mut pace = tokio::time::interval(PACE);
    for i in 0..count {
        pace.tick().await;
        let api = site.scene.api("User");
        changes.push(tokio::spawn(async move {
            let sent = Instant::now();
            let patch = Patch::Merge(json!({"spec": {"state": "Terminated"}}));
            let answer = api.patch(&people::name(i), &PatchParams::default(), &patch).await;
            answer.unwrap_or_else(|e| panic!("{}: {e}", people::name(i)));
            (people::login(i), sent, sent.elapsed())
        }));
    }
    let waiting = (2 * people).saturating_sub(site.accounts());
    let changes: Vec<_> =
        futures::future::join_all(changes).await.into_iter().map(|c| c.expect("a change")).collect();
    let ends = ends(site, count).await;
    site.onboarded(&operator, people, people).await;
    site::stop(&operator).await;
    let cut = changes.iter().map(|(login, sent, _)| millis(ends[login].saturating_duration_since(*sent)));
    Leavers { cut: sorted(cut), answered: sorted(changes.iter().map(|(_, _, took)| millis(*took))), waiting }
}

/// When the last account of each leaver was suspended, by login.
async fn ends(site: &Site, count: usize) -> BTreeMap<String, Instant> {
    let begun = Instant::now();
    while site.targets.iter().any(|t| t.deactivated().len() < count) {
        assert!(begun.elapsed() < PATIENCE, "not every leaver's accounts are suspended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut ends = BTreeMap::new();
    for (login, at) in site.targets.iter().flat_map(FastTarget::deactivated) {
        let end = ends.entry(login).or_insert(at);
        *end = at.max(*end);
    }
    ends
}

impl Leavers {
    /// Rows of the report.
    pub fn tell(&self, report: &mut Report) {
        report.section(&format!(
            "{} leavers, one every {} ms, while as many joiners as before are onboarded",
            grouped(self.cut.len()),
            PACE.as_millis()
        ));
        let row = |times: &[f64]| {
            let [p50, p99, most] = [0.5, 0.99, 1.0].map(|p| percentile(times, p));
            format!("p50 {p50:.0}, p99 {p99:.0}, max {most:.0} ms")
        };
        report.row("from sending the change to both accounts suspended", row(&self.cut));
        report.row("of that, until the API server answers the change", row(&self.answered));
        report.row("joiners still waiting when the last one left", grouped(self.waiting));
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn sorted(times: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut times: Vec<f64> = times.collect();
    times.sort_by(f64::total_cmp);
    times
}
