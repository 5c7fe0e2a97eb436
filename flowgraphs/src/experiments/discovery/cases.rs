//! Attacks on discovery, each with what it must come to.
//!
//! ```text
//! cases/baseline.rs   T2.0-*: what keys hide, and who reads what
//! cases/tracking.rs   T2.1-1, T2.1-2, T2.1-10: linking blocks of one UE
//! cases/time.rs       T2.1-3, T2.1-4, T2.1-7, T2.1-8: replays, wormholes, clocks, revocation
//! cases/forging.rs    T2.1-5, T2.1-6, T2.1-9: blocks of an attacker's own
//! cases/questions.rs  T2.2-*: model B
//! cases/signed.rs     T2.3-*: signed announcements in fragments
//! cases/chains.rs      T2.3-*: chains of codes, delayed keys, pointers to the SL-SCH
//! cases/arithmetic.rs collisions and false alarms, measured beside what was predicted
//! ```
//!
//! Cases of other files add themselves to [`all`].

mod arithmetic;
mod baseline;
mod chains;
mod forging;
mod questions;
mod signed;
mod time;
mod tracking;

use super::setting::Setting;
use serde::{Deserialize, Serialize};
use sidelink_phy::units::Bandwidth;

/// What a case must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// The attack comes to nothing.
    Stopped,
    /// The attack succeeds: what the solution is not expected to stop (X).
    Passes,
    /// A figure is measured beside a predicted one.
    Measured,
}

impl Expect {
    /// Returns the word for reports.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Passes => "passes (X)",
            Self::Measured => "measured",
        }
    }
}

/// How much of a case is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// All of it.
    Whole,
    /// A part that is quick: intervals are wider.
    Quick,
}

impl Scale {
    /// Returns a number of the whole case, or of the quick one.
    pub(crate) const fn of(self, whole: f64, quick: f64) -> f64 {
        match self {
            Self::Whole => whole,
            Self::Quick => quick,
        }
    }
}

/// A case of one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Game {
    /// Seed of keys, draws and noise.
    pub(crate) seed: u64,
    /// How much of it.
    pub(crate) scale: Scale,
}

/// Returns a pool that is quick: 14 of 15 PRBs, 8 subframes, 4 UEs of which one monitors.
pub(crate) fn small(game: Game) -> Setting {
    Setting {
        announcers: 4,
        monitors: 1,
        bandwidth: Bandwidth::Prb15,
        prbs: 14,
        subframes: 8,
        seconds: 6.4,
        seed: game.seed,
        ..Setting::default()
    }
}

/// What a case came to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Findings {
    pub(crate) name: String,
    pub(crate) seed: u64,
    pub(crate) expected: String,
    /// Figures, in words.
    pub(crate) found: Vec<String>,
    /// What should not have been.
    pub(crate) unexpected: Vec<String>,
}

impl Findings {
    /// Notes a figure.
    pub(crate) fn note(&mut self, words: String) {
        self.found.push(words);
    }

    /// Notes a figure, and that it is not as expected where `is_so` is false.
    pub(crate) fn expect(&mut self, is_so: bool, words: String) {
        if !is_so {
            self.unexpected.push(words.clone());
        }
        self.found.push(words);
    }
}

/// A case.
pub(crate) struct AttackCase {
    /// Name on the command line.
    pub(crate) name: &'static str,
    /// The test of the digest, and what it is.
    pub(crate) what: &'static str,
    /// What it must come to.
    pub(crate) expect: Expect,
    /// Plays it.
    pub(crate) play: fn(Game, &mut Findings) -> anyhow::Result<()>,
}

/// All cases.
pub(crate) fn all() -> impl Iterator<Item = &'static AttackCase> {
    let own = [signed::ALL, chains::ALL];
    [baseline::ALL, tracking::ALL, time::ALL, forging::ALL, questions::ALL, arithmetic::ALL]
        .into_iter()
        .chain(own)
        .flatten()
}

/// Plays a case with a seed.
///
/// # Errors
/// A run fails: a bug.
pub(crate) fn play(case: &AttackCase, game: Game) -> anyhow::Result<Findings> {
    let mut findings = Findings {
        name: case.name.to_owned(),
        seed: game.seed,
        expected: case.expect.as_str().to_owned(),
        ..Findings::default()
    };
    (case.play)(game, &mut findings)?;
    Ok(findings)
}
