//! A radio that receives every block and sends the blocks of its attack: capabilities A0, A1 and A3 of the proposals'
//! digest. It has no layer 2 and no key, and obeys none of the rules of a UE: several transmissions in one subframe,
//! any power.

use super::subframes::{Subframe, Subframes};
use crate::Sample;
use crate::config::ConfigError;
use crate::config::receiver_config;
use crate::config::ue_toml::UeConfig;
use sidelink_phy::channel::pssch::{Grant, REDUNDANCY_VERSIONS};
use sidelink_phy::coding::crc::CRC16;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::pool::CommunicationPool;
use sidelink_phy::receive::receiver::{ControlInformation, Event, Receiver};
use sidelink_phy::sci::{Format0, riv_encode};
use sidelink_phy::tables::is_precoding_size;
use sidelink_phy::units::{CyclicPrefix, Modulation, PrbRange, SidelinkMode, TransmissionMode};
use sidelink_radio::{Anchor, RadioError, Transmit};
use sidelink_ue::air_rng::AirRng;
use sidelink_ue::clock::Clock;
use sidelink_ue::mapping::Mode2;
use sidelink_ue::mapping::transmit::{Content, Modulator, SciFields, Transmission};
use sidelink_ue::{LatencyStats, Participant};
use std::collections::{BTreeMap, VecDeque};

/// A transport block, and the group destination ID that its SCI carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    /// Octet of the SCI.
    pub group: u8,
    /// The block: padded, or cut, to [`AttackContext::octets`].
    pub block: Vec<u8>,
}

/// Actions of an attack.
#[derive(Debug, Default)]
pub struct AttackContext {
    /// Pending blocks, to be sent from the next SC period on.
    pub injections: VecDeque<Injection>,
    /// Whether every PSCCH of others is jammed.
    pub jam: bool,
    /// Octets of a block.
    pub octets: usize,
}

/// Reactions of an attack to receptions.
pub trait Attack: Send + 'static {
    /// Handles a block that is received for the first time; `group` is the octet of its SCI.
    fn heard(&mut self, t: u64, group: u8, block: &[u8], context: &mut AttackContext);

    /// Handles an SC period that is being planned.
    fn period(&mut self, t: u64, context: &mut AttackContext);
}

/// The radio of an attack.
pub struct Attacker<P> {
    name: String,
    numerology: Numerology,
    subframes: Subframes,
    receiver: Receiver,
    modulator: Modulator,
    pool: CommunicationPool,
    draw: Mode2,
    control: Vec<u32>,
    mcs: u8,
    prbs: usize,
    modulation: Modulation,
    cp: [CyclicPrefix; 2],
    amplitude: f32,
    air_rng: AirRng,
    context: AttackContext,
    attack: P,
    agenda: BTreeMap<u64, Vec<Transmission>>,
    burst: Vec<Sample>,
    sent: u64,
}

impl<P: Attack> Attacker<P> {
    /// Makes an attacker in the carrier and the first communication pool of `config`, at whose level it sends. Knows
    /// the time by `anchor`.
    ///
    /// # Errors
    /// The first error of the configuration.
    pub fn new(config: &UeConfig, anchor: Anchor, attack: P) -> Result<Self, ConfigError> {
        let radio = config.resolve()?;
        let numerology = config.numerology()?;
        let mode = radio.mode.unwrap_or(TransmissionMode::Tm2);
        let mut receiver = receiver_config(&radio, numerology);
        receiver.mode = mode;
        let carrier = numerology.bandwidth().prbs();
        let lacks = |what: &str| ConfigError::new(what, "[[radio.communication]]", "give the pool more room");
        let pool = radio.communication.first().ok_or_else(|| lacks("there is no pool"))?;
        let usage = &config.communication;
        let draw = Mode2::new(&pool.pool, carrier, usage.trpt_subset).map_err(|e| lacks(&e.to_string()))?;
        let prbs = (1..=usage.prbs.min(draw.widest())).rev().find(|&n| is_precoding_size(n));
        let prbs = prbs.ok_or_else(|| lacks("no PRBs"))?;
        let (modulation, bits) = grant(PrbRange { start: 0, len: prbs }, usage.mcs, 0)
            .size(SidelinkMode::D2d)
            .map_err(|_| lacks("no block of this MCS"))?;
        let subframes = Subframes::new(numerology, anchor);
        Ok(Self {
            name: config.name.clone(),
            numerology,
            receiver: Receiver::new(receiver),
            modulator: Modulator::new(numerology, mode, &[]),
            control: pool.pool.control_subframes(),
            pool: pool.pool.clone(),
            draw,
            mcs: usage.mcs,
            prbs,
            modulation,
            cp: [pool.control_cp, pool.data_cp],
            amplitude: 10f32.powf(config.device.level as f32 / 20.0),
            air_rng: config
                .seed
                .map_or_else(AirRng::of_system, |seed| Ok(AirRng::seeded(seed, &config.name)))?,
            context: AttackContext { octets: bits / 8, ..AttackContext::default() },
            attack,
            agenda: BTreeMap::new(),
            burst: vec![Sample::default(); subframes.length()],
            subframes,
            sent: 0,
        })
    }

    /// Limits the run to `subframes` subframes.
    pub fn set_duration(&mut self, subframes: u64) {
        self.subframes.set_duration(subframes);
    }

    /// Returns the number of transmissions on a channel that it made.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Returns the attack with its results.
    pub fn attack(&self) -> &P {
        &self.attack
    }

    fn subframe(&mut self, now: Subframe, radio: &mut dyn Transmit) -> Result<(), RadioError> {
        let (t, coming) = (now.t, now.coming());
        let Self { subframes, receiver, attack, context, .. } = self;
        if let Some(samples) = subframes.samples(now) {
            receiver.set_time(t, Clock::dfn(t));
            receiver.process(t, samples, &mut |event| {
                if let Event::SlSch(block) = event
                    && !block.repeat
                    && let ControlInformation::Format0(sci) = block.information
                {
                    attack.heard(t, sci.group_destination, block.block, context);
                }
            });
        }
        let count = Clock::dfn(coming).count();
        if let Some(into) = self.pool.into_period(count) {
            if into == 0 {
                self.attack.period(coming, &mut self.context);
                self.period(coming);
            }
            if self.context.jam && self.control.contains(&into) {
                self.jam(coming);
            }
        }
        if let Some(transmissions) = self.agenda.remove(&coming) {
            self.sent += transmissions.len() as u64;
            if let Err(e) = self.modulator.render(&transmissions, &mut self.burst) {
                tracing::error!("{}: subframe {coming} cannot be sent: {e}", self.name);
            }
            radio.transmit(self.subframes.start_of(coming), &self.burst)?;
        }
        radio.advance(self.subframes.start_of(coming + 1))
    }

    /// Plans the SC period that begins at `t`: as many blocks as a pattern holds, to one destination.
    fn period(&mut self, t: u64) {
        let Some(group) = self.context.injections.front().map(|s| s.group) else { return };
        let Some(resource) = self.draw.draw(self.prbs, &mut self.air_rng) else { return };
        let bandwidth = self.numerology.bandwidth();
        let Some(riv) = riv_encode(bandwidth.prbs(), resource.prbs.start, resource.prbs.len) else { return };
        let sci = Format0 {
            hopping: false,
            rb_assignment: riv as u16,
            trp: resource.trp,
            mcs: self.mcs,
            timing_advance: 0,
            group_destination: group,
        };
        let mut bits = vec![0; Format0::bits(bandwidth)];
        if sci.emit(bandwidth, &mut bits).is_err() {
            return;
        }
        for (subframe, prb) in resource.control {
            let fields = SciFields::Format0(sci);
            let crc16 = CRC16.bits(&bits) as u16;
            let content = Content::Sci { fields, bits: bits.clone(), prb, n_cs: 0, crc16 };
            self.schedule(t + u64::from(subframe), self.cp[0], content);
        }
        for (number, places) in resource.data.chunks_exact(REDUNDANCY_VERSIONS.len()).enumerate() {
            if self.context.injections.front().is_none_or(|s| s.group != group) {
                break;
            }
            let Some(mut injection) = self.context.injections.pop_front() else { break };
            injection.block.resize(self.context.octets, 0);
            for (&(subframe, index), rv) in places.iter().zip(REDUNDANCY_VERSIONS) {
                let n_ssf = (index % 10) as u8;
                let grant = Grant { rv, n_ssf, ..grant(resource.prbs, self.mcs, group) };
                let (modulation, block) = (self.modulation, injection.block.clone());
                let content = Content::SlSch { grant, modulation, block, number: number as u64 };
                self.schedule(t + u64::from(subframe), self.cp[1], content);
            }
        }
    }

    fn schedule(&mut self, t: u64, cp: CyclicPrefix, content: Content) {
        let transmission = Transmission { cp, amplitude: self.amplitude, content };
        self.agenda.entry(t).or_default().push(transmission);
    }

    /// Transmits noise on every PRB of subframe `t` that it does not use itself.
    fn jam(&mut self, t: u64) {
        let bandwidth = self.numerology.bandwidth();
        let used: Vec<usize> = self.agenda.get(&t).map_or(Vec::new(), |all| {
            all.iter().flat_map(|x| x.subcarriers(bandwidth)).map(|subcarrier| subcarrier / 12).collect()
        });
        let free: Vec<usize> = (0..bandwidth.prbs()).filter(|prb| !used.contains(prb)).collect();
        for run in free.chunk_by(|a, b| a + 1 == *b) {
            let mut rest = run;
            while let Some(len) = (1..=rest.len()).rev().find(|&n| is_precoding_size(n)) {
                let grant = grant(PrbRange { start: rest[0], len }, 0, 0);
                rest = &rest[len..];
                let Ok((modulation, bits)) = grant.size(SidelinkMode::D2d) else { continue };
                let block = (0..bits / 8).map(|_| self.air_rng.next_u64() as u8).collect();
                self.schedule(t, self.cp[0], Content::SlSch { grant, modulation, block, number: 0 });
            }
        }
    }
}

fn grant(prbs: PrbRange, mcs: u8, group: u8) -> Grant {
    Grant { prbs, mcs, rv: 0, n_id: u16::from(group), n_ssf: 0, transmission_format: false }
}

impl<P: Attack> Participant for Attacker<P> {
    fn name(&self) -> &str {
        &self.name
    }

    fn subframe_samples(&self) -> usize {
        self.subframes.length()
    }

    fn first_promise(&self) -> u64 {
        self.subframes.first_promise()
    }

    fn process(
        &mut self,
        first: u64,
        samples: &[Sample],
        _newest: u64,
        radio: &mut dyn Transmit,
    ) -> Result<(), RadioError> {
        self.subframes.push(first, samples);
        while radio.poll_event().is_some() {}
        while let Some(now) = self.subframes.next() {
            self.subframe(now, radio)?;
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.subframes.is_over()
    }

    fn latency_stats(&mut self) -> Option<&mut LatencyStats> {
        None
    }
}
