//! Passwords that nobody has to think up: first passwords of accounts, and those that take the place of a leaver's.

#[cfg(test)]
mod tests;

use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use secrecy::zeroize::{Zeroize, Zeroizing};
use secrecy::{ExposeSecret, SecretString};

/// The shortest that [`random`] makes: room for every class of characters, and 70 bits.
pub const SHORTEST: usize = 12;

/// Classes of characters, of each of which a password has at least one: what password policies ask for, Active
/// Directory's among them (Microsoft: "Password must meet complexity requirements"). Without those that people
/// confuse, and without those that shells, LDIF, XML and URLs read in their own way.
const CLASSES: [&[u8]; 4] =
    [b"ABCDEFGHJKLMNPQRSTUVWXYZ", b"abcdefghijkmnopqrstuvwxyz", b"23456789", b"-_.+=:"];

/// Shorter parts of names do not matter to Active Directory.
const SHORTEST_WORD: usize = 3;

/// Passwords that are looked at before one with part of a name in it is taken.
const TRIES: usize = 1000;

/// A random password of `length` characters (at least [`SHORTEST`]), about 5.9 bits each, with capitals, small letters,
/// digits and signs among them.
///
/// Of `words`, such as the login and the names of the person, it contains none in any letter case, nor any part of
/// three or more characters, as Active Directory demands of passwords. The parts are what separators stand between.
pub fn random<'a>(length: usize, words: impl IntoIterator<Item = &'a str>) -> SecretString {
    let parts: Vec<String> = words.into_iter().flat_map(parts).collect();
    let mut rng = rand::rng();
    let mut candidate = compose(&mut rng, length.max(SHORTEST));
    // Names would have to be made for it to need more than a few.
    for _ in 0..TRIES {
        if !contains_any(candidate.expose_secret(), &parts) {
            break;
        }
        candidate = compose(&mut rng, length.max(SHORTEST));
    }
    candidate
}

/// What of a word must not be in a password, in small letters: the whole, and its parts
/// (separators as in Microsoft's "Password must meet complexity requirements").
fn parts(word: &str) -> Vec<String> {
    let separator = |c: char| matches!(c, ',' | '.' | '-' | '_' | ' ' | '#' | '\t' | '@');
    let all = std::iter::once(word).chain(word.split(separator));
    all.filter(|part| part.chars().count() >= SHORTEST_WORD).map(str::to_lowercase).collect()
}

fn contains_any(password: &str, parts: &[String]) -> bool {
    let lower = Zeroizing::new(password.to_ascii_lowercase());
    parts.iter().any(|part| lower.contains(part))
}

/// One character of each class, the rest of any, in any order.
fn compose(rng: &mut impl Rng, length: usize) -> SecretString {
    let all: Vec<u8> = CLASSES.concat();
    let mut bytes: Vec<u8> = Vec::with_capacity(length);
    bytes.extend(CLASSES.iter().filter_map(|class| class.choose(rng)));
    while bytes.len() < length {
        bytes.extend(all.choose(rng));
    }
    bytes.shuffle(rng);
    let text = bytes.iter().copied().map(char::from).collect::<String>();
    bytes.zeroize();
    SecretString::from(text)
}
