//! PSSCH frequency hopping of modes 1 and 2 (TS 36.213 §14.1.1.2, §14.1.1.4 with §8.4; TS 36.211 §9.3.6 with §5.3.4).
//!
//! Mode 1 hops over the PRBs of the carrier. Mode 2 hops over the PRBs of the pool: what either type of hopping gives is an
//! index x, and m_x, m_(x+1), .. of the pool are sent (TS 36.213 §14.1.1.4).
//!
//! TS 36.211 §5.3.4 was read with its formulas. Of TS 36.213 §8.4 the words and the tables were read; its five formulas are
//! pictures in every copy at hand, and stand here as srsRAN has them. `tests/tests/resources.rs` compares all of it with an
//! implementation that was written from the texts alone.

use super::PoolPrbs;
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

/// The PRBs that hopping goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoppingSpan {
    /// All of the carrier: mode 1.
    Carrier,
    /// Those of the pool, counted by their index m: mode 2.
    Pool(PoolPrbs),
}

impl HoppingSpan {
    /// Number of PRBs on a carrier of `carrier_prbs`.
    fn len(self, carrier_prbs: usize) -> usize {
        match self {
            Self::Carrier => carrier_prbs,
            Self::Pool(prbs) => prbs.on(carrier_prbs).count(),
        }
    }

    /// PRB of index `x`.
    // TS 36.211 §9.3.6 (12); TS 36.213 §14.1.1.4 (3)
    fn prb(self, carrier_prbs: usize, x: usize) -> Option<usize> {
        match self {
            Self::Carrier => (x < carrier_prbs).then_some(x),
            Self::Pool(prbs) => prbs.on(carrier_prbs).nth(x),
        }
    }
}

/// What the resource block assignment of SCI format 0 says when its hopping flag is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hopping {
    kind: Kind,
    /// Allocation of the odd n_ssf for type 1 (TS 36.213 §14.1.1.2.2), virtual allocation for type 2; indices of the span.
    first: PrbRange,
    config: HoppingConfig,
    carrier_prbs: usize,
    span: HoppingSpan,
    /// PRBs of the span.
    prbs: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Shift in PRBs of the even n_ssf.
    Type1(isize),
    Type2,
}

/// Hopping bits in the assignment, N_UL_hop (TS 36.213 Table 8.4-1): 1 for 6 to 49 PRB, 2 for 50 to 110.
// TS 36.212 §5.4.3.1.1 (3); TS 36.213 §14.1.1.2.1 (2)
fn hopping_bits(prbs: usize) -> usize {
    if prbs < 50 { 1 } else { 2 }
}

/// Bits of the assignment that are left for the RIV: the hopping bits are the most significant ones.
fn riv_width(carrier_prbs: usize) -> usize {
    crate::sci::riv_bits(carrier_prbs).saturating_sub(hopping_bits(carrier_prbs))
}

impl Hopping {
    /// Reads the assignment field of a carrier of `carrier_prbs` that hops over `span`. `None` when it stands for no
    /// allocation, or for one that is wider than hopping allows ([`Self::widest`]).
    // TS 36.213 §14.1.1.2.1 (2)
    pub fn new(
        assignment: u16,
        carrier_prbs: usize,
        span: HoppingSpan,
        config: HoppingConfig,
    ) -> Option<Self> {
        let rest = riv_width(carrier_prbs);
        let bits = assignment as usize >> rest;
        let (start, len) = crate::sci::riv_decode(carrier_prbs, assignment as usize & ((1 << rest) - 1))?;
        let prbs = span.len(carrier_prbs);
        let n = Self::type1_span(prbs, config);
        // TS 36.213 §14.1.1.2.2 (2)
        let kind = match (hopping_bits(carrier_prbs), bits) {
            (1, 0) | (2, 2) => Kind::Type1(n as isize / 2),
            (2, 0) => Kind::Type1(n as isize / 4),
            (2, 1) => Kind::Type1(-(n as isize / 4)),
            (1, 1) | (2, 3) => Kind::Type2,
            _ => return None,
        };
        let first = PrbRange { start, len };
        let hopping = Self { kind, first, config, carrier_prbs, span, prbs };
        (first.end() <= prbs && len <= hopping.widest()).then_some(hopping)
    }

    /// Returns the assignment field for an allocation and hopping bits; the inverse of [`Self::new`].
    pub fn assignment(carrier_prbs: usize, bits: u8, first: PrbRange) -> Option<u16> {
        let rest = riv_width(carrier_prbs);
        let riv = crate::sci::riv_encode(carrier_prbs, first.start, first.len)?;
        (riv < 1 << rest && (bits as usize) < 1 << hopping_bits(carrier_prbs))
            .then_some(((bits as usize) << rest | riv) as u16)
    }

    /// Number of PRBs of every subframe.
    pub fn width(&self) -> usize {
        self.first.len
    }

    /// Most PRBs of an allocation that hops (TS 36.213 §8.4): floor(2^y / N_RB) with the y bits of the RIV, and for type 2
    /// no more than a subband has.
    // TS 36.213 §14.1.1.2.1 (3)
    pub fn widest(&self) -> usize {
        let of_field = (1 << riv_width(self.carrier_prbs)) / self.carrier_prbs.max(1);
        match (self.kind, self.config.subbands) {
            (Kind::Type1(_), _) => of_field,
            (Kind::Type2, 0 | 1) => of_field.min(self.prbs),
            (Kind::Type2, n_sb) => of_field.min(self.subbands_prbs() / n_sb),
        }
    }

    /// PRBs of the carrier in the subframe of pool index modulo 10 `n_ssf`; `None` where the hop leaves the carrier or the
    /// pool, or where it lies across a gap of the pool.
    pub fn prbs(&self, n_ssf: u8) -> Option<PrbRange> {
        let start = match self.kind {
            // TS 36.211 §9.3.6 (5); TS 36.213 §14.1.1.2.2 (3)
            Kind::Type1(_) if n_ssf % 2 == 1 => self.first.start,
            // TS 36.213 §14.1.1.2.2 (1)
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
        let end = start + self.first.len;
        if end > self.prbs {
            return None;
        }
        let prb = |x| self.span.prb(self.carrier_prbs, x);
        let (first, last) = (prb(start)?, prb(end - 1)?);
        (last - first + 1 == self.first.len).then_some(PrbRange { start: first, len: self.first.len })
    }

    /// Returns N_RB^PUSCH of type 1: N - Ñ_HO - (N mod 2).
    // TS 36.213 §14.1.1.2.2 (1)
    fn type1_span(prbs: usize, config: HoppingConfig) -> usize {
        prbs.saturating_sub(config.rb_offset.next_multiple_of(2) + prbs % 2)
    }

    /// N - Ñ_HO: what several subbands share.
    // TS 36.211 §9.3.6 (7)
    fn subbands_prbs(&self) -> usize {
        self.prbs.saturating_sub(self.config.rb_offset.next_multiple_of(2))
    }

    /// Lowest index of the image of a type 2 allocation, where the image is whole.
    fn type2_start(&self, n_ssf: usize) -> Option<usize> {
        let n_sb = self.config.subbands.max(1);
        let width = if n_sb == 1 { self.prbs } else { self.subbands_prbs() / n_sb };
        if width == 0 {
            return None;
        }
        let subbands = Subbands {
            count: n_sb,
            width,
            offset: if n_sb == 1 { 0 } else { self.config.rb_offset.div_ceil(2) },
            mirror: self.mirror(n_ssf, n_sb),
            shift: self.subband_shift(n_ssf, n_sb),
        };
        let images = (self.first.start..self.first.end()).map(|n_vrb| subbands.image(n_vrb));
        let (low, high) = images.fold((usize::MAX, 0), |(low, high), x| (low.min(x), high.max(x)));
        (high.checked_sub(low)? + 1 == self.first.len).then_some(low)
    }

    /// Returns f_m(i): the transmission number is n_ssf on the sidelink (TS 36.211 §9.3.6).
    // TS 36.211 §9.3.6 (9); TS 36.213 §14.1.1.2.2 (5)
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
    // TS 36.211 §9.3.6 (8); TS 36.213 §14.1.1.2.2 (5)
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
    // TS 36.211 §9.3.6 (10)
    fn gold(&self) -> Gold {
        Gold::new(if self.config.parameter == 504 { 510 } else { self.config.parameter as u32 })
    }
}

/// Subbands of type 2 hopping in one subframe.
struct Subbands {
    count: usize,
    width: usize,
    /// Indices below the first subband.
    offset: usize,
    mirror: bool,
    shift: usize,
}

impl Subbands {
    /// Index that virtual resource block `n_vrb` is sent at (TS 36.211 §5.3.4). A block below the first subband is not
    /// forbidden by the text: it is taken modulo.
    // TS 36.211 §9.3.6 (6); TS 36.213 §14.1.1.2.2 (4)
    fn image(&self, n_vrb: usize) -> usize {
        let width = self.width as isize;
        let vrb = n_vrb as isize - self.offset as isize;
        let reflect = if self.mirror { width - 1 - 2 * vrb.rem_euclid(width) } else { 0 };
        let image = vrb + self.shift as isize * width + reflect;
        image.rem_euclid(width * self.count as isize) as usize + self.offset
    }
}
