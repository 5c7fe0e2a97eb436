//! Relays with EAP-AKA': T5.1-1 to T5.1-8 of the proposals' digest; and links to relays by certificates, to compare with.

use super::{By, Keying, PLAIN, RelayAttack, RelayScenario};
use crate::attacks::relay_flood::Sources;
use crate::experiments::cases::Expect;
use crate::experiments::relays::eap::{Before, EapBy, EapSettings};
use sidelink_network::aaa::{FirstIdentity, ResultIndications};
use sidelink_network::relay_access::KdMaker;

const FULL: EapSettings = EapSettings::FULL;
const FAST: EapSettings = EapSettings { before: Before::Authenticated, ..FULL };
const DRAFT: EapSettings = EapSettings { maker: KdMaker::Relay, ..FULL };

/// What RFC 4187 advises: the IMSI is asked for again within EAP-AKA', and success is told under AT_MAC.
const CAREFUL: EapSettings = EapSettings {
    first_identity: FirstIdentity::AskedAgain,
    result_indications: ResultIndications::Offered,
    ..FULL
};

const EAP: RelayScenario = RelayScenario { keying: Keying::Eap(FULL), ..PLAIN };

const fn attack(name: &'static str, what: &'static str, by: By, expect: Expect) -> RelayScenario {
    RelayScenario { name, what, attack: Some(RelayAttack { by, expect }), ..EAP }
}

pub(super) const SCENARIOS: &[RelayScenario] = &[
    RelayScenario {
        name: "relay-eap",
        what: "the network authenticates a remote UE through its relay, by EAP-AKA' (S5.1, TR 33.833 §6.5.1)",
        talks: true,
        ..EAP
    },
    RelayScenario {
        name: "relay-eap-fast",
        what: "the same for a UE that was authenticated before: pseudonym and fast re-authentication",
        keying: Keying::Eap(FAST),
        ..EAP
    },
    RelayScenario {
        name: "relay-eap-careful",
        what: "the same with the rounds that RFC 4187 advises: identity asked again, success told",
        keying: Keying::Eap(CAREFUL),
        ..EAP
    },
    RelayScenario {
        name: "relay-eap-draft",
        what: "the same where the relay gets the MSK, as the draft has it",
        keying: Keying::Eap(DRAFT),
        ..EAP
    },
    RelayScenario {
        name: "relay-eap-many",
        what: "eight remote UEs at one relay, authenticated by the network",
        remotes: 8,
        ..EAP
    },
    RelayScenario {
        name: "relay-certificate",
        what: "a link to a relay by certificates (method 2), to compare with: no specification has it",
        keying: Keying::Certificates,
        ..PLAIN
    },
    attack(
        "attack-relay-eap-rogue",
        "A5, a relay without a way to the AAA server, makes challenges of its own (T5.1-1)",
        By::Eap(EapBy::WithoutAaa),
        Expect::Denied,
    ),
    attack(
        "attack-relay-eap-name",
        "A5, a relay of the network, announces the name of another relay (T5.1-2)",
        By::Eap(EapBy::OtherName(KdMaker::Network)),
        Expect::Denied,
    ),
    RelayScenario {
        keying: Keying::Eap(DRAFT),
        ..attack(
            "attack-relay-eap-name-draft",
            "the same in the draft, where the relay has the MSK (T5.1-2)",
            By::Eap(EapBy::OtherName(KdMaker::Relay)),
            Expect::Passes,
        )
    },
    attack(
        "attack-relay-eap-liar",
        "the same relay gives itself the name of the other one at the AAA server too (T5.1-2)",
        By::Eap(EapBy::LyingToAaa),
        Expect::Denied,
    ),
    attack(
        "attack-relay-eap-unauthorised",
        "a subscriber who may not use the relay tries (T5.1-3)",
        By::Eap(EapBy::NotAllowed),
        Expect::Denied,
    ),
    attack(
        "attack-relay-eap-flood",
        "A8 asks the relay without end, from one layer-2 identity (T5.1-3)",
        By::Eap(EapBy::Flood(Sources::One)),
        Expect::Denied,
    ),
    attack(
        "attack-relay-eap-flood-fresh",
        "the same from another layer-2 identity each time (T5.1-3)",
        By::Eap(EapBy::Flood(Sources::Fresh)),
        Expect::Denied,
    ),
    attack(
        "attack-relay-eap-replay",
        "A2, as a relay, says a challenge again that the remote UE has answered before (T5.1-4)",
        By::Eap(EapBy::ReplaysChallenge),
        Expect::Denied,
    ),
    RelayScenario {
        remotes: 2,
        ..attack(
            "attack-relay-eap-collect",
            "A0 collects the identities of remote UEs that are new to the network (T5.1-5)",
            By::Eap(EapBy::Collects),
            Expect::Passes,
        )
    },
    RelayScenario {
        remotes: 2,
        keying: Keying::Eap(FAST),
        ..attack(
            "attack-relay-eap-collect-again",
            "the same of remote UEs that were authenticated before (T5.1-5)",
            By::Eap(EapBy::Collects),
            Expect::Stopped,
        )
    },
    attack(
        "attack-relay-eap-pose",
        "A5, a relay that had a remote UE, poses as it at another relay (T5.1-6)",
        By::Eap(EapBy::PosesAsRemote),
        Expect::Denied,
    ),
    RelayScenario {
        talks: true,
        ..attack(
            "attack-relay-eap-curious",
            "A5, an honest but curious relay, reads what it passes on (T5.1-7)",
            By::Eap(EapBy::Curious),
            Expect::Passes,
        )
    },
    attack(
        "attack-relay-eap-away",
        "the AAA server does not answer: no link, and a cause (T5.1-8)",
        By::Cut,
        Expect::Denied,
    ),
];
