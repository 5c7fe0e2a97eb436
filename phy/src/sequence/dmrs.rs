//! Demodulation reference signals of the sidelink channels (TS 36.211 §9.8): group, shift and sign of each.

use super::base::base_sequences;
#[cfg(test)]
use super::base::group_hopping;
use super::gold::Gold;
use crate::Sample;
use crate::kernel::samples::{TURNS, best};
use crate::tables::is_precoding_size;
use crate::units::{SidelinkMode, SlssId};

/// Most DMRS symbols in a subframe of any channel.
pub const MAX_DMRS: usize = 4;

/// Parameters of the DMRS of one channel in one subframe: symbol `m` carries
/// `w[m] exp(j 2 pi n_cs n / 12) r_{u[m]}(n)` (TS 36.211 §5.5.2.1.1 as §9.8 overrides it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dmrs {
    /// Base sequence group of each DMRS symbol.
    pub u: [u8; MAX_DMRS],
    /// Cyclic shift in twelfths of a turn a subcarrier.
    pub n_cs: u8,
    /// Orthogonal cover, ±1 each.
    pub w: [i8; MAX_DMRS],
    /// DMRS symbols in the subframe: 2, 3 or 4.
    // TS 36.211 §9.8 (8)
    pub count: u8,
}

impl Dmrs {
    /// Returns the parameters of PSBCH (TS 36.211 Table 9.8-3).
    // TS 36.211 Table 9.8-3 (2)
    pub fn psbch(id: SlssId, sidelink: SidelinkMode) -> Self {
        let n = id.value();
        let sign = if n.is_multiple_of(2) { 1 } else { -1 };
        Self {
            u: [(n / 16 % 30) as u8; MAX_DMRS],
            n_cs: (n / 2 % 8) as u8,
            // TS 36.211 Table 9.8-3 (3)
            w: [1, sign, 1, 1],
            count: match sidelink {
                SidelinkMode::V2x => 3,
                SidelinkMode::D2d => 2,
            },
        }
    }

    /// PSCCH of modes 1 and 2 (TS 36.211 Table 9.8-2), and PSDCH (Table 9.8-3): no hopping, u = 0, no shift.
    // TS 36.211 Table 9.8-2 (1)
    pub fn pscch_or_psdch() -> Self {
        Self { u: [0; MAX_DMRS], n_cs: 0, w: [1; MAX_DMRS], count: 2 }
    }

    /// Returns those of PSCCH of modes 3 and 4 (TS 36.211 Table 9.8-2): u = 8, shift 0, 3, 6 or 9 at the sender's choice.
    // TS 36.211 §9.8 (7)
    pub fn pscch_v2x(n_cs: u8) -> Self {
        // TS 36.211 Table 9.8-2 (2)
        Self { u: [8; MAX_DMRS], n_cs, w: [1; MAX_DMRS], count: 4 }
    }

    /// Returns those of PSSCH (TS 36.211 Table 9.8-1): `n_id_x` is n_ID^SA in modes 1 and 2 and n_ID^X in modes 3 and
    /// 4; `n_ssf` the index of the subframe in the pool, modulo 10.
    pub fn pssch(n_id_x: u16, n_ssf: u8, sidelink: SidelinkMode) -> Self {
        Self::pssch_hopped(&GroupHopping::new(n_id_x as u32), n_id_x, n_ssf, sidelink)
    }

    /// Returns those of PSSCH for each n_ssf, 0 to 9: for a receiver that does not know the time.
    pub fn pssch_all(n_id_x: u16, sidelink: SidelinkMode) -> [Self; 10] {
        let hop = GroupHopping::new(n_id_x as u32);
        std::array::from_fn(|n_ssf| Self::pssch_hopped(&hop, n_id_x, n_ssf as u8, sidelink))
    }

    // TS 36.211 §9.8 (6)
    fn pssch_hopped(hop: &GroupHopping, n_id_x: u16, n_ssf: u8, sidelink: SidelinkMode) -> Self {
        let n_ssf = n_ssf as usize % 10;
        let odd = n_id_x % 2 == 1;
        let n_cs = (n_id_x / 2 % 8) as u8;
        let mut u = [0; MAX_DMRS];
        if sidelink == SidelinkMode::V2x {
            // n_s runs over 2 n_ss and 2 n_ss + 1, that is 4 n_ssf + m
            // TS 36.211 Table 9.8-1 (2)
            let f_ss = n_id_x as usize / 16 % 30;
            for (m, u) in u.iter_mut().enumerate() {
                *u = ((hop.f_gh[4 * n_ssf + m] as usize + f_ss) % 30) as u8;
            }
            let w = if odd { [1, -1, 1, -1] } else { [1; MAX_DMRS] };
            Self { u, n_cs, w, count: 4 }
        } else {
            // TS 36.211 Table 9.8-1 (1)
            let f_ss = n_id_x as usize % 30;
            for m in 0..2 {
                u[m] = ((hop.f_gh[2 * n_ssf + m] as usize + f_ss) % 30) as u8;
            }
            Self { u, n_cs, w: [1, if odd { -1 } else { 1 }, 1, 1], count: 2 }
        }
    }

    /// Returns `w[m] exp(j 2 pi n_cs n / 12)` for four PRBs; it repeats after each.
    fn turns(&self, m: usize) -> &'static [Sample; TURNS] {
        &SHIFTS[usize::from(self.w[m] < 0)][self.n_cs as usize % 12]
    }
}

/// sin 60 degrees.
const HIGH: f32 = 0.866_025_4;

/// exp(j 2 pi k / 12) for k = 0 to 11.
const TWELFTHS: [Sample; 12] = [
    Sample::new(1.0, 0.0),
    Sample::new(HIGH, 0.5),
    Sample::new(0.5, HIGH),
    Sample::new(0.0, 1.0),
    Sample::new(-0.5, HIGH),
    Sample::new(-HIGH, 0.5),
    Sample::new(-1.0, 0.0),
    Sample::new(-HIGH, -0.5),
    Sample::new(-0.5, -HIGH),
    Sample::new(0.0, -1.0),
    Sample::new(0.5, -HIGH),
    Sample::new(HIGH, -0.5),
];

/// Those of each cyclic shift over four PRBs, with both signs.
static SHIFTS: [[[Sample; TURNS]; 12]; 2] = {
    let mut shifts = [[[Sample::new(0.0, 0.0); TURNS]; 12]; 2];
    let mut at = 0;
    while at < 12 * TURNS {
        let (n_cs, n) = (at / TURNS, at % TURNS);
        let turn = TWELFTHS[n_cs * n % 12];
        shifts[0][n_cs][n] = turn;
        shifts[1][n_cs][n] = Sample::new(-turn.re, -turn.im);
        at += 1;
    }
    shifts
};

/// f_gh of every n_s that PSSCH can use (TS 36.211 §5.5.1.3), 0 to 39.
struct GroupHopping {
    f_gh: [u8; 40],
}

impl GroupHopping {
    // TS 36.211 §9.8 with §5.5.1.3
    fn new(n_id_rs: u32) -> Self {
        let mut words = [0u32; 10];
        Gold::new(n_id_rs / 30).fill_words(&mut words);
        let mut f_gh = [0u8; 40];
        for (f, byte) in f_gh.iter_mut().zip(words.into_iter().flat_map(u32::to_le_bytes)) {
            *f = byte % 30;
        }
        Self { f_gh }
    }
}

/// Base sequences of every length that a carrier can use, all thirty groups, made once and shared: transmitter and
/// receiver read them for every subframe.
#[derive(Debug)]
pub struct References {
    /// By number of PRBs: thirty rows of M_sc values.
    by_prbs: Vec<Vec<Sample>>,
}

impl References {
    /// Makes the sequences for a carrier of `carrier_prbs`; PSBCH needs 6 on any carrier.
    pub fn new(carrier_prbs: usize) -> Self {
        let table = |prbs: usize| {
            let mut values = vec![Sample::default(); 30 * 12 * prbs];
            base_sequences(&mut values);
            values
        };
        let wanted = |prbs| is_precoding_size(prbs);
        let by_prbs =
            (0..=carrier_prbs.max(6)).map(|p| if wanted(p) { table(p) } else { Vec::new() }).collect();
        Self { by_prbs }
    }

    /// Whether a channel can be `prbs` wide.
    pub fn has(&self, prbs: usize) -> bool {
        self.by_prbs.get(prbs).is_some_and(|t| !t.is_empty())
    }

    /// Returns r_u over `m_sc` subcarriers: a width for which [`Self::has`] is true.
    pub fn group(&self, u: u8, m_sc: usize) -> &[Sample] {
        &self.by_prbs[m_sc / 12][u as usize * m_sc..][..m_sc]
    }

    /// Writes the reference values of DMRS symbol `m` to `out` (M_sc subcarriers).
    // TS 36.211 §9.8 (1)
    pub fn emit(&self, dmrs: &Dmrs, m: usize, out: &mut [Sample]) {
        let base = self.group(dmrs.u[m], out.len());
        let turns = dmrs.turns(m);
        for (out, base) in out.chunks_mut(TURNS).zip(base.chunks(TURNS)) {
            for ((x, r), t) in out.iter_mut().zip(base).zip(turns) {
                *x = r * t;
            }
        }
    }

    /// Divides received subcarriers by the reference values of DMRS symbol `m` (they have amplitude 1).
    pub fn strip(&self, dmrs: &Dmrs, m: usize, received: &[Sample], out: &mut [Sample]) {
        let base = self.group(dmrs.u[m], out.len());
        let loops = best();
        if dmrs.n_cs == 0 && dmrs.w[m] == 1 {
            (loops.quotient)(received, base, out);
        } else {
            (loops.turned_quotient)(received, base, dmrs.turns(m), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    // TS 36.211 §9.8 with §5.5.1.3
    fn hopping_table_agrees_with_the_clause() {
        for id in [0, 29, 255, 48861] {
            let hop = GroupHopping::new(id);
            for n_s in 0..40 {
                assert_eq!(hop.f_gh[n_s] as usize, group_hopping(id, n_s));
            }
        }
    }

    /// The definition, in double precision, for every shift and sign.
    #[test]
    // TS 36.211 §9.8 (1)
    fn a_reference_is_turned_by_its_shift_and_its_cover() {
        let references = References::new(6);
        for n_cs in 0..12 {
            let dmrs = Dmrs { u: [3, 7, 11, 29], n_cs, w: [1, -1, 1, -1], count: 4 };
            for m in 0..4 {
                let mut x = vec![Sample::default(); 72];
                references.emit(&dmrs, m, &mut x);
                for (n, (x, r)) in x.iter().zip(references.group(dmrs.u[m], 72)).enumerate() {
                    let angle = 2.0 * std::f64::consts::PI * n_cs as f64 * n as f64 / 12.0;
                    let turn = Sample::new(angle.cos() as f32, angle.sin() as f32) * dmrs.w[m] as f32;
                    assert!((x - r * turn).norm() < 1e-6, "shift {n_cs}, symbol {m}, subcarrier {n}");
                }
            }
        }
    }

    #[test]
    fn strip_undoes_emit() {
        let references = References::new(25);
        let dmrs = Dmrs::pssch(48861, 7, SidelinkMode::V2x);
        for m in 0..4 {
            let mut x = vec![Sample::default(); 12 * 20];
            references.emit(&dmrs, m, &mut x);
            let received = x.clone();
            references.strip(&dmrs, m, &received, &mut x);
            assert!(x.iter().all(|v| (v - Sample::new(1.0, 0.0)).norm() < 1e-5));
        }
    }
}
