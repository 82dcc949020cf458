//! What processes use, as the kernel counts it (`proc(5)`), and what the API server says it was asked.

use std::time::Duration;

use crate::support::audit::{Mark, counts};
use crate::support::{Entry, Operator};

/// Ticks a second of the times in `/proc/PID/stat` (`sysconf(_SC_CLK_TCK)`): 100 on every Linux.
const TICKS: u64 = 100;

/// Bytes of a field of `/proc/PID/status`, such as `VmRSS` or `VmHWM`.
pub fn memory(pid: &str, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|l| l.strip_prefix(field).is_some_and(|rest| rest.starts_with(':')));
    let kib: Option<u64> = line.and_then(|l| l.split_whitespace().nth(1)?.parse().ok());
    kib.unwrap_or_default() * 1024
}

/// Processor time that a process has used.
pub fn processor(pid: &str) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name may hold spaces; what follows it does not. utime and stime are fields 14 and 15, the state is field 3.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace()).into_iter().flatten();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|f| f.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / TICKS)
}

/// Processor time used by the processes of a run, so far or between two readings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Processor {
    pub apiserver: Duration,
    pub operator: Duration,
    /// This process: raw clients, targets, measuring.
    pub benchmark: Duration,
}

impl Processor {
    /// A reading.
    pub async fn read(operator: Option<&Operator>) -> Self {
        Self {
            apiserver: processor(&crate::site::plane().await.apiserver_pid().to_string()),
            operator: operator.map(|o| processor(&o.process().pid().to_string())).unwrap_or_default(),
            benchmark: processor("self"),
        }
    }

    /// What was used since an earlier reading.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            apiserver: self.apiserver.saturating_sub(earlier.apiserver),
            operator: self.operator.saturating_sub(earlier.operator),
            benchmark: self.benchmark.saturating_sub(earlier.benchmark),
        }
    }
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
        let ours = |e: &Entry| e.group == "tenure.dev" && e.resource == "users" && e.namespace == namespace && e.verb != "create";
        let entries = crate::site::plane().await.audit().writes_since(mark, ours).await;
        let began = entries.iter().map(|e| e.began).min().unwrap_or_default();
        let ended = entries.iter().map(|e| e.ended).max().unwrap_or_default();
        let refused = entries.iter().filter(|e| e.code >= 400).count();
        Self {
            done: entries.len() - refused,
            refused,
            seconds: ended.duration_since(began).as_secs_f64(),
            kinds: counts(&entries).iter().map(|(what, n)| format!("{n} × {what}")).collect::<Vec<_>>().join(", "),
        }
    }
}
