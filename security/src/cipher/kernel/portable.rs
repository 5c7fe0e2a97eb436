//! The arithmetic by shifts and by a table.

use super::{Loops, Uia2};

pub(super) const LOOPS: Loops = Loops { uia2, windows, aes: None };

/// Number of blocks from which the table of P pays (measured: the table costs about five bit-by-bit products).
const TABLE_PAYS: usize = 2;

fn uia2(inputs: &Uia2<'_>) -> u64 {
    let eval = if inputs.blocks.len() < TABLE_PAYS {
        evaluate(inputs, |v| multiply(v, inputs.p))
    } else {
        let table = Table::new(inputs.p);
        evaluate(inputs, |v| table.multiply(v))
    };
    multiply(eval ^ inputs.length, inputs.q)
}

/// Evaluates the polynomial of the message by Horner's rule.
fn evaluate(inputs: &Uia2<'_>, times_p: impl Fn(u64) -> u64) -> u64 {
    let blocks = inputs.blocks.iter().map(|block| u64::from_be_bytes(*block));
    blocks.chain(inputs.last).fold(0, |eval, block| times_p(eval ^ block))
}

/// MULx of GF(2^64) with x^64 + x^4 + x^3 + x + 1, without a branch. TS 35.215 §4.3 (MUL64x, c = 0x1B).
#[inline(always)]
const fn double(v: u64) -> u64 {
    (v << 1) ^ (((v as i64 >> 63) as u64) & 0x1b)
}

/// Multiplies two elements, bit by bit, without a branch.
pub(super) const fn multiply(v: u64, p: u64) -> u64 {
    let (mut acc, mut power, mut i) = (0, p, 0);
    while i < 64 {
        acc ^= power & 0_u64.wrapping_sub((v >> i) & 1);
        power = double(power);
        i += 1;
    }
    acc
}

/// The products of one element with every value of every nibble: a multiplication is 16 look-ups, no reduction.
pub(super) struct Table([[u64; 16]; 16]);

impl Table {
    pub(super) fn new(p: u64) -> Self {
        let mut table = [[0; 16]; 16];
        let mut power = p;
        for row in &mut table {
            let one = power;
            let two = double(one);
            let four = double(two);
            let eight = double(four);
            power = double(eight);
            let three = one ^ two;
            let low = [0, one, two, three, four, four ^ one, four ^ two, four ^ three];
            for (i, v) in low.into_iter().enumerate() {
                row[i] = v;
                row[i + 8] = v ^ eight;
            }
        }
        Self(table)
    }

    #[inline(always)]
    pub(super) fn multiply(&self, v: u64) -> u64 {
        let mut acc = 0;
        for (i, row) in self.0.iter().enumerate() {
            acc ^= row[((v >> (4 * i)) & 15) as usize];
        }
        acc
    }
}

fn windows(keystream: &[u32], message: &[[u8; 4]]) -> u32 {
    let pairs = keystream.iter().zip(keystream.get(1..).unwrap_or(&[]));
    pairs
        .zip(message)
        .fold(0, |acc, ((high, low), word)| acc ^ window(*high, *low, u32::from_be_bytes(*word)))
}

/// Returns the exclusive or of the windows of 64 bits at the set bits of one word, without a branch.
pub(super) fn window(high: u32, low: u32, word: u32) -> u32 {
    let keystream = u64::from(high) << 32 | u64::from(low);
    (0..32).fold(0, |acc, i| {
        let set = 0_u32.wrapping_sub(word >> (31 - i) & 1);
        acc ^ (keystream >> (32 - i)) as u32 & set
    })
}
