//! The kinds of damage, with the strengths of each.

use clap::ValueEnum;
use sidelink_phy::units::{Decibel, Hertz};
use std::fmt;

/// What is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Nothing: what the signal itself allows.
    None,
    /// A DC line.
    Dc,
    /// Lines beside the carrier.
    Spur,
    /// Samples are lost, and nobody says so.
    Loss,
    /// The carrier is off.
    Offset,
    /// The sample clock is off, and the carrier is not.
    Drift,
    /// The I and Q branches differ.
    Iq,
    /// The oscillator's phase walks at random.
    PhaseNoise,
    /// The converter is overdriven.
    Clip,
    /// The words are short.
    Bits,
    /// Short bursts of noise.
    Impulse,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.pad(value.as_ref().map_or("", |value| value.get_name()))
    }
}

/// One damage. Levels refer to [`Signal::power`](super::Signal::power).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Damage {
    /// None.
    None,
    /// A constant of this level.
    Dc {
        /// Level.
        level: Decibel,
    },
    /// Lines at +1.2345 MHz, and a second at -1.1003 MHz.
    Spurs {
        /// Number of lines, one or two.
        count: usize,
        /// Level of each.
        level: Decibel,
    },
    /// A run of samples is lost in the middle of the signal.
    LossOnce {
        /// Length of the run, samples.
        count: u64,
    },
    /// Runs of samples are lost periodically.
    LossEvery {
        /// Length of a run, samples.
        count: u64,
        /// Period in milliseconds.
        period_ms: u64,
    },
    /// The carrier is too high by this offset.
    Offset {
        /// Offset.
        offset: Hertz,
    },
    /// The receiver's sample clock runs too fast.
    Drift {
        /// Error in parts per million.
        ppm: f64,
    },
    /// I/Q imbalance.
    Imbalance {
        /// Gain error.
        gain: Decibel,
        /// Phase error in degrees.
        phase_degrees: f64,
    },
    /// Phase noise of a free-running oscillator.
    PhaseNoise {
        /// Width of the line.
        linewidth: Hertz,
    },
    /// I and Q saturate.
    Clipping {
        /// Level.
        level: Decibel,
    },
    /// Samples are quantised to words of 8 bits.
    Words {
        /// Level of the signal against full scale.
        level: Decibel,
        /// Constant that is added to I and to Q before, in quantiser steps.
        dc_steps: f64,
    },
    /// Bursts of noise of 1 µs.
    Impulses {
        /// Mean number of bursts a second.
        per_second: f64,
        /// Level of each.
        level: Decibel,
    },
}

impl Damage {
    /// Returns its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::None => Kind::None,
            Self::Dc { .. } => Kind::Dc,
            Self::Spurs { .. } => Kind::Spur,
            Self::LossOnce { .. } | Self::LossEvery { .. } => Kind::Loss,
            Self::Offset { .. } => Kind::Offset,
            Self::Drift { .. } => Kind::Drift,
            Self::Imbalance { .. } => Kind::Iq,
            Self::PhaseNoise { .. } => Kind::PhaseNoise,
            Self::Clipping { .. } => Kind::Clip,
            Self::Words { .. } => Kind::Bits,
            Self::Impulses { .. } => Kind::Impulse,
        }
    }

    /// Returns a name for files: kind and strength, of letters, digits and `+-._`.
    pub fn slug(&self) -> String {
        let name = format!("{} {self}", self.kind()).replace(", ", " ");
        name.trim_end().replace(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)), "_")
    }
}

/// Shows the strength.
impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::None => String::new(),
            Self::Dc { level } => format!("{level:+}"),
            Self::Spurs { count, level } => format!("{count} at {level:+}"),
            Self::LossOnce { count } => format!("{count} samples once"),
            Self::LossEvery { count, period_ms } => format!("{count} samples every {period_ms} ms"),
            Self::Offset { offset } => format!("{:+} kHz", offset.0 / 1e3),
            Self::Drift { ppm } => format!("{ppm:+} ppm"),
            Self::Imbalance { gain, phase_degrees } => format!("{gain}, {phase_degrees} deg"),
            Self::PhaseNoise { linewidth } => linewidth.to_string(),
            Self::Clipping { level } => format!("{level:+}"),
            Self::Words { level, dc_steps: 0.0 } => format!("8 bits, {level}FS"),
            Self::Words { level, dc_steps } => format!("8 bits, {level}FS, DC {dc_steps} LSB"),
            Self::Impulses { per_second, level } => format!("{per_second} /s at {level:+}"),
        };
        f.pad(&text)
    }
}

const fn dc(db: f64) -> Damage {
    Damage::Dc { level: Decibel(db) }
}

const fn spurs(count: usize, db: f64) -> Damage {
    Damage::Spurs { count, level: Decibel(db) }
}

const fn khz(khz: f64) -> Damage {
    Damage::Offset { offset: Hertz(1e3 * khz) }
}

const fn iq(db: f64, phase_degrees: f64) -> Damage {
    Damage::Imbalance { gain: Decibel(db), phase_degrees }
}

const fn linewidth(hz: f64) -> Damage {
    Damage::PhaseNoise { linewidth: Hertz(hz) }
}

const fn clipping(db: f64) -> Damage {
    Damage::Clipping { level: Decibel(db) }
}

const fn words(dbfs: f64, dc_steps: f64) -> Damage {
    Damage::Words { level: Decibel(dbfs), dc_steps }
}

const fn impulses(per_second: f64, db: f64) -> Damage {
    Damage::Impulses { per_second, level: Decibel(db) }
}

/// All cases, kind by kind, from weak to strong.
pub const CASES: &[Damage] = &[
    Damage::None,
    dc(-40.0),
    dc(-20.0),
    dc(-10.0),
    dc(0.0),
    dc(10.0),
    dc(20.0),
    spurs(1, -30.0),
    spurs(1, -15.0),
    spurs(2, -15.0),
    spurs(2, 0.0),
    Damage::LossOnce { count: 10 },
    Damage::LossOnce { count: 1000 },
    Damage::LossOnce { count: 100_000 },
    Damage::LossOnce { count: 1_000_000 },
    Damage::LossEvery { count: 1000, period_ms: 330 },
    khz(1.0),
    khz(-10.0),
    khz(30.0),
    khz(-100.0),
    khz(100.0),
    Damage::Drift { ppm: 1.0 },
    Damage::Drift { ppm: -10.0 },
    Damage::Drift { ppm: 25.0 },
    Damage::Drift { ppm: -50.0 },
    iq(0.5, 2.0),
    iq(1.0, 5.0),
    iq(2.0, 10.0),
    linewidth(1.0),
    linewidth(10.0),
    linewidth(100.0),
    linewidth(1000.0),
    clipping(6.0),
    clipping(0.0),
    clipping(-6.0),
    clipping(-12.0),
    words(-12.0, 0.0),
    words(-36.0, 0.0),
    words(-48.0, 0.0),
    words(-12.0, 3.0),
    words(-24.0, 3.0),
    words(-36.0, 3.0),
    impulses(100.0, 20.0),
    impulses(1000.0, 20.0),
    impulses(1000.0, 40.0),
];
