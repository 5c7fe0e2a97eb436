//! The UE's end of PC3: asks for codes, filters and keys, keeps them fresh, reports matches. TS 24.334 §6.2.
//!
//! ```text
//! io.rs       inputs, outputs
//! wanted.rs   one thing that the UE wants, through its life
//! messages.rs requests that are made, answers that are read
//! matches.rs  codes that were heard, and what the ProSe Function said of them
//! ```
//!
//! ```text
//!   Want -> Request --DISCOVERY_RESPONSE--> Allotted; before its timer ends: Request again
//!           no answer: again after a while; what was allotted counts until its timer ends, then Ended
//!   Heard -> Request --MATCH_REPORT_ACK--> Verified; T4006, T4017: not reported again before
//!   Push (DISCOVERY_UPDATE_REQUEST) -> Allotted or Ended, and the answer
//! ```
//!
//! The transport has proven the ProSe Function, and names the UE to it (TLS with Ks_NAF). Out of coverage nothing is lost
//! before its timer ends. A refusal that names a cause is not asked about again before
//! [`Input::Again`]; one of the transport is.

mod io;
mod matches;
mod messages;
mod wanted;

pub use io::{
    Allotment, Config, EndCause, Filter, Heard, Input, Name, NoAnswer, Output, Query, Target, Wanted,
    WantedId,
};

use std::collections::VecDeque;

use sidelink_security::counter::UtcTime;
use zeroize::Zeroizing;

use crate::pc3::update::DiscoveryUpdateRequest;
use crate::pc3::{EntryId, Message};
use crate::prose_function::RequestId;
use matches::Matches;
use wanted::Entry;

/// Things that a UE may want at once: transactions have 8 bits.
pub const MOST_WANTED: usize = 64;

/// Messages of one MATCH_REPORT. Ours.
pub const MOST_REPORTS: usize = 32;

/// What a request is about.
enum About {
    Wanted(WantedId),
    /// Codes that were reported together, each with its transaction.
    Matches(Vec<(u8, [u8; 23])>),
    /// The answer to an update: nothing comes back.
    Update,
}

/// The UE's end of PC3.
pub struct Pc3Client {
    config: Config,
    now: UtcTime,
    entries: Vec<Entry>,
    matches: Matches,
    /// Messages that are to be reported: the next MATCH_REPORT has them all.
    reports: Vec<Heard>,
    pending: Vec<(RequestId, About)>,
    next_request: u64,
    outputs: VecDeque<Output>,
}

impl Pc3Client {
    /// One that wants nothing yet.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            now: UtcTime::from_millis(0),
            entries: Vec::new(),
            matches: Matches::default(),
            reports: Vec::new(),
            pending: Vec::new(),
            next_request: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Takes an input. Poll the outputs afterwards.
    pub fn handle_input(&mut self, input: Input<'_>) {
        self.now = self.now.max(input.now());
        match input {
            Input::Tick { .. } => {}
            Input::Want { wanted, earlier, .. } => self.want(wanted, earlier),
            Input::Response { request, body, .. } => self.response(request, body),
            Input::NoAnswer { request, why, .. } => self.no_answer(request, why),
            Input::Push { body, .. } => self.push(body),
            Input::Again { now, id } => {
                if let Some(entry) = self.entries.get_mut(usize::from(id.0)) {
                    entry.again(now);
                }
            }
            Input::Heard { heard, .. } => self.heard(&heard),
        }
        self.due();
    }

    /// The next thing to do; [`Output::Timeout`] when there is none.
    pub fn poll_output(&mut self) -> Output {
        if self.outputs.is_empty() {
            self.send_reports();
        }
        let deadline =
            || self.entries.iter().filter_map(Entry::deadline).chain(self.matches.deadline()).min();
        self.outputs.pop_front().unwrap_or_else(|| Output::Timeout(deadline()))
    }

    fn want(&mut self, wanted: Wanted, earlier: Option<EntryId>) {
        if self.entries.len() < MOST_WANTED {
            self.entries.push(Entry::new(wanted, earlier, self.now));
        } else {
            self.outputs.push_back(Output::TooMany(wanted));
        }
    }

    /// Does what is due: asks, asks again, ends.
    fn due(&mut self) {
        for index in 0..self.entries.len() {
            let (id, now) = (WantedId(index as u8), self.now);
            let entry = &mut self.entries[index];
            if entry.expired(now) {
                self.outputs.push_back(Output::Ended { id, why: EndCause::Expired });
            }
            if entry.is_late(now) {
                self.forget(id);
                self.entries[index].failed(now, &self.config);
            }
            if self.entries[index].is_due(now) {
                self.entries[index].asks(now, &self.config);
                let body = messages::request(&self.config, id, &self.entries[index]);
                self.send(About::Wanted(id), body);
            }
        }
        let late = self.matches.late(self.now);
        if !late.is_empty() {
            self.pending.retain_mut(|(_, about)| match about {
                About::Matches(codes) => {
                    codes.retain(|(_, code)| !late.contains(code));
                    !codes.is_empty()
                }
                _ => true,
            });
        }
    }

    fn forget(&mut self, id: WantedId) {
        self.pending.retain(|(_, about)| !matches!(about, About::Wanted(of) if *of == id));
    }

    fn send(&mut self, about: About, body: Zeroizing<String>) {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        self.pending.push((request, about));
        self.outputs.push_back(Output::Request { request, body });
    }

    fn take(&mut self, request: RequestId) -> Option<About> {
        let at = self.pending.iter().position(|(of, _)| *of == request)?;
        Some(self.pending.swap_remove(at).1)
    }

    fn response(&mut self, request: RequestId, body: &[u8]) {
        let Some(about) = self.take(request) else { return };
        match (about, Message::from_xml(body)) {
            (About::Update, _) => {}
            (About::Wanted(id), Ok(Message::DiscoveryResponse(response))) => self.allotted(id, response),
            (About::Matches(codes), Ok(Message::MatchReportAck(acks))) => {
                let (current_time, max_offset) = (acks.current_time, None);
                self.outputs.push_back(Output::Clock { current_time, max_offset });
                for (transaction, code) in codes {
                    let name = self.matches.acknowledged((transaction, code), &acks, self.now, &self.config);
                    self.outputs.push_back(match name {
                        Ok(name) => Output::Verified { code, name },
                        Err(cause) => Output::NotVerified { code, cause },
                    });
                }
            }
            (about, read) => {
                let error = read.err();
                self.outputs.push_back(Output::Malformed(error));
                self.lost(about, NoAnswer::Lost);
            }
        }
    }

    fn no_answer(&mut self, request: RequestId, why: NoAnswer) {
        if let Some(about) = self.take(request) {
            self.lost(about, why);
        }
    }

    fn lost(&mut self, about: About, why: NoAnswer) {
        match about {
            About::Update => {}
            About::Matches(codes) => {
                codes.iter().for_each(|(_, code)| self.matches.lost(*code, self.now, &self.config));
            }
            About::Wanted(id) => {
                let entry = &mut self.entries[usize::from(id.0)];
                match why {
                    NoAnswer::Lost => entry.failed(self.now, &self.config),
                    NoAnswer::Wait(millis) => entry.waits(self.now.plus_millis(millis.max(1))),
                    NoAnswer::Forbidden => {
                        entry.refused();
                        self.outputs.push_back(Output::Ended { id, why: EndCause::Forbidden });
                    }
                }
            }
        }
    }

    fn heard(&mut self, heard: &Heard) {
        if self.matches.wants_report(heard.code, self.now, &self.config) {
            if self.reports.len() == MOST_REPORTS {
                self.send_reports();
            }
            self.reports.push(*heard);
        }
    }

    /// Everything that was heard since the last look goes into one MATCH_REPORT, a transaction each (TS 24.334 §11.2.4.4 has lists of them).
    fn send_reports(&mut self) {
        if self.reports.is_empty() {
            return;
        }
        let reports = core::mem::take(&mut self.reports);
        let (body, codes) = messages::report(&self.config, &reports);
        for _ in codes.len()..reports.len() {
            self.outputs.push_back(Output::Malformed(None));
        }
        if !codes.is_empty() {
            self.send(About::Matches(codes), body);
        }
    }

    fn push(&mut self, body: &[u8]) {
        match Message::from_xml(body) {
            Ok(Message::DiscoveryUpdateRequest(request)) => self.update(request),
            read => self.outputs.push_back(Output::Malformed(read.err())),
        }
    }

    /// TS 24.334 §6.2.6.
    fn update(&mut self, request: DiscoveryUpdateRequest) {
        let mut answer = messages::UpdateAnswer::default();
        for update in request.updates {
            let mut entries = self.entries.iter_mut().enumerate();
            let found = entries.find(|(_, entry)| entry.id() == Some(update.entry));
            let Some((index, entry)) = found.filter(|_| update.ue == self.config.ue) else {
                answer.unknown(update.transaction);
                continue;
            };
            answer.done(update.transaction, update.entry);
            let id = WantedId(index as u8);
            match update.info.map(|info| messages::updated(&entry.wanted, info, self.now)) {
                None => {
                    // No update has a form for model B: what is left of several is asked for anew.
                    match &entry.wanted {
                        Wanted::Ask(targets) if targets.len() > 1 => entry.begins_anew(self.now),
                        _ => entry.refused(),
                    }
                    self.outputs.push_back(Output::Ended { id, why: EndCause::Withdrawn });
                }
                Some(None) => self.outputs.push_back(Output::Malformed(None)),
                Some(Some((allotment, until))) => {
                    entry.holds(update.entry, until, self.now);
                    let entry = update.entry;
                    self.outputs.push_back(Output::Allotted { id, entry, allotment, until });
                }
            }
        }
        self.send(About::Update, answer.into_xml());
    }
}

#[cfg(test)]
mod tests;
