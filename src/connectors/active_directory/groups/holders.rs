//! Who is in a group, for a sweep: asked of the accounts, as long as there are pages. And the groups that an account is in,
//! whoever put it there.

use std::collections::HashSet;

use super::super::accounts::are_accounts;
use super::super::guid::Guid;
use super::super::placement::identity;
use super::super::{ActiveDirectory, GROUP, refusal};
use crate::connectors::Failure;
use crate::connectors::directory::{Filter, Scope, Search};

const SHOWN: [&str; 1] = ["objectGUID"];

impl ActiveDirectory {
    /// Ids of the accounts that are directly in a group, or have it for their primary one; `None` where it is not there.
    pub(in super::super) async fn members_of(
        &self,
        kind: &str,
        group: &str,
    ) -> Result<Option<HashSet<String>>, Failure> {
        let found = match group.parse::<Guid>() {
            Ok(guid) if kind == GROUP => self.group_at(&guid.dn()).await?,
            _ => None,
        };
        let Some(group) = found else { return Ok(None) };
        let mut ways = vec![Filter::equal("memberOf", group.dn.to_string())];
        if let Some(id) = group.relative_id {
            ways.push(Filter::equal("primaryGroupID", id.to_string()));
        }
        let filter = Filter::And(vec![are_accounts(), Filter::Or(ways)]);
        self.all_where("read members", filter).await.map(Some)
    }

    /// The groups that an account is directly in, as type and id. The primary one is none of them: it cannot be left.
    pub(in super::super) async fn groups_of(&self, id: &str) -> Result<Vec<(String, String)>, Failure> {
        const OPERATION: &str = "read groups";
        let Some(seen) = self.seen(OPERATION, id).await? else { return Ok(Vec::new()) };
        let member = Filter::equal("member", seen.dn.to_string());
        let filter = Filter::And(vec![Filter::equal("objectCategory", "group"), member]);
        let groups = self.all_where(OPERATION, filter).await?;
        Ok(groups.into_iter().map(|group| (GROUP.to_owned(), group)).collect())
    }

    /// Ids of all entries of the domain that match.
    async fn all_where(&self, operation: &'static str, filter: Filter) -> Result<HashSet<String>, Failure> {
        let base = self.shared.places.domain.to_string();
        let search = Search { base: &base, scope: Scope::Subtree, filter, attributes: &SHOWN, limit: 0 };
        let (mut ids, mut cursor) = (HashSet::new(), None);
        loop {
            let page = self.shared.directory.page(self.op(operation), &search, cursor.as_deref()).await;
            let (entries, next) = page.map_err(refusal::about_base)?;
            ids.extend(entries.iter().filter_map(identity).map(|guid| guid.to_string()));
            match next {
                Some(next) => cursor = Some(next),
                None => return Ok(ids),
            }
        }
    }
}
