//! Statuses written by a JSON patch with a precondition.

use std::fmt::Debug;
use std::time::Duration;

use kube::Api;
use kube::api::{Patch, PatchParams};
use serde::de::DeserializeOwned;

/// Field manager of what is written.
pub const MANAGER: &str = "tenure";

/// Why a status was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwritten {
    /// The precondition did not hold: somebody else wrote meanwhile.
    Overtaken,
    /// The API server could not be asked in time, or refused.
    Failed,
}

/// Carries out JSON patch `operations` (RFC 6902) on the status of an object, within `patience`; the object as it is then.
pub async fn patch_status<K: Clone + DeserializeOwned + Debug>(
    api: &Api<K>,
    name: &str,
    operations: serde_json::Value,
    patience: Duration,
) -> Result<K, Unwritten> {
    let patch = serde_json::from_value(operations).map_err(|_| Unwritten::Failed)?;
    let (params, patch) = (PatchParams::apply(MANAGER), Patch::Json::<()>(patch));
    match tokio::time::timeout(patience, api.patch_status(name, &params, &patch)).await {
        Ok(Ok(object)) => Ok(object),
        // A failed `test` of a JSON patch is 422.
        Ok(Err(kube::Error::Api(status))) if matches!(status.code, 409 | 422) => Err(Unwritten::Overtaken),
        Ok(Err(_)) | Err(_) => Err(Unwritten::Failed),
    }
}
