//! Octets of transmissions that were sent, for the next ones: nothing is allocated for each subframe.

use crate::mapping::transmit::{Content, Transmission};
use sidelink_phy::channel::pssch::max_transport_block;
use sidelink_phy::numerology::Numerology;

/// Transmissions with octets of their own in one subframe, as a rule.
const MOST: usize = 8;

/// Vectors that are used again.
pub(super) struct Spare {
    vectors: Vec<Vec<u8>>,
    /// Octets of the largest content.
    largest: usize,
}

impl Spare {
    /// With room for what one subframe of a carrier holds.
    pub(super) fn new(numerology: Numerology) -> Self {
        let largest = max_transport_block(numerology.bandwidth().prbs()).div_ceil(8);
        Self { vectors: (0..MOST).map(|_| Vec::with_capacity(largest)).collect(), largest }
    }

    /// An empty vector.
    pub(super) fn one(&mut self) -> Vec<u8> {
        let mut vector = self.vectors.pop().unwrap_or_else(|| Vec::with_capacity(self.largest));
        vector.clear();
        vector
    }

    /// A vector with these octets.
    pub(super) fn copy(&mut self, octets: &[u8]) -> Vec<u8> {
        let mut vector = self.one();
        vector.extend_from_slice(octets);
        vector
    }

    /// Empty `sent`, and keep its vectors.
    pub(super) fn take_back(&mut self, sent: &mut Vec<Transmission>) {
        for transmission in sent.iter_mut() {
            self.take_from(&mut transmission.content);
        }
        sent.clear();
    }

    /// Keep the vector of what will not be sent.
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
