//! Which system an App points to.

use sha2::{Digest, Sha256};

use crate::api::AppSpec;
use crate::api::directory::DirectoryServers;
use crate::connectors::directory::Dn;

/// Where the App points to, without what does not change the system: case of the host, a trailing slash.
pub fn endpoint(spec: &AppSpec) -> String {
    if let Some(ldap) = &spec.connector.ldap {
        let base = Dn::parse(&ldap.base_dn).map_or_else(|_| ldap.base_dn.clone(), |dn| dn.key());
        return format!("{} {base}", servers(&ldap.directory));
    }
    if let Some(ad) = &spec.connector.active_directory {
        // Whichever controllers are named: they are added and taken away as the years go by.
        return format!("domain {}", ad.domain.to_ascii_lowercase());
    }
    let Some(scim) = &spec.connector.scim else {
        return String::new();
    };
    url::Url::parse(&scim.base_url)
        .map_or_else(|_| scim.base_url.clone(), |url| url.as_str().trim_end_matches('/').to_owned())
}

/// A directory's servers in any order: which of them answers does not make another directory.
fn servers(directory: &DirectoryServers) -> String {
    let mut servers: Vec<_> =
        directory.servers.iter().map(|server| server.trim_end_matches('/').to_ascii_lowercase()).collect();
    servers.sort();
    servers.join(" ")
}

/// Short hash of [`endpoint`]: 12 hexadecimal digits.
pub fn hash(spec: &AppSpec) -> String {
    let digest = Sha256::digest(endpoint(spec).as_bytes());
    digest.iter().take(6).fold(String::new(), |hash, byte| format!("{hash}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(base_url: &str) -> AppSpec {
        let auth = serde_json::json!({"bearer": {"tokenSecretRef": {"name": "s", "key": "k"}}});
        serde_json::from_value(
            serde_json::json!({"connector": {"scim": {"baseUrl": base_url, "auth": auth}}}),
        )
        .unwrap()
    }

    #[test]
    fn spelling_does_not_make_another_target() {
        assert_eq!(hash(&app("https://App.Example/scim/")), hash(&app("https://app.example/scim")));
        assert_ne!(hash(&app("https://app.example/scim")), hash(&app("https://app.example/other")));
    }
}
