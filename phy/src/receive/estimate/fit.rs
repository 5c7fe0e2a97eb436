//! The best linear estimate of the channel over frequency and time, for one delay profile and one Doppler.
//!
//! Both covariances have few eigenvectors: those of [`Basis`] over a window of subcarriers, those of [`Modes`] over the
//! reference symbols. Received values become coefficients of both, each coefficient is weighted by its own signal to
//! noise ratio, and subcarriers are made of what is left. The same coefficients tell how likely the profile is.

use super::motion::Modes;
use super::profile::{Basis, FUNCTIONS, LONGEST, WIDE, Window};
use crate::Sample;
use crate::sequence::dmrs::MAX_DMRS;

/// Real and imaginary parts of a value on each reference symbol, or of each mode over time.
pub(super) type Row = [f32; 2 * MAX_DMRS];

/// Windows from which the profile is told: more tell little more.
const ENOUGH: usize = 3;

/// Functions with more than this part of the power of the first are signal when the noise is measured.
const SIGNAL: f32 = 0.003;

/// Signal to noise ratio below which a function tells nothing.
const NOTHING: f32 = 0.003;

/// Power of a reference symbol and of its noise on a resource element.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Levels {
    pub(super) total: f32,
    pub(super) noise: f32,
}

impl Levels {
    /// Returns the power of the signal: some is always assumed.
    pub(super) fn signal(self) -> f32 {
        (self.total - self.noise).max(0.02 * self.noise)
    }

    fn with_noise(self, noise: f32) -> Self {
        Self { noise: noise.max(self.total * 1e-7).max(1e-12), ..self }
    }
}

/// Sums the values of each group to rows whose noise has the power of that of one value, each symbol multiplied by its
/// turn.
pub(super) fn gather(ls: &[Vec<Sample>], turns: &[Sample], group: usize, rows: &mut [Row]) {
    rows.fill(Row::default());
    let scale = 1.0 / (group as f32).sqrt();
    for (m, (ls, turn)) in ls.iter().zip(turns).enumerate() {
        let turn = turn * scale;
        for (row, x) in rows.iter_mut().zip(ls.chunks_exact(group)) {
            let sum = x.iter().sum::<Sample>() * turn;
            (row[2 * m], row[2 * m + 1]) = (sum.re, sum.im);
        }
    }
}

/// Takes the middle delay of a profile out of all rows.
pub(super) fn centre(rows: &mut [Row], basis: &Basis, group: usize) {
    if basis.centre == 0.0 {
        return;
    }
    let window = basis.turns.len();
    for (i, rows) in rows.chunks_mut(window).enumerate() {
        let begin = super::phasor(basis.centre * (i * window * group) as f64);
        for (row, turn) in rows.iter_mut().zip(&basis.turns) {
            *row = turned(row, begin * turn);
        }
    }
}

/// Returns the noise power that a wide profile leaves of whole windows, whose values have the mean power `total`. It is
/// that of all of them: the power of a few is not the mean where the channel is selective.
pub(super) fn noise_beside(shape: &Window, rows: &[Row], total: f32, symbols: usize) -> f32 {
    let basis = &shape.profiles[WIDE];
    let signal = signal_functions(basis);
    let mut room = [Row::default(); LONGEST];
    let (mut explained, mut windows) = (0.0, 0);
    for window in rows.chunks_exact(shape.length) {
        let coefficients = analyse(basis, signal, centred(basis, window, &mut room));
        explained += coefficients[..signal].iter().map(energy).sum::<f32>();
        windows += 1;
    }
    let values = shape.length * shape.group;
    let each = explained / (windows * symbols).max(1) as f32;
    (total * values as f32 - each).max(0.0) / (values - signal).max(1) as f32
}

/// Returns how unlikely a profile is, in nats against others, and the levels under it.
pub(super) fn unlikely(
    shape: &Window,
    profile: usize,
    rows: &[Row],
    modes: &Modes,
    levels: Levels,
) -> (f32, Levels) {
    let basis = &shape.profiles[profile];
    let used = basis.powers.len();
    let mut room = [Row::default(); LONGEST];
    let mut energies = [[0.0; MAX_DMRS]; FUNCTIONS];
    let (mut total, mut windows) = (0.0, 0.0);
    for window in samples_of(rows, shape.length) {
        let coefficients = analyse(basis, used, centred(basis, window, &mut room));
        for (energies, c) in energies.iter_mut().zip(&coefficients[..used]) {
            let c = modes.of_symbols(c);
            for (e, x) in energies.iter_mut().zip(c.chunks_exact(2)) {
                *e += x[0] * x[0] + x[1] * x[1];
            }
        }
        total += window.iter().map(energy).sum::<f32>();
        windows += 1.0;
    }
    let values = windows * (shape.length * modes.symbols) as f32;
    let mut cost = 0.0;
    let levels = if shape.group > 1 {
        levels
    } else {
        let signal = signal_functions(basis);
        let explained: f32 = energies[..signal].iter().flatten().sum();
        let freedom = windows * (modes.symbols * (shape.length - signal)) as f32;
        let levels = levels.with_noise((total - explained).max(0.0) / freedom);
        cost += values * levels.noise.ln() + total / levels.noise;
        levels
    };
    let ratio = levels.signal() / levels.noise;
    for (energies, power) in energies.iter().zip(&basis.powers) {
        let mut determinant = 1.0;
        for (energy, value) in energies.iter().zip(&modes.powers) {
            let s = ratio * power * value;
            determinant *= 1.0 + s;
            cost -= energy / levels.noise * s / (1.0 + s);
        }
        cost += windows * determinant.ln();
    }
    (cost, levels)
}

/// Writes the channel of each of the first `kept` modes over time, multiplied by its scale, to `smooth`. Returns the part
/// of the power of each that is known, and the degrees of freedom that this took.
pub(super) fn estimate(
    shape: &Window,
    profile: usize,
    rows: &[Row],
    fit: &Fit<'_>,
    smooth: &mut [Vec<Sample>; MAX_DMRS],
) -> ([f32; MAX_DMRS], f32) {
    let basis = &shape.profiles[profile];
    let ratio = fit.levels.signal() / fit.levels.noise;
    let strongest = ratio * fit.modes.powers[0];
    let used = basis.powers.iter().take_while(|p| strongest * **p > NOTHING).count().max(1);
    let mut gains = [Row::default(); FUNCTIONS];
    let mut known = [0.0; MAX_DMRS];
    let mut spent = 0.0;
    for ((gains, power), share) in gains[..used].iter_mut().zip(&basis.powers).zip(&basis.shares) {
        for j in 0..fit.kept {
            let s = ratio * power * fit.modes.powers[j];
            known[j] += share * s / (1.0 + s);
            spent += s / (1.0 + s);
            gains[2 * j] = s / (1.0 + s) * fit.scales[j];
            gains[2 * j + 1] = gains[2 * j];
        }
    }
    let (length, step) = (shape.length, shape.step());
    let mut done = 0;
    let mut start = 0;
    while done < rows.len() {
        let last = start + length >= rows.len();
        start = start.min(rows.len() - length);
        let end = if last { rows.len() } else { start + length - step };
        let mut coefficients = analyse(basis, used, &rows[start..start + length]);
        for (c, gains) in coefficients[..used].iter_mut().zip(&gains) {
            *c = fit.modes.of_symbols(c);
            for (c, gain) in c.iter_mut().zip(gains) {
                *c *= gain;
            }
        }
        let group = shape.group;
        for k in group * done..group * end {
            let mut row = Row::default();
            for (c, u) in coefficients[..used].iter().zip(&basis.synthesis[k - group * start]) {
                for (r, c) in row.iter_mut().zip(c) {
                    *r += c * u;
                }
            }
            for (smooth, x) in smooth[..fit.kept].iter_mut().zip(row.chunks_exact(2)) {
                smooth[k] = Sample::new(x[0], x[1]);
            }
        }
        done = end;
        start += step;
    }
    (known, spent * rows.len() as f32 / length as f32)
}

/// How a channel is estimated beside its profile.
pub(super) struct Fit<'a> {
    pub(super) modes: &'a Modes,
    pub(super) levels: Levels,
    /// Modes over time that are written.
    pub(super) kept: usize,
    pub(super) scales: [f32; MAX_DMRS],
}

/// Returns a few windows that lie evenly over all rows.
fn samples_of(rows: &[Row], length: usize) -> impl Iterator<Item = &[Row]> {
    let count = (rows.len() / length).clamp(1, ENOUGH);
    let step = (rows.len() - length) / (count - 1).max(1);
    (0..count).map(move |i| &rows[i * step..][..length])
}

fn signal_functions(basis: &Basis) -> usize {
    basis.powers.iter().take_while(|p| **p > SIGNAL * basis.powers[0]).count()
}

fn energy(row: &Row) -> f32 {
    row.iter().map(|x| x * x).sum()
}

/// Multiplies every symbol of a row.
fn turned(row: &Row, turn: Sample) -> Row {
    let mut out = *row;
    for (out, x) in out.chunks_exact_mut(2).zip(row.chunks_exact(2)) {
        (out[0], out[1]) = (x[0] * turn.re - x[1] * turn.im, x[0] * turn.im + x[1] * turn.re);
    }
    out
}

/// Returns a window without the middle delay; `room` is where it is made.
fn centred<'a>(basis: &Basis, window: &'a [Row], room: &'a mut [Row; LONGEST]) -> &'a [Row] {
    if basis.centre == 0.0 {
        return window;
    }
    for ((out, row), turn) in room.iter_mut().zip(window).zip(&basis.turns) {
        *out = turned(row, *turn);
    }
    &room[..window.len()]
}

/// Returns the coefficients of the first `used` functions in a window.
fn analyse(basis: &Basis, used: usize, window: &[Row]) -> [Row; FUNCTIONS] {
    let mut out = [Row::default(); FUNCTIONS];
    for (out, function) in out[..used].iter_mut().zip(basis.analysis.chunks_exact(window.len())) {
        for (row, &u) in window.iter().zip(function) {
            for (o, x) in out.iter_mut().zip(row) {
                *o += x * u;
            }
        }
    }
    out
}
