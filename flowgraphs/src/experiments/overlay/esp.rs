//! Overlay B: IKEv2 by a key that the users share, and ESP in a tunnel. RFC 7296, RFC 4303.

use super::packet::{ADDRESSES, IKE_PORT, PROTOCOL_ESP, datagram, ipv4, of_ipv4, udp};
use super::protocol::{Fault, NAMES, Protocol, Taken, fault};
use core::net::SocketAddrV4;
use sidelink_network::ikev2::esp::{Inbound, Outbound};
use sidelink_network::ikev2::{
    Child, Initiator, InitiatorConfig, Input, Output, Responder, ResponderConfig, ResponderInput,
    ResponderKey, ResponderOutput, ResponderProof, Selector, SharedKey,
};
use sidelink_security::counter::UtcTime;
use sidelink_ue::air_rng::AirRng;
use zeroize::Zeroizing;

/// The key that the users share. It is no secret.
const KEY: [u8; 32] = [0x4b; 32];

/// Names of both ends in IKE.
fn identity(number: usize) -> String {
    match number {
        0 => format!("{}@users.example", NAMES[0]),
        _ => format!("{}.users.example", NAMES[1]),
    }
}

fn address(number: usize) -> SocketAddrV4 {
    SocketAddrV4::new(ADDRESSES[number], IKE_PORT)
}

fn only(number: usize) -> Selector {
    Selector { first: ADDRESSES[number], last: ADDRESSES[number] }
}

/// The machine of an end.
enum Machine {
    Initiator(Box<Initiator>),
    Responder(Box<Responder>),
}

/// One end.
pub(super) struct EspEnd {
    number: usize,
    machine: Machine,
    rng: AirRng,
    patience: u64,
    /// When an answer is late; none where nothing is awaited.
    due: Option<UtcTime>,
    is_begun: bool,
    out: Vec<Vec<u8>>,
    child: Option<(Outbound, Inbound)>,
}

impl EspEnd {
    /// Makes an end: UE_1 begins.
    ///
    /// # Errors
    /// The system has no random source.
    pub(super) fn new(number: usize, patience: u64) -> anyhow::Result<Self> {
        let key = SharedKey::new(Zeroizing::new(KEY.to_vec()));
        let machine = match number {
            0 => Machine::Initiator(Box::new(Initiator::new(InitiatorConfig {
                identity: identity(0),
                responder: identity(1),
                proof: ResponderProof::SharedKey(key),
                addresses: [address(0), address(1)],
                selectors: [only(0), only(1)],
            }))),
            _ => Machine::Responder(Box::new(Responder::new(ResponderConfig {
                name: identity(1),
                key: ResponderKey::SharedKey { initiator: identity(0), key },
                address: address(1),
                selectors: [only(0), only(1)],
                half_open: 4,
            }))),
        };
        let rng = AirRng::of_system()?;
        Ok(Self { number, machine, rng, patience, due: None, is_begun: false, out: Vec::new(), child: None })
    }

    fn established(&mut self, child: &Child) {
        let Child { spi_initiator, spi_responder, keys, .. } = child;
        self.child = Some(match self.number {
            0 => (
                Outbound::new(&keys.to_responder, *spi_responder),
                Inbound::new(&keys.to_initiator, *spi_initiator),
            ),
            _ => (
                Outbound::new(&keys.to_initiator, *spi_initiator),
                Inbound::new(&keys.to_responder, *spi_responder),
            ),
        });
    }

    /// Acts on all that the machine says. Returns why something was not believed.
    fn drain(&mut self, now: UtcTime) -> Option<String> {
        let mut refused = None;
        loop {
            let (send, child) = match &mut self.machine {
                Machine::Initiator(initiator) => match initiator.poll_output() {
                    None => return refused,
                    Some(Output::Send(message)) => {
                        self.due = Some(now.plus_millis(self.patience));
                        (Some(message), None)
                    }
                    Some(Output::Established(Ok(child))) => (None, Some(child)),
                    Some(Output::Established(Err(why)) | Output::Failed(why)) => {
                        (self.due, refused) = (None, Some(why.to_string()));
                        (None, None)
                    }
                    Some(Output::Dropped(why)) => {
                        refused = Some(why.to_string());
                        (None, None)
                    }
                    Some(Output::Eap(_)) => (None, None),
                },
                Machine::Responder(responder) => match responder.poll_output() {
                    None => return refused,
                    Some(ResponderOutput::Send(message)) => (Some(message), None),
                    Some(ResponderOutput::Established { child: Ok(child), .. }) => (None, Some(child)),
                    Some(
                        ResponderOutput::Established { child: Err(why), .. }
                        | ResponderOutput::Failed { why, .. }
                        | ResponderOutput::Dropped(why),
                    ) => {
                        refused = Some(why.to_string());
                        (None, None)
                    }
                    Some(ResponderOutput::Begin { .. } | ResponderOutput::Eap { .. }) => (None, None),
                },
            };
            self.out.extend(send.map(|message| udp(self.number, IKE_PORT, &message)));
            if let Some(child) = child {
                self.due = None;
                self.established(&child);
            }
        }
    }
}

impl Protocol for EspEnd {
    fn work(&mut self, now: UtcTime) -> Vec<Vec<u8>> {
        if let Machine::Initiator(initiator) = &mut self.machine {
            let input = match self.due {
                _ if !self.is_begun => Some(Input::Start),
                Some(due) if now >= due => Some(Input::Timeout),
                _ => None,
            };
            self.is_begun = true;
            if let Some(input) = input {
                initiator.handle_input(input, &mut self.rng);
                self.drain(now);
            }
        }
        std::mem::take(&mut self.out)
    }

    fn take(&mut self, now: UtcTime, packet: &[u8]) -> Taken {
        if let Some((IKE_PORT, octets)) = datagram(packet) {
            match &mut self.machine {
                Machine::Initiator(initiator) => {
                    initiator.handle_input(Input::Message(octets), &mut self.rng);
                }
                Machine::Responder(responder) => {
                    let input = ResponderInput::Message { from: address(0), octets };
                    responder.handle_input(input, &mut self.rng);
                }
            }
            return self.drain(now).map_or(Taken::Handshake, Taken::Refused);
        }
        let (Some((PROTOCOL_ESP, octets)), Some((_, inbound))) = (of_ipv4(packet), &mut self.child) else {
            return Taken::Refused("a packet of no use here".to_owned());
        };
        match inbound.open(octets) {
            Ok(packet) => Taken::Voice(packet),
            Err(why) => Taken::Refused(why.to_string()),
        }
    }

    fn is_ready(&self) -> bool {
        self.child.is_some()
    }

    fn protect(&mut self, packet: &[u8]) -> Result<Vec<u8>, Fault> {
        let (outbound, _) = self.child.as_mut().ok_or(Fault::NotReady)?;
        Ok(ipv4(self.number, PROTOCOL_ESP, &outbound.seal(packet).map_err(fault)?))
    }
}
