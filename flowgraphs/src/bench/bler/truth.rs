//! The channel on every resource element, from the gains of the paths.

use sidelink_phy::Sample;
use sidelink_phy::grid::Grid;
use sidelink_phy::impair::fading::{ChannelModel, Fading};
use sidelink_phy::numerology::{Numerology, SUBCARRIER_SPACING};

/// Writes the channel of a subframe: the gains of the paths, each the mean over the samples of a symbol's FFT, with their
/// delays, all multiplied by `turn`. Inter-carrier interference of the gains' motion is not part of it, for no receiver
/// here equalises that.
pub(super) fn write(
    grid: &mut Grid,
    numerology: Numerology,
    model: ChannelModel,
    fading: Option<&Fading>,
    turn: Sample,
) {
    let (ChannelModel::Fading { profile, .. }, Some(fading)) = (model, fading) else {
        (0..grid.symbols()).for_each(|l| grid.symbol_mut(l).fill(turn));
        return;
    };
    // the receiver's window stands half a normal cyclic prefix early
    let early = numerology.fft() * 72 / 2048;
    let half = grid.subcarriers() as f64 / 2.0;
    for l in 0..grid.symbols() {
        let start = numerology.symbol_start(l) + numerology.cp_samples(l) - early;
        let row = grid.symbol_mut(l);
        row.fill(Sample::default());
        for (path, gain) in
            profile.paths().iter().zip(fading.mean_gains(start + Fading::LATENCY, numerology.fft()))
        {
            let turns = -SUBCARRIER_SPACING.0 * path.delay_ns * 1e-9;
            let (mut ramp, step) = (phasor(turns * (0.5 - half)), phasor(turns));
            for h in row.iter_mut() {
                *h += gain * turn * Sample::new(ramp.0 as f32, ramp.1 as f32);
                ramp = (ramp.0 * step.0 - ramp.1 * step.1, ramp.0 * step.1 + ramp.1 * step.0);
            }
        }
    }
}

/// Returns the real and the imaginary part; single precision would drift along the subcarriers.
fn phasor(turns: f64) -> (f64, f64) {
    let (sin, cos) = (2.0 * std::f64::consts::PI * turns).sin_cos();
    (cos, sin)
}

#[cfg(test)]
mod tests {
    use super::super::{AirConfig, Knowledge, air::Air};
    use super::*;
    use sidelink_phy::impair::rng::Rng;
    use sidelink_phy::sc_fdma::Demodulator;
    use sidelink_phy::units::{Antennas, Bandwidth, CyclicPrefix, Decibel, Hertz};

    /// Without noise every resource element is the sent one times its channel, but for interference between carriers and
    /// the paths that are later than half a prefix.
    #[test]
    fn the_receiver_meets_the_channel_that_is_told() {
        let numerology = Numerology::standard(Bandwidth::Prb25, CyclicPrefix::Normal);
        for (channel, cfo, most) in
            [("awgn", 1000.0, 1e-5), ("epa5", 0.0, 1e-5), ("eva300", -700.0, 3e-3), ("eva1500", 0.0, 5e-2)]
        {
            let config = AirConfig {
                channel: channel.parse().unwrap(),
                cfo: Hertz(cfo),
                antennas: Antennas::new(2).unwrap(),
                seed: 3,
            };
            let mut air = Air::new(numerology, config, Knowledge::Perfect);
            air.set_es_n0(Decibel(200.0));
            let mut rng = Rng::new(1);
            let mut sent = Grid::new(numerology);
            // the last symbol is not sent
            for l in 0..13 {
                sent.symbol_mut(l).fill_with(|| rng.complex_gaussian());
            }
            air.carry(&sent);
            let (channels, noise) = air.truth().unwrap();
            assert!(noise < 1e-19 && channels.len() == 2);
            let mut demodulator = Demodulator::new(numerology, numerology.fft() * 72 / 2048);
            for (samples, channel) in air.samples().into_iter().zip(channels) {
                let mut received = Grid::new(numerology);
                demodulator.demodulate(samples, Hertz(cfo), &mut received);
                let (mut error, mut power) = (0.0, 0.0);
                for l in 0..13 {
                    for ((y, x), h) in received.symbol(l).iter().zip(sent.symbol(l)).zip(channel.symbol(l)) {
                        error += (y - x * h).norm_sqr();
                        power += (x * h).norm_sqr();
                    }
                }
                assert!(error < most * power, "{:?}: {}", config.channel, error / power);
            }
            assert_ne!(channels[0].symbol(0)[0], channels[1].symbol(0)[0]);
        }
    }
}
