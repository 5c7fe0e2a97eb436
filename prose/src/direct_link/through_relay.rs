//! Method 7 as steps: the network authenticates a remote UE by EAP through its relay, which passes the packets on. TR 33.833
//! §6.5.1.
//!
//! ```text
//! key information  | 7 | [cookie 16] |
//! remote UE <-- 0xE0 EAP-Request -- relay       remote UE -- 0xE1 EAP-Response --> relay        as often as the network wants
//!                                               relay <-> AAA server                            questions
//! remote UE <-- 0xE0 EAP-Success, and the command -- relay
//! ```
//!
//! The network gives the relay a KD that is bound to the relay's name and to the service: the remote UE derives the same from what
//! EAP gave it, and the command proves that the relay has it. EAP-Success itself proves nothing. The name under which the remote UE
//! asked is in the relay's question: the network refuses another than that of the user it authenticates.

use sidelink_security::counter::UtcTime;
use sidelink_wire::relay_keying::{Answer, EXCHANGE, MAX_PACKET, Question};

use super::key_establishment::{Asks, Credentials, Heard, KeyEstablishment, Party, Refusal, Step, Steps};
use super::relaying::{Serves, agreed, denied, link_of, refused};

/// EAP-Request/Identity with identifier 0. RFC 3748 §5.1.
const IDENTITY_REQUEST: [u8; 5] = [1, 0, 0, 5, 1];

/// Method 7: the network authenticates the remote UE through the relay.
#[derive(Debug, Clone, Copy)]
pub struct ThroughRelay;

impl ThroughRelay {
    /// Octet of this method in the containers, and of its key information.
    pub const METHOD: u8 = 7;
}

impl KeyEstablishment for ThroughRelay {
    fn method(&self) -> u8 {
        Self::METHOD
    }

    fn asks(&self) -> Asks {
        Asks::Network
    }

    fn serves(&self) -> Serves {
        Serves::Relays
    }

    fn initiate(
        &self,
        _: UtcTime,
        _: Option<&Credentials>,
        _: [u8; 32],
        cookie: Option<[u8; 16]>,
    ) -> Option<(Box<dyn Steps>, Vec<u8>)> {
        let mut info = vec![Self::METHOD];
        info.extend(cookie.into_iter().flatten());
        Some((Box::<RemoteUe>::default(), info))
    }

    fn understands(&self, info: &[u8]) -> bool {
        parse(info).is_some()
    }

    fn cookie(&self, info: &[u8]) -> Option<[u8; 16]> {
        parse(info)?
    }

    fn answer(&self, info: &[u8], seed: [u8; 32]) -> Option<Box<dyn Steps>> {
        parse(info)?;
        Some(Box::new(Relay { exchange: *seed.first_chunk()?, waits: Waits::ForPacket }))
    }
}

/// Returns the cookie of key information.
fn parse(info: &[u8]) -> Option<Option<[u8; 16]>> {
    match info.strip_prefix(&[ThroughRelay::METHOD])? {
        [] => Some(None),
        cookie => Some(Some(cookie.try_into().ok()?)),
    }
}

/// Whether the network is being asked about a packet.
#[derive(Debug, Default, PartialEq, Eq)]
enum Waits {
    #[default]
    ForPacket,
    ForNetwork,
}

/// The remote UE's end.
#[derive(Debug, Default)]
struct RemoteUe {
    waits: Waits,
}

impl Steps for RemoteUe {
    fn step(&mut self, party: &Party<'_>, heard: Heard<'_>) -> Result<Step, Refusal> {
        match heard {
            Heard::Container(packet) if self.waits == Waits::ForPacket && packet.len() <= MAX_PACKET => {
                let (link, _) = link_of(party)?;
                let question = Question::ToPeer { service: link.service, relay: &party.remote.value, packet };
                let octets = question.emit().map_err(refused)?;
                self.waits = Waits::ForNetwork;
                Ok(Step::Ask(octets))
            }
            Heard::Answer(octets) => {
                self.waits = Waits::ForPacket;
                match Answer::parse(octets).map_err(refused)? {
                    Answer::Packet(packet) => Ok(Step::Send(packet.to_vec())),
                    Answer::Keyed { kd, lifetime, .. } => Ok(Step::Agreed(agreed(kd, lifetime))),
                    _ => Err(refused("no key of the network through this relay: see the events of EAP")),
                }
            }
            // A repeated packet, while the first one is answered.
            Heard::Container(_)
            | Heard::Begin
            | Heard::Admitted
            | Heard::Command { .. }
            | Heard::Freshness { .. }
            | Heard::OutOfStep { .. } => Ok(Step::Wait),
        }
    }
}

/// The relay's end.
#[derive(Debug)]
struct Relay {
    /// Which exchange this is, for the network: who claims the name of another disturbs only itself.
    exchange: [u8; EXCHANGE],
    waits: Waits,
}

impl Steps for Relay {
    fn step(&mut self, party: &Party<'_>, heard: Heard<'_>) -> Result<Step, Refusal> {
        match heard {
            Heard::Begin => link_of(party).map(|_| Step::Send(IDENTITY_REQUEST.to_vec())),
            Heard::Container(packet) if self.waits == Waits::ForPacket && packet.len() <= MAX_PACKET => {
                let (link, _) = link_of(party)?;
                let (service, exchange, remote) = (link.service, self.exchange, &party.remote.value);
                let question = Question::ToServer { service, exchange, remote, packet };
                let octets = question.emit().map_err(refused)?;
                self.waits = Waits::ForNetwork;
                Ok(Step::Ask(octets))
            }
            Heard::Answer(octets) => {
                self.waits = Waits::ForPacket;
                match Answer::parse(octets).map_err(refused)? {
                    Answer::Packet(packet) => Ok(Step::Send(packet.to_vec())),
                    Answer::Keyed { packet: &[], .. } => Err(refused("the network sent no EAP-Success")),
                    Answer::Keyed { kd, lifetime, packet } => {
                        Ok(Step::SendAgreed(packet.to_vec(), agreed(kd, lifetime)))
                    }
                    Answer::Denied(reason) => Err(denied(reason)),
                    _ => Err(refused("the network does not authenticate this remote UE")),
                }
            }
            Heard::Container(_)
            | Heard::Admitted
            | Heard::Command { .. }
            | Heard::Freshness { .. }
            | Heard::OutOfStep { .. } => Ok(Step::Wait),
        }
    }
}
