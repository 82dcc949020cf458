//! How much of a configured limit is used while work is waiting.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::leavers::{self, Leavers};
use crate::progress;
use crate::report::Report;
use crate::site::{self, Site};
use crate::target::Kind;

/// Requests a second.
const LIMIT: usize = 50;

/// An App with a limit, more joiners than it lets through, and somebody who leaves every second.
pub async fn measure(seconds: usize, report: &mut Report) {
    progress(&format!("the share of {LIMIT} requests/s that is used"));
    let site = Site::new("pace", &[Kind::Fast], &json!({"requestsPerSecond": LIMIT})).await;
    let allowed = LIMIT * seconds;
    // Everybody takes two requests: half as many again as can be onboarded meanwhile.
    let people = allowed * 3 / 4;
    site.create(0..people, &[]).await;
    let operator = site.operate().await;
    site.have(50).await;
    let (begun, length, second) =
        (Instant::now(), Duration::from_secs(seconds as u64), Duration::from_secs(1));
    let changes = leavers::leave(&site, 0..seconds, second).await;
    tokio::time::sleep(length.saturating_sub(begun.elapsed())).await;
    let arrivals = site.targets[0].arrivals();
    assert!(site.accounts() < people, "no work waits any more");
    let leavers = Leavers::of(&site, &changes).await;
    site::stop(&operator).await;
    let sent: Vec<Instant> = arrivals.into_iter().filter(|at| (begun..begun + length).contains(at)).collect();
    let most =
        (0..sent.len()).map(|i| sent[i..].iter().take_while(|at| **at - sent[i] < second).count()).max();
    report.section(&format!(
        "An App with requestsPerSecond: {LIMIT}, for {seconds} s, work waiting, somebody leaving every second"
    ));
    report.goal(
        "share of the limit that is used",
        format!("{:.2}", sent.len() as f64 / allowed as f64),
        "≥ 0.90",
    );
    report.row("most requests in any second", most.unwrap_or_default().to_string());
    leavers.tell(report);
}
