//! Smoothing over frequency: moving averages whose width the data choose.

use crate::Sample;

/// Half-widths in subcarriers, widest first; the first stands for the mean of the whole allocation.
const HALF_WIDTHS: [usize; 6] = [usize::MAX, 40, 18, 9, 4, 2];

/// A narrower window must lower the cross-validation score below `1 - ADVANTAGE / sqrt(M_sc)` of the best wider one: the
/// score of noise alone scatters by about `1 / sqrt(M_sc)`, and a window that is chosen for nothing costs sensitivity.
const ADVANTAGE: f32 = 1.5;

pub(super) struct Smoother {
    sums: Vec<Sample>,
    ramp_sums: Vec<Sample>,
    trial: Vec<Sample>,
}

impl Smoother {
    pub(super) fn new(max: usize) -> Self {
        let zero = |n| vec![Sample::default(); n];
        Self { sums: zero(max + 1), ramp_sums: zero(max + 1), trial: zero(max) }
    }

    /// The window with the lowest generalised cross-validation score on `x`: (RSS / M) / (1 - 1 / gain)^2.
    pub(super) fn choose(&mut self, x: &[Sample]) -> usize {
        let m_sc = x.len();
        self.accumulate(x);
        let mut best = (0, f32::INFINITY);
        for window in 0..HALF_WIDTHS.len() {
            if window > 0 && 2 * HALF_WIDTHS[window] + 1 >= m_sc {
                continue;
            }
            let mut trial = std::mem::take(&mut self.trial);
            self.apply(window, x, &mut trial[..m_sc]);
            let rss: f32 = x.iter().zip(&trial).map(|(a, b)| (a - b).norm_sqr()).sum();
            self.trial = trial;
            let freedom = 1.0 - 1.0 / self.gain(window, m_sc);
            let score = rss / (freedom * freedom);
            let needed = if window == 0 { 1.0 } else { 1.0 - ADVANTAGE / (m_sc as f32).sqrt() };
            if score < best.1 * needed {
                best = (window, score);
            }
        }
        best.0
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
