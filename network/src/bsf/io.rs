//! What goes into the BSF and what comes out.

use std::fmt;

use http::{HeaderName, HeaderValue, StatusCode};
use sidelink_security::counter::UtcTime;
use sidelink_security::keys::{Ks, KsNaf};

use crate::aka::{Quintet, Rand};
use crate::hss::{Refusal, Resynchronisation, Ticket};
use crate::identity::{BTid, Fqdn, Impi, NafId};

/// A request by HTTP.
pub type Request = http::Request<Vec<u8>>;

/// Its answer.
pub type Response = http::Response<Vec<u8>>;

/// Who a request came from: a connection of the server, a number of its choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection(pub u64);

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A request came over Ub.
    Request {
        /// The time.
        now: UtcTime,
        /// To hand back.
        from: Connection,
        /// The request.
        request: &'a Request,
    },
    /// The HSS answered [`Output::Fetch`].
    Vector {
        /// The time.
        now: UtcTime,
        /// Of which fetch.
        ticket: Ticket,
        /// The vector.
        result: Result<Quintet, Refusal>,
    },
    /// The record of [`Output::Store`] is durable.
    Stored {
        /// Which.
        ticket: Ticket,
    },
    /// It could not be made durable.
    StoreFailed {
        /// Which.
        ticket: Ticket,
    },
    /// A NAF asks for its key over Zn.
    KeyRequest {
        /// The time.
        now: UtcTime,
        /// To hand back.
        ticket: Ticket,
        /// Who asks; the caller has authenticated it.
        naf: Fqdn,
        /// Whose key.
        b_tid: BTid,
        /// For whom, and for which protocol.
        naf_id: NafId,
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
    /// Answer a request.
    Response {
        /// Whose.
        to: Connection,
        /// The answer.
        response: Response,
    },
    /// Ask the HSS for a vector of GBA, and hand back [`Input::Vector`].
    Fetch {
        /// To hand back.
        ticket: Ticket,
        /// Whose.
        impi: Impi,
        /// After a synchronisation failure.
        resynchronisation: Option<Resynchronisation>,
    },
    /// Make this durable in the place of what is stored of the subscriber, and hand back [`Input::Stored`] or
    /// [`Input::StoreFailed`].
    Store {
        /// To hand back.
        ticket: Ticket,
        /// What.
        record: Record,
    },
    /// What is stored of a subscriber has expired. Nothing waits for it.
    Forget {
        /// Whose.
        impi: Impi,
    },
    /// Answer a NAF.
    Key {
        /// Which request.
        ticket: Ticket,
        /// The key.
        result: Result<KeyMaterial, KeyRefusal>,
    },
    /// Nothing more now. Call again with the next input, or with a tick at this time.
    Timeout(Option<UtcTime>),
}

/// A bootstrapped key.
#[derive(Debug)]
pub struct Record {
    /// Whose.
    pub impi: Impi,
    /// Its name.
    pub b_tid: BTid,
    /// RAND that it came from.
    pub rand: Rand,
    /// Ks.
    pub ks: Ks,
    /// Since when.
    pub created: UtcTime,
    /// Until when.
    pub expires: UtcTime,
}

impl Record {
    /// Another copy, for the store.
    pub(super) fn duplicate(&self) -> Self {
        Self {
            impi: self.impi.clone(),
            b_tid: self.b_tid.clone(),
            rand: self.rand,
            ks: Ks::from(*self.ks.as_bytes()),
            created: self.created,
            expires: self.expires,
        }
    }
}

/// What a NAF gets. TS 33.220 §4.5.3.
#[derive(Debug)]
pub struct KeyMaterial {
    /// Ks_NAF.
    pub ks_naf: KsNaf,
    /// Whose.
    pub impi: Impi,
    /// When it was bootstrapped.
    pub created: UtcTime,
    /// Until when it lives.
    pub expires: UtcTime,
}

/// Why a NAF gets no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyRefusal {
    /// No key has this name, or not any more: the UE has to bootstrap again.
    UnknownBTid,
    /// The NAF asks for the key of another name.
    NotItsName,
}

impl fmt::Display for KeyRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownBTid => "no key has this B-TID, or not any more: the UE has to bootstrap again",
            Self::NotItsName => "the NAF asks for the key of another name than its own",
        })
    }
}

impl std::error::Error for KeyRefusal {}

/// An answer with these header fields; one with a value that HTTP cannot carry is left out.
pub(super) fn response(status: StatusCode, fields: &[(&'static str, &str)], body: Vec<u8>) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    for (name, value) in fields {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}
