//! One subframe through the receiver; the events go to synchronisation, to the planner's sensing and to the stack.

use super::application::{Applications, Moment};
use super::clock::Clock;
use super::latency_stats::Stage;
use super::planner::Planner;
use super::stack::Stack;
use super::sync::{Candidate, Sync};
use super::{Totals, Ue, mapping};
use sidelink_phy::receive::estimate::Measurement;
use sidelink_phy::receive::receiver::{ControlInformation, Event, Part, SlssSearch};
use sidelink_phy::units::{Decibel, Hertz};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// The consumers of the events of one subframe.
struct Hearing<'a> {
    now: Moment,
    totals: &'a mut Totals,
    sync: &'a mut Sync,
    planner: &'a mut Planner,
    stack: &'a mut Stack,
    applications: &'a mut Applications,
    /// Measurement on the signal whose time is followed.
    reference: Option<Measurement>,
}

impl Hearing<'_> {
    fn hear(&mut self, heard: &Event<'_>) {
        let now = self.now;
        let Self { totals, stack, applications, .. } = self;
        match heard {
            // TS 36.321 §5.16.2
            Event::Mib { id, bits, measurement, time, .. } => {
                totals.heard[0] += 1;
                if let Some(mib) = mapping::parse_mib_sl(bits)
                    && *time == Some(Clock::dfn(now.t))
                {
                    let offset = (now.t % u64::from(self.sync.config().period)) as u32;
                    let power = Decibel::of_ratio_f32(measurement.signal.max(1e-20));
                    let candidate = Candidate { id: *id, mib, offset, power, heard: now.t };
                    totals.reference_changes += u64::from(self.sync.heard(candidate));
                    if self.sync.is_followed(*id, offset) {
                        self.reference = Some(*measurement);
                    }
                }
            }
            Event::Sci { prb, information, measurement, .. } => {
                totals.heard[1] += 1;
                self.planner.heard(now.t, *prb, information, measurement.signal);
            }
            // TS 36.321 §5.14.2.2.2 (2)
            Event::SlSch(block) if !block.repeat => {
                totals.heard[2] += 1;
                let group = match block.information {
                    ControlInformation::Format0(sci) => Some(sci.group_destination),
                    ControlInformation::Format1(_) => None,
                };
                stack.receive_sl_sch(group, block.block, &mut |event| applications.tell(now, event));
            }
            // TS 36.321 §5.15.2.1.2 (2)
            Event::SlDch { message, repeat: false, since_first, measurement, .. } => {
                totals.heard[3] += 1;
                let since_first = u64::from(*since_first);
                // As TS 36.214 §5.1.22: the CRC holds.
                let power = Some(measurement.signal);
                // TS 36.300 §23.11.2
                stack.receive_sl_dch(message, since_first, power, &mut |event| {
                    applications.tell(now, event);
                });
            }
            _ => {}
        }
    }
}

impl Ue {
    /// Returns the number of lost samples in the subframe that begins at `start`.
    pub(super) fn lost(&self, start: i64) -> u64 {
        let n = self.numerology.subframe_samples() as i64;
        let (from, to) = (start.max(self.hole.start as i64), (start + n).min(self.hole.end as i64));
        (to - from).max(0) as u64
    }

    /// Receives the subframe whose first sample is `start`; `whole` is true if no sample of it was lost.
    pub(super) fn hear(&mut self, now: Moment, start: i64, whole: bool) {
        let t = now.t;
        let Self { streams, receiver, latency_stats, listener, .. } = self;
        let Some(samples) = streams.cut(start, self.numerology.subframe_samples()) else { return };
        receiver.set_time(t, Clock::dfn(t));
        receiver.set_common_cfo(self.cfo);
        receiver.set_slss_search(match self.sync.expects_signals(t) {
            true => SlssSearch::Always,
            false => SlssSearch::NotNext,
        });
        let mut hearing = Hearing {
            now,
            totals: &mut self.totals,
            sync: &mut self.sync,
            planner: &mut self.planner,
            stack: &mut self.stack,
            applications: &mut self.applications,
            reference: None,
        };
        // Time since the last mark that layer 2 took.
        let layer2_time = Cell::new(Duration::ZERO);
        let (mut inside, mut last) = (Duration::ZERO, Instant::now());
        let mut mark = |part: Part| {
            let (now, within) = (Instant::now(), layer2_time.take());
            latency_stats.record(Stage::of(part), (now - last).saturating_sub(within));
            (last, inside) = (now, inside + within);
        };
        let mut hear = |heard: Event<'_>| {
            if let Some(listener) = listener {
                listener(&heard, start, now.utc);
            }
            let began = Instant::now();
            hearing.hear(&heard);
            layer2_time.set(layer2_time.get() + began.elapsed());
        };
        let samples = &samples[..streams.antennas().count()];
        receiver.process_marked(t, samples, &mut hear, &mut mark);
        let reference = hearing.reference;
        self.planner.sensed(t, whole.then_some(receiver));
        latency_stats.within(Stage::Layer2, inside);
        if let (Some(measurement), Some(clock)) = (reference, &mut self.clock) {
            clock.steer(t, f64::from(measurement.delay));
            self.cfo = self.cfo + Hertz(0.5 * (measurement.cfo - self.cfo).0);
        }
    }
}
