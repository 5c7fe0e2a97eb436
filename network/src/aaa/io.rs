//! What goes into the AAA server and what comes out.

use std::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_security::kdf::eap_aka::ExportedKeys;

use crate::eap_aka;
use crate::hss::{self, EapAkaPrimeVector, Resynchronisation, Ticket};
use crate::identity::Imsi;

/// A conversation with one peer: a number of the caller's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A packet of EAP came from a peer. The first of a session is the response to a request for its identity.
    Packet {
        /// The time.
        now: UtcTime,
        /// From whom.
        session: SessionId,
        /// Its octets.
        packet: &'a [u8],
    },
    /// A peer is to be authenticated in full whose identity is known already, without a request for it. TS 33.501 §6.1.3.1: so 5G does
    /// it. The peer gets neither a pseudonym nor a name for a re-authentication.
    Begin {
        /// The time.
        now: UtcTime,
        /// With whom: a new one.
        session: SessionId,
        /// Who it should be. Its digits are the identity that keys are derived from (TS 33.501 §F.3).
        imsi: Imsi,
        /// Name of the access network: `5G:..`.
        network_name: String,
    },
    /// The HSS answered [`Output::Fetch`].
    Vector {
        /// The time.
        now: UtcTime,
        /// Of which fetch.
        ticket: Ticket,
        /// The vector.
        result: Result<EapAkaPrimeVector, hss::Refusal>,
    },
    /// Time went on.
    Tick {
        /// The time.
        now: UtcTime,
    },
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Send a request to the peer.
    Request {
        /// To whom.
        session: SessionId,
        /// The packet.
        packet: Vec<u8>,
    },
    /// Ask the HSS for a vector of EAP-AKA', and hand back [`Input::Vector`].
    Fetch {
        /// To hand back.
        ticket: Ticket,
        /// Whose.
        imsi: Imsi,
        /// For which access network.
        network_name: String,
        /// After a synchronisation failure.
        resynchronisation: Option<Resynchronisation>,
    },
    /// The peer is authenticated: the session is over.
    Accept {
        /// Which.
        session: SessionId,
        /// EAP-Success.
        packet: [u8; 4],
        /// Who it is, and the keys.
        grant: Grant,
    },
    /// It is not: the session is over.
    Reject {
        /// Which.
        session: SessionId,
        /// EAP-Failure.
        packet: [u8; 4],
        /// Why.
        why: Rejection,
    },
    /// A packet was passed over, as RFC 3748 §4.1 wants it. The session goes on as if it had not come.
    Discard {
        /// Of which session.
        session: SessionId,
        /// Why.
        why: Discarded,
    },
    /// Nothing more now. Call again with the next input, or with a tick at this time.
    Timeout(Option<UtcTime>),
}

/// How somebody was authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// By the USIM.
    Full,
    /// By the keys of the last time.
    Fast,
}

/// An authenticated peer.
#[derive(Debug)]
pub struct Grant {
    /// Who it is.
    pub imsi: Imsi,
    /// How that was found.
    pub authentication: Authentication,
    /// MSK and EMSK.
    pub keys: ExportedKeys,
    /// Session-Id: 50 || RAND || AUTN, or 50 || NONCE_S || AT_MAC of the request. RFC 9048 §3.6.
    pub session_id: [u8; 33],
}

/// Why somebody is not authenticated: by blame of the peer, of the operator, of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// No identity that could be used, asked for the permanent one too.
    Identity,
    /// The peer does not do EAP-AKA'.
    Nak,
    /// The peer did not like a request.
    ClientError(u16),
    /// A response is not understood.
    Malformed(eap_aka::Error),
    /// A response to something else.
    Unexpected,
    /// The peer says that AUTN is wrong: K or OPc differ, or AUTN was altered.
    AuthenticationReject,
    /// AT_MAC of a response is wrong.
    Mac,
    /// The exchange of identities was altered.
    Checkcode,
    /// RES is wrong.
    Res,
    /// The counter of a re-authentication is not that of its request.
    Counter,
    /// A derivation that was not offered.
    Kdf,
    /// Out of synchronisation after a resynchronisation too.
    OutOfSync,
    /// The name of the re-authentication was used by another session meanwhile, or has expired.
    Superseded,
    /// The HSS gives no vector.
    Hss(hss::Refusal),
    /// More vectors than the rate of all peers together.
    TooOften,
    /// More sessions than there is room for.
    Busy,
    /// The HSS did not answer in time.
    Late,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::ClientError(code) => return write!(f, "the peer refuses a request: client error {code}"),
            Self::Malformed(error) => return write!(f, "a response is not understood: {error}"),
            Self::Hss(refusal) => return write!(f, "the HSS gives no vector: {refusal}"),
            Self::Identity => "the peer says no identity that is known here",
            Self::Nak => "the peer does not do EAP-AKA'",
            Self::Unexpected => "a response to something that was not asked",
            Self::AuthenticationReject => "the peer finds AUTN wrong: K or OPc differ",
            Self::Mac => "AT_MAC of a response is wrong",
            Self::Checkcode => "AT_CHECKCODE is wrong: somebody altered the exchange of identities",
            Self::Res => "RES is wrong",
            Self::Counter => "the counter is not that of the request",
            Self::Kdf => "the peer wants a key derivation that was not offered",
            Self::OutOfSync => "the USIM is out of synchronisation after a resynchronisation too",
            Self::Superseded => "the re-authentication was overtaken by another, or came too late",
            Self::TooOften => "too many vectors at once: try again later",
            Self::Busy => "too many sessions at once: try again later",
            Self::Late => "the HSS did not answer in time: is it there?",
        };
        f.write_str(text)
    }
}

impl std::error::Error for Rejection {}

/// Why a packet is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Discarded {
    /// No packet of EAP.
    Malformed(eap_aka::Error),
    /// No response.
    NotAResponse,
    /// The response to another request than the last.
    Identifier,
    /// A response while nothing was asked: one that was repeated.
    NothingAsked,
    /// A response of another type.
    Type,
    /// A session begins with an identity.
    NoIdentity,
}

impl fmt::Display for Discarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Malformed(error) => return write!(f, "no packet of EAP: {error}"),
            Self::NotAResponse => "no response",
            Self::Identifier => "the response to another request than the last",
            Self::NothingAsked => "a response while nothing was asked",
            Self::Type => "a response of a type that was not asked for",
            Self::NoIdentity => "a session begins with the response to a request for the identity",
        };
        f.write_str(text)
    }
}

impl std::error::Error for Discarded {}
