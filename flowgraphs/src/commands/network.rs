//! `sidelink network`: the network side of ProSe.

pub mod costs;
pub mod demo;
pub mod example;
#[cfg(feature = "services")]
pub mod orders;
#[cfg(feature = "services")]
pub mod run;

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
    /// Measure what each way of provisioning costs: messages, octets, round trips, milliseconds, processor time.
    Costs(costs::CostsArgs),
    /// Write the configuration of a network with two subscribers, and of their UEs.
    Example(example::ExampleArgs),
    /// Run HSS, BSF, ProSe Function, PKMF, KMS and AAA on sockets until Ctrl-C (a build with --features services).
    #[cfg(feature = "services")]
    Run(run::RunArgs),
    /// Show what has happened in the functions that run.
    #[cfg(feature = "services")]
    Status(orders::StatusArgs),
    /// Add subscribers to the HSS that runs.
    #[cfg(feature = "services")]
    AddSubscriber(orders::AddSubscriberArgs),
    /// Take ProSe from a subscriber: its subscription, codes and keys.
    #[cfg(feature = "services")]
    Revoke(orders::RevokeArgs),
    /// Take the keys of a group from a member: the others get new ones.
    #[cfg(feature = "services")]
    RevokeMember(orders::MemberArgs),
    /// Let a member that was revoked have the keys of its group again.
    #[cfg(feature = "services")]
    AdmitMember(orders::MemberArgs),
    /// Let a UE use no relay any more: its PRUKs are gone.
    #[cfg(feature = "services")]
    RevokeRemote(orders::SubscriberArgs),
    /// Let a remote UE that was revoked use relays again.
    #[cfg(feature = "services")]
    AdmitRemote(orders::SubscriberArgs),
    /// Let a UE be no relay any more: it gets no KD of a remote UE.
    #[cfg(feature = "services")]
    RevokeRelay(orders::SubscriberArgs),
    /// Let a relay that was revoked be one again.
    #[cfg(feature = "services")]
    AdmitRelay(orders::SubscriberArgs),
    /// Keep new keys from an identity; those that it has serve until the end of their period.
    #[cfg(feature = "services")]
    RevokeIdentity(orders::IdentityArgs),
    /// Let an identity that was revoked have keys again.
    #[cfg(feature = "services")]
    AdmitIdentity(orders::IdentityArgs),
    /// Revoke public keys of signed discovery: UEs have that with their next list.
    #[cfg(feature = "services")]
    RevokeKey(orders::KeyArgs),
    /// Make the keys of a user for the operator, and record who wanted them and why: a key management server can read all.
    #[cfg(feature = "services")]
    Escrow(orders::EscrowArgs),
    /// Run HSS, BSF, ProSe Function, PKMF, KMS and AAA on sockets: takes a build with --features services.
    #[cfg(not(feature = "services"))]
    #[command(name = "run", aliases = ["status", "add-subscriber", "revoke", "revoke-member", "admit-member", "revoke-remote", "admit-remote", "revoke-relay", "admit-relay", "revoke-identity", "admit-identity", "revoke-key", "escrow"])]
    Missing(MissingArgs),
}

/// Arguments of what is not built in.
#[cfg(not(feature = "services"))]
#[derive(Debug, Args)]
pub struct MissingArgs {
    /// Whatever stands there.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub rest: Vec<String>,
}

/// The error of a build without services.
#[cfg(not(feature = "services"))]
pub(in crate::commands) fn without() -> anyhow::Error {
    crate::config::ConfigError::new(
        "this build has no network services",
        "",
        "build it with --features services (it takes libssl-dev and pkg-config); `sidelink network demo` needs none",
    )
    .into()
}

/// Runs it.
///
/// # Errors
/// Those of the sub-command.
pub fn run(args: NetworkArgs) -> anyhow::Result<()> {
    match args.command {
        NetworkCommand::Costs(args) => costs::run(&args),
        NetworkCommand::Demo(args) => demo::run(&args),
        NetworkCommand::Example(args) => example::write(&args),
        #[cfg(feature = "services")]
        NetworkCommand::Run(args) => run::run(&args),
        #[cfg(feature = "services")]
        NetworkCommand::Status(args) => orders::status(&args),
        #[cfg(feature = "services")]
        NetworkCommand::AddSubscriber(args) => orders::add_subscriber(&args),
        #[cfg(feature = "services")]
        NetworkCommand::Revoke(args) => orders::revoke(&args),
        #[cfg(feature = "services")]
        NetworkCommand::RevokeMember(args) => orders::revoke_member(&args),
        #[cfg(feature = "services")]
        NetworkCommand::AdmitMember(args) => orders::admit_member(&args),
        #[cfg(feature = "services")]
        NetworkCommand::RevokeRemote(args) => orders::revoke_remote(&args),
        #[cfg(feature = "services")]
        NetworkCommand::AdmitRemote(args) => orders::admit_remote(&args),
        #[cfg(feature = "services")]
        NetworkCommand::RevokeRelay(args) => orders::revoke_relay(&args),
        #[cfg(feature = "services")]
        NetworkCommand::AdmitRelay(args) => orders::admit_relay(&args),
        #[cfg(feature = "services")]
        NetworkCommand::RevokeIdentity(args) => orders::revoke_identity(&args),
        #[cfg(feature = "services")]
        NetworkCommand::AdmitIdentity(args) => orders::admit_identity(&args),
        #[cfg(feature = "services")]
        NetworkCommand::RevokeKey(args) => orders::revoke_key(&args),
        #[cfg(feature = "services")]
        NetworkCommand::Escrow(args) => orders::escrow(&args),
        #[cfg(not(feature = "services"))]
        NetworkCommand::Missing(_) => Err(without()),
    }
}
