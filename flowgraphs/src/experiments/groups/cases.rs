//! Which scenarios of groups there are.

use crate::config::LongMessageWay;
use crate::experiments::cases::Expect;
use sidelink_phy::units::Decibel;

/// A scenario.
#[derive(Clone, Copy)]
pub(crate) struct GroupScenario {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) solution: Solution,
    /// Whether a member is stolen, and the group re-keyed without it.
    pub(crate) theft: bool,
    pub(crate) attack: Option<GroupAttack>,
}

/// Where the keys of the group come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Solution {
    /// Identity-based keys from a manager (S3.1).
    Identity,
}

/// Who else is there, and what must come of it.
#[derive(Clone, Copy)]
pub(crate) struct GroupAttack {
    pub(crate) by: By,
    pub(crate) expect: Expect,
}

/// Who attacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A1: a UE with keys of its own identity, and a GMK of its own for the group.
    Stranger,
    /// A4: a member that distributes a GMK, signed as itself.
    NotManager,
    /// A2: says everything again, after the group was re-keyed.
    Replay,
}

impl GroupAttack {
    /// The capability of the proposals' digest.
    pub(crate) const fn adversary(&self) -> &'static str {
        match self.by {
            By::Stranger => "A1",
            By::NotManager => "A4",
            By::Replay => "A2",
        }
    }
}

const PLAIN: GroupScenario =
    GroupScenario { name: "", what: "", solution: Solution::Identity, theft: false, attack: None };

const fn attack(name: &'static str, what: &'static str, by: By, expect: Expect) -> GroupScenario {
    GroupScenario { name, what, attack: Some(GroupAttack { by, expect }), ..PLAIN }
}

pub(crate) const ALL: &[GroupScenario] = &[
    GroupScenario {
        name: "group-sakke",
        what: "a manager gives a key to --members members; one is stolen; re-keyed, the thief hears nothing (S3.1, T3.1-5)",
        theft: true,
        ..PLAIN
    },
    attack(
        "attack-group-stranger",
        "A1, with keys of its own identity, calls the group under a GMK of its own (T3.1-1)",
        By::Stranger,
        Expect::Stopped,
    ),
    attack(
        "attack-group-not-manager",
        "A4: a member distributes a GMK, signed as itself (T3.1-3)",
        By::NotManager,
        Expect::Stopped,
    ),
    attack(
        "attack-group-replay",
        "A2 says an older GMK, and all data, again after a newer one (T3.1-4, T3.1-7)",
        By::Replay,
        Expect::Stopped,
    ),
];

/// One run to do.
#[derive(Clone, Copy)]
pub(crate) struct GroupCase<'a> {
    pub(crate) scenario: &'a GroupScenario,
    /// Members without the manager.
    pub(crate) members: usize,
    /// SC period in subframes.
    pub(crate) period: u64,
    /// Es/N0.
    pub(crate) snr: Decibel,
    /// I_MCS of PSSCH.
    pub(crate) mcs: u8,
    /// How long messages travel.
    pub(crate) way: LongMessageWay,
    pub(crate) seed: u64,
}
