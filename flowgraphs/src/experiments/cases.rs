//! Which cases there are.
//!
//! ```text
//! cases/keys.rs     attacks on keys of identities, tickets and crypto attributes
//! cases/overlays.rs the users' own security above a link
//! ```

mod keys;
mod overlays;

use crate::attacks::link::{Alter, Kind, Lure};
use crate::attacks::methods::Spelling;
use crate::experiments::overlay::OverlayCase;
use crate::experiments::signalling::Proxy;
use sidelink_network::mme::message::Kind as Material;
use sidelink_prose::direct_link::{Answer, Coverage, Variant};

/// A case.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Where the KD comes from.
    pub(crate) kd: KdSource,
    /// Milliseconds between re-keyings; at least twelve SC periods, where the command line does not say it.
    pub(crate) rekey: Option<u64>,
    pub(crate) reauthenticate: bool,
    /// What UE_1 says to UE_2, and whether it is answered.
    pub(crate) talk: Option<Talk>,
    /// On a carrier of 50 PRBs instead of 15.
    pub(crate) wide: bool,
    /// The users' own security above the link.
    pub(crate) overlay: Option<OverlayCase>,
    pub(crate) attack: Option<AttackCase>,
}

/// Where the KD of a link comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KdSource {
    /// Both have it.
    Shared,
    /// Signed ephemeral keys (method 2).
    Certificates,
    /// The networks of the UEs (flow N).
    Networks(Material),
    /// Keys that a key management server made for the identities (method 3).
    Identities(Variant),
    /// Tickets of a key management server (method 5).
    Tickets,
    /// Crypto attributes, which networks carry (method 6).
    Attributes,
    /// The keys of crypto attributes, said on the air: by no method of a UE.
    InClear(Spelling),
}

/// Data, every so often.
#[derive(Clone, Copy)]
pub(crate) struct Talk {
    /// Milliseconds between two.
    pub(crate) every: u64,
    /// Octets of each, at least.
    pub(crate) octets: usize,
    pub(crate) way: TalkWay,
}

/// Who talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TalkWay {
    /// UE_1.
    Forth,
    /// Both.
    Both,
}

/// Who else is there, and what must come of it.
#[derive(Clone, Copy)]
pub(crate) struct AttackCase {
    pub(crate) by: By,
    pub(crate) expect: Expect,
}

/// Who attacks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// A2: says everything again later.
    Replay,
    /// A1: asks in the name of UE_1, with another key under the same name.
    Forge,
    /// A4: a third UE with a KD of its own with UE_2 asks in the name of UE_1.
    Insider,
    /// A4: UE_2 asks to re-key again and again.
    Storm,
    /// A radio without a key.
    Attacker(Kind),
    /// A0: records everything, and reads it with what it comes by.
    Read(With),
    /// A7: a function between the UEs' networks. If it reads, a radio records beside it.
    Proxy(Proxy),
    /// A4: in the place of UE_2, with a key of its own at the server of tickets.
    Impostor,
    /// A1: in the place of UE_2, without keys.
    Omit,
    /// A4: signs the I_MESSAGE of UE_1 again, as its own.
    Resign,
    /// Nobody: UE_1 (0) or UE_2 (1) does not come to the server.
    Cut(usize),
    /// Nobody: the period of the keys ends while the link is up.
    Expire,
    /// A1: has brought UE_2 to do without ciphering.
    Persuade,
    /// Nobody: the key management server of the users is not reached.
    Offline,
}

/// What a reader comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum With {
    /// What was said on the air.
    Air,
    /// A6: the keys of UE_2's identity.
    Stolen,
    /// A7: what the key management server can make.
    Server,
    /// A7: the KD of the link, as the operator has it, and what its signalling carried.
    Operator,
}

/// What comes of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// The link comes about and nothing else does.
    Stopped,
    /// No link at all while it lasts, and none that is weaker.
    Denied,
    /// The protection does not stop it (X): how far it comes is measured.
    Passes,
}

impl AttackCase {
    /// The capability of the proposals' digest.
    pub(crate) const fn adversary(&self) -> &'static str {
        match self.by {
            By::Replay => "A2",
            By::Forge | By::Attacker(Kind::Flood { .. } | Kind::Spoof) => "A1",
            By::Omit | By::Persuade => "A1",
            By::Insider | By::Storm | By::Impostor | By::Resign => "A4",
            By::Attacker(Kind::Track) | By::Read(With::Air) => "A0",
            By::Read(With::Stolen) => "A6",
            By::Read(With::Server | With::Operator) | By::Proxy(_) => "A7",
            By::Cut(_) | By::Expire | By::Offline => "nobody",
            By::Attacker(Kind::Middle(_)) => "A3",
        }
    }
}

const PLAIN: Scenario = Scenario {
    name: "",
    what: "",
    kd: KdSource::Shared,
    rekey: None,
    reauthenticate: false,
    talk: None,
    wide: false,
    overlay: None,
    attack: None,
};

const DRAFT: KdSource = KdSource::Identities(Variant::Draft(Answer::None));
const FINAL: KdSource = KdSource::Identities(Variant::Final(Coverage::Clause));

const ANSWERED: KdSource = KdSource::Identities(Variant::Draft(Answer::Signed));

const TALK: Option<Talk> = Some(Talk { every: 120, octets: 0, way: TalkWay::Forth });
const BOTH: Option<Talk> = Some(Talk { every: 240, octets: 0, way: TalkWay::Both });

const fn attack(name: &'static str, what: &'static str, by: By, expect: Expect) -> Scenario {
    Scenario { name, what, attack: Some(AttackCase { by, expect }), ..PLAIN }
}

const fn middle(name: &'static str, what: &'static str, alter: Alter, expect: Expect) -> Scenario {
    attack(name, what, By::Attacker(Kind::Middle(alter)), expect)
}

/// All cases, in the order of the list.
pub(crate) fn all() -> impl Iterator<Item = &'static Scenario> {
    LINKS.iter().chain(keys::ATTACKS).chain(overlays::OVERLAYS)
}

const LINKS: &[Scenario] = &[
    Scenario { name: "direct-psk", what: "a link under a pre-shared KD (S4.1 with a cached key)", ..PLAIN },
    Scenario {
        name: "direct-certificate",
        what: "a link by signed ephemeral keys and X.509 certificates (S4.1 method 2)",
        kd: KdSource::Certificates,
        ..PLAIN
    },
    Scenario {
        name: "direct-network",
        what: "a link whose KD two MMEs make of half keys (S4.1 flow N)",
        kd: KdSource::Networks(Material::HalfKeys),
        ..PLAIN
    },
    Scenario {
        name: "direct-network-x25519",
        what: "the same with X25519 values that the MMEs only carry (S4.1 flow N, T4.1-11)",
        kd: KdSource::Networks(Material::PublicValues),
        ..PLAIN
    },
    Scenario {
        name: "direct-sakke",
        what: "a link by keys of identities: the command carries the key (S4.3 final, TS 33.303 §6.5.7)",
        kd: FINAL,
        ..PLAIN
    },
    Scenario {
        name: "direct-sakke-bound",
        what: "the same with a signature over the whole request and its time",
        kd: KdSource::Identities(Variant::Final(Coverage::Bound)),
        ..PLAIN
    },
    Scenario {
        name: "direct-sakke-draft",
        what: "a link by keys of identities: an I_MESSAGE behind the request carries the key (S4.3 draft)",
        kd: DRAFT,
        ..PLAIN
    },
    Scenario {
        name: "direct-sakke-answered",
        what: "the same, answered by an I_MESSAGE of UE_2",
        kd: ANSWERED,
        ..PLAIN
    },
    Scenario {
        name: "direct-ticket",
        what: "a link by a ticket of a key management server, and data both ways (S4.2, MIKEY-TICKET)",
        kd: KdSource::Tickets,
        talk: BOTH,
        ..PLAIN
    },
    Scenario {
        name: "direct-sdes",
        what: "a link whose keys the signalling of networks carries, and data both ways (S4.2, SDES)",
        kd: KdSource::Attributes,
        talk: BOTH,
        ..PLAIN
    },
    Scenario {
        name: "rekey",
        what: "a link whose session keys are made anew, traffic going on",
        rekey: Some(1000),
        talk: TALK,
        ..PLAIN
    },
    Scenario {
        name: "rekey-reauth",
        what: "the same with a new KD each time (Re-auth)",
        kd: KdSource::Certificates,
        rekey: Some(1000),
        talk: TALK,
        reauthenticate: true,
        ..PLAIN
    },
    Scenario {
        name: "rekey-stress",
        what: "re-keying every 200 ms under 500 kbit/s, at 50 PRBs: take --mcs 12; --seconds, --rekey-every, --kbps",
        rekey: Some(200),
        talk: Some(Talk { every: 20, octets: 1250, way: TalkWay::Forth }),
        wide: true,
        ..PLAIN
    },
    Scenario {
        rekey: Some(1000),
        talk: TALK,
        ..attack(
            "attack-track",
            "A0 listens and follows both UEs by what stays the same (T4.1-6, TRK-11)",
            By::Attacker(Kind::Track),
            Expect::Passes,
        )
    },
    attack(
        "attack-replay",
        "a link under a pre-shared KD while A2 says everything again later (T4.1-3)",
        By::Replay,
        Expect::Stopped,
    ),
    Scenario {
        rekey: Some(1000),
        talk: TALK,
        ..attack(
            "attack-replay-rekey",
            "the same with data, across re-keying (T4.1-3, TRK-1)",
            By::Replay,
            Expect::Stopped,
        )
    },
    attack(
        "attack-forge",
        "A1 asks for links in the name of UE_1 with another key (T4.1-1)",
        By::Forge,
        Expect::Stopped,
    ),
    attack(
        "attack-insider",
        "A4, with a key of its own with UE_2, asks in the name of UE_1 (T4.1-5)",
        By::Insider,
        Expect::Stopped,
    ),
    attack(
        "attack-flood",
        "A1 sends a thousand requests in the name of UE_1 under made-up KD IDs (T4.1-7)",
        By::Attacker(Kind::Flood { requests: 1000, with: Lure::MadeUp }),
        Expect::Stopped,
    ),
    attack(
        "attack-flood-named",
        "the same under the KD ID that A0 heard: each takes an answer of UE_2 (T4.1-7)",
        By::Attacker(Kind::Flood { requests: 1000, with: Lure::KdId }),
        Expect::Denied,
    ),
    Scenario {
        rekey: Some(1000),
        talk: TALK,
        ..attack(
            "attack-spoof",
            "A1 refuses, releases and re-keys in the names of both, unprotected (T4.1-8, TRK-2)",
            By::Attacker(Kind::Spoof),
            Expect::Stopped,
        )
    },
    middle(
        "attack-nonces",
        "A3 in the middle puts other nonces into requests and commands (T4.1-1)",
        Alter::Nonces,
        Expect::Denied,
    ),
    middle(
        "attack-bid-down",
        "A3 in the middle takes EEA2 and EIA2 out of requests (T4.1-2)",
        Alter::BidDown,
        Expect::Denied,
    ),
    middle(
        "attack-null",
        "A3 in the middle leaves null algorithms alone in requests (T4.1-2, T4.1-13)",
        Alter::NullOnly,
        Expect::Denied,
    ),
    Scenario {
        talk: TALK,
        ..middle(
            "attack-flip-data",
            "A3 in the middle flips a bit of all data (T4.1-9)",
            Alter::Data,
            Expect::Passes,
        )
    },
    middle(
        "attack-flip-signalling",
        "A3 in the middle flips a bit of every protected message (T4.1-1)",
        Alter::Protected,
        Expect::Denied,
    ),
    middle(
        "attack-jam-complete",
        "A3 keeps back the first two DIRECT_SECURITY_MODE_COMPLETE (TRK-4, T4.1-4)",
        Alter::Completes { keep: 2 },
        Expect::Stopped,
    ),
    Scenario {
        talk: TALK,
        ..attack(
            "attack-rekey-storm",
            "A4: UE_2 asks to re-key every 100 ms (TRK-10)",
            By::Storm,
            Expect::Stopped,
        )
    },
];
