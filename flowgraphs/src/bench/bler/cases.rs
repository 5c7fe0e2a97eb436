//! The channels whose block error rate is measured, and the Es/N0 that each has to reach at 10 %.

use super::Knowledge;
use super::air::{Air, AirConfig};
use super::ends::{Ends, Path, PsbchEnds, PscchEnds, PsdchEnds, PsschEnds};
use sidelink_phy::channel::{psbch, pscch, psdch, pssch};
use sidelink_phy::numerology::Numerology;
use sidelink_phy::receive::presence::Presence;
use sidelink_phy::receive::receiver::Tuning;
use sidelink_phy::sequence::dmrs::References;
use sidelink_phy::units::{Bandwidth, CyclicPrefix, Decibel, SidelinkMode, TransmissionMode};
use std::sync::Arc;

/// A channel to measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Case {
    /// Name on the command line and in the output.
    pub name: &'static str,
    /// Es/N0 at which at most 10 % of the blocks may fail in white noise, estimation included.
    pub target: Decibel,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Psbch { sidelink: SidelinkMode },
    Pscch { sidelink: SidelinkMode },
    Pssch { sidelink: SidelinkMode, prbs: usize, mcs: u8 },
    Psdch { transmissions: usize },
}

const fn case(name: &'static str, target: f64, what: What) -> Case {
    Case { name, target: Decibel(target), what }
}

/// Every case.
pub const CASES: [Case; 13] = [
    case("psbch-tm2", -6.5, What::Psbch { sidelink: SidelinkMode::D2d }),
    case("psbch-tm4", -5.3, What::Psbch { sidelink: SidelinkMode::V2x }),
    case("pscch-tm2", -1.0, What::Pscch { sidelink: SidelinkMode::D2d }),
    case("pscch-tm4", -4.0, What::Pscch { sidelink: SidelinkMode::V2x }),
    case("pssch-tm2-25prb-mcs5", -0.4, What::Pssch { sidelink: SidelinkMode::D2d, prbs: 25, mcs: 5 }),
    case("pssch-tm4-48prb-mcs5", 0.6, What::Pssch { sidelink: SidelinkMode::V2x, prbs: 48, mcs: 5 }),
    case("pssch-tm4-8prb-mcs12", 7.3, What::Pssch { sidelink: SidelinkMode::V2x, prbs: 8, mcs: 12 }),
    case("pssch-tm2-25prb-mcs15", 8.3, What::Pssch { sidelink: SidelinkMode::D2d, prbs: 25, mcs: 15 }),
    case("pssch-tm4-48prb-mcs15", 9.8, What::Pssch { sidelink: SidelinkMode::V2x, prbs: 48, mcs: 15 }),
    case("psdch-1", 2.2, What::Psdch { transmissions: 1 }),
    case("psdch-2", -1.3, What::Psdch { transmissions: 2 }),
    case("psdch-3", -3.0, What::Psdch { transmissions: 3 }),
    case("psdch-4", -4.2, What::Psdch { transmissions: 4 }),
];

/// Sender, air and receiver of one case.
pub(super) struct Link {
    path: Path,
    ends: Box<dyn Ends>,
}

impl Link {
    pub(super) fn new(case: &Case, air: &AirConfig, knowledge: Knowledge) -> Self {
        let bandwidth = match case.what {
            What::Pssch { prbs, .. } if prbs > 25 => Bandwidth::Prb50,
            What::Pssch { sidelink: SidelinkMode::V2x, .. } | What::Pscch { sidelink: SidelinkMode::V2x } => {
                Bandwidth::Prb50
            }
            _ => Bandwidth::Prb25,
        };
        let numerology = Numerology::standard(bandwidth, CyclicPrefix::Normal);
        let references = Arc::new(References::new(bandwidth.prbs()));
        let r = || references.clone();
        let mode = |sidelink| match sidelink {
            SidelinkMode::V2x => TransmissionMode::Tm4,
            SidelinkMode::D2d => TransmissionMode::Tm2,
        };
        let ends: Box<dyn Ends> = match case.what {
            What::Psbch { sidelink } => Box::new(PsbchEnds {
                sidelink,
                encoder: psbch::Encoder::new(numerology, sidelink, r()),
                decoder: psbch::Decoder::new(numerology, sidelink, r(), air.antennas),
            }),
            What::Pscch { sidelink } => Box::new(PscchEnds {
                sidelink,
                encoder: pscch::Encoder::new(numerology, sidelink, r()),
                decoder: pscch::Decoder::new(numerology, sidelink, r(), air.antennas),
                presence: Presence::new(bandwidth.prbs(), r()),
            }),
            What::Pssch { sidelink, prbs, mcs } => Box::new(PsschEnds {
                sidelink,
                prbs,
                mcs,
                encoder: pssch::Encoder::new(numerology, mode(sidelink), r()),
                decoder: pssch::Decoder::new(numerology, mode(sidelink), r(), air.antennas),
                process: pssch::Process::new(bandwidth.prbs()),
            }),
            What::Psdch { transmissions } => Box::new(PsdchEnds {
                transmissions,
                encoder: psdch::Encoder::new(numerology, r()),
                decoder: psdch::Decoder::new(numerology, r(), air.antennas),
                sides: [psdch::Process::new(), psdch::Process::new()],
                presence: Presence::new(bandwidth.prbs(), r()),
            }),
        };
        Self { path: Path::new(Air::new(numerology, *air, knowledge)), ends }
    }

    /// Sends `trials` blocks; which of them were lost.
    pub(super) fn run(&mut self, es_n0: Decibel, trials: u32) -> Vec<bool> {
        self.path.air.set_es_n0(es_n0);
        let is_lost = |link: &mut Self| {
            link.path.grid.clear();
            !link.ends.trial(&mut link.path, &Tuning::default()).unwrap_or(false)
        };
        (0..trials).map(|_| is_lost(self)).collect()
    }
}
