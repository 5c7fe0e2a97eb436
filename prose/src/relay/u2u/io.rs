//! Inputs and outputs of the paths of a UE.

use core::fmt;

use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pdcp::SduType;
use sidelink_wire::u2u::{Layer, Why};

use crate::direct_link::Identity;

/// Rules of one UE.
#[derive(Debug, Clone)]
pub struct Config {
    /// This UE.
    pub own: Identity,
    /// Services in which it relays, and the layer of each.
    pub services: Vec<([u8; 3], Layer)>,
    /// UEs to which it can set up a link as a relay, with their layer-2 identities.
    pub neighbours: Vec<(Identity, Layer2Id)>,
    /// Ends with a local identity at this relay, at most; 255 is the most that there are.
    pub ends: usize,
    /// Paths, at most.
    pub paths: usize,
    /// PDUs and packets that wait for the second link of a path, at most.
    pub held: usize,
}

impl Config {
    /// Returns the rules of a UE that relays nothing.
    pub const fn new(own: Identity) -> Self {
        Self { own, services: Vec::new(), neighbours: Vec::new(), ends: 16, paths: 32, held: 4 }
    }
}

/// An event for the paths of a UE.
pub enum Input<'a> {
    /// A link to or from a relay is up.
    HopUp {
        /// Its peer.
        peer: Layer2Id,
        /// The peer in its role, which it has proven.
        identity: &'a Identity,
        /// The user at the far end that the request was for.
        target: &'a Identity,
    },
    /// Such a link has ended, or did not come up.
    HopDown {
        /// Its peer.
        peer: Layer2Id,
    },
    /// Data of such a link on [`Lcid::RELAY_CONTROL`].
    Control {
        /// Peer of the link.
        peer: Layer2Id,
        /// The data.
        octets: &'a [u8],
    },
    /// A packet that came over such a link.
    Packet {
        /// Peer of the link.
        peer: Layer2Id,
        /// The packet: IPv4.
        octets: &'a [u8],
    },
    /// A PDU behind an adaptation header.
    Adapted {
        /// Layer-2 source.
        peer: Layer2Id,
        /// Its logical channel.
        lcid: Lcid,
        /// The PDU.
        octets: &'a [u8],
    },
    /// A PDU of a link from end to end.
    SendPdu {
        /// The other end, by its name of [`super::far`].
        peer: Layer2Id,
        /// Logical channel of the link.
        lcid: Lcid,
        /// The PDCP PDU.
        octets: &'a [u8],
    },
    /// Data for the other end of a path of layer 3.
    SendPacket {
        /// The other end, by its name of [`super::far`].
        peer: Layer2Id,
        /// Type of the data: a packet of IP goes as it is, other data in one.
        sdu_type: SduType,
        /// The data.
        data: &'a [u8],
    },
    /// Some time has passed: ask again for paths that are not there, since what tells of one can be lost.
    Again,
    /// Reach a user through a relay, in the place of the relay before.
    Want {
        /// The user.
        user: &'a Identity,
        /// The relay in its role.
        relay: &'a Identity,
        /// Layer-2 identity of the relay.
        peer: Layer2Id,
    },
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Set up a link: [`crate::direct_link::Input::ConnectHop`].
    Connect {
        /// Its peer.
        peer: Layer2Id,
        /// The peer in its role.
        identity: Identity,
        /// The user at the far end.
        target: Identity,
    },
    /// Release the link with this peer: no path needs it.
    Release {
        /// Its peer.
        peer: Layer2Id,
    },
    /// Send data over the link with this peer, on [`Lcid::RELAY_CONTROL`].
    Control {
        /// Peer of the link.
        peer: Layer2Id,
        /// The data.
        octets: Vec<u8>,
    },
    /// Send a packet over the link with this peer.
    Packet {
        /// Peer of the link.
        peer: Layer2Id,
        /// The packet.
        octets: Vec<u8>,
    },
    /// Hand a PDU to RLC: nothing else protects it.
    Adapted {
        /// Layer-2 destination.
        peer: Layer2Id,
        /// Logical channel.
        lcid: Lcid,
        /// The PDU.
        octets: Vec<u8>,
    },
    /// A PDU for the links from end to end.
    Pdu {
        /// The other end, by its name of [`super::far`].
        source: Layer2Id,
        /// Logical channel of the link.
        lcid: Lcid,
        /// The PDCP PDU.
        octets: Vec<u8>,
    },
    /// Data that came over a path of layer 3.
    Data {
        /// The relay, whose link has protected the last hop.
        relay: Layer2Id,
        /// The other end, by its name of [`super::far`].
        peer: Layer2Id,
        /// Type of the data.
        sdu_type: SduType,
        /// The data.
        data: Vec<u8>,
    },
    /// Tell whoever listens.
    Event(Event),
}

/// An event for reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// There is a path to a user.
    PathUp {
        /// The user, as the relay says: only a link from end to end proves it.
        user: Identity,
        /// The relay.
        relay: Layer2Id,
        /// Layer of the path.
        layer: Layer,
    },
    /// A path has ended, or did not come about.
    PathDown {
        /// The user.
        user: Identity,
        /// The relay.
        relay: Layer2Id,
        /// Why.
        why: Why,
    },
    /// This relay carries between two ends.
    Relaying {
        /// The two ends.
        ends: [Identity; 2],
        /// Layer of the path.
        layer: Layer,
    },
    /// Something was not carried, or not believed.
    Refused {
        /// From whom it came.
        peer: Layer2Id,
        /// Why.
        why: Refusal,
    },
}

/// Reason why something was not carried, or not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Refusal {
    /// It has no link of a path with this UE.
    NoHop,
    /// The octets are no message, header or packet.
    Malformed,
    /// It speaks for another end: a local identity or an address that is not its own.
    NotItsOwn,
    /// There is no path between these ends.
    NoPath,
    /// The service is of the other layer.
    OtherLayer,
    /// As much waits for the second link as there is room for.
    NoRoom,
    /// The packet has passed too many routers.
    TooManyHops,
    /// The relay names this UE as the other end.
    Itself,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoHop => "it has no link of a path with this UE",
            Self::Malformed => "no message, adaptation header or packet",
            Self::NotItsOwn => "it speaks for another end",
            Self::NoPath => "there is no path between these ends",
            Self::OtherLayer => "the service of the path is of another layer",
            Self::NoRoom => "too much waits for the second link of the path",
            Self::TooManyHops => "the packet has passed too many routers",
            Self::Itself => "the relay names this UE as the other end",
        })
    }
}
