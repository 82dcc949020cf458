//! What a Hold freezes: who, and what would be taken from them for which reason, as marks that tell nothing by
//! themselves.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::removal::{Mark, Removal};

/// A set of removals that nobody can be added to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrozenSet(Vec<Mark>);

impl FrozenSet {
    /// The set of these removals.
    pub fn of<'a>(removals: impl Iterator<Item = &'a Removal>) -> Self {
        let mut marks: Vec<_> = removals.map(Removal::mark).collect();
        marks.sort_unstable();
        marks.dedup();
        Self(marks)
    }

    /// Reads what [`Self::encode`] wrote; `None`: it is something else.
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        let (marks, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() {
            return None;
        }
        let marks: Vec<_> = marks.iter().map(|bytes| Mark(u64::from_be_bytes(*bytes))).collect();
        marks.is_sorted().then_some(Self(marks))
    }

    /// The set as text.
    pub fn encode(&self) -> String {
        STANDARD.encode(self.0.iter().flat_map(|mark| mark.0.to_be_bytes()).collect::<Vec<_>>())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Digest of the set on this App, pointing to this target: `sha256:` and 64 hexadecimal digits.
    pub fn digest(&self, app: &str, target: &str) -> String {
        let mut hasher = Sha256::new();
        for part in ["tenure.dev/hold/v1", app, target] {
            hasher.update(u64::try_from(part.len()).unwrap_or_default().to_be_bytes());
            hasher.update(part);
        }
        for mark in &self.0 {
            hasher.update(mark.0.to_be_bytes());
        }
        let mut out = "sha256:".to_owned();
        for byte in hasher.finalize() {
            // Writing to a String cannot fail.
            let _ = write!(out, "{byte:02x}");
        }
        out
    }

    /// Whether exactly this removal is in the set.
    pub fn holds(&self, removal: &Removal) -> bool {
        self.mark_of(removal).is_some()
    }

    /// The mark by which a removal is in the set. Evidence that was a person's own fades once their status is written: what
    /// was frozen as personal is still meant. What was not is another matter once it is.
    pub fn mark_of(&self, removal: &Removal) -> Option<Mark> {
        let faded = (!removal.personal).then(|| removal.mark_as(true));
        [Some(removal.mark()), faded].into_iter().flatten().find(|mark| self.0.binary_search(mark).is_ok())
    }

    /// All marks.
    pub fn marks(&self) -> impl Iterator<Item = Mark> {
        self.0.iter().copied()
    }

    /// The set without some of its marks.
    #[must_use]
    pub fn without(&self, gone: impl Fn(&Mark) -> bool) -> Self {
        Self(self.0.iter().filter(|mark| !gone(mark)).copied().collect())
    }
}
