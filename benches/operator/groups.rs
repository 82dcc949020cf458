//! Many people get into one large group.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};

use crate::report::{Report, grouped};
use crate::scim::{CONCURRENCY, Client};
use crate::site::{self, Site};
use crate::support::fast_target::FastTarget;
use crate::target::{Kind, Target};
use crate::usage::Writes;
use crate::{people, progress};

const ROLE: &str = "project";
const GROUP: &str = "everybody";
/// When waiting makes no sense any more.
const PATIENCE: Duration = Duration::from_mins(5);

/// People who are onboarded get a group that has ten times as many members, by one new binding.
pub async fn measure(people: usize, report: &mut Report) {
    progress(&format!("{} people get into a group of {}", grouped(people), grouped(10 * people)));
    let site = Site::new("groups", &[Kind::Fast], &Value::Null).await;
    site.scene.apply("Role", ROLE, json!({})).await;
    site.create(0..people, &[ROLE.to_owned()]).await;
    let operator = site.operate().await;
    site.onboarded(&operator, 0, people).await;
    let target = fast(&site.targets[0]);
    let group = seed(target, 10 * people);
    target.reset_counts();
    let mark = site::plane().await.audit().mark().await;
    let begun = Instant::now();
    let entitlements = json!([{"type": "group", "value": GROUP}]);
    let binding =
        json!({"roleRef": {"name": ROLE}, "appRef": {"name": site::APPS[0]}, "entitlements": entitlements});
    site.scene.apply("AppBinding", ROLE, binding).await;
    wait_for(target, &group, 11 * people).await;
    let took = begun.elapsed().as_secs_f64();
    site.written(&operator, people).await;
    let writes = Writes::since(mark, &site.scene.namespace).await;
    site::stop(&operator).await;
    let counts = target.counts();
    let patches = counts.get("PATCH Groups").copied().unwrap_or_default();
    let raw = alone(people, usize::try_from(patches).unwrap_or(1).max(1)).await;
    report.section(&format!(
        "{} people get into a group of {} members, the fast target",
        grouped(people),
        grouped(10 * people)
    ));
    report.row("write requests to the group", patches.to_string());
    report.row("requests to the target in all", counts.values().sum::<u64>().to_string());
    report.row("from the new binding to the last of them a member", format!("{took:.2} s"));
    report.row("a raw client: the same number of PATCHes, as large", format!("{raw:.2} s"));
    report.row(
        "status writes of that, from the first to the last",
        format!("{} in {:.2} s", grouped(writes.done), writes.seconds),
    );
}

fn fast(target: &Target) -> &FastTarget {
    match target {
        Target::Fast(target) => target,
        Target::Scim2(_) => panic!("the groups are at the fast target"),
    }
}

fn seed(target: &FastTarget, members: usize) -> String {
    let members: Vec<_> = (0..members).map(|i| json!({"value": format!("other-{i}")})).collect();
    target.seed_group(json!({"displayName": GROUP, "members": members}))
}

async fn wait_for(target: &FastTarget, group: &str, members: usize) {
    let begun = Instant::now();
    while target.member_count(group) < members {
        assert!(begun.elapsed() < PATIENCE, "{} of {members} members", target.member_count(group));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Seconds that a client needs which knows the members and does nothing but send.
async fn alone(members: usize, patches: usize) -> f64 {
    let target = Target::start(Kind::Fast).await;
    let path = format!("/Groups/{}", seed(fast(&target), 10 * members));
    let all: Vec<usize> = (0..members).collect();
    let client = Client::of(&target);
    let begun = Instant::now();
    stream::iter(all.chunks(members.div_ceil(patches)))
        .for_each_concurrent(CONCURRENCY, |chunk| {
            let values: Vec<_> = chunk.iter().map(|i| json!({"value": people::login(*i)})).collect();
            let body = json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [{"op": "add", "path": "members", "value": values}],
            });
            client.send(Method::PATCH, &path, Some(body.to_string()))
        })
        .await;
    begun.elapsed().as_secs_f64()
}
