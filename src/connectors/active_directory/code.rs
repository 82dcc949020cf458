//! Windows error codes, which stand in the diagnostic text of a refusal (MS-ERREF §2.2): they say more than the LDAP
//! result code. Nothing else of that text is looked at, and none of it is passed on.

/// What a Windows error code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Something with this name, login or other unique value is there.
    Exists,
    /// The password does not satisfy the domain's policy.
    WeakPassword,
    /// The group is the account's primary one.
    PrimaryGroup,
    /// A required attribute would be without a value, or a value is not allowed.
    Violation,
}

/// The code at the beginning: `00002071: samldb: …`, `0000052D: SvcErr: DSID-031A12D2, …`.
fn leading(diagnostic: &str) -> Option<u32> {
    let code = diagnostic.split_once(':')?.0.trim();
    (code.len() == 8).then(|| u32::from_str_radix(code, 16).ok())?
}

/// What the code in a refusal says, as far as something depends on it.
pub(super) fn said(diagnostic: &str) -> Option<Said> {
    Some(match leading(diagnostic)? {
        // ERROR_USER_EXISTS, ERROR_GROUP_EXISTS, ERROR_DS_OBJ_STRING_NAME_EXISTS, and UPN and SPN of the forest.
        0x0524 | 0x0526 | 0x2071 | 0x21C7 | 0x21C8 => Said::Exists,
        0x052D => Said::WeakPassword,
        0x0565 => Said::PrimaryGroup,
        0x202F | 0x2014 | 0x2081 => Said::Violation,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
