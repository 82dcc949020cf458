//! The writes to Users: status and finalizer, each with a precondition on what was read.

use std::time::Duration;

use kube::Client;
use serde::Serialize;
use serde_json::json;

use crate::api::{self, UserStatus};
use crate::runtime::index::{Key, Person, RawUser};
use crate::runtime::metrics::Metrics;

/// How long one call may take. The client's own retries are off: what fails is decided anew.
const PATIENCE: Duration = Duration::from_secs(15);

/// What became of a write.
#[derive(Debug)]
pub enum Written {
    /// The object as it is now.
    Done(Box<RawUser>),
    /// The object was changed meanwhile.
    Conflict,
    /// The object is gone.
    Gone,
    /// The API server could not be asked, or refused.
    Failed(String),
}

/// Reads and writes Users.
#[derive(Clone)]
pub struct Store {
    client: Client,
    metrics: Metrics,
}

impl Store {
    /// Over a client without retries of its own.
    pub fn new(client: Client, metrics: Metrics) -> Self {
        Self { client, metrics }
    }

    /// The User as it is now, or `None`.
    pub async fn read(&self, key: &Key) -> Result<Option<RawUser>, String> {
        match self.send::<()>(http::Method::GET, &path(key, ""), None, "application/json").await {
            Written::Done(user) => Ok(Some(*user)),
            Written::Gone => Ok(None),
            Written::Conflict => Err("conflict on a read".to_owned()),
            Written::Failed(problem) => Err(problem),
        }
    }

    /// Replaces the status, if the User is still at the version that was read.
    pub async fn write_status(&self, person: &Person, status: &UserStatus) -> Written {
        let body = json!({
            "apiVersion": format!("{}/{}", api::GROUP, api::VERSION),
            "kind": "User",
            "metadata": {
                "name": &*person.key.name,
                "namespace": &*person.key.namespace,
                "uid": person.uid,
                "resourceVersion": person.resource_version,
            },
            "spec": person.spec,
            "status": status,
        });
        let outcome = self
            .send(
                http::Method::PUT,
                &path(&person.key, "/status?fieldManager=tenure"),
                Some(&body),
                "application/json",
            )
            .await;
        self.count("UserStatus", &outcome);
        outcome
    }

    /// Puts our finalizer on the User.
    pub async fn hold(&self, person: &Person) -> Written {
        let mut finalizers = person.finalizers.clone();
        finalizers.push(api::FINALIZER.to_owned());
        self.set_finalizers(person, finalizers).await
    }

    /// Takes our finalizer off the User.
    pub async fn release(&self, person: &Person) -> Written {
        let finalizers = person.finalizers.iter().filter(|f| *f != api::FINALIZER).cloned().collect();
        self.set_finalizers(person, finalizers).await
    }

    async fn set_finalizers(&self, person: &Person, finalizers: Vec<String>) -> Written {
        let patch = json!([
            {"op": "test", "path": "/metadata/uid", "value": person.uid},
            {"op": "test", "path": "/metadata/resourceVersion", "value": person.resource_version},
            {"op": "add", "path": "/metadata/finalizers", "value": finalizers},
        ]);
        let kind = "application/json-patch+json";
        let outcome = self
            .send(http::Method::PATCH, &path(&person.key, "?fieldManager=tenure"), Some(&patch), kind)
            .await;
        self.count("User", &outcome);
        outcome
    }

    fn count(&self, kind: &'static str, outcome: &Written) {
        let result = match outcome {
            Written::Done(_) => "ok",
            Written::Conflict => "conflict",
            Written::Gone => "gone",
            Written::Failed(_) => "failed",
        };
        self.metrics.api_write(kind, result);
    }

    async fn send<B: Serialize + Sync>(
        &self,
        method: http::Method,
        path: &str,
        body: Option<&B>,
        kind: &str,
    ) -> Written {
        let bytes = match body.map(serde_json::to_vec).transpose() {
            Ok(bytes) => bytes.unwrap_or_default(),
            Err(error) => return Written::Failed(error.to_string()),
        };
        let request =
            http::Request::builder().method(method).uri(path).header(http::header::CONTENT_TYPE, kind);
        let request = match request.body(bytes) {
            Ok(request) => request,
            Err(error) => return Written::Failed(error.to_string()),
        };
        match tokio::time::timeout(PATIENCE, self.client.request::<RawUser>(request)).await {
            Ok(Ok(user)) => Written::Done(Box::new(user)),
            Ok(Err(kube::Error::Api(status))) => match status.code {
                404 => Written::Gone,
                // A failed `test` of a JSON patch is 422.
                409 => Written::Conflict,
                422 if status.message.contains("the server rejected our request") => Written::Conflict,
                code => Written::Failed(format!("the API server answered {code} {}", status.reason)),
            },
            Ok(Err(error)) => Written::Failed(error.to_string()),
            Err(_) => Written::Failed("the API server gave no answer in time".to_owned()),
        }
    }
}

fn path(key: &Key, tail: &str) -> String {
    format!("/apis/{}/{}/namespaces/{}/users/{}{tail}", api::GROUP, api::VERSION, key.namespace, key.name)
}
