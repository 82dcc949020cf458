//! Roles: what a namespace has, and which of them a person has.

mod effective;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::expression::{Expression, ExpressionError, Scope};
use crate::api::role::RoleCase;
use crate::api::{Reason, RoleSpec};
pub use effective::{RoleIssue, Roles, effective_roles};

/// The Roles of one namespace, compiled.
#[derive(Clone, Debug, Default)]
pub struct RoleBook {
    roles: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug)]
enum Entry {
    /// It exists, and nothing more is known.
    Unreadable,
    Known(Known),
}

#[derive(Clone, Debug)]
struct Known {
    /// `spec.match`; an error where it does not compile.
    rule: Option<Result<Expression, ExpressionError>>,
    includes: BTreeSet<String>,
    conflicts: BTreeSet<String>,
    cases: Vec<RoleCase>,
}

impl RoleBook {
    /// Adds a Role or takes its new form.
    pub fn insert(&mut self, name: &str, spec: &RoleSpec) {
        let known = Known {
            rule: spec.rule.as_deref().map(Expression::compile_rule),
            includes: spec.includes.iter().cloned().collect(),
            conflicts: spec.conflicts_with.iter().filter(|other| *other != name).cloned().collect(),
            cases: spec.cases.clone(),
        };
        self.roles.insert(name.to_owned(), Entry::Known(known));
    }

    /// Notes a Role that exists but cannot be decoded, and of which no good form is known: what it gave stays.
    pub fn mark_unreadable(&mut self, name: &str) {
        self.roles.insert(name.to_owned(), Entry::Unreadable);
    }

    /// Forgets a Role that was deleted.
    pub fn remove(&mut self, name: &str) {
        self.roles.remove(name);
    }

    /// Whether there is a Role of this name, readable or not.
    pub fn contains(&self, name: &str) -> bool {
        self.roles.contains_key(name)
    }

    /// Whether there is a Role of this name that cannot be read.
    pub fn is_unreadable(&self, name: &str) -> bool {
        matches!(self.roles.get(name), Some(Entry::Unreadable))
    }

    fn known(&self, name: &str) -> Option<&Known> {
        match self.roles.get(name) {
            Some(Entry::Known(known)) => Some(known),
            _ => None,
        }
    }

    /// The Roles that this one conflicts with, by its own word.
    fn conflicts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.known(name).into_iter().flat_map(|known| known.conflicts.iter().map(String::as_str))
    }

    /// Whether nobody may have both.
    fn conflict(&self, one: &str, other: &str) -> bool {
        self.conflicts(one).any(|name| name == other) || self.conflicts(other).any(|name| name == one)
    }

    /// What is wrong with a Role itself, for its own conditions: reason and message, the worst first.
    pub fn problems(&self, name: &str) -> Vec<(Reason, String)> {
        let known = match self.roles.get(name) {
            Some(Entry::Known(known)) => known,
            Some(Entry::Unreadable) => {
                let message = "the Role cannot be decoded; what it gave before is kept".to_owned();
                return vec![(Reason::RoleUnreadable, message)];
            }
            None => return Vec::new(),
        };
        let mut problems = Vec::new();
        if let Some(Err(error)) = &known.rule {
            problems.push((Reason::InvalidExpression, format!("spec.match: {error}")));
        }
        for (field, names) in [("includes", &known.includes), ("conflictsWith", &known.conflicts)] {
            for other in names.iter().filter(|other| !self.contains(other)) {
                let message = format!("spec.{field} names Role `{other}`, which does not exist");
                problems.push((Reason::RoleNotFound, message));
            }
        }
        for other in known.includes.iter().filter(|other| self.is_unreadable(other)) {
            let message = format!("spec.includes names Role `{other}`, which cannot be decoded");
            problems.push((Reason::RoleUnreadable, message));
        }
        if let Some(circle) = self.circle(name) {
            problems.push((Reason::RoleCycle, format!("the Role includes itself: {circle}")));
        }
        problems.extend(self.contradiction(name).map(|message| (Reason::RoleConflict, message)));
        problems
    }

    /// The shortest way on which a Role includes itself.
    fn circle(&self, name: &str) -> Option<String> {
        let mut ways = VecDeque::from([vec![name]]);
        let mut seen = BTreeSet::new();
        while let Some(way) = ways.pop_front() {
            let includes = way.last().and_then(|last| self.known(last)).map(|known| &known.includes);
            for next in includes.into_iter().flatten() {
                let way: Vec<&str> = way.iter().copied().chain([next.as_str()]).collect();
                if next == name {
                    return Some(way.join(" → "));
                }
                if seen.insert(next.as_str()) {
                    ways.push_back(way);
                }
            }
        }
        None
    }

    /// Two Roles that everybody with this one would have and nobody may have together.
    fn contradiction(&self, name: &str) -> Option<String> {
        let mut all = BTreeSet::from([name]);
        let mut open = vec![name];
        while let Some(next) = open.pop() {
            let includes = self.known(next).map(|known| &known.includes);
            open.extend(
                includes.into_iter().flatten().map(String::as_str).filter(|include| all.insert(include)),
            );
        }
        all.iter().find_map(|one| {
            let other = self.conflicts(one).find(|other| all.contains(other))?;
            Some(format!(
                "the Role brings `{one}` and `{other}`, which conflict with each other: one is withheld"
            ))
        })
    }

    /// The cases under `spec.cases` that do not hold, and why.
    pub fn run_cases(&self, name: &str) -> Vec<String> {
        let Some(known) = self.known(name) else {
            return Vec::new();
        };
        known
            .cases
            .iter()
            .filter_map(|case| known.fails(case).map(|why| format!("case `{}`: {why}", case.name)))
            .collect()
    }
}

impl Known {
    fn fails(&self, case: &RoleCase) -> Option<String> {
        let matched = match &self.rule {
            None => Ok(false),
            Some(Err(_)) => return Some("spec.match does not compile".to_owned()),
            Some(Ok(rule)) => Scope::of_sample(&case.user).and_then(|scope| rule.evaluate_bool(&scope)),
        };
        match matched {
            Ok(matched) if matched == case.matches => None,
            Ok(true) => Some("the rule matches and should not".to_owned()),
            Ok(false) => Some("the rule does not match and should".to_owned()),
            Err(error) => Some(error.to_string()),
        }
    }
}
