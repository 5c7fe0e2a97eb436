//! Transforms of one SC-FDMA symbol, with what surrounds them (TS 36.211 §5.6) in their first and last pass.
//!
//! N samples are a matrix of L rows and N / L columns, L the lanes of a vector; N / L = 16 B:
//!
//! ```text
//! columns  N / L DFTs of L, a vector of neighbouring columns at a time; twiddles; L x L blocks turned in registers
//! middle   L DFTs of N / L side by side, each in a lane of its own: first 16 of B ..
//! last     .. then B of 16. Lanes are neighbouring frequencies
//! ```
//!
//! No other pass moves elements between lanes. The first reads a window that begins in the cyclic prefix as if it had
//! been turned to begin after it: no phase ramp is left. The half-subcarrier shift, a carrier offset and the gain are
//! factors of the rows and of the twiddles. The last writes occupied subcarriers only.
//!
//! Products and sums are fused: results are those of any other order within rounding, and the same for one number of
//! lanes.
#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "only x86-64 has passes of its own"))]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod butterfly;
mod lanes;
mod passes;
mod scalar;
mod tables;
#[cfg(test)]
mod tests;

use super::Backend;
use crate::Sample;
use num_complex::Complex64;
use tables::{Lines, Tables, polar};

/// The passes of one number of lanes, compiled for one instruction set.
#[derive(Clone, Copy)]
struct Kernel {
    lanes: usize,
    forward: fn(&mut Forward<'_>),
    inverse: fn(&mut Inverse<'_>),
}

/// Inputs and outputs of the transform of one received symbol.
struct Forward<'a> {
    tables: &'a Tables,
    /// Twiddles of the first pass, those of `tables` or turned ones.
    twiddles: &'a Lines,
    /// Factor of every vector of samples: real parts, then imaginary parts.
    factors: &'a [f32],
    /// The window, before and after the end of the prefix.
    window: [&'a [Sample]; 2],
    /// The vector with both ends of the window.
    seam: &'a [Sample],
    /// Occupied subcarriers.
    out: &'a mut [Sample],
    work: &'a mut Lines,
}

/// Inputs and outputs of the transform of one symbol to send.
struct Inverse<'a> {
    tables: &'a Tables,
    /// All N frequencies.
    spectrum: &'a [Sample],
    /// Factor of every sample, in vectors.
    shift: &'a Lines,
    out: &'a mut [Sample],
    work: &'a mut Lines,
}

/// The passes over a vector type, compiled for its instruction set.
///
/// Only [`kernel`] returns kernels, after a check of the instruction set.
#[cfg(target_arch = "x86_64")]
macro_rules! kernel_of {
    ($lanes:ty, $count:literal, $features:literal) => {{
        #[target_feature(enable = $features)]
        fn forward(job: &mut super::Forward<'_>) {
            // SAFETY: this function has the instruction set.
            unsafe { super::passes::forward::<$lanes, $count>(job) }
        }

        #[target_feature(enable = $features)]
        fn inverse(job: &mut super::Inverse<'_>) {
            // SAFETY: this function has the instruction set.
            unsafe { super::passes::inverse::<$lanes, $count>(job) }
        }

        Kernel {
            lanes: $count,
            // SAFETY: the machine has the instruction set, see above.
            forward: |job| unsafe { forward(job) },
            // SAFETY: the machine has the instruction set, see above.
            inverse: |job| unsafe { inverse(job) },
        }
    }};
}
#[cfg(target_arch = "x86_64")]
use kernel_of;

/// Returns the passes of a backend for `n` samples, if there are any.
#[cfg(not(target_arch = "x86_64"))]
fn kernel(_: Backend, _: usize) -> Option<Kernel> {
    None
}

/// Returns the passes of a backend for `n` samples, if there are any.
#[cfg(target_arch = "x86_64")]
fn kernel(backend: Backend, n: usize) -> Option<Kernel> {
    let best = match backend.or_scalar() {
        _ if !is_x86_feature_detected!("fma") => return None,
        Backend::Avx512 if Tables::suit(n, avx512::SIXTEEN.lanes) => avx512::SIXTEEN,
        Backend::Avx512 => avx512::EIGHT,
        Backend::Avx2 => avx2::EIGHT,
        _ => return None,
    };
    Tables::suit(n, best.lanes).then_some(best)
}

/// From the samples of a symbol to its subcarriers.
pub(crate) struct Analysis {
    kernel: Kernel,
    tables: Tables,
    advance: usize,
    /// Offset in turns a sample for which `turned` and `rows` are made.
    offset: f64,
    turned: Lines,
    /// Factor of each vector of samples.
    rows: Vec<Sample>,
    /// The same turned by `phase`: real parts, then imaginary parts.
    factors: Vec<f32>,
    phase: f64,
    /// Factor of a sample before the end of the prefix against the one that it is taken for.
    early: Sample,
    work: Lines,
}

impl Analysis {
    /// Makes tables for symbols of `n` samples whose windows begin `advance` samples before the end of the prefix.
    /// `None` if the backend has no passes for that.
    pub(crate) fn new(backend: Backend, n: usize, advance: usize, gain: f32) -> Option<Self> {
        Some(Self::with_kernel(kernel(backend, n)?, n, advance, gain))
    }

    fn with_kernel(kernel: Kernel, n: usize, advance: usize, gain: f32) -> Self {
        let tables = Tables::new(n, kernel.lanes, -0.5, gain);
        let vectors = n / kernel.lanes;
        let mut made = Self {
            kernel,
            advance: advance.min(n),
            offset: 0.0,
            turned: tables.first.clone(),
            rows: vec![Sample::default(); vectors],
            factors: vec![0.0; 2 * vectors],
            phase: f64::NAN,
            early: Sample::default(),
            work: Lines::new(n),
            tables,
        };
        made.set_rows();
        made
    }

    /// Turns every sample by `offset` turns from now on, and every symbol by a phase besides.
    pub(crate) fn set_offset(&mut self, offset: f64) {
        if self.offset == offset {
            return;
        }
        self.offset = offset;
        self.tables.turn(offset, &mut self.turned);
        self.set_rows();
    }

    /// Every row of samples has a factor. What came before the end of the prefix stands at the end.
    fn set_rows(&mut self) {
        let (n, lanes) = (self.tables.n, self.kernel.lanes);
        let row = n / lanes;
        // one symbol earlier the half subcarrier has the opposite sign
        let early = polar(0.5 - self.offset * n as f64);
        self.early = single(early);
        let step = polar((self.offset - 0.5 / n as f64) * row as f64);
        let mut at = Complex64::new(1.0, 0.0);
        for (i, factors) in self.rows.chunks_exact_mut(row / lanes).enumerate() {
            for (j, factor) in factors.iter_mut().enumerate() {
                let is_early = i * row + j * lanes >= n - self.advance;
                *factor = single(if is_early { at * early } else { at });
            }
            at *= step;
        }
        self.phase = f64::NAN;
    }

    /// Writes the occupied subcarriers of a symbol to `out`, the lowest first. `end` is the end of its cyclic prefix in
    /// `samples`, and `phase` turns the whole symbol, in turns.
    ///
    /// Panics if the window is not in `samples`, or if more than N / 2 subcarriers are occupied on a side.
    pub(crate) fn run(&mut self, samples: &[Sample], end: usize, phase: f64, out: &mut [Sample]) {
        let (n, lanes) = (self.tables.n, self.kernel.lanes);
        let (early, body) = samples[end - self.advance..][..n].split_at(self.advance);
        assert!(out.len() <= n && out.len().is_multiple_of(2));
        if self.phase != phase {
            self.phase = phase;
            let turn = single(polar(phase));
            let (re, im) = self.factors.split_at_mut(n / lanes);
            for ((re, im), row) in re.iter_mut().zip(im).zip(&self.rows) {
                let factor = row * turn;
                (*re, *im) = (factor.re, factor.im);
            }
        }
        let mut seam = [Sample::default(); lanes::MAX];
        let left = body.len() % lanes;
        seam[..left].copy_from_slice(&body[body.len() - left..]);
        for (x, &y) in seam[left..lanes].iter_mut().zip(early) {
            *x = y * self.early;
        }
        (self.kernel.forward)(&mut Forward {
            tables: &self.tables,
            twiddles: if self.offset == 0.0 { &self.tables.first } else { &self.turned },
            factors: &self.factors,
            window: [early, body],
            seam: &seam,
            out,
            work: &mut self.work,
        });
    }
}

/// From the subcarriers of a symbol to its samples.
pub(crate) struct Synthesis {
    kernel: Kernel,
    tables: Tables,
    spectrum: Vec<Sample>,
    shift: Lines,
    work: Lines,
}

impl Synthesis {
    /// Makes tables for symbols of `n` samples. `None` if the backend has no passes for that.
    pub(crate) fn new(backend: Backend, n: usize, gain: f32) -> Option<Self> {
        Some(Self::with_kernel(kernel(backend, n)?, n, gain))
    }

    fn with_kernel(kernel: Kernel, n: usize, gain: f32) -> Self {
        let mut shift = Lines::new(n);
        for (i, row) in shift.parts_mut().chunks_exact_mut(2 * kernel.lanes).enumerate() {
            let (re, im) = row.split_at_mut(kernel.lanes);
            for (j, (re, im)) in re.iter_mut().zip(im).enumerate() {
                let turn = polar(0.5 * (i * kernel.lanes + j) as f64 / n as f64) * f64::from(gain);
                (*re, *im) = (turn.re as f32, turn.im as f32);
            }
        }
        Self {
            kernel,
            tables: Tables::new(n, kernel.lanes, 0.0, 1.0),
            spectrum: vec![Sample::default(); n],
            shift,
            work: Lines::new(n),
        }
    }

    /// Writes the N samples of a symbol without its prefix to `out`, from its subcarriers, the lowest first: always the
    /// same number of them.
    ///
    /// Panics if `out` has another length, or if there are more than N subcarriers.
    pub(crate) fn run(&mut self, subcarriers: &[Sample], out: &mut [Sample]) {
        let n = self.tables.n;
        assert!(out.len() == n);
        let (low, high) = subcarriers.split_at(subcarriers.len() / 2);
        self.spectrum[n - low.len()..].copy_from_slice(low);
        self.spectrum[..high.len()].copy_from_slice(high);
        (self.kernel.inverse)(&mut Inverse {
            tables: &self.tables,
            spectrum: &self.spectrum,
            shift: &self.shift,
            out,
            work: &mut self.work,
        });
    }
}

fn single(x: Complex64) -> Sample {
    Sample::new(x.re as f32, x.im as f32)
}
