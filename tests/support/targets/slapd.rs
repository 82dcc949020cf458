//! OpenLDAP's slapd, with overlays and password policy as a test wants them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::ldap::Raw;
use crate::support::process::{Managed, command, tail};
use crate::support::wait::poll;
use crate::support::{installed, pki, ports, workdir};

/// The suffix of everything.
pub const BASE: &str = "dc=example,dc=org";
/// Where people are.
pub const PEOPLE: &str = "ou=people,dc=example,dc=org";
/// Where people are who left.
pub const FORMER: &str = "ou=former,dc=example,dc=org";
/// Where groups are.
pub const GROUPS: &str = "ou=groups,dc=example,dc=org";
/// The policy of everybody, where there is one.
pub const POLICY: &str = "cn=default,ou=policies,dc=example,dc=org";
/// The policy of services, the operator among them.
const SERVICES: &str = "cn=services,ou=policies,dc=example,dc=org";
/// What stands in a group that has no member.
pub const PLACEHOLDER: &str = "cn=empty-group-placeholder,dc=example,dc=org";
/// Whom no rule of access binds.
pub const ADMIN: &str = "cn=admin,dc=example,dc=org";
/// Its password.
pub const ADMIN_PASSWORD: &str = "canary-slapd-admin";
/// Whom the operator binds as: an entry like others, which rules of access and limits are about.
pub const OPERATOR: &str = "uid=operator,ou=system,dc=example,dc=org";
/// Its password.
pub const OPERATOR_PASSWORD: &str = "canary-slapd-operator";

/// What holds for passwords (the overlay `ppolicy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// A policy for everybody that locks accounts out.
    #[default]
    Lockout,
    /// A policy for everybody, `pwdLockout: FALSE`.
    WithoutLockout,
    /// The overlay and its attributes are there, and no policy applies to anybody.
    Inapplicable,
    /// The overlay is not there.
    Absent,
}

/// How the server is to be.
#[derive(Clone, Debug)]
pub struct Config {
    /// What holds for passwords.
    pub policy: Policy,
    /// Whether memberships follow entries (overlays `memberof` and `refint`).
    pub follow: bool,
    /// How many entries the operator may be given by one search, pages or not.
    pub size_limit: Option<u32>,
    /// Entries that are there before it starts, in LDIF.
    pub seed: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { policy: Policy::default(), follow: true, size_limit: None, seed: String::new() }
    }
}

/// A running server with a database of its own. What it holds ends with it.
pub struct Slapd {
    process: Managed,
    folder: PathBuf,
    port: u16,
    tls_port: u16,
    admin: Raw,
}

impl Slapd {
    /// Starts one with a few containers and nobody in it, and waits until it answers.
    pub async fn start(config: Config) -> Self {
        Self::seeded(config, "").await
    }

    /// The same with more entries in it, as LDIF.
    pub async fn seeded(config: Config, entries: &str) -> Self {
        let mut last = String::new();
        for _ in 0..5 {
            match Self::try_start(&config, entries).await {
                Ok(server) => return server,
                Err(reason) if reason.to_lowercase().contains("address already in use") => last = reason,
                Err(reason) => panic!("{reason}"),
            }
        }
        panic!("no free port for slapd: {last}");
    }

    async fn try_start(config: &Config, entries: &str) -> Result<Self, String> {
        let programs = installed("tools/test-servers/slapd/install.sh");
        let folder = workdir::folder("slapd");
        for inner in ["config", "db"] {
            std::fs::create_dir(folder.join(inner)).map_err(|e| e.to_string())?;
        }
        pki::directory_server(&folder, &["localhost", "127.0.0.1"]);
        load(&programs, &folder, "0", &configuration(&folder, config))?;
        load(&programs, &folder, "1", &format!("{}\n{entries}", contents(config)))?;
        let (port, tls_port) = (ports::free(), ports::free());
        let urls = format!("ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port}");
        let settings = folder.join("config").display().to_string();
        // Level 0 of debugging keeps it in the foreground.
        let run = command(&programs.join("slapd"), ["-d", "0", "-F", &settings, "-h", &urls]);
        let process =
            Managed::spawn("slapd", &run, &folder.join("slapd.log")).map_err(|e| format!("slapd: {e}"))?;
        let within = Duration::from_secs(30);
        let ready = poll(within, async || {
            let stream = tokio::net::TcpStream::connect(("127.0.0.1", tls_port)).await;
            stream.map(drop).map_err(|e| e.to_string())
        });
        let result = tokio::select! {
            result = ready => result,
            Some(status) = process.wait_exit(within) => Err(format!("ended with {status}")),
        };
        result.map_err(|e| format!("slapd: {e}\n--- the end of its log\n{}", tail(&process.log())))?;
        let admin = Raw::bound(&tls_url(tls_port), ADMIN, ADMIN_PASSWORD).await;
        Ok(Self { process, folder, port, tls_port, admin })
    }

    /// Its address with TLS.
    pub fn url(&self) -> String {
        tls_url(self.tls_port)
    }

    /// Its address without; StartTLS is taken there.
    pub fn plain_url(&self) -> String {
        format!("ldap://localhost:{}", self.port)
    }

    /// The port of TLS.
    pub fn tls_port(&self) -> u16 {
        self.tls_port
    }

    /// The port without TLS.
    pub fn port(&self) -> u16 {
        self.port
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

fn tls_url(port: u16) -> String {
    format!("ldaps://localhost:{port}")
}

/// Writes a database while no server runs.
fn load(programs: &Path, folder: &Path, database: &str, ldif: &str) -> Result<(), String> {
    let file = folder.join(format!("{database}.ldif"));
    std::fs::write(&file, ldif).map_err(|e| e.to_string())?;
    let output = Command::new(programs.join("slapadd"))
        .args(["-q", "-n", database, "-F"])
        .arg(folder.join("config"))
        .arg("-l")
        .arg(file)
        .output()
        .map_err(|e| format!("slapadd: {e}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("slapadd -n {database}: {said}")) }
}

/// `cn=config`, with a small schema of a company's own (under the number of RFC 5612). No line within an entry may be empty: that ends it.
fn configuration(folder: &Path, config: &Config) -> String {
    let limit = config.size_limit.map_or_else(
        || "size=unlimited".to_owned(),
        |most| format!("size.soft={most} size.hard={most} size.pr={most} size.prtotal={most}"),
    );
    let module = if config.policy == Policy::Absent { "" } else { "olcModuleLoad: ppolicy\n" };
    let folder = folder.display().to_string();
    let values = [
        ("@folder@", folder.as_str()),
        ("@module@", module),
        ("@base@", BASE),
        ("@admin@", ADMIN),
        ("@admin_password@", ADMIN_PASSWORD),
        ("@operator@", OPERATOR),
        ("@limit@", &limit),
    ];
    let template = include_str!("slapd/config.ldif").to_owned();
    let mut ldif = values.iter().fold(template, |text, (place, value)| text.replace(place, value));
    ldif.push_str(&overlays(config));
    ldif
}

fn overlays(config: &Config) -> String {
    let unique = format!("olcUniqueURI: ldap:///{BASE}?uid?sub");
    let mut all = vec![("unique", "olcUniqueConfig", unique)];
    if config.follow {
        all.push((
            "memberof",
            "olcMemberOf",
            "olcMemberOfRefint: TRUE\nolcMemberOfDangling: error".to_owned(),
        ));
        let attributes =
            ["member", "uniqueMember", "manager"].map(|name| format!("olcRefintAttribute: {name}\n"));
        all.push((
            "refint",
            "olcRefintConfig",
            format!("{}olcRefintNothing: {PLACEHOLDER}", attributes.concat()),
        ));
    }
    let policy = match config.policy {
        Policy::Lockout | Policy::WithoutLockout => Some(format!("olcPPolicyDefault: {POLICY}\n")),
        Policy::Inapplicable => Some(String::new()),
        Policy::Absent => None,
    };
    if let Some(policy) = policy {
        let rest = "olcPPolicyHashCleartext: TRUE\nolcPPolicyUseLockout: TRUE";
        all.push(("ppolicy", "olcPPolicyConfig", format!("{policy}{rest}")));
    }
    let mut ldif = String::new();
    for (place, (name, class, settings)) in all.into_iter().enumerate() {
        let overlay = format!("{{{place}}}{name}");
        write!(
            ldif,
            "\ndn: olcOverlay={overlay},olcDatabase={{1}}mdb,cn=config\nobjectClass: olcOverlayConfig\n\
             objectClass: {class}\nolcOverlay: {overlay}\n{settings}\n"
        )
        .expect("a text");
    }
    ldif
}

/// The containers, and whom the operator binds as.
fn contents(config: &Config) -> String {
    let mut ldif = format!(
        "dn: {BASE}\nobjectClass: organization\nobjectClass: dcObject\no: Example\ndc: example\n\n\
         dn: {PLACEHOLDER}\nobjectClass: organizationalRole\ncn: empty-group-placeholder\n\n"
    );
    for unit in ["people", "former", "groups", "system", "policies"] {
        write!(ldif, "dn: ou={unit},{BASE}\nobjectClass: organizationalUnit\nou: {unit}\n\n")
            .expect("a text");
    }
    let applies = matches!(config.policy, Policy::Lockout | Policy::WithoutLockout);
    // Else wrong passwords of one test would lock it out for all.
    let own = if applies { format!("pwdPolicySubentry: {SERVICES}\n") } else { String::new() };
    write!(
        ldif,
        "dn: {OPERATOR}\nobjectClass: account\nobjectClass: simpleSecurityObject\nuid: operator\n\
         userPassword: {OPERATOR_PASSWORD}\n{own}\n"
    )
    .expect("a text");
    if applies {
        let lockout = if config.policy == Policy::Lockout { "TRUE" } else { "FALSE" };
        write!(
            ldif,
            "dn: {POLICY}\nobjectClass: device\nobjectClass: pwdPolicy\ncn: default\npwdAttribute: userPassword\n\
             pwdLockout: {lockout}\npwdMaxFailure: 5\npwdLockoutDuration: 300\n\n\
             dn: {SERVICES}\nobjectClass: device\nobjectClass: pwdPolicy\ncn: services\npwdAttribute: userPassword\n\
             pwdLockout: FALSE\n"
        )
        .expect("a text");
    }
    if !config.seed.is_empty() {
        write!(ldif, "\n{}", config.seed).expect("a text");
    }
    ldif
}
