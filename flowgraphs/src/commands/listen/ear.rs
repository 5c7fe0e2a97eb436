//! Receiver of samples with gaps: the timing survives a gap, since the radio's numbers give its size.

use crate::Sample;
use sidelink_phy::receive::receiver::Event;
use sidelink_phy::receive::stream::StreamReceiver;

/// Longest gap in seconds that the timing survives: beyond it the clocks of two radios may have drifted apart by a
/// cyclic prefix.
const LONGEST_GAP_SECONDS: f64 = 0.5;

/// Receives the events.
pub(super) trait Listener {
    /// Reports that the first sample of all has number `first` of the radio.
    fn begin(&mut self, first: u64);

    /// Reports that the receiver restarts, and counts its subframes from 0.
    fn restart(&mut self);

    /// Handles an event in a subframe that begins at `sample`, counted from the first of all, lost ones included.
    ///
    /// # Errors
    /// The event cannot be written.
    fn event(&mut self, event: &Event<'_>, sample: i64) -> anyhow::Result<()>;
}

/// The receiver of a stream with gaps.
pub(super) struct Ear<'a> {
    receiver: &'a mut StreamReceiver,
    rate: f64,
    /// Samples before the first one that the receiver got.
    before: u64,
    /// Number of the next sample.
    next: Option<u64>,
    taken: u64,
    lost: u64,
}

impl<'a> Ear<'a> {
    /// Makes it for `rate` samples a second.
    pub(super) fn new(receiver: &'a mut StreamReceiver, rate: f64) -> Self {
        Self { receiver, rate, before: 0, next: None, taken: 0, lost: 0 }
    }

    /// Returns the number of samples that came.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Returns the same in seconds.
    pub(super) fn seconds(&self) -> f64 {
        self.taken as f64 / self.rate
    }

    /// Returns the number of samples that were missing before those that came.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Takes the samples of each antenna, equally many, from number `first` on. Samples before a gap are received now.
    pub(super) fn take(
        &mut self,
        first: u64,
        samples: &[&[Sample]],
        listener: &mut dyn Listener,
    ) -> anyhow::Result<()> {
        if self.next.is_none() {
            listener.begin(first);
        }
        let gap = self.next.map_or(0, |next| first.saturating_sub(next));
        self.lost += gap;
        if gap > (self.rate * LONGEST_GAP_SECONDS) as u64 {
            self.finish(listener)?;
            *self.receiver = StreamReceiver::new(self.receiver.receiver().config().clone());
            self.before = self.taken + self.lost;
            listener.restart();
        } else if gap > 0 {
            self.hear(listener, |receiver, emit| receiver.skip(gap, emit))?;
        }
        let count = samples.first().map_or(0, |samples| samples.len()) as u64;
        self.next = Some(first + count);
        self.taken += count;
        self.hear(listener, |receiver, emit| receiver.push_antennas(samples, emit))
    }

    /// Receives the rest.
    pub(super) fn finish(&mut self, listener: &mut dyn Listener) -> anyhow::Result<()> {
        self.hear(listener, StreamReceiver::finish)
    }

    fn hear(
        &mut self,
        listener: &mut dyn Listener,
        receive: impl FnOnce(&mut StreamReceiver, &mut dyn FnMut(Event<'_>, i64)),
    ) -> anyhow::Result<()> {
        let (before, mut failure) = (self.before as i64, None);
        receive(self.receiver, &mut |event, sample| {
            if failure.is_none() {
                failure = listener.event(&event, before + sample).err();
            }
        });
        failure.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::receiver_config;
    use crate::scenario::{Generator, Scenario};
    use sidelink_phy::impair::rng::Rng;
    use sidelink_phy::receive::receiver::Config;

    /// A block every 20 ms from subframe 3 on.
    const SCENARIO: &str = r#"
duration = 400
seed = 1
[radio]
prb = 15
tm = 4
[radio.v2x]
size = 5
num = 3
start = 0
adjacent = true
[[ue]]
name = "car"
[[ue.v2x]]
from = 3
interval = 20
subchannel = 0
length = 2
mcs = 7
payload = "random"
"#;

    /// Samples of a subframe.
    const SUBFRAME: u64 = 3840;

    /// Number of the first sample, by the radio.
    const FIRST: u64 = 1_000_000;

    /// A line at 0 Hz, 10 dB above the transmission.
    const LINE: Sample = Sample::new(2.6, -1.8);

    /// Samples of the first subframe before the start of the reception: blocks of the receiver begin elsewhere than
    /// subframes.
    const LATE: u64 = 1500;

    fn air() -> (Vec<Sample>, Config) {
        let scenario = Scenario::from_toml(SCENARIO, "test").unwrap();
        let mut generator = Generator::new(&scenario).unwrap();
        let mut block = vec![Sample::default(); generator.subframe_samples()];
        let (mut samples, mut rng) = (Vec::new(), Rng::new(1));
        for _ in 0..scenario.duration {
            generator.next_subframe(&mut block);
            samples.extend(block.iter().map(|x| x + LINE + rng.complex_gaussian() * 0.02));
        }
        let radio = scenario.radio.resolve().unwrap();
        let numerology = scenario.radio.numerology(radio.default_cp()).unwrap();
        (samples.split_off(LATE as usize), receiver_config(&radio, numerology))
    }

    /// Returns the places of the blocks that were sent.
    fn sent() -> Vec<u64> {
        (0..20).map(|i| (3 + 20 * i) * SUBFRAME - LATE).collect()
    }

    /// Places of blocks, and the first sample of the piece with which each was received.
    #[derive(Default)]
    struct Blocks {
        first: Option<u64>,
        restarts: u32,
        given: u64,
        heard: Vec<(u64, u64)>,
    }

    impl Listener for Blocks {
        fn begin(&mut self, first: u64) {
            self.first = Some(first);
        }

        fn restart(&mut self) {
            self.restarts += 1;
        }

        fn event(&mut self, event: &Event<'_>, sample: i64) -> anyhow::Result<()> {
            if matches!(event, Event::SlSch(block) if !block.repeat) {
                self.heard.push((sample as u64, self.given));
            }
            Ok(())
        }
    }

    /// Receives the air without the samples of `hole`, behind which the radio's numbers are higher by `more`.
    fn with_hole(hole: std::ops::Range<u64>, more: u64) -> Blocks {
        let (samples, config) = air();
        let mut receiver = StreamReceiver::new(config);
        let mut ear = Ear::new(&mut receiver, 3.84e6);
        let mut blocks = Blocks::default();
        for (range, more) in [(0..hole.start, 0), (hole.end..samples.len() as u64, more)] {
            let mut at = range.start;
            for piece in samples[range.start as usize..range.end as usize].chunks(1000) {
                blocks.given = at + more;
                ear.take(FIRST + at + more, &[piece], &mut blocks).unwrap();
                at += piece.len() as u64;
            }
        }
        ear.finish(&mut blocks).unwrap();
        assert_eq!(ear.lost(), hole.end - hole.start + more);
        assert_eq!(ear.taken() + ear.lost(), samples.len() as u64 + more);
        blocks
    }

    #[test]
    fn the_first_subframe_behind_a_gap_is_heard_at_its_place() {
        for lost in [1000, 50_000] {
            // up to the first sample of a subframe with a block
            let end = 203 * SUBFRAME - LATE;
            let blocks = with_hole(end - lost..end, 0);
            assert_eq!((blocks.first, blocks.restarts), (Some(FIRST), 0));
            let places: Vec<_> = blocks.heard.iter().map(|(place, _)| *place).collect();
            assert_eq!(places, sent(), "{lost} samples lost");
        }
    }

    #[test]
    fn what_came_before_a_gap_is_received_when_the_gap_is_known() {
        // no timing is known yet: 30 subframes are kept for the search
        let start = 30 * SUBFRAME;
        let blocks = with_hole(start..start + 5000, 0);
        let early: Vec<_> = blocks.heard.iter().filter(|(place, _)| *place < start).collect();
        assert_eq!(early.len(), 2, "{early:?}");
        assert!(early.iter().all(|(_, given)| *given <= start + 5000), "{early:?}");
        assert_eq!(blocks.heard.iter().map(|(place, _)| *place).collect::<Vec<_>>(), sent());
    }

    #[test]
    fn a_gap_that_is_too_long_for_the_clocks_begins_anew_at_the_right_place() {
        let more = 2_000_000;
        let blocks = with_hole(50 * SUBFRAME..60 * SUBFRAME, more);
        assert_eq!((blocks.first, blocks.restarts), (Some(FIRST), 1));
        let places: Vec<_> = blocks.heard.iter().map(|(place, _)| *place).collect();
        let sent = sent().into_iter().map(|at| if at < 60 * SUBFRAME { at } else { at + more });
        assert_eq!(places, sent.collect::<Vec<_>>());
    }
}
