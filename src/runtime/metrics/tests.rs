use super::*;
use crate::runtime::queue::LaneStats;

fn lines(metrics: &Metrics, needle: &str) -> Vec<String> {
    let text = metrics.encode().unwrap();
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| line.contains(needle) && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

#[test]
fn queues_by_app_and_lane() {
    let metrics = Metrics::new();
    let mut stats = Stats::default();
    stats.lanes[0] = LaneStats { ready: 2, waiting: 3, oldest: Some(Duration::from_secs(7)) };
    metrics.queue("hr", "crm", &stats);
    let labels = r#"{namespace="hr",app="crm",lane="leave"}"#;
    for line in ["queue_depth{} 2", "queue_waiting{} 3", "queue_oldest_seconds{} 7.0"] {
        let line = format!("tenure_{}", line.replace("{}", labels));
        assert!(metrics.encode().unwrap().contains(&line), "{line}");
    }
    assert_eq!(lines(&metrics, r#"lane="verify""#).len(), 3);
    metrics.forget_app("hr", "crm");
    assert!(lines(&metrics, "queue").is_empty());
}

#[test]
fn requests_by_operation_and_class() {
    let metrics = Metrics::new();
    let took = Duration::from_millis(30);
    let meter = metrics.meter("hr", "crm");
    let report = RequestReport { operation: "create", class: "ok", status: None, elapsed: took };
    meter(&report);
    meter(&report);
    meter(&RequestReport { operation: "update", class: "credentials", ..report });
    let app = r#"namespace="hr",app="crm""#;
    let expected = [
        format!(r#"tenure_remote_requests_total{{{app},operation="create",class="ok"}} 2"#),
        format!(r#"tenure_remote_requests_total{{{app},operation="update",class="credentials"}} 1"#),
    ];
    assert_eq!(lines(&metrics, "remote_requests_total"), expected);
    assert_eq!(
        lines(&metrics, "remote_request_seconds_count"),
        [format!("tenure_remote_request_seconds_count{{{app}}} 3")],
    );
}

#[test]
fn accounts_of_every_state_so_that_none_stays_behind() {
    let metrics = Metrics::new();
    metrics.accounts("hr", "crm", &BTreeMap::from([(AccountState::Creating, 4)]));
    metrics.accounts("hr", "crm", &BTreeMap::from([(AccountState::Active, 4)]));
    let lines = lines(&metrics, "tenure_accounts");
    assert_eq!(lines.len(), ACCOUNT_STATES.len());
    for line in lines {
        let expected = if line.contains("\"Active\"") { " 4" } else { " 0" };
        assert!(line.ends_with(expected), "{line}");
    }
}

#[test]
fn the_lease_runs_out_without_being_told() {
    let metrics = Metrics::new();
    assert_eq!(lines(&metrics, "tenure_leader"), ["tenure_leader 0"]);
    let now = Instant::now();
    metrics.lease_valid_until(Some(now + Duration::from_secs(20)));
    metrics.watch_seen("User", now);
    let read = |at| {
        metrics.read_clocks(at);
        let staleness = metrics.process.watch_staleness.get_or_create(&[("kind", "User")]).get();
        let gauges = [metrics.process.lease_valid.get(), staleness].map(Duration::from_secs_f64);
        (metrics.process.leader.get(), gauges.map(|gauge| gauge.as_secs()))
    };
    assert_eq!(read(now + Duration::from_secs(5)), (1, [15, 5]));
    assert_eq!(read(now + Duration::from_secs(20)), (0, [0, 20]));
}

#[test]
fn the_rest_is_there_under_its_name() {
    let metrics = Metrics::new();
    metrics.change_to_effect(Lane::Leave, Duration::from_secs(2));
    metrics.api_write("User", "ok");
    metrics.undecodable_objects("Role", 1);
    metrics.released_accounts(3);
    metrics.event_dropped();
    let text = metrics.encode().unwrap();
    for line in [
        concat!("tenure_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        r#"tenure_change_to_effect_seconds_bucket{le="2.5",lane="leave"} 1"#,
        r#"tenure_api_writes_total{kind="User",result="ok"} 1"#,
        r#"tenure_undecodable_objects{kind="Role"} 1"#,
        "tenure_released_accounts_total 3",
        "tenure_events_dropped_total 1",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(text.ends_with("# EOF\n"));
}
