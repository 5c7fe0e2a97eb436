//! The same stream with and without work ahead: the same events, whatever the lag of the forecasts.

use super::super::{Spectrum, StreamReceiver};
use super::{Ahead, Filled, Forecast, Prepared};
use crate::Sample;
use crate::channel::{psbch, pscch};
use crate::grid::Grid;
use crate::impair::awgn::Awgn;
use crate::impair::rng::Rng;
use crate::numerology::Numerology;
use crate::receive::receiver::Config;
use crate::sc_fdma::{Modulator, rotate};
use crate::sci::Format1;
use crate::sequence::dmrs::References;
use crate::units::{Antennas, Bandwidth, CyclicPrefix, Hertz, SidelinkMode, SlssId, TransmissionMode};
use std::collections::VecDeque;
use std::sync::Arc;

const SUBFRAMES: usize = 260;

fn numerology() -> Numerology {
    Numerology::standard(Bandwidth::Prb6, CyclicPrefix::Normal)
}

/// An SCI in every subframe but some, a MIB in those from `mibs` on that are multiples of 20; the carrier drifts from
/// 150 Hz by 3 Hz a subframe, the clock by a sample in seven subframes.
fn air(mibs: usize) -> Vec<Sample> {
    let n = numerology();
    let references = Arc::new(References::new(6));
    let mut control = pscch::Encoder::new(n, SidelinkMode::V2x, references.clone());
    let mut broadcast = psbch::Encoder::new(n, SidelinkMode::V2x, references);
    let mut modulator = Modulator::new(n);
    let mut noise = Awgn::new(1e-3, 3);
    let mut bits = [0; Format1::BITS];
    let mut subframe = vec![Sample::default(); n.subframe_samples()];
    let mut air = vec![Sample::default(); 777];
    let mut rng = Rng::new(8);
    for k in 0..SUBFRAMES {
        let mut grid = Grid::new(n);
        bits.iter_mut().for_each(|bit| *bit = rng.below(2) as u8);
        if k >= mibs && k % 20 == 0 {
            broadcast.encode(&[0; 48], SlssId::new(170).unwrap(), 1.0, &mut grid).unwrap();
        } else if k % 11 != 3 {
            control.encode(&bits, 1, 6, 1.0, &mut grid).unwrap();
        }
        modulator.modulate(&grid, &mut subframe);
        let cfo = 150.0 + 3.0 * k as f64;
        rotate(&mut subframe, 0.0, cfo / n.sample_rate().0);
        air.extend_from_slice(&subframe);
        if k % 7 == 6 {
            air.push(Sample::default());
        }
    }
    noise.process(&mut air);
    air
}

fn config(antennas: usize) -> Config {
    let mut config = Config::new(numerology(), TransmissionMode::Tm4);
    config.antennas = Antennas::new(antennas).unwrap();
    config
}

/// Pieces of a stream: sample numbers, and the samples that were lost behind each.
fn pieces(len: usize, lost: u64) -> Vec<(std::ops::Range<usize>, u64)> {
    let cut = len / 2 + 100;
    vec![(0..cut, lost), (cut + lost as usize..len, 0)]
}

type Heard = Vec<String>;

fn alone(air: &[Vec<Sample>], lost: u64) -> (Heard, StreamReceiver) {
    let mut receiver = StreamReceiver::new(config(air.len()));
    let mut heard = Heard::new();
    let mut emit =
        |event: crate::receive::receiver::Event<'_>, at: i64| heard.push(format!("{at} {event:?}"));
    for (piece, lost) in pieces(air[0].len(), lost) {
        let samples: Vec<&[Sample]> = air.iter().map(|s| &s[piece.clone()]).collect();
        receiver.push_antennas(&samples, &mut emit);
        if lost > 0 {
            receiver.skip(lost, &mut emit);
        }
    }
    receiver.finish(&mut emit);
    (heard, receiver)
}

/// Returns the events, and how many subframes used what was made ahead. A forecast comes `lag` blocks late, or up to `lag`
/// at random.
fn with_ahead(air: &[Vec<Sample>], lost: u64, mut lag: impl FnMut() -> usize) -> (Heard, usize) {
    let mut receiver = StreamReceiver::new(config(air.len()));
    let mut ahead = Ahead::new(receiver.receiver().config());
    let mut heard = Heard::new();
    let mut emit =
        |event: crate::receive::receiver::Event<'_>, at: i64| heard.push(format!("{at} {event:?}"));
    let mut waiting: VecDeque<Prepared> = VecDeque::new();
    let mut free: Vec<Prepared> = Vec::new();
    let mut used = 0;
    let mut forecast: Option<Forecast> = None;
    let mut block = Prepared::default();
    for (piece, lost) in pieces(air[0].len(), lost) {
        let samples: Vec<&[Sample]> = air.iter().map(|s| &s[piece.clone()]).collect();
        let mut taken = 0;
        while taken < piece.len() {
            ahead.expect(forecast);
            let filled;
            (taken, filled) = ahead.push(&samples, taken, &mut block);
            if filled == Filled::Partly {
                continue;
            }
            waiting.push_back(std::mem::replace(&mut block, free.pop().unwrap_or_default()));
            let late = lag();
            while waiting.len() > late {
                used += receive(&mut receiver, &mut waiting, &mut free, &mut emit);
                forecast = receiver.forecast();
            }
        }
        while !waiting.is_empty() {
            used += receive(&mut receiver, &mut waiting, &mut free, &mut emit);
        }
        if lost > 0 {
            ahead.rest(lost, &mut block);
            receiver.take(&mut block, &mut emit);
            receiver.skip(lost, &mut emit);
        }
    }
    ahead.rest(0, &mut block);
    receiver.take(&mut block, &mut emit);
    receiver.finish(&mut emit);
    (heard, used)
}

/// Returns 1 if what was made ahead was used, otherwise 0.
fn receive(
    receiver: &mut StreamReceiver,
    waiting: &mut VecDeque<Prepared>,
    free: &mut Vec<Prepared>,
    emit: &mut super::Emit<'_>,
) -> usize {
    let Some(mut block) = waiting.pop_front() else { return 0 };
    let made = !block.transformed.is_empty();
    receiver.take(&mut block, emit);
    free.push(block);
    usize::from(made && receiver.ready.is_empty())
}

#[test]
fn events_are_the_same_whatever_the_lag() {
    for (antennas, mibs, lost) in [(1, SUBFRAMES, 0), (1, 100, 5000), (2, 60, 1921)] {
        let one = air(mibs);
        let all: Vec<_> =
            (0..antennas).map(|a| one.iter().map(|x| x * (1.0 - 0.3 * a as f32)).collect()).collect();
        let (wanted, _) = alone(&all, lost);
        assert!(wanted.len() > 200, "{}", wanted.len());
        let mut rng = Rng::new(4);
        for most in [0, 2, 8] {
            let lag = || if most == 0 { 0 } else { rng.below(most) as usize };
            let (heard, used) = with_ahead(&all, lost, lag);
            assert!(heard == wanted, "{antennas} antennas, lag {most}");
            let least = if most == 8 { 60 } else { 120 };
            assert!(used >= least, "{antennas} antennas, lag {most}: {used} subframes made ahead were used");
        }
    }
}

/// An inverted spectrum is found, and nothing that was made before is used for it.
#[test]
fn an_inverted_stream_is_received_alike() {
    let all = [air(40).iter().map(|x| x.conj()).collect::<Vec<_>>()];
    let (wanted, receiver) = alone(&all, 0);
    assert_eq!(receiver.spectrum(), Spectrum::Inverted);
    assert!(wanted.len() > 200, "{}", wanted.len());
    assert!(with_ahead(&all, 0, || 3).0 == wanted);
}

/// The offset is followed in steps: grids that were made ahead stay right for a while.
#[test]
fn the_carrier_is_followed_in_steps() {
    let mut receiver = StreamReceiver::new(config(1));
    let mut changes = 0;
    for k in 0..200 {
        let before = receiver.receiver().common_cfo();
        receiver.follow_carrier(Hertz(100.0 + f64::from(k % 2)));
        changes += usize::from(receiver.receiver().common_cfo() != before);
    }
    let common = receiver.receiver().common_cfo();
    assert!(changes <= 4 && (common.0 + receiver.carrier_rest.0 - 100.5).abs() < 1.0, "{changes} {common:?}");
}
