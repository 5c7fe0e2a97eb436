//! Smoothing over frequency: moving averages whose width is chosen from the data.

use crate::Sample;

/// Half-widths in subcarriers, widest first; the first means the whole allocation.
pub(super) const HALF_WIDTHS: [usize; 6] = [usize::MAX, 40, 18, 9, 4, 2];

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
                let left: f32 = out.iter().map(|x| x.norm_sqr()).sum::<f32>() / m_sc as f32;
                let gain = smoother.gain(window, m_sc);
                assert!(left < 3.0 / gain, "{m_sc}, window {window}: {left}");
            }
        }
    }
}
