//! Quality of equalised symbols with several antennas: what combining and rejection leave, and whether it is what the
//! measurement promises.

use super::*;

/// What arrives beside the block.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Other {
    Nothing,
    /// The same PRBs, and a level in dB.
    UeAt(f32),
    /// Half of the PRBs, and a level in dB.
    HalfAt(f32),
}

/// Mean quality of many blocks.
#[derive(Clone, Copy, Debug)]
struct Quality {
    /// Error against the symbols, in dB.
    error_db: f32,
    /// That error against the measured ratio, in dB.
    measured_db: f32,
    /// That error against the one that the equaliser promises, in dB.
    excess_db: f32,
}

fn quality(antennas: Antennas, model: &str, es_n0: f64, other: Other, gains: &[f32]) -> Quality {
    let mut air = Air::new(Bandwidth::Prb25, model, es_n0, 12);
    let mut shared = Shared::new(antennas);
    let (mut error, mut ratio, mut excess) = (0.0, 0.0, 0.0);
    let count = 25;
    let mut rng = Rng::new(13);
    for _ in 0..count {
        let (own, block) = shared.block(&mut rng, 100);
        let (mut interferer, _) = shared.block(&mut rng, 7101);
        let (level, half) = match other {
            Other::Nothing => (-300.0, false),
            Other::UeAt(level) => (level, false),
            Other::HalfAt(level) => (level, true),
        };
        for l in 0..interferer.symbols() {
            let symbol = interferer.symbol_mut(l);
            symbol.iter_mut().for_each(|x| *x *= 10f32.powf(level / 20.0));
            if half {
                symbol[..12 * 6].fill(Sample::default());
            }
        }
        let mut samples = air.carry(&[&own, &interferer], antennas);
        for (samples, gain) in samples.iter_mut().zip(gains) {
            samples.iter_mut().for_each(|x| *x *= *gain);
        }
        assert!(shared.front.load(&views(&samples), Hertz(0.0)));
        shared.process.start(8 * block.len()).unwrap();
        let Shared { decoder, front, process, .. } = &mut shared;
        let received = decoder.receive(front.grid(CP), &Shared::grant(100), Hertz(0.0), process).unwrap();
        let evm = received.evm_percent / 100.0;
        error += (evm * evm).ln();
        ratio += received.measurement.ratio().ln();
        excess += received.excess.ln();
    }
    let db = |sum: f32| 10.0 * sum / count as f32 / std::f32::consts::LN_10;
    Quality { error_db: db(error), measured_db: db(error + ratio), excess_db: db(excess) }
}

/// Bounds of the error, and of that error against the promised one, in dB.
#[test]
fn antennas_are_combined_as_well_as_ever() {
    let (one, two, four) = (Antennas::ONE, two(), Antennas::new(4).unwrap());
    for (antennas, model, es_n0, other, gains, error_db, excess_db) in [
        (one, "AWGN", 15.0, Other::Nothing, &[1.0][..], -14.8, 0.4),
        (two, "AWGN", 15.0, Other::Nothing, &[1.0, 1e-3], -17.6, 0.4),
        (four, "AWGN", 12.0, Other::Nothing, &[1.0, 3.0, 0.2, 1.0], -17.6, 0.4),
        (two, "EVA600", 18.0, Other::Nothing, &[1.0, 1.0], -17.6, 0.4),
        (two, "AWGN", 20.0, Other::UeAt(0.0), &[1.0, 1.0], -16.6, 3.5),
        (two, "EVA70", 20.0, Other::UeAt(0.0), &[1.0, 10.0], -13.5, 3.5),
        (two, "EVA70", 20.0, Other::UeAt(-12.0), &[1.0, 1.0], -17.7, 3.5),
        (two, "ETU5", 20.0, Other::HalfAt(0.0), &[1.0, 1.0], -13.4, 3.5),
        (two, "AWGN", 20.0, Other::HalfAt(0.0), &[1.0, 1.0], -17.8, 3.5),
        (four, "EVA5", 15.0, Other::UeAt(0.0), &[1.0; 4], -16.0, 3.5),
    ] {
        let found = quality(antennas, model, es_n0, other, gains);
        let what = format!("{} antennas, {model}, {other:?}: {found:?}", antennas.count());
        assert!(found.error_db < error_db && found.excess_db.abs() < excess_db, "{what}");
        // moving and interfered channels have less than their pilots promise
        let most = if other == Other::Nothing && model == "AWGN" { 0.4 } else { 4.5 };
        assert!((-1.2..most).contains(&found.measured_db), "{what}");
    }
}
