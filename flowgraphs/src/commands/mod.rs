//! One file a sub-command: arguments and wiring only.

pub mod announce;
pub mod bench;
pub mod completions;
pub mod decode;
pub mod demo;
pub mod generate;
pub mod inspect;
pub mod keys;
pub mod link;
pub mod listen;
pub mod network;
pub mod radio;
pub mod record;
pub mod scenario;
pub mod ue;
pub mod wireshark;

use crate::config::ConfigError;
use crate::terminal::{self, Ink, paint};
use clap::{ArgAction, Parser, Subcommand};
use std::process::ExitCode;
use tracing::level_filters::LevelFilter;

/// The version, with the commit in a release build from a checkout.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("SIDELINK_COMMIT"));

/// Receive and send LTE sidelink (ProSe, PC5, V2X): on recordings, radios and a virtual air.
#[derive(Debug, Parser)]
#[command(name = "sidelink", version = VERSION, about, propagate_version = true)]
#[command(
    after_help = "Start with: sidelink demo; sidelink ue --example=pair -w lab; sidelink generate --example > scenario.toml"
)]
pub struct Cli {
    /// Log more to standard error: -v, -vv, -vvv.
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
    /// The sub-command.
    #[command(subcommand)]
    pub command: Command,
}

/// The sub-commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Announce a text or the codes of a key store, on a radio or the virtual air.
    Announce(announce::AnnounceArgs),
    /// Measure speed, sensitivity and security.
    Bench(bench::BenchArgs),
    /// Compare the costs of configurations of links, of keys for groups, of relays or of discovery, over many runs.
    Compare(scenario::compare::CompareArgs),
    /// Print completions for a shell.
    Completions(completions::CompletionsArgs),
    /// Decode recordings.
    Decode(decode::DecodeArgs),
    /// Run two protected UEs and two attackers over a virtual air, in real time: start here.
    Demo(demo::DemoArgs),
    /// List the radios that SoapySDR finds.
    Find(radio::FindArgs),
    /// Make a recording from a scenario of several UEs.
    Generate(generate::GenerateArgs),
    /// Show properties of a recording: level, spectrum, occupied PRBs.
    Inspect(inspect::InspectArgs),
    /// Make, show, hand out and revoke keys.
    Keys(keys::KeysArgs),
    /// Set up a protected one-to-one link with a peer; send over it, re-key and show it from the keyboard.
    Link(link::LinkArgs),
    /// Receive and show sidelink messages live.
    Listen(listen::ListenArgs),
    /// Print the manual page, or write the pages of all sub-commands.
    Man(completions::ManArgs),
    /// Show announcements live: `listen` with the discovery pool of `announce`.
    Monitor(listen::ListenArgs),
    /// Be the network side: subscribers, bootstrapping, codes and keys of ProSe.
    Network(network::NetworkArgs),
    /// Show the capabilities of a radio.
    Probe(radio::ProbeArgs),
    /// Measure the performance of a radio, and the transmit advance to configure.
    RadioTest(radio::RadioTestArgs),
    /// Run a named scenario of one-to-one links, groups, relays or discovery over the virtual air, and report its costs.
    Scenario(scenario::ScenarioArgs),
    /// Run a UE: announce, discover, talk in groups, carry IP, on a radio or the virtual air.
    Ue(ue::UeArgs),
    /// Install the dissector of sidelink for Wireshark.
    Wireshark(wireshark::WiresharkArgs),
}

/// Runs the command line: the whole program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(cli.verbose);
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if terminal::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let prefix = paint(terminal::colours_on_stderr(), Ink::Red, "error:");
            eprintln!("{prefix} {}", terminal::message(&error));
            ExitCode::from(exit_status(&error))
        }
    }
}

fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(terminal::colours_on_stderr())
        .with_target(verbose > 1)
        .without_time()
        .init();
}

/// Runs a sub-command.
///
/// # Errors
/// The error for people: what is wrong, where, and what to do.
pub fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Announce(args) => announce::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Compare(args) => scenario::compare::run(&args),
        Command::Completions(args) => completions::print(&args),
        Command::Decode(args) => decode::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Find(args) => radio::find(&args),
        Command::Generate(args) => generate::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Keys(args) => keys::run(args),
        Command::Link(args) => link::run(args),
        Command::Listen(args) => listen::run(args, false),
        Command::Man(args) => completions::man(&args),
        Command::Monitor(args) => listen::run(args, true),
        Command::Network(args) => network::run(args),
        Command::Probe(args) => radio::probe(&args),
        Command::RadioTest(args) => radio::test(&args),
        Command::Scenario(args) => scenario::run(args),
        Command::Ue(args) => ue::run(args),
        Command::Wireshark(args) => wireshark::run(args),
    }
}

/// Returns the exit status for an error: 2 if the command line itself is wrong, otherwise 1.
pub fn exit_status(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<ConfigError>() {
        Some(e) if e.is_usage() => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
