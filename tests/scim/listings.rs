use serde_json::json;
use tenure::connectors::{Connector, FailureClass};

use crate::server::{Profile, Server, person};

/// Accounts that go away while a listing by position is read would hide others; it says so instead.
#[tokio::test]
async fn a_listing_that_shrinks_begins_again() {
    let server = Server::start(Profile::Full).await;
    let (scim, _) = server.connector();
    let mut ids = Vec::new();
    for n in 0..150 {
        ids.push(
            scim.create(&person(&format!("user{n}"), &format!("E-{n}"), &json!({})), None).await.unwrap().id,
        );
    }
    let first = scim.page(None).await.unwrap();
    scim.delete(&ids[0]).await.unwrap();
    let failure = scim.page(first.next.as_deref()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::RetryAfter);
    let (mut count, mut cursor) = (0, None);
    loop {
        let page = scim.page(cursor.as_deref()).await.unwrap();
        count += page.accounts.len();
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(count, 149);
    scim.page(Some("nonsense")).await.unwrap_err();
}
