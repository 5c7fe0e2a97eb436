//! From a payload to its coded bits.

use super::{CRC_BITS, encode};
use crate::coding::CodingError;
use crate::coding::crc::CRC16;
use crate::coding::rate_match::convolutional_order;

/// Encodes payloads of up to a largest size.
pub struct ControlEncoder {
    max_k: usize,
    bits: Vec<u8>,
    streams: Vec<u8>,
    circular: Vec<u8>,
}

impl ControlEncoder {
    /// An encoder for up to `max_k` bits: a payload and its CRC16.
    pub fn new(max_k: usize) -> Self {
        Self { max_k, bits: vec![0; max_k], streams: vec![0; 3 * max_k], circular: vec![0; 3 * max_k] }
    }

    /// Encodes `payload` into as many coded bits as `output` holds, and returns its CRC16, p_0 in the top bit.
    ///
    /// # Errors
    /// [`CodingError::BlockSize`] if the payload is empty or too long.
    pub fn encode(&mut self, payload: &[u8], output: &mut [u8]) -> Result<u16, CodingError> {
        let k = payload.len().saturating_add(CRC_BITS);
        if payload.is_empty() || k > self.max_k {
            return Err(CodingError::BlockSize {
                bits: payload.len(),
                max: self.max_k.saturating_sub(CRC_BITS),
            });
        }
        let crc = CRC16.bits(payload) as u16;
        let bits = &mut self.bits[..k];
        for (bit, from) in bits.iter_mut().zip(payload) {
            *bit = from & 1;
        }
        for (i, bit) in bits[payload.len()..].iter_mut().enumerate() {
            *bit = (crc >> (CRC_BITS - 1 - i)) as u8 & 1;
        }
        encode(bits, &mut self.streams[..3 * k]);
        let circular = &mut self.circular[..3 * k];
        for (bit, from) in circular.iter_mut().zip(convolutional_order(k)) {
            *bit = self.streams[from];
        }
        crate::coding::rate_match::select(circular, 0, output);
        Ok(crc)
    }
}
