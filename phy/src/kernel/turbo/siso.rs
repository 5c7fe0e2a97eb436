//! The algorithm, over any vector of lanes.

use super::order::Order;
use super::trellis::{STATES, backward, extrinsic_value, forward};
use super::{CORRECTION_LIMIT, EXTRINSIC_LIMIT, IMPOSSIBLE, Lanes};
use std::hint::black_box;

/// Value to which metrics are brought back: they stay positive, and the sum of two of them fits an unsigned word.
const OFFSET: i16 = 1 << 14;

/// Rows between two normalisations of the metrics.
const NORMALISE: usize = 4;

/// In max-log-MAP, one of this many rows keeps its forward metrics, and those of the others are computed again: those of a
/// long block do not fit the first cache. A divisor of [`NORMALISE`]. In log-MAP computing them costs more.
const KEEP: usize = 2;

/// Metrics that a constituent code keeps from one iteration to the next: those of every window, `training` rows before
/// its end for the forward recursion, and before its begin for the backward recursion. Lines of a state hold a value
/// for each lane.
#[derive(Clone)]
pub(crate) struct Boundary {
    forward: Lines,
    backward: Lines,
}

type Lines = [[i16; LINE]; STATES];

/// Most lanes of any backend, and one more.
const LINE: usize = 64;

impl Boundary {
    pub(crate) const fn new() -> Self {
        Self { forward: [[0; LINE]; STATES], backward: [[0; LINE]; STATES] }
    }

    /// Clears all metrics, for a new block.
    pub(crate) fn reset(&mut self) {
        *self = Self { forward: [[OFFSET; LINE]; STATES], backward: [[OFFSET; LINE]; STATES] };
    }
}

/// Inputs and outputs of a half iteration. Arrays are W rows of P lanes.
pub(crate) struct HalfIteration<'a> {
    /// Rows of a window, W.
    pub(crate) window: usize,
    /// Rows of the neighbour, W at most, over which a recursion runs before its own window, starting from the
    /// neighbour's metrics of the previous iteration. All of them, or a multiple of 4.
    pub(crate) training: usize,
    /// The interleaver, for the second constituent code; `None` for the first.
    pub(crate) order: Option<Order<'a>>,
    /// Systematic channel values, in the order of this constituent code.
    pub(crate) systematic: &'a [i16],
    /// Parity channel values.
    pub(crate) parity: &'a [i16],
    /// Extrinsic values of the other constituent code, in natural order.
    pub(crate) a_priori: &'a [i16],
    /// Extrinsic values of this constituent code, in natural order.
    pub(crate) extrinsic: &'a mut [i16],
    /// Scratch: systematic and a priori values together.
    pub(crate) known: &'a mut [i16],
    /// Scratch: forward metrics, 8 W rows.
    pub(crate) forward: &'a mut [i16],
    /// Metrics that the windows of this constituent code pass to each other.
    pub(crate) boundary: &'a mut Boundary,
    /// Backward metrics after the last bit, from the tail.
    pub(crate) end: [i16; STATES],
    /// Factor of the extrinsic values, in 1/2^15.
    pub(crate) scale: i16,
    /// Correction of the maximum of two equal metrics, which turns max-log-MAP into log-MAP.
    pub(crate) correction: Option<i16>,
}

impl HalfIteration<'_> {
    /// Panics unless all arrays have their lengths: the loops below do not check them.
    fn check(&self, lanes: usize) {
        let (w, k) = (self.window, self.window * lanes);
        assert!(
            (1..=w).contains(&self.training)
                && (self.training == w || self.training.is_multiple_of(NORMALISE))
                && lanes < LINE
                && self.systematic.len() >= k
                && self.parity.len() >= k
        );
        assert!(self.a_priori.len() >= k && self.extrinsic.len() >= k);
        assert!(self.known.len() >= k && self.forward.len() >= STATES * k);
        assert!(self.correction.is_none_or(|c| (0..=CORRECTION_LIMIT).contains(&c)));
        if let Some(order) = &self.order {
            assert!(order.rows.len() == w && order.lanes.len() == k && order.inverse.len() == k);
        }
    }
}

/// Runs a half iteration.
///
/// # Safety
/// The machine must have the instruction set of `V`.
#[inline(always)]
pub(crate) unsafe fn half_iteration<V: Lanes>(job: &mut HalfIteration<'_>) {
    job.check(V::LANES);
    // SAFETY: the caller guarantees the instruction set; `check` has verified the lengths.
    unsafe {
        match job.correction {
            None => run::<V, false, KEEP>(job, 0),
            Some(correction) => run::<V, true, 1>(job, correction),
        }
    }
}

/// Values that a half iteration needs at every step.
#[derive(Clone, Copy)]
struct Constants<V> {
    correction: V,
    /// [`OFFSET`], of which the compiler must not know: it would make two operations of one in [`normalise`].
    offset: V,
}

/// Runs a half iteration: log-MAP with a correction, or max-log-MAP.
///
/// # Safety
/// That of [`half_iteration`], after [`HalfIteration::check`].
#[inline(always)]
unsafe fn run<V: Lanes, const CORRECT: bool, const KEEP: usize>(
    job: &mut HalfIteration<'_>,
    correction: i16,
) {
    // SAFETY: `check` saw that every array holds W rows (8 W of forward metrics); row indices stay below W.
    unsafe {
        let constants = Constants { correction: V::splat(correction), offset: black_box(V::splat(OFFSET)) };
        gather::<V>(job);
        let (first, last) = train::<V, CORRECT>(job, constants);
        go_forth::<V, CORRECT, KEEP>(job, constants, first);
        go_back::<V, CORRECT, KEEP>(job, constants, last);
    }
}

/// Returns the metrics before the first row: state 0 in the first window, in the others the result of a recursion over
/// the last rows of the window before. And those after the last row: those of the tail in the last window, in the others
/// the result of a recursion over the first rows of the window after. Both run at once, as each waits for itself at
/// every step.
#[inline(always)]
unsafe fn train<V: Lanes, const CORRECT: bool>(
    job: &mut HalfIteration<'_>,
    k: Constants<V>,
) -> ([V; STATES], [V; STATES]) {
    let (w, training) = (job.window, job.training);
    // SAFETY: as in `run`.
    unsafe {
        let mut a = load_metrics::<V>(&job.boundary.forward, 0);
        let mut b = load_metrics::<V>(&job.boundary.backward, 0);
        for i in 0..training {
            let (up, down) = (w - training + i, training - 1 - i);
            a = forward::<V, CORRECT>(a, k.correction, known::<V>(job, up), parity::<V>(job, up));
            b = backward::<V, CORRECT>(b, k.correction, known::<V>(job, down), parity::<V>(job, down));
            if i % NORMALISE == NORMALISE - 1 {
                (a, b) = (normalise(a, k), normalise(b, k));
            }
        }
        // One lane up, to the window after.
        let mut lines: Lines = [[OFFSET + IMPOSSIBLE; LINE]; STATES];
        store_metrics(normalise(a, k), &mut lines, 1);
        lines[0][0] = OFFSET;
        let first = load_metrics(&lines, 0);

        let mut lines: Lines = [[0; LINE]; STATES];
        store_metrics(normalise(b, k), &mut lines, 0);
        for (line, end) in lines.iter_mut().zip(job.end) {
            line[V::LANES] = OFFSET + end;
        }
        // One lane down, from the window after.
        (first, load_metrics(&lines, 1))
    }
}

/// Goes forward from the metrics `m` before the first row, and keeps the metrics before one row in KEEP.
///
/// # Safety
/// That of [`run`].
#[inline(always)]
unsafe fn go_forth<V: Lanes, const CORRECT: bool, const KEEP: usize>(
    job: &mut HalfIteration<'_>,
    k: Constants<V>,
    mut m: [V; STATES],
) {
    const { assert!(NORMALISE == 4) };
    let w = job.window;
    // SAFETY: as in `run`.
    unsafe {
        for r in (0..w / NORMALISE).map(|block| NORMALISE * block) {
            m = forth::<V, CORRECT, KEEP>(job, k, r, m);
            m = forth::<V, CORRECT, KEEP>(job, k, r + 1, m);
            m = forth::<V, CORRECT, KEEP>(job, k, r + 2, m);
            m = forth::<V, CORRECT, KEEP>(job, k, r + 3, m);
            m = normalise(m, k);
        }
        for r in w / NORMALISE * NORMALISE..w {
            m = forth::<V, CORRECT, KEEP>(job, k, r, m);
        }
        let passed_on = before::<V, CORRECT, KEEP>(job, k, w - job.training);
        store_metrics(normalise(passed_on, k), &mut job.boundary.forward, 0);
    }
}

/// Goes forward over row `r`, from the metrics before it to those after.
///
/// # Safety
/// That of [`run`]; `r` is below W.
#[inline(always)]
unsafe fn forth<V: Lanes, const CORRECT: bool, const KEEP: usize>(
    job: &mut HalfIteration<'_>,
    k: Constants<V>,
    r: usize,
    m: [V; STATES],
) -> [V; STATES] {
    // SAFETY: as in `run`.
    unsafe {
        if r.is_multiple_of(KEEP) {
            let to = job.forward.as_mut_ptr().add(r / KEEP * STATES * V::LANES);
            for (s, metric) in m.into_iter().enumerate() {
                metric.store(to.add(s * V::LANES));
            }
        }
        forward::<V, CORRECT>(m, k.correction, known::<V>(job, r), parity::<V>(job, r))
    }
}

/// Returns the forward metrics before row `r`, which [`go_forth`] has kept or which follow from those of the row before.
///
/// # Safety
/// That of [`run`]; `r` is below W.
#[inline(always)]
unsafe fn before<V: Lanes, const CORRECT: bool, const KEEP: usize>(
    job: &HalfIteration<'_>,
    k: Constants<V>,
    r: usize,
) -> [V; STATES] {
    const { assert!(KEEP <= 2) };
    let p = V::LANES;
    // SAFETY: as in `run`.
    unsafe {
        let from = job.forward.as_ptr().add(r / KEEP * STATES * p);
        let mut m = [k.offset; STATES];
        for (s, metric) in m.iter_mut().enumerate() {
            *metric = V::load(from.add(s * p));
        }
        if r.is_multiple_of(KEEP) {
            return m;
        }
        let x = V::load(job.known.as_ptr().add((r - 1) * p));
        forward::<V, CORRECT>(m, k.correction, x, parity::<V>(job, r - 1))
    }
}

/// Goes back from the metrics `m` after the last row, with the extrinsic values.
///
/// # Safety
/// That of [`run`], after [`go_forth`].
#[inline(always)]
unsafe fn go_back<V: Lanes, const CORRECT: bool, const KEEP: usize>(
    job: &mut HalfIteration<'_>,
    k: Constants<V>,
    mut m: [V; STATES],
) {
    let w = job.window;
    // SAFETY: as in `run`.
    unsafe {
        if job.training == w {
            store_metrics(m, &mut job.boundary.backward, 0);
        }
        for r in (w / NORMALISE * NORMALISE..w).rev() {
            m = back::<V, CORRECT>(job, k, r, before::<V, CORRECT, KEEP>(job, k, r), m);
        }
        for r in (0..w / NORMALISE).rev().map(|block| NORMALISE * block) {
            m = normalise(m, k);
            if r + NORMALISE == job.training {
                store_metrics(m, &mut job.boundary.backward, 0);
            }
            m = back::<V, CORRECT>(job, k, r + 3, before::<V, CORRECT, KEEP>(job, k, r + 3), m);
            m = back::<V, CORRECT>(job, k, r + 2, before::<V, CORRECT, KEEP>(job, k, r + 2), m);
            m = back::<V, CORRECT>(job, k, r + 1, before::<V, CORRECT, KEEP>(job, k, r + 1), m);
            m = back::<V, CORRECT>(job, k, r, before::<V, CORRECT, KEEP>(job, k, r), m);
        }
    }
}

/// Goes back over row `r`: from the metrics after it to those before, with its extrinsic value. `before` are its forward
/// metrics.
///
/// # Safety
/// That of [`run`]; `r` is below W.
#[inline(always)]
unsafe fn back<V: Lanes, const CORRECT: bool>(
    job: &mut HalfIteration<'_>,
    k: Constants<V>,
    r: usize,
    before: [V; STATES],
    m: [V; STATES],
) -> [V; STATES] {
    let p = V::LANES;
    // SAFETY: as in `run`.
    unsafe {
        let x = V::load(job.known.as_ptr().add(r * p));
        let y = parity::<V>(job, r);
        let e = extrinsic_value::<V, CORRECT>(before, m, k.correction, y);
        let e = e.scale(V::splat(job.scale)).clamp(EXTRINSIC_LIMIT);
        let extrinsic = job.extrinsic.as_mut_ptr();
        match &job.order {
            None => e.store(extrinsic.add(r * p)),
            Some(order) => {
                let row = *order.rows.get_unchecked(r) as usize;
                e.permute(order.inverse.as_ptr().add(r * p)).store(extrinsic.add(row * p));
            }
        }
        backward::<V, CORRECT>(m, k.correction, x, y)
    }
}

/// Lays `known` out for the second constituent code: systematic values, and a priori values in its order.
#[inline(always)]
unsafe fn gather<V: Lanes>(job: &mut HalfIteration<'_>) {
    let Some(order) = job.order else { return };
    let p = V::LANES;
    // SAFETY: as in `run`.
    unsafe {
        for r in 0..job.window {
            let row = *order.rows.get_unchecked(r) as usize;
            let moved = V::load(job.a_priori.as_ptr().add(row * p)).permute(order.lanes.as_ptr().add(r * p));
            let sum = V::load(job.systematic.as_ptr().add(r * p)).add(moved);
            sum.store(job.known.as_mut_ptr().add(r * p));
        }
    }
}

/// Returns systematic and a priori values of row `r` together. For the first constituent code it writes `known`, which
/// takes less time in the recursions than before them.
#[inline(always)]
unsafe fn known<V: Lanes>(job: &mut HalfIteration<'_>, r: usize) -> V {
    let at = r * V::LANES;
    // SAFETY: as in `run`.
    unsafe {
        if job.order.is_some() {
            return V::load(job.known.as_ptr().add(at));
        }
        let sum = V::load(job.systematic.as_ptr().add(at)).add(V::load(job.a_priori.as_ptr().add(at)));
        sum.store(job.known.as_mut_ptr().add(at));
        sum
    }
}

#[inline(always)]
unsafe fn parity<V: Lanes>(job: &HalfIteration<'_>, r: usize) -> V {
    // SAFETY: as in `run`.
    unsafe { V::load(job.parity.as_ptr().add(r * V::LANES)) }
}

#[inline(always)]
unsafe fn load_metrics<V: Lanes>(lines: &Lines, offset: usize) -> [V; STATES] {
    // SAFETY: a line is longer than a vector and the offset.
    unsafe {
        let mut m = [V::splat(0); STATES];
        for (metric, line) in m.iter_mut().zip(lines) {
            *metric = V::load(line.as_ptr().add(offset));
        }
        m
    }
}

#[inline(always)]
unsafe fn store_metrics<V: Lanes>(m: [V; STATES], lines: &mut Lines, offset: usize) {
    for (metric, line) in m.into_iter().zip(lines) {
        // SAFETY: a line is longer than a vector and the offset.
        unsafe { metric.store(line.as_mut_ptr().add(offset)) };
    }
}

/// Shifts the metrics so that state 0 has `OFFSET`.
#[inline(always)]
unsafe fn normalise<V: Lanes>(mut m: [V; STATES], k: Constants<V>) -> [V; STATES] {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let excess = m[0].sub(k.offset);
        for metric in &mut m {
            *metric = metric.sub(excess);
        }
    }
    m
}

/// Permutes rows of the natural order to that of the second constituent code.
///
/// # Safety
/// The machine must have the instruction set of `V`.
#[inline(always)]
pub(crate) unsafe fn interleave<V: Lanes>(order: Order<'_>, natural: &[i16], interleaved: &mut [i16]) {
    let (w, p) = (order.rows.len(), V::LANES);
    assert!(order.lanes.len() == w * p && natural.len() >= w * p && interleaved.len() >= w * p);
    for (r, &row) in order.rows.iter().enumerate() {
        // SAFETY: the lengths were checked, and `row` is below W.
        unsafe {
            let moved = V::load(natural.as_ptr().add(usize::from(row) * p));
            moved.permute(order.lanes.as_ptr().add(r * p)).store(interleaved.as_mut_ptr().add(r * p));
        }
    }
}

/// Takes hard decisions on the sum of three arrays of `window` rows: bit 1 if it is negative. 16 rows make a row of
/// words, first bit in the top place; the last word holds the rest, in its low bits.
///
/// # Safety
/// The machine must have the instruction set of `V`.
#[inline(always)]
pub(crate) unsafe fn decide<V: Lanes>(window: usize, terms: [&[i16]; 3], words: &mut [u16]) {
    let p = V::LANES;
    assert!(terms.iter().all(|term| term.len() >= window * p));
    assert!(words.len() >= window.div_ceil(16) * p);
    // SAFETY: the lengths were checked.
    unsafe {
        for first in (0..window).step_by(16) {
            let mut word = V::splat(0);
            for r in first..window.min(first + 16) {
                let sum = V::load(terms[0].as_ptr().add(r * p)).add(V::load(terms[1].as_ptr().add(r * p)));
                word = word.push_sign(sum.add(V::load(terms[2].as_ptr().add(r * p))));
            }
            word.store(words.as_mut_ptr().add(first / 16 * p).cast());
        }
    }
}
