use super::*;
use crate::experiments::network::relay::block_octets;
use crate::experiments::network::ways::Way;

fn measured(loss: f64, seed: u64) -> Vec<Measured> {
    measure(&Ways::all(Way { round_trip: 40, loss }), seed).unwrap()
}

#[test]
fn each_way_costs_what_it_sends() {
    let all = measured(0.0, 1);
    let of = |at: usize| (all[at].cost.messages, all[at].cost.round_trips, all[at].millis);
    // TCP and two round trips of TLS 1.2, or one of 1.3; the request.
    assert_eq!(of(0), (6, 4, 160));
    assert_eq!(of(1), (5, 3, 120));
    // Six exchanges of IKE, TCP, the request and an answer in three packets, which come together.
    assert_eq!(of(2), (16, 8, 320));
    // Short messages to the card, and one back.
    assert_eq!(all[3].cost.round_trips, 1);
    for way in &all {
        let Cost { octets, blocks, messages, .. } = way.cost;
        assert!(blocks * block_octets() as u64 > octets && blocks >= messages, "{way:?}");
        assert!(blocks < octets / 100 + 2 * messages, "{way:?}");
    }
    // Without TLS on it a configuration is the same for all: what differs is what proves and hides it.
    assert!(all[3].cost.octets < all[0].cost.octets && all[0].cost.octets < all[1].cost.octets);
}

#[test]
fn the_same_seed_costs_the_same_and_loss_costs_time() {
    let costs =
        |loss, seed| measured(loss, seed).into_iter().map(|way| (way.cost, way.millis)).collect::<Vec<_>>();
    assert_eq!(costs(0.3, 5), costs(0.3, 5));
    let (quiet, lossy) = (costs(0.0, 5), costs(0.3, 5));
    assert!(quiet.iter().zip(&lossy).any(|(quiet, lossy)| quiet.1 < lossy.1));
    assert!(quiet.iter().zip(&lossy).all(|(quiet, lossy)| quiet.0.octets == lossy.0.octets));
}
