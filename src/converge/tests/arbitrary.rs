//! Any target, any ledger, any policy, from pools small enough that things meet.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::world::World;
use super::*;
use crate::api::PendingIntent;
use crate::api::app::{
    Adoption, AdoptionPolicy, Connector, RemovalAction, RemovalPolicy, RemoveEntitlements,
};

/// Everything that one decision depends on.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) world: World,
    pub(super) wanted: Wanted,
    pub(super) entry: Option<LedgerEntry>,
    pub(super) spec: AppSpec,
    pub(super) resume: bool,
    pub(super) left_at: Option<Timestamp>,
}

impl Case {
    pub(super) fn context(&self) -> Context<'_> {
        Context { resume: self.resume, left_at: self.left_at, ..context(&self.spec) }
    }

    /// Makes the account hold what the ledger says it does; the plan does not look.
    pub(super) fn believe_ledger(&mut self) {
        for entry in self.entry.iter().filter(|entry| self.world.accounts.contains_key(&entry.id)) {
            let groups = entry.entitlements.iter().filter_map(|held| held.strip_prefix("group:"));
            self.world.members.extend(groups.map(|group| (entry.id.clone(), group.to_owned())));
        }
    }
}

const LOGINS: [&str; 4] = ["ann", "ann2", "Bob", "zoe"];

fn login() -> impl Strategy<Value = String> {
    select(&LOGINS[..]).prop_map(str::to_owned)
}

fn values() -> impl Strategy<Value = BTreeMap<String, Value>> {
    let title = select(vec![Value::Null, json!(""), json!("Engineer"), json!("Nurse")]);
    let mail = select(vec![Value::Null, json!("ann@x"), json!("bob@x")]);
    let phones = select(vec![
        json!([]),
        json!([{"type": "work", "value": "1"}, {"type": "home", "value": "2"}]),
        json!([{"value": "2", "type": "home"}, {"value": "1", "type": "work", "primary": false}]),
    ]);
    (title, mail, phones).prop_map(|(title, mail, phones)| {
        [("title", title), ("mail", mail), ("phones", phones)]
            .map(|(name, value)| (name.to_owned(), value))
            .into()
    })
}

fn world() -> impl Strategy<Value = World> {
    let marker = select(vec![None, None, Some(""), Some(OURS), Some("p-2")]);
    let one = (marker, proptest::bool::weighted(0.7), values());
    let accounts = subsequence(&LOGINS[..], 0..=4).prop_shuffle();
    let members = subsequence(vec![("a0", "g1"), ("a0", "g2"), ("a1", "g1"), ("a2", "g3")], 0..=4);
    (accounts, proptest::collection::vec(one, 4), members, any::<bool>()).prop_map(
        |(logins, ones, members, creates_groups)| {
            let accounts =
                logins.iter().zip(ones).enumerate().map(|(place, (login, (marker, active, attributes)))| {
                    let account = account(&format!("a{place}"), login, marker);
                    RemoteAccount { active, attributes, ..account }
                });
            let mut world = World::with(accounts);
            let real = members.iter().filter(|(account, _)| world.accounts.contains_key(*account));
            world.members =
                real.map(|(account, group)| ((*account).to_owned(), (*group).to_owned())).collect();
            World { creates_groups, ..world }
        },
    )
}

pub(super) fn desired() -> impl Strategy<Value = DesiredAccount> {
    let strength = select(vec![Strength::Always, Strength::Always, Strength::Initial, Strength::IfEmpty]);
    let rules = proptest::collection::vec((strength, any::<bool>()), 3);
    let logins = subsequence(&LOGINS[..], 1..=3).prop_shuffle();
    let groups = subsequence(vec!["G1", "G2", "G3", "G4"], 0..=3);
    (logins, values(), rules, groups).prop_map(|(logins, values, rules, groups)| DesiredAccount {
        logins: strings(&logins),
        attributes: values
            .into_iter()
            .zip(rules)
            .map(|((name, value), (strength, clear_when_null))| {
                (name, DesiredAttribute { value, strength, clear_when_null })
            })
            .collect(),
        entitlements: groups.into_iter().map(group).collect(),
    })
}

pub(super) fn any_wanted() -> impl Strategy<Value = Wanted> {
    let cause = select(vec![Cause::Suspension, Cause::Leave, Cause::Unassign, Cause::UserDeleted]);
    prop_oneof![
        6 => desired().prop_map(wanted),
        5 => cause.prop_map(Wanted::Gone),
        1 => Just(Wanted::Released(Reason::AppDeleted)),
        1 => Just(Wanted::Unknown { reason: Reason::MappingFailed, message: "title".to_owned() }),
    ]
}

pub(super) const STATES: [AccountState; 9] = [
    AccountState::Active,
    AccountState::Suspended,
    AccountState::Creating,
    AccountState::Deleting,
    AccountState::Deleted,
    AccountState::Retained,
    AccountState::Released,
    AccountState::Conflict,
    AccountState::Failed,
];

fn instant() -> impl Strategy<Value = Option<Timestamp>> {
    let around =
        (-40i64..40).prop_map(|days| NOW.checked_add(jiff::SignedDuration::from_hours(days * 24)).unwrap());
    proptest::option::of(around)
}

fn pending() -> impl Strategy<Value = Option<PendingIntent>> {
    let intents = [("create", "ann"), ("create", "zoe"), ("delete", "a1"), ("odd", "")];
    let intent = select(intents.to_vec()).prop_map(|(operation, key)| PendingIntent {
        operation: operation.to_owned(),
        key: key.to_owned(),
        since: NOW,
    });
    proptest::option::weighted(0.2, intent)
}

/// When it was due, cut and verified, its sessions, and whether it was stripped.
fn proof() -> impl Strategy<Value = LedgerEntry> {
    let sessions = select(vec![None, Some(Sessions::Revoked), Some(Sessions::Unproved)]);
    (instant(), instant(), instant(), sessions, any::<bool>()).prop_map(
        |(due_since, cut_at, verified_at, sessions, stripped)| LedgerEntry {
            due_since,
            cut_at,
            verified_at,
            sessions,
            stripped,
            ..LedgerEntry::default()
        },
    )
}

fn any_entry() -> impl Strategy<Value = LedgerEntry> {
    let id = select(vec!["", "a0", "a0", "a1", "a2", "a3", "a9"]);
    let held = subsequence(vec!["group:g1", "group:g2", "group:g9", "junk", ":", "licence:l:1"], 0..=4)
        .prop_shuffle();
    let reason = select(vec!["", "", "SuspendedElsewhere", "AttributesNotKept", "Unreachable"]);
    let applied = select(vec!["", "v1:00", "v0:1"]);
    let target = select(vec![TARGET, TARGET, TARGET, "t0", ""]);
    let first = (id, target, login(), select(&STATES[..]), held, applied);
    (first, pending(), reason, instant(), instant(), proof()).prop_map(
        |((id, target, login, state, held, applied), pending, reason, delete_at, since, proof)| LedgerEntry {
            due_since: proof.due_since,
            cut_at: proof.cut_at,
            verified_at: proof.verified_at,
            sessions: proof.sessions,
            stripped: proof.stripped,
            target: target.to_owned(),
            entitlements: strings(&held),
            applied: applied.to_owned(),
            pending,
            reason: reason.to_owned(),
            delete_at,
            last_transition_time: since,
            ..entry(id, &login, state)
        },
    )
}

fn removal() -> impl Strategy<Value = RemovalPolicy> {
    let action = select(vec![
        RemovalAction::Suspend,
        RemovalAction::Suspend,
        RemovalAction::Delete,
        RemovalAction::Retain,
    ]);
    let after = select(vec![None, Some("30d"), Some("1h"), Some("soon")]);
    let strip = select(vec![RemoveEntitlements::None, RemoveEntitlements::Managed, RemoveEntitlements::All]);
    let hand_over = select(vec![None, None, None, Some("14d")]);
    let whole = (action, after, strip, hand_over, proptest::bool::weighted(0.8));
    whole.prop_map(|(action, after, remove_entitlements, hand_over, revoke_sessions)| RemovalPolicy {
        action,
        after: hand_over.map(str::to_owned),
        leaver_keeps_access: hand_over.is_some(),
        revoke_sessions,
        delete_after: after.filter(|_| action == RemovalAction::Suspend).map(str::to_owned),
        remove_entitlements,
    })
}

pub(super) fn any_spec() -> impl Strategy<Value = AppSpec> {
    let policy =
        select(vec![AdoptionPolicy::AdoptOrCreate, AdoptionPolicy::AdoptOnly, AdoptionPolicy::CreateOnly]);
    let match_on = subsequence(vec!["userName", "mail", "mail.value", "externalId", "phones", "odd"], 0..=3);
    (policy, match_on.prop_shuffle(), removal(), removal(), removal()).prop_map(
        |(policy, match_on, on_leave, on_unassign, on_user_deleted)| AppSpec {
            connector: Connector::default(),
            adoption: Adoption { policy, match_on: strings(&match_on) },
            on_leave,
            on_unassign,
            on_user_deleted,
            ..AppSpec::default()
        },
    )
}

pub(super) fn any_case() -> impl Strategy<Value = Case> {
    let entry = proptest::option::weighted(0.8, any_entry());
    (world(), any_wanted(), entry, any_spec(), proptest::bool::weighted(0.2), instant()).prop_map(
        |(world, wanted, entry, spec, resume, left_at)| Case { world, wanted, entry, spec, resume, left_at },
    )
}

/// Any JSON value.
pub(super) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9f64).prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map("[a-c]{1,2}", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
