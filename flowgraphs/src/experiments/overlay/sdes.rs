//! Overlay C by SDES: each end's key stands in a crypto attribute that the signalling of the networks carries. Nothing of it is
//! on the air, and whoever carries it has the keys. RFC 4568.

use super::media::{self, Media};
use super::packet::{VOICE_PORT, datagram};
use super::protocol::{Fault, NAMES, Protocol, Taken};
use sidelink_prose::direct_link::Ticket;
use sidelink_security::counter::UtcTime;
use sidelink_security::srtp::MasterKey;
use sidelink_ue::KeyNetwork;
use sidelink_ue::air_rng::AirRng;
use sidelink_wire::direct_keying::{ConnectionId, Side};
use sidelink_wire::sdes::{CryptoAttribute, Exchange, KEY};
use zeroize::Zeroizing;

/// The call.
const CONNECTION: [u8; 4] = [0, 0, 0, 1];

/// One end.
pub(super) struct SdesEnd {
    number: usize,
    own: Zeroizing<[u8; KEY]>,
    way: Box<dyn KeyNetwork>,
    is_asked: bool,
    media: Option<Media>,
}

impl SdesEnd {
    /// Draws the key of an end.
    ///
    /// # Errors
    /// The system has no random source.
    pub(super) fn new(number: usize, way: Box<dyn KeyNetwork>) -> anyhow::Result<Self> {
        let own = Zeroizing::new(AirRng::of_system()?.octets());
        Ok(Self { number, own, way, is_asked: false, media: None })
    }

    fn question(&self) -> Option<Zeroizing<Vec<u8>>> {
        let attribute = Zeroizing::new(CryptoAttribute { tag: 1, key: &self.own }.emit().ok()?);
        let side = if self.number == 0 { Side::Initiating } else { Side::Target };
        let peer = NAMES[1 - self.number].as_bytes();
        let exchange = Exchange::new(side, ConnectionId::new(CONNECTION)?, peer, &attribute);
        Some(Zeroizing::new(exchange.emit().ok()?))
    }
}

impl Protocol for SdesEnd {
    fn work(&mut self, now: UtcTime) -> Vec<Vec<u8>> {
        if !self.is_asked {
            self.is_asked = true;
            if let Some(question) = self.question() {
                self.way.ask(now, Ticket(0), &question);
            }
        }
        if let Some(attribute) = self.way.poll(now).and_then(|answer| answer.octets) {
            let mut other = Zeroizing::new([0; KEY]);
            if CryptoAttribute::parse(&attribute, &mut other).is_ok() {
                let [own, other] = [&self.own, &other].map(|key| MasterKey::from_key_and_salt(key));
                self.media = Some(Media::new(self.number, &own, &other));
            }
        }
        Vec::new()
    }

    fn take(&mut self, _: UtcTime, packet: &[u8]) -> Taken {
        match datagram(packet) {
            Some((VOICE_PORT, rtp)) => media::open(&mut self.media, rtp),
            _ => Taken::Refused("a packet of no use here".to_owned()),
        }
    }

    fn is_ready(&self) -> bool {
        self.media.is_some()
    }

    fn protect(&mut self, packet: &[u8]) -> Result<Vec<u8>, Fault> {
        media::protect(&mut self.media, packet)
    }
}
