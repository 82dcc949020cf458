//! One pass over one account: observe, plan, act step by step, note in the ledger entry what was done.
//!
//! Everything outside is reached through small ports, so that the same code runs against a real target and cluster and
//! against a model of them.

mod planning;
#[cfg(test)]
mod tests;

use std::future::Future;

use jiff::Timestamp;
use secrecy::SecretString;

use super::decide::AccountDecision;
use crate::access::DesiredAccount;
use crate::api::{AppSpec, EntitlementSpec, LedgerEntry, PendingIntent};
use crate::connectors::{Connector, Failure, FailureClass};
use crate::converge::budget::Permit;
use crate::converge::{
    self, Context, Observed, Plan, Refusal, RemoteAccount, Reply, Resolution, Step, Wanted,
};
use crate::runtime::failpoint;

use planning::plan_with;
pub use planning::rehearse;

/// Why a pass was given up although nothing failed at the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// What was decided does not hold any more: decide again.
    Changed,
    /// The cluster could not be asked or written to: try again.
    Cluster,
    /// The removal budget keeps it: the App's gate says when it may go on.
    Held,
}

/// Why a step was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// The target failed.
    Target(Failure),
    /// See [`Stop`].
    Stop(Stop),
}

/// An entitlement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entitlement {
    /// It exists.
    Known {
        /// Type.
        kind: String,
        /// Remote id.
        id: String,
    },
    /// It is to be made first.
    ToMake(EntitlementSpec),
}

/// That an account should hold an entitlement, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Which.
    pub entitlement: Entitlement,
    /// Who: id of the account.
    pub account: String,
    /// Whether it is to hold the entitlement.
    pub held: bool,
    /// The account can be used, and what it holds is to be taken away.
    pub urgent: bool,
}

/// That nobody else's access as an administrator of the App is taken away meanwhile.
pub type Turn = tokio::sync::OwnedMutexGuard<()>;

/// What a pass needs besides the target.
pub trait Ports: Send + Sync {
    /// The time.
    fn now(&self) -> Timestamp;
    /// Makes sure that the User cannot vanish unnoticed while it has accounts.
    fn before_first_account(&self) -> impl Future<Output = Result<(), Stop>> + Send;
    /// The first password of the account that is about to be made, if it is to have one. If it is kept for the person,
    /// it was stored before this returns, and every later call returns the same one until the account is there.
    fn first_password(
        &self,
        desired: &DesiredAccount,
    ) -> impl Future<Output = Result<Option<SecretString>, Halt>> + Send;
    /// Makes sure, by a live read, that what the plan takes away is still to be taken away, and that the App's removal
    /// budget has a place for it.
    fn before_removal(&self, plan: &Plan) -> impl Future<Output = Result<Permit, Stop>> + Send;
    /// What is known of an entitlement.
    fn resolve(
        &self,
        entitlement: &EntitlementSpec,
    ) -> impl Future<Output = Result<Resolution, Failure>> + Send;
    /// Gives entitlements to the account, or takes them away. The outcomes are in the order of the wishes: the remote id
    /// of the entitlement, or why it was not done.
    ///
    /// This may take a while: `entry` is the ledger entry as it stands.
    fn entitle(
        &self,
        entry: Option<&LedgerEntry>,
        wishes: Vec<Wish>,
    ) -> impl Future<Output = Vec<Result<String, Halt>>> + Send;
    /// Waits for the turn to take away what administrators of the App have.
    fn administration(&self) -> impl Future<Output = Turn> + Send;
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
    let mut run = Run {
        connector,
        ports,
        work,
        policy,
        entry: work.entry.clone(),
        touched: false,
        permit: None,
        password: None,
    };
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
    /// Without it nothing is taken away.
    permit: Option<Permit>,
    password: Option<SecretString>,
}

impl Ending {
    /// Whether the account was looked at to the end: also where what it holds, or the account, is held, but it was seen
    /// out of use.
    pub fn is_looked_at(&self) -> bool {
        match self {
            Self::Settled(_) | Self::Refused(..) => true,
            Self::Stopped(Some(entry), Stop::Held) => entry.state.is_out_of_use(),
            Self::Trouble(..) | Self::Stopped(..) => false,
        }
    }
}

impl<C: Connector, P: Ports> Run<'_, C, P> {
    fn context(&self) -> Context<'_> {
        self.work.context.at(self.policy, self.ports.now())
    }

    /// One plan carried out. `None`: the login was taken, plan again.
    async fn attempt(&mut self, seen: &mut Observed) -> Result<Option<Ending>, Halt> {
        let ctx = self.work.context.at(self.policy, self.ports.now());
        let (plan, _turn) =
            plan_with(self.connector, self.ports, self.work, self.entry.as_ref(), seen, &ctx).await?;
        failpoint::hit("after-find");
        self.permit = None;
        if plan.removes(self.context().login_attribute) {
            match self.ports.before_removal(&plan).await {
                Ok(permit) => self.permit = Some(permit),
                Err(Stop::Held) => return self.cut_again(&plan, seen).await,
                Err(stop) => return Err(stop.into()),
            }
        }
        if plan.steps.iter().any(|s| matches!(s, Step::Create(_) | Step::Adopt { .. } | Step::Announce(_))) {
            self.ports.before_first_account().await?;
            failpoint::hit("after-finalizer");
        }
        if plan.steps.iter().any(|s| matches!(s, Step::Create(_))) {
            self.prepare_password().await?;
        }
        let Some(account) = self.carry_out(&plan, seen).await? else {
            return Ok(None);
        };
        let entry = converge::open(self.entry.as_ref(), &self.context());
        let entry = converge::settle(entry, &self.work.wanted, &plan, account.as_ref(), &self.context());
        Ok(Some(match plan.blocked {
            None => Ending::Settled(entry),
            Some(refusal) => Ending::Refused(entry, refusal),
        }))
    }

    /// What the account still holds, or the account, is held; but it was taken out of use before. That is made good, which
    /// takes nothing away that had not gone, and read back.
    async fn cut_again(&mut self, plan: &Plan, seen: &mut Observed) -> Result<Option<Ending>, Halt> {
        let gone = matches!(self.work.wanted, Wanted::Gone(_));
        let out = self.entry.as_ref().filter(|entry| gone && entry.state.is_out_of_use());
        let again = out.and_then(|entry| Some((entry.id.clone(), plan.cut_again(&entry.id)?)));
        if let Some((id, again)) = again {
            self.permit = Some(Permit::uncounted());
            let account = self.carry_out(&again, seen).await?.flatten();
            let entry = converge::open(self.entry.as_ref(), &self.context());
            if !account.is_some_and(|account| account.id == id && !account.active) {
                let refusal = Refusal::not_applied();
                let entry = converge::fail(entry, refusal.reason, &refusal.message, &self.context());
                return Ok(Some(Ending::Refused(Some(entry), refusal)));
            }
            self.entry = Some(converge::read_back(entry, &self.work.wanted, &self.context()));
            self.touched = true;
        }
        Ok(Some(Ending::Stopped(self.progress(), Stop::Held)))
    }

    /// One password a pass, whichever login the account gets.
    async fn prepare_password(&mut self) -> Result<(), Halt> {
        if let Wanted::Account(desired) = &self.work.wanted
            && self.password.is_none()
        {
            self.password = self.ports.first_password(desired).await?;
            failpoint::hit("after-password");
        }
        Ok(())
    }

    /// Takes the steps of a plan, and returns the account as the last reply showed it. `None`: the login was taken.
    async fn carry_out(
        &mut self,
        plan: &Plan,
        seen: &mut Observed,
    ) -> Result<Option<Option<RemoteAccount>>, Halt> {
        let mut account = plan.account.clone();
        for steps in plan.steps.chunk_by(|one, next| held(one).is_some() && held(one) == held(next)) {
            let Some(step) = steps.first() else { continue };
            if held(step).is_some() {
                let in_use = account.as_ref().is_some_and(|account| account.active);
                self.entitle(steps, in_use).await?;
                continue;
            }
            match self.take(step).await {
                Ok(Reply::Account(seen_after)) => account = Some(seen_after),
                Ok(_) => {}
                Err(Halt::Target(failure)) if failure.class == FailureClass::Conflict => {
                    let Some(login) = taken_login(step, self.context().login_attribute) else {
                        return Err(Halt::Target(failure));
                    };
                    seen.refused(login);
                    return Ok(None);
                }
                Err(halt) => return Err(halt),
            }
        }
        Ok(Some(account))
    }

    async fn take(&mut self, step: &Step) -> Result<Reply, Halt> {
        self.check(step)?;
        let outcome = self.perform(step).await;
        let mut entry = converge::open(self.entry.as_ref(), &self.context());
        if let Ok(reply) = &outcome {
            entry = self.recorded(entry, step, reply);
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
                let made = target.create(account, self.password.as_ref());
                Reply::Account(failpoint::during("create-sent", made).await?)
            }
            Step::Update { id, changes } => {
                Reply::Account(failpoint::during("update-sent", target.update(id, changes)).await?)
            }
            Step::Suspend { id } => {
                Reply::Account(failpoint::during("suspend-sent", target.set_active(id, false)).await?)
            }
            Step::EndSessions { id } => Reply::Sessions(target.end_sessions(id).await?),
            Step::Resume { id } => Reply::Account(target.set_active(id, true).await?),
            Step::Delete { id } => {
                failpoint::during("delete-sent", target.delete(id)).await?;
                Reply::Done
            }
            // Grants and revocations are taken by `entitle`; the others are in the ledger only.
            _ => Reply::Done,
        };
        failpoint::hit(&format!("after-{}", step.as_str()));
        Ok(reply)
    }

    /// Grants, or revocations: asked for together, and each recorded as far as it succeeded.
    async fn entitle(&mut self, steps: &[Step], in_use: bool) -> Result<(), Halt> {
        steps.iter().try_for_each(|step| self.check(step))?;
        let wishes = steps.iter().filter_map(|step| self.wish(step, in_use)).collect();
        let outcomes = self.ports.entitle(self.entry.as_ref(), wishes).await;
        let mut halted = Ok(());
        for (step, outcome) in steps.iter().zip(outcomes) {
            let mut entry = converge::open(self.entry.as_ref(), &self.context());
            match outcome {
                Ok(remote) => {
                    failpoint::hit(&format!("after-{}", step.as_str()));
                    entry = self.recorded(entry, step, &Reply::Entitlement(remote));
                    self.ports.performed(step, &entry, Ok(()));
                    self.entry = Some(entry);
                    self.touched = true;
                }
                Err(halt) => {
                    if let Halt::Target(failure) = &halt {
                        self.ports.performed(step, &entry, Err(failure));
                    }
                    halted = halted.and(Err(halt));
                }
            }
        }
        halted
    }

    /// That a step takes nothing away without the gate's permit.
    fn check(&self, step: &Step) -> Result<(), Stop> {
        let removes = step.removes(self.context().login_attribute);
        if removes && self.permit.is_none() { Err(Stop::Changed) } else { Ok(()) }
    }

    fn recorded(&self, entry: LedgerEntry, step: &Step, reply: &Reply) -> LedgerEntry {
        let ctx = self.context();
        let mut entry = converge::record(entry, step, reply, &ctx);
        if step.removes(ctx.login_attribute) && self.permit.is_some_and(Permit::is_counted) {
            entry.removed_at = Some(ctx.now);
        }
        entry
    }

    fn wish(&self, step: &Step, in_use: bool) -> Option<Wish> {
        Some(match step {
            Step::Revoke { id, kind, entitlement } => Wish {
                entitlement: Entitlement::Known { kind: kind.clone(), id: entitlement.clone() },
                account: id.clone(),
                held: false,
                urgent: in_use,
            },
            Step::Grant { id, entitlement, remote } => Wish {
                entitlement: match remote {
                    Some(id) => Entitlement::Known { kind: entitlement.kind.clone(), id: id.clone() },
                    None => Entitlement::ToMake(entitlement.clone()),
                },
                account: id.clone().or_else(|| Some(self.entry.as_ref()?.id.clone())).unwrap_or_default(),
                held: true,
                urgent: false,
            },
            _ => return None,
        })
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

/// Whether the step gives an entitlement, or takes one away; `None`: neither.
fn held(step: &Step) -> Option<bool> {
    match step {
        Step::Grant { .. } => Some(true),
        Step::Revoke { .. } => Some(false),
        _ => None,
    }
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
