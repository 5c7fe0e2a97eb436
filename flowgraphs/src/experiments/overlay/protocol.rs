//! What an overlay is to its user.

use sidelink_security::counter::UtcTime;

/// Names of UE_1 and UE_2.
pub(super) const NAMES: [&str; 2] = ["mary", "john"];

/// SSRCs of their voice.
pub(super) const SSRCS: [u32; 2] = [0x6d61_7279, 0x6a6f_686e];

/// What a packet of the other end was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Voice: the packet of IPv4 as its user made it.
    Voice(Vec<u8>),
    /// A message of the handshake.
    Handshake,
    /// Nothing that is believed, and why.
    Refused(String),
}

/// One end of an overlay.
pub(super) trait Protocol: Send {
    /// Does what is due. Returns packets to send. It is called once a subframe, as long as there is a way to the other end.
    fn work(&mut self, now: UtcTime) -> Vec<Vec<u8>>;

    /// Takes a packet of the other end.
    fn take(&mut self, now: UtcTime, packet: &[u8]) -> Taken;

    /// Another packet of voice that the last one brought.
    fn more(&mut self) -> Option<Vec<u8>> {
        None
    }

    /// Whether this end has its keys.
    fn is_ready(&self) -> bool;

    /// Whether what [`Self::work`] returns belongs to the handshake.
    fn is_in_handshake(&self) -> bool {
        true
    }

    /// Protects a packet of its user.
    ///
    /// # Errors
    /// There are no keys, or they are worn.
    fn protect(&mut self, packet: &[u8]) -> Result<Vec<u8>, Fault>;
}

/// Why there is no overlay, or a packet is not protected.
#[derive(Debug)]
pub(super) enum Fault {
    /// There are no keys yet.
    NotReady,
    /// The protection says why.
    Protection(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotReady => f.write_str("the overlay has no keys yet"),
            Self::Protection(why) => f.write_str(why),
        }
    }
}

/// Makes a fault of the reason that a protection gives.
pub(super) fn fault(why: impl std::fmt::Display) -> Fault {
    Fault::Protection(why.to_string())
}

/// No overlay: packets go as they are.
pub(super) struct Plain;

impl Protocol for Plain {
    fn work(&mut self, _: UtcTime) -> Vec<Vec<u8>> {
        Vec::new()
    }

    fn take(&mut self, _: UtcTime, packet: &[u8]) -> Taken {
        Taken::Voice(packet.to_vec())
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn protect(&mut self, packet: &[u8]) -> Result<Vec<u8>, Fault> {
        Ok(packet.to_vec())
    }
}
