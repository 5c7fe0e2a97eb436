//! 128-EIA1: UIA2 with FRESH = BEARER || 0^27. TS 33.401 §B.2.2.

use zeroize::ZeroizeOnDrop;

use super::kernel::{Backend, Loops, Uia2, loops};
use super::snow3g::{Snow3g, words};
use super::{Inputs, MacI, Pik};

#[derive(ZeroizeOnDrop)]
pub(super) struct Eia1 {
    key: [u32; 4],
    #[zeroize(skip)]
    loops: Loops,
}

impl Eia1 {
    pub(super) fn new(key: &Pik, backend: Backend) -> Self {
        Self { key: words(key.as_bytes()), loops: loops(backend) }
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
        let (blocks, _) = message[..length_bits / 8].as_chunks::<8>();
        let last = tail_block(message, length_bits);
        let eval = (self.loops.uia2)(&Uia2 { p, q, blocks, last, length: length_bits as u64 });
        (eval >> 32) as u32 ^ z[4]
    }
}

/// Returns the part of the message after its last whole block of 64 bits, padded with zeros: whole octets and a part of
/// an octet.
fn tail_block(message: &[u8], length_bits: usize) -> Option<u64> {
    let whole = length_bits / 64 * 8;
    let bits = length_bits % 64;
    if bits == 0 {
        return None;
    }
    let mut octets = [0; 8];
    let used = bits.div_ceil(8);
    octets[..used].copy_from_slice(&message[whole..whole + used]);
    Some(u64::from_be_bytes(octets) & (u64::MAX << (64 - bits)))
}
