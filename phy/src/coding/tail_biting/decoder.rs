//! From soft values to a payload: wrap-around Viterbi decoding.

use super::{CRC_BITS, MIN_K, encode};
use crate::Llr;
use crate::coding::CodingError;
use crate::coding::crc::CRC16;
use crate::coding::rate_match::convolutional_order;
use crate::kernel::Backend;
use crate::kernel::viterbi::{Branches, Decisions, Recursion, SOFT_LIMIT, STATES, recursion};

/// Turns around the circular trellis before the best path is taken as it is.
const MAX_WRAPS: usize = 4;

/// Mean magnitude that soft values are brought to before the recursion, a quarter of its limit.
const MEAN: f32 = 64.0;

/// How a decode ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ControlDecode {
    /// Whether the CRC holds. Never true if all soft values are 0.
    pub crc_ok: bool,
    /// The CRC as received, p_0 in the top bit.
    pub crc16: u16,
    /// How well the decoded bits explain what was received: the soft values, each with the sign of its bit when the
    /// block is encoded again, over the sum of their magnitudes. From -1 to 1; 0 if all soft values are 0.
    pub correlation: f32,
}

/// Decodes payloads of up to a largest size.
pub struct ControlDecoder {
    max_k: usize,
    recursion: Recursion,
    /// The block length that `order` is for.
    order_k: usize,
    /// Where the elements of the circular buffer are in the streams.
    order: Vec<u16>,
    sums: Vec<i32>,
    /// The sums in the order of the three streams, one after the other.
    streams: Vec<i32>,
    branches: Vec<Branches>,
    decisions: Vec<Decisions>,
    bits: Vec<u8>,
    coded: Vec<u8>,
}

impl ControlDecoder {
    /// A decoder for up to `max_k` bits: a payload and its CRC16.
    pub fn new(max_k: usize) -> Self {
        Self::with_backend(max_k, Backend::detect())
    }

    /// The same on an instruction set of choice, or on portable code if the machine lacks it.
    pub fn with_backend(max_k: usize, backend: Backend) -> Self {
        let max_k = max_k.min(usize::from(u16::MAX) / 3);
        Self {
            max_k,
            recursion: recursion(backend),
            order_k: 0,
            order: vec![0; 3 * max_k],
            sums: vec![0; 3 * max_k],
            streams: vec![0; 3 * max_k],
            branches: vec![[0; 8]; max_k],
            decisions: vec![[0; 2]; max_k],
            bits: vec![0; max_k],
            coded: vec![0; 3 * max_k],
        }
    }

    /// Decodes the payload that `payload` has room for from any number of soft values.
    ///
    /// # Errors
    /// [`CodingError::BlockSize`] if the payload is empty or too long.
    pub fn decode(&mut self, llrs: &[Llr], payload: &mut [u8]) -> Result<ControlDecode, CodingError> {
        let k = payload.len().saturating_add(CRC_BITS);
        if k < MIN_K || k > self.max_k {
            return Err(CodingError::BlockSize {
                bits: payload.len(),
                max: self.max_k.saturating_sub(CRC_BITS),
            });
        }
        let magnitude = self.dematch(llrs, k);
        if magnitude == 0 {
            payload.fill(0);
            return Ok(ControlDecode { crc_ok: false, crc16: 0, correlation: 0.0 });
        }
        self.prepare(k, magnitude);
        self.search(k);

        let bits = &self.bits[..k];
        payload.copy_from_slice(&bits[..k - CRC_BITS]);
        let crc16 = bits[k - CRC_BITS..].iter().fold(0, |crc, &bit| crc << 1 | u16::from(bit));
        let coded = &mut self.coded[..3 * k];
        encode(bits, coded);
        let agreement: i64 = self
            .streams
            .iter()
            .zip(coded)
            .map(|(&sum, bit)| i64::from(if *bit == 0 { sum } else { -sum }))
            .sum();
        Ok(ControlDecode {
            crc_ok: CRC16.bits(payload) == u32::from(crc16),
            crc16,
            correlation: agreement as f32 / magnitude as f32,
        })
    }

    /// Adds up the repetitions and undoes the sub-block interleaver. Returns the sum of the magnitudes.
    fn dematch(&mut self, llrs: &[Llr], k: usize) -> i64 {
        if self.order_k != k {
            for (to, from) in self.order.iter_mut().zip(convolutional_order(k)) {
                *to = from as u16;
            }
            self.order_k = k;
        }
        let sums = &mut self.sums[..3 * k];
        sums.fill(0);
        for turn in llrs.chunks(3 * k) {
            for (sum, &llr) in sums.iter_mut().zip(turn) {
                *sum = sum.saturating_add(i32::from(llr));
            }
        }
        for (&sum, &to) in sums.iter().zip(&self.order) {
            self.streams[usize::from(to)] = sum;
        }
        sums.iter().map(|sum| i64::from(sum.unsigned_abs())).sum()
    }

    /// Branch metrics of every step, from soft values scaled to the range of the recursion.
    fn prepare(&mut self, k: usize, magnitude: i64) {
        let (streams, limit) = (&self.streams[..3 * k], f32::from(SOFT_LIMIT));
        let present = streams.iter().filter(|sum| **sum != 0).count();
        let scale = MEAN * present as f32 / magnitude as f32;
        let soft = |i: usize| (streams[i] as f32 * scale).clamp(-limit, limit).round_ties_even() as i16;
        for (i, branches) in self.branches[..k].iter_mut().enumerate() {
            let [a, b, c] = [soft(i), soft(k + i), soft(2 * k + i)];
            let (same, unlike) = (b + c, b - c);
            *branches =
                [a + same, a + unlike, a - unlike, a - same, -a + same, -a + unlike, -a - unlike, -a - same];
        }
    }

    /// Goes round the circular trellis until the best path ends in the state that it began in.
    fn search(&mut self, k: usize) {
        let mut metrics = [0; STATES];
        for _ in 0..MAX_WRAPS {
            (self.recursion)(&self.branches[..k], &mut metrics, &mut self.decisions[..k]);
            let best = metrics.iter().enumerate().max_by_key(|(_, metric)| **metric);
            let end = best.map_or(0, |(state, _)| state);
            let mut state = end;
            for (decisions, bit) in self.decisions[..k].iter().zip(&mut self.bits[..k]).rev() {
                *bit = (state & 1) as u8;
                let high = decisions[state & 1] >> (state >> 1) & 1;
                state = state >> 1 | (high as usize) << 5;
            }
            if state == end {
                break;
            }
        }
    }
}
