//! Long messages in PC5 signalling: a message as the PDUs in which it goes, and back.

use sidelink_prose::long_message::{Config, Error, Receiver, Sender, Way};
use sidelink_security::counter::UtcTime;
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::long_message::{Content, Packet};
use sidelink_wire::pc5_signalling::MessageType;

/// Milliseconds for which copies of a message are dropped: they come together. The machines notice replays of later.
const MEMORY: u64 = 5000;

/// Carries the long messages of a UE.
pub(super) struct Carriage {
    pub(super) way: Way,
    receiver: Receiver,
    sequence: u16,
}

impl Default for Carriage {
    fn default() -> Self {
        let receiver = Receiver::new(Config { memory: MEMORY, ..Config::default() });
        Self { way: Way::default(), receiver, sequence: 0 }
    }
}

impl Carriage {
    /// Whether a message of PC5 signalling is a long message, or a part of one.
    pub(super) fn is_its_own(message: &[u8]) -> bool {
        Packet::new_checked(message).is_ok_and(|packet| {
            let message_type = MessageType::from_lte(packet.message_type());
            matches!(message_type, Some(MessageType::LongMessage | MessageType::LongMessageFragment))
        })
    }

    /// Takes a message of PC5 signalling, and returns the long message that it completes.
    pub(super) fn hear(
        &mut self,
        now: UtcTime,
        source: Layer2Id,
        message: &[u8],
    ) -> Option<(Content, Vec<u8>)> {
        let message = self.receiver.handle(source, message, now).ok().flatten()?;
        Some((message.content, message.octets))
    }

    /// Returns the messages of PC5 signalling that carry a long message.
    ///
    /// # Errors
    /// It cannot be sent in the way of this UE.
    pub(super) fn parts(&mut self, content: Content, octets: &[u8]) -> Result<Sender, Error> {
        self.sequence = self.sequence.wrapping_add(1);
        Sender::new(self.way, self.sequence, content, octets)
    }
}
