//! Numbers for accounts and groups of Unix, never one twice.
//!
//! The next free number stands in an entry of the directory, the counter. It is raised by deleting the value that was
//! read and adding the next, in one request, which a server refuses if the value is another one by now: a
//! compare-and-set that every server can do (RFC 4511 §4.6). A number is taken before it is used and never given back:
//! a crash between wastes it, and that of a deleted person is never used again.

use std::collections::BTreeMap;

use tokio::sync::Mutex;

use super::{Ldap, configuration, trouble};
use crate::api::Reason;
use crate::api::directory::ldap::PosixNumbers;
use crate::connectors::directory::{Edit, Filter, Modification, Scope, Search, Write, code};
use crate::connectors::{Failure, FailureClass};

const OPERATION: &str = "take number";
/// Numbers that are taken together. Those not used when the process ends are wasted.
const BLOCK: u32 = 16;
/// How often it is tried again when somebody else took numbers meanwhile.
const ATTEMPTS: usize = 20;

/// The counter, and what was taken from it and not used yet.
pub(super) struct Numbers {
    counter: String,
    range: (u32, u32),
    /// By attribute: the next of those taken, and the first that is not. The lock lets one take at a time.
    taken: Mutex<BTreeMap<&'static str, (u32, u32)>>,
}

impl Numbers {
    pub(super) fn new(spec: &PosixNumbers) -> Self {
        Self { counter: spec.counter_dn.clone(), range: (spec.first, spec.last), taken: Mutex::default() }
    }
}

impl Ldap {
    /// A number that nobody has and nobody had, as far as the counter goes back.
    pub(super) async fn take_number(&self, attribute: &'static str) -> Result<u32, Failure> {
        let numbers = self.shared.numbers.as_ref().ok_or_else(|| {
            configuration("spec.connector.ldap.posix is not set, and something needs a number".to_owned())
        })?;
        let mut taken = numbers.taken.lock().await;
        loop {
            let (next, end) = taken.get(attribute).copied().unwrap_or_default();
            if next >= end {
                let block = self.take_block(numbers, attribute, end).await?;
                taken.insert(attribute, block);
                continue;
            }
            taken.insert(attribute, (next + 1, end));
            if !self.is_used(attribute, next).await? {
                return Ok(next);
            }
        }
    }

    /// Raises the counter, and returns what lies between: the first number, and the one after the last. None of them
    /// is below `floor`: a server that stands in for another may not have come as far.
    async fn take_block(
        &self,
        numbers: &Numbers,
        attribute: &'static str,
        floor: u32,
    ) -> Result<(u32, u32), Failure> {
        let counter = numbers.counter.as_str();
        for _ in 0..ATTEMPTS {
            let entry = self.shared.directory.read(self.op(OPERATION), counter, &[attribute]).await?;
            let entry = entry.ok_or_else(|| {
                configuration(format!(
                    "{OPERATION}: spec.connector.ldap.posix.counterDn does not exist, or the account that Tenure binds \
                     as may not see it: make it, with {attribute} at the first number to give"
                ))
            })?;
            let stands =
                entry.text(attribute).and_then(|text| text.parse::<u32>().ok()).ok_or_else(|| {
                    configuration(format!(
                        "{OPERATION}: posix.counterDn has no {attribute}: set it to the first number to give"
                    ))
                })?;
            let first = stands.max(numbers.range.0).max(floor);
            let end = first.saturating_add(BLOCK).min(numbers.range.1.saturating_add(1));
            if first >= end {
                return Err(configuration(format!(
                    "{OPERATION}: every number up to spec.connector.ldap.posix.last was given: raise it"
                )));
            }
            let octets = |number: u32| vec![number.to_string().into_bytes()];
            let changes = vec![
                Modification::new(Edit::Delete, attribute, octets(stands)),
                Modification::new(Edit::Add, attribute, octets(end)),
            ];
            let write = Write::Modify { dn: counter, changes };
            match self.shared.directory.write(self.op(OPERATION), &write, Vec::new()).await {
                Ok(_) => return Ok((first, end)),
                // Somebody else was faster.
                Err(refused) if refused.is(code::NO_SUCH_ATTRIBUTE) => {}
                Err(refused) => return Err(refused.failure),
            }
        }
        let message = format!("{OPERATION}: others keep taking numbers at the same time");
        Err(trouble(FailureClass::RetryAfter, Reason::Rejected, message))
    }

    /// Whether an account or group that nobody took a number for has this one.
    async fn is_used(&self, attribute: &str, number: u32) -> Result<bool, Failure> {
        for base in [&self.shared.base, &self.shared.groups_base] {
            let base = base.to_string();
            let filter = Filter::equal(attribute, number.to_string());
            let search = Search {
                base: &base,
                scope: Scope::Subtree,
                filter,
                attributes: &["1.1"],
                limit: usize::MAX,
            };
            if !self.shared.directory.search(self.op(OPERATION), &search).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
