//! The live reads before anything is taken away: the cluster, not the index, has the last word.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use kube::{Api, Client, Resource, ResourceExt};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::decide::Departure;
use crate::api::{App, AppBinding, GROUP, Reason, Role};
use crate::runtime::index::{Fleet, Meta, Name};

const PATIENCE: Duration = Duration::from_secs(10);

/// What a live look at a namespace showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ground {
    /// Roles, Apps and `AppBindings` are as the index has them, and nothing is being torn down.
    Firm,
    /// The namespace or the definitions are being deleted.
    Vanishing(Reason),
    /// Nothing is being torn down, and the index is behind.
    Behind,
    /// The cluster could not be asked.
    Unclear(String),
}

/// The last look at a namespace; locked while somebody looks.
type Look = Arc<tokio::sync::Mutex<Option<(Instant, Ground)>>>;

/// Looks at namespaces; one look serves everybody who asked before it began.
pub struct Guard {
    client: Client,
    fleet: Arc<Fleet>,
    looks: Mutex<HashMap<Name, Look>>,
}

impl Guard {
    /// Over a client without retries of its own.
    pub fn new(client: Client, fleet: Arc<Fleet>) -> Self {
        Self { client, fleet, looks: Mutex::default() }
    }

    /// The ground in a namespace, looked at after `since`.
    pub async fn ground(&self, namespace: &Name, since: Instant) -> Ground {
        let slot = self.looks.lock().entry(namespace.clone()).or_default().clone();
        let mut last = slot.lock().await;
        if let Some((began, ground)) = &*last
            && *began >= since
        {
            return ground.clone();
        }
        let began = Instant::now();
        let ground = match tokio::time::timeout(PATIENCE, self.look(namespace)).await {
            Ok(ground) => ground,
            Err(_) => Ground::Unclear("the API server gave no answer in time".to_owned()),
        };
        *last = Some((began, ground.clone()));
        ground
    }

    /// Why a User that was seen being deleted at `since` is; `None` where the cluster could not be asked.
    pub async fn departure(&self, namespace: &Name, since: Instant) -> Option<Departure> {
        match self.ground(namespace, since).await {
            Ground::Vanishing(reason) => Some(Departure::Released(reason)),
            Ground::Firm | Ground::Behind => Some(Departure::Ordinary),
            Ground::Unclear(_) => None,
        }
    }

    async fn look(&self, namespace: &Name) -> Ground {
        match self.vanishing(namespace).await {
            Ok(None) => {}
            Ok(Some(reason)) => return Ground::Vanishing(reason),
            Err(problem) => return Ground::Unclear(problem),
        }
        match self.compare(namespace).await {
            Ok(true) => Ground::Firm,
            Ok(false) => Ground::Behind,
            Err(problem) => Ground::Unclear(problem),
        }
    }

    async fn vanishing(&self, namespace: &Name) -> Result<Option<Reason>, String> {
        let namespaces = Api::<PartialObjectMeta<Namespace>>::all(self.client.clone());
        match namespaces.get_opt(namespace).await.map_err(|e| e.to_string())? {
            Some(found) if found.metadata.deletion_timestamp.is_none() => {}
            _ => return Ok(Some(Reason::NamespaceDeleted)),
        }
        let definitions = Api::<PartialObjectMeta<CustomResourceDefinition>>::all(self.client.clone());
        for plural in ["users", "roles", "apps", "appbindings", "holds"] {
            match definitions.get_opt(&format!("{plural}.{GROUP}")).await.map_err(|e| e.to_string())? {
                Some(found) if found.metadata.deletion_timestamp.is_none() => {}
                _ => return Ok(Some(Reason::DefinitionsDeleted)),
            }
        }
        Ok(None)
    }

    async fn compare(&self, namespace: &Name) -> Result<bool, String> {
        let roles = self.live::<Role>(namespace).await?;
        let apps = self.live::<App>(namespace).await?;
        let bindings = self.live::<AppBinding>(namespace).await?;
        let same = self.fleet.read(namespace, |ns| {
            agrees(&roles, ns.roles.iter().map(|(n, r)| (n, &r.meta)))
                && agrees(&apps, ns.apps.iter().map(|(n, a)| (n, &a.meta)))
                && agrees(
                    &bindings,
                    ns.bindings.iter().map(|(n, b)| (n, &b.meta)).chain(&ns.unreadable_bindings),
                )
        });
        Ok(same.unwrap_or(false))
    }

    async fn live<K>(&self, namespace: &str) -> Result<BTreeMap<String, (String, i64)>, String>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let list = Api::<PartialObjectMeta<K>>::namespaced(self.client.clone(), namespace)
            .list(&ListParams::default())
            .await;
        let list = list.map_err(|e| e.to_string())?;
        Ok(list
            .items
            .into_iter()
            .map(|o| {
                (
                    o.name_any(),
                    (o.metadata.uid.unwrap_or_default(), o.metadata.generation.unwrap_or_default()),
                )
            })
            .collect())
    }
}

/// Whether the index has exactly what the server has, spec for spec: a generation counts spec changes.
fn agrees<'a>(
    live: &BTreeMap<String, (String, i64)>,
    known: impl Iterator<Item = (&'a Name, &'a Meta)>,
) -> bool {
    let mut count = 0;
    for (name, meta) in known {
        count += 1;
        let same = live
            .get(&**name)
            .is_some_and(|(uid, generation)| *uid == meta.uid && *generation == meta.generation);
        if !same {
            return false;
        }
    }
    count == live.len()
}
