//! The operator onboards people who are there already when it starts.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::progress;
use crate::raw::Alone;
use crate::report::{Report, median, mib};
use crate::site::{self, Site};
use crate::target::Target;
use crate::usage::{Processor, SELF, Writes, memory};

/// How long the operator is left alone before its memory is read as steady.
const REST: Duration = Duration::from_secs(5);

/// What one round showed.
pub struct Onboarded {
    pub people: usize,
    pub writes: Writes,
    pub processor: Processor,
    /// Bytes.
    pub peak: u64,
    pub steady: u64,
    /// Requests at both targets, by `METHOD kind`.
    pub requests: BTreeMap<String, u64>,
}

/// Starts the operator over people without accounts and measures from its first write to its last. Returns the place
/// too, where everybody has accounts now.
pub async fn round(round: &str, people: usize) -> (Site, Onboarded) {
    progress(&format!("{round}: the operator"));
    let site = Site::new("onboard", &site::TWO, &serde_json::Value::Null).await;
    site.create(0..people, &[]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let plane = site::plane().await;
    let mark = plane.audit().mark().await;
    let before = Processor::read();
    let operator = site.operate().await;
    site.onboarded(&operator, 0, people).await;
    let processor = Processor::read().since(&before);
    let writes = Writes::since(mark, &site.scene.namespace).await;
    site.scene.all_ready(people, Duration::from_mins(1)).await;
    tokio::time::sleep(REST).await;
    let pid = operator.process().pid().to_string();
    let (peak, steady) = (memory(&pid, "VmHWM"), memory(&pid, "VmRSS"));
    site::stop(&operator).await;
    let mut requests = BTreeMap::new();
    for (what, count) in site.targets.iter().flat_map(Target::counts) {
        *requests.entry(what).or_default() += count;
    }
    (site, Onboarded { people, writes, processor, peak, steady, requests })
}

/// Rows of the report.
pub fn tell(rounds: &[(Alone, Onboarded)], report: &mut Report) {
    let alone = |(a, _): &(Alone, Onboarded)| a.people as f64 / a.writes.seconds;
    let tenure = |(_, o): &(Alone, Onboarded)| o.people as f64 / o.writes.seconds;
    let ratio = |r: &(Alone, Onboarded)| tenure(r) / alone(r);
    let of = |f: &dyn Fn(&(Alone, Onboarded)) -> f64| median(rounds.iter().map(f));
    report.section("Onboarding into two Apps; medians of the rounds");
    report.row(
        "the API server alone: finalizer and status of each person",
        format!("{:.0} people/s", of(&alone)),
    );
    report.row("Tenure: the same two writes, and two accounts", format!("{:.0} people/s", of(&tenure)));
    report.goal("ratio", format!("{:.2}", of(&ratio)), "≥ 0.80");
    let each: Vec<_> = rounds.iter().map(|r| format!("{:.2}", ratio(r))).collect();
    report.row("ratio, round by round", each.join(" "));
    let writes = of(&|(_, o)| (o.writes.done + o.writes.refused) as f64 / o.people as f64);
    report.goal("writes to the API server a person", format!("{writes:.2}"), "≤ 2.10");
    let (_, last) = rounds.last().expect("a round");
    for (what, count) in &last.requests {
        let accounts = (last.people * site::APPS.len()) as f64;
        report.row(
            &format!("requests to a target an account: {what}"),
            format!("{:.2}", *count as f64 / accounts),
        );
    }
    let foreign = |p: &Processor| format!("{:.0}%", 100.0 * p.foreign());
    let each: Vec<_> =
        rounds.iter().map(|(a, o)| format!("{}/{}", foreign(&a.processor), foreign(&o.processor))).collect();
    report.row("processor time that went to other programs meanwhile, alone/Tenure", each.join(" "));
    report.section("Processor time a person, alone and with Tenure; medians of the rounds");
    for (what, program) in [
        ("the API server", "kube-apiserver"),
        ("etcd", "etcd"),
        ("Tenure", "tenure"),
        ("the benchmark: raw clients, targets", SELF),
    ] {
        let each = |p: &Processor, people: usize| p.of(program).as_secs_f64() * 1000.0 / people as f64;
        let (alone, with) =
            (of(&|(a, _)| each(&a.processor, a.people)), of(&|(_, o)| each(&o.processor, o.people)));
        report.row(what, format!("{alone:.2} ms {with:8.2} ms"));
    }
    report.section("Memory of the operator");
    report.row("resident, at its peak while onboarding", mib(of(&|(_, o)| o.peak as f64)));
    report.row("resident, steady, everybody onboarded", mib(of(&|(_, o)| o.steady as f64)));
}
