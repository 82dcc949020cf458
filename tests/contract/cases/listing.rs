//! All accounts.

use std::collections::BTreeSet;

use tenure::connectors::Connector;

use crate::difference::{Outcome, unless};
use crate::stage::Stage;
use crate::subject::{Subject, Wish};

/// A listing in several pages holds every account once, the suspended too, or says that it cannot.
pub(crate) async fn full_listing<S: Subject>(stage: &Stage<'_, S>) -> Outcome {
    let mut ann = stage.person("a");
    ann.joins().await?;
    stage.subject.suspend(ann.id()).await;
    let _alone = stage.alone().await;
    let connector = stage.another_connector(Wish { create_entitlements: false, page: Some(3) });
    let all = stage.subject.accounts().await;
    let (mut listed, mut pages, mut cursor) = (Vec::new(), 0, None);
    loop {
        let page = connector.page(cursor.as_deref()).await?;
        listed.extend(page.accounts);
        pages += 1;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let ids: BTreeSet<_> = listed.iter().map(|account| account.id.as_str()).collect();
    assert_eq!(ids.len(), listed.len(), "each once");
    assert_eq!(ids, all.iter().map(|account| account.id.as_str()).collect(), "all of them");
    for account in &listed {
        let shown = all.iter().find(|shown| shown.id == account.id).expect("just compared");
        assert_eq!((&account.marker, account.active), (&shown.marker, shown.active), "as they are");
    }
    unless(pages > 1, "all come in one page")
}
