//! One receive antenna of an allocation: its least-squares values, its smoothed channel and its noise.

use super::fit::{self, Fit, Levels, Planes};
use super::motion::Modes;
use super::profile::{PROFILES, Window};
use super::weights::{Interpolation, TimeWeights};
use super::{GROUP, power};
use crate::Sample;
use crate::kernel::estimate::{MODES, best as estimate_loops};
use crate::kernel::samples::best;
use crate::sc_fdma::rotate;
use crate::sequence::dmrs::MAX_DMRS;
use crate::units::Antennas;

/// Signal to noise ratio below which an accurate noise counts more than a channel that changes within a group.
const FAINT: f32 = 2.0;

/// The received values of one antenna in an allocation, and its channel.
pub(crate) struct Branch {
    /// Received values divided by the reference, one row a DMRS symbol.
    pub(super) ls: [Vec<Sample>; MAX_DMRS],
    /// Sums of `ls` over groups of [`GROUP`] subcarriers.
    pub(super) groups: [Vec<Sample>; MAX_DMRS],
    /// Sums of `groups` over PRBs.
    pub(super) prbs: [Vec<Sample>; MAX_DMRS],
    /// Sums over the groups of a window, of each symbol, then of each mode over time.
    planes: Planes,
    /// Power of signal and noise before the profile is known.
    pub(super) levels: Levels,
    /// The same for each profile that was asked about.
    of_profile: [Levels; PROFILES],
    /// Channel of each mode over time, without delay and offset; on a static channel the first row alone.
    pub(crate) smooth: [Vec<Sample>; MAX_DMRS],
    /// Weight of each row of `smooth` for each data symbol.
    pub(crate) weights: TimeWeights,
    /// Rows of `smooth` that are in use.
    pub(super) modes: usize,
    /// Residuals of each DMRS symbol beside the estimated channel; with several antennas alone.
    pub(super) residuals: [Vec<Sample>; MAX_DMRS],
    /// Power of the signal on a resource element.
    pub(crate) signal: f32,
    /// Power of the noise on a resource element.
    pub(crate) noise: f32,
    /// Values on DMRS symbols that the smoothed channel leaves free: degrees of freedom of the noise.
    pub(super) freedom: f32,
    /// Weight in sums over the antennas, the inverse of a first guess of the noise; 0: receives nothing that can be used.
    pub(super) weight: f32,
}

impl Branch {
    pub(super) fn new(m_max: usize, antennas: Antennas) -> Self {
        let zero = || vec![Sample::default(); m_max];
        Self {
            ls: std::array::from_fn(|_| zero()),
            groups: std::array::from_fn(|_| vec![Sample::default(); m_max / GROUP]),
            smooth: std::array::from_fn(|_| zero()),
            prbs: std::array::from_fn(|_| vec![Sample::default(); m_max / 12]),
            planes: fit::planes(m_max),
            levels: Levels::default(),
            of_profile: [Levels::default(); PROFILES],
            weights: TimeWeights::default(),
            modes: 1,
            residuals: std::array::from_fn(|_| {
                Vec::with_capacity(if antennas == Antennas::ONE { 0 } else { m_max })
            }),
            signal: 0.0,
            noise: 0.0,
            freedom: 0.0,
            weight: 1.0,
        }
    }

    /// Whether the antenna received anything that can be used: neither silence nor values that are not finite.
    pub(crate) fn is_heard(&self) -> bool {
        self.weight > 0.0
    }

    /// Returns the channel on subcarrier `k` and data symbol 0, without its delay.
    pub(super) fn channel(&self, k: usize) -> Sample {
        let modes = self.smooth.iter().zip(self.weights.row(0)).take(self.modes);
        modes.map(|(smooth, &weight)| smooth[k] * weight).sum()
    }

    /// Keeps what the estimated channel leaves of every reference symbol: several antennas compare it. `centre` is the
    /// phase of the middle delay in turns a subcarrier, `turns` are those of the symbols.
    pub(super) fn keep_residuals(&mut self, m_sc: usize, centre: f64, turns: &[Sample], modes: &Modes) {
        for (m, turn) in turns.iter().enumerate() {
            let residual = &mut self.residuals[m];
            residual.clear();
            residual.extend(self.ls[m][..m_sc].iter().map(|x| x * turn));
            rotate(residual, 0.0, centre);
            for (j, smooth) in self.smooth[..self.modes].iter().enumerate() {
                let part = if self.weights.is_static() { 1.0 } else { modes.vectors[j][m] };
                residual.iter_mut().zip(smooth).for_each(|(r, h)| *r -= h * part);
            }
        }
    }

    /// Guesses the weight among several antennas from the second difference over frequency: even a channel that is late
    /// by a cyclic prefix leaves less than 1 % of its power there.
    pub(super) fn weigh(&mut self, m_sc: usize, n_d: usize) {
        let (mut rough, mut total) = (0.0, 0.0);
        for ls in &self.ls[..n_d] {
            let ls = &ls[..m_sc];
            total += power(ls);
            rough += ls.windows(3).map(|x| (x[0] - x[1] * 2.0 + x[2]).norm_sqr()).sum::<f32>();
        }
        let noise = (rough / 6.0).max(1e-6 * total) / (m_sc * n_d).max(1) as f32;
        self.weight = if total > 0.0 && noise.is_normal() { 1.0 / noise } else { 0.0 };
        if !self.weight.is_finite() {
            self.weight = 0.0;
        }
    }

    /// Removes the phase ramp of a delay, and sums over groups and PRBs.
    pub(super) fn align(&mut self, ramp: &[Sample], n_d: usize) {
        let sums = self.groups.iter_mut().zip(&mut self.prbs);
        for (ls, (groups, prbs)) in self.ls[..n_d].iter_mut().zip(sums) {
            let ls = &mut ls[..ramp.len()];
            let groups = &mut groups[..ramp.len() / GROUP];
            (best().turn_back)(ls, ramp);
            (best().sixes)(ls, groups);
            (estimate_loops().pairs)(groups, prbs);
        }
    }

    /// Adds the products of the symbols over PRBs: a channel hardly changes over one.
    pub(super) fn add_products(&self, m_sc: usize, n_d: usize, sums: &mut [[Sample; MODES]; MODES]) {
        let prbs: [&[Sample]; MAX_DMRS] = std::array::from_fn(|m| &self.prbs[m][..m_sc / 12]);
        let mut products = [[Sample::default(); MODES]; MODES];
        (estimate_loops().products)(&prbs[..n_d], &mut products);
        for (sum, product) in sums.as_flattened_mut().iter_mut().zip(products.as_flattened()) {
            *sum += product * self.weight;
        }
    }

    /// Measures signal and noise before the profile is known: from what a wide profile leaves of a narrow allocation or of
    /// a faint signal, else from the third difference over frequency, in which a channel of 8 us leaves less than a
    /// thousandth of its power.
    pub(super) fn measure(&mut self, shape: &Window, m_sc: usize, n_d: usize) {
        let values = (m_sc * n_d) as f32;
        let total = self.ls[..n_d].iter().map(|ls| power(&ls[..m_sc])).sum::<f32>() / values;
        let beside = |branch: &mut Self| {
            let whole = m_sc - m_sc % (shape.group * shape.length);
            let ls = &branch.ls[..n_d];
            let mean = ls.iter().map(|ls| power(&ls[..whole])).sum::<f32>() / (whole * n_d) as f32;
            fit::gather_symbols(ls, whole, shape.group, &mut branch.planes);
            fit::noise_beside(shape, (&branch.planes, whole / shape.group), mean, n_d)
        };
        let noise = if shape.group == 1 {
            beside(self)
        } else {
            let rough: f32 =
                self.ls[..n_d].iter().map(|ls| (estimate_loops().third_difference)(&ls[..m_sc])).sum();
            let noise = rough / (20 * (m_sc - 3) * n_d) as f32;
            if total - noise > FAINT * noise { noise } else { beside(self) }
        };
        self.levels = Levels::new(total, noise);
    }

    /// Sums over the groups of `shape`, every symbol multiplied by its turn, and takes the modes over time of the sums.
    pub(super) fn gather(&mut self, shape: &Window, m_sc: usize, turns: &[Sample], modes: &Modes) {
        let weights = modes.weights(turns);
        fit::gather(&self.ls[..turns.len()], m_sc, &weights, shape.group, &mut self.planes);
    }

    /// Returns how unlikely a profile is, in nats against others, from what was gathered.
    pub(super) fn unlikely(&mut self, shape: &Window, profile: usize, m_sc: usize, modes: &Modes) -> f32 {
        let planes = (&self.planes, m_sc / shape.group);
        let (cost, levels) = fit::unlikely(shape, profile, planes, modes, self.levels);
        self.of_profile[profile] = levels;
        cost
    }

    /// Estimates the channel from what was gathered, under a profile that was asked about.
    pub(super) fn estimate(&mut self, shape: &Window, profile: usize, m_sc: usize, time: Time<'_>) {
        let levels = self.of_profile[profile];
        let mut scales = [1.0; MAX_DMRS];
        if let Some(weight) = time.still {
            scales[0] = weight;
        }
        let groups = m_sc / shape.group;
        let planes = &mut self.planes[..2 * time.kept];
        fit::centre(planes, groups, &shape.profiles[profile], shape.group);
        let fit = Fit { modes: time.modes, ratio: levels.ratio(), kept: time.kept, scales };
        let (known, spent) = fit::estimate(shape, profile, (&self.planes, groups), &fit, &mut self.smooth);
        self.modes = time.kept;
        self.freedom = (m_sc * time.modes.symbols) as f32 - spent;
        self.weights = match time.still {
            Some(_) => TimeWeights::still(known[0]),
            None => TimeWeights::moving(time.interpolation, &known),
        };
        (self.signal, self.noise) = (levels.signal(), levels.noise);
    }
}

/// How the channel changes over time.
#[derive(Clone, Copy)]
pub(super) struct Time<'a> {
    pub(super) modes: &'a Modes,
    pub(super) interpolation: &'a Interpolation,
    /// Modes that carry power.
    pub(super) kept: usize,
    /// Weight of the only mode of a static channel.
    pub(super) still: Option<f32>,
}
