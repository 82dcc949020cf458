//! The command line: parse, wire, print.

pub mod crds;
pub mod orphans;
pub mod reasons;
pub mod release;
pub mod run;

use anyhow::{Result, anyhow};
use clap::{Parser, Subcommand};

/// Accounts from declared state: joiners get them, movers change them, leavers lose them.
#[derive(Parser, Debug)]
#[command(name = "tenure", version, about, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the operator.
    Run(Box<run::RunArgs>),
    /// Print the reference of reasons.
    Reasons,
    /// Let go of every User and print the ledgers: the way out.
    Release(release::ReleaseArgs),
    /// Write every account in use of an App that is in no ledger.
    Orphans(orphans::OrphansArgs),
    /// Print or write the custom resource definitions.
    Crds(crds::CrdsArgs),
}

/// Runs what the command line asks for.
pub fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Reasons => {
            print!("{}", reasons::page());
            Ok(())
        }
        Command::Release(args) => release::run(&args),
        Command::Orphans(args) => orphans::run(&args),
        Command::Crds(args) => crds::run(&args),
    }
}

/// Installs the process's one TLS provider, before any client is made.
fn install_tls() -> Result<()> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow!("the TLS provider is installed already"))
}
