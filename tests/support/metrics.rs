//! The text that `/metrics` answers with, taken apart.

use std::collections::BTreeMap;

/// Labels of one series.
pub type Labels = BTreeMap<String, String>;

/// All series of one answer.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    series: BTreeMap<(String, Labels), f64>,
}

impl Metrics {
    /// Reads the Prometheus and `OpenMetrics` text forms; comments, exemplars and timestamps are passed over.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
        Self { series: lines.filter_map(parse_line).collect() }
    }

    /// The series with exactly this name and these labels.
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        self.series.get(&(name.to_owned(), labels)).copied()
    }

    /// The sum over all series of this name that have at least these labels; 0 when there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |have: &Labels| labels.iter().all(|&(k, v)| have.get(k).is_some_and(|x| x == v));
        self.series.iter().filter(|((n, have), _)| n == name && has(have)).map(|(_, v)| v).sum()
    }

    /// Every series.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Labels, f64)> {
        self.series.iter().map(|((name, labels), value)| (name.as_str(), labels, *value))
    }
}

fn parse_line(line: &str) -> Option<((String, Labels), f64)> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inner) => parse_labels(inner)?,
        None => (Labels::new(), rest),
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(((name.to_owned(), labels), value))
}

/// Labels up to the closing brace, and what follows it. Values may hold anything, braces included.
fn parse_labels(mut rest: &str) -> Option<(Labels, &str)> {
    let mut labels = Labels::new();
    loop {
        rest = rest.trim_start_matches(',');
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (key, quoted) = rest.split_once("=\"")?;
        let (value, length) = unquote(quoted)?;
        labels.insert(key.to_owned(), value);
        rest = &quoted[length..];
    }
}

/// A value up to its closing quote, and how many bytes it took with the quote.
fn unquote(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, at + 1)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}
