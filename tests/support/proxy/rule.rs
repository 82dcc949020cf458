//! What a proxy is told to break, and how.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// What to do to a request.
#[derive(Clone, Debug)]
pub enum Action {
    /// Take it and never answer (until [`RecordingProxy::clear`], which closes the connection).
    Hang,
    /// Answer this, without asking the target.
    Status {
        /// The status.
        code: u16,
        /// Headers.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// Let the target do it, then close the connection without an answer: the lost reply.
    DropReplyAfterForward,
    /// Wait, then go on as usual.
    Delay(Duration),
    /// Let the target do it, and pass its answer on only after this time.
    DelayReply(Duration),
    /// Reset the connection (RST) without asking the target.
    Reset,
    /// Let the target do it; announce its whole body, send half of it, and close.
    TruncateBody,
    /// Deliver the request to the target twice and pass the second answer on, as a middlebox that tries again.
    Twice,
    /// Give this header this value, where the request has it, and go on as usual.
    Header(String, String),
    /// Write these bytes in place of an answer, without asking the target.
    Raw(Raw),
    /// Let the target do it, and change the JSON of its answer.
    Rewrite(fn(&mut Value)),
    /// Answer 200 with the JSON that is made of path and query, without asking the target.
    Compute(fn(&str) -> Value),
}

impl Action {
    /// An answer without headers and body.
    pub fn status(code: u16) -> Self {
        Self::Status { code, headers: Vec::new(), body: String::new() }
    }

    /// 429, or another refusal, that says when to come back.
    pub fn retry_after(code: u16, seconds: u64) -> Self {
        let headers = vec![("retry-after".to_owned(), seconds.to_string())];
        Self::Status { code, headers, body: String::new() }
    }
}

/// Bytes in place of an answer: `first`, then `again` as often as is said, each after a pause.
#[derive(Clone, Debug)]
pub struct Raw {
    first: Bytes,
    again: Bytes,
    times: u64,
    pause: Duration,
    hold: bool,
}

impl Raw {
    /// These bytes, after which the connection is closed.
    pub fn new(first: impl Into<Bytes>) -> Self {
        Self { first: first.into(), again: Bytes::new(), times: 0, pause: Duration::ZERO, hold: false }
    }

    /// Then these, so many times.
    #[must_use]
    pub fn then(mut self, again: impl Into<Bytes>, times: u64) -> Self {
        (self.again, self.times) = (again.into(), times);
        self
    }

    /// Then these, a second apart and for ever: slow bytes.
    #[must_use]
    pub fn drip(mut self, again: impl Into<Bytes>) -> Self {
        self.pause = Duration::from_secs(1);
        self.then(again, u64::MAX)
    }

    /// Then silence, on a connection that stays open: half-open, for the client.
    #[must_use]
    pub fn hold(mut self) -> Self {
        self.hold = true;
        self
    }

    /// Writes them, as long as the other side takes them.
    pub(super) async fn write(&self, stream: &mut TcpStream) -> io::Result<()> {
        stream.write_all(&self.first).await?;
        for _ in 0..self.times {
            if !self.pause.is_zero() {
                tokio::time::sleep(self.pause).await;
            }
            stream.write_all(&self.again).await?;
        }
        if self.hold {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

/// An action, and which requests it is for.
#[derive(Clone, Debug)]
pub struct Rule {
    pub(super) action: Action,
    method: Option<String>,
    path: String,
    skip: usize,
    limit: usize,
}

impl Rule {
    /// For all requests, until cleared.
    pub fn new(action: Action) -> Self {
        Self { action, method: None, path: String::new(), skip: 0, limit: usize::MAX }
    }

    /// Only for this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only where path and query contain this.
    #[must_use]
    pub fn path(mut self, part: &str) -> Self {
        part.clone_into(&mut self.path);
        self
    }

    /// Only for the first `count` of the requests it is for.
    #[must_use]
    pub fn times(mut self, count: usize) -> Self {
        self.limit = count;
        self
    }

    /// Only for the nth of the requests it is for, counted from 1.
    #[must_use]
    pub fn nth(mut self, n: usize) -> Self {
        self.skip = n - 1;
        self.limit = 1;
        self
    }

    pub(super) fn applies(&mut self, method: &str, path: &str) -> bool {
        if self.method.as_deref().is_some_and(|m| m != method) || !path.contains(&self.path) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        let fires = self.limit > 0;
        self.limit = self.limit.saturating_sub(1);
        fires
    }
}
