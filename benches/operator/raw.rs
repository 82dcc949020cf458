//! The API server alone: the same two writes a person that the operator makes, by clients that do nothing else.

use std::time::Duration;

use futures::{StreamExt, stream};
use kube::Client;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::progress;
use crate::site::{self, CLIENTS, Made};
use crate::support::Scene;
use crate::usage::{Processor, Writes};

/// What one round showed.
pub struct Alone {
    pub people: usize,
    pub writes: Writes,
    pub processor: Processor,
}

#[derive(Deserialize)]
struct Answer {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    resource_version: String,
}

/// Creates people, then writes finalizer and status of each, and measures the writes.
pub async fn round(round: &str, people: usize, status: &Value) -> Alone {
    progress(&format!("{round}: the API server alone"));
    let plane = site::plane().await;
    let scene = Scene::on(plane, "alone").await;
    let made = site::create(&scene, 0..people, &[]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mark = plane.audit().mark().await;
    let before = Processor::read();
    write_all(&scene, &made, status).await;
    let processor = Processor::read().since(&before);
    let writes = Writes::since(mark, &scene.namespace).await;
    assert_eq!((writes.done, writes.refused), (2 * people, 0), "{}", writes.kinds);
    Alone { people, writes, processor }
}

/// Writes finalizer and status of each.
pub async fn write_all(scene: &Scene, made: &[Made], status: &Value) {
    let (client, status) = (scene.plane.client().await, status.to_string());
    stream::iter(made)
        .for_each_concurrent(CLIENTS, |user| write(&client, &scene.namespace, user, &status))
        .await;
}

/// The finalizer by JSON patch with the preconditions that the operator sets, then the status by PUT.
async fn write(client: &Client, namespace: &str, user: &Made, status: &str) {
    let user_path = format!("/apis/tenure.dev/v1alpha1/namespaces/{namespace}/users/{}", user.name);
    let patch = json!([
        {"op": "test", "path": "/metadata/uid", "value": user.uid},
        {"op": "test", "path": "/metadata/resourceVersion", "value": user.resource_version},
        {"op": "add", "path": "/metadata/finalizers", "value": [tenure::api::FINALIZER]},
    ]);
    let version =
        send(client, http::Method::PATCH, &user_path, "application/json-patch+json", patch.to_string()).await;
    let meta =
        json!({"name": user.name, "namespace": namespace, "uid": user.uid, "resourceVersion": version});
    let body = format!(
        r#"{{"apiVersion":"tenure.dev/v1alpha1","kind":"User","metadata":{meta},"spec":{},"status":{status}}}"#,
        user.spec
    );
    send(client, http::Method::PUT, &format!("{user_path}/status"), "application/json", body).await;
}

/// Sends a write and returns the resource version that it led to.
async fn send(client: &Client, method: http::Method, path: &str, kind: &str, body: String) -> String {
    let request = http::Request::builder().method(method).uri(path).header("content-type", kind);
    let request = request.body(body.into_bytes()).expect("a request");
    let answer = client.request_text(request).await.unwrap_or_else(|e| panic!("{path}: {e}"));
    let answer: Answer = serde_json::from_str(&answer).expect("a User");
    answer.metadata.resource_version
}
