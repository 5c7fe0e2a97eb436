//! Relays with PRUKs.

use super::{By, Keying, PLAIN, Rekeys, RelayAttack, RelayScenario};
use crate::experiments::cases::Expect;
use crate::experiments::relays::pruk::{Card, Held, PrukSettings};

const FIRST: PrukSettings = PrukSettings { pruk: Held::None, ..PrukSettings::CACHED };

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
        name: "attack-relay-away",
        what: "the relay does not come to the network: no link, and a cause (TR-13)",
        attack: Some(RelayAttack { by: By::Cut, expect: Expect::Denied }),
        ..PLAIN
    },
];
