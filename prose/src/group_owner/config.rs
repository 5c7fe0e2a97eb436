//! Rules and timers of a group owner and of a member.

use sidelink_security::direct::Capabilities;
use sidelink_security::group::GroupConfig;
use sidelink_wire::ids::Layer2Id;

use crate::direct_link::Identity;

/// Who may join.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Admitted {
    /// The UEs of this list, which belongs to the group.
    Listed(Vec<Identity>),
    /// Every UE whose certificate is of a trusted root.
    #[default]
    Certified,
}

/// What happens where the revocation list of a peer's issuer is too old, or missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum WhenDegraded {
    /// The peer is accepted, and the event says so: out of coverage there is no newer list.
    #[default]
    Accept,
    /// The peer is refused.
    Refuse,
}

/// When an epoch begins, beside at the start of an owner, and when a key is due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Renewal {
    /// When a member leaves or is removed: N - 1 messages. A new member can read what it recorded of this epoch.
    #[default]
    WhenOneLeaves,
    /// At each join too, with one message for each member: a new member has no key of the past.
    AtEachJoin,
}

/// Rules and timers. Owner and member use the same; what serves only one of them says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The group; for the owner also the algorithms of its traffic. A member takes the owner's, within
    /// [`Self::capabilities`].
    pub group: GroupConfig,
    /// Identity of this UE, as in its certificate: the name of a user.
    pub identity: Identity,
    /// Layer-2 identity of this UE.
    pub layer2: Layer2Id,
    /// Algorithms that this UE supports and allows, the most significant bit for algorithm 0. EIA0 allows a group without
    /// MAC-I, as in the standard.
    pub capabilities: Capabilities,
    /// Milliseconds until an unanswered message is sent again, at least: at each try a random time up to twice as long as
    /// before.
    pub retry: u64,
    /// Times that a message of a join or a leave is sent in all. Keys of a new epoch are sent to members until they are
    /// confirmed.
    pub tries: u8,
    /// Member: requests in all, until a join that the user wanted is given up. A join of its own it does not give up, unless
    /// the owner refuses.
    pub requests: u8,
    /// Member: milliseconds for which it believes an owner that says that it is busy, at most: before the join it cannot
    /// check who says that.
    pub longest_wait: u64,
    /// Milliseconds of [`Self::answers`] and [`Self::judged`]: a period of the resource pool.
    pub sc_period: u64,
    /// Answers to UEs without proof, for each period: an answer costs a transmission, and perhaps a signature.
    pub answers: u32,
    /// Signatures of UEs without proof that are checked, for each period.
    pub judged: u32,
    /// Milliseconds by which UTC may differ between owner and member: MAX_OFFSET on both sides.
    pub guard: u64,
    /// Milliseconds after which a revocation list is too old.
    pub list_age: u64,
    /// What happens then.
    pub when_degraded: WhenDegraded,
    /// Owner: who may join.
    pub admitted: Admitted,
    /// Owner: the largest number of members.
    pub members: usize,
    /// Owner: joins that are served at once. The others wait: whoever sends hears nothing meanwhile.
    pub serving: usize,
    /// Owner: requests that wait for their turn.
    pub queue: usize,
    /// Owner: members to which keys of a new epoch are on their way at once.
    pub window: usize,
    /// Owner: milliseconds between two notices, at most: within that time a member hears that it has missed an epoch.
    pub notice: u64,
    /// Owner: joins without a proof that are remembered; beyond them the oldest is dropped.
    pub half_open: usize,
    /// Owner: number of those, and of requests that wait, at which a cookie is demanded first.
    pub cookies_from: usize,
    /// Owner: milliseconds of validity of the keys of an epoch.
    pub key_lifetime: u64,
    /// Owner: when a new epoch begins.
    pub renewal: Renewal,
}

impl Config {
    /// Returns the default rules for a pool with periods of `sc_period` milliseconds.
    pub fn new(group: GroupConfig, identity: Identity, layer2: Layer2Id, sc_period: u64) -> Self {
        Self {
            group,
            identity,
            layer2,
            capabilities: Capabilities { eea: 0x70, eia: 0xf0 },
            // The longest message with a certificate takes three periods at 10 PRB, and the answer as many.
            retry: (8 * sc_period).max(400),
            tries: 3,
            requests: 6,
            longest_wait: 600_000,
            sc_period,
            answers: 4,
            judged: 4,
            guard: 32_000,
            list_age: 24 * 3_600_000,
            when_degraded: WhenDegraded::default(),
            admitted: Admitted::default(),
            members: 256,
            serving: 2,
            queue: 256,
            window: 4,
            notice: 10_000,
            half_open: 32,
            cookies_from: 128,
            key_lifetime: 24 * 3_600_000,
            renewal: Renewal::default(),
        }
    }
}
