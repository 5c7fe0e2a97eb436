//! The messages: which attributes make which. RFC 4187 §9, RFC 9048 §3.
//!
//! ```text
//!   header of EAP | type | subtype | two reserved | attributes
//! ```
//!
//! What has no place in a message is refused, and so is what is there twice. Whether a message has AT_MAC follows from what
//! it is; only [`super::protection::verify_mac`] says that it is right.

use super::protection::{Checkcode, Sealed};

mod format;
mod request;
mod response;

pub(super) use format::Bag;

/// Most alternatives of AT_KDF that are read.
pub const MOST_KDFS: usize = 8;

/// Which identity a server asks for, from the least to the most telling. RFC 4187 §4.1.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IdentityRequest {
    /// Of a re-authentication, a pseudonym, or the permanent one.
    Any,
    /// A pseudonym, or the permanent one.
    Fullauth,
    /// The permanent one.
    Permanent,
}

/// What the two methods differ in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Derivation {
    /// EAP-AKA.
    Aka {
        /// AT_BIDDING, where it is: whether the server would rather do EAP-AKA'.
        prefers_aka_prime: Option<bool>,
    },
    /// EAP-AKA'.
    AkaPrime {
        /// AT_KDF, the best first. After the peer's choice: that one, then the list as before.
        kdfs: Vec<u16>,
        /// AT_KDF_INPUT.
        network_name: String,
    },
}

/// A challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// RAND.
    pub rand: [u8; 16],
    /// AUTN.
    pub autn: [u8; 16],
    /// How keys are derived.
    pub derivation: Derivation,
    /// Names for the next time.
    pub sealed: Option<Sealed>,
    /// Hash over the exchange of identities.
    pub checkcode: Option<Checkcode>,
    /// Whether the server wants protected notifications of success.
    pub result_ind: bool,
}

/// A fast re-authentication, either way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reauthentication {
    /// AT_COUNTER, and of the server AT_NONCE_S.
    pub sealed: Sealed,
    /// Hash over the exchange of identities.
    pub checkcode: Option<Checkcode>,
    /// Whether protected notifications of success are wanted.
    pub result_ind: bool,
}

/// What a notification says, and whether it is proven. RFC 4187 §6.1, §10.19.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notification {
    /// P = 1: before the challenge; nothing proves it.
    Before {
        /// The code.
        code: u16,
    },
    /// P = 0: after it, under AT_MAC.
    After {
        /// The code.
        code: u16,
        /// AT_COUNTER, in a re-authentication.
        sealed: Option<Sealed>,
    },
}

impl Notification {
    /// After authentication: a failure. RFC 4187 §10.19.
    pub const GENERAL_FAILURE_AFTER: u16 = 0;
    /// The subscriber has temporarily no access.
    pub const TEMPORARILY_DENIED: u16 = 1026;
    /// The subscriber has not subscribed to the service.
    pub const NOT_SUBSCRIBED: u16 = 1031;
    /// Before authentication: a failure.
    pub const GENERAL_FAILURE: u16 = 16384;
    /// Success.
    pub const SUCCESS: u16 = 32768;
    /// S bit: no failure.
    const S: u16 = 0x8000;
    /// P bit.
    const P: u16 = 0x4000;

    /// The code.
    pub const fn code(&self) -> u16 {
        match self {
            Self::Before { code } | Self::After { code, .. } => *code,
        }
    }

    /// Whether it says failure.
    pub const fn is_failure(&self) -> bool {
        self.code() & Self::S == 0
    }
}

/// From the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Say who you are.
    Identity(IdentityRequest),
    /// Full authentication.
    Challenge(Challenge),
    /// Fast re-authentication.
    Reauthentication(Reauthentication),
    /// How it goes on.
    Notification(Notification),
}

/// From the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// Who it is.
    Identity(String),
    /// RES.
    Challenge {
        /// RES.
        res: Vec<u8>,
        /// Hash over the exchange of identities.
        checkcode: Option<Checkcode>,
        /// Whether protected notifications of success are wanted.
        result_ind: bool,
    },
    /// Another of the offered derivations.
    KdfChoice(u16),
    /// AUTN was not right.
    AuthenticationReject,
    /// SQN was not fresh.
    SynchronizationFailure {
        /// AUTS.
        auts: [u8; 14],
        /// AT_KDF as it was sent; none of EAP-AKA.
        kdfs: Vec<u16>,
    },
    /// Fast re-authentication.
    Reauthentication(Reauthentication),
    /// A notification has come.
    Notification {
        /// What it had: AT_MAC, and AT_COUNTER in a re-authentication.
        proof: NotificationProof,
    },
    /// The peer did not like something.
    ClientError(u16),
}

/// What a response to a notification is proven by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotificationProof {
    /// Nothing: the notification came before the challenge.
    None,
    /// AT_MAC.
    Mac,
    /// AT_MAC, over an encrypted AT_COUNTER.
    MacAndCounter(Sealed),
}

/// AT_CLIENT_ERROR_CODE: unable to process the packet. RFC 4187 §10.20.
pub const UNABLE_TO_PROCESS: u16 = 0;

/// What AT_MAC is made with.
#[derive(Clone, Copy)]
pub struct MacKey<'a> {
    /// K_aut.
    pub k_aut: &'a [u8; 32],
    /// What follows the packet: NONCE_S in the response to a re-authentication.
    pub extra: &'a [u8],
}
