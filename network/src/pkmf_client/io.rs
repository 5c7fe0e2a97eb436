//! What goes into the UE's end and what comes out.

use std::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::restricted::EncryptedBitmask;
use sidelink_security::keys::{Pmk, Secret256};
use zeroize::Zeroizing;

use crate::key_delivery::{self, KeyName, Period, PmkId, ServiceId};
use crate::pc3;
use crate::pc8::response::PrukInfo;
use crate::pc8::{Code, ErrorCode, MemberId, ProtectionProfile, PrukId, SelectedAlgorithm};

/// What a UE wants keys of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wanted {
    /// A group.
    Group(ServiceId),
    /// A relay service code.
    Relay(Code),
    /// A Discovery Group ID.
    GroupMember(Code),
    /// A PRUK, to use relays with.
    Pruk,
}

/// What was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terms {
    /// A group.
    Group {
        /// The UE within it.
        member: MemberId,
        /// How it ciphers.
        algorithm: SelectedAlgorithm,
    },
    /// A discovery.
    Discovery {
        /// Its keys come under this name.
        key_type: ServiceId,
        /// What is applied.
        protection: ProtectionProfile,
        /// What message-specific confidentiality ciphers.
        encrypted: Option<EncryptedBitmask>,
    },
}

/// Names a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// The UE wants keys of these, and of nothing else.
    Want {
        /// The time.
        now: UtcTime,
        /// Of what.
        wanted: &'a [Wanted],
    },
    /// Which PRUK the UE has, and will name: now, and after each change of it.
    Holds {
        /// The time.
        now: UtcTime,
        /// Its name; none where it has none.
        pruk: Option<PrukId>,
    },
    /// The PKMF answered.
    Response {
        /// The time.
        now: UtcTime,
        /// The body of its answer.
        body: &'a [u8],
    },
    /// It did not, or refused: no connection, another status.
    Lost {
        /// The time.
        now: UtcTime,
    },
    /// A datagram on the port of MIKEY.
    Datagram {
        /// The time.
        now: UtcTime,
        /// Its octets.
        octets: &'a [u8],
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
    /// Time went on.
    Tick {
        /// The time.
        now: UtcTime,
    },
}

impl Input<'_> {
    pub(super) const fn now(&self) -> UtcTime {
        match self {
            Self::Want { now, .. }
            | Self::Holds { now, .. }
            | Self::Response { now, .. }
            | Self::Lost { now }
            | Self::Datagram { now, .. }
            | Self::Stored { now, .. }
            | Self::StoreFailed { now, .. }
            | Self::Tick { now } => *now,
        }
    }
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Send this to the PKMF as [`crate::pc8::MEDIA_TYPE`], and hand back [`Input::Response`] or [`Input::Lost`].
    Request(Zeroizing<String>),
    /// Send this datagram to the port of MIKEY of the PKMF.
    Send(Vec<u8>),
    /// Make these changes durable, all or none and in the order of tickets, and hand back [`Input::Stored`] or
    /// [`Input::StoreFailed`].
    Store {
        /// To hand back.
        ticket: Ticket,
        /// The changes.
        changes: Vec<Change>,
    },
    /// A PRUK came: give it to [`crate::remote_ue`], which makes it durable, and hand back [`Input::Holds`].
    Pruk(PrukInfo),
    /// For whoever uses the keys, and for reports.
    Event(Event),
    /// Nothing more until then; none: until the next input.
    Timeout(Option<UtcTime>),
}

/// A change of what is durable.
#[derive(Debug)]
pub enum Change {
    /// In the place of the PMK, with the counter of the last message.
    PutPmk(PmkRecord),
    /// These are the terms.
    PutGrant(Wanted, Terms),
    /// Nothing is granted.
    RemoveGrant(Wanted),
    /// In the place of what is stored of this key.
    PutKey(KeyRecord),
    /// This key.
    RemoveKey(KeyName),
}

/// A PMK. TS 33.303 §6.2.3.2.
#[derive(Debug)]
pub struct PmkRecord {
    /// Its name.
    pub id: PmkId,
    /// The key.
    pub pmk: Pmk,
    /// The counter of the last message under it.
    pub counter: u32,
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
}

/// What a UE begins with, apart from its configuration.
#[derive(Debug, Default)]
pub struct Durable {
    /// Its PMK.
    pub pmk: Option<PmkRecord>,
    /// What was granted.
    pub grants: Vec<(Wanted, Terms)>,
    /// Its keys.
    pub keys: Vec<KeyRecord>,
}

/// For whoever uses the keys, and for reports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The terms are these now.
    Granted(Wanted, Terms),
    /// There will be no keys.
    Rejected(Wanted, ErrorCode),
    /// A key is there.
    Key(KeyName),
    /// A key is gone: it ended, or was withdrawn.
    Deleted(KeyName),
    /// The answer of the PKMF is none.
    BadResponse(Fault),
    /// A message is not taken.
    Refused(Refused),
    /// The store does not work: what came is asked for again.
    Store,
}

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// No document of PC8.
    Malformed(pc3::Error),
    /// Not the answer to what was asked.
    Unexpected,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "the answer is no message of PC8: {error}"),
            Self::Unexpected => f.write_str("the answer is not to what was asked"),
        }
    }
}

impl std::error::Error for Fault {}

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// What its octets say, or its MAC.
    Message(key_delivery::Refused),
    /// Under another PMK than the one that is there.
    UnknownPmk,
    /// Its counter is not above the last one.
    Replayed,
    /// A key of something that was not granted.
    NotGranted(KeyName),
    /// A key that has ended already: one of the clocks is wrong.
    Ended(KeyName),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(why) => write!(f, "{why}"),
            Self::UnknownPmk => f.write_str("the message is under another PMK"),
            Self::Replayed => f.write_str("the message was here before, or is older than one that was"),
            Self::NotGranted(key) => {
                write!(f, "key {} of {}, which was not granted", key.id, key.service)
            }
            Self::Ended(key) => {
                write!(f, "key {} of {} has ended already: check the clock", key.id, key.service)
            }
        }
    }
}

impl std::error::Error for Refused {}
