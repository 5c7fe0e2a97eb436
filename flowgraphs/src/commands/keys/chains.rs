//! Fresh chains and signing keys of discovery that only its announcer can make.

use crate::config::ConfigError;
use clap::Args;
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::delayed_key::{MAX_DELAY, lossless_delay};
use sidelink_security::discovery::rotation::RotationPeriod;
use sidelink_security::discovery::signature::Scheme;
use sidelink_store::{self as keystore, ChainEntry, Discovery, FreshChain, PointerEntry, Protection};

/// Arguments of chains.
#[derive(Debug, Args)]
pub(super) struct ChainArgs {
    /// Slots of --period-ms (delayed-key, chain): the chain ends after them. 11250 are an hour at 320 ms.
    #[arg(long, default_value_t = 11_250, value_name = "SLOTS")]
    slots: u32,
    /// The most by which the clocks of two UEs differ, in milliseconds (delayed-key): a key is disclosed so many slots later
    /// that every UE still accepts every message. A UE whose clock may differ more refuses everything of the entry.
    #[arg(long, default_value_t = 20, value_name = "MS")]
    clock_difference_ms: u64,
    /// Begin of the first slot, UTC in milliseconds (delayed-key, chain); the default is the present second.
    #[arg(long, value_name = "MS")]
    start_ms: Option<u64>,
}

/// Draws chain, private key and signature of an entry of this kind.
pub(super) fn draw(entry: &mut Discovery, args: &ChainArgs, period_ms: u64) -> Result<(), ConfigError> {
    let key = keystore::fresh_signing_key(Scheme::Ed25519)?;
    if entry.protection == Protection::Pointer {
        entry.pointer = Some(PointerEntry::of(&key));
        return Ok(());
    }
    let period = RotationPeriod::from_millis(period_ms)
        .map_err(|e| ConfigError::usage(e.to_string(), "give another --period-ms"))?;
    let now = UtcTime::from_counter(UtcCounter::new(keystore::utc_now()));
    let delay = lossless_delay(args.clock_difference_ms, period_ms);
    let delay = u16::try_from(delay).ok().filter(|delay| *delay <= MAX_DELAY).ok_or_else(|| {
        let what = format!("keys would be disclosed after {delay} slots, more than {MAX_DELAY}");
        ConfigError::usage(&what, "give longer slots (--period-ms), or better clocks (--clock-difference-ms)")
    })?;
    let start = args.start_ms.map_or(now, UtcTime::from_millis);
    let chain =
        ChainEntry::fresh(entry.protection, FreshChain { start, period, length: args.slots, delay }, &key)?;
    let end = start.plus_millis(u64::from(args.slots) * period.millis()).counter().value();
    entry.valid_until = entry.valid_until.min(end);
    match entry.protection {
        Protection::DelayedKey => entry.delayed_key = Some(chain),
        _ => entry.chain = Some(chain),
    }
    Ok(())
}
