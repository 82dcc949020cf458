//! An application made with better-auth and its SCIM plugin: accounts with passwords and sessions.

use std::ops::Deref;

use reqwest::Method;
use reqwest::header::SET_COOKIE;
use serde_json::{Value, json};

use super::{Launch, Target, launch, node};

const PREFIX: &str = "/api/auth/scim/v2";

/// The token of [`Target::token`], for everything; its id is `first`.
pub const TOKEN: &str = "canary-better-auth-first";
/// Another token for everything, as it stands beside the first while that is being replaced; its id is `next`.
pub const NEXT_TOKEN: &str = "canary-better-auth-next";
/// A token that may read users and groups and change neither; its id is `reader`.
pub const READER_TOKEN: &str = "canary-better-auth-reader";

/// A running application.
pub struct BetterAuth(Target);

impl Deref for BetterAuth {
    type Target = Target;

    fn deref(&self) -> &Target {
        &self.0
    }
}

impl BetterAuth {
    /// Starts one and waits until it answers.
    pub async fn start() -> Self {
        let credentials = json!([
            {"id": "first", "token": TOKEN},
            {"id": "next", "token": NEXT_TOKEN},
            {"id": "reader", "token": READER_TOKEN, "scopes": ["scim.users.read", "scim.groups.read"]},
        ]);
        let target = launch(|port, _| Launch {
            env: vec![
                ("CREDENTIALS".to_owned(), credentials.to_string()),
                ("SECRET".to_owned(), "canary-better-auth-secret-of-the-sessions".to_owned()),
            ],
            ready: "/api/auth/scim/v2/ServiceProviderConfig",
            ..node("better-auth", "tools/test-servers/better-auth/install.sh", port, PREFIX, TOKEN)
        });
        Self(target.await)
    }

    /// Gives the account of this address a password, as the application would on a person's first visit.
    pub async fn set_password(&self, email: &str, password: &str) {
        self.control("password", json!({"email": email, "password": password})).await;
    }

    /// Ends a credential now: from here on its token is refused with 401.
    pub async fn revoke(&self, id: &str) {
        self.control("revoke", json!({ "id": id })).await;
    }

    /// Signs in; the cookie of the new session, or `None` when that is refused.
    pub async fn sign_in(&self, email: &str, password: &str) -> Option<String> {
        let headers = [("content-type", "application/json")];
        let body = json!({"email": email, "password": password}).to_string();
        let (status, headers, answer) =
            self.direct(Method::POST, "/api/auth/sign-in/email", &headers, Some(body)).await;
        match status {
            200 => {
                let cookie = headers[SET_COOKIE].to_str().expect("a cookie");
                Some(cookie.split(';').next().unwrap_or_default().to_owned())
            }
            401 | 403 => None,
            _ => panic!("sign-in of {email}: {status} {answer}"),
        }
    }

    /// Whether the session of this cookie is still good.
    pub async fn session_lives(&self, cookie: &str) -> bool {
        let headers = [("cookie", cookie)];
        let (status, _, session) = self.direct(Method::GET, "/api/auth/get-session", &headers, None).await;
        assert_eq!(status, 200, "get-session: {session}");
        session != Value::Null
    }

    async fn control(&self, action: &str, body: Value) {
        let path = format!("/control/{action}");
        let (status, ..) = self.direct(Method::POST, &path, &[], Some(body.to_string())).await;
        assert_eq!(status, 204, "{path} {body}: {}", self.process().log());
    }
}
