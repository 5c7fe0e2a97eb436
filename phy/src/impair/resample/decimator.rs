//! Fast decimation to the 1.92 MS/s at which synchronisation signals are searched.
//!
//! A cascade of linear-phase FIR filters, each stage as short as its own rate allows. Frequencies are those of a 1.92
//! MS/s output; the pass band is ±0.55 MHz (the six central resource blocks, ±0.54 MHz, and more than 5 kHz of
//! frequency offset).
//!
//! | stage | taps | used for | ripple in ±0.55 MHz | aliases into it |
//! |---|---|---|---|---|
//! | [`HALFBAND_7`] | 7 | from 11.52 MS/s and above | 0.0018 dB | < -74 dB |
//! | [`HALFBAND_11`] | 11 | 7.68 to 3.84 MS/s | 0.0004 dB | < -86 dB |
//! | [`HALFBAND_19`] | 19 | 3.84 to 1.92 MS/s | 0.0016 dB | < -75 dB |
//! | [`THIRDBAND_29`] | 29 | 5.76 to 1.92 MS/s | 0.0054 dB | < -79 dB |
//!
//! Output sample `m` is the filtered input at time `(m - delay) * factor`, `delay` from [`Decimator::delay`]: a whole
//! number of output samples, because a few leading zeros round the group delay up.

use crate::Sample;
use crate::kernel::Backend;
use crate::kernel::sync::{Loops, PAST, Pair, as_pairs, as_pairs_mut, loops};

/// Equiripple halfband filters, pass-band edges 0.55/11.52, 0.55/7.68 and 0.55/3.84 of the input rate: outer
/// coefficients at even distances, from the edge inwards. The centre is 1/2, the other coefficients are 0.
///
/// Designed by the Parks-McClellan exchange on the one-band prototype (P. Vaidyanathan, T. Nguyen, "A 'trick' for the
/// design of FIR half-band filters", IEEE Trans. Circuits Syst. 34(3), 1987): with SciPy 1.17,
/// `remez(2 * K, [0, 2 * edge], [1], fs=1) / 2`.
const HALFBAND_7: [f32; 2] = [-0.033_444_986, 0.283_348_98];
const HALFBAND_11: [f32; 3] = [0.007_569_575, -0.053_440_783, 0.295_893_55];
const HALFBAND_19: [f32; 5] = [0.001_799_706_1, -0.009_193_379, 0.029_647_76, -0.081_386_49, 0.309_219_03];

/// Equiripple third-band filter, first half with the centre. SciPy 1.17:
/// `remez(29, [0, 0.55, 1.37, 2.47], [1, 0], weight=[1, 3], fs=5.76)`, normalised to unit sum.
const THIRDBAND_29: [f32; 15] = [
    0.001_049_067_9,
    0.000_772_949_2,
    -0.000_218_551_68,
    -0.005_474_433,
    -0.004_736_633,
    0.000_579_034_8,
    0.017_094_675,
    0.016_701_978,
    -0.001_140_992_3,
    -0.044_279_717,
    -0.050_603_4,
    0.001_608_741_6,
    0.136_905_73,
    0.265_933_16,
    0.331_616_8,
];

/// Input samples per pass through the cascade: a multiple of every factor, small enough to stay in the first cache.
const CHUNK: usize = 1536;

/// Decimates a stream by 1, 2, 3, 4, 6, 8, 12 or 16.
#[derive(Clone, Debug)]
pub struct Decimator {
    factor: usize,
    delay: usize,
    stages: Vec<Stage>,
    /// Input samples that do not complete a group of `factor` yet.
    pending: Vec<Sample>,
    buffers: [Vec<Pair>; 2],
}

/// The factor has no cascade: it is not one of [`Decimator::FACTORS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsupportedFactor(pub usize);

impl core::fmt::Display for UnsupportedFactor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "cannot decimate by {}: supported are {:?}", self.0, Decimator::FACTORS)
    }
}

impl core::error::Error for UnsupportedFactor {}

impl Decimator {
    /// The supported factors: to 1.92 MS/s from 1.92, 3.84, 5.76, 7.68, 11.52, 15.36, 23.04 and 30.72 MS/s.
    pub const FACTORS: [usize; 8] = [1, 2, 3, 4, 6, 8, 12, 16];

    /// Makes a decimator by `factor`, its history all zeros.
    ///
    /// # Errors
    /// [`UnsupportedFactor`] for a factor outside [`Decimator::FACTORS`].
    pub fn new(factor: usize) -> Result<Self, UnsupportedFactor> {
        Self::with_loops(factor, &loops(Backend::detect()))
    }

    fn with_loops(factor: usize, loops: &Loops) -> Result<Self, UnsupportedFactor> {
        let split = loops.split;
        let h7 = || Stage::Halfband7(Halfband::new(HALFBAND_7, loops.decimate_2, split, loops.halfband_2));
        let h11 = || Stage::Halfband11(Halfband::new(HALFBAND_11, loops.decimate_3, split, loops.halfband_3));
        let h19 = || Stage::Halfband19(Halfband::new(HALFBAND_19, loops.decimate_5, split, loops.halfband_5));
        let t29 = || Stage::Thirdband(Thirdband::new());
        let stages = match factor {
            1 => vec![],
            2 => vec![h19()],
            3 => vec![t29()],
            4 => vec![h11(), h19()],
            6 => vec![h7(), t29()],
            8 => vec![h7(), h11(), h19()],
            12 => vec![h7(), h7(), t29()],
            16 => vec![h7(), h7(), h11(), h19()],
            _ => return Err(UnsupportedFactor(factor)),
        };
        let mut rate = 1;
        let mut input_delay = 0;
        for stage in &stages {
            input_delay += rate * stage.delay();
            rate *= stage.factor();
        }
        let delay = input_delay.div_ceil(factor);
        let mut pending = Vec::with_capacity(factor);
        pending.resize(delay * factor - input_delay, Sample::default());
        let buffers = [vec![[0.0; 2]; CHUNK], vec![[0.0; 2]; CHUNK]];
        Ok(Self { factor, delay, stages, pending, buffers })
    }

    /// Returns the number of input samples per output sample.
    pub fn factor(&self) -> usize {
        self.factor
    }

    /// Returns the group delay in output samples: output `m` belongs to the input time `(m - delay) * factor`. From 0
    /// to 7.
    pub fn delay(&self) -> usize {
        self.delay
    }

    /// Returns the number of samples that [`Decimator::process`] will write for `input_len` more input samples.
    pub fn output_len(&self, input_len: usize) -> usize {
        (self.pending.len() + input_len) / self.factor
    }

    /// Returns to the state after [`Decimator::new`].
    pub fn reset(&mut self) {
        let mut input_delay = 0;
        let mut rate = 1;
        for stage in &mut self.stages {
            stage.reset();
            input_delay += rate * stage.delay();
            rate *= stage.factor();
        }
        self.pending.clear();
        self.pending.resize(self.delay * self.factor - input_delay, Sample::default());
    }

    /// Consumes all of `input`, writes to the front of `output` and returns how many samples it wrote:
    /// [`Decimator::output_len`] of the input's length.
    ///
    /// # Panics
    /// If `output` is shorter than that.
    pub fn process(&mut self, input: &[Sample], output: &mut [Sample]) -> usize {
        let written = self.output_len(input.len());
        let output = &mut output[..written];
        if self.factor == 1 {
            output.copy_from_slice(input);
            return written;
        }
        let mut input = input;
        let mut produced = 0;
        if !self.pending.is_empty() {
            let (head, rest) = input.split_at((self.factor - self.pending.len()).min(input.len()));
            self.pending.extend_from_slice(head);
            input = rest;
            if self.pending.len() < self.factor {
                return 0;
            }
            let mut group = [Sample::default(); 16];
            group[..self.factor].copy_from_slice(&self.pending);
            self.pending.clear();
            self.run(&group[..self.factor], &mut output[..1]);
            produced = 1;
        }
        let (whole, tail) = input.split_at(input.len() / self.factor * self.factor);
        for chunk in whole.chunks(CHUNK) {
            let count = chunk.len() / self.factor;
            self.run(chunk, &mut output[produced..produced + count]);
            produced += count;
        }
        self.pending.extend_from_slice(tail);
        produced
    }

    /// Runs one pass: `input` is a multiple of the factor and at most [`CHUNK`] long, `output` has room for the result.
    fn run(&mut self, input: &[Sample], output: &mut [Sample]) {
        let [front, back] = &mut self.buffers;
        let (mut source, mut target) = (front, back);
        let (mut length, last) = (input.len(), self.stages.len() - 1);
        for (index, stage) in self.stages.iter_mut().enumerate() {
            let from = if index == 0 { as_pairs(input) } else { &source[..length] };
            length /= stage.factor();
            let to = if index == last { &mut *as_pairs_mut(output) } else { &mut target[..length] };
            stage.process(from, to);
            core::mem::swap(&mut source, &mut target);
        }
    }
}

#[derive(Clone, Debug)]
enum Stage {
    Halfband7(Halfband<2>),
    Halfband11(Halfband<3>),
    Halfband19(Halfband<5>),
    Thirdband(Thirdband),
}

impl Stage {
    fn factor(&self) -> usize {
        if matches!(self, Self::Thirdband(_)) { 3 } else { 2 }
    }

    /// Returns the group delay in samples of this stage's input.
    fn delay(&self) -> usize {
        match self {
            Self::Halfband7(_) => 3,
            Self::Halfband11(_) => 5,
            Self::Halfband19(_) => 9,
            Self::Thirdband(_) => 14,
        }
    }

    fn reset(&mut self) {
        match self {
            Self::Halfband7(s) => s.reset(),
            Self::Halfband11(s) => s.reset(),
            Self::Halfband19(s) => s.reset(),
            Self::Thirdband(s) => s.reset(),
        }
    }

    fn process(&mut self, input: &[Pair], output: &mut [Pair]) {
        match self {
            Self::Halfband7(s) => s.process(input, output),
            Self::Halfband11(s) => s.process(input, output),
            Self::Halfband19(s) => s.process(input, output),
            Self::Thirdband(s) => s.process(input, output),
        }
    }
}

/// `y[n] = centre[n] / 2 + sum_k c[k] (x[n + k] + x[n + 2 K - 1 - k])`.
type Filter<const K: usize> = fn(&[f32; K], &[Pair], &[Pair], &mut [Pair]);

/// All at once for the first outputs, whose number it returns.
type Whole<const K: usize> =
    fn(&[f32; K], &mut [Pair; PAST], &mut [Pair; PAST], &[Pair], &mut [Pair]) -> usize;

/// Decimation by 2 with a halfband filter of `4 K - 1` taps; output `n` is centred on input `2 n - (2 K - 1)`.
#[derive(Clone, Debug)]
struct Halfband<const K: usize> {
    coefficients: [f32; K],
    whole: Whole<K>,
    split: fn(&[Pair], &mut [Pair], &mut [Pair]),
    filter: Filter<K>,
    /// Input samples of even and of odd index that came before.
    past: [[Pair; PAST]; 2],
    /// Those that [`Self::whole`] leaves, led by those before.
    even: Vec<Pair>,
    odd: Vec<Pair>,
}

impl<const K: usize> Halfband<K> {
    fn new(
        coefficients: [f32; K],
        whole: Whole<K>,
        split: fn(&[Pair], &mut [Pair], &mut [Pair]),
        filter: Filter<K>,
    ) -> Self {
        let buffer = vec![[0.0; 2]; PAST + CHUNK / 2];
        let past = [[[0.0; 2]; PAST]; 2];
        Self { coefficients, whole, split, filter, past, even: buffer.clone(), odd: buffer }
    }

    fn reset(&mut self) {
        self.past = [[[0.0; 2]; PAST]; 2];
    }

    fn process(&mut self, input: &[Pair], output: &mut [Pair]) {
        let [even, odd] = &mut self.past;
        let done = (self.whole)(&self.coefficients, even, odd, input, output);
        let (input, output) = (&input[2 * done..], &mut output[done..]);
        let n = output.len();
        if n == 0 {
            return;
        }
        self.even[..PAST].copy_from_slice(even);
        self.odd[..PAST].copy_from_slice(odd);
        (self.split)(input, &mut self.even[PAST..PAST + n], &mut self.odd[PAST..PAST + n]);
        let (from, centre) = (PAST - (2 * K - 1), PAST - K);
        (self.filter)(&self.coefficients, &self.even[from..PAST + n], &self.odd[centre..PAST + n], output);
        even.copy_from_slice(&self.even[n..n + PAST]);
        odd.copy_from_slice(&self.odd[n..n + PAST]);
    }
}

/// Decimation by 3 with [`THIRDBAND_29`]; output `n` is centred on input `3 n - 14`.
#[derive(Clone, Debug)]
struct Thirdband {
    /// Input samples by index modulo 3, each led by the 10 that came before.
    phases: [Vec<Pair>; 3],
}

impl Thirdband {
    const HISTORY: usize = 10;

    fn new() -> Self {
        Self { phases: core::array::from_fn(|_| vec![[0.0; 2]; Self::HISTORY + CHUNK / 3]) }
    }

    fn reset(&mut self) {
        for phase in &mut self.phases {
            phase[..Self::HISTORY].fill([0.0; 2]);
        }
    }

    fn process(&mut self, input: &[Pair], output: &mut [Pair]) {
        let n = output.len();
        let [p0, p1, p2] = &mut self.phases;
        let (p0, p1, p2) =
            (&mut p0[..Self::HISTORY + n], &mut p1[..Self::HISTORY + n], &mut p2[..Self::HISTORY + n]);
        let fresh =
            p0[Self::HISTORY..].iter_mut().zip(&mut p1[Self::HISTORY..]).zip(&mut p2[Self::HISTORY..]);
        for (((a, b), c), x) in fresh.zip(input.as_chunks::<3>().0) {
            (*a, *b, *c) = (x[0], x[1], x[2]);
        }
        // Tap t of output n falls on input 3 n - t, t = 0..=28.
        let phases = [p0.as_flattened(), p1.as_flattened(), p2.as_flattened()];
        let at = |t: usize| {
            let group = (30 - t) / 3;
            &phases[(30 - t) % 3][2 * group..2 * (group + n)]
        };
        let left: [&[f32]; 14] = core::array::from_fn(at);
        let right: [&[f32]; 14] = core::array::from_fn(|t| at(28 - t));
        let centre = at(14);
        let y = output.as_flattened_mut();
        for j in 0..2 * n {
            let mut sum = THIRDBAND_29[14] * centre[j];
            for t in 0..14 {
                sum += THIRDBAND_29[t] * (left[t][j] + right[t][j]);
            }
            y[j] = sum;
        }
        for phase in [p0, p1, p2] {
            phase.copy_within(n.., 0);
        }
    }
}

#[cfg(test)]
mod tests;
