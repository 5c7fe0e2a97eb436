//! Layer 2 of many UEs without a modem: SC periods, grants, transport blocks and their loss, on a simulated clock.
//!
//! MAC, RLC and PDCP headers are those of `sidelink-mac`; a block is lost by chance instead of by noise. In an SC period each UE
//! with data draws a place of the control pool, a time pattern and a place of the data pool (mode 2). Each transmission of a
//! block is lost with the fourth root of the block's loss, and is certainly lost
//!
//! - for a UE that transmits in the same subframe (half duplex),
//! - where another UE transmits in the same subframe and place (no capture).

use super::pool::{CONTROL, PATTERN, Pool};
use sidelink_mac::engine::{Bearer, Config, Engine, Input, Output};
use sidelink_mac::mux::Address;
use sidelink_mac::rlc_um;
use sidelink_security::counter::UtcTime;
use sidelink_ue::air_rng::AirRng;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pdcp::{HEADER_LEN, OneToOneRepr, SduType};
use std::collections::BTreeMap;

/// Transmissions of a block, and of an SCI.
const TRANSMISSIONS: u32 = 4;
const CONTROL_TRANSMISSIONS: u32 = 2;

/// Octets of signalling that wait for grants, and messages, at most.
const QUEUE: (usize, usize) = (1 << 21, 1 << 15);

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Transport blocks.
    pub(crate) blocks: u64,
    /// Octets of transport blocks.
    pub(crate) octets: u64,
    /// Grants: an SCI and its blocks in one SC period.
    pub(crate) grants: u64,
}

impl Sent {
    /// Returns what was sent after `before`.
    pub(crate) const fn since(self, before: Self) -> Self {
        Self {
            blocks: self.blocks - before.blocks,
            octets: self.octets - before.octets,
            grants: self.grants - before.grants,
        }
    }

    /// Returns the subframes of PSCCH and PSSCH that it took.
    pub(crate) const fn subframes(&self) -> u64 {
        self.grants * CONTROL_TRANSMISSIONS as u64 + self.blocks * TRANSMISSIONS as u64
    }
}

/// Returns the layer-2 identity of a UE.
///
/// # Errors
/// A number above those of the simulated network.
pub(crate) fn identity(station: usize) -> anyhow::Result<Layer2Id> {
    Ok(Layer2Id::new(0x10_0000 + u32::try_from(station)?)?)
}

/// Returns the address of a UE.
///
/// # Errors
/// A number above those of the simulated network.
#[cfg(test)]
pub(crate) fn address(station: usize) -> anyhow::Result<Address> {
    identity(station).map(Address::Ue)
}

/// Returns the unprotected PDU of a message. TS 36.323 §6.2.10: KD-sess ID 0, SN 0.
pub(crate) fn signalling(message: &[u8]) -> Vec<u8> {
    let header = OneToOneRepr { sdu_type: SduType::Pc5Signalling, kd_sess_id: 0, sn: 0 };
    let mut pdu = vec![0; HEADER_LEN];
    // Cannot fail: the header has its length.
    let _ = header.emit(&mut pdu);
    pdu.extend_from_slice(message);
    pdu
}

/// Returns the message of a PDU.
pub(crate) fn message(pdu: &[u8]) -> &[u8] {
    pdu.get(HEADER_LEN..).unwrap_or_default()
}

/// A PDU for a UE, as its layer 2 gave it.
#[derive(Debug)]
pub(crate) struct Heard {
    /// Number of the UE that received it.
    pub(crate) by: usize,
    pub(crate) from: Layer2Id,
    pub(crate) to: Address,
    pub(crate) pdu: Vec<u8>,
}

/// A grant in the present period.
struct Grant {
    station: usize,
    address: Address,
    control: u64,
    pattern: u8,
    place: u64,
}

struct Station {
    engine: Engine,
    sent: Sent,
}

/// The UEs, and the air between them.
pub(crate) struct Layer2 {
    pool: Pool,
    now: UtcTime,
    rng: AirRng,
    stations: Vec<Station>,
    /// Which UEs receive for an address.
    ears: BTreeMap<Address, Vec<usize>>,
    grants: Vec<Grant>,
    /// Milliseconds of the present period that have passed.
    into: u64,
}

impl Layer2 {
    pub(crate) fn new(pool: Pool, now: UtcTime, seed: u64) -> Self {
        let rng = AirRng::seeded(seed, "layer 2");
        Self { pool, now, rng, stations: Vec::new(), ears: BTreeMap::new(), grants: Vec::new(), into: 0 }
    }

    /// Adds a UE; it receives what is sent to it, and to these addresses. Returns its number.
    pub(crate) fn add(&mut self, id: Layer2Id, groups: &[Address]) -> usize {
        let config = Config {
            one_to_one: true,
            group_signalling: true,
            outputs: 64,
            output_octets: 32 * 1024,
            rlc: rlc_um::ReceiverConfig { entities: 4, ..rlc_um::ReceiverConfig::default() },
            ..Config::new(id)
        };
        let number = self.stations.len();
        let mut engine = Engine::new(config);
        for address in groups.iter().copied().chain([Address::Ue(id)]) {
            engine.listen(address);
            self.ears.entry(address).or_default().push(number);
        }
        self.stations.push(Station { engine, sent: Sent::default() });
        number
    }

    pub(crate) const fn now(&self) -> UtcTime {
        self.now
    }

    /// What a UE has sent.
    #[cfg(test)]
    pub(crate) fn sent(&self, station: usize) -> Sent {
        self.stations[station].sent
    }

    /// What all have sent.
    pub(crate) fn sent_by_all(&self) -> Sent {
        self.stations.iter().fold(Sent::default(), |sum, station| Sent {
            blocks: sum.blocks + station.sent.blocks,
            octets: sum.octets + station.sent.octets,
            grants: sum.grants + station.sent.grants,
        })
    }

    /// Queues a PDU at a UE.
    ///
    /// # Errors
    /// The queue is full.
    pub(crate) fn send(&mut self, station: usize, address: Address, pdu: &[u8]) -> anyhow::Result<()> {
        let engine = &mut self.stations[station].engine;
        let lcid = Lcid::PC5_S_UNPROTECTED;
        let (queue_octets, queue_sdus) = QUEUE;
        let bearer = Bearer { priority: 1, queue_octets, queue_sdus, ..Bearer::new(address, lcid) };
        // A bearer that is there stays.
        let _ = engine.add_bearer(bearer);
        engine.handle_input(Input::SendPdu { address, lcid, pdu })?;
        Ok(())
    }

    /// Passes one turn of the pattern, eight subframes, and returns the PDUs that came. A period begins with the subframes of
    /// its control pool, in which nothing arrives.
    ///
    /// # Errors
    /// Layer 2 cannot fill a block.
    pub(crate) fn step(&mut self) -> anyhow::Result<Vec<Heard>> {
        if self.into == 0 {
            self.draw();
        }
        let is_control = self.into < CONTROL;
        self.into += PATTERN;
        self.now = self.now.plus_millis(PATTERN);
        let heard = if is_control { Vec::new() } else { self.blocks()? };
        if self.into >= self.pool.period {
            self.close_unused();
            self.into = 0;
        }
        Ok(heard)
    }

    /// Draws the grants of a period.
    fn draw(&mut self) {
        self.grants.clear();
        for number in 0..self.stations.len() {
            let Some((address, _)) = self.stations[number].engine.next_address() else { continue };
            let grant = Grant {
                station: number,
                address,
                control: self.below(self.pool.control_places),
                pattern: self.pattern(),
                place: self.below(self.pool.places),
            };
            self.stations[number].sent.grants += 1;
            self.grants.push(grant);
        }
    }

    /// Every UE with a grant sends a block.
    fn blocks(&mut self) -> anyhow::Result<Vec<Heard>> {
        let mut heard = Vec::new();
        let grants = std::mem::take(&mut self.grants);
        let mut on_air = Vec::new();
        for (number, grant) in grants.iter().enumerate() {
            if let Some(block) = self.block(grant)? {
                on_air.push((number, block));
            }
        }
        for (number, block) in &on_air {
            let grant = &grants[*number];
            let others = || on_air.iter().map(|(other, _)| &grants[*other]);
            let ears = self.ears.get(&grant.address).cloned().unwrap_or_default();
            for ear in ears.into_iter().filter(|ear| *ear != grant.station) {
                let others: Vec<&Grant> = others().filter(|other| other.station != grant.station).collect();
                if self.arrives(grant, &others, ear) {
                    self.receive(ear, grant.address, block, &mut heard);
                }
            }
        }
        self.grants = grants;
        Ok(heard)
    }

    /// Fills the next block of a grant, if there is data for its destination.
    fn block(&mut self, grant: &Grant) -> anyhow::Result<Option<Vec<u8>>> {
        let len = self.pool.block_octets();
        let station = &mut self.stations[grant.station];
        station.engine.handle_input(Input::Opportunity { address: Some(grant.address), len })?;
        let mut filled = None;
        loop {
            match station.engine.poll_output() {
                Output::SlSch { block, .. } => filled = Some(block.to_vec()),
                Output::Timeout(_) => break,
                _ => {}
            }
        }
        if filled.is_some() {
            station.sent.blocks += 1;
            station.sent.octets += len as u64;
        }
        Ok(filled)
    }

    /// Draws whether a block arrives at a UE.
    fn arrives(&mut self, grant: &Grant, others: &[&Grant], ear: usize) -> bool {
        // an SCI of its own in the place of the other's leaves neither
        if others.iter().any(|other| other.control == grant.control) {
            return false;
        }
        let mut patterns_lost = 0;
        for other in others {
            if other.station == ear || other.place == grant.place {
                patterns_lost |= other.pattern;
            }
        }
        let left = (grant.pattern & !patterns_lost).count_ones();
        let lost = self.pool.loss.powf(f64::from(left) / f64::from(TRANSMISSIONS));
        left > 0 && self.unit() >= lost
    }

    fn receive(&mut self, by: usize, address: Address, block: &[u8], heard: &mut Vec<Heard>) {
        let now = self.now;
        let engine = &mut self.stations[by].engine;
        // What a peer does wrong is an output.
        let _ = engine.handle_input(Input::SlSch { now, group: address.group_destination(), block });
        loop {
            match engine.poll_output() {
                Output::OneToOne { source: from, address: to, pdu, .. }
                | Output::GroupSignalling { source: from, address: to, pdu } => {
                    heard.push(Heard { by, from, to, pdu: pdu.to_vec() });
                }
                Output::Timeout(_) => break,
                _ => {}
            }
        }
    }

    /// Takes away the bearers that wait for nothing: two thousand make every draw slow.
    fn close_unused(&mut self) {
        for grant in &self.grants {
            let engine = &mut self.stations[grant.station].engine;
            if engine.queued(grant.address) == 0 {
                let _ = engine.remove_bearer(grant.address, Lcid::PC5_S_UNPROTECTED);
            }
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound.max(1)
    }

    /// Draws one of the 70 patterns with four of eight bits.
    fn pattern(&mut self) -> u8 {
        loop {
            let pattern = self.rng.next_u64() as u8;
            if pattern.count_ones() == TRANSMISSIONS {
                return pattern;
            }
        }
    }

    /// Draws a number from 0 to below 1.
    fn unit(&mut self) -> f64 {
        (self.rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
