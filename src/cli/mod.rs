//! The command line: parse, wire, print.

pub mod crds;

use anyhow::Result;
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
    /// Print or write the custom resource definitions.
    Crds(crds::CrdsArgs),
}

/// Runs what the command line asks for.
pub fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Crds(args) => crds::run(&args),
    }
}
