//! Plays a case: its parties and its attacker on one air, in lock-step.

use super::cases::{By, GroupCase, Solution};
use super::costs::Run;
use super::keys;
use super::log::Log;
use super::owner;
use super::parties::{Party, config};
use super::pkmf;
use super::timeline::Timeline;
use crate::attacks::group::GroupMiddle;
use crate::attacks::{Attacker, Replayer};
use crate::config::ue_toml::{Draws, RadioFacts, UeConfig};
use sidelink_phy::units::Decibel;
use sidelink_radio::air::{Air, AirConfig, Pace, PortConfig};
use sidelink_radio::number::Number;
use sidelink_radio::{Anchor, Radio, RadioError};
use sidelink_security::direct::signed::{Credential, Trust};
use sidelink_store::Keys;
use sidelink_ue::clock::Clock;
use sidelink_ue::{Application, GroupMachine, NoStore, Participant, Running, ThreadOptions, Ue};

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
    let by = case.scenario.attack.map(|attack| attack.by);
    let attacker = by.filter(|by| matches!(by, By::Replay(_) | By::Middle));
    let air = open_air(case, parties.len() + usize::from(attacker.is_some()))?;
    let keys = match case.scenario.solution {
        Solution::Identity => keys::laboratory(&parties)?,
        Solution::Owner | Solution::Pkmf => Keys::default(),
    };
    let network = match case.scenario.solution {
        Solution::Pkmf => Some(pkmf::deliver(case)?),
        Solution::Identity | Solution::Owner => None,
    };
    // The air begins when all are there.
    let ports: Vec<_> =
        parties.iter().map(|party| air.attach(PortConfig::named(port(*party)))).collect::<Result<_, _>>()?;
    let attacking = attacker.map(|by| Ok::<_, RadioError>((by, air.attach(PortConfig::named("mallory"))?)));
    let attacking = attacking.transpose()?;
    let handed = owner::Handed::default();
    let mut running = Vec::new();
    for (party, radio) in parties.iter().zip(ports) {
        let log = Log::default();
        let config = config(case, *party)?;
        let own = keys.for_ue(&party.name());
        let given = match case.scenario.solution {
            Solution::Identity | Solution::Pkmf => None,
            Solution::Owner => Some(keys::certificate(case, *party)?),
        };
        let machine = match &network {
            Some(network) => network.machine(*party),
            None => owner::machine(case, *party, &handed)?,
        };
        let running_ue = begin(&config, (&own, given), radio, &log, (timeline.end, machine))?;
        running.push((*party, running_ue, log));
    }
    let attacking = attacking.map(|(by, radio)| Attacking::begin(case, by, &timeline, radio)).transpose()?;
    let mut run = Run {
        period: case.period,
        began: 0,
        timeline,
        has_thief: case.scenario.incident.has_thief(),
        manager: Vec::new(),
        members: Vec::new(),
        other: None,
        attacks: 0,
        network: network.as_ref().map(|network| network.spent),
    };
    for (party, one, log) in running {
        run.take(party, &ended(one)?, &log);
    }
    if run.has_thief && case.scenario.solution == Solution::Owner {
        run.other = run.members.last().cloned();
    }
    if let Some(attacking) = attacking {
        run.attacks = attacking.end()?;
    }
    Ok(run)
}

impl Run {
    /// Takes what a party lived through.
    fn take(&mut self, party: Party, ue: &Ue, log: &Log) {
        match party {
            Party::Manager => {
                self.began = log.began().unwrap_or_default();
                self.timeline = self.timeline.from(self.began);
                self.manager = log.take();
            }
            Party::Member(_) => self.members.push(log.take()),
            Party::Thief(_) | Party::Spy => self.other = Some(log.take()),
            Party::Impostor => self.attacks += ue.totals().sent[2],
            Party::Mallory => {
                self.attacks += ue.totals().sent[2];
                self.other = Some(log.take());
            }
        }
    }
}

/// Who takes part, in the order in which they come.
fn parties(case: &GroupCase<'_>) -> Vec<Party> {
    let mut parties = vec![Party::Manager];
    parties.extend((1..=case.members).map(Party::Member));
    // Of a group with an owner the radio itself is stolen: its keys are drawn for its join, and are in no key store.
    if case.scenario.incident.has_thief() && case.scenario.solution != Solution::Owner {
        parties.push(Party::Thief(case.members));
    }
    match case.scenario.attack.map(|attack| attack.by) {
        None | Some(By::Replay(_) | By::Middle | By::RogueOwner) => {}
        Some(By::Spy) => parties.push(Party::Spy),
        Some(By::Impostor) => parties.extend([Party::Mallory, Party::Impostor]),
        Some(_) => parties.push(Party::Mallory),
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
        ports: ports.max(16),
        wait_for: ports,
        stall: 120.0,
        ..AirConfig::default()
    })?)
}

fn begin(
    config: &UeConfig,
    (keys, given): (&Keys, Option<(Credential, Trust)>),
    radio: Box<dyn Radio>,
    log: &Log,
    (duration, machine): (u64, Option<Box<dyn GroupMachine>>),
) -> anyhow::Result<Running<Ue>> {
    let streams = radio.start()?;
    let anchor = streams.anchor.unwrap_or(NO_ANCHOR);
    let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
    let ears: Vec<Box<dyn Application>> = vec![Box::new(log.clone())];
    let mut ue = config.build_certified(keys, NoStore::default(), facts, ears, given)?;
    ue.set_on_air(log.on_air());
    if let Some(machine) = machine {
        ue.stack().add_group_machine(machine);
    }
    ue.set_duration(duration);
    Ok(Running::start(ue, streams, false, ThreadOptions::default(), None)?)
}

/// A radio without a UE.
enum Attacking {
    Replayer(Running<Replayer>),
    Middle(Running<Attacker<GroupMiddle>>),
}

impl Attacking {
    /// Begins an attack; a radio in the middle begins once the call is there, so that the group is.
    fn begin(
        case: &GroupCase<'_>,
        by: By,
        timeline: &Timeline,
        radio: Box<dyn Radio>,
    ) -> anyhow::Result<Self> {
        let streams = radio.start()?;
        let anchor = streams.anchor.unwrap_or(NO_ANCHOR);
        let mut config = config(case, Party::Manager)?;
        let By::Replay(replay) = by else {
            // who drowns others must be louder
            (config.name, config.device.level) = ("mallory".to_owned(), 10.0);
            let Timeline { call, rekey, .. } = timeline.from(subframe_of(anchor));
            let during = call + 700..rekey - 2 * case.period;
            let mut attacker = Attacker::new(&config, anchor, GroupMiddle::new(during))?;
            attacker.set_duration(timeline.end);
            let running = Running::start(attacker, streams, false, ThreadOptions::default(), None)?;
            return Ok(Self::Middle(running));
        };
        let delay = timeline.delay(replay, case.period);
        let mut replayer = Replayer::new("mallory", config.numerology()?, anchor, delay, Decibel(3.0));
        replayer.set_duration(timeline.end);
        let running = Running::start(replayer, streams, false, ThreadOptions::default(), None)?;
        Ok(Self::Replayer(running))
    }

    /// Waits for its end: what it sent, or altered.
    fn end(self) -> anyhow::Result<u64> {
        Ok(match self {
            Self::Replayer(running) => ended(running)?.replayed(),
            Self::Middle(running) => ended(running)?.attack().altered(),
        })
    }
}

/// The count of the subframe at the first sample.
fn subframe_of(anchor: Anchor) -> u64 {
    Clock::from_utc(3.84e6, anchor).first_whole(0)
}

fn ended<P: Participant>(running: Running<P>) -> anyhow::Result<P> {
    let (participant, result) =
        running.join().map_err(|_| anyhow::anyhow!("a thread failed; this is a bug"))?;
    result?;
    Ok(participant)
}
