//! Events of a UE, for applications, reports and experiments: those of its engines, as they are, and its own.

use super::silence::{Change, Hindrance};
use sidelink_mac::engine;
use sidelink_mac::mux::Address;
use sidelink_prose::direct_link::{self, Pdu};
use sidelink_prose::discovery::agent;
use sidelink_security::counter::reserve::StreamId;
use sidelink_wire::pdcp::SduType;
use std::fmt;
use std::time::Duration;

/// An event of one UE.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Layer 2.
    Mac(engine::Event<'a>),
    /// Discovery.
    Discovery {
        /// Name of its announcer, question or followed identity in the key store; "?" where it has none.
        name: &'a str,
        /// The event.
        event: &'a agent::Event,
    },
    /// One-to-one links.
    Link(&'a direct_link::Event),
    /// The links handed this PDU to RLC.
    LinkPdu(&'a Pdu),
    /// The links have handled their inputs since the last step.
    LinkStep {
        /// Processor time.
        took: Duration,
        /// Reservations of numbers and changes of keys that were asked for.
        writes: u64,
    },
    /// An operator must know.
    Warning(&'a Warning),
    /// The UE sends again after a silence of so many subframes.
    SendsAgain(u64),
}

impl<'a> Event<'a> {
    /// The SDU, if this is one of `sdu_type` that came to this group, or by the link with this UE.
    pub fn data(&self, address: Address, sdu_type: SduType) -> Option<&'a [u8]> {
        match self {
            Self::Mac(engine::Event::Received(sdu)) => {
                (sdu.address == address && sdu.header.sdu_type() == sdu_type).then_some(sdu.data)
            }
            Self::Link(direct_link::Event::Received(received)) => {
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
    /// Counters of a stream could not be made durable, and why.
    Counters(StreamId, String),
    /// Keys of links could not be made durable, and why.
    Keys(String),
    /// Too many jobs are under way: a table of codes is not built yet.
    LateTable,
    /// Layer 2 refuses an input.
    Engine(engine::Error),
    /// The links refuse an input.
    Link(direct_link::Error),
    /// Nothing can be sent, and that lasts.
    Silence(Hindrance),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counters(_, why) | Self::Keys(why) => f.write_str(why),
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

/// Takes events.
pub type Tell<'a> = dyn FnMut(Event<'_>) + 'a;
