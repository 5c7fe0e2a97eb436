//! Conversion between any two sample rates.

use super::windowed_sinc::interpolation_weights;
use crate::Sample;

/// Taps of the kernel if the output rate is not below the input rate; more, in proportion, if it is.
const TAPS: usize = 56;
/// Stop-band attenuation of the prototype in dB. With [`TAPS`] it is reached 0.043 cycles per sample off the cut-off.
const ATTENUATION_DB: f64 = 75.0;
/// Stored kernels per sample for ratios without small terms. Kernels in between are interpolated linearly: an error
/// below -80 dB up to the band edge.
const PHASES: u32 = 128;
/// Largest numerator of a ratio for which every kernel that occurs is stored, and none interpolated.
const MAX_EXACT_PHASES: u32 = 1024;
/// Kernel sums run in this many lanes, a fixed order that the compiler can vectorise.
const LANES: usize = 8;
/// Input samples taken in at a time.
const CHUNK: usize = 1024;

/// Converts a stream to another sample rate: a polyphase bank of Kaiser-windowed sincs.
///
/// With `f` the lower of the two rates, it is flat (within 0.01 dB) in ±0.45 f and attenuates everything beyond 0.55 f,
/// and thus every alias and image that falls into ±0.45 f, to below -70 dB.
///
/// There is no delay to account for: output sample `n` is the input at time `n * input_rate / output_rate`, in input
/// samples. It is written as soon as the [`Resampler::lookahead`] input samples after that time have come; to drain the
/// end of a stream, feed that many zeros.
#[derive(Clone, Debug)]
pub struct Resampler {
    /// Kernels for the fractions 0, 1 / phases, ..., 1: `taps` weights each.
    bank: Vec<f32>,
    phases: u32,
    /// Every output falls on a stored kernel.
    exact: bool,
    taps: usize,
    /// Input samples per output sample: whole part and 2⁻⁶⁴ parts.
    step: u128,
    /// Time of the next output sample in input samples after the front of the window: 2⁻⁶⁴ parts.
    position: u128,
    re: Vec<f32>,
    im: Vec<f32>,
    filled: usize,
}

/// The rates cannot be converted: one is not positive and finite, or their ratio is beyond 1:64 or 64:1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsupportedRatio;

impl core::fmt::Display for UnsupportedRatio {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the ratio of the sample rates is outside 1/64 to 64")
    }
}

impl core::error::Error for UnsupportedRatio {}

impl Resampler {
    /// Makes a converter between whole rates in samples per second (or any common unit).
    ///
    /// # Errors
    /// [`UnsupportedRatio`] if a rate is 0 or one is more than 64 times the other.
    pub fn new(input_rate: u32, output_rate: u32) -> Result<Self, UnsupportedRatio> {
        if input_rate == 0 || output_rate == 0 {
            return Err(UnsupportedRatio);
        }
        // Rounded up: an output that falls on an input sample is never taken slightly before it.
        let step = (u128::from(input_rate) << 64).div_ceil(u128::from(output_rate));
        let phases = output_rate / greatest_common_divisor(input_rate, output_rate);
        let exact = phases <= MAX_EXACT_PHASES;
        Self::with_step(step, if exact { phases } else { PHASES }, exact)
    }

    /// Makes a converter that writes `ratio` output samples per input sample.
    ///
    /// # Errors
    /// [`UnsupportedRatio`] if `ratio` is not in 1/64 to 64.
    pub fn with_ratio(ratio: f64) -> Result<Self, UnsupportedRatio> {
        if !(1.0 / 64.0..=64.0).contains(&ratio) {
            return Err(UnsupportedRatio);
        }
        let step = 1.0 / ratio;
        Self::with_step(((step.trunc() as u128) << 64) + (step.fract() * TWO_POW_64) as u128, PHASES, false)
    }

    fn with_step(step: u128, phases: u32, exact: bool) -> Result<Self, UnsupportedRatio> {
        let one = 1_u128 << 64;
        if step < one / 64 || step > one * 64 {
            return Err(UnsupportedRatio);
        }
        let stretch = (step as f64 / TWO_POW_64).max(1.0);
        let taps = ((TAPS as f64 * stretch).ceil() as usize).next_multiple_of(LANES);
        let mut bank = vec![0.0; taps * (phases as usize + 1)];
        for (p, kernel) in bank.chunks_exact_mut(taps).enumerate() {
            interpolation_weights(kernel, p as f64 / f64::from(phases), 1.0 / stretch, ATTENUATION_DB);
        }
        let buffer = vec![0.0; taps + CHUNK];
        let (re, im) = (buffer.clone(), buffer);
        let mut resampler = Self { bank, phases, exact, taps, step, position: 0, re, im, filled: 0 };
        resampler.reset();
        Ok(resampler)
    }

    /// Returns to the state after construction.
    pub fn reset(&mut self) {
        self.position = 0;
        // The first output is centred on the first input sample.
        self.filled = self.taps / 2 - 1;
        self.re[..self.filled].fill(0.0);
        self.im[..self.filled].fill(0.0);
    }

    /// Returns the number of input samples after its own time that an output sample requires.
    pub fn lookahead(&self) -> usize {
        self.taps / 2
    }

    /// Returns the number of samples that [`Resampler::process`] will write for `input_len` more input samples.
    pub fn output_len(&self, input_len: usize) -> usize {
        let ends = self.filled as u128 + input_len as u128 + 1;
        match (ends << 64).checked_sub(((self.taps as u128) << 64) + self.position) {
            Some(room) => room.div_ceil(self.step) as usize,
            None => 0,
        }
    }

    /// Consumes all of `input`, writes to the front of `output` and returns how many samples it wrote:
    /// [`Resampler::output_len`] of the input's length.
    ///
    /// # Panics
    /// If `output` is shorter than that.
    pub fn process(&mut self, input: &[Sample], output: &mut [Sample]) -> usize {
        let mut written = 0;
        for chunk in input.chunks(CHUNK) {
            self.discard_consumed();
            let fresh = self.filled..self.filled + chunk.len();
            for ((re, im), s) in self.re[fresh.clone()].iter_mut().zip(&mut self.im[fresh]).zip(chunk) {
                (*re, *im) = (s.re, s.im);
            }
            self.filled += chunk.len();
            while (self.position >> 64) as usize + self.taps <= self.filled {
                output[written] = self.interpolate();
                written += 1;
                self.position += self.step;
            }
        }
        written
    }

    /// Moves the samples still needed to the front of the window, which leaves room for [`CHUNK`] new ones.
    fn discard_consumed(&mut self) {
        let consumed = ((self.position >> 64) as usize).min(self.filled);
        self.re.copy_within(consumed..self.filled, 0);
        self.im.copy_within(consumed..self.filled, 0);
        self.filled -= consumed;
        self.position -= (consumed as u128) << 64;
    }

    #[inline(always)]
    fn interpolate(&self) -> Sample {
        let start = (self.position >> 64) as usize;
        let re = &self.re[start..start + self.taps];
        let im = &self.im[start..start + self.taps];
        // Whole part: the stored kernel; the rest: the distance to the next one.
        let phase = u128::from(self.position as u64) * u128::from(self.phases);
        let kernels = &self.bank[(phase >> 64) as usize * self.taps..][..2 * self.taps];
        let (lower, upper) = kernels.split_at(self.taps);
        if self.exact {
            weigh(lower, re, im)
        } else {
            let between = (phase as u64 >> 40) as f32 * (1.0 / 16_777_216.0);
            weigh_between(lower, upper, between, re, im)
        }
    }
}

/// Returns `sum_k weights[k] (re[k] + j im[k])`.
#[inline(always)]
fn weigh(weights: &[f32], re: &[f32], im: &[f32]) -> Sample {
    let (mut sum_re, mut sum_im) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let window = re.as_chunks::<LANES>().0.iter().zip(im.as_chunks::<LANES>().0);
    for (w, (x, y)) in weights.as_chunks::<LANES>().0.iter().zip(window) {
        for i in 0..LANES {
            sum_re[i] += w[i] * x[i];
            sum_im[i] += w[i] * y[i];
        }
    }
    Sample::new(total(sum_re), total(sum_im))
}

/// Does the same with weights on the line from `lower` to `upper`.
#[inline(always)]
fn weigh_between(lower: &[f32], upper: &[f32], between: f32, re: &[f32], im: &[f32]) -> Sample {
    let (mut sum_re, mut sum_im) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let weights = lower.as_chunks::<LANES>().0.iter().zip(upper.as_chunks::<LANES>().0);
    let window = re.as_chunks::<LANES>().0.iter().zip(im.as_chunks::<LANES>().0);
    for ((a, b), (x, y)) in weights.zip(window) {
        for i in 0..LANES {
            let w = a[i] + between * (b[i] - a[i]);
            sum_re[i] += w * x[i];
            sum_im[i] += w * y[i];
        }
    }
    Sample::new(total(sum_re), total(sum_im))
}

/// Sums the lanes as a tree: three dependent additions instead of seven.
#[inline(always)]
fn total(s: [f32; LANES]) -> f32 {
    ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

const TWO_POW_64: f64 = 18_446_744_073_709_551_616.0;

#[cfg(test)]
mod tests;
