//! Rules and timers of the group keys of one UE.

use std::collections::BTreeSet;

use sidelink_wire::ids::Layer2Id;

use super::Identity;

/// A standard group of the provisioning. TR 33.833 §6.3.1.3.3.2.2.
#[derive(Debug, Clone)]
pub struct StandardGroup {
    /// Layer-2 identity.
    pub layer2: Layer2Id,
    /// Identity of the group, as which its manager signs.
    pub identity: Identity,
    /// Those who may call.
    pub callers: Callers,
}

/// Those who may call in a standard group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callers {
    /// Those on this list.
    Listed(BTreeSet<Identity>),
    /// Whoever has the GMK and signs: for groups whose list is too long for a UE.
    WithGmk,
}

/// Those from whom this UE accepts ad-hoc groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdHocTrust {
    /// Whoever proves an identity in a link.
    Everyone,
    /// Those on this list.
    Listed(BTreeSet<Identity>),
    /// Nobody.
    Nobody,
}

/// Whether members acknowledge a GMK.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Acknowledgement {
    /// Each does: the draft has none, and leaves whoever missed the message without a key.
    #[default]
    Each,
    /// None does, as in the draft: the manager repeats all messages in all rounds.
    None,
}

/// Rules of one UE. Times in milliseconds unless stated.
#[derive(Debug, Clone)]
pub struct Config {
    /// Layer-2 identity of this UE.
    pub source: Layer2Id,
    /// Identity of its user.
    pub identity: Identity,
    /// Identity of the ME, for groups out of the box.
    pub me: Option<MeIdentity>,
    /// Standard groups.
    pub groups: Vec<StandardGroup>,
    /// Layer-2 identities of groups whose keys come from elsewhere: no ad-hoc group may have one of them.
    pub other_groups: BTreeSet<Layer2Id>,
    /// Those from whom ad-hoc groups are accepted.
    pub ad_hoc: AdHocTrust,
    /// Whether members acknowledge.
    pub acknowledgement: Acknowledgement,
    /// Time between two messages of a distribution: a layer 2 with one destination a period has one SC period.
    pub spacing: u64,
    /// Pause after a round of a distribution, in which acknowledgements come.
    pub pause: u64,
    /// Rounds after which the pause doubles with each round, up to [`Self::longest_pause`].
    pub quick_rounds: u32,
    /// Longest pause. A distribution ends with the last acknowledgement, or the period of its GMK.
    pub longest_pause: u64,
    /// Rounds without acknowledgement.
    pub blind_rounds: u32,
    /// Interval of the announcements of a call.
    pub repeat: u64,
    /// Age up to which the message of a call is accepted.
    pub call_age: u64,
    /// Age from which the announcements of a call are made anew.
    pub refresh: u64,
    /// Time after the last announcement after which another call may take the PGK index of a call.
    pub call_silence: u64,
    /// Longest call, seconds.
    pub longest_call: u32,
    /// Largest number of messages whose signature is verified in one second: a flood costs no more than that.
    pub judged: u32,
    /// MAX_OFFSET: how far clocks may be apart, in seconds.
    pub max_offset: u32,
    /// Longest period of a GMK, seconds.
    pub longest_period: u32,
    /// Largest number of members of a standard group.
    pub members: usize,
    /// Largest number of members of an ad-hoc group.
    pub ad_hoc_members: usize,
    /// Largest number of groups.
    pub max_groups: usize,
    /// Largest number of senders of which the highest time is kept.
    pub senders: usize,
}

/// The identity that an ME was made with. TR 33.833 §6.3.1.3.3.3.4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeIdentity {
    /// A public safety IMEI, as a URI.
    pub identity: Identity,
    /// Longest period of a GMK of a group out of the box, seconds.
    pub longest_period: u32,
}

impl Config {
    /// Returns the rules for an SC period in milliseconds.
    pub fn new(source: Layer2Id, identity: Identity, sc_period: u64) -> Self {
        Self {
            source,
            identity,
            me: None,
            groups: Vec::new(),
            other_groups: BTreeSet::new(),
            ad_hoc: AdHocTrust::Everyone,
            acknowledgement: Acknowledgement::Each,
            spacing: sc_period.max(1),
            pause: (4 * sc_period).max(400),
            quick_rounds: 4,
            longest_pause: 60_000,
            blind_rounds: 3,
            repeat: 2000,
            call_age: 60_000,
            refresh: 30_000,
            call_silence: 30_000,
            longest_call: 3600,
            judged: 128,
            max_offset: 32,
            longest_period: 31 * 86_400,
            members: 4096,
            ad_hoc_members: 64,
            max_groups: 64,
            senders: 8192,
        }
    }
}
