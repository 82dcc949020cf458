//! The HTTP client of one App, and where it may connect to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Certificate, Client, redirect, retry};
use url::{Host, Url};

use super::cause;
use crate::api::Reason;
use crate::connectors::{Failure, FailureClass};

/// No request may take longer: a lease is held for a multiple of it.
pub(super) const TIMEOUT_AT_MOST: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_mins(1);
/// Longest bundle of certificates, in bytes.
const CA_AT_MOST: usize = 256 << 10;

/// How an HTTP service is reached. `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are honoured.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Base URL of the service: `https://host[:port][/path]`.
    pub base_url: String,
    /// PEM certificates to trust besides the machine's own authorities.
    pub ca_pem: Option<Vec<u8>>,
    /// How long one request may take, from its leaving the gate to the end of its answer; at most 10 s count.
    pub timeout: Duration,
    /// Allows `http://` and targets on this machine. Without it only https to other addresses. The local link and the
    /// clouds' metadata services are never allowed.
    pub allow_insecure: bool,
    /// `User-Agent` of every request, such as `tenure/0.1.0`.
    pub user_agent: String,
}

/// Sets the client up: TLS always verified, no redirects, no retries of its own.
///
/// HTTP/1.1 only, for the fence's sake: over HTTP/2 a request's head is on its way before its body is asked for, and
/// a server may act on a DELETE whose head is all it got. HTTP/1.1's head and body leave together or not at all.
pub(super) fn build(config: &HttpConfig, timeout: Duration) -> Result<Client, Failure> {
    Client::builder()
        .user_agent(config.user_agent.as_str())
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(retry::never())
        .timeout(timeout)
        .connect_timeout(timeout.min(CONNECT_TIMEOUT))
        .http1_only()
        .pool_idle_timeout(IDLE)
        .tls_certs_merge(authorities(config.ca_pem.as_deref())?)
        .dns_resolver(Arc::new(Resolver { allow_insecure: config.allow_insecure }))
        .build()
        .map_err(|_| {
            invalid("the HTTP client cannot be set up: check the certificates of this machine and the App's")
        })
}

fn authorities(pem: Option<&[u8]>) -> Result<Vec<Certificate>, Failure> {
    let Some(pem) = pem else { return Ok(Vec::new()) };
    if pem.len() > CA_AT_MOST {
        return Err(invalid("the certificates of the App's authority are too long"));
    }
    match Certificate::from_pem_bundle(pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(invalid("the certificates of the App's authority are not PEM certificates")),
    }
}

/// Reads a URL and refuses one that requests must not go to.
pub(super) fn target(url: &str, allow_insecure: bool) -> Result<Url, Failure> {
    let url = Url::parse(url).map_err(|_| invalid("the URL cannot be read"))?;
    if url.username() != "" || url.password().is_some() || url.fragment().is_some() {
        return Err(invalid("the URL must not have a user, password or fragment"));
    }
    match url.scheme() {
        "https" => {}
        "http" if allow_insecure => {}
        "http" => {
            return Err(invalid("the URL must be https: credentials would travel in the clear"));
        }
        _ => return Err(invalid("the URL must be https")),
    }
    let address = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(_)) => None,
        None => return Err(invalid("the URL names no host")),
    };
    match address.and_then(|address| forbidden(address, allow_insecure)) {
        Some(why) => Err(invalid(why)),
        None => Ok(url),
    }
}

const LOCAL: &str = "the URL leads to this machine, which only the flag --allow-insecure-targets allows";
const NEVER: &str =
    "the URL leads to the local link or to a cloud's metadata service, which is never allowed";

/// Metadata services outside the local link: Alibaba's, Azure's, Amazon's by IPv6, Google's by IPv6.
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// Why requests must not go to an address, if so: there live kubelets and the clouds' metadata services.
pub(in crate::connectors) fn forbidden(address: IpAddr, allow_insecure: bool) -> Option<&'static str> {
    let (link, here) = match address {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.is_loopback() || v4.is_unspecified()),
        IpAddr::V6(v6) => (v6.is_unicast_link_local(), v6.is_loopback() || v6.is_unspecified()),
    };
    if link || METADATA.contains(&address) {
        return Some(NEVER);
    }
    if here {
        return (!allow_insecure).then_some(LOCAL);
    }
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) => embedded(v6).and_then(|v4| forbidden(v4.into(), allow_insecure)),
    }
}

/// The IPv4 address in an IPv4-mapped or IPv4-compatible one (RFC 4291 §2.5.5), or one that a NAT64 gateway translates
/// (RFC 6052 §2.1).
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        _ => v6.to_ipv4(),
    }
}

/// Resolves names, and refuses one that leads to an address that requests must not go to. It is asked at each
/// connection, so a name cannot be changed between check and use. Through a proxy, the proxy resolves names.
struct Resolver {
    allow_insecure: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Forbidden(&'static str);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_insecure = self.allow_insecure;
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if let Some(why) = found.iter().find_map(|address| forbidden(address.ip(), allow_insecure)) {
                return Err(Forbidden(why).into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// A cause that only a change of the configuration cures.
pub(super) fn diagnose(error: &reqwest::Error) -> Option<&'static str> {
    cause::<Forbidden>(error).map(|forbidden| forbidden.0)
}

/// Why nothing was reached, for people.
pub(super) fn unreachable(error: &reqwest::Error) -> &'static str {
    match tls(error) {
        Some(rustls::Error::InvalidCertificate(_)) => {
            "the target's certificate could not be verified: check its name, dates and authority"
        }
        Some(_) => "no TLS 1.2 or 1.3 could be agreed on with the target",
        None if error.is_dns() => "the target's name could not be resolved",
        None if error.is_timeout() => "no answer in time",
        None if error.is_connect() => "no connection to the target",
        None => "the connection broke before the answer was complete",
    }
}

/// Whether an answer came whole and cannot be decompressed.
pub(super) fn undecodable(error: &reqwest::Error) -> bool {
    cause::<std::io::Error>(error).is_some_and(|error| error.kind() == std::io::ErrorKind::InvalidData)
}

/// How TLS failed, if it did: the error is wrapped in I/O errors, whose inner error is not among the sources.
fn tls(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let found = error.downcast_ref().or_else(|| inner.and_then(|inner| inner.downcast_ref()));
        if found.is_some() {
            return found;
        }
        next = inner.map(|inner| inner as _).or_else(|| error.source());
    }
    None
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
