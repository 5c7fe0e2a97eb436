//! What happens in groups whose keys a NAF gives (TR 33.833 §6.3.2). Their machine is one of the network's, outside of this
//! crate: here are the words that reports and applications know.

use sidelink_wire::ids::Layer2Id;

/// What has happened in a group of a NAF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NafEvent {
    /// The NAF gave a key.
    Key {
        /// The group.
        group: Layer2Id,
        /// PGK ID.
        pgk_id: u8,
    },
    /// A key is over, and there is no other.
    Expired {
        /// The group.
        group: Layer2Id,
        /// PGK ID.
        pgk_id: u8,
    },
    /// Its owner begins a round of invitations.
    Inviting {
        /// The group.
        group: Layer2Id,
        /// How many are invited.
        missing: usize,
        /// Number of the round, from 1.
        round: u32,
    },
    /// The NAF knows a user as joined.
    Joined {
        /// The group.
        group: Layer2Id,
        /// The user.
        user: String,
    },
    /// Everybody who is invited has joined.
    Complete {
        /// The group.
        group: Layer2Id,
    },
    /// This UE asks the NAF to join.
    Joining {
        /// The group.
        group: Layer2Id,
    },
    /// The NAF says that this UE is no member.
    Out {
        /// The group.
        group: Layer2Id,
    },
    /// The NAF refuses a request; the text says why.
    Refused {
        /// The group.
        group: Layer2Id,
        /// The cause.
        why: String,
    },
    /// A message of the NAF was passed over; the text says why.
    Dropped(String),
    /// An invitation was passed over; the text says why.
    Passed {
        /// Whence it came, as it claims.
        from: Layer2Id,
        /// The cause.
        why: String,
    },
}
