//! What goes into the peer and what comes out.

use std::fmt;

use sidelink_security::kdf::eap_aka::ExportedKeys;

use crate::eap_aka;
use crate::usim::{self, SqnArray};

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A packet of EAP came from the server.
    Packet(&'a [u8]),
    /// The state of the USIM is durable.
    Stored,
    /// It could not be made durable.
    StoreFailed,
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Send this to the server.
    Response(Vec<u8>),
    /// Make the state of the USIM durable, and hand back [`Input::Stored`] or [`Input::StoreFailed`].
    Store(SqnArray),
    /// The pseudonym for the next time: keep it, or the next start says the IMSI. Nothing waits for it.
    Remember {
        /// User name.
        pseudonym: String,
    },
    /// Both ends are authenticated.
    Success(Success),
    /// They are not.
    Failed(Failure),
    /// A packet was passed over.
    Discard(Discarded),
}

/// An authenticated conversation.
#[derive(Debug)]
pub struct Success {
    /// MSK and EMSK.
    pub keys: ExportedKeys,
    /// Session-Id. RFC 9048 §3.6.
    pub session_id: [u8; 33],
}

/// Why there are no keys: by blame of the server, of the operator, of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The server refuses, and does not say why.
    Refused,
    /// The server says why: code of AT_NOTIFICATION.
    Notified(u16),
    /// A request is not understood.
    Malformed(eap_aka::Error),
    /// A request that has no place here.
    Unexpected,
    /// AT_MAC of a request is wrong.
    Mac,
    /// The exchange of identities was altered.
    Checkcode,
    /// The network is not what it says it is: AT_KDF_INPUT names another.
    NetworkName,
    /// No derivation of keys that is known here, or a list that was altered.
    Kdf,
    /// Only the IMSI would do, and that is not said while there is a pseudonym.
    PermanentIdentity,
    /// More requests for an identity than there may be.
    Identity,
    /// The USIM refuses the challenge.
    Usim(usim::Refusal),
    /// The USIM was busy: the one who drives it did not say whether its state was stored.
    Busy,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Notified(code) => return write!(f, "the server refuses: notification {code}"),
            Self::Malformed(error) => return write!(f, "a request is not understood: {error}"),
            Self::Usim(refusal) => return write!(f, "the USIM refuses the challenge: {refusal}"),
            Self::Refused => "the server refuses",
            Self::Unexpected => "a request that has no place here",
            Self::Mac => "AT_MAC of a request is wrong: another server, or the message was altered",
            Self::Checkcode => "AT_CHECKCODE is wrong: somebody altered the exchange of identities",
            Self::NetworkName => "the challenge is for an access network of another name than this one",
            Self::Kdf => "the server offers no key derivation that is known here",
            Self::PermanentIdentity => {
                "the server wants the IMSI, which is not said: see the policy of identities"
            }
            Self::Identity => "the server asks for an identity again and again",
            Self::Busy => "the USIM is busy: was its last state stored?",
        };
        f.write_str(text)
    }
}

impl std::error::Error for Failure {}

/// Why a packet is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Discarded {
    /// No packet of EAP.
    Malformed(eap_aka::Error),
    /// A response: those are the peer's.
    Response,
    /// A request while the USIM is asked.
    Waiting,
    /// The end of another conversation.
    Identifier,
    /// An end that nothing has proven.
    NotProven,
}

impl fmt::Display for Discarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Malformed(error) => return write!(f, "no packet of EAP: {error}"),
            Self::Response => "a response, which only a peer sends",
            Self::Waiting => "a request while the USIM is still asked",
            Self::Identifier => "the end of another request",
            Self::NotProven => "success before the server has proven who it is, or failure after success",
        };
        f.write_str(text)
    }
}

impl std::error::Error for Discarded {}
