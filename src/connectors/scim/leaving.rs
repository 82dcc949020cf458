//! What a leaver still has besides the account: sessions, and whatever the account holds.

use serde_json::Value;

use super::groups::members;
use super::listing::Query;
use super::values::{attribute, texts};
use super::{GROUP_TYPE, Scim, resource, trouble};
use crate::api::scim::{MemberChange, MemberReads, PasswordLogin, SuspendedSessions};
use crate::api::{Reason, SessionsReason};
use crate::connectors::{Failure, FailureClass, LeftOpen};
use crate::converge::{RemoteAccount, SessionReport};

impl Scim {
    /// SCIM has no request for it: what is known of the service provider counts, once the suspension was read back.
    pub(super) async fn sessions(&self) -> Result<SessionReport, Failure> {
        Ok(match self.profile().await?.sessions {
            SuspendedSessions::End => SessionReport::REVOKED,
            SuspendedSessions::Unknown => SessionReport::unproved(SessionsReason::Unknown),
            SuspendedSessions::TokensLiveOn => SessionReport::unproved(SessionsReason::TokensLiveOn),
            SuspendedSessions::StayOpen => SessionReport::not_supported(SessionsReason::SessionsStayOpen),
        })
    }

    /// The ways in that a suspension leaves open here.
    pub(super) fn ways_left_open(&self) -> Vec<LeftOpen> {
        let profile = self.shared.profile.so_far();
        let password = (profile.password_login == PasswordLogin::Accepted).then_some(LeftOpen::Password);
        let sessions = match profile.sessions {
            SuspendedSessions::TokensLiveOn => Some(LeftOpen::Tokens),
            SuspendedSessions::StayOpen => Some(LeftOpen::Sessions),
            SuspendedSessions::Unknown | SuspendedSessions::End => None,
        };
        password.into_iter().chain(sessions).collect()
    }

    /// Every group, role and entitlement of an account.
    pub(super) async fn all_held(&self, id: &str) -> Result<Vec<(String, String)>, Failure> {
        let Some(account) = self.account(id).await? else { return Ok(Vec::new()) };
        let mut held = self.groups_of(&account).await?;
        for kind in ["role", "entitlement"] {
            let values = texts(&account, attribute(kind)?);
            held.extend(values.map(|text| (kind.to_owned(), text.to_owned())));
        }
        Ok(held)
    }

    async fn groups_of(&self, account: &RemoteAccount) -> Result<Vec<(String, String)>, Failure> {
        let profile = self.profile().await?;
        if profile.members == MemberChange::Unsupported {
            return Ok(Vec::new());
        }
        if profile.member_reads != MemberReads::Group {
            return Err(cannot_be_seen("choose removeEntitlements Managed or None"));
        }
        // `groups` of the account is optional (RFC 7643 §4.1.2), so that its absence tells nothing.
        let query =
            Query { operation: "list groups", collection: "Groups", filter: None, without_members: false };
        let keep = |group: &Value| {
            // Some name members by login.
            let theirs = |id: &String| *id == account.id || *id == account.login;
            let member = members::read(group).is_some_and(|members| members.iter().any(theirs));
            resource::id(group).map(|group| member.then(|| (GROUP_TYPE.to_owned(), group)))
        };
        Ok(self.collect(&query, keep).await?)
    }
}

fn cannot_be_seen(cure: &str) -> Failure {
    let message = format!("list groups: the App does not show who is in its groups: {cure}");
    trouble(FailureClass::Permanent, Reason::InvalidConfiguration, message)
}
