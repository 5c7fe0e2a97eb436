//! Long messages in PC5 signalling: a message as the PDUs in which it goes, and back.

use sidelink_security::counter::UtcTime;
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::long_message::{Body, Content, Packet, Repr};

/// Carries the long messages of a UE.
#[derive(Default)]
pub(super) struct Carriage {
    sequence: u16,
}

impl Carriage {
    /// Whether a message of PC5 signalling is a long message, or a part of one.
    pub(super) fn is_its_own(message: &[u8]) -> bool {
        Packet::new_checked(message).is_ok_and(|packet| Repr::parse(&packet).is_ok())
    }

    /// Takes a message of PC5 signalling, and returns the long message that it completes.
    pub(super) fn hear(
        &mut self,
        _now: UtcTime,
        _source: Layer2Id,
        message: &[u8],
    ) -> Option<(Content, Vec<u8>)> {
        let repr = Repr::parse(&Packet::new_checked(message).ok()?).ok()?;
        match repr.body {
            Body::Whole(octets) => Some((repr.content, octets.to_vec())),
            Body::Fragment(_) => None,
        }
    }

    /// Returns the messages of PC5 signalling that carry a long message.
    pub(super) fn parts(&mut self, content: Content, octets: &[u8]) -> Vec<Vec<u8>> {
        self.sequence = self.sequence.wrapping_add(1);
        let repr = Repr { sequence: self.sequence, content, body: Body::Whole(octets) };
        let mut part = vec![0; repr.buffer_len()];
        match repr.emit(&mut part) {
            Ok(()) => vec![part],
            Err(_) => Vec::new(),
        }
    }
}
