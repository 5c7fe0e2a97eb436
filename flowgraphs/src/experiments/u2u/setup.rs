//! Plays a case: its parties on one air, in lock-step.

use super::cases::U2uCase;
use super::log::{Entries, Log};
use super::meddlers::{Findings, meddler};
use super::parties::{Party, certify, config, duration, parties};
use crate::config::ue_toml::{Draws, RadioFacts, UeConfig};
use crate::experiments::setup::{NO_ANCHOR, ended};
use sidelink_radio::Radio;
use sidelink_radio::air::{Air, AirConfig, Pace, PortConfig};
use sidelink_radio::number::Number;
use sidelink_security::counter::UtcTime;
use sidelink_ue::{Application, NoStore, Running, ThreadOptions, Ue};
use std::collections::BTreeMap;

/// UTC at the first sample of the air, in seconds.
const START: i64 = 1_800_000_000;

/// A case that was played.
pub(crate) struct Run {
    /// mary, john, ruth, and paul where he is there.
    pub(crate) entries: Vec<Entries>,
    pub(crate) findings: BTreeMap<String, u64>,
}

/// Plays a case.
///
/// # Errors
/// A configuration, or the air.
pub(crate) fn play(case: &U2uCase<'_>) -> anyhow::Result<Run> {
    let configs = parties(case).into_iter().map(|party| Ok((party, config(case, party)?)));
    let configs = configs.collect::<anyhow::Result<Vec<_>>>()?;
    play_configs(case, &configs)
}

/// Plays a case with these configurations.
///
/// # Errors
/// As [`play`].
pub(crate) fn play_configs(case: &U2uCase<'_>, configs: &[(Party, UeConfig)]) -> anyhow::Result<Run> {
    let air = open_air(case, configs.len())?;
    let ports =
        configs.iter().map(|(party, _)| air.attach_named(party.name())).collect::<Result<Vec<_>, _>>()?;
    let logs: Vec<Log> = configs.iter().map(|_| Log::default()).collect();
    let findings = Findings::default();
    let mut running = Vec::new();
    for (((party, config), radio), log) in configs.iter().zip(ports).zip(&logs) {
        running.push(begin(case, (*party, config), radio, log, &findings)?);
    }
    for ue in running {
        ended(ue)?;
    }
    Ok(Run { entries: logs.iter().map(Log::take).collect(), findings: findings.take() })
}

fn open_air(case: &U2uCase<'_>, ports: usize) -> anyhow::Result<Air> {
    let port =
        |name: &str, cfo: f64, delay: f64| PortConfig { cfo: Number(cfo), delay, ..PortConfig::named(name) };
    Ok(Air::new(AirConfig {
        rate: Number(3.84e6),
        prb: Some(15),
        pace: Pace::Free,
        seed: case.seed,
        snr: Some(case.snr.0),
        utc: Some(START),
        wait_for: ports,
        port: vec![
            port("mary", 0.0, 0.0),
            port("john", 90.0, 2.5),
            port("ruth", -60.0, 1.0),
            port("paul", 40.0, 1.5),
        ],
        stall: 60.0,
        ..AirConfig::default()
    })?)
}

/// Starts a UE with its credential, and a relay that is not honest with what makes it so.
fn begin(
    case: &U2uCase<'_>,
    (party, config): (Party, &UeConfig),
    radio: Box<dyn Radio>,
    log: &Log,
    findings: &Findings,
) -> anyhow::Result<Running<Ue>> {
    let streams = radio.start()?;
    let anchor = streams.anchor.unwrap_or(NO_ANCHOR);
    let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
    let ears: Vec<Box<dyn Application>> = vec![Box::new(log.clone())];
    let mut ue = config.build_with(&sidelink_store::Keys::default(), NoStore::default(), facts, ears)?;
    ue.set_on_air(log.on_air());
    let now = UtcTime::from_millis((anchor.utc_ns / 1_000_000).max(0) as u64);
    // A file may have one of its own.
    if config.credential.is_none() {
        certify(case, party, &mut ue, now)?;
    }
    if party == Party::Ruth
        && let Some(meddler) = meddler(case, now, findings)?
        && let Some(u2u) = ue.stack().u2u()
    {
        u2u.set_meddler(meddler);
    }
    ue.set_duration(duration(case));
    Ok(Running::start(ue, streams, false, ThreadOptions::default(), None)?)
}
