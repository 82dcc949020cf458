//! A look at an expression's text before the parser sees it.

/// Longest expression, in bytes. The schema allows 4,096 characters.
const MAX_BYTES: usize = 16_384;
/// Deepest nesting of brackets.
const MAX_BRACKETS: u32 = 32;

/// Refuses text that the parser cannot be trusted with.
///
/// The parser drops one of two operators in a row (`!!x` becomes `!x`) and takes twice as long for each such pair, and
/// unbounded nesting costs it seconds: both must be caught here, in the text, outside of strings and comments.
pub(super) fn check(source: &str) -> Result<(), String> {
    if source.len() > MAX_BYTES {
        return Err(format!("is longer than {MAX_BYTES} bytes"));
    }
    let bytes = source.as_bytes();
    let (mut at, mut depth, mut last) = (0, 0_u32, b' ');
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        match byte {
            b'/' if rest.starts_with(b"//") => {
                at += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
                continue;
            }
            b'\'' | b'"' => {
                at += string_length(rest, is_raw(&bytes[..at]));
                last = byte;
                continue;
            }
            b'!' | b'-' if last == byte => {
                let sign = char::from(byte);
                return Err(format!("has two `{sign}` in a row: leave both out, or use brackets"));
            }
            b'(' | b'[' | b'{' => {
                depth += 1;
                if depth > MAX_BRACKETS {
                    return Err(format!("nests brackets deeper than {MAX_BRACKETS}"));
                }
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            last = byte;
        }
        at += 1;
    }
    Ok(())
}

/// Whether what stands before a quote makes it a raw string: `r` or `br` that is no part of a name.
fn is_raw(before: &[u8]) -> bool {
    let prefix = before.iter().rev().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    let prefix = &before[before.len() - prefix..];
    prefix.eq_ignore_ascii_case(b"r") || prefix.eq_ignore_ascii_case(b"br")
}

/// Length of the string literal that `text` begins with. A plain string ends with its line at the latest.
fn string_length(text: &[u8], raw: bool) -> usize {
    let quote = text[0];
    let triple = [quote; 3];
    let long = text.starts_with(&triple);
    let mut at = if long { 3 } else { 1 };
    while let Some(&byte) = text.get(at) {
        if long && text[at..].starts_with(&triple) {
            return at + 3;
        }
        match byte {
            b'\\' if !raw => at += 1,
            b'\n' | b'\r' if !long => return at,
            _ if !long && byte == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    text.len()
}
