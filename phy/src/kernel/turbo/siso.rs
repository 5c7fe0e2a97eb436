//! The algorithm, over any vector of lanes.

use super::order::Order;
use super::{EXTRINSIC_LIMIT, IMPOSSIBLE, Lanes};

/// States of the constituent code.
const STATES: usize = 8;

/// Rows between two normalisations of the metrics.
const NORMALISE: usize = 4;

/// Rows on which the recursions of the first iteration train.
const TRAINING: usize = 32;

/// Metrics that windows hand to their neighbours: `STATES` lines of `LANES` values, padded.
#[derive(Clone)]
pub(crate) struct Boundary {
    forward: [[i16; LINE]; STATES],
    backward: [[i16; LINE]; STATES],
}

/// Most lanes of any backend, and one more.
const LINE: usize = 64;

impl Boundary {
    pub(crate) const fn new() -> Self {
        Self { forward: [[0; LINE]; STATES], backward: [[0; LINE]; STATES] }
    }
}

/// What a half iteration reads and writes. Arrays are W rows of P lanes.
pub(crate) struct HalfIteration<'a> {
    /// W.
    pub(crate) window: usize,
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
    /// Metrics that the windows of this constituent code hand to each other.
    pub(crate) boundary: &'a mut Boundary,
    /// Whether `boundary` holds nothing yet.
    pub(crate) first: bool,
    /// Backward metrics after the last bit, from the tail.
    pub(crate) end: [i16; STATES],
    /// Factor of the extrinsic values, in 1/2^15.
    pub(crate) scale: i16,
}

impl HalfIteration<'_> {
    /// Panics unless all arrays have their lengths: the loops below do not look.
    fn check(&self, lanes: usize) {
        let (w, k) = (self.window, self.window * lanes);
        assert!(w > 0 && lanes < LINE && self.systematic.len() >= k && self.parity.len() >= k);
        assert!(self.a_priori.len() >= k && self.extrinsic.len() >= k);
        assert!(self.known.len() >= k && self.forward.len() >= STATES * k);
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
    // SAFETY: `check` saw that every array holds W rows (8 W of forward metrics); row indices stay below W.
    unsafe {
        gather::<V>(job);
        let (w, p) = (job.window, V::LANES);
        let (known, parity) = (job.known.as_ptr(), job.parity.as_ptr());
        if job.first {
            train::<V>(job);
        }

        // Forward, keeping the metrics before each row.
        job.boundary.start_forward();
        let mut m = load_metrics::<V>(&job.boundary.forward, 0);
        let mut to = job.forward.as_mut_ptr();
        for r in 0..w {
            for metric in m {
                metric.store(to);
                to = to.add(p);
            }
            m = forward(m, V::load(known.add(r * p)), V::load(parity.add(r * p)));
            if r % NORMALISE == NORMALISE - 1 {
                m = normalise(m);
            }
        }
        store_metrics(normalise(m), &mut job.boundary.forward, 1);

        // Backward, with the extrinsic values.
        job.boundary.start_backward(p, job.end);
        let mut m = load_metrics::<V>(&job.boundary.backward, 1);
        let (scale, limit, lowest) =
            (V::splat(job.scale), V::splat(EXTRINSIC_LIMIT), V::splat(-EXTRINSIC_LIMIT));
        let extrinsic = job.extrinsic.as_mut_ptr();
        for r in (0..w).rev() {
            let a = job.forward.as_ptr().add(r * STATES * p);
            let mut before = [m[0]; STATES];
            for (s, metric) in before.iter_mut().enumerate() {
                *metric = V::load(a.add(s * p));
            }
            let (x, y) = (V::load(known.add(r * p)), V::load(parity.add(r * p)));
            let e = extrinsic_value(before, m, y).scale(scale).min(limit).max(lowest);
            match &job.order {
                None => e.store(extrinsic.add(r * p)),
                Some(order) => {
                    let row = *order.rows.get_unchecked(r) as usize;
                    e.permute(order.inverse.as_ptr().add(r * p)).store(extrinsic.add(row * p));
                }
            }
            m = backward(m, x, y);
            if r % NORMALISE == 0 {
                m = normalise(m);
            }
        }
        store_metrics(normalise(m), &mut job.boundary.backward, 0);
    }
}

/// `known` = systematic + a priori, in the order of this constituent code.
#[inline(always)]
unsafe fn gather<V: Lanes>(job: &mut HalfIteration<'_>) {
    let p = V::LANES;
    let (systematic, a_priori) = (job.systematic.as_ptr(), job.a_priori.as_ptr());
    let known = job.known.as_mut_ptr();
    // SAFETY: as in `half_iteration`.
    unsafe {
        match &job.order {
            None => {
                for r in 0..job.window {
                    let sum = V::load(systematic.add(r * p)).add(V::load(a_priori.add(r * p)));
                    sum.store(known.add(r * p));
                }
            }
            Some(order) => {
                for r in 0..job.window {
                    let row = *order.rows.get_unchecked(r) as usize;
                    let moved = V::load(a_priori.add(row * p)).permute(order.lanes.as_ptr().add(r * p));
                    V::load(systematic.add(r * p)).add(moved).store(known.add(r * p));
                }
            }
        }
    }
}

/// Guesses what the windows hand to each other from `TRAINING` rows of the neighbour, all states being equal before.
#[inline(always)]
unsafe fn train<V: Lanes>(job: &mut HalfIteration<'_>) {
    let (w, p) = (job.window, V::LANES);
    let (known, parity) = (job.known.as_ptr(), job.parity.as_ptr());
    // SAFETY: as in `half_iteration`.
    unsafe {
        let mut m = [V::splat(0); STATES];
        for r in w.saturating_sub(TRAINING)..w {
            m = forward(m, V::load(known.add(r * p)), V::load(parity.add(r * p)));
            if r % NORMALISE == NORMALISE - 1 {
                m = normalise(m);
            }
        }
        store_metrics(normalise(m), &mut job.boundary.forward, 1);
        let mut m = [V::splat(0); STATES];
        for r in (0..w.min(TRAINING)).rev() {
            m = backward(m, V::load(known.add(r * p)), V::load(parity.add(r * p)));
            if r % NORMALISE == 0 {
                m = normalise(m);
            }
        }
        store_metrics(normalise(m), &mut job.boundary.backward, 0);
    }
}

impl Boundary {
    /// The first window starts in state 0; the others where the window before ended, stored one lane up.
    #[inline(always)]
    fn start_forward(&mut self) {
        for (s, line) in self.forward.iter_mut().enumerate() {
            line[0] = if s == 0 { 0 } else { IMPOSSIBLE };
        }
    }

    /// The last window ends as the tail says; the others where the window after began, read one lane up.
    #[inline(always)]
    fn start_backward(&mut self, lanes: usize, end: [i16; STATES]) {
        for (line, end) in self.backward.iter_mut().zip(end) {
            line[lanes] = end;
        }
    }
}

#[inline(always)]
unsafe fn load_metrics<V: Lanes>(lines: &[[i16; LINE]; STATES], offset: usize) -> [V; STATES] {
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
unsafe fn store_metrics<V: Lanes>(m: [V; STATES], lines: &mut [[i16; LINE]; STATES], offset: usize) {
    for (metric, line) in m.into_iter().zip(lines) {
        // SAFETY: a line is longer than a vector and the offset.
        unsafe { metric.store(line.as_mut_ptr().add(offset)) };
    }
}

// The trellis. State s = 4 s1 + 2 s2 + s3, with s1 the youngest register; input u and parity z = u + s1 + s2 lead to
// state (u + s2 + s3, s1, s2). A branch with u = 1 costs x, one with z = 1 costs y. TS 36.212 §5.1.3.2.1

/// Metrics after a row from those before.
#[inline(always)]
unsafe fn forward<V: Lanes>(a: [V; STATES], x: V, y: V) -> [V; STATES] {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let xy = x.add(y);
        [
            a[0].max(a[1].sub(xy)),
            a[2].sub(x).max(a[3].sub(y)),
            a[4].sub(y).max(a[5].sub(x)),
            a[6].sub(xy).max(a[7]),
            a[0].sub(xy).max(a[1]),
            a[2].sub(y).max(a[3].sub(x)),
            a[4].sub(x).max(a[5].sub(y)),
            a[6].max(a[7].sub(xy)),
        ]
    }
}

/// Metrics before a row from those after.
#[inline(always)]
unsafe fn backward<V: Lanes>(b: [V; STATES], x: V, y: V) -> [V; STATES] {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let xy = x.add(y);
        [
            b[0].max(b[4].sub(xy)),
            b[4].max(b[0].sub(xy)),
            b[5].sub(y).max(b[1].sub(x)),
            b[1].sub(y).max(b[5].sub(x)),
            b[2].sub(y).max(b[6].sub(x)),
            b[6].sub(y).max(b[2].sub(x)),
            b[7].max(b[3].sub(xy)),
            b[3].max(b[7].sub(xy)),
        ]
    }
}

/// What the code says of the bit of a row, apart from what was known of it: the best path with u = 0 less the best one
/// with u = 1.
#[inline(always)]
unsafe fn extrinsic_value<V: Lanes>(a: [V; STATES], b: [V; STATES], y: V) -> V {
    // SAFETY: the caller has the instruction set.
    unsafe {
        // By (u, z).
        let u0z0 = max4(a[0].add(b[0]), a[1].add(b[4]), a[6].add(b[7]), a[7].add(b[3]));
        let u0z1 = max4(a[2].add(b[5]), a[3].add(b[1]), a[4].add(b[2]), a[5].add(b[6]));
        let u1z1 = max4(a[0].add(b[4]), a[1].add(b[0]), a[6].add(b[3]), a[7].add(b[7]));
        let u1z0 = max4(a[2].add(b[1]), a[3].add(b[5]), a[4].add(b[6]), a[5].add(b[2]));
        u0z0.max(u0z1.sub(y)).sub(u1z0.max(u1z1.sub(y)))
    }
}

#[inline(always)]
unsafe fn max4<V: Lanes>(a: V, b: V, c: V, d: V) -> V {
    // SAFETY: the caller has the instruction set.
    unsafe { a.max(b).max(c.max(d)) }
}

#[inline(always)]
unsafe fn normalise<V: Lanes>(mut m: [V; STATES]) -> [V; STATES] {
    let zero = m[0];
    for metric in &mut m {
        // SAFETY: the caller has the instruction set.
        *metric = unsafe { metric.sub(zero) };
    }
    m
}

/// Brings rows of the natural order into that of the second constituent code.
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

/// Hard decisions on the sum of three arrays of `window` rows: bit 1 where it is negative. 16 rows make a row of words,
/// first bit in the top place; the last word holds what is left, in its low bits.
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
