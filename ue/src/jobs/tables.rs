//! The thread that builds tables of codes, on several processors when a table is large.
//!
//! It has a low priority: a table is wanted for the next period, a subframe now.

use crossbeam::channel::{Receiver, Sender, bounded};
use sidelink_prose::discovery::Job;
use sidelink_security::discovery::matching::{Task, Workers};
use std::time::{Duration, Instant};

/// Processors that build a table, at most.
const MOST_CORES: usize = 4;

/// Places of a table from which on several processors build it.
const LARGE: usize = 1 << 15;

/// Tables that wait, at most: a monitor has two kinds.
const MOST: usize = 8;

/// How much the thread stands back behind others, in the unit of `nice`.
const NICE: i32 = 15;

/// A thread that builds tables.
pub struct TableThread {
    jobs: Sender<Job>,
    done: Receiver<(Job, Duration)>,
}

/// How long tables took to build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableTimes {
    /// Number of tables.
    pub built: u64,
    /// The sum of their times.
    pub total: Duration,
    /// The longest time.
    pub longest: Duration,
}

impl TableTimes {
    pub(super) fn add(&mut self, took: Duration) {
        self.built += 1;
        self.total += took;
        self.longest = self.longest.max(took);
    }
}

impl TableThread {
    /// Starts it. The caller should not have a real-time priority, which it would inherit.
    pub fn start() -> Self {
        let (jobs, wanted) = bounded::<Job>(MOST);
        let (built, done) = bounded(MOST);
        std::thread::spawn(move || {
            stand_back();
            let cores = Cores::of_machine();
            for mut job in wanted {
                let begun = Instant::now();
                build_table(&mut job, &cores);
                if built.send((job, begun.elapsed())).is_err() {
                    return;
                }
            }
        });
        Self { jobs, done }
    }

    /// Begins to build a table. Returns the job when too many wait.
    pub fn begin(&self, job: Job) -> Option<Job> {
        self.jobs.try_send(job).err().map(|e| e.into_inner())
    }

    /// Returns the next table that is built, and how long that took.
    pub fn take(&self) -> Option<(Job, Duration)> {
        self.done.try_recv().ok()
    }

    /// Waits for the next table.
    pub fn wait(&self) -> Option<(Job, Duration)> {
        self.done.recv().ok()
    }
}

/// Lets other threads go first, where the system has priorities of threads.
fn stand_back() {
    #[cfg(target_os = "linux")]
    if let Err(e) = rustix::process::nice(NICE) {
        tracing::debug!("tables are built with the priority of everything else: {e}");
    }
}

/// Builds a whole table; on this thread alone when it is small.
pub fn build_table(job: &mut Job, cores: &Cores) {
    if job.places() < LARGE { while !job.run(usize::MAX) {} } else { while !job.run_on(cores) {} }
}

/// Several threads for the parts of a table.
#[derive(Clone, Copy, Debug)]
pub struct Cores(usize);

impl Cores {
    /// Uses this many.
    pub fn new(count: usize) -> Self {
        Self(count.max(1))
    }

    /// Uses all processors of the machine, up to four.
    pub fn of_machine() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, |n| n.get()).min(MOST_CORES))
    }
}

impl Workers for Cores {
    fn count(&self) -> usize {
        self.0
    }

    fn run(&self, mut tasks: Vec<Task<'_>>) {
        let own = tasks.pop();
        std::thread::scope(|scope| {
            for task in tasks {
                scope.spawn(task);
            }
            if let Some(own) = own {
                own();
            }
        });
    }
}
