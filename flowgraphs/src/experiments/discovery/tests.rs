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
        seconds: 6.4,
        ..Setting::default()
    }
}

#[test]
fn every_build_finds_everybody() {
    for build in all() {
        // What needs several blocks of one announcer needs more periods.
        let seconds = small().seconds * f64::from(build.predicted.blocks);
        let setting = Setting { seconds, ..small() };
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

/// T2.0-* to T2.2-*: a part of each case. The whole is in the campaign.
#[test]
fn attacks_come_to_what_they_must() {
    let quick = |case: &super::cases::AttackCase| {
        let game = super::cases::Game { seed: 1, scale: super::cases::Scale::Quick };
        super::cases::play(case, game).unwrap()
    };
    let cases: Vec<_> = super::cases::all().collect();
    let found = super::runs::each(&cases, |case| Ok(quick(case))).unwrap();
    let wrong =
        |findings: &&super::cases::Findings| findings.found.is_empty() || !findings.unexpected.is_empty();
    let wrong: Vec<_> = found.iter().filter(wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
#[ignore = "long: every case as a whole, three seeds"]
fn the_whole_of_every_attack() {
    for seed in 1..=3 {
        for case in super::cases::all() {
            let game = super::cases::Game { seed, scale: super::cases::Scale::Whole };
            let findings = super::cases::play(case, game).unwrap();
            eprintln!("{findings:#?}");
            assert!(findings.unexpected.is_empty(), "{findings:#?}");
        }
    }
}

/// `sidelink scenario` and `compare`, in every form.
#[test]
fn protections_are_compared_in_every_form() {
    use crate::commands::{self, Cli};
    use clap::Parser;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (json, csv, plot) = (file("all.json"), file("all.csv"), file("all.svg"));
    let to = |form: &str, file: &str| format!("{form}:{file}");
    let run = |words: &[&str]| {
        let small = [
            "--announcers",
            "3",
            "--monitors",
            "1",
            "--pool-subframes",
            "8",
            "--seconds",
            "4",
            "--seeds",
            "3",
        ];
        let words = ["sidelink"].iter().chain(words).chain(&small);
        commands::run(Cli::parse_from(words).command).unwrap();
    };
    run(&["scenario", "discovery-restricted", "-F", &to("json", &json)]);
    // A file twice is no second sample.
    run(&["compare", &json, &json, "discovery-rotating", "-F", &to("csv", &csv), "--plot", &plot]);
    let lines: Vec<String> = std::fs::read_to_string(&csv).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[1].starts_with("discovery-restricted,3,1,8,320,1,20,0,0,40,44/50,-,4,3,"), "{lines:?}");
    assert!(lines[2].starts_with("discovery-rotating,3,") && lines[2].contains("+-"), "{lines:?}");
    let picture = std::fs::read_to_string(&plot).unwrap();
    assert!(picture.contains("Time to verification") && picture.contains("+-"));
}
