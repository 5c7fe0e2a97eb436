//! What goes into the PKMF and what comes out.

use std::collections::BTreeSet;
use std::fmt;

use core::net::IpAddr;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{Granted, Reservation, StreamId};
use sidelink_security::keys::{Pmk, Secret256};
use zeroize::Zeroizing;

use super::config::DiscoveryCode;
use super::remotes::RemoteRecord;
use crate::identity::Impi;
use crate::key_delivery::{KeyName, Period, PmkId, ServiceId};
use crate::pc3;
use crate::pc8::ErrorCode;
use crate::{gba_push, hss};

/// Names a request: a number of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Names a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A request over PC8.
    Request {
        /// The time.
        now: UtcTime,
        /// To hand back.
        request: RequestId,
        /// Who asks: of the key that the TLS connection came up with.
        ue: Impi,
        /// Where the connection comes from, and where MIKEY goes to.
        address: IpAddr,
        /// Content-Type.
        content_type: &'a str,
        /// The body.
        body: &'a [u8],
    },
    /// A datagram on the port of MIKEY.
    Datagram {
        /// The time.
        now: UtcTime,
        /// From where.
        from: IpAddr,
        /// Its octets.
        octets: &'a [u8],
    },
    /// The operator: this UE may have no more keys of a service, and those that it has are replaced.
    Revoke {
        /// The time.
        now: UtcTime,
        /// Which service.
        service: ServiceId,
        /// Who.
        ue: Impi,
    },
    /// The operator: a UE that was revoked may have keys again.
    Admit {
        /// The time.
        now: UtcTime,
        /// Which service.
        service: ServiceId,
        /// Who.
        ue: Impi,
    },
    /// The operator: this UE may use no relay, and its PRUKs are gone.
    RevokeRemote {
        /// The time.
        now: UtcTime,
        /// Who.
        ue: Impi,
    },
    /// The operator: a remote UE that was revoked may use relays again.
    AdmitRemote {
        /// The time.
        now: UtcTime,
        /// Who.
        ue: Impi,
    },
    /// The operator: this UE may be no relay any more.
    RevokeRelay {
        /// The time.
        now: UtcTime,
        /// Who.
        ue: Impi,
    },
    /// The operator: a relay that was revoked may be one again.
    AdmitRelay {
        /// The time.
        now: UtcTime,
        /// Who.
        ue: Impi,
    },
    /// The BSF answered [`Output::Push`].
    Pushed {
        /// The time.
        now: UtcTime,
        /// Of which request.
        ticket: hss::Ticket,
        /// The GPI.
        result: Result<gba_push::bsf::Pushed, gba_push::bsf::Refusal>,
    },
    /// The changes of [`Output::Store`] are durable.
    Stored {
        /// The time.
        now: UtcTime,
        /// Which.
        ticket: Ticket,
    },
    /// They could not be made durable.
    StoreFailed {
        /// The time.
        now: UtcTime,
        /// Which.
        ticket: Ticket,
    },
    /// A reservation is durable.
    Granted {
        /// The time.
        now: UtcTime,
        /// The proof.
        granted: Granted,
    },
    /// It could not be made durable.
    ReservationFailed {
        /// The time.
        now: UtcTime,
        /// Of which stream.
        stream: StreamId,
    },
    /// Time went on.
    Tick {
        /// The time.
        now: UtcTime,
    },
    /// More chance.
    Entropy {
        /// Any octets.
        seed: &'a [u8; 32],
    },
}

impl Input<'_> {
    pub(super) const fn now(&self) -> Option<UtcTime> {
        match self {
            Self::Request { now, .. }
            | Self::Datagram { now, .. }
            | Self::Revoke { now, .. }
            | Self::Admit { now, .. }
            | Self::RevokeRemote { now, .. }
            | Self::AdmitRemote { now, .. }
            | Self::RevokeRelay { now, .. }
            | Self::AdmitRelay { now, .. }
            | Self::Pushed { now, .. }
            | Self::Stored { now, .. }
            | Self::StoreFailed { now, .. }
            | Self::Granted { now, .. }
            | Self::ReservationFailed { now, .. }
            | Self::Tick { now } => Some(*now),
            Self::Entropy { .. } => None,
        }
    }
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
    /// Send a datagram to the port of MIKEY.
    Send {
        /// To which UE.
        to: IpAddr,
        /// Its octets.
        octets: Vec<u8>,
    },
    /// Make these changes durable, all or none and in the order of tickets, and hand back [`Input::Stored`] or
    /// [`Input::StoreFailed`].
    Store {
        /// To hand back.
        ticket: Ticket,
        /// The changes.
        changes: Vec<Change>,
    },
    /// Ask the BSF of this UE (Zpn), and hand back [`Input::Pushed`].
    Push(Box<gba_push::bsf::Request>),
    /// Make this durable and hand back [`Input::Granted`] or [`Input::ReservationFailed`].
    Reserve(Reservation),
    /// For reports.
    Event(Event),
    /// Nothing more until then; none: until the next input.
    Timeout(Option<UtcTime>),
}

/// The answer to a request.
#[derive(Debug)]
pub enum Response {
    /// 200, with a document of [`crate::pc8::MEDIA_TYPE`]. It may hold a key.
    Message(Zeroizing<String>),
    /// Another status.
    Refused(Refused),
}

/// Why a request is not answered by a message: the bytes, the peer, the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// 415: another media type than [`crate::pc8::MEDIA_TYPE`].
    MediaType,
    /// 400: no document of PC8.
    Malformed(pc3::Error),
    /// 400: no KEY_REQUEST.
    Unexpected,
    /// 429: the UE, or all together, ask too often.
    TooOften,
    /// 503: too much waits, or the store does not answer.
    Busy,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MediaType => write!(f, "the body must be {}", crate::pc8::MEDIA_TYPE),
            Self::Malformed(error) => write!(f, "no message of PC8: {error}"),
            Self::Unexpected => f.write_str("a key management function is asked by KEY_REQUEST alone"),
            Self::TooOften => f.write_str("too many requests: wait, then ask again"),
            Self::Busy => f.write_str("too much waits here: ask again later"),
        }
    }
}

impl std::error::Error for Refused {}

/// What a UE wants keys of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wanted {
    /// A group.
    Group(ServiceId),
    /// A discovery.
    Discovery(DiscoveryCode),
}

/// A UE: its PMK, its address, and what it wants.
#[derive(Debug)]
pub struct UeRecord {
    /// Who.
    pub ue: Impi,
    /// Names its PMK.
    pub pmk_id: PmkId,
    /// Its PMK.
    pub pmk: Pmk,
    /// Since when it has this PMK.
    pub since: UtcTime,
    /// Where it is.
    pub address: IpAddr,
    /// What it wants.
    pub wanted: BTreeSet<Wanted>,
}

/// A PGK or PSDK.
#[derive(Debug)]
pub struct KeyRecord {
    /// Its name.
    pub name: KeyName,
    /// The key.
    pub key: Secret256,
    /// When it counts.
    pub period: Period,
    /// Whether it still does.
    pub standing: Standing,
}

/// Whether a key is given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Valid,
    /// Never again: somebody had it who may not any more.
    Revoked,
}

/// A change of what is durable.
#[derive(Debug)]
pub enum Change {
    /// In the place of what is stored of this UE.
    PutUe(Box<UeRecord>),
    /// In the place of what is stored of this key.
    PutKey(Box<KeyRecord>),
    /// This key.
    RemoveKey(KeyName),
    /// This UE may have no keys of this service.
    PutRevocation(ServiceId, Impi),
    /// It may again.
    RemoveRevocation(ServiceId, Impi),
    /// In the place of what is stored of this remote UE.
    PutRemote(Box<RemoteRecord>),
    /// This UE may be no relay.
    PutRelayRevocation(Impi),
    /// It may again.
    RemoveRelayRevocation(Impi),
}

/// What a PKMF begins with, apart from its configuration.
#[derive(Debug, Default)]
pub struct Durable {
    /// UEs, each with the number of the stream of its PMK ([`super::stream`]) in the store of counters.
    pub ues: Vec<(UeRecord, u64)>,
    /// Keys.
    pub keys: Vec<KeyRecord>,
    /// Revocations.
    pub revocations: Vec<(ServiceId, Impi)>,
    /// Remote UEs and their PRUKs.
    pub remotes: Vec<RemoteRecord>,
    /// Relays that are revoked.
    pub revoked_relays: Vec<Impi>,
}

/// For reports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A UE was given a new PMK.
    NewPmk {
        /// Who.
        ue: Impi,
    },
    /// A UE was refused keys.
    Rejected {
        /// Who.
        ue: Impi,
        /// Why.
        error: ErrorCode,
    },
    /// There is a new key.
    NewKey(KeyName),
    /// No ID is left whose five least significant bits are free: the service has no new key until one ends.
    NoFreeId(ServiceId),
    /// A UE has said that it has a key.
    Delivered {
        /// Who.
        ue: Impi,
        /// Which.
        key: KeyName,
    },
    /// A UE has said that it has deleted a key.
    Deleted {
        /// Who.
        ue: Impi,
        /// Which.
        key: KeyName,
    },
    /// A UE has not answered any of the tries.
    Unanswered {
        /// Who.
        ue: Impi,
        /// Which key.
        key: KeyName,
    },
    /// A datagram that is no answer to what was sent.
    Refused {
        /// From where.
        from: IpAddr,
        /// Why.
        why: crate::key_delivery::Refused,
    },
    /// A remote UE gets a new PRUK by GBA push.
    Pushed {
        /// Who.
        ue: Impi,
    },
    /// It does not.
    NotPushed {
        /// Who.
        ue: Impi,
        /// Why.
        why: gba_push::bsf::Refusal,
    },
    /// More requests than are served.
    Flood,
}
