//! The receiver of a stream as a live radio feeds it, a subframe at a time: how soon it follows, and what it keeps.
#![allow(clippy::disallowed_methods)]

use num_complex::Complex;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::receive::receiver::{Config, Event};
use sidelink_phy::receive::stream::StreamReceiver;
use sidelink_phy::units::{Bandwidth, CyclicPrefix, TransmissionMode};
use sidelink_tests::command::generate;

type Sample = Complex<f32>;

const SUBFRAME: usize = 3840;

/// Three cars, a block every seven subframes on average; the first one has synchronisation signals.
const SCENARIO: &str = r#"
duration = 400
snr = 25
seed = 1
[radio]
prb = 15
tm = 4
[radio.sync]
offset = 0
[radio.v2x]
size = 5
num = 3
start = 0
adjacent = true
[[ue]]
name = "a"
sync = { id = 77 }
v2x = [{ from = 3, interval = 20, subchannel = 0, length = 2, mcs = 7, payload = "random" }]
[[ue]]
name = "b"
v2x = [{ from = 8, interval = 20, subchannel = 1, length = 1, mcs = 5, payload = "random" }]
[[ue]]
name = "c"
v2x = [{ from = 15, interval = 20, subchannel = 2, length = 1, mcs = 5, payload = "random" }]
"#;

fn receiver() -> StreamReceiver {
    let numerology = Numerology::standard(Bandwidth::Prb15, CyclicPrefix::Normal);
    StreamReceiver::new(Config::new(numerology, TransmissionMode::Tm4))
}

/// Samples of the stream that have come when an SCI is told that began at sample `from` or later, the first of them.
fn told_at(samples: &[Sample], from: usize) -> Option<usize> {
    let mut receiver = receiver();
    for (k, subframe) in samples.chunks(SUBFRAME).enumerate() {
        let mut heard = false;
        receiver.push(subframe, &mut |event, sample| {
            heard |= matches!(event, Event::Sci { .. }) && sample >= from as i64 - SUBFRAME as i64;
        });
        if heard {
            return Some((k + 1) * SUBFRAME);
        }
    }
    None
}

/// Not after the whole history was searched: the subframes with power that explain nothing say that something is wrong.
#[test]
fn a_loss_is_followed_within_a_few_bursts() {
    let air = generate("stream-loss", SCENARIO);
    for (place, lost) in [(200, 333), (211, 1000), (260, SUBFRAME / 2)] {
        let damaged = [&air[..place * SUBFRAME], &air[place * SUBFRAME + lost..]].concat();
        let told = told_at(&damaged, place * SUBFRAME).unwrap();
        let waited = told / SUBFRAME - place;
        assert!(waited <= 25, "{lost} samples at {place}: told after {waited} subframes");
    }
}
