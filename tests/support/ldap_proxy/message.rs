//! LDAP messages (RFC 4511 §4.1.1) as far as a proxy reads them.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use lber::common::TagClass;
use lber::parse::{parse_tag, parse_uint};
use lber::structure::{PL, StructureTag};
use lber::write::encode_into;
use tokio::io::{AsyncRead, AsyncReadExt};

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Bind.
    Bind,
    /// Search; reading one entry is one too.
    Search,
    /// Modify.
    Modify,
    /// Add.
    Add,
    /// Delete.
    Delete,
    /// Modify DN: rename or move.
    Rename,
    /// Extended operation.
    Extended,
    /// Unbind, abandon, compare.
    Other,
}

/// How an attribute is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Values are added.
    Add,
    /// Values are removed.
    Delete,
    /// Values are replaced.
    Replace,
    /// A number is increased (RFC 4525).
    Increment,
}

/// An attribute that a request touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// Its name in lower case.
    pub attribute: String,
    /// How.
    pub how: How,
    /// The values, where they are text.
    pub values: Vec<String>,
}

/// The control that asks for a page (RFC 2696).
const PAGED: &[u8] = b"1.2.840.113556.1.4.319";

fn malformed() -> io::Error {
    io::Error::other("this is no LDAP message")
}

/// Takes messages apart that follow each other in a stream.
pub(super) struct Reader<R> {
    from: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, buffer: BytesMut::with_capacity(16 << 10) }
    }

    /// The next message; `None` at the end.
    pub(super) async fn message(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(length) = length(&self.buffer)?
                && self.buffer.len() >= length
            {
                return Ok(Some(self.buffer.copy_to_bytes(length)));
            }
            if self.from.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }
}

/// How long the message is that these bytes begin, header included; `None` while that cannot be told.
fn length(bytes: &[u8]) -> io::Result<Option<usize>> {
    let [0x30, first, rest @ ..] = bytes else {
        return if bytes.first().is_none_or(|tag| *tag == 0x30) { Ok(None) } else { Err(malformed()) };
    };
    if *first < 0x80 {
        return Ok(Some(2 + usize::from(*first)));
    }
    let count = usize::from(first & 0x7f);
    let Some(digits) = rest.get(..count) else {
        return Ok(None);
    };
    let length = digits.iter().fold(0_usize, |sum, digit| (sum << 8) | usize::from(*digit));
    Ok(Some(2 + count + length))
}

fn parts(bytes: &[u8]) -> io::Result<Vec<StructureTag>> {
    let (_, tag) = parse_tag(bytes).map_err(|_| malformed())?;
    tag.expect_constructed().filter(|parts| parts.len() >= 2).ok_or_else(malformed)
}

fn inner(tag: &StructureTag) -> &[StructureTag] {
    match &tag.payload {
        PL::C(parts) => parts,
        PL::P(_) => &[],
    }
}

fn octets(tag: &StructureTag) -> &[u8] {
    match &tag.payload {
        PL::P(octets) => octets,
        PL::C(_) => &[],
    }
}

fn text(tag: &StructureTag) -> String {
    String::from_utf8_lossy(octets(tag)).into_owned()
}

fn number(tag: &StructureTag) -> u32 {
    parse_uint(octets(tag)).ok().and_then(|(_, n)| u32::try_from(n).ok()).unwrap_or(u32::MAX)
}

/// A request.
pub(super) struct Request {
    /// Its message id, as it was written.
    pub(super) id: Vec<u8>,
    pub(super) op: Op,
    pub(super) dn: String,
    pub(super) touched: Vec<Touched>,
    pub(super) paged: bool,
    message: Vec<StructureTag>,
}

impl Request {
    pub(super) fn parse(bytes: &[u8]) -> io::Result<Self> {
        let message = parts(bytes)?;
        let (op, request) = (op(message[1].id), inner(&message[1]));
        let dn = match op {
            // Deleting is nothing but a name.
            Op::Delete => text(&message[1]),
            Op::Bind => request.get(1).map(text).unwrap_or_default(),
            _ => request.first().map(text).unwrap_or_default(),
        };
        let touched = match op {
            Op::Add => request.get(1).map_or_else(Vec::new, |list| {
                inner(list).iter().map(|attribute| touched(attribute, How::Add)).collect()
            }),
            Op::Modify => {
                request.get(1).map_or_else(Vec::new, |list| inner(list).iter().filter_map(change).collect())
            }
            _ => Vec::new(),
        };
        let paged = bytes.windows(PAGED.len()).any(|part| part == PAGED);
        Ok(Self { id: octets(&message[0]).to_vec(), op, dn, touched, paged, message })
    }

    /// Of a bind: another password.
    pub(super) fn set_password(&mut self, password: &str) {
        if let PL::C(parts) = &mut self.message[1].payload
            && let Some(authentication) = parts.get_mut(2)
        {
            authentication.payload = PL::P(password.as_bytes().to_vec());
        }
    }

    /// The request as it is to be sent.
    pub(super) fn bytes(&self) -> Bytes {
        encoded(self.message.clone())
    }

    /// An answer with this result code.
    pub(super) fn answer(&self, code: u32) -> Bytes {
        let reply = match self.message[1].id {
            // A search ends with `searchResDone`; results of all others follow their requests by one.
            3 => 5,
            request => request + 1,
        };
        let octets = |id: u64, octets: Vec<u8>| StructureTag {
            class: TagClass::Universal,
            id,
            payload: PL::P(octets),
        };
        let code = octets(10, code.to_be_bytes().into_iter().skip_while(|digit| *digit == 0).collect());
        let code = if matches!(&code.payload, PL::P(digits) if digits.is_empty()) {
            octets(10, vec![0])
        } else {
            code
        };
        let result = vec![code, octets(4, Vec::new()), octets(4, Vec::new())];
        let result = StructureTag { class: TagClass::Application, id: reply, payload: PL::C(result) };
        encoded(vec![octets(2, self.id.clone()), result])
    }
}

fn encoded(message: Vec<StructureTag>) -> Bytes {
    let message = StructureTag { class: TagClass::Universal, id: 16, payload: PL::C(message) };
    let mut buffer = BytesMut::new();
    encode_into(&mut buffer, message).expect("memory takes all");
    buffer.freeze()
}

fn op(tag: u64) -> Op {
    match tag {
        0 => Op::Bind,
        3 => Op::Search,
        6 => Op::Modify,
        8 => Op::Add,
        10 => Op::Delete,
        12 => Op::Rename,
        23 => Op::Extended,
        _ => Op::Other,
    }
}

fn touched(attribute: &StructureTag, how: How) -> Touched {
    let parts = inner(attribute);
    Touched {
        attribute: parts.first().map(text).unwrap_or_default().to_lowercase(),
        how,
        values: parts.get(1).map_or_else(Vec::new, |values| inner(values).iter().map(text).collect()),
    }
}

fn change(change: &StructureTag) -> Option<Touched> {
    let [how, attribute, ..] = inner(change) else {
        return None;
    };
    let how = match number(how) {
        0 => How::Add,
        1 => How::Delete,
        2 => How::Replace,
        _ => How::Increment,
    };
    Some(touched(attribute, how))
}

/// Which request a message from the server is about, and its result code if it ends that request.
pub(super) fn result(bytes: &[u8]) -> io::Result<(Vec<u8>, Option<u32>)> {
    let message = parts(bytes)?;
    let id = octets(&message[0]).to_vec();
    // Entries, references and intermediate responses are not the end.
    let ends = !matches!(message[1].id, 4 | 19 | 25);
    Ok((id, ends.then(|| inner(&message[1]).first().map_or(0, number))))
}
