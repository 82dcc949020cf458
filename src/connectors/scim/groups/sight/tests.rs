use super::*;

fn crowd(size: usize) -> Arc<HashSet<String>> {
    Arc::new((0..size).map(|n| n.to_string()).collect())
}

#[test]
fn what_was_seen_counts_for_a_moment_and_once() {
    let mut recent = Recent::default();
    let now = Instant::now();
    recent.put("g", &crowd(3), now);
    assert_eq!(recent.get("g", now), Some(crowd(3)));
    assert_eq!(recent.get("g", now), None);
    recent.put("g", &crowd(3), now);
    assert_eq!(recent.get("g", now + RECENT), None);
}

#[test]
fn memory_is_bounded() {
    let mut recent = Recent::default();
    let now = Instant::now();
    recent.put("large", &crowd(MEMBERS), now);
    recent.put("one more", &crowd(1), now);
    assert_eq!((recent.0.len(), recent.get("one more", now)), (1, None));
    recent.put("one more", &crowd(1), now + RECENT);
    assert_eq!(recent.0.len(), 1, "the old one is forgotten");
}

#[test]
fn a_group_that_shows_no_members_tells_nothing() {
    assert_eq!(Sight::of(&serde_json::json!({ "id": "g" })).holds("a"), None);
    assert_eq!(Sight::of(&serde_json::json!({ "members": [] })).holds("a"), Some(false));
}
