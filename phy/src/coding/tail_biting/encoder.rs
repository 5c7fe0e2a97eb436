//! Encodes a payload to its coded bits.

use super::{CRC_BITS, MAX_K, Order, encode};
use crate::coding::CodingError;
use crate::coding::crc::CRC16;
use crate::coding::rate_match::select;

/// Encodes payloads of up to a largest size.
pub struct ControlEncoder {
    max_k: usize,
    order: Order,
    streams: [u8; 3 * MAX_K],
    circular: [u8; 3 * MAX_K],
}

impl ControlEncoder {
    /// Makes an encoder for up to `max_k` bits, a payload and its CRC16, and 128 at most.
    pub fn new(max_k: usize) -> Self {
        let max_k = max_k.min(MAX_K);
        Self { max_k, order: Order::new(), streams: [0; 3 * MAX_K], circular: [0; 3 * MAX_K] }
    }

    /// Encodes `payload` into the coded bits that fill `output`, and returns its CRC16, p_0 in the top bit.
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
        // TS 36.212 §5.4.1.1 (1)
        let crc = CRC16.bits(payload) as u16;
        let bits = payload.iter().rev().fold(0, |bits, bit| bits << 1 | u128::from(bit & 1))
            // TS 36.212 §5.4.3 (2)
            | u128::from(crc.reverse_bits()) << payload.len();
        for (stream, coded) in self.streams.chunks_exact_mut(k).zip(encode(bits, k)) {
            for (i, bit) in stream.iter_mut().enumerate() {
                *bit = (coded >> i) as u8 & 1;
            }
        }
        let circular = &mut self.circular[..3 * k];
        for (bit, &from) in circular.iter_mut().zip(self.order.of(k)) {
            *bit = self.streams[usize::from(from)];
        }
        select(circular, 0, output);
        Ok(crc)
    }
}
