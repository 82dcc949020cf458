//! Somebody whose account is kept by the operator's own code, with the cluster in memory.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;
use tenure::access::{DesiredAccount, DesiredAttribute};
use tenure::api::{AppSpec, LedgerEntry, Reason, Strength};
use tenure::connectors::Connector;
use tenure::connectors::any::traits;
use tenure::controllers::user::act::{self, Ending};
use tenure::controllers::user::decide::{AccountDecision, OwnedContext};
use tenure::converge::{self, Cause, Due, Wanted};

use crate::connection::{Connection, Pass};
use crate::difference::Difference;
use crate::stage::Stage;
use crate::subject::Subject;

/// Somebody, and the ledger entry of their account.
pub(crate) struct Person<'a, 's, S: Subject> {
    stage: &'a Stage<'s, S>,
    pub(crate) who: String,
    pub(crate) login: String,
    pub(crate) marker: String,
    pub(crate) spec: AppSpec,
    pub(crate) desired: DesiredAccount,
    pub(crate) entry: Option<LedgerEntry>,
    /// Steps of the last pass that reached the target.
    pub(crate) steps: Vec<&'static str>,
}

/// How a pass ended well.
pub(crate) struct Settled {
    pub(crate) entry: LedgerEntry,
    /// That the target did not keep some attributes.
    pub(crate) unkept: Option<String>,
}

impl Settled {
    /// A difference where something was not kept.
    pub(crate) fn kept(self) -> Result<LedgerEntry, Difference> {
        self.unkept.map_or(Ok(self.entry), |message| Err(Difference::new(message)))
    }
}

impl<'a, 's, S: Subject> Person<'a, 's, S> {
    pub(crate) fn new(stage: &'a Stage<'s, S>, who: &str) -> Self {
        let login = stage.subject.login(who);
        let desired = DesiredAccount {
            logins: vec![login.clone()],
            attributes: BTreeMap::new(),
            entitlements: BTreeSet::new(),
        };
        let mut person = Self {
            stage,
            who: who.to_owned(),
            login,
            marker: format!("E-{who}"),
            spec: stage.subject.spec(),
            desired,
            entry: None,
            steps: Vec::new(),
        };
        for (name, value) in stage.subject.needs(who) {
            person.wish(&name, value);
        }
        person
    }

    /// An attribute is to have this value; null: none.
    pub(crate) fn wish(&mut self, attribute: &str, value: Value) {
        let wish = DesiredAttribute { value, strength: Strength::Always, clear_when_null: true };
        self.desired.attributes.insert(attribute.to_owned(), wish);
    }

    pub(crate) fn granted(&self) -> Wanted {
        Wanted::Account(Box::new(self.desired.clone()))
    }

    /// Id of the account.
    pub(crate) fn id(&self) -> &str {
        self.entry.as_ref().map(|entry| entry.id.as_str()).filter(|id| !id.is_empty()).expect("an account")
    }

    /// Makes the account old enough for its absence to mean something.
    pub(crate) fn ages(&mut self) {
        if let Some(entry) = &mut self.entry {
            entry.last_transition_time = Some(Timestamp::UNIX_EPOCH);
        }
    }

    /// The login attribute of the connector.
    pub(crate) fn login_attribute(&self) -> &'static str {
        traits(&self.spec.connector).login
    }

    fn work(&self, wanted: Wanted) -> AccountDecision {
        AccountDecision {
            uid: self.who.clone(),
            app: "app".into(),
            wanted,
            entry: self.entry.clone(),
            due: Due::Nothing { next: None },
            personal: true,
            ordered: false,
            dry_run: false,
            unanswered: false,
            bindings: Vec::new(),
            issues: Vec::new(),
            context: OwnedContext {
                marker: self.marker.clone(),
                ..OwnedContext::nothing("app".into(), "target".to_owned())
            },
        }
    }

    /// One pass, on a connection of the case's choice.
    pub(crate) async fn pass_with(
        &mut self,
        connection: &Connection<S::Connector>,
        wanted: Wanted,
    ) -> Ending {
        let work = self.work(wanted);
        let pass = Pass::new(connection);
        let ending = act::pass(&connection.connector, &pass, &work, &self.spec).await;
        self.steps = pass.steps();
        match &ending {
            Ending::Settled(entry) | Ending::Refused(entry, _) => self.entry.clone_from(entry),
            Ending::Trouble(entry, _) | Ending::Stopped(entry, _) => {
                self.entry = entry.clone().or_else(|| self.entry.take());
            }
        }
        ending
    }

    /// One pass.
    pub(crate) async fn pass(&mut self, wanted: Wanted) -> Ending {
        let connection = &self.stage.connection;
        self.pass_with(connection, wanted).await
    }

    /// One pass that should bring everything to what is wanted, so that nothing is due then.
    pub(crate) async fn settle(&mut self, wanted: Wanted) -> Result<Settled, Difference> {
        let ending = self.pass(wanted.clone()).await;
        self.settled(ending, wanted)
    }

    /// The same towards the account that is desired.
    pub(crate) async fn converge(&mut self) -> Result<Settled, Difference> {
        self.settle(self.granted()).await
    }

    fn settled(&self, ending: Ending, wanted: Wanted) -> Result<Settled, Difference> {
        match ending {
            Ending::Settled(entry) => {
                let entry = entry.expect("an entry of somebody with an account");
                let work = self.work(wanted);
                let due =
                    converge::due(&work.wanted, Some(&entry), &work.context.at(&self.spec, Timestamp::now()));
                assert!(matches!(due, Due::Nothing { .. }), "it is settled, and {due:?} is due: {entry:?}");
                let unkept =
                    (entry.reason == Reason::AttributesNotKept.as_str()).then(|| entry.message.clone());
                Ok(Settled { entry, unkept })
            }
            Ending::Refused(_, refusal) => Err(Difference::new(format!("refused: {}", refusal.reason))),
            Ending::Trouble(_, failure) => Err(failure.into()),
            Ending::Stopped(_, stop) => panic!("nothing stops a pass here: {stop:?}"),
        }
    }

    /// Gives the person the account; that the server does not keep every attribute is for other cases to say.
    pub(crate) async fn joins(&mut self) -> Result<(), Difference> {
        let settled = self.converge().await.map_err(|why| Difference::new(format!("create: {why}")))?;
        self.entry = Some(settled.entry);
        Ok(())
    }

    pub(crate) async fn gone(&mut self, cause: Cause) -> Result<LedgerEntry, Difference> {
        Ok(self.settle(Wanted::Gone(cause)).await?.entry)
    }

    /// The account as the connector reads it; it must be there.
    pub(crate) async fn read(&self) -> Result<tenure::converge::RemoteAccount, Difference> {
        let account =
            self.stage.connector().get(self.id()).await?.ok_or_else(|| Difference::new("it is not there"))?;
        self.stage.assert_true(&account).await;
        Ok(account)
    }
}
