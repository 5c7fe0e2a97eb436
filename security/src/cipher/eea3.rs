//! 128-EEA3: ZUC by the `zuc` crate. TS 33.401 §B.1.4.

use zeroize::Zeroizing;
use zuc::eea3::Eea3Keystream;

use super::{Inputs, Pek};

pub(super) struct Eea3 {
    key: Zeroizing<[u8; 16]>,
}

impl Eea3 {
    pub(super) fn new(key: &Pek) -> Self {
        Self { key: Zeroizing::new(*key.as_bytes()) }
    }

    pub(super) fn apply(&self, inputs: Inputs, data: &mut [u8]) {
        // TS 33.401 §B.1.4, §B.2.4
        let mut zuc = Eea3Keystream::new(
            inputs.count.value(),
            inputs.bearer.value(),
            inputs.direction.bit() as u8,
            &self.key,
        );
        let (words, rest) = data.as_chunks_mut::<4>();
        for word in words {
            *word = (u32::from_be_bytes(*word) ^ zuc.generate()).to_be_bytes();
        }
        if !rest.is_empty() {
            for (octet, z) in rest.iter_mut().zip(zuc.generate().to_be_bytes()) {
                *octet ^= z;
            }
        }
    }
}
