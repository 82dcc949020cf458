//! Logs, as JSON or as text, one event a line, and the audit line that every remote change leaves.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// Target of audit lines. No filter silences it.
pub const AUDIT: &str = "tenure::audit";

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter makes no sense.
    #[error("the log filter cannot be understood")]
    Filter(#[from] ParseError),
    /// It was set up before.
    #[error("logging is set up already")]
    Twice(#[from] TryInitError),
}

/// Sends logs to standard error. `filter` is in the form of `RUST_LOG` (`info,tenure::runtime=debug`).
pub fn init(format: LogFormat, filter: &str) -> Result<(), LoggingError> {
    match format {
        LogFormat::Json => json(filter, io::stderr)?.try_init()?,
        LogFormat::Text => text(filter, io::stderr)?.try_init()?,
    }
    Ok(())
}

fn json<W>(filter: &str, writer: W) -> Result<impl Subscriber + Send + Sync + use<W>, ParseError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false);
    Ok(builder.with_env_filter(with_audit(filter)?).with_writer(writer).finish())
}

fn text<W>(filter: &str, writer: W) -> Result<impl Subscriber + Send + Sync + use<W>, ParseError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let writer = OneLine(writer);
    Ok(tracing_subscriber::fmt()
        .with_ansi(false)
        .with_env_filter(with_audit(filter)?)
        .with_writer(writer)
        .finish())
}

/// The filter, with audit lines let through whatever it says.
fn with_audit(filter: &str) -> Result<EnvFilter, ParseError> {
    let audit = format!("{AUDIT}=info");
    Ok(EnvFilter::try_new(filter)?.add_directive(audit.parse()?))
}

/// Makes writers that keep an event on its line: a value with a line break must not be able to forge another.
struct OneLine<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for OneLine<W> {
    type Writer = OneLineWriter<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        OneLineWriter(self.0.make_writer())
    }

    fn make_writer_for(&'a self, meta: &tracing::Metadata<'_>) -> Self::Writer {
        OneLineWriter(self.0.make_writer_for(meta))
    }
}

/// Escapes control characters. Each write is one whole event, as the format layer makes them.
struct OneLineWriter<W>(W);

impl<W: io::Write> io::Write for OneLineWriter<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.write_all(one_line(&String::from_utf8_lossy(event)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn one_line(event: &str) -> Cow<'_, str> {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let body = event.strip_suffix('\n').unwrap_or(event);
    if !body.contains(breaks) {
        return Cow::Borrowed(event);
    }
    let mut escaped = String::with_capacity(event.len() + 16);
    for c in body.chars() {
        if breaks(c) {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "{}", c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    escaped.push_str(&event[body.len()..]);
    Cow::Owned(escaped)
}

/// One change of one remote account, for those who must later tell who did what and why. Names only: no values.
#[derive(Clone, Copy, Debug)]
pub struct AuditLine<'a> {
    /// Namespace of the User.
    pub namespace: &'a str,
    /// Name of the User.
    pub user: &'a str,
    /// Name of the App.
    pub app: &'a str,
    /// Remote id, as far as it is known.
    pub id: &'a str,
    /// `create`, `update`, `suspend`, `resume`, `delete`, `grant`, `revoke`, `release`.
    pub operation: &'a str,
    /// Names of the attributes or entitlements changed.
    pub fields: &'a [&'a str],
    /// `ok`, or the reason it failed.
    pub result: &'a str,
    /// Why it was done.
    pub cause: &'a str,
}

/// Writes an audit line.
pub fn audit(line: &AuditLine<'_>) {
    tracing::info!(
        target: AUDIT,
        namespace = line.namespace,
        user = line.user,
        app = line.app,
        id = line.id,
        operation = line.operation,
        fields = line.fields.join(","),
        result = line.result,
        cause = line.cause,
        "remote change",
    );
}

/// Writes the audit line of a Hold: what became of it, and by whose word.
pub fn audit_hold(hold: &impl std::fmt::Display, app: &str, outcome: &str, by: &str, people: i64) {
    tracing::info!(target: AUDIT, hold = %hold, app, outcome, by, people, "removals held");
}
