//! Invented people, of the size that real ones have.

use serde_json::{Value, json};

const GIVEN: [&str; 8] = ["Ada", "Bjarne", "Chiara", "Dmitri", "Efua", "Farid", "Grace", "Hedy"];
const FAMILY: [&str; 8] =
    ["Lovelace", "Okonkwo", "Rossi", "Schneider", "Tanaka", "Nguyen", "Hopper", "Keller"];
const DEPARTMENTS: [&str; 12] = [
    "Sales",
    "Finance",
    "Legal",
    "Support",
    "Research",
    "Design",
    "Operations",
    "Security",
    "Marketing",
    "People",
    "Data",
    "Platform",
];

/// Name of the object of a person.
pub fn name(i: usize) -> String {
    format!("person-{i:06}")
}

/// Login of a person.
pub fn login(i: usize) -> String {
    format!("{}@corporation.example", name(i))
}

/// `personId` of a person, which is the marker of their accounts too.
pub fn person_id(i: usize) -> String {
    format!("E{i:08}")
}

/// Spec of a person, with these roles assigned.
pub fn spec(i: usize, roles: &[String]) -> Value {
    let (given, family) = (GIVEN[i % 8], FAMILY[i / 8 % 8]);
    json!({
        "personId": person_id(i),
        "userName": login(i),
        "name": {"givenName": given, "familyName": family, "formatted": format!("{given} {family}")},
        "displayName": format!("{given} {family} ({i})"),
        "emails": [{"value": login(i), "type": "work", "primary": true}],
        "phoneNumbers": [{"value": format!("+49 30 {i:08}"), "type": "work"}],
        "title": format!("Specialist {}", i % 40),
        "department": DEPARTMENTS[i % 12],
        "division": "Europe",
        "organization": "Corporation",
        "costCenter": format!("CC-{:04}", i % 300),
        "employeeType": "Employee",
        "manager": name(i / 10),
        "locale": "en-US",
        "timezone": "Europe/Berlin",
        "preferredLanguage": "en",
        "attributes": {"building": format!("B{}", i % 20), "badge": format!("{:06}", i * 7 % 1_000_000)},
        "state": "Active",
        "roles": roles.iter().map(|r| json!({"name": r})).collect::<Vec<_>>(),
    })
}
