//! What goes into the server and what comes out.

use core::net::SocketAddr;
use std::fmt;

use sidelink_security::counter::UtcTime;

use super::super::Error;
use crate::aaa::{Authentication, Discarded, Rejection};
use crate::hss::{self, EapAkaPrimeVector, Resynchronisation, Ticket};
use crate::identity::Imsi;
use crate::relay_access::Refused;

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram came.
    Datagram {
        /// The time.
        now: UtcTime,
        /// Where from.
        from: SocketAddr,
        /// Its octets.
        octets: &'a [u8],
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
    /// Send a datagram.
    Datagram {
        /// Where to.
        to: SocketAddr,
        /// Its octets.
        octets: Vec<u8>,
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
    /// Something for the log.
    Event(Event),
    /// Nothing more now. Call again with the next input, or with a tick at this time.
    Timeout(Option<UtcTime>),
}

/// What came of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A peer is authenticated.
    Accepted {
        /// Who.
        imsi: Imsi,
        /// How.
        authentication: Authentication,
    },
    /// A peer is not.
    Rejected {
        /// Why.
        why: Rejection,
    },
    /// A relay may not ask: no packet of EAP was looked at.
    NotServed {
        /// Where it is.
        from: SocketAddr,
        /// Why.
        why: Refused,
    },
    /// A peer is authenticated, but may not be served by this relay.
    Forbidden {
        /// Who.
        imsi: Imsi,
        /// Why.
        why: Refused,
    },
    /// A datagram was passed over.
    Dropped {
        /// Where it came from.
        from: SocketAddr,
        /// Why.
        why: Dropped,
    },
}

/// Why a datagram is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dropped {
    /// It comes from nowhere that a client is.
    Stranger,
    /// It is no packet.
    Malformed(Error),
    /// It is no Access-Request.
    NotARequest,
    /// It has not one Message-Authenticator that is right: another secret, or no client at all.
    MessageAuthenticator,
    /// The same request, or another of its session, is under way.
    UnderWay,
    /// More requests than there is room for.
    Busy,
    /// What it carries is not for the session.
    Eap(Discarded),
    /// The reply would be longer than a packet: Proxy-State of many proxies.
    TooLong,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Malformed(error) => return error.fmt(f),
            Self::Eap(why) => return why.fmt(f),
            Self::Stranger => "no client has this address: add it, with its secret",
            Self::NotARequest => "no Access-Request",
            Self::MessageAuthenticator => "Message-Authenticator is wrong or missing: do the secrets agree?",
            Self::UnderWay => "the request is under way already",
            Self::Busy => "too many requests at once",
            Self::TooLong => "the reply would be too long: its proxies want too much back",
        };
        f.write_str(text)
    }
}

impl std::error::Error for Dropped {}
