use std::collections::BTreeSet;

use rstest::rstest;
use serde_json::json;
use tenure::connectors::scim::Scim;
use tenure::connectors::{Connector, Failure};
use tenure::converge::RemoteAccount;

use crate::server::{Profile, Server, person};

async fn all(scim: &Scim) -> Result<(Vec<RemoteAccount>, usize), Failure> {
    let (mut accounts, mut pages, mut cursor) = (Vec::new(), 0, None);
    loop {
        let page = scim.page(cursor.as_deref()).await?;
        accounts.extend(page.accounts);
        pages += 1;
        cursor = page.next;
        if cursor.is_none() {
            return Ok((accounts, pages));
        }
    }
}

#[rstest]
#[case(Profile::Full, 0, 1)]
#[case(Profile::Full, 100, 1)]
#[case(Profile::Full, 101, 2)]
#[case(Profile::Cursor, 0, 1)]
#[case(Profile::Cursor, 3, 1)]
#[case(Profile::Cursor, 10, 4)]
#[tokio::test]
async fn a_listing_holds_every_account_once(
    #[case] profile: Profile,
    #[case] count: usize,
    #[case] pages: usize,
) {
    let server = Server::start(profile).await;
    let (scim, _) = server.connector();
    for n in 0..count {
        let made = scim.create(&person(&format!("user{n}"), &format!("E-{n}"), &json!({}))).await.unwrap();
        if n == 1 {
            scim.set_active(&made.id, false).await.unwrap();
        }
    }
    let (accounts, read) = all(&scim).await.unwrap();
    assert_eq!((accounts.len(), read), (count, pages));
    let markers: BTreeSet<_> = accounts.iter().map(|account| account.marker.clone().unwrap()).collect();
    assert_eq!(markers.len(), count);
    assert_eq!(accounts.iter().filter(|account| !account.active).count(), usize::from(count > 1));
}

/// What is found by filter is on several pages too, and among many others where there is no filter.
#[rstest]
#[tokio::test]
async fn a_search_reads_all_its_pages(#[values(Profile::Cursor, Profile::Bare)] profile: Profile) {
    let server = Server::start(profile).await;
    let (scim, _) = server.connector();
    for n in 0..8 {
        let title = if n < 5 { "Boss" } else { "Clerk" };
        scim.create(&person(&format!("user{n}"), &format!("E-{n}"), &json!({ "title": title })))
            .await
            .unwrap();
    }
    assert_eq!(scim.find("title", "boss").await.unwrap().len(), 5);
}

/// Accounts that go away while a listing by position is read would hide others; it says so instead.
#[tokio::test]
async fn a_listing_that_shrinks_begins_again() {
    let server = Server::start(Profile::Full).await;
    let (scim, _) = server.connector();
    let mut ids = Vec::new();
    for n in 0..150 {
        ids.push(scim.create(&person(&format!("user{n}"), &format!("E-{n}"), &json!({}))).await.unwrap().id);
    }
    let first = scim.page(None).await.unwrap();
    scim.delete(&ids[0]).await.unwrap();
    let failure = scim.page(first.next.as_deref()).await.unwrap_err();
    assert_eq!(failure.class, tenure::connectors::FailureClass::RetryAfter);
    assert_eq!(all(&scim).await.unwrap().0.len(), 149);
    scim.page(Some("nonsense")).await.unwrap_err();
}
