//! Lines that tell an operator what was refused and why.

use core::fmt;

use sidelink_security::direct::Disagreement;
use sidelink_security::pdu::PduRefusal;

use super::cause::Cause;
use super::kd::Identity;
use sidelink_wire as wire;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::MessageType;

/// Why a PDU of a link was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PduError {
    /// Malformed bytes.
    Malformed(wire::Error),
    /// The peer's fault, or an attacker's.
    Refused(PduRefusal),
}

impl fmt::Display for PduError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl std::error::Error for PduError {}

impl From<wire::Error> for PduError {
    fn from(error: wire::Error) -> Self {
        Self::Malformed(error)
    }
}

impl From<PduRefusal> for PduError {
    fn from(refusal: PduRefusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A note for the log. `Display` is its text for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// A PDU was not accepted.
    Refused {
        /// Layer-2 source.
        source: Layer2Id,
        /// Channel.
        lcid: Lcid,
        /// Reason.
        error: PduError,
    },
    /// A message that is not expected: unprotected, or in the wrong state.
    Unexpected {
        /// Layer-2 source.
        source: Layer2Id,
        /// Channel.
        lcid: Lcid,
        /// Its type.
        message: MessageType,
        /// Reason.
        why: &'static str,
    },
    /// The target UE refused a request, or the initiating UE a command.
    Disagreed {
        /// The peer.
        peer: Layer2Id,
        /// Reason.
        disagreement: Disagreement,
    },
    /// A request names a KD that this UE does not share with the requesting UE.
    UnknownKd {
        /// Identity of the requesting UE, as claimed.
        identity: Identity,
        /// Layer-2 source.
        source: Layer2Id,
    },
    /// The peer did not prove itself by its credential.
    NotAuthenticated {
        /// The peer.
        peer: Layer2Id,
        /// Cause that the peer gets.
        cause: Cause,
        /// Reason.
        why: String,
    },
    /// The peer refused; unprotected refusals are not final.
    PeerRefuses {
        /// The peer.
        peer: Layer2Id,
        /// Cause of the peer.
        cause: Cause,
        /// Whether the refusal was proven to come from the peer.
        proven: bool,
    },
    /// A try ended without an answer.
    TryEnded {
        /// The peer.
        peer: Layer2Id,
        /// Number of the try, from 1.
        number: u8,
    },
    /// The table of half-open links is full: the oldest entry was dropped.
    HalfOpenFull {
        /// Layer-2 source of the dropped request.
        source: Layer2Id,
    },
    /// A request carries the nonce of a pending request of this UE: somebody reflects it.
    Reflected {
        /// Layer-2 source.
        source: Layer2Id,
    },
    /// A request cannot be answered: no counters, no room.
    NoRoom {
        /// Layer-2 source.
        source: Layer2Id,
        /// The missing resource.
        what: &'static str,
    },
    /// Re-keying ended without success; the link continues with its old key.
    RekeyingGivenUp {
        /// The peer.
        peer: Layer2Id,
    },
    /// A change of identifiers ended without an answer, or was refused; the link continues with the old ones.
    UpdateGivenUp {
        /// The peer.
        peer: Layer2Id,
    },
    /// Re-keying began automatically.
    RekeyingDue {
        /// The peer.
        peer: Layer2Id,
        /// Sequence numbers left.
        left: u32,
    },
    /// Data of the peer does not fit the replay window, and a re-keying begins: a forged SN moved the window, or many
    /// old PDUs came.
    OutOfStep {
        /// The peer.
        peer: Layer2Id,
    },
    /// Null integrity: the link is up, and the peer is not proven.
    NotAuthenticatedLink {
        /// The peer.
        peer: Layer2Id,
    },
    /// A set-up, or a try of one, ends while the network is asked for its key.
    NetworkSilent {
        /// The peer.
        peer: Layer2Id,
    },
    /// A UE was sent a command, and nothing proves that it has the key: it may have signed a message with the key of another
    /// as its own.
    NotCompleted {
        /// Who asked for the link.
        peer: Layer2Id,
    },
    /// The certificate that vouched for a KD was revoked, or a KD expired: it is removed.
    KdEnded {
        /// The UE with which it was shared.
        identity: Identity,
        /// Reason.
        why: &'static str,
    },
    /// The clock was set: timers continue, and validity is judged by the new time.
    ClockSet {
        /// Step in milliseconds; negative when it was set back.
        by: i64,
    },
    /// A message with a key in the clear was not sent.
    Withheld {
        /// The peer.
        peer: Layer2Id,
    },
    /// The peer requests re-keying more often than once in the least interval.
    RekeyingStorm {
        /// The peer.
        peer: Layer2Id,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { source, lcid, error } => {
                write!(f, "dropped a PDU from {source} on channel {}: {error}", lcid.value())
            }
            Self::Unexpected { source, lcid, message, why } => {
                let (message, lcid) = (message.lte(), lcid.value());
                write!(f, "ignored message {message} from {source} on channel {lcid}: {why}")
            }
            Self::Disagreed { peer, disagreement } => write!(f, "no agreement with {peer}: {disagreement}"),
            Self::UnknownKd { identity, source } => write!(
                f,
                "{source} says to be {identity} and to share a KD, but none of that name is here: import it, or allow \
                 certificates"
            ),
            Self::NotAuthenticated { peer, cause, why } => {
                write!(f, "{peer} is not authenticated: {why}; {cause}")
            }
            Self::PeerRefuses { peer, cause, proven: true } => write!(f, "{peer} refuses: {cause}"),
            Self::PeerRefuses { peer, cause, proven: false } => {
                write!(f, "somebody refuses in the name of {peer}: {cause}; not proven, waiting on")
            }
            Self::TryEnded { peer, number } => {
                write!(f, "try {number} to reach {peer} ended without an answer")
            }
            Self::HalfOpenFull { source } => {
                write!(f, "too many requests at once: gave up the oldest, of {source}")
            }
            Self::Reflected { source } => {
                write!(f, "{source} sent back a request of this UE: reflected, and ignored")
            }
            Self::NoRoom { source, what } => write!(f, "cannot answer {source}: {what}"),
            Self::RekeyingGivenUp { peer } => {
                write!(f, "re-keying with {peer} ended without success, the old key stays in use")
            }
            Self::UpdateGivenUp { peer } => {
                write!(f, "identifiers of the link with {peer} stay: the change was not answered, or refused")
            }
            Self::RekeyingDue { peer, left } => {
                write!(f, "{left} sequence numbers left towards {peer}: re-keying begins")
            }
            Self::OutOfStep { peer } => {
                write!(f, "data of {peer} is out of step with its counters: re-keying begins")
            }
            Self::NotAuthenticatedLink { peer } => {
                write!(f, "the link with {peer} has null integrity: nobody is proven to be the peer")
            }
            Self::NetworkSilent { peer } => write!(f, "the network does not answer about a key for {peer}"),
            Self::NotCompleted { peer } => write!(f, "{peer} asked for a link and does not complete it"),
            Self::KdEnded { identity, why } => write!(f, "removed a KD shared with {identity}: {why}"),
            Self::ClockSet { by } => write!(f, "the clock was set by {by} ms"),
            Self::Withheld { peer } => write!(
                f,
                "a message to {peer} holds a key in the clear (a=crypto): it was not sent; it belongs into the signalling \
                 of a network"
            ),
            Self::RekeyingStorm { peer } => write!(f, "{peer} asks to re-key too often: ignored"),
        }
    }
}
