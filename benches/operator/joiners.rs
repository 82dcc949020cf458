//! Joiners in one App, against what its target takes and what the API server takes.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::leavers::{self, Leavers};
use crate::progress;
use crate::raw;
use crate::report::{Report, grouped, median};
use crate::scim::{self, Sample};
use crate::site::{self, Site};
use crate::support::Scene;
use crate::target::{Kind, Target};
use crate::usage::Writes;

const KINDS: [Kind; 2] = [Kind::Fast, Kind::Scim2];

/// People a second, in one round and one kind of target.
struct Round {
    /// A raw client at the target.
    target: f64,
    /// Raw clients at the API server.
    api: f64,
    /// Both of these at the same time, on the same machine.
    both: f64,
    tenure: f64,
    done: Done,
}

/// What the operator has done.
struct Done {
    /// Seconds from its first write to its last.
    seconds: f64,
    /// Requests to the target.
    requests: usize,
    /// Writes to the API server.
    writes: usize,
    leavers: Leavers,
}

impl Round {
    fn ratio(&self) -> f64 {
        self.tenure / self.target.min(self.api)
    }
}

/// Measures both kinds of targets; everything on a fresh server, raw clients and the operator in turns.
pub async fn measure(people: usize, rounds: usize, status: &Value, sample: &Sample, report: &mut Report) {
    let mut all = KINDS.map(|_| Vec::new());
    for number in 1..=rounds {
        let round = format!("joiners, round {number} of {rounds}");
        let api = raw::round(&round, people, status).await;
        let api = people as f64 / api.writes.seconds;
        for (kind, done) in KINDS.into_iter().zip(&mut all) {
            progress(&format!("{round}: a raw client at {}", kind.name()));
            let target = scim::onboard(&Target::start(kind).await, people, sample).await;
            progress(&format!("{round}: the same and the API server's clients together"));
            let both = together(kind, people, status, sample).await;
            progress(&format!("{round}: the operator at {}", kind.name()));
            let operated = operate(kind, people).await;
            let tenure = people as f64 / operated.seconds;
            done.push(Round { target, api, both, tenure, done: operated });
        }
    }
    for (kind, rounds) in KINDS.into_iter().zip(all) {
        tell(kind, people, rounds, report);
    }
}

/// What the operator has done, by raw clients that know nothing of each other.
async fn together(kind: Kind, people: usize, status: &Value, sample: &Sample) -> f64 {
    let scene = Scene::on(site::plane().await, "together").await;
    let made = site::create(&scene, 0..people, &[]).await;
    let target = Target::start(kind).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    tokio::join!(raw::write_all(&scene, &made, status), scim::onboard(&target, people, sample));
    people as f64 / begun.elapsed().as_secs_f64()
}

/// The operator onboards people, some of whom leave while the others still join.
async fn operate(kind: Kind, people: usize) -> Done {
    let site = Site::new("joiners", &[kind], &Value::Null).await;
    site.create(0..people, &[]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mark = site::plane().await.audit().mark().await;
    let operator = site.operate().await;
    let leavers = (people / 100).max(1);
    site.have(people / 5).await;
    let changes = leavers::leave(&site, 0..leavers, leavers::PACE).await;
    site.onboarded(&operator, 0, people).await;
    let left = Leavers::of(&site, &changes).await.looked_at(&operator).await;
    let writes = Writes::since(mark, &site.scene.namespace).await;
    site::stop(&operator).await;
    let requests = site.targets.iter().map(|target| target.arrivals().len()).sum();
    Done { seconds: writes.seconds, requests, writes: writes.done, leavers: left }
}

fn tell(kind: Kind, people: usize, rounds: Vec<Round>, report: &mut Report) {
    report.section(&format!(
        "{} joiners in one App, {}, while one of a hundred leaves; medians of the rounds",
        grouped(people),
        kind.name()
    ));
    let of = |f: &dyn Fn(&Round) -> f64| median(rounds.iter().map(f));
    let rate = |f: &dyn Fn(&Round) -> f64| format!("{:.0} people/s", of(f));
    report.row("a raw client at the target: the same lookup and create", rate(&|r| r.target));
    report.row("the API server alone: finalizer and status of each person", rate(&|r| r.api));
    report.row("both at the same time, raw clients on this machine", rate(&|r| r.both));
    report.row("Tenure: all of that", rate(&|r| r.tenure));
    let each = |f: &dyn Fn(&Done) -> usize| format!("{:.2}", of(&|r| f(&r.done) as f64 / people as f64));
    report.row("requests of Tenure to the target, a person", each(&|done| done.requests));
    report.row("writes of Tenure to the API server, a person", each(&|done| done.writes));
    report.goal("ratio to the slower of the two", format!("{:.2}", of(&Round::ratio)), "≥ 0.80");
    let each: Vec<_> = rounds.iter().map(|r| format!("{:.2}", r.ratio())).collect();
    report.row("ratio, round by round", each.join(" "));
    report.row("ratio to both at the same time", format!("{:.2}", of(&|r| r.tenure / r.both)));
    Leavers::together(rounds.into_iter().map(|r| r.done.leavers)).tell(report);
}
