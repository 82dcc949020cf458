//! References between people: an App is told who somebody's manager is by the remote id of the manager's account.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use serde_json::{Value, json};
use support::scene::{SOON, entry};
use support::{Scene, ScimServer, eventually};

fn manager(account: &Value) -> &Value {
    &account["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]["manager"]["value"]
}

async fn has_manager(crm: &ScimServer, login: &str, id: &Value) {
    eventually(SOON, async || {
        let account = crm.user_named(login).await.ok_or("no account")?;
        if manager(&account) == id { Ok(()) } else { Err(format!("{account}")) }
    })
    .await;
}

/// Bob is there before his manager: his account waits for nobody, and is told of her by one write when she arrives.
#[tokio::test(flavor = "multi_thread")]
async fn a_manager_who_arrives_later_is_filled_in_by_one_write() {
    let scene = Scene::new("references").await;
    let crm = scene.scim_app("crm", json!({})).await;
    scene.role_for("sales", json!({}), "crm", &[]).await;
    let _operator = scene.operator().start().await;
    scene.user("bob", &["sales"], json!({"manager": "ann"})).await;
    scene.ready("bob").await;
    let bob = crm.user_named("bob@example.com").await.expect("an account");
    assert_eq!(manager(&bob), &Value::Null);

    crm.proxy().forget();
    scene.user("ann", &["sales"], json!({})).await;
    let ann = entry(&scene.ready("ann").await, "crm")["id"].clone();
    has_manager(&crm, "bob@example.com", &ann).await;
    scene.ready("bob").await;
    let writes: Vec<_> = crm.proxy().requests().into_iter().filter(|r| r.method != "GET").collect();
    let bobs = writes.iter().filter(|r| r.path.ends_with(bob["id"].as_str().unwrap())).count();
    assert_eq!((writes.len(), bobs), (2, 1), "{writes:?}");

    // Another manager, who is there already; then none that has an account, which takes nothing away.
    scene.user("eve", &["sales"], json!({})).await;
    let eve = entry(&scene.ready("eve").await, "crm")["id"].clone();
    scene.user("bob", &["sales"], json!({"manager": "eve"})).await;
    has_manager(&crm, "bob@example.com", &eve).await;
    scene.user("bob", &["sales"], json!({"manager": "nobody", "title": "Rep"})).await;
    eventually(SOON, async || {
        let bob = crm.user_named("bob@example.com").await.ok_or("no account")?;
        if bob["title"] == "Rep" && manager(&bob) == &eve { Ok(()) } else { Err(format!("{bob}")) }
    })
    .await;
}
