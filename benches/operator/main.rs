//! What the operator costs and how fast it is, on a real control plane: `make bench`. What is measured, and how, is in
//! `docs/benchmarks.md`. Nothing here asserts a time: numbers are printed beside the goals.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot go on ends"
)]
#![allow(clippy::cast_precision_loss, reason = "what is counted here is far below 2^52")]

mod apart;
mod directories;
mod entries;
mod groups;
mod index;
mod joiners;
mod leavers;
mod onboarding;
mod pace;
mod people;
mod raw;
mod report;
mod scim;
mod site;
#[path = "../../tests/support/mod.rs"]
mod support;
mod sweep;
mod synthetic;
mod target;
mod usage;

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Instant;

use clap::{Parser, ValueEnum};

use directories::Entries;
use report::{Report, grouped};
use serde_json::Value;

// The operator's own, so that memory is measured as it will be.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the operator at scale.
#[derive(Parser)]
struct Args {
    /// People onboarded into two Apps in every round [default: 5000].
    #[arg(long)]
    people: Option<usize>,
    /// Rounds; each measures the API server alone and then the operator [default: 3].
    #[arg(long)]
    rounds: Option<usize>,
    /// People onboarded into one App in every round, for each kind of target [default: 2000].
    #[arg(long)]
    joiners: Option<usize>,
    /// Only this; may be repeated.
    #[arg(long)]
    only: Vec<Part>,
    /// People in the index whose memory is measured, each with ten accounts [default: 100000].
    #[arg(long)]
    index: Option<usize>,
    /// A smoke run: 500 people, 200 joiners, one round, an index of 10,000, where nothing else is said.
    #[arg(long)]
    quick: bool,
    /// The part that measures the index, in a process of its own.
    #[arg(long, hide = true)]
    measure_index: Option<PathBuf>,
    /// The part that sweeps, in a process of its own.
    #[arg(long, hide = true)]
    measure_sweep: Option<PathBuf>,
    /// Cargo says that this is a benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Index,
    Onboarding,
    Joiners,
    Pace,
    Groups,
    Directories,
    Sweep,
}

/// How much is measured.
struct Scale {
    people: usize,
    joiners: usize,
    rounds: usize,
    index: usize,
    members: usize,
    entries: Entries,
    /// Seconds for which a limit is tried.
    pace: usize,
    only: Vec<Part>,
}

impl Scale {
    fn of(args: &Args) -> Self {
        let (people, joiners, rounds, index) =
            if args.quick { (500, 200, 1, 10_000) } else { (5_000, 2_000, 3, 100_000) };
        let (members, seconds) = if args.quick { (100, 10) } else { (1_000, 30) };
        let entries = if args.quick {
            Entries { made: 500, leavers: 50, listed: 5_000, domain: 50 }
        } else {
            Entries { made: 10_000, leavers: 1_000, listed: 100_000, domain: 1_000 }
        };
        Self {
            people: args.people.unwrap_or(people).max(1),
            joiners: args.joiners.unwrap_or(joiners).max(1),
            rounds: args.rounds.unwrap_or(rounds).max(1),
            index: args.index.unwrap_or(index).max(1),
            members,
            entries,
            pace: seconds,
            only: args.only.clone(),
        }
    }

    fn includes(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

fn main() {
    let args = Args::parse();
    if let Some(pages) = &args.measure_index {
        return index::measure_and_print(pages);
    }
    if let Some(job) = &args.measure_sweep {
        return sweep::measure_and_print(job);
    }
    let scale = Scale::of(&args);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut report = Report::new(format!(
        "Tenure benchmark: {} people × {} Apps, {} joiners × 1 App, rounds: {}; an index of {} people × {} accounts",
        grouped(scale.people),
        site::APPS.len(),
        grouped(scale.joiners),
        scale.rounds,
        grouped(scale.index),
        synthetic::APPS
    ));
    runtime.block_on(run(&scale, &mut report));
    println!("\n{report}");
}

async fn run(scale: &Scale, report: &mut Report) {
    // First, while nothing else runs.
    let index =
        if scale.includes(Part::Index) { Some(index::measure_apart(scale.index).await) } else { None };
    if scale.includes(Part::Sweep) {
        sweep::measure(scale.entries.listed, scale.rounds, report).await;
    }
    if scale.only.is_empty() || scale.only.iter().any(|part| ![Part::Index, Part::Sweep].contains(part)) {
        let templates = site::warm_up().await;
        if scale.includes(Part::Onboarding) {
            onboarding(scale, &templates.status, report).await;
        }
        let mut status = templates.status;
        status["accounts"].as_array_mut().expect("a ledger").truncate(1);
        if scale.includes(Part::Joiners) {
            joiners::measure(scale.joiners, scale.rounds, &status, &templates.account, report).await;
        }
        if scale.includes(Part::Pace) {
            pace::measure(scale.pace, report).await;
        }
        if scale.includes(Part::Groups) {
            groups::measure(scale.members, report).await;
        }
        if scale.includes(Part::Directories) {
            directories::measure(scale.entries, (scale.joiners, scale.rounds), &status, report).await;
        }
    }
    if let Some(index) = index {
        index.tell(report);
    }
}

/// Onboarding into two Apps in rounds, then leavers where everybody is onboarded.
async fn onboarding(scale: &Scale, status: &Value, report: &mut Report) {
    let people = scale.people;
    let mut rounds = Vec::new();
    let mut sites = Vec::new();
    for number in 1..=scale.rounds {
        let round = format!("round {number} of {}", scale.rounds);
        // Whatever grows on the machine with time is to favour neither: they take turns in being first.
        let mut alone = None;
        if number % 2 == 1 {
            alone = Some(raw::round(&round, people, status).await);
        }
        let (site, onboarded) = onboarding::round(&round, people).await;
        let alone = match alone {
            Some(alone) => alone,
            None => raw::round(&round, people, status).await,
        };
        rounds.push((alone, onboarded));
        sites.push(site);
    }
    onboarding::tell(&rounds, report);
    leavers::measure(&sites[0], people, report).await;
}

/// Says on standard error what is being done, and when, for it takes minutes.
fn progress(what: &str) {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    eprintln!("== {:3.0} s: {what}…", BEGUN.elapsed().as_secs_f64());
}
