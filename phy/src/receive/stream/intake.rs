//! The samples of a stream on their way to the history: cut into blocks, and conditioned.

use super::super::condition::Conditioner;
use super::super::diversity::is_sound;
use crate::Sample;
use crate::numerology::Numerology;
use crate::units::Antennas;

/// Cuts the samples of each antenna into blocks of a subframe, and conditions each. Allocates nothing after construction.
pub(super) struct Intake {
    /// Samples of a block.
    length: usize,
    /// One an antenna: each has a line, a level and spurs of its own.
    conditioners: Vec<Conditioner>,
    /// The block of each antenna that is being filled.
    block: Vec<Vec<Sample>>,
}

impl Intake {
    pub(super) fn new(numerology: Numerology, antennas: Antennas) -> Self {
        let length = numerology.subframe_samples();
        let antennas = antennas.count();
        Self {
            length,
            conditioners: (0..antennas).map(|_| Conditioner::new(length)).collect(),
            block: (0..antennas).map(|_| Vec::with_capacity(length)).collect(),
        }
    }

    /// Takes samples from number `from` of `samples` on, until the block is whole. Returns the number of the first that
    /// was not taken. Antennas with fewer samples than others, or without a slice, are silent for the rest.
    pub(super) fn fill(&mut self, samples: &[&[Sample]], from: usize) -> usize {
        let all = samples.iter().map(|s| s.len()).max().unwrap_or(0);
        let now = from..(from + self.length - self.block[0].len()).min(all);
        for (a, block) in self.block.iter_mut().enumerate() {
            let samples = samples.get(a).copied().unwrap_or(&[]);
            let present = now.start.min(samples.len())..now.end.min(samples.len());
            let missing = now.len() - present.len();
            block.extend_from_slice(&samples[present]);
            block.extend(std::iter::repeat_n(Sample::default(), missing));
        }
        now.end
    }

    /// Whether the block is whole.
    pub(super) fn is_whole(&self) -> bool {
        self.block[0].len() == self.length
    }

    /// Conditions the block, whole or not, and gives it away: the next one begins. The caller leaves none of its samples.
    pub(super) fn conditioned(&mut self) -> &mut [Vec<Sample>] {
        let several = self.block.len() > 1;
        for (conditioner, block) in self.conditioners.iter_mut().zip(&mut self.block) {
            conditioner.process(block);
            if several {
                // the other antennas go on
                block.iter_mut().filter(|x| !is_sound(x)).for_each(|x| *x = Sample::default());
            }
        }
        &mut self.block
    }

    /// Reports that `count` samples were lost before the next block.
    pub(super) fn skip(&mut self, count: u64) {
        self.conditioners.iter_mut().for_each(|c| c.skip(count));
    }
}
