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

/// Hear and speak LTE sidelink (ProSe, PC5, V2X): on recordings, radios and a virtual air.
#[derive(Debug, Parser)]
#[command(name = "sidelink", version = VERSION, about, propagate_version = true)]
#[command(
    after_help = "Start with: sidelink demo; sidelink ue --example=pair -w lab; sidelink generate --example > scenario.toml"
)]
pub struct Cli {
    /// Write more to standard error: -v, -vv, -vvv.
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The sub-commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Announce a text or a code of a key store, on a radio or the virtual air.
    Announce(announce::AnnounceArgs),
    /// Measure speed, sensitivity and security.
    Bench(bench::BenchArgs),
    /// Set configurations of one-to-one links side by side: what each costs, over many runs.
    Compare(scenario::compare::CompareArgs),
    /// Print completions for a shell.
    Completions(completions::CompletionsArgs),
    /// Decode what is in a recording.
    Decode(decode::DecodeArgs),
    /// Two protected UEs and two intruders over a virtual air, in real time: start here.
    Demo(demo::DemoArgs),
    /// List the radios that SoapySDR finds.
    Find(radio::FindArgs),
    /// Make a recording from a scenario of several UEs.
    Generate(generate::GenerateArgs),
    /// Show what a recording looks like: level, spectrum, occupied PRBs.
    Inspect(inspect::InspectArgs),
    /// Make, show, hand out and revoke keys.
    Keys(keys::KeysArgs),
    /// Set up a protected one-to-one link with a peer, and talk, re-key and look at it from the keyboard.
    Link(link::LinkArgs),
    /// Show live what is on the air.
    Listen(listen::ListenArgs),
    /// Print the manual page, or write those of all sub-commands.
    Man(completions::ManArgs),
    /// Show live who is announced: `listen` with the discovery pool of `announce`.
    Monitor(listen::ListenArgs),
    /// Ask a radio what it can do.
    Probe(radio::ProbeArgs),
    /// Measure what a radio achieves, and the transmit advance to configure.
    RadioTest(radio::RadioTestArgs),
    /// Play a named case of one-to-one links over the virtual air, and report what it cost.
    Scenario(scenario::ScenarioArgs),
    /// Be a UE: announce, discover, talk in groups, carry IP, on a radio or the virtual air.
    Ue(ue::UeArgs),
    /// Teach Wireshark what it does not know of sidelink.
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
/// For people: what, where, what to do.
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
