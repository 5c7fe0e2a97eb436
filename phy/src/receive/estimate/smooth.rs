//! Smoothing over frequency: moving averages whose width the data choose.

use crate::Sample;

/// Half-widths in subcarriers, widest first; the first stands for the mean of the whole allocation.
const HALF_WIDTHS: [usize; 6] = [usize::MAX, 40, 18, 9, 4, 2];

/// Subcarriers of a symbol that are looked at when the window is chosen for each symbol by itself.
const ENOUGH: usize = 48;

/// A narrower window must lower the cross-validation score of n values below `1 - ADVANTAGE / sqrt(n)` of the best wider one:
/// the score of noise alone scatters by about `1 / sqrt(n)`, and a window that is chosen for nothing costs sensitivity.
const ADVANTAGE: f32 = 1.5;

pub(super) struct Smoother {
    sums: Vec<Sample>,
    ramp_sums: Vec<Sample>,
}

/// Whether a window is narrower than the allocation: the first one always serves.
fn fits(window: usize, m_sc: usize) -> bool {
    window == 0 || 2 * HALF_WIDTHS[window] + 1 < m_sc
}

impl Smoother {
    pub(super) fn new(max: usize) -> Self {
        let zero = |n| vec![Sample::default(); n];
        Self { sums: zero(max + 1), ramp_sums: zero(max + 1) }
    }

    /// The window with the lowest generalised cross-validation score on `x`: (RSS / M) / (1 - 1 / gain)^2.
    pub(super) fn choose(&mut self, x: &[Sample]) -> usize {
        self.accumulate(x);
        let mut rest = [0.0; HALF_WIDTHS.len()];
        for (window, rest) in rest.iter_mut().enumerate() {
            if fits(window, x.len()) {
                *rest = self.residual(window, x, 1);
            }
        }
        self.lowest(&rest, x.len(), x.len())
    }

    /// The window that serves every one of several symbols best, each smoothed by itself, and the noise power that this
    /// shows: whatever a channel does from one symbol to the next is no part of it.
    pub(super) fn choose_for_each(&mut self, symbols: &[Vec<Sample>], m_sc: usize) -> (usize, f32) {
        // a part of a wide allocation says enough
        let stride = (m_sc / ENOUGH).max(1);
        let looked_at = m_sc.div_ceil(stride) * symbols.len();
        let mut rest = [0.0; HALF_WIDTHS.len()];
        for symbol in symbols {
            let x = &symbol[..m_sc];
            self.accumulate(x);
            for (window, rest) in rest.iter_mut().enumerate() {
                if fits(window, m_sc) {
                    *rest += self.residual(window, x, stride);
                }
            }
        }
        let window = self.lowest(&rest, m_sc, looked_at);
        let freedom = 1.0 - 1.0 / self.gain(window, m_sc);
        (window, rest[window] / (looked_at as f32 * freedom))
    }

    /// The window with the lowest score, from the sums of squared residuals of each over `values` values.
    fn lowest(&self, rest: &[f32; HALF_WIDTHS.len()], m_sc: usize, values: usize) -> usize {
        let needed = 1.0 - ADVANTAGE / (values as f32).sqrt();
        let mut best = (0, f32::INFINITY);
        for (window, rest) in rest.iter().enumerate() {
            if !fits(window, m_sc) {
                continue;
            }
            let freedom = 1.0 - 1.0 / self.gain(window, m_sc);
            let score = rest / (freedom * freedom);
            if score < best.1 * if window == 0 { 1.0 } else { needed } {
                best = (window, score);
            }
        }
        best.0
    }

    /// Sum of the squared differences between `x`, which was accumulated, and what a window makes of it, at every
    /// `stride`-th subcarrier.
    fn residual(&self, window: usize, x: &[Sample], stride: usize) -> f32 {
        let m_sc = x.len();
        let half = HALF_WIDTHS[window];
        if window == 0 {
            let mean = self.sums[m_sc] * (1.0 / m_sc as f32);
            return x.iter().step_by(stride).map(|x| (x - mean).norm_sqr()).sum();
        }
        let scale = 1.0 / (2 * half + 1) as f32;
        let mut rest = 0.0;
        for k in (0..m_sc).step_by(stride) {
            let smooth = if k >= half && k + half < m_sc {
                (self.sums[k + half + 1] - self.sums[k - half]) * scale
            } else {
                self.line_at(k, k.saturating_sub(half), (k + half + 1).min(m_sc))
            };
            rest += (x[k] - smooth).norm_sqr();
        }
        rest
    }

    /// How much a window lowers the noise power in the middle of the allocation.
    pub(super) fn gain(&self, window: usize, m_sc: usize) -> f32 {
        HALF_WIDTHS[window].saturating_mul(2).saturating_add(1).min(m_sc) as f32
    }

    pub(super) fn run(&mut self, window: usize, x: &[Sample], out: &mut [Sample]) {
        self.accumulate(x);
        self.apply(window, x, out);
    }

    fn accumulate(&mut self, x: &[Sample]) {
        let (mut sum, mut ramp) = (Sample::default(), Sample::default());
        for (k, &v) in x.iter().enumerate() {
            sum += v;
            ramp += v * k as f32;
            self.sums[k + 1] = sum;
            self.ramp_sums[k + 1] = ramp;
        }
    }

    /// A moving average; at the edges, where the window is cut, a straight line through what is left of it.
    fn apply(&self, window: usize, x: &[Sample], out: &mut [Sample]) {
        let m_sc = x.len();
        let half = HALF_WIDTHS[window];
        if window == 0 {
            out.fill(self.sums[m_sc] * (1.0 / m_sc as f32));
            return;
        }
        let scale = 1.0 / (2 * half + 1) as f32;
        for k in half..m_sc - half {
            out[k] = (self.sums[k + half + 1] - self.sums[k - half]) * scale;
        }
        for k in (0..half).chain(m_sc - half..m_sc) {
            let (from, to) = (k.saturating_sub(half), (k + half + 1).min(m_sc));
            out[k] = self.line_at(k, from, to);
        }
    }

    fn line_at(&self, k: usize, from: usize, to: usize) -> Sample {
        let n = (to - from) as f32;
        let centre = (from + to - 1) as f32 / 2.0;
        let sum = self.sums[to] - self.sums[from];
        let ramp = self.ramp_sums[to] - self.ramp_sums[from] - sum * centre;
        let spread = n * (n * n - 1.0) / 12.0;
        sum * (1.0 / n) + ramp * ((k as f32 - centre) / spread.max(1.0))
    }
}
