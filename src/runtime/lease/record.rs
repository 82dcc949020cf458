//! Lease objects: what is read from them and how they are written.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::ObjectMeta;

use super::LeaseTiming;
use super::core::Record;

/// Duration, in seconds, in a Lease that its holder released (as client-go writes it).
const RELEASED: i32 = 1;

pub(super) fn holder(lease: &Lease) -> Option<&String> {
    lease.spec.as_ref()?.holder_identity.as_ref().filter(|holder| !holder.is_empty())
}

pub(super) fn read(lease: &Lease) -> Record {
    let duration = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
    Record {
        uid: lease.metadata.uid.clone().unwrap_or_default(),
        resource_version: lease.metadata.resource_version.clone().unwrap_or_default(),
        holder: holder(lease).cloned(),
        released: holder(lease).is_none() && duration == Some(RELEASED),
    }
}

/// A new Lease, held by `identity`.
pub(super) fn create(name: &str, identity: &str, timing: &LeaseTiming) -> Lease {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    claim(&Lease { metadata, spec: None }, identity, timing)
}

/// The Lease renewed or taken by `identity`. `uid` and `resourceVersion` stay, as the write's preconditions.
pub(super) fn claim(lease: &Lease, identity: &str, timing: &LeaseTiming) -> Lease {
    let now = Some(MicroTime(Timestamp::now()));
    let mut lease = lease.clone();
    let ours = holder(&lease).is_some_and(|holder| holder == identity);
    let spec = lease.spec.get_or_insert_default();
    if !ours {
        spec.lease_transitions = Some(spec.lease_transitions.map_or(0, |count| count.saturating_add(1)));
        spec.acquire_time.clone_from(&now);
    }
    spec.holder_identity = Some(identity.to_owned());
    spec.lease_duration_seconds = i32::try_from(timing.lease_duration.as_millis().div_ceil(1000)).ok();
    spec.renew_time = now;
    lease.metadata.managed_fields = None;
    lease
}

/// The Lease as its holder leaves it.
pub(super) fn release(lease: &Lease) -> Lease {
    let mut lease = lease.clone();
    lease.spec = lease.spec.map(|spec| LeaseSpec {
        holder_identity: None,
        lease_duration_seconds: Some(RELEASED),
        renew_time: Some(MicroTime(Timestamp::now())),
        ..spec
    });
    lease.metadata.managed_fields = None;
    lease
}
