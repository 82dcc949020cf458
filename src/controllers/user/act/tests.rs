//! The real pass, on a target and a cluster in memory: first passwords, whatever goes wrong between writing them down and
//! making the account; and a target that cannot show what an account holds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::json;

use super::*;
use crate::api::AccountState;
use crate::api::app::{RemovalAction, RemoveEntitlements};
use crate::connectors::{Membership, Page, Probe, password};
use crate::controllers::user::decide::OwnedContext;
use crate::converge::{Cause, Change, Due, Lane, NewAccount};

/// What goes wrong with one creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It succeeds.
    Nothing,
    /// The process ends after the password was written down.
    Ends,
    /// The request is lost on the way.
    Lost,
    /// It is done, and the reply is lost; then the process goes on.
    ReplyLost,
    /// It is done, and the process ends before it hears of it.
    EndsAfterwards,
    /// Somebody else has the login.
    Taken,
}

#[derive(Default)]
struct World {
    /// Account and the password that it got.
    accounts: Vec<(RemoteAccount, Option<String>)>,
    faults: VecDeque<Fault>,
    /// The removal budget keeps what would be taken away.
    held: bool,
    /// What is written down, and how many times something was.
    secret: Option<SecretString>,
    writes: usize,
    /// Passwords that creations were sent with.
    sent: Vec<Option<String>>,
}

#[derive(Clone, Default)]
struct Stage(Arc<Mutex<World>>);

impl Stage {
    fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }
}

fn failure(class: FailureClass) -> Failure {
    Failure { class, reason: crate::api::Reason::Unreachable, message: "fault".into(), retry_after: None }
}

impl Connector for Stage {
    async fn probe(&self) -> Result<Probe, Failure> {
        Ok(Probe::default())
    }

    async fn find(&self, attribute: &str, value: &str) -> Result<Vec<RemoteAccount>, Failure> {
        let hit = |account: &RemoteAccount| match attribute {
            "externalId" => account.marker.as_deref() == Some(value),
            _ => account.login == value,
        };
        Ok(self.world().accounts.iter().map(|(account, _)| account).filter(|a| hit(a)).cloned().collect())
    }

    async fn get(&self, id: &str) -> Result<Option<RemoteAccount>, Failure> {
        Ok(self.world().accounts.iter().map(|(a, _)| a).find(|a| a.id == id).cloned())
    }

    async fn create(
        &self,
        new: &NewAccount,
        password: Option<&SecretString>,
    ) -> Result<RemoteAccount, Failure> {
        let mut world = self.world();
        let password = password.map(|p| p.expose_secret().to_owned());
        world.sent.push(password.clone());
        let fault = world.faults.pop_front().unwrap_or(Fault::Nothing);
        match fault {
            Fault::Lost => return Err(failure(FailureClass::Unknown)),
            Fault::Taken => return Err(failure(FailureClass::Conflict)),
            _ => {}
        }
        let account = RemoteAccount {
            id: format!("n{}", world.accounts.len()),
            login: new.login.clone(),
            marker: Some(new.marker.1.clone()),
            active: true,
            attributes: new.attributes.clone(),
            ..RemoteAccount::default()
        };
        world.accounts.push((account.clone(), password));
        match fault {
            Fault::ReplyLost => Err(failure(FailureClass::Unknown)),
            // As far as the ledger is concerned, that is what the end of the process looks like.
            Fault::EndsAfterwards => Err(failure(FailureClass::Fenced)),
            _ => Ok(account),
        }
    }

    async fn update(&self, _: &str, _: &[Change]) -> Result<RemoteAccount, Failure> {
        Err(failure(FailureClass::Permanent))
    }

    async fn set_active(&self, id: &str, active: bool) -> Result<RemoteAccount, Failure> {
        let mut world = self.world();
        let account = world.accounts.iter_mut().map(|(account, _)| account).find(|account| account.id == id);
        let account = account.ok_or_else(|| failure(FailureClass::Gone))?;
        account.active = active;
        Ok(account.clone())
    }

    async fn delete(&self, _: &str) -> Result<(), Failure> {
        Err(failure(FailureClass::Permanent))
    }

    async fn resolve(&self, _: &EntitlementSpec) -> Result<Option<String>, Failure> {
        Ok(None)
    }

    fn may_create(&self, _: &str) -> bool {
        false
    }

    async fn create_entitlement(&self, _: &EntitlementSpec, _: &[String]) -> Result<String, Failure> {
        Err(failure(FailureClass::Permanent))
    }

    fn batch(&self, _: &str) -> usize {
        1
    }

    async fn entitle(&self, _: &str, _: &str, _: &[Membership]) -> Result<Vec<Result<(), Failure>>, Failure> {
        Ok(Vec::new())
    }

    async fn page(&self, _: Option<&str>) -> Result<Page, Failure> {
        Ok(Page::default())
    }
}

/// The cluster: it keeps one Secret, which is written once.
impl Ports for Stage {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    async fn before_first_account(&self) -> Result<(), Stop> {
        Ok(())
    }

    async fn first_password(&self, desired: &DesiredAccount) -> Result<Option<SecretString>, Halt> {
        let mut world = self.world();
        if world.secret.is_none() {
            world.secret = Some(password::random(16, desired.logins.iter().map(String::as_str)));
            world.writes += 1;
        }
        if world.faults.front() == Some(&Fault::Ends) {
            world.faults.pop_front();
            return Err(Halt::Stop(Stop::Cluster));
        }
        Ok(world.secret.clone())
    }

    async fn before_removal(&self, _plan: &Plan) -> Result<Permit, Stop> {
        if self.world().held { Err(Stop::Held) } else { Ok(Permit::uncounted()) }
    }

    async fn resolve(&self, _: &EntitlementSpec) -> Result<Resolution, Failure> {
        Ok(Resolution::Missing)
    }

    async fn entitle(&self, _: Option<&LedgerEntry>, _: Vec<Wish>) -> Vec<Result<String, Halt>> {
        Vec::new()
    }

    async fn administration(&self) -> Turn {
        Arc::<tokio::sync::Mutex<()>>::default().lock_owned().await
    }

    async fn announce(&self, _: &LedgerEntry) -> Result<(), Stop> {
        Ok(())
    }

    fn performed(&self, _: &Step, _: &LedgerEntry, _: Result<(), &Failure>) {}
}

fn joiner(logins: &[&str], entry: Option<LedgerEntry>, spec: &Arc<AppSpec>) -> AccountDecision {
    let desired = DesiredAccount {
        logins: logins.iter().map(|login| (*login).to_owned()).collect(),
        attributes: BTreeMap::new(),
        entitlements: std::collections::BTreeSet::new(),
    };
    AccountDecision {
        uid: "u".into(),
        app: "directory".into(),
        wanted: Wanted::Account(Box::new(desired)),
        entry,
        due: Due::Work { lane: Lane::Join, removal: false },
        personal: true,
        ordered: false,
        dry_run: false,
        unanswered: false,
        bindings: Vec::new(),
        issues: Vec::new(),
        context: OwnedContext {
            spec: Some(spec.clone()),
            marker: "4711".into(),
            ..OwnedContext::nothing("directory".into(), "t1".into())
        },
    }
}

fn app() -> Arc<AppSpec> {
    let auth = json!({"bearer": {"tokenSecretRef": {"name": "s", "key": "k"}}});
    let scim = json!({"baseUrl": "https://app.example/scim", "auth": auth});
    Arc::new(serde_json::from_value(json!({"connector": {"scim": scim}})).unwrap())
}

/// Passes until one settles. The ledger survives a pass only if the process did.
async fn until_settled(stage: &Stage, logins: &[&str], passes: usize) -> Option<LedgerEntry> {
    let spec = app();
    let mut entry = None;
    for _ in 0..passes {
        let work = joiner(logins, entry.clone(), &spec);
        match pass(stage, stage, &work, &spec).await {
            Ending::Settled(settled) => return settled,
            Ending::Trouble(_, failure) if failure.class == FailureClass::Fenced => {}
            Ending::Trouble(kept, _) | Ending::Refused(kept, _) => entry = kept.or(entry),
            Ending::Stopped(..) => {}
        }
    }
    None
}

proptest! {
    /// However often and wherever it is cut off: there is one account, it has the password that is written down, and
    /// nothing was written down twice.
    #[test]
    fn the_secret_holds_the_password_that_the_account_got(
        faults in prop::collection::vec(
            prop_oneof![
                Just(Fault::Ends), Just(Fault::Lost), Just(Fault::ReplyLost), Just(Fault::EndsAfterwards),
                Just(Fault::Nothing),
            ],
            0..6,
        ),
    ) {
        let stage = Stage::default();
        stage.world().faults = faults.iter().copied().collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let entry = runtime.block_on(until_settled(&stage, &["ann"], faults.len() + 2));
        let world = stage.world();
        prop_assert!(entry.is_some_and(|entry| entry.id == "n0"));
        prop_assert_eq!(world.writes, 1);
        prop_assert_eq!(world.accounts.len(), 1);
        let written = world.secret.as_ref().map(|secret| secret.expose_secret().to_owned());
        prop_assert_eq!(&world.accounts[0].1, &written);
        prop_assert!(world.sent.iter().all(|sent| *sent == written));
    }
}

/// A login that turns out to be taken changes nothing about the password.
#[tokio::test]
async fn another_login_has_the_same_password() {
    let stage = Stage::default();
    stage.world().faults = [Fault::Taken, Fault::Nothing].into();
    let entry = until_settled(&stage, &["ann", "ann2"], 1).await.unwrap();
    let world = stage.world();
    assert_eq!(entry.user_name, "ann2");
    assert_eq!(world.writes, 1);
    assert_eq!(world.sent[0], world.sent[1]);
    assert_eq!(world.accounts[0].1.as_deref(), world.secret.as_ref().map(ExposeSecret::expose_secret));
}

/// Nothing is written down for an account that is there already.
#[tokio::test]
async fn an_account_that_is_taken_over_gets_none() {
    let stage = Stage::default();
    let account = RemoteAccount {
        id: "n9".into(),
        login: "ann".into(),
        marker: Some("4711".into()),
        active: true,
        ..RemoteAccount::default()
    };
    stage.world().accounts.push((account, None));
    assert_eq!(until_settled(&stage, &["ann"], 1).await.unwrap().id, "n9");
    let world = stage.world();
    assert!(world.secret.is_none() && world.sent.is_empty());
}

/// What an account holds is taken away once that can be seen; its use does not wait for that, nor is it deleted before.
#[tokio::test]
async fn a_leaver_is_suspended_also_where_it_cannot_be_seen_what_the_account_holds() {
    let stage = Stage::default();
    let entry = until_settled(&stage, &["ann"], 1).await;
    let mut spec = app().as_ref().clone();
    spec.on_leave.remove_entitlements = RemoveEntitlements::All;
    spec.on_leave.action = RemovalAction::Delete;
    let spec = Arc::new(spec);
    let mut work = joiner(&["ann"], entry, &spec);
    work.wanted = Wanted::Gone(Cause::Leave);
    for _ in 0..2 {
        let (Ending::Refused(Some(entry), _) | Ending::Trouble(Some(entry), _)) =
            pass(&stage, &stage, &work, &spec).await
        else {
            panic!("what it holds has not been seen");
        };
        assert_eq!(entry.state, AccountState::Suspended);
        assert!(!stage.world().accounts[0].0.active);
        work.entry = Some(entry);
    }
}

/// A Hold keeps the account, not what somebody else gave it back.
#[tokio::test]
async fn an_account_whose_deletion_is_held_is_taken_out_of_use_again() {
    let stage = Stage::default();
    let entry = until_settled(&stage, &["ann"], 1).await.unwrap();
    let mut spec = app().as_ref().clone();
    spec.on_leave.action = RemovalAction::Delete;
    let spec = Arc::new(spec);
    stage.world().held = true;
    let suspended = LedgerEntry { state: AccountState::Suspended, ..entry.clone() };
    let elsewhere = LedgerEntry { target: "t0".into(), ..suspended.clone() };
    for (entry, goes) in [(entry, false), (elsewhere, false), (suspended, true)] {
        let mut work = joiner(&["ann"], Some(entry), &spec);
        work.wanted = Wanted::Gone(Cause::Leave);
        let Ending::Stopped(after, Stop::Held) = pass(&stage, &stage, &work, &spec).await else {
            panic!("it is held");
        };
        assert_eq!(stage.world().accounts[0].0.active, !goes);
        assert_eq!(after.is_some_and(|after| after.verified_at.is_some()), goes);
    }
}
