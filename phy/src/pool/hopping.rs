//! PSSCH frequency hopping of modes 1 and 2 (TS 36.213 §14.1.1.2, §14.1.1.4 with §8.4; TS 36.211 §9.3.6 with §5.3.4).
//!
//! The formulas of TS 36.213 §8.4 and TS 36.211 §5.3.4 are from memory, and no available capture hops: it is verified
//! only that both ends of this modem agree. Not settled: whether mode 2 counts the pool's PRBs (as done here: `prbs` is
//! M_RP there) for type 1 as it does for type 2.

use crate::sequence::Gold;
use crate::units::PrbRange;

/// dataHoppingConfig (SL-HoppingConfigComm, TS 36.331 §6.3.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoppingConfig {
    /// hoppingParameter, 0 to 504.
    pub parameter: u16,
    /// numSubbands, N_sb: 1, 2 or 4.
    pub subbands: usize,
    /// rb-Offset, N_RB^HO.
    pub rb_offset: usize,
}

impl Default for HoppingConfig {
    fn default() -> Self {
        Self { parameter: 0, subbands: 1, rb_offset: 0 }
    }
}

/// Frequency hopping by the resource block assignment of SCI format 0 when its hopping flag is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hopping {
    kind: Kind,
    /// Allocation of the even subframes for type 1, virtual allocation for type 2.
    first: PrbRange,
    config: HoppingConfig,
    prbs: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Shift in PRBs of the odd subframes.
    Type1(isize),
    Type2,
}

/// Returns the hopping bits in the assignment, N_UL_hop (TS 36.213 Table 8.4-1, from memory).
fn hopping_bits(prbs: usize) -> usize {
    if prbs < 50 { 1 } else { 2 }
}

impl Hopping {
    /// Parses the assignment field of a carrier of `carrier_prbs`; hopping covers `prbs` (the carrier in mode 1, the
    /// pool in mode 2). `None` if it is not an allocation.
    pub fn new(assignment: u16, carrier_prbs: usize, prbs: usize, config: HoppingConfig) -> Option<Self> {
        let width = crate::sci::riv_bits(carrier_prbs);
        let hop_bits = hopping_bits(carrier_prbs);
        let rest = width - hop_bits;
        let (start, len) = crate::sci::riv_decode(carrier_prbs, assignment as usize & ((1 << rest) - 1))?;
        let n = Self::type1_span(prbs, config);
        let kind = match (hop_bits, assignment as usize >> rest) {
            (1, 0) | (2, 2) => Kind::Type1(n as isize / 2),
            (2, 0) => Kind::Type1(n as isize / 4),
            (2, 1) => Kind::Type1(-(n as isize / 4)),
            _ => Kind::Type2,
        };
        (start + len <= prbs).then_some(Self { kind, first: PrbRange { start, len }, config, prbs })
    }

    /// Returns the assignment field for an allocation and hopping bits; the inverse of [`Self::new`].
    pub fn assignment(carrier_prbs: usize, bits: u8, first: PrbRange) -> Option<u16> {
        let rest = crate::sci::riv_bits(carrier_prbs) - hopping_bits(carrier_prbs);
        let riv = crate::sci::riv_encode(carrier_prbs, first.start, first.len)?;
        (riv < 1 << rest && (bits as usize) < 1 << hopping_bits(carrier_prbs))
            .then_some(((bits as usize) << rest | riv) as u16)
    }

    /// Returns the PRBs in the subframe of pool index modulo 10 `n_ssf`; `None` if the hop leaves the band.
    pub fn prbs(&self, n_ssf: u8) -> Option<PrbRange> {
        let start = match self.kind {
            // odd n_ssf -> the allocation of the first slot, even -> that of the second (TS 36.213 §14.1.1.2)
            Kind::Type1(_) if n_ssf % 2 == 1 => self.first.start,
            Kind::Type1(shift) => {
                let offset = self.config.rb_offset.div_ceil(2);
                let n = Self::type1_span(self.prbs, self.config) as isize;
                if n <= 0 {
                    return None;
                }
                (self.first.start as isize - offset as isize + shift).rem_euclid(n) as usize + offset
            }
            Kind::Type2 => self.type2_start(n_ssf as usize)?,
        };
        (start + self.first.len <= self.prbs).then_some(PrbRange { start, len: self.first.len })
    }

    /// Returns N_RB^PUSCH of type 1: N - Ñ_HO - (N mod 2).
    fn type1_span(prbs: usize, config: HoppingConfig) -> usize {
        prbs.saturating_sub(config.rb_offset.next_multiple_of(2) + prbs % 2)
    }

    /// Applies TS 36.211 §5.3.4 for one VRB: type 2 keeps an allocation whole if it lies in one subband; the lowest PRB
    /// of the image is taken.
    fn type2_start(&self, n_ssf: usize) -> Option<usize> {
        let all = (0..self.first.len).map(|i| self.type2_prb(self.first.start + i, n_ssf));
        let images: Vec<usize> = all.collect::<Option<_>>()?;
        let start = images.iter().copied().min()?;
        let contiguous = images.iter().max()? - start + 1 == self.first.len;
        contiguous.then_some(start)
    }

    fn type2_prb(&self, n_vrb: usize, n_ssf: usize) -> Option<usize> {
        let n_sb = self.config.subbands.max(1);
        let offset = self.config.rb_offset.div_ceil(2);
        let (vrb, width) = if n_sb == 1 {
            (n_vrb, self.prbs)
        } else {
            let span = self.prbs.checked_sub(self.config.rb_offset.next_multiple_of(2))?;
            (n_vrb.checked_sub(offset)?, span / n_sb)
        };
        if width == 0 {
            return None;
        }
        let mirror = self.mirror(n_ssf, n_sb);
        let reflect = if mirror { (width as isize - 1) - 2 * (vrb % width) as isize } else { 0 };
        let hop = self.subband_shift(n_ssf, n_sb) * width;
        let image = (vrb as isize + hop as isize + reflect).rem_euclid((width * n_sb) as isize) as usize;
        Some(if n_sb == 1 { image } else { image + offset })
    }

    /// Returns f_m(i): the transmission number is n_ssf on the sidelink (TS 36.211 §9.3.6).
    fn mirror(&self, i: usize, n_sb: usize) -> bool {
        if n_sb == 1 {
            return i % 2 == 1;
        }
        let mut gold = self.gold();
        gold.skip(10 * i);
        let mut bit = [0];
        gold.fill(&mut bit);
        bit[0] == 1
    }

    /// Returns f_hop(i).
    fn subband_shift(&self, i: usize, n_sb: usize) -> usize {
        if n_sb == 1 {
            return 0;
        }
        let mut gold = self.gold();
        (0..=i).fold(0, |f, _| {
            let mut bits = [0; 10];
            gold.fill(&mut bits);
            let value: usize = bits[1..].iter().enumerate().map(|(k, &b)| (b as usize) << k).sum();
            if n_sb == 2 { (f + value) % n_sb } else { (f + value % (n_sb - 1) + 1) % n_sb }
        })
    }

    /// Returns c_init = hoppingParameter, with 504 standing for 510 (TS 36.211 §9.3.6).
    fn gold(&self) -> Gold {
        Gold::new(if self.config.parameter == 504 { 510 } else { self.config.parameter as u32 })
    }
}
