//! RLC in unacknowledged mode on STCH: segmentation, concatenation, reassembly. Read first: TS 36.322 §5.1.2, §7.1,
//! §7.2.
//!
//! For sidelink communication the window of STCH has size 0: nothing is reordered, each PDU is taken apart when it comes. For
//! V2X it has 16: copies are dropped, and PDUs are put in order while t-Reordering runs (`window.rs`). A receiver that
//! hears a sender for the first time takes the SN of that PDU as VR(UR) and VR(UH), so it starts in mid-stream at once.
//! There is one receiving entity for each (source, destination, logical channel) (TS 36.321 §6.2.4, TS 36.300
//! §23.10.2.1), bounded in number: an unknown sender takes the place of the one that was silent the longest.
//!
//! ```text
//! receiver.rs   entities, reassembly
//! window.rs     the reordering window of V2X
//! ```

use core::fmt;
use std::collections::VecDeque;

use sidelink_wire as wire;
use sidelink_wire::rlc_um::{FramingInfo, MAX_ELEMENTS, MAX_LI, SN_MODULUS};

mod receiver;
mod window;

pub use receiver::{Key, Receiver, ReceiverConfig, ReceiverCounters, Window};

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
            // TS 36.322 §7.1 VT(US)
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
    // TS 36.321 §5.14.1.3.1 (3)
    pub fn emit_pdu(&mut self, out: &mut [u8]) -> usize {
        let mut elements = [0; MAX_ELEMENTS];
        let mut count = 0;
        let mut taken = 0;
        let mut unfinished = false;
        // TS 36.322 §4.2.1.2.2
        for &length in &self.lengths {
            let header = wire::rlc_um::header_len(count + 1);
            let room = out.len().saturating_sub(header + taken);
            if room == 0 || count == MAX_ELEMENTS {
                break;
            }
            elements[count] = length.min(room);
            taken += elements[count];
            count += 1;
            // TS 36.322 §6.2.2.2 (1)
            unfinished = length > room;
            // A longer element has no LI, so nothing can follow it.
            // TS 36.322 §6.2.2.2 (2)
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
        // TS 36.322 §5.1.2.1.1
        self.sn = (self.sn + 1) % SN_MODULUS;
        header + taken
    }
}

#[cfg(test)]
mod tests;
