//! AES key wrap with an initial value of the caller, which MIKEY makes of a salt. RFC 3394 §2.2, RFC 3830 §4.2.3.
//!
//! The crate `aes-kw` has the initial value of RFC 3394 §2.2.3.1 alone.

use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The initial value that RFC 3394 §2.2.3.1 has by default.
pub const DEFAULT_INITIAL: [u8; 8] = [0xa6; 8];

/// Octets of a semiblock.
const HALF: usize = 8;

/// A key that wraps.
pub trait Kek {
    /// The cipher under it.
    #[doc(hidden)]
    fn cipher(&self) -> impl BlockCipherEncrypt<BlockSize = U16> + BlockCipherDecrypt<BlockSize = U16>;
}

impl Kek for [u8; 16] {
    fn cipher(&self) -> impl BlockCipherEncrypt<BlockSize = U16> + BlockCipherDecrypt<BlockSize = U16> {
        aes::Aes128::new(self.into())
    }
}

impl Kek for [u8; 24] {
    fn cipher(&self) -> impl BlockCipherEncrypt<BlockSize = U16> + BlockCipherDecrypt<BlockSize = U16> {
        aes::Aes192::new(self.into())
    }
}

impl Kek for [u8; 32] {
    fn cipher(&self) -> impl BlockCipherEncrypt<BlockSize = U16> + BlockCipherDecrypt<BlockSize = U16> {
        aes::Aes256::new(self.into())
    }
}

/// Wraps data; they become 8 octets longer. None where they are no multiple of 8 octets, or below 16.
// RFC 3394 §2.2.1
pub fn wrap(kek: &impl Kek, initial: &[u8; HALF], data: &[u8]) -> Option<Vec<u8>> {
    if data.len() < 2 * HALF || !data.len().is_multiple_of(HALF) {
        return None;
    }
    let cipher = kek.cipher();
    let mut out = [&initial[..], data].concat();
    let (check, halves) = out.split_at_mut(HALF);
    let mut step = 0_u64;
    for _ in 0..6 {
        for half in halves.chunks_exact_mut(HALF) {
            step += 1;
            let mut block = Zeroizing::new([0; 2 * HALF]);
            block[..HALF].copy_from_slice(check);
            block[HALF..].copy_from_slice(half);
            cipher.encrypt_block((&mut *block).into());
            half.copy_from_slice(&block[HALF..]);
            check.iter_mut().zip(block.iter().zip(step.to_be_bytes())).for_each(|(to, (a, t))| *to = a ^ t);
        }
    }
    Some(out)
}

/// Unwraps data. None where they are altered or of another key: nothing else is told.
// RFC 3394 §2.2.2
pub fn unwrap(kek: &impl Kek, initial: &[u8; HALF], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if wrapped.len() < 3 * HALF || !wrapped.len().is_multiple_of(HALF) {
        return None;
    }
    let cipher = kek.cipher();
    let (first, halves) = wrapped.split_first_chunk::<HALF>()?;
    let (mut check, mut out) = (Zeroizing::new(*first), Zeroizing::new(halves.to_vec()));
    let mut step = 6 * (out.len() / HALF) as u64;
    for _ in 0..6 {
        for half in out.rchunks_exact_mut(HALF) {
            let mut block = Zeroizing::new([0; 2 * HALF]);
            block.iter_mut().zip(check.iter().zip(step.to_be_bytes())).for_each(|(to, (a, t))| *to = a ^ t);
            block[HALF..].copy_from_slice(half);
            cipher.decrypt_block((&mut *block).into());
            check.copy_from_slice(&block[..HALF]);
            half.copy_from_slice(&block[HALF..]);
            step -= 1;
        }
    }
    bool::from(check[..].ct_eq(&initial[..])).then_some(out)
}
