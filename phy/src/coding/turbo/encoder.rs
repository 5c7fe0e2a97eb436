//! Turbo encoder, TS 36.212 §5.1.3.2, and the filling of the circular buffer, TS 36.212 §5.1.4.1.
//!
//! The bits stay packed, first bit in the top of a word: a delay by one bit is a shift by one place.

use crate::coding::rate_match::{CircularBuffer, TURBO_COLUMNS};
use crate::coding::segmentation::MAX_CODE_BLOCK;
use crate::coding::{CodingError, expect_len};
use crate::tables::qpp::{self, Qpp};

/// Words of 64 bits that hold a stream of the largest code block and its tail.
const WORDS: usize = MAX_CODE_BLOCK / 64 + 1;

/// 32-bit words of a column of the sub-block interleaver.
const COLUMN_WORDS: usize = (MAX_CODE_BLOCK + 4).div_ceil(32).div_ceil(32);

/// Encodes one code block at a time.
pub struct TurboEncoder {
    /// d^(0), d^(1), d^(2) of `k + 4` bits each.
    streams: [[u64; WORDS]; 3],
    /// The bits of the block one by one, to be picked in interleaved order.
    bits: Vec<u8>,
    interleaved: [u64; WORDS],
    columns: [[[u32; COLUMN_WORDS]; 32]; 3],
}

impl Default for TurboEncoder {
    fn default() -> Self {
        Self::new()
    }
}

impl TurboEncoder {
    /// Makes an encoder for every code block of the table.
    pub fn new() -> Self {
        Self {
            streams: [[0; WORDS]; 3],
            bits: vec![0; MAX_CODE_BLOCK],
            interleaved: [0; WORDS],
            columns: [[[0; COLUMN_WORDS]; 32]; 3],
        }
    }

    /// Encodes a block, packed, whose length is a row of TS 36.212 Table 5.1.3-3. Filler bits are zeros.
    ///
    /// # Errors
    /// [`CodingError::CodeBlockSize`] for any other length.
    // TS 36.212 §5.4.2 with §5.1.3.2
    pub fn encode(&mut self, block: &[u8]) -> Result<(), CodingError> {
        let k = block.len().saturating_mul(8);
        let qpp = qpp::qpp(k).ok_or(CodingError::CodeBlockSize { bits: k })?;
        let [d0, d1, d2] = &mut self.streams;
        pack(block, d0);
        unpack(block, &mut self.bits);
        interleave(qpp, &self.bits, &mut self.interleaved);
        let state = parity(d0, k, d1);
        let state_interleaved = parity(&self.interleaved, k, d2);

        // Trellis termination, TS 36.212 §5.1.3.2.2: (x, z) of the first encoder, then of the second, in the order
        // d^(0)_K d^(1)_K d^(2)_K d^(0)_K+1 ...
        let tails = tail(state).into_iter().chain(tail(state_interleaved));
        for (i, bit) in tails.enumerate() {
            set_bit(&mut self.streams[i % 3], k + i / 3, bit);
        }
        Ok(())
    }

    /// Writes output stream `i` (0 to 2) of the last block as `k + 4` bits, into a slice of that length.
    ///
    /// # Errors
    /// [`CodingError::SliceLength`] if the slice is longer than the streams can be.
    pub fn stream(&self, i: usize, output: &mut [u8]) -> Result<(), CodingError> {
        let stream = self.streams.get(i).ok_or(CodingError::SliceLength { found: i, expected: 2 })?;
        if output.len() > MAX_CODE_BLOCK + 4 {
            return Err(CodingError::SliceLength { found: output.len(), expected: MAX_CODE_BLOCK + 4 });
        }
        for (k, bit) in output.iter_mut().enumerate() {
            *bit = (stream[k / 64] >> (63 - k % 64)) as u8 & 1;
        }
        Ok(())
    }

    /// Writes the circular buffer of the last block, without its NULL elements.
    ///
    /// # Errors
    /// [`CodingError::SliceLength`] unless `output` has `buffer.len()` elements.
    pub fn circular_buffer(&mut self, buffer: CircularBuffer, output: &mut [u8]) -> Result<(), CodingError> {
        expect_len(output.len(), buffer.len())?;
        let (rows, nulls) = (buffer.rows(), buffer.nulls());
        // Index 1 further in stream 2: pi(k) of TS 36.212 §5.1.4.1.1 has a "+ 1".
        for (stream, columns, nulls) in
            [(&self.streams[0], 0, nulls), (&self.streams[1], 1, nulls), (&self.streams[2], 2, nulls - 1)]
        {
            transpose(stream, nulls, rows, &mut self.columns[columns]);
        }

        let (mut column, mut column1, mut column2) =
            ([0; 32 * COLUMN_WORDS], [0; 32 * COLUMN_WORDS], [0; 32 * COLUMN_WORDS]);
        let mut rest = output;
        for c in 0..32 {
            expand(&self.columns[0][TURBO_COLUMNS[c] as usize], rows, &mut column);
            rest = append(rest, &column[buffer.first_row(c)..rows]);
        }
        for c in 0..32 {
            expand(&self.columns[1][TURBO_COLUMNS[c] as usize], rows, &mut column1);
            expand(&self.columns[2][TURBO_COLUMNS[c] as usize], rows, &mut column2);
            let (first1, first2) = (buffer.first_row(c), buffer.first_row_parity2(c));
            let first = first1.max(first2);
            let last = buffer.last_row_parity2(c);
            // Only one of the two has elements before `first`, and only stream 1 from `last` on.
            rest = append(rest, &column1[first1..first]);
            rest = append(rest, &column2[first2..first]);
            let (pairs, after) = rest.split_at_mut(2 * (last - first));
            for ((pair, &a), &b) in
                pairs.as_chunks_mut::<2>().0.iter_mut().zip(&column1[first..]).zip(&column2[first..])
            {
                *pair = [a, b];
            }
            rest = append(after, &column1[last..rows]);
        }
        Ok(())
    }
}

fn append<'a>(output: &'a mut [u8], bits: &[u8]) -> &'a mut [u8] {
    let (target, rest) = output.split_at_mut(bits.len());
    target.copy_from_slice(bits);
    rest
}

fn set_bit(words: &mut [u64], i: usize, bit: u8) {
    let mask = 1 << (63 - i % 64);
    words[i / 64] = words[i / 64] & !mask | (u64::from(bit) * mask);
}

/// Packs bytes into words; the rest is 0.
fn pack(bytes: &[u8], words: &mut [u64; WORDS]) {
    let (chunks, rest) = bytes.as_chunks::<8>();
    for (word, chunk) in words.iter_mut().zip(chunks) {
        *word = u64::from_be_bytes(*chunk);
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    words[chunks.len()] = u64::from_be_bytes(last);
}

/// Spreads the eight bits of a byte to eight bytes, first bit first in memory.
fn spread(byte: u8) -> [u8; 8] {
    let picked = (u64::from(byte) * 0x0101_0101_0101_0101) & 0x0102_0408_1020_4080;
    ((picked + 0x7F7F_7F7F_7F7F_7F7F) >> 7 & 0x0101_0101_0101_0101).to_le_bytes()
}

fn unpack(bytes: &[u8], bits: &mut [u8]) {
    for (bits, &byte) in bits.as_chunks_mut::<8>().0.iter_mut().zip(bytes) {
        *bits = spread(byte);
    }
}

/// Picks the bits of the second constituent encoder. TS 36.212 §5.1.3.2.3
fn interleave(qpp: Qpp, bits: &[u8], words: &mut [u64; WORDS]) {
    // Eight indices at a time: pi(i + 8) = pi(i) + 8 f1 + 64 f2 + 16 f2 i, modulo K. All below 2 K < 2^16.
    let k = qpp.k;
    let mut index: [u16; 8] = std::array::from_fn(|i| qpp.at(i) as u16);
    let mut stride: [u16; 8] = std::array::from_fn(|i| {
        let (f1, f2, i) = (usize::from(qpp.f1), usize::from(qpp.f2), i);
        ((8 * f1 + 64 * f2 + 16 * f2 * i) % usize::from(k)) as u16
    });
    let growth = ((128 * usize::from(qpp.f2)) % usize::from(k)) as u16;
    let modulo = |x: u16| x.min(x.wrapping_sub(k));
    let bits = &bits[..usize::from(k)];
    for (i, word) in words[..usize::from(k).div_ceil(64)].iter_mut().enumerate() {
        let octets = (usize::from(k) / 8 - 8 * i).min(8);
        *word = 0;
        for octet in 0..octets {
            let picked: [u8; 8] = std::array::from_fn(|j| bits[index[j] as usize]);
            // Gathers bit 0 of each byte, the first byte to the top.
            let byte = u64::from_be_bytes(picked).wrapping_mul(0x0102_0408_1020_4080) >> 56;
            *word |= byte << (56 - 8 * octet);
            for j in 0..8 {
                index[j] = modulo(index[j] + stride[j]);
                stride[j] = modulo(stride[j] + growth);
            }
        }
    }
}

/// Writes the parity of one constituent encoder with transfer function (1 + D + D^3) / (1 + D^2 + D^3), and returns its
/// last state: the registers of delay 1, 2 and 3. TS 36.212 §5.1.3.2.1
fn parity(x: &[u64; WORDS], k: usize, z: &mut [u64; WORDS]) -> [u8; 3] {
    // 1 / (1 + D^2 + D^3) = (1 + D^2 + D^3 + D^4) / (1 + D^7), and 1 / (1 + D^7) repeats the last seven bits.
    let (mut x_before, mut a_before) = (0u64, 0u64);
    let words = k.div_ceil(64);
    for (&x, z) in x.iter().zip(z.iter_mut()).take(words) {
        let delay = |n: u32| x >> n | x_before << (64 - n);
        let mut a = x ^ delay(2) ^ delay(3) ^ delay(4);
        for n in [7, 14, 28, 56] {
            a ^= a >> n;
        }
        a ^= REPEAT_7[(a_before & 0x7F) as usize];
        *z = a ^ (a >> 1 | a_before << 63) ^ (a >> 3 | a_before << 61);
        (x_before, a_before) = (x, a);
    }
    // Bits after the last one of the block are not part of it. They come in words of 8 bits at least.
    let unused = 64 * words - k;
    let a = a_before >> unused;
    if unused > 0 {
        z[words - 1] &= !0 << unused;
    }
    z[words..].fill(0);
    [a as u8 & 1, (a >> 1) as u8 & 1, (a >> 2) as u8 & 1]
}

/// Seven bits, oldest in the highest place, repeated from the top of a word down.
static REPEAT_7: [u64; 128] = {
    let mut table = [0; 128];
    let mut bits = 0;
    while bits < 128 {
        let mut word = (bits as u64) << 57;
        word |= word >> 7;
        word |= word >> 14;
        word |= word >> 28;
        word |= word >> 56;
        table[bits] = word;
        bits += 1;
    }
    table
};

/// Returns the systematic and parity bits that drive a constituent encoder back to state 0.
fn tail(state: [u8; 3]) -> [u8; 6] {
    let [mut s1, mut s2, mut s3] = state;
    let mut bits = [0; 6];
    for pair in bits.as_chunks_mut::<2>().0 {
        *pair = [s2 ^ s3, s1 ^ s3];
        (s1, s2, s3) = (0, s1, s2);
    }
    bits
}

/// Columns of the matrix whose rows are 32 bits of the stream each, after `nulls` zeros.
fn transpose(stream: &[u64; WORDS], nulls: usize, rows: usize, columns: &mut [[u32; COLUMN_WORDS]; 32]) {
    for block in 0..rows.div_ceil(32) {
        let mut matrix: [u32; 32] = std::array::from_fn(|i| {
            let row = 32 * block + i;
            let end = 32 * row + 32 - nulls;
            // The 64 bits that end where the row does.
            let low = stream.get(end / 64).map_or(0, |word| (*word as u128) >> (64 - end % 64));
            let high =
                if end >= 64 { stream.get(end / 64 - 1).map_or(0, |word| u128::from(*word)) } else { 0 };
            (high << (end % 64) | low) as u32
        });
        transpose_32(&mut matrix);
        for (column, word) in columns.iter_mut().zip(matrix) {
            column[block] = word;
        }
    }
}

/// Transposes a matrix of bits, column 0 in the top bit of each row.
fn transpose_32(matrix: &mut [u32; 32]) {
    let mut mask = 0x0000_FFFFu32;
    let mut j = 16;
    while j != 0 {
        let mut i = 0;
        while i < 32 {
            let t = (matrix[i] ^ (matrix[i + j] >> j)) & mask;
            matrix[i] ^= t;
            matrix[i + j] ^= t << j;
            i = (i + j + 1) & !j;
        }
        j >>= 1;
        mask ^= mask << j;
    }
}

/// Expands the bits of the first `rows` rows of a column, and a few more, one by one.
fn expand(words: &[u32; COLUMN_WORDS], rows: usize, bits: &mut [u8; 32 * COLUMN_WORDS]) {
    let words = &words[..rows.div_ceil(32)];
    let bytes = words.iter().flat_map(|word| word.to_be_bytes());
    for (bits, byte) in bits.as_chunks_mut::<8>().0.iter_mut().zip(bytes) {
        *bits = spread(byte);
    }
}
