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
use sidelink_phy::units::{Bandwidth, CyclicPrefix, SidelinkMode, SlssId, TransmissionMode};
use std::sync::Arc;

/// A byte that chooses the configuration, one that chooses the pieces, and I and Q of a byte each.
pub const STREAM: Target = Target { name: "stream", run: stream, seeds: stream_seeds };

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
