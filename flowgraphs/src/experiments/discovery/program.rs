//! Radio programs: radios without an agent, that hear samples and send what they like.

use super::air::{Antenna, Emission, Signal};
use super::setting::Setting;
use crate::Sample;
use sidelink_phy::receive::receiver::{Config, DiscoveryPlace, Event, Receiver};
use sidelink_phy::units::{CyclicPrefix, Decibel, DfnSubframe, Hertz, PrbRange, TransmissionMode};
use sidelink_security::counter::{LsbWidth, UtcTime};
use sidelink_ue::mapping::transmit::{Content, Transmission};
use sidelink_wire::pc5_discovery::MessageType;

/// Octet of a restricted announcement, whose counter has 8 bits.
const RESTRICTED: u8 = MessageType::RestrictedAnnouncement.octet();

/// Who sends something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// A UE, by its number.
    Node(usize),
    /// A radio program, by its number.
    Program(usize),
}

/// A subframe of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Subframes since the run began.
    pub(crate) t: u64,
    /// True UTC.
    pub(crate) utc: UtcTime,
    /// Number of the discovery period.
    pub(crate) period: u64,
    /// Subframe in it.
    pub(crate) into: u32,
}

impl Slot {
    /// Returns the 8 bits of the UTC-based counter that a message of this slot carries.
    pub(crate) const fn counter_lsb(&self) -> u8 {
        self.utc.counter().lsb(LsbWidth::of(RESTRICTED))
    }

    /// Returns the frame time.
    pub(crate) fn dfn(&self) -> DfnSubframe {
        DfnSubframe::from_count(self.t)
    }
}

/// A radio program. All of it is called in lock-step; what it does not need, it leaves out.
pub(crate) trait Program {
    /// A discovery period begins with this subframe.
    fn begin(&mut self, _slot: &Slot) {}

    /// Puts what it sends in this subframe into `out`. It has heard the subframes before.
    fn send(&mut self, _slot: &Slot, _out: &mut Vec<Emission>) {}

    /// Passes on what is on the air at this moment, with radios at several places: `at` gives the samples of a place
    /// without noise. What comes out is late by less than a cyclic prefix.
    fn pass_on(&mut self, _slot: &Slot, _at: &dyn Fn(usize) -> Vec<Sample>, _out: &mut Vec<Emission>) {}

    /// Hears a subframe; `at` gives the samples of a place, without the noise of an antenna.
    fn hear(&mut self, _slot: &Slot, _at: &dyn Fn(usize) -> Vec<Sample>) {}
}

/// A block as a program's receiver heard it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct HeardBlock {
    /// The last subframe of it.
    pub(crate) slot: Slot,
    /// Subframes since the first one.
    pub(crate) since_first: u32,
    /// First PRB.
    pub(crate) prb: usize,
    /// The message.
    pub(crate) message: [u8; 29],
    /// Carrier offset in Hz, as measured.
    pub(crate) carrier: f64,
    /// Power of a resource element, as measured, in dB.
    pub(crate) power: f64,
}

/// The receiver of a program: an antenna at a place, and the modem of a UE.
pub(crate) struct Ears {
    antenna: Antenna,
    receiver: Receiver,
}

impl Ears {
    /// Makes ears whose noise has this seed.
    pub(crate) fn new(setting: &Setting, seed: u64) -> Self {
        let antenna = Antenna::new(setting.numerology(), setting.snr, seed);
        Self { antenna, receiver: Receiver::new(receiver_config(setting)) }
    }

    /// Receives a subframe; `each` gets every new block.
    pub(crate) fn hear(&mut self, slot: &Slot, samples: &[Sample], each: &mut dyn FnMut(HeardBlock)) {
        let Self { antenna, receiver } = self;
        receiver.set_time(slot.t, slot.dfn());
        receiver.process(slot.t, antenna.hear(samples), &mut |event| {
            if let Event::SlDch { message, repeat: false, since_first, prb_start, measurement, .. } = event {
                // The modem gives whole messages.
                let Ok(message) = message.try_into() else { return };
                each(HeardBlock {
                    slot: *slot,
                    since_first,
                    prb: prb_start,
                    message,
                    carrier: measurement.cfo.0,
                    power: 10.0 * f64::from(measurement.signal).max(1e-30).log10(),
                });
            }
        });
    }
}

/// Returns the configuration of the modem of everybody: the pool is known.
pub(super) fn receiver_config(setting: &Setting) -> Config {
    let mut config = Config::new(setting.numerology(), TransmissionMode::Tm2);
    config.discovery = vec![DiscoveryPlace { pool: setting.pool(), cp: CyclicPrefix::Normal }];
    config
}

/// Returns a block as PSDCH: transmission `j` of it at these PRBs.
pub(crate) fn psdch(message: [u8; 29], j: usize, prbs: PrbRange) -> Transmission {
    use sidelink_phy::channel::psdch::REDUNDANCY_VERSIONS;
    // TS 36.321 §5.15.1.2.2 (1)
    let rv = REDUNDANCY_VERSIONS[j % REDUNDANCY_VERSIONS.len()];
    let content = Content::SlDch { message, rv, prb: prbs.start, transmission: j as u32 + 1 };
    Transmission { cp: CyclicPrefix::Normal, amplitude: 1.0, content }
}

/// Returns an emission of blocks by program `number` at a place, on the common carrier.
pub(crate) fn emission(number: usize, place: usize, blocks: Vec<Transmission>) -> Emission {
    Emission {
        who: Who::Program(number),
        place,
        signal: Signal::Channels(blocks),
        carrier: Hertz(0.0),
        gain: Decibel(0.0),
        delay: 0,
    }
}
