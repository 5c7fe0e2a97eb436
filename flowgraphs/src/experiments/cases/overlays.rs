//! The users' own security above a link (S3.3), and attacks on it (T3.3).

use super::{By, Expect, PLAIN, Scenario, With, attack, middle};
use crate::attacks::link::Alter;
use crate::experiments::overlay::{Eps, Method, OverlayCase, Switch};
use crate::experiments::tickets::Reach;

const fn overlay(name: &'static str, what: &'static str, method: Method) -> Scenario {
    Scenario { name, what, overlay: Some(OverlayCase::new(method)), ..PLAIN }
}

/// The same where the link ciphers nothing.
const fn null(name: &'static str, method: Method) -> Scenario {
    let what = "the same over a link without ciphering (EEA0)";
    Scenario {
        overlay: Some(OverlayCase { eps: Eps::Null, ..OverlayCase::new(method) }),
        ..overlay(name, what, method)
    }
}

const SAKKE: OverlayCase = OverlayCase::new(Method::SrtpSakke);

pub(super) const OVERLAYS: &[Scenario] = &[
    overlay(
        "overlay-none",
        "voice as IP over a link, which alone protects it: to compare with",
        Method::None,
    ),
    overlay(
        "overlay-srtp-sakke",
        "voice as SRTP over a link; the key by an I_MESSAGE of the users' own server (S3.3, overlay C)",
        Method::SrtpSakke,
    ),
    null("overlay-srtp-sakke-null", Method::SrtpSakke),
    overlay(
        "overlay-srtp-sdes",
        "voice as SRTP; the keys by crypto attributes over the networks (S3.3, overlay C)",
        Method::SrtpSdes,
    ),
    null("overlay-srtp-sdes-null", Method::SrtpSdes),
    overlay(
        "overlay-srtp-ticket",
        "voice as SRTP; the key by a ticket (S3.3, overlay C)",
        Method::SrtpTicket,
    ),
    null("overlay-srtp-ticket-null", Method::SrtpTicket),
    overlay("overlay-esp", "voice in ESP tunnels, by IKEv2 with a shared key (S3.3, overlay B)", Method::Esp),
    null("overlay-esp-null", Method::Esp),
    overlay("overlay-tls-psk", "voice in TLS 1.3 with a shared key (S3.3, overlay A)", Method::TlsPsk),
    null("overlay-tls-psk-null", Method::TlsPsk),
    overlay(
        "overlay-tls-p256",
        "voice in TLS 1.3 with certificates of both on P-256 (S3.3, overlay A)",
        Method::TlsP256,
    ),
    null("overlay-tls-p256-null", Method::TlsP256),
    Scenario {
        overlay: Some(OverlayCase { switch: Switch::OverUu, ..SAKKE }),
        ..overlay(
            "overlay-switch",
            "the link ends under load, packets go over Uu, and come back to a new link (T3.3-3)",
            Method::SrtpSakke,
        )
    },
    Scenario {
        overlay: Some(OverlayCase { switch: Switch::LinkAgain, ..OverlayCase::new(Method::None) }),
        ..overlay(
            "overlay-switch-none",
            "to compare with: the link alone protects, ends, and is set up again at once (T3.3-3)",
            Method::None,
        )
    },
    Scenario {
        overlay: Some(OverlayCase { kms: Reach::Away, ..SAKKE }),
        ..overlay(
            "overlay-offline-sakke",
            "out of coverage, the users' server offline: keys of identities serve (T3.3-4)",
            Method::SrtpSakke,
        )
    },
    Scenario {
        overlay: Some(OverlayCase { kms: Reach::Away, ..OverlayCase::new(Method::SrtpTicket) }),
        ..attack(
            "overlay-offline-ticket",
            "the same with tickets: the link comes, the overlay never (T3.3-4)",
            By::Offline,
            Expect::Denied,
        )
    },
    Scenario {
        overlay: Some(SAKKE),
        ..attack(
            "attack-overlay-read",
            "A7, who has the KD of the link, reads a recording of it: SRTP stays closed (T3.3-1)",
            By::Read(With::Operator),
            Expect::Stopped,
        )
    },
    Scenario {
        overlay: Some(OverlayCase { eps: Eps::Null, ..OverlayCase::new(Method::Esp) }),
        ..attack(
            "attack-overlay-read-esp",
            "the same with ESP over a link without ciphering (T3.3-1)",
            By::Read(With::Operator),
            Expect::Stopped,
        )
    },
    Scenario {
        overlay: Some(OverlayCase::new(Method::None)),
        ..attack(
            "attack-overlay-read-none",
            "the same without an overlay: the operator reads all (T3.3-1)",
            By::Read(With::Operator),
            Expect::Passes,
        )
    },
    Scenario {
        overlay: Some(OverlayCase::new(Method::SrtpSdes)),
        ..attack(
            "attack-overlay-read-sdes",
            "the same with SRTP by SDES, whose keys the operator carried: it reads all (T3.3-1)",
            By::Read(With::Operator),
            Expect::Passes,
        )
    },
    Scenario {
        overlay: Some(SAKKE),
        ..middle(
            "attack-overlay-null",
            "A1 in the middle leaves null algorithms alone in requests (T3.3-2)",
            Alter::NullOnly,
            Expect::Denied,
        )
    },
    Scenario {
        overlay: Some(OverlayCase { eps: Eps::Either, ..SAKKE }),
        ..middle(
            "attack-overlay-null-policy",
            "the same of ciphering alone, where both policies allow it for the overlay: the echo differs (T3.3-2)",
            Alter::NullCiphering,
            Expect::Denied,
        )
    },
    Scenario {
        overlay: Some(OverlayCase { eps: Eps::NullAtTarget, ..SAKKE }),
        ..attack(
            "attack-overlay-null-peer",
            "A1 brought UE_2 to do without ciphering, and UE_1's policy knows of no overlay (T3.3-2)",
            By::Persuade,
            Expect::Denied,
        )
    },
];
