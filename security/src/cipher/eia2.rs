//! 128-EIA2: AES-128-CMAC over COUNT || BEARER || DIRECTION || 0^26 || message, first 32 bits.
//! TS 33.401 §B.2.3.
//!
//! The chaining is implemented here, for two reasons: messages end at any bit, which the `cmac` crate does not support, and
//! the two subkeys are computed once per key and not once per PDU. The tests compare with that crate. The block cipher is
//! that of `kernel` where the processor has instructions for it, else the `aes` crate.

use aes::Aes128Enc;
use aes::cipher::{
    Block, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit,
    consts::U16,
};
use zeroize::Zeroize;

use super::kernel::{AesLoops, Backend, Chain, RoundKeys, loops};
use super::{Inputs, MacI, Pik};

pub(super) struct Eia2 {
    aes: Aes,
    /// K1 for a last block that is full, K2 for one that was padded. RFC 4493 §2.3.
    subkeys: [u128; 2],
}

// The keys of the crate are larger; boxing them would cost a cache miss a PDU.
#[allow(clippy::large_enum_variant)]
enum Aes {
    Instructions { keys: RoundKeys, loops: AesLoops },
    Crate(Aes128Enc),
}

impl Aes {
    /// Returns the CBC-MAC.
    fn cbc_mac(&self, chain: &Chain<'_>) -> u128 {
        match self {
            Self::Instructions { keys, loops } => u128::from_be_bytes((loops.cbc_mac)(keys, chain)),
            Self::Crate(aes) => {
                let mut tag = 0;
                aes.encrypt_with_backend(Run { chain, tag: &mut tag });
                tag
            }
        }
    }
}

impl Drop for Eia2 {
    fn drop(&mut self) {
        self.subkeys.zeroize();
    }
}

impl Eia2 {
    pub(super) fn new(key: &Pik, backend: Backend) -> Self {
        let aes = match loops(backend).aes {
            Some(loops) => Aes::Instructions { keys: (loops.expand)(key.as_bytes()), loops },
            None => Aes::Crate(Aes128Enc::new(key.as_bytes().into())),
        };
        let k1 = double(aes.cbc_mac(&Chain { first: None, blocks: &[], last: [0; 16] }));
        Self { aes, subkeys: [k1, double(k1)] }
    }

    /// Returns the MAC-I. `length_bits` is at most `8 * message.len()`.
    pub(super) fn mac_i(&self, inputs: Inputs, message: &[u8], length_bits: usize) -> MacI {
        let (count, second) = inputs.words();
        let header = u64::from(count) << 32 | u64::from(second);
        let input = Input { header, message, length_bits, subkeys: &self.subkeys };
        // TS 33.401 §B.2.3
        MacI(((self.aes.cbc_mac(&input.chain()) >> 96) as u32).to_be_bytes())
    }
}

/// Multiplies by x once in GF(2^128). RFC 4493 §2.3.
const fn double(v: u128) -> u128 {
    (v << 1) ^ (((v as i128 >> 127) as u128) & 0x87)
}

/// Input of the CBC-MAC: eight octets of header, then `length_bits` of message.
struct Input<'a> {
    header: u64,
    message: &'a [u8],
    length_bits: usize,
    subkeys: &'a [u128; 2],
}

impl<'a> Input<'a> {
    /// Divides it into blocks, the last as CMAC has it.
    #[inline(always)]
    fn chain(&self) -> Chain<'a> {
        let whole = &self.message[..self.length_bits.div_ceil(8)];
        // The first block holds the header and up to 64 bits of message; it may also be the last block.
        let header = u128::from(self.header) << 64;
        let alone = |block| {
            let last = self.last(header | block, 64 + self.length_bits);
            Chain { first: None, blocks: &[], last: last.to_be_bytes() }
        };
        let Some((head, rest)) = whole.split_first_chunk::<8>() else {
            return alone(last_octets(whole, whole.len()) >> 64);
        };
        let head = u128::from(u64::from_be_bytes(*head));
        if rest.is_empty() {
            return alone(head);
        }
        // All further blocks except the last, which may be full.
        let last_start = (rest.len() - 1) / 16 * 16;
        let (blocks, _) = rest[..last_start].as_chunks::<16>();
        let last = last_octets(whole, rest.len() - last_start);
        let last = self.last(last, self.length_bits - 64 - 8 * last_start);
        Chain { first: Some((header | head).to_be_bytes()), blocks, last: last.to_be_bytes() }
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
    chain: &'a Chain<'a>,
    tag: &'a mut u128,
}

impl BlockSizeUser for Run<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Run<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let Chain { first, blocks, last } = self.chain;
        let state = first.map_or(0, |first| {
            blocks.iter().fold(encrypt(backend, u128::from_be_bytes(first)), |state, block| {
                encrypt(backend, state ^ u128::from_be_bytes(*block))
            })
        });
        *self.tag = encrypt(backend, state ^ u128::from_be_bytes(*last));
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
            let mut oracle = Cmac::<aes::Aes128>::new(&key.into());
            oracle.update(&count.to_be_bytes());
            oracle.update(&[bearer << 3 | u8::from(down) << 2, 0, 0, 0]);
            oracle.update(&message);
            let expected = oracle.finalize().into_bytes();
            for backend in Backend::available() {
                let tag = Eia2::new(&Pik::from(key), backend).mac_i(inputs, &message, 8 * message.len());
                prop_assert_eq!(&tag.0[..], &expected[..4], "{:?}", backend);
            }
        }
    }
}
