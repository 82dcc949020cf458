//! Samba as the domain controller of an Active Directory.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use rand::Rng;

use crate::support::ldap::Raw;
use crate::support::process::{Managed, command, tail};
use crate::support::wait::poll;
use crate::support::{installed, pki, workdir};

/// The domain's root.
pub const BASE: &str = "DC=example,DC=test";
/// Where users are unless they are put elsewhere.
pub const USERS: &str = "CN=Users,DC=example,DC=test";
/// The domain's name.
pub const DOMAIN: &str = "example.test";
/// Who may do everything.
pub const ADMIN: &str = "Administrator@example.test";
/// Its password.
pub const ADMIN_PASSWORD: &str = "canary-Adm1n-Passw0rd";

/// The address in the domain that copies are made of.
const TEMPLATE_ADDRESS: &str = "127.0.0.10";
/// The port of LDAP over TLS, which no option changes.
const TLS_PORT: u16 = 636;

/// A running domain controller, alone in a domain of its own. What it holds ends with it.
pub struct Samba {
    process: Managed,
    folder: PathBuf,
    address: String,
    admin: Raw,
}

impl Samba {
    /// Starts a copy of the domain on a loopback address of its own, and waits until it answers.
    pub async fn start() -> Self {
        let mut last = String::new();
        for _ in 0..5 {
            match Self::try_start().await {
                Ok(server) => return server,
                Err(reason) if reason.contains("ADDRESS_ALREADY") => last = reason,
                Err(reason) => panic!("{reason}"),
            }
        }
        panic!("no free address for samba: {last}");
    }

    async fn try_start() -> Result<Self, String> {
        let (folder, address) = (workdir::folder("samba"), free_address());
        copy_domain(&folder, &address)?;
        let config = folder.join("etc/smb.conf").display().to_string();
        // In one process: nothing is left when it is killed.
        let args = ["-i", "-M", "single", "-s", &config, "--debug-stdout", "-d", "1"];
        let process =
            Managed::spawn("samba", &command(Path::new("/usr/sbin/samba"), args), &folder.join("samba.out"))
                .map_err(|e| format!("samba: {e}"))?;
        let within = Duration::from_mins(1);
        let ready = poll(within, async || {
            let stream = tokio::net::TcpStream::connect((address.as_str(), TLS_PORT)).await;
            stream.map(drop).map_err(|e| e.to_string())
        });
        let result = tokio::select! {
            result = ready => result,
            Some(status) = process.wait_exit(within) => Err(format!("ended with {status}")),
        };
        result.map_err(|e| format!("samba: {e}\n--- the end of its log\n{}", tail(&process.log())))?;
        let admin = Raw::bound(&format!("ldaps://{address}"), ADMIN, ADMIN_PASSWORD).await;
        Ok(Self { process, folder, address, admin })
    }

    /// Its address with TLS.
    pub fn url(&self) -> String {
        format!("ldaps://{}", self.address)
    }

    /// Its address without; StartTLS is taken there.
    pub fn plain_url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// Where it listens with TLS.
    pub fn tls_address(&self) -> (String, u16) {
        (self.address.clone(), TLS_PORT)
    }

    /// A connection that may do everything.
    pub fn admin(&self) -> &Raw {
        &self.admin
    }

    /// The process: to kill or stop it.
    pub fn process(&self) -> &Managed {
        &self.process
    }

    /// The folder of its files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// The domain that copies are made of; provisioned when this is asked for the first time on a machine.
fn template() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| installed("tools/test-servers/samba/install.sh"))
}

fn copy_domain(folder: &Path, address: &str) -> Result<(), String> {
    let template = template();
    let copied = Command::new("cp")
        .args(["-a", "--reflink=auto", "--"])
        .arg(template.join("."))
        .arg(folder)
        .status()
        .map_err(|e| format!("cp: {e}"))?;
    if !copied.success() {
        return Err(format!("cp of {}: {copied}", template.display()));
    }
    pki::directory_server(folder, &["localhost", address]);
    let file = folder.join("etc/smb.conf");
    let text = std::fs::read_to_string(&file).map_err(|e| format!("smb.conf: {e}"))?;
    let here = folder.display().to_string();
    let own = text.replace(&template.display().to_string(), &here).replace(TEMPLATE_ADDRESS, address);
    let mut lines: Vec<_> = own.lines().filter(|line| !line.trim().starts_with("server services")).collect();
    let extra = format!(
        "\tserver services = ldap\n\ttls enabled = yes\n\ttls keyfile = {here}/server.key\n\
         \ttls certfile = {here}/server.crt\n\ttls cafile = {here}/ca.crt"
    );
    let global = lines.iter().position(|line| line.trim() == "[global]").ok_or("smb.conf has no [global]")?;
    lines.insert(global + 1, &extra);
    std::fs::write(&file, lines.join("\n") + "\n").map_err(|e| format!("smb.conf: {e}"))
}

/// A loopback address on which nothing listens: a domain controller's ports are fixed.
fn free_address() -> String {
    for _ in 0..1000 {
        let part = || rand::rng().random_range(2..250);
        let address = format!("127.{}.{}.{}", part(), part(), part());
        match std::net::TcpListener::bind((address.as_str(), TLS_PORT)) {
            Ok(_) => return address,
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
                panic!("samba listens on ports below 1024: run its tests as root")
            }
            Err(_) => {}
        }
    }
    panic!("no free loopback address");
}
