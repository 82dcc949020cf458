//! Certificates and keys of control planes and of directory servers.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// Files of a certificate and its key.
pub struct Identity {
    /// The certificate, PEM.
    pub cert: PathBuf,
    /// Its key, PEM (PKCS#8).
    pub key: PathBuf,
}

/// Everything a control plane needs in the way of certificates. X.509 v3 throughout, as rustls asks.
pub struct Pki {
    /// The certificate authority.
    pub ca: PathBuf,
    /// What kube-apiserver serves with, valid for `localhost` and 127.0.0.1.
    pub server: Identity,
    /// A member of `system:masters`, the tests' own identity.
    pub admin: Identity,
    /// kube-controller-manager's identity, told apart so that the audit log can leave it out.
    pub controllers: Identity,
    /// Signs service account tokens.
    pub service_account_key: PathBuf,
    /// Its public half, in a file of its own: kube-apiserver does not take it out of a PKCS#8 key.
    pub service_account_public: PathBuf,
}

impl Pki {
    /// Makes new keys and certificates in a folder.
    pub fn create(folder: &Path) -> Self {
        let ca = authority();
        let ca_path = write(folder, "ca.crt", &ca.pem());
        let service_account = KeyPair::generate().expect("a key");
        Self {
            ca: ca_path,
            server: issue(folder, &ca, "server", "kube-apiserver", None, &["localhost", "127.0.0.1"]),
            admin: issue(folder, &ca, "admin", "tenure-tests", Some("system:masters"), &[]),
            controllers: issue(
                folder,
                &ca,
                "controllers",
                "system:kube-controller-manager",
                Some("system:masters"),
                &[],
            ),
            service_account_public: write(folder, "service-account.pub", &service_account.public_key_pem()),
            service_account_key: write(folder, "service-account.key", &service_account.serialize_pem()),
        }
    }
}

/// A new certificate authority.
pub fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "tenure-tests-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA")
}

/// The authority that vouches for every directory server of this process, so that one App can use several.
pub fn directories() -> &'static CertifiedIssuer<'static, KeyPair> {
    static CA: OnceLock<CertifiedIssuer<'static, KeyPair>> = OnceLock::new();
    CA.get_or_init(authority)
}

/// Files of what a server serves with that [`directories`] vouches for: `ca.crt`, `server.crt`, and `server.key`,
/// which its owner alone may read.
pub fn directory_server(folder: &Path, names: &[&str]) -> Identity {
    use std::os::unix::fs::PermissionsExt;
    write(folder, "ca.crt", &directories().pem());
    let identity = issue(folder, directories(), "server", "directory", None, names);
    let only_owner = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&identity.key, only_owner).unwrap_or_else(|e| panic!("server.key: {e}"));
    identity
}

/// What a server that `ca` vouches for serves with: valid for these names, and until then.
pub fn server_config(
    ca: &CertifiedIssuer<'static, KeyPair>,
    names: &[&str],
    not_after: (i32, u8, u8),
) -> rustls::ServerConfig {
    super::install_crypto();
    let names: Vec<String> = names.iter().map(|&n| n.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_after = rcgen::date_time_ymd(not_after.0, not_after.1, not_after.2);
    let key = KeyPair::generate().expect("a key");
    let cert = params.signed_by(&key, ca).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
    rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a server's configuration")
}

fn issue(
    folder: &Path,
    ca: &CertifiedIssuer<'static, KeyPair>,
    file: &str,
    common_name: &str,
    organization: Option<&str>,
    names: &[&str],
) -> Identity {
    let names: Vec<String> = names.iter().map(|&n| n.to_owned()).collect();
    let usage = if names.is_empty() {
        ExtendedKeyUsagePurpose::ClientAuth
    } else {
        ExtendedKeyUsagePurpose::ServerAuth
    };
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name.push(DnType::CommonName, common_name);
    if let Some(organization) = organization {
        params.distinguished_name.push(DnType::OrganizationName, organization);
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().expect("a key");
    let cert = params.signed_by(&key, ca).expect("a certificate");
    Identity {
        cert: write(folder, &format!("{file}.crt"), &cert.pem()),
        key: write(folder, &format!("{file}.key"), &key.serialize_pem()),
    }
}

fn write(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    path
}
