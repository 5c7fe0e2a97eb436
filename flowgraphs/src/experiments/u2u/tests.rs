//! The cases over IQ.

use super::cases::{ALL, U2uCase, U2uScenario};
use super::costs::U2uCosts;
use super::parties::{Party, parties, text};
use super::setup::{play, play_configs};
use crate::commands::{self, Cli};
use crate::config::ue_toml::UeConfig;
use clap::Parser;
use sidelink_phy::units::Decibel;

fn scenario(name: &str) -> &'static U2uScenario {
    ALL.iter().find(|scenario| scenario.name == name).unwrap()
}

fn case(name: &str, period: u64, snr: f64) -> U2uCase<'static> {
    U2uCase { scenario: scenario(name), period, snr: Decibel(snr), mcs: 5, seed: 1, seconds: None }
}

/// Plays a case, which must come to what its scenario says.
fn played(case: &U2uCase<'_>) -> U2uCosts {
    let run = play(case).unwrap();
    let costs = U2uCosts::of(case, &run);
    assert_eq!(costs.unexpected(case), None, "{} {costs:#?}", case.scenario.name);
    costs
}

#[test]
fn a_path_of_layer_3_is_two_links_and_each_packet_is_ciphered_on_both() {
    let costs = played(&case("u2u-l3", 40, 20.0));
    assert_eq!((costs.messages, costs.transmissions, costs.ciphers), (8, 8, Some(4.0)), "{costs:#?}");
    assert_eq!((costs.sent, costs.delivered), (8, 8));
}

#[test]
fn a_path_of_layer_2_has_a_link_from_end_to_end_that_the_relay_carries() {
    let costs = played(&case("u2u-l2", 40, 20.0));
    assert_eq!((costs.messages, costs.transmissions, costs.ciphers), (12, 16, Some(2.0)), "{costs:#?}");
    assert_eq!((costs.sent, costs.delivered), (8, 8));
}

/// TU-9.
#[test]
fn a_link_from_end_to_end_outlives_its_relay() {
    let costs = played(&case("u2u-l2-change", 40, 20.0));
    assert_eq!((costs.end_keys, costs.counts_repeated), (1, 0), "{costs:#?}");
    assert!(costs.hop_keys >= 2);
}

/// TU-2, TU-3, TU-4, TU-6: a relay that is not what it says, or not honest. The others are in the campaign.
#[test]
fn relays_that_are_not_honest_come_to_nothing() {
    for name in ["attack-u2u-replay", "attack-u2u-role", "attack-u2u-impostor", "attack-u2u-reflect"] {
        played(&case(name, 40, 20.0));
    }
}

/// Three UEs by their files alone: keys of `sidelink keys certify`, and nothing from this program.
#[test]
fn three_files_are_enough() {
    let folder = tempfile::tempdir().unwrap();
    let keys = |arguments: &[&str]| {
        let file = |word: &&str| match word.strip_prefix("./") {
            Some(name) => folder.path().join(name).display().to_string(),
            None => (*word).to_owned(),
        };
        let words = ["sidelink", "keys"].iter().chain(arguments).map(file);
        commands::run(Cli::parse_from(words).command).unwrap();
    };
    keys(&["new-issuer", "north", "-o", "./issuer", "--days", "3650"]);
    let case = case("u2u-l2-certificates", 40, 20.0);
    let mut configs: Vec<(Party, UeConfig)> = Vec::new();
    for party in parties(&case) {
        let name = party.name();
        let role = if party == Party::Ruth { "relay" } else { "end" };
        let output = format!("./{name}");
        let made = ["certify", name, "--issuer", "./issuer", "-o", &output, "--days", "3650"];
        keys(&[&made[..], &["--role", role, "--relay-service", "000001"]].concat());
        let credential = format!(
            "[credential]\nkey = \"{name}.key\"\ncertificate = \"{name}.pem\"\ntrust = [\"issuer.pem\"]\nguard = 315360000000\n"
        );
        let path = folder.path().join(format!("{name}.toml"));
        std::fs::write(&path, text(&case, party) + &credential).unwrap();
        let mut config = UeConfig::from_file(&path).unwrap();
        config.device.level = 0.0;
        configs.push((party, config));
    }
    let costs = U2uCosts::of(&case, &play_configs(&case, &configs).unwrap());
    assert_eq!(costs.unexpected(&case), None, "{costs:#?}");
    assert_eq!((costs.messages, costs.delivered), (18, 8), "{costs:#?}");
}

#[test]
#[ignore = "long: every case at three signal-to-noise ratios"]
fn every_case_comes_to_what_it_must() {
    for scenario in ALL {
        for snr in [10.0, 15.0, 20.0] {
            let case = U2uCase { scenario, ..case("u2u-l2", 40, snr) };
            let costs = played(&case);
            eprintln!("{} {snr} dB: {:?} {:?}", costs.name, costs.outcome, costs.findings);
        }
    }
}

/// Each set-up takes the messages and periods that were predicted, unless it lost a message: keep-alives of the hops begin
/// while it lasts at long periods, and a UE that sends is deaf.
#[test]
#[ignore = "long: SC periods of 40 to 320 ms, five seeds"]
fn set_ups_take_the_periods_that_were_predicted() {
    for name in ["u2u-l3", "u2u-l2"] {
        for period in [40, 80, 160, 320] {
            let mut as_predicted = 0;
            for seed in 1..=5 {
                let case = U2uCase { seed, ..case(name, period, 20.0) };
                let costs = played(&case);
                let predicted = costs.predicted;
                eprintln!(
                    "{name} P = {period} seed {seed}: {:?} ms, {:?} periods",
                    costs.setup_ms, costs.periods
                );
                if costs.said.keys().any(|note| note.contains("try 1")) {
                    continue;
                }
                as_predicted += 1;
                let on_air = (predicted.messages, predicted.transmissions);
                assert_eq!((costs.messages, costs.transmissions), on_air, "{costs:#?}");
                assert!(costs.periods.unwrap() <= predicted.periods + 1, "{costs:#?}");
            }
            assert!(as_predicted >= 3, "{name} P = {period}: {as_predicted} of 5");
        }
    }
}

/// `sidelink compare`, in every form.
#[test]
fn paths_are_compared_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (json, csv, plot) = (file("all.json"), file("all.csv"), file("all.svg"));
    let to = |form: &str, file: &str| format!("{form}:{file}");
    let run = |words: &[&str]| {
        let words = ["sidelink"].iter().chain(words);
        commands::run(Cli::parse_from(words).command).unwrap();
    };
    run(&["scenario", "u2u-l3", "u2u-l2", "-F", &to("json", &json)]);
    run(&["compare", &json, "-F", &to("csv", &csv), "--plot", &plot]);
    let lines: Vec<String> = std::fs::read_to_string(&csv).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[1].starts_with("u2u-l3,40,") && lines[1].contains("8.0/8"), "{lines:?}");
    assert!(lines[2].starts_with("u2u-l2,40,") && lines[2].contains("16.0/16"), "{lines:?}");
    assert!(std::fs::read_to_string(&plot).unwrap().contains("Ciphering"));
}

#[test]
#[ignore = "long: the figures of docs/u2u.md"]
fn figures_of_the_page() {
    let words = ["sidelink", "compare", "u2u-l3", "u2u-l2", "u2u-l3-certificates", "u2u-l2-certificates"];
    let more = ["--period", "40,80,160,320", "--runs", "5"];
    commands::run(Cli::parse_from(words.iter().chain(&more)).command).unwrap();
    let words = ["sidelink", "scenario", "u2u-l3", "u2u-l2", "u2u-l2-change"];
    commands::run(Cli::parse_from(words).command).unwrap();
}
