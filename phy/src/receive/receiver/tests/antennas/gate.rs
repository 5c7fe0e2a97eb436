//! What is taken for a collision, and what is not.

use super::*;
use crate::receive::cancel::{Explained, may_hide};
use crate::sc_fdma::rotate;

/// Subframes of one UE, of 60, that arrive, and those among them that are suspected to hide another UE, where its offset
/// is left in.
fn suspected(model: &str, offset: Hertz, explained: Explained) -> (usize, usize) {
    let mut shared = Shared::new(Antennas::ONE);
    let mut air = Air::new(Bandwidth::Prb25, model, 20.0, 31);
    let (mut arrived, mut suspected) = (0, 0);
    for i in 0..60 {
        let (grid, block) = shared.block(&mut Rng::new(i), 100);
        let mut samples = air.carry(&[&grid], Antennas::ONE);
        rotate(&mut samples[0], 0.0, offset / air.numerology.sample_rate());
        let Some(measurement) = shared.receive(&samples, 100, &block) else { continue };
        arrived += 1;
        let prbs = Shared::grant(100).prbs;
        suspected += usize::from(may_hide(&measurement, explained, 1.0, prbs, shared.front.grid(CP)));
    }
    (arrived, suspected)
}

/// Every suspicion costs a subtraction and another search.
#[test]
fn a_ue_alone_is_seldom_suspected_whether_it_moves_or_not() {
    for (model, most) in [("awgn", 1), ("eva70", 4), ("etu300", 5)] {
        let (arrived, suspected) = suspected(model, Hertz(0.0), Explained::ByNoise);
        assert!(arrived >= 40 && suspected <= most, "{model}: {suspected} of {arrived}");
    }
}

/// An offset of 800 Hz spreads each subcarrier over the others as strongly as there is noise at 20 dB: that is no other UE.
#[test]
fn the_interference_of_an_own_offset_is_no_suspicion() {
    for offset in [Hertz(800.0), Hertz(-800.0)] {
        let (arrived, unexplained) = suspected("awgn", offset, Explained::ByNoise);
        assert!(arrived == 60 && unexplained >= 50, "{offset}: {unexplained} of {arrived}");
        let (_, explained) = suspected("awgn", offset, Explained::ByNoiseAndOffset);
        assert!(explained <= 3, "{offset}: {explained}");
    }
}
