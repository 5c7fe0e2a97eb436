//! 128-EIA3: ZUC by the `zuc` crate. TS 33.401 §B.2.4.

use zeroize::Zeroizing;
use zuc::eia3::Eia3Mac;

use super::{Inputs, MacI, Pik};

pub(super) struct Eia3 {
    key: Zeroizing<[u8; 16]>,
}

impl Eia3 {
    pub(super) fn new(key: &Pik) -> Self {
        Self { key: Zeroizing::new(*key.as_bytes()) }
    }

    /// Returns the MAC-I. `length_bits` is at most `8 * message.len()`.
    pub(super) fn mac_i(&self, inputs: Inputs, message: &[u8], length_bits: usize) -> MacI {
        // TS 33.401 §B.1.4, §B.2.4
        let tag = Eia3Mac::compute(
            inputs.count.value(),
            inputs.bearer.value(),
            inputs.direction.bit() as u8,
            &self.key,
            message,
            length_bits,
        );
        MacI(tag.to_be_bytes())
    }
}
