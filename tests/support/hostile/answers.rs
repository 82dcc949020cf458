//! Answers that are wrong, long, slow, or none.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Behaviour, CANARY};
use crate::support::proxy::Raw;
use crate::support::{Action, Rule};

const GIGABYTE: u64 = 1 << 30;
const CHUNK: usize = 64 << 10;

pub(super) fn behaviour(name: &str) -> Option<Behaviour> {
    let to_everything = no_answer(name)
        .or_else(|| no_json(name))
        .or_else(|| too_much(name))
        .or_else(|| compressed(name))
        .or_else(|| refusal(name));
    to_everything.map(Behaviour::always).or_else(|| untrue(name))
}

fn head(more: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nx-canary: {CANARY}\r\ncontent-type: application/scim+json\r\n{more}\r\n")
}

/// An answer with this body, whatever it is.
fn body(body: impl AsRef<[u8]>, more: &str) -> Action {
    let body = body.as_ref();
    let mut bytes = head(&format!("{more}content-length: {}\r\n", body.len())).into_bytes();
    bytes.extend_from_slice(body);
    Action::Raw(Raw::new(bytes))
}

fn no_answer(name: &str) -> Option<Action> {
    let started = format!("{}{{\"Resources\":[", head("content-length: 1000\r\n"));
    Some(match name {
        "silent" => Action::Hang,
        "reset" => Action::Reset,
        "cut-short" => Action::TruncateBody,
        "half-open" => Action::Raw(Raw::new(started).hold()),
        "slow-body" => Action::Raw(Raw::new(head("transfer-encoding: chunked\r\n")).drip("1\r\n \r\n")),
        "slow-head" => Action::Raw(Raw::new(format!("HTTP/1.1 200 OK\r\nx-{CANARY}: ")).drip("a")),
        "not-http" => Action::Raw(Raw::new(format!("SSH-2.0-{CANARY}\r\n\r\n"))),
        "continues" => Action::Raw(Raw::new("").then("HTTP/1.1 100 Continue\r\n\r\n".repeat(100), u64::MAX)),
        "huge-header" => {
            let start = format!("HTTP/1.1 200 OK\r\nx-{CANARY}: ");
            Action::Raw(Raw::new(start).then(vec![b'a'; CHUNK], GIGABYTE / CHUNK as u64))
        }
        "many-headers" => {
            let lines = format!("x-{CANARY}: a\r\n").repeat(1_000);
            Action::Raw(Raw::new("HTTP/1.1 200 OK\r\n").then(lines, u64::MAX))
        }
        _ => return None,
    })
}

fn no_json(name: &str) -> Option<Action> {
    Some(match name {
        "html" => body(format!("<html><body>{CANARY}</body></html>"), ""),
        "text" => body(format!("all is well, says {CANARY}"), ""),
        "not-utf-8" => body([br#"{"totalResults":0,"x":""#.as_slice(), b"\xff\xfe\"}"].concat(), ""),
        "deep" => body("[".repeat(10_000), ""),
        "very-deep" => body("{\"a\":".repeat(1_000_000), ""),
        "other-json" => body(json!([CANARY]).to_string(), ""),
        _ => return None,
    })
}

fn too_much(name: &str) -> Option<Action> {
    let zeros = vec![b' '; CHUNK];
    let times = GIGABYTE / CHUNK as u64;
    let raw = |more: &str| Raw::new(head(more));
    Some(match name {
        "gigabyte" => Action::Raw(raw(&format!("content-length: {GIGABYTE}\r\n")).then(zeros, times)),
        "gigabyte-unannounced" => Action::Raw(raw("connection: close\r\n").then(zeros, times)),
        "gigabyte-in-chunks" => {
            let chunk = [format!("{CHUNK:x}\r\n").into_bytes(), zeros, b"\r\n".to_vec()].concat();
            Action::Raw(raw("transfer-encoding: chunked\r\n").then(chunk, times))
        }
        "gigabyte-refusal" => {
            let head = format!("HTTP/1.1 500 {CANARY}\r\nconnection: close\r\n\r\n");
            Action::Raw(Raw::new(head).then(zeros, times))
        }
        // Within the bound on its length, and a hundred times as much in memory.
        "many-values" => {
            body(format!("{{\"totalResults\":0,\"{CANARY}\":[{}0]}}", "{\"\":0},".repeat(2 << 20)), "")
        }
        _ => return None,
    })
}

fn compressed(name: &str) -> Option<Action> {
    let bomb = |encoding: &str| body(gigabyte(), encoding);
    Some(match name {
        "gzip-bomb" => bomb("content-encoding: gzip\r\n"),
        "gzip-twice" => bomb("content-encoding: gzip, gzip\r\n"),
        "gzip-two-headers" => bomb("content-encoding: gzip\r\ncontent-encoding: gzip\r\n"),
        "gzip-in-gzip" => body(gzip(&gigabyte(), 1), "content-encoding: gzip\r\n"),
        "gzip-of-nothing" => {
            // A header (RFC 1952 §2.3), then stored blocks without content (RFC 1951 §3.2.4).
            let start = [
                head("connection: close\r\ncontent-encoding: gzip\r\n").as_bytes(),
                b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
            ]
            .concat();
            Action::Raw(Raw::new(start).then(b"\0\0\0\xff\xff".repeat(1_000), u64::MAX))
        }
        "gzip-broken" => body(CANARY, "content-encoding: gzip\r\n"),
        _ => return None,
    })
}

/// A gigabyte of spaces, in four megabytes.
fn gigabyte() -> Bytes {
    static PACKED: OnceLock<Bytes> = OnceLock::new();
    PACKED.get_or_init(|| gzip(&vec![b' '; CHUNK], GIGABYTE / CHUNK as u64).into()).clone()
}

fn gzip(unit: &[u8], times: u64) -> Vec<u8> {
    let mut command = Command::new("gzip");
    let mut child = command.arg("-1").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("gzip");
    let mut input = child.stdin.take().expect("its input");
    std::thread::scope(|scope| {
        scope.spawn(move || (0..times).for_each(|_| input.write_all(unit).expect("gzip reads")));
        child.wait_with_output().expect("gzip ends").stdout
    })
}

fn refusal(name: &str) -> Option<Action> {
    let answer = |code, name: &str, value: &str| Action::Status {
        code,
        headers: vec![(name.to_owned(), value.to_owned()), ("x-canary".to_owned(), CANARY.to_owned())],
        body: json!({ "detail": CANARY }).to_string(),
    };
    let wait = |value| answer(429, "retry-after", value);
    Some(match name {
        "redirect-to-metadata" => answer(302, "location", "http://169.254.169.254/latest/meta-data/"),
        "redirect-in-a-circle" => answer(307, "location", "/scim/v2/Users"),
        "refuses-us" => answer(401, "www-authenticate", CANARY),
        "wait-for-a-date" => wait("Thu, 31 Dec 2099 23:59:59 GMT"),
        "wait-until-the-past" => wait("Sun, 06 Nov 1994 08:49:37 GMT"),
        "wait-negative" => wait("-5"),
        "wait-nonsense" => wait(CANARY),
        "wait-a-million-years" => wait("31556952000000"),
        _ => return None,
    })
}

/// Answers that are well formed, and about something else.
fn untrue(name: &str) -> Option<Behaviour> {
    let rewritten = |change| Behaviour::default().with(Rule::new(Action::Rewrite(change)).path("/Users"));
    Some(match name {
        "id-too-long" => rewritten(|answer| each(answer, |user| user["id"] = json!("x".repeat(10_000)))),
        "id-climbs" => {
            rewritten(|answer| each(answer, |user| user["id"] = json!("../../admin/delete?all=1#x")))
        }
        "id-is-dots" => rewritten(|answer| each(answer, |user| user["id"] = json!(".."))),
        "id-with-controls" => {
            rewritten(|answer| each(answer, |user| user["id"] = json!("1\n2\u{0}\u{1b}[2J")))
        }
        "id-is-anothers" => Behaviour::to("PATCH", Action::Rewrite(|user| user["id"] = json!("2")))
            .knowing(known("id-is-anothers")),
        "login-too-long" => {
            Behaviour::to("PATCH", Action::Rewrite(|user| user["userName"] = json!("x".repeat(100_000))))
                .knowing(known("login-too-long"))
        }
        "answers-about-another" => {
            Behaviour::to("POST", Action::Rewrite(|user| user["userName"] = json!(CANARY)))
        }
        // Which of two equal keys counts is anybody's guess (RFC 8259 §4): ours is the last.
        "keys-twice" => {
            let twice = format!("{{\"id\":\"1\",\"userName\":\"{CANARY}\",\"id\":\"2\",\"userName\":\"x\"}}");
            let answer = Action::Status { code: 201, headers: Vec::new(), body: twice };
            Behaviour::to("POST", answer)
        }
        "delivered-twice" => Behaviour::to("POST", Action::Twice),
        "reply-lost" => Behaviour::default().with(Rule::new(Action::DropReplyAfterForward).method("POST")),
        _ => return None,
    })
}

/// A user that bears the marker of the person of this name, so that it is taken over and changed.
fn known(name: &str) -> Value {
    json!({ "userName": format!("{name}@example.com"), "externalId": format!("id-{name}"), "active": true })
}

/// Changes the user that an answer shows, or each of its list.
fn each(answer: &mut Value, change: impl Fn(&mut Value)) {
    if let Some(users) = answer.get_mut("Resources").and_then(Value::as_array_mut) {
        users.iter_mut().for_each(change);
    } else if answer.get("id").is_some() {
        change(answer);
    }
}
