//! 128-EIA3: a keystream of the `zuc` crate, its windows at the set bits of the message by `kernel`. TS 33.401 §B.2.4.

use zeroize::Zeroizing;
use zuc::zuc128::Zuc128Keystream;

use super::kernel::{Backend, Loops, loops};
use super::{Inputs, MacI, Pik};

/// Words of the message that are summed together.
const STEP: usize = 32;

pub(super) struct Eia3 {
    key: Zeroizing<[u8; 16]>,
    loops: Loops,
}

impl Eia3 {
    pub(super) fn new(key: &Pik, backend: Backend) -> Self {
        Self { key: Zeroizing::new(*key.as_bytes()), loops: loops(backend) }
    }

    /// Returns the MAC-I. `length_bits` is at most `8 * message.len()`.
    pub(super) fn mac_i(&self, inputs: Inputs, message: &[u8], length_bits: usize) -> MacI {
        // TS 33.401 §B.1.4, §B.2.4
        let mut zuc = self.keystream(inputs);
        let (words, _) = message[..length_bits / 8].as_chunks::<4>();
        let mut keystream = [0; STEP + 1];
        keystream[0] = zuc.generate();
        let mut tag = 0;
        for words in words.chunks(STEP) {
            let ahead = &mut keystream[1..=words.len()];
            ahead.fill_with(|| zuc.generate());
            tag ^= (self.loops.windows)(&keystream[..=words.len()], words);
            keystream[0] = keystream[words.len()];
        }
        // The bits after the last whole word, LENGTH, and the last word of the keystream.
        let bits = length_bits % 32;
        let mut last = [0; 4];
        let used = bits.div_ceil(8);
        last[..used].copy_from_slice(&message[4 * words.len()..4 * words.len() + used]);
        let pair = [keystream[0], zuc.generate()];
        if bits != 0 {
            let kept = u32::from_be_bytes(last) & (u32::MAX << (32 - bits));
            tag ^= (self.loops.windows)(&pair, &[kept.to_be_bytes()]);
        }
        let both = u64::from(pair[0]) << 32 | u64::from(pair[1]);
        tag ^= (both >> (32 - bits)) as u32;
        let final_word = if bits == 0 { pair[1] } else { zuc.generate() };
        MacI((tag ^ final_word).to_be_bytes())
    }

    /// Starts the keystream. Its initial vector is that of 128-EEA3, but for DIRECTION.
    fn keystream(&self, inputs: Inputs) -> Zuc128Keystream {
        let bearer = inputs.bearer.value() << 3;
        let direction = (inputs.direction.bit() as u8) << 7;
        let [a, b, c, d] = inputs.count.value().to_be_bytes();
        let iv = [a, b, c, d, bearer, 0, 0, 0, a ^ direction, b, c, d, bearer, 0, direction, 0];
        Zuc128Keystream::new(&self.key, &iv)
    }
}
