//! What goes into the HSS and what comes out.

use std::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{Granted, Reservation, StreamId};

use super::Vector;
use crate::aka::{Auts, Rand};
use crate::identity::{Impi, Imsi};

/// Name of a request, which its answer bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Whose vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// As MME and AAA name it.
    Imsi(Imsi),
    /// As a BSF names it.
    Impi(Impi),
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// A bootstrapping server function.
    Bsf,
    /// A mobility management entity.
    Mme,
    /// An AAA server.
    Aaa,
    /// A ProSe key management function.
    Pkmf,
}

impl Node {
    /// How many kinds there are.
    pub(super) const KINDS: usize = 4;

    pub(super) const fn kind(self) -> usize {
        match self {
            Self::Bsf => 0,
            Self::Mme => 1,
            Self::Aaa => 2,
            Self::Pkmf => 3,
        }
    }

    /// CK and IK go to those who bootstrap or do EAP-AKA; of a vector with the separation bit only what is derived goes out.
    pub(super) const fn may_ask_for(self, purpose: &Purpose) -> bool {
        matches!(
            (self, purpose),
            (Self::Bsf | Self::Pkmf, Purpose::Gba)
                | (Self::Mme, Purpose::Eps { .. })
                | (Self::Aaa, Purpose::EapAka | Purpose::EapAkaPrime { .. })
        )
    }
}

/// What the vector is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Bootstrapping: RAND, AUTN, XRES, CK, IK.
    Gba,
    /// Access to E-UTRAN: RAND, AUTN, XRES, K_ASME.
    Eps {
        /// The serving network, MCC and MNC as TS 33.401 Annex A.2 has them.
        serving_network: [u8; 3],
    },
    /// EAP-AKA: RAND, AUTN, XRES, CK, IK.
    EapAka,
    /// EAP-AKA': RAND, AUTN, XRES, CK', IK'.
    EapAkaPrime {
        /// Name of the access network, as AT_KDF_INPUT carries it.
        network_name: String,
    },
}

/// The USIM was out of synchronisation.
#[derive(Clone, Copy, Debug)]
pub struct Resynchronisation {
    /// RAND of the challenge that it did not accept.
    pub rand: Rand,
    /// Its AUTS.
    pub auts: Auts,
}

/// A request for a vector.
#[derive(Clone, Debug)]
pub struct Request {
    /// The time.
    pub now: UtcTime,
    /// To hand back.
    pub ticket: Ticket,
    /// Whose.
    pub subject: Subject,
    /// Who asks; the caller has authenticated it.
    pub node: Node,
    /// What for.
    pub purpose: Purpose,
    /// 16 octets that nobody can guess: RAND of the vector.
    pub rand: Rand,
    /// After a synchronisation failure.
    pub resynchronisation: Option<Resynchronisation>,
}

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// Somebody asks for a vector.
    Request(Request),
    /// A reservation of SEQ is durable.
    Granted {
        /// The proof.
        granted: Granted,
    },
    /// It could not be made durable.
    ReservationFailed {
        /// Of which stream.
        stream: StreamId,
    },
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Make this durable and hand back [`Input::Granted`] or [`Input::ReservationFailed`].
    Reserve(Reservation),
    /// The answer to a request.
    Answer {
        /// Of which request.
        ticket: Ticket,
        /// The vector.
        result: Result<Vector, Refusal>,
    },
    /// Nothing more now. The HSS waits for no time.
    Timeout(Option<UtcTime>),
}

/// Why a vector is refused: by blame of the peer, of the operator, of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// No such subscriber.
    Unknown,
    /// A node of this kind gets no vector of this kind.
    NotForThisNode,
    /// More than the rate of one subscriber.
    TooOften,
    /// AUTS is not that of the subscriber's USIM for this RAND.
    Auts,
    /// The name of an access network that cannot be derived from.
    NetworkName,
    /// The USIM is behind by more than it jumps: it needs a new state, or the subscriber a new card.
    OutOfReach,
    /// Every SEQ is used: a new card.
    Exhausted,
    /// RAND is that of the vector before: the source of chance repeats itself.
    RepeatedRand,
    /// Too many requests of this subscriber wait for the store.
    Busy,
    /// SEQ could not be made durable.
    Store,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "no such subscriber: add it first",
            Self::NotForThisNode => "a node of this kind gets no vector of this kind",
            Self::TooOften => "too many vectors of this subscriber: try again later",
            Self::Auts => "AUTS is wrong: not of this subscriber's USIM, or for another challenge",
            Self::NetworkName => "the name of the access network is empty or longer than 65535 octets",
            Self::OutOfReach => {
                "the USIM is too far behind: give it a new state, or the subscriber a new card"
            }
            Self::Exhausted => "all sequence numbers of this subscriber are used: it needs a new card",
            Self::RepeatedRand => "RAND is that of the vector before: the random source repeats itself",
            Self::Busy => "too many requests of this subscriber wait for the store",
            Self::Store => "the sequence number could not be stored: see the error of the store",
        })
    }
}

impl std::error::Error for Refusal {}

/// Why a subscriber is not provisioned: the operator's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Another subscriber has this IMSI.
    ImsiTaken(Imsi),
    /// Another subscriber has this private identity.
    ImpiTaken(Impi),
    /// The store holds a number that SEQ cannot have.
    DamagedSeq(Imsi),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ImsiTaken(imsi) => write!(f, "there is a subscriber with the IMSI {}", imsi.digits()),
            Self::ImpiTaken(impi) => write!(f, "there is a subscriber with the private identity {impi}"),
            Self::DamagedSeq(imsi) => {
                write!(f, "the stored SEQ of {} has more than 43 bits: the store is damaged", imsi.digits())
            }
        }
    }
}

impl std::error::Error for Error {}
