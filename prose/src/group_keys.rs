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
//!
//! ```text
//! machine        state, inputs to their handlers       keyring: what is kept, in memory
//! distribution   the manager, or the maker of an ad-hoc group      seal: its messages are made, beside the machine
//! member         a GMK comes                            call: calls are announced and joined
//! ports          store and messages                     mikey_sakke: the messages as MIKEY-SAKKE
//! config, io, record, note
//! ```
//!
//! - **The latest GMK counts**, by the time of its message: an older one is refused, also after a crash. From its
//!   activation on its predecessor is deleted, and calls under that end: nobody who has the old one alone, such as a
//!   stolen UE, hears more. At the end of its period a GMK is deleted, without grace.
//! - **Calls**: the PGK is PGK_call = KDF(GSK, CSB ID, GMK ID). A UE announces one call of a group at a time; its next one
//!   ends the last. The CSB ID says when the call began, so that all members agree on its end.
//! - **An unproven message changes nothing**, and costs a bounded number of signatures a second.
//! - **Ad-hoc groups** have GMK IDs of their own, and change no standard group. A GMK of theirs comes over a protected link
//!   and nowhere else; only the maker of the group changes it.
//! - **A store that lost its latest state** gives up its keys: messages of before that moment are refused, and in a call
//!   that may have begun before this UE only listens.
//! - **A clock behind a time that was used** announces and accepts nothing.
//!
//! What the draft leaves open is our own choice: acknowledgements (it has none, and leaves behind whoever missed a
//! message), the announcement every 2 s, 60 s for a message that was made ahead, the tag of ad-hoc GMK IDs.
//!
//! What stays: every member has the GMK, so that a stolen UE hears and announces calls in its own name until the GMK is
//! changed; an insider can acknowledge a GMK in the name of another member.

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
mod seal;

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
pub use seal::SealJob;

#[cfg(test)]
mod tests;
