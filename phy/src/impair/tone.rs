//! Spectral lines that a receiver generates itself: the DC line of a direct conversion, spurs of clocks and synthesizers.

use super::offset::phase_of_turns;
use crate::Sample;
use crate::kernel::elementary::cos_sin;
use crate::units::Hertz;

/// Adds a line to a stream: `amplitude * exp(j 2 pi n frequency / sample_rate)` is added to sample `n`.
#[derive(Clone, Copy, Debug)]
pub struct Tone {
    amplitude: Sample,
    /// Phase of the next sample and its step, in units of 2⁻⁶⁴ turns.
    phase: u64,
    step: u64,
}

impl Tone {
    /// Makes a line of complex `amplitude` at `frequency` (of either sign). A quotient that is not finite counts as
    /// 0: a DC line.
    pub fn new(amplitude: Sample, frequency: Hertz, sample_rate: Hertz) -> Self {
        Self { amplitude, phase: 0, step: phase_of_turns(frequency / sample_rate) }
    }

    /// Makes a constant of complex `amplitude`.
    pub fn dc(amplitude: Sample) -> Self {
        Self::new(amplitude, Hertz(0.0), Hertz(1.0))
    }

    /// Adds the line in place.
    pub fn process(&mut self, samples: &mut [Sample]) {
        for s in samples {
            let (cos, sin) = cos_sin((self.phase >> 32) as u32);
            *s += self.amplitude * Sample::new(cos, sin);
            self.phase = self.phase.wrapping_add(self.step);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impair::testing::{error_db, in_blocks, narrow, tone, wide};

    #[test]
    fn a_line_has_its_amplitude_frequency_and_phase() {
        let amplitude = Sample::new(0.3, -0.4);
        let mut x = vec![Sample::new(1.0, 2.0); 5000];
        let mut line = Tone::new(amplitude, Hertz(-1234.5), Hertz(1.92e6));
        in_blocks(&mut x, &[1, 77, 0, 1000], |block| line.process(block));
        let expected =
            |n: usize| Sample::new(1.0, 2.0) + amplitude * narrow(tone(-1234.5 / 1.92e6, n as f64));
        assert!(error_db(&x, (0..).map(|n| wide(expected(n)))) < -120.0);
    }

    #[test]
    fn a_constant_is_exact() {
        let mut x = vec![Sample::new(1.0, 2.0); 100];
        Tone::dc(Sample::new(0.5, -0.25)).process(&mut x);
        assert_eq!(x, vec![Sample::new(1.5, 1.75); 100]);
    }
}
