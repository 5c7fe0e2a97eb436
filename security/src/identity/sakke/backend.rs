//! The choice of the arithmetic at run time. All give the same results.

use std::sync::OnceLock;

use super::pairing::Lines;
use super::params::Residue;
use super::point::{Affine, Jacobian};
use super::scalar::Digits;
use super::table::{self, Fixed, PointTable};
use crate::identity::kernel::{self, Batch, Row};

/// The arithmetic of SAKKE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// Portable code.
    Portable,
    /// x86-64 with AVX-512 F and IFMA.
    Ifma,
}

impl Backend {
    /// All backends, worst first.
    pub const ALL: [Self; 2] = [Self::Portable, Self::Ifma];

    /// Returns the best one that this machine runs.
    pub fn detect() -> Self {
        if Self::Ifma.is_available() { Self::Ifma } else { Self::Portable }
    }

    /// Whether this machine runs it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Ifma => kernel::is_available(),
        }
    }

    /// Returns `self` if this machine runs it, otherwise portable code.
    pub fn or_portable(self) -> Self {
        if self.is_available() { self } else { Self::Portable }
    }

    /// Multiplies P.
    pub(crate) fn multiply_generator(self, digits: &Digits) -> Jacobian<Residue> {
        match self.or_portable() {
            Self::Portable => portable().generator.product(digits),
            Self::Ifma => ifma().generator.product(digits),
        }
    }

    /// Multiplies a point without a table.
    pub(crate) fn multiply(self, point: &Affine, digits: &Digits) -> Option<Jacobian<Residue>> {
        match self.or_portable() {
            Self::Portable => table::multiply::<Residue>(point, digits),
            Self::Ifma => table::multiply::<Row>(point, digits),
        }
    }

    /// Returns powers of g as a + i b.
    pub(crate) fn powers(self, digits: &[Digits]) -> Vec<[Residue; 2]> {
        match self.or_portable() {
            Self::Portable => portable().paired.powers(digits),
            Self::Ifma => ifma().paired.powers(digits),
        }
    }
}

/// The multiples of a point.
pub(crate) enum Multiples {
    Portable(PointTable<Residue>),
    Ifma(PointTable<Batch>),
}

impl Multiples {
    /// Computes the table of a point of order q.
    pub(crate) fn new(backend: Backend, point: &Affine) -> Self {
        match backend.or_portable() {
            Backend::Portable => Self::Portable(PointTable::new(point)),
            Backend::Ifma => Self::Ifma(PointTable::new(point)),
        }
    }

    /// Multiplies the point.
    pub(crate) fn product(&self, digits: &Digits) -> Jacobian<Residue> {
        match self {
            Self::Portable(table) => table.product(digits),
            Self::Ifma(table) => table.product(digits),
        }
    }

    /// Multiplies P and the point by scalars each, and adds both.
    pub(crate) fn products_with_generator(
        &self,
        of_generator: &[Digits],
        own: &[Digits],
    ) -> Vec<Jacobian<Residue>> {
        match self {
            Self::Portable(table) => {
                PointTable::sums_of_products([(&portable().generator, of_generator), (table, own)])
            }
            Self::Ifma(table) => {
                PointTable::sums_of_products([(&ifma().generator, of_generator), (table, own)])
            }
        }
    }
}

/// The lines of a point.
pub(crate) enum Pairing {
    Portable(Lines<Residue>),
    Ifma(Lines<Row>),
}

impl Pairing {
    /// Computes the lines of a point of order q.
    pub(crate) fn new(backend: Backend, point: &Affine) -> Self {
        match backend.or_portable() {
            Backend::Portable => Self::Portable(Lines::new(point)),
            Backend::Ifma => Self::Ifma(Lines::new(point)),
        }
    }

    /// Pairs the point with another one, as a + i b.
    pub(crate) fn pair(&self, with: &Affine) -> [Residue; 2] {
        match self {
            Self::Portable(lines) => lines.pair(with),
            Self::Ifma(lines) => lines.pair(with),
        }
    }
}

/// The tables of P and g in portable code: 1248 KiB, made at the first use.
fn portable() -> &'static Fixed<Residue> {
    static FIXED: OnceLock<Fixed<Residue>> = OnceLock::new();
    FIXED.get_or_init(Fixed::new)
}

/// The tables of P and g for AVX-512 IFMA: 1560 KiB, made at the first use.
fn ifma() -> &'static Fixed<Batch> {
    static FIXED: OnceLock<Fixed<Batch>> = OnceLock::new();
    FIXED.get_or_init(Fixed::new)
}
