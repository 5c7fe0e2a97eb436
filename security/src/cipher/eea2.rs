//! 128-EEA2: AES-128 in counter mode, T1 = COUNT || BEARER || DIRECTION || 0^26 || 0^64, incremented modulo 2^64 in
//! its low half. TS 33.401 §B.1.3.
//!
//! The counter mode is implemented here: in `kernel` where the processor has instructions for AES, else over the block
//! cipher of the `aes` crate, which also is what the tests compare with.

use aes::Aes128Enc;
use aes::cipher::consts::U16;
use aes::cipher::{
    Block, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit,
};

use super::kernel::{AesLoops, Backend, RoundKeys, loops};
use super::{Inputs, Pek};

pub(super) struct Eea2(Aes);

// The keys of the crate are larger; boxing them would cost a cache miss a PDU.
#[allow(clippy::large_enum_variant)]
enum Aes {
    Instructions { keys: RoundKeys, loops: AesLoops },
    Crate(Aes128Enc),
}

impl Eea2 {
    pub(super) fn new(key: &Pek, backend: Backend) -> Self {
        Self(match loops(backend).aes {
            Some(loops) => Aes::Instructions { keys: (loops.expand)(key.as_bytes()), loops },
            None => Aes::Crate(Aes128Enc::new(key.as_bytes().into())),
        })
    }

    pub(super) fn apply(&self, inputs: Inputs, data: &mut [u8]) {
        let (count, second) = inputs.words();
        let nonce = u64::from(count) << 32 | u64::from(second);
        match &self.0 {
            // TS 33.401 §B.1.3
            Aes::Instructions { keys, loops } => (loops.counter_mode)(keys, nonce, data),
            Aes::Crate(aes) => aes.encrypt_with_backend(CounterMode { nonce, data }),
        }
    }
}

/// Hands the counter mode to the block cipher's backend, so that the choice of instructions is made once per PDU.
struct CounterMode<'a> {
    nonce: u64,
    data: &'a mut [u8],
}

impl BlockSizeUser for CounterMode<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for CounterMode<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let (blocks, rest) = self.data.as_chunks_mut::<16>();
        let whole = blocks.len();
        for (counter, block) in blocks.iter_mut().enumerate() {
            *block = (u128::from_le_bytes(*block) ^ keystream(backend, self.nonce, counter)).to_le_bytes();
        }
        if !rest.is_empty() {
            xor_tail(rest, keystream(backend, self.nonce, whole));
        }
    }
}

/// Returns one block of keystream. Always inlined, so that the backend need not be in memory.
#[inline(always)]
fn keystream<B: BlockCipherEncBackend<BlockSize = U16>>(backend: &B, nonce: u64, counter: usize) -> u128 {
    // TS 33.401 §B.1.3
    let t = u128::from(nonce) << 64 | counter as u128;
    let mut block: Block<B> = t.to_be_bytes().into();
    backend.encrypt_block((&mut block).into());
    u128::from_le_bytes(block.into())
}

/// XORs fewer than 16 octets by halves, so that no wide load depends on narrow stores.
#[inline(always)]
fn xor_tail(rest: &mut [u8], mut keystream: u128) {
    let (half, rest) = rest.split_at_mut(rest.len() & 8);
    if let Some(half) = half.first_chunk_mut::<8>() {
        *half = (u64::from_le_bytes(*half) ^ keystream as u64).to_le_bytes();
        keystream >>= 64;
    }
    let (quarter, rest) = rest.split_at_mut(rest.len() & 4);
    if let Some(quarter) = quarter.first_chunk_mut::<4>() {
        *quarter = (u32::from_le_bytes(*quarter) ^ keystream as u32).to_le_bytes();
        keystream >>= 32;
    }
    for octet in rest {
        *octet ^= keystream as u8;
        keystream >>= 8;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bearer, Direction};
    use super::*;
    use crate::counter::Count;
    use ctr::cipher::{KeyIvInit, StreamCipher};
    use proptest::prelude::*;

    proptest! {
        #[test]
        // TS 33.401 §B.1.3
        fn equals_the_ctr_crate(key: [u8; 16], count: u32, bearer in 0_u8..32, down: bool,
                                message in proptest::collection::vec(any::<u8>(), 0..1100)) {
            let direction = if down { Direction::One } else { Direction::Zero };
            let inputs = Inputs { count: Count::new(count), bearer: Bearer::new(bearer).unwrap(), direction };
            let mut t1 = [0; 16];
            t1[..4].copy_from_slice(&count.to_be_bytes());
            t1[4] = bearer << 3 | u8::from(down) << 2;
            let mut expected = message.clone();
            ctr::Ctr64BE::<aes::Aes128>::new(&key.into(), &t1.into()).apply_keystream(&mut expected);
            for backend in Backend::available() {
                let mut data = message.clone();
                Eea2::new(&Pek::from(key), backend).apply(inputs, &mut data);
                prop_assert_eq!(&data, &expected, "{:?}", backend);
            }
        }
    }
}
