//! Request bodies that ask the fence when they are written, and answers that are read up to a bound.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

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
}

/// Reads an answer, decompressed, up to `limit` bytes.
pub(super) async fn read(mut response: reqwest::Response, limit: usize) -> Result<Part, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > limit {
            return Ok(Part::TooLong);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Part::Whole(bytes))
}
