//! What goes into an engine and what comes out.

use core::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{Granted, Reservation, StreamId};

use crate::mux::{self, Address, Built};
use crate::pdcp::{self, Header};
use crate::rlc_um;
use sidelink_security::outcome::Outcome;
use sidelink_security::pdu::Assurance;
use sidelink_wire::ids::{GroupDestinationId, Layer2Id, Lcid};
use sidelink_wire::pdcp::SduType;

/// Sizes and rules. All memory of the data path is allocated by [`Engine::new`](super::Engine::new) and by what adds a bearer or a key.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Layer-2 identity of this UE.
    pub source: Layer2Id,
    /// Receiving RLC entities.
    pub rlc: rlc_um::ReceiverConfig,
    /// What PDCP accepts without keys.
    pub pdcp: pdcp::ReceiverConfig,
    /// Gives PDUs to one UE to its links (`sidelink_prose::direct_link`) as they are, by [`Output::OneToOne`], instead of
    /// delivering the unprotected and refusing the others.
    pub one_to_one: bool,
    /// Takes PDUs of every destination: a decoder, not a UE.
    pub promiscuous: bool,
    /// Outputs that may wait.
    pub outputs: usize,
    /// Octets of blocks and SDUs in the outputs that may wait.
    pub output_octets: usize,
}

impl Config {
    /// A UE with room for what one subframe brings.
    pub fn new(source: Layer2Id) -> Self {
        Self {
            source,
            rlc: rlc_um::ReceiverConfig::default(),
            pdcp: pdcp::ReceiverConfig::default(),
            one_to_one: false,
            promiscuous: false,
            outputs: 512,
            output_octets: 256 * 1024,
        }
    }
}

/// A logical channel for sending.
#[derive(Debug, Clone, Copy)]
pub struct Bearer {
    /// To whom.
    pub address: Address,
    /// On which channel.
    pub lcid: Lcid,
    /// ProSe per-packet priority, 1 (highest) to 8.
    pub priority: u8,
    /// Octets that may wait for a grant.
    pub queue_octets: usize,
    /// SDUs that may wait for a grant.
    pub queue_sdus: usize,
}

impl Bearer {
    /// Middle priority, 64 KiB and 256 SDUs of queue.
    pub const fn new(address: Address, lcid: Lcid) -> Self {
        Self { address, lcid, priority: 4, queue_octets: 64 * 1024, queue_sdus: 256 }
    }
}

/// Our own mistake, or the operator's. What peers do wrong is an [`Output`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// No bearer, a full queue, a block that cannot be filled.
    Mux(mux::Error),
    /// No key, or its counters are used up: nothing was sent.
    Pdcp(pdcp::Error),
    /// No [`Engine::add_destination`](super::Engine::add_destination) for this address.
    NoDestination(Address),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mux(error) => error.fmt(f),
            Self::Pdcp(error) => error.fmt(f),
            Self::NoDestination(address) => write!(f, "nothing is set up to send to {}", address.layer2_id()),
        }
    }
}

impl std::error::Error for Error {}

impl From<mux::Error> for Error {
    fn from(error: mux::Error) -> Self {
        Self::Mux(error)
    }
}

impl From<pdcp::Error> for Error {
    fn from(error: pdcp::Error) -> Self {
        Self::Pdcp(error)
    }
}

/// What happened.
pub enum Input<'a> {
    /// A transport block of SL-SCH was decoded.
    SlSch {
        /// Its subframe.
        now: UtcTime,
        /// The group destination ID of its SCI; none in transmission modes 3 and 4.
        group: Option<GroupDestinationId>,
        /// The block.
        block: &'a [u8],
    },
    /// Time passes: the time of [`Output::Timeout`] has come. More often does no harm.
    Tick {
        /// The time.
        now: UtcTime,
    },
    /// The application sends.
    Send {
        /// The time.
        now: UtcTime,
        /// To whom.
        address: Address,
        /// On which bearer.
        lcid: Lcid,
        /// What the data is.
        sdu_type: SduType,
        /// The data.
        data: &'a [u8],
    },
    /// A PDCP PDU of a link is to be sent over a bearer.
    SendPdu {
        /// To whom.
        address: Address,
        /// On which bearer.
        lcid: Lcid,
        /// The PDU.
        pdu: &'a [u8],
    },
    /// A grant has room for a transport block.
    Opportunity {
        /// For whom the grant is; none for whom has the most urgent data.
        address: Option<Address>,
        /// Octets of the block.
        len: usize,
    },
    /// A reservation of counters is durable: the proof.
    Granted(Granted),
    /// A reservation of counters of this stream could not be made durable.
    ReservationFailed(StreamId),
}

/// Why and where something was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// MAC PDU.
    Mac(mux::Error),
    /// RLC PDU.
    Rlc(rlc_um::Error),
    /// PDCP PDU.
    Pdcp(pdcp::Error),
    /// A block under our own source identity: our own, sent again by somebody else, or a forgery.
    Reflected,
}

impl Cause {
    /// What became of it, in the words of reports.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Mac(mux::Error::NoGroupDestination) => Outcome::Misused,
            Self::Reflected => Outcome::Reflected,
            Self::Pdcp(error) => error.outcome(),
            _ => Outcome::Malformed,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mac(error) => write!(f, "MAC: {error}"),
            Self::Rlc(error) => write!(f, "RLC: {error}"),
            Self::Pdcp(error) => write!(f, "PDCP: {error}"),
            Self::Reflected => f.write_str("MAC: our own source identity"),
        }
    }
}

/// Something that was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drop {
    /// Sender and destination, where the MAC header was whole.
    pub from: Option<(Layer2Id, Address)>,
    /// PDCP header, where it was whole.
    pub header: Option<Header>,
    /// Why.
    pub cause: Cause,
}

/// A PDCP SDU for the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received<'a> {
    /// Sender.
    pub source: Layer2Id,
    /// Destination.
    pub address: Address,
    /// Logical channel.
    pub lcid: Lcid,
    /// PDCP header.
    pub header: Header,
    /// How much is known of it.
    pub assurance: Assurance,
    /// The PGK that opened it.
    pub pgk_id: Option<u8>,
    /// The data.
    pub data: &'a [u8],
}

/// An event of layer 2, for applications and reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A PDCP SDU for the application.
    Received(Received<'a>),
    /// A PDU was dropped.
    Dropped(Drop),
}

/// What is to be done.
pub enum Output<'a> {
    /// Transmit a transport block of SL-SCH, and repeat it as the mode says.
    SlSch {
        /// For whom: the SCI carries the low octet in transmission modes 1 and 2.
        address: Address,
        /// What it holds.
        built: Built,
        /// The block.
        block: &'a [u8],
    },
    /// Give a PDCP PDU to the links of this UE (`sidelink_prose::direct_link`).
    OneToOne {
        /// Sender.
        source: Layer2Id,
        /// Destination.
        address: Address,
        /// Logical channel.
        lcid: Lcid,
        /// The PDU.
        pdu: &'a [u8],
    },
    /// Tell whoever listens.
    Event(Event<'a>),
    /// Make this durable, off the sample path, and hand back [`Input::Granted`] or [`Input::ReservationFailed`].
    Reserve(Reservation),
    /// Nothing more now. Call again after the next input, with a time at the latest then: by [`Input::Tick`]. It is that of
    /// t-Reordering, while a PDU of V2X is missing.
    Timeout(Option<UtcTime>),
}
