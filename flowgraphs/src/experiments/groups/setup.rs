//! Plays a case: its parties and its attacker on one air, in lock-step.

use super::cases::{By, GroupCase};
use super::costs::Run;
use super::keys;
use super::log::Log;
use super::parties::{Party, config};
use super::timeline::Timeline;
use crate::attacks::Replayer;
use crate::config::ue_toml::{Draws, RadioFacts, UeConfig};
use sidelink_phy::units::Decibel;
use sidelink_radio::air::{Air, AirConfig, Pace, PortConfig};
use sidelink_radio::number::Number;
use sidelink_radio::{Anchor, Radio};
use sidelink_store::Keys;
use sidelink_ue::{Application, NoStore, Participant, Running, ThreadOptions, Ue};

const NO_ANCHOR: Anchor = Anchor { utc_ns: 0, uncertainty_ns: 0 };

/// UTC at the first sample of the air.
pub(crate) const START: u64 = 1_800_000_000;

/// Plays a case.
///
/// # Errors
/// A configuration, or the air.
pub(crate) fn play(case: &GroupCase<'_>) -> anyhow::Result<Run> {
    let timeline = Timeline::of(case);
    let parties = parties(case);
    let replays = case.scenario.attack.is_some_and(|attack| attack.by == By::Replay);
    let air = open_air(case, parties.len() + usize::from(replays))?;
    let keys = keys::laboratory(&parties)?;
    let mut running = Vec::new();
    for party in &parties {
        let radio = air.attach(PortConfig::named(&port(*party)))?;
        let log = Log::default();
        let config = config(case, *party)?;
        let keys = keys.for_ue(&party.name());
        running.push((*party, begin(&config, &keys, radio, &log, timeline.end)?, log));
    }
    let replayer = replays
        .then(|| {
            let radio = air.attach(PortConfig::named("echo"))?;
            replayer(case, &timeline, radio)
        })
        .transpose()?;
    let mut run = Run {
        period: case.period,
        began: 0,
        timeline,
        has_thief: case.scenario.theft,
        manager: Vec::new(),
        members: Vec::new(),
        other: None,
        attacks: 0,
    };
    for (party, one, log) in running {
        let ue = ended(one)?;
        match party {
            Party::Manager => {
                run.began = log.began().unwrap_or_default();
                run.timeline = timeline.from(run.began);
                run.manager = log.take();
            }
            Party::Member(_) => run.members.push(log.take()),
            Party::Thief(_) => run.other = Some(log.take()),
            Party::Mallory => {
                run.attacks = ue.totals().sent[2];
                run.other = Some(log.take());
            }
        }
    }
    if let Some(replayer) = replayer {
        run.attacks = ended(replayer)?.replayed();
    }
    Ok(run)
}

/// Who takes part, in the order in which they come.
fn parties(case: &GroupCase<'_>) -> Vec<Party> {
    let mut parties = vec![Party::Manager];
    parties.extend((1..=case.members).map(Party::Member));
    if case.scenario.theft {
        parties.push(Party::Thief(case.members));
    }
    if case.scenario.attack.is_some_and(|attack| attack.by != By::Replay) {
        parties.push(Party::Mallory);
    }
    parties
}

/// The name of a party's radio.
fn port(party: Party) -> String {
    match party {
        Party::Thief(_) => "thief".to_owned(),
        _ => party.name(),
    }
}

/// The air of a case, which begins once `ports` radios are there.
fn open_air(case: &GroupCase<'_>, ports: usize) -> anyhow::Result<Air> {
    Ok(Air::new(AirConfig {
        rate: Number(3.84e6),
        prb: Some(15),
        pace: Pace::Free,
        seed: case.seed,
        snr: Some(case.snr.0),
        utc: Some(START as i64),
        wait_for: ports,
        stall: 120.0,
        ..AirConfig::default()
    })?)
}

fn begin(
    config: &UeConfig,
    keys: &Keys,
    radio: Box<dyn Radio>,
    log: &Log,
    duration: u64,
) -> anyhow::Result<Running<Ue>> {
    let streams = radio.start()?;
    let anchor = streams.anchor.unwrap_or(NO_ANCHOR);
    let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
    let ears: Vec<Box<dyn Application>> = vec![Box::new(log.clone())];
    let mut ue = config.build_with(keys, NoStore::default(), facts, ears)?;
    ue.set_on_air(log.on_air());
    ue.set_duration(duration);
    Ok(Running::start(ue, streams, false, ThreadOptions::default(), None)?)
}

/// Says again whatever is said, later than the group is re-keyed: whole periods, so that every copy lies where its original
/// lay.
fn replayer(
    case: &GroupCase<'_>,
    timeline: &Timeline,
    radio: Box<dyn Radio>,
) -> anyhow::Result<Running<Replayer>> {
    let streams = radio.start()?;
    let anchor = streams.anchor.unwrap_or(NO_ANCHOR);
    let numerology = config(case, Party::Manager)?.numerology()?;
    let delay = (timeline.rekey - timeline.distribute).next_multiple_of(case.period);
    let mut replayer = Replayer::new("echo", numerology, anchor, delay, Decibel(3.0));
    replayer.set_duration(timeline.end);
    Ok(Running::start(replayer, streams, false, ThreadOptions::default(), None)?)
}

fn ended<P: Participant>(running: Running<P>) -> anyhow::Result<P> {
    let (participant, result) =
        running.join().map_err(|_| anyhow::anyhow!("a thread failed; this is a bug"))?;
    result?;
    Ok(participant)
}
