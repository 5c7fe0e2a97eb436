//! `sidelink network status`, `add-subscriber`, `revoke`, `revoke-member`, `admit-member`: orders to network functions that run.

use super::run::ConfigArgs;
use crate::args::{Form, Output};
use crate::config::ConfigError;
use crate::outputs::{Existing, Outputs};
use crate::terminal;
use clap::Args;
use sidelink_services::config::read_secret;
use sidelink_services::orders::{Answer, Order, give, socket_of};
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
