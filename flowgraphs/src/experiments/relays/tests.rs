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
    // The first message waits for its period, up to one, and the rest is as predicted.
    let (ms, should) = (hop.setup_ms[0].unwrap(), costs.predicted.ms);
    assert!((should.saturating_sub(40)..=should + 80).contains(&ms), "{ms} {should}");
    assert!(hop.delivered > 0);
}
