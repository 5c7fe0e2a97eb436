//! Iterative decoder of one turbo code block: max-log-MAP with scaled extrinsic values, then log-MAP.

use crate::Llr;
use crate::coding::crc::{CRC24A, CRC24B};
use crate::coding::segmentation::MAX_CODE_BLOCK;
use crate::coding::{CodingError, expect_len};
use crate::kernel::Backend;
use crate::kernel::reduce::{Loops, loops};
use crate::kernel::transpose::{MAX_COLUMNS, Scale, Transpose, transpose};
use crate::kernel::turbo::{Boundary, CHANNEL_LIMIT, HalfIteration, IMPOSSIBLE, Kernel, Orders, kernels};
use crate::tables::qpp;
use std::ops::{Deref, DerefMut};

/// Length of windows, and their overlap into the neighbour.
#[derive(Clone, Copy)]
struct Windows {
    /// Shortest window for a number of lanes; a block is cut into fewer windows otherwise.
    shortest: fn(usize) -> usize,
    /// Rows of the neighbour for training, at most the window.
    training: usize,
}

/// Up to rate 0.6. Against a single window, those of 16 bits cost 0.005 dB at K = 256 and rate 0.45 (16 lanes), those
/// of 13 bits 0.02 dB at K = 104 and rate 0.4 (8 lanes), and those of 5 bits 0.1 dB.
const DENSE: Windows = Windows { shortest: |lanes| 12 + lanes / 8, training: 24 };

/// Above rate 0.6, where few parity bits distinguish the states. At rate 0.9 windows of 32 bits cost 0.06 dB at K =
/// 1024 (32 lanes) and 0.1 dB at K = 512 (16 lanes), those of 64 bits nothing measurable. Eight lanes are allowed
/// shorter ones, 24 bits cost 0.08 dB at K = 192, because a single lane takes ten times as long.
const SPARSE: Windows = Windows { shortest: |lanes| if lanes == 8 { 16 } else { 48 }, training: 64 };

/// Mean magnitude to which soft values are scaled down, in units of the decoder. Its channel limit is ten times that.
const MEAN_LIMIT: u64 = 48;

/// Correction of the maximum of two equal metrics, in units of an [`Llr`]. The sum of two equal probabilities is
/// ln 2 = 0.69 above them; as three straight lines run below the curve, 0.8 fits it better on the whole.
const CORRECTION: i16 = 13;

/// Factor of the extrinsic values of log-MAP.
const LOG_MAP_SCALE: f32 = 0.95;

/// Settings of a turbo decoder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecoderConfig {
    /// Half iterations after which a decode ends without success, at least 1.
    pub max_half_iterations: usize,
    /// Half iterations of max-log-MAP before those of log-MAP, which take twice as long each. Most blocks need no
    /// more.
    pub max_log_half_iterations: usize,
    /// Factor of extrinsic values, 0 to 1, in half iterations of max-log-MAP, which overestimates them.
    pub extrinsic_scale: f32,
    /// Instruction set; the best one if `None`.
    pub backend: Option<Backend>,
}

impl Default for DecoderConfig {
    fn default() -> Self {
        Self { max_half_iterations: 16, max_log_half_iterations: 4, extrinsic_scale: 0.65, backend: None }
    }
}

/// Criterion that a block is right, which stops the iterations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Nothing: all half iterations are done.
    None,
    /// The block is a transport block and ends in its CRC24A.
    Crc24A,
    /// The block is one of several and ends in its CRC24B.
    Crc24B,
}

/// Result of a decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurboDecode {
    /// Whether the CRC holds. Never true without a CRC or without any soft value other than 0.
    pub crc_ok: bool,
    /// Number of half iterations.
    pub half_iterations: usize,
}

/// Rows for the kernels, on whole cache lines, and those of another place on others: the same row of arrays a page apart
/// would be in each other's way.
struct Rows {
    all: Vec<i16>,
    first: usize,
    count: usize,
}

impl Rows {
    /// Elements of a page of memory.
    const PAGE: usize = 2048;

    /// Makes `count` elements, at one of eight places in a page.
    fn new(count: usize, place: usize) -> Self {
        let all = vec![0; count + 2 * Self::PAGE];
        // the memory stays where it is
        let first = all.as_ptr().align_offset(2 * Self::PAGE).min(Self::PAGE) + place % 8 * (Self::PAGE / 8);
        Self { all, first, count }
    }
}

impl Deref for Rows {
    type Target = [i16];

    fn deref(&self) -> &[i16] {
        &self.all[self.first..][..self.count]
    }
}

impl DerefMut for Rows {
    fn deref_mut(&mut self) -> &mut [i16] {
        &mut self.all[self.first..][..self.count]
    }
}

/// Decodes one code block at a time, of up to a largest length.
pub struct TurboDecoder {
    kernels: &'static [Kernel],
    transpose: Transpose,
    loops: &'static Loops,
    /// For [`DENSE`] and for [`SPARSE`] windows.
    orders: [Orders; 2],
    config: DecoderConfig,
    systematic: Rows,
    systematic_interleaved: Rows,
    parity: [Rows; 2],
    extrinsic: [Rows; 2],
    known: Rows,
    forward: Rows,
    words: Vec<u16>,
    boundary: [Boundary; 2],
}

impl TurboDecoder {
    /// Makes a decoder for code blocks of up to `max_k` bits.
    pub fn new(max_k: usize, config: DecoderConfig) -> Self {
        let backend = config.backend.unwrap_or_else(Backend::detect);
        Self::with_kernels(max_k, config, backend, kernels(backend))
    }

    pub(crate) fn with_kernels(
        max_k: usize,
        config: DecoderConfig,
        backend: Backend,
        kernels: &'static [Kernel],
    ) -> Self {
        let k = max_k.min(MAX_CODE_BLOCK);
        Self {
            kernels,
            transpose: transpose(backend),
            loops: loops(backend),
            orders: [DENSE, SPARSE].map(|windows| Orders::new(k, |k| windows.kernel(kernels, k).lanes)),
            config,
            systematic: Rows::new(k, 0),
            systematic_interleaved: Rows::new(k, 1),
            parity: [Rows::new(k, 2), Rows::new(k, 3)],
            extrinsic: [Rows::new(k, 4), Rows::new(k, 5)],
            known: Rows::new(k, 6),
            forward: Rows::new(8 * k, 7),
            words: vec![0; k],
            boundary: [Boundary::new(), Boundary::new()],
        }
    }

    /// Decodes the streams `d`, of `k + 4` soft values each, into `block`, the `k` bits packed. The first `filler` bits
    /// are known to be 0, and the soft values of the streams 0 and 1 there are not read.
    ///
    /// # Errors
    /// [`CodingError::CodeBlockSize`] for a length that Table 5.1.3-3 does not have, [`CodingError::BlockSize`] for one
    /// above the largest, [`CodingError::SliceLength`] if a stream has another length.
    pub fn decode(
        &mut self,
        d: [&[Llr]; 3],
        filler: usize,
        check: Check,
        block: &mut [u8],
    ) -> Result<TurboDecode, CodingError> {
        let k = block.len().saturating_mul(8);
        let index = qpp::index(k).ok_or(CodingError::CodeBlockSize { bits: k })?;
        for stream in d {
            expect_len(stream.len(), k + 4)?;
        }
        if self.systematic.len() < k {
            return Err(CodingError::BlockSize { bits: k, max: self.systematic.len() });
        }
        let filler = filler.min(k);
        let magnitude = |stream: &[Llr]| (self.loops.magnitude)(stream);
        let [(a, n), (b, m), (c, l)] = [&d[0][filler..], &d[1][filler..], d[2]].map(magnitude);
        let received = n + m + l;
        let Some(shift) = shift(a + b + c, received) else {
            block.fill(0);
            return Ok(TurboDecode { crc_ok: false, half_iterations: 0 });
        };
        let sparse = 10 * k as u64 > 6 * received;
        let windows = if sparse { SPARSE } else { DENSE };
        let kernel = windows.kernel(self.kernels, k);
        self.load(d, filler, shift, kernel.lanes);
        let ends = ends(d, shift);
        let max = CodingError::BlockSize { bits: k, max: self.systematic.len() };
        let (p, order) = self.orders[usize::from(sparse)].at(index).ok_or(max)?;
        let window = k / p;
        (kernel.interleave)(order, &self.systematic, &mut self.systematic_interleaved);
        self.extrinsic[1][..k].fill(0);
        self.boundary.iter_mut().for_each(Boundary::reset);

        let scale = fixed_point(self.config.extrinsic_scale);
        let correction = (f32::from(CORRECTION) / (1 << shift) as f32).round_ties_even() as i16;
        let max_half_iterations = self.config.max_half_iterations.max(1);
        let mut crc_ok = false;
        let mut half_iterations = 0;
        while half_iterations < max_half_iterations && !crc_ok {
            let second = half_iterations % 2;
            let exact = half_iterations >= self.config.max_log_half_iterations;
            let [extrinsic0, extrinsic1] = &mut self.extrinsic;
            let (a_priori, extrinsic) =
                if second == 0 { (extrinsic1, extrinsic0) } else { (extrinsic0, extrinsic1) };
            (kernel.half_iteration)(&mut HalfIteration {
                window,
                training: windows.training.min(window),
                order: (second == 1).then_some(order),
                systematic: if second == 0 { &self.systematic } else { &self.systematic_interleaved },
                parity: &self.parity[second],
                a_priori,
                extrinsic,
                known: &mut self.known,
                forward: &mut self.forward,
                boundary: &mut self.boundary[second],
                end: ends[second],
                scale: if exact { fixed_point(LOG_MAP_SCALE) } else { scale },
                correction: exact.then_some(correction),
            });
            half_iterations += 1;
            let done = half_iterations == max_half_iterations;
            if done || check != Check::None {
                let terms = [&self.systematic[..], &self.extrinsic[0][..], &self.extrinsic[1][..]];
                (kernel.decide)(window, terms, &mut self.words);
                pack(&self.words, window, p, block);
                crc_ok = match check {
                    Check::None => false,
                    Check::Crc24A => CRC24A.bytes(block) == 0,
                    Check::Crc24B => CRC24B.bytes(block) == 0,
                };
            }
        }
        Ok(TurboDecode { crc_ok, half_iterations })
    }

    /// Scales the soft values and lays them out in rows.
    fn load(&mut self, d: [&[Llr]; 3], filler: usize, shift: u32, p: usize) {
        let k = d[0].len() - 4;
        let window = k / p;
        let [parity0, parity1] = &mut self.parity;
        let scale = Scale { shift, limit: CHANNEL_LIMIT };
        for (stream, rows) in d.into_iter().zip([&mut self.systematic, parity0, parity1]) {
            let mut lanes: [&[Llr]; MAX_COLUMNS] = [&[]; MAX_COLUMNS];
            for (lane, from) in lanes.iter_mut().zip(stream[..k].chunks_exact(window)) {
                *lane = from;
            }
            (self.transpose)(&lanes[..p], window, scale, &mut rows[..k]);
        }
        for i in 0..filler {
            let at = i % window * p + i / window;
            self.systematic[at] = CHANNEL_LIMIT;
            self.parity[0][at] = CHANNEL_LIMIT;
        }
    }
}

/// Returns a factor in units of 1/2^15.
fn fixed_point(factor: f32) -> i16 {
    (factor.clamp(0.0, 1.0) * 32768.0).min(32767.0) as i16
}

impl Windows {
    /// Returns the kernel with the most lanes whose windows are not too short.
    fn kernel(self, kernels: &'static [Kernel], k: usize) -> &'static Kernel {
        let fits = |kernel: &&Kernel| {
            k.is_multiple_of(kernel.lanes) && k / kernel.lanes >= (self.shortest)(kernel.lanes)
        };
        kernels.iter().find(fits).unwrap_or(&kernels[kernels.len() - 1])
    }
}

/// Returns the places by which to scale down soft values with a mean magnitude of `sum / count`, or `None` if there are
/// none.
fn shift(sum: u64, count: u64) -> Option<u32> {
    let mean = sum.checked_div(count)?;
    Some((0..15).find(|shift| mean >> shift < MEAN_LIMIT).unwrap_or(15))
}

/// Returns the backward metrics of both constituent codes after their last bit, from the twelve tail bits.
/// TS 36.212 §5.1.3.2.2
fn ends(d: [&[Llr]; 3], shift: u32) -> [[i16; 8]; 2] {
    let k = d[0].len() - 4;
    let scale = Scale { shift, limit: CHANNEL_LIMIT };
    std::array::from_fn(|code| {
        let tail = |i: usize| i32::from(scale.apply(d[(6 * code + i) % 3][k + (6 * code + i) / 3]));
        let mut after = [i32::from(IMPOSSIBLE); 8];
        after[0] = 0;
        for step in (0..3).rev() {
            let (x, z) = (tail(2 * step), tail(2 * step + 1));
            after = std::array::from_fn(|s| {
                let (s1, s2, s3) = (s >> 2 & 1, s >> 1 & 1, s & 1);
                let cost = x * (s2 ^ s3) as i32 + z * (s1 ^ s3) as i32;
                after[s >> 1] - cost
            });
        }
        let zero = after[0];
        after.map(|metric| (metric - zero).clamp(IMPOSSIBLE.into(), (-IMPOSSIBLE).into()) as i16)
    })
}

/// Packs decisions as [`Kernel::decide`] writes them to bytes.
fn pack(words: &[u16], window: usize, p: usize, block: &mut [u8]) {
    let (full, rest) = (window / 64, window % 64);
    // Pending bits, from the top of a word down, and their number.
    let (mut waiting, mut count) = (0u64, 0);
    let mut done = 0;
    let mut push = |bits: u64, n: usize| {
        let both = waiting | bits >> count;
        if count + n < 64 {
            (waiting, count) = (both, count + n);
        } else {
            block[done..done + 8].copy_from_slice(&both.to_be_bytes());
            done += 8;
            // Shifted in two steps, as `count` may be 0.
            (waiting, count) = (bits << 1 << (63 - count), count + n - 64);
        }
    };
    for j in 0..p {
        let word = |i: usize| u64::from(words[i * p + j]);
        for i in (0..4 * full).step_by(4) {
            push(word(i) << 48 | word(i + 1) << 32 | word(i + 2) << 16 | word(i + 3), 64);
        }
        let mut left = rest;
        for i in 4 * full..window.div_ceil(16) {
            let n = left.min(16);
            push(word(i) << (64 - n), n);
            left -= n;
        }
    }
    let (waiting, count) = (waiting.to_be_bytes(), count);
    block[done..].copy_from_slice(&waiting[..count / 8]);
}
