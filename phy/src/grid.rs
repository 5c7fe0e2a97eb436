//! One subframe of resource elements.

use crate::Sample;
use crate::numerology::Numerology;

/// Resource elements of one subframe, a_{k,l}: symbol by symbol, subcarriers in order of frequency.
///
/// An average data resource element has power 1.
#[derive(Clone, Debug)]
pub struct Grid {
    subcarriers: usize,
    values: Vec<Sample>,
}

impl Grid {
    /// Makes an empty subframe.
    // TS 36.211 §9.2.1 (1)
    pub fn new(numerology: Numerology) -> Self {
        let subcarriers = numerology.subcarriers();
        Self { subcarriers, values: vec![Sample::default(); subcarriers * numerology.symbols()] }
    }

    /// Sets every resource element to zero.
    pub fn clear(&mut self) {
        self.values.fill(Sample::default());
    }

    /// Takes the values of another subframe of the same numerology.
    pub fn copy_from(&mut self, other: &Self) {
        self.subcarriers = other.subcarriers;
        self.values.clone_from(&other.values);
    }

    /// Returns the number of subcarriers, 12 N_RB.
    pub fn subcarriers(&self) -> usize {
        self.subcarriers
    }

    /// Returns the number of symbols, 14 or 12.
    pub fn symbols(&self) -> usize {
        self.values.len() / self.subcarriers
    }

    /// Returns all subcarriers of symbol `l`.
    pub fn symbol(&self, l: usize) -> &[Sample] {
        &self.values[l * self.subcarriers..][..self.subcarriers]
    }

    /// Returns all subcarriers of symbol `l`.
    pub fn symbol_mut(&mut self, l: usize) -> &mut [Sample] {
        &mut self.values[l * self.subcarriers..][..self.subcarriers]
    }

    /// Returns every value, symbol by symbol.
    pub fn values(&self) -> &[Sample] {
        &self.values
    }
}
