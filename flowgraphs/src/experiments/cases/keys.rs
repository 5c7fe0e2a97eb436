//! Attacks on keys of identities (T4.3), tickets and crypto attributes (T4.2).

use super::{ANSWERED, By, DRAFT, Expect, FINAL, KdSource, Scenario, TALK, With, attack, middle};
use crate::attacks::link::{Alter, Kind, Lure};
use crate::attacks::methods::Spelling;
use crate::experiments::signalling::Proxy;

pub(super) const ATTACKS: &[Scenario] = &[
    Scenario {
        kd: FINAL,
        ..attack(
            "attack-sakke-forge",
            "A1 asks in the name of UE_1 with the keys of another key management server (T4.3-1)",
            By::Forge,
            Expect::Stopped,
        )
    },
    Scenario {
        kd: DRAFT,
        ..attack(
            "attack-sakke-forge-draft",
            "the same with an I_MESSAGE (T4.3-1)",
            By::Forge,
            Expect::Stopped,
        )
    },
    Scenario {
        kd: FINAL,
        ..attack(
            "attack-sakke-replay",
            "a link by keys of identities while A2 says everything again: commands that nobody can use (T4.3-2)",
            By::Replay,
            Expect::Stopped,
        )
    },
    Scenario {
        kd: DRAFT,
        ..attack(
            "attack-sakke-replay-draft",
            "the same with an I_MESSAGE, which is taken once: its echo of ten blocks drowns the next one (T4.3-2)",
            By::Replay,
            Expect::Denied,
        )
    },
    Scenario {
        kd: FINAL,
        ..attack(
            "attack-sakke-flood",
            "A1 sends a thousand requests with false signatures in the name of UE_1 (T4.3-6)",
            By::Attacker(Kind::Flood { requests: 1000, with: Lure::Signature }),
            Expect::Denied,
        )
    },
    Scenario {
        kd: DRAFT,
        ..attack(
            "attack-sakke-resign",
            "A4 signs the I_MESSAGE of UE_1 again as its own: a link that it cannot complete (T4.3-3)",
            By::Resign,
            Expect::Stopped,
        )
    },
    Scenario {
        kd: DRAFT,
        talk: TALK,
        ..attack(
            "attack-sakke-stolen",
            "A6 records a link, and takes the keys of UE_2's identity later (T4.3-4)",
            By::Read(With::Stolen),
            Expect::Passes,
        )
    },
    Scenario {
        kd: FINAL,
        talk: TALK,
        rekey: Some(2500),
        reauthenticate: true,
        ..attack(
            "attack-sakke-expired",
            "the period of all keys ends: no new key comes about, and the link goes on (T4.3-5)",
            By::Expire,
            Expect::Stopped,
        )
    },
    Scenario {
        kd: FINAL,
        talk: TALK,
        ..attack(
            "attack-sakke-escrow",
            "A7, the key management server, reads a recorded link (T4.3-7)",
            By::Read(With::Server),
            Expect::Passes,
        )
    },
    Scenario {
        kd: ANSWERED,
        ..attack(
            "attack-sakke-omit",
            "A1 answers in the place of UE_2, without the I_MESSAGE that is due (T4.3-8)",
            By::Omit,
            Expect::Denied,
        )
    },
    Scenario {
        kd: KdSource::InClear(Spelling::Attribute),
        talk: TALK,
        ..attack(
            "attack-sdes-guard",
            "SDES forced over PC5: no UE lets a crypto attribute onto the air (T4.2-1)",
            By::Read(With::Air),
            Expect::Denied,
        )
    },
    Scenario {
        kd: KdSource::InClear(Spelling::Octets),
        talk: TALK,
        ..attack(
            "attack-sdes-forced",
            "the same keys in a spelling that no guard knows: A0 hears them and reads the link (T4.2-1)",
            By::Read(With::Air),
            Expect::Passes,
        )
    },
    Scenario {
        kd: KdSource::Attributes,
        talk: TALK,
        ..attack(
            "attack-sdes-proxy",
            "A7 reads the crypto attributes that it carries, and then the link (T4.2-5)",
            By::Proxy(Proxy::Reads),
            Expect::Passes,
        )
    },
    Scenario {
        kd: KdSource::Attributes,
        ..attack(
            "attack-sdes-alter",
            "A7 puts another key into the offer: no link, and nobody is told why (T4.2-5)",
            By::Proxy(Proxy::Alters),
            Expect::Denied,
        )
    },
    Scenario {
        kd: KdSource::Tickets,
        ..attack(
            "attack-ticket-other",
            "A4 in the place of UE_2 has the ticket resolved with its own key (T4.2-2)",
            By::Impostor,
            Expect::Denied,
        )
    },
    Scenario {
        kd: KdSource::Tickets,
        ..attack(
            "attack-ticket-replay",
            "A2 says TRANSFER_INIT and everything else again (T4.2-3)",
            By::Replay,
            Expect::Stopped,
        )
    },
    Scenario {
        kd: KdSource::Tickets,
        ..attack(
            "attack-ticket-away",
            "UE_1 does not come to the key management server (T4.2-4)",
            By::Cut(0),
            Expect::Denied,
        )
    },
    Scenario {
        kd: KdSource::Tickets,
        ..attack(
            "attack-ticket-away-target",
            "UE_2 does not come to the key management server (T4.2-4)",
            By::Cut(1),
            Expect::Denied,
        )
    },
    Scenario {
        kd: KdSource::Tickets,
        ..middle(
            "attack-ticket-alter",
            "A7 on the way flips a bit of every TRANSFER_INIT (T4.2-5)",
            Alter::Long,
            Expect::Denied,
        )
    },
];
