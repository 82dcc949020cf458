use rstest::rstest;
use serde_json::json;

use super::*;

#[rstest]
#[case::silent(json!({}), Capabilities::default())]
#[case::nonsense(json!({ "patch": true, "filter": [], "pagination": "yes" }), Capabilities::default())]
#[case::strings(
    json!({ "Patch": { "Supported": "True" }, "etag": { "supported": "false" } }),
    Capabilities { patch: true, ..Capabilities::default() }
)]
#[case::full(
    json!({ "patch": { "supported": true }, "filter": { "supported": true }, "etag": { "supported": true } }),
    Capabilities { patch: true, filter: true, etag: true, ..Capabilities::default() }
)]
#[case::cursor(
    json!({ "pagination": { "cursor": true, "index": true, "maxPageSize": 20 } }),
    Capabilities { paging: Paging::Cursor, page: 20, ..Capabilities::default() }
)]
#[case::large_pages(
    json!({ "pagination": { "cursor": false, "maxPageSize": 5000 } }),
    Capabilities::default()
)]
fn what_is_not_promised_is_done_without(#[case] config: Value, #[case] expected: Capabilities) {
    assert_eq!(read(&config), expected);
}
