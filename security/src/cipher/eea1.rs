//! 128-EEA1: SNOW 3G in the mode of UEA2. TS 33.401 §B.1.2.

use zeroize::ZeroizeOnDrop;

use super::snow3g::{Snow3g, words};
use super::{Inputs, Pek};

#[derive(ZeroizeOnDrop)]
pub(super) struct Eea1 {
    key: [u32; 4],
}

impl Eea1 {
    pub(super) fn new(key: &Pek) -> Self {
        Self { key: words(key.as_bytes()) }
    }

    pub(super) fn apply(&self, inputs: Inputs, data: &mut [u8]) {
        let (count, second) = inputs.words();
        // TS 33.401 §B.1.2
        let mut snow = Snow3g::new(&self.key, &[count, second, count, second]);
        let (blocks, rest) = data.as_chunks_mut::<64>();
        for block in blocks {
            let (words, _) = block.as_chunks_mut::<4>();
            for (word, z) in words.iter_mut().zip(snow.block()) {
                *word = (u32::from_be_bytes(*word) ^ z).to_be_bytes();
            }
        }
        for chunk in rest.chunks_mut(4) {
            for (octet, z) in chunk.iter_mut().zip(snow.word().to_be_bytes()) {
                *octet ^= z;
            }
        }
    }
}
