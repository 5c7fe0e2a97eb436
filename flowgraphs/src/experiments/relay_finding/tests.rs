//! The cases over the air, and what must come of each.

use super::cases::{ALL, FindingCase, FindingScenario};
use super::costs::FindingCosts;
use super::fade::Fade;
use super::setup::play;
use sidelink_phy::units::Decibel;

fn scenario(name: &str) -> &'static FindingScenario {
    ALL.iter().find(|scenario| scenario.name == name).unwrap()
}

fn played(name: &str, snr: f64, seed: u64) -> FindingCosts {
    let case = FindingCase { scenario: scenario(name), snr: Decibel(snr), mcs: 5, seed };
    let costs = FindingCosts::of(&case, &play(&case).unwrap());
    assert_eq!(costs.failure, None, "{costs:?}");
    costs
}

#[test]
fn both_models_find_the_relay_as_predicted_and_measure_it() {
    for name in ["relay-discovery-a", "relay-discovery-b"] {
        let costs = played(name, 20.0, 1);
        assert_eq!(costs.found_periods, Some(costs.predicted_periods), "{costs:?}");
        // One less where the answer comes before the second question.
        assert!(
            (costs.predicted_messages - 1..=costs.predicted_messages).contains(&costs.messages.max(1)),
            "{costs:?}"
        );
        let dbm = costs.found_dbm.unwrap();
        assert!((f64::from(dbm) - costs.level_dbm).abs() < 1.0, "{dbm} dBm");
        assert_eq!(costs.signalling, 4, "{costs:?}");
        assert!(costs.delivered > 10 && costs.links_lost == 0, "{costs:?}");
        let asks = name.ends_with('b');
        assert_eq!(costs.sent_messages.map(|count| count > 0), [!asks, asks, asks], "{costs:?}");
    }
}

#[test]
fn a_fading_relay_is_left_for_another_one_without_a_loss_of_the_link() {
    let costs = played("relay-reselect", 20.0, 1);
    assert_eq!(costs.links_lost, 0, "{costs:?}");
    assert!(costs.both_ms > 0, "make before break: {costs:?}");
    assert!(costs.sent - costs.delivered <= costs.sent / 20, "{costs:?}");
}

#[test]
fn nobody_without_the_keys_and_in_time_is_taken_for_a_relay() {
    for name in ["attack-relay-discovery-forge", "attack-relay-discovery-replay"] {
        let costs = played(name, 20.0, 1);
        assert!(!costs.refused.is_empty(), "{costs:?}");
    }
}

#[test]
fn an_insider_is_taken_for_a_relay_and_gets_no_link() {
    let costs = played("attack-relay-discovery-insider", 20.0, 1);
    assert!(costs.fooled > 0 && costs.linked_ms.is_some(), "{costs:?}");
}

/// All cases at three signal-to-noise ratios, with several seeds.
#[test]
#[ignore = "long: minutes"]
fn all_cases_at_three_ratios() {
    for scenario in &ALL {
        for snr in [8.0, 14.0, 20.0] {
            for seed in 1..=3 {
                let costs = played(scenario.name, snr, seed);
                eprintln!("{}", serde_json::to_string(&costs).unwrap());
            }
        }
    }
}

#[test]
fn a_fade_begins_grows_and_ends() {
    let fade = Fade { from: 1000, slope: Decibel(3.0), most: Decibel(12.0) };
    for (millis, lost) in [(0.0, 0.0), (1000.0, 0.0), (2000.0, 3.0), (5000.0, 12.0), (9000.0, 12.0)] {
        assert_eq!(fade.at(millis), Decibel(lost));
    }
}
