//! Plays a case: its parties and its attacker on one air, in lock-step.

use super::cases::{By, GroupCase, Mishap, Solution};
use super::costs::{Run, asked};
use super::keys;
use super::log::Log;
use super::naf::{self, Naf};
use super::owner;
use super::parties::{Party, config};
use super::pkmf;
use super::timeline::Timeline;
use crate::attacks::group::GroupMiddle;
use crate::attacks::impostor::Impostor;
use crate::attacks::{Attacker, Replayer};
use crate::config::ue_toml::{Draws, Given, RadioFacts, UeConfig};
use anyhow::Context;
use sidelink_phy::units::Decibel;
use sidelink_prose::group_keys::Identity;
use sidelink_radio::air::{Air, AirConfig, Pace, PortConfig};
use sidelink_radio::number::Number;
use sidelink_radio::{Anchor, Radio, RadioError, Streams};
use sidelink_store::{KeyStore, Keys, SharedStore};
use sidelink_ue::clock::Clock;
use sidelink_ue::{Application, GroupMachine, NoStore, Participant, Running, ThreadOptions, Ue};
use tempfile::TempDir;

/// Samples per second of the air.
const RATE: f64 = 3.84e6;

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
        parties.iter().map(|party| air.attach(port(case, &timeline, *party))).collect::<Result<_, _>>()?;
    let attacking = attacker.map(|by| Ok::<_, RadioError>((by, air.attach(PortConfig::named("mallory"))?)));
    let attacking = attacking.transpose()?;
    let mut stage = Stage { case, timeline, sources, disk: None, running: Vec::new() };
    let mut again = None;
    for (party, radio) in parties.iter().zip(ports) {
        let streams = radio.start()?;
        match party {
            // What it finds in its store is there when its first life has ended.
            Party::Again => again = Some(streams),
            party => stage.begin(*party, streams)?,
        }
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
        network: stage.sources.pkmf.as_ref().map(|pkmf| pkmf.spent),
        vectors: 0,
    };
    if let Some(streams) = again {
        stage.end(Party::Member(1), &mut run)?;
        stage.begin(Party::Again, streams)?;
    }
    for party in parties {
        stage.end(party, &mut run)?;
    }
    if run.has_thief && is_radio_stolen(case) {
        run.other = run.members.last().cloned();
    }
    if let Some(naf) = &stage.sources.naf {
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
    handed: owner::Handed,
}

impl KeySources {
    fn open(case: &GroupCase<'_>, parties: &[Party]) -> anyhow::Result<Self> {
        let keys = match case.scenario.solution {
            Solution::Identity | Solution::AdHoc => keys::laboratory(case, parties)?,
            Solution::Owner | Solution::Pkmf | Solution::Invitation | Solution::WhiteList => Keys::default(),
        };
        let pkmf = (case.scenario.solution == Solution::Pkmf).then(|| pkmf::deliver(case)).transpose()?;
        let naf = naf::is_used(case).then(|| Naf::open(case)).transpose()?;
        Ok(Self { keys, pkmf, naf, handed: owner::Handed::default() })
    }

    /// What a party has: keys of a store, what is in no file, and a machine that is not of its configuration.
    fn of(&self, case: &GroupCase<'_>, party: Party) -> anyhow::Result<(Keys, Given, Machine)> {
        let is_owner = case.scenario.solution == Solution::Owner;
        let mut given = Given {
            certificate: is_owner.then(|| keys::certificate(case, party)).transpose()?,
            ..Given::default()
        };
        let mut machine = match &self.pkmf {
            Some(pkmf) => pkmf.machine(party),
            None => owner::machine(case, party, &self.handed)?,
        };
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

/// The UEs of a case that run, and what they are made of.
struct Stage<'a> {
    case: &'a GroupCase<'a>,
    timeline: Timeline,
    sources: KeySources,
    /// The key store of the one that is killed, in a folder that goes with it.
    disk: Option<(SharedStore, TempDir)>,
    running: Vec<(Party, Running<Ue>, Log)>,
}

impl Stage<'_> {
    /// Builds a party, and lets it run.
    fn begin(&mut self, party: Party, streams: Streams) -> anyhow::Result<()> {
        let Self { case, timeline, sources, .. } = &*self;
        let config = config(case, party)?;
        let (own, given, machine) = sources.of(case, party)?;
        let anchor = streams.anchor.unwrap_or(NO_ANCHOR);
        let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
        let log = Log::default();
        let ears: Vec<Box<dyn Application>> = vec![Box::new(log.clone())];
        let duration = timeline.duration(case, party);
        let is_killed =
            case.scenario.mishap == Some(Mishap::Crash) && matches!(party, Party::Member(1) | Party::Again);
        let mut ue = match is_killed {
            true => config.build_given(&own, self.disk(&own)?, facts, ears, given)?,
            false => config.build_given(&own, NoStore::default(), facts, ears, given)?,
        };
        ue.set_on_air(log.on_air());
        if let Some(machine) = machine {
            ue.stack().add_group_machine(machine);
        }
        let by = self.case.scenario.attack.map(|attack| attack.by);
        if (party, by) == (Party::Mallory, Some(By::Impostor)) {
            ue.stack().set_group_messages(Box::new(self.impostor(&config, &own)?));
        }
        ue.set_duration(duration);
        let running = Running::start(ue, streams, false, ThreadOptions::default(), None)?;
        self.running.push((party, running, log));
        Ok(())
    }

    /// Waits for the end of a party that runs, and takes what it lived through.
    fn end(&mut self, party: Party, run: &mut Run) -> anyhow::Result<()> {
        if let Some(at) = self.running.iter().position(|(known, ..)| *known == party) {
            let (_, running, log) = self.running.remove(at);
            run.take(party, &ended(running)?, &log);
        }
        Ok(())
    }

    /// Returns the key store that survives, with these keys.
    fn disk(&mut self, keys: &Keys) -> anyhow::Result<SharedStore> {
        if let Some((store, _)) = &self.disk {
            return Ok(store.clone());
        }
        let folder = tempfile::tempdir()?;
        let store = SharedStore::new(KeyStore::open_or_create(&folder.path().join("keys"))?);
        store.open().put(keys)?;
        self.disk = Some((store.clone(), folder));
        Ok(store)
    }

    /// Returns the messages of one that calls in the name of the second member.
    fn impostor(&self, config: &UeConfig, own: &Keys) -> anyhow::Result<Impostor> {
        let victim = Party::Member(2);
        let of = |config: &UeConfig, keys: &Keys| {
            let messages = config.identity_news(keys)?.groups;
            messages.context("an impostor is in a group by identities")
        };
        let theirs = super::parties::config(self.case, victim)?;
        Ok(Impostor {
            own: of(config, own)?,
            forged: of(&theirs, &keys::forged(self.case, victim)?)?,
            victim: Identity::user(&victim.identity(self.case)),
        })
    }
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
            Party::Again => self.members[0].extend(log.take()),
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
    if case.scenario.mishap == Some(Mishap::Crash) {
        parties.push(Party::Again);
    }
    if case.scenario.incident.has_thief() && !is_radio_stolen(case) {
        parties.push(Party::Thief(case.members));
    }
    match case.scenario.attack.map(|attack| attack.by) {
        // A radio without a UE, a party that is there anyway, or the network.
        None | Some(By::Replay(_) | By::Middle | By::RogueOwner) => {}
        Some(By::OldInvitation | By::RepeatsKeys | By::LosesKeys) => {}
        Some(By::Spy) => parties.push(Party::Spy),
        Some(By::AsOwner) => parties.extend([Party::Mallory, Party::Impostor]),
        Some(_) => parties.push(Party::Mallory),
    }
    parties
}

/// Whether a thief has the radio of a member, and not what is in its key store: where keys are drawn for a join, come over the
/// network, or are of an ad-hoc group, they are in none.
fn is_radio_stolen(case: &GroupCase<'_>) -> bool {
    case.scenario.solution.steals_the_radio() || naf::is_used(case)
}

/// The radio of a party: of one that comes later it begins later.
fn port(case: &GroupCase<'_>, timeline: &Timeline, party: Party) -> PortConfig {
    let name = match party {
        Party::Thief(_) => "thief".to_owned(),
        Party::Again => format!("{} again", party.name()),
        _ => party.name(),
    };
    let begins = timeline.begins(case, party);
    let start = (begins > 0).then(|| Number(RATE / 1000.0 * begins as f64));
    PortConfig { start, ..PortConfig::named(name) }
}

/// The air of a case, which begins once `ports` radios are there.
fn open_air(case: &GroupCase<'_>, ports: usize) -> anyhow::Result<Air> {
    Ok(Air::new(AirConfig {
        rate: Number(RATE),
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
    Clock::from_utc(RATE, anchor).first_whole(0)
}

fn ended<P: Participant>(running: Running<P>) -> anyhow::Result<P> {
    let (participant, result) =
        running.join().map_err(|_| anyhow::anyhow!("a thread failed; this is a bug"))?;
    result?;
    Ok(participant)
}
