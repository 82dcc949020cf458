//! A SCIM client that does nothing but send: what a target takes from somebody who needs not think.

use std::time::Instant;

use futures::{StreamExt, stream};
use reqwest::Method;
use serde_json::Value;

use crate::people;
use crate::target::Target;

/// Requests at the same time: an App's own default.
pub const CONCURRENCY: usize = 8;

/// A client of one target.
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    /// For a target; connections are kept, as the operator keeps them.
    pub fn of(target: &Target) -> Self {
        let http = reqwest::Client::builder().no_proxy().http1_only().build().expect("an HTTP client");
        Self { http, base: target.base_url(), token: target.token().to_owned() }
    }

    /// Sends a request; refusals end the benchmark.
    pub async fn send(&self, method: Method, path: &str, body: Option<String>) {
        let url = format!("{}{path}", self.base);
        let request = self.http.request(method, &url).bearer_auth(&self.token);
        let request = request.header("accept", "application/scim+json");
        let request = match body {
            Some(body) => request.header("content-type", "application/scim+json").body(body),
            None => request,
        };
        let answer = request.send().await.unwrap_or_else(|e| panic!("{url}: {e}"));
        assert!(answer.status().is_success(), "{url}: {}", answer.status());
        answer.bytes().await.unwrap_or_else(|e| panic!("{url}: {e}"));
    }
}

/// What the operator would have made of a person, to be sent for others.
pub struct Sample {
    text: String,
    of: usize,
}

impl Sample {
    /// From an account as the fast target has it.
    pub fn new(mut account: Value, of: usize) -> Self {
        let fields = account.as_object_mut().expect("an account");
        fields.retain(|key, _| !["id", "meta"].contains(&key.as_str()));
        Self { text: account.to_string(), of }
    }

    fn for_person(&self, i: usize) -> String {
        let replaced = self.text.replace(&people::login(self.of), &people::login(i));
        replaced.replace(&people::person_id(self.of), &people::person_id(i))
    }
}

/// Looks for each person and makes their account, as the operator does. People a second.
pub async fn onboard(target: &Target, people: usize, sample: &Sample) -> f64 {
    let client = Client::of(target);
    let begun = Instant::now();
    stream::iter(0..people)
        .for_each_concurrent(CONCURRENCY, |i| {
            let client = &client;
            async move {
                let marker = people::person_id(i);
                let query = format!("/Users?filter=externalId+eq+%22{marker}%22&startIndex=1&count=100");
                client.send(Method::GET, &query, None).await;
                client.send(Method::POST, "/Users", Some(sample.for_person(i))).await;
            }
        })
        .await;
    people as f64 / begun.elapsed().as_secs_f64()
}
