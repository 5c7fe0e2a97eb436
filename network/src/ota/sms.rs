//! Packets in short messages of 140 octets. TS 31.115 §4, TS 23.040 §9.2.3.24.1, from memory.
//!
//! ```text
//!   one    02 70 00 | packet, at most 137 octets
//!   more   07 00 03 reference total 1 70 00 | 132 octets,  then  05 00 03 reference total n | 134 octets each
//! ```
//!
//! 71 stands for 70 in responses.

use std::collections::BTreeMap;

use super::Error;

/// Octets of user data of a short message.
pub const SEGMENT: usize = 140;

/// Most segments of a packet.
pub const MOST_SEGMENTS: usize = 255;

/// Packets that wait for their other segments, at most. Ours.
const MOST_WAITING: usize = 4;

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the card.
    Command,
    /// From it.
    Response,
}

impl Direction {
    const fn element(self) -> u8 {
        match self {
            Self::Command => 0x70,
            Self::Response => 0x71,
        }
    }
}

/// Splits a packet.
///
/// # Errors
/// It takes more than [`MOST_SEGMENTS`].
pub fn segments(packet: &[u8], reference: u8, direction: Direction) -> Result<Vec<Vec<u8>>, Error> {
    let element = direction.element();
    let whole = [&[2, element, 0], packet].concat();
    if whole.len() <= SEGMENT {
        return Ok(vec![whole]);
    }
    let (first, rest) = packet.split_at(SEGMENT - 8);
    let parts: Vec<&[u8]> = [first].into_iter().chain(rest.chunks(SEGMENT - 6)).collect();
    let total = u8::try_from(parts.len()).map_err(|_| Error::TooLong)?;
    let head = |number: u8| match number {
        1 => vec![7, 0, 3, reference, total, 1, element, 0],
        _ => vec![5, 0, 3, reference, total, number],
    };
    let all = (1..=total).zip(parts);
    Ok(all.map(|(number, part)| [head(number), part.to_vec()].concat()).collect())
}

/// Packets of which segments are missing.
#[derive(Debug, Default)]
pub struct Reassembly {
    waiting: BTreeMap<u8, Waiting>,
    /// In the order in which they began.
    order: Vec<u8>,
}

#[derive(Debug)]
struct Waiting {
    total: u8,
    parts: BTreeMap<u8, Vec<u8>>,
}

impl Reassembly {
    /// Takes a segment; the packet once all are there. Where too many packets wait, the oldest is given up.
    ///
    /// # Errors
    /// It is none, or of another packet with the same reference.
    pub fn take(&mut self, segment: &[u8], direction: Direction) -> Result<Option<Vec<u8>>, Error> {
        let wrong = Error::Length("UDH");
        if segment.len() > SEGMENT {
            return Err(Error::Length("a segment"));
        }
        let element = direction.element();
        match *segment {
            [2, first, 0, ref packet @ ..] if first == element => Ok(Some(packet.to_vec())),
            [7, 0, 3, reference, total, 1, first, 0, ref part @ ..] if first == element => {
                self.put(reference, total, 1, part)
            }
            [5, 0, 3, reference, total, number @ 2..=255, ref part @ ..] => {
                self.put(reference, total, number, part)
            }
            _ => Err(wrong),
        }
    }

    fn put(&mut self, reference: u8, total: u8, number: u8, part: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        if total < 2 || number > total {
            return Err(Error::Length("the number of segments"));
        }
        if self.waiting.get(&reference).is_some_and(|waiting| waiting.total != total) {
            self.forget(reference);
        }
        if !self.waiting.contains_key(&reference) {
            if self.order.len() >= MOST_WAITING {
                self.forget(self.order[0]);
            }
            self.order.push(reference);
        }
        let waiting = self.waiting.entry(reference).or_insert(Waiting { total, parts: BTreeMap::new() });
        waiting.parts.insert(number, part.to_vec());
        if waiting.parts.len() < usize::from(total) {
            return Ok(None);
        }
        let packet = waiting.parts.values().flatten().copied().collect();
        self.forget(reference);
        Ok(Some(packet))
    }

    fn forget(&mut self, reference: u8) {
        self.waiting.remove(&reference);
        self.order.retain(|other| *other != reference);
    }
}
