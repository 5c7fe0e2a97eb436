//! Transport blocks of PSSCH: one transmission or two of each, and whether a decode is credible.

mod n_ssf;

use super::super::credible;
use super::super::event::{SharedBlock, Undelivered};
use super::super::front::{Front, with_common};
use super::super::{Config, ControlInformation, Event};
use super::{Attempt, Heard};
use crate::channel::layout::Layout;
use crate::channel::pssch::{self, Grant, Process, REDUNDANCY_VERSIONS_V2X};
use crate::coding::crc::CRC24A;
use crate::grid::Grid;
use crate::receive::estimate::Measurement;
use crate::receive::presence::Presence;
use crate::sci::Format1;
use crate::sequence::dmrs::References;
use crate::tables;
use crate::units::{CyclicPrefix, Hertz, Modulation, PrbRange, SidelinkMode};
use n_ssf::Tries;
use std::sync::Arc;

/// Largest number of transport blocks with a pending retransmission.
const PROCESSES: usize = 20;

/// The process beyond them, for the other reading of the transmission format.
const SPARE: usize = PROCESSES;

/// Subframes beyond SF_gap in which a retransmission is still taken for one: SF_gap counts subframes of the pool, which
/// leaves out synchronisation and reserved ones.
// TS 36.213 §14.1.1.4C (5)
const GAP_SLACK: u64 = 2;

/// Carrier offset in Hz that may remain when a PSSCH is demodulated: 26 dB of interference for QPSK, 35 dB for more.
const TOLERANCE_QPSK: Hertz = Hertz(450.0);
const TOLERANCE_QAM: Hertz = Hertz(150.0);

/// Symbols of a PSSCH that carry data and are sent.
const SENT_SYMBOLS: usize = 9;

/// Place of a block, as its SCI announces it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced {
    pub sci: Format1,
    pub prbs: PrbRange,
    /// PRB of the PSCCH of the other transmission, when the pool is known.
    pub other: Option<usize>,
    /// Knowledge of its n_ssf.
    pub n_ssf: Known,
}

/// Knowledge of n_ssf.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known {
    /// By the time, if it is known. The pool was configured: its blocks are searched below the noise too.
    Time(Option<u8>),
    /// None. The pool was learnt: without reference signals that stand out there is no block.
    Nothing,
    /// Measured by the reference signals.
    Measured(u8),
}

/// A received block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivered {
    pub grant: Grant,
    pub announced: Announced,
    pub octets: usize,
    /// CRC of the block.
    pub content: u32,
    /// Whether it is one repeated octet, which is no evidence.
    pub constant: bool,
    rv: [u8; 2],
    transmissions: usize,
    repeat: bool,
    measurement: Measurement,
    evm_percent: f32,
    pub excess: f32,
}

/// Identifies a transmission: its subframe, place and CRC of its SCI, and its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Transmission(u64, usize, u16, u8);

impl Transmission {
    fn of(k: u64, heard: &Heard) -> Self {
        Self(k, heard.prb, heard.crc16, heard.measurement.layer)
    }
}

impl Delivered {
    /// Returns the measurement of its reference signals, with the offset against the common one.
    pub(super) fn measured(&self, common: Hertz) -> Measurement {
        with_common(self.measurement, Hertz(-common.0))
    }
}

/// A transport block between its initial transmission and its retransmission.
struct Waiting {
    process: Process,
    /// Subframes in which the retransmission may come; empty when the slot is free.
    until: std::ops::Range<u64>,
    /// PRB of its PSCCH, when the pool is known.
    control: Option<usize>,
    prbs: usize,
    mcs: u8,
    /// CRC of the block, if it was reported.
    reported: Option<u32>,
    /// The transmission that was added last.
    last: Option<Transmission>,
    /// Sum of the signal to noise ratios of the combined transmissions.
    snr: f32,
}

/// Grids of a transmission, one an antenna, and the offset that remains on them.
#[derive(Clone, Copy)]
struct Air<'a> {
    grids: &'a [Grid],
    near: Hertz,
}

/// Receives blocks.
pub(super) struct Blocks {
    least: f32,
    layout: Layout,
    presence: Presence,
    shared: pssch::Decoder,
    waiting: Vec<Waiting>,
    block: Vec<u8>,
    /// Whether senders that set the bit of the transmission format mean it, as far as blocks have told it.
    has_format: bool,
    /// (k + offset) mod 10 was the n_ssf of what was received last.
    n_ssf_offset: Option<u8>,
}

impl Blocks {
    /// Makes a receiver of blocks. Nothing is allocated afterwards.
    pub(super) fn new(config: &Config, references: Arc<References>) -> Self {
        let numerology = config.numerology.with_cp(CyclicPrefix::Normal);
        let carrier_prbs = numerology.bandwidth().prbs();
        let free = || Waiting {
            process: Process::new(carrier_prbs),
            until: 0..0,
            control: None,
            prbs: 0,
            mcs: 0,
            reported: None,
            last: None,
            snr: 0.0,
        };
        Self {
            least: config.tuning.shared,
            layout: Layout::shared(SidelinkMode::V2x, CyclicPrefix::Normal),
            presence: Presence::new(carrier_prbs, references.clone()),
            shared: pssch::Decoder::new(numerology, config.mode, references, config.antennas),
            waiting: (0..=SPARE).map(|_| free()).collect(),
            block: vec![0; pssch::max_transport_block(carrier_prbs) / 8],
            has_format: true,
            n_ssf_offset: None,
        }
    }

    /// Returns n_ssf of capture subframe `k`, if blocks have shown it.
    pub(super) fn likely_n_ssf(&self, k: u64) -> Option<u8> {
        self.n_ssf_offset.map(|o| ((k + o as u64) % 10) as u8)
    }

    /// Receives the block of an SCI, or returns the reason why there is none.
    // TS 36.321 §5.14.2.1 (2)
    pub(super) fn receive(
        &mut self,
        k: u64,
        heard: &Heard,
        announced: &Announced,
        front: &mut Front,
    ) -> Result<Delivered, Undelivered> {
        let sci = &announced.sci;
        let mut grant = self.grant(heard, announced);
        let (modulation, size) = grant.size(SidelinkMode::V2x).map_err(|_| Undelivered::ReservedMcs)?;
        let common = front.common_cfo();

        let slot = self.slot(k, announced, heard, size);
        // TS 36.321 §5.14.2.2.1 (1)
        let combined = sci.retransmission && self.waiting[slot].process.transmissions() > 0;
        if !combined {
            self.start(slot, size).ok_or(Undelivered::Allocation)?;
            self.waiting[slot].reported = None;
        }
        self.waiting[slot].last = Some(Transmission::of(k, heard));
        let allowed = tolerance(modulation);
        let (grids, near) = front.grid_for(CyclicPrefix::Normal, heard.cfo, allowed, announced.prbs);
        let air = Air { grids, near };
        let tries = self.n_ssf_candidates(k, announced.n_ssf, grids, &grant);
        let mut outcome = self.try_each(slot, air, (&mut grant, announced), &tries);
        if combined
            && let Ok(delivered) = &mut outcome
            && tries.values().first() == Some(&grant.n_ssf)
        {
            (delivered.rv, delivered.transmissions) = ([REDUNDANCY_VERSIONS_V2X[0], grant.rv], 2);
        }
        if outcome.is_err()
            && has_two_readings(announced)
            && let Some(delivered) = self.other_format(slot, air, (&grant, announced), &tries)
        {
            outcome = Ok(delivered);
        }
        let mut removed = common + Hertz::from(heard.cfo.to_f32() - near.to_f32());
        if outcome.is_err() && !combined && modulation != Modulation::Qpsk && tries.values().len() == 1 {
            let late = self.receive_late(slot, heard, (&grant, announced), front);
            (outcome, removed) = late.map_or((outcome, removed), |late| (late, common + heard.cfo));
        }
        if let Ok(delivered) = &mut outcome {
            delivered.measurement.layer = heard.measurement.layer;
            self.note_delivered(k, slot, delivered, removed);
        }
        self.await_retransmission(k, slot, announced);
        outcome.map_err(|why| awaiting(sci, why))
    }

    /// Returns the grant of an SCI, without its n_ssf.
    fn grant(&self, heard: &Heard, announced: &Announced) -> Grant {
        let sci = &announced.sci;
        Grant {
            prbs: announced.prbs,
            mcs: sci.mcs,
            // TS 36.321 §5.14.2.2.2 (1)
            rv: REDUNDANCY_VERSIONS_V2X[sci.retransmission as usize],
            // TS 36.211 §9.3.1 (3)
            n_id: heard.crc16,
            n_ssf: 0,
            transmission_format: sci.transmission_format && (self.has_format || !has_two_readings(announced)),
        }
    }

    /// Receives another block of the same SCI, which another UE has sent alike, on what the first one left.
    pub(super) fn receive_twin(
        &mut self,
        k: u64,
        heard: &Heard,
        first: &Delivered,
        front: &mut Front,
    ) -> Option<Delivered> {
        let announced = Announced { n_ssf: Known::Nothing, ..first.announced };
        let second = self.receive(k, heard, &announced, front).ok();
        let second = second.filter(|second| second.content != first.content && !second.constant);
        if second.is_none() {
            // nobody waits for its retransmission
            let of_twin = |w: &&mut Waiting| w.last == Some(Transmission::of(k, heard));
            self.waiting.iter_mut().filter(of_twin).for_each(|w| w.until = 0..0);
        }
        second
    }

    /// Completes a block that was received in a slot: whether it was reported before, and the offset that was removed.
    fn note_delivered(&mut self, k: u64, slot: usize, delivered: &mut Delivered, removed: Hertz) {
        let waiting = &mut self.waiting[slot];
        delivered.repeat = waiting.reported == Some(delivered.content);
        waiting.reported = Some(delivered.content);
        delivered.measurement = with_common(delivered.measurement, removed);
        self.n_ssf_offset = Some(((delivered.grant.n_ssf as u64 + 10 - k % 10) % 10) as u8);
    }

    /// Reports the last received block.
    pub(super) fn emit(
        &self,
        k: u64,
        delivered: &Delivered,
        information: ControlInformation,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        emit(Event::SlSch(SharedBlock {
            subframe: k,
            rv: &delivered.rv[..delivered.transmissions],
            grant: delivered.grant,
            information,
            block: &self.block[..delivered.octets],
            repeat: delivered.repeat,
            measurement: delivered.measurement,
            evm_percent: delivered.evm_percent,
        }));
    }

    /// Returns the last received block.
    pub(super) fn block(&self, delivered: &Delivered) -> &[u8] {
        &self.block[..delivered.octets]
    }

    fn start(&mut self, slot: usize, size: usize) -> Option<()> {
        let waiting = &mut self.waiting[slot];
        waiting.snr = 0.0;
        waiting.process.start(size).ok()
    }

    /// Receives the only transmission of a block once more with a later window, if it has late paths.
    fn receive_late(
        &mut self,
        slot: usize,
        heard: &Heard,
        (grant, announced): (&Grant, &Announced),
        front: &mut Front,
    ) -> Option<Result<Delivered, Undelivered>> {
        if !self.shared.is_late() || !front.is_as_received(CyclicPrefix::Normal) {
            return None;
        }
        self.start(slot, self.waiting[slot].process.bits())?;
        let grids = front.grid_late(CyclicPrefix::Normal, heard.cfo);
        Some(self.attempt(slot, Air { grids, near: Hertz(0.0) }, (grant, announced)))
    }

    /// Receives one transmission with each n_ssf until a block decodes; leaves the one that was tried last in the grant.
    fn try_each(
        &mut self,
        slot: usize,
        air: Air<'_>,
        (grant, announced): (&mut Grant, &Announced),
        tries: &Tries,
    ) -> Result<Delivered, Undelivered> {
        let mut outcome = Err(Undelivered::Absent);
        let size = self.waiting[slot].process.bits();
        for (attempt, &n_ssf) in tries.iter().enumerate() {
            grant.n_ssf = n_ssf;
            // a wrong n_ssf has added noise: start again, without the earlier transmission
            if attempt > 0 && self.start(slot, size).is_none() {
                break;
            }
            outcome = self.attempt(slot, air, (grant, announced));
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// Adds one transmission to a slot and decodes its content.
    fn attempt(
        &mut self,
        slot: usize,
        air: Air<'_>,
        (grant, announced): (&Grant, &Announced),
    ) -> Result<Delivered, Undelivered> {
        let waiting = &mut self.waiting[slot];
        let process = &mut waiting.process;
        let Air { grids, near } = air;
        let received =
            self.shared.receive(grids, grant, near, process).map_err(|_| Undelivered::Allocation)?;
        waiting.snr += received.measurement.ratio();
        let size = process.bits();
        let needed = credible::least_snr(size, grant.prbs.subcarriers() * SENT_SYMBOLS);
        let out = &mut self.block[..size / 8];
        if self.shared.decode(process, out).is_none() {
            return Err(if grant.exceeds_code_rate_1(SidelinkMode::V2x, process.transmissions() as usize) {
                Undelivered::CodeRate
            } else if waiting.snr < needed {
                Undelivered::TooNoisy
            } else {
                Undelivered::CrcFailed
            });
        }
        credible::check(out, waiting.snr, needed, || self.shared.agreement(process))?;
        Ok(Delivered {
            grant: *grant,
            announced: *announced,
            octets: out.len(),
            content: CRC24A.bytes(out),
            constant: credible::is_constant(out),
            rv: [grant.rv; 2],
            transmissions: 1,
            repeat: false,
            measurement: received.measurement,
            evm_percent: received.evm_percent,
            excess: received.excess,
        })
    }

    /// Receive the block of a slot by the other reading of the transmission format, from this transmission alone.
    fn other_format(
        &mut self,
        slot: usize,
        air: Air<'_>,
        (grant, announced): (&Grant, &Announced),
        tries: &Tries,
    ) -> Option<Delivered> {
        let other = Grant { transmission_format: !grant.transmission_format, ..*grant };
        let (_, size) = other.size(SidelinkMode::V2x).ok()?;
        let delivered = tries.iter().find_map(|&n_ssf| {
            self.start(SPARE, size)?;
            self.attempt(SPARE, air, (&Grant { n_ssf, ..other }, announced)).ok()
        })?;
        if !delivered.constant {
            self.has_format = other.transmission_format;
        }
        // a retransmission is read, and combined, as this one was
        let (slots, spare) = self.waiting.split_at_mut(SPARE);
        std::mem::swap(&mut slots[slot].process, &mut spare[0].process);
        slots[slot].snr = spare[0].snr;
        Some(delivered)
    }

    // TS 36.213 §14.1.1.4C (3)
    fn await_retransmission(&mut self, k: u64, slot: usize, announced: &Announced) {
        let sci = &announced.sci;
        let waiting = &mut self.waiting[slot];
        if sci.retransmission || sci.time_gap == 0 {
            waiting.until = 0..0;
        } else {
            let due = k + sci.time_gap as u64;
            waiting.until = due..due + GAP_SLACK + 1;
            waiting.control = announced.other;
            waiting.prbs = announced.prbs.len;
            waiting.mcs = sci.mcs;
        }
    }

    /// The slot of the transport block that a retransmission belongs to, else a free one, else the oldest.
    fn slot(&mut self, k: u64, announced: &Announced, heard: &Heard, size: usize) -> usize {
        let control = heard.prb;
        if heard.attempt == Attempt::Again {
            // the same transmission once more, without others: in the place of the one that was added
            let last = Some(Transmission::of(k, heard));
            if let Some(slot) = self.waiting[..PROCESSES].iter().position(|w| w.last == last) {
                // beside an earlier one, what is received now outweighs it: its noise was measured
                if self.waiting[slot].process.transmissions() < 2 {
                    let _ = self.start(slot, size);
                }
                return slot;
            }
        }
        if announced.sci.retransmission {
            let matches = |w: &Waiting| {
                w.until.contains(&k)
                    && w.control.is_none_or(|prb| prb == control)
                    && w.prbs == announced.prbs.len
                    && w.mcs == announced.sci.mcs
                    && w.process.bits() == size
            };
            if let Some(slot) = self.waiting.iter().position(matches) {
                return slot;
            }
        }
        let slot = (0..PROCESSES).min_by_key(|&i| self.waiting[i].until.end).unwrap_or(0);
        // a reassigned slot has no transmissions of the new block
        let size = self.waiting[slot].process.bits();
        if size > 0 {
            let _ = self.start(slot, size);
        }
        slot
    }
}

/// Returns the carrier offset that may remain.
fn tolerance(modulation: Modulation) -> Hertz {
    if modulation == Modulation::Qpsk { TOLERANCE_QPSK } else { TOLERANCE_QAM }
}

/// Why there is no block yet, where its retransmission is still to come.
fn awaiting(sci: &Format1, why: Undelivered) -> Undelivered {
    match why {
        Undelivered::CrcFailed | Undelivered::TooNoisy if !sci.retransmission && sci.time_gap > 0 => {
            Undelivered::AwaitsRetransmission
        }
        why => why,
    }
}

/// Whether an SCI leaves two readings: its transmission format is set, but the pool was told, and whether senders in it
/// are configured for rate matching and TBS scaling is not known. Where they are not, the bit is reserved
/// (TS 36.212 §5.4.3.1.2), and nothing may be assumed of reserved bits (TS 36.213 §14.2.2).
// TS 36.212 §5.4.3.1.2 (3)
fn has_two_readings(announced: &Announced) -> bool {
    let sci = &announced.sci;
    matches!(announced.n_ssf, Known::Time(_)) && sci.transmission_format && tables::mcs(sci.mcs).is_some()
}
