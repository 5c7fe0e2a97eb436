//! Keys of groups by identities: GMKs that a manager distributes, or a UE over protected links, and calls under them.
//! TR 33.833 §6.3.1.
//!
//! ```text
//! manager                                               member
//!  | I_MESSAGE: GMK, ID, period; signed as the group --> |  verify, decapsulate, store; the latest T is current
//!  | <-------------------------------- acknowledgement   |
//! maker of an ad-hoc group                              member
//!  | protected link: GMK, ID, period, list of members -> |
//!  | <-------------------------------- acknowledgement   |
//! caller                                                members
//!  | under the GMK: session key; signed as the caller -> |  each 2 s: whoever comes late joins
//! ```
//!
//! [`GroupKeys`] has no clock, no source of randomness, no store and no radio. The run loop is that of
//! [`super::direct_link`]: one [`Input`], then [`GroupKeys::poll_output`] until [`Output::Timeout`]. What must survive a
//! crash is an [`Output::Store`], and what rests on it leaves only after its [`Input::Stored`].

mod call;
mod config;
mod distribution;
mod io;
mod keyring;
mod machine;
mod member;
mod mikey_sakke;
mod note;
mod ports;
mod record;

pub use crate::direct_link::Identity;
pub use config::{Acknowledgement, AdHocTrust, Callers, Config, MeIdentity, StandardGroup};
pub use io::{Call, Destination, Error, Event, Input, LocalIdentity, Message, MessageKind, Output, Path};
pub use machine::GroupKeys;
pub use mikey_sakke::{Domain, IdentityKeys, MikeySakke};
pub use note::Refusal;
pub use ports::{CallMessage, Claim, GmkMessage, GmkOffer, GroupKeyStore, Kind, Messages};
pub use record::{
    CallRecord, Change, CsbId, GmkId, GmkRecord, GroupKind, Highest, Kept, Member, Period, Stream, Ticket,
};

#[cfg(test)]
mod tests;
