//! What goes into an engine and what comes out.

use core::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{Granted, Reservation, StreamId};
use sidelink_security::discovery::matching::TableError;
use sidelink_security::discovery::{Message, Refusal};

use crate::discovery::{
    AirTime, Discovered, DiscovereeConfig, Dropped, Finding, Job, MonitorConfig, TimePolicy,
};
use crate::mux::{self, Address, Built};
use crate::pdcp::{self, Header};
use crate::rlc_um;
use sidelink_security::outcome::Outcome;
use sidelink_security::pdu::Assurance;
use sidelink_wire as wire;
use sidelink_wire::ids::{GroupDestinationId, Layer2Id, Lcid};
use sidelink_wire::mib_sl;
use sidelink_wire::pdcp::SduType;

/// Sizes and rules. All memory of the data path is allocated by [`Engine::new`](super::Engine::new) and by what adds a bearer or a key.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Layer-2 identity of this UE.
    pub source: Layer2Id,
    /// Clocks.
    pub time: TimePolicy,
    /// Receiving RLC entities.
    pub rlc: rlc_um::ReceiverConfig,
    /// What PDCP accepts without keys.
    pub pdcp: pdcp::ReceiverConfig,
    /// What is followed.
    pub monitor: MonitorConfig,
    /// How questions are answered.
    pub discoveree: DiscovereeConfig,
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
            time: TimePolicy::default(),
            rlc: rlc_um::ReceiverConfig::default(),
            pdcp: pdcp::ReceiverConfig::default(),
            monitor: MonitorConfig::default(),
            discoveree: DiscovereeConfig::default(),
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
    /// Time went on.
    Tick {
        /// The time.
        now: AirTime,
    },
    /// A transport block of SL-SCH was decoded.
    SlSch {
        /// Its subframe.
        now: AirTime,
        /// The group destination ID of its SCI; none in transmission modes 3 and 4.
        group: Option<GroupDestinationId>,
        /// The block.
        block: &'a [u8],
    },
    /// A block of SL-DCH was decoded.
    SlDch {
        /// The first subframe of its slot.
        now: AirTime,
        /// The block.
        block: &'a [u8],
    },
    /// A block of SL-BCH was decoded.
    SlBch {
        /// Its subframe.
        now: AirTime,
        /// The block.
        block: &'a [u8],
    },
    /// The application sends.
    Send {
        /// The time.
        now: AirTime,
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
        /// The time.
        now: AirTime,
        /// To whom.
        address: Address,
        /// On which bearer.
        lcid: Lcid,
        /// The PDU.
        pdu: &'a [u8],
    },
    /// A grant has room for a transport block.
    SlSchOpportunity {
        /// The subframe of its first transmission.
        now: AirTime,
        /// For whom the grant is; none for whom has the most urgent data.
        address: Option<Address>,
        /// Octets of the block.
        len: usize,
    },
    /// A discovery resource was drawn.
    SlDchOpportunity {
        /// The first subframe of the slot.
        now: AirTime,
        /// Number of the discovery period: each announcer and discoverer sends once in one.
        period: u64,
        /// Fresh random bits for a nonce.
        nonce: [u64; 2],
    },
    /// A reservation of counters is durable.
    Granted {
        /// The time.
        now: AirTime,
        /// The proof.
        granted: Granted,
    },
    /// A reservation of counters could not be made durable.
    ReservationFailed {
        /// The time.
        now: AirTime,
        /// Of which stream.
        stream: StreamId,
    },
    /// A table of codes came back from where it was built.
    Table {
        /// The time.
        now: AirTime,
        /// The table.
        job: Job,
    },
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
    /// Discovery message.
    Discovery(Dropped),
    /// MIB.
    Mib(wire::Error),
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
            Self::Discovery(dropped) => dropped.outcome(),
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
            Self::Discovery(error) => write!(f, "discovery: {error}"),
            Self::Mib(error) => write!(f, "MIB-SL: {error}"),
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

/// Who of this UE sends a discovery message. The number is the place that `add_*` gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// An announcer.
    Announcer(usize),
    /// A discoverer.
    Discoverer(usize),
    /// The discoveree.
    Discoveree,
    /// Nobody: the clock is not believed, see [`Engine::guard_clock`](super::Engine::guard_clock).
    Clock,
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
    /// Transmit a block of SL-DCH.
    SlDch {
        /// Whose.
        origin: Origin,
        /// The block.
        message: Message,
    },
    /// One of ours keeps silent in this period.
    Silent {
        /// Whose.
        origin: Origin,
        /// Why.
        refusal: Refusal,
    },
    /// Give data to the application.
    Received(Received<'a>),
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
    /// Somebody who is followed was heard.
    Discovered(Discovered),
    /// A question of ours was answered.
    Answered {
        /// Whose question.
        discoverer: usize,
        /// The answer.
        finding: Finding,
    },
    /// A question was believed; its answer goes into a coming [`Input::SlDchOpportunity`].
    Asked,
    /// A MIB was heard.
    Synchronisation(mib_sl::Repr),
    /// Something was dropped.
    Dropped(Drop),
    /// Make this durable, off the sample path, and hand back [`Input::Granted`] or [`Input::ReservationFailed`].
    Reserve(Reservation),
    /// Build this table, off the sample path, and hand it back by [`Input::Table`].
    Build(Job),
    /// The followed codes cannot be tabled; told once, until what is followed changes.
    Unfollowable(TableError),
    /// Nothing more now. Call again with the next input, or with a tick at this time.
    Timeout(Option<UtcTime>),
}
