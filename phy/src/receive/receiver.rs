//! The receiver of one carrier: a subframe of samples in, events out.
//!
//! ```text
//! samples -> grid -> SLSS -> PSBCH -> time
//!              |---> PSCCH search -> PSSCH, soft combining      (v2x: modes 3 and 4, d2d: modes 1 and 2)
//!              '---> PSDCH, soft combining                      (discovery)
//! ```
//!
//! The caller aligns the samples ([`super::stream`] does it for a recording or a radio). Nothing is allocated after
//! construction.

mod belief;
mod credible;
mod d2d;
mod discovery;
mod event;
mod front;
mod v2x;

#[cfg(test)]
mod tests;

pub use super::tuning::Tuning;
pub use event::{ControlInformation, Event, SharedBlock, Undelivered};
pub use front::Front;
pub(super) use front::{Transformed, Transformer, Wanted};

use crate::Sample;
use crate::channel::{psbch, psdch};
use crate::grid::Grid;
use crate::numerology::Numerology;
use crate::pool::{CommunicationPool, DiscoveryPool, V2xPool};
use crate::receive::learn::Learnt;
use crate::receive::slss::Detector;
use crate::sequence::dmrs::References;
use crate::units::{Antennas, CyclicPrefix, DfnSubframe, Hertz, PrbRange, SidelinkMode, TransmissionMode};
use std::sync::Arc;

/// Required and optional knowledge of a receiver.
#[derive(Clone, Debug)]
pub struct Config {
    /// Carrier and sample rate; its cyclic prefix is that of PSBCH and of every channel without one of its own.
    pub numerology: Numerology,
    /// Transmission mode.
    pub mode: TransmissionMode,
    /// Pools of modes 1 and 2.
    pub communication: Vec<CommunicationPlace>,
    /// Discovery pools.
    pub discovery: Vec<DiscoveryPlace>,
    /// Redundancy version of each transmission of a discovery message:
    /// [`psdch::REDUNDANCY_VERSIONS`](crate::channel::psdch::REDUNDANCY_VERSIONS), or all 0 for senders that interpret
    /// TS 36.321 §5.15.1.2 differently.
    pub discovery_rv: [u8; 4],
    /// Pool of modes 3 and 4.
    pub v2x: Option<V2xPool>,
    /// Further pools of modes 3 and 4, ignored without the first.
    pub v2x_also: Vec<V2xPool>,
    /// Tunable thresholds.
    pub tuning: Tuning,
    /// Number of receive antennas.
    pub antennas: Antennas,
}

impl Config {
    /// Returns a configuration with the carrier and the mode alone.
    pub fn new(numerology: Numerology, mode: TransmissionMode) -> Self {
        Self {
            numerology,
            mode,
            communication: Vec::new(),
            discovery: Vec::new(),
            // TS 36.212 §5.4.4 with TS 36.321 §5.15.1.2.2 (1)
            discovery_rv: psdch::REDUNDANCY_VERSIONS,
            v2x: None,
            v2x_also: Vec::new(),
            tuning: Tuning::default(),
            antennas: Antennas::ONE,
        }
    }

    /// Whether no pool was configured: then every channel of the mode is searched over the whole band.
    pub fn is_blind(&self) -> bool {
        self.communication.is_empty() && self.discovery.is_empty() && self.v2x.is_none()
    }
}

/// A pool of modes 1 and 2 and its cyclic prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommunicationPlace {
    /// The pool.
    pub pool: CommunicationPool,
    /// Cyclic prefix of PSCCH.
    pub control_cp: CyclicPrefix,
    /// Cyclic prefix of PSSCH.
    pub data_cp: CyclicPrefix,
}

/// A discovery pool and its cyclic prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveryPlace {
    /// The pool.
    pub pool: DiscoveryPool,
    /// Cyclic prefix of PSDCH.
    pub cp: CyclicPrefix,
}

/// A part of the work on a subframe, in the order of execution. Parts of absent pools are skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The FFT of every cyclic prefix.
    Transform,
    /// Synchronisation signals and PSBCH.
    Synchronisation,
    /// PSSCH of modes 1 and 2 that an SCI announced, with the FFT of a UE far off the common carrier.
    Shared,
    /// The search for PSCCH; in modes 3 and 4 with the PSSCH that each announces.
    Control,
    /// PSDCH.
    Discovery,
}

/// Whether synchronisation signals are searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlssSearch {
    /// In every subframe.
    #[default]
    Always,
    /// Not in the next subframe. Without other channels in it, its FFT is left out too.
    NotNext,
}

/// Source of the receiver's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeSource {
    Caller,
    Mib,
}

/// Receives the subframes of one carrier.
pub struct Receiver {
    config: Config,
    front: Front,
    detector: Detector,
    psbch: psbch::Decoder,
    v2x: Option<v2x::V2x>,
    d2d: Vec<d2d::D2d>,
    discovery: Vec<discovery::Discovery>,
    /// Capture subframe 0 as a subframe count of DFN time.
    time_zero: Option<u32>,
    /// Whether a MIB gave the time.
    time_source: TimeSource,
    mib: [u8; 48],
    common_cfo: Hertz,
    delay: Option<f32>,
    slss: SlssSearch,
}

impl Receiver {
    /// Makes a receiver with all its buffers.
    pub fn new(config: Config) -> Self {
        let sidelink = config.mode.sidelink();
        let references = Arc::new(References::new(config.numerology.bandwidth().prbs()));
        let blind = config.is_blind();
        let searched = blind && sidelink == SidelinkMode::D2d;
        let mut d2d: Vec<_> = config
            .communication
            .iter()
            .map(|p| d2d::D2d::new(&config, Some(p), references.clone()))
            .collect();
        let mut discovery: Vec<_> = config
            .discovery
            .iter()
            .map(|p| discovery::Discovery::new(&config, Some(p), references.clone()))
            .collect();
        if searched {
            d2d.push(d2d::D2d::new(&config, None, references.clone()));
            discovery.push(discovery::Discovery::new(&config, None, references.clone()));
        }
        Self {
            front: Front::new(&front::numerologies(&config), config.antennas),
            detector: Detector::new(psbch::ssss_form(sidelink), config.numerology.cp()),
            psbch: psbch::Decoder::new(config.numerology, sidelink, references.clone(), config.antennas),
            v2x: (sidelink == SidelinkMode::V2x).then(|| v2x::V2x::new(&config, references)),
            d2d,
            discovery,
            time_zero: None,
            time_source: TimeSource::Caller,
            mib: [0; 48],
            common_cfo: Hertz(0.0),
            delay: None,
            slss: SlssSearch::Always,
            config,
        }
    }

    /// Returns its configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the carrier offset that is removed from every sample first.
    pub fn common_cfo(&self) -> Hertz {
        self.common_cfo
    }

    /// Sets the offset that a search over samples has found.
    pub fn set_common_cfo(&mut self, cfo: Hertz) {
        self.common_cfo = cfo;
    }

    /// Sets whether synchronisation signals are searched in the next subframe.
    pub fn set_slss_search(&mut self, slss: SlssSearch) {
        self.slss = slss;
    }

    /// Returns the DFN time at capture subframe `k`, if a MIB or the caller has given it.
    pub fn time(&self, k: u64) -> Option<DfnSubframe> {
        self.time_zero.map(|zero| DfnSubframe::from_count(zero as u64 + k))
    }

    /// Sets the time at capture subframe `k`.
    pub fn set_time(&mut self, k: u64, time: DfnSubframe) {
        self.time_zero = Some(time.count_of_capture_start(k));
        self.time_source = TimeSource::Caller;
    }

    /// Forgets a time that a MIB gave, and returns it: capture subframes were miscounted, or may have been.
    pub fn forget_time(&mut self) -> Option<u32> {
        if self.time_source == TimeSource::Mib { self.time_zero.take() } else { None }
    }

    /// Undoes [`Self::forget_time`].
    pub fn restore_time(&mut self, time_zero: u32) {
        self.time_zero = Some(time_zero);
        self.time_source = TimeSource::Mib;
    }

    /// Returns the delay of the last subframe in seconds, by the most reliable channel; `None` when it contained none.
    pub fn delay(&self) -> Option<f32> {
        self.delay
    }

    /// S-RSSI of sub-channels in the subframe that was processed last: the power of all resource elements of a symbol in
    /// each of `ranges`, averaged over symbols 1 to 12 of the normal cyclic prefix, at the antenna that receives most of
    /// it (TS 36.214 §5.1.28). In the scale of the samples; 0 for a range beyond the carrier.
    // TS 36.213 §14.1.1.6 step 8, S-RSSI
    pub fn sub_channel_powers(&mut self, ranges: &[PrbRange], into: &mut [f32]) {
        let grids = self.front.grid(CyclicPrefix::Normal);
        let symbols = 1..grids[0].symbols().saturating_sub(1);
        for (power, range) in into.iter_mut().zip(ranges) {
            let at = |grid: &Grid| {
                let of =
                    |l: usize| grid.symbol(l).get(range.first_subcarrier()..12 * range.end()).unwrap_or(&[]);
                symbols.clone().flat_map(of).map(|re| re.norm_sqr()).sum::<f32>()
            };
            let sum = grids.iter().map(at).fold(0.0, f32::max);
            *power = sum / symbols.len().max(1) as f32;
        }
    }

    /// Returns the V2X pools that were learnt because none was configured, the one with most evidence first. Allocates.
    pub fn learnt_v2x(&self) -> Vec<Learnt<V2xPool>> {
        self.v2x.as_ref().map_or(Vec::new(), |v2x| v2x.learnt(self.time_zero.is_some()))
    }

    /// Returns the pools of modes 1 and 2 that were learnt, if none was configured. Allocates.
    pub fn learnt_communication(&mut self) -> Vec<Learnt<CommunicationPlace>> {
        self.d2d.iter_mut().filter_map(d2d::D2d::learnt).collect()
    }

    /// Returns the discovery pools that were learnt, if none was configured. Allocates.
    pub fn learnt_discovery(&mut self) -> Vec<Learnt<DiscoveryPlace>> {
        self.discovery.iter_mut().filter_map(discovery::Discovery::learnt).collect()
    }

    /// Receives capture subframe `k`: `samples` are exactly one subframe. Returns the number of events.
    pub fn process(&mut self, k: u64, samples: &[Sample], emit: &mut dyn FnMut(Event<'_>)) -> usize {
        self.process_antennas(k, &[samples], emit)
    }

    /// Does the same as [`Self::process`] with the samples of each antenna. An antenna without samples is silent.
    pub fn process_antennas(
        &mut self,
        k: u64,
        samples: &[&[Sample]],
        emit: &mut dyn FnMut(Event<'_>),
    ) -> usize {
        self.process_marked(k, samples, emit, &mut |_| {})
    }

    /// Does the same as [`Self::process_antennas`], and reports the end of each part: a caller with a clock can measure
    /// them.
    pub fn process_marked(
        &mut self,
        k: u64,
        samples: &[&[Sample]],
        emit: &mut dyn FnMut(Event<'_>),
        mark: &mut dyn FnMut(Part),
    ) -> usize {
        if self.load(samples) { self.receive(k, emit, mark) } else { 0 }
    }

    /// Does the same as [`Self::process_antennas`] with grids that may have been made ahead of the same samples.
    pub(super) fn process_transformed(
        &mut self,
        k: u64,
        samples: &[&[Sample]],
        transformed: Option<&mut Transformed>,
        emit: &mut dyn FnMut(Event<'_>),
    ) -> usize {
        if !self.load(samples) {
            return 0;
        }
        if let Some(transformed) = transformed {
            self.front.adopt(transformed);
        }
        self.receive(k, emit, &mut |_| {})
    }

    /// Returns the common grids that the last subframe needed.
    pub(super) fn wanted(&self) -> Wanted {
        self.front.wanted()
    }

    /// Loads a subframe; returns `false` if there is nothing in it.
    fn load(&mut self, samples: &[&[Sample]]) -> bool {
        self.delay = None;
        let loaded = self.front.load(samples, self.common_cfo);
        if !loaded {
            self.slss = SlssSearch::default();
        }
        loaded
    }

    /// Receives the loaded subframe.
    fn receive(&mut self, k: u64, emit: &mut dyn FnMut(Event<'_>), mark: &mut dyn FnMut(Part)) -> usize {
        let mut heard = 0;
        let mut best_delay: Option<f32> = None;
        let mut counted = |event: Event<'_>| {
            heard += 1;
            if let (Some(m), None) = (event.measurement(), best_delay) {
                best_delay = Some(m.delay);
            }
            emit(event);
        };
        let slss = std::mem::take(&mut self.slss);
        mark(Part::Transform);
        if slss == SlssSearch::Always {
            self.synchronisation(k, &mut counted);
        }
        mark(Part::Synchronisation);
        let time = self.time(k);
        if let Some(v2x) = &mut self.v2x {
            v2x.process(k, time, &mut self.front, &mut counted);
            mark(Part::Control);
        }
        for d2d in &mut self.d2d {
            d2d.shared(k, &mut self.front, &mut counted);
            mark(Part::Shared);
            d2d.control(k, time, &mut self.front, &mut counted);
            mark(Part::Control);
        }
        for discovery in &mut self.discovery {
            discovery.process(k, time, &mut self.front, &mut counted);
            mark(Part::Discovery);
        }
        self.delay = best_delay;
        heard
    }

    fn synchronisation(&mut self, k: u64, emit: &mut dyn FnMut(Event<'_>)) {
        let grids = self.front.grid(self.config.numerology.cp());
        let mut correction = None;
        for seen in self.detector.detect(grids).into_iter().flatten() {
            let bits = &mut self.mib[..psbch::payload_bits(self.config.mode.sidelink())];
            let decoded = self.psbch.decode(grids, seen.id, bits);
            if decoded.is_some() || seen.confident {
                emit(Event::Slss {
                    subframe: k,
                    id: seen.id,
                    cfo: Hertz::from(self.common_cfo.to_f32() + seen.cfo.to_f32()),
                    snr: seen.snr,
                });
            }
            let Some(decoded) = decoded else { continue };
            let time = psbch::frame_time(bits);
            emit(Event::Mib {
                subframe: k,
                id: seen.id,
                bits,
                time,
                measurement: front::with_common(decoded.measurement, self.common_cfo),
                evm_percent: decoded.evm_percent,
            });
            if correction.is_none() {
                correction = Some((decoded.measurement.cfo, time));
            }
        }
        if let Some((cfo, time)) = correction {
            // half of the rest: one noisy subframe does not pull the receiver off
            self.common_cfo = self.common_cfo + Hertz(0.5 * cfo.0);
            if let Some(time) = time {
                self.set_time(k, time);
                self.time_source = TimeSource::Mib;
            }
        }
    }
}
