//! Several antennas: their number, and their quality over a recording.

use sidelink_phy::receive::receiver::Event;
use sidelink_phy::units::{Antennas, Decibel};
use sidelink_radio::Description;

/// Returns the line about a radio at the start of a command; it says how many antennas receive if there are several.
pub fn start_line(radio: &Description) -> String {
    let antennas = match radio.antennas {
        Antennas::ONE => String::new(),
        several => format!(", {several} antennas"),
    };
    format!("{}, {:.2} MS/s{antennas}; Ctrl-C ends it", radio.name, radio.rate / 1e6)
}

/// An antenna is weak if its signal stands this much less above its noise than that of the best, in dB.
const WEAK: f64 = 20.0;

/// Signal and noise of each antenna, averaged over what was decoded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quality {
    /// Sums of the powers of a resource element.
    signal: [f64; Antennas::MAX],
    noise: [f64; Antennas::MAX],
    antennas: usize,
}

impl Quality {
    /// Makes it for a number of antennas.
    pub fn new(antennas: Antennas) -> Self {
        Self { antennas: antennas.count(), ..Self::default() }
    }

    /// Adds the measurement of an event.
    pub fn add(&mut self, event: &Event<'_>) {
        let Some(measurement) = event.measurement() else { return };
        let measured = &measurement.antennas;
        self.antennas = self.antennas.max(measured.count());
        let powers = measured.signals().iter().zip(measured.noises());
        for ((signal, noise), (s, n)) in self.signal.iter_mut().zip(&mut self.noise).zip(powers) {
            (*signal, *noise) = (*signal + f64::from(*s), *noise + f64::from(*n));
        }
    }

    /// Returns the signal to noise ratio of each antenna in dB, `None` for one that received nothing; empty for a single
    /// antenna.
    pub fn snr(&self) -> Vec<Option<Decibel>> {
        let several = if self.antennas > 1 { self.antennas } else { 0 };
        let powers = self.signal.iter().zip(&self.noise).take(several);
        powers.map(|(s, n)| (*s > 0.0 && *n > 0.0).then(|| Decibel::of_ratio(s / n))).collect()
    }

    /// Returns what an operator should know: antennas that hear nothing, or far less than the best.
    pub fn warnings(&self) -> Vec<String> {
        let all = self.snr();
        let best = all.iter().copied().enumerate().filter_map(|(i, snr)| Some((i, snr?.0)));
        let Some((first, best)) = best.max_by(|a, b| a.1.total_cmp(&b.1)) else { return Vec::new() };
        let words = |(antenna, snr): (usize, &Option<Decibel>)| match snr {
            None => Some(format!("antenna {antenna} received nothing: is it connected?")),
            Some(snr) if best - snr.0 > WEAK => Some(format!(
                "the signal stands {:.0} dB less above the noise at antenna {antenna} than at antenna {first}: is it connected?",
                best - snr.0
            )),
            Some(_) => None,
        };
        all.iter().enumerate().filter_map(words).collect()
    }
}

#[cfg(test)]
mod tests;
