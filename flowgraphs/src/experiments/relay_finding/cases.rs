//! Which cases there are.

use sidelink_phy::units::Decibel;
use sidelink_prose::relay::discovery::Model;

/// A case.
pub(crate) struct FindingScenario {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) model: Model,
    /// The first relay fades, and there is a second one.
    pub(crate) fades: Fades,
    pub(crate) attack: Option<(By, Expect)>,
}

/// Whether the relay in use fades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fades {
    No,
    Yes,
}

/// Who attacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A1: a UE with a PSDK of its own announces itself as a relay of the service.
    Forge,
    /// A2: says everything of a relay that is gone again, later than MAX_OFFSET allows.
    ReplayOutside,
    /// A2: the same within MAX_OFFSET of the text.
    ReplayWithin,
    /// A4: a UE with the PSDK, and nothing else, announces itself, louder than the relay.
    Insider,
}

impl By {
    /// The capability of the proposals' digest.
    pub(crate) const fn adversary(self) -> &'static str {
        match self {
            Self::Forge => "A1",
            Self::ReplayOutside | Self::ReplayWithin => "A2",
            Self::Insider => "A4",
        }
    }

    /// Whether it says again what it heard.
    pub(crate) const fn is_replay(self) -> bool {
        matches!(self, Self::ReplayOutside | Self::ReplayWithin)
    }
}

/// What comes of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Nobody is taken for a relay that is none.
    Stopped,
    /// Somebody is (X). There is no link with it: what it costs is measured.
    Passes,
}

/// A case with its parameters.
#[derive(Clone, Copy)]
pub(crate) struct FindingCase<'a> {
    pub(crate) scenario: &'a FindingScenario,
    pub(crate) snr: Decibel,
    pub(crate) mcs: u8,
    pub(crate) seed: u64,
}

const PLAIN: FindingScenario =
    FindingScenario { name: "", what: "", model: Model::A, fades: Fades::No, attack: None };

/// All cases, in the order of the list.
pub(crate) const ALL: [FindingScenario; 7] = [
    FindingScenario {
        name: "relay-discovery-a",
        what: "a remote UE finds a relay that announces itself, and links to it (TS 24.334 §10A.2.2, model A)",
        ..PLAIN
    },
    FindingScenario {
        name: "relay-discovery-b",
        what: "the same where the remote UE asks (TS 24.334 §10A.2.4, model B)",
        model: Model::B,
        ..PLAIN
    },
    FindingScenario {
        name: "relay-reselect",
        what: "two relays, the one in use fades: the other is linked before it is left, data going on",
        fades: Fades::Yes,
        ..PLAIN
    },
    FindingScenario {
        name: "attack-relay-discovery-forge",
        what: "A1 announces a relay of the service without its PSDK",
        attack: Some((By::Forge, Expect::Stopped)),
        ..PLAIN
    },
    FindingScenario {
        name: "attack-relay-discovery-replay",
        what: "A2 says the announcements of a relay that is gone again, later than MAX_OFFSET (2 s) allows",
        attack: Some((By::ReplayOutside, Expect::Stopped)),
        ..PLAIN
    },
    FindingScenario {
        name: "attack-relay-discovery-window",
        what: "the same within the 32 s of MAX_OFFSET: a relay is found that is not there (X)",
        attack: Some((By::ReplayWithin, Expect::Passes)),
        ..PLAIN
    },
    FindingScenario {
        name: "attack-relay-discovery-insider",
        what: "A4, who has the PSDK and no key of the network, announces itself louder than the relay (X)",
        attack: Some((By::Insider, Expect::Passes)),
        ..PLAIN
    },
];
