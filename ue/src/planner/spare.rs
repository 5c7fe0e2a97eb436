//! Vectors of sent transmissions, reused for the next ones: no allocation for each subframe.

use crate::mapping::transmit::{Content, Transmission};
use sidelink_phy::channel::pssch::max_transport_block;
use sidelink_phy::numerology::Numerology;

/// Transmissions with octets of their own in one subframe, as a rule.
const MOST: usize = 8;

/// Vectors for reuse.
pub(super) struct Spare {
    vectors: Vec<Vec<u8>>,
    /// Octets of the largest content; the capacity of a vector.
    largest: usize,
}

impl Spare {
    /// Makes spare vectors for the transmissions of one subframe of a carrier.
    pub(super) fn new(numerology: Numerology) -> Self {
        let largest = max_transport_block(numerology.bandwidth().prbs()).div_ceil(8);
        Self { vectors: (0..MOST).map(|_| Vec::with_capacity(largest)).collect(), largest }
    }

    /// Returns an empty vector.
    pub(super) fn one(&mut self) -> Vec<u8> {
        let mut vector = self.vectors.pop().unwrap_or_else(|| Vec::with_capacity(self.largest));
        vector.clear();
        vector
    }

    /// Returns a vector with these octets.
    pub(super) fn copy(&mut self, octets: &[u8]) -> Vec<u8> {
        let mut vector = self.one();
        vector.extend_from_slice(octets);
        vector
    }

    /// Empties `sent`, and keeps its vectors.
    pub(super) fn take_back(&mut self, sent: &mut Vec<Transmission>) {
        for transmission in sent.iter_mut() {
            self.take_from(&mut transmission.content);
        }
        sent.clear();
    }

    /// Keeps the vector of a content that will not be sent.
    pub(super) fn take_from(&mut self, content: &mut Content) {
        let vector = match content {
            Content::Sync { mib: octets, .. }
            | Content::Sci { bits: octets, .. }
            | Content::SlSch { block: octets, .. } => std::mem::take(octets),
            Content::SlDch { .. } => return,
        };
        if self.vectors.len() < self.vectors.capacity() {
            self.vectors.push(vector);
        }
    }
}
