//! Answers as a proxy gives them.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::Response;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use serde_json::Value;

pub(super) type Reply = Response<UnsyncBoxBody<Bytes, io::Error>>;

pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    // The length is set anew for the body that is really sent.
    for name in [CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
        headers.remove(name);
    }
}

pub(super) fn whole(reply: Response<Bytes>) -> Reply {
    reply.map(|body| Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync())
}

pub(super) fn halved(reply: Response<Bytes>) -> Reply {
    let (mut head, body) = reply.into_parts();
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let half = body.slice(..body.len() / 2);
    let frames = stream::unfold(Some(half), |half| async move {
        if let Some(half) = half {
            return Some((Ok(Frame::data(half)), None));
        }
        // Time for the first half to leave: an error drops what is not yet sent.
        tokio::time::sleep(Duration::from_millis(50)).await;
        Some((Err(io::Error::from(io::ErrorKind::ConnectionAborted)), None))
    });
    Response::from_parts(head, BodyExt::boxed_unsync(StreamBody::new(frames)))
}

pub(super) fn made_up(code: u16, headers: &[(String, String)], body: String) -> Reply {
    let mut reply = Response::new(Bytes::from(body));
    *reply.status_mut() = http::StatusCode::from_u16(code).expect("a status");
    for (name, value) in headers {
        let name = HeaderName::try_from(name).expect("a header's name");
        reply.headers_mut().insert(name, HeaderValue::try_from(value).expect("a header's value"));
    }
    whole(reply)
}

/// The answer with its JSON changed; as it is, where it has none.
pub(super) fn rewritten(reply: Response<Bytes>, change: fn(&mut Value)) -> Reply {
    let changed = |body: Bytes| match serde_json::from_slice(&body) {
        Ok(mut value) => {
            change(&mut value);
            Bytes::from(value.to_string())
        }
        Err(_) => body,
    };
    whole(reply.map(changed))
}
