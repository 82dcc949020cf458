//! Conditions: set without moving times that did not change, so that an unchanged status stays byte for byte the same.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::api::Reason;

/// The condition that sums an object up.
pub const READY: &str = "Ready";
/// Work is under way (kstatus: present only while true).
pub const RECONCILING: &str = "Reconciling";
/// Nothing will happen before a person changes something (kstatus: present only while true).
pub const STALLED: &str = "Stalled";
/// The object is paused (present only while true).
pub const PAUSED: &str = "Paused";
/// Removals wait for a person (present only while true).
pub const HELD: &str = "Held";
/// The App answers.
pub const REACHABLE: &str = "Reachable";
/// The App accepts our credentials.
pub const CREDENTIALS_VALID: &str = "CredentialsValid";
/// The Role's own tests hold.
pub const CASES_PASSED: &str = "CasesPassed";

/// The person left, and on every App their account was read back suspended or gone (present for leavers only).
pub const ACCESS_REVOKED: &str = "AccessRevoked";
/// Suspending an account in the App leaves a way in open (present only while true).
pub const LOGIN_LEFT_OPEN: &str = "LoginLeftOpen";

/// What a condition is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// Why.
    pub reason: Reason,
    /// The same for people; at most 1 KiB is kept.
    pub message: String,
}

impl Statement {
    /// Status `True`.
    pub fn yes(reason: Reason, message: impl Into<String>) -> Self {
        Self { status: "True", reason, message: message.into() }
    }

    /// Status `False`.
    pub fn no(reason: Reason, message: impl Into<String>) -> Self {
        Self { status: "False", reason, message: message.into() }
    }

    /// Status `Unknown`.
    pub fn unknown(reason: Reason, message: impl Into<String>) -> Self {
        Self { status: "Unknown", reason, message: message.into() }
    }
}

/// The conditions of one object, being rewritten.
pub struct Conditions {
    list: Vec<Condition>,
    generation: i64,
    now: Timestamp,
}

impl Conditions {
    /// Begins with the conditions as stored.
    pub fn over(stored: &[Condition], generation: i64, now: Timestamp) -> Self {
        Self { list: stored.to_vec(), generation, now }
    }

    /// Sets a condition. The transition time moves only with the status.
    pub fn set(&mut self, kind: &str, statement: Statement) {
        let old = self.list.iter().position(|c| c.type_ == kind);
        let since = old
            .and_then(|i| self.list.get(i))
            .filter(|c| c.status == statement.status)
            .map_or_else(|| Time(whole_seconds(self.now)), |c| c.last_transition_time.clone());
        let condition = Condition {
            type_: kind.to_owned(),
            status: statement.status.to_owned(),
            reason: statement.reason.to_string(),
            message: clip(statement.message),
            observed_generation: Some(self.generation),
            last_transition_time: since,
        };
        match old.and_then(|i| self.list.get_mut(i)) {
            Some(slot) => *slot = condition,
            None => self.list.push(condition),
        }
    }

    /// Sets an abnormal-true condition, or removes it.
    pub fn only_while(&mut self, kind: &str, statement: Option<(Reason, String)>) {
        self.set_or_remove(kind, statement.map(|(reason, message)| Statement::yes(reason, message)));
    }

    /// Sets a condition, or removes it.
    pub fn set_or_remove(&mut self, kind: &str, statement: Option<Statement>) {
        match statement {
            Some(statement) => self.set(kind, statement),
            None => self.list.retain(|c| c.type_ != kind),
        }
    }

    /// The result, in a stable order.
    pub fn finish(mut self) -> Vec<Condition> {
        self.list.sort_by(|a, b| a.type_.cmp(&b.type_));
        self.list
    }
}

/// An instant without fractions of a second, as `metav1.Time` keeps it.
pub fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn clip(message: String) -> String {
    const LIMIT: usize = 1024;
    if message.len() <= LIMIT {
        return message;
    }
    let end = (0..LIMIT - 3).rev().find(|i| message.is_char_boundary(*i)).unwrap_or(0);
    format!("{}…", &message[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn times_move_with_the_status_only() {
        let mut conditions = Conditions::over(&[], 1, at(100));
        conditions.set(READY, Statement::no(Reason::Progressing, "a"));
        let first = conditions.finish();
        let mut conditions = Conditions::over(&first, 2, at(200));
        conditions.set(READY, Statement::no(Reason::Unreachable, "b"));
        let second = conditions.finish();
        assert_eq!(second[0].last_transition_time.0, at(100));
        let mut conditions = Conditions::over(&second, 3, at(300));
        conditions.set(READY, Statement::yes(Reason::InSync, "c"));
        assert_eq!(conditions.finish()[0].last_transition_time.0, at(300));
    }

    #[test]
    fn abnormal_conditions_are_present_only_while_true() {
        let mut conditions = Conditions::over(&[], 1, at(1));
        conditions.only_while(STALLED, Some((Reason::StaleRehire, "x".into())));
        let stalled = conditions.finish();
        let mut conditions = Conditions::over(&stalled, 1, at(2));
        conditions.only_while(STALLED, None);
        assert!(conditions.finish().is_empty());
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        assert!(clip("ü".repeat(1000)).len() <= 1024);
    }
}
