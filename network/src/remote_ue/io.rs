//! What goes into a remote UE's keys and what comes out.

use std::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_security::keys::{Kd, Pruk};

use crate::aka::{Auts, Rand};
use crate::gba_push::ue::Dropped;
use crate::pc3::Imsi;
use crate::pc8::{Code, PrukId};
use crate::usim::SqnArray;

/// Names a link to a relay: a number of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u32);

/// Names a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What a remote UE calls itself towards a relay: the Long Term ID. TS 33.303 §6.7.3.2.1.1 step 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// By its PRUK.
    Pruk(PrukId),
    /// By its permanent identity, in the clear.
    Imsi(Imsi),
}

/// A PRUK and its name.
#[derive(Debug, PartialEq, Eq)]
pub struct Held {
    /// Its name, never all zero.
    pub id: PrukId,
    /// The key.
    pub pruk: Pruk,
}

/// The PRUKs of one PKMF: what is durable of a remote UE.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// The one that is used.
    pub current: Option<Held>,
    /// The one that came last by GBA push, and with which no link has succeeded yet.
    pub pending: Option<Held>,
}

/// When a remote UE shows its IMSI to whoever asks for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImsiPolicy {
    /// Never.
    Never,
    /// While it has no PRUK of this PKMF.
    WithoutPruk,
    /// Also when a holder of the keys of relay discovery says that the PRUK ID is unknown.
    #[default]
    WhenProven,
    /// When anybody says so, as the text has it (TS 33.303 §6.7.3.2.1.1 step 3): anybody on the air learns the IMSI.
    WhenRejected,
}

/// Who has said that a PRUK ID is unknown. No key of the link can protect that, since there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Anybody.
    None,
    /// A holder of the DUIK of relay discovery.
    RelayDiscovery,
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A PRUK came in a KEY_RESPONSE.
    Provisioned(Held),
    /// The PKMF gives no PRUK, or the UE wants none any more.
    Refused,
    /// The UE wants a link.
    Connect {
        /// To hand back.
        link: LinkId,
        /// For which service.
        service: Code,
        /// Nonce_1 of its DIRECT_COMMUNICATION_REQUEST.
        nonce_1: [u8; 16],
    },
    /// A DIRECT_SECURITY_MODE_COMMAND came. Nothing of it is proven yet.
    Command {
        /// The time.
        now: UtcTime,
        /// Of which link.
        link: LinkId,
        /// KD freshness parameter.
        freshness: [u8; 16],
        /// GPI, if there is one.
        gpi: Option<&'a [u8]>,
    },
    /// The relay said that it does not know the PRUK ID.
    Rejected {
        /// Of which link.
        link: LinkId,
        /// Who said it.
        proof: Proof,
    },
    /// The link is there: a message of the relay under its keys was verified after the command.
    Accepted(LinkId),
    /// The link is over, or comes to nothing.
    Ended(LinkId),
    /// The slots of [`Output::Store`] are durable.
    Stored(Ticket),
    /// They could not be made durable.
    StoreFailed(Ticket),
    /// The state of the USIM is durable.
    UsimStored,
    /// It could not be made durable.
    UsimStoreFailed,
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Make these durable in the place of what was, and hand back [`Input::Stored`] or [`Input::StoreFailed`].
    Store {
        /// To hand back.
        ticket: Ticket,
        /// All that is durable.
        slots: Slots,
    },
    /// Make the state of the USIM durable, and hand back [`Input::UsimStored`] or [`Input::UsimStoreFailed`].
    StoreUsim(SqnArray),
    /// Ask for the link under this name.
    Request {
        /// Which.
        link: LinkId,
        /// The name.
        user: User,
    },
    /// KD of the link: the command is to be checked under it.
    Kd {
        /// Which.
        link: LinkId,
        /// The key.
        kd: Kd,
        /// The PRUK that it is from: what the network knows this UE by from now on.
        pruk: PrukId,
    },
    /// Tell the relay, which asks again.
    Resynchronise {
        /// Of which link.
        link: LinkId,
        /// RAND of the GPI.
        rand: Rand,
        /// AUTS of the USIM.
        auts: Auts,
    },
    /// There is no KD.
    Failed {
        /// Of which link.
        link: LinkId,
        /// Why.
        why: Failure,
    },
    /// What a KEY_REQUEST says of the PRUK that is there: a change of it.
    Holds(Option<PrukId>),
}

/// Why a link comes to nothing, or a PRUK is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The GPI is passed over.
    Gpi(Dropped),
    /// The GPI is for something else than a PRUK of this PKMF.
    NotForRelays,
    /// The USIM was out of synchronisation twice.
    OutOfSync,
    /// The relay has sent no GPI, and there is no PRUK of the name that was said.
    NoKey,
    /// There is no name that may be shown.
    NoIdentity,
    /// No link of this name waits for it.
    Unexpected,
    /// Too many links, or another GPI is with the USIM.
    Busy,
    /// The PRUK could not be made durable.
    Store,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gpi(why) => why.fmt(f),
            Self::NotForRelays => {
                f.write_str("the pushed key is not for relays of this key management function")
            }
            Self::OutOfSync => f.write_str("the USIM was out of synchronisation again: try the link anew"),
            Self::NoKey => {
                f.write_str("the relay sent no key, and there is none of the name that it was told")
            }
            Self::NoIdentity => {
                f.write_str("there is no PRUK, and the IMSI may not be shown: fetch a PRUK in coverage")
            }
            Self::Unexpected => f.write_str("no such link waits for that"),
            Self::Busy => f.write_str("too many links at once: try again later"),
            Self::Store => f.write_str("the PRUK could not be stored: see the error of its store"),
        }
    }
}

impl std::error::Error for Failure {}
