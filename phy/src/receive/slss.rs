//! Detects synchronisation signals in a subframe with known timing: on its resource elements, in every subframe, for
//! UEs with any offset of the subframe.

use crate::Sample;
use crate::channel::layout::SlssLayout;
use crate::grid::Grid;
use crate::sequence::{SSSS_LEN, SsssForm, psss, ssss};
use crate::units::{CyclicPrefix, Decibel, Hertz, SlssId};

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

    /// Returns the strongest synchronisation signal of each root in `grid`, strongest first.
    pub fn detect(&self, grid: &Grid) -> [Option<Seen>; 2] {
        let mut seen = [0, 1].map(|root| self.detect_root(grid, root));
        let snr = |seen: Option<Seen>| seen.map(|s| s.snr);
        if snr(seen[0]) < snr(seen[1]) {
            seen.swap(0, 1);
        }
        seen
    }

    fn detect_root(&self, grid: &Grid, root: usize) -> Option<Seen> {
        let first = grid.subcarriers() / 2 - SSSS_LEN / 2;
        let values = |l: usize| &grid.symbol(l)[first..first + SSSS_LEN];
        let mut stripped = [[Sample::default(); SSSS_LEN]; 2];
        let mut energy = 0.0;
        for (out, l) in stripped.iter_mut().zip(self.layout.psss) {
            for ((s, &x), d) in out.iter_mut().zip(values(l)).zip(&self.primary[root]) {
                *s = x * d.conj();
                energy += x.norm_sqr();
            }
        }
        if energy <= 0.0 {
            return None;
        }
        // blocks of eight subcarriers: coherent for any delay within the cyclic prefix
        let mut power = 0.0;
        let mut turn = Sample::default();
        for (a, b) in stripped[0].chunks(8).zip(stripped[1].chunks(8)) {
            let (a, b) = (a.iter().sum::<Sample>(), b.iter().sum::<Sample>());
            power += (a.norm_sqr() + b.norm_sqr()) / 8.0;
            turn += a.conj() * b;
        }
        // blocks of eight explain an eighth of noise
        let primary = (power / energy - 1.0 / 8.0) / (1.0 - 1.0 / 8.0);
        if primary < MIN_PRIMARY {
            return None;
        }
        let phase = turn.im.atan2(turn.re);
        let back = Sample::from_polar(1.0, -phase);
        let channel: [Sample; SSSS_LEN] = {
            let sum: [Sample; SSSS_LEN] = std::array::from_fn(|k| stripped[0][k] + stripped[1][k] * back);
            std::array::from_fn(|k| {
                let (from, to) = (k.saturating_sub(4), (k + 5).min(SSSS_LEN));
                sum[from..to].iter().sum()
            })
        };
        let mut equalised = [Sample::default(); SSSS_LEN];
        let (mut energy, mut reference) = (0.0, 0.0);
        let [l0, l1] = self.layout.ssss;
        for k in 0..SSSS_LEN {
            let y = (values(l0)[k] + values(l1)[k] * back) * 0.5;
            equalised[k] = y * channel[k].conj();
            energy += y.norm_sqr();
            reference += channel[k].norm_sqr();
        }
        let (id, power) = self.secondary.best(root, &equalised);
        let share = (power / (reference * energy).max(1e-30)).min(0.9999);
        if share < MIN_SECONDARY {
            return None;
        }
        // both symbols were averaged, which halves the noise, and are 72/62 above a data resource element
        let ratio = share / (1.0 - share) / 2.0 * SSSS_LEN as f32 / 72.0;
        Some(Seen {
            id,
            cfo: Hertz::from(phase / (2.0 * std::f32::consts::PI * self.spacing)),
            snr: Decibel::of_ratio_f32(ratio.max(1e-6)),
            confident: primary >= CONFIDENT[0] && share >= CONFIDENT[1],
        })
    }
}

/// SSSS of every identity, to correlate received ones with.
pub(super) struct Secondary {
    /// 168 rows for each root, ±1.
    rows: [Vec<[f32; SSSS_LEN]>; 2],
}

impl Secondary {
    pub(super) fn new(form: SsssForm) -> Self {
        let rows = [0u16, 168].map(|base| {
            let ids = (base..base + 168).filter_map(SlssId::new);
            ids.map(|id| ssss(id, form).map(|d| d as f32)).collect()
        });
        Self { rows }
    }

    /// Returns the identity of `root` (0: id_net, 1: id_oon) whose SSSS fits best, and the power of its correlation.
    pub(super) fn best(&self, root: usize, equalised: &[Sample; SSSS_LEN]) -> (SlssId, f32) {
        let mut best = (0, -1.0);
        for (i, row) in self.rows[root].iter().enumerate() {
            let (mut re, mut im) = ([0.0f32; 2], [0.0f32; 2]);
            for (y, d) in equalised.chunks_exact(2).zip(row.chunks_exact(2)) {
                for i in 0..2 {
                    re[i] += y[i].re * d[i];
                    im[i] += y[i].im * d[i];
                }
            }
            let power = (re[0] + re[1]).powi(2) + (im[0] + im[1]).powi(2);
            if power > best.1 {
                best = (i as u16, power);
            }
        }
        // both factors are in range by construction
        let id = SlssId::new(best.0 + 168 * root as u16).unwrap_or_else(|| unreachable!("168 rows a root"));
        (id, best.1)
    }
}
