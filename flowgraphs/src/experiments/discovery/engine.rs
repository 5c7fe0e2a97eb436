//! A run on the discovery air: only the subframes of the pool exist, in lock-step.

use super::air::{Air, Emission};
use super::builds::{Build, Match, NetworkCost, World};
use super::judge::{Conclusion, Entry, conclude, proven};
use super::node::{Cpu, Node};
use super::program::{Program, Slot, Who};
use super::setting::{Setting, unit};
use sidelink_phy::pool::DiscoveryPool;
use sidelink_prose::discovery::agent::Event;
use sidelink_security::counter::UtcTime;
use sidelink_security::outcome::Outcome;
use sidelink_ue::air_rng::AirRng;
use sidelink_ue::mapping::Type1;
use sidelink_wire::pc5_discovery::LEN;
use std::collections::BTreeMap;

/// Milliseconds in which the DFN comes round: a run begins at a multiple of it, so that DFN 0 is there.
const DFN_ROUND: u64 = 10_240;

/// Earliest begin of a run, UTC in milliseconds.
const EARLIEST: u64 = 1_800_000_000_000 / DFN_ROUND * DFN_ROUND;

/// What happens beside the honest UEs.
#[derive(Default)]
pub(crate) struct Cast {
    /// Radio programs.
    pub(crate) programs: Vec<Box<dyn Program>>,
    /// Changes UEs and keys at the begin of a period.
    pub(crate) script: Option<Script>,
    /// Places beside the first one.
    pub(crate) more_places: usize,
}

/// Changes UEs and keys at the begin of a period.
pub(crate) type Script = Box<dyn FnMut(&Slot, &mut [Node], &mut dyn World) -> anyhow::Result<()>>;

/// A message that a UE began to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// Its first subframe.
    pub(crate) slot: Slot,
    /// The UE.
    pub(crate) node: usize,
    /// The block.
    pub(crate) message: [u8; LEN],
    /// Whether another UE began in the same resource.
    pub(crate) collided: bool,
}

/// A run.
pub(crate) struct Run {
    /// Blocks that UEs sent.
    pub(crate) sent: Vec<Sent>,
    /// PSDCH subframes of UEs, repetitions among them.
    pub(crate) subframes: u64,
    /// Subframes in which programs sent something.
    pub(crate) attacks: u64,
    /// Blocks that monitors decoded.
    pub(crate) entries: Vec<Entry>,
    /// Sets of blocks that had waited for their verification: when it was their turn, at which monitor, what.
    pub(crate) waited: Vec<(Slot, usize, Match)>,
    /// What the network verified: when, for whom, what.
    pub(crate) verified: Vec<(UtcTime, usize, Match)>,
    /// Announcements that UEs kept to themselves, by why.
    pub(crate) silent: BTreeMap<&'static str, u64>,
    /// Begin, UTC.
    pub(crate) start: UtcTime,
    /// What agents of UEs took.
    pub(crate) cpu: Cpu,
    /// What went over the network.
    pub(crate) network: NetworkCost,
    /// Octets of the discovery of the monitor that keeps the most, at the end.
    pub(crate) memory: u64,
}

/// Returns the begin of a run: a multiple of the round of the DFN, which the seed chooses.
pub(crate) fn start(setting: &Setting) -> UtcTime {
    let round = setting.rng("start").next_u64() % 100_000;
    UtcTime::from_millis(EARLIEST + round * DFN_ROUND)
}

/// Runs a build in a setting, with what happens beside it.
///
/// # Errors
/// A size is out of range, keys do not fit, or something cannot be encoded.
pub(crate) fn run(build: &Build, setting: &Setting, cast: Cast) -> anyhow::Result<Run> {
    run_world((build.world)(setting)?, setting, cast)
}

/// Runs keys and codes that a caller has made, as [`run`] does.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_world(world: Box<dyn World>, setting: &Setting, cast: Cast) -> anyhow::Result<Run> {
    setting.check()?;
    let mut engine = Engine::new(setting, world, cast)?;
    let mut first = 0;
    for period in 0..setting.periods() {
        first = next_period(&engine.pool, first);
        engine.period(period, first)?;
        first += 1;
    }
    Ok(engine.end())
}

/// Returns the first subframe from `t` on with which a period begins.
fn next_period(pool: &DiscoveryPool, t: u64) -> u64 {
    let begins = |t: &u64| pool.into_period((t % DFN_ROUND) as u32) == Some(0);
    (t..).find(begins).unwrap_or(t)
}

struct Engine {
    pool: DiscoveryPool,
    subframes: Vec<u32>,
    draw: Type1,
    air: Air,
    nodes: Vec<Node>,
    world: Box<dyn World>,
    cast: Cast,
    phases: AirRng,
    emissions: Vec<Emission>,
    /// Where each message of this period began: subframe, PRB, place.
    begun: BTreeMap<(u32, usize, usize), Vec<usize>>,
    run: Run,
}

impl Engine {
    fn new(setting: &Setting, mut world: Box<dyn World>, cast: Cast) -> anyhow::Result<Self> {
        let pool = setting.pool();
        let nodes = (0..setting.announcers)
            .map(|ue| {
                let hears = ue < setting.monitors || world.hears(ue);
                Ok(Node::new(setting, ue, world.agent(ue)?, hears))
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let start = start(setting);
        let run = Run {
            sent: Vec::new(),
            subframes: 0,
            attacks: 0,
            entries: Vec::new(),
            waited: Vec::new(),
            verified: Vec::new(),
            silent: BTreeMap::new(),
            start,
            cpu: Cpu::default(),
            network: NetworkCost::default(),
            memory: 0,
        };
        Ok(Self {
            subframes: pool.subframes(),
            draw: Type1::new(&pool, setting.bandwidth.prbs(), 100)?,
            air: Air::new(setting.numerology(), 1 + cast.more_places),
            pool,
            nodes,
            world,
            cast,
            phases: setting.rng("phases"),
            emissions: Vec::new(),
            begun: BTreeMap::new(),
            run,
        })
    }

    fn period(&mut self, period: u64, first: u64) -> anyhow::Result<()> {
        let utc = |t: u64| self.run.start.plus_millis(t);
        let slot = Slot { t: first, utc: utc(first), period, into: 0 };
        self.run.verified.extend(self.world.network(slot.utc));
        if let Some(script) = &mut self.cast.script {
            script(&slot, &mut self.nodes, &mut *self.world)?;
        }
        self.begun.clear();
        for node in &mut self.nodes {
            let events = node.begin(&slot, &*self.world, &self.draw);
            note_silence(&events, &mut self.run.silent);
            let found = proven(&*self.world, node.number, &events).into_iter();
            self.run.waited.extend(found.map(|found| (slot, node.number, found)));
        }
        self.cast.programs.iter_mut().for_each(|program| program.begin(&slot));
        for into in self.subframes.clone() {
            let t = first + u64::from(into);
            self.subframe(&Slot { t, utc: self.run.start.plus_millis(t), period, into })?;
        }
        Ok(())
    }

    fn subframe(&mut self, slot: &Slot) -> anyhow::Result<()> {
        self.air.clear();
        self.emissions.clear();
        self.plan(slot);
        for program in &mut self.cast.programs {
            let before = self.emissions.len();
            program.send(slot, &mut self.emissions);
            self.run.attacks += u64::from(self.emissions.len() > before);
        }
        for emission in &self.emissions {
            self.air.send(emission, std::f64::consts::TAU * unit(&mut self.phases))?;
        }
        let mut passed = Vec::new();
        for program in &mut self.cast.programs {
            let before = passed.len();
            program.pass_on(slot, &|place| self.air.at(place).to_vec(), &mut passed);
            self.run.attacks += u64::from(passed.len() > before);
        }
        for emission in &passed {
            // What is passed on keeps its phase.
            self.air.send(emission, 0.0)?;
        }
        for program in &mut self.cast.programs {
            program.hear(slot, &|place| self.air.at(place).to_vec());
        }
        self.hear(slot);
        Ok(())
    }

    /// What honest UEs send.
    fn plan(&mut self, slot: &Slot) {
        let Self { nodes, run, emissions, begun, .. } = self;
        for node in nodes {
            let planned = node.plan(slot);
            note_silence(&node.said(), &mut run.silent);
            let Some(planned) = planned else { continue };
            run.subframes += 1;
            if planned.begins {
                let at = begun.entry((slot.into, planned.prb, node.place)).or_default();
                at.push(run.sent.len());
                let message = planned.message;
                run.sent.push(Sent { slot: *slot, node: node.number, message, collided: false });
                if at.len() > 1 {
                    at.iter().for_each(|sent| run.sent[*sent].collided = true);
                }
            }
            emissions.push(planned.emission);
        }
    }

    /// What monitors hear.
    fn hear(&mut self, slot: &Slot) {
        let Self { nodes, run, emissions, air, world, .. } = self;
        for node in nodes.iter_mut().filter(|node| node.hears()) {
            // Half duplex.
            if node.is_busy(slot.into) {
                continue;
            }
            for block in node.hear(slot, air.at(node.place)) {
                let events = node.receive(slot, &block);
                // A subframe is heard when it is over.
                let heard = slot.utc.plus_millis(1);
                events.iter().for_each(|event| world.report(heard, node.number, event));
                let sender = |emission: &&Emission| {
                    emission.place == node.place && emission.message(block.prb) == Some(&block.message)
                };
                let sender = emissions.iter().find(sender).map(|emission| emission.who);
                let (conclusion, waited) = conclude(&**world, (node.number, sender), &events);
                run.waited.extend(waited.into_iter().map(|found| (*slot, node.number, found)));
                run.entries.push(Entry {
                    slot: *slot,
                    monitor: node.number,
                    sender,
                    message: block.message,
                    conclusion,
                    reported: events
                        .iter()
                        .any(|event| matches!(event, Event::Discovered(found) if found.report)),
                });
            }
        }
    }

    fn end(mut self) -> Run {
        // What is on its way comes in.
        let last = self.run.sent.last().map_or(self.run.start, |sent| sent.slot.utc);
        self.run.verified.extend(self.world.network(last.plus_millis(60_000)));
        for node in &self.nodes {
            self.run.cpu.announce.merge(node.cpu.announce);
            self.run.cpu.receive.merge(node.cpu.receive);
            self.run.cpu.tables.merge(node.cpu.tables);
        }
        self.run.network = self.world.network_cost();
        let monitors = self.nodes.iter_mut().filter(|node| node.hears());
        self.run.memory = monitors.map(|node| node.agent.monitor().octets() as u64).max().unwrap_or(0);
        self.run
    }
}

fn note_silence(events: &[Event], silent: &mut BTreeMap<&'static str, u64>) {
    for event in events {
        if let Event::Silent { refusal, .. } = event {
            *silent.entry(Outcome::from(*refusal).as_str()).or_default() += 1;
        }
    }
}

impl Run {
    /// Returns the conclusions of one sender's blocks.
    pub(crate) fn of(&self, sender: Who) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.sender == Some(sender))
    }

    /// Returns the number of blocks of a sender that were taken for one of somebody.
    pub(crate) fn taken(&self, sender: Who) -> usize {
        self.of(sender).filter(|entry| matches!(entry.conclusion, Conclusion::Match(_))).count()
    }
}
