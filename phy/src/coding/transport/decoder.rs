//! Decodes soft values of coded bits to a transport block.

use super::{check, plan};
use crate::Llr;
use crate::coding::crc::CRC24A;
use crate::coding::rate_match::{CircularBuffer, Deinterleaver, combine};
use crate::coding::segmentation::{CRC_BITS, MAX_CODE_BLOCK, Segmentation};
use crate::coding::turbo::{Check, DecoderConfig, TurboDecoder, TurboEncoder};
use crate::coding::{CodingError, expect_len};
use crate::kernel::Backend;
use crate::kernel::reduce::{Loops, loops};

/// Soft values of one transport block, combined over all of its transmissions.
#[derive(Debug, Clone)]
pub struct SoftBuffer {
    max_tbs: usize,
    tbs: usize,
    plan: Segmentation,
    /// Circular buffers of the code blocks, one after the other.
    soft: Vec<Llr>,
    /// Code blocks, packed, `MAX_CODE_BLOCK / 8` bytes for each, and whether their CRC held.
    blocks: Vec<u8>,
    blocks_ok: Vec<bool>,
}

impl SoftBuffer {
    /// Makes a buffer for transport blocks of up to `max_tbs` bits. It holds none before [`reset`](Self::reset).
    pub fn new(max_tbs: usize) -> Self {
        let none = Segmentation { c_plus: 0, k_plus: 0, c_minus: 0, k_minus: 0, filler: 0 };
        let largest = plan(max_tbs & !7, max_tbs).unwrap_or(none);
        // Blocks of a smaller transport block are fewer, or not longer.
        let size = largest.blocks() * CircularBuffer::new(largest.k_plus, 0).len();
        Self {
            max_tbs,
            tbs: 0,
            plan: none,
            soft: vec![0; size],
            blocks: vec![0; largest.blocks() * MAX_CODE_BLOCK / 8],
            blocks_ok: vec![false; largest.blocks()],
        }
    }

    /// Clears the buffer for a transport block of `tbs` bits.
    ///
    /// # Errors
    /// [`CodingError::BlockSize`] if `tbs` is 0, not a multiple of 8 or above the largest.
    pub fn reset(&mut self, tbs: usize) -> Result<(), CodingError> {
        self.plan = plan(tbs, self.max_tbs)?;
        self.tbs = tbs;
        let used = self.len();
        self.soft[..used].fill(0);
        self.blocks_ok.fill(false);
        Ok(())
    }

    /// Returns the size of the transport block in bits; 0 before the first reset.
    pub const fn tbs(&self) -> usize {
        self.tbs
    }

    /// Returns the segmentation of the transport block into code blocks.
    pub const fn segmentation(&self) -> &Segmentation {
        &self.plan
    }

    /// Returns the mean magnitude of the soft values other than 0, in units of an [`Llr`]; 0 if there are none. It is
    /// small for a block that was not transmitted; note that an all-zero block passes its CRC.
    pub fn energy(&self) -> f32 {
        let (sum, count) = self.soft[..self.len()].iter().fold((0u64, 0u64), |(sum, count), &llr| {
            (sum + u64::from(llr.unsigned_abs()), count + u64::from(llr != 0))
        });
        if count == 0 { 0.0 } else { sum as f32 / count as f32 }
    }

    fn buffer(&self, r: usize) -> CircularBuffer {
        CircularBuffer::new(self.plan.block_size(r), self.plan.filler_of(r))
    }

    /// Elements of `soft` in use.
    fn len(&self) -> usize {
        (0..self.plan.blocks()).map(|r| self.buffer(r).len()).sum()
    }
}

/// Result of a decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportDecode {
    /// Whether the CRC24A holds, and that of every code block.
    pub crc_ok: bool,
    /// Turbo half iterations of this call, over all code blocks. Blocks that were right before are not decoded again.
    pub half_iterations: usize,
    /// Code blocks whose CRC holds.
    pub code_blocks_ok: usize,
}

/// Decodes transport blocks of up to a largest size.
pub struct TransportDecoder {
    turbo: TurboDecoder,
    loops: &'static Loops,
    deinterleaver: Deinterleaver,
    streams: [Vec<Llr>; 3],
    encoder: TurboEncoder,
    circular: Vec<u8>,
}

impl TransportDecoder {
    /// Makes a decoder for transport blocks of up to `max_tbs` bits.
    pub fn new(max_tbs: usize, config: DecoderConfig) -> Self {
        let k = plan(max_tbs & !7, max_tbs).map_or(0, |plan| plan.k_plus);
        // Two blocks can be shorter than the one of a smaller transport block.
        let k = if max_tbs + CRC_BITS > MAX_CODE_BLOCK { MAX_CODE_BLOCK } else { k };
        let backend = config.backend.unwrap_or_else(Backend::detect);
        Self {
            turbo: TurboDecoder::new(k, config),
            loops: loops(backend),
            deinterleaver: Deinterleaver::new(k, backend),
            streams: std::array::from_fn(|_| vec![0; k + 5]),
            encoder: TurboEncoder::new(),
            circular: vec![0; CircularBuffer::new(k, 0).len()],
        }
    }

    /// Adds the soft values of one transmission to a buffer, saturating.
    ///
    /// # Errors
    /// [`CodingError::BlockSize`] for a buffer that was never reset, [`CodingError::ModulationOrder`],
    /// [`CodingError::RedundancyVersion`], and [`CodingError::CodedLength`] if the length is not a multiple of `qm` or
    /// below `qm` per code block.
    pub fn combine(
        &self,
        buffer: &mut SoftBuffer,
        llrs: &[Llr],
        qm: usize,
        rv: u8,
    ) -> Result<(), CodingError> {
        if buffer.tbs == 0 {
            return Err(CodingError::BlockSize { bits: 0, max: buffer.max_tbs });
        }
        check(&buffer.plan, llrs.len(), qm, rv)?;
        let (mut first, mut received) = (0, llrs);
        for r in 0..buffer.plan.blocks() {
            let circular = buffer.buffer(r);
            let (block, after) = received.split_at(buffer.plan.coded_bits(r, llrs.len(), qm));
            combine(self.loops, &mut buffer.soft[first..first + circular.len()], circular.start(rv), block);
            first += circular.len();
            received = after;
        }
        Ok(())
    }

    /// Decodes the content of a buffer into `transport_block`, packed, which is meaningful only if the CRC holds.
    ///
    /// # Errors
    /// [`CodingError::BlockSize`] for a buffer that was never reset or is larger than the decoder,
    /// [`CodingError::SliceLength`] if `transport_block` is not of `tbs / 8` bytes.
    pub fn decode(
        &mut self,
        buffer: &mut SoftBuffer,
        transport_block: &mut [u8],
    ) -> Result<TransportDecode, CodingError> {
        self.fits(buffer)?;
        expect_len(transport_block.len(), buffer.tbs / 8)?;
        let plan = buffer.plan;
        let check = if plan.blocks() > 1 { Check::Crc24B } else { Check::Crc24A };
        let (mut first, mut half_iterations) = (0, 0);
        for r in 0..plan.blocks() {
            let circular = buffer.buffer(r);
            let soft = &buffer.soft[first..first + circular.len()];
            first += circular.len();
            if buffer.blocks_ok[r] {
                continue;
            }
            let (k, filler) = (plan.block_size(r), plan.filler_of(r));
            let [d0, d1, d2] = &mut self.streams;
            self.deinterleaver.run(circular, soft, [d0, d1, d2]);
            let d = [&d0[..k + 4], &d1[..k + 4], &d2[..k + 4]];
            let block = &mut buffer.blocks[r * MAX_CODE_BLOCK / 8..][..k / 8];
            let result = self.turbo.decode(d, filler, check, block)?;
            buffer.blocks_ok[r] = result.crc_ok;
            half_iterations += result.half_iterations;
        }

        // The blocks hold the transport block and then its CRC, without filler and CRC24B.
        let mut crc = [0; CRC_BITS / 8];
        let (mut rest, mut rest_crc) = (&mut transport_block[..], &mut crc[..]);
        for r in 0..plan.blocks() {
            let block =
                &buffer.blocks[r * MAX_CODE_BLOCK / 8..][plan.filler_of(r) / 8..][..plan.data_bits(r) / 8];
            let (data, block_crc) = block.split_at(rest.len().min(block.len()));
            put(&mut rest, data);
            put(&mut rest_crc, block_crc);
        }
        let code_blocks_ok = buffer.blocks_ok[..plan.blocks()].iter().filter(|ok| **ok).count();
        let parity = CRC24A.bytes(transport_block).to_be_bytes();
        let crc_ok = code_blocks_ok == plan.blocks() && parity[1..] == crc;
        Ok(TransportDecode { crc_ok, half_iterations, code_blocks_ok })
    }

    /// Returns the correlation of the last decode of a buffer with the received values: the sum of the soft values,
    /// each with the sign of its bit when the decoded code blocks are encoded again, over the sum of their magnitudes.
    /// 1 without noise, and well above 0 for a block that just decodes; about 0 for bits that are unrelated to the
    /// received ones.
    ///
    /// # Errors
    /// [`CodingError::BlockSize`] for a buffer that was never reset or is larger than the decoder.
    pub fn correlation(&mut self, buffer: &SoftBuffer) -> Result<f32, CodingError> {
        self.fits(buffer)?;
        let (mut first, mut agreement, mut magnitude) = (0, 0, 0);
        for r in 0..buffer.plan.blocks() {
            let layout = buffer.buffer(r);
            let block = &buffer.blocks[r * MAX_CODE_BLOCK / 8..][..buffer.plan.block_size(r) / 8];
            let circular = &mut self.circular[..layout.len()];
            self.encoder.encode(block)?;
            self.encoder.circular_buffer(layout, circular)?;
            let soft = &buffer.soft[first..first + layout.len()];
            agreement += (self.loops.agreement)(soft, circular);
            magnitude += (self.loops.magnitude)(soft).0;
            first += layout.len();
        }
        Ok(if magnitude == 0 { 0.0 } else { agreement as f32 / magnitude as f32 })
    }

    fn fits(&self, buffer: &SoftBuffer) -> Result<(), CodingError> {
        let k = buffer.plan.k_plus;
        if buffer.tbs == 0 || k + 5 > self.streams[0].len() {
            return Err(CodingError::BlockSize { bits: k, max: self.streams[0].len() - 5 });
        }
        Ok(())
    }
}

fn put(to: &mut &mut [u8], from: &[u8]) {
    let (head, rest) = std::mem::take(to).split_at_mut(from.len());
    head.copy_from_slice(from);
    *to = rest;
}
