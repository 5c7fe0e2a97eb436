//! The meter over IQ.

use super::builds::{all, build};
use super::costs::DiscoveryCosts;
use super::engine::{Cast, run};
use super::setting::Setting;

/// A small pool that is quick: 6 PRBs, 8 subframes.
fn small() -> Setting {
    Setting {
        announcers: 4,
        monitors: 1,
        bandwidth: sidelink_phy::units::Bandwidth::Prb15,
        prbs: 14,
        subframes: 8,
        seconds: 3.2,
        ..Setting::default()
    }
}

#[test]
fn every_build_finds_everybody() {
    for build in all() {
        let setting = small();
        let costs = DiscoveryCosts::of(build, &setting, &run(build, &setting, Cast::default()).unwrap());
        assert_eq!(costs.failure, None, "{costs:#?}");
        assert_eq!(costs.first_ms.len(), costs.pairs, "{costs:#?}");
        let verified = match build.predicted.verifier {
            super::builds::Verifier::Nobody => 0,
            _ => costs.pairs,
        };
        assert_eq!(costs.verified_ms.len(), verified, "{costs:#?}");
        assert_eq!((costs.false_matches, costs.missed), (0, 0), "{costs:#?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let played = |seed| {
        let setting = Setting { seed, ..small() };
        let run = run(build("discovery-restricted").unwrap(), &setting, Cast::default()).unwrap();
        (run.sent.iter().map(|s| s.message).collect::<Vec<_>>(), run.entries.len())
    };
    assert_eq!(played(3), played(3));
    assert_ne!(played(3), played(4));
}
