//! The samples of one subframe: what everybody sends at a place is summed, and each antenna has noise of its own.

use super::program::Who;
use crate::Sample;
use sidelink_phy::impair::awgn::{Awgn, noise_power_per_sample};
use sidelink_phy::impair::offset::FrequencyOffset;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::units::{Decibel, Hertz, TransmissionMode};
use sidelink_ue::mapping::transmit::{Content, Modulator, Transmission};

/// What one radio sends in one subframe.
#[derive(Clone, Debug)]
pub(crate) struct Emission {
    /// Who sends it.
    pub(crate) who: Who,
    /// Where it is heard.
    pub(crate) place: usize,
    /// Signal or samples.
    pub(crate) signal: Signal,
    /// Carrier offset.
    pub(crate) carrier: Hertz,
    /// Gain.
    pub(crate) gain: Decibel,
    /// Samples by which it is late: within the cyclic prefix.
    pub(crate) delay: usize,
}

/// The signal of an emission.
#[derive(Clone, Debug)]
pub(crate) enum Signal {
    /// Channels that are encoded.
    Channels(Vec<Transmission>),
    /// Samples of a whole subframe, as they were heard.
    Samples(Vec<Sample>),
}

impl Emission {
    /// Returns the message that is on these PRBs, if it is encoded here.
    pub(crate) fn message(&self, at: usize) -> Option<&[u8; 29]> {
        let Signal::Channels(all) = &self.signal else { return None };
        all.iter().find_map(|t| match &t.content {
            Content::SlDch { message, prb, .. } if *prb == at => Some(message),
            _ => None,
        })
    }
}

/// The air of one subframe.
pub(super) struct Air {
    numerology: Numerology,
    modulator: Modulator,
    /// What is on the air at each place.
    sums: Vec<Vec<Sample>>,
    burst: Vec<Sample>,
}

impl Air {
    pub(super) fn new(numerology: Numerology, places: usize) -> Self {
        let silence = vec![Sample::default(); numerology.subframe_samples()];
        Self {
            numerology,
            modulator: Modulator::new(numerology, TransmissionMode::Tm2, &[numerology.cp()]),
            sums: vec![silence.clone(); places],
            burst: silence,
        }
    }

    /// Begins another subframe.
    pub(super) fn clear(&mut self) {
        self.sums.iter_mut().for_each(|sum| sum.fill(Sample::default()));
    }

    /// Adds what a radio sends. `phase` is that of its carrier, in radians.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub(super) fn send(&mut self, emission: &Emission, phase: f64) -> anyhow::Result<()> {
        match &emission.signal {
            Signal::Channels(channels) => self.modulator.render(channels, &mut self.burst)?,
            Signal::Samples(samples) => {
                self.burst.fill(Sample::default());
                self.burst.iter_mut().zip(samples).for_each(|(x, y)| *x = *y);
            }
        }
        let mut offset = FrequencyOffset::new(emission.carrier, self.numerology.sample_rate());
        offset.set_phase(phase);
        offset.process(&mut self.burst);
        let gain = emission.gain.amplitude_ratio() as f32;
        let late = self.sums[emission.place].iter_mut().skip(emission.delay);
        late.zip(&self.burst).for_each(|(sum, sample)| *sum += sample * gain);
        Ok(())
    }

    /// Returns what is on the air at a place, without the noise of an antenna.
    pub(super) fn at(&self, place: usize) -> &[Sample] {
        &self.sums[place]
    }
}

/// An antenna: its noise, and what it heard last.
pub(crate) struct Antenna {
    noise: Awgn,
    heard: Vec<Sample>,
}

impl Antenna {
    /// Makes an antenna at which a resource element of gain 0 dB has this Es/N0.
    pub(crate) fn new(numerology: Numerology, snr: Decibel, seed: u64) -> Self {
        let amplitude = 1.0 / (numerology.subcarriers() as f64).sqrt();
        let power = noise_power_per_sample(snr, amplitude, numerology.fft());
        Self { noise: Awgn::new(power, seed), heard: Vec::new() }
    }

    /// Returns the samples of a subframe with the noise.
    pub(crate) fn hear(&mut self, samples: &[Sample]) -> &[Sample] {
        self.heard.clear();
        self.heard.extend_from_slice(samples);
        self.noise.process(&mut self.heard);
        &self.heard
    }
}
