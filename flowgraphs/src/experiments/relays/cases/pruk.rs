//! Relays with PRUKs.

use super::{By, Keying, Names, PLAIN, Rekeys, RelayAttack, RelayScenario};
use crate::experiments::cases::Expect;
use crate::experiments::relays::pruk::{Card, Held, PrukSettings};
use sidelink_network::relay_kd::Derivation;
use sidelink_network::remote_ue::ImsiPolicy;

const FIRST: PrukSettings = PrukSettings { pruk: Held::None, ..PrukSettings::CACHED };

const DRAFT: PrukSettings = PrukSettings { derivation: Derivation::Draft, ..PrukSettings::CACHED };
const NR: PrukSettings = PrukSettings { derivation: Derivation::Nr, ..PrukSettings::CACHED };

const fn attack(name: &'static str, what: &'static str, by: By, expect: Expect) -> RelayScenario {
    RelayScenario { name, what, attack: Some(RelayAttack { by, expect }), ..PLAIN }
}

const fn imsi(name: &'static str, what: &'static str, policy: ImsiPolicy, expect: Expect) -> RelayScenario {
    let keying = Keying::Pruk(PrukSettings { policy, ..PrukSettings::CACHED });
    RelayScenario { keying, ..attack(name, what, By::Refuse, expect) }
}

pub(super) const SCENARIOS: &[RelayScenario] = &[
    RelayScenario {
        name: "relay-pruk",
        what: "a remote UE with a PRUK gets a link to a relay (RCR, TS 33.303 §6.7.3.2.1)",
        talks: true,
        ..PLAIN
    },
    RelayScenario {
        name: "relay-pruk-first",
        what: "the same without a PRUK: the IMSI names it, and a key is pushed through the command",
        keying: Keying::Pruk(FIRST),
        ..PLAIN
    },
    RelayScenario {
        name: "relay-pruk-resync",
        what: "the same with a USIM that is out of step: the relay asks once more",
        keying: Keying::Pruk(PrukSettings { card: Card::Ahead, ..FIRST }),
        ..PLAIN
    },
    RelayScenario { name: "relay-pruk-many", what: "eight remote UEs at one relay", remotes: 8, ..PLAIN },
    RelayScenario {
        name: "relay-pruk-rekey",
        what: "the session key is made anew, traffic going on",
        rekeys: Rekeys::Session,
        talks: true,
        ..PLAIN
    },
    RelayScenario {
        name: "relay-pruk-rekey-kd",
        what: "KD is made anew: the remote UE wants it",
        rekeys: Rekeys::Kd,
        talks: true,
        ..PLAIN
    },
    RelayScenario {
        name: "relay-pruk-rekey-relay",
        what: "KD is made anew: the relay wants it",
        rekeys: Rekeys::KdByRelay,
        talks: true,
        ..PLAIN
    },
    RelayScenario {
        name: "relay-pruk-draft",
        what: "KD of the derivation parameter alone, as a draft had it",
        keying: Keying::Pruk(DRAFT),
        ..PLAIN
    },
    RelayScenario {
        name: "relay-pruk-nr",
        what: "KD as K_NRP of 5G (TS 33.503 A.8), the rest as in LTE",
        keying: Keying::Pruk(NR),
        ..PLAIN
    },
    imsi(
        "attack-relay-imsi-never",
        "a false relay refuses a remote UE that never shows its IMSI (TR-1)",
        ImsiPolicy::Never,
        Expect::Denied,
    ),
    imsi(
        "attack-relay-imsi-no-pruk",
        "the same, of one that shows it while it has no PRUK (TR-1)",
        ImsiPolicy::WithoutPruk,
        Expect::Denied,
    ),
    imsi(
        "attack-relay-imsi-proven",
        "the same, of one that shows it when a holder of discovery keys says so (TR-1)",
        ImsiPolicy::WhenProven,
        Expect::Denied,
    ),
    imsi(
        "attack-relay-imsi-rejected",
        "the same, of one that shows it to whoever refuses its PRUK ID, as the text has it (TR-1)",
        ImsiPolicy::WhenRejected,
        Expect::Passes,
    ),
    RelayScenario {
        keying: Keying::Pruk(PrukSettings { policy: ImsiPolicy::WithoutPruk, ..FIRST }),
        ..attack(
            "attack-relay-imsi-first",
            "A0 listens to a remote UE without a PRUK (TR-1)",
            By::Listen,
            Expect::Passes,
        )
    },
    RelayScenario {
        relays: 2,
        ..attack(
            "attack-relay-link",
            "A0 listens to a remote UE at two relays (TR-2)",
            By::Listen,
            Expect::Passes,
        )
    },
    RelayScenario {
        relays: 2,
        ..attack(
            "attack-relay-mixup",
            "a relay lets another radio say what it was granted (TR-3)",
            By::Mixup,
            Expect::Stopped,
        )
    },
    RelayScenario {
        relays: 2,
        keying: Keying::Pruk(DRAFT),
        ..attack(
            "attack-relay-mixup-draft",
            "the same where KD is of the derivation parameter alone (TR-3)",
            By::Mixup,
            Expect::Passes,
        )
    },
    attack(
        "attack-relay-gpi",
        "A1 answers requests with commands whose GPI is garbage (TR-4)",
        By::Garbage,
        Expect::Stopped,
    ),
    attack(
        "attack-relay-gpi-old",
        "A2 answers requests with commands whose GPI was used before (TR-5)",
        By::OldGpi,
        Expect::Stopped,
    ),
    attack(
        "attack-relay-unauthorised",
        "a relay that the key management function does not know (TR-7)",
        By::Unauthorised,
        Expect::Denied,
    ),
    attack(
        "attack-relay-flood",
        "A1 sends 200 requests under PRUK IDs that nobody has (TR-8)",
        By::Flood(Names::Random),
        Expect::Stopped,
    ),
    attack(
        "attack-relay-flood-imsi",
        "the same under the IMSI of a remote UE: each may cost a vector (TR-8)",
        By::Flood(Names::Victim),
        Expect::Passes,
    ),
    RelayScenario {
        relays: 2,
        ..attack(
            "attack-relay-revoked",
            "a stolen remote UE whose PRUKs are revoked between two links (TR-11)",
            By::Revoked,
            Expect::Stopped,
        )
    },
    RelayScenario {
        keying: Keying::Pruk(FIRST),
        ..attack(
            "attack-relay-accept",
            "A3 keeps back the first accept of a relay (TR-12)",
            By::Jam,
            Expect::Stopped,
        )
    },
    attack(
        "attack-relay-away",
        "the relay does not come to the network: no link, and a cause (TR-13)",
        By::Cut,
        Expect::Denied,
    ),
    RelayScenario {
        keying: Keying::Pruk(PrukSettings { policy: ImsiPolicy::Never, ..FIRST }),
        ..attack(
            "attack-relay-nameless",
            "a remote UE without a PRUK that never shows its IMSI: no request, and a cause (TR-13)",
            By::Nameless,
            Expect::Denied,
        )
    },
];
