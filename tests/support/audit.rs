//! What was asked of the API server, from its own audit log: exact, where a client's count would be a claim.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

/// The audit log of a control plane.
pub struct Audit {
    path: PathBuf,
}

/// A place in the log.
#[derive(Clone, Copy, Debug)]
pub struct Mark(u64);

/// One request.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The plural name.
    pub resource: String,
    /// `status` and the like; empty when there is none.
    pub subresource: String,
    /// The namespace; empty for what has none.
    pub namespace: String,
    /// The object's name; empty for lists, and for creates by generated name.
    pub name: String,
    /// Who asked.
    pub user: String,
    /// With which program.
    pub user_agent: String,
    /// The answer's status.
    pub code: u16,
    /// Path and query.
    pub uri: String,
    /// When the API server had it, and when it had answered.
    pub began: Timestamp,
    pub ended: Timestamp,
}

impl Entry {
    /// Whether it could change something.
    pub fn is_write(&self) -> bool {
        matches!(self.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection")
    }

    /// `patch users.tenure.dev/status`, for counting and for messages.
    pub fn what(&self) -> String {
        let dot = if self.group.is_empty() { "" } else { "." };
        let slash = if self.subresource.is_empty() { "" } else { "/" };
        format!("{} {}{dot}{}{slash}{}", self.verb, self.resource, self.group, self.subresource)
    }
}

impl Audit {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Now. Requests answered before this are before it.
    pub async fn mark(&self) -> Mark {
        Mark(self.settled().await)
    }

    /// Requests since the mark that meet the condition, in the order of their ends (watches: of their beginnings).
    pub async fn since(&self, mark: Mark, condition: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        self.settled().await;
        let text = self.read_from(mark);
        text.lines().filter_map(parse).filter(|e| condition(e)).collect()
    }

    /// Writes since the mark that meet the condition, refused ones included.
    pub async fn writes_since(&self, mark: Mark, condition: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        self.since(mark, |e| e.is_write() && condition(e)).await
    }

    /// The log's length once nothing more comes: a line is written just *after* the client has its answer.
    async fn settled(&self) -> u64 {
        let deadline = Instant::now() + Duration::from_secs(2);
        let mut before = self.length();
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now = self.length();
            if now == before || Instant::now() >= deadline {
                return now;
            }
            before = now;
        }
    }

    fn length(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |m| m.len())
    }

    fn read_from(&self, mark: Mark) -> String {
        let Ok(mut file) = File::open(&self.path) else {
            return String::new();
        };
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(mark.0)).expect("the audit log");
        file.read_to_end(&mut bytes).expect("the audit log");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Counts by [`Entry::what`].
pub fn counts(entries: &[Entry]) -> BTreeMap<String, usize> {
    counts_by(entries, Entry::what)
}

/// Counts by anything.
pub fn counts_by<K: Ord>(entries: &[Entry], key: impl Fn(&Entry) -> K) -> BTreeMap<K, usize> {
    entries.iter().fold(BTreeMap::new(), |mut counts, entry| {
        *counts.entry(key(entry)).or_default() += 1;
        counts
    })
}

/// Each request once: a watch when it begins (its end may be far), everything else when it is done.
fn parse(line: &str) -> Option<Entry> {
    let event: Value = serde_json::from_str(line).ok()?;
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let verb = text("/verb");
    let counted = match text("/stage").as_str() {
        "ResponseStarted" => verb == "watch",
        "ResponseComplete" => verb != "watch" || refused(&event),
        stage => stage == "Panic",
    };
    counted.then(|| Entry {
        verb,
        group: text("/objectRef/apiGroup"),
        resource: text("/objectRef/resource"),
        subresource: text("/objectRef/subresource"),
        namespace: text("/objectRef/namespace"),
        name: text("/objectRef/name"),
        user: text("/user/username"),
        user_agent: text("/userAgent"),
        code: code(&event),
        uri: text("/requestURI"),
        began: text("/requestReceivedTimestamp").parse().unwrap_or_default(),
        ended: text("/stageTimestamp").parse().unwrap_or_default(),
    })
}

/// A watch that is refused never begins.
fn refused(event: &Value) -> bool {
    code(event) >= 400
}

fn code(event: &Value) -> u16 {
    let code = event.pointer("/responseStatus/code").and_then(Value::as_u64).unwrap_or_default();
    u16::try_from(code).unwrap_or_default()
}
