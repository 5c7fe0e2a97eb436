//! 128-EIA2: AES-128-CMAC over COUNT || BEARER || DIRECTION || 0^26 || message, first 32 bits.
//! TS 33.401 §B.2.3.
//!
//! The chaining is implemented here, on the block cipher, for two reasons: messages end at any bit, which the `cmac`
//! crate does not support, and the two subkeys are computed once per key and not once per PDU. The tests compare with
//! that crate.

use aes::Aes128Enc;
use aes::cipher::{
    Block, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit,
    consts::U16,
};
use zeroize::Zeroize;

use super::{Inputs, MacI, Pik};

pub(super) struct Eia2 {
    aes: Aes128Enc,
    /// K1 for a last block that is full, K2 for one that was padded. RFC 4493 §2.3.
    subkeys: [u128; 2],
}

impl Drop for Eia2 {
    fn drop(&mut self) {
        self.subkeys.zeroize();
    }
}

impl Eia2 {
    pub(super) fn new(key: &Pik) -> Self {
        let aes = Aes128Enc::new(key.as_bytes().into());
        let mut l = [0; 16].into();
        aes.encrypt_block(&mut l);
        let k1 = double(u128::from_be_bytes(l.into()));
        Self { aes, subkeys: [k1, double(k1)] }
    }

    /// Returns the MAC-I. `length_bits` is at most `8 * message.len()`.
    pub(super) fn mac_i(&self, inputs: Inputs, message: &[u8], length_bits: usize) -> MacI {
        let (count, second) = inputs.words();
        let header = u64::from(count) << 32 | u64::from(second);
        let chain = Chain { header, message, length_bits, subkeys: &self.subkeys };
        let mut tag = 0;
        self.aes.encrypt_with_backend(Run { chain, tag: &mut tag });
        // TS 33.401 §B.2.3
        MacI(((tag >> 96) as u32).to_be_bytes())
    }
}

/// Multiplies by x once in GF(2^128). RFC 4493 §2.3.
const fn double(v: u128) -> u128 {
    (v << 1) ^ (((v as i128 >> 127) as u128) & 0x87)
}

/// Input of the CBC-MAC: eight octets of header, then `length_bits` of message.
struct Chain<'a> {
    header: u64,
    message: &'a [u8],
    length_bits: usize,
    subkeys: &'a [u128; 2],
}

impl Chain<'_> {
    /// Computes the CBC-MAC with CMAC's last block.
    #[inline(always)]
    fn run<B: BlockCipherEncBackend<BlockSize = U16>>(&self, backend: &B) -> u128 {
        let whole = &self.message[..self.length_bits.div_ceil(8)];
        // The first block holds the header and up to 64 bits of message; it may also be the last block.
        let header = u128::from(self.header) << 64;
        let Some((head, rest)) = whole.split_first_chunk::<8>() else {
            return encrypt(
                backend,
                self.last(header | last_octets(whole, whole.len()) >> 64, 64 + self.length_bits),
            );
        };
        let first = header | u128::from(u64::from_be_bytes(*head));
        if rest.is_empty() {
            return encrypt(backend, self.last(first, 64 + self.length_bits));
        }
        let mut state = encrypt(backend, first);
        // All further blocks except the last, which may be full.
        let last_start = (rest.len() - 1) / 16 * 16;
        let (blocks, _) = rest[..last_start].as_chunks::<16>();
        for block in blocks {
            state = encrypt(backend, state ^ u128::from_be_bytes(*block));
        }
        let last = last_octets(whole, rest.len() - last_start);
        encrypt(backend, state ^ self.last(last, self.length_bits - 64 - 8 * last_start))
    }

    /// Prepares the last block of `bits` bits (0 to 128): padded with a one and zeros when it is not full, with its
    /// subkey.
    #[inline(always)]
    fn last(&self, block: u128, bits: usize) -> u128 {
        match bits {
            128 => block ^ self.subkeys[0],
            0 => (1 << 127) ^ self.subkeys[1],
            _ => ((block & (u128::MAX << (128 - bits))) | 1 << (127 - bits)) ^ self.subkeys[1],
        }
    }
}

/// Returns the last `n` octets (0 to 16) at the head of a block, by one wide load where the message is long enough.
#[inline(always)]
fn last_octets(message: &[u8], n: usize) -> u128 {
    let value = match message.last_chunk::<16>() {
        Some(chunk) => u128::from_be_bytes(*chunk),
        None => message.iter().fold(0, |acc, octet| acc << 8 | u128::from(*octet)),
    };
    if n == 0 { 0 } else { value << (8 * (16 - n)) }
}

/// Hands the chain to the block cipher's backend, so that the choice of instructions is made once per PDU.
struct Run<'a> {
    chain: Chain<'a>,
    tag: &'a mut u128,
}

impl BlockSizeUser for Run<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Run<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        *self.tag = self.chain.run(backend);
    }
}

/// Encrypts one block. Always inlined, so that the backend need not be in memory.
#[inline(always)]
fn encrypt<B: BlockCipherEncBackend<BlockSize = U16>>(backend: &B, block: u128) -> u128 {
    let mut block: Block<B> = block.to_be_bytes().into();
    backend.encrypt_block((&mut block).into());
    u128::from_be_bytes(block.into())
}

#[cfg(test)]
mod tests {
    use super::super::{Bearer, Direction};
    use super::*;
    use crate::counter::Count;
    use cmac::{Cmac, Mac};
    use proptest::prelude::*;

    proptest! {
        #[test]
        // TS 33.401 §B.2.3
        fn equals_the_cmac_crate(key: [u8; 16], count: u32, bearer in 0_u8..32, down: bool,
                                 message in proptest::collection::vec(any::<u8>(), 0..200)) {
            let direction = if down { Direction::One } else { Direction::Zero };
            let inputs = Inputs { count: Count::new(count), bearer: Bearer::new(bearer).unwrap(), direction };
            let tag = Eia2::new(&Pik::from(key)).mac_i(inputs, &message, 8 * message.len());
            let mut oracle = Cmac::<aes::Aes128>::new(&key.into());
            oracle.update(&count.to_be_bytes());
            oracle.update(&[bearer << 3 | u8::from(down) << 2, 0, 0, 0]);
            oracle.update(&message);
            prop_assert_eq!(&tag.0[..], &oracle.finalize().into_bytes()[..4]);
        }
    }
}
