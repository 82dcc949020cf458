use proptest::prelude::*;

use super::*;

#[test]
fn values_of_multi_valued_attributes_are_searched_for() {
    assert_eq!(filter(&searchable("emails"), "a@b"), "emails.value eq \"a@b\"");
    assert_eq!(filter(&searchable("emails.type"), "work"), "emails.type eq \"work\"");
    assert_eq!(filter(&searchable("userName"), "a"), "userName eq \"a\"");
}

proptest! {
    /// The value is one JSON string: it cannot end early and say more.
    #[test]
    fn filter_values_cannot_break_out(value in "\\PC{0,20}|[\"\\\\\\n\\r\\t a]{0,10}") {
        let filter = filter("userName", &value);
        let literal = filter.strip_prefix("userName eq ").unwrap();
        prop_assert_eq!(serde_json::from_str::<String>(literal).unwrap(), value);
    }
}
