//! PSSCH: SL-SCH transport blocks (TS 36.211 §9.3, TS 36.212 §5.4.2, TS 36.213 §14.1).

use super::Error;
use super::layout::Layout;
use super::mapper::{Mapper, Place};
use crate::Llr;
use crate::coding::interleave;
use crate::coding::scramble;
use crate::coding::transport::{
    DecoderConfig, SoftBuffer, TransportDecode, TransportDecoder, TransportEncoder,
};
use crate::grid::Grid;
use crate::numerology::Numerology;
use crate::receive::equalise::Equaliser;
use crate::receive::estimate::{Estimator, Measurement};
use crate::sequence::Gold;
use crate::sequence::dmrs::{Dmrs, References};
use crate::tables;
use crate::units::{
    Antennas, CyclicPrefix, Decibel, Hertz, Modulation, PrbRange, SidelinkMode, TransmissionMode,
};
use std::sync::Arc;

/// Redundancy version of the j-th transmission in modes 1 and 2 (TS 36.321 §5.14.1.2.2).
// TS 36.212 §5.4.2 with TS 36.321 §5.14.1.2.2; TS 36.321 §5.14.1.2.2 (1)
pub const REDUNDANCY_VERSIONS: [u8; 4] = [0, 2, 3, 1];

/// Redundancy version of initial transmission and retransmission in modes 3 and 4: the same sequence, of which two are
/// sent (TS 36.321 §5.14.1.2.2).
// TS 36.212 §5.4.2 with TS 36.321 §5.14.1.2.2; TS 36.321 §5.14.1.2.2 (1)
pub const REDUNDANCY_VERSIONS_V2X: [u8; 2] = [0, 2];

/// All parameters of the PSSCH of one subframe besides its transport block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// PRBs, the same in both slots.
    pub prbs: PrbRange,
    /// I_MCS.
    pub mcs: u8,
    /// Redundancy version.
    pub rv: u8,
    /// n_ID^X: group destination identity in modes 1 and 2, CRC of the SCI of the same subframe in modes 3 and 4.
    pub n_id: u16,
    /// n_ssf^PSSCH: index of the subframe in the pool, modulo 10.
    pub n_ssf: u8,
    /// Transmission Format of SCI format 1 (Release 15).
    pub transmission_format: bool,
}

impl Grant {
    /// Returns modulation and transport block size in bits.
    // TS 36.213 §14.1.1 (4)
    pub fn size(&self, sidelink: SidelinkMode) -> Result<(Modulation, usize), Error> {
        let release15 = sidelink == SidelinkMode::V2x && self.transmission_format;
        let (modulation, i_tbs) =
            if release15 { tables::mcs_release15(self.mcs) } else { tables::mcs(self.mcs) }
                .ok_or(Error::Mcs(self.mcs))?;
        let columns = if release15 { tables::release15_tbs_prbs(self.prbs.len) } else { self.prbs.len };
        let bad = Error::Allocation { start: self.prbs.start, len: self.prbs.len };
        Ok((modulation, tables::transport_block_size(i_tbs, columns).ok_or(bad)?))
    }

    /// Whether the transport block with its CRC has more bits than `transmissions` with the normal cyclic prefix carry:
    /// it cannot be decoded then, at any signal quality.
    pub fn exceeds_code_rate_1(&self, sidelink: SidelinkMode, transmissions: usize) -> bool {
        let symbols = Layout::shared(sidelink, CyclicPrefix::Normal).data.len() - 1;
        self.size(sidelink).is_ok_and(|(modulation, size)| {
            size + 24 > self.prbs.subcarriers() * symbols * modulation.bits() * transmissions
        })
    }

    /// Returns c_init = n_ID^X 2^14 + n_ssf 2^9 + 510 (TS 36.211 §9.3.1).
    // TS 36.211 §9.3.1 (1)
    fn scrambling(&self) -> u32 {
        (self.n_id as u32) << 14 | (self.n_ssf as u32) << 9 | 510
    }
}

/// Returns the most bits of a transport block on a carrier: 16QAM, I_TBS 26, or 64QAM in Release 15.
pub fn max_transport_block(carrier_prbs: usize) -> usize {
    tables::transport_block_size(33, carrier_prbs).unwrap_or(0)
}

// TS 36.211 §9.3.6 (2); TS 36.213 §14.1.1 (6)
fn layout_of(sidelink: SidelinkMode, numerology: Numerology, grant: &Grant) -> Layout {
    let layout = Layout::shared(sidelink, numerology.cp());
    if sidelink == SidelinkMode::V2x && grant.transmission_format { layout.without_last() } else { layout }
}

fn max_coded_bits(numerology: Numerology) -> usize {
    12 * numerology.subcarriers() * 6
}

/// Encodes transport blocks to resource elements.
pub struct Encoder {
    sidelink: SidelinkMode,
    numerology: Numerology,
    coder: TransportEncoder,
    mapper: Mapper,
    scrambling: Vec<u8>,
    coded: Vec<u8>,
    bits: Vec<u8>,
}

impl Encoder {
    /// Makes an encoder for a carrier and a mode; nothing is allocated afterwards.
    pub fn new(numerology: Numerology, mode: TransmissionMode, references: Arc<References>) -> Self {
        let carrier = numerology.bandwidth().prbs();
        let e = max_coded_bits(numerology);
        Self {
            sidelink: mode.sidelink(),
            numerology,
            coder: TransportEncoder::new(max_transport_block(carrier)),
            mapper: Mapper::new(carrier, references),
            scrambling: vec![0; e],
            coded: vec![0; e],
            bits: vec![0; e],
        }
    }

    /// Writes one transmission of `transport_block` (packed, `size()` bits).
    pub fn encode(
        &mut self,
        transport_block: &[u8],
        grant: &Grant,
        amplitude: f32,
        grid: &mut Grid,
    ) -> Result<(), Error> {
        let (modulation, bits) = grant.size(self.sidelink)?;
        if transport_block.len() * 8 != bits {
            return Err(Error::Payload { got: transport_block.len() * 8, want: bits });
        }
        self.mapper.check(grant.prbs, self.numerology.bandwidth().prbs())?;
        let layout = layout_of(self.sidelink, self.numerology, grant);
        let q_m = modulation.bits();
        let g = grant.prbs.subcarriers() * q_m * layout.data.len();
        self.coder
            .encode(transport_block, g, q_m, grant.rv, &mut self.coded[..g])
            .map_err(|_| Error::Coding)?;
        interleave::interleave_bits(q_m, layout.data.len(), &self.coded[..g], &mut self.bits[..g])
            .map_err(|_| Error::Coding)?;
        Gold::new(grant.scrambling()).fill(&mut self.scrambling[..g]);
        scramble::scramble_bits(&mut self.bits[..g], &self.scrambling[..g]);
        let dmrs = Dmrs::pssch(grant.n_id, grant.n_ssf, self.sidelink);
        let place = Place { first: grant.prbs.first_subcarrier(), prbs: grant.prbs.len, layout, modulation };
        self.mapper.map(grid, place, &self.bits[..g], &dmrs, amplitude)
    }
}

/// Soft bits of one transport block, combined over its transmissions.
pub struct Process {
    soft: SoftBuffer,
    bits: usize,
    transmissions: u32,
}

impl Process {
    /// Makes a process with room for the largest transport block of a carrier.
    pub fn new(carrier_prbs: usize) -> Self {
        Self { soft: SoftBuffer::new(max_transport_block(carrier_prbs)), bits: 0, transmissions: 0 }
    }

    /// Starts a transport block of `bits` bits.
    pub fn start(&mut self, bits: usize) -> Result<(), Error> {
        self.soft.reset(bits).map_err(|_| Error::Coding)?;
        self.bits = bits;
        self.transmissions = 0;
        Ok(())
    }

    /// Returns the bits of the transport block that is being combined.
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// Counts the next transmission in the place of the last, which it repeats.
    pub(crate) fn replace_last(&mut self) {
        self.transmissions = self.transmissions.saturating_sub(1);
    }

    /// Returns the number of transmissions combined since the start.
    pub fn transmissions(&self) -> u32 {
        self.transmissions
    }
}

/// One received transmission.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Received {
    /// Measurement of the radio channel.
    pub measurement: Measurement,
    /// Error vector magnitude of the equalised symbols.
    pub evm_percent: f32,
    /// Power of the error against the one that the reference signals promise.
    pub excess: f32,
}

/// Delay in seconds from which the receive window loses a path: half a normal cyclic prefix and what profiles are wide.
const LATEST: f64 = 2.6e-6;

/// Signal to noise ratio from which paths outside of the window are more than noise.
const LATE_MATTERS: Decibel = Decibel(9.0);

/// Decodes resource elements to transport blocks.
pub struct Decoder {
    sidelink: SidelinkMode,
    numerology: Numerology,
    coder: TransportDecoder,
    estimator: Estimator,
    equaliser: Equaliser,
    scrambling: Vec<u32>,
    soft: Vec<Llr>,
    coded: Vec<Llr>,
}

impl Decoder {
    /// Makes a decoder for a carrier, a mode and a number of antennas; nothing is allocated afterwards.
    pub fn new(
        numerology: Numerology,
        mode: TransmissionMode,
        references: Arc<References>,
        antennas: Antennas,
    ) -> Self {
        let carrier = numerology.bandwidth().prbs();
        let e = max_coded_bits(numerology);
        Self {
            sidelink: mode.sidelink(),
            numerology,
            coder: TransportDecoder::new(max_transport_block(carrier), DecoderConfig::default()),
            estimator: Estimator::new(numerology, references, antennas),
            equaliser: Equaliser::new(carrier, antennas),
            scrambling: vec![0; e.div_ceil(32)],
            soft: vec![0; e],
            coded: vec![0; e],
        }
    }

    /// Estimates and demaps one transmission of `grids`, one an antenna, and adds it to `process`, which was started for
    /// its size.
    ///
    /// `cfo_near` is the carrier offset to which the ambiguous measurement is resolved.
    pub fn receive(
        &mut self,
        grids: &[Grid],
        grant: &Grant,
        cfo_near: Hertz,
        process: &mut Process,
    ) -> Result<Received, Error> {
        let (modulation, bits) = grant.size(self.sidelink)?;
        if bits != process.bits {
            return Err(Error::Payload { got: process.bits, want: bits });
        }
        let bad = Error::Allocation { start: grant.prbs.start, len: grant.prbs.len };
        let Some(grid) = grids.first() else { return Err(bad) };
        if grant.prbs.end() * 12 > grid.subcarriers() || !tables::is_precoding_size(grant.prbs.len) {
            return Err(bad);
        }
        let layout = layout_of(self.sidelink, self.numerology, grant);
        if !layout.fits(grid.symbols()) {
            return Err(Error::CyclicPrefix);
        }
        let q_m = modulation.bits();
        let g = grant.prbs.subcarriers() * q_m * layout.data.len();
        let dmrs = Dmrs::pssch(grant.n_id, grant.n_ssf, self.sidelink);
        let (first, m_sc) = (grant.prbs.first_subcarrier(), grant.prbs.subcarriers());
        let measurement = self.estimator.estimate(grids, first, m_sc, layout, &dmrs, cfo_near);
        let soft = &mut self.soft[..g];
        let vector = self.equaliser.soft_bits(&self.estimator, grids, layout, modulation, soft);
        let scrambling = &mut self.scrambling[..g.div_ceil(32)];
        Gold::new(grant.scrambling()).fill_words(scrambling);
        scramble::descramble_llrs(soft, scrambling);
        interleave::deinterleave_llrs(q_m, layout.data.len(), soft, &mut self.coded[..g])
            .map_err(|_| Error::Coding)?;
        self.coder.combine(&mut process.soft, &self.coded[..g], q_m, grant.rv).map_err(|_| Error::Coding)?;
        process.transmissions += 1;
        Ok(Received { measurement, evm_percent: vector.percent(), excess: vector.excess() })
    }

    /// Decodes the combined soft bits of `process` into `transport_block` (packed, exactly its size).
    pub fn decode(&mut self, process: &mut Process, transport_block: &mut [u8]) -> Option<TransportDecode> {
        let decode = self.coder.decode(&mut process.soft, transport_block).ok()?;
        decode.crc_ok.then_some(decode)
    }

    /// Returns the correlation of the block that [`Self::decode`] wrote last from `process` with its soft bits: about 0
    /// if it is unrelated to them, 1 without noise.
    pub fn agreement(&mut self, process: &Process) -> f32 {
        self.coder.correlation(&process.soft).unwrap_or(0.0)
    }

    /// Gives the true channel in place of estimates: as [`Estimator::know`].
    pub fn know(&mut self, channels: &[Grid], noise: f32) {
        self.estimator.know(channels, noise);
    }

    /// Whether the transmission that was received last may have paths later than the receive window allows for, at a signal
    /// to noise ratio at which they matter: a later window may lose less of it.
    pub fn is_late(&self) -> bool {
        self.estimator.last_delay() > LATEST && self.estimator.measurement().snr() > LATE_MATTERS
    }

    /// Returns estimator and equaliser after [`Self::receive`], for display.
    pub fn front_end(&mut self) -> (&Estimator, &mut Equaliser) {
        (&self.estimator, &mut self.equaliser)
    }
}
