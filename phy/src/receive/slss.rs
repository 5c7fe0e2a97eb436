//! Detects synchronisation signals in a subframe with known timing: on its resource elements, in every subframe, for
//! UEs with any offset of the subframe.

use super::diversity::Shares;
use crate::Sample;
use crate::channel::layout::SlssLayout;
use crate::grid::Grid;
use crate::kernel::Backend;
use crate::kernel::sync::{GROUP, Loops, loops};
use crate::sequence::{SSSS_LEN, SsssForm, psss, ssss};
use crate::units::{Antennas, CyclicPrefix, Decibel, Hertz, SlssId};

/// Least share of the power on the PSSS symbols that PSSS explains.
const MIN_PRIMARY: f32 = 0.12;

/// Least share of the power on the SSSS symbols that the best identity explains. On noise the best of 168 reaches this
/// with a probability of 1e-5.
const MIN_SECONDARY: f32 = 0.17;

/// Shares from which PSSS and SSSS are sufficient evidence: -1 dB and up.
const CONFIDENT: [f32; 2] = [0.3, 0.35];

/// An identity detected on the grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// Identity.
    pub id: SlssId,
    /// Carrier offset, ±7 kHz.
    pub cfo: Hertz,
    /// Signal to noise ratio of a resource element.
    pub snr: Decibel,
    /// Whether the signals are proof enough without a decoded PSBCH: data of others resembles a weak signal now and
    /// then, once in 2000 subframes of a busy carrier.
    pub confident: bool,
}

/// Detector for one subframe at a time.
pub struct Detector {
    layout: SlssLayout,
    spacing: f32,
    primary: [[Sample; SSSS_LEN]; 2],
    secondary: Secondary,
}

impl Detector {
    /// Makes a detector for one form of SSSS and one cyclic prefix.
    pub fn new(form: SsssForm, cp: CyclicPrefix) -> Self {
        let symbol = match cp {
            CyclicPrefix::Normal => 2192.0,
            CyclicPrefix::Extended => 2560.0,
        };
        Self {
            layout: SlssLayout::new(cp),
            spacing: symbol / 30.72e6,
            primary: [psss(true), psss(false)],
            secondary: Secondary::new(form),
        }
    }

    /// Returns the strongest synchronisation signal of each root in a subframe, one grid an antenna, strongest first.
    pub fn detect(&self, grids: &[Grid]) -> [Option<Seen>; 2] {
        let mut seen = [0, 1].map(|root| self.detect_root(grids, root));
        let snr = |seen: Option<Seen>| seen.map(|s| s.snr);
        if snr(seen[0]) < snr(seen[1]) {
            seen.swap(0, 1);
        }
        seen
    }

    fn detect_root(&self, grids: &[Grid], root: usize) -> Option<Seen> {
        let mut antennas = [PrimaryAt::NONE; Antennas::MAX];
        let mut shares = Shares::default();
        for (antenna, grid) in antennas.iter_mut().zip(grids) {
            *antenna = self.primary(grid, root);
            shares.add(antenna.power, antenna.energy);
        }
        if shares.count() == 0 {
            return None;
        }
        // blocks of eight explain an eighth of noise
        const DIMENSIONS: f32 = 2.0 * SSSS_LEN as f32;
        let primary = (shares.combined(DIMENSIONS, DIMENSIONS / 8.0) - 1.0 / 8.0) / (1.0 - 1.0 / 8.0);
        if primary < MIN_PRIMARY {
            return None;
        }
        let turn: Sample = match shares.count() {
            1 => antennas.iter().find(|a| a.energy > 0.0).map_or(Sample::default(), |a| a.turn),
            _ => antennas.iter().map(|a| a.turn * a.weight()).sum(),
        };
        let phase = turn.im.atan2(turn.re);
        let secondary = self.equalise(grids, &antennas, (shares.count(), phase));
        let (id, power) = self.secondary.best(root, &secondary.equalised);
        let share = (power / (secondary.reference * secondary.energy).max(1e-30)).min(0.9999);
        // coherent over the antennas: noise explains as little of all their values as of those of one
        let of_one = match shares.count() {
            1 => share,
            count => 1.0 - (1.0 - share).powi(count as i32),
        };
        if of_one < MIN_SECONDARY {
            return None;
        }
        // both symbols were averaged, which halves the noise, and are 72/62 above a data resource element
        let ratio = share / (1.0 - share) / 2.0 * SSSS_LEN as f32 / 72.0 * shares.count() as f32;
        Some(Seen {
            id,
            cfo: Hertz::from(phase / (2.0 * std::f32::consts::PI * self.spacing)),
            snr: Decibel::of_ratio_f32(ratio.max(1e-6)),
            confident: primary >= CONFIDENT[0] && of_one >= CONFIDENT[1],
        })
    }

    /// Correlates the PSSS symbols of one antenna.
    fn primary(&self, grid: &Grid, root: usize) -> PrimaryAt {
        let mut at = PrimaryAt::NONE;
        for (out, l) in at.stripped.iter_mut().zip(self.layout.psss) {
            for ((s, &x), d) in out.iter_mut().zip(central(grid, l)).zip(&self.primary[root]) {
                *s = x * d.conj();
                at.energy += x.norm_sqr();
            }
        }
        // blocks of eight subcarriers: coherent for any delay within the cyclic prefix
        for (a, b) in at.stripped[0].chunks(8).zip(at.stripped[1].chunks(8)) {
            let (a, b) = (a.iter().sum::<Sample>(), b.iter().sum::<Sample>());
            at.power += (a.norm_sqr() + b.norm_sqr()) / 8.0;
            at.turn += a.conj() * b;
        }
        at
    }

    /// Equalises the mean of the SSSS symbols with the channels that PSSS shows, `phase` turned back, and combines
    /// `count` antennas.
    fn equalise(
        &self,
        grids: &[Grid],
        antennas: &[PrimaryAt; Antennas::MAX],
        (count, phase): (usize, f32),
    ) -> Equalised {
        let back = Sample::from_polar(1.0, -phase);
        let mut out = Equalised { equalised: [Sample::default(); SSSS_LEN], energy: 0.0, reference: 0.0 };
        let [l0, l1] = self.layout.ssss;
        for (antenna, grid) in antennas.iter().zip(grids).filter(|(a, _)| a.energy > 0.0) {
            let weight = if count > 1 { antenna.weight() } else { 1.0 };
            let channel = antenna.channel(back);
            let (first, second) = (central(grid, l0), central(grid, l1));
            for k in 0..SSSS_LEN {
                let y = (first[k] + second[k] * back) * 0.5;
                out.equalised[k] += y * channel[k].conj() * weight;
                out.energy += weight * y.norm_sqr();
                out.reference += weight * channel[k].norm_sqr();
            }
        }
        out
    }
}

/// Returns the 62 central subcarriers of a symbol.
fn central(grid: &Grid, l: usize) -> &[Sample] {
    let first = grid.subcarriers() / 2 - SSSS_LEN / 2;
    &grid.symbol(l)[first..first + SSSS_LEN]
}

/// PSSS as one antenna received it.
#[derive(Clone, Copy)]
struct PrimaryAt {
    /// Received values without the sequence.
    stripped: [[Sample; SSSS_LEN]; 2],
    energy: f32,
    /// Coherent power.
    power: f32,
    /// Turn from one symbol to the other.
    turn: Sample,
}

impl PrimaryAt {
    const NONE: Self = Self {
        stripped: [[Sample::new(0.0, 0.0); SSSS_LEN]; 2],
        energy: 0.0,
        power: 0.0,
        turn: Sample::new(0.0, 0.0),
    };

    /// Returns its weight among several antennas: the inverse of the noise that PSSS leaves.
    fn weight(&self) -> f32 {
        let noise = (self.energy - self.power).max(1e-3 * self.energy);
        if noise > 0.0 { 1.0 / noise } else { 0.0 }
    }

    /// Returns the channel, the second symbol turned by `back`.
    fn channel(&self, back: Sample) -> [Sample; SSSS_LEN] {
        let sum: [Sample; SSSS_LEN] =
            std::array::from_fn(|k| self.stripped[0][k] + self.stripped[1][k] * back);
        std::array::from_fn(|k| {
            let (from, to) = (k.saturating_sub(4), (k + 5).min(SSSS_LEN));
            sum[from..to].iter().sum()
        })
    }
}

/// SSSS, equalised and combined.
struct Equalised {
    equalised: [Sample; SSSS_LEN],
    energy: f32,
    /// Energy of the channels.
    reference: f32,
}

/// SSSS of every identity, to correlate received ones with.
pub(super) struct Secondary {
    loops: Loops,
    /// ±1 of 168 identities of each root, in groups, subcarrier by subcarrier; 0 beyond the last identity.
    rows: [Vec<[[f32; GROUP]; SSSS_LEN]>; 2],
}

/// Identities of a root.
const IDENTITIES: usize = 168;

impl Secondary {
    pub(super) fn new(form: SsssForm) -> Self {
        let rows = [0, IDENTITIES].map(|base| {
            let mut rows = vec![[[0.0; GROUP]; SSSS_LEN]; IDENTITIES.div_ceil(GROUP)];
            for (i, id) in (base..base + IDENTITIES).filter_map(|id| SlssId::new(id as u16)).enumerate() {
                for (row, d) in rows[i / GROUP].iter_mut().zip(ssss(id, form)) {
                    row[i % GROUP] = d as f32;
                }
            }
            rows
        });
        Self { loops: loops(Backend::detect()), rows }
    }

    /// Returns the identity of `root` (0: id_net, 1: id_oon) whose SSSS fits best, and the power of its correlation.
    pub(super) fn best(&self, root: usize, equalised: &[Sample; SSSS_LEN]) -> (SlssId, f32) {
        let mut scores = [[0.0; GROUP]; IDENTITIES.div_ceil(GROUP)];
        for (scores, rows) in scores.iter_mut().zip(&self.rows[root]) {
            (self.loops.scores)(equalised, rows, scores);
        }
        let scores = &scores.as_flattened()[..IDENTITIES];
        let most = (self.loops.maximum)(scores);
        let best = (self.loops.find)(scores, most).unwrap_or(0);
        // both factors are in range by construction
        let id = SlssId::new((best + IDENTITIES * root) as u16)
            .unwrap_or_else(|| unreachable!("168 identities a root"));
        (id, most)
    }
}
