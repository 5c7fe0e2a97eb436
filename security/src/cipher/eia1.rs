//! 128-EIA1: UIA2 with FRESH = BEARER || 0^27. TS 33.401 §B.2.2.

use zeroize::ZeroizeOnDrop;

use super::snow3g::{Snow3g, words};
use super::{Inputs, MacI, Pik};

#[derive(ZeroizeOnDrop)]
pub(super) struct Eia1 {
    key: [u32; 4],
}

impl Eia1 {
    pub(super) fn new(key: &Pik) -> Self {
        Self { key: words(key.as_bytes()) }
    }

    /// Returns the MAC-I. `length_bits` is at most `8 * message.len()`; the bits after it are taken as zero.
    pub(super) fn mac_i(&self, inputs: Inputs, message: &[u8], length_bits: usize) -> MacI {
        // TS 33.401 §B.2.2
        let fresh = u32::from(inputs.bearer.value()) << 27;
        MacI(
            self.uia2(inputs.count.value(), fresh, inputs.direction.bit(), message, length_bits)
                .to_be_bytes(),
        )
    }

    /// Computes UIA2 with any FRESH, as the published vectors of TS 35.217 need it.
    pub(super) fn uia2(
        &self,
        count: u32,
        fresh: u32,
        direction: u32,
        message: &[u8],
        length_bits: usize,
    ) -> u32 {
        let iv = [count, fresh, count ^ (direction << 31), fresh ^ (direction << 15)];
        let mut snow = Snow3g::new(&self.key, &iv);
        let z = [snow.word(), snow.word(), snow.word(), snow.word(), snow.word()];
        let p = u64::from(z[0]) << 32 | u64::from(z[1]);
        let q = u64::from(z[2]) << 32 | u64::from(z[3]);
        let eval = evaluate(p, &message[..length_bits / 8], tail_block(message, length_bits));
        let eval = multiply(eval ^ length_bits as u64, q);
        (eval >> 32) as u32 ^ z[4]
    }
}

/// The part of the message after its last whole block of 64 bits, padded with zeros: whole octets and a part of an
/// octet.
struct Tail(Option<u64>);

fn tail_block(message: &[u8], length_bits: usize) -> Tail {
    let whole = length_bits / 64 * 8;
    let bits = length_bits % 64;
    if bits == 0 {
        return Tail(None);
    }
    let mut octets = [0; 8];
    let used = bits.div_ceil(8);
    octets[..used].copy_from_slice(&message[whole..whole + used]);
    Tail(Some(u64::from_be_bytes(octets) & (u64::MAX << (64 - bits))))
}

/// Evaluates the polynomial M_0 P^n + M_1 P^(n-1) + .. + M_(n-1) P over GF(2^64).
fn evaluate(p: u64, octets: &[u8], tail: Tail) -> u64 {
    /// Number of blocks from which the table of P pays (measured: the table costs about five bit-by-bit products).
    const TABLE_PAYS: usize = 2;
    let (blocks, _) = octets.as_chunks::<8>();
    if blocks.len() < TABLE_PAYS {
        let eval = blocks.iter().fold(0, |eval, block| multiply(eval ^ u64::from_be_bytes(*block), p));
        return tail.0.map_or(eval, |last| multiply(eval ^ last, p));
    }
    let table = Table::new(p);
    let eval = blocks.iter().fold(0, |eval, block| table.multiply(eval ^ u64::from_be_bytes(*block)));
    tail.0.map_or(eval, |last| table.multiply(eval ^ last))
}

/// MULx of GF(2^64) with x^64 + x^4 + x^3 + x + 1, without a branch. TS 35.215 §4.3 (MUL64x, c = 0x1B).
#[inline(always)]
const fn double(v: u64) -> u64 {
    (v << 1) ^ (((v as i64 >> 63) as u64) & 0x1b)
}

/// Multiplies two elements, bit by bit, without a branch.
const fn multiply(v: u64, p: u64) -> u64 {
    let (mut acc, mut power, mut i) = (0, p, 0);
    while i < 64 {
        acc ^= power & 0_u64.wrapping_sub((v >> i) & 1);
        power = double(power);
        i += 1;
    }
    acc
}

/// The products of one element with every value of every nibble: a multiplication is 16 look-ups, no reduction.
struct Table([[u64; 16]; 16]);

impl Table {
    fn new(p: u64) -> Self {
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
    fn multiply(&self, v: u64) -> u64 {
        let mut acc = 0;
        for (i, row) in self.0.iter().enumerate() {
            acc ^= row[((v >> (4 * i)) & 15) as usize];
        }
        acc
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn table_equals_the_definition(v: u64, p: u64) {
            prop_assert_eq!(Table::new(p).multiply(v), multiply(v, p));
        }

        #[test]
        fn multiplication_commutes_and_distributes(a: u64, b: u64, c: u64) {
            prop_assert_eq!(multiply(a, b), multiply(b, a));
            prop_assert_eq!(multiply(a ^ b, c), multiply(a, c) ^ multiply(b, c));
        }
    }
}
