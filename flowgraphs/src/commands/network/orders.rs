//! `sidelink network status`, `add-subscriber`, `revoke`, `revoke-member`, `admit-member`, `revoke-remote`, `admit-remote`, `revoke-relay`,
//! `admit-relay`, `revoke-identity`, `admit-identity`, `revoke-key`, `escrow`: orders to network functions that run.

use super::run::ConfigArgs;
use crate::args::{Form, Output};
use crate::config::ConfigError;
use crate::outputs::{Existing, Outputs};
use crate::terminal;
use clap::Args;
use sidelink_services::config::read_secret;
use sidelink_services::orders::{Answer, Order, give, socket_of};
use sidelink_store::{utc_now, write_private};
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `sidelink network status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// What runs.
    #[command(flatten)]
    pub network: ConfigArgs,
    /// Form of the output: table, or json.
    #[arg(short = 'F', value_name = "FORM[:FILE]", default_value = "table")]
    pub output: Output,
}

/// Arguments of `sidelink network add-subscriber`.
#[derive(Debug, Args)]
pub struct AddSubscriberArgs {
    /// What runs.
    #[command(flatten)]
    pub network: ConfigArgs,
    /// File of subscribers to add.
    pub subscribers: PathBuf,
}

/// Arguments of `sidelink network revoke`.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// What runs.
    #[command(flatten)]
    pub network: ConfigArgs,
    /// IMSI of the subscriber that loses ProSe.
    pub imsi: String,
}

/// Arguments of `sidelink network revoke-member` and `admit-member`.
#[derive(Debug, Args)]
pub struct MemberArgs {
    /// What runs.
    #[command(flatten)]
    pub network: ConfigArgs,
    /// IMSI of the member.
    pub imsi: String,
    /// The group, six hexadecimal digits.
    pub group: String,
}

/// Arguments of `sidelink network revoke-remote`, `admit-remote`, `revoke-relay` and `admit-relay`.
#[derive(Debug, Args)]
pub struct SubscriberArgs {
    /// What runs.
    #[command(flatten)]
    pub network: ConfigArgs,
    /// IMSI of the UE.
    pub imsi: String,
}

/// Arguments of `sidelink network revoke-identity` and `admit-identity`.
#[derive(Debug, Args)]
pub struct IdentityArgs {
    /// What runs.
    #[command(flatten)]
    pub network: ConfigArgs,
    /// The identity, such as sip:alice@rescue.example.
    pub identity: String,
}

/// Arguments of `sidelink network revoke-key`.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// What runs.
    #[command(flatten)]
    pub network: ConfigArgs,
    /// Whose keys: a user (RPAUID), a ProSe Application ID, or imsi: and the digits of an IMSI.
    pub of: String,
}

/// Arguments of `sidelink network escrow`.
#[derive(Debug, Args)]
pub struct EscrowArgs {
    /// What runs.
    #[command(flatten)]
    pub network: ConfigArgs,
    /// The identity, such as sip:alice@rescue.example.
    pub identity: String,
    /// Who wants the keys, for the record.
    #[arg(long, value_name = "NAME")]
    pub by: String,
    /// Why, for the record.
    #[arg(long, value_name = "REASON")]
    pub why: String,
    /// Second in the period that is wanted (UTC in seconds); the default is now.
    #[arg(long, value_name = "SECONDS")]
    pub at: Option<u32>,
    /// New file for the keys, mode 0600.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

/// Shows what has happened.
///
/// # Errors
/// Nothing runs, or the output cannot be written.
pub fn status(args: &StatusArgs) -> anyhow::Result<()> {
    let mut out = args.output.claim(&mut Outputs::new(Existing::Keep))?.create()?;
    let Answer::Status(status) = ordered(&args.network, &Order::Status)? else {
        anyhow::bail!("the answer is no status; use the version of sidelink that runs there")
    };
    let status = serde_json::to_value(status)?;
    match (args.output.form, &status) {
        (Form::Json, status) => writeln!(out, "{status}")?,
        (Form::Table, serde_json::Value::Object(numbers)) => {
            for (name, number) in numbers {
                writeln!(out, "{:<24} {number:>12}", name.replace('_', " "))?;
            }
        }
        _ => return Err(ConfigError::new("a status has no rows", "-F csv", "use table or json").into()),
    }
    Ok(out.finish()?)
}

/// Adds subscribers.
///
/// # Errors
/// The file, a subscriber that is there already, or nothing runs.
pub fn add_subscriber(args: &AddSubscriberArgs) -> anyhow::Result<()> {
    let text = read_secret(&args.subscribers)?;
    done(ordered(&args.network, &Order::AddSubscribers { text })?, "added")
}

/// Takes ProSe from a subscriber.
///
/// # Errors
/// There is no such subscriber, or nothing runs.
pub fn revoke(args: &RevokeArgs) -> anyhow::Result<()> {
    done(ordered(&args.network, &Order::Revoke { imsi: args.imsi.clone() })?, "revoked")
}

/// Takes the keys of a group from a member: the others get new ones.
///
/// # Errors
/// There is no such member, or nothing runs.
pub fn revoke_member(args: &MemberArgs) -> anyhow::Result<()> {
    let MemberArgs { network, imsi, group } = args;
    let order = Order::RevokeMember { imsi: imsi.clone(), group: group.clone() };
    done(ordered(network, &order)?, "revoked")
}

/// Lets a member that was revoked have the keys of its group again.
///
/// # Errors
/// There is no such member, or nothing runs.
pub fn admit_member(args: &MemberArgs) -> anyhow::Result<()> {
    let MemberArgs { network, imsi, group } = args;
    let order = Order::AdmitMember { imsi: imsi.clone(), group: group.clone() };
    done(ordered(network, &order)?, "admitted")
}

/// Lets a UE use no relay any more.
///
/// # Errors
/// There is no such remote UE, or nothing runs.
pub fn revoke_remote(args: &SubscriberArgs) -> anyhow::Result<()> {
    done(ordered(&args.network, &Order::RevokeRemote { imsi: args.imsi.clone() })?, "revoked")
}

/// Lets a remote UE that was revoked use relays again.
///
/// # Errors
/// There is no such remote UE, or nothing runs.
pub fn admit_remote(args: &SubscriberArgs) -> anyhow::Result<()> {
    done(ordered(&args.network, &Order::AdmitRemote { imsi: args.imsi.clone() })?, "admitted")
}

/// Lets a UE be no relay any more.
///
/// # Errors
/// There is no such relay, or nothing runs.
pub fn revoke_relay(args: &SubscriberArgs) -> anyhow::Result<()> {
    done(ordered(&args.network, &Order::RevokeRelay { imsi: args.imsi.clone() })?, "revoked")
}

/// Lets a relay that was revoked be one again.
///
/// # Errors
/// There is no such relay, or nothing runs.
pub fn admit_relay(args: &SubscriberArgs) -> anyhow::Result<()> {
    done(ordered(&args.network, &Order::AdmitRelay { imsi: args.imsi.clone() })?, "admitted")
}

/// Keeps new keys from an identity.
///
/// # Errors
/// It is granted to nobody, or nothing runs.
pub fn revoke_identity(args: &IdentityArgs) -> anyhow::Result<()> {
    let order = Order::RevokeIdentity { identity: args.identity.clone() };
    done(ordered(&args.network, &order)?, "revoked")
}

/// Lets an identity that was revoked have keys again.
///
/// # Errors
/// It is granted to nobody, or nothing runs.
pub fn admit_identity(args: &IdentityArgs) -> anyhow::Result<()> {
    let order = Order::AdmitIdentity { identity: args.identity.clone() };
    done(ordered(&args.network, &order)?, "admitted")
}

/// Revokes public keys of signed discovery.
///
/// # Errors
/// There is no such key, or nothing runs.
pub fn revoke_key(args: &KeyArgs) -> anyhow::Result<()> {
    done(ordered(&args.network, &Order::RevokeKey { of: args.of.clone() })?, "revoked")
}

/// Takes the keys of a user.
///
/// # Errors
/// No such identity, a file that exists, or nothing runs.
pub fn escrow(args: &EscrowArgs) -> anyhow::Result<()> {
    // Before the order is on record.
    Outputs::new(Existing::Keep).claim_fresh("-o", &args.output)?;
    let EscrowArgs { network, identity, by, why, at, output } = args;
    let at = at.unwrap_or_else(utc_now);
    let order = Order::Escrow { identity: identity.clone(), at, by: by.clone(), why: why.clone() };
    let Answer::Escrowed { keys } = ordered(network, &order)? else {
        anyhow::bail!("the answer holds no keys; use the version of sidelink that runs there")
    };
    write_private(output, &keys)?;
    terminal::print(&format!("keys of {identity}: {}; the order is on record\n", output.display()))?;
    Ok(())
}

fn ordered(network: &ConfigArgs, order: &Order) -> anyhow::Result<Answer> {
    let config = network.load()?;
    match give(&socket_of(&config.database), order)? {
        Answer::Refused { why } => anyhow::bail!(why),
        answer => Ok(answer),
    }
}

fn done(answer: Answer, what: &str) -> anyhow::Result<()> {
    let number = match answer {
        Answer::Done { subscribers } => subscribers,
        _ => 0,
    };
    terminal::print(&format!("{what}: {number}\n"))?;
    Ok(())
}
