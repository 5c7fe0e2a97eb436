//! Many measurements on all processors, in the order in which they were asked for, and the time that they take.

use super::cases::Link;
use super::{AirConfig, Case, Crossing, Effort, FLOOR, Knowledge, crossing, sweep};
use sidelink_phy::impair::fading::ChannelModel;
use sidelink_phy::units::Decibel;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Block error rate at which a crossing is searched.
pub const GOAL: f64 = 0.1;

/// Blocks by which the time of a case is told.
const TASTE: u32 = 6;

/// Points of a crossing with all blocks, about.
const POINTS: f64 = 6.5;

/// A curve to measure.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// The channel.
    pub case: &'static Case,
    /// Everything between the ends; its seed is the first one.
    pub air: AirConfig,
    /// The receiver's knowledge.
    pub knowledge: Knowledge,
}

/// Points of every curve.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// Those that lead to the Es/N0 at which 10 % of the blocks fail.
    Crossing,
    /// These.
    Sweep(Vec<Decibel>),
}

impl Job {
    fn run(&self, wanted: &Wanted, effort: Effort) -> Crossing {
        match wanted {
            Wanted::Crossing => crossing(self.case, &self.air, self.knowledge, GOAL, effort),
            Wanted::Sweep(es_n0) => Crossing {
                es_n0: None,
                interval: None,
                points: sweep(self.case, &self.air, self.knowledge, es_n0, effort),
                floor: None,
            },
        }
    }

    /// Points at which all blocks are sent, about.
    fn points(&self, wanted: &Wanted) -> f64 {
        match wanted {
            Wanted::Crossing if self.air.channel == ChannelModel::Awgn => POINTS,
            Wanted::Crossing => POINTS + 1.0,
            Wanted::Sweep(es_n0) => es_n0.len() as f64,
        }
    }
}

/// Returns the number of processors that are used.
pub fn processors(jobs: usize) -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(jobs.max(1))
}

/// Estimates the time of the curves, from a few blocks of each case.
pub fn time(jobs: &[Job], wanted: &Wanted, effort: Effort) -> Duration {
    let mut blocks: BTreeMap<(&str, bool), f64> = BTreeMap::new();
    let mut seconds = 0.0;
    for job in jobs {
        let key = (job.case.name, job.knowledge == Knowledge::Perfect);
        let block = *blocks.entry(key).or_insert_with(|| {
            let mut link = Link::new(job.case, &job.air, job.knowledge);
            link.run(FLOOR, 1);
            let began = Instant::now();
            link.run(job.case.target, TASTE);
            began.elapsed().as_secs_f64() / f64::from(TASTE)
        });
        seconds += block * job.points(wanted) * f64::from(effort.trials) * f64::from(effort.seeds);
    }
    Duration::from_secs_f64(seconds / processors(jobs.len()) as f64)
}

/// Measures all curves; `done` gets each, with its place among `jobs`, in their order.
///
/// # Errors
/// The first of `done`, after the curves that have begun.
pub fn run<E>(
    jobs: &[Job],
    wanted: &Wanted,
    effort: Effort,
    done: &mut dyn FnMut(usize, Crossing) -> Result<(), E>,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..processors(jobs.len()) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let at = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(job) = jobs.get(at)
                    && sender.send((at, job.run(wanted, effort))).is_ok()
                {}
            });
        }
        drop(sender);
        let (mut waiting, mut due) = (BTreeMap::new(), 0);
        for (at, curve) in receiver {
            waiting.insert(at, curve);
            while let Some(curve) = waiting.remove(&due) {
                if let Err(error) = done(due, curve) {
                    next.store(jobs.len(), Ordering::Relaxed);
                    return Err(error);
                }
                due += 1;
            }
        }
        Ok(())
    })
}
