//! Twiddles and buffers, aligned to cache lines.

use num_complex::Complex64;
use std::f64::consts::PI;

/// Values of a DFT of the last pass.
pub(super) const LAST: usize = 16;

/// A cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Line([f32; 16]);

/// Complex numbers in vectors: the real parts of a vector, then its imaginary parts.
#[derive(Clone)]
pub(super) struct Lines(Vec<Line>);

impl Lines {
    /// Makes `n` numbers, a multiple of 8.
    pub(super) fn new(n: usize) -> Self {
        Self(vec![Line([0.0; 16]); n / 8])
    }

    /// Returns the number of complex numbers.
    pub(super) fn len(&self) -> usize {
        8 * self.0.len()
    }

    pub(super) fn as_ptr(&self) -> *const f32 {
        self.0.as_ptr().cast()
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut f32 {
        self.0.as_mut_ptr().cast()
    }

    /// Returns all parts.
    pub(super) fn parts(&self) -> &[f32] {
        // SAFETY: a line is sixteen elements, and lines follow each other without gaps.
        unsafe { std::slice::from_raw_parts(self.as_ptr(), 16 * self.0.len()) }
    }

    /// Returns all parts.
    pub(super) fn parts_mut(&mut self) -> &mut [f32] {
        // SAFETY: a line is sixteen elements, and lines follow each other without gaps.
        unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr(), 16 * self.0.len()) }
    }
}

/// The twiddles of a transform of `n` samples in vectors of `lanes`.
#[derive(Clone)]
pub(super) struct Tables {
    pub(super) n: usize,
    pub(super) lanes: usize,
    /// B, the DFTs of [`LAST`] values of each lane.
    pub(super) middle: usize,
    /// Between columns and rows, for each vector of columns `lanes` vectors in order of frequency.
    pub(super) first: Lines,
    /// Between middle and last pass: for each of [`LAST`] inputs B pairs.
    pub(super) inner: Vec<[f32; 2]>,
}

impl Tables {
    /// Whether the passes take `n` samples in vectors of `lanes`.
    pub(super) fn suit(n: usize, lanes: usize) -> bool {
        n.is_multiple_of(LAST * lanes) && matches!(n / (LAST * lanes), 1 | 2 | 3 | 4 | 6 | 8 | 12 | 16)
    }

    /// Makes the tables. Sample `i` of a row is also turned by `shift i / n` turns, and everything scaled.
    pub(super) fn new(n: usize, lanes: usize, shift: f64, gain: f32) -> Self {
        assert!(Self::suit(n, lanes));
        let (row, middle) = (n / lanes, n / (LAST * lanes));
        let mut first = Lines::new(n);
        for (i, parts) in first.parts_mut().chunks_exact_mut(2 * lanes).enumerate() {
            let (group, k) = (i / lanes, i % lanes);
            let (re, im) = parts.split_at_mut(lanes);
            for (j, (re, im)) in re.iter_mut().zip(im).enumerate() {
                let column = (group * lanes + j) as f64;
                let turn = polar(column * (shift - k as f64) / n as f64) * f64::from(gain);
                (*re, *im) = (turn.re as f32, turn.im as f32);
            }
        }
        let inner = (0..row).map(|i| {
            let turn = polar(-((i / middle * (i % middle)) as f64) / row as f64);
            [turn.re as f32, turn.im as f32]
        });
        Self { n, lanes, middle, first, inner: inner.collect() }
    }

    /// Writes the twiddles of the first pass, with every sample of a row turned by `offset` turns against the one
    /// before.
    pub(super) fn turn(&self, offset: f64, turned: &mut Lines) {
        let lanes = self.lanes;
        let step = polar(offset);
        let mut at = Complex64::new(1.0, 0.0);
        let groups = self.first.parts().chunks_exact(2 * lanes * lanes);
        for (from, to) in groups.zip(turned.parts_mut().chunks_exact_mut(2 * lanes * lanes)) {
            let mut turns = [[0.0f32; super::lanes::MAX]; 2];
            for j in 0..lanes {
                (turns[0][j], turns[1][j]) = (at.re as f32, at.im as f32);
                at *= step;
            }
            let (c, s) = (&turns[0][..lanes], &turns[1][..lanes]);
            for (from, to) in from.chunks_exact(2 * lanes).zip(to.chunks_exact_mut(2 * lanes)) {
                let ((x, y), (re, im)) = (from.split_at(lanes), to.split_at_mut(lanes));
                for j in 0..lanes {
                    re[j] = x[j] * c[j] - y[j] * s[j];
                    im[j] = x[j] * s[j] + y[j] * c[j];
                }
            }
        }
    }
}

/// Returns a phasor.
pub(super) fn polar(turns: f64) -> Complex64 {
    Complex64::from_polar(1.0, 2.0 * PI * turns.fract())
}
