use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing::subscriber::with_default;

use super::*;

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl io::Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().map_err(|_| io::ErrorKind::Other)?.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Memory {
    fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }
}

fn logged(format: LogFormat, filter: &str, f: impl FnOnce()) -> Vec<String> {
    let memory = Memory::default();
    let writer = {
        let memory = memory.clone();
        move || memory.clone()
    };
    match format {
        LogFormat::Json => with_default(json(filter, writer).unwrap(), f),
        LogFormat::Text => with_default(text(filter, writer).unwrap(), f),
    }
    memory.lines()
}

const LINE: AuditLine<'_> = AuditLine {
    namespace: "hr",
    user: "ann",
    app: "crm",
    id: "42",
    operation: "update",
    fields: &["title", "department"],
    result: "ok",
    cause: "Unassign",
};

#[test]
fn an_audit_line_names_everything_and_no_filter_silences_it() {
    for filter in ["off", "error", "tenure::audit=off"] {
        let lines = logged(LogFormat::Json, filter, || {
            tracing::info!("not this");
            audit(&LINE);
        });
        assert_eq!(lines.len(), 1, "{filter}: {lines:?}");
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        let expected = [
            ("target", AUDIT),
            ("level", "INFO"),
            ("message", "remote change"),
            ("namespace", "hr"),
            ("user", "ann"),
            ("app", "crm"),
            ("id", "42"),
            ("operation", "update"),
            ("fields", "title,department"),
            ("result", "ok"),
            ("cause", "Unassign"),
        ];
        for (name, value) in expected {
            assert_eq!(line[name], value, "{name}");
        }
        assert_eq!(line.as_object().unwrap().len(), expected.len() + 1, "and a timestamp");
    }
}

#[test]
fn no_value_can_break_a_line_or_forge_one() {
    let hostile = "4\n2025 INFO forged\r\x1b[31m\u{85}\u{2028}\u{7f}";
    for format in [LogFormat::Json, LogFormat::Text] {
        let lines = logged(format, "info", || {
            audit(&AuditLine { id: hostile, user: hostile, ..LINE });
            tracing::info!(shown = %hostile, debugged = ?hostile, "{hostile}");
        });
        assert_eq!(lines.len(), 2, "{lines:?}");
        for line in lines {
            assert!(!line.contains(['\n', '\r', '\x1b']), "{line:?}");
            if format == LogFormat::Json {
                serde_json::from_str::<Value>(&line).unwrap();
            } else {
                assert!(!line.contains(['\u{85}', '\u{2028}', '\u{7f}']), "{line:?}");
            }
        }
    }
}

#[test]
fn filters_are_obeyed_and_checked() {
    let lines = logged(LogFormat::Text, "warn", || {
        tracing::info!("quiet");
        tracing::warn!(count = 3, "loud");
    });
    assert!(lines.len() == 1 && lines[0].ends_with("loud count=3"), "{lines:?}");
    assert!(with_audit("tenure=shouting").is_err());
}
