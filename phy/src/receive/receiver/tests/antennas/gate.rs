//! What is taken for a collision, and what is not.

use super::*;
use crate::receive::cancel::may_hide;

/// Subframes of one UE, of 60, that arrive, and those among them that are suspected to hide another UE.
fn suspected(model: &str) -> (usize, usize) {
    let mut shared = Shared::new(Antennas::ONE);
    let mut air = Air::new(Bandwidth::Prb25, model, 20.0, 31);
    let (mut arrived, mut suspected) = (0, 0);
    for i in 0..60 {
        let (grid, block) = shared.block(&mut Rng::new(i), 100);
        let samples = air.carry(&[&grid], Antennas::ONE);
        let Some(measurement) = shared.receive(&samples, 100, &block) else { continue };
        arrived += 1;
        let prbs = Shared::grant(100).prbs;
        suspected += usize::from(may_hide(&measurement, 1.0, prbs, shared.front.grid(CP)));
    }
    (arrived, suspected)
}

/// Every suspicion costs a subtraction and another search.
#[test]
fn a_ue_alone_is_seldom_suspected_whether_it_moves_or_not() {
    for (model, most) in [("awgn", 1), ("eva70", 4), ("etu300", 5)] {
        let (arrived, suspected) = suspected(model);
        assert!(arrived >= 40 && suspected <= most, "{model}: {suspected} of {arrived}");
    }
}
