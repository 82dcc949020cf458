//! How each kind that the index watches is taken in.

use std::fmt::Debug;
use std::time::Instant;

use k8s_openapi::api::core::v1::Secret;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::objects::Meta;
use super::person::{RawUser, StoredPerson};
use super::watch::Change;
use super::{AppObject, Fleet, Intake, Key, Name, RoleObject};
use crate::access::AppRules;
use crate::api::{self, App, AppBinding, Hold, Role};

/// In which pass over the kind an object was seen.
#[derive(Clone, Copy)]
pub(super) struct Pass {
    /// Counts the lists; what a list does not touch is swept after it.
    pub(super) epoch: u32,
    /// When the list began, for an object that a list brought.
    pub(super) listed_since: Option<Instant>,
}

/// A kind that the index watches.
pub(super) trait Watched:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static
{
    const KIND: &'static str;
    const LABELS: Option<&'static str> = None;

    fn namespaced(client: Client, namespace: &str) -> Api<Self>;
    /// Takes an object in. `Err` says why it cannot be decoded; it counts as seen all the same.
    fn put(fleet: &Fleet, key: &Key, object: Self, pass: Pass) -> Result<Option<Change>, String>;
    fn changed(key: &Key) -> Option<Change>;
    fn gone(fleet: &Fleet, key: &Key) -> Option<Change>;
    fn unseen(fleet: &Fleet, scope: Option<&Name>, epoch: u32) -> Vec<Key>;
}

fn collect_unseen(
    scope: Option<&Name>,
    fleet: &Fleet,
    unseen: impl Fn(&super::Namespace) -> Vec<Name>,
) -> Vec<Key> {
    let all = fleet.all();
    all.iter()
        .filter(|(ns, _)| scope.is_none_or(|s| s == *ns))
        .flat_map(|(ns, content)| unseen(content).into_iter().map(|n| Key::new(ns.clone(), n)))
        .collect()
}

impl Watched for RawUser {
    const KIND: &'static str = "User";

    fn namespaced(client: Client, namespace: &str) -> Api<Self> {
        Api::namespaced(client, namespace)
    }

    fn put(fleet: &Fleet, key: &Key, object: Self, pass: Pass) -> Result<Option<Change>, String> {
        match StoredPerson::from_raw(object) {
            Ok(mut person) => {
                person.epoch = pass.epoch;
                let intake =
                    fleet.write(&key.namespace, |ns| ns.put_user(&key.name, person, pass.listed_since));
                Ok(match intake {
                    Intake::Same => None,
                    Intake::Changed => Some(Change::User(key.clone())),
                    Intake::WentBack => Some(Change::WentBack(key.clone())),
                })
            }
            Err(problem) => {
                fleet.write(&key.namespace, |ns| ns.user_undecodable(&key.name, pass.epoch));
                Err(problem)
            }
        }
    }

    fn changed(key: &Key) -> Option<Change> {
        Some(Change::User(key.clone()))
    }

    fn gone(fleet: &Fleet, key: &Key) -> Option<Change> {
        let person = fleet.write(&key.namespace, |ns| ns.remove_user(&key.name))?;
        Some(Change::UserGone { key: key.clone(), person_id: person.person_id })
    }

    fn unseen(fleet: &Fleet, scope: Option<&Name>, epoch: u32) -> Vec<Key> {
        collect_unseen(scope, fleet, |ns| {
            ns.users().filter(|(_, p)| p.epoch != epoch).map(|(n, _)| n.clone()).collect()
        })
    }
}

impl Watched for DeserializeGuard<Role> {
    const KIND: &'static str = "Role";

    fn namespaced(client: Client, namespace: &str) -> Api<Self> {
        Api::namespaced(client, namespace)
    }

    fn put(fleet: &Fleet, key: &Key, object: Self, pass: Pass) -> Result<Option<Change>, String> {
        fleet.write(&key.namespace, |ns| match object.0 {
            Ok(role) => Ok(ns.put_role(&key.name, role, pass.epoch).then(|| Change::Role(key.clone()))),
            Err(invalid) => {
                if let Some(role) = ns.roles.get_mut(&key.name) {
                    role.undecodable = true;
                    role.meta = Meta::of(&invalid.metadata, pass.epoch);
                } else {
                    ns.book.mark_unreadable(&key.name);
                    let meta = Meta::of(&invalid.metadata, pass.epoch);
                    let role = RoleObject {
                        meta,
                        spec: api::RoleSpec::default(),
                        status: api::RoleStatus::default(),
                        undecodable: true,
                    };
                    ns.roles.insert(key.name.clone(), role);
                }
                Err("spec or status cannot be decoded".to_owned())
            }
        })
    }

    fn changed(key: &Key) -> Option<Change> {
        Some(Change::Role(key.clone()))
    }

    fn gone(fleet: &Fleet, key: &Key) -> Option<Change> {
        fleet.write(&key.namespace, |ns| ns.remove_role(&key.name));
        Some(Change::Role(key.clone()))
    }

    fn unseen(fleet: &Fleet, scope: Option<&Name>, epoch: u32) -> Vec<Key> {
        collect_unseen(scope, fleet, |ns| {
            ns.roles.iter().filter(|(_, r)| r.meta.epoch != epoch).map(|(n, _)| n.clone()).collect()
        })
    }
}

impl Watched for DeserializeGuard<App> {
    const KIND: &'static str = "App";

    fn namespaced(client: Client, namespace: &str) -> Api<Self> {
        Api::namespaced(client, namespace)
    }

    fn put(fleet: &Fleet, key: &Key, object: Self, pass: Pass) -> Result<Option<Change>, String> {
        fleet.write(&key.namespace, |ns| match object.0 {
            Ok(app) => Ok(ns.put_app(&key.name, app, pass.epoch).then(|| Change::App(key.clone()))),
            Err(invalid) => {
                let meta = Meta::of(&invalid.metadata, pass.epoch);
                let app = ns.apps.entry(key.name.clone()).or_insert_with(|| AppObject {
                    meta: meta.clone(),
                    spec: None,
                    status: api::AppStatus::default(),
                    rules: AppRules::compile(
                        crate::connectors::any::traits(&api::app::Connector::default()),
                        &[],
                    )
                    .0,
                    problems: Vec::new(),
                    undecodable: true,
                });
                app.meta = meta;
                app.undecodable = true;
                Err("spec or status cannot be decoded".to_owned())
            }
        })
    }

    fn changed(key: &Key) -> Option<Change> {
        Some(Change::App(key.clone()))
    }

    fn gone(fleet: &Fleet, key: &Key) -> Option<Change> {
        fleet.write(&key.namespace, |ns| ns.apps.remove(&key.name));
        Some(Change::App(key.clone()))
    }

    fn unseen(fleet: &Fleet, scope: Option<&Name>, epoch: u32) -> Vec<Key> {
        collect_unseen(scope, fleet, |ns| {
            ns.apps.iter().filter(|(_, a)| a.meta.epoch != epoch).map(|(n, _)| n.clone()).collect()
        })
    }
}

impl Watched for DeserializeGuard<AppBinding> {
    const KIND: &'static str = "AppBinding";

    fn namespaced(client: Client, namespace: &str) -> Api<Self> {
        Api::namespaced(client, namespace)
    }

    fn put(fleet: &Fleet, key: &Key, object: Self, pass: Pass) -> Result<Option<Change>, String> {
        fleet.write(&key.namespace, |ns| match object.0 {
            Ok(binding) => {
                let roles = ns.put_binding(&key.name, binding, pass.epoch);
                Ok(roles.map(|roles| Change::Binding {
                    key: key.clone(),
                    roles: (!roles.is_empty()).then_some(roles),
                }))
            }
            Err(invalid) => {
                if let Some(binding) = ns.bindings.get_mut(&key.name) {
                    binding.meta = Meta::of(&invalid.metadata, pass.epoch);
                    binding.undecodable = true;
                } else {
                    let meta = Meta::of(&invalid.metadata, pass.epoch);
                    ns.unreadable_bindings.insert(key.name.clone(), meta);
                }
                Err("spec or status cannot be decoded".to_owned())
            }
        })
    }

    fn changed(key: &Key) -> Option<Change> {
        Some(Change::Binding { key: key.clone(), roles: None })
    }

    fn gone(fleet: &Fleet, key: &Key) -> Option<Change> {
        let roles = fleet.write(&key.namespace, |ns| ns.remove_binding(&key.name));
        Some(Change::Binding { key: key.clone(), roles: (!roles.is_empty()).then_some(roles) })
    }

    fn unseen(fleet: &Fleet, scope: Option<&Name>, epoch: u32) -> Vec<Key> {
        collect_unseen(scope, fleet, |ns| {
            let unread = ns.unreadable_bindings.iter().filter(|(_, meta)| meta.epoch != epoch);
            let unread = unread.map(|(name, _)| name.clone());
            ns.bindings
                .iter()
                .filter(|(_, b)| b.meta.epoch != epoch)
                .map(|(n, _)| n.clone())
                .chain(unread)
                .collect()
        })
    }
}

impl Watched for DeserializeGuard<Hold> {
    const KIND: &'static str = "Hold";

    fn namespaced(client: Client, namespace: &str) -> Api<Self> {
        Api::namespaced(client, namespace)
    }

    fn put(fleet: &Fleet, key: &Key, object: Self, pass: Pass) -> Result<Option<Change>, String> {
        fleet.write(&key.namespace, |ns| match object.0 {
            Ok(hold) => Ok(ns.put_hold(&key.name, hold, pass.epoch).then(|| Change::Hold(key.clone()))),
            Err(invalid) => {
                if let Some(hold) = ns.holds.get_mut(&key.name) {
                    hold.meta = Meta::of(&invalid.metadata, pass.epoch);
                }
                Err("spec or status cannot be decoded".to_owned())
            }
        })
    }

    fn changed(key: &Key) -> Option<Change> {
        Some(Change::Hold(key.clone()))
    }

    fn gone(fleet: &Fleet, key: &Key) -> Option<Change> {
        fleet.write(&key.namespace, |ns| ns.holds.remove(&key.name));
        Some(Change::Hold(key.clone()))
    }

    fn unseen(fleet: &Fleet, scope: Option<&Name>, epoch: u32) -> Vec<Key> {
        collect_unseen(scope, fleet, |ns| {
            ns.holds.iter().filter(|(_, h)| h.meta.epoch != epoch).map(|(n, _)| n.clone()).collect()
        })
    }
}

impl Watched for PartialObjectMeta<Secret> {
    const KIND: &'static str = "Secret";
    const LABELS: Option<&'static str> = Some(api::CREDENTIALS_LABEL);

    fn namespaced(client: Client, namespace: &str) -> Api<Self> {
        Api::namespaced(client, namespace)
    }

    fn put(_: &Fleet, key: &Key, _: Self, _: Pass) -> Result<Option<Change>, String> {
        Ok(Some(Change::Secret(key.clone())))
    }

    fn changed(key: &Key) -> Option<Change> {
        Some(Change::Secret(key.clone()))
    }

    fn gone(_: &Fleet, key: &Key) -> Option<Change> {
        Some(Change::Secret(key.clone()))
    }

    /// Secrets are not kept; Apps read theirs when told of a change, and a vanished one is noticed at the next use.
    fn unseen(_: &Fleet, _: Option<&Name>, _: u32) -> Vec<Key> {
        Vec::new()
    }
}
