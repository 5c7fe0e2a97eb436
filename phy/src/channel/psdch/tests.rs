use super::*;
use crate::impair::rng::Rng;
use crate::units::Bandwidth;

const PRB: usize = 4;

/// Returns a subframe with a message of a UE that is `offset` Hz off, with an amplitude of noise.
fn subframe(encoder: &mut Encoder, rng: &mut Rng, (rv, noise): (u8, f32), offset: f64) -> Grid {
    let numerology = Numerology::standard(Bandwidth::Prb25, CyclicPrefix::Normal);
    let mut grid = Grid::new(numerology);
    encoder.encode(&[0x5a; MESSAGE_BYTES], rv, PRB, 1.0, &mut grid).unwrap();
    for l in 0..grid.symbols() {
        let turn = crate::receive::estimate::phasor(offset * numerology.symbol_distance(0, l));
        grid.symbol_mut(l).iter_mut().for_each(|x| *x = *x * turn + rng.complex_gaussian() * noise);
    }
    grid
}

/// A slot that is used for another message keeps nothing of the UE before.
#[test]
fn a_process_that_was_reset_is_as_a_new_one() {
    let numerology = Numerology::standard(Bandwidth::Prb25, CyclicPrefix::Normal);
    let references = Arc::new(References::new(25));
    let mut encoder = Encoder::new(numerology, references.clone());
    let mut decoder = Decoder::new(numerology, references, Antennas::ONE);
    let mut rng = Rng::new(5);
    let mut used = [Process::new(), Process::new()];
    let mut receive = |sides: &mut [Process; 2], grid: &Grid, rv: u8| {
        let grids = std::slice::from_ref(grid);
        decoder.receive_both(grids, PRB, rv, Hertz(500.0), sides).unwrap().measurement
    };
    for rv in REDUNDANCY_VERSIONS {
        receive(&mut used, &subframe(&mut encoder, &mut rng, (rv, 0.7), 400.0), rv);
    }
    used.iter_mut().for_each(Process::reset);
    let mut fresh = [Process::new(), Process::new()];
    let grid = subframe(&mut encoder, &mut rng, (0, 0.7), -300.0);
    assert_eq!(receive(&mut used, &grid, 0), receive(&mut fresh, &grid, 0));
}

/// A channel that turns another way in each transmission, as fast ones do, comes through the second process.
#[test]
fn transmissions_that_turn_differently_are_not_taken_for_one_offset() {
    let numerology = Numerology::standard(Bandwidth::Prb25, CyclicPrefix::Normal);
    let references = Arc::new(References::new(25));
    let mut encoder = Encoder::new(numerology, references.clone());
    let mut decoder = Decoder::new(numerology, references, Antennas::ONE);
    let mut rng = Rng::new(6);
    let mut decoded = 0;
    for _ in 0..20 {
        let mut sides = [Process::new(), Process::new()];
        for (rv, offset) in REDUNDANCY_VERSIONS.into_iter().zip([900.0, -900.0, -900.0, 900.0]) {
            let grid = subframe(&mut encoder, &mut rng, (rv, 0.9), offset);
            let grids = std::slice::from_ref(&grid);
            decoder.receive_both(grids, PRB, rv, Hertz(500.0), &mut sides).unwrap();
        }
        let mut message = [0; MESSAGE_BYTES];
        decoded += usize::from(decoder.decode(&mut sides[1], &mut message).is_some());
    }
    assert!(decoded >= 18, "{decoded} of 20");
}

/// Soft bits that say a message, and parity bits of any sign beside them, `parity` strong: the CRC holds, and yet it is a
/// message only while most of the soft bits agree.
#[test]
fn a_message_with_which_its_soft_bits_do_not_agree_is_refused() {
    let numerology = Numerology::standard(Bandwidth::Prb25, CyclicPrefix::Normal);
    let references = Arc::new(References::new(25));
    let mut encoder = TransportEncoder::new(MESSAGE_BITS);
    let mut decoder = Decoder::new(numerology, references, Antennas::ONE);
    let mut rng = Rng::new(7);
    let message: [u8; MESSAGE_BYTES] = std::array::from_fn(|i| 3 * i as u8 + 1);
    // the whole circular buffer: systematic bits but for two columns, parity bits, and these columns
    let mut coded = [0; 3 * (MESSAGE_BITS + 24 + 4)];
    let len = coded.len();
    encoder.encode(&message, len, 2, 0, &mut coded).unwrap();
    for (parity, is_message) in [(0, true), (15, true), (40, false)] {
        let mut soft = coded.map(|bit| 100 - 200 * Llr::from(bit));
        soft[244..len - 16].fill_with(|| if rng.below(2) == 0 { parity } else { -parity });
        let mut process = Process::new();
        decoder.coder.combine(&mut process.soft, &soft, 2, 0).unwrap();
        let mut decoded = [0; MESSAGE_BYTES];
        let holds = decoder.coder.decode(&mut process.soft, &mut decoded).unwrap().crc_ok;
        assert!(holds && decoded == message, "{parity}");
        assert_eq!(decoder.decode(&mut process, &mut decoded).is_some(), is_message, "{parity}");
    }
}
