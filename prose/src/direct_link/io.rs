//! Inputs and outputs of the links of a UE.

use core::fmt;

use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{Granted, Reservation, StreamId};
use sidelink_security::direct::{Chosen, Fingerprint, KdId, KdSessId};

use super::cause::Cause;
use super::kd::{Change, Identity, Ticket};
use super::note::Note;
use super::relaying::RelayLink;
use sidelink_security::pdu::Assurance;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::MessageType;
use sidelink_wire::pdcp::SduType;
use zeroize::Zeroizing;

/// Identity of a link within its link manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u32);

/// An event for the link manager. Every input but entropy carries the time, which never goes back.
pub enum Input<'a> {
    /// Time has passed.
    Tick {
        /// The time.
        now: UtcTime,
    },
    /// Set up a link.
    Connect {
        /// The time.
        now: UtcTime,
        /// Layer-2 identity of the peer.
        peer: Layer2Id,
        /// Identity that the peer must prove.
        identity: Identity,
    },
    /// Set up a link to a relay, as its remote UE.
    ConnectToRelay {
        /// The time.
        now: UtcTime,
        /// Layer-2 identity of the relay: its ProSe Relay UE ID.
        peer: Layer2Id,
        /// Name of the relay, as its discovery says.
        identity: Identity,
        /// The service, and what this UE calls itself.
        relay: RelayLink,
    },
    /// Set up a link to a UE-to-UE relay, or from it to an end.
    ConnectHop {
        /// The time.
        now: UtcTime,
        /// Layer-2 identity of the peer.
        peer: Layer2Id,
        /// The peer in its role ([`Identity::relay`], [`Identity::end`]), which it must prove.
        identity: Identity,
        /// The user at the far end.
        target: Identity,
    },
    /// A received PDCP PDU, addressed to this UE alone.
    Pdu {
        /// The time.
        now: UtcTime,
        /// Layer-2 source.
        source: Layer2Id,
        /// Logical channel.
        lcid: Lcid,
        /// The PDU.
        pdu: &'a [u8],
    },
    /// Data of the application for a link.
    Send {
        /// The time.
        now: UtcTime,
        /// The link.
        link: LinkId,
        /// A traffic channel.
        lcid: Lcid,
        /// Type of the data.
        sdu_type: SduType,
        /// The data.
        data: &'a [u8],
    },
    /// A message of a machine above for a link: a long message, or a fragment of one ([`sidelink_wire::long_message`]).
    SendUpper {
        /// The time.
        now: UtcTime,
        /// The link.
        link: LinkId,
        /// The message of PC5 signalling.
        message: &'a [u8],
    },
    /// Re-key a link now.
    Rekey {
        /// The time.
        now: UtcTime,
        /// The link.
        link: LinkId,
        /// Whether to make a new KD.
        reauthenticate: bool,
    },
    /// Make the peer request a re-keying.
    TriggerRekey {
        /// The time.
        now: UtcTime,
        /// The link.
        link: LinkId,
    },
    /// Change the identifiers of a link: layer-2 identities and the ID of the session key, all at once, which breaks
    /// the track for an eavesdropper (NR; TS 24.554 §7.2.4, TS 33.536 §5.3.3.2).
    UpdateIdentifiers {
        /// The time.
        now: UtcTime,
        /// The link.
        link: LinkId,
    },
    /// Release a link: it is no longer needed.
    Release {
        /// The time.
        now: UtcTime,
        /// The link.
        link: LinkId,
    },
    /// Release a link for another reason, as a relay does ([`Cause::NoLongerAllowed`], [`Cause::NotAvailable`]).
    ReleaseFor {
        /// The time.
        now: UtcTime,
        /// The link.
        link: LinkId,
        /// The reason that the peer gets.
        reason: Cause,
    },
    /// A reservation of session numbers is durable.
    Granted {
        /// The time.
        now: UtcTime,
        /// The proof.
        granted: Granted,
    },
    /// A reservation could not be made durable.
    ReservationFailed {
        /// The time.
        now: UtcTime,
        /// The stream of the reservation.
        stream: StreamId,
    },
    /// The changes of [`Output::Store`] are durable.
    Stored {
        /// The time.
        now: UtcTime,
        /// Ticket of the changes.
        ticket: Ticket,
    },
    /// The changes could not be made durable: exchanges that depend on them end.
    StoreFailed {
        /// The time.
        now: UtcTime,
        /// Ticket of the changes.
        ticket: Ticket,
    },
    /// The answer to [`Output::Ask`].
    Answered {
        /// The time.
        now: UtcTime,
        /// Ticket of the query.
        ticket: Ticket,
        /// The answer; `None` for a refusal.
        answer: Option<&'a [u8]>,
    },
    /// More randomness for nonces.
    Entropy {
        /// Secret random octets.
        seed: &'a [u8],
    },
}

impl Input<'_> {
    /// Returns the time of the input.
    pub(super) const fn now(&self) -> Option<UtcTime> {
        match self {
            Self::Tick { now }
            | Self::Connect { now, .. }
            | Self::ConnectToRelay { now, .. }
            | Self::ConnectHop { now, .. }
            | Self::Pdu { now, .. }
            | Self::Send { now, .. }
            | Self::SendUpper { now, .. }
            | Self::Rekey { now, .. }
            | Self::TriggerRekey { now, .. }
            | Self::UpdateIdentifiers { now, .. }
            | Self::Release { now, .. }
            | Self::ReleaseFor { now, .. }
            | Self::Granted { now, .. }
            | Self::ReservationFailed { now, .. }
            | Self::Stored { now, .. }
            | Self::StoreFailed { now, .. }
            | Self::Answered { now, .. } => Some(*now),
            Self::Entropy { .. } => None,
        }
    }
}

/// Our own mistake, or the operator's. What peers do wrong is an [`Event::Note`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The link does not exist, or is not up.
    NotUp(LinkId),
    /// The operator: the largest number of links exists.
    TooManyLinks {
        /// The largest number of links.
        max: usize,
    },
    /// The operator: there is a link to this peer already, or one is being set up.
    Exists(LinkId),
    /// The operator: there is neither a KD for this peer nor a credential to make one.
    NoKey,
    /// The operator: integrity is off on this link, re-keying would protect nothing (TS 24.554 §7.2.11).
    NothingToRekey,
    /// A re-keying of this link is in progress, or one ended less than the least interval ago.
    RekeyingTooSoon,
    /// The peer refused or ended a link lately, and said that it does not allow one or has no room: it is not asked again
    /// at once.
    RefusedLately {
        /// The peer.
        peer: Layer2Id,
    },
    /// Our misuse: the SDU is empty, or longer than [`sidelink_wire::pdcp::MAX_SDU_LEN`], or the channel carries signalling.
    Sdu {
        /// Octets of the SDU.
        len: usize,
        /// The channel.
        lcid: Lcid,
    },
    /// The operator: null ciphering or null integrity on this link, over which no message with a key goes.
    Unprotected(LinkId),
    /// Every SN of the session key is used: the data was not sent; re-keying is in progress or has failed.
    Exhausted(LinkId),
    /// The operator: identifiers can be changed in NR only, and only if the configuration allows it.
    NoUpdates,
    /// The operator: NR has no message to trigger a re-keying by the peer; re-key from this end.
    NotInProfile,
    /// Our misuse: a peer without a role at a UE-to-UE relay, or NR, which has no such request here.
    NoHop,
    /// The operator: an identity longer than 64 octets.
    IdentityTooLong {
        /// Its length in octets.
        len: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUp(link) => write!(f, "link {} is not up", link.0),
            Self::TooManyLinks { max } => {
                write!(f, "{max} links exist, the most that are allowed: release one")
            }
            Self::Exists(link) => write!(f, "link {} to this peer exists already", link.0),
            Self::NoKey => {
                f.write_str("no KD for this peer, and no credential to agree on one: import either")
            }
            Self::NothingToRekey => {
                f.write_str("this link has null integrity: re-keying would protect nothing")
            }
            Self::RefusedLately { peer } => {
                write!(f, "{peer} refused a link a moment ago: wait some seconds, or ask its operator")
            }
            Self::RekeyingTooSoon => f.write_str("a re-keying runs or has just ended: wait"),
            Self::Sdu { len, lcid } => {
                write!(f, "an SDU of {len} octets on logical channel {} cannot be sent", lcid.value())
            }
            Self::Unprotected(link) => {
                let link = link.0;
                write!(f, "link {link} has null ciphering or null integrity: choose algorithms for both")
            }
            Self::Exhausted(link) => {
                write!(f, "link {}: every sequence number of the session key is used", link.0)
            }
            Self::NoUpdates => f.write_str(
                "identifiers are changed in the profile of NR only, and where the configuration allows it",
            ),
            Self::NotInProfile => f.write_str("the profile has no message for that: re-key from this end"),
            Self::NoHop => {
                f.write_str("a link of a UE-to-UE relay takes a role of the peer, and the profile of LTE")
            }
            Self::IdentityTooLong { len } => write!(f, "an identity of {len} octets, 64 is the most"),
        }
    }
}

impl std::error::Error for Error {}

/// A PDCP PDU to transmit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pdu {
    /// Layer-2 source: [`super::Config::source`] until the identifiers of the link are changed.
    pub source: Layer2Id,
    /// Layer-2 destination, of one UE.
    pub peer: Layer2Id,
    /// Logical channel.
    pub lcid: Lcid,
    /// Type of the PC5 signalling message; `None` for user data.
    pub message: Option<MessageType>,
    /// Fingerprint of the session key that protects it.
    pub session: Option<Fingerprint>,
    /// The PDU.
    pub octets: Vec<u8>,
}

/// User data for the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The link.
    pub link: LinkId,
    /// Its peer.
    pub peer: Layer2Id,
    /// Traffic channel.
    pub lcid: Lcid,
    /// Type of the data.
    pub sdu_type: SduType,
    /// Assurance that the checks gave.
    pub assurance: Assurance,
    /// The data.
    pub data: Vec<u8>,
}

/// A message of a machine above that came over a protected link. `Debug` shows no octets: one of them may be a key.
#[derive(Clone, PartialEq, Eq)]
pub struct UpperMessage {
    /// The link.
    pub link: LinkId,
    /// Its peer.
    pub peer: Layer2Id,
    /// Identity that the peer has proven.
    pub identity: Identity,
    /// The message of PC5 signalling.
    pub octets: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for UpperMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UpperMessage({} octets of {} over link {})", self.octets.len(), self.identity, self.link.0)
    }
}

/// Keys of a link by their IDs, never by their octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// KD ID.
    pub kd: KdId,
    /// KD-sess ID, as in the headers.
    pub session: KdSessId,
    /// Public fingerprint of KD-sess, derived from the key.
    pub fingerprint: Fingerprint,
    /// Algorithms.
    pub chosen: Chosen,
}

/// Role of a UE in a set-up. TS 24.334 §10.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// It requested the link.
    Initiating,
    /// It answered the request.
    Target,
}

/// As reports write it.
impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initiating => "UE_1",
            Self::Target => "UE_2",
        })
    }
}

impl Keys {
    /// Returns what is proven of the peer: null integrity proves nothing.
    pub const fn assurance(&self) -> Assurance {
        match self.chosen.eia {
            Algorithm::Null => Assurance::Unprotected,
            _ => Assurance::Verified,
        }
    }
}

/// State of a link, as reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// A request was sent.
    Connecting,
    /// The link is in use.
    Up {
        /// The role of this UE in the set-up.
        role: Role,
        /// [`Assurance::Verified`] when both ends have proven each other, [`Assurance::Unprotected`] under null
        /// integrity, which proves nothing.
        assurance: Assurance,
        /// The keys.
        keys: Keys,
    },
    /// New identifiers are in use, and this UE receives for others ([`super::LinkManager::addresses`]).
    Renamed {
        /// Layer-2 source of this end.
        source: Layer2Id,
        /// The same keys, with a new KD-sess ID.
        keys: Keys,
    },
    /// New keys are in use.
    Rekeyed {
        /// The keys.
        keys: Keys,
        /// Whether KD is new as well.
        new_kd: bool,
    },
    /// The link has ended.
    Closed {
        /// Reason.
        why: Closed,
    },
}

/// Shows keys by their IDs only.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Up { role, keys, assurance } => {
                let unproven = match assurance {
                    Assurance::Verified => "",
                    _ => ", NOT AUTHENTICATED",
                };
                let (kd, session, chosen) = (keys.kd.0, keys.session.value(), keys.chosen);
                write!(
                    f,
                    "up as {role}{unproven}, KD {kd:08x}, KD-sess {session:04x}, {:?} {:?}",
                    chosen.eea, chosen.eia
                )
            }
            Self::Rekeyed { keys, new_kd } => {
                let kd = if *new_kd { "new KD" } else { "same KD" };
                write!(f, "re-keyed, {kd} {:08x}, KD-sess {:04x}", keys.kd.0, keys.session.value())
            }
            Self::Renamed { source, keys } => {
                write!(f, "renamed: from {source}, KD-sess {:04x}", keys.session.value())
            }
            Self::Closed { why } => write!(f, "closed: {why}"),
        }
    }
}

/// Reason why a link ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Closed {
    /// This UE released it.
    Released,
    /// The peer released it.
    ByPeer {
        /// Release reason.
        reason: Cause,
    },
    /// Set-up: no answer that proves the peer.
    NoAnswer {
        /// The last received refusal; anybody can send one.
        hint: Option<Cause>,
    },
    /// Nothing was received for longer than the inactivity period.
    Inactive,
    /// Re-keying failed before the sequence numbers ended, or its answer never came.
    Rekeying,
    /// The peer set up a new link.
    Replaced,
    /// A key could not be made durable.
    Store,
    /// The network that a method queried refused.
    NotEstablished,
    /// This UE cannot authenticate now: its keys are over, or its messages cannot carry what the method needs.
    CannotAuthenticate,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Released => f.write_str("released"),
            Self::ByPeer { reason } => write!(f, "released by the peer: {reason}"),
            Self::NoAnswer { hint: None } => f.write_str("no answer: is the peer there, and does it listen?"),
            Self::NoAnswer { hint: Some(cause) } => {
                write!(f, "no proof of the peer; somebody refused: {cause}")
            }
            Self::Inactive => f.write_str("nothing heard from the peer for the inactivity period"),
            Self::Rekeying => f.write_str("re-keying failed"),
            Self::Replaced => f.write_str("the peer set up a new link"),
            Self::NotEstablished => f.write_str("the network refused to help to agree on a key"),
            Self::CannotAuthenticate => f.write_str("this UE cannot authenticate now: see its notes"),
            Self::Store => f.write_str("the key store failed: see its error"),
        }
    }
}

/// Size of one message, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metered {
    /// The peer.
    pub peer: Layer2Id,
    /// Whether it was sent; otherwise it was received and accepted.
    pub sent: bool,
    /// Type of the message.
    pub message: MessageType,
    /// Octets of the message.
    pub l3_octets: usize,
    /// Octets of the PDCP PDU.
    pub pdu_octets: usize,
}

/// An event of the links, for applications and reports.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Data for the application.
    Received(Received),
    /// The state of a link has changed.
    State {
        /// The link.
        link: LinkId,
        /// Its peer.
        peer: Layer2Id,
        /// The new state.
        state: State,
    },
    /// A message was sent or believed.
    Message(Metered),
    /// A line for the log.
    Note(Note),
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Transmit a PDU.
    Pdu(Pdu),
    /// Hand this to the machine above. It is no event: it may hold a key.
    Upper(UpperMessage),
    /// Tell whoever listens.
    Event(Event),
    /// Make these changes durable, all or none, and hand back [`Input::Stored`] or [`Input::StoreFailed`].
    Store {
        /// Ticket to hand back.
        ticket: Ticket,
        /// The changes.
        changes: Vec<Change>,
    },
    /// Query the network for a method, and hand back [`Input::Answered`]. The exchange ends with its timer if no answer
    /// comes.
    Ask {
        /// Ticket to hand back.
        ticket: Ticket,
        /// First octet of the method's containers.
        method: u8,
        /// The peer of the exchange, unproven.
        remote: Identity,
        /// The query.
        question: Vec<u8>,
    },
    /// Make this durable and hand back [`Input::Granted`] or [`Input::ReservationFailed`].
    Reserve(Reservation),
    /// No more outputs. Call again with the next input, or with a tick at this time.
    Timeout(Option<UtcTime>),
}
