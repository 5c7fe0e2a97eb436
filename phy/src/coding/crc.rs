//! Cyclic redundancy checks, TS 36.212 §5.1.1: zero initial state, first bit first, no final inversion.

use crate::kernel::crc::{Powers, STRIDE, fold};

/// CRC24A, attached to a transport block: g(D) = D^24 + D^23 + D^18 + D^17 + D^14 + D^11 + D^10 + D^7 + D^6 + D^5 +
/// D^4 + D^3 + D + 1. TS 36.212 §5.1.1
// TS 36.212 §5.4 with §5.1.1 (1)
pub static CRC24A: Crc = Crc::new(24, 0x86_4CFB);

/// CRC24B, attached to each of several code blocks: g(D) = D^24 + D^23 + D^6 + D^5 + D + 1. TS 36.212 §5.1.1
// TS 36.212 §5.4 with §5.1.1 (1)
pub static CRC24B: Crc = Crc::new(24, 0x80_0063);

/// CRC16, attached to SCI and SL-BCH: g(D) = D^16 + D^12 + D^5 + 1. TS 36.212 §5.1.1
pub static CRC16: Crc = Crc::new(16, 0x1021);

/// Bytes that one step of the fast path takes.
const SLICES: usize = 16;

/// One of the generator polynomials, with its tables.
pub struct Crc {
    width: u32,
    /// The polynomial without its leading term, moved to the top of the word.
    polynomial: u32,
    /// `tables[n][b]`: the register (top aligned) after byte `b` and `n` zero bytes.
    tables: [[u32; 256]; SLICES],
    powers: Powers,
}

impl Crc {
    const fn new(width: u32, polynomial: u32) -> Self {
        let polynomial = polynomial << (32 - width);
        let mut tables = [[0; 256]; SLICES];
        let mut b = 0;
        while b < 256 {
            let mut register = (b as u32) << 24;
            let mut i = 0;
            while i < 8 {
                register = step(register, polynomial);
                i += 1;
            }
            tables[0][b] = register;
            b += 1;
        }
        let mut n = 1;
        while n < SLICES {
            let mut b = 0;
            while b < 256 {
                let previous = tables[n - 1][b];
                tables[n][b] = (previous << 8) ^ tables[0][(previous >> 24) as usize];
                b += 1;
            }
            n += 1;
        }
        Self { width, polynomial, tables, powers: Powers::of(polynomial) }
    }

    /// Returns the number of parity bits.
    pub const fn width(&self) -> usize {
        self.width as usize
    }

    /// Returns the parity of packed bytes, in the low bits. Bytes followed by their own parity give 0.
    pub fn bytes(&self, bytes: &[u8]) -> u32 {
        let (long, rest) = bytes.as_chunks::<STRIDE>();
        let register = match fold(long, self.powers) {
            Some(folded) => self.extend(self.extend(0, &folded), rest),
            None => self.extend(0, bytes),
        };
        register >> (32 - self.width)
    }

    /// Returns the register, top aligned, after more bytes.
    fn extend(&self, mut register: u32, bytes: &[u8]) -> u32 {
        let (blocks, rest) = bytes.as_chunks::<SLICES>();
        for block in blocks {
            let head = register.to_be_bytes();
            let mut next = 0;
            for (i, &byte) in block.iter().enumerate() {
                let byte = if i < 4 { byte ^ head[i] } else { byte };
                next ^= self.tables[SLICES - 1 - i][byte as usize];
            }
            register = next;
        }
        for &byte in rest {
            register = (register << 8) ^ self.tables[0][((register >> 24) as u8 ^ byte) as usize];
        }
        register
    }

    /// Returns the parity of bits, in the low bits of the result, p_0 being its most significant. Only bit 0 of an
    /// element is used.
    pub fn bits(&self, bits: &[u8]) -> u32 {
        let (octets, rest) = bits.as_chunks::<8>();
        let mut register = 0u32;
        for octet in octets {
            let byte = octet.iter().fold(0u8, |byte, bit| byte << 1 | (bit & 1));
            register = (register << 8) ^ self.tables[0][((register >> 24) as u8 ^ byte) as usize];
        }
        for &bit in rest {
            register = step(register ^ (u32::from(bit & 1) << 31), self.polynomial);
        }
        register >> (32 - self.width)
    }
}

impl std::fmt::Debug for Crc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Crc {{ width: {}, polynomial: {:#X} }}", self.width, self.polynomial >> (32 - self.width))
    }
}

const fn step(register: u32, polynomial: u32) -> u32 {
    (register << 1) ^ if register >> 31 == 1 { polynomial } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Divides as TS 36.212 §5.1.1 words it, by the polynomial with its leading term.
    fn long_division(bits: &[u8], generator: u64, width: usize) -> u32 {
        let mut dividend: Vec<u8> = bits.iter().copied().chain(std::iter::repeat_n(0, width)).collect();
        for i in 0..bits.len() {
            if dividend[i] == 1 {
                for j in 0..=width {
                    dividend[i + j] ^= (generator >> (width - j) & 1) as u8;
                }
            }
        }
        dividend[bits.len()..].iter().fold(0, |sum, &bit| sum << 1 | u32::from(bit))
    }

    fn unpack(bytes: &[u8]) -> Vec<u8> {
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |i| byte >> i & 1)).collect()
    }

    proptest! {
        #[test]
        // TS 36.212 §5.4 with §5.1.1 (1)
        fn tables_agree_with_long_division(bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 0usize..8) {
            let bits = unpack(&bytes);
            let cut = &bits[..bits.len().saturating_sub(cut)];
            for (crc, generator) in [(&CRC24A, 0x186_4CFB), (&CRC24B, 0x180_0063), (&CRC16, 0x1_1021)] {
                prop_assert_eq!(crc.bytes(&bytes), long_division(&bits, generator, crc.width()));
                prop_assert_eq!(crc.bits(cut), long_division(cut, generator, crc.width()));
            }
        }
    }

    #[test]
    // TS 36.212 §5.4 with §5.1.1 (1)
    fn published_check_values() {
        // CRC-16/XMODEM and CRC-24 of "123456789" with a zero preset, the usual check string of CRC catalogues.
        assert_eq!(CRC16.bytes(b"123456789"), 0x31C3);
        assert_eq!(CRC24A.bytes(b"123456789"), 0xCDE703);
        assert_eq!(CRC24B.bytes(b"123456789"), 0x23EF52);
    }
}
