//! A UE on the air: takes samples, keeps time, receives, plans, and sends bursts.
//!
//! ```text
//! samples -> framer, notch -> subframe t -> phy receiver -> layer 2 -> applications
//!              |                  ^                            |
//!              '-> sync ----------' clock                      v
//! radio  <- samples <- front end <- planner for subframe t + lead
//! ```
//!
//! A [`Ue`] has no thread and reads the system clock only to measure: the same samples, inputs and draws give the same
//! bursts. `run.rs` drives it in real time.
//!
//! ```text
//! antennas.rs     the samples of all antennas
//! framer.rs       samples in arrival order -> whole subframes
//! notch.rs        removes the line at 0 Hz of the radio, and spurs
//! timing.rs       how a UE acquires, keeps and loses its time
//! sync.rs         selection of the reference, and the synchronisation signals to send                         sync/
//! clock.rs        sample counter <-> subframe <-> DFN <-> UTC: the single place where time is made
//! hear.rs         one subframe through the receiver; events to their consumers
//! mapping.rs      MAC <-> PHY: the only module that uses both                                               mapping/
//! provision.rs    builds the layer 2 of one UE from a key store
//! error.rs        reasons why a UE cannot be built
//! stack.rs        layer 2, discovery, links and group keys: their inputs, and the handling of every output     stack/
//! event.rs        events, for applications and reports
//! jobs.rs         durable counters, tables and encapsulations, beside the sample path
//! links.rs        one-to-one links: what the configuration requests
//! u2u.rs          paths through UE-to-UE relays, and the links from end to end
//! group_keys.rs   keys of groups that come over the air: machines, and how their messages travel              group_keys/
//! carriage.rs     long messages as PDUs of PC5 signalling
//! link_status.rs  status of each link
//! planner.rs      which transmissions go into which subframe                                                planner/
//! application.rs  users of a UE: traffic, IP, people
//! ip.rs           IP packets over a group or links: TUN or UDP; relays and their remote UEs                  ip/
//! users.rs        applications by handles: what each may do, and what ends with it                       users/
//! transfer.rs     a file over IP, repeated until it is complete
//! latency_stats.rs  processing time of each stage
//! silence.rs      when a UE cannot send, and for how long
//! refused.rs      reasons why a UE refuses a request
//! relays.rs       finds a relay and keeps a link with it, or is one                                       relays/
//! run.rs          threads between a radio and a UE
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]
// A UE runs in threads, by the clock of a radio, and measures its processing time (ARCHITECTURE.md).
#![allow(clippy::disallowed_methods)]

pub mod air_rng;
mod antennas;
mod application;
mod carriage;
pub mod clock;
mod error;
mod event;
mod framer;
mod group_keys;
mod hear;
mod ip;
mod jobs;
mod latency_stats;
mod link_bearers;
mod link_status;
mod links;
pub mod mapping;
mod notch;
mod planner;
pub mod provision;
mod refused;
mod relays;
mod run;
mod silence;
mod stack;
mod sync;
#[cfg(test)]
mod tests;
mod timing;
mod transfer;
mod u2u;
mod users;

pub use sidelink_radio::Sample;

use application::Applications;
pub use application::{Application, Moment, Outgoing, Send, TestTraffic};
pub use error::BuildError;
pub use event::{Event, GroupReport, Tell, U2uReport, Warning};
pub use framer::{Continuity, Framer};
pub use group_keys::{
    GroupAction, GroupError, GroupEvent, GroupInput, GroupMachine, GroupMessage, GroupOutput, GroupWrite,
    IdentityGroups, Managed, NafEvent, NetworkKey, OwnerGroup, OwnerRole,
};
pub use ip::{
    ANY_RELAY, Dropped, Ip, IpConfig, IpEvent, IpStatus, Lease, Part as IpPart, RelayOf, RemoteStatus,
    RemoteUe, Route as IpRoute, Standing, Version, open_relay, open_remote,
};
pub use jobs::{
    Cores, GroupKeyStore, Immediate, Job, JobResult, Jobs, KdStore, NoStore, Owner, TableThread, TableTimes,
    Threaded, build_table,
};
pub use latency_stats::{LatencyStats, Stage};
pub use link_status::LinkStatus;
pub use links::{
    KeyNetwork, LinkAction, LinkChange, LinkStanding, Links, NetworkAnswer, Part, Peer, Secrecy,
};
pub use planner::{
    Communication, CommunicationSettings, Discovery, DiscoverySettings, Mode4Communication, Mode4Settings,
    Planner,
};
pub use refused::Refused;
pub use relays::{Active, RelayEvent, RelayRole, RelayStatus, Relays};
pub use run::{Observer, Participant, Running, ThreadOptions};
pub use silence::Hindrance;
pub use stack::{Names, Stack, Waiting};
pub use sync::{Candidate, Role, Sync, SyncConfig, Transmit as SyncTransmit};
pub use transfer::{FileReceiver, FileSender, Progress};
pub use u2u::{Carriage as RelayCarriage, Meddler, Paths, Route, Through};
pub use users::{
    ApplicationId, Grant, Handle, MOST_HANDLES, UserError, UserInput, UserOutput, UserRequest, Users,
};

use antennas::Streams;
use silence::{Lateness, Silence};
use timing::SEARCH_MARGIN;

use crate::air_rng::{AirRng, UeRngs};
use clock::Clock;
use mapping::transmit::{Content, Modulator, Transmission};
use sidelink_radio::{self as radio, Anchor, RadioError};

use sidelink_phy::impair::offset::FrequencyOffset;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::receive::receiver::{self, Event as Heard, Receiver};
use sidelink_phy::receive::reference::ReferenceSearch;
use sidelink_phy::units::{Antennas, Decibel, Hertz};
use sidelink_security::counter::UtcTime;
use std::ops::Range;
use std::time::Duration;

/// The parts of a UE.
pub struct Parts {
    /// Name for messages.
    pub name: String,
    /// The modem's configuration, with the pools.
    pub receiver: receiver::Config,
    /// Configuration of synchronisation.
    pub sync: SyncConfig,
    /// Discovery pools.
    pub discovery: Vec<DiscoverySettings>,
    /// Communication pools.
    pub communication: Vec<CommunicationSettings>,
    /// The pool of mode 4, if one is configured.
    pub mode4: Option<Mode4Communication>,
    /// Layer 2, discovery and links.
    pub stack: Stack,
    /// The applications that use the UE.
    pub applications: Vec<Box<dyn Application>>,
    /// UTC at sample 0 as the radio or the host knows it.
    pub anchor: Anchor,
    /// Subframes from the last received one to the planned one; at least 2.
    pub lead: u64,
    /// Samples by which the device sends too late; bursts are handed over earlier by them.
    pub transmit_advance: i64,
    /// Power of everything that the UE sends, relative to a carrier of power 1 that one UE fills.
    pub gain: Decibel,
    /// Subframes of searching before the UE becomes a reference itself.
    pub patience: u64,
    /// Random sources for resources, nonces and identities.
    pub air_rng: UeRngs,
}

/// Counters of a UE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// Subframes that were received.
    pub subframes: u64,
    /// Subframes that were not received because the UE was behind, or because all of their samples were lost.
    pub skipped: u64,
    /// Subframes in which nothing could be sent: the UE was late, or mode 4 found no resource for queued data.
    pub silent: u64,
    /// Samples that the radio lost.
    pub lost_samples: u64,
    /// Number of breaks in the order of samples.
    pub breaks: u64,
    /// Subframes in which the UE was deaf because it sent itself.
    pub deaf: u64,
    /// Bursts sent.
    pub bursts: u64,
    /// Bursts that were too late, as the radio reports.
    pub late_bursts: u64,
    /// Other events that the radio reported.
    pub radio_events: u64,
    /// Received MIBs, SCIs, SL-SCH blocks and SL-DCH messages.
    pub heard: [u64; 4],
    /// Sent MIBs, SCIs, SL-SCH blocks and SL-DCH messages.
    pub sent: [u64; 4],
    /// Number of times that the reference was lost or changed.
    pub reference_changes: u64,
}

/// Takes the events of the receiver of a UE: an event, the radio's sample at which its subframe begins, and the UTC
/// there.
pub type Listener = Box<dyn FnMut(&Heard<'_>, i64, UtcTime) + core::marker::Send>;

/// Takes every channel that a UE sends, with its subframe.
pub type OnAir = Box<dyn FnMut(Moment, &Content) + core::marker::Send>;

/// A UE.
pub struct Ue {
    name: String,
    numerology: Numerology,
    streams: Streams,
    clock: Option<Clock>,
    anchor: Anchor,
    receiver: Receiver,
    search: Option<ReferenceSearch>,
    sync: Sync,
    stack: Stack,
    planner: Planner,
    modulator: Modulator,
    applications: Applications,
    rng: AirRng,
    lead: u64,
    transmit_advance: i64,
    gain: f32,
    patience: u64,
    /// Carrier offset of the air against our oscillator, as measured on the reference.
    cfo: Hertz,
    /// The next subframe to receive.
    next: u64,
    /// The samples that were lost last; they are kept as zeros.
    hole: Range<u64>,
    silence: Silence,
    /// Samples by which the radio's clock was set, while no sample of the new count has arrived yet.
    jump: i64,
    /// Subframes of our last bursts, at their numbers modulo the length; `u64::MAX` where there is none.
    sent: [u64; 64],
    searched: u64,
    /// From this subframe on a reference may contradict our earlier time.
    contradicted_after: u64,
    /// Subframes between two searches for other references; drawn again each time.
    search_after: u64,
    transmissions: Vec<Transmission>,
    burst: Vec<Sample>,
    totals: Totals,
    duration: u64,
    latency_stats: LatencyStats,
    listener: Option<Listener>,
    on_air: Option<OnAir>,
}

impl Ue {
    /// Builds a UE from its parts.
    pub fn new(parts: Parts) -> Self {
        let numerology = parts.receiver.numerology;
        let (mode, antennas) = (parts.receiver.mode, parts.receiver.antennas);
        let n = numerology.subframe_samples();
        let stretch = (parts.sync.period as usize + SEARCH_MARGIN) * n;
        let UeRngs { timing: mut rng, planner: air_rng } = parts.air_rng;
        let prefixes = parts.communication.iter().flat_map(|c| [c.control_cp, c.data_cp]);
        let prefixes: Vec<_> =
            prefixes.chain(parts.discovery.iter().map(|d| d.cp)).chain([numerology.cp()]).collect();
        let communication = Communication::all(parts.communication, numerology);
        let discovery = parts.discovery.into_iter().map(Discovery::new).collect();
        let absolute = parts.sync.absolute;
        let sync = Sync::new(parts.sync, rng.next_u64());
        let clock = absolute.then(|| Clock::from_utc(numerology.sample_rate().0, parts.anchor));
        Self {
            name: parts.name,
            numerology,
            streams: Streams::new(antennas, 2 * stretch, n),
            next: clock.as_ref().map_or(0, |clock| clock.first_whole(0)),
            clock,
            anchor: parts.anchor,
            search: ReferenceSearch::new(numerology, mode.sidelink(), stretch, antennas),
            receiver: Receiver::new(parts.receiver),
            sync,
            stack: parts.stack,
            planner: Planner::new(
                numerology,
                mode,
                numerology.cp(),
                discovery,
                communication,
                parts.mode4,
                air_rng,
            ),
            modulator: Modulator::new(numerology, mode, &prefixes),
            applications: Applications(parts.applications.into_iter().map(Some).collect()),
            rng,
            lead: parts.lead.max(2),
            transmit_advance: parts.transmit_advance,
            gain: 10f32.powf(parts.gain.to_f32() / 20.0),
            patience: parts.patience,
            cfo: Hertz(0.0),
            hole: 0..0,
            silence: Silence::default(),
            jump: 0,
            sent: [u64::MAX; 64],
            searched: 0,
            contradicted_after: 0,
            search_after: 0,
            transmissions: Vec::with_capacity(32),
            burst: vec![Sample::default(); n],
            totals: Totals::default(),
            duration: u64::MAX,
            latency_stats: LatencyStats::new(),
            listener: None,
            on_air: None,
        }
    }

    /// Returns the number of samples of a subframe.
    pub fn subframe_samples(&self) -> usize {
        self.numerology.subframe_samples()
    }

    /// Returns the next subframe to be received.
    pub fn next_subframe(&self) -> u64 {
        self.next
    }

    /// Sets a listener for all events of the receiver.
    pub fn set_listener(&mut self, listener: Listener) {
        self.listener = Some(listener);
    }

    /// Sets a listener for everything that is sent.
    pub fn set_on_air(&mut self, on_air: OnAir) {
        self.on_air = Some(on_air);
    }

    /// Ends the UE after this many subframes.
    pub fn set_duration(&mut self, subframes: u64) {
        self.duration = subframes;
    }

    /// Whether the set duration is over.
    pub fn is_done(&self) -> bool {
        self.totals.subframes >= self.duration
    }

    /// Returns the name of the UE.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the counters.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Returns the processing times of the stages.
    pub fn latency_stats(&mut self) -> &mut LatencyStats {
        &mut self.latency_stats
    }

    /// Returns the clock, once the UE has a time.
    pub fn clock(&self) -> Option<&Clock> {
        self.clock.as_ref()
    }

    /// Returns the state of synchronisation.
    pub fn sync(&self) -> &Sync {
        &self.sync
    }

    /// Returns layer 2, discovery and links.
    pub fn stack(&mut self) -> &mut Stack {
        &mut self.stack
    }

    /// Adds an application behind the others.
    pub fn add_application(&mut self, application: Box<dyn Application>) {
        self.applications.0.push(Some(application));
    }

    /// Returns the status of IP, if this UE is a relay or a remote UE.
    pub fn ip_status(&self) -> Option<IpStatus> {
        self.applications.ip_status()
    }

    /// Sends `data` to a group.
    ///
    /// # Errors
    /// The reason why nothing was sent.
    pub fn say(&mut self, group: &str, data: &[u8]) -> Result<(), Refused> {
        self.stack.say(group, data, &mut |_| {})
    }

    /// Returns the reason of a silence, while it lasts.
    pub fn silence(&self) -> Option<Hindrance> {
        self.silence.why()
    }

    /// Returns the resource selection of mode 4, for its counters.
    pub fn selection(&self) -> Option<&mapping::Mode4> {
        self.planner.selection()
    }

    /// Returns the carrier offset of the air against the oscillator of the UE.
    pub fn cfo(&self) -> Hertz {
        self.cfo
    }

    /// Takes samples of which the first has number `first`, receives the subframes that are whole, and sends the
    /// planned bursts. `newest` is the number after the newest sample that the radio holds: subframes that are further
    /// behind it than the lead are given up.
    ///
    /// # Errors
    /// The radio has failed or ended.
    pub fn process(
        &mut self,
        first: u64,
        samples: &[Sample],
        newest: u64,
        radio: &mut dyn radio::Transmit,
    ) -> Result<(), RadioError> {
        self.process_antennas(first, &[samples], newest, radio)
    }

    /// Does the same with the samples of each antenna, all equally long. An antenna without samples is silent.
    ///
    /// # Errors
    /// As [`Self::process`].
    pub fn process_antennas(
        &mut self,
        first: u64,
        samples: &[&[Sample]],
        newest: u64,
        radio: &mut dyn radio::Transmit,
    ) -> Result<(), RadioError> {
        self.radio_events(radio);
        self.answer_jump(first);
        // Cut at fixed numbers: the plan that results from one block is complete before the next block is used.
        let length = samples.first().map_or(0, |samples| samples.len());
        let mut done = 0;
        loop {
            let at = first + done as u64;
            let now = done..length.min(done + self.streams.room(at));
            done = now.end;
            self.take(at, now, samples);
            self.work(newest, radio)?;
            if done == length {
                break;
            }
        }
        let keep = self.numerology.subframe_samples() as i64 * self.kept_subframes() as i64;
        self.streams.forget(self.streams.first().next() as i64 - keep);
        Ok(())
    }

    /// Takes the samples in `range` of each antenna, of one block of the notch.
    fn take(&mut self, first: u64, range: Range<usize>, samples: &[&[Sample]]) {
        match self.streams.push(first, range, samples) {
            Continuity::Whole => {}
            Continuity::Gap(count) => {
                self.totals.lost_samples += count;
                let from = first.saturating_sub(count);
                // With several losses in unread samples, the samples between the losses are not trusted either.
                let unread = self.clock.as_ref().map_or(0.0, |clock| clock.start_of(self.next));
                let before = self.hole.end as f64 > unread;
                self.hole = if before { self.hole.start } else { from }..first;
            }
            Continuity::Break => {
                self.totals.breaks += 1;
                if let Some(clock) = &self.clock {
                    self.next = self.next.max(clock.first_whole(first));
                }
            }
        }
    }

    /// Receives the subframes that are whole, and sends the planned bursts.
    fn work(&mut self, newest: u64, radio: &mut dyn radio::Transmit) -> Result<(), RadioError> {
        if self.clock.is_none() {
            self.look_for_time();
        }
        let n = self.numerology.subframe_samples();
        loop {
            let Some(clock) = &self.clock else {
                // Nothing will be sent before the time is known, and then not at once.
                let promise = self.streams.first().next() + self.lead * n as u64 / 2;
                return radio.advance(promise);
            };
            let t = self.next;
            let start = clock.start_of(t).round() as i64;
            if start + n as i64 > self.streams.first().next() as i64 {
                let promise = clock.start_of(t + self.lead) as i64 - self.transmit_advance;
                return radio.advance(promise.max(0) as u64);
            }
            let behind = (newest as i64 - start) / n as i64;
            self.subframe(t, start, behind.max(0) as u64, radio)?;
            self.next += 1;
        }
    }

    fn subframe(
        &mut self,
        t: u64,
        start: i64,
        behind: u64,
        radio: &mut dyn radio::Transmit,
    ) -> Result<(), RadioError> {
        self.latency_stats.begin();
        let Self { stack, applications, .. } = self;
        let now = Moment { t, utc: utc(self.clock.as_ref(), t) };
        stack.begin(t, now.utc, &mut |event| applications.tell(now, event));
        let own = self.sent[t as usize % self.sent.len()] == t;
        let lost = self.lost(start);
        let whole = self.numerology.subframe_samples() as u64;
        let time = Lateness::of(behind, self.lead);
        if own || time == Lateness::Deaf || lost == whole {
            self.totals.deaf += u64::from(own);
            self.totals.skipped += u64::from(!own);
            self.planner.sensed(t, None);
        } else {
            self.hear(now, start, lost == 0);
        }
        self.totals.subframes += 1;
        self.latency_stats.mark(Stage::Receive);
        self.follow(t, if lost == whole { Lateness::Deaf } else { time });
        let Self { stack, applications, .. } = self;
        applications.work(now, stack);
        self.latency_stats.mark(Stage::Application);
        if time == Lateness::InTime {
            self.transmit(t + self.lead, radio)?;
        } else {
            self.planner.skip(t + self.lead);
            self.latency_stats.mark(Stage::Plan);
            self.latency_stats.end();
        }
        self.note_silence(t, time);
        Ok(())
    }

    /// Plans and sends subframe `t`.
    fn transmit(&mut self, t: u64, radio: &mut dyn radio::Transmit) -> Result<(), RadioError> {
        let Some(clock) = &self.clock else { return Ok(()) };
        let (first, next) = (clock.start_of(t).round() as i64, clock.start_of(t + 1).round() as i64);
        let Self { planner, stack, sync, transmissions, applications, .. } = self;
        let moment = Moment { t, utc: utc(Some(clock), t) };
        planner.plan(t, sync, stack, transmissions, &mut |event| applications.tell(moment, event));
        self.latency_stats.mark(Stage::Plan);
        if !transmissions.is_empty() {
            for transmission in transmissions.iter_mut() {
                transmission.amplitude *= self.gain;
                use crate::mapping::transmit::Content::{Sci, SlDch, SlSch, Sync};
                let kind = match transmission.content {
                    Sync { .. } => 0,
                    Sci { .. } => 1,
                    SlSch { .. } => 2,
                    SlDch { .. } => 3,
                };
                self.totals.sent[kind] += 1;
                if let Some(on_air) = &mut self.on_air {
                    on_air(moment, &transmission.content);
                }
            }
            if let Err(e) = self.modulator.render(transmissions, &mut self.burst) {
                tracing::error!("{}: subframe {t} cannot be sent: {e}", self.name);
            }
            if self.cfo != Hertz(0.0) {
                FrequencyOffset::new(self.cfo, self.numerology.sample_rate()).process(&mut self.burst);
            }
            self.latency_stats.mark(Stage::Encode);
            let at = first - self.transmit_advance;
            if at >= 0 {
                radio.transmit(at as u64, &self.burst)?;
                self.totals.bursts += 1;
                let end = at.max(first) as u64 + self.burst.len() as u64;
                self.streams.transmitted(at.min(first).max(0) as u64..end);
            }
            self.sent[t as usize % self.sent.len()] = t;
        }
        let result = radio.advance((next - self.transmit_advance).max(0) as u64);
        self.latency_stats.mark(Stage::Send);
        self.latency_stats.end();
        if let (Some(now), Some(clock)) = (radio.now(), &self.clock) {
            // The last subframe that was received is the one that can be answered.
            let samples = now - clock.start_of((t + 1).saturating_sub(self.lead));
            let seconds = samples / self.numerology.sample_rate().0;
            self.latency_stats
                .record(Stage::TurnRound, Duration::try_from_secs_f64(seconds).unwrap_or_default());
        }
        result
    }

    /// Reports the beginning and the end of a long silence.
    fn note_silence(&mut self, t: u64, time: Lateness) {
        let refusal = self.planner.selection().and_then(mapping::Mode4::refusal);
        let hindrance = match time {
            Lateness::InTime => refusal.map(Hindrance::NoResource),
            Lateness::Late | Lateness::Deaf => Some(Hindrance::Late),
        };
        self.totals.silent += u64::from(hindrance.is_some());
        let Some(change) = self.silence.note(hindrance) else { return };
        let moment = Moment { t, utc: utc(self.clock.as_ref(), t) };
        event::of_silence(change, &mut |event| self.applications.tell(moment, event));
    }

    fn radio_events(&mut self, radio: &mut dyn radio::Transmit) {
        while let Some(event) = radio.poll_event() {
            match event {
                radio::Event::Late { .. } => self.totals.late_bursts += 1,
                radio::Event::ClockJump { by } => {
                    self.totals.radio_events += 1;
                    self.jump += by;
                    tracing::warn!("{}: the radio's clock jumped by {by} samples", self.name);
                }
                _ => self.totals.radio_events += 1,
            }
        }
    }
}

impl Participant for Ue {
    fn name(&self) -> &str {
        &self.name
    }

    fn subframe_samples(&self) -> usize {
        self.numerology.subframe_samples()
    }

    fn first_promise(&self) -> u64 {
        match &self.clock {
            Some(clock) => {
                (clock.start_of(self.next + self.lead) as i64 - self.transmit_advance).max(0) as u64
            }
            None => self.lead * self.numerology.subframe_samples() as u64 / 2,
        }
    }

    fn process(
        &mut self,
        first: u64,
        samples: &[Sample],
        newest: u64,
        radio: &mut dyn radio::Transmit,
    ) -> Result<(), RadioError> {
        Self::process(self, first, samples, newest, radio)
    }

    fn antennas(&self) -> Antennas {
        self.streams.antennas()
    }

    fn process_antennas(
        &mut self,
        first: u64,
        samples: &[&[Sample]],
        newest: u64,
        radio: &mut dyn radio::Transmit,
    ) -> Result<(), RadioError> {
        Self::process_antennas(self, first, samples, newest, radio)
    }

    fn is_done(&self) -> bool {
        Self::is_done(self)
    }

    fn latency_stats(&mut self) -> Option<&mut LatencyStats> {
        Some(&mut self.latency_stats)
    }
}

fn utc(clock: Option<&Clock>, t: u64) -> UtcTime {
    clock.and_then(|clock| clock.utc(t)).unwrap_or(UtcTime::from_millis(0))
}
