//! Inputs and outputs of an engine.

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

/// Sizes and rules. [`Engine::new`](super::Engine::new), and adding a bearer or a key, allocate all memory of the data
/// path.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Layer-2 identity of this UE.
    pub source: Layer2Id,
    /// Receiving RLC entities.
    pub rlc: rlc_um::ReceiverConfig,
    /// Rules of PDCP for PDUs without keys.
    pub pdcp: pdcp::ReceiverConfig,
    /// Hands PDUs to one UE to its links (`sidelink_prose::direct_link`) unopened, by [`Output::OneToOne`], instead of
    /// delivering the unprotected ones and refusing the others.
    pub one_to_one: bool,
    /// Hands PDUs to a group on [`Lcid::PC5_S_UNPROTECTED`] to the machines of group keys unopened, by
    /// [`Output::GroupSignalling`]. The standard has PC5 signalling between two UEs only: to a group it is our own.
    pub group_signalling: bool,
    /// Takes PDUs of every destination: a decoder, not a UE.
    pub promiscuous: bool,
    /// Capacity for pending outputs.
    pub outputs: usize,
    /// Capacity for blocks and SDUs in pending outputs, octets.
    pub output_octets: usize,
}

impl Config {
    /// Returns the configuration of a UE with room for the outputs of one subframe.
    pub fn new(source: Layer2Id) -> Self {
        Self {
            source,
            rlc: rlc_um::ReceiverConfig::default(),
            pdcp: pdcp::ReceiverConfig::default(),
            one_to_one: false,
            group_signalling: false,
            promiscuous: false,
            outputs: 512,
            output_octets: 256 * 1024,
        }
    }
}

/// A logical channel for sending.
#[derive(Debug, Clone, Copy)]
pub struct Bearer {
    /// Destination.
    pub address: Address,
    /// Logical channel.
    pub lcid: Lcid,
    /// ProSe per-packet priority, 1 (highest) to 8.
    pub priority: u8,
    /// Capacity of the queue, octets.
    pub queue_octets: usize,
    /// Capacity of the queue, SDUs.
    pub queue_sdus: usize,
}

impl Bearer {
    /// Returns a bearer of middle priority with a queue of 64 KiB and 256 SDUs.
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

/// An event for the engine.
pub enum Input<'a> {
    /// A transport block of SL-SCH was decoded.
    SlSch {
        /// Time of its subframe.
        now: UtcTime,
        /// The group destination ID of its SCI; `None` in transmission modes 3 and 4.
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
        /// Destination.
        address: Address,
        /// Logical channel of the bearer.
        lcid: Lcid,
        /// Type of the data.
        sdu_type: SduType,
        /// The data.
        data: &'a [u8],
    },
    /// A PDCP PDU of a link, or of signalling to a group, is to be sent over a bearer.
    SendPdu {
        /// Destination.
        address: Address,
        /// Logical channel of the bearer.
        lcid: Lcid,
        /// The PDU.
        pdu: &'a [u8],
    },
    /// A grant has room for a transport block.
    Opportunity {
        /// Destination of the grant; `None` for the one with the most urgent data.
        address: Option<Address>,
        /// Size of the block, octets.
        len: usize,
    },
    /// A reservation of counters is durable, with the proof.
    Granted(Granted),
    /// A reservation of counters of this stream could not be made durable.
    ReservationFailed(StreamId),
}

/// Layer and reason of a drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// Refusal of a MAC PDU.
    Mac(mux::Error),
    /// Refusal of an RLC PDU.
    Rlc(rlc_um::Error),
    /// Refusal of a PDCP PDU.
    Pdcp(pdcp::Error),
    /// A block under our own source identity: our own block, replayed, or a forgery.
    Reflected,
}

impl Cause {
    /// Returns the outcome as reports name it.
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

/// A dropped PDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drop {
    /// Sender and destination, if the MAC header was whole.
    pub from: Option<(Layer2Id, Address)>,
    /// PDCP header, if it was whole.
    pub header: Option<Header>,
    /// Reason.
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
    /// Assurance that the checks gave: verified, deciphered only, or unprotected.
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
    /// Transmit a transport block of SL-SCH, with the repetitions of the transmission mode.
    SlSch {
        /// Destination: the SCI carries its low octet in transmission modes 1 and 2.
        address: Address,
        /// Number of SDUs and their octets.
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
    /// Give a PDCP PDU of signalling to a group to the machines of group keys.
    GroupSignalling {
        /// Sender.
        source: Layer2Id,
        /// Destination.
        address: Address,
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
