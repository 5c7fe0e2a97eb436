//! The passes, over any vector of lanes.

use super::butterfly::dft;
use super::lanes::{Lanes, MAX, Pair};
use super::tables::{LAST, Lines, Tables};
use super::{Forward, Inverse};
use crate::Sample;

/// Input of the first pass and output of the last.
///
/// # Safety
/// The functions need the instruction set of `V`. Vectors of samples and of frequencies are numbered, from 0 to
/// N / L - 1.
trait Ends<V> {
    unsafe fn load(&self, vector: usize) -> Pair<V>;
    unsafe fn store(&self, vector: usize, x: Pair<V>);
}

/// Transforms a received symbol.
///
/// # Safety
/// The machine must have the instruction set of `V`.
#[inline(always)]
pub(super) unsafe fn forward<V: Lanes<L>, const L: usize>(job: &mut Forward<'_>) {
    let n = job.tables.n;
    let [early, body] = job.window;
    assert!(job.tables.lanes == L && early.len() + body.len() == n && job.seam.len() >= L);
    assert!(job.factors.len() == 2 * n / L && job.twiddles.len() == n && job.work.len() == n);
    assert!(job.out.len() <= n);
    let half = job.out.len() / 2;
    let received = Received::<L> {
        body: body.as_ptr(),
        // sample `n - early.len()` is the first of the early ones
        early: early.as_ptr().wrapping_sub(n - early.len()),
        seam: job.seam.as_ptr(),
        late: body.len(),
        factors: job.factors.as_ptr(),
        vectors: n / L,
        low: job.out.as_mut_ptr().wrapping_add(half),
        high: job.out.as_mut_ptr().wrapping_sub(n - half),
        half,
        n,
    };
    // SAFETY: the lengths were checked; the caller guarantees the instruction set.
    unsafe { transform::<V, L, _>(job.tables, job.twiddles, job.work, &received) }
}

/// Transforms a symbol to send.
///
/// # Safety
/// The machine must have the instruction set of `V`.
#[inline(always)]
pub(super) unsafe fn inverse<V: Lanes<L>, const L: usize>(job: &mut Inverse<'_>) {
    let n = job.tables.n;
    assert!(job.tables.lanes == L && job.spectrum.len() == n && job.out.len() == n);
    assert!(job.shift.len() == n && job.work.len() == n);
    let sent =
        Sent::<L> { spectrum: job.spectrum.as_ptr(), shift: job.shift.as_ptr(), out: job.out.as_mut_ptr() };
    // SAFETY: the lengths were checked; the caller guarantees the instruction set.
    unsafe { transform::<V, L, _>(job.tables, &job.tables.first, job.work, &sent) }
}

struct Received<const L: usize> {
    body: *const Sample,
    early: *const Sample,
    seam: *const Sample,
    late: usize,
    factors: *const f32,
    vectors: usize,
    low: *mut Sample,
    high: *mut Sample,
    half: usize,
    n: usize,
}

impl<V: Lanes<L>, const L: usize> Ends<V> for Received<L> {
    #[inline(always)]
    unsafe fn load(&self, vector: usize) -> Pair<V> {
        let at = L * vector;
        let from = if at + L <= self.late {
            self.body.wrapping_add(at)
        } else if at >= self.late {
            self.early.wrapping_add(at)
        } else {
            self.seam
        };
        // SAFETY: these are L samples of the one part of the window, of the other, or of the seam.
        unsafe {
            let factor = Pair::splat(*self.factors.add(vector), *self.factors.add(self.vectors + vector));
            V::load_samples(from).mul(factor)
        }
    }

    #[inline(always)]
    unsafe fn store(&self, vector: usize, x: Pair<V>) {
        let k = L * vector;
        // SAFETY: frequencies below `half` have a place behind `low`, those from `n - half` on behind `high`.
        unsafe {
            if k + L <= self.half {
                V::store_samples(x, self.low.wrapping_add(k));
            } else if k >= self.n - self.half {
                V::store_samples(x, self.high.wrapping_add(k));
            } else if k < self.half || k + L > self.n - self.half {
                let mut all = [Sample::default(); MAX];
                V::store_samples(x, all.as_mut_ptr());
                for (k, &x) in (k..k + L).zip(&all) {
                    if k < self.half {
                        *self.low.wrapping_add(k) = x;
                    } else if k >= self.n - self.half {
                        *self.high.wrapping_add(k) = x;
                    }
                }
            }
        }
    }
}

/// Exchanged parts at both ends make the transform the inverse one.
struct Sent<const L: usize> {
    spectrum: *const Sample,
    shift: *const f32,
    out: *mut Sample,
}

impl<V: Lanes<L>, const L: usize> Ends<V> for Sent<L> {
    #[inline(always)]
    unsafe fn load(&self, vector: usize) -> Pair<V> {
        // SAFETY: the spectrum has n values.
        unsafe { V::load_samples(self.spectrum.add(L * vector)).exchanged() }
    }

    #[inline(always)]
    unsafe fn store(&self, vector: usize, x: Pair<V>) {
        // SAFETY: the table and the output have n values.
        unsafe {
            let shift = Pair::load(self.shift.add(2 * L * vector));
            V::store_samples(x.exchanged().mul(shift), self.out.add(L * vector));
        }
    }
}

/// # Safety
/// The machine must have the instruction set of `V`; the tables are for vectors of L, and `twiddles` and `work` have
/// N values.
#[inline(always)]
unsafe fn transform<V: Lanes<L>, const L: usize, E: Ends<V>>(
    tables: &Tables,
    twiddles: &Lines,
    work: &mut Lines,
    ends: &E,
) {
    let b = tables.middle;
    assert!(tables.inner.len() == LAST * b && tables.n == L * LAST * b);
    let (work, inner) = (work.as_mut_ptr(), tables.inner.as_ptr());
    // SAFETY: N = 16 B L: the loops stay within N values. The caller guarantees the rest.
    unsafe {
        columns::<V, L, E>(LAST * b, twiddles.as_ptr(), work, ends);
        match b {
            2 => middle::<V, L, 2>(inner, work),
            3 => middle::<V, L, 3>(inner, work),
            4 => middle::<V, L, 4>(inner, work),
            6 => middle::<V, L, 6>(inner, work),
            8 => middle::<V, L, 8>(inner, work),
            12 => middle::<V, L, 12>(inner, work),
            16 => middle::<V, L, 16>(inner, work),
            _ => {}
        }
        last::<V, L, E>(b, work, ends);
    }
}

/// DFTs of the columns, their twiddles, and columns turned to lanes.
#[inline(always)]
unsafe fn columns<V: Lanes<L>, const L: usize, E: Ends<V>>(
    row: usize,
    twiddles: *const f32,
    work: *mut f32,
    ends: &E,
) {
    for group in 0..row / L {
        // SAFETY: as in `transform`.
        unsafe {
            let mut x = [ends.load(group); L];
            for (i, x) in x.iter_mut().enumerate().skip(1) {
                *x = ends.load(i * (row / L) + group);
            }
            dft(&mut x);
            let (mut re, mut im) = ([x[0].re; L], [x[0].im; L]);
            for i in 0..L {
                let y = x[i].mul(Pair::load(twiddles.add(2 * L * (L * group + i))));
                (re[i], im[i]) = (y.re, y.im);
            }
            let (re, im) = (V::transpose(re), V::transpose(im));
            for i in 0..L {
                Pair { re: re[i], im: im[i] }.store(work.add(2 * L * (L * group + i)));
            }
        }
    }
}

/// DFTs of B over every sixteenth row of work, and their twiddles, in place.
#[inline(always)]
unsafe fn middle<V: Lanes<L>, const L: usize, const B: usize>(inner: *const [f32; 2], work: *mut f32) {
    for c in 0..LAST {
        // SAFETY: as in `transform`.
        unsafe {
            let mut x = [Pair::<V>::load(work.add(2 * L * c)); B];
            for (i, x) in x.iter_mut().enumerate().skip(1) {
                *x = Pair::load(work.add(2 * L * (c + LAST * i)));
            }
            dft(&mut x);
            x[0].store(work.add(2 * L * c));
            for (i, x) in x.into_iter().enumerate().skip(1) {
                let [re, im] = *inner.add(B * c + i);
                x.mul(Pair::splat(re, im)).store(work.add(2 * L * (c + LAST * i)));
            }
        }
    }
}

/// DFTs of sixteen neighbouring rows of work.
#[inline(always)]
unsafe fn last<V: Lanes<L>, const L: usize, E: Ends<V>>(b: usize, work: *const f32, ends: &E) {
    for k in 0..b {
        // SAFETY: as in `transform`.
        unsafe {
            let from = work.add(2 * L * LAST * k);
            let mut x = [Pair::<V>::load(from); LAST];
            for (i, x) in x.iter_mut().enumerate().skip(1) {
                *x = Pair::load(from.add(2 * L * i));
            }
            dft(&mut x);
            for (i, x) in x.into_iter().enumerate() {
                ends.store(k + b * i, x);
            }
        }
    }
}
