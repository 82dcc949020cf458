//! Asks a target what a plan needs to know.

use super::super::administrators::{self, Administration};
use super::super::decide::AccountDecision;
use super::{Ports, Turn};
use crate::api::{AppSpec, LedgerEntry};
use crate::connectors::{Connector, Failure};
use crate::converge::{self, Context, Observed, Plan, Query, Refusal};

/// What a pass would do, for an App that only plans.
pub async fn rehearse<C: Connector, P: Ports>(
    connector: &C,
    ports: &P,
    work: &AccountDecision,
    policy: &AppSpec,
) -> Result<Plan, Failure> {
    let (mut seen, ctx) = (Observed::default(), work.context.at(policy, ports.now()));
    plan_with(connector, ports, work, work.entry.as_ref(), &mut seen, &ctx).await.map(|(plan, _)| plan)
}

pub(super) async fn plan_with<C: Connector, P: Ports>(
    connector: &C,
    ports: &P,
    work: &AccountDecision,
    entry: Option<&LedgerEntry>,
    seen: &mut Observed,
    ctx: &Context<'_>,
) -> Result<(Plan, Option<Turn>), Failure> {
    let (mut turn, mut keeps) = (None, false);
    loop {
        match converge::plan(&work.wanted, entry, seen, ctx) {
            Ok(plan) => return Ok((plan, turn)),
            Err(Query::LastAdministrator(id)) => {
                let held = match turn.take() {
                    Some(held) => held,
                    None => ports.administration().await,
                };
                let found = administrators::of(connector, ports, &ctx.spec.administrators, &id).await?;
                seen.administers(id, found == Administration::Alone);
                // Of two who go at the same time each would see the other stay.
                keeps |= found != Administration::Ordinary;
                turn = keeps.then_some(held);
            }
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
            if let Some(account) = &account {
                seen.stands(&account.id, connector.standing(account));
            }
            seen.account(id, account);
        }
        Query::Find { attribute, value } => {
            let found = connector.find(&attribute, &value).await?;
            for account in &found {
                seen.stands(&account.id, connector.standing(account));
            }
            seen.found(attribute, value, found);
        }
        Query::Held(id) => {
            match connector.held(&id).await {
                Ok(held) => seen.holds(id, held),
                // It is suspended all the same.
                Err(Failure { reason, message, .. }) if seen.is_in_use(&id) => {
                    seen.hides(id, Refusal { reason, message });
                }
                Err(failure) => return Err(failure),
            }
        }
        Query::Resolve(entitlement) => {
            let resolution = ports.resolve(&entitlement).await?;
            seen.resolution(entitlement, resolution);
        }
        // Asked by `plan_with`, which keeps the turn.
        Query::LastAdministrator(_) => {}
    }
    Ok(())
}
