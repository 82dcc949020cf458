//! A target in memory, and the connector to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use parking_lot::Mutex;
use secrecy::SecretString;
use serde_json::Value;

use super::fixture::PREFIX;
use super::observer::Deed;
use super::world::World;
use crate::api::{EntitlementSpec, Reason};
use crate::connectors::{Connector, Failure, FailureClass, Membership, Page, Probe};
use crate::converge::{Change, NewAccount, RemoteAccount, SessionReport};

/// What becomes of one request that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Lost,
    ReplyLost,
    Unavailable,
    /// The process ends before it is sent.
    Ends,
    /// The process ends before it hears of what was done.
    EndsAfterwards,
}

/// What a listing shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    Whole,
    /// It breaks off after the first account.
    Cut,
    /// It says that it is whole, and lacks the first account.
    Lacking,
    Twice,
}

#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) accounts: BTreeMap<String, RemoteAccount>,
    /// Accounts that somebody else put into use.
    pub(super) revived: BTreeSet<String>,
    /// Account and group.
    pub(super) members: BTreeSet<(String, String)>,
    pub(super) granted: BTreeSet<(String, String)>,
    pub(super) faults: VecDeque<Fault>,
    pub(super) down: bool,
    pub(super) writes: usize,
    pub(super) listing: Listing,
    made: usize,
}

impl Target {
    /// With two accounts that are nobody's: one without marker, one with a stranger's.
    pub(super) fn new() -> Self {
        let stranger = |id: &str, marker: Option<&str>| RemoteAccount {
            id: id.to_owned(),
            login: format!("login-{id}"),
            marker: marker.map(str::to_owned),
            active: true,
            ..RemoteAccount::default()
        };
        let strangers = [stranger("x1", None), stranger("x2", Some("77"))];
        Self {
            accounts: strangers.map(|account| (account.id.clone(), account)).into(),
            revived: BTreeSet::new(),
            members: [("x1".to_owned(), "g1".to_owned())].into(),
            granted: BTreeSet::new(),
            faults: VecDeque::new(),
            down: false,
            writes: 0,
            listing: Listing::Whole,
            made: 0,
        }
    }

    pub(super) fn of(&self, person_id: &str) -> impl Iterator<Item = &RemoteAccount> {
        self.accounts.values().filter(move |account| owner(account.marker.as_deref()) == person_id)
    }

    fn create(&mut self, new: &NewAccount) -> Result<RemoteAccount, Failure> {
        if self.accounts.values().any(|account| account.login == new.login) {
            return Err(failure(FailureClass::Conflict));
        }
        self.made += 1;
        let account = RemoteAccount {
            id: format!("a{}", self.made),
            login: new.login.clone(),
            marker: Some(new.marker.1.clone()),
            active: true,
            attributes: new.attributes.clone(),
            ..RemoteAccount::default()
        };
        self.accounts.insert(account.id.clone(), account.clone());
        Ok(account)
    }

    fn change(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut RemoteAccount),
    ) -> Result<RemoteAccount, Failure> {
        let account = self.accounts.get_mut(id).ok_or_else(|| failure(FailureClass::Gone))?;
        change(account);
        Ok(account.clone())
    }

    fn update(&mut self, id: &str, changes: &[Change]) -> Result<RemoteAccount, Failure> {
        let text = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_owned);
        self.change(id, |account| {
            for Change { attribute, value } in changes {
                match attribute.as_str() {
                    "userName" => account.login = text(value).unwrap_or_default(),
                    "externalId" => account.marker = text(value),
                    other => match value {
                        Some(value) => drop(account.attributes.insert(other.to_owned(), value.clone())),
                        None => drop(account.attributes.remove(other)),
                    },
                }
            }
        })
    }
}

/// The `personId` in a marker of Tenure's.
pub(super) fn owner(marker: Option<&str>) -> &str {
    marker.and_then(|marker| marker.strip_prefix(PREFIX)).unwrap_or_default()
}

pub(super) fn failure(class: FailureClass) -> Failure {
    Failure { class, reason: Reason::Unreachable, message: "fault".to_owned(), retry_after: None }
}

pub(super) struct Wire<'a> {
    pub(super) world: &'a Mutex<World>,
    pub(super) app: usize,
}

impl Wire<'_> {
    fn read<T>(&self, look: impl FnOnce(&Target) -> T) -> Result<T, Failure> {
        let world = self.world.lock();
        match &world.targets[self.app] {
            _ if world.dead => Err(failure(FailureClass::Fenced)),
            target if target.down => Err(failure(FailureClass::RetryAfter)),
            target => Ok(look(target)),
        }
    }

    /// A request that changes something, with what may become of it.
    pub(super) fn send<T>(
        &self,
        deed: &Deed<'_>,
        work: impl FnOnce(&mut Target) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.read(|_| ())?;
        let mut world = self.world.lock();
        let fault = world.targets[self.app].faults.pop_front();
        match fault {
            Some(Fault::Lost) => return Err(failure(FailureClass::Unknown)),
            Some(Fault::Unavailable) => return Err(failure(FailureClass::RetryAfter)),
            Some(Fault::Ends) => {
                world.dead = true;
                return Err(failure(FailureClass::Fenced));
            }
            _ => {}
        }
        world.watch(self.app, deed);
        world.targets[self.app].writes += 1;
        let done = work(&mut world.targets[self.app]);
        world.check_duplicates(self.app);
        match fault {
            Some(Fault::EndsAfterwards) => {
                world.dead = true;
                Err(failure(FailureClass::Fenced))
            }
            Some(_) => Err(failure(FailureClass::Unknown)),
            None => done,
        }
    }
}

impl Connector for Wire<'_> {
    async fn probe(&self) -> Result<Probe, Failure> {
        self.read(|_| Probe::default())
    }

    async fn find(&self, attribute: &str, value: &str) -> Result<Vec<RemoteAccount>, Failure> {
        let hit = |account: &&RemoteAccount| match attribute {
            "externalId" => account.marker.as_deref() == Some(value),
            _ => account.login == value,
        };
        self.read(|target| target.accounts.values().filter(hit).cloned().collect())
    }

    async fn get(&self, id: &str) -> Result<Option<RemoteAccount>, Failure> {
        self.read(|target| target.accounts.get(id).cloned())
    }

    async fn create(&self, new: &NewAccount, _: Option<&SecretString>) -> Result<RemoteAccount, Failure> {
        self.send(&Deed::Create(owner(Some(&new.marker.1))), |target| target.create(new))
    }

    async fn update(&self, id: &str, changes: &[Change]) -> Result<RemoteAccount, Failure> {
        self.send(&Deed::Update(id, changes), |target| target.update(id, changes))
    }

    async fn set_active(&self, id: &str, active: bool) -> Result<RemoteAccount, Failure> {
        let deed = if active { Deed::Resume(id) } else { Deed::Suspend(id) };
        self.send(&deed, |target| {
            target.revived.remove(id);
            target.change(id, |account| account.active = active)
        })
    }

    async fn delete(&self, id: &str) -> Result<(), Failure> {
        self.send(&Deed::Delete(id), |target| {
            target.accounts.remove(id);
            target.members.retain(|(account, _)| account != id);
            Ok(())
        })
    }

    async fn resolve(&self, entitlement: &EntitlementSpec) -> Result<Option<String>, Failure> {
        self.read(|_| Some(entitlement.value.clone()))
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

    async fn entitle(
        &self,
        _: &str,
        group: &str,
        changes: &[Membership],
    ) -> Result<Vec<Result<(), Failure>>, Failure> {
        let one = |Membership { account, held }: &Membership| {
            let pair = (account.clone(), group.to_owned());
            let deed = if *held { Deed::Grant(account) } else { Deed::Revoke(account, group) };
            self.send(&deed, |target| {
                if *held {
                    target.granted.insert(pair.clone());
                    target.members.insert(pair);
                } else {
                    target.granted.remove(&pair);
                    target.members.remove(&pair);
                }
                Ok(())
            })
        };
        Ok(changes.iter().map(one).collect())
    }

    async fn end_sessions(&self, _: &str) -> Result<SessionReport, Failure> {
        self.read(|_| SessionReport::REVOKED)
    }

    async fn page(&self, cursor: Option<&str>) -> Result<Page, Failure> {
        let page = |target: &Target| {
            let all = target.accounts.values().cloned();
            let (all, next) = match (target.listing, cursor) {
                (Listing::Cut, Some(_)) => return Err(failure(FailureClass::RetryAfter)),
                (Listing::Cut, None) => (all.take(1).collect(), Some("more".to_owned())),
                (Listing::Lacking, _) => (all.skip(1).collect(), None),
                (Listing::Twice, None) => (all.collect(), Some("more".to_owned())),
                _ => (all.collect(), None),
            };
            Ok(Page { accounts: all, next })
        };
        self.read(page)?
    }
}
