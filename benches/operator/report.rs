//! The table at the end.

use std::fmt::{self, Display, Formatter};

/// Width of the column of names.
const NAMES: usize = 66;
/// Width of the column of values.
const VALUES: usize = 36;

/// Sections of rows: what, how much, and the goal where there is one.
pub struct Report {
    title: String,
    sections: Vec<(String, Vec<[String; 3]>)>,
}

impl Report {
    /// An empty one.
    pub fn new(title: String) -> Self {
        Self { title, sections: Vec::new() }
    }

    /// Begins a section.
    pub fn section(&mut self, name: &str) {
        self.sections.push((name.to_owned(), Vec::new()));
    }

    /// A row without a goal.
    pub fn row(&mut self, what: &str, value: String) {
        self.goal(what, value, "");
    }

    /// A row with a goal.
    pub fn goal(&mut self, what: &str, value: String, goal: &str) {
        let row = [what.to_owned(), value, goal.to_owned()];
        if let Some((_, rows)) = self.sections.last_mut() {
            rows.push(row);
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", self.title, machine())?;
        for (name, rows) in &self.sections {
            writeln!(f, "\n{name}")?;
            for [what, value, goal] in rows {
                let goal = if goal.is_empty() { String::new() } else { format!("   goal {goal}") };
                writeln!(f, "{}", format!("  {what:<NAMES$}{value:>VALUES$}{goal}").trim_end())?;
            }
        }
        Ok(())
    }
}

/// The machine, for numbers mean little without it.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|l| l.starts_with(name)).map(str::to_owned);
        line.and_then(|l| Some(l.split_once(':')?.1.trim().to_owned())).unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let kib: f64 = memory.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or_default();
    format!(
        "Machine: {cores} cores ({}), {:.0} GiB",
        field(&read("/proc/cpuinfo"), "model name"),
        kib / 1024.0 / 1024.0
    )
}

/// The middle one, or the mean of the two in the middle.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match (values.get(values.len().saturating_sub(1) / 2), values.get(values.len() / 2)) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => f64::NAN,
    }
}

/// The smallest value that at least this share of the values does not exceed; values are sorted.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length is an index")]
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// Bytes as mebibytes.
pub fn mib(bytes: f64) -> String {
    format!("{:.0} MiB", bytes / 1024.0 / 1024.0)
}

/// A number with its thousands set apart.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
