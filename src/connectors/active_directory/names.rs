//! Names of accounts and groups: what Active Directory takes, and unique ones that are the same every time.

/// Most UTF-16 units of a `cn` (MS-ADSC, `rangeUpper`).
const COMMON_NAME: usize = 64;
/// Most UTF-16 units of a user's `sAMAccountName` (MS-SAMR §3.1.1.6).
const LOGIN: usize = 20;
/// The same of a group's, where a name is made from another one.
const GROUP_LOGIN: usize = 64;
/// Characters that no `sAMAccountName` may have (MS-SAMR §3.1.1.8.4); and `@`, with which some logons fail.
const FORBIDDEN: &str = "\"/\\[]:;|=,+*?<>@";

fn forbidden(character: char) -> bool {
    character.is_control() || FORBIDDEN.contains(character)
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Why a text cannot be a user's `sAMAccountName`, for people; `None`: it can.
pub(super) fn unfit_login(login: &str) -> Option<&'static str> {
    if login.trim().is_empty() {
        Some("it is empty")
    } else if units(login) > LOGIN {
        Some("it is longer than 20 characters")
    } else if login.contains(forbidden) {
        Some("it has a character that is not allowed there: one of \" / \\ [ ] : ; | = , + * ? < > @")
    } else if login.ends_with('.') || login != login.trim() {
        Some("it ends in a dot, or begins or ends with a space")
    } else {
        None
    }
}

/// The `cn` for a wanted name: without spaces at its ends and as long as it may be. Empty where nothing is left, or it
/// has characters that no name may have.
pub(super) fn common_name(wanted: &str) -> String {
    if wanted.contains(char::is_control) {
        return String::new();
    }
    cut(wanted.trim(), COMMON_NAME).trim_end().to_owned()
}

/// The `cn` where somebody else has the wanted one: no login is there twice in a domain.
pub(super) fn qualified(wanted: &str, login: &str) -> String {
    let login = format!(" ({login})");
    let room = COMMON_NAME.saturating_sub(units(&login));
    format!("{}{login}", cut(&common_name(wanted), room).trim_end())
}

/// The name that was wanted of an account whose `cn` may be [`qualified`].
pub(super) fn plain<'a>(common_name: &'a str, login: &str) -> &'a str {
    let before = common_name.strip_suffix(')').and_then(|rest| rest.strip_suffix(login));
    before.and_then(|rest| rest.strip_suffix(" (")).filter(|rest| !rest.is_empty()).unwrap_or(common_name)
}

/// The `sAMAccountName` of a new group.
pub(super) fn group_login(name: &str) -> String {
    let fit: String = name.trim().chars().map(|c| if forbidden(c) { '_' } else { c }).collect();
    cut(&fit, GROUP_LOGIN).trim_end_matches(['.', ' ']).to_owned()
}

/// As much of a text as has no more than so many UTF-16 units.
fn cut(text: &str, most: usize) -> &str {
    let mut length = 0;
    let end = text.char_indices().find(|(_, character)| {
        length += character.len_utf16();
        length > most
    });
    end.map_or(text, |(end, _)| text.get(..end).unwrap_or(text))
}

#[cfg(test)]
mod tests;
