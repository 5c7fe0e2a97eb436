//! A UE that is measured, and what was counted while it warmed up.

use super::probe::Arrivals;
use super::{Run, WARM_UP, machine};
use crate::lock::lock;
use sidelink_radio::Streams;
use sidelink_ue::{Observer, Running, ThreadOptions, Totals, Ue};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// One UE of a run.
pub(super) struct MeasuredUe {
    pub(super) running: Running<Ue>,
    before: Arc<Mutex<Before>>,
    heard: Arc<Mutex<Arrivals>>,
}

impl MeasuredUe {
    pub(super) fn start(
        ue: Ue,
        streams: Streams,
        heard: Arc<Mutex<Arrivals>>,
        real_time: bool,
    ) -> anyhow::Result<Self> {
        let before = Arc::new(Mutex::new(Before::default()));
        let warm_up = WarmUp { before: Arc::clone(&before), heard: Arc::clone(&heard), over: false };
        let observer: Box<dyn Observer<Ue>> = Box::new(warm_up);
        let running = Running::start(ue, streams, real_time, ThreadOptions::default(), Some(observer))?;
        Ok(Self { running, before, heard })
    }

    /// End it, and add what was measured of it since the warm-up.
    pub(super) fn add_to(self, all: &mut Run) -> anyhow::Result<()> {
        let (mut ue, result) =
            self.running.stop().map_err(|_| anyhow::anyhow!("a thread failed; this is a bug"))?;
        result?;
        add(&mut all.totals, ue.totals(), &lock(&self.before).totals);
        all.latency_stats.merge(ue.latency_stats());
        all.arrivals.merge(&lock(&self.heard));
        Ok(())
    }
}

/// Seconds since the first UE was warm, and processor seconds for each of them.
pub(super) fn seconds_and_cores(ues: &[MeasuredUe]) -> (f64, f64) {
    let cpu = machine::cpu_seconds();
    let began = ues.iter().filter_map(|ue| lock(&ue.before).began).min_by(|a, b| a.0.total_cmp(&b.0));
    began.map_or((0.0, 0.0), |(cpu_before, at)| {
        let seconds = at.elapsed().as_secs_f64();
        (seconds, cpu.map_or(0.0, |cpu| (cpu - cpu_before) / seconds))
    })
}

/// Counts at the end of the warm-up.
#[derive(Default)]
struct Before {
    totals: Totals,
    began: Option<(f64, Instant)>,
}

/// Forgets what was measured while the UE warmed up.
struct WarmUp {
    before: Arc<Mutex<Before>>,
    heard: Arc<Mutex<Arrivals>>,
    over: bool,
}

impl Observer<Ue> for WarmUp {
    fn look(&mut self, ue: &mut Ue) {
        if self.over || ue.totals().subframes < WARM_UP {
            return;
        }
        self.over = true;
        ue.latency_stats().reset();
        lock(&self.heard).reset();
        let mut before = lock(&self.before);
        before.totals = *ue.totals();
        before.began = Some((machine::cpu_seconds().unwrap_or(0.0), Instant::now()));
    }
}

fn add(into: &mut Totals, now: &Totals, before: &Totals) {
    into.subframes += now.subframes - before.subframes;
    into.skipped += now.skipped - before.skipped;
    into.lost_samples += now.lost_samples - before.lost_samples;
    into.breaks += now.breaks - before.breaks;
    into.deaf += now.deaf - before.deaf;
    into.bursts += now.bursts - before.bursts;
    into.late_bursts += now.late_bursts - before.late_bursts;
    into.radio_events += now.radio_events - before.radio_events;
    for k in 0..4 {
        into.heard[k] += now.heard[k] - before.heard[k];
        into.sent[k] += now.sent[k] - before.sent[k];
    }
    into.reference_changes += now.reference_changes - before.reference_changes;
}
