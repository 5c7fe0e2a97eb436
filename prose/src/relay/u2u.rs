//! From UE to UE through a third: a source UE, a UE-to-UE relay, a target UE. The contribution "UE-to-UE relay PC5 connection
//! security establishment" to TR 33.740 secures each link as one of two UEs, and leaves open who may relay, and how a relay
//! forwards; the choices here are the project's own.
//!
//! ```text
//! layer 3   source <== link ==> relay <== link ==> target       the relay routes the packets inside by their addresses
//! layer 2   source <== link ==> relay <== link ==> target       for what the relay and its ends tell each other
//!           source <------ link from end to end -------> target     its PDCP PDUs behind an adaptation header, as they are
//!
//! source -- request { service, target } --> relay               the four messages of a link (six with certificates)
//! source <-------------- PATH { local ids } -- relay
//!                                           relay -- request { service, target } --> target
//!                                           relay -- PATH { local ids, source } ---> target
//! source -- request of the link from end to end ---------------------------------> target      layer 2
//! ```
//!
//! - [`U2u`] is the machine of a UE, as an end, as a relay, or as both. It has no clock, no key and no radio. The links
//!   are those of [`crate::direct_link`]: one manager for the links to and from the relay, and at the ends of layer 2
//!   another one for those from end to end, whose peers are named by [`far`].
//! - **Local identities** are given by the relay, one for each end, and bounded. A PDU is carried from an end to another
//!   one to which the relay gave it a path, and nowhere else.
//! - **A relay of layer 2 has no key** of what it carries: the PDUs go on as they came. On its own links it has keys.
//! - **What comes before the second link is up** is held: a few PDUs for each path.
//! - **Another relay** takes over while the link from end to end lives: the ends send on the path that they learned last.

mod address;
mod end;
mod io;
mod keys;
mod relay;
#[cfg(test)]
mod tests;

pub use address::address;
pub use io::{Config, Event, Input, Output, Refusal};
pub use keys::{of_store, to_store};

use std::collections::VecDeque;

use sidelink_security::direct::signed::{Role, digest};
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::u2u::Layer;

use crate::direct_link::Identity;
use end::End;
use relay::Relay;

/// Returns the name under which a link from end to end knows the other end: the same for every relay. No air has it.
pub fn far(user: &Identity) -> Layer2Id {
    let [a, b, c, ..] = digest(&[b"from end to end", user.name()]);
    // A group has no such name, and nobody has zeros.
    Layer2Id::from_octets([a | 0x80, b, c])
}

/// A link of a path that is up.
#[derive(Debug, Clone)]
struct Hop {
    peer: Layer2Id,
    /// The peer in its role.
    identity: Identity,
}

/// Paths of one UE.
#[derive(Debug)]
pub struct U2u {
    hops: Vec<Hop>,
    relay: Relay,
    end: End,
    outbox: VecDeque<Output>,
}

impl U2u {
    /// Makes a UE without paths.
    pub fn new(config: Config) -> Self {
        let end = End::new(config.own.clone(), config.paths);
        Self { hops: Vec::new(), relay: Relay::new(config), end, outbox: VecDeque::new() }
    }

    /// Takes one input. Drain [`Self::poll_output`] afterwards.
    pub fn handle_input(&mut self, input: Input<'_>) {
        let out = &mut self.outbox;
        match input {
            Input::HopUp { peer, identity, target } => self.hop_up(peer, identity, target),
            Input::HopDown { peer } => {
                self.hops.retain(|hop| hop.peer != peer);
                self.relay.down(peer, out);
                self.end.down(peer, out);
            }
            Input::Control { peer, octets } => match role(&self.hops, peer) {
                Some(Role::End) => self.relay.control(peer, octets, out),
                Some(Role::Relay) => self.end.control(peer, octets, out),
                None => refuse(out, peer, Refusal::NoHop),
            },
            Input::Packet { peer, octets } => match role(&self.hops, peer) {
                Some(Role::End) => self.relay.packet(peer, octets, out),
                Some(Role::Relay) => self.end.packet(peer, octets, out),
                None => refuse(out, peer, Refusal::NoHop),
            },
            Input::Adapted { peer, lcid, octets } => match role(&self.hops, peer) {
                Some(Role::End) => self.relay.adapted(peer, (lcid, octets), out),
                Some(Role::Relay) => self.end.adapted(peer, (lcid, octets), out),
                None => refuse(out, peer, Refusal::NoHop),
            },
            Input::SendPdu { peer, lcid, octets } => self.end.send_pdu(peer, (lcid, octets), out),
            Input::SendPacket { peer, sdu_type, data } => self.end.send_packet(peer, (sdu_type, data), out),
            Input::Again => {
                let hops = &self.hops;
                self.end.ask_again(|peer| role(hops, peer) == Some(Role::Relay), out);
            }
            Input::Want { user, relay, peer } => {
                let is_up = role(&self.hops, peer) == Some(Role::Relay);
                self.end.want(user, (relay, peer), is_up, out);
            }
        }
    }

    /// Returns the next output; `None` when there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outbox.pop_front()
    }

    /// Returns the layer of the path to a user, by its name of [`far`]; `None` without a path.
    pub fn layer(&self, peer: Layer2Id) -> Option<Layer> {
        self.end.layer(peer)
    }

    fn hop_up(&mut self, peer: Layer2Id, identity: &Identity, target: &Identity) {
        let Some((role, service)) = identity.role() else { return };
        self.hops.retain(|hop| hop.peer != peer);
        self.hops.push(Hop { peer, identity: identity.clone() });
        if role == Role::End {
            self.relay.up(peer, (identity.name(), service), target, &mut self.outbox);
        }
    }
}

fn role(hops: &[Hop], peer: Layer2Id) -> Option<Role> {
    let hop = hops.iter().find(|hop| hop.peer == peer)?;
    hop.identity.role().map(|(role, _)| role)
}

fn refuse(out: &mut VecDeque<Output>, peer: Layer2Id, why: Refusal) {
    out.push_back(Output::Event(Event::Refused { peer, why }));
}
