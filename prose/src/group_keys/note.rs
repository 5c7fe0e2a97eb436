//! Reasons why a message is refused.

use core::fmt;

use sidelink_wire as wire;

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $short:literal, $text:literal;)*) => {
        /// Reason why a message of a group is refused. Each has a short name for reports.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Refusal {
            /// Malformed octets of one of our own formats.
            Malformed(wire::Error),
            $($(#[$doc])* $name,)*
        }

        impl Refusal {
            /// Returns the short name.
            pub const fn name(self) -> &'static str {
                match self {
                    Self::Malformed(_) => "malformed",
                    $(Self::$name => $short,)*
                }
            }
        }

        impl fmt::Display for Refusal {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    Self::Malformed(error) => error.fmt(f),
                    $(Self::$name => f.write_str($text),)*
                }
            }
        }
    };
}

refusals! {
    /// Octets that are no message of MIKEY.
    NotMikey = "not_mikey", "octets that are no MIKEY message of a group";
    /// Our own clock is behind a time that was used already.
    ClockWentBack = "clock_went_back", "the clock of this UE is behind a time that it used: synchronise it";
    /// The message is older than the latest of its sender for this group, or of the same time and another content.
    Replayed = "replayed", "not newer than the latest message of this sender for the group";
    /// Another message of the sender is on its way into the store.
    Busy = "busy", "another message of this sender for the group is on its way into the store";
    /// From before an earlier state of the store came back.
    BeforeLoss = "before_loss", "from before the key store lost its latest state: it may have been accepted already";
    /// Its time has not come.
    FromFuture = "from_future", "its time has not come: the clock of its sender is ahead";
    /// A call message that is too old.
    TooOld = "too_old", "older than a call message may be";
    /// The period of the GMK is over.
    Expired = "expired", "the period of the GMK is over";
    /// The GMK is not in use yet.
    NotActive = "not_active", "the GMK is not in use yet";
    /// A period that ends before it begins, or is longer than allowed.
    Period = "period", "a period that ends before it begins, or is longer than this UE allows";
    /// No GMK here has this ID.
    UnknownGmk = "unknown_gmk", "no GMK of this group has this ID here";
    /// The GMK is of another group than the one to which the message was sent.
    OtherGroup = "other_group", "the GMK is of another group";
    /// Not signed as a group of this UE: the identity of a UE changes no GMK of a standard group.
    NotManager = "not_manager", "not signed as a group of this UE: only a group's own identity changes its GMK";
    /// Addressed to another member.
    NotForUs = "not_for_us", "addressed to another member";
    /// The signature is wrong.
    Signature = "signature", "the signature is not that of the identity in the message";
    /// The MAC under the GMK is wrong.
    Mac = "mac", "the MAC is wrong: another GMK, or an altered message";
    /// The key cannot be taken out of its capsule.
    Decapsulation = "decapsulation", "the key was encapsulated to another identity or period, or altered";
    /// The caller is not on the list.
    NotOnList = "not_on_list", "the caller is not on the list of members";
    /// The ID of the GMK is of the other kind of groups.
    WrongRange = "wrong_range", "the ID of the GMK is not of this kind of group";
    /// An ad-hoc distribution for a standard group.
    StandardGroup = "standard_group", "an ad-hoc distribution must not change the key of a standard group";
    /// An ad-hoc group of another maker.
    NotMaker = "not_maker", "another UE made this ad-hoc group: only its maker changes its GMK";
    /// The link's peer may not make groups for this UE.
    NotTrusted = "not_trusted", "this UE does not let the peer make a group with it";
    /// A message that only a protected link may bring.
    NotOverLink = "not_over_link", "an ad-hoc GMK comes over a protected link and nowhere else";
    /// This UE is not on the list of an ad-hoc group.
    NotListed = "not_listed", "this UE is not on the list of members";
    /// Another GMK here has the ID.
    GmkIdInUse = "gmk_id_in_use", "another GMK here has this ID";
    /// The PGK index of the call is that of a call in progress.
    IndexInUse = "index_in_use", "a call in progress has this PGK index";
    /// Our own message.
    Reflected = "reflected", "our own message";
    /// No room for more.
    NoRoom = "no_room", "this UE keeps no more groups, keys or senders";
    /// Private keys of an identity are missing.
    NoKeys = "no_keys", "the private keys of the identity are not here, or not of this month";
    /// An acknowledgement of something that was not sent.
    NotAsked = "not_asked", "it acknowledges nothing that this UE distributes";
    /// More signatures to verify than this UE verifies in a second.
    RateLimited = "rate_limited", "more messages than this UE verifies in a second";
    /// The store failed.
    Store = "store", "the key store failed: see its error";
}

impl std::error::Error for Refusal {}

impl From<wire::Error> for Refusal {
    fn from(error: wire::Error) -> Self {
        Self::Malformed(error)
    }
}
