//! Successive cancellation: a transmission that was decoded is subtracted, and what it hid is received.
//!
//! ```text
//! decoded -> worth it?  power that the decode leaves unexplained, against the last symbol, which nobody sends
//!              -> encoded again -> its channel by all of its data (estimate/replica.rs) -> subtracted
//!                   -> anything left?  power of the subframe, against the last symbol -> searched again
//! ```
//!
//! Without a collision the first question is answered no, and costs a sum over one symbol.

use super::estimate::Measurement;
use super::estimate::{Replica, Sent};
use crate::channel::layout::Layout;
use crate::channel::psdch::{self, MESSAGE_BYTES};
use crate::channel::{pscch, pssch};
use crate::grid::Grid;
use crate::numerology::{Numerology, SUBCARRIER_SPACING};
use crate::sequence::dmrs::References;
use crate::units::{Antennas, Hertz, PrbRange, SidelinkMode, TransmissionMode};
use std::ops::Range;
use std::sync::Arc;

/// Most transmissions at one place that are received one after the other.
pub const LAYERS: u8 = 3;

/// Power against the noise from which something may be hidden: 3 dB below the noise.
const HIDDEN: f32 = 1.5;

/// The same under a channel that moves fast, and the Doppler from which it does: what the estimate leaves of one UE there, and
/// of its late paths, is as strong as the noise.
const HIDDEN_IN_MOTION: f32 = 2.5;
const FAST: Hertz = Hertz(200.0);

/// Excess of the error of the data from which they are worse than the reference signals promise.
const WORSE: f32 = 2.0;

/// Subcarriers from which the interference of an own offset is summed.
const NEAR: usize = 48;

/// PRBs on either side of a place whose last symbol is noise for it too: twelve values alone scatter by 30 %.
const AROUND: usize = 4;

/// Power left against the signal below which nothing is looked for: transmitters of UEs are less accurate
/// (TS 36.101 §6.5.2.1 allows 17.5 %).
const FLOOR: f32 = 0.004;

/// Encodes and subtracts transmissions of one channel.
pub struct Canceller<E> {
    encoder: E,
    sidelink: SidelinkMode,
    layout: Layout,
    sent: Grid,
    replica: Replica,
}

impl<E> Canceller<E> {
    fn with(encoder: E, numerology: Numerology, sidelink: SidelinkMode, antennas: Antennas) -> Self {
        Self {
            encoder,
            sidelink,
            layout: Layout::shared(sidelink, numerology.cp()),
            sent: Grid::new(numerology),
            replica: Replica::new(numerology, antennas),
        }
    }

    fn subtract(
        &mut self,
        prbs: PrbRange,
        layout: Layout,
        measurement: &Measurement,
        grids: &mut [Grid],
    ) -> bool {
        let (first, m_sc) = (prbs.first_subcarrier(), prbs.subcarriers());
        let fits = self.replica.fit(&Sent { grid: &self.sent, first, m_sc, layout }, measurement, grids);
        if fits {
            self.replica.subtract(grids);
        }
        fits
    }
}

impl Canceller<pscch::Encoder> {
    /// Makes a canceller of PSCCH; nothing is allocated afterwards.
    pub fn of_control(
        numerology: Numerology,
        sidelink: SidelinkMode,
        references: Arc<References>,
        antennas: Antennas,
    ) -> Self {
        Self::with(pscch::Encoder::new(numerology, sidelink, references), numerology, sidelink, antennas)
    }

    /// Subtracts a PSCCH from `grids`; its measurement is on them. Returns whether it did.
    pub fn control(
        &mut self,
        bits: &[u8],
        (prb, n_cs): (usize, u8),
        measurement: &Measurement,
        grids: &mut [Grid],
    ) -> bool {
        let prbs = PrbRange { start: prb, len: pscch::prbs(self.sidelink) };
        self.encoder.encode(bits, prb, n_cs, 1.0, &mut self.sent).is_ok()
            && self.subtract(prbs, self.layout, measurement, grids)
    }
}

impl Canceller<pssch::Encoder> {
    /// Makes a canceller of PSSCH; nothing is allocated afterwards.
    pub fn of_shared(
        numerology: Numerology,
        mode: TransmissionMode,
        references: Arc<References>,
        antennas: Antennas,
    ) -> Self {
        Self::with(pssch::Encoder::new(numerology, mode, references), numerology, mode.sidelink(), antennas)
    }

    /// Subtracts the PSSCH of a grant with its transport block; its measurement is on the grids. Returns whether it did.
    pub fn shared(
        &mut self,
        block: &[u8],
        grant: &pssch::Grant,
        measurement: &Measurement,
        grids: &mut [Grid],
    ) -> bool {
        self.encoder.encode(block, grant, 1.0, &mut self.sent).is_ok()
            && self.subtract(grant.prbs, self.layout, measurement, grids)
    }
}

impl Canceller<psdch::Encoder> {
    /// Makes a canceller of PSDCH; nothing is allocated afterwards.
    pub fn of_discovery(numerology: Numerology, references: Arc<References>, antennas: Antennas) -> Self {
        Self::with(psdch::Encoder::new(numerology, references), numerology, SidelinkMode::D2d, antennas)
    }

    /// Estimates the channel of the transmission that a decoder has received last, by its data as they were decided, most
    /// of them right, after a turn by as many radians. `None` when it has none.
    pub(super) fn channel(
        &mut self,
        (received, turn): (&psdch::Decoder, f32),
        prb: usize,
        measurement: &Measurement,
        grids: &[Grid],
    ) -> Option<&Replica> {
        self.encoder.repeat(received, turn, prb, &mut self.sent).ok()?;
        let sent = Sent { grid: &self.sent, first: 12 * prb, m_sc: 12 * psdch::PRBS, layout: self.layout };
        self.replica.fit(&sent, measurement, grids).then_some(&self.replica)
    }

    /// Subtracts a discovery message; its measurement is on the grids. Returns whether it did.
    pub fn discovery(
        &mut self,
        message: &[u8; MESSAGE_BYTES],
        (prb, rv): (usize, u8),
        measurement: &Measurement,
        grids: &mut [Grid],
    ) -> bool {
        let prbs = PrbRange { start: prb, len: psdch::PRBS };
        self.encoder.encode(message, rv, prb, 1.0, &mut self.sent).is_ok()
            && self.subtract(prbs, self.layout, measurement, grids)
    }
}

/// What explains that reference signals are farther from what they should be than another transmission would have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Explained {
    /// The noise: of what was measured after its offset was removed, and in modes 1 and 2, where the offset that is measured
    /// in a collision is that of both, since all UEs send the same reference signals.
    ByNoise,
    /// The noise, and the offset that was left in.
    ByNoiseAndOffset,
}

/// Whether a transmission that has decoded may hide another: its reference signals at any antenna were farther from what
/// they should be than `explained` allows, or its data were than its reference signals promise (`excess`).
pub fn may_hide(
    measurement: &Measurement,
    explained: Explained,
    excess: f32,
    prbs: PrbRange,
    grids: &[Grid],
) -> bool {
    // data may be worse by `excess`; less than promised shows nothing
    let factor = if excess > WORSE { excess } else { 1.0 };
    let hidden = if measurement.doppler >= FAST { HIDDEN_IN_MOTION } else { HIDDEN };
    let own = match explained {
        Explained::ByNoise => 0.0,
        Explained::ByNoiseAndOffset => own_interference(measurement.offset, prbs),
    };
    let antennas = &measurement.antennas;
    let mut each = grids.iter().zip(antennas.signals().iter().zip(antennas.noises()));
    each.any(|(grid, (signal, noise))| {
        let rest = (noise - own * signal) * factor;
        rest > FLOOR * signal && rest > hidden * silence(prbs, grid)
    })
}

/// Returns the power that an offset spreads from the other subcarriers of an allocation to one of them, against the signal:
/// the square of the offset in subcarriers over that of their distance, as long as the offset is small.
fn own_interference(offset: Hertz, prbs: PrbRange) -> f32 {
    let spacings = (offset.0 / SUBCARRIER_SPACING.0) as f32;
    let m_sc = prbs.subcarriers() as f32;
    // nearly all comes from near
    let near = (1..prbs.subcarriers().min(NEAR)).map(|apart| apart as f32);
    // on either side, but for those beyond the edges
    let pairs: f32 = near.map(|apart| 2.0 * (1.0 - apart / m_sc) / (apart * apart)).sum();
    spacings * spacings * pairs
}

/// PRBs at which a channel may begin in what subtractions have left.
pub struct OpenPlaces {
    open: Vec<bool>,
}

impl OpenPlaces {
    /// Makes a list for a carrier; nothing is allocated afterwards.
    pub fn new(carrier_prbs: usize) -> Self {
        Self { open: vec![false; carrier_prbs] }
    }

    /// Takes the places of a channel `width` PRBs wide that overlap one of `subtracted`, and have more left than noise.
    pub fn find(&mut self, subtracted: impl Iterator<Item = PrbRange>, width: usize, grids: &[Grid]) {
        self.open.fill(false);
        for prbs in subtracted {
            for start in prbs.start.saturating_sub(width - 1)..prbs.end() {
                if let Some(open) = self.open.get_mut(start).filter(|open| !**open) {
                    *open = is_left(PrbRange { start, len: width }, prbs, grids);
                }
            }
        }
    }

    /// Whether the channel may begin at `prb`.
    pub fn has(&self, prb: usize) -> bool {
        self.open.get(prb).copied().unwrap_or(false)
    }
}

/// Whether more is left on some PRBs, at any antenna, than the noise on `all` of them explains.
pub fn is_left(prbs: PrbRange, all: PrbRange, grids: &[Grid]) -> bool {
    grids.iter().any(|grid| power(prbs, grid) > HIDDEN * silence(all, grid))
}

/// Returns the power of a resource element in the last symbol, which nobody sends (TS 36.211 §9.2.5): the noise.
fn silence(prbs: PrbRange, grid: &Grid) -> f32 {
    let last = grid.symbols() - 1;
    let start = prbs.start.saturating_sub(AROUND);
    let end = (prbs.end() + AROUND).min(grid.subcarriers() / 12);
    mean(grid, last..last + 1, PrbRange { start, len: end.saturating_sub(start) })
}

/// Returns the power of a resource element in the others, the first left out: gains settle in it.
fn power(prbs: PrbRange, grid: &Grid) -> f32 {
    mean(grid, 1..grid.symbols() - 1, prbs)
}

fn mean(grid: &Grid, symbols: Range<usize>, prbs: PrbRange) -> f32 {
    let (mut sum, mut count) = (0.0, 0);
    for l in symbols {
        let values = grid.symbol(l).get(prbs.first_subcarrier()..12 * prbs.end()).unwrap_or(&[]);
        sum += values.iter().map(|x| x.norm_sqr()).sum::<f32>();
        count += values.len();
    }
    sum / count.max(1) as f32
}
