//! Noise and interference of several antennas: their covariance in an allocation, from what the estimated channels leave
//! of the reference signals.
//!
//! ```text
//! residuals of every cell and symbol -> correlation over groups of 1, 2, 4 .. cells or all of them
//!   no evidence   independent noise           maximum ratio combining
//!   evidence      one matrix a group          interference rejection: as narrow groups as the data support
//! ```
//!
//! Matrices are normalised: 1 is the mean noise of an antenna in the whole allocation.

use super::branch::Branch;
use crate::Sample;
use crate::units::Antennas;

const MAX: usize = Antennas::MAX;

/// A Hermitian matrix over the antennas.
pub(crate) type Matrix = [[Sample; MAX]; MAX];

/// Subcarriers over which an interferer's channel hardly changes.
const CELL: usize = 6;

/// Gain in log-likelihood from which residuals count as correlated: independent ones reach it once in 1000 allocations
/// of two antennas.
const EVIDENCE: f32 = 7.0;

/// Cost of a parameter of the model in log-likelihood, which narrower groups must be worth.
const PARAMETER: f32 = 1.5;

/// Least number of residuals of a group, against the number of antennas.
const LEAST: f32 = 8.0;

/// Covariance of the noise and interference of an allocation.
#[derive(Clone, Debug)]
pub(crate) struct Covariance {
    /// Sums of products by cell.
    cells: Vec<Matrix>,
    /// Normalised covariance of each group in use; empty for independent noise.
    groups: Vec<Matrix>,
    /// Cells of a group.
    width: usize,
}

impl Covariance {
    /// Makes room for a carrier of `m_max` subcarriers; a single antenna needs none.
    pub(super) fn new(m_max: usize, antennas: Antennas) -> Self {
        let cells = if antennas == Antennas::ONE { 0 } else { m_max / CELL };
        Self { cells: Vec::with_capacity(cells), groups: Vec::with_capacity(cells), width: 1 }
    }

    /// Returns the matrix for subcarrier `k` of the allocation, `None` if the noise of the antennas is independent.
    pub(crate) fn at(&self, k: usize) -> Option<&Matrix> {
        self.groups.get((k / CELL / self.width).min(self.groups.len().saturating_sub(1)))
    }

    /// Takes the noise of the antennas for independent.
    pub(super) fn clear(&mut self) {
        self.groups.clear();
    }

    /// Returns the number of groups with a matrix of their own; 0 if the noise of the antennas is independent.
    pub(crate) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Returns the subcarriers of group `index` in an allocation of `m_sc`.
    pub(crate) fn subcarriers(&self, index: usize, m_sc: usize) -> std::ops::Range<usize> {
        let start = CELL * self.width * index;
        start..if index + 1 < self.groups.len() { start + CELL * self.width } else { m_sc }
    }

    /// Returns the mean ratio of signal and noise after rejection; the estimated channels have the share `spent` of the
    /// noise.
    pub(super) fn ratio(&self, branches: &[Branch], m_sc: usize, spent: f32) -> f32 {
        let mut sum = 0.0;
        for g in 0..self.groups.len() {
            let Some(inverse) = inverse(&self.groups[g]) else { continue };
            for k in self.subcarriers(g, m_sc) {
                let mut h = [Sample::default(); MAX];
                for (h, branch) in h.iter_mut().zip(branches).filter(|(_, b)| b.is_heard()) {
                    *h = branch.smooth[0][k] * (1.0 / branch.noise.sqrt());
                }
                for a in 0..branches.len() {
                    for b in 0..branches.len() {
                        sum += (h[a].conj() * inverse[a][b] * h[b]).re;
                    }
                }
            }
        }
        // noise is part of the estimated channels
        sum / m_sc as f32 - spent * branches.iter().filter(|b| b.is_heard()).count() as f32
    }

    /// Measures the residuals of an allocation, of which `freedom` are free.
    pub(super) fn measure(&mut self, branches: &[Branch], m_sc: usize, n_d: usize, freedom: f32) {
        self.groups.clear();
        let heard = branches.iter().filter(|b| b.is_heard()).count();
        if branches.len() < 2 || heard < 2 || m_sc < CELL {
            return;
        }
        self.correlate(branches, m_sc, n_d);
        let count = self.cells.len();
        let a_cell = freedom / count as f32;
        let scale = self.scale(branches, count as f32);
        let whole = self.normalised(0..count, &scale);
        let likelihood = |m: &Matrix| determinant(m).map_or(f32::NEG_INFINITY, |d| -d.max(1e-30).ln());
        let parameters = (heard * heard) as f32;
        let evidence = freedom * likelihood(&whole);
        // independent noise, of the same power in the whole allocation
        let mut best = (EVIDENCE * (heard * (heard - 1) / 2) as f32, 0);
        if evidence > best.0 && a_cell * count as f32 >= LEAST * heard as f32 {
            best = (evidence, count);
        }
        let mut width = 1;
        while width < count {
            let groups = count / width;
            let residuals = a_cell * width as f32;
            if residuals >= LEAST * heard as f32 {
                let gain: f32 = (0..groups)
                    .map(|g| {
                        let range = range(g, groups, width, count);
                        let len = range.len();
                        a_cell * len as f32 * likelihood(&self.normalised(range, &scale))
                    })
                    .sum();
                let worth = gain - PARAMETER * parameters * (groups - 1) as f32;
                if worth > best.0 {
                    best = (worth, width);
                }
            }
            width *= 2;
        }
        if best.1 > 0 {
            self.form(best.1, a_cell, &scale);
        }
    }

    /// Sums the products of the residuals of all antennas by cell.
    fn correlate(&mut self, branches: &[Branch], m_sc: usize, n_d: usize) {
        self.cells.clear();
        self.cells.resize(m_sc / CELL, Matrix::default());
        for m in 0..n_d {
            for (p, sums) in self.cells.iter_mut().enumerate() {
                let mut residual = [[Sample::default(); CELL]; MAX];
                for (out, branch) in residual.iter_mut().zip(branches).filter(|(_, b)| b.is_heard()) {
                    let (ls, smooth) = branch.row(m);
                    for ((out, x), h) in out.iter_mut().zip(&ls[CELL * p..]).zip(&smooth[CELL * p..]) {
                        *out = x - h;
                    }
                }
                for a in 0..branches.len() {
                    for b in 0..=a {
                        let products = residual[a].iter().zip(&residual[b]).map(|(x, y)| x * y.conj());
                        sums[a][b] += products.sum::<Sample>();
                    }
                }
            }
        }
    }

    /// Returns the factor of each antenna that makes the mean power of its residuals 1; 0 for one that is not heard.
    fn scale(&self, branches: &[Branch], cells: f32) -> [f32; MAX] {
        let mut scale = [0.0; MAX];
        for (a, (scale, branch)) in scale.iter_mut().zip(branches).enumerate() {
            let power: f32 = self.cells.iter().map(|m| m[a][a].re).sum();
            if branch.is_heard() && power > 0.0 {
                *scale = (cells / power).sqrt();
            }
        }
        scale
    }

    /// Returns the mean matrix of a range of cells, normalised; 1 on the diagonal for antennas that are not heard.
    fn normalised(&self, range: std::ops::Range<usize>, scale: &[f32; MAX]) -> Matrix {
        let mut sum = Matrix::default();
        let count = range.len() as f32;
        for m in &self.cells[range] {
            for (sum, row) in sum.iter_mut().zip(m) {
                sum.iter_mut().zip(row).for_each(|(s, x)| *s += x);
            }
        }
        for a in 0..MAX {
            for b in 0..a {
                sum[a][b] *= scale[a] * scale[b] / count;
                sum[b][a] = sum[a][b].conj();
            }
            let own = sum[a][a].re * scale[a] * scale[a] / count;
            sum[a][a] = Sample::new(if scale[a] > 0.0 { own } else { 1.0 }, 0.0);
        }
        sum
    }

    /// Takes groups of `width` cells into use, each regularised towards its diagonal.
    fn form(&mut self, width: usize, a_cell: f32, scale: &[f32; MAX]) {
        let count = self.cells.len();
        let groups = (count / width).max(1);
        self.width = width;
        for g in 0..groups {
            let range = range(g, groups, width, count);
            let residuals = a_cell * range.len() as f32;
            let mut matrix = self.normalised(range, scale);
            regularise(&mut matrix, residuals);
            self.groups.push(matrix);
        }
    }
}

/// Returns the cells of group `g`; the last one has the rest too.
fn range(g: usize, groups: usize, width: usize, count: usize) -> std::ops::Range<usize> {
    width * g..if g + 1 < groups { width * (g + 1) } else { count }
}

/// Shrinks the correlations by what `residuals` of independent noise would show: much where they are weak, hardly where
/// they are strong.
fn regularise(matrix: &mut Matrix, residuals: f32) {
    let diagonal: f32 = (0..MAX).map(|a| matrix[a][a].re).product();
    let independent = determinant(matrix).map_or(0.0, |d| (d / diagonal.max(1e-30)).clamp(0.0, 1.0));
    let correlated = (1.0 - independent).max(1e-6);
    let keep = (1.0 - independent * independent / (residuals * correlated)).clamp(0.0, 1.0 - 1e-5);
    for a in 0..MAX {
        for b in 0..MAX {
            if a != b {
                matrix[a][b] *= keep;
            }
        }
    }
}

/// Returns the determinant of a positive definite matrix; `None` if it is none.
fn determinant(matrix: &Matrix) -> Option<f32> {
    let factor = cholesky(matrix)?;
    Some((0..MAX).map(|i| factor[i][i].re * factor[i][i].re).product())
}

/// Returns the lower triangle `L` with `matrix = L L^H`; `None` if the matrix is not positive definite.
pub(crate) fn cholesky(matrix: &Matrix) -> Option<Matrix> {
    let mut l = Matrix::default();
    for i in 0..MAX {
        for j in 0..=i {
            let sum: Sample = (0..j).map(|k| l[i][k] * l[j][k].conj()).sum();
            let rest = matrix[i][j] - sum;
            if i == j {
                if rest.re.is_nan() || rest.re <= 0.0 {
                    return None;
                }
                l[i][i] = Sample::new(rest.re.sqrt(), 0.0);
            } else {
                l[i][j] = rest * (1.0 / l[j][j].re);
            }
        }
    }
    Some(l)
}

/// Returns the inverse of a positive definite matrix; `None` if it is none.
pub(crate) fn inverse(matrix: &Matrix) -> Option<Matrix> {
    let l = cholesky(matrix)?;
    // columns of the inverse of L, by forward substitution
    let mut m = Matrix::default();
    for c in 0..MAX {
        for i in c..MAX {
            let unit = if i == c { 1.0 } else { 0.0 };
            let sum: Sample = (c..i).map(|k| l[i][k] * m[k][c]).sum();
            m[i][c] = (Sample::new(unit, 0.0) - sum) * (1.0 / l[i][i].re);
        }
    }
    let product = |i: usize, j: usize| (i.max(j)..MAX).map(|k| m[k][i].conj() * m[k][j]).sum::<Sample>();
    Some(std::array::from_fn(|i| std::array::from_fn(|j| product(i, j))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impair::rng::Rng;

    fn random_matrix(rng: &mut Rng) -> Matrix {
        let x: Vec<[Sample; MAX]> =
            (0..12).map(|_| std::array::from_fn(|_| rng.complex_gaussian())).collect();
        std::array::from_fn(|i| std::array::from_fn(|j| x.iter().map(|x| x[i] * x[j].conj()).sum::<Sample>()))
    }

    #[test]
    fn an_inverse_undoes_its_matrix() {
        let mut rng = Rng::new(3);
        for _ in 0..20 {
            let matrix = random_matrix(&mut rng);
            let inverse = inverse(&matrix).unwrap();
            for i in 0..MAX {
                for j in 0..MAX {
                    let sum: Sample = (0..MAX).map(|k| matrix[i][k] * inverse[k][j]).sum();
                    let unit = if i == j { 1.0 } else { 0.0 };
                    assert!((sum - Sample::new(unit, 0.0)).norm() < 1e-3, "{i} {j} {sum}");
                }
            }
        }
        assert!(inverse(&Matrix::default()).is_none());
        assert!(inverse(&[[Sample::new(f32::NAN, 0.0); MAX]; MAX]).is_none());
    }

    /// Correlations as weak as those of noise vanish, strong ones stay.
    #[test]
    fn weak_correlations_are_shrunk() {
        for (correlation, residuals, least, most) in
            [(0.1, 96.0, 0.0, 0.01), (0.5, 96.0, 0.47, 0.5), (0.999, 48.0, 0.9989, 0.9991)]
        {
            let mut matrix = Matrix::default();
            (0..MAX).for_each(|a| matrix[a][a] = Sample::new(1.0, 0.0));
            (matrix[0][1], matrix[1][0]) = (Sample::new(correlation, 0.0), Sample::new(correlation, 0.0));
            regularise(&mut matrix, residuals);
            assert!((least..=most).contains(&matrix[0][1].re), "{correlation}: {}", matrix[0][1]);
        }
    }
}
