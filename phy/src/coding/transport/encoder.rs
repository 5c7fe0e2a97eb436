//! Encodes a transport block to its coded bits.

use super::{check, plan};
use crate::coding::crc::{CRC24A, CRC24B};
use crate::coding::rate_match::{CircularBuffer, select};
use crate::coding::segmentation::{CRC_BITS, MAX_CODE_BLOCK};
use crate::coding::turbo::TurboEncoder;
use crate::coding::{CodingError, expect_len};

/// Encodes transport blocks of up to a largest size.
pub struct TransportEncoder {
    max_tbs: usize,
    turbo: TurboEncoder,
    block: Vec<u8>,
    circular: Vec<u8>,
}

impl TransportEncoder {
    /// Makes an encoder for transport blocks of up to `max_tbs` bits.
    pub fn new(max_tbs: usize) -> Self {
        Self {
            max_tbs,
            turbo: TurboEncoder::new(),
            block: vec![0; MAX_CODE_BLOCK / 8],
            circular: vec![0; CircularBuffer::new(MAX_CODE_BLOCK, 0).len()],
        }
    }

    /// Encodes `transport_block`, packed, into `output`, the `g` coded bits of redundancy version `rv` for symbols of
    /// `qm` bits.
    ///
    /// # Errors
    /// [`CodingError::BlockSize`], [`CodingError::ModulationOrder`], [`CodingError::RedundancyVersion`],
    /// [`CodingError::CodedLength`] if `g` is not a multiple of `qm` or below `qm` per code block,
    /// [`CodingError::SliceLength`] if `output` is not of `g` elements.
    pub fn encode(
        &mut self,
        transport_block: &[u8],
        g: usize,
        qm: usize,
        rv: u8,
        output: &mut [u8],
    ) -> Result<(), CodingError> {
        let plan = plan(transport_block.len().saturating_mul(8), self.max_tbs)?;
        check(&plan, g, qm, rv)?;
        expect_len(output.len(), g)?;
        // TS 36.212 §5.4.2 (1)
        let crc = CRC24A.bytes(transport_block).to_be_bytes();
        // The rest that has not been cut into code blocks.
        let (mut data, mut data_crc) = (transport_block, &crc[1..]);
        let mut output = output;
        for r in 0..plan.blocks() {
            let (k, filler) = (plan.block_size(r), plan.filler_of(r));
            // All sizes are multiples of 8: those of the table, of the CRCs and of the transport block.
            let block = &mut self.block[..k / 8];
            let (head, rest) = block.split_at_mut(filler / 8);
            let (body, block_crc) = rest.split_at_mut(plan.data_bits(r) / 8);
            head.fill(0);
            let (from_data, from_crc) = body.split_at_mut(data.len().min(body.len()));
            from_data.copy_from_slice(take(&mut data, from_data.len()));
            from_crc.copy_from_slice(take(&mut data_crc, from_crc.len()));
            if block_crc.len() == CRC_BITS / 8 {
                let parity = CRC24B.bytes(&self.block[..(k - CRC_BITS) / 8]).to_be_bytes();
                self.block[(k - CRC_BITS) / 8..k / 8].copy_from_slice(&parity[1..]);
            }

            self.turbo.encode(&self.block[..k / 8])?;
            let buffer = CircularBuffer::new(k, filler);
            let circular = &mut self.circular[..buffer.len()];
            self.turbo.circular_buffer(buffer, circular)?;
            let (coded, after) = output.split_at_mut(plan.coded_bits(r, g, qm));
            // TS 36.212 §5.4.2 with §5.1.5
            select(circular, buffer.start(rv), coded);
            output = after;
        }
        Ok(())
    }
}

fn take<'a>(from: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (head, rest) = from.split_at(n);
    *from = rest;
    head
}
