//! A tracked SCI, and the transport blocks that it announces.

use super::layout::transmission_number;
use crate::channel::pssch::{Grant, Process};
use crate::pool::infer::ControlSighting;
use crate::pool::{Hopping, TrpSet};
use crate::sci::{Format0, MAX_BITS};
use crate::units::{Hertz, Modulation, PrbRange};

/// Longest tracking of an SCI in subframes: the longest sc-Period.
const LONGEST_PERIOD: u64 = super::layout::LONGEST_PERIOD as u64;

/// Subframes within which the same SCI may be its second transmission, when the pool is not known.
const CONTROL_WINDOW: u64 = 40;

/// Source of the subframes of a grant's PSSCH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Their DMRS: no pool, or no time.
    Blind,
    /// The configured pool; the period begins in this capture subframe, which may lie before the capture.
    Told(i64),
    /// The learnt pool; the period begins in this capture subframe.
    Learnt(i64),
}

/// An SCI and the transport blocks that it announces.
pub(super) struct Following {
    /// Capture subframes in which it is tracked; empty when the slot is free.
    pub(super) from: u64,
    pub(super) until: u64,
    pub(super) origin: Origin,
    pub(super) bits: [u8; MAX_BITS],
    pub(super) sci: Format0,
    /// Its PRBs; with hopping only their number tells anything.
    pub(super) prbs: PrbRange,
    pub(super) hopping: Option<Hopping>,
    pub(super) modulation: Modulation,
    pub(super) size: usize,
    pub(super) cfo: Hertz,
    /// Its PSCCH, in capture subframes.
    pub(super) controls: [ControlSighting; 2],
    pub(super) control_count: usize,
    /// Subframe in which a block was last decoded.
    pub(super) decoded: Option<u64>,
    /// Pool index that was observed last, as estimated, and its subframe.
    pub(super) tracked: Option<(u32, u64)>,
    pub(super) process: Process,
    /// Sum of the signal to noise ratios of the transmissions in the process.
    pub(super) snr: f32,
    pub(super) rv: [u8; 4],
    pub(super) block_index: Option<u32>,
    pub(super) delivered: bool,
    /// Subframe of the transmission that was added last.
    pub(super) added: Option<u64>,
    /// CRC of the last block of another UE with the same SCI.
    pub(super) twin: Option<u32>,
}

impl Following {
    pub(super) fn new(carrier_prbs: usize) -> Self {
        let sci = Format0 {
            hopping: false,
            rb_assignment: 0,
            trp: 0,
            mcs: 0,
            timing_advance: 0,
            group_destination: 0,
        };
        Self {
            from: 0,
            until: 0,
            origin: Origin::Blind,
            bits: [0; MAX_BITS],
            sci,
            prbs: PrbRange { start: 0, len: 0 },
            hopping: None,
            modulation: Modulation::Qpsk,
            size: 0,
            cfo: Hertz(0.0),
            controls: [ControlSighting { subframe: 0, prb: 0 }; 2],
            control_count: 0,
            decoded: None,
            tracked: None,
            process: Process::new(carrier_prbs),
            snr: 0.0,
            rv: [0; 4],
            block_index: None,
            delivered: false,
            added: None,
            twin: None,
        }
    }

    pub(super) fn is_active(&self, k: u64) -> bool {
        (self.from..self.until).contains(&k)
    }

    /// Begins the period that an SCI in subframe `k` announces.
    pub(super) fn begin(&mut self, k: u64, until: u64, origin: Origin, control: ControlSighting) {
        (self.from, self.until, self.origin) = (k + 1, until, origin);
        (self.controls[0], self.control_count) = (control, 1);
        (self.decoded, self.tracked, self.block_index, self.delivered) = (None, None, None, false);
        (self.added, self.twin) = (None, None);
    }

    /// Returns the end of a period that begins with an SCI in subframe `k`, when the pool is not known.
    pub(super) fn longest(k: u64) -> u64 {
        k + 1 + LONGEST_PERIOD
    }

    /// Whether the same SCI in subframe `k` belongs to the tracked period, when the pool is not known: no PSSCH has
    /// come since, and it is the second one.
    pub(super) fn is_second(&self, k: u64) -> bool {
        self.decoded.is_none() && self.control_count < 2 && k + 1 < self.from + CONTROL_WINDOW
    }

    /// Returns place and format of a transmission; `None` if a hop leaves the band.
    pub(super) fn grant(&self, n_ssf: u8, rv: u8) -> Option<Grant> {
        Some(Grant {
            prbs: self.hopping.map_or(Some(self.prbs), |h| h.prbs(n_ssf))?,
            mcs: self.sci.mcs,
            rv,
            // TS 36.211 §9.3.1 (2)
            n_id: self.sci.group_destination as u16,
            n_ssf,
            transmission_format: false,
        })
    }

    /// Returns the first pool index, from that of the last transmission on, that is `n_ssf` modulo 10, is used by the
    /// pattern, and is transmission `number` of its block, if that is known; and the number of the transmission in the
    /// period. A pool index advances by one a subframe at most.
    pub(super) fn next_index(
        &self,
        k: u64,
        n_ssf: u8,
        set: TrpSet,
        number: Option<u32>,
    ) -> Option<(u32, u32)> {
        let (from, most) = match self.tracked {
            Some((j, last)) => (j + 1, (k - last).min(LONGEST_PERIOD)),
            None => (0, LONGEST_PERIOD),
        };
        (from..from + most as u32).filter(|j| j % 10 == n_ssf as u32).find_map(|j| {
            let index = transmission_number(set, self.sci.trp, j)?;
            number.is_none_or(|number| index % 4 == number).then_some((j, index))
        })
    }
}
