//! PSCCH: SCI format 0 on one PRB, SCI format 1 on two (TS 36.211 §9.4, TS 36.212 §5.4.3).

use super::Error;
use super::layout::Layout;
use super::mapper::{Mapper, Place};
use crate::Llr;
use crate::coding::interleave;
use crate::coding::scramble;
use crate::coding::tail_biting::{ControlDecoder, ControlEncoder};
use crate::grid::Grid;
use crate::numerology::Numerology;
use crate::receive::equalise::Equaliser;
use crate::receive::estimate::{Estimator, Hypothesis, Measurement};
use crate::sci;
use crate::sequence::dmrs::{Dmrs, References};
use crate::sequence::{gold_sequence, gold_words};
use crate::units::{Antennas, CyclicPrefix, Decibel, Hertz, Modulation, SidelinkMode};
use std::sync::Arc;

/// c_init of PSCCH scrambling (TS 36.211 §9.4.1).
// TS 36.211 §9.4.1
const SCRAMBLING: u32 = 510;

/// Returns the PRBs of a PSCCH.
// TS 36.211 §9.4.4
pub fn prbs(sidelink: SidelinkMode) -> usize {
    match sidelink {
        SidelinkMode::V2x => 2,
        SidelinkMode::D2d => 1,
    }
}

/// Returns the coded bits in a subframe: 288, 240 (extended CP) or 480 (modes 3 and 4).
// TS 36.212 §5.4.3 (1)
pub fn coded_bits(sidelink: SidelinkMode, cp: CyclicPrefix) -> usize {
    Layout::shared(sidelink, cp).data.len() * 24 * prbs(sidelink)
}

/// Returns the SCI bits of a carrier, without CRC.
pub fn sci_bits(sidelink: SidelinkMode, numerology: Numerology) -> usize {
    match sidelink {
        SidelinkMode::V2x => sci::Format1::BITS,
        SidelinkMode::D2d => sci::Format0::bits(numerology.bandwidth()),
    }
}

/// Encodes SCI bits to resource elements.
pub struct Encoder {
    sidelink: SidelinkMode,
    layout: Layout,
    coder: ControlEncoder,
    mapper: Mapper,
    scrambling: Vec<u8>,
    coded: Vec<u8>,
    bits: Vec<u8>,
}

impl Encoder {
    /// Makes an encoder for a carrier and a mode family; nothing is allocated afterwards.
    pub fn new(numerology: Numerology, sidelink: SidelinkMode, references: Arc<References>) -> Self {
        let e = coded_bits(sidelink, numerology.cp());
        Self {
            sidelink,
            layout: Layout::shared(sidelink, numerology.cp()),
            coder: ControlEncoder::new(sci_bits(sidelink, numerology) + 16),
            mapper: Mapper::new(numerology.bandwidth().prbs(), references),
            scrambling: gold_sequence(SCRAMBLING, e),
            coded: vec![0; e],
            bits: vec![0; e],
        }
    }

    /// Writes the SCI (`bits`, one a byte) at PRB `prb`; `n_cs` is 0, 3, 6 or 9 in modes 3 and 4, otherwise 0.
    ///
    /// Returns the CRC of the SCI: in modes 3 and 4 it is n_ID^X of the PSSCH beside it.
    pub fn encode(
        &mut self,
        bits: &[u8],
        prb: usize,
        n_cs: u8,
        amplitude: f32,
        grid: &mut Grid,
    ) -> Result<u16, Error> {
        let crc = self.coder.encode(bits, &mut self.coded).map_err(|_| Error::Coding)?;
        interleave::interleave_bits(2, self.layout.data.len(), &self.coded, &mut self.bits)
            .map_err(|_| Error::Coding)?;
        scramble::scramble_bits(&mut self.bits, &self.scrambling);
        let dmrs = match self.sidelink {
            SidelinkMode::V2x => Dmrs::pscch_v2x(n_cs),
            SidelinkMode::D2d => Dmrs::pscch_or_psdch(),
        };
        let place = Place {
            first: 12 * prb,
            prbs: prbs(self.sidelink),
            layout: self.layout,
            // TS 36.211 §9.4.2
            modulation: Modulation::Qpsk,
        };
        self.mapper.map(grid, place, &self.bits, &dmrs, amplitude)?;
        Ok(crc)
    }
}

/// Decode of one candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Decoded {
    /// CRC of the SCI as received, n_ID^X.
    pub crc16: u16,
    /// Agreement of the received soft bits with the decoded codeword, 0 (noise) to 1.
    pub correlation: f32,
    /// Measurement of the radio channel.
    pub measurement: Measurement,
    /// Error vector magnitude of the equalised symbols.
    pub evm_percent: f32,
    /// Power of the error against the one that the reference signals promise.
    pub excess: f32,
    /// Ratio of the equalised symbols to the noise that the reference signals promise.
    pub promised: f32,
}

/// Least correlation of a decode with the received soft bits, in modes 1 and 2, and in modes 3 and 4.
///
/// Measured over 4000 blocks at the 10 % point of the block error rate and 10^7 candidates of noise: right SCIs stay
/// above 0.745 and 0.74 (one in a hundred is below 0.78), while decodes of noise whose CRC holds by chance, one in 65
/// 536, lie between 0.65 and 0.78.
const MIN_CORRELATION: [f32; 2] = [0.745, 0.75];

/// Least [`Decoded::quality`], in modes 1 and 2, and in modes 3 and 4.
///
/// Decodes whose CRC holds by chance have either a low correlation for their signal to noise ratio, or a low ratio for
/// their correlation. Measured over 1500 blocks a point and 160 minutes of noise, DC, LTE, NR, QPSK, chirps and PSSCH without
/// PSCCH: of the right ones at the 10 % point of the block error rate one in a hundred is below (modes 3 and 4: four, and
/// two in fading), of decodes by chance above [`MIN_CORRELATION`] 89 % (modes 3 and 4: 59 %).
const MIN_QUALITY: [f32; 2] = [0.64, 0.57];

/// Largest error of the symbols against the one that the reference signals promise, where these are weaker than the
/// noise: foreign signals agree with few of them by chance, and not with the rest.
///
/// With [`MIN_PROMISED`], of 36 decodes in modes 3 and 4 whose CRC, correlation and quality were right by chance in the same
/// 160 minutes, 6 are left; one in 1000 of the right ones at the 10 % point is beyond.
const MAX_EXCESS: f32 = 2.5;

/// Least ratio of symbols to noise that the equaliser promises, -25 dB, for decodes below [`PROMISED_BELOW`]. Nearly all
/// soft bits of weaker ones round to zero, and any codeword agrees with the few that do not.
const MIN_PROMISED: f32 = 0.003;

/// Ratio of signal and noise of the reference signals, -3 dB, up to which [`MIN_PROMISED`] counts: the first try of a fast
/// channel promises little, and yet decodes, when the signal is strong.
const PROMISED_BELOW: f32 = 0.5;

/// Signal to noise ratio from which a failed decode is tried a second time, in modes 1 and 2, and in modes 3 and 4: one in
/// ten candidates of noise has it, and most that were sent.
const SECOND_TRY: [Decibel; 2] = [Decibel(-5.0), Decibel(-8.0)];

/// Loss of quality for each dB of signal to noise ratio below 0 dB, in units of the correlation.
const QUALITY_OF_DECIBEL: f32 = 0.03;

/// Correlation and signal to noise ratio from which an SCI with unusual content is accepted: no foreign signal
/// had both, in 180 000 decodes.
const CERTAIN: (f32, Decibel) = (0.9, Decibel(0.0));

impl Decoded {
    /// Returns the correlation, reduced for a signal to noise ratio below 0 dB.
    pub fn quality(&self) -> f32 {
        self.correlation + QUALITY_OF_DECIBEL * self.measurement.snr().to_f32().min(0.0)
    }

    /// Whether the symbols fit what the reference signals say about them.
    fn is_as_promised(&self) -> bool {
        let ratio = self.measurement.ratio();
        (self.excess < MAX_EXCESS || ratio > 1.0) && (self.promised > MIN_PROMISED || ratio > PROMISED_BELOW)
    }

    /// Whether the decode cannot be chance, independent of its content.
    pub fn is_certain(&self) -> bool {
        self.correlation > CERTAIN.0 && self.measurement.snr() > CERTAIN.1
    }
}

/// Least estimated power of the signal against the noise, -7.4 and -9 dB, in modes 1 and 2, and in modes 3 and 4: a weaker
/// one would need a correlation for [`MIN_QUALITY`] that it does not have. Of right SCIs at the 10 % point of the block error
/// rate one in 1000 is below; a search of 100 PRBs in noise takes a third less for it (modes 1 and 2).
const MIN_SIGNAL: [f32; 2] = [0.18, 0.125];

/// Decodes resource elements to SCI bits.
pub struct Decoder {
    sidelink: SidelinkMode,
    layout: Layout,
    coder: ControlDecoder,
    estimator: Estimator,
    equaliser: Equaliser,
    scrambling: Vec<u32>,
    soft: Vec<Llr>,
    coded: Vec<Llr>,
    payload: usize,
}

impl Decoder {
    /// Makes a decoder for a carrier, a mode family and a number of antennas; nothing is allocated afterwards.
    pub fn new(
        numerology: Numerology,
        sidelink: SidelinkMode,
        references: Arc<References>,
        antennas: Antennas,
    ) -> Self {
        let e = coded_bits(sidelink, numerology.cp());
        let payload = sci_bits(sidelink, numerology);
        Self {
            sidelink,
            layout: Layout::shared(sidelink, numerology.cp()),
            coder: ControlDecoder::new(payload + 16),
            estimator: Estimator::new(numerology, references, antennas),
            equaliser: Equaliser::new(6, antennas),
            scrambling: gold_words(SCRAMBLING, e),
            soft: vec![0; e],
            coded: vec![0; e],
            payload,
        }
    }

    /// Returns the number of SCI bits without CRC.
    pub fn payload_bits(&self) -> usize {
        self.payload
    }

    /// Index of the mode family in the limits of a decode.
    fn family(&self) -> usize {
        usize::from(self.sidelink == SidelinkMode::V2x)
    }

    /// Gives the true channel in place of estimates: as [`Estimator::know`].
    pub fn know(&mut self, channels: &[Grid], noise: f32) {
        self.estimator.know(channels, noise);
    }

    /// Decodes the candidate at `prb` of `grids`, one an antenna, with shift `n_cs` into `bits` (one a byte). `None` when
    /// nothing was sent there, or nothing decodes.
    ///
    /// If the reference signals leave the carrier offset ambiguous, each value up to `max_cfo` is tried.
    pub fn decode(
        &mut self,
        grids: &[Grid],
        prb: usize,
        n_cs: u8,
        max_cfo: Hertz,
        bits: &mut [u8],
    ) -> Option<Decoded> {
        let dmrs = match self.sidelink {
            SidelinkMode::V2x => Dmrs::pscch_v2x(n_cs),
            SidelinkMode::D2d => Dmrs::pscch_or_psdch(),
        };
        let m_sc = 12 * prbs(self.sidelink);
        let grid = grids.first()?;
        let fits = 12 * prb + m_sc <= grid.subcarriers() && self.layout.fits(grid.symbols());
        if !fits || bits.len() != self.payload {
            return None;
        }
        let family = self.family();
        let mut near = 0.0;
        let mut first = None;
        for attempt in 1.. {
            let measurement =
                self.estimator.estimate(grids, 12 * prb, m_sc, self.layout, &dmrs, Hertz::from(near));
            if measurement.signal < MIN_SIGNAL[family] * measurement.noise {
                return None;
            }
            let decoded = self.read(grids, measurement, bits)?;
            if self.is_right(&decoded) {
                return Some(decoded.0);
            }
            if measurement.snr() > SECOND_TRY[family] {
                let measurement = self.estimator.suppose(Hypothesis::WideAndFast);
                let again = self.read(grids, measurement, bits)?;
                if self.is_right(&again) {
                    return Some(again.0);
                }
            }
            let (cfo, ambiguity) =
                *first.get_or_insert((measurement.cfo.to_f32(), measurement.cfo_ambiguity.to_f32()));
            near = alias(cfo, ambiguity, attempt);
            // NaN samples have no offset: the loop must end for them too
            if near.is_nan() || near.abs() > max_cfo.to_f32() {
                break;
            }
        }
        None
    }

    /// Decodes the allocation that was estimated last; whether the CRC holds is beside it.
    fn read(&mut self, grids: &[Grid], measurement: Measurement, bits: &mut [u8]) -> Option<(Decoded, bool)> {
        let Self { estimator, equaliser, layout, soft, .. } = self;
        let vector = equaliser.soft_bits(estimator, grids, *layout, Modulation::Qpsk, soft);
        scramble::descramble_llrs(soft, &self.scrambling);
        interleave::deinterleave_llrs(2, layout.data.len(), soft, &mut self.coded).ok()?;
        let decode = self.coder.decode(&self.coded, bits).ok()?;
        let decoded = Decoded {
            crc16: decode.crc16,
            correlation: decode.correlation,
            measurement,
            evm_percent: vector.percent(),
            excess: vector.excess(),
            promised: vector.promised(),
        };
        Some((decoded, decode.crc_ok))
    }

    /// Whether a decode is an SCI, and not chance.
    fn is_right(&self, (decoded, crc_holds): &(Decoded, bool)) -> bool {
        let family = self.family();
        *crc_holds
            && decoded.correlation > MIN_CORRELATION[family]
            && decoded.quality() > MIN_QUALITY[family]
            && decoded.is_as_promised()
    }
}

/// Returns the `n`-th alias of `cfo`, nearest to zero first: `cfo`, then on the other side of zero, then beyond, ..
fn alias(cfo: f32, ambiguity: f32, n: i32) -> f32 {
    let step = ambiguity.copysign(cfo);
    if n % 2 == 1 { cfo - (n + 1) as f32 / 2.0 * step } else { cfo + n as f32 / 2.0 * step }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bandwidth;

    /// A CRC that holds by chance, and soft bits that agree: what the reference signals promise tells it from an SCI.
    #[test]
    fn an_sci_is_as_its_reference_signals_promise() {
        let numerology = Numerology::standard(Bandwidth::Prb25, CyclicPrefix::Normal);
        let decoder =
            Decoder::new(numerology, SidelinkMode::V2x, Arc::new(References::new(25)), Antennas::ONE);
        let is_right = |snr_db: f32, excess: f32, promised: f32| {
            let signal = 10f32.powf(snr_db / 10.0);
            let measurement = Measurement { signal, noise: 1.0, ..Measurement::default() };
            let decoded = Decoded { correlation: 0.95, excess, promised, measurement, ..Decoded::default() };
            decoder.is_right(&(decoded, true))
        };
        assert!(is_right(-5.0, 1.2, 0.2));
        // nearly all soft bits are zero
        assert!(!is_right(-5.0, 1.2, 1e-4));
        assert!(is_right(-2.0, 1.2, 1e-4));
        // a foreign signal agrees with few of the reference symbols, a collision is strong
        assert!(!is_right(-5.0, 4.0, 0.2));
        assert!(is_right(5.0, 4.0, 2.0));
        // far above the sensitivity, and yet too weak for its correlation
        assert!(!is_right(-13.0, 1.2, 0.2));
    }

    #[test]
    fn aliases_alternate_around_zero() {
        let all: Vec<_> = (0..5).map(|n| alias(300.0, 2000.0, n)).collect();
        assert_eq!(all, [300.0, -1700.0, 2300.0, -3700.0, 4300.0]);
        assert_eq!(alias(-900.0, 2000.0, 1), 1100.0);
    }
}
