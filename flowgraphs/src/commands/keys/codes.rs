//! `sidelink keys new-codes`: a list of changing identifiers, and the entries of those who announce some of them.

use super::Validity;
use crate::config::ConfigError;
use crate::readable::seconds_and_date;
use crate::terminal;
use clap::Args;
use sidelink_store::{CodeList, KeyStore, Keys, NewCodeList, VariantName};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct NewCodes {
    /// The file to make (mode 0600); if it exists already, only entries of announcers are made of it.
    file: PathBuf,
    /// Number of identities.
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    /// One-way function.
    #[arg(long, value_enum, default_value = "keyed")]
    variant: VariantName,
    /// Bits of the code; without it the most that fit.
    #[arg(long, value_name = "BITS")]
    code_bits: Option<u16>,
    /// Rotation period in milliseconds.
    #[arg(long, default_value_t = 1000, value_name = "MS")]
    period_ms: u64,
    /// Identity that is announced: its place in the list and the UE; needs --store; may be repeated.
    #[arg(long, value_name = "PLACE=UE", requires = "store", value_parser = announcer)]
    announcer: Vec<(usize, String)>,
    /// Key store for the entries of announcers.
    #[arg(short, long, value_name = "FILE")]
    store: Option<PathBuf>,
    #[command(flatten)]
    validity: Validity,
}

fn announcer(text: &str) -> Result<(usize, String), ConfigError> {
    let wrong = || ConfigError::usage(format!("{text:?} is no announcer"), "such as 7=alice");
    let (place, ue) = text.split_once('=').ok_or_else(wrong)?;
    match place.parse() {
        Ok(place) if !ue.is_empty() => Ok((place, ue.to_owned())),
        _ => Err(wrong()),
    }
}

pub(super) fn new_codes(args: &NewCodes) -> anyhow::Result<()> {
    if let Some(count) = args.count {
        let new = NewCodeList {
            count,
            variant: args.variant,
            code_bits: args.code_bits,
            period_ms: args.period_ms,
            valid_until: args.validity.range().1,
        };
        CodeList::create(&args.file, &new)?;
        let until = seconds_and_date(new.valid_until.into());
        terminal::print(&format!("{count} identities in {}, valid until {until}\n", args.file.display()))?;
    } else if args.announcer.is_empty() {
        let remedy = "such as --count 1000000 for a new list";
        return Err(ConfigError::usage("neither --count nor --announcer", remedy).into());
    }
    if let Some(store) = &args.store {
        let list = CodeList::read(&args.file)?;
        let entries = args.announcer.iter().map(|(place, ue)| list.entry(*place, ue));
        let discovery = entries.collect::<Result<Vec<_>, _>>()?;
        let names: Vec<_> = discovery.iter().map(|entry| entry.name.clone()).collect();
        KeyStore::open_or_create(store)?.put(&Keys { discovery, ..Keys::default() })?;
        terminal::print(&format!("announced: {}\n", names.join(", ")))?;
    }
    Ok(())
}
