//! Relays on the air: what comes of each scenario, and what it costs beside what it should.

use super::cases::{RelayCase, RelayScenario, all};
use super::costs::RelayCosts;
use super::setup::play;
use sidelink_phy::units::Decibel;

fn scenario(name: &str) -> &'static RelayScenario {
    all().find(|scenario| scenario.name == name).unwrap()
}

fn case(name: &str) -> RelayCase<'static> {
    let scenario = scenario(name);
    let remotes = scenario.remotes;
    RelayCase {
        scenario,
        remotes,
        period: 40,
        snr: Decibel(20.0),
        mcs: 5,
        network_rtt: 40,
        seconds: None,
        seed: 1,
    }
}

fn run(case: &RelayCase<'_>) -> RelayCosts {
    let costs = RelayCosts::of(case, &play(case).unwrap());
    assert_eq!(costs.unexpected(case), None, "{}: {} {:?}", costs.name, costs.outcome, costs.said);
    costs
}

fn names(costs: &RelayCosts) -> Vec<&str> {
    costs.hops[0].messages.iter().map(|message| message.name.as_str()).collect()
}

// TS 33.303 §6.7.3.2.1.1
/// Four messages, a request of 41 octets, one round trip to the PKMF, no vector.
#[test]
fn a_cached_pruk_takes_four_messages_and_one_round_trip() {
    let costs = run(&case("relay-pruk"));
    let hop = &costs.hops[0];
    assert_eq!(hop.setup_sum(|spent| spent.msgs), 4, "{:?}", names(&costs));
    assert_eq!(hop.messages[0].spent.l3_octets, 41);
    assert_eq!(costs.vectors, 0);
    assert_eq!(costs.network.points["PC8 (relay)"].messages, 2);
    assert!(!costs.network.points.contains_key("Zpn"));
    // The first message waits for its period, and what follows an answer of the network for the next one.
    let (ms, should) = (hop.setup_ms[0].unwrap(), costs.predicted.ms);
    assert!((should.saturating_sub(40)..=should + 3 * 40).contains(&ms), "{ms} {should}");
    assert!(hop.delivered > 0);
}

// TS 33.303 §6.7.3.2.1.1
/// Without a PRUK the IMSI names the remote UE, and a key comes through the command: one vector, and the PRUK is there after it.
#[test]
fn without_a_pruk_a_key_comes_through_the_command() {
    let costs = run(&case("relay-pruk-first"));
    assert_eq!(costs.hops[0].setup_sum(|spent| spent.msgs), 4, "{:?}", names(&costs));
    assert_eq!(costs.vectors, 1);
    assert_eq!((costs.network.points["Zpn"].messages, costs.network.points["Zh"].messages), (2, 2));
    // The USIM, pending, and current once the link is up.
    assert_eq!(costs.findings["durable writes of remote UEs"], 3);
}

// TS 33.303 §6.7.3.2.1.2
/// A USIM out of step: one message and one command more, two vectors.
#[test]
fn a_card_that_is_ahead_costs_one_round_more() {
    let costs = run(&case("relay-pruk-resync"));
    assert_eq!(costs.hops[0].setup_sum(|spent| spent.msgs), 6, "{:?}", names(&costs));
    assert_eq!(costs.vectors, 2);
    assert_eq!(costs.network.points["PC8 (relay)"].messages, 4);
}

/// TR-3, the headline: what a relay was granted serves another radio under the draft, and nobody under the text.
#[test]
fn a_relay_is_taken_for_another_under_the_draft_alone() {
    for name in ["attack-relay-mixup", "attack-relay-mixup-draft"] {
        let costs = run(&case(name));
        assert_eq!(costs.gained().is_some(), name.ends_with("draft"), "{}", costs.outcome);
    }
}

/// Every scenario comes as it must, at three signal-to-noise ratios.
#[test]
#[ignore = "long: every scenario of relays at 10, 15 and 20 dB"]
fn every_scenario_comes_as_it_must() {
    let mut failed = Vec::new();
    for scenario in all() {
        for snr in [20.0, 15.0, 10.0] {
            let case = RelayCase { snr: Decibel(snr), ..case(scenario.name) };
            let costs = RelayCosts::of(&case, &play(&case).unwrap());
            let hops: Vec<_> = costs.hops.iter().map(|hop| (hop.setup_ms, hop.rekey_ms)).collect();
            eprintln!(
                "{} {snr} dB: {}; {hops:?}, should {}, vectors {}, attacks {} {:?}",
                costs.name, costs.outcome, costs.predicted.ms, costs.vectors, costs.attacks, costs.findings
            );
            if let Some(why) = costs.unexpected(&case) {
                eprintln!("    FAILED: {why} {:?}", costs.said);
                failed.push(format!("{} {snr} dB: {why}", costs.name));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// What is measured beside what is predicted, at every SC period and with a network near and far.
#[test]
#[ignore = "long: costs at P = 40 to 320"]
fn costs_are_as_predicted_at_every_period() {
    for period in [40, 80, 160, 320] {
        for network_rtt in [40, 500, 2000] {
            for name in ["relay-pruk", "relay-pruk-first", "relay-pruk-resync"] {
                let case = RelayCase { period, network_rtt, ..case(name) };
                let costs = run(&case);
                let (hop, should) = (&costs.hops[0], costs.predicted);
                eprintln!(
                    "{name} P = {period} RTT = {network_rtt}: {:?} ms, should {}; {} messages, should {}; L3 {} PDU {} TBs {} periods {}; {:?}",
                    hop.setup_ms,
                    should.ms,
                    hop.setup_sum(|s| s.msgs),
                    should.messages,
                    hop.setup_sum(|s| s.l3_octets),
                    hop.setup_sum(|s| s.pdu_octets),
                    hop.setup_sum(|s| s.n_tb),
                    hop.setup_sum(|s| s.sc_periods),
                    costs.network.points
                );
                assert_eq!(hop.setup_sum(|spent| spent.msgs), should.messages, "{:?}", names(&costs));
                let ms = hop.setup_ms[0].unwrap();
                // Each answer of the network waits for the next period, and the first message for its own; the first and the last
                // do not take all of theirs.
                let late = period * (2 + should.round_trips);
                assert!(
                    (should.ms.saturating_sub(2 * period)..=should.ms + late).contains(&ms),
                    "{ms} {should:?}"
                );
            }
        }
    }
}
