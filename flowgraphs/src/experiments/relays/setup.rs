//! Plays a case: its parties and its attacker on one air, in lock-step.

use super::cases::RelayCase;
use super::costs::Run;
use super::keying::{KeyingNetwork, network_of};
use super::parties::{Party, config};
use super::timeline::Timeline;
use crate::config::ue_toml::{Draws, RadioFacts};
use crate::experiments::log::{Entries, Log};
use sidelink_radio::air::{Air, AirConfig, Pace, PortConfig};
use sidelink_radio::number::Number;
use sidelink_radio::{Anchor, Radio};
use sidelink_store::Keys;
use sidelink_ue::{Application, NoStore, Participant, Running, ThreadOptions, Ue};
use std::collections::BTreeMap;

/// Samples per second of the air.
const RATE: f64 = 3.84e6;

pub(super) const NO_ANCHOR: Anchor = Anchor { utc_ns: 0, uncertainty_ns: 0 };

/// UTC at the first sample of the air, seconds.
pub(crate) const START: u64 = 1_800_000_000;

/// Milliseconds after which a remote UE asks its relay again.
const AGAIN: u64 = 500;

/// A UE that runs, and its log.
struct Player {
    party: Party,
    running: Running<Ue>,
    log: Log,
}

/// Plays a case.
///
/// # Errors
/// A configuration, or the air.
pub(crate) fn play(case: &RelayCase<'_>) -> anyhow::Result<Run> {
    let parties = parties(case);
    let air = open_air(case, parties.len())?;
    let network = network_of(case)?;
    let end = Timeline::of(case).end;
    // The air begins when all are there.
    let ports: Vec<_> = parties.iter().map(|party| air.attach(port(*party))).collect::<Result<_, _>>()?;
    let mut players = Vec::new();
    for (party, radio) in parties.into_iter().zip(ports) {
        players.push(begin(case, network.as_ref(), party, radio, end)?);
    }
    let mut entries: BTreeMap<Party, Entries> = BTreeMap::new();
    for Player { party, running, log } in players {
        ended(running)?;
        entries.insert(party, log.take());
    }
    Ok(Run {
        entries,
        network: network.spent(),
        vectors: network.vectors(),
        attacks: 0,
        findings: network.findings(),
    })
}

fn parties(case: &RelayCase<'_>) -> Vec<Party> {
    let relays = (0..case.scenario.relays).map(Party::Relay);
    relays.chain((0..case.remotes).map(Party::Remote)).collect()
}

/// The air of a case, which begins once `ports` radios are there.
fn open_air(case: &RelayCase<'_>, ports: usize) -> anyhow::Result<Air> {
    Ok(Air::new(AirConfig {
        rate: Number(RATE),
        prb: Some(15),
        pace: Pace::Free,
        seed: case.seed,
        snr: Some(case.snr.0),
        utc: Some(START as i64),
        wait_for: ports,
        stall: 60.0,
        ..AirConfig::default()
    })?)
}

/// A radio a little off the carrier, each by another amount.
fn port(party: Party) -> PortConfig {
    let number = f64::from(party.layer2_id() % 16);
    PortConfig { cfo: Number(20.0 * number - 60.0), delay: 0.7 * number, ..PortConfig::named(party.port()) }
}

fn begin(
    case: &RelayCase<'_>,
    network: &dyn KeyingNetwork,
    party: Party,
    radio: Box<dyn Radio>,
    end: u64,
) -> anyhow::Result<Player> {
    let user = match party {
        Party::Remote(number) => network.user(number),
        Party::Relay(_) | Party::Impostor => None,
    };
    let mut config = config(case, party, user.as_deref())?;
    // so that `--snr` is Es/N0 of what they send
    config.device.level = 0.0;
    let streams = radio.start()?;
    let anchor = streams.anchor.unwrap_or(NO_ANCHOR);
    let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
    let log = Log::default();
    let ears: Vec<Box<dyn Application>> = vec![Box::new(log.clone())];
    let mut ue = config.build_with(&Keys::default(), NoStore::default(), facts, ears)?;
    ue.set_on_air(log.on_air());
    network.equip(&mut ue, party)?;
    if let Some(links) = ue.stack().links() {
        links.ask_relays_again(AGAIN);
    }
    ue.set_duration(end);
    let running = Running::start(ue, streams, false, ThreadOptions::default(), None)?;
    Ok(Player { party, running, log })
}

pub(super) fn ended<P: Participant>(running: Running<P>) -> anyhow::Result<P> {
    let (participant, result) =
        running.join().map_err(|_| anyhow::anyhow!("a thread failed; this is a bug"))?;
    result?;
    Ok(participant)
}
