use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn nothing_passes_a_closed_fence() {
    assert_eq!(Fence::closed().check(Duration::ZERO), Err(Fenced));
    let fence = Fence::open();
    assert_eq!(fence.check(SECOND * 3600), Ok(()));
    fence.close();
    assert_eq!(fence.check(Duration::ZERO), Err(Fenced));
}

#[test]
fn validity_must_exceed_what_the_request_may_take() {
    let fence = Fence::closed();
    let clone = fence.clone();
    fence.extend(Instant::now() + SECOND * 20);
    assert_eq!(clone.check(SECOND * 10), Ok(()));
    assert_eq!(clone.check(SECOND * 20), Err(Fenced));
    fence.extend(Instant::now());
    assert_eq!(clone.check(Duration::ZERO), Err(Fenced));
}
