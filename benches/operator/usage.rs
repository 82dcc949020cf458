//! What processes use, as the kernel counts it (`proc(5)`), and what the API server says it was asked.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::Entry;
use crate::support::audit::{Mark, counts};

/// Ticks a second of the times in `/proc/PID/stat` (`sysconf(_SC_CLK_TCK)`): 100 on every Linux.
const TICKS: u64 = 100;

/// Bytes of a field of `/proc/PID/status`, such as `VmRSS` or `VmHWM`.
pub fn memory(pid: &str, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|l| l.strip_prefix(field).is_some_and(|rest| rest.starts_with(':')));
    let kib: Option<u64> = line.and_then(|l| l.split_whitespace().nth(1)?.parse().ok());
    kib.unwrap_or_default() * 1024
}

/// Processor time by program: those that this process has started and that still run, itself (`SELF`), and the whole
/// machine (`MACHINE`).
#[derive(Clone, Debug, Default)]
pub struct Processor(BTreeMap<String, Duration>);

/// Key of this process: raw clients, targets, measuring.
pub const SELF: &str = "self";
/// Key of everything that ran on the machine.
const MACHINE: &str = "machine";

impl Processor {
    /// A reading.
    pub fn read() -> Self {
        let me = i64::from(std::process::id());
        let mut used = BTreeMap::from([(MACHINE.to_owned(), machine())]);
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            // A process that has just ended has nothing to read.
            let stat = std::fs::read_to_string(process.path().join("stat")).unwrap_or_default();
            let Some((pid, name, parent, time)) = parse_stat(&stat) else { continue };
            if pid == me {
                used.insert(SELF.to_owned(), time);
            } else if parent == me {
                *used.entry(name).or_default() += time;
            }
        }
        Self(used)
    }

    /// What was used since an earlier reading.
    pub fn since(&self, earlier: &Self) -> Self {
        let difference = |(name, time): (&String, &Duration)| {
            (name.clone(), time.saturating_sub(earlier.0.get(name).copied().unwrap_or_default()))
        };
        Self(self.0.iter().map(difference).collect())
    }

    /// Of one program.
    pub fn of(&self, program: &str) -> Duration {
        self.0.get(program).copied().unwrap_or_default()
    }

    /// The share of all processor time used that went to programs which are none of ours: beyond a few hundredths the
    /// measurement is one of them too.
    pub fn foreign(&self) -> f64 {
        let ours: Duration = self.0.iter().filter(|(name, _)| *name != MACHINE).map(|(_, time)| *time).sum();
        1.0 - (ours.as_secs_f64() / self.of(MACHINE).as_secs_f64()).min(1.0)
    }
}

/// Processor time in which the machine was not idle: all of the first line of `/proc/stat` but idle and iowait, and
/// without the time of guests, which is in user time already.
fn machine() -> Duration {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    let fields = line.split_whitespace().skip(1).take(8).enumerate().filter(|(i, _)| !matches!(i, 3 | 4));
    ticks(fields.map(|(_, field)| field))
}

/// Process, program, parent and processor time (`utime` and `stime`) from `/proc/PID/stat`.
fn parse_stat(stat: &str) -> Option<(i64, String, i64, Duration)> {
    // The name is in parentheses and may hold anything; what follows it are plain fields, the state first.
    let (head, tail) = stat.rsplit_once(')')?;
    let (pid, name) = head.split_once(" (")?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let time = ticks(fields.iter().skip(11).take(2).copied());
    Some((pid.parse().ok()?, name.to_owned(), fields.get(1)?.parse().ok()?, time))
}

fn ticks<'a>(fields: impl Iterator<Item = &'a str>) -> Duration {
    let ticks: u64 = fields.filter_map(|f| f.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / TICKS)
}

/// Writes to existing Users of a namespace, by the API server's own audit log.
#[derive(Debug, Default)]
pub struct Writes {
    /// How many were carried out.
    pub done: usize,
    /// How many were refused.
    pub refused: usize,
    /// Seconds from the first that arrived to the last that was answered.
    pub seconds: f64,
    /// By what they were, for the curious.
    pub kinds: String,
}

impl Writes {
    /// Writes since a mark.
    pub async fn since(mark: Mark, namespace: &str) -> Self {
        let ours = |e: &Entry| {
            e.group == "tenure.dev" && e.resource == "users" && e.namespace == namespace && e.verb != "create"
        };
        let entries = crate::site::plane().await.audit().writes_since(mark, ours).await;
        let began = entries.iter().map(|e| e.began).min().unwrap_or_default();
        let ended = entries.iter().map(|e| e.ended).max().unwrap_or_default();
        let refused = entries.iter().filter(|e| e.code >= 400).count();
        Self {
            done: entries.len() - refused,
            refused,
            seconds: ended.duration_since(began).as_secs_f64(),
            kinds: counts(&entries)
                .iter()
                .map(|(what, n)| format!("{n} × {what}"))
                .collect::<Vec<_>>()
                .join(", "),
        }
    }
}
