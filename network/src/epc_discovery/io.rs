//! What goes into EPC-level discovery and what comes out.

use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{Granted, Reservation};

use crate::app_server::{Denied, Proof, QueryId, RegistrationAnswer, RegistrationRequest};
use crate::identity::Fqdn;
use crate::pc3::registration::{EpcUserId, RangeClass, UserId};
use crate::pc3::{Imsi, Message};
use crate::prose_function::{Application, RequestId, Response, Subscription};

/// Settings of the operator.
#[derive(Debug, Clone)]
pub struct Config {
    /// The name of the ProSe Function.
    pub name: Fqdn,
    /// Applications that may use EPC-level discovery.
    pub applications: Vec<Application>,
    /// How near their users may ask for: at least one.
    pub ranges: Vec<RangeClass>,
    /// Whether a registration needs a token. The standard's needs none.
    pub proof: Proof,
    /// UEs at most.
    pub ues: usize,
    /// Users of applications of one UE at most.
    pub users_per_ue: usize,
    /// Requests that wait at once, for application servers or the store.
    pub waiting: usize,
    /// How long each waits, in milliseconds.
    pub patience: u64,
}

/// Names an [`Output::Store`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(pub u64);

/// What is durable of a UE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Whose.
    pub ue: Imsi,
    /// Its EPC ProSe User ID.
    pub epc_user_id: EpcUserId,
    /// Its users, one an application.
    pub users: Vec<(Application, UserId)>,
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// Time went on.
    Tick {
        /// The time.
        now: UtcTime,
    },
    /// A message that the front has admitted.
    Message {
        /// The time.
        now: UtcTime,
        /// For the answer.
        request: RequestId,
        /// Who sent it, as the transport has proven.
        ue: Imsi,
        /// What.
        message: Box<Message>,
        /// What the HSS says of the UE.
        subscription: &'a Subscription,
    },
    /// The answer to [`Output::AskApplicationServer`].
    Answer {
        /// The time.
        now: UtcTime,
        /// To which query.
        query: QueryId,
        /// What it says.
        answer: RegistrationAnswer,
    },
    /// The record of [`Output::Store`] is durable.
    Stored {
        /// The time.
        now: UtcTime,
        /// Which.
        ticket: Ticket,
    },
    /// It could not be made durable.
    StoreFailed {
        /// The time.
        now: UtcTime,
        /// Which.
        ticket: Ticket,
    },
    /// A reservation of numbers is durable.
    Granted {
        /// The proof.
        granted: Granted,
    },
    /// A reservation could not be made durable.
    ReservationFailed,
    /// More randomness.
    Entropy {
        /// Octets that nobody can guess.
        seed: &'a [u8],
    },
}

impl Input<'_> {
    pub(super) const fn now(&self) -> Option<UtcTime> {
        match self {
            Self::Tick { now }
            | Self::Message { now, .. }
            | Self::Answer { now, .. }
            | Self::Stored { now, .. }
            | Self::StoreFailed { now, .. } => Some(*now),
            Self::Granted { .. } | Self::ReservationFailed | Self::Entropy { .. } => None,
        }
    }
}

/// For reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A UE has an identity, or another user.
    Registered(Record),
    /// An application server refuses a user.
    Denied {
        /// Who asked.
        ue: Imsi,
        /// Why.
        why: Denied,
    },
    /// An application server speaks of another UE or user than it was asked about.
    WrongAnswer {
        /// Who asked.
        ue: Imsi,
        /// Of whom it speaks.
        about: EpcUserId,
    },
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Answer a request.
    Respond {
        /// Which.
        request: RequestId,
        /// With what.
        response: Response,
    },
    /// Ask an application server over PC2, and hand back [`Input::Answer`].
    AskApplicationServer {
        /// To hand back.
        query: QueryId,
        /// Whose.
        application: Application,
        /// What.
        request: Box<RegistrationRequest>,
    },
    /// Make this durable in the place of the record before, and hand back [`Input::Stored`] or [`Input::StoreFailed`]. Records
    /// of one UE are written in the order in which they come.
    Store {
        /// To hand back.
        ticket: Ticket,
        /// What.
        record: Record,
    },
    /// Make this durable and hand back [`Input::Granted`] or [`Input::ReservationFailed`].
    Reserve(Reservation),
    /// For reports.
    Event(Event),
    /// Nothing more until then; none: until the next input.
    Timeout(Option<UtcTime>),
}
