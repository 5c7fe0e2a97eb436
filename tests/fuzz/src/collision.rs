//! Two UEs at one place, and what their subtraction leaves.

use super::{Bytes, Target};
use sidelink_phy::Sample;
use sidelink_phy::channel::pssch::{self, Grant};
use sidelink_phy::channel::{pscch, psdch};
use sidelink_phy::grid::Grid;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::pool::V2xPool;
use sidelink_phy::receive::receiver::{Config, Event, Receiver};
use sidelink_phy::sc_fdma::{Modulator, rotate};
use sidelink_phy::sci::{Format1, riv_encode};
use sidelink_phy::sequence::dmrs::References;
use sidelink_phy::units::{Antennas, Bandwidth, CyclicPrefix, DfnSubframe, SidelinkMode, TransmissionMode};
use std::sync::Arc;

/// A byte for the mode and the antennas, five for each of two UEs (content, place, level, offset, delay), and four for
/// each damage to the samples: what, where (two bytes), how long.
pub const COLLISION: Target = Target { name: "collision", run: collision, seeds: collision_seeds };

/// Values of damaged samples.
const DAMAGES: [f32; 6] = [0.0, 1e-20, 1e3, 1e20, f32::INFINITY, f32::NAN];

fn mode(choice: u8) -> TransmissionMode {
    if choice & 1 == 1 { TransmissionMode::Tm4 } else { TransmissionMode::Tm2 }
}

fn collision(data: &[u8]) -> bool {
    let mut bytes = Bytes::new(data);
    let choice = bytes.byte();
    let mode = mode(choice);
    let numerology = Numerology::standard(Bandwidth::Prb15, CyclicPrefix::Normal);
    let pool = V2xPool::simple(5, 3);
    let mut air = vec![Sample::default(); numerology.subframe_samples()];
    let mut modulator = Modulator::new(numerology);
    for _ in 0..2 {
        let (content, place, level) = (bytes.byte(), bytes.byte(), bytes.byte());
        let (offset, delay) = (f64::from(bytes.byte() as i8) * 8.0, bytes.byte());
        let mut grid = Grid::new(numerology);
        write(mode, &pool, content, place, &mut grid);
        let mut samples = vec![Sample::default(); air.len()];
        modulator.modulate(&grid, &mut samples);
        samples.rotate_right(usize::from(delay % 16));
        rotate(&mut samples, f64::from(content) / 256.0, offset / numerology.sample_rate().0);
        let gain = 10f32.powf(-f32::from(level % 32) / 20.0);
        air.iter_mut().zip(&samples).for_each(|(y, x)| *y += x * gain);
    }
    let damages: Vec<u8> = bytes.rest().to_vec();
    for damage in damages.chunks_exact(4).take(16) {
        let value = DAMAGES[usize::from(damage[0]) % DAMAGES.len()];
        let start = usize::from(u16::from_be_bytes([damage[1], damage[2]])) % air.len();
        let end = (start + 4 * usize::from(damage[3])).min(air.len());
        air[start..end].fill(Sample::new(value, -value));
    }
    let mut config = Config::new(numerology, mode);
    if choice & 2 == 2 {
        config.v2x = (mode == TransmissionMode::Tm4).then_some(pool);
    }
    if choice & 4 == 4 {
        config.antennas = Antennas::new(2).expect("in range");
    }
    let mut receiver = Receiver::new(config);
    receiver.set_time(0, DfnSubframe::from_count(0));
    let mut heard: Vec<(usize, Vec<u8>)> = Vec::new();
    // a second antenna has the same, as late as the first
    receiver.process_antennas(0, &[&air, &air], &mut |event| {
        let new = match event {
            Event::Sci { prb, bits, .. } => (prb, bits.to_vec()),
            Event::SlSch(block) => (1000 + block.grant.prbs.start, block.block.to_vec()),
            Event::SlDch { prb_start, message, .. } => (2000 + prb_start, message.to_vec()),
            _ => return,
        };
        assert!(!heard.contains(&new), "the same twice in a subframe");
        heard.push(new);
    });
    heard.len() > 1
}

/// Writes what a UE sends.
fn write(mode: TransmissionMode, pool: &V2xPool, content: u8, place: u8, grid: &mut Grid) {
    let numerology = Numerology::standard(Bandwidth::Prb15, CyclicPrefix::Normal);
    let references = Arc::new(References::new(15));
    if mode == TransmissionMode::Tm2 {
        let mut encoder = psdch::Encoder::new(numerology, references);
        let message = std::array::from_fn(|i| content.wrapping_add(1).wrapping_mul(i as u8 + 1) | 1);
        encoder.encode(&message, 0, usize::from(place % 14), 1.0, grid).expect("fits");
        return;
    }
    let first = usize::from(place % 3);
    let len = 1 + usize::from(place / 3) % (3 - first);
    let sci = Format1 {
        priority: content & 7,
        reservation: 1,
        frequency_resource: riv_encode(pool.num, 0, len).expect("in range") as u8,
        time_gap: 0,
        // 16QAM too: with late paths it is received once more
        mcs: (content >> 3) % 21,
        retransmission: false,
        transmission_format: false,
        reserved: 0,
    };
    let mut bits = vec![0; Format1::BITS];
    sci.emit(pool.num, &mut bits).expect("in range");
    let mut encoder = pscch::Encoder::new(numerology, SidelinkMode::V2x, references.clone());
    let n_cs = 3 * (place >> 6);
    let crc = encoder.encode(&bits, pool.control(first).start, n_cs, 1.4, grid).expect("fits");
    let prbs = pool.data(first, len).expect("in the pool");
    let grant = Grant { prbs, mcs: sci.mcs, rv: 0, n_id: crc, n_ssf: 0, transmission_format: false };
    let size = grant.size(SidelinkMode::V2x).expect("a known MCS").1;
    let block: Vec<u8> = (0..size / 8).map(|i| content ^ i as u8).collect();
    pssch::Encoder::new(numerology, mode, references).encode(&block, &grant, 1.0, grid).expect("fits");
}

fn collision_seeds() -> Vec<Vec<u8>> {
    let two = |choice: u8| vec![choice, 0x21, 0x01, 0, 20, 0, 0x1a, 0x41, 6, 226, 3];
    let mut seeds: Vec<Vec<u8>> = [1, 3, 7, 0, 4].into_iter().map(two).collect();
    // behind the last symbol, where nothing is lost
    seeds.push([two(3), vec![0, 0x0e, 0xf0, 4]].concat());
    // the stronger with 16QAM, on paths of which the later is beyond the receive window
    for late in [13, 15] {
        seeds.push(vec![3, 0x81, 0x01, 0, 20, late, 0x1a, 0x41, 6, 226, 3]);
    }
    seeds
}
