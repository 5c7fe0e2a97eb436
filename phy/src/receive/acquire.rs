//! Where subframes begin, in samples that hold no synchronisation signal: from the cyclic prefixes and the empty last
//! symbol of each subframe (TS 36.211 §9.2.5), folded over many subframes.

use crate::Sample;
use crate::numerology::Numerology;

/// Timing found without a synchronisation signal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// Sample at which the subframes begin, 0 to `subframe_samples() - 1`.
    pub offset: usize,
    /// Carrier offset in Hz, ±7.5 kHz.
    pub cfo_hz: f64,
    /// Normalised correlation of the prefixes, 0 to 1.
    pub metric: f32,
}

/// Least metric of a timing; noise over one subframe stays below 0.15.
const MIN_METRIC: f32 = 0.25;

/// Metrics that differ by less than this share are told apart by the empty symbol.
const TIE: f32 = 0.93;

/// Folds samples to one subframe. Holds its buffers.
pub struct Acquisition {
    numerology: Numerology,
    correlation: Vec<Sample>,
    power: Vec<f32>,
}

impl Acquisition {
    /// For a carrier.
    pub fn new(numerology: Numerology) -> Self {
        let n = numerology.subframe_samples();
        Self { numerology, correlation: vec![Sample::default(); n], power: vec![0.0; n] }
    }

    /// The timing of `samples`, `None` when nothing in them has the structure of a subframe.
    pub fn find(&mut self, samples: &[Sample]) -> Option<Timing> {
        let n = self.numerology.subframe_samples();
        let fft = self.numerology.fft();
        if samples.len() < n / 2 {
            return None;
        }
        self.correlation.fill(Sample::default());
        self.power.fill(0.0);
        for (i, x) in samples.iter().enumerate() {
            self.power[i % n] += x.norm_sqr();
        }
        for (i, (x, y)) in samples.iter().zip(&samples[fft.min(samples.len())..]).enumerate() {
            self.correlation[i % n] += x.conj() * y;
        }
        let total: f32 = self.power.iter().sum();
        if total <= 0.0 {
            return None;
        }
        let metric = |t: usize| self.metric(t);
        let best = (0..n).max_by(|&a, &b| metric(a).0.total_cmp(&metric(b).0))?;
        // one symbol off, twelve of thirteen prefixes still fit: the quiet symbol decides
        let symbol = fft + self.numerology.cp_samples(1);
        let mut chosen = (best, self.quietness(best));
        for off in [n - symbol, symbol, n - 2 * symbol, 2 * symbol] {
            let about = (best + off) % n;
            let near = (0..=2 * (fft / 64)).map(|d| (about + n + d - fft / 64) % n);
            let Some(t) = near.max_by(|&a, &b| metric(a).0.total_cmp(&metric(b).0)) else { continue };
            let quiet = self.quietness(t);
            if metric(t).0 > TIE * metric(best).0 * 12.0 / 13.0 && quiet < 0.5 * chosen.1 {
                chosen = (t, quiet);
            }
        }
        let (value, turn) = metric(chosen.0);
        (value >= MIN_METRIC).then(|| Timing {
            offset: chosen.0,
            // the half-subcarrier shift turns the useful part against its prefix by half a turn
            cfo_hz: (-turn).im.atan2((-turn).re) as f64 / (2.0 * std::f64::consts::PI)
                * self.numerology.sample_rate()
                / fft as f64,
            metric: value,
        })
    }

    /// Normalised correlation of all prefixes when the subframe begins at `t`, and their sum.
    fn metric(&self, t: usize) -> (f32, Sample) {
        let n = self.numerology.subframe_samples();
        let fft = self.numerology.fft();
        let (mut sum, mut power) = (Sample::default(), 0.0);
        for l in 0..self.numerology.symbols() - 1 {
            let start = t + self.numerology.symbol_start(l);
            let cp = self.numerology.cp_samples(l);
            // every fourth sample is enough to place it
            for i in (0..cp).step_by(4) {
                let at = (start + i) % n;
                sum += self.correlation[at];
                power += self.power[at] + self.power[(at + fft) % n];
            }
        }
        (2.0 * sum.norm() / power.max(1e-20), sum)
    }

    /// Power in the last symbol against the mean.
    fn quietness(&self, t: usize) -> f32 {
        let n = self.numerology.subframe_samples();
        let start = t + self.numerology.symbol_start(self.numerology.symbols() - 1);
        let len = self.numerology.fft();
        let last: f32 = (start..start + len).step_by(4).map(|i| self.power[i % n]).sum();
        let all: f32 = self.power.iter().step_by(4).sum();
        last / len as f32 / (all / n as f32).max(1e-20)
    }
}
