//! A look at an expression's text before the parser sees it.

/// Longest expression, in characters, as the schema has it.
const MAX_CHARS: usize = 4096;
/// Deepest nesting of brackets.
const MAX_BRACKETS: usize = 32;
/// Most operators, dots and indices. The parser recurses for each of a chain of them.
const MAX_OPERATORS: usize = 500;

/// A piece of an expression's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// A name, keyword or number.
    Word(&'a [u8]),
    /// A string literal.
    Text,
    /// Any other character.
    Mark(u8),
}

/// Refuses text that the parser cannot be trusted with.
///
/// The parser drops one of two operators in a row (`!!x` becomes `!x`) and takes twice as long for each such pair, and
/// unbounded nesting and chains cost it seconds and the thread's stack: all must be caught here, in the text.
pub(super) fn check(source: &str) -> Result<(), String> {
    if source.chars().count() > MAX_CHARS {
        return Err(format!("is longer than {MAX_CHARS} characters"));
    }
    let (mut depth, mut operators, mut last) = (0_usize, 0_usize, Token::Text);
    let mut rest = source.as_bytes();
    while let Some((token, after)) = next(rest) {
        match token {
            Token::Mark(sign @ (b'!' | b'-')) if last == token => {
                let sign = char::from(sign);
                return Err(format!("has two `{sign}` in a row: leave both out, or use brackets"));
            }
            Token::Mark(b'(' | b'[' | b'{') => depth += 1,
            Token::Mark(b')' | b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        operators += usize::from(is_operator(token) && !is_operator(last));
        if depth > MAX_BRACKETS {
            return Err(format!("nests brackets deeper than {MAX_BRACKETS}"));
        }
        if operators > MAX_OPERATORS {
            return Err(format!("has more than {MAX_OPERATORS} operators"));
        }
        (last, rest) = (token, after);
    }
    Ok(())
}

fn is_operator(token: Token<'_>) -> bool {
    matches!(token, Token::Mark(mark) if b".?+-*/%<>=!&|[".contains(&mark)) || token == Token::Word(b"in")
}

/// The first token, and what follows it. White space and comments are none.
fn next(text: &[u8]) -> Option<(Token<'_>, &[u8])> {
    let mut text = text.trim_ascii_start();
    while text.starts_with(b"//") {
        let end = text.iter().position(|byte| *byte == b'\n')?;
        text = text[end..].trim_ascii_start();
    }
    let first = *text.first()?;
    let word = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    let (word, after) = text.split_at(word);
    let raw = word.eq_ignore_ascii_case(b"r") || word.eq_ignore_ascii_case(b"br");
    match after.first() {
        Some(b'\'' | b'"') if word.is_empty() || raw => {
            Some((Token::Text, &after[string_length(after, raw)..]))
        }
        _ if !word.is_empty() => Some((Token::Word(word), after)),
        _ => Some((Token::Mark(first), &after[1..])),
    }
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
