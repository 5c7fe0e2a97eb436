//! Smoothing over frequency: moving averages whose width is chosen from the data.

use crate::Sample;

/// Half-widths in subcarriers, widest first; the first means the whole allocation.
pub(super) const HALF_WIDTHS: [usize; 6] = [usize::MAX, 40, 18, 9, 4, 2];

/// Subcarriers of a symbol that are examined when the window is chosen for each symbol separately.
const ENOUGH: usize = 36;

/// A narrower window must lower the cross-validation score of n values below `1 - ADVANTAGE / sqrt(n)` of the best
/// wider one: the score of noise alone scatters by about `1 / sqrt(n)`, and a window that is too narrow costs
/// sensitivity.
const ADVANTAGE: f32 = 1.5;

/// Values that are processed side by side: one addition need not wait for the one before.
const LANES: usize = 8;

pub(super) struct Smoother {
    /// Sums of the first n values.
    sums: Vec<Sample>,
    /// Sums of the n values nearest to the lower and to the upper edge.
    edge_sums: [[EdgeSum; MOST_CUT + 1]; 2],
    /// Lines of each window but the first, by distance from the edge.
    edges: [Vec<Line>; HALF_WIDTHS.len()],
}

/// Most values of a window that is cut by an edge.
const MOST_CUT: usize = 2 * HALF_WIDTHS[1];

/// Sums over the values nearest to an edge.
#[derive(Clone, Copy, Debug, Default)]
struct EdgeSum {
    values: Sample,
    /// Each value times its distance from the edge.
    ramp: Sample,
}

/// Weights at an edge that cuts the window: the straight line through the remaining values, at the middle of the
/// window, is `level * (sum of x) + slope * (sum of x, each times its distance from the edge)`.
#[derive(Clone, Copy, Debug)]
struct Line {
    level: f32,
    slope: f32,
}

impl Line {
    /// Computes the weights at `distance` subcarriers from the edge.
    fn new(half: usize, distance: usize) -> Self {
        let n = (half + 1 + distance) as f32;
        let centre = (n - 1.0) / 2.0;
        let spread = n * (n * n - 1.0) / 12.0;
        let slope = (distance as f32 - centre) / spread.max(1.0);
        Self { level: 1.0 / n - centre * slope, slope }
    }
}

impl Smoother {
    pub(super) fn new(max: usize) -> Self {
        let edges = HALF_WIDTHS.map(|half| match half {
            usize::MAX => Vec::new(),
            _ => (0..half).map(|distance| Line::new(half, distance)).collect(),
        });
        Self {
            sums: vec![Sample::default(); max + 1],
            edge_sums: [[EdgeSum::default(); MOST_CUT + 1]; 2],
            edges,
        }
    }

    /// Returns the window with the lowest generalised cross-validation score on `x`: (RSS / M) / (1 - 1 / gain)^2.
    pub(super) fn choose(&mut self, x: &[Sample]) -> usize {
        self.accumulate(x);
        let mut rest = [Residual::default(); HALF_WIDTHS.len()];
        for (window, rest) in rest.iter_mut().enumerate() {
            self.add_residual(window, x, 1, rest);
        }
        self.lowest(&rest, x.len())
    }

    /// Returns the best window for several symbols, each smoothed separately, and the noise power of its residual:
    /// changes of the channel from one symbol to the next are not part of it.
    pub(super) fn choose_for_each(&mut self, symbols: &[Vec<Sample>], m_sc: usize) -> (usize, f32) {
        // a part of a wide allocation is enough
        let stride = (m_sc / ENOUGH).max(1);
        let mut rest = [Residual::default(); HALF_WIDTHS.len()];
        for symbol in symbols {
            let x = &symbol[..m_sc];
            self.accumulate(x);
            for (window, rest) in rest.iter_mut().enumerate() {
                self.add_residual(window, x, stride, rest);
            }
        }
        let window = self.lowest(&rest, m_sc);
        (window, rest[window].mean() / (1.0 - 1.0 / self.gain(window, m_sc)))
    }

    /// Returns the window with the lowest score.
    fn lowest(&self, rest: &[Residual; HALF_WIDTHS.len()], m_sc: usize) -> usize {
        let mut best = (0, f32::INFINITY);
        for (window, rest) in rest.iter().enumerate().filter(|(_, r)| r.values > 0) {
            let freedom = 1.0 - 1.0 / self.gain(window, m_sc);
            let score = rest.mean() / (freedom * freedom);
            let needed = if window == 0 { 1.0 } else { 1.0 - ADVANTAGE / (rest.values as f32).sqrt() };
            if score < best.1 * needed {
                best = (window, score);
            }
        }
        best.0
    }

    /// Adds the residual of `window` on the accumulated `x`, at one value of `stride`; adds nothing if the window is
    /// too wide.
    fn add_residual(&self, window: usize, x: &[Sample], stride: usize, rest: &mut Residual) {
        let m_sc = x.len();
        if window == 0 {
            let mean = self.sums[m_sc] * (1.0 / m_sc as f32);
            rest.add(x, stride, |_| mean);
            return;
        }
        let half = HALF_WIDTHS[window];
        if 2 * half + 1 >= m_sc {
            return;
        }
        for (distance, line) in self.edges[window].iter().enumerate().step_by(stride) {
            let (low, high) = self.at_edges(line, distance, half);
            rest.sum += (x[distance] - low).norm_sqr() + (x[m_sc - 1 - distance] - high).norm_sqr();
            rest.values += 2;
        }
        let scale = 1.0 / (2 * half + 1) as f32;
        let (from, to) = (&self.sums[..m_sc - 2 * half], &self.sums[2 * half + 1..m_sc + 1]);
        rest.add(&x[half..m_sc - half], stride, |k| (to[k] - from[k]) * scale);
    }

    /// Returns the factor by which a window lowers the noise power in the middle of the allocation.
    pub(super) fn gain(&self, window: usize, m_sc: usize) -> f32 {
        HALF_WIDTHS[window].saturating_mul(2).saturating_add(1).min(m_sc) as f32
    }

    pub(super) fn run(&mut self, window: usize, x: &[Sample], out: &mut [Sample]) {
        self.accumulate(x);
        self.apply(window, x, out);
    }

    fn accumulate(&mut self, x: &[Sample]) {
        let mut sum = Sample::default();
        for (s, &v) in self.sums[1..].iter_mut().zip(x) {
            sum += v;
            *s = sum;
        }
        let widest = HALF_WIDTHS[1..].iter().find(|&half| 2 * half + 1 < x.len()).map_or(0, |half| 2 * half);
        let [low, high] = &mut self.edge_sums;
        sum_from_edge(x.iter().take(widest), low);
        sum_from_edge(x.iter().rev().take(widest), high);
    }

    /// Applies a moving average; at the edges, where the window is cut, a straight line through its rest.
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
        for (distance, line) in self.edges[window].iter().enumerate() {
            let (low, high) = self.at_edges(line, distance, half);
            out[distance] = low;
            out[m_sc - 1 - distance] = high;
        }
    }

    /// Returns the smoothed values at `distance` subcarriers from the lower and from the upper edge.
    fn at_edges(&self, line: &Line, distance: usize, half: usize) -> (Sample, Sample) {
        let n = half + 1 + distance;
        let [low, high] = [&self.edge_sums[0][n], &self.edge_sums[1][n]]
            .map(|sum| sum.values * line.level + sum.ramp * line.slope);
        (low, high)
    }
}

fn sum_from_edge<'a>(x: impl Iterator<Item = &'a Sample>, sums: &mut [EdgeSum; MOST_CUT + 1]) {
    let mut sum = EdgeSum::default();
    for (distance, (s, x)) in sums[1..].iter_mut().zip(x).enumerate() {
        sum.values += x;
        sum.ramp += x * distance as f32;
        *s = sum;
    }
}

/// Residual of a window: a sum of squares.
#[derive(Clone, Copy, Debug, Default)]
struct Residual {
    sum: f32,
    values: usize,
}

impl Residual {
    /// Adds the distances between `x` and `smooth`, in one group of [`LANES`] values of `stride`.
    #[inline(always)]
    fn add(&mut self, x: &[Sample], stride: usize, smooth: impl Fn(usize) -> Sample) {
        let mut sums = [0.0; LANES];
        for (group, x) in x.chunks(LANES).enumerate().step_by(stride) {
            self.values += x.len();
            for (i, (s, x)) in sums.iter_mut().zip(x).enumerate() {
                *s += (x - smooth(LANES * group + i)).norm_sqr();
            }
        }
        self.sum += sums.iter().sum::<f32>();
    }

    fn mean(&self) -> f32 {
        self.sum / self.values.max(1) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impair::rng::Rng;

    /// Every window preserves a straight line, edges included, and removes the expected share of white noise.
    #[test]
    fn windows_keep_lines_and_lower_noise() {
        let mut rng = Rng::new(2);
        for m_sc in [12, 24, 72, 96, 300, 576, 1200] {
            let mut smoother = Smoother::new(m_sc);
            let line: Vec<_> =
                (0..m_sc).map(|k| Sample::new(1.0 - 0.003 * k as f32, 0.002 * k as f32)).collect();
            let noise: Vec<_> = (0..m_sc).map(|_| rng.complex_gaussian()).collect();
            let mut out = vec![Sample::default(); m_sc];
            for window in (1..HALF_WIDTHS.len()).filter(|&w| 2 * HALF_WIDTHS[w] + 1 < m_sc) {
                smoother.run(window, &line, &mut out);
                let off = out.iter().zip(&line).map(|(a, b)| (a - b).norm()).fold(0.0, f32::max);
                assert!(off < 1e-3, "{m_sc} subcarriers, window {window}: {off}");
                smoother.run(window, &noise, &mut out);
                let direct: f32 = noise.iter().zip(&out).map(|(a, b)| (a - b).norm_sqr()).sum();
                let mut rest = Residual::default();
                smoother.add_residual(window, &noise, 1, &mut rest);
                assert_eq!(rest.values, m_sc);
                assert!((rest.sum - direct).abs() < 1e-3 * direct, "{m_sc}, window {window}: {}", rest.sum);
            }
        }
    }

    /// A channel that turns by a quarter from symbol to symbol is not noise.
    #[test]
    fn noise_of_each_symbol_is_not_motion() {
        let mut rng = Rng::new(3);
        let (mut wide, mut total) = (0, 0.0);
        for _ in 0..50 {
            let symbols: Vec<Vec<Sample>> = (0..4)
                .map(|m| {
                    let h = Sample::from_polar(10.0, 1.57 * m as f32);
                    (0..96).map(|_| h + rng.complex_gaussian()).collect()
                })
                .collect();
            let (window, noise) = Smoother::new(96).choose_for_each(&symbols, 96);
            wide += usize::from(window == 0);
            total += noise / 50.0;
        }
        assert!(wide >= 40, "{wide} of 50");
        assert!((total - 1.0).abs() < 0.05, "{total}");
    }
}
