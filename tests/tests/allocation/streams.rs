//! Receivers of subframes and of streams, with one antenna, with two, and with work done ahead.

use crate::counting::without_allocation;
use crate::noise;
use sidelink_phy::Sample;
use sidelink_phy::receive::receiver::{Config, Event, Receiver};
use sidelink_phy::receive::stream::{Ahead, Filled, Prepared, StreamReceiver};
use sidelink_phy::units::{Antennas, DfnSubframe, Hertz};

/// What was heard: synchronisation, MIB, SCI, blocks, discovery messages; and how much of it under others.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Heard(pub(crate) [usize; 5], pub(crate) usize);

impl Heard {
    pub(crate) fn note(&mut self, event: &Event<'_>) {
        let kind = match event {
            Event::Slss { .. } => 0,
            Event::Mib { .. } => 1,
            Event::Sci { .. } => 2,
            Event::SlSch(_) => 3,
            Event::SlDch { .. } => 4,
            _ => return,
        };
        self.0[kind] += 1;
        self.1 += usize::from(event.measurement().is_some_and(|m| m.layer > 0));
    }
}

/// All subframes twice through a receiver, with the time known and not, and as a stream.
pub(crate) fn receive(what: &str, config: &Config, subframes: &[Vec<Sample>]) -> Heard {
    let mut heard = Heard::default();
    let mut receiver = Receiver::new(config.clone());
    without_allocation(what, || {
        for (k, samples) in subframes.iter().enumerate() {
            receiver.process(k as u64, samples, &mut |event| heard.note(&event));
        }
    });
    let mut again = Receiver::new(config.clone());
    let mut none = Heard::default();
    without_allocation(what, || {
        again.set_time(0, DfnSubframe::from_count(0));
        again.set_common_cfo(Hertz(600.0));
        for (k, samples) in subframes.iter().enumerate() {
            again.process(k as u64, samples, &mut |event| none.note(&event));
        }
    });
    let mut stream = StreamReceiver::new(config.clone());
    let mut streamed = Heard::default();
    without_allocation("StreamReceiver", || {
        for samples in subframes {
            for piece in samples.chunks(777) {
                stream.push(piece, &mut |event, _| streamed.note(&event));
            }
        }
        stream.finish(&mut |event, _| streamed.note(&event));
    });
    assert!(streamed.0[2] + streamed.0[4] > 0, "{what}, as a stream: {streamed:?}");
    receive_at_two_antennas(what, config, subframes);
    receive_ahead(what, config, subframes);
    heard
}

/// All subframes with the work that needs no result done ahead: buffers go round, and are made the first time.
fn receive_ahead(what: &str, config: &Config, subframes: &[Vec<Sample>]) {
    let mut stream = StreamReceiver::new(config.clone());
    let mut ahead = Ahead::new(config);
    let mut block = Prepared::default();
    let mut heard = Heard::default();
    let mut receive = || {
        for samples in subframes.iter().flat_map(|samples| samples.chunks(777)) {
            let mut taken = 0;
            while taken < samples.len() {
                let filled;
                ahead.expect(stream.forecast());
                (taken, filled) = ahead.push(&[samples], taken, &mut block);
                if filled == Filled::Whole {
                    stream.take(&mut block, &mut |event, _| heard.note(&event));
                }
            }
        }
    };
    receive();
    without_allocation("StreamReceiver with work ahead", receive);
    ahead.rest(0, &mut block);
    stream.take(&mut block, &mut |event, _| heard.note(&event));
    stream.finish(&mut |event, _| heard.note(&event));
    assert!(heard.0[2] + heard.0[4] > 0, "{what}, ahead: {heard:?}");
}

/// All subframes once more at two antennas with noise of their own, subframe by subframe and as a stream; the second
/// antenna fails on the way.
fn receive_at_two_antennas(what: &str, config: &Config, subframes: &[Vec<Sample>]) {
    let config = Config { antennas: Antennas::new(2).unwrap(), ..config.clone() };
    let second: Vec<Vec<Sample>> = (0..)
        .zip(subframes)
        .map(|(k, samples)| match k % 9 {
            7 => vec![Sample::default(); samples.len()],
            8 => vec![Sample::new(f32::NAN, 0.0); samples.len()],
            _ => samples.iter().zip(noise(samples.len(), 50 + k)).map(|(x, noise)| 0.3 * x + noise).collect(),
        })
        .collect();
    let mut heard = Heard::default();
    let mut receiver = Receiver::new(config.clone());
    without_allocation(what, || {
        for (k, (first, second)) in subframes.iter().zip(&second).enumerate() {
            receiver.process_antennas(k as u64, &[first, second], &mut |event| heard.note(&event));
        }
    });
    let mut stream = StreamReceiver::new(config);
    without_allocation("StreamReceiver of two antennas", || {
        for (first, second) in subframes.iter().zip(&second) {
            for (first, second) in first.chunks(777).zip(second.chunks(777)) {
                stream.push_antennas(&[first, second], &mut |event, _| heard.note(&event));
            }
        }
        stream.finish(&mut |event, _| heard.note(&event));
    });
    assert!(heard.0[2] + heard.0[4] > 0, "{what}, at two antennas: {heard:?}");
    assert!((heard.1 > 0) == what.contains("collisions"), "{what}, at two antennas: {heard:?}");
}
