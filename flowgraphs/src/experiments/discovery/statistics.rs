//! Figures with their 95 % confidence intervals. Seeds are independent; what one seed gives is not.

use serde::{Deserialize, Serialize};
use sidelink_phy::impair::rng::Rng;

/// A figure and half the width of its 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// The estimate.
    pub(crate) mean: f64,
    /// Half the width of the interval; `None` for a single seed.
    pub(crate) ci: Option<f64>,
}

#[cfg(test)]
impl Figure {
    /// Whether a prediction lies within the interval.
    pub(crate) fn holds(&self, predicted: f64) -> bool {
        self.ci.is_some_and(|ci| (self.mean - predicted).abs() <= ci)
    }
}

/// 97.5 % quantiles of Student's distribution, for 1 to 30 degrees of freedom.
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// The same of the normal distribution.
pub(crate) const NORMAL: f64 = 1.960;

/// Returns the mean of one value a seed, by Student's distribution; `None` without values.
pub(crate) fn mean(seeds: &[f64]) -> Option<Figure> {
    let n = seeds.len() as f64;
    let mean = (n > 0.0).then(|| seeds.iter().sum::<f64>() / n)?;
    let ci = (seeds.len() > 1).then(|| {
        let variance = seeds.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        STUDENT.get(seeds.len() - 2).copied().unwrap_or(NORMAL) * (variance / n).sqrt()
    });
    Some(Figure { mean, ci })
}

/// Returns a share of hits among chances, both of each seed: the ratio of the sums, its interval by the spread of the
/// seeds (linearised). `None` without chances.
pub(crate) fn share(seeds: &[(u64, u64)]) -> Option<Figure> {
    let n = seeds.len() as f64;
    let (hits, chances) = seeds.iter().fold((0.0, 0.0), |(h, c), (x, y)| (h + *x as f64, c + *y as f64));
    if chances == 0.0 {
        return None;
    }
    let mean = hits / chances;
    let ci = (seeds.len() > 1).then(|| {
        let off = |(x, y): &(u64, u64)| (*x as f64 - mean * *y as f64).powi(2);
        let variance = seeds.iter().map(off).sum::<f64>() / (n - 1.0);
        STUDENT.get(seeds.len() - 2).copied().unwrap_or(NORMAL) * (variance / n).sqrt() / (chances / n)
    });
    Some(Figure { mean, ci })
}

/// Returns a quantile of all values of all seeds, its interval by resampling seeds. `None` without values.
pub(crate) fn quantile(seeds: &[Vec<f64>], share: f64) -> Option<Figure> {
    const RESAMPLED: usize = 400;
    let of = |chosen: &mut dyn Iterator<Item = &Vec<f64>>| {
        let mut all: Vec<f64> = chosen.flatten().copied().collect();
        all.sort_by(f64::total_cmp);
        let rank = (share * all.len() as f64).ceil() as usize;
        all.get(rank.max(1) - 1).copied()
    };
    let mean = of(&mut seeds.iter())?;
    let ci = (seeds.len() > 1).then(|| {
        let mut rng = Rng::new(seeds.len() as u64);
        let mut draws: Vec<f64> = (0..RESAMPLED)
            .filter_map(|_| {
                let chosen: Vec<&Vec<f64>> =
                    seeds.iter().map(|_| &seeds[rng.below(seeds.len() as u64) as usize]).collect();
                of(&mut chosen.into_iter())
            })
            .collect();
        draws.sort_by(f64::total_cmp);
        let at = |share: f64| draws[((share * draws.len() as f64) as usize).min(draws.len() - 1)];
        (at(0.975) - at(0.025)) / 2.0
    });
    Some(Figure { mean, ci })
}

/// Returns the interval of a count of rare events: half the width of the 95 % interval of a Poisson number, by the
/// approximation of Wilson and Hilferty.
pub(crate) fn poisson(count: u64) -> (f64, f64) {
    let n = count as f64;
    let bound = |n: f64, z: f64| n * (1.0 - 1.0 / (9.0 * n) + z / (3.0 * n.sqrt())).powi(3);
    (if count == 0 { 0.0 } else { bound(n, -NORMAL) }, bound(n + 1.0, NORMAL))
}

/// Whether a count of rare events is within 4 standard deviations of a prediction: a fifth of variance is allowed for what
/// they have in common, and one event for small predictions.
pub(crate) fn is_near(count: usize, predicted: f64) -> bool {
    (count as f64 - predicted).abs() <= 4.0 * (1.2 * predicted).sqrt() + 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: 4 values of mean 5 and standard deviation 2.582; 3.182 * 2.582 / 2.
    #[test]
    fn intervals_of_means_are_students() {
        let figure = mean(&[2.0, 4.0, 6.0, 8.0]).unwrap();
        assert_eq!(figure.mean, 5.0);
        assert!((figure.ci.unwrap() - 4.108).abs() < 1e-3, "{figure:?}");
        assert_eq!(mean(&[3.0]).unwrap().ci, None);
        assert_eq!(mean(&[]), None);
        assert!(figure.holds(8.9) && !figure.holds(9.2));
    }

    /// In 1000 draws of 10 seeds, 95 % of the intervals hold the truth.
    #[test]
    fn intervals_hold_as_often_as_they_say() {
        let mut rng = Rng::new(1);
        let holds = (0..1000)
            .filter(|_| {
                let seeds: Vec<(u64, u64)> =
                    (0..10).map(|_| ((0..50).filter(|_| rng.uniform() < 0.8).count() as u64, 50)).collect();
                share(&seeds).unwrap().holds(0.8)
            })
            .count();
        assert!((925..=975).contains(&holds), "{holds}");
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let seeds = [(1..=10).map(f64::from).collect(), (11..=20).map(f64::from).collect::<Vec<_>>()];
        assert_eq!(quantile(&seeds, 0.95).unwrap().mean, 19.0);
        assert!(quantile(&seeds, 0.5).unwrap().ci.unwrap() > 0.0);
        assert_eq!(quantile(&[Vec::new()], 0.5), None);
    }

    /// 70 400 blocks of chance against 19 codes of 8 bits: a block that fits two counts once.
    #[test]
    fn counts_are_near_what_is_predicted() {
        let once = 70_400.0 * (1.0 - (255.0_f64 / 256.0).powi(19));
        assert!(is_near(5043, once), "{once}");
        assert!(!is_near(5600, once) && !is_near(4500, once), "{once}");
    }

    /// Tables of the Poisson distribution: 0 gives 3.69, 10 gives 4.80 to 18.39.
    #[test]
    fn intervals_of_rare_events() {
        let (_, high) = poisson(0);
        assert!((high - 3.689).abs() < 0.1, "{high}");
        let (low, high) = poisson(10);
        assert!((low - 4.795).abs() < 0.05 && (high - 18.39).abs() < 0.05, "{low} {high}");
    }
}
