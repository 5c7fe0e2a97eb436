//! The channels whose block error rate is measured, and the Es/N0 that each has to reach at 10 %.

use super::Point;
use super::air::{Air, AirConfig};
use sidelink_phy::channel::layout::Layout;
use sidelink_phy::channel::{psbch, pscch, psdch, pssch};
use sidelink_phy::grid::Grid;
use sidelink_phy::impair::rng::Rng;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::receive::presence::Presence;
use sidelink_phy::receive::receiver::{Front, Tuning};
use sidelink_phy::sci::MAX_BITS;
use sidelink_phy::sequence::dmrs::{Dmrs, References};
use sidelink_phy::units::{
    Bandwidth, CyclicPrefix, Modulation, PrbRange, SidelinkMode, SlssId, TransmissionMode,
};
use std::sync::Arc;

/// A channel to measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Case {
    /// Name on the command line and in the output.
    pub name: &'static str,
    /// Es/N0 in dB at which at most 10 % of the blocks may fail in white noise, estimation included.
    pub target_db: f64,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Psbch { sidelink: SidelinkMode },
    Pscch { sidelink: SidelinkMode },
    Pssch { sidelink: SidelinkMode, prbs: usize, mcs: u8 },
    Psdch { transmissions: usize },
}

const fn case(name: &'static str, target_db: f64, what: What) -> Case {
    Case { name, target_db, what }
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
    air: Air,
    grid: Grid,
    front: Front,
    ends: Ends,
}

enum Ends {
    Psbch {
        sidelink: SidelinkMode,
        encoder: Box<psbch::Encoder>,
        decoder: Box<psbch::Decoder>,
    },
    Pscch {
        sidelink: SidelinkMode,
        encoder: Box<pscch::Encoder>,
        decoder: Box<pscch::Decoder>,
        presence: Box<Presence>,
    },
    Pssch {
        sidelink: SidelinkMode,
        prbs: usize,
        mcs: u8,
        encoder: Box<pssch::Encoder>,
        decoder: Box<pssch::Decoder>,
        process: Box<pssch::Process>,
    },
    Psdch {
        transmissions: usize,
        encoder: Box<psdch::Encoder>,
        decoder: Box<psdch::Decoder>,
        sides: Box<[psdch::Process; 2]>,
        presence: Box<Presence>,
    },
}

impl Link {
    pub(super) fn new(case: &Case, air: &AirConfig) -> Self {
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
        let ends = match case.what {
            What::Psbch { sidelink } => Ends::Psbch {
                sidelink,
                encoder: Box::new(psbch::Encoder::new(numerology, sidelink, r())),
                decoder: Box::new(psbch::Decoder::new(numerology, sidelink, r())),
            },
            What::Pscch { sidelink } => Ends::Pscch {
                sidelink,
                encoder: Box::new(pscch::Encoder::new(numerology, sidelink, r())),
                decoder: Box::new(pscch::Decoder::new(numerology, sidelink, r())),
                presence: Box::new(Presence::new(bandwidth.prbs(), r())),
            },
            What::Pssch { sidelink, prbs, mcs } => Ends::Pssch {
                sidelink,
                prbs,
                mcs,
                encoder: Box::new(pssch::Encoder::new(numerology, mode(sidelink), r())),
                decoder: Box::new(pssch::Decoder::new(numerology, mode(sidelink), r())),
                process: Box::new(pssch::Process::new(bandwidth.prbs())),
            },
            What::Psdch { transmissions } => Ends::Psdch {
                transmissions,
                encoder: Box::new(psdch::Encoder::new(numerology, r())),
                decoder: Box::new(psdch::Decoder::new(numerology, r())),
                sides: Box::new([psdch::Process::new(), psdch::Process::new()]),
                presence: Box::new(Presence::new(bandwidth.prbs(), r())),
            },
        };
        Self {
            air: Air::new(numerology, *air),
            grid: Grid::new(numerology),
            front: Front::new(&[numerology]),
            ends,
        }
    }

    pub(super) fn run(&mut self, es_n0_db: f64, trials: u32) -> Point {
        self.air.set_es_n0(es_n0_db);
        let errors = (0..trials).filter(|_| !self.trial()).count() as u32;
        Point { es_n0_db, trials, errors }
    }

    /// Send one block; `true` when it arrives as it was sent.
    fn trial(&mut self) -> bool {
        let tuning = Tuning::default();
        let Self { air, grid, front, ends } = self;
        grid.clear();
        match ends {
            Ends::Psbch { sidelink, encoder, decoder } => {
                let mib: Vec<u8> = random_bits(&mut air.rng, psbch::payload_bits(*sidelink));
                let Some(id) = SlssId::new(air.rng.below(336) as u16) else { return false };
                if encoder.encode(&mib, id, 1.0, grid).is_err() || !front.load(air.carry(grid), 0.0) {
                    return false;
                }
                let mut got = vec![0; mib.len()];
                decoder.decode(front.grid(CyclicPrefix::Normal), id, &mut got).is_some() && got == mib
            }
            Ends::Pscch { sidelink, encoder, decoder, presence } => {
                let sci = random_bits(&mut air.rng, decoder.payload_bits());
                let shift = match *sidelink {
                    SidelinkMode::V2x => 3 * air.rng.below(4) as u8,
                    SidelinkMode::D2d => 0,
                };
                let prb = air.rng.below(20) as usize;
                if encoder.encode(&sci, prb, shift, 1.0, grid).is_err() || !front.load(air.carry(grid), 0.0) {
                    return false;
                }
                let grid = front.grid(CyclicPrefix::Normal);
                let layout = Layout::shared(*sidelink, CyclicPrefix::Normal);
                let (shift, present) = if *sidelink == SidelinkMode::V2x {
                    let (shift, metric) = presence.control_v2x(grid, 12 * prb, layout);
                    (shift, metric >= tuning.control_v2x)
                } else {
                    let metric = presence.narrow(grid, 12 * prb, 12, layout, &Dmrs::pscch_or_psdch());
                    (0, metric >= tuning.control)
                };
                let mut got = [0; MAX_BITS];
                let got = &mut got[..sci.len()];
                present && decoder.decode(grid, prb, shift, tuning.max_cfo, got).is_some() && *got == sci[..]
            }
            Ends::Pssch { sidelink, prbs, mcs, encoder, decoder, process } => {
                let start = match *sidelink {
                    SidelinkMode::V2x => 2,
                    SidelinkMode::D2d => 0,
                };
                let grant = pssch::Grant {
                    prbs: PrbRange { start, len: *prbs },
                    mcs: *mcs,
                    rv: 0,
                    n_id: match *sidelink {
                        SidelinkMode::V2x => air.rng.below(1 << 16),
                        SidelinkMode::D2d => air.rng.below(256),
                    } as u16,
                    n_ssf: air.rng.below(10) as u8,
                    transmission_format: false,
                };
                let Ok((modulation, size)) = grant.size(*sidelink) else { return false };
                let block: Vec<u8> = (0..size / 8).map(|_| air.rng.below(256) as u8).collect();
                if encoder.encode(&block, &grant, 1.0, grid).is_err() || !front.load(air.carry(grid), 0.0) {
                    return false;
                }
                let sent = Sent { grant: &grant, modulation, size, block: &block };
                receive_pssch(front, decoder, process, &sent, tuning.max_cfo)
            }
            Ends::Psdch { transmissions, encoder, decoder, sides, presence } => {
                let mut message = [0u8; psdch::MESSAGE_BYTES];
                message.fill_with(|| air.rng.below(256) as u8);
                sides.iter_mut().for_each(psdch::Process::reset);
                let mut seen = 0.0;
                for rv in psdch::REDUNDANCY_VERSIONS.into_iter().take(*transmissions) {
                    grid.clear();
                    let prb = air.rng.below(20) as usize;
                    if encoder.encode(&message, rv, prb, 1.0, grid).is_err()
                        || !front.load(air.carry(grid), 0.0)
                    {
                        return false;
                    }
                    let grid = front.grid(CyclicPrefix::Normal);
                    let layout = Layout::shared(SidelinkMode::D2d, CyclicPrefix::Normal);
                    seen += presence.narrow(grid, 12 * prb, 24, layout, &Dmrs::pscch_or_psdch());
                    if decoder.receive_both_sides(grid, prb, rv, tuning.max_cfo, sides).is_none() {
                        return false;
                    }
                }
                if seen < tuning.discovery * (*transmissions as f32).sqrt() {
                    return false;
                }
                let mut got = [0; psdch::MESSAGE_BYTES];
                sides.iter_mut().any(|side| decoder.decode(side, &mut got).is_some() && got == message)
            }
        }
    }
}

/// A transport block that was sent on PSSCH.
struct Sent<'a> {
    grant: &'a pssch::Grant,
    modulation: Modulation,
    /// Bits of the block.
    size: usize,
    block: &'a [u8],
}

/// Receive one transmission as the receiver does that knows the allocation but not the carrier offset: the control
/// channel beside it would tell the offset; here the reference signals do, and each of their aliases is tried.
fn receive_pssch(
    front: &mut Front,
    decoder: &mut pssch::Decoder,
    process: &mut pssch::Process,
    sent: &Sent<'_>,
    max_cfo: f32,
) -> bool {
    let &Sent { grant, modulation, size, block } = sent;
    let tolerance = if modulation == Modulation::Qpsk { 450.0 } else { 150.0 };
    let mut got = vec![0; size / 8];
    let mut attempt = |cfo: f32| {
        if process.start(size).is_err() {
            return (None, 0.0, 0.0);
        }
        let (grid, near) = front.grid_for(CyclicPrefix::Normal, cfo, tolerance, grant.prbs);
        let Ok(received) = decoder.receive(grid, grant, near, process) else { return (None, 0.0, 0.0) };
        let m = received.measurement;
        let arrived = decoder.decode(process, &mut got).is_some().then(|| got == block);
        (arrived, m.cfo_hz + cfo - near, m.cfo_ambiguity_hz)
    };
    let (arrived, cfo, ambiguity) = attempt(0.0);
    if let Some(right) = arrived {
        return right;
    }
    let other = cfo - ambiguity.copysign(cfo);
    for cfo in [cfo, other] {
        if cfo.abs() > max_cfo || cfo.abs() < 60.0 {
            continue;
        }
        if let Some(right) = attempt(cfo).0 {
            return right;
        }
    }
    false
}

fn random_bits(rng: &mut Rng, n: usize) -> Vec<u8> {
    (0..n).map(|_| rng.below(2) as u8).collect()
}
