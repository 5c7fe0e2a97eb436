//! RLC in unacknowledged mode on STCH: segmentation, concatenation, reassembly. Read first: TS 36.322 §5.1.2, §7.1,
//! §7.2.
//!
//! The window of STCH has size 0: nothing is reordered, each PDU is reassembled on arrival. At the first PDU of a
//! sender the receiver takes its SN as VR(UR) and VR(UH), and so starts in mid-stream at once. There is one receiving
//! entity for each (source, destination, logical channel) (from memory, TS 36.322 §4.2.1 not read). Their number is
//! bounded: an unknown sender replaces the one that was silent the longest.

use core::fmt;
use std::collections::VecDeque;

use sidelink_wire as wire;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::rlc_um::{FramingInfo, MAX_ELEMENTS, MAX_LI, Packet, Repr, SN_MODULUS};

/// The largest RLC SDU, in octets: the largest PDCP PDU.
pub const MAX_SDU_LEN: usize = wire::pdcp::HEADER_LEN + wire::pdcp::MAX_SDU_LEN + wire::pdcp::MAC_I_LEN;

/// Reason why an SDU was not queued or a PDU not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Malformed bytes: the PDU.
    Malformed(wire::Error),
    /// Our misuse: an SDU without octets cannot be segmented.
    EmptySdu,
    /// Our misuse: the SDU is longer than [`MAX_SDU_LEN`].
    SduTooLong {
        /// Length of the SDU, octets.
        len: usize,
    },
    /// The operator's fault: more data is sent than the grants can carry.
    QueueFull {
        /// Queued octets.
        queued: usize,
        /// Capacity of the queue, octets.
        capacity: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::EmptySdu => write!(f, "an RLC SDU without octets"),
            Self::SduTooLong { len } => write!(f, "an RLC SDU of {len} octets, {MAX_SDU_LEN} is the most"),
            Self::QueueFull { queued, capacity } => {
                write!(f, "RLC queue full: {queued} of {capacity} octets wait for a grant")
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<wire::Error> for Error {
    fn from(error: wire::Error) -> Self {
        Self::Malformed(error)
    }
}

/// The transmitting entity of one logical channel. Its queue is allocated once.
#[derive(Debug, Clone)]
pub struct Transmitter {
    /// VT(US), the SN of the next PDU.
    sn: u8,
    octets: VecDeque<u8>,
    lengths: VecDeque<usize>,
    /// Whether the head of the queue is the rest of a segmented SDU.
    begun: bool,
}

impl Transmitter {
    /// Makes an entity with a queue of `octets` octets in at most `sdus` SDUs.
    pub fn new(octets: usize, sdus: usize) -> Self {
        Self {
            sn: 0,
            octets: VecDeque::with_capacity(octets),
            lengths: VecDeque::with_capacity(sdus),
            begun: false,
        }
    }

    /// Queues an SDU.
    pub fn push(&mut self, sdu: &[u8]) -> Result<(), Error> {
        self.check_room(sdu.len())?;
        self.octets.extend(sdu);
        self.lengths.push_back(sdu.len());
        Ok(())
    }

    /// Checks that the queue has room for an SDU of `len` octets.
    pub fn check_room(&self, len: usize) -> Result<(), Error> {
        if len == 0 {
            return Err(Error::EmptySdu);
        }
        if len > MAX_SDU_LEN {
            return Err(Error::SduTooLong { len });
        }
        let (queued, capacity) = (self.octets.len(), self.octets.capacity());
        if queued + len > capacity || self.lengths.len() == self.lengths.capacity() {
            return Err(Error::QueueFull { queued, capacity });
        }
        Ok(())
    }

    /// Returns the queued octets.
    pub fn queued(&self) -> usize {
        self.octets.len()
    }

    /// Builds the largest PDU that fits in `out` and returns its length: 0 when nothing is queued, or when `out` has no
    /// room for a header and one octet. Takes as many SDUs as fit and segments the last.
    pub fn emit_pdu(&mut self, out: &mut [u8]) -> usize {
        let mut elements = [0; MAX_ELEMENTS];
        let mut count = 0;
        let mut taken = 0;
        let mut unfinished = false;
        for &length in &self.lengths {
            let header = wire::rlc_um::header_len(count + 1);
            let room = out.len().saturating_sub(header + taken);
            if room == 0 || count == MAX_ELEMENTS {
                break;
            }
            elements[count] = length.min(room);
            taken += elements[count];
            count += 1;
            unfinished = length > room;
            // A longer element has no LI, so nothing can follow it.
            if unfinished || length > MAX_LI {
                break;
            }
        }
        if count == 0 {
            return 0;
        }

        let framing = FramingInfo { continues: self.begun, unfinished };
        let lengths = elements[..count].iter().copied();
        if wire::rlc_um::emit_header(framing, self.sn, lengths, out).is_err() {
            // Unreachable: the header was counted into the room, and the SN and all LIs are in range.
            return 0;
        }
        let header = wire::rlc_um::header_len(count);
        let data = self.octets.drain(..taken);
        out[header..header + taken].iter_mut().zip(data).for_each(|(to, from)| *to = from);

        self.lengths.drain(..count - 1);
        if let Some(head) = self.lengths.front_mut() {
            *head -= elements[count - 1];
            if *head == 0 {
                self.lengths.pop_front();
            }
        }
        self.begun = unfinished;
        self.sn = (self.sn + 1) % SN_MODULUS;
        header + taken
    }
}

/// Key of a receiving entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Sender.
    pub source: Layer2Id,
    /// Destination, all 24 bits.
    pub destination: Layer2Id,
    /// Logical channel.
    pub lcid: Lcid,
}

/// Sizes of a [`Receiver`], all allocated at its construction.
#[derive(Debug, Clone, Copy)]
pub struct ReceiverConfig {
    /// Number of receiving entities.
    pub entities: usize,
    /// The longest SDU that is reassembled, in octets.
    pub max_sdu_len: usize,
}

impl Default for ReceiverConfig {
    /// Returns room for 64 entities of one longest SDU each: half a megabyte.
    fn default() -> Self {
        Self { entities: 64, max_sdu_len: MAX_SDU_LEN }
    }
}

/// Counters of a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReceiverCounters {
    /// PDUs that were parsed.
    pub pdus: u64,
    /// SDUs that were delivered.
    pub sdus: u64,
    /// PDUs that were refused as malformed.
    pub malformed: u64,
    /// Missing PDUs by the gaps of the SN, modulo 32.
    pub lost_pdus: u64,
    /// PDUs with the SN of the PDU before: duplicates or replays.
    pub repeated_pdus: u64,
    /// SDUs of which one segment was received and another was not: a lower bound.
    pub lost_sdus: u64,
    /// SDUs longer than the limit.
    pub oversized_sdus: u64,
    /// Entities that were evicted for another sender.
    pub evicted: u64,
}

/// All receiving entities of one UE.
#[derive(Debug, Clone)]
pub struct Receiver {
    entities: Vec<Entity>,
    /// Reassembly buffers of the entities that do not exist yet.
    free: Vec<Vec<u8>>,
    max_sdu_len: usize,
    /// PDUs received: the clock by which the longest silence is found.
    turn: u64,
    counters: ReceiverCounters,
}

#[derive(Debug, Clone)]
struct Entity {
    key: Key,
    next_sn: u8,
    partial: Vec<u8>,
    collecting: bool,
    last_turn: u64,
}

impl Receiver {
    /// Allocates all entities.
    pub fn new(config: ReceiverConfig) -> Self {
        let capacity = config.entities.max(1);
        Self {
            entities: Vec::with_capacity(capacity),
            free: (0..capacity).map(|_| Vec::with_capacity(config.max_sdu_len)).collect(),
            max_sdu_len: config.max_sdu_len,
            turn: 0,
            counters: ReceiverCounters::default(),
        }
    }

    /// Returns the counters.
    pub const fn counters(&self) -> &ReceiverCounters {
        &self.counters
    }

    /// Parses a PDU and hands each SDU that it completes to `deliver`, in order.
    pub fn receive(&mut self, key: Key, pdu: &[u8], mut deliver: impl FnMut(&[u8])) -> Result<(), Error> {
        let parsed = Packet::new_checked(pdu).and_then(|packet| Repr::parse(&packet));
        let pdu = match parsed {
            Ok(pdu) => pdu,
            Err(error) => {
                self.counters.malformed += 1;
                return Err(error.into());
            }
        };
        self.turn += 1;
        let index = self.entity(key, pdu.sn);
        let counters = &mut self.counters;
        counters.pdus += 1;
        self.entities[index].receive(&pdu, self.max_sdu_len, self.turn, counters, &mut deliver);
        Ok(())
    }

    /// Returns the entity of `key`; if there is none, makes one or evicts one.
    fn entity(&mut self, key: Key, sn: u8) -> usize {
        if let Some(index) = self.entities.iter().position(|entity| entity.key == key) {
            return index;
        }
        if let Some(partial) = self.free.pop() {
            self.entities.push(Entity { key, next_sn: sn, partial, collecting: false, last_turn: 0 });
            return self.entities.len() - 1;
        }
        let oldest =
            (0..self.entities.len()).min_by_key(|&index| self.entities[index].last_turn).unwrap_or(0);
        let entity = &mut self.entities[oldest];
        self.counters.evicted += 1;
        self.counters.lost_sdus += u64::from(entity.collecting);
        (entity.key, entity.next_sn, entity.collecting) = (key, sn, false);
        oldest
    }
}

impl Entity {
    fn receive(
        &mut self,
        pdu: &Repr<'_>,
        max_sdu_len: usize,
        turn: u64,
        counters: &mut ReceiverCounters,
        deliver: &mut impl FnMut(&[u8]),
    ) {
        self.last_turn = turn;
        let gap = (pdu.sn + SN_MODULUS - self.next_sn) % SN_MODULUS;
        self.next_sn = (pdu.sn + 1) % SN_MODULUS;
        match gap {
            0 => {}
            gap if gap == SN_MODULUS - 1 => counters.repeated_pdus += 1,
            gap => counters.lost_pdus += u64::from(gap),
        }
        let mut counted = false;
        if self.collecting && (gap != 0 || !pdu.framing.continues) {
            self.collecting = false;
            counters.lost_sdus += 1;
            // The rest of the same SDU may lead this PDU: do not count a second loss.
            counted = true;
        }

        let last = pdu.elements().len() - 1;
        for (index, element) in pdu.elements().iter().enumerate() {
            let starts = index > 0 || !pdu.framing.continues;
            let ends = index < last || !pdu.framing.unfinished;
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
                deliver(&self.partial);
            }
        }
    }
}

#[cfg(test)]
mod tests;
