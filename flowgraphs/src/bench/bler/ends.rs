//! Sender and receiver of each channel.

use super::air::Air;
use sidelink_phy::channel::layout::Layout;
use sidelink_phy::channel::{psbch, pscch, psdch, pssch};
use sidelink_phy::grid::Grid;
use sidelink_phy::impair::rng::Rng;
use sidelink_phy::receive::presence::Presence;
use sidelink_phy::receive::receiver::{Front, Tuning};
use sidelink_phy::sci::MAX_BITS;
use sidelink_phy::sequence::dmrs::Dmrs;
use sidelink_phy::units::{CyclicPrefix, Hertz, Modulation, PrbRange, SidelinkMode, SlssId};

/// From the grid of the sender to the grids of the receiver.
pub(super) struct Path {
    pub(super) air: Air,
    pub(super) grid: Grid,
    front: Front,
}

impl Path {
    pub(super) fn new(air: Air) -> Self {
        let numerology = air.numerology;
        let front = Front::new(&[numerology], air.config.antennas);
        Self { air, grid: Grid::new(numerology), front }
    }

    /// Carry what is on the sender's grid; `None` where the receiver cannot take it. Perfect knowledge has the carrier offset,
    /// and tells `know` channel and noise.
    fn carry(&mut self, know: impl FnOnce(&[Grid], f32)) -> Option<()> {
        self.air.carry(&self.grid);
        let truth = self.air.truth();
        let common = if truth.is_some() { self.air.config.cfo } else { Hertz(0.0) };
        if let Some((channels, noise)) = truth {
            know(channels, noise);
        }
        self.front.load(&self.air.samples(), common).then_some(())
    }
}

/// Sender and receiver of a channel.
pub(super) trait Ends {
    /// Send one block on the empty grid of `path`; `Some(true)` when it arrives as it was sent, `None` when an end gives up.
    fn trial(&mut self, path: &mut Path, tuning: &Tuning) -> Option<bool>;
}

pub(super) struct PsbchEnds {
    pub(super) sidelink: SidelinkMode,
    pub(super) encoder: psbch::Encoder,
    pub(super) decoder: psbch::Decoder,
}

impl Ends for PsbchEnds {
    fn trial(&mut self, path: &mut Path, _: &Tuning) -> Option<bool> {
        let mib = random_bits(&mut path.air.rng, psbch::payload_bits(self.sidelink));
        let id = SlssId::new(path.air.rng.below(336) as u16)?;
        self.encoder.encode(&mib, id, 1.0, &mut path.grid).ok()?;
        path.carry(|channels, noise| self.decoder.know(channels, noise))?;
        let mut got = vec![0; mib.len()];
        self.decoder.decode(path.front.grid(CyclicPrefix::Normal), id, &mut got)?;
        Some(got == mib)
    }
}

pub(super) struct PscchEnds {
    pub(super) sidelink: SidelinkMode,
    pub(super) encoder: pscch::Encoder,
    pub(super) decoder: pscch::Decoder,
    pub(super) presence: Presence,
}

impl Ends for PscchEnds {
    fn trial(&mut self, path: &mut Path, tuning: &Tuning) -> Option<bool> {
        let rng = &mut path.air.rng;
        let sci = random_bits(rng, self.decoder.payload_bits());
        let shift = match self.sidelink {
            SidelinkMode::V2x => 3 * rng.below(4) as u8,
            SidelinkMode::D2d => 0,
        };
        let prb = rng.below(20) as usize;
        self.encoder.encode(&sci, prb, shift, 1.0, &mut path.grid).ok()?;
        path.carry(|channels, noise| self.decoder.know(channels, noise))?;
        let grid = path.front.grid(CyclicPrefix::Normal);
        let layout = Layout::shared(self.sidelink, CyclicPrefix::Normal);
        let (shift, present) = match self.sidelink {
            SidelinkMode::V2x => {
                let (shift, metric) = self.presence.control_v2x(grid, 12 * prb, layout);
                (shift, metric >= tuning.control_v2x)
            }
            SidelinkMode::D2d => {
                let metric = self.presence.narrow(grid, 12 * prb, 12, layout, &Dmrs::pscch_or_psdch());
                (0, metric >= tuning.control)
            }
        };
        let mut got = [0; MAX_BITS];
        let got = &mut got[..sci.len()];
        let heard = present && self.decoder.decode(grid, prb, shift, tuning.max_cfo, got).is_some();
        Some(heard && *got == sci[..])
    }
}

pub(super) struct PsschEnds {
    pub(super) sidelink: SidelinkMode,
    pub(super) prbs: usize,
    pub(super) mcs: u8,
    pub(super) encoder: pssch::Encoder,
    pub(super) decoder: pssch::Decoder,
    pub(super) process: pssch::Process,
}

impl Ends for PsschEnds {
    fn trial(&mut self, path: &mut Path, tuning: &Tuning) -> Option<bool> {
        let grant = self.random_grant(&mut path.air.rng);
        let (modulation, size) = grant.size(self.sidelink).ok()?;
        let block: Vec<u8> = (0..size / 8).map(|_| path.air.rng.below(256) as u8).collect();
        self.encoder.encode(&block, &grant, 1.0, &mut path.grid).ok()?;
        path.carry(|channels, noise| self.decoder.know(channels, noise))?;
        let sent = Sent { grant: &grant, modulation, size, block: &block };
        let Self { decoder, process, .. } = self;
        Some(receive_pssch(&mut path.front, decoder, process, &sent, tuning.max_cfo))
    }
}

impl PsschEnds {
    /// The allocation of the case with a random identity and subframe.
    fn random_grant(&self, rng: &mut Rng) -> pssch::Grant {
        let (start, identities) = match self.sidelink {
            SidelinkMode::V2x => (2, 1 << 16),
            SidelinkMode::D2d => (0, 256),
        };
        pssch::Grant {
            prbs: PrbRange { start, len: self.prbs },
            mcs: self.mcs,
            rv: 0,
            n_id: rng.below(identities) as u16,
            n_ssf: rng.below(10) as u8,
            transmission_format: false,
        }
    }
}

pub(super) struct PsdchEnds {
    pub(super) transmissions: usize,
    pub(super) encoder: psdch::Encoder,
    pub(super) decoder: psdch::Decoder,
    pub(super) sides: [psdch::Process; 2],
    pub(super) presence: Presence,
}

impl Ends for PsdchEnds {
    fn trial(&mut self, path: &mut Path, tuning: &Tuning) -> Option<bool> {
        let mut message = [0u8; psdch::MESSAGE_BYTES];
        message.fill_with(|| path.air.rng.below(256) as u8);
        self.sides.iter_mut().for_each(psdch::Process::reset);
        let mut seen = 0.0;
        for rv in psdch::REDUNDANCY_VERSIONS.into_iter().take(self.transmissions) {
            path.grid.clear();
            let prb = path.air.rng.below(20) as usize;
            self.encoder.encode(&message, rv, prb, 1.0, &mut path.grid).ok()?;
            path.carry(|channels, noise| self.decoder.know(channels, noise))?;
            let grid = path.front.grid(CyclicPrefix::Normal);
            let layout = Layout::shared(SidelinkMode::D2d, CyclicPrefix::Normal);
            seen += self.presence.narrow(grid, 12 * prb, 24, layout, &Dmrs::pscch_or_psdch());
            self.decoder.receive_both(grid, prb, rv, tuning.max_cfo, &mut self.sides)?;
        }
        if seen < tuning.discovery * (self.transmissions as f32).sqrt() {
            return None;
        }
        let mut got = [0; psdch::MESSAGE_BYTES];
        let decoder = &mut self.decoder;
        Some(self.sides.iter_mut().any(|side| decoder.decode(side, &mut got).is_some() && got == message))
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
    max_cfo: Hertz,
) -> bool {
    let &Sent { grant, modulation, size, block } = sent;
    let tolerance = if modulation == Modulation::Qpsk { Hertz(450.0) } else { Hertz(150.0) };
    let mut got = vec![0; size / 8];
    let mut attempt = |cfo: f32| {
        if process.start(size).is_err() {
            return (None, 0.0, 0.0);
        }
        let (grids, near) = front.grid_for(CyclicPrefix::Normal, Hertz::from(cfo), tolerance, grant.prbs);
        let Ok(received) = decoder.receive(grids, grant, near, process) else { return (None, 0.0, 0.0) };
        let m = received.measurement;
        let mut arrived = decoder.decode(process, &mut got).is_some();
        if !arrived && modulation != Modulation::Qpsk && decoder.is_late() && process.start(size).is_ok() {
            let grids = front.grid_late(CyclicPrefix::Normal, Hertz::from(cfo));
            arrived = decoder.receive(grids, grant, Hertz(0.0), process).is_ok()
                && decoder.decode(process, &mut got).is_some();
        }
        (arrived.then(|| got == block), m.cfo.to_f32() + cfo - near.to_f32(), m.cfo_ambiguity.to_f32())
    };
    let (arrived, cfo, ambiguity) = attempt(0.0);
    if let Some(right) = arrived {
        return right;
    }
    let other = cfo - ambiguity.copysign(cfo);
    for cfo in [cfo, other] {
        if cfo.abs() > max_cfo.to_f32() || cfo.abs() < 60.0 {
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
