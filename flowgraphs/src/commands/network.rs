//! `sidelink network`: the network side of ProSe.

pub mod demo;

use clap::{Args, Subcommand};

/// Arguments of `sidelink network`.
#[derive(Debug, Args)]
pub struct NetworkArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: NetworkCommand,
}

/// Sub-commands of `sidelink network`.
#[derive(Debug, Subcommand)]
pub enum NetworkCommand {
    /// Provision subscribers, bootstrap, fetch codes and keys, discover on the air, have matches checked: one process, no set-up.
    Demo(demo::NetworkDemoArgs),
}

/// Runs it.
///
/// # Errors
/// Those of the sub-command.
pub fn run(args: NetworkArgs) -> anyhow::Result<()> {
    match args.command {
        NetworkCommand::Demo(args) => demo::run(&args),
    }
}
