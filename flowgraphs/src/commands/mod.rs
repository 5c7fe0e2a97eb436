//! One file a sub-command: arguments and wiring only.

pub mod announce;
pub mod bench;
pub mod decode;
pub mod demo;
pub mod generate;
pub mod inspect;
pub mod keys;
pub mod link;
pub mod listen;
pub mod radio;
pub mod scenario;
pub mod ue;

use crate::config::ConfigError;
use clap::{ArgAction, Parser, Subcommand};

/// Hear and speak LTE sidelink (ProSe, PC5, V2X): on recordings, radios and a virtual air.
#[derive(Debug, Parser)]
#[command(name = "sidelink", version, about, propagate_version = true)]
#[command(
    after_help = "Start with: sidelink demo; sidelink ue --example > ue.toml; sidelink generate --example > scenario.toml"
)]
pub struct Cli {
    /// Say more on standard error: -v, -vv, -vvv.
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
    /// Show live who is announced: `listen` with the discovery pool of `announce`.
    Monitor(listen::ListenArgs),
    /// Ask a radio what it can do.
    Probe(radio::ProbeArgs),
    /// Measure what a radio achieves, and the transmit advance to configure.
    RadioTest(radio::RadioTestArgs),
    /// Play a named case of one-to-one links over the virtual air, and say what it cost.
    Scenario(scenario::ScenarioArgs),
    /// Be a UE: announce, discover, talk in groups, carry IP, on a radio or the virtual air.
    Ue(ue::UeArgs),
}

/// Run a sub-command.
///
/// # Errors
/// For people: what, where, what to do.
pub fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Announce(args) => announce::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Compare(args) => scenario::compare::run(&args),
        Command::Decode(args) => decode::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Find(args) => radio::find(&args),
        Command::Generate(args) => generate::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Keys(args) => keys::run(args),
        Command::Link(args) => link::run(args),
        Command::Listen(args) => listen::run(args, false),
        Command::Monitor(args) => listen::run(args, true),
        Command::Probe(args) => radio::probe(&args),
        Command::RadioTest(args) => radio::test(&args),
        Command::Scenario(args) => scenario::run(args),
        Command::Ue(args) => ue::run(args),
    }
}

/// The exit status for an error: 2 where the command line itself is wrong, else 1.
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
