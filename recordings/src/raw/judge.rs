//! Judges samples by their look: whether they can be of the declared format, and of which format they are instead.
//!
//! Floats of one recording have exponents in a narrow band, at any level. Of integers the high byte is small and the
//! low one is uniformly distributed. Two interleaved channels have unlike powers, or correlate at a lag of two samples
//! and not of one. Every threshold is far from the values of signals (`judge/tests.rs`).

#[cfg(test)]
mod tests;

use super::{Component, SampleFormat};
use crate::Sample;

/// Look of samples that are not of the declared format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looks {
    /// Samples of another format.
    Like(SampleFormat),
    /// Samples of two interleaved channels.
    TwoChannels,
}

/// Least number of values other than zero for a judgement.
const JUDGE_FROM: usize = 64;
/// Range of the exponents of one recording: steps below the median one, and steps above.
const BAND: (usize, usize) = (40, 20);
/// RMS of a uniformly distributed byte, and of 16 bits, relative to full scale.
const FLAT: f64 = 0.577;
/// RMS, relative to full scale, below which a byte belongs to a signal and is not uniformly distributed.
const SHAPED: f64 = 0.37;
/// RMS in quantiser steps below which 8-bit samples are too small to be recognised.
const LEAST_STEPS: f64 = 1.2;

/// Judges `bytes` of the declared `format`: pieces of [`PIECE`] bytes from the whole recording. Returns `None` if they
/// fit it.
pub(crate) fn looks(format: SampleFormat, bytes: &[u8]) -> Option<Looks> {
    let floats = |format: SampleFormat| Floats::of(format, bytes);
    let single = || [SampleFormat::CF32_LE, CF32_BE].into_iter().find(|f| floats(*f).are_likely());
    let instead = match format.component {
        Component::F32 if floats(format).are_impossible() => guess(bytes).or_else(|| smaller(bytes)),
        Component::F64 if single_pairs(bytes) => Some(SampleFormat::CF32_LE),
        Component::F64 if floats(format).are_impossible() => guess(bytes).or_else(|| smaller(bytes)),
        Component::F32 | Component::F64 => None,
        Component::I32 | Component::U32 => single(),
        Component::I16 | Component::U16 => {
            single().or_else(|| swapped(format, bytes)).or_else(|| Bytes::of(bytes).eight_bits())
        }
        Component::I8 | Component::U8 => single().or_else(|| Bytes::of(bytes).instead_of_eight_bits(format)),
    };
    match instead.filter(|other| *other != format) {
        Some(other) => Some(Looks::Like(other)),
        None => two_channels(format, bytes).then_some(Looks::TwoChannels),
    }
}

/// Guesses the format of bytes without a declared one; `None` if it is not clear.
pub(crate) fn guess(bytes: &[u8]) -> Option<SampleFormat> {
    let likely = |format: &SampleFormat| Floats::of(*format, bytes).are_likely();
    let all_floats = [SampleFormat::CF32_LE, CF32_BE, CF64_LE, CF64_BE];
    if single_pairs(bytes) {
        return Some(SampleFormat::CF32_LE);
    }
    all_floats.into_iter().find(likely).or_else(|| Bytes::of(bytes).format())
}

const CF32_BE: SampleFormat = SampleFormat { component: Component::F32, big_endian: true };
const CF64_LE: SampleFormat = SampleFormat { component: Component::F64, big_endian: false };
const CF64_BE: SampleFormat = SampleFormat { component: Component::F64, big_endian: true };
const CI16_BE: SampleFormat = SampleFormat { component: Component::I16, big_endian: true };

/// Statistics of bytes read as floats.
struct Floats {
    /// Number of values that are not zero.
    values: usize,
    /// Number of finite ones in the band around the median exponent.
    in_band: usize,
    negative: usize,
}

impl Floats {
    fn of(format: SampleFormat, bytes: &[u8]) -> Self {
        let double = format.component == Component::F64;
        if double {
            let (words, _) = bytes.as_chunks::<8>();
            let bits =
                |w: &[u8; 8]| if format.big_endian { u64::from_be_bytes(*w) } else { u64::from_le_bytes(*w) };
            Self::of_bits(words.iter().map(bits), 52, 0x7ff)
        } else {
            let (words, _) = bytes.as_chunks::<4>();
            let bits =
                |w: &[u8; 4]| if format.big_endian { u32::from_be_bytes(*w) } else { u32::from_le_bytes(*w) };
            Self::of_bits(words.iter().map(|w| u64::from(bits(w))), 23, 0xff)
        }
    }

    /// Computes them for words with a mantissa of `mantissa` bits; `most` is the exponent of NaN and infinity.
    fn of_bits(words: impl Iterator<Item = u64>, mantissa: u32, most: usize) -> Self {
        let mut exponents = vec![0_usize; most + 1];
        let (mut values, mut negative) = (0, 0);
        let sign = (most as u64 + 1) << mantissa;
        for word in words.filter(|word| word & !sign != 0) {
            values += 1;
            negative += usize::from(word & sign != 0);
            exponents[(word >> mantissa) as usize & most] += 1;
        }
        let finite = &exponents[..most];
        let half = finite.iter().sum::<usize>() / 2;
        let mut sum = 0;
        let median = finite.iter().position(|count| {
            sum += count;
            sum > half
        });
        let median = median.unwrap_or(0);
        let band = median.saturating_sub(BAND.0)..(median + BAND.1 + 1).min(most);
        Self { values, in_band: exponents[band].iter().sum(), negative }
    }

    fn are_impossible(&self) -> bool {
        self.values >= JUDGE_FROM && self.in_band * 4 < self.values * 3
    }

    /// Whether both signs occur, and nearly all values lie in the band.
    fn are_likely(&self) -> bool {
        let both_signs = self.negative * 4 > self.values && self.negative * 4 < self.values * 3;
        self.values >= JUDGE_FROM && self.in_band * 100 > self.values * 98 && both_signs
    }
}

/// Whether both halves of each 64-bit float are 32-bit floats of their own.
fn single_pairs(bytes: &[u8]) -> bool {
    let (pairs, _) = bytes.as_chunks::<8>();
    let word = |pair: &[u8; 8], at: usize| {
        u64::from(u32::from_le_bytes([pair[at], pair[at + 1], pair[at + 2], pair[at + 3]]))
    };
    [0, 4]
        .into_iter()
        .all(|at| Floats::of_bits(pairs.iter().map(|pair| word(pair, at)), 23, 0xff).are_likely())
}

/// Mean, RMS and share of negative values, relative to full scale.
#[derive(Default)]
struct Moments {
    count: f64,
    sum: f64,
    squares: f64,
    fourth: f64,
    negative: f64,
}

impl Moments {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        values.fold(Self::default(), |mut m, value| {
            m.count += 1.0;
            m.sum += value;
            m.squares += value * value;
            m.fourth += value.powi(4);
            m.negative += f64::from(u8::from(value < 0.0));
            m
        })
    }

    fn rms(&self) -> f64 {
        (self.squares / self.count.max(1.0)).sqrt()
    }

    /// Whether values are balanced like noise around zero: as often below as above.
    fn is_balanced(&self) -> bool {
        let mean = (self.sum / self.count.max(1.0)).abs();
        mean < 0.4 * self.rms() && (0.2..0.8).contains(&(self.negative / self.count.max(1.0)))
    }

    /// Whether all values are equally frequent: RMS 1/sqrt(3), fourth moment 9/5 of the square of the second.
    fn is_flat(&self) -> bool {
        let kurtosis = self.fourth * self.count / (self.squares * self.squares).max(f64::MIN_POSITIVE);
        (self.rms() - FLAT).abs() < 0.03 && (kurtosis - 1.8).abs() < 0.15
    }
}

/// Returns 16 bits in the byte order in which the numbers are smaller.
fn smaller(bytes: &[u8]) -> Option<SampleFormat> {
    let (words, _) = bytes.as_chunks::<2>();
    let little = Moments::of(words.iter().map(|w| f64::from(i16::from_le_bytes(*w))));
    let big = Moments::of(words.iter().map(|w| f64::from(i16::from_be_bytes(*w))));
    Some(if little.rms() <= big.rms() { SampleFormat::CI16_LE } else { CI16_BE })
}

/// Returns the format with the other byte order, if 16-bit samples are implausible in the declared one and plausible in
/// it.
fn swapped(format: SampleFormat, bytes: &[u8]) -> Option<SampleFormat> {
    if format.component != Component::I16 {
        return None;
    }
    let (words, _) = bytes.as_chunks::<2>();
    let words = || words.iter().filter(|word| **word != [0, 0]);
    let little = Moments::of(words().map(|w| f64::from(i16::from_le_bytes(*w)) / 32_768.0));
    let big = Moments::of(words().map(|w| f64::from(i16::from_be_bytes(*w)) / 32_768.0));
    let (said, other) = if format.big_endian { (big, little) } else { (little, big) };
    if (said.count as usize) < JUDGE_FROM || !other.is_balanced() {
        return None;
    }
    let noise_else = said.is_flat() && other.rms() < 0.4;
    let far_smaller = other.rms() * 8.0 < said.rms();
    let instead = SampleFormat { big_endian: !format.big_endian, ..format };
    (noise_else || far_smaller).then_some(instead)
}

/// Statistics of the bytes at even and at odd places, as signed numbers and as unsigned ones around 128.
struct Bytes {
    signed: [Moments; 2],
    unsigned: [Moments; 2],
}

impl Bytes {
    fn of(bytes: &[u8]) -> Self {
        let (pairs, _) = bytes.as_chunks::<2>();
        // Silence of 16 bits tells nothing about 8 bits.
        let pairs = || pairs.iter().filter(|pair| **pair != [0, 0]);
        let signed = |at: usize| Moments::of(pairs().map(|pair| f64::from(pair[at] as i8) / 128.0));
        let unsigned = |at: usize| Moments::of(pairs().map(|pair| (f64::from(pair[at]) - 128.0) / 128.0));
        Self { signed: [signed(0), signed(1)], unsigned: [unsigned(0), unsigned(1)] }
    }

    /// Returns the 8-bit format, if the two bytes are I and Q.
    fn eight_bits(&self) -> Option<SampleFormat> {
        let alike = |[i, q]: &[Moments; 2]| {
            let (i_rms, q_rms) = (i.rms(), q.rms());
            let large_enough = i_rms.min(q_rms) * 128.0 > LEAST_STEPS;
            let both = i.is_balanced() && q.is_balanced() && i_rms.max(q_rms) < SHAPED;
            i.count as usize >= JUDGE_FROM && large_enough && both && (0.5..2.0).contains(&(i_rms / q_rms))
        };
        match (alike(&self.signed), alike(&self.unsigned)) {
            (true, false) => Some(SampleFormat::CI8),
            (false, true) => Some(SampleFormat::CU8),
            _ => None,
        }
    }

    /// Returns the 16-bit format, if the two bytes are one number: the low one is uniform, or nearly so and far larger
    /// than the high one.
    fn sixteen_bits(&self) -> Option<SampleFormat> {
        let [even, odd] = &self.signed;
        let enough = even.count as usize >= JUDGE_FROM;
        let is_low = |low: &Moments, high: &Moments| {
            let flat = low.is_flat() && !high.is_flat() && high.rms() < SHAPED;
            let nearly = (0.4..FLAT + 0.03).contains(&low.rms()) && high.rms() * 4.0 < low.rms();
            enough && (flat || nearly)
        };
        match (is_low(even, odd), is_low(odd, even)) {
            (true, false) => Some(SampleFormat::CI16_LE),
            (false, true) => Some(CI16_BE),
            _ => None,
        }
    }

    fn format(&self) -> Option<SampleFormat> {
        self.eight_bits().or_else(|| self.sixteen_bits())
    }

    /// Returns the format with the other signedness, if all samples are near full scale in the declared one; or 16 bits.
    fn instead_of_eight_bits(&self, format: SampleFormat) -> Option<SampleFormat> {
        let (said, other) = match format.component {
            Component::I8 => (&self.signed, SampleFormat::CU8),
            _ => (&self.unsigned, SampleFormat::CI8),
        };
        let near_full_scale = said.iter().all(|part| part.rms() > 0.6);
        let turned = self.eight_bits().filter(|eight| *eight == other && near_full_scale);
        turned.or_else(|| self.sixteen_bits())
    }
}

/// Size of a piece that is read at once, bytes.
pub(crate) const PIECE: usize = 4096;
/// Least number of pieces with a signal.
const LEAST_PIECES: usize = 16;

/// Whether the samples with even numbers are those of one channel and those with odd numbers of another.
fn two_channels(format: SampleFormat, bytes: &[u8]) -> bool {
    let mut samples = vec![Sample::default(); PIECE / format.bytes_per_sample()];
    let mut pieces = Vec::new();
    for piece in bytes.chunks_exact(PIECE) {
        let count = format.decode(piece, &mut samples) & !1;
        pieces.extend(Turns::of(&samples[..count]));
    }
    let loudest = pieces.iter().map(Turns::power).fold(0.0, f64::max);
    pieces.retain(|piece| piece.power() > 0.1 * loudest);
    if pieces.len() < LEAST_PIECES {
        return false;
    }
    let share = |holds: &dyn Fn(&Turns) -> bool| {
        pieces.iter().filter(|piece| holds(piece)).count() as f64 / pieces.len() as f64
    };
    let unlike = share(&|p| p.even > 1.15 * p.odd) > 0.95 || share(&|p| p.odd > 1.15 * p.even) > 0.95;
    unlike || share(&|p| p.next < 0.15 && p.next_but_one > 0.4) > 0.9
}

/// Powers and correlations of a piece, to detect interleaved channels.
struct Turns {
    /// Power of the samples with even and with odd numbers.
    even: f64,
    odd: f64,
    /// Magnitude of the correlation with the next sample, and with the next but one.
    next: f64,
    next_but_one: f64,
}

impl Turns {
    fn of(samples: &[Sample]) -> Option<Self> {
        let half = samples.len() as f64 / 2.0;
        let mut means = [num_complex::Complex64::default(); 2];
        let wide = |s: &Sample| num_complex::Complex64::new(s.re.into(), s.im.into());
        samples.iter().enumerate().for_each(|(n, s)| means[n % 2] += wide(s) / half);
        let clean: Vec<_> = samples.iter().enumerate().map(|(n, s)| wide(s) - means[n % 2]).collect();
        let power = |of: usize| clean.iter().skip(of).step_by(2).map(|s| s.norm_sqr()).sum::<f64>();
        let (even, odd) = (power(0), power(1));
        let whole = even + odd;
        let correlation = |lag: usize| {
            let products = clean.iter().zip(clean.get(lag..).unwrap_or_default());
            products.map(|(a, b)| a.conj() * b).sum::<num_complex::Complex64>().norm() / whole
        };
        (whole > 0.0 && whole.is_finite()).then(|| Self {
            even,
            odd,
            next: correlation(1),
            next_but_one: correlation(2),
        })
    }

    fn power(&self) -> f64 {
        self.even + self.odd
    }
}
