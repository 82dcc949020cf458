//! Which roles a person has at an instant.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Entry, RoleBook};
use crate::access::expression::Scope;
use crate::api::{EffectiveRole, Reason, RoleAssignment, RoleEffect, UserSpec};

const ASSIGNED: &str = "Assigned";
const RULE: &str = "Rule";
const INCLUDED: &str = "Role/";

/// The roles of a person at an instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// The roles, by name, each once; `via` is the strongest of `Assigned`, `Rule` and `Role/<name>`.
    pub effective: Vec<EffectiveRole>,
    /// What is wrong with this person's roles, by role.
    pub issues: Vec<RoleIssue>,
    /// Roles whose rule failed for this person, who keeps the membership as it was.
    pub rule_errors: Vec<String>,
    /// The next instant at which time alone changes any of this.
    pub next: Option<Timestamp>,
}

/// Something wrong with a person's roles.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoleIssue {
    /// The role that it is about.
    pub role: String,
    /// `RoleNotFound`, `RoleUnreadable` or `RoleConflict`.
    pub reason: Reason,
    /// The same for people.
    pub message: String,
}

/// How a person comes to a role, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Via<'a> {
    Assigned,
    Rule,
    Included(&'a str),
}

type Found<'a> = BTreeMap<&'a str, Via<'a>>;

/// The roles of a person: assigned, by rule, included.
///
/// `previous` are the roles that the person had when last looked at (`status.roles`): they decide what an unreadable
/// Role or a failing rule gives, and which of two conflicting roles stays.
pub fn effective_roles(
    spec: &UserSpec,
    scope: &Scope<'_>,
    book: &RoleBook,
    previous: &[EffectiveRole],
    now: Timestamp,
) -> Roles {
    let mut search = Search {
        book,
        previous: previous.iter().map(|role| (role.name.as_str(), role.via.as_str())).collect(),
        denied: BTreeSet::new(),
        roots: BTreeMap::new(),
        since: BTreeMap::new(),
        withheld: BTreeSet::new(),
    };
    let mut roles =
        Roles { next: spec.roles.iter().filter_map(|role| next(role, now)).min(), ..Roles::default() };
    search.assign(spec, now, &mut roles.issues);
    search.apply_rules(scope, &mut roles.rule_errors);
    let found = search.settle();
    search.report(&found, &mut roles.issues);
    roles.effective =
        found.iter().map(|(name, via)| EffectiveRole { name: (*name).to_owned(), via: via.text() }).collect();
    roles
}

fn counts(role: &RoleAssignment, now: Timestamp) -> bool {
    role.from.is_none_or(|from| from <= now) && role.until.is_none_or(|until| until > now)
}

/// The next instant at which an assignment begins or ceases to count.
fn next(role: &RoleAssignment, now: Timestamp) -> Option<Timestamp> {
    let begins = role.from.filter(|from| *from > now && role.until.is_none_or(|until| until > *from));
    begins.or_else(|| role.until.filter(|_| counts(role, now)))
}

impl Via<'_> {
    fn text(self) -> String {
        match self {
            Self::Assigned => ASSIGNED.to_owned(),
            Self::Rule => RULE.to_owned(),
            Self::Included(by) => format!("{INCLUDED}{by}"),
        }
    }
}

/// The search for a person's roles.
struct Search<'a> {
    book: &'a RoleBook,
    /// Roles and how the person came to them, when last looked at.
    previous: BTreeSet<(&'a str, &'a str)>,
    /// Forbidden to this person.
    denied: BTreeSet<&'a str>,
    /// Assigned or by rule.
    roots: Found<'a>,
    /// Since when an assigned role counts.
    since: BTreeMap<&'a str, Timestamp>,
    /// Given up for a role with which they conflict.
    withheld: BTreeSet<&'a str>,
}

impl<'a> Search<'a> {
    fn assign(&mut self, spec: &'a UserSpec, now: Timestamp, issues: &mut Vec<RoleIssue>) {
        for role in spec.roles.iter().filter(|role| counts(role, now)) {
            let name = role.name.as_str();
            if !self.book.contains(name) {
                let message =
                    format!("spec.roles names Role `{name}`, which does not exist in this namespace");
                issues.push(RoleIssue { role: role.name.clone(), reason: Reason::RoleNotFound, message });
                continue;
            }
            if role.effect == RoleEffect::Deny {
                self.denied.insert(name);
                continue;
            }
            self.roots.insert(name, Via::Assigned);
            let from = role.from.unwrap_or(Timestamp::MIN);
            self.since.entry(name).and_modify(|since| *since = from.min(*since)).or_insert(from);
        }
    }

    fn apply_rules(&mut self, scope: &Scope<'_>, errors: &mut Vec<String>) {
        for (name, entry) in &self.book.roles {
            let name = name.as_str();
            let matches = match entry {
                Entry::Unreadable => None,
                Entry::Known(known) => match &known.rule {
                    None => Some(false),
                    Some(Err(_)) => None,
                    Some(Ok(rule)) => {
                        let matches = rule.evaluate_bool(scope).ok();
                        if matches.is_none() {
                            errors.push(name.to_owned());
                        }
                        matches
                    }
                },
            };
            // What cannot be told stays as it was.
            if matches.unwrap_or_else(|| self.previous.contains(&(name, RULE))) {
                self.roots.entry(name).or_insert(Via::Rule);
            }
        }
    }

    /// The roles that a role includes; for one that cannot be read, those that it included before.
    fn includes(&self, name: &'a str) -> Vec<&'a str> {
        match self.book.roles.get(name) {
            Some(Entry::Known(known)) => known.includes.iter().map(String::as_str).collect(),
            Some(Entry::Unreadable) => {
                let by_it = |via: &str| via.strip_prefix(INCLUDED) == Some(name);
                self.previous.iter().filter(|(_, via)| by_it(via)).map(|(name, _)| *name).collect()
            }
            None => Vec::new(),
        }
    }

    /// All roles, the shortest way to each (and of several the one whose name sorts first).
    fn reached(&self) -> Found<'a> {
        let open = |name: &&str| !self.denied.contains(name) && !self.withheld.contains(name);
        let mut found: Found<'a> =
            self.roots.iter().filter(|(name, _)| open(name)).map(|(n, via)| (*n, *via)).collect();
        let mut front: Vec<&'a str> = found.keys().copied().collect();
        while !front.is_empty() {
            let mut beyond = Found::new();
            for by in front {
                for name in self.includes(by) {
                    if open(&name) && self.book.contains(name) && !found.contains_key(name) {
                        beyond.entry(name).or_insert(Via::Included(by));
                    }
                }
            }
            front = beyond.keys().copied().collect();
            found.extend(beyond);
        }
        found
    }

    /// Of two conflicting roles, the lower rank stays: the one that the person had, the one since longer, the name.
    fn rank(&self, name: &'a str) -> (bool, Timestamp, &'a str) {
        let had = self.previous.range((name, "")..).next().is_some_and(|(previous, _)| *previous == name);
        (!had, self.since.get(name).copied().unwrap_or(Timestamp::MIN), name)
    }

    /// All roles that may stand beside each other.
    ///
    /// Roles are taken up one by one, the best of those that are due first, and one that conflicts with a role taken
    /// up already is withheld. So whatever is withheld has a rival that stays, and whatever stays has its reason.
    fn settle(&mut self) -> Found<'a> {
        let found = self.reached();
        if !found.keys().any(|name| self.book.conflicts(name).any(|other| found.contains_key(other))) {
            return found;
        }
        let mut taken = Found::new();
        let mut due: BTreeSet<_> =
            self.roots.keys().filter(|name| found.contains_key(*name)).map(|name| self.rank(name)).collect();
        while let Some((.., name)) = due.pop_first() {
            if self.rival(name, &taken).is_some() {
                self.withheld.insert(name);
                continue;
            }
            taken.extend(found.get_key_value(name));
            let brought = self.includes(name).into_iter().filter(|name| found.contains_key(name));
            let brought = brought.filter(|name| !taken.contains_key(name) && !self.withheld.contains(name));
            due.extend(brought.map(|name| self.rank(name)));
        }
        self.reached()
    }

    /// The best of these roles that conflict with this one.
    fn rival(&self, name: &str, among: &Found<'a>) -> Option<&'a str> {
        let rivals = among.keys().copied().filter(|other| self.book.conflict(name, other));
        rivals.min_by_key(|other| self.rank(other))
    }

    fn report(&self, found: &Found<'a>, issues: &mut Vec<RoleIssue>) {
        for name in found.keys().filter(|name| self.book.is_unreadable(name)) {
            let message = format!("Role `{name}` cannot be decoded; what it gave this person before is kept");
            issues.push(RoleIssue { role: (*name).to_owned(), reason: Reason::RoleUnreadable, message });
        }
        for name in &self.withheld {
            let rival = self.rival(name, found).unwrap_or_default();
            let message =
                format!("Role `{name}` is withheld: it conflicts with `{rival}`, which this person has");
            issues.push(RoleIssue { role: (*name).to_owned(), reason: Reason::RoleConflict, message });
        }
        issues.sort();
        issues.dedup();
    }
}
