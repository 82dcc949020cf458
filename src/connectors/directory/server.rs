//! One server of a directory: how it is connected to.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, StdStream};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::{Host, Url};

use super::bind::BindRefusal;
use crate::api::Reason;
use crate::connectors::http::forbidden;
use crate::connectors::{Failure, FailureClass};

/// How long a connection may take to be made, with TLS and bind.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest bundle of certificates, in bytes.
const CA_AT_MOST: usize = 256 << 10;

/// Authorities that this machine trusts, as far as they can be read.
static AUTHORITIES: LazyLock<Vec<CertificateDer<'static>>> =
    LazyLock::new(|| rustls_native_certs::load_native_certs().certs);

/// Who is bound as.
#[derive(Clone, Debug)]
pub struct Identity {
    /// DN; Active Directory takes a user principal name too.
    pub name: String,
    /// Password; never empty, which would be no authentication at all (RFC 4513 §5.1.2).
    pub password: SecretString,
}

/// One server of a directory.
#[derive(Debug)]
pub(super) struct Server {
    url: Url,
    host: String,
    port: u16,
    start_tls: bool,
    allow_local: bool,
    timeout: Duration,
}

/// Why there is no connection.
pub(super) enum Trouble {
    /// The server cannot be used; another one may be.
    Server(Failure),
    /// No server can be used as things are.
    Configuration(Failure),
}

impl Server {
    /// Reads the URL of a server: `ldaps://host[:port]`, or `ldap://host[:port]`, on which StartTLS is done unless
    /// `plain_text`, which is for this machine only.
    pub(super) fn new(
        url: &str,
        plain_text: bool,
        allow_local: bool,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        let url = Url::parse(url).map_err(|_| invalid("the URL of a server cannot be read"))?;
        let (Some(host), "" | "/", None, None) = (url.host_str(), url.path(), url.query(), url.password())
        else {
            return Err(invalid("the URL of a server is not ldaps://host[:port] or ldap://host[:port]"));
        };
        let (port, start_tls) = match url.scheme() {
            "ldaps" => (636, false),
            "ldap" => (389, !plain_text),
            _ => return Err(invalid("the URL of a server must be ldaps or ldap")),
        };
        if url.scheme() == "ldap" && plain_text && !(allow_local && is_local(&url)) {
            return Err(invalid(
                "plainText: Allow is for servers on this machine only, and under --allow-insecure-targets",
            ));
        }
        Ok(Self {
            host: host.to_owned(),
            port: url.port().unwrap_or(port),
            start_tls,
            allow_local,
            timeout: timeout.min(CONNECT_TIMEOUT),
            url,
        })
    }

    /// Connects, agrees on TLS and binds.
    pub(super) async fn connect(
        &self,
        tls: &Arc<ClientConfig>,
        identity: &Identity,
    ) -> Result<Ldap, Trouble> {
        let attempt = async {
            let mut ldap = self.open(tls).await?;
            let bound = ldap.simple_bind(&identity.name, identity.password.expose_secret()).await;
            let bound = bound.map_err(|error| Trouble::Server(unreachable(&error)))?;
            accepted(&bound).map(|()| ldap)
        };
        self.in_time(attempt).await
    }

    /// Whether somebody can bind with a password, on a connection of its own.
    pub(super) async fn binds(
        &self,
        tls: &Arc<ClientConfig>,
        identity: &Identity,
    ) -> Result<LdapResult, Trouble> {
        let attempt = async {
            let mut ldap = self.open(tls).await?;
            let bound = ldap.simple_bind(&identity.name, identity.password.expose_secret()).await;
            let bound = bound.map_err(|error| Trouble::Server(unreachable(&error)))?;
            // The server closes the connection then; that it does not answer is as it should be.
            let _ = ldap.unbind().await;
            Ok(bound)
        };
        self.in_time(attempt).await
    }

    async fn in_time<T>(&self, attempt: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        timeout(self.timeout, attempt)
            .await
            .unwrap_or_else(|_| Err(Trouble::Server(away("no connection in time"))))
    }

    async fn open(&self, tls: &Arc<ClientConfig>) -> Result<Ldap, Trouble> {
        let stream = self.stream().await?;
        let settings = LdapConnSettings::new()
            .set_conn_timeout(self.timeout)
            .set_config(tls.clone())
            .set_starttls(self.start_tls)
            .set_std_stream(StdStream::Tcp(stream));
        let opened = LdapConnAsync::with_settings(settings, self.url.as_str()).await;
        let (connection, ldap) = opened.map_err(|error| Trouble::Server(unreachable(&error)))?;
        // Whoever waits for an answer learns that the connection ended.
        tokio::spawn(async move { drop(connection.drive().await) });
        Ok(ldap)
    }

    async fn stream(&self) -> Result<std::net::TcpStream, Trouble> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let found: Vec<SocketAddr> = match found {
            Ok(found) => found.collect(),
            Err(_) => return Err(Trouble::Server(away("the server's name could not be resolved"))),
        };
        if let Some(why) = found.iter().find_map(|address| forbidden(address.ip(), self.allow_local)) {
            return Err(Trouble::Configuration(invalid(why)));
        }
        for address in found {
            if let Ok(stream) = TcpStream::connect(address).await
                && stream.set_nodelay(true).is_ok()
                && let Ok(stream) = stream.into_std()
            {
                return Ok(stream);
            }
        }
        Err(Trouble::Server(away("no connection to the server")))
    }
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        // Hosts of schemes that are not the web's are read as names, addresses too.
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse::<std::net::Ipv4Addr>().is_ok_and(|a| a.is_loopback())
        }
        None => false,
    }
}

/// Whether the server took our credentials.
fn accepted(bound: &LdapResult) -> Result<(), Trouble> {
    let message = match bound.rc {
        0 => return Ok(()),
        48 | 49 | 50 | 53 => BindRefusal::read(&bound.text).meaning(),
        8 | 13 => {
            return Err(Trouble::Configuration(invalid(
                "bind: the server wants TLS: use ldaps://, or ldap:// without plainText",
            )));
        }
        34 => {
            return Err(Trouble::Configuration(invalid(
                "bind: the name in the Secret is not a distinguished name",
            )));
        }
        51 | 52 => return Err(Trouble::Server(away("bind: the server is busy"))),
        _ => return Err(Trouble::Server(away("bind: the server has trouble of its own"))),
    };
    Err(Trouble::Configuration(Failure {
        class: FailureClass::Credentials,
        reason: Reason::CredentialsRefused,
        message: format!("bind: {message}"),
        retry_after: None,
    }))
}

/// What TLS is agreed on with: always verified, by the machine's own authorities and the App's.
pub(super) fn tls(pem: Option<&[u8]>) -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(AUTHORITIES.iter().cloned());
    if let Some(pem) = pem {
        let none = || invalid("the certificates of the App's authority are not PEM certificates");
        if pem.len() > CA_AT_MOST {
            return Err(invalid("the certificates of the App's authority are too long"));
        }
        let own: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let own = own.map_err(|_| none())?;
        if own.is_empty() {
            return Err(none());
        }
        for certificate in own {
            roots.add(certificate).map_err(|_| none())?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| invalid("TLS cannot be set up"))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// Why there is no connection, for people.
fn unreachable(error: &LdapError) -> Failure {
    away(match error {
        LdapError::Io { source } => match source.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(rustls::Error::InvalidCertificate(_)) => CERTIFICATE,
            Some(_) => NO_TLS,
            None => "the connection broke before the server answered",
        },
        LdapError::Rustls { .. } | LdapError::DNSName { .. } => NO_TLS,
        LdapError::LdapResult { .. } => "the server does not do StartTLS: use ldaps://",
        LdapError::Timeout { .. } => "no answer in time",
        _ => "the connection broke before the server answered",
    })
}

const CERTIFICATE: &str =
    "the server's certificate could not be verified: check its name, dates and authority";
const NO_TLS: &str = "no TLS 1.2 or 1.3 could be agreed on with the server";

pub(super) fn away(what: &str) -> Failure {
    Failure {
        class: FailureClass::RetryAfter,
        reason: Reason::Unreachable,
        message: what.to_owned(),
        retry_after: None,
    }
}

pub(super) fn invalid(message: &str) -> Failure {
    Failure {
        class: FailureClass::Permanent,
        reason: Reason::InvalidConfiguration,
        message: message.to_owned(),
        retry_after: None,
    }
}

#[cfg(test)]
mod tests;
