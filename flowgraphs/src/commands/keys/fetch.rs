//! `sidelink keys fetch`: a UE gets codes, filters and keys from the network into its key store.

use crate::config::ue_toml::UeConfig;
use crate::network_leg::relay_keys::PrukNews;
use crate::network_leg::{NetworkLeg, News, Note};
use crate::readable::seconds_and_date;
use crate::terminal;
use clap::Args;
use sidelink_store::Discovery;
use sidelink_wire::pc5_discovery::MessageType;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Arguments of `sidelink keys fetch`.
#[derive(Debug, Args)]
pub(super) struct FetchArgs {
    /// File of the UE, with `keys` and `[network]`.
    pub(super) config: PathBuf,
}

/// Fetches everything that the file asks for.
///
/// # Errors
/// The file, the network, the key store, or something that was refused.
pub(super) fn fetch(args: &FetchArgs) -> anyhow::Result<()> {
    let config = UeConfig::from_file(&args.config)?;
    let mut leg = NetworkLeg::open(&config, &args.config.display().to_string())?;
    let (mut text, mut refused) = (String::new(), Vec::new());
    for news in leg.fetch()? {
        match news {
            News::Discovery { new, .. } => {
                for entry in &new {
                    let until = seconds_and_date(entry.valid_until.into());
                    let what = what(entry)?;
                    let protection = entry.protection.as_str();
                    writeln!(text, "{}: {what}, {protection}, valid until {until}", entry.name)?;
                }
            }
            News::Group(news) => {
                for pgk in &news.group.pgk {
                    let may_send = news.counters.iter().any(|(id, _)| *id == pgk.id);
                    let what = if may_send { "send and receive" } else { "receive only" };
                    let (from, until) =
                        (seconds_and_date(pgk.valid_from.into()), seconds_and_date(pgk.expiry.into()));
                    let name = &news.group.name;
                    writeln!(text, "{name}: PGK {}, {what}, valid from {from} until {until}", pgk.id)?;
                }
            }
            News::Identity { name, period, valid_until } => {
                let until = seconds_and_date(valid_until.into());
                writeln!(text, "{name}: keys of period {period}, valid until {until}")?;
            }
            // For links of a UE that runs.
            News::TicketKey(_) => {}
            News::Pruk(PrukNews::Held { id, age }) => writeln!(text, "PRUK {id}, {age} s old")?,
            News::Pruk(PrukNews::Refused { why }) => refused.push(format!("PRUK: the PKMF refuses: {why}")),
            News::Configuration(version) => writeln!(text, "configuration: version {version}")?,
            News::Note(Note::Refused { name, why }) => refused.push(format!("{name}: {why}")),
            News::Note(note) => writeln!(text, "{note}")?,
        }
    }
    terminal::print(&text)?;
    match &refused[..] {
        [] => Ok(()),
        all => anyhow::bail!(all.join("\n")),
    }
}
/// Says what the UE does with an entry.
fn what(entry: &Discovery) -> anyhow::Result<&'static str> {
    let announces = entry.announcer.is_some();
    Ok(match (entry.message_type()?, announces) {
        (MessageType::RestrictedQuery, true) => "ask",
        (MessageType::RestrictedQuery, false) => "be asked",
        (MessageType::RestrictedResponse, true) => "answer",
        (MessageType::RestrictedResponse, false) => "be answered",
        (_, true) => "announce",
        (_, false) => "monitor",
    })
}
