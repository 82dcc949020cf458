use super::*;

#[test]
fn a_long_list_is_counted() {
    assert_eq!(Vec::<String>::new().spelled(), "");
    assert_eq!(vec!["title".to_owned(), "ims".to_owned()].spelled(), "title, ims");
    let many: Vec<_> = (100..300).map(|n| format!("attribute{n}")).collect();
    let text = many.spelled();
    assert!(text.len() <= 256 && text.ends_with(", and 184 more"), "{text}");
    assert_eq!(vec!["x".repeat(256); 2].spelled(), "and 2 more");
}
