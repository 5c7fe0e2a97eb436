//! Soft bits of blocks, made on a second thread ahead of the receiver that asks for them.
//!
//! Estimation and demapping of a block depend on the grids and its grant alone. The receiver announces the blocks of a
//! subframe ([`Ahead::begin`]) and goes on from the first; the second thread takes them from the last. Each block is
//! claimed by one of both, so results are the same with and without the second thread, bit for bit.
//!
//! ```text
//! receiver       SCIs -> begin -> block 0, 1, 2 ..          -> end
//! second thread                   .. block 5, 4, 3  (claimed one by one)
//! ```

use super::super::Config;
use super::super::front::{Front, PartTurner};
use crate::channel::layout::Layout;
use crate::channel::pssch::{Demapper, Grant, Soft};
use crate::grid::Grid;
use crate::numerology::Numerology;
use crate::receive::presence::Presence;
use crate::sequence::dmrs::{Dmrs, References};
use crate::units::{CyclicPrefix, Hertz, SidelinkMode};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, Thread};

/// Most blocks of a subframe that are announced.
pub(super) const MOST_AHEAD: usize = 32;

/// Looks at the flag before the second thread sleeps: the time of a subframe or two.
const LOOKS: u32 = 20_000;

/// State of a block: nobody's, the receiver's, the second thread's, made by it, or not possible.
const FREE: u8 = 0;
const OWN: u8 = 1;
const CLAIMED: u8 = 2;
const MADE: u8 = 3;
const FAILED: u8 = 4;

/// A block and the grids from which it is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ask {
    pub grant: Grant,
    /// Offset that the common grids keep, to which the measurement is resolved.
    pub near: Hertz,
    /// Offset in Hz that is removed from the block's subcarriers first.
    pub turned: Option<f32>,
}

/// A block as it was made.
pub(super) struct Made {
    ask: Option<Ask>,
    pub soft: Soft,
    /// Share of the power that its reference signals explain.
    pub presence: f32,
}

struct Item {
    state: AtomicU8,
    made: Mutex<Made>,
}

/// Memory of both threads.
struct Shared {
    items: Vec<Item>,
    /// Announced blocks.
    count: AtomicUsize,
    grids: Mutex<Option<Arc<Vec<Grid>>>>,
    /// Whether the second thread has work, or works.
    busy: AtomicBool,
    ends: AtomicBool,
}

/// The second thread and its blocks. Nothing is allocated after construction.
pub(super) struct Ahead {
    shared: Arc<Shared>,
    asks: Vec<Ask>,
    thread: Thread,
    handle: Option<JoinHandle<()>>,
}

impl Ahead {
    /// Starts the second thread; `None` where the system has none to give: then everything is done on one.
    pub(super) fn start(config: &Config, references: &Arc<References>) -> Option<Self> {
        let numerology = config.numerology.with_cp(CyclicPrefix::Normal);
        let made = || Made { ask: None, soft: Soft::new(numerology), presence: 0.0 };
        let item = |_| Item { state: AtomicU8::new(FREE), made: Mutex::new(made()) };
        let shared = Arc::new(Shared {
            items: (0..MOST_AHEAD).map(item).collect(),
            count: AtomicUsize::new(0),
            grids: Mutex::new(None),
            busy: AtomicBool::new(false),
            ends: AtomicBool::new(false),
        });
        let mut worker = Worker::new(config, numerology, references, shared.clone());
        let thread = std::thread::Builder::new().name("blocks".into());
        let handle = thread.spawn(move || worker.run()).ok()?;
        Some(Self {
            shared,
            asks: Vec::with_capacity(MOST_AHEAD),
            thread: handle.thread().clone(),
            handle: Some(handle),
        })
    }

    /// Announces the blocks of a subframe, the first [`MOST_AHEAD`] of them, in the order in which they will be asked for.
    pub(super) fn begin(&mut self, grids: &Arc<Vec<Grid>>, asks: &[Ask]) {
        self.end();
        // one block is made sooner than announced
        if asks.len() < 2 {
            return;
        }
        self.asks.extend(asks.iter().take(MOST_AHEAD));
        for (item, ask) in self.shared.items.iter().zip(&self.asks) {
            lock(&item.made).ask = Some(*ask);
            item.state.store(FREE, Ordering::Relaxed);
        }
        self.shared.count.store(self.asks.len(), Ordering::Relaxed);
        *lock(&self.shared.grids) = Some(grids.clone());
        self.shared.busy.store(true, Ordering::Release);
        self.thread.unpark();
    }

    /// Returns a block that the second thread has made, or is about to; `None` if the caller has to make it.
    pub(super) fn take(&self, ask: &Ask) -> Option<MutexGuard<'_, Made>> {
        let at = self.asks.iter().position(|announced| announced == ask)?;
        let item = &self.shared.items[at];
        let mut state = claim(item, OWN).err()?;
        while state == CLAIMED && self.shared.busy.load(Ordering::Acquire) {
            std::hint::spin_loop();
            state = item.state.load(Ordering::Acquire);
        }
        (state == MADE).then(|| lock(&item.made))
    }

    /// Ends the work on a subframe: its grids are the caller's alone afterwards.
    pub(super) fn end(&mut self) {
        if self.asks.is_empty() {
            return;
        }
        for item in &self.shared.items[..self.asks.len()] {
            let _ = claim(item, OWN);
        }
        self.asks.clear();
        let mut looks = 0;
        while self.shared.busy.load(Ordering::Acquire) {
            std::hint::spin_loop();
            looks += 1;
            if looks % LOOKS == 0 {
                std::thread::yield_now();
            }
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Release);
        self.thread.unpark();
        // a panic of the second thread was reported where it happened
        let _ = self.handle.take().map(JoinHandle::join);
    }
}

/// Receiver of the second thread.
struct Worker {
    shared: Arc<Shared>,
    demapper: Demapper,
    presence: Presence,
    turner: PartTurner,
    turned: Vec<Grid>,
    layout: Layout,
}

/// Says that the second thread is idle, whatever ends its work.
struct Idle<'a>(&'a AtomicBool);

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Worker {
    fn new(config: &Config, n: Numerology, references: &Arc<References>, shared: Arc<Shared>) -> Self {
        Self {
            shared,
            demapper: Demapper::new(n, config.mode, references.clone(), config.antennas),
            presence: Presence::new(n.bandwidth().prbs(), references.clone()),
            turner: PartTurner::new(n, Front::advance(n)),
            turned: (0..config.antennas.count()).map(|_| Grid::new(n)).collect(),
            layout: Layout::shared(SidelinkMode::V2x, CyclicPrefix::Normal),
        }
    }

    fn run(&mut self) {
        while self.wait() {
            self.work();
        }
    }

    /// Waits for blocks: awake at first, then asleep. Returns `false` at the end.
    fn wait(&self) -> bool {
        loop {
            for _ in 0..LOOKS {
                if self.shared.ends.load(Ordering::Acquire) {
                    return false;
                }
                if self.shared.busy.load(Ordering::Acquire) {
                    return true;
                }
                std::hint::spin_loop();
            }
            std::thread::park();
        }
    }

    fn work(&mut self) {
        let shared = self.shared.clone();
        let _idle = Idle(&shared.busy);
        let Some(grids) = lock(&shared.grids).take() else { return };
        let count = shared.count.load(Ordering::Relaxed);
        for item in shared.items[..count].iter().rev() {
            if claim(item, CLAIMED).is_ok() {
                let state = self.make(&grids, &mut lock(&item.made)).map_or(FAILED, |()| MADE);
                item.state.store(state, Ordering::Release);
            }
        }
    }

    fn make(&mut self, grids: &[Grid], made: &mut Made) -> Option<()> {
        let Ask { grant, near, turned } = made.ask?;
        let grids = match turned {
            None => grids,
            Some(cfo) => {
                self.turner.turn(grids, cfo, grant.prbs, &mut self.turned);
                &self.turned
            }
        };
        let (first, m_sc) = (grant.prbs.first_subcarrier(), grant.prbs.subcarriers());
        let dmrs = Dmrs::pssch(grant.n_id, grant.n_ssf, SidelinkMode::V2x);
        made.presence = self.presence.wide(grids, first, m_sc, self.layout, &dmrs);
        self.demapper.demap(grids, &grant, near, &mut made.soft).ok()
    }
}

/// Claims a block that is nobody's, or returns its state.
fn claim(item: &Item, by: u8) -> Result<u8, u8> {
    item.state.compare_exchange(FREE, by, Ordering::AcqRel, Ordering::Acquire)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
