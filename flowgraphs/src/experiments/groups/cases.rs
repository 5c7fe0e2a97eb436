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
    /// Whether the data has our own MAC-I.
    pub(crate) mac: bool,
    /// What happens after the first call.
    pub(crate) incident: Incident,
    pub(crate) mishap: Option<Mishap>,
    pub(crate) attack: Option<GroupAttack>,
}

/// What happens after the first call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incident {
    /// The group gets another key.
    Renewal,
    /// The last member is stolen, and the group re-keyed without it.
    Theft,
    /// The last member leaves the group of its owner.
    Leave,
    /// The owner crashes, and starts again.
    Crash,
}

impl Incident {
    /// Whether the last member is in the group no longer, and keeps what it has.
    pub(crate) const fn has_thief(self) -> bool {
        matches!(self, Self::Theft | Self::Leave)
    }
}

/// Where the keys of the group come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Solution {
    /// Identity-based keys from a manager (S3.1).
    Identity,
    /// The same without a manager: a member makes the group, over a protected link with each other member (S3.1).
    AdHoc,
    /// Certificates, and keys from an owner (S3.4).
    Owner,
    /// PGKs from the PKMF (the standard's way).
    Pkmf,
    /// A NAF, and invitations of the owner (S3.2).
    Invitation,
    /// A NAF, and a list of the owner (S3.2).
    WhiteList,
}

impl Solution {
    /// Whether the radio itself is stolen, and not the keys of its store: what it gets of the owner or over a link is for
    /// itself alone.
    pub(crate) const fn steals_the_radio(self) -> bool {
        matches!(self, Self::Owner | Self::AdHoc)
    }
}

/// What happens to UEs besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// The caller is killed in the middle of its call, and starts again with what is in its key store.
    Crash,
    /// Some members are switched on when the key was distributed and a call goes on.
    Late,
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
    /// A4: a member that calls in the name of another.
    Impostor,
    /// A4: a UE that makes an ad-hoc group with the identities of the group, over links with its members.
    AdHocKey,
    /// A2: says everything again.
    Replay(Replay),
    /// A3: a radio in the middle that flips a bit of all data.
    Middle,
    /// A5: an owner whose certificate is of an issuer that nobody trusts.
    RogueOwner,
    /// A1: passes on what a member and the owner say, and puts its own key into the member's proof.
    Between,
    /// A4: a member that listens under the layer-2 identity of another.
    Spy,
    /// A4: a member that sends to the group under the layer-2 identity of the owner.
    AsOwner,
    /// A1: a UE of another group of the same issuer.
    OtherGroup,
    /// A4: a member whose certificate is revoked; the owner knows the list, or does not.
    Revoked {
        /// Whether it does.
        known: bool,
    },
    /// A1: a subscriber that joins by an invitation which it overheard.
    StolenInvitation,
    /// A6: the radio of a member that was removed, by the invitation which it has used.
    OldInvitation,
    /// A8: a subscriber that is not on the list.
    NotListed,
    /// A8: a subscriber that makes and joins groups as fast as it can.
    Flood,
    /// A2: somebody between the network and the UEs, who says every pushed key again.
    RepeatsKeys,
    /// A3: somebody there who lets no UE have the first key, nor the first new one.
    LosesKeys,
    /// A7: whoever runs the NAF listens.
    CuriousNaf,
}

/// When everything is said again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replay {
    /// A few SC periods later.
    Soon,
    /// After the group was re-keyed.
    AfterRekeying,
}

impl GroupScenario {
    /// Whether there are links between UEs: their identities are those that links prove.
    pub(crate) fn has_links(&self) -> bool {
        let by_link = matches!(self.attack, Some(GroupAttack { by: By::AdHocKey, .. }));
        self.solution == Solution::AdHoc || by_link
    }
}

impl GroupAttack {
    /// The capability of the proposals' digest.
    pub(crate) const fn adversary(&self) -> &'static str {
        match self.by {
            By::Stranger | By::Between | By::OtherGroup => "A1",
            By::NotManager | By::Impostor | By::AdHocKey | By::Revoked { .. } | By::Spy | By::AsOwner => "A4",
            By::Replay(_) | By::RepeatsKeys => "A2",
            By::Middle | By::LosesKeys => "A3",
            By::RogueOwner => "A5",
            By::StolenInvitation => "A1",
            By::OldInvitation => "A6",
            By::CuriousNaf => "A7",
            By::NotListed | By::Flood => "A8",
        }
    }
}

const PLAIN: GroupScenario = GroupScenario {
    name: "",
    what: "",
    solution: Solution::Identity,
    mac: false,
    incident: Incident::Renewal,
    mishap: None,
    attack: None,
};

const OWNER: GroupScenario = GroupScenario { solution: Solution::Owner, ..PLAIN };

const INVITATION: GroupScenario = GroupScenario { solution: Solution::Invitation, ..PLAIN };

const WHITE_LIST: GroupScenario = GroupScenario { solution: Solution::WhiteList, ..PLAIN };

const fn attack(name: &'static str, what: &'static str, by: By, expect: Expect) -> GroupScenario {
    GroupScenario { name, what, attack: Some(GroupAttack { by, expect }), ..PLAIN }
}

pub(crate) const ALL: &[GroupScenario] = &[
    GroupScenario {
        name: "group-sakke",
        what: "a manager gives a key to --members members; one is stolen; re-keyed, the thief hears nothing (S3.1, T3.1-5)",
        incident: Incident::Theft,
        ..PLAIN
    },
    GroupScenario {
        name: "group-adhoc",
        what: "a UE makes a group over protected links; one member is left out of the next key, and hears nothing (S3.1)",
        incident: Incident::Theft,
        solution: Solution::AdHoc,
        ..PLAIN
    },
    GroupScenario {
        name: "group-crash",
        what: "the caller is killed in its call and starts again: no key stream is used twice, and the group goes on (T3.1-9)",
        mishap: Some(Mishap::Crash),
        ..PLAIN
    },
    GroupScenario {
        name: "group-late",
        what: "a fourth of --members members, at least one, comes when the others have the key and talk: none is left behind (T3.1-10)",
        mishap: Some(Mishap::Late),
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
        "attack-group-impostor",
        "A4, a member, calls in the name of another member, whose signing key it has not (T3.1-2)",
        By::Impostor,
        Expect::Stopped,
    ),
    attack(
        "attack-group-ad-hoc-key",
        "A4 gives the members a GMK of the ad-hoc range for the group, over links in which it proves itself (T3.1-6)",
        By::AdHocKey,
        Expect::Stopped,
    ),
    GroupScenario {
        mac: true,
        ..attack(
            "attack-group-replay",
            "A2 says an older GMK, and all data of its call, again after a newer one; data has our MAC-I (T3.1-4, T3.1-7)",
            By::Replay(Replay::AfterRekeying),
            Expect::Stopped,
        )
    },
    attack(
        "attack-group-replay-soon",
        "A2 says all messages and data again while their call goes on (T3.1-7)",
        By::Replay(Replay::Soon),
        Expect::Stopped,
    ),
    attack(
        "attack-group-flip-data",
        "A3 in the middle flips a bit of all data of a call, which has no MAC-I in the standard (T3.1-8)",
        By::Middle,
        Expect::Passes,
    ),
    GroupScenario {
        mac: true,
        ..attack(
            "attack-group-flip-data-mac",
            "the same with our own MAC-I (T3.1-8)",
            By::Middle,
            Expect::Stopped,
        )
    },
    GroupScenario {
        name: "group-pgk",
        what: "the PKMF gives --members members PGKs over the network leg; one is revoked and hears nothing (the standard's way)",
        incident: Incident::Theft,
        solution: Solution::Pkmf,
        ..PLAIN
    },
    GroupScenario {
        name: "group-owner",
        what: "--members members join the group of an owner by certificates; one is expelled, keeps all its keys, and hears nothing (S3.4, T3.4-4)",
        incident: Incident::Theft,
        ..OWNER
    },
    GroupScenario {
        name: "group-owner-crash",
        what: "the owner crashes and starts again: a later epoch, and its members come back by themselves (T3.4-7)",
        incident: Incident::Crash,
        ..OWNER
    },
    GroupScenario {
        attack: Some(GroupAttack { by: By::RogueOwner, expect: Expect::Denied }),
        name: "attack-group-owner-rogue",
        what: "A5 owns the group with a certificate of an issuer that nobody trusts (T3.4-1)",
        ..OWNER
    },
    GroupScenario {
        attack: Some(GroupAttack { by: By::Between, expect: Expect::Denied }),
        name: "attack-group-owner-middle",
        what: "A1 between a member and the owner puts its own key into the member's proof (T3.4-2)",
        ..OWNER
    },
    GroupScenario {
        attack: Some(GroupAttack { by: By::Spy, expect: Expect::Stopped }),
        name: "attack-group-owner-spy",
        what: "A4, a member of the group, hears the join and the keys of another under its layer-2 identity (T3.4-3)",
        ..OWNER
    },
    GroupScenario {
        attack: Some(GroupAttack { by: By::AsOwner, expect: Expect::Passes }),
        name: "attack-group-owner-impostor",
        what: "A4, a member of the group, talks to it under the owner's layer-2 identity (T3.4-3)",
        ..OWNER
    },
    GroupScenario {
        name: "attack-group-owner-former",
        what: "A4 leaves the group, keeps all its keys, and hears nothing of the next epoch (T3.4-4)",
        incident: Incident::Leave,
        ..OWNER
    },
    GroupScenario {
        attack: Some(GroupAttack { by: By::OtherGroup, expect: Expect::Stopped }),
        name: "attack-group-owner-foreign",
        what: "A1, of another group of the same issuer, asks to join and listens with the key of its group (T3.4-5)",
        ..OWNER
    },
    GroupScenario {
        attack: Some(GroupAttack { by: By::Revoked { known: true }, expect: Expect::Stopped }),
        name: "attack-group-owner-revoked",
        what: "A4 joins with a revoked certificate, the owner has the list (T3.4-6)",
        ..OWNER
    },
    GroupScenario {
        attack: Some(GroupAttack { by: By::Revoked { known: false }, expect: Expect::Passes }),
        name: "attack-group-owner-unlisted",
        what: "A4 joins with a revoked certificate, the owner has no list yet (T3.4-6)",
        ..OWNER
    },
    GroupScenario {
        name: "group-invitation",
        what: "an owner invites --members members, to whom a NAF pushes the key; one is removed and hears nothing (S3.2, T3.2-6)",
        incident: Incident::Theft,
        ..INVITATION
    },
    GroupScenario {
        name: "group-white-list",
        what: "a NAF pushes the key to --members members on the owner's list; one is removed and hears nothing (S3.2, T3.2-6)",
        incident: Incident::Theft,
        ..WHITE_LIST
    },
    GroupScenario {
        solution: Solution::Invitation,
        ..attack(
            "attack-group-invitation-stolen",
            "A1 overhears the invitations, and joins by them as the subscriber that it is (T3.2-1)",
            By::StolenInvitation,
            Expect::Stopped,
        )
    },
    GroupScenario {
        solution: Solution::Invitation,
        incident: Incident::Theft,
        ..attack(
            "attack-group-invitation-replay",
            "A6: the radio of a member that was removed joins by the invitation of before (T3.2-2, T3.2-6)",
            By::OldInvitation,
            Expect::Stopped,
        )
    },
    GroupScenario {
        solution: Solution::Invitation,
        ..attack(
            "attack-group-invitation-echo",
            "A2 says all invitations and data again on the air (T3.2-2)",
            By::Replay(Replay::Soon),
            Expect::Stopped,
        )
    },
    GroupScenario {
        solution: Solution::WhiteList,
        ..attack(
            "attack-group-white-list-unlisted",
            "A8, which is not on the list, asks the NAF for the key, and takes no vector (T3.2-3)",
            By::NotListed,
            Expect::Stopped,
        )
    },
    GroupScenario {
        solution: Solution::WhiteList,
        ..attack(
            "attack-group-naf-flood",
            "A8 makes and joins groups 200 times a second while others join, and moves no sequence number (T3.2-4)",
            By::Flood,
            Expect::Stopped,
        )
    },
    GroupScenario {
        solution: Solution::WhiteList,
        ..attack(
            "attack-group-gpi-replay",
            "A2 on the network's path brings every pushed key again (T3.2-5)",
            By::RepeatsKeys,
            Expect::Stopped,
        )
    },
    GroupScenario {
        solution: Solution::Invitation,
        ..attack(
            "attack-group-curious-naf",
            "A7, who runs the NAF, listens to the group: the network knows its keys (T3.2-7)",
            By::CuriousNaf,
            Expect::Passes,
        )
    },
    GroupScenario {
        solution: Solution::Invitation,
        ..attack(
            "attack-group-push-lost",
            "A3 on the network's path takes the first key of every UE, and the first new one: they ask again (T3.2-8)",
            By::LosesKeys,
            Expect::Stopped,
        )
    },
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

impl GroupCase<'_> {
    /// Members that are switched on late: a fourth, the last ones, at least one, and never the caller.
    pub(crate) fn late(&self) -> usize {
        match self.scenario.mishap {
            Some(Mishap::Late) => self.members.div_ceil(4).min(self.members.saturating_sub(1)),
            Some(Mishap::Crash) | None => 0,
        }
    }
}
