//! The whole receiver: a stream of samples in pieces of any size.

use super::{Bytes, Target, quantise, sample};
use sidelink_phy::Sample;
use sidelink_phy::channel::{psbch, pscch};
use sidelink_phy::grid::Grid;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::pool::V2xPool;
use sidelink_phy::receive::receiver::{Config, Event};
use sidelink_phy::receive::stream::StreamReceiver;
use sidelink_phy::sc_fdma::Modulator;
use sidelink_phy::sequence::dmrs::References;
use sidelink_phy::units::{Antennas, Bandwidth, CyclicPrefix, SidelinkMode, SlssId, TransmissionMode};
use std::sync::Arc;

/// A byte that chooses the configuration, one that chooses the pieces, and I and Q of a byte each.
pub const STREAM: Target = Target { name: "stream", run: stream, seeds: stream_seeds };

/// A byte that chooses the configuration, one for the number of antennas, the pieces and what happens to the last antenna,
/// and I and Q of the antennas in turns.
pub const ANTENNAS: Target = Target { name: "antennas", run: antennas, seeds: antennas_seeds };

/// Subframes of one run at most: with them a second search for the timing takes place.
const MOST_SUBFRAMES: usize = 90;

fn config(choice: u8) -> Config {
    let cp = if choice & 4 == 0 { CyclicPrefix::Normal } else { CyclicPrefix::Extended };
    let sidelink = if choice & 1 == 1 { SidelinkMode::V2x } else { SidelinkMode::D2d };
    let bandwidth = if choice & 8 == 0 { Bandwidth::Prb6 } else { Bandwidth::Prb15 };
    let numerology = Numerology::standard(
        bandwidth,
        match sidelink {
            SidelinkMode::V2x => CyclicPrefix::Normal,
            SidelinkMode::D2d => cp,
        },
    );
    let mut config = Config::new(
        numerology,
        match sidelink {
            SidelinkMode::V2x => TransmissionMode::Tm4,
            SidelinkMode::D2d => TransmissionMode::Tm2,
        },
    );
    if sidelink == SidelinkMode::V2x && choice & 2 == 2 {
        config.v2x = Some(V2xPool::simple(bandwidth.prbs(), 1));
    }
    config
}

fn stream(data: &[u8]) -> bool {
    let mut bytes = Bytes::new(data);
    let config = config(bytes.byte());
    let piece = 1 + 97 * bytes.byte() as usize;
    let most = MOST_SUBFRAMES * config.numerology.subframe_samples();
    let rest = bytes.rest();
    let samples: Vec<Sample> = rest.chunks(2).take(most).map(sample).collect();
    let mut receiver = StreamReceiver::new(config.clone());
    let mut heard = 0;
    let mut last = 0;
    let mut emit = |event: Event<'_>, at: i64| {
        assert!(at < samples.len() as i64);
        assert!(event.subframe() >= last || matches!(event, Event::SlDch { .. }));
        last = event.subframe();
        heard += 1;
    };
    for piece in samples.chunks(piece) {
        receiver.push(piece, &mut emit);
    }
    receiver.finish(&mut emit);
    assert!(receiver.subframes() as usize <= samples.len() / config.numerology.subframe_samples() + 1);
    let silent = samples.iter().all(|x| x.norm_sqr() == 0.0);
    assert!(heard == 0 || !silent, "silence is not a signal");
    heard > 0
}

fn stream_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for choice in [0u8, 1, 3, 4] {
        let config = config(choice);
        let numerology = config.numerology;
        let sidelink = config.mode.sidelink();
        let references = Arc::new(References::new(numerology.bandwidth().prbs()));
        let mut grid = Grid::new(numerology);
        let mut samples = vec![Sample::default(); 3 * numerology.subframe_samples()];
        let (first, second) = samples.split_at_mut(numerology.subframe_samples());
        let mut modulator = Modulator::new(numerology);
        let mut mib = vec![0; psbch::payload_bits(sidelink)];
        mib[6..20].copy_from_slice(&[0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0]);
        let id = SlssId::new(200).expect("in range");
        let mut encoder = psbch::Encoder::new(numerology, sidelink, references.clone());
        encoder.encode(&mib, id, 1.0, &mut grid).expect("fits");
        modulator.modulate(&grid, first);
        grid.clear();
        let sci = vec![1; pscch::sci_bits(sidelink, numerology)];
        let mut encoder = pscch::Encoder::new(numerology, sidelink, references);
        encoder.encode(&sci, 0, 0, 1.0, &mut grid).expect("fits");
        modulator.modulate(&grid, &mut second[..numerology.subframe_samples()]);
        // as large as it can be without clipping
        let peak = samples.iter().map(|x| x.re.abs().max(x.im.abs())).fold(0.0, f32::max);
        let gain = super::SCALE / peak;
        let mut seed = vec![choice, 40];
        seed.extend(samples.iter().flat_map(|x| quantise(x * gain)));
        seeds.push(seed);
    }
    seeds
}

fn antennas(data: &[u8]) -> bool {
    let mut bytes = Bytes::new(data);
    let mut config = config(bytes.byte());
    let choice = bytes.byte();
    let count = 2 + choice as usize % 3;
    config.antennas = Antennas::new(count).expect("in range");
    let n = config.numerology.subframe_samples();
    let mut streams = vec![Vec::new(); count];
    for (i, pair) in bytes.rest().chunks(2).take(count * MOST_SUBFRAMES * n / 2).enumerate() {
        streams[i % count].push(sample(pair));
    }
    let len = streams[0].len();
    let last = &mut streams[count - 1];
    match choice / 3 % 5 {
        0 => last.fill(Sample::default()),
        1 => last.iter_mut().for_each(|x| *x *= 0.01),
        2 => {
            let delay = last.len().min(5);
            last.rotate_right(delay);
        }
        3 => last.truncate(len / 2),
        _ => {}
    }
    let silent = streams.iter().flatten().all(|x| x.norm_sqr() == 0.0);
    let mut receiver = StreamReceiver::new(config);
    let mut heard = 0;
    let mut emit = |event: Event<'_>, at: i64| {
        assert!(at < len as i64);
        if let Some(measurement) = event.measurement() {
            assert_eq!(measurement.antennas.count(), count);
        }
        heard += 1;
    };
    let piece = 1 + 331 * (choice as usize / 15);
    for start in (0..len).step_by(piece) {
        let part = |s: &Vec<Sample>| start.min(s.len())..(start + piece).min(s.len());
        let pieces: Vec<&[Sample]> = streams.iter().map(|s| &s[part(s)]).collect();
        receiver.push_antennas(&pieces, &mut emit);
    }
    receiver.finish(&mut emit);
    assert!(receiver.subframes() as usize <= len / n + 1);
    assert!(heard == 0 || !silent, "silence is not a signal");
    heard > 0
}

/// The seeds of one antenna, given to each of two.
fn antennas_seeds() -> Vec<Vec<u8>> {
    let mut seeds = stream_seeds();
    for (i, seed) in seeds.iter_mut().enumerate() {
        seed[1] = 30 * (1 + i as u8) + 3 * i as u8;
        let samples: Vec<u8> = seed[2..].chunks(2).flat_map(|pair| pair.repeat(2)).collect();
        seed.truncate(2);
        seed.extend(samples);
    }
    seeds
}
