use futures::FutureExt as _;
use tokio::sync::oneshot;

use super::*;

#[tokio::test]
async fn who_stands_aside_leaves_the_place_to_others_and_takes_one_again() {
    let places = Places::new(1);
    let first = places.enter(false).await;
    assert!(places.are_busy() && places.enter(false).now_or_never().is_none(), "there is one place");
    let (go, gone) = oneshot::channel::<u8>();
    let waiting = tokio::spawn(async move { (first.aside(false, gone).await, first) });
    tokio::task::yield_now().await;
    assert!(!places.are_busy());
    let second = places.enter(false).await;
    go.send(7).unwrap();
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished(), "it needs a place to go on");
    drop(second);
    let (said, first) = waiting.await.unwrap();
    assert_eq!(said.unwrap(), 7);
    assert!(places.are_busy() && places.enter(false).now_or_never().is_none());
    drop(first);
    assert!(!places.are_busy() && places.enter(false).now_or_never().is_some());
}

#[tokio::test]
async fn a_leaver_goes_on_in_whichever_place_is_free() {
    let places = Places::new(1);
    let leaver = places.enter(true).await;
    let (go, gone) = oneshot::channel::<u8>();
    let waiting = tokio::spawn(async move { leaver.aside(true, gone).await });
    tokio::task::yield_now().await;
    let _taken = (places.enter(true).await, places.enter(true).await);
    let joiner = places.enter(false).await;
    go.send(7).unwrap();
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    drop(joiner);
    assert_eq!(waiting.await.unwrap().unwrap(), 7);
}

#[tokio::test]
async fn where_too_many_stand_aside_the_place_is_kept() {
    let places = Places::new(1);
    let _others = places.aside.clone().try_acquire_many_owned(ASIDE.try_into().unwrap()).unwrap();
    let place = places.enter(false).await;
    let looked = place.aside(false, async { places.enter(false).now_or_never().is_none() }).await;
    assert!(looked);
}

#[tokio::test]
async fn a_pass_that_is_dropped_while_aside_leaves_nothing_behind() {
    let places = Places::new(1);
    let place = places.enter(false).await;
    let waiting = tokio::spawn(async move { place.aside(false, std::future::pending::<()>()).await });
    tokio::task::yield_now().await;
    waiting.abort();
    assert!(waiting.await.is_err());
    assert!(!places.are_busy() && places.enter(false).now_or_never().is_some());
    assert_eq!(places.aside.available_permits(), ASIDE);
}
