//! A radio whose transmissions grow weaker: the path to a relay that goes away. What it receives stays as it is.

use crate::Sample;
use sidelink_phy::units::Decibel;
use sidelink_radio::{Event, Interrupt, RadioError, Transmit};

/// How a radio fades.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fade {
    /// Milliseconds after which it begins.
    pub(crate) from: u64,
    /// Decibels it loses in a second.
    pub(crate) slope: Decibel,
    /// Decibels it loses at most.
    pub(crate) most: Decibel,
}

impl Fade {
    /// What is lost after this many milliseconds.
    pub(crate) fn at(&self, millis: f64) -> Decibel {
        let lost = (millis - self.from as f64).max(0.0) / 1000.0 * self.slope.0;
        Decibel(lost.min(self.most.0))
    }
}

/// The transmitting end of a radio that fades.
pub(super) struct Fading {
    pub(super) inner: Box<dyn Transmit>,
    pub(super) fade: Fade,
    /// Samples a millisecond.
    pub(super) rate: f64,
    pub(super) burst: Vec<Sample>,
}

impl Transmit for Fading {
    fn transmit(&mut self, first: u64, burst: &[Sample]) -> Result<(), RadioError> {
        let lost = self.fade.at(first as f64 / self.rate);
        let gain = 10f32.powf(-lost.to_f32() / 20.0);
        self.burst.clear();
        self.burst.extend(burst.iter().map(|sample| sample * gain));
        self.inner.transmit(first, &self.burst)
    }

    fn advance(&mut self, until: u64) -> Result<(), RadioError> {
        self.inner.advance(until)
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.inner.poll_event()
    }

    fn interrupt(&self) -> Option<Interrupt> {
        self.inner.interrupt()
    }

    fn now(&self) -> Option<f64> {
        self.inner.now()
    }
}
