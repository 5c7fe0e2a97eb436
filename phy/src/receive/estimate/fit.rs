//! The best linear estimate of the channel over frequency and time, for one delay profile and one Doppler.
//!
//! Both covariances have few eigenvectors: those of [`Basis`] over a window of subcarriers, those of [`Modes`] over the
//! reference symbols. Received values become coefficients of both, each coefficient is weighted by its own signal to
//! noise ratio, and subcarriers are made of what is left. The same coefficients tell how likely the profile is.

use super::motion::Modes;
use super::phase;
use super::profile::{Basis, WIDE, Window, middle};
use crate::Sample;
use crate::kernel::estimate::{MODES, best as estimate_loops};
use crate::kernel::functions::{FUNCTIONS, LEAST_SIGNAL, LONGEST, best};
use crate::sequence::dmrs::MAX_DMRS;

/// Sums over groups of subcarriers: real and imaginary parts of each symbol, or of each mode over time.
pub(super) type Planes = [Vec<f32>; 2 * MAX_DMRS];

/// Windows from which the profile is told: more tell little more.
const ENOUGH: usize = 3;

/// Signal to noise ratio below which a function tells nothing.
const NOTHING: f32 = 0.003;

/// Power of a reference symbol and of its noise on a resource element.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Levels {
    pub(super) total: f32,
    pub(super) noise: f32,
}

impl Levels {
    /// Returns the levels for a mean power and the noise in it.
    pub(super) fn new(total: f32, noise: f32) -> Self {
        Self { total, noise: noise.max(total * 1e-7).max(1e-12) }
    }

    /// Returns the power of the signal: some is always assumed.
    pub(super) fn signal(self) -> f32 {
        (self.total - self.noise).max(LEAST_SIGNAL * self.noise)
    }

    pub(super) fn ratio(self) -> f32 {
        self.signal() / self.noise
    }
}

/// Makes planes for `m_max` subcarriers: kernels read and write beyond the last group.
pub(super) fn planes(m_max: usize) -> Planes {
    std::array::from_fn(|_| vec![0.0; (m_max / 3).max(LONGEST) + LONGEST])
}

/// Sums the values of each group such that their noise has the power of that of one value. Each row of `weights` makes
/// real and imaginary parts of one sum over the symbols.
pub(super) fn gather(
    ls: &[Vec<Sample>],
    m_sc: usize,
    weights: &[[Sample; MODES]; MODES],
    group: usize,
    planes: &mut Planes,
) {
    let scale = 1.0 / (group as f32).sqrt();
    let weights = weights.map(|row| row.map(|weight| weight * scale));
    let (symbols, count) = (views(ls, m_sc), ls.len());
    (estimate_loops().gather)(&symbols[..count], Some(&weights), group, &mut planes[..2 * count]);
}

/// Sums the values of each group of each symbol.
pub(super) fn gather_symbols(ls: &[Vec<Sample>], m_sc: usize, group: usize, planes: &mut Planes) {
    let (symbols, count) = (views(ls, m_sc), ls.len());
    (estimate_loops().gather)(&symbols[..count], None, group, &mut planes[..2 * count]);
}

/// Returns the first `m_sc` values of each symbol.
fn views(ls: &[Vec<Sample>], m_sc: usize) -> [&[Sample]; MAX_DMRS] {
    std::array::from_fn(|m| ls.get(m).map_or(&[][..], |ls| &ls[..m_sc]))
}

/// Takes the middle delay of a profile out of the first groups of all planes.
pub(super) fn centre(planes: &mut [Vec<f32>], groups: usize, basis: &Basis, group: usize) {
    if basis.centre != 0.0 {
        let start = phase(basis.centre * middle(group));
        (estimate_loops().turn)(planes, groups, start, phase(basis.centre * group as f64));
    }
}

/// Returns the noise power that a wide profile leaves of whole windows, whose values of `symbols` symbols have the mean power
/// `total`, from the sums over groups of each symbol. It is that of all of them: the power of a few is not the mean where the
/// channel is selective.
pub(super) fn noise_beside(shape: &Window, planes: (&Planes, usize), total: f32, symbols: usize) -> f32 {
    let basis = &shape.profiles[WIDE];
    let (energies, windows) = energies(shape, basis, planes, symbols, usize::MAX);
    let explained = (best().weighted)(&energies, &basis.signal);
    let values = shape.length * shape.group;
    // sums over groups have more noise than a value
    let each = explained / (windows * symbols * shape.group) as f32;
    (total * values as f32 - each).max(0.0) / (values - basis.signals).max(1) as f32
}

/// Returns how unlikely a profile is, in nats against others, and the levels under it.
pub(super) fn unlikely(
    shape: &Window,
    profile: usize,
    planes: (&Planes, usize),
    modes: &Modes,
    levels: Levels,
) -> (f32, Levels) {
    let basis = &shape.profiles[profile];
    let powers = &modes.powers[..modes.symbols];
    if shape.group == 1 {
        let turns = (basis.centre != 0.0).then_some(&basis.turns);
        let (planes, least) = (&planes.0[..2 * modes.symbols], Levels::new(levels.total, 0.0).noise);
        let [cost, noise] =
            (best().unlikely_narrow)(&basis.narrow, turns, planes, powers, [levels.total, least]);
        return (cost, Levels::new(levels.total, noise));
    }
    let (energies, windows) = energies(shape, basis, planes, modes.symbols, ENOUGH);
    let ratio = [levels.ratio(), levels.noise];
    let cost = (best().unlikely)(&energies, &basis.powers, powers, ratio, windows as f32);
    (cost, levels)
}

/// Writes the channel of each of the first `kept` modes over time, multiplied by its scale, to `smooth`. Returns the part
/// of the power of each that is known, and the degrees of freedom that this took.
pub(super) fn estimate(
    shape: &Window,
    profile: usize,
    (planes, groups): (&Planes, usize),
    fit: &Fit<'_>,
    smooth: &mut [Vec<Sample>; MAX_DMRS],
) -> ([f32; MAX_DMRS], f32) {
    let basis = &shape.profiles[profile];
    let strongest = fit.ratio * fit.modes.powers[0];
    let carries = |power: &&f32| strongest * **power > NOTHING;
    let used = basis.powers[..basis.functions].iter().take_while(carries).count().max(1);
    let mut gains = [[0.0; FUNCTIONS]; MAX_DMRS];
    let mut known = [0.0; MAX_DMRS];
    let mut spent = 0.0;
    for j in 0..fit.kept {
        let ratio = fit.ratio * fit.modes.powers[j];
        for q in 0..used {
            let s = ratio * basis.powers[q];
            let gain = s / (1.0 + s);
            known[j] += basis.shares[q] * gain;
            spent += gain;
            gains[j][q] = gain * fit.scales[j];
        }
    }
    let (length, step, group) = (shape.length, shape.step(), shape.group);
    let width = group * length;
    let synthesis = &basis.synthesis[..width * used];
    let mut done = 0;
    let mut start = 0;
    while done < groups {
        let last = start + length >= groups;
        start = start.min(groups - length);
        let end = if last { groups } else { start + length - step };
        let written = group * done..group * end;
        let modes = smooth[..fit.kept].iter_mut().zip(&gains).zip(planes.as_chunks().0);
        for ((smooth, gains), planes) in modes {
            let out = &mut smooth[written.clone()];
            let synthesis = (synthesis, width, group * (done - start));
            (best().smooth)(&basis.analysis, gains, (planes, start), synthesis, out);
        }
        done = end;
        start += step;
    }
    (known, spent * groups as f32 / length as f32)
}

/// How a channel is estimated beside its profile.
pub(super) struct Fit<'a> {
    pub(super) modes: &'a Modes,
    /// Signal to noise ratio of a resource element.
    pub(super) ratio: f32,
    /// Modes over time that are written.
    pub(super) kept: usize,
    pub(super) scales: [f32; MAX_DMRS],
}

/// Returns the energy of each function, by mode or symbol, in `most` windows or fewer that lie evenly over all groups, and
/// the number of the windows.
fn energies(
    shape: &Window,
    basis: &Basis,
    (planes, groups): (&Planes, usize),
    modes: usize,
    most: usize,
) -> ([[f32; FUNCTIONS]; MAX_DMRS], usize) {
    let count = (groups / shape.length).clamp(1, most);
    let step = (groups - shape.length) / (count - 1).max(1);
    let turns = (basis.centre != 0.0).then_some(&basis.turns);
    let mut energies = [[0.0; FUNCTIONS]; MAX_DMRS];
    for i in 0..count {
        (best().add_energies)(&basis.analysis, turns, &planes[..2 * modes], i * step, &mut energies);
    }
    (energies, count)
}
