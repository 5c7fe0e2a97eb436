//! A pointer to a signed announcement on the SL-SCH. Our own, for TR 33.833 §6.2.3 (option E).
//!
//! ```text
//! PSDCH    octet 0      1 .. 23     24, 25     26, 27     28
//!                0xD5   code        pointer    key hint   LSB of the UTC-based counter
//!                8      184         16         16         8 bits
//!
//! SL-SCH   1       key hint 2   code 23   signed time 7   signature 64, 97 or 129
//!          format
//!
//! pointer = last 16 bits of KDF(no key, "pointer", P1 = the octets on the SL-SCH)
//! ```
//!
//! The pointer only says which transport block belongs to which message: the signature covers code and time, and proves
//! both. The signed time is that of the subframe of the discovery message. A transport block has as many octets as the
//! signature needs, in one SC period, where fragments take as many discovery periods as there are fragments.

use subtle::ConstantTimeEq;

use super::signature::{Hint, Purpose, SignedTime, SigningKey, VerifyingKey};
use super::{Code, MESSAGE_OCTETS, Message, Refusal, Verified};
use crate::counter::{LsbWidth, UtcCounter};
use crate::kdf::derive;
use crate::kdf::fc;

/// Message type of these messages: discovery type 11 is reserved, so that a standard receiver drops them.
pub const MESSAGE_TYPE: u8 = 0xD5;

/// First octet of an announcement on the SL-SCH.
pub const FORMAT: u8 = 0x01;

/// Octets of an announcement on the SL-SCH before its signature.
pub const HEAD: usize = 1 + 2 + 23 + 7;

/// An announcement that is signed on the SL-SCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointed {
    /// The discovery message.
    pub message: Message,
    /// The octets for the SL-SCH: 97 with a signature of 64 octets, 130 or 162 with a longer one.
    pub announcement: Vec<u8>,
}

/// Signs a code at a time. `nonce` are fresh random octets.
pub fn announce(key: &SigningKey, code: &Code, time: SignedTime, nonce: [u8; 32]) -> Pointed {
    let hint = key.verifying_key().hint();
    let content = content(code, time);
    let mut announcement = Vec::with_capacity(HEAD + 129);
    announcement.push(FORMAT);
    announcement.extend_from_slice(&hint.0);
    announcement.extend_from_slice(&content);
    announcement.extend_from_slice(key.sign(Purpose::Pointer, &content, nonce).as_octets());
    let mut message = [0; MESSAGE_OCTETS];
    message[0] = MESSAGE_TYPE;
    message[1..24].copy_from_slice(code);
    message[24..26].copy_from_slice(&pointer(&announcement));
    message[26..28].copy_from_slice(&hint.0);
    message[28] = time.counter.lsb(LsbWidth::of(MESSAGE_TYPE));
    Pointed { message, announcement }
}

fn content(code: &Code, time: SignedTime) -> [u8; 30] {
    let mut content = [0; 30];
    content[..23].copy_from_slice(code);
    content[23..].copy_from_slice(&time.octets());
    content
}

/// Returns the pointer to an announcement.
pub fn pointer(announcement: &[u8]) -> [u8; 2] {
    let announcement = &announcement[..announcement.len().min(usize::from(u16::MAX))];
    let [.., a, b] = *derive(&[], fc::OWN_POINTER, &[announcement]);
    [a, b]
}

/// A received discovery message, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointing {
    /// The code.
    pub code: Code,
    /// The pointer.
    pub pointer: [u8; 2],
    /// The hint of the key.
    pub hint: Hint,
    /// Low octet of the UTC-based counter.
    pub utc_lsb: u8,
}

impl Pointing {
    /// Reads a message; `None` for one of another type.
    pub fn read(message: &Message) -> Option<Self> {
        if message[0] != MESSAGE_TYPE {
            return None;
        }
        let mut code = [0; 23];
        code.copy_from_slice(&message[1..24]);
        let pointer = [message[24], message[25]];
        Some(Self { code, pointer, hint: Hint([message[26], message[27]]), utc_lsb: message[28] })
    }
}

/// A received announcement on the SL-SCH, read and not proven.
#[derive(Clone, Copy, Debug)]
pub struct Announced<'a> {
    octets: &'a [u8],
    /// The hint of the key.
    pub hint: Hint,
    /// The code.
    pub code: Code,
    /// The signed time.
    pub time: SignedTime,
}

impl<'a> Announced<'a> {
    /// Reads the octets; `None` when they are none of these announcements.
    pub fn read(octets: &'a [u8]) -> Option<Self> {
        let (&[FORMAT, a, b, ref content @ ..], _) = octets.split_first_chunk::<HEAD>()? else { return None };
        let content: &[u8; 30] = content;
        let (code, time) = content.split_first_chunk::<23>()?;
        let [s0, s1, s2, s3, d0, d1, subframe] = *<&[u8; 7]>::try_from(time).ok()?;
        let (counter, dfn) = (u32::from_be_bytes([s0, s1, s2, s3]), u16::from_be_bytes([d0, d1]));
        if dfn > 1023 || subframe > 9 {
            return None;
        }
        let time = SignedTime { counter: UtcCounter::from_air(counter), dfn, subframe };
        Some(Self { octets, hint: Hint([a, b]), code: *code, time })
    }

    /// Returns the pointer to it.
    pub fn pointer(&self) -> [u8; 2] {
        pointer(self.octets)
    }

    /// Verifies its signature, and that the discovery message that points to it has its code and counter.
    ///
    /// Refused: [`Refusal::Unknown`] when the message points to something else, otherwise [`Refusal::BadSignature`].
    pub fn verify(&self, key: &VerifyingKey, pointing: &Pointing) -> Result<Verified<PointedCode>, Refusal> {
        let same = self.pointer().ct_eq(&pointing.pointer) & self.code.ct_eq(&pointing.code);
        let lsb = self.time.counter.lsb(LsbWidth::of(MESSAGE_TYPE));
        if !bool::from(same) || self.hint != pointing.hint || lsb != pointing.utc_lsb {
            return Err(Refusal::Unknown);
        }
        let content = content(&self.code, self.time);
        key.verify(Purpose::Pointer, &content, &self.octets[HEAD..]).map_err(|_| Refusal::BadSignature)?;
        Ok(Verified::new(PointedCode { code: self.code, time: self.time }))
    }
}

/// A code that the owner of a key announced, with its signed time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PointedCode {
    /// The code.
    pub code: Code,
    /// The time of the first subframe of its discovery message.
    pub time: SignedTime,
}

#[cfg(test)]
mod tests;
