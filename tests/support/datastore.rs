//! What tests do to etcd: going back in time, and forgetting the past.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::control_plane::ControlPlane;
use super::{http, workdir};

/// A copy of etcd's data.
pub struct Snapshot {
    folder: PathBuf,
}

impl ControlPlane {
    /// Copies the data. The control plane is stopped for it and comes back on the same ports.
    pub async fn snapshot(&self) -> Snapshot {
        self.stop_all().await;
        let folder = workdir::folder("snapshot").join("etcd-data");
        copy(&self.etcd_data(), &folder);
        self.start_all().await;
        Snapshot { folder }
    }

    /// Puts the data back, as a restored backup does: objects, and resource versions too, are those of then.
    pub async fn restore(&self, snapshot: &Snapshot) {
        self.stop_all().await;
        std::fs::remove_dir_all(self.etcd_data()).expect("the old data is removed");
        copy(&snapshot.folder, &self.etcd_data());
        self.start_all().await;
    }

    /// Makes etcd forget everything before now.
    ///
    /// This alone ends no watch and fails none that resumes: the API server answers those from its
    /// own memory. See [`Self::expire_watches`].
    pub async fn compact_etcd(&self) {
        // The key "\0", in base 64; any will do, the revision comes with every answer.
        let range = self.etcd_call("range", &json!({ "key": "AA==", "limit": 1 })).await;
        let revision = &range["header"]["revision"];
        assert!(!revision.is_null(), "etcd gave no revision: {range}");
        self.etcd_call("compaction", &json!({ "revision": revision, "physical": true })).await;
    }

    /// Makes every watch end, and fail with 410 Gone when it resumes where it was.
    ///
    /// Compacts and restarts the API server, whose memory of events begins anew.
    pub async fn expire_watches(&self) {
        self.compact_etcd().await;
        self.kill_apiserver();
        self.start_apiserver().await;
    }

    async fn etcd_call(&self, method: &str, body: &Value) -> Value {
        let url = format!("http://127.0.0.1:{}/v3/kv/{method}", self.ports.etcd);
        let answer = http().post(&url).json(body).send().await.unwrap_or_else(|e| panic!("{url}: {e}"));
        let status = answer.status();
        let text = answer.text().await.unwrap_or_else(|e| panic!("{url}: {e}"));
        // Compacting what is compacted already is no failure.
        assert!(status.is_success() || text.contains("has been compacted"), "{url}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{url}: {e}: {text}"))
    }
}

fn copy(from: &Path, to: &Path) {
    // cp, because it keeps etcd's preallocated files sparse.
    let status = Command::new("cp")
        .args(["-a", "--sparse=always", "--"])
        .args([from, to])
        .status()
        .unwrap_or_else(|e| panic!("cp: {e}"));
    assert!(status.success(), "cp {} {}: {status}", from.display(), to.display());
}
