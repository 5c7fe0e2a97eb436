//! Inputs and outputs of an agent.

use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{Granted, Reservation, StreamId};
use sidelink_security::discovery::matching::TableError;
use sidelink_security::discovery::signature::Hint;
use sidelink_security::discovery::{Message, Refusal};

use crate::discovery::signed::Partial;
use crate::discovery::{
    AirTime, Discovered, DiscovereeConfig, Dropped, Finding, Job, MonitorConfig, Subject, TimePolicy,
};

/// Sizes and rules. [`Agent::new`](super::Agent::new), and adding codes, allocate the memory for receiving.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Tolerances of clocks.
    pub time: TimePolicy,
    /// Sizes and rules of the monitor.
    pub monitor: MonitorConfig,
    /// Rules of the discoveree.
    pub discoveree: DiscovereeConfig,
    /// Capacity for pending outputs.
    pub outputs: usize,
}

impl Default for Config {
    /// Returns the configuration of a UE with room for the outputs of one subframe.
    fn default() -> Self {
        Self {
            time: TimePolicy::default(),
            monitor: MonitorConfig::default(),
            discoveree: DiscovereeConfig::default(),
            outputs: 512,
        }
    }
}

/// An event for the agent.
pub enum Input<'a> {
    /// Time has passed.
    Tick {
        /// The time.
        now: AirTime,
    },
    /// A block of SL-DCH was decoded.
    Message {
        /// Time of the first subframe of its slot.
        now: AirTime,
        /// The block.
        block: &'a [u8],
    },
    /// A discovery resource was drawn.
    Opportunity {
        /// Time of the first subframe of the slot.
        now: AirTime,
        /// Number of the discovery period: each announcer and discoverer sends once in one.
        period: u64,
        /// Fresh random bits for a nonce.
        nonce: [u64; 2],
    },
    /// A reservation is durable.
    Granted {
        /// The time.
        now: AirTime,
        /// The proof.
        granted: Granted,
    },
    /// A reservation could not be made durable.
    ReservationFailed {
        /// The time.
        now: AirTime,
        /// The stream of the reservation.
        stream: StreamId,
    },
    /// An announcement of the SL-SCH came, to which a discovery message points.
    Announcement {
        /// Time of its last subframe.
        now: AirTime,
        /// The octets, without headers.
        octets: &'a [u8],
    },
    /// A table of codes was built.
    Table {
        /// The time.
        now: AirTime,
        /// The table.
        job: Job,
    },
}

impl Input<'_> {
    /// Returns the time of the input.
    pub(super) const fn now(&self) -> AirTime {
        match self {
            Self::Tick { now }
            | Self::Message { now, .. }
            | Self::Opportunity { now, .. }
            | Self::Announcement { now, .. }
            | Self::Granted { now, .. }
            | Self::ReservationFailed { now, .. }
            | Self::Table { now, .. } => *now,
        }
    }
}

/// The part of this UE that sends a discovery message. The number is the place that `add_*` gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// An announcer.
    Announcer(usize),
    /// A discoverer.
    Discoverer(usize),
    /// The discoveree, to a query.
    Discoveree(usize),
    /// None: the clock is not trusted, see [`Agent::guard_clock`](super::Agent::guard_clock).
    Clock,
}

/// An event of discovery, for applications and reports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// A message of ours was handed over for the resource.
    Announced(Origin),
    /// One of ours keeps silent in this period.
    Silent {
        /// The part.
        origin: Origin,
        /// Reason.
        refusal: Refusal,
    },
    /// A followed identity was received.
    Discovered(Discovered),
    /// A query of ours was answered.
    Answered {
        /// Index of the discoverer.
        discoverer: usize,
        /// The answer.
        finding: Finding,
    },
    /// A query was accepted; its response goes into a coming [`Input::Opportunity`].
    Asked,
    /// A message of a followed identity came, and its proof is pending: the first match.
    Matched(Subject),
    /// A message was dropped.
    Dropped(Dropped),
    /// A part of a signed announcement by a followed key was received: the first one is the first match.
    Fragment(Partial),
    /// A signed announcement has this hint, and no key of it is here: ask the network. Told once for some time.
    KeyWanted(Hint),
    /// The followed codes cannot be tabled; reported once, until what is followed changes.
    Unfollowable(TableError),
}

/// What is to be done.
pub enum Output {
    /// Transmit a block of SL-DCH.
    Message {
        /// Whose.
        origin: Origin,
        /// The block.
        message: Message,
    },
    /// Transmit these octets on the SL-SCH to [`DISCOVERY_GROUP`](crate::discovery::pointer::DISCOVERY_GROUP), before the
    /// discovery message that points to them or soon after.
    Announcement {
        /// Whose.
        origin: Origin,
        /// The octets, without headers.
        octets: Vec<u8>,
    },
    /// Tell whoever listens.
    Event(Event),
    /// Make this durable, off the sample path, and hand back [`Input::Granted`] or [`Input::ReservationFailed`].
    Reserve(Reservation),
    /// Build this table, off the sample path, and hand it back by [`Input::Table`].
    Build(Job),
    /// Nothing more now. Call again with the next input, or with a tick at this time.
    Timeout(Option<UtcTime>),
}
