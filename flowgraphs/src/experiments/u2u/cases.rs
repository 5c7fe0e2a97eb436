//! Which cases there are: TU-1 to TU-10, and those without an attacker.

use super::parties::Validity;
use sidelink_phy::units::Decibel;
use sidelink_wire::u2u::Layer;

/// A case.
pub(crate) struct U2uScenario {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) layer: Layer,
    pub(crate) keys: KeySource,
    /// Whether another relay takes over while data flow.
    pub(crate) change: bool,
    pub(crate) policy: EndPolicy,
    pub(crate) attack: Option<U2uAttack>,
}

/// Where the KDs come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// Both ends of each link have one.
    Shared,
    /// Certificates with roles.
    Certificates,
    /// Certificates; mary has a KD of an ID with john, and he has one of this ID with somebody else.
    SameKdId,
}

/// What the target's end-to-end policy says of ciphering; the source requires it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndPolicy {
    Required,
    Preferred,
    NotNeeded,
}

/// Who attacks, and what must come of it.
#[derive(Clone, Copy)]
pub(crate) struct U2uAttack {
    pub(crate) by: By,
    pub(crate) expect: Expect,
}

impl By {
    /// Words of the note of the UE that notices it; none where nobody does.
    pub(crate) const fn noticed(self) -> Option<&'static str> {
        match self {
            Self::FlipSignalling => Some("wrong MAC-I"),
            Self::Replay => Some("this COUNT was accepted before"),
            Self::Role => Some("does not give this role"),
            Self::Impostor => Some("names somebody else"),
            Self::BidDown => Some("bidding-down"),
            Self::Policies => Some("requires a protection that the other does without"),
            Self::Reflect => Some("sent back a request of this UE"),
            Self::Clock(Validity::EndedAgo(40)) => Some("expired"),
            Self::Clock(Validity::BeginsIn(40)) => Some("begins to be valid"),
            _ => None,
        }
    }
}

/// Who attacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A5: the relay reads what it carries.
    Curious,
    /// A5: the relay flips a bit of protected signalling.
    FlipSignalling,
    /// A5: the relay flips a bit of each data PDU.
    FlipData,
    /// A5: the relay drops data.
    Drop,
    /// A5: the relay turns the order of data round.
    Reorder,
    /// A5: the relay carries data again, at once and later.
    Replay,
    /// A5: an end with the credential of an end poses as relay.
    Role,
    /// A5: the relay answers in the place of the target.
    Impostor,
    /// A1, at the best place for it: the relay takes the algorithms out of the request.
    BidDown,
    /// Nobody: the operators' policies do not meet.
    Policies,
    /// A5: the relay gives the source its own request.
    Reflect,
    /// Nobody: the relay's credential, as the clocks of the ends see it.
    Clock(Validity),
    /// Nobody: two peers have KDs of one ID.
    SameKdId,
    /// A0: a listener joins the hops by times and sizes.
    Correlate,
}

impl By {
    /// The capability of the proposals' digest.
    pub(crate) const fn adversary(self) -> &'static str {
        match self {
            Self::BidDown => "A1",
            Self::Correlate => "A0",
            Self::Policies | Self::Clock(_) | Self::SameKdId => "nobody",
            _ => "A5",
        }
    }
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// The path serves, and nothing else comes of it.
    Stopped,
    /// Nothing goes from end to end.
    Denied,
    /// The protection does not stop it (X).
    Passes,
}

/// A case to play.
#[derive(Clone, Copy)]
pub(crate) struct U2uCase<'a> {
    pub(crate) scenario: &'a U2uScenario,
    pub(crate) period: u64,
    pub(crate) snr: Decibel,
    pub(crate) mcs: u8,
    pub(crate) seed: u64,
    pub(crate) seconds: Option<u64>,
}

impl U2uCase<'_> {
    pub(crate) fn by(&self) -> Option<By> {
        self.scenario.attack.map(|attack| attack.by)
    }
}

const PLAIN: U2uScenario = U2uScenario {
    name: "",
    what: "",
    layer: Layer::Two,
    keys: KeySource::Shared,
    change: false,
    policy: EndPolicy::Required,
    attack: None,
};

const fn attack(name: &'static str, what: &'static str, by: By, expect: Expect) -> U2uScenario {
    U2uScenario { name, what, attack: Some(U2uAttack { by, expect }), ..PLAIN }
}

const fn certified(scenario: U2uScenario) -> U2uScenario {
    U2uScenario { keys: KeySource::Certificates, ..scenario }
}

const fn clock(name: &'static str, what: &'static str, validity: Validity, expect: Expect) -> U2uScenario {
    certified(attack(name, what, By::Clock(validity), expect))
}

/// All cases.
pub(crate) const ALL: &[U2uScenario] = &[
    U2uScenario {
        name: "u2u-l3",
        what: "a path of layer 3: two links, and the relay routes what is inside",
        layer: Layer::Three,
        ..PLAIN
    },
    U2uScenario {
        name: "u2u-l2",
        what: "a path of layer 2: two links, and one from end to end behind an adaptation header",
        ..PLAIN
    },
    certified(U2uScenario {
        name: "u2u-l3-certificates",
        what: "the same at layer 3, with certificates that say who may relay",
        layer: Layer::Three,
        ..PLAIN
    }),
    certified(U2uScenario {
        name: "u2u-l2-certificates",
        what: "the same at layer 2, with certificates that say who may relay",
        ..PLAIN
    }),
    U2uScenario {
        name: "u2u-l2-change",
        what: "TU-9: another relay takes over, and the link from end to end goes on",
        change: true,
        ..PLAIN
    },
    U2uScenario {
        layer: Layer::Three,
        ..attack(
            "attack-u2u-curious-l3",
            "TU-1: the relay of layer 3 reads what it routes (X)",
            By::Curious,
            Expect::Passes,
        )
    },
    attack(
        "attack-u2u-curious-l2",
        "TU-1: the relay of layer 2 reads what it carries",
        By::Curious,
        Expect::Stopped,
    ),
    attack(
        "attack-u2u-flip-signalling",
        "TU-2: the relay flips a bit of the first protected messages",
        By::FlipSignalling,
        Expect::Stopped,
    ),
    attack(
        "attack-u2u-flip-data",
        "TU-2: the relay flips a bit of data, which have no MAC-I in LTE (X)",
        By::FlipData,
        Expect::Passes,
    ),
    attack("attack-u2u-drop", "TU-2: the relay drops every third of the data", By::Drop, Expect::Stopped),
    attack(
        "attack-u2u-reorder",
        "TU-2: the relay turns the order of data round",
        By::Reorder,
        Expect::Stopped,
    ),
    attack("attack-u2u-replay", "TU-2: the relay carries data again", By::Replay, Expect::Stopped),
    certified(attack(
        "attack-u2u-role",
        "TU-3: an end poses as relay with the credential of an end",
        By::Role,
        Expect::Denied,
    )),
    certified(attack(
        "attack-u2u-impostor",
        "TU-4: the relay answers in the place of the target",
        By::Impostor,
        Expect::Denied,
    )),
    U2uScenario {
        policy: EndPolicy::Preferred,
        ..attack(
            "attack-u2u-bid-down",
            "TU-5: the algorithms are taken out of the request from end to end",
            By::BidDown,
            Expect::Denied,
        )
    },
    U2uScenario {
        policy: EndPolicy::NotNeeded,
        ..attack(
            "attack-u2u-policies",
            "TU-5: one end requires what the other does not use",
            By::Policies,
            Expect::Denied,
        )
    },
    attack(
        "attack-u2u-reflect",
        "TU-6: the source gets its own request in the name of the target",
        By::Reflect,
        Expect::Denied,
    ),
    clock(
        "attack-u2u-expired-20",
        "TU-7: the relay's credential ended 20 s ago: within the guard",
        Validity::EndedAgo(20),
        Expect::Stopped,
    ),
    clock(
        "attack-u2u-expired-40",
        "TU-7: the relay's credential ended 40 s ago",
        Validity::EndedAgo(40),
        Expect::Denied,
    ),
    clock(
        "attack-u2u-early-20",
        "TU-7: the relay's credential begins in 20 s: within the guard",
        Validity::BeginsIn(20),
        Expect::Stopped,
    ),
    clock(
        "attack-u2u-early-40",
        "TU-7: the relay's credential begins in 40 s",
        Validity::BeginsIn(40),
        Expect::Denied,
    ),
    clock(
        "attack-u2u-emergency",
        "TU-7: the relay's credential ended an hour ago, and the users say that it is an emergency",
        Validity::EndedAgoInEmergency(3600),
        Expect::Stopped,
    ),
    U2uScenario {
        keys: KeySource::SameKdId,
        ..attack(
            "attack-u2u-kd-id",
            "TU-8: the ends have different KDs of one KD ID: a full handshake follows",
            By::SameKdId,
            Expect::Stopped,
        )
    },
    attack(
        "attack-u2u-correlate",
        "TU-10: a listener joins both hops by times and sizes (X)",
        By::Correlate,
        Expect::Passes,
    ),
];
