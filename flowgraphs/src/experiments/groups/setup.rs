//! Plays a case: its parties and its attacker on one air, in lock-step.

use super::cases::{By, GroupCase, Solution};
use super::costs::{Run, asked};
use super::keys;
use super::log::Log;
use super::naf::{self, Naf};
use super::parties::{Party, config};
use super::pkmf;
use super::timeline::Timeline;
use crate::attacks::group::GroupMiddle;
use crate::attacks::{Attacker, Replayer};
use crate::config::ue_toml::{Draws, Given, RadioFacts, UeConfig};
use sidelink_phy::units::Decibel;
use sidelink_radio::air::{Air, AirConfig, Pace, PortConfig};
use sidelink_radio::number::Number;
use sidelink_radio::{Anchor, Radio, RadioError};
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
    let sources = KeySources::open(case, &parties)?;
    // The air begins when all are there.
    let ports: Vec<_> =
        parties.iter().map(|party| air.attach(PortConfig::named(port(*party)))).collect::<Result<_, _>>()?;
    let attacking = attacker.map(|by| Ok::<_, RadioError>((by, air.attach(PortConfig::named("mallory"))?)));
    let attacking = attacking.transpose()?;
    let mut running = Vec::new();
    for (party, radio) in parties.iter().zip(ports) {
        let log = Log::default();
        let config = config(case, *party)?;
        let (own, given, machine) = sources.of(case, *party)?;
        let running_ue = begin(&config, (&own, given), radio, &log, (timeline.end, machine))?;
        running.push((*party, running_ue, log));
    }
    let attacking = attacking.map(|(by, radio)| Attacking::begin(case, by, &timeline, radio)).transpose()?;
    let mut run = Run {
        period: case.period,
        began: 0,
        timeline,
        has_thief: case.scenario.theft,
        manager: Vec::new(),
        members: Vec::new(),
        other: None,
        attacks: 0,
        network: sources.pkmf.as_ref().map(|pkmf| pkmf.spent),
        vectors: 0,
    };
    for (party, one, log) in running {
        run.take(party, &ended(one)?, &log);
    }
    if case.scenario.theft && is_radio_stolen(case) {
        run.other = run.members.last().cloned();
    }
    if let Some(naf) = &sources.naf {
        run.network = Some(naf.spent());
        run.vectors = naf.vectors_of_attacker();
        run.attacks = run.other.as_ref().map_or(0, asked);
    }
    if let Some(attacking) = attacking {
        run.attacks = attacking.end()?;
    }
    Ok(run)
}

/// Where the keys of a case come from.
struct KeySources {
    keys: Keys,
    pkmf: Option<pkmf::Delivered>,
    naf: Option<Naf>,
}

impl KeySources {
    fn open(case: &GroupCase<'_>, parties: &[Party]) -> anyhow::Result<Self> {
        let keys = match case.scenario.solution {
            Solution::Identity => keys::laboratory(parties)?,
            Solution::Owner | Solution::Pkmf | Solution::Invitation | Solution::WhiteList => Keys::default(),
        };
        let pkmf = (case.scenario.solution == Solution::Pkmf).then(|| pkmf::deliver(case)).transpose()?;
        let naf = naf::is_used(case).then(|| Naf::open(case)).transpose()?;
        Ok(Self { keys, pkmf, naf })
    }

    /// What a party has: keys of a store, what is in no file, and a machine that is not of its configuration.
    fn of(&self, case: &GroupCase<'_>, party: Party) -> anyhow::Result<(Keys, Given, Machine)> {
        let is_owner = case.scenario.solution == Solution::Owner;
        let mut given = Given {
            certificate: is_owner.then(|| keys::certificate(case, party)).transpose()?,
            ..Given::default()
        };
        let mut machine = self.pkmf.as_ref().and_then(|pkmf| pkmf.machine(party));
        if let Some(naf) = &self.naf {
            match naf.attacker(party, case.scenario.attack.map(|attack| attack.by))? {
                Some(attacker) => machine = Some(attacker),
                None => {
                    given.naf = Some(naf.access(party)?);
                    given.altered = naf.altered(party, case)?;
                }
            }
        }
        Ok((self.keys.for_ue(&party.name()), given, machine))
    }
}

/// A machine of group keys, if there is one.
type Machine = Option<Box<dyn GroupMachine>>;

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
            Party::Thief(_) => self.other = Some(log.take()),
            Party::Mallory => {
                self.attacks = ue.totals().sent[2];
                self.other = Some(log.take());
            }
        }
    }
}

/// Who takes part, in the order in which they come.
fn parties(case: &GroupCase<'_>) -> Vec<Party> {
    let mut parties = vec![Party::Manager];
    parties.extend((1..=case.members).map(Party::Member));
    if case.scenario.theft && !is_radio_stolen(case) {
        parties.push(Party::Thief(case.members));
    }
    let has_ue = |by| match by {
        By::Stranger | By::NotManager | By::Revoked { .. } => true,
        By::StolenInvitation | By::NotListed | By::Flood | By::CuriousNaf => true,
        By::Replay(_) | By::Middle | By::RogueOwner => false,
        By::OldInvitation | By::RepeatsKeys | By::LosesKeys => false,
    };
    if case.scenario.attack.is_some_and(|attack| has_ue(attack.by)) {
        parties.push(Party::Mallory);
    }
    parties
}

/// Whether a thief has the radio of a member, and not what is in its key store: where keys are drawn for a join, or come over
/// the network, they are in none.
fn is_radio_stolen(case: &GroupCase<'_>) -> bool {
    case.scenario.solution == Solution::Owner || naf::is_used(case)
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
    (keys, given): (&Keys, Given),
    radio: Box<dyn Radio>,
    log: &Log,
    (duration, machine): (u64, Option<Box<dyn GroupMachine>>),
) -> anyhow::Result<Running<Ue>> {
    let streams = radio.start()?;
    let anchor = streams.anchor.unwrap_or(NO_ANCHOR);
    let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
    let ears: Vec<Box<dyn Application>> = vec![Box::new(log.clone())];
    let mut ue = config.build_given(keys, NoStore::default(), facts, ears, given)?;
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
