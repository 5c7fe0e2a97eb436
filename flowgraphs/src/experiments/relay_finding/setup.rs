//! Plays a case: its parties and its attacker on one air, in lock-step.

use super::cases::{By, Fades, FindingCase};
use super::fade::{Fade, Fading};
use super::log::{Entries, Log, Talker};
use super::network::Network;
use super::parties::{PERIOD, Party, config, duration, keys, parties};
use crate::attacks::Replayer;
use crate::config::ue_toml::{Draws, RadioFacts};
use anyhow::Context;
use sidelink_phy::units::Decibel;
use sidelink_radio::air::{Air, AirConfig, Pace, PortConfig};
use sidelink_radio::number::Number;
use sidelink_radio::{Anchor, Radio};
use sidelink_ue::clock::Clock;
use sidelink_ue::{Application, NoStore, Participant, Running, ThreadOptions, Ue};
use std::collections::BTreeMap;

/// Samples per second of the air.
const RATE: f64 = 3.84e6;

const NO_ANCHOR: Anchor = Anchor { utc_ns: 0, uncertainty_ns: 0 };

/// The fade of the relay in use: 3 dB a second, from a time on at which it serves.
pub(super) const FADE: Fade = Fade { from: 2500, slope: Decibel(3.0), most: Decibel(12.0) };

/// A case that was played.
pub(crate) struct Run {
    /// The subframe at which the exercise began.
    pub(crate) began: u64,
    /// What each party lived through.
    pub(crate) entries: BTreeMap<Party, Entries>,
    /// Discovery messages that each party sent.
    pub(crate) messages: BTreeMap<Party, u64>,
    /// Subframes that were said again.
    pub(crate) replayed: u64,
}

/// Plays a case.
///
/// # Errors
/// A configuration, or the air.
pub(crate) fn play(case: &FindingCase<'_>) -> anyhow::Result<Run> {
    let parties = parties(case);
    let by = case.scenario.attack.map(|(by, _)| by).filter(|by| by.is_replay());
    let air = open_air(case, parties.len() + usize::from(by.is_some()))?;
    let ports = parties.iter().map(|party| {
        let begins = party.begins(case);
        let start = (begins > 0).then(|| Number(RATE / 1000.0 * begins as f64));
        air.attach(PortConfig { start, ..PortConfig::named(party.name()) })
    });
    let ports = ports.collect::<Result<Vec<_>, _>>()?;
    let replayer = by.map(|by| Ok::<_, anyhow::Error>((by, air.attach(PortConfig::named("eve"))?)));
    let replayer = replayer.transpose()?;
    let mut running = Vec::new();
    for (party, radio) in parties.iter().zip(ports) {
        running.push((*party, begin(case, *party, radio)?));
    }
    let replayer = replayer.map(|(by, radio)| replay(case, by, radio)).transpose()?;
    let mut run = Run { began: u64::MAX, entries: BTreeMap::new(), messages: BTreeMap::new(), replayed: 0 };
    for (party, (began, one, log)) in running {
        let ue = ended(one)?;
        if party == Party::Remote {
            run.began = began;
        }
        run.messages.insert(party, ue.totals().sent[3]);
        run.entries.insert(party, log.take());
    }
    if let Some(replayer) = replayer {
        run.replayed = ended(replayer)?.replayed();
    }
    Ok(run)
}

/// The air of a case, which begins once `ports` radios are there.
fn open_air(case: &FindingCase<'_>, ports: usize) -> anyhow::Result<Air> {
    Ok(Air::new(AirConfig {
        rate: Number(RATE),
        prb: Some(15),
        pace: Pace::Free,
        seed: case.seed,
        snr: Some(case.snr.0),
        utc: Some(1_800_000_000),
        wait_for: ports,
        stall: 120.0,
        ..AirConfig::default()
    })?)
}

/// Builds a party, and lets it run. Returns the count of its first subframe, too.
fn begin(
    case: &FindingCase<'_>,
    party: Party,
    radio: Box<dyn Radio>,
) -> anyhow::Result<(u64, Running<Ue>, Log)> {
    let mut streams = radio.start()?;
    let anchor = streams.anchor.unwrap_or(NO_ANCHOR);
    if party == Party::Relay(1) && case.scenario.fades == Fades::Yes {
        let (rate, burst) = (RATE / 1000.0, Vec::new());
        streams.transmit = Box::new(Fading { inner: streams.transmit, fade: FADE, rate, burst });
    }
    let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
    let log = Log::default();
    let mut applications: Vec<Box<dyn Application>> = vec![Box::new(log.clone())];
    if party == Party::Remote {
        applications.push(Box::new(Talker::new(log.clone())));
    }
    let config = config(case, party)?;
    let mut ue = config.build_with(&keys(case, party)?, NoStore::default(), facts, applications)?;
    let links = ue.stack().links().context("whoever is something to relays has links")?;
    links.establish_from_pruk(Box::new(Network::of(party)));
    ue.set_duration(party.duration(case));
    let began = Clock::from_utc(RATE, anchor).first_whole(0);
    Ok((began, Running::start(ue, streams, false, ThreadOptions::default(), None)?, log))
}

/// A radio that says everything again.
fn replay(case: &FindingCase<'_>, by: By, radio: Box<dyn Radio>) -> anyhow::Result<Running<Replayer>> {
    let streams = radio.start()?;
    let anchor = streams.anchor.unwrap_or(NO_ANCHOR);
    // Whole periods, so that a copy lies where it belongs; both are later than the relay is there.
    let delay = match by {
        By::ReplayOutside => 14 * PERIOD,
        _ => 10 * PERIOD,
    };
    let numerology = config(case, Party::Relay(1))?.numerology()?;
    let mut replayer = Replayer::new("eve", numerology, anchor, delay, Decibel(3.0));
    replayer.set_duration(duration(case));
    Ok(Running::start(replayer, streams, false, ThreadOptions::default(), None)?)
}

fn ended<P: Participant>(running: Running<P>) -> anyhow::Result<P> {
    let (participant, result) =
        running.join().map_err(|_| anyhow::anyhow!("a thread failed; this is a bug"))?;
    result?;
    Ok(participant)
}
