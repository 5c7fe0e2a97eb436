//! A UE on the discovery air: its discovery agent, its clock, its radio.

use super::air::{Antenna, Emission, Signal};
use super::builds::World;
use super::program::{Slot, Who, psdch, receiver_config};
use super::setting::{Setting, around, unit};
use crate::Sample;
use sidelink_phy::receive::receiver::{Event as Heard, Receiver};
use sidelink_phy::units::{Decibel, Hertz, PrbRange};
use sidelink_prose::discovery::AirTime;
use sidelink_prose::discovery::agent::{Agent, Event, Input, Origin, Output};
use sidelink_security::counter::UtcTime;
use sidelink_ue::NoStore;
use sidelink_ue::air_rng::AirRng;
use sidelink_ue::mapping::Type1;
use sidelink_wire::pc5_discovery::LEN;
use std::time::{Duration, Instant};

/// How wrong the clocks of a UE are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct NodeClock {
    /// Milliseconds that the air clock is ahead of UTC.
    pub(crate) offset_ms: f64,
    /// Parts per million by which it runs fast.
    pub(crate) drift_ppm: f64,
    /// Milliseconds that the ProSe clock is ahead of the air clock.
    pub(crate) prose_ms: f64,
}

impl NodeClock {
    /// Returns the times of a slot, `since` subframes after the run began.
    fn at(&self, utc: UtcTime, since: u64) -> AirTime {
        let ahead = |utc: UtcTime, ms: f64| {
            UtcTime::from_millis(utc.millis().saturating_add_signed(ms.round() as i64))
        };
        let slot = ahead(utc, self.offset_ms + self.drift_ppm * 1e-6 * since as f64);
        let mut now = AirTime::at(slot);
        now.prose_clock = ahead(slot, self.prose_ms).counter();
        now
    }
}

/// Time that a processor took, and for how many.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    /// How many.
    pub(crate) count: u64,
    /// All of them together.
    pub(crate) time: Duration,
}

impl Spent {
    fn add(&mut self, began: Instant) {
        self.count += 1;
        self.time += began.elapsed();
    }

    /// Adds those of another.
    pub(crate) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.time += other.time;
    }
}

/// Time that the agent of a UE took: the modem is not in it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    /// Messages made.
    pub(crate) announce: Spent,
    /// Blocks judged.
    pub(crate) receive: Spent,
    /// Tables built.
    pub(crate) tables: Spent,
}

struct Resource {
    places: Vec<(u32, PrbRange)>,
    message: Option<[u8; LEN]>,
}

/// Modem and antenna of a UE that monitors.
struct Modem {
    antenna: Antenna,
    receiver: Receiver,
}

/// A UE.
pub(crate) struct Node {
    /// Its number.
    pub(crate) number: usize,
    /// Its discovery.
    pub(crate) agent: Agent,
    /// Its clocks.
    pub(crate) clock: NodeClock,
    /// Where it is.
    pub(crate) place: usize,
    /// Whether it sends.
    pub(crate) silent: bool,
    /// Carrier offset.
    pub(crate) carrier: Hertz,
    /// Gain.
    pub(crate) gain: Decibel,
    delay: usize,
    modem: Option<Modem>,
    store: NoStore,
    resources: Vec<Resource>,
    busy: Vec<u32>,
    draws: AirRng,
    nonces: AirRng,
    events: Vec<Event>,
    message: Option<(Origin, [u8; LEN])>,
    pub(super) cpu: Cpu,
}

/// A block as the modem of a UE gave it.
pub(super) struct Block {
    /// First PRB in its last subframe.
    pub(super) prb: usize,
    /// Subframes since the first one.
    pub(super) since_first: u32,
    pub(super) message: [u8; LEN],
}

impl Node {
    /// Makes UE `number` with its agent; carrier, gain and clock are drawn from the seed.
    pub(super) fn new(setting: &Setting, number: usize, agent: Agent) -> Self {
        let mut rng = setting.rng(&format!("radio {number}"));
        let modem = (number < setting.monitors).then(|| Modem {
            antenna: Antenna::new(setting.numerology(), setting.snr, rng.next_u64()),
            receiver: Receiver::new(receiver_config(setting)),
        });
        let clock = NodeClock { offset_ms: around(&mut rng, setting.clock_error_ms), ..NodeClock::default() };
        Self {
            number,
            agent,
            clock,
            place: 0,
            silent: false,
            carrier: Hertz(around(&mut rng, setting.carrier_hz)),
            gain: Decibel(-setting.spread_db * unit(&mut rng)),
            delay: (8.0 * unit(&mut rng)) as usize,
            modem,
            store: NoStore::default(),
            resources: Vec::new(),
            busy: Vec::new(),
            draws: setting.rng(&format!("resources {number}")),
            nonces: setting.rng(&format!("nonces {number}")),
            events: Vec::new(),
            message: None,
            cpu: Cpu::default(),
        }
    }

    /// Whether it monitors.
    pub(super) const fn monitors(&self) -> bool {
        self.modem.is_some()
    }

    /// Draws the resources of a period, as the planner of a UE does.
    pub(super) fn begin(&mut self, slot: &Slot, world: &dyn World, draw: &Type1) -> Vec<Event> {
        self.resources.clear();
        self.busy.clear();
        let wanted = match self.silent {
            true => 0,
            false => world.messages(self.number) + self.agent.discoveree().waiting(),
        };
        for _ in 0..wanted {
            if let Some(places) = draw.draw(&mut self.busy, &mut self.draws) {
                self.resources.push(Resource { places, message: None });
            }
        }
        self.tick(slot)
    }

    /// Lets time pass, and has the tables built that are needed.
    pub(super) fn tick(&mut self, slot: &Slot) -> Vec<Event> {
        let now = self.clock.at(slot.utc, slot.t);
        self.agent.handle_input(Input::Tick { now });
        self.drain(now);
        std::mem::take(&mut self.events)
    }

    /// Whether it sends in this subframe of the period: then it hears nothing.
    pub(super) fn is_busy(&self, into: u32) -> bool {
        self.resources.iter().any(|r| r.message.is_some() && r.places.iter().any(|(s, _)| *s == into))
    }

    /// Returns what it sends in a subframe; `began` is set where a message begins with it.
    pub(super) fn plan(&mut self, slot: &Slot) -> Option<Planned> {
        let now = self.clock.at(slot.utc, slot.t);
        let (at, j) = self.resources.iter().enumerate().find_map(|(at, r)| {
            Some((at, r.places.iter().position(|(subframe, _)| *subframe == slot.into)?))
        })?;
        // TS 36.321 §5.15.1.2.1
        if j == 0 {
            let nonce = [self.nonces.next_u64(), self.nonces.next_u64()];
            let began = Instant::now();
            self.agent.handle_input(Input::Opportunity { now, period: slot.period, nonce });
            self.drain(now);
            self.cpu.announce.add(began);
            self.resources[at].message = self.message.take().map(|(_, message)| message);
        }
        let resource = &self.resources[at];
        let (message, prbs) = (resource.message?, resource.places[j].1);
        let emission = Emission {
            who: Who::Node(self.number),
            place: self.place,
            signal: Signal::Channels(vec![psdch(message, j, prbs)]),
            carrier: self.carrier,
            gain: self.gain,
            delay: self.delay,
        };
        Some(Planned { emission, message, prb: prbs.start, begins: j == 0 })
    }

    /// Returns what its agent said since: of announcements, and of what it dropped.
    pub(super) fn said(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Hears a subframe with its modem.
    pub(super) fn hear(&mut self, slot: &Slot, samples: &[Sample]) -> Vec<Block> {
        let Some(Modem { antenna, receiver }) = &mut self.modem else { return Vec::new() };
        let mut blocks = Vec::new();
        receiver.set_time(slot.t, slot.dfn());
        receiver.process(slot.t, antenna.hear(samples), &mut |event| {
            // TS 36.321 §5.15.2.1.2 (2)
            if let Heard::SlDch { message, repeat: false, since_first, prb_start, .. } = event {
                blocks.extend(<[u8; LEN]>::try_from(message).map(|message| Block {
                    prb: prb_start,
                    since_first,
                    message,
                }));
            }
        });
        blocks
    }

    /// Gives a block to its agent; returns what it said.
    pub(super) fn receive(&mut self, slot: &Slot, block: &Block) -> Vec<Event> {
        let since = u64::from(block.since_first);
        let first = slot.utc.minus_millis(since);
        let now = self.clock.at(first, slot.t.saturating_sub(since));
        let began = Instant::now();
        self.agent.handle_input(Input::Message { now, block: &block.message });
        self.drain(now);
        self.cpu.receive.add(began);
        std::mem::take(&mut self.events)
    }

    fn drain(&mut self, now: AirTime) {
        loop {
            match self.agent.poll_output() {
                Output::Message { origin, message } => self.message = Some((origin, message)),
                // There is no SL-SCH on this air.
                Output::Announcement { .. } => {}
                Output::Event(event) => self.events.push(event),
                Output::Reserve(reservation) => {
                    let stream = reservation.stream();
                    let input = match reservation.commit(&mut self.store) {
                        Ok(granted) => Input::Granted { now, granted },
                        Err(_) => Input::ReservationFailed { now, stream },
                    };
                    self.agent.handle_input(input);
                }
                Output::Build(mut job) => {
                    let began = Instant::now();
                    while !job.run(usize::MAX) {}
                    self.cpu.tables.add(began);
                    self.agent.handle_input(Input::Table { now, job });
                }
                Output::Timeout(_) => return,
            }
        }
    }
}

/// What a UE sends in a subframe.
pub(super) struct Planned {
    pub(super) emission: Emission,
    pub(super) message: [u8; LEN],
    pub(super) prb: usize,
    /// Whether it is the first transmission of the message.
    pub(super) begins: bool,
}
