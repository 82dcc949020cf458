//! django-scim2-server in a small Django site: DELETE is a soft delete, most attributes are dropped.

use super::{Launch, Target, copied, launch};
use crate::support::installed;

const TOKEN: &str = "canary-django-token";

/// Starts one, without people and groups, and waits until it answers.
pub async fn start() -> Target {
    let environment = installed("tools/test-servers/django-scim2-server/install.sh");
    let target = launch(|port, folder| {
        copied(&environment.join("template/db.sqlite3"), folder);
        let env = [
            ("DJANGO_SETTINGS_MODULE", "target_site.settings".to_owned()),
            ("PYTHONPATH", environment.join("site").display().to_string()),
            ("TARGET_TOKEN", TOKEN.to_owned()),
        ];
        Launch {
            name: "django-scim2-server",
            program: environment.join("bin/waitress-serve"),
            args: vec![format!("--listen=127.0.0.1:{port}"), "target_site.wsgi:application".to_owned()],
            env: env.map(|(name, value)| (name.to_owned(), value)).into(),
            prefix: "/scim/v2".to_owned(),
            token: TOKEN.to_owned(),
            ready: "/scim/v2/ServiceProviderConfig",
        }
    });
    target.await
}
