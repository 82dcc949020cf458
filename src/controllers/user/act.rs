//! One pass over one account: observe, plan, act step by step, note in the ledger entry what was done.
//!
//! Everything outside is reached through small ports, so that the same code runs against a real target and cluster and
//! against a model of them.

use std::future::Future;

use jiff::Timestamp;

use super::decide::AccountDecision;
use crate::api::{AppSpec, EntitlementSpec, LedgerEntry, PendingIntent};
use crate::connectors::{Connector, Failure, FailureClass, Membership};
use crate::converge::{self, Context, Observed, Plan, Query, Refusal, Reply, Resolution, Step};
use crate::runtime::failpoint;

/// Why a pass was given up although nothing failed at the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// What was decided does not hold any more: decide again.
    Changed,
    /// The cluster could not be asked or written to: try again.
    Cluster,
}

/// What a pass needs besides the target.
pub trait Ports: Send + Sync {
    /// The time.
    fn now(&self) -> Timestamp;
    /// Makes sure that the User cannot vanish unnoticed while it has accounts.
    fn before_first_account(&self) -> impl Future<Output = Result<(), Stop>> + Send;
    /// Makes sure, by a live read, that something is still to be taken away.
    fn before_removal(&self) -> impl Future<Output = Result<(), Stop>> + Send;
    /// The remote id of an entitlement, if it was learnt before.
    fn known(&self, entitlement: &EntitlementSpec) -> Option<String>;
    /// Remembers the remote id of an entitlement; `None`: what was learnt is in doubt.
    fn learnt(&self, entitlement: &EntitlementSpec, id: Option<&str>);
    /// Stores the ledger entry before the operation that it announces.
    fn announce(&self, entry: &LedgerEntry) -> impl Future<Output = Result<(), Stop>> + Send;
    /// Notes a step that reached the target, or failed there.
    fn performed(&self, step: &Step, entry: &LedgerEntry, outcome: Result<(), &Failure>);
}

/// How a pass ended.
#[derive(Clone, Debug)]
pub enum Ending {
    /// Everything is as wanted.
    /// `None`: there is nothing to remember.
    Settled(Option<LedgerEntry>),
    /// Something cannot be done for this person before somebody acts; the entry says what.
    Refused(Option<LedgerEntry>, Refusal),
    /// The target failed. The entry has what was done before, if anything was.
    Trouble(Option<LedgerEntry>, Failure),
    /// Given up: see [`Stop`].
    Stopped(Option<LedgerEntry>, Stop),
}

/// Logins tried in one pass before it is left to the next one.
const ATTEMPTS: usize = 8;

/// Takes one account to where it should be, as far as that goes.
pub async fn pass<C: Connector, P: Ports>(
    connector: &C,
    ports: &P,
    work: &AccountDecision,
    policy: &AppSpec,
) -> Ending {
    let mut run = Run { connector, ports, work, policy, entry: work.entry.clone(), touched: false };
    let mut seen = Observed::default();
    for _ in 0..ATTEMPTS {
        match run.attempt(&mut seen).await {
            Ok(Some(ending)) => return ending,
            Ok(None) => {}
            Err(Halt::Target(failure)) => return run.troubled(failure),
            Err(Halt::Stop(stop)) => return Ending::Stopped(run.progress(), stop),
        }
    }
    run.troubled(Failure {
        class: FailureClass::Conflict,
        reason: crate::api::Reason::AccountExists,
        message: "the target keeps refusing the login as taken".to_owned(),
        retry_after: None,
    })
}

/// What a pass would do, for an App that only plans.
pub async fn rehearse<C: Connector, P: Ports>(
    connector: &C,
    ports: &P,
    work: &AccountDecision,
    policy: &AppSpec,
) -> Result<Plan, Failure> {
    let mut seen = Observed::default();
    plan_with(connector, ports, work, work.entry.as_ref(), &mut seen, &work.context.at(policy, ports.now()))
        .await
}

async fn plan_with<C: Connector, P: Ports>(
    connector: &C,
    ports: &P,
    work: &AccountDecision,
    entry: Option<&LedgerEntry>,
    seen: &mut Observed,
    ctx: &Context<'_>,
) -> Result<Plan, Failure> {
    loop {
        match converge::plan(&work.wanted, entry, seen, ctx) {
            Ok(plan) => return Ok(plan),
            Err(query) => ask(connector, ports, query, seen).await?,
        }
    }
}

async fn ask<C: Connector, P: Ports>(
    connector: &C,
    ports: &P,
    query: Query,
    seen: &mut Observed,
) -> Result<(), Failure> {
    match query {
        Query::Get(id) => {
            let account = connector.get(&id).await?;
            seen.account(id, account);
        }
        Query::Find { attribute, value } => {
            let found = connector.find(&attribute, &value).await?;
            seen.found(attribute, value, found);
        }
        Query::Resolve(entitlement) => {
            let resolution = resolve(connector, ports, &entitlement).await?;
            seen.resolution(entitlement, resolution);
        }
    }
    Ok(())
}

async fn resolve<C: Connector, P: Ports>(
    connector: &C,
    ports: &P,
    entitlement: &EntitlementSpec,
) -> Result<Resolution, Failure> {
    if let Some(id) = ports.known(entitlement) {
        return Ok(Resolution::Id(id));
    }
    Ok(match connector.resolve(entitlement).await? {
        Some(id) => {
            ports.learnt(entitlement, Some(&id));
            Resolution::Id(id)
        }
        None if connector.may_create(&entitlement.kind) => Resolution::Creatable,
        None => Resolution::Missing,
    })
}

enum Halt {
    Target(Failure),
    Stop(Stop),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Target(failure)
    }
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

struct Run<'a, C, P> {
    connector: &'a C,
    ports: &'a P,
    work: &'a AccountDecision,
    policy: &'a AppSpec,
    entry: Option<LedgerEntry>,
    touched: bool,
}

impl<C: Connector, P: Ports> Run<'_, C, P> {
    fn context(&self) -> Context<'_> {
        self.work.context.at(self.policy, self.ports.now())
    }

    /// One plan carried out. `None`: the login was taken, plan again.
    async fn attempt(&mut self, seen: &mut Observed) -> Result<Option<Ending>, Halt> {
        let ctx = self.work.context.at(self.policy, self.ports.now());
        let plan = plan_with(self.connector, self.ports, self.work, self.entry.as_ref(), seen, &ctx).await?;
        failpoint::hit("after-find");
        if plan.removes(self.context().login_attribute) {
            self.ports.before_removal().await?;
        }
        if plan.steps.iter().any(|s| matches!(s, Step::Create(_) | Step::Adopt { .. } | Step::Announce(_))) {
            self.ports.before_first_account().await?;
            failpoint::hit("after-finalizer");
        }
        let mut account = plan.account.clone();
        for step in &plan.steps {
            match self.take(step).await {
                Ok(Reply::Account(seen_after)) => account = Some(seen_after),
                Ok(_) => {}
                Err(Halt::Target(failure)) if failure.class == FailureClass::Conflict => {
                    match taken_login(step, self.context().login_attribute) {
                        Some(login) => {
                            seen.refused(login);
                            return Ok(None);
                        }
                        None => return Err(Halt::Target(failure)),
                    }
                }
                Err(halt) => return Err(halt),
            }
        }
        let entry = converge::open(self.entry.as_ref(), &self.context());
        let entry = converge::settle(entry, &self.work.wanted, &plan, account.as_ref(), &self.context());
        Ok(Some(match plan.blocked {
            None => Ending::Settled(entry),
            Some(refusal) => Ending::Refused(entry, refusal),
        }))
    }

    async fn take(&mut self, step: &Step) -> Result<Reply, Halt> {
        let outcome = self.perform(step).await;
        let mut entry = converge::open(self.entry.as_ref(), &self.context());
        if let Ok(reply) = &outcome {
            entry = converge::record(entry, step, reply, &self.context());
        }
        if step.is_remote() {
            self.ports.performed(step, &entry, outcome.as_ref().map(|_| ()));
        }
        if let (Step::Create(account), Err(failure)) = (step, &outcome)
            && failure.class == FailureClass::Unknown
        {
            // It may have been made: that must not be forgotten, should the person leave before the next look.
            let since = self.context().now;
            entry.pending =
                Some(PendingIntent { operation: "create".to_owned(), key: account.login.clone(), since });
            self.entry = Some(entry);
            self.touched = true;
            return Err(Halt::from(failure.clone()));
        }
        let reply = outcome?;
        self.entry = Some(entry.clone());
        self.touched = true;
        if matches!(step, Step::Announce(_)) {
            self.ports.announce(&entry).await?;
            failpoint::hit("after-announce");
        }
        Ok(reply)
    }

    async fn perform(&self, step: &Step) -> Result<Reply, Failure> {
        let target = self.connector;
        let reply = match step {
            Step::Create(account) => {
                Reply::Account(failpoint::during("create-sent", target.create(account)).await?)
            }
            Step::Update { id, changes } => {
                Reply::Account(failpoint::during("update-sent", target.update(id, changes)).await?)
            }
            Step::Suspend { id } => {
                Reply::Account(failpoint::during("suspend-sent", target.set_active(id, false)).await?)
            }
            Step::Resume { id } => Reply::Account(target.set_active(id, true).await?),
            Step::Delete { id } => {
                failpoint::during("delete-sent", target.delete(id)).await?;
                Reply::Done
            }
            Step::Revoke { id, kind, entitlement } => {
                entitle(target, id, false, kind, entitlement).await?;
                Reply::Done
            }
            Step::Grant { id, entitlement, remote } => {
                self.grant(id.as_deref(), entitlement, remote.clone()).await?
            }
            Step::Adopt { .. } | Step::Announce(_) | Step::Retain | Step::Release { .. } | Step::Forget => {
                Reply::Done
            }
        };
        failpoint::hit(&format!("after-{}", step.as_str()));
        Ok(reply)
    }

    async fn grant(
        &self,
        id: Option<&str>,
        entitlement: &EntitlementSpec,
        remote: Option<String>,
    ) -> Result<Reply, Failure> {
        let remote = match remote {
            Some(remote) => remote,
            None => self.connector.create_entitlement(entitlement).await?,
        };
        let account = id.or_else(|| self.entry.as_ref().map(|e| e.id.as_str())).unwrap_or_default();
        let granted = entitle(self.connector, account, true, &entitlement.kind, &remote).await;
        self.ports.learnt(entitlement, granted.is_ok().then_some(&remote));
        granted?;
        Ok(Reply::Entitlement(remote))
    }

    fn progress(&mut self) -> Option<LedgerEntry> {
        self.entry.take().filter(|_| self.touched)
    }

    fn troubled(&mut self, failure: Failure) -> Ending {
        if matches!(failure.class, FailureClass::Permanent | FailureClass::Conflict) {
            let refusal = Refusal { reason: failure.reason, message: failure.message };
            let entry = converge::open(self.entry.as_ref(), &self.context());
            let entry = converge::fail(entry, refusal.reason, &refusal.message, &self.context());
            return Ending::Refused(Some(entry), refusal);
        }
        Ending::Trouble(self.progress(), failure)
    }
}

/// Gives one account an entitlement, or takes it away.
async fn entitle<C: Connector>(
    connector: &C,
    account: &str,
    held: bool,
    kind: &str,
    entitlement: &str,
) -> Result<(), Failure> {
    let change = Membership { account: account.to_owned(), held };
    connector.entitle(kind, entitlement, &[change]).await?.into_iter().collect()
}

/// The login that a step would have given the account.
fn taken_login(step: &Step, login_attribute: &str) -> Option<String> {
    match step {
        Step::Create(account) => Some(account.login.clone()),
        Step::Update { changes, .. } => changes
            .iter()
            .find(|c| c.attribute == login_attribute)
            .and_then(|c| c.value.as_ref())
            .and_then(|v| v.as_str())
            .map(str::to_owned),
        _ => None,
    }
}
