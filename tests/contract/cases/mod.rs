//! The cases. Each asserts what no connector may do, and returns what a server may lack.

pub(crate) mod changing;
pub(crate) mod entitling;
pub(crate) mod finding;
pub(crate) mod joining;
pub(crate) mod leaving;
pub(crate) mod listing;
pub(crate) mod suspending;
pub(crate) mod trouble;

use std::collections::BTreeMap;

use tenure::connectors::Connector;

use crate::stage::Stage;
use crate::subject::{Line, Subject, Wish};

/// What a probe says of the server, before any use.
pub(crate) async fn profile<S: Subject>(subject: &S) -> BTreeMap<String, String> {
    let stage = Stage::new(subject).await;
    let _alone = stage.alone().await;
    let probe = stage.another_connector(Wish::default()).probe().await.expect("a server that is there");
    assert_eq!(stage.line.writes(), Vec::<String>::new(), "a probe reads only");
    let all = probe.capabilities.into_iter().map(|c| (c.name, format!("{} ({:?})", c.value, c.source)));
    all.chain([("suspending".to_owned(), format!("{:?}", probe.suspension))]).collect()
}
