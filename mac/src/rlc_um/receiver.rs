//! Receiving entities of RLC UM, and the reassembly of their SDUs. TS 36.322 §5.1.2.2.

use sidelink_security::counter::UtcTime;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::rlc_um::{Packet, SN_MODULUS};

use super::window::{Judgement, Reordering};
use super::{Error, MAX_SDU_LEN};

/// Which receiving entity a PDU belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
// TS 36.321 §6.2.4 LCID (1)
pub struct Key {
    /// Sender.
    pub source: Layer2Id,
    /// Whole destination.
    pub destination: Layer2Id,
    /// Logical channel.
    pub lcid: Lcid,
    /// How its PDUs are put in order.
    pub window: Window,
}

/// UM_Window_Size of STCH. TS 36.322 §7.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Window {
    /// 0: sidelink communication, transmission modes 1 and 2.
    None,
    /// 16: V2X, transmission modes 3 and 4.
    Sixteen,
}

/// Sizes of a [`Receiver`], all allocated at its construction.
#[derive(Debug, Clone, Copy)]
pub struct ReceiverConfig {
    /// Receiving entities that are kept at once.
    pub entities: usize,
    /// The longest SDU that is reassembled, in octets.
    pub max_sdu_len: usize,
}

impl Default for ReceiverConfig {
    /// 64 entities of one longest SDU and 8 KiB of stored PDUs each: a megabyte.
    fn default() -> Self {
        Self { entities: 64, max_sdu_len: MAX_SDU_LEN }
    }
}

/// What a receiver counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReceiverCounters {
    /// PDUs that were taken apart.
    pub pdus: u64,
    /// SDUs that were delivered.
    pub sdus: u64,
    /// PDUs that were refused as malformed.
    pub malformed: u64,
    /// PDUs that the gaps of the SN count as missing, modulo 32.
    pub lost_pdus: u64,
    /// PDUs with the SN of the PDU before: repeated by somebody.
    pub repeated_pdus: u64,
    /// PDUs of V2X that came before, or after their place was given up.
    pub discarded_pdus: u64,
    /// SDUs of which a segment was heard and another was not, at least.
    pub lost_sdus: u64,
    /// SDUs that were longer than the limit.
    pub oversized_sdus: u64,
    /// Entities that were given up for another sender.
    pub evicted: u64,
}

/// All receiving entities of one UE.
#[derive(Debug, Clone)]
pub struct Receiver {
    entities: Vec<Entity>,
    /// Buffers of the entities that do not exist yet.
    free: Vec<(Vec<u8>, Reordering)>,
    max_sdu_len: usize,
    /// PDUs heard: the clock by which the longest silence is found.
    turn: u64,
    counters: ReceiverCounters,
}

#[derive(Debug, Clone)]
struct Entity {
    key: Key,
    assembly: Assembly,
    reordering: Reordering,
    last_turn: u64,
}

/// The SDU that is put together, and the SN that goes on with it.
#[derive(Debug, Clone)]
struct Assembly {
    next_sn: u8,
    partial: Vec<u8>,
    collecting: bool,
}

impl Receiver {
    /// Allocates all entities.
    pub fn new(config: ReceiverConfig) -> Self {
        let capacity = config.entities.max(1);
        Self {
            entities: Vec::with_capacity(capacity),
            free: (0..capacity)
                .map(|_| (Vec::with_capacity(config.max_sdu_len), Reordering::new()))
                .collect(),
            max_sdu_len: config.max_sdu_len,
            turn: 0,
            counters: ReceiverCounters::default(),
        }
    }

    /// What was counted so far.
    pub const fn counters(&self) -> &ReceiverCounters {
        &self.counters
    }

    /// Takes a PDU that came at `now`, and hands each SDU that it completes to `deliver`, in order. What a missing PDU of
    /// V2X holds back comes later, by [`Self::tick`].
    ///
    /// # Errors
    /// A malformed PDU.
    pub fn receive(
        &mut self,
        key: Key,
        now: UtcTime,
        pdu: &[u8],
        mut deliver: impl FnMut(&[u8]),
    ) -> Result<(), Error> {
        let parsed = Packet::new_checked(pdu).and_then(|packet| packet.check_elements().map(|()| packet));
        let packet = match parsed {
            Ok(packet) => packet,
            Err(error) => {
                // TS 36.322 §5.5.1
                self.counters.malformed += 1;
                return Err(error.into());
            }
        };
        self.turn += 1;
        let index = self.entity(key, packet.sn());
        let Self { entities, counters, max_sdu_len, turn, .. } = self;
        let Entity { assembly, reordering, last_turn, .. } = &mut entities[index];
        *last_turn = *turn;
        if key.window == Window::None {
            assembly.receive(&packet, *max_sdu_len, counters, &mut deliver);
            return Ok(());
        }
        let judgement = reordering.receive(now, packet.sn(), pdu, |pdu| {
            assembly.receive(&Packet::new_unchecked(pdu), *max_sdu_len, counters, &mut deliver);
        });
        counters.discarded_pdus += u64::from(judgement == Judgement::Discarded);
        Ok(())
    }

    /// Hands on what waited for a PDU that did not come in t-Reordering (TS 36.322 §5.1.2.2.4).
    pub fn tick(&mut self, now: UtcTime, mut deliver: impl FnMut(Key, &[u8])) {
        let Self { entities, counters, max_sdu_len, .. } = self;
        for Entity { key, assembly, reordering, .. } in entities.iter_mut() {
            if reordering.is_due(now) {
                reordering.expire(now, |pdu| {
                    let packet = Packet::new_unchecked(pdu);
                    assembly.receive(&packet, *max_sdu_len, counters, &mut |sdu| deliver(*key, sdu));
                });
            }
        }
    }

    /// When [`Self::tick`] has something to do.
    pub fn next_timeout(&self) -> Option<UtcTime> {
        self.entities.iter().filter_map(|entity| entity.reordering.deadline()).min()
    }

    /// The entity of `key`, made or taken over when there is none.
    // TS 36.322 §4.2.1 (1)
    fn entity(&mut self, key: Key, sn: u8) -> usize {
        if let Some(index) = self.entities.iter().position(|entity| entity.key == key) {
            return index;
        }
        // TS 36.300 §23.10.2.1 (2)
        if let Some((partial, mut reordering)) = self.free.pop() {
            reordering.begin(sn);
            let assembly = Assembly { next_sn: sn, partial, collecting: false };
            // TS 36.322 §7.1 VR(UR), VR(UH)
            self.entities.push(Entity { key, assembly, reordering, last_turn: 0 });
            return self.entities.len() - 1;
        }
        let oldest =
            (0..self.entities.len()).min_by_key(|&index| self.entities[index].last_turn).unwrap_or(0);
        let entity = &mut self.entities[oldest];
        self.counters.evicted += 1;
        self.counters.lost_sdus += u64::from(entity.assembly.collecting || entity.reordering.holds());
        entity.key = key;
        (entity.assembly.next_sn, entity.assembly.collecting) = (sn, false);
        entity.reordering.begin(sn);
        oldest
    }
}

impl Assembly {
    /// Takes a PDU apart whose elements were checked.
    fn receive(
        &mut self,
        pdu: &Packet<&[u8]>,
        max_sdu_len: usize,
        counters: &mut ReceiverCounters,
        deliver: &mut impl FnMut(&[u8]),
    ) {
        counters.pdus += 1;
        let (sn, framing) = (pdu.sn(), pdu.framing());
        // TS 36.322 §5.1.2.2.2 (1)
        let gap = (sn + SN_MODULUS - self.next_sn) % SN_MODULUS;
        // TS 36.322 §5.1.2.2.1
        self.next_sn = (sn + 1) % SN_MODULUS;
        match gap {
            0 => {}
            gap if gap == SN_MODULUS - 1 => counters.repeated_pdus += 1,
            gap => counters.lost_pdus += u64::from(gap),
        }
        let mut counted = false;
        // TS 36.322 §4.2.1.2.3 (2)
        if self.collecting && (gap != 0 || !framing.continues) {
            self.collecting = false;
            counters.lost_sdus += 1;
            // The rest of the same SDU may lead this PDU: it is not a second loss.
            counted = true;
        }

        // TS 36.322 §6.2.1.3 (3)
        let mut elements = pdu.elements().enumerate().peekable();
        while let Some((index, element)) = elements.next() {
            let starts = index > 0 || !framing.continues;
            let ends = elements.peek().is_some() || !framing.unfinished;
            if starts && ends && element.len() <= max_sdu_len {
                counters.sdus += 1;
                deliver(element);
                continue;
            }
            if starts {
                self.partial.clear();
                self.collecting = true;
            }
            if !self.collecting {
                counters.lost_sdus += u64::from(ends && !counted);
                continue;
            }
            if self.partial.len() + element.len() > max_sdu_len {
                self.collecting = false;
                counters.oversized_sdus += 1;
                counted = true;
                continue;
            }
            self.partial.extend_from_slice(element);
            if ends {
                self.collecting = false;
                counters.sdus += 1;
                // TS 36.322 §5.1.2.2.3 (1)
                deliver(&self.partial);
            }
        }
    }
}
