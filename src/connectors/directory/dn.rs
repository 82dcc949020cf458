//! Distinguished names (RFC 4514): built so that no value can be anything but a value, and taken apart.

use std::fmt;

/// A distinguished name, its own RDN first. The empty one is the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dn(Vec<Rdn>);

/// One relative distinguished name: one attribute and value, seldom more.
type Rdn = Vec<(String, RdnValue)>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum RdnValue {
    /// Octets, of UTF-8 text as a rule.
    Octets(Vec<u8>),
    /// The hexadecimal form of an encoding (RFC 4514 §2.4), as it was written.
    Encoded(String),
}

/// The text is not a distinguished name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a distinguished name (RFC 4514)")]
pub struct NotADn;

impl Dn {
    /// Reads a distinguished name (RFC 4514 §3).
    pub fn parse(text: &str) -> Result<Self, NotADn> {
        let mut reader = Reader(text.as_bytes());
        let mut rdns = Vec::new();
        reader.skip_spaces();
        if reader.0.is_empty() {
            return Ok(Self(rdns));
        }
        loop {
            let mut rdn = vec![reader.pair()?];
            while reader.take(b"+") {
                rdn.push(reader.pair()?);
            }
            rdns.push(rdn);
            if reader.0.is_empty() {
                return Ok(Self(rdns));
            }
            // RFC 2253 §4 still took the semicolon.
            if !reader.take(b",") && !reader.take(b";") {
                return Err(NotADn);
            }
        }
    }

    /// The name of an entry directly under this one.
    #[must_use]
    pub fn child(&self, attribute: &str, value: &str) -> Self {
        let own = vec![(attribute.to_owned(), RdnValue::Octets(value.as_bytes().to_vec()))];
        Self(std::iter::once(own).chain(self.0.iter().cloned()).collect())
    }

    /// How many entries there are from the root to this one.
    pub fn depth(&self) -> usize {
        self.0.len()
    }

    /// The name of the entry above; `None` above the root.
    pub fn parent(&self) -> Option<Self> {
        self.0.split_first().map(|(_, above)| Self(above.to_vec()))
    }

    /// The name that an entry has after it was moved directly under this one.
    #[must_use]
    pub fn prefixed(&self, entry: &Self) -> Self {
        Self(entry.0.iter().take(1).chain(self.0.iter()).cloned().collect())
    }

    /// The entry's own part of the name, as `modrdn` takes it; empty for the root.
    pub fn rdn(&self) -> String {
        Self(self.0.iter().take(1).cloned().collect()).to_string()
    }

    /// The value of this attribute in the entry's own part of the name, if it is one and is text.
    pub fn naming_value(&self, attribute: &str) -> Option<&str> {
        let own = self.0.first()?.iter().find(|(name, _)| name.eq_ignore_ascii_case(attribute))?;
        match &own.1 {
            RdnValue::Octets(octets) => std::str::from_utf8(octets).ok(),
            RdnValue::Encoded(_) => None,
        }
    }

    /// Whether the entry is this one or beneath it.
    pub fn is_within(&self, base: &Self) -> bool {
        let from = self.0.len().checked_sub(base.0.len());
        from.and_then(|from| self.0.get(from..)).is_some_and(|tail| Self(tail.to_vec()).same(base))
    }

    /// Whether both name one entry, as far as that can be told without a schema: by letters in any case, with spaces
    /// in a row as one.
    pub fn same(&self, other: &Self) -> bool {
        self.key() == other.key()
    }

    /// Equal for names that are the [`Dn::same`].
    pub fn key(&self) -> String {
        let folded = self.0.iter().map(|rdn| {
            let mut rdn: Vec<_> = rdn
                .iter()
                .map(|(name, value)| {
                    let value = match value {
                        RdnValue::Octets(octets) => RdnValue::Octets(fold(octets)),
                        RdnValue::Encoded(text) => RdnValue::Encoded(text.to_ascii_lowercase()),
                    };
                    (name.to_ascii_lowercase(), value)
                })
                .collect();
            rdn.sort_by_key(|(name, value)| (name.clone(), escaped(value)));
            rdn
        });
        Self(folded.collect()).to_string()
    }
}

/// Letters in lower case, spaces in a row as one, none at either end (RFC 4518 §2.6.1).
fn fold(octets: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(octets) else { return octets.to_vec() };
    let words: Vec<_> = text.split(' ').filter(|word| !word.is_empty()).collect();
    words.join(" ").to_lowercase().into_bytes()
}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, rdn) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(",")?;
            }
            for (place, (name, value)) in rdn.iter().enumerate() {
                if place > 0 {
                    f.write_str("+")?;
                }
                write!(f, "{name}={}", escaped(value))?;
            }
        }
        Ok(())
    }
}

/// A value as it stands in a name (RFC 4514 §2.4). Whatever could be taken for syntax, and every octet that is no
/// printable text, goes in hexadecimal.
fn escaped(value: &RdnValue) -> String {
    let octets = match value {
        RdnValue::Encoded(text) => return text.clone(),
        RdnValue::Octets(octets) => octets,
    };
    let text = std::str::from_utf8(octets);
    let mut out = String::with_capacity(octets.len());
    let Ok(text) = text else {
        for octet in octets {
            hex(&mut out, *octet);
        }
        return out;
    };
    for (place, character) in text.char_indices() {
        let end = place == 0 || place + character.len_utf8() == text.len();
        let plain = match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' => false,
            '#' => place > 0,
            ' ' => !end,
            _ => !character.is_control(),
        };
        if plain {
            out.push(character);
        } else {
            for octet in character.encode_utf8(&mut [0; 4]).bytes() {
                hex(&mut out, octet);
            }
        }
    }
    out
}

fn hex(out: &mut String, octet: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('\\');
    for nibble in [octet >> 4, octet & 15] {
        out.push(char::from(DIGITS[usize::from(nibble)]));
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, expected: &[u8]) -> bool {
        self.0.strip_prefix(expected).map(|rest| self.0 = rest).is_some()
    }

    fn skip_spaces(&mut self) {
        while self.take(b" ") {}
    }

    /// An attribute and its value.
    fn pair(&mut self) -> Result<(String, RdnValue), NotADn> {
        self.skip_spaces();
        let mut name = String::new();
        loop {
            match self.next().ok_or(NotADn)? {
                b'=' => break,
                octet if octet.is_ascii_alphanumeric() || b"-.".contains(&octet) => name.push(octet.into()),
                b' ' if self.0.iter().find(|octet| **octet != b' ') == Some(&b'=') => {}
                _ => return Err(NotADn),
            }
        }
        if name.is_empty() {
            return Err(NotADn);
        }
        self.skip_spaces();
        let value = match self.0.first() {
            Some(b'#') => RdnValue::Encoded(self.encoded()?),
            Some(b'"') => RdnValue::Octets(self.quoted()?),
            _ => RdnValue::Octets(self.octets()?),
        };
        Ok((name, value))
    }

    fn at_end(&self) -> bool {
        matches!(self.0.first(), None | Some(b',' | b';' | b'+'))
    }

    fn encoded(&mut self) -> Result<String, NotADn> {
        self.take(b"#");
        let mut text = "#".to_owned();
        while !self.at_end() {
            match self.next() {
                Some(digit) if digit.is_ascii_hexdigit() => text.push(digit.into()),
                Some(b' ') if self.0.iter().all(|octet| *octet == b' ') => {}
                _ => return Err(NotADn),
            }
        }
        if text.len() < 3 || text.len().is_multiple_of(2) { Err(NotADn) } else { Ok(text) }
    }

    /// The form in quotation marks of RFC 1779, which RFC 2253 §4 still took.
    fn quoted(&mut self) -> Result<Vec<u8>, NotADn> {
        self.take(b"\"");
        let mut octets = Vec::new();
        loop {
            match self.next().ok_or(NotADn)? {
                b'"' => break,
                b'\\' => octets.push(self.unescaped()?),
                octet => octets.push(octet),
            }
        }
        self.skip_spaces();
        if self.at_end() { Ok(octets) } else { Err(NotADn) }
    }

    fn octets(&mut self) -> Result<Vec<u8>, NotADn> {
        let mut octets = Vec::new();
        // Spaces at the end do not count unless they were escaped.
        let mut counted = 0;
        while !self.at_end() {
            match self.next().ok_or(NotADn)? {
                b'\\' => {
                    octets.push(self.unescaped()?);
                    counted = octets.len();
                }
                b' ' => octets.push(b' '),
                b'"' | b'<' | b'>' | 0 => return Err(NotADn),
                octet => {
                    octets.push(octet);
                    counted = octets.len();
                }
            }
        }
        octets.truncate(counted);
        Ok(octets)
    }

    /// What follows a backslash.
    fn unescaped(&mut self) -> Result<u8, NotADn> {
        let first = self.next().ok_or(NotADn)?;
        let Some(high) = char::from(first).to_digit(16) else {
            return if b" \"#+,;<=>\\".contains(&first) { Ok(first) } else { Err(NotADn) };
        };
        let low = self.next().and_then(|digit| char::from(digit).to_digit(16)).ok_or(NotADn)?;
        u8::try_from(high << 4 | low).map_err(|_| NotADn)
    }
}

#[cfg(test)]
mod tests;
