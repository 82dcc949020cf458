//! Request bodies that ask the fence when they are written, and answers that are read up to a bound.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use super::SINGLE;
use crate::connectors::fence::{Fence, Fenced};

/// The body of a request that changes something.
///
/// The connection asks for it at the instant it writes the request, after the request has waited for a connection.
/// If the lease is not valid for the rest of the request's time then, the body fails and the connection is dropped
/// with the request incomplete.
pub(super) struct FencedBody {
    content: Content,
    fence: Fence,
    deadline: Instant,
    sent: Arc<AtomicBool>,
}

enum Content {
    /// None, as for DELETE.
    Empty,
    Whole(Bytes),
    Taken,
}

impl FencedBody {
    /// A body of `bytes`; `sent` becomes true when they, or an empty body's request, are handed to the connection.
    pub(super) fn new(bytes: Option<Bytes>, fence: Fence, deadline: Instant, sent: Arc<AtomicBool>) -> Self {
        let content = bytes.map_or(Content::Empty, Content::Whole);
        Self { content, fence, deadline, sent }
    }

    fn pass(&self) -> Result<(), Fenced> {
        self.fence.check(self.deadline.saturating_duration_since(Instant::now()))?;
        self.sent.store(true, Ordering::Release);
        Ok(())
    }
}

impl Body for FencedBody {
    type Data = Bytes;
    type Error = Fenced;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fenced>>> {
        if matches!(self.content, Content::Taken) {
            return Poll::Ready(None);
        }
        let passed = self.pass();
        match (std::mem::replace(&mut self.content, Content::Taken), passed) {
            (_, Err(fenced)) => Poll::Ready(Some(Err(fenced))),
            (Content::Whole(bytes), Ok(())) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            (Content::Empty | Content::Taken, Ok(())) => Poll::Ready(None),
        }
    }

    /// Without a body the head alone is the whole request, and hyper asks this, and nothing else, just before it
    /// writes the head. The answer `false`, with the unknown size below, makes it write a head that promises a body
    /// and ask for that, which then fails: so a request without a body is never complete either.
    fn is_end_stream(&self) -> bool {
        match self.content {
            Content::Empty => self.pass().is_ok(),
            Content::Whole(_) => false,
            Content::Taken => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Empty => SizeHint::default(),
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Taken => SizeHint::with_exact(0),
        }
    }
}

/// As much of an answer as was read.
pub(super) enum Part {
    Whole(Vec<u8>),
    TooLong,
    /// Others were read until the time was up.
    TooLate,
}

/// Whose turn it is to read a long answer, and until when that may be waited for.
#[derive(Clone, Copy)]
pub(super) struct Wait<'a> {
    pub(super) turn: &'a Semaphore,
    pub(super) until: Instant,
}

/// Reads an answer, decompressed, up to `limit` bytes. One that grows beyond [`SINGLE`] waits for its turn, if it has to.
pub(super) async fn read(
    mut response: reqwest::Response,
    limit: usize,
    wait: Option<Wait<'_>>,
) -> Result<Part, reqwest::Error> {
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Ok(Part::TooLong);
    }
    let mut bytes = Vec::new();
    let mut turn = None;
    while let Some(chunk) = response.chunk().await? {
        let length = bytes.len() + chunk.len();
        if length > limit {
            return Ok(Part::TooLong);
        }
        if let (Some(wait), None, true) = (wait, &turn, length > SINGLE) {
            let Ok(mine) = timeout_at(wait.until.into(), wait.turn.acquire()).await else {
                return Ok(Part::TooLate);
            };
            turn = Some(mine);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Part::Whole(bytes))
}

/// The most memory that the values of one answer may take up, in bytes.
pub const TREE_AT_MOST: usize = 64 << 20;
/// What an object takes up: its members are kept in nodes of eleven.
const OBJECT: usize = 640;
/// What a value takes up in an object or array, at most.
const VALUE: usize = 128;

/// How much memory a JSON text takes up once it is read, in bytes, and rather too many: of `[{"":0},{"":0}…` that is a
/// hundred times the text.
pub fn heft(json: &[u8]) -> usize {
    let (mut sum, mut quoted, mut escaped) = (json.len(), false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'{' if !quoted => sum += OBJECT,
            b'[' | b',' if !quoted => sum += VALUE,
            _ => {}
        }
    }
    sum
}

#[cfg(test)]
mod tests;
