//! An erasure code: of N = K + parity fragments of one size any K give back the K of the message. Systematic Cauchy
//! Reed-Solomon code over GF(2^8) with the polynomial x^8 + x^4 + x^3 + x^2 + 1.
//!
//! Fragments 0 to K - 1 are the message. Fragment r >= K is the sum over j < K of fragment j divided by r + j: the
//! coefficients are a Cauchy matrix, of which every square part has an inverse. They do not depend on N, so that a
//! sender can make further parity at any time.
//!
//! The code corrects fragments that are missing, not fragments that are wrong: a wrong one gives a wrong message, and
//! the caller needs a check of its own. Fragments are public, and the time depends on which are missing.

use core::fmt;

/// Largest number of fragments, parity included.
pub const MAX_FRAGMENTS: usize = 255;

/// Refusal of fragments, or of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The caller: K is 0, or K and parity are more than [`MAX_FRAGMENTS`].
    Shape {
        /// K.
        data: usize,
        /// Fragments of parity.
        parity: usize,
    },
    /// The caller: other than K fragments were given.
    Count {
        /// K.
        needed: usize,
        /// Fragments given.
        have: usize,
    },
    /// The caller: a fragment has no octets, or another size than the first.
    Size {
        /// Octets of the first.
        first: usize,
        /// Octets of this one.
        have: usize,
    },
    /// The caller: there is no fragment of this index, or it was given twice.
    Index(u8),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { data, parity } => write!(
                f,
                "{data} fragments and {parity} of parity: at least 1 and together at most {MAX_FRAGMENTS} are possible"
            ),
            Self::Count { needed, have } => write!(f, "{have} fragments were given, {needed} are needed"),
            Self::Size { first, have } => {
                write!(
                    f,
                    "a fragment has {have} octets, the first one {first}: all have one size, which is not 0"
                )
            }
            Self::Index(index) => write!(f, "fragment {index} does not exist, or was given twice"),
        }
    }
}

impl std::error::Error for Error {}

/// A code: K, and the number of fragments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    data: u8,
    total: u8,
}

impl Code {
    /// Makes a code of `data` fragments, which is K, and `parity` further ones.
    ///
    /// # Errors
    /// K is 0, or there are more than [`MAX_FRAGMENTS`] in all.
    pub fn new(data: usize, parity: usize) -> Result<Self, Error> {
        let total = data.checked_add(parity).and_then(|total| u8::try_from(total).ok());
        match (u8::try_from(data), total) {
            (Ok(data @ 1..), Some(total)) => Ok(Self { data, total }),
            _ => Err(Error::Shape { data, parity }),
        }
    }

    /// Returns K.
    pub const fn data(self) -> usize {
        self.data as usize
    }

    /// Returns the number of fragments, parity included.
    pub const fn total(self) -> usize {
        self.total as usize
    }

    /// Returns one fragment of those that belong to the K fragments `data`, as octets one behind the other.
    ///
    /// # Errors
    /// `data` is not K fragments of one size, or there is no such index.
    pub fn fragment(self, data: &[u8], index: u8) -> Result<Vec<u8>, Error> {
        let size = data.len() / self.data();
        if size == 0 || size * self.data() != data.len() {
            return Err(Error::Size { first: size, have: data.len() });
        }
        if index >= self.total {
            return Err(Error::Index(index));
        }
        let mut fragments = data.chunks_exact(size);
        if index < self.data {
            return fragments.nth(usize::from(index)).map(<[u8]>::to_vec).ok_or(Error::Index(index));
        }
        let mut out = vec![0; size];
        for (column, fragment) in (0..self.data).zip(fragments) {
            add_scaled(&mut out, fragment, coefficient(index, column));
        }
        Ok(out)
    }

    /// Rebuilds the K fragments of the message, one behind the other, of any K fragments with their indexes.
    ///
    /// # Errors
    /// Other than K fragments, of different sizes, or with indexes that do not exist or stand twice.
    pub fn rebuild(self, fragments: &[(u8, &[u8])]) -> Result<Vec<u8>, Error> {
        let size = self.judge(fragments)?;
        let mut out = vec![0; size * self.data()];
        let mut known = [false; MAX_FRAGMENTS];
        let (direct, parity): (Vec<_>, Vec<_>) = fragments.iter().partition(|(index, _)| *index < self.data);
        for (index, octets) in direct {
            known[usize::from(index)] = true;
            out[usize::from(index) * size..][..size].copy_from_slice(octets);
        }
        let missing: Vec<u8> = (0..self.data).filter(|&column| !known[usize::from(column)]).collect();
        // One equation for each parity fragment: its sum over the missing ones.
        let mut sums = Vec::with_capacity(parity.len());
        for (row, octets) in &parity {
            let mut sum = octets.to_vec();
            for column in (0..self.data).filter(|&column| known[usize::from(column)]) {
                add_scaled(&mut sum, &out[usize::from(column) * size..][..size], coefficient(*row, column));
            }
            sums.push(sum);
        }
        let rows: Vec<u8> = parity.iter().map(|(row, _)| *row).collect();
        solve(&rows, &missing, &mut sums);
        for (column, octets) in missing.into_iter().zip(sums) {
            out[usize::from(column) * size..][..size].copy_from_slice(&octets);
        }
        Ok(out)
    }

    /// Returns multiplications of octets that [`Self::rebuild`] needs at most, with `missing` fragments of `size` octets to
    /// rebuild.
    pub const fn work(self, missing: usize, size: usize) -> usize {
        missing * (self.data() * size + missing * missing)
    }

    /// Checks what was given, and returns the size of the fragments.
    fn judge(self, fragments: &[(u8, &[u8])]) -> Result<usize, Error> {
        if fragments.len() != self.data() {
            return Err(Error::Count { needed: self.data(), have: fragments.len() });
        }
        let mut seen = [false; MAX_FRAGMENTS];
        let first = fragments[0].1.len();
        for &(index, octets) in fragments {
            if octets.is_empty() || octets.len() != first {
                return Err(Error::Size { first, have: octets.len() });
            }
            if index >= self.total || core::mem::replace(&mut seen[usize::from(index)], true) {
                return Err(Error::Index(index));
            }
        }
        Ok(first)
    }
}

/// Returns the coefficient of fragment `column` in the parity fragment `row`. They differ: columns are below K, rows not.
const fn coefficient(row: u8, column: u8) -> u8 {
    inverse(row ^ column)
}

/// Solves the equations of the `rows` for the fragments of the `columns`, which then stand in `sums`: Gauss and Jordan.
/// No pivot is 0: each leading part of a Cauchy matrix is one too.
fn solve(rows: &[u8], columns: &[u8], sums: &mut [Vec<u8>]) {
    let of_row = |row: &u8| columns.iter().map(|column| coefficient(*row, *column)).collect();
    let mut matrix: Vec<Vec<u8>> = rows.iter().map(of_row).collect();
    for pivot in 0..matrix.len() {
        let scale = inverse(matrix[pivot][pivot]);
        scale_by(&mut matrix[pivot], scale);
        scale_by(&mut sums[pivot], scale);
        let (line, sum) = (matrix[pivot].clone(), core::mem::take(&mut sums[pivot]));
        for other in (0..matrix.len()).filter(|&other| other != pivot) {
            let factor = matrix[other][pivot];
            add_scaled(&mut matrix[other], &line, factor);
            add_scaled(&mut sums[other], &sum, factor);
        }
        sums[pivot] = sum;
    }
}

const fn multiply_slowly(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 != 0 {
            product ^= a;
        }
        a = a << 1 ^ if a & 0x80 != 0 { 0x1d } else { 0 };
        b >>= 1;
    }
    product
}

/// Powers of the generator 2, twice, and their exponents.
const TABLES: ([u8; 510], [u8; 256]) = {
    let (mut powers, mut exponents) = ([0; 510], [0; 256]);
    let (mut power, mut exponent) = (1_u8, 0);
    while exponent < 255 {
        powers[exponent] = power;
        powers[exponent + 255] = power;
        exponents[power as usize] = exponent as u8;
        power = multiply_slowly(power, 2);
        exponent += 1;
    }
    (powers, exponents)
};

const fn multiply(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 {
        return 0;
    }
    TABLES.0[TABLES.1[a as usize] as usize + TABLES.1[b as usize] as usize]
}

/// Returns 1 / a; 0 for 0, which no caller has.
const fn inverse(a: u8) -> u8 {
    if a == 0 { 0 } else { TABLES.0[255 - TABLES.1[a as usize] as usize] }
}

fn scale_by(octets: &mut [u8], factor: u8) {
    octets.iter_mut().for_each(|octet| *octet = multiply(*octet, factor));
}

fn add_scaled(sum: &mut [u8], octets: &[u8], factor: u8) {
    for (sum, octet) in sum.iter_mut().zip(octets) {
        *sum ^= multiply(*octet, factor);
    }
}

#[cfg(test)]
mod tests;
