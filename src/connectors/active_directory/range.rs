//! Attributes with more values than a domain shows at once (`MaxValRange`, 1,500 unless its policy says otherwise): the
//! rest is asked for in ranges (MS-ADTS §3.1.1.3.1.3.3).

use super::accounts::identities;
use super::extended::Extended;
use super::{ActiveDirectory, trouble};
use crate::api::Reason;
use crate::connectors::directory::{Entry, Search};
use crate::connectors::{Failure, FailureClass};

/// Most values of one attribute.
const VALUES_AT_MOST: usize = 1_000_000;

/// A part of an attribute's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part<'a> {
    /// Name of the attribute.
    attribute: &'a str,
    first: usize,
    /// `None`: up to the end.
    last: Option<usize>,
}

impl<'a> Part<'a> {
    /// Reads an attribute description such as `member;range=0-1499`; `None` where it is about no part.
    fn parse(description: &'a str) -> Option<Self> {
        let (attribute, option) = description.split_once(';')?;
        let head = option.get(..6).filter(|head| head.eq_ignore_ascii_case("range="))?;
        let (first, last) = option.get(head.len()..)?.split_once('-')?;
        let last = if last == "*" { None } else { Some(last.parse().ok()?) };
        Some(Self { attribute, first: first.parse().ok()?, last })
    }

    /// What asks for the values after these.
    fn after(&self) -> Option<(String, usize)> {
        let next = self.last?.checked_add(1)?;
        Some((format!("{};range={next}-*", self.attribute), next))
    }
}

/// The first attribute of which only a part came.
fn part(entry: &Entry) -> Option<(Part<'_>, &[Vec<u8>])> {
    entry.attributes().find_map(|(description, values)| Some((Part::parse(description)?, values)))
}

impl ActiveDirectory {
    /// The entry with all values of its attributes.
    pub(super) async fn complete(&self, operation: &'static str, mut entry: Entry) -> Result<Entry, Failure> {
        while let Some((begun, values)) = part(&entry) {
            let name = begun.attribute.to_owned();
            let description = format!("{name};range={}-{}", begun.first, spelled(begun.last));
            let mut all = values.to_vec();
            let mut wanted = begun.after();
            while let Some((description, first)) = wanted.take() {
                let more = self.more(operation, &entry, &description).await?;
                let (part, values) = part(&more)
                    .filter(|(part, _)| part.attribute.eq_ignore_ascii_case(&name) && part.first == first)
                    .ok_or_else(|| broken(operation))?;
                all.extend_from_slice(values);
                if all.len() > VALUES_AT_MOST || (values.is_empty() && part.last.is_some()) {
                    return Err(broken(operation));
                }
                wanted = part.after();
            }
            entry.put(&description, &name, all);
        }
        Ok(entry)
    }

    async fn more(
        &self,
        operation: &'static str,
        entry: &Entry,
        description: &str,
    ) -> Result<Entry, Failure> {
        let named = Extended::parse(&entry.dn);
        let dn = named.guid.map_or_else(|| named.dn.to_owned(), super::guid::Guid::dn);
        let wanted = [description];
        let search = Search::of_entry(&dn, &wanted);
        let found = self.shared.directory.search_with(self.op(operation), &search, identities()).await?;
        found.into_iter().next().ok_or_else(|| broken(operation))
    }
}

fn spelled(last: Option<usize>) -> String {
    last.map_or_else(|| "*".to_owned(), |last| last.to_string())
}

fn broken(operation: &str) -> Failure {
    let message = format!("{operation}: an attribute has many values, and not all of them could be read");
    trouble(FailureClass::RetryAfter, Reason::UnexpectedAnswer, message)
}

#[cfg(test)]
mod tests;
