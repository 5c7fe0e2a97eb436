//! Events of a UE, for applications, reports and experiments: those of its engines, unchanged, and its own.

use super::group_keys::{GroupError, GroupEvent, GroupMessage};
use super::ip::IpEvent;
use super::links::LinkChange;
use super::relays::RelayEvent;
use super::silence::{Change, Hindrance};
use sidelink_mac::engine;
use sidelink_mac::mux::Address;
use sidelink_prose::direct_link::{self, Pdu};
use sidelink_prose::discovery::agent;
use sidelink_prose::long_message;
use sidelink_prose::relay::u2u;
use sidelink_security::counter::reserve::StreamId;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pdcp::SduType;
use std::fmt;
use std::time::Duration;

/// An event of one UE.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// An event of layer 2.
    Mac(engine::Event<'a>),
    /// An event of discovery.
    Discovery {
        /// Name of its announcer, query or followed identity in the key store; "?" where it has none.
        name: &'a str,
        /// The event.
        event: &'a agent::Event,
    },
    /// An event of the one-to-one links.
    Link(&'a direct_link::Event),
    /// The links handed this PDU to RLC.
    LinkPdu(&'a Pdu),
    /// The links have handled all inputs since the last step.
    LinkStep {
        /// Time that the step took, by the clock of the system.
        took: Duration,
        /// Reservations of sequence numbers and changes of keys that were requested.
        writes: u64,
    },
    /// Paths through UE-to-UE relays.
    U2u(U2uReport<'a>),
    /// A link came up and its peer is proven, or it ended.
    LinkChanged(&'a LinkChange),
    /// Addresses of a relay and of its remote UEs.
    Ip(&'a IpEvent),
    /// Keys of groups that come over the air.
    GroupKeys(GroupReport<'a>),
    /// Relays: found, selected, left; remote UEs of this relay.
    Relay(&'a RelayEvent),
    /// A fault that an operator must know of.
    Warning(&'a Warning),
    /// The UE sends again after a silence of this many subframes.
    SendsAgain(u64),
}

/// What becomes of paths through UE-to-UE relays.
#[derive(Clone, Copy, Debug)]
pub enum U2uReport<'a> {
    /// An event of the paths.
    Event(&'a u2u::Event),
    /// An event of the links from end to end.
    Link(&'a direct_link::Event),
    /// A link from end to end handed this PDU to its path.
    LinkPdu(&'a Pdu),
    /// A PDU behind its adaptation header was handed to RLC.
    Adapted {
        /// Layer-2 destination.
        to: Layer2Id,
        /// Logical channel.
        lcid: Lcid,
        /// The PDU.
        octets: &'a [u8],
    },
    /// Data came over a path of layer 3.
    Data {
        /// The relay.
        relay: Layer2Id,
        /// Who sent them, by its name of [`u2u::far`].
        peer: Layer2Id,
        /// Type of the data.
        sdu_type: SduType,
        /// The data.
        data: &'a [u8],
    },
}

/// What the machines of group keys do.
#[derive(Clone, Copy, Debug)]
pub enum GroupReport<'a> {
    /// An event of a machine.
    Event(&'a GroupEvent),
    /// A message was handed to RLC.
    Sent {
        /// The message.
        message: &'a GroupMessage,
        /// PDCP PDUs in which it travels.
        pdus: usize,
        /// Octets of these PDUs.
        octets: usize,
    },
    /// The machines have handled all inputs since the last step.
    Step {
        /// Time that the step took, by the clock of the system.
        took: Duration,
        /// Durable writes that were requested.
        writes: u64,
    },
}

impl<'a> Event<'a> {
    /// Returns the SDU, if the event is one of `sdu_type` that was received for this group, or over the link with this
    /// UE.
    pub fn data(&self, address: Address, sdu_type: SduType) -> Option<&'a [u8]> {
        match self {
            Self::Mac(engine::Event::Received(sdu)) => {
                (sdu.address == address && sdu.header.sdu_type() == sdu_type).then_some(sdu.data)
            }
            Self::U2u(U2uReport::Data { peer, sdu_type: kind, data, .. }) => {
                (Address::Ue(*peer) == address && *kind == sdu_type).then_some(*data)
            }
            Self::Link(direct_link::Event::Received(received))
            | Self::U2u(U2uReport::Link(direct_link::Event::Received(received))) => {
                let wanted = Address::Ue(received.peer) == address && received.sdu_type == sdu_type;
                wanted.then_some(&received.data)
            }
            _ => None,
        }
    }
}

/// A fault that an operator must know of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// Counters of a stream could not be made durable; the text says why.
    Counters(StreamId, String),
    /// Keys of links could not be made durable; the text says why.
    Keys(String),
    /// Too many jobs are pending: a table of codes is not built yet.
    LateTable,
    /// Layer 2 refuses an input.
    Engine(engine::Error),
    /// The links refuse an input.
    Link(direct_link::Error),
    /// A machine of group keys refuses a request.
    Group(GroupError),
    /// A message cannot be sent in the way of this UE.
    LongMessage(long_message::Error),
    /// State of group keys could not be made durable; the text says why.
    GroupKeys(String),
    /// A PGK was not installed: another one with its index is in use.
    PgkIndexTaken {
        /// The group.
        group: Layer2Id,
        /// PGK ID.
        pgk_id: u8,
    },
    /// A message of a group needs a protected link with this UE, and there is none.
    NoLinkForGroup(Layer2Id),
    /// Nothing can be sent, and the condition lasts.
    Silence(Hindrance),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counters(_, why) | Self::Keys(why) | Self::GroupKeys(why) => f.write_str(why),
            Self::Group(error) => error.fmt(f),
            Self::LongMessage(error) => error.fmt(f),
            Self::PgkIndexTaken { group, pgk_id } => {
                write!(f, "group {group}: another PGK with the index of PGK {pgk_id} is in use")
            }
            Self::NoLinkForGroup(peer) => {
                write!(f, "a key for {peer} needs a protected link with it: add a [[link]] for it")
            }
            Self::LateTable => f.write_str("too many jobs: a table of codes is late"),
            Self::Engine(error) => error.fmt(f),
            Self::Link(error) => error.fmt(f),
            Self::Silence(why) => write!(f, "this UE sends nothing: {why}"),
        }
    }
}

/// Hands the change of a silence to `tell`.
pub(super) fn of_silence(change: Change, tell: &mut Tell<'_>) {
    match change {
        Change::Lasts(why) => tell(Event::Warning(&Warning::Silence(why))),
        Change::Over(subframes) => tell(Event::SendsAgain(subframes)),
    }
}

/// Receives events.
pub type Tell<'a> = dyn FnMut(Event<'_>) + 'a;
