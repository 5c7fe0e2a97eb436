//! Finds the begin of subframes in samples without a synchronisation signal: from the cyclic prefixes and the empty
//! last symbol of each subframe (TS 36.211 §9.2.5), folded over many subframes.
//!
//! A constant, a tone or any periodic signal correlates with itself at every place. Prefixes correlate at theirs alone:
//! the part common to all places is subtracted first, and the rest must stand out from the other places.

use crate::Sample;
use crate::numerology::Numerology;
use crate::units::{Antennas, Hertz};

/// Timing found without a synchronisation signal: a hypothesis until something is received with it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Timing {
    /// Sample at which the subframes begin, 0 to `subframe_samples() - 1`.
    pub offset: usize,
    /// Carrier offset, ±7.5 kHz: prefixes do not show whole subcarriers.
    pub cfo: Hertz,
    /// Normalised correlation of the prefixes, 0 to 1.
    pub metric: f32,
    /// The correlation against that of the median place: noise reaches a ratio of 3.5.
    pub contrast: f32,
}

/// Least contrast of a timing.
const MIN_CONTRAST: f32 = 4.0;

/// Least share of the best correlation for a place that is tried.
const NEAR_BEST: f32 = 0.55;

/// Least share of the best correlation for a timing that explains the prefixes.
const FITS: f32 = 0.75;

/// Power below which the empty symbol counts as empty, against the mean and against that of the best timing.
const QUIET_END: f32 = 0.4;
const NOISY_END: f32 = 2.0;

/// Least share of the power in the prefixes that correlates: less is the rounding of a periodic signal.
const MIN_METRIC: f32 = 2e-3;

/// Most hypotheses of one fold.
pub const MAX_TIMINGS: usize = 4;

/// Symbols of a subframe at most.
const MAX_SYMBOLS: usize = 14;

/// The samples of one antenna, folded.
struct Fold {
    /// x*(i) x(i + fft).
    correlation: Vec<Sample>,
    power: Vec<f32>,
}

/// Folds samples to one subframe. Holds its buffers.
pub struct Acquisition {
    numerology: Numerology,
    /// One an antenna.
    folds: Vec<Fold>,
    /// Sums from the start of the fold: correlation beyond the part common to all places, and power.
    sums: Vec<[f64; 3]>,
    /// |correlation over all prefixes| of every `step`th place.
    strength: Vec<f32>,
    order: Vec<f32>,
    step: usize,
}

impl Acquisition {
    /// Makes an acquisition for a carrier and a number of antennas.
    pub fn new(numerology: Numerology, antennas: Antennas) -> Self {
        let n = numerology.subframe_samples();
        let fold = || Fold { correlation: vec![Sample::default(); n], power: vec![0.0; n] };
        let step = (numerology.cp_samples(1) / 8).max(1);
        let places = n.div_ceil(step);
        Self {
            numerology,
            folds: (0..antennas.count()).map(|_| fold()).collect(),
            sums: vec![[0.0; 3]; n + 1],
            strength: vec![0.0; places],
            order: vec![0.0; places],
            step,
        }
    }

    /// Forgets all samples.
    pub fn clear(&mut self) {
        for fold in &mut self.folds {
            fold.correlation.fill(Sample::default());
            fold.power.fill(0.0);
        }
    }

    /// Folds the samples of each antenna in; the first of them is at `phase` of the fold. Pairs that `samples` does not
    /// contain completely are left out.
    pub fn add(&mut self, samples: &[&[Sample]], phase: usize) {
        let n = self.numerology.subframe_samples();
        let fft = self.numerology.fft();
        for (fold, &samples) in self.folds.iter_mut().zip(samples) {
            let mut rest = samples;
            let mut at = phase % n;
            while !rest.is_empty() {
                let (now, later) = rest.split_at((n - at).min(rest.len()));
                for (p, x) in fold.power[at..].iter_mut().zip(now) {
                    *p += x.norm_sqr();
                }
                let second = rest.get(fft..).unwrap_or(&[]);
                for ((c, x), y) in fold.correlation[at..].iter_mut().zip(now).zip(second) {
                    *c += x.conj() * y;
                }
                rest = later;
                at = 0;
            }
        }
    }

    /// Returns the timing of `samples` of one antenna, `None` when nothing in them has the structure of a subframe.
    pub fn find(&mut self, samples: &[Sample]) -> Option<Timing> {
        if samples.len() < self.numerology.subframe_samples() / 2 {
            return None;
        }
        self.clear();
        self.add(&[samples], 0);
        let mut best = [Timing::default(); MAX_TIMINGS];
        (self.best(&mut best) > 0).then(|| best[0])
    }

    /// Writes the hypotheses that fit the fold, the likeliest first; returns their number.
    pub fn best(&mut self, out: &mut [Timing; MAX_TIMINGS]) -> usize {
        self.accumulate();
        for i in 0..self.strength.len() {
            self.strength[i] = self.at(i * self.step).0.norm();
        }
        self.order.copy_from_slice(&self.strength);
        let middle = self.order.len() / 2;
        let (_, &mut median, _) = self.order.select_nth_unstable_by(middle, f32::total_cmp);
        let peak = (0..self.strength.len()).max_by(|&a, &b| self.strength[a].total_cmp(&self.strength[b]));
        let Some(peak) = peak else { return 0 };
        let best = self.strongest(peak * self.step, self.step);
        let top = self.at(best).0.norm();
        if top < MIN_CONTRAST * median || self.metric(best) < MIN_METRIC {
            return 0;
        }
        let symbol = self.numerology.fft() + self.numerology.cp_samples(1);
        let mut all = [Timing::default(); MAX_SYMBOLS];
        let mut cost = [0.0f32; MAX_SYMBOLS];
        let mut count = 0;
        // shifted by whole symbols, twelve of thirteen prefixes still fit: the empty symbol decides, and then a trial
        for l in 0..self.numerology.symbols() {
            let t = if l == 0 { best } else { self.strongest(best + l * symbol, self.numerology.fft() / 64) };
            let sum = self.at(t).0;
            if sum.norm() < NEAR_BEST * top {
                continue;
            }
            all[count] = Timing {
                offset: t,
                // the half-subcarrier shift turns the useful part against its prefix by half a turn
                cfo: Hertz(
                    f64::from((-sum).arg()) / (2.0 * std::f64::consts::PI) * self.numerology.sample_rate().0
                        / self.numerology.fft() as f64,
                ),
                metric: self.metric(t),
                contrast: sum.norm() / median.max(f32::MIN_POSITIVE),
            };
            cost[count] = (self.quietness(t) + 0.05) / sum.norm().powi(4);
            count += 1;
        }
        sort_by_cost(&mut all[..count], &mut cost[..count]);
        out.copy_from_slice(&all[..MAX_TIMINGS]);
        count.min(MAX_TIMINGS)
    }

    /// Whether subframes that begin at `offset`, give or take a few samples, explain the fold as well as those of
    /// `best`. Call [`Self::best`] first.
    pub fn fits(&self, offset: usize, best: &Timing) -> bool {
        let held = self.strongest(offset, self.numerology.cp_samples(1) / 2);
        let explains = self.at(held).0.norm() >= FITS * self.at(best.offset).0.norm();
        explains && self.quietness(held) <= (NOISY_END * self.quietness(best.offset)).max(QUIET_END)
    }

    /// Computes sums up to every place, less the part common to all places, over all antennas.
    fn accumulate(&mut self) {
        for a in 0..self.folds.len() {
            self.accumulate_antenna(a);
        }
    }

    fn accumulate_antenna(&mut self, a: usize) {
        let Self { folds, sums, .. } = self;
        let Fold { correlation, power } = &folds[a];
        let n = correlation.len() as f64;
        // the gains of antennas differ
        let weight = match folds.len() {
            1 => 1.0,
            _ => {
                let mean = power.iter().map(|&p| f64::from(p)).sum::<f64>() / n;
                if mean > 0.0 && mean.is_finite() { 1.0 / mean } else { 0.0 }
            }
        };
        if a == 0 {
            sums.fill([0.0; 3]);
        }
        if weight == 0.0 {
            return;
        }
        let add = |s: [f64; 2], c: &Sample| [s[0] + f64::from(c.re), s[1] + f64::from(c.im)];
        let total = correlation.iter().fold([0.0; 2], add);
        let common = [total[0] / n, total[1] / n];
        let mut sum = [0.0f64; 3];
        for ((s, c), p) in sums[1..].iter_mut().zip(correlation).zip(power) {
            sum[0] += (f64::from(c.re) - common[0]) * weight;
            sum[1] += (f64::from(c.im) - common[1]) * weight;
            sum[2] += f64::from(*p) * weight;
            for (s, sum) in s.iter_mut().zip(sum) {
                *s += sum;
            }
        }
    }

    /// Returns the sums over `len` places from `at` on, round the end of the fold.
    fn window(&self, at: usize, len: usize) -> [f64; 3] {
        let n = self.numerology.subframe_samples();
        let (from, to) = (at % n, at % n + len);
        let [a, b] = [self.sums[from], self.sums[if to > n { to - n } else { to }]];
        let round = if to > n { self.sums[n] } else { [0.0; 3] };
        std::array::from_fn(|i| b[i] - a[i] + round[i])
    }

    /// Returns the correlation of all prefixes for subframes that begin at `t`, and the power of prefixes and symbol
    /// ends.
    fn at(&self, t: usize) -> (Sample, f32) {
        let (mut re, mut im, mut power) = (0.0, 0.0, 0.0);
        for l in 0..self.numerology.symbols() - 1 {
            let start = t + self.numerology.symbol_start(l);
            let cp = self.numerology.cp_samples(l);
            let [r, i, p] = self.window(start, cp);
            (re, im) = (re + r, im + i);
            power += p + self.window(start + self.numerology.fft(), cp)[2];
        }
        (Sample::new(re as f32, im as f32), power as f32)
    }

    fn metric(&self, t: usize) -> f32 {
        let (sum, power) = self.at(t);
        if power > 0.0 { 2.0 * sum.norm() / power } else { 0.0 }
    }

    /// Returns the place with the strongest correlation, within `slack` samples of `t`.
    fn strongest(&self, t: usize, slack: usize) -> usize {
        let n = self.numerology.subframe_samples();
        let near = (0..=2 * slack).map(|d| (t + n + d - slack) % n);
        let strength = |t: usize| self.at(t).0.norm_sqr();
        let better = |a: (usize, f32), b: (usize, f32)| if b.1 > a.1 { b } else { a };
        near.map(|t| (t, strength(t))).fold((t % n, -1.0), better).0
    }

    /// Returns the power in the last symbol against the mean.
    fn quietness(&self, t: usize) -> f32 {
        let n = self.numerology.subframe_samples();
        let start = t + self.numerology.symbol_start(self.numerology.symbols() - 1);
        let len = self.numerology.fft();
        let last = self.window(start, len)[2] / len as f64;
        let all = self.sums[n][2] / n as f64;
        if all > 0.0 { (last / all) as f32 } else { 1.0 }
    }
}

/// Sorts a few timings, the cheapest first.
fn sort_by_cost(timings: &mut [Timing], cost: &mut [f32]) {
    for i in 1..timings.len() {
        let mut j = i;
        while j > 0 && cost[j] < cost[j - 1] {
            timings.swap(j, j - 1);
            cost.swap(j, j - 1);
            j -= 1;
        }
    }
}
