//! The ProSe Function of a PLMN: authorises UEs for direct discovery, allots codes, filters and keys, checks match reports,
//! takes back. TS 24.334 §6.2, TS 33.303 §6.1.3.
//!
//! ```text
//! config.rs   what the operator says: applications, users, limits
//! io.rs       inputs, outputs
//! requests.rs DISCOVERY_REQUEST: announce, monitor; open, and restricted of model A
//! model_b.rs  the same of model B: answer, ask
//! reports.rs  MATCH_REPORT: MIC and counter checked
//! revoke.rs   revocation, DISCOVERY_UPDATE_REQUEST until it is answered
//! storing.rs  what is being stored, and what then
//! table.rs    entries, which are what is durable
//! codes.rs    what a ProSe Application Code is made of
//! ues.rs      what is remembered of a UE
//! front.rs    which requests are looked at: refusals that are remembered, rates, puzzles
//! limits.rs   token buckets
//! alarms.rs   floods, for reports
//! other_networks.rs  what the functions of other networks ask
//! work.rs     a request on its way
//! ```
//!
//! A machine without clock, chance and I/O: [`ProseFunction::handle_input`], then [`ProseFunction::poll_output`] until it says
//! [`Output::Timeout`].
//!
//! - **Who asks** is proven by the transport; a transaction that names another UE is refused.
//! - **A flood** costs little: the refusal of a UE without subscription is remembered, each UE has a rate and all together have
//!   one, above some load a request needs a solved puzzle, and what waits is bounded. The HSS is asked once a UE, then not
//!   for a while; never for a peer that has not proven who it is.
//! - **Durable**: an entry is stored before the answer that tells its code and key. What is withdrawn stops to count at once and
//!   is stored as withdrawn until the store has taken it. Codes and keys are bound to numbers that are reserved ahead: after a
//!   restart none comes again, not even from a source of chance that repeats itself.
//!
//! Not here: application-controlled extension, announcing on demand, what PC6 and PC7 have beyond the queries of [`Query`], service authorisation (OMA
//! DM, with the range of announcements). The application server (PC2) is the list of permissions.

mod alarms;
mod codes;
mod config;
mod front;
mod io;
mod limits;
mod model_b;
mod other_networks;
mod reports;
mod requests;
mod revoke;
mod storing;
mod table;
mod ues;
mod work;

pub use config::{
    Application, Config, ConfigError, Limits, Permission, RestrictedPolicy, Role, Subscription,
};
pub use io::{
    Alarm, Answer, Durable, Event, Flood, Input, Output, Refused, RequestId, Response, Revocation, Ticket,
};
pub use other_networks::{NotTold, Query, Told};
pub use requests::MAX_TARGETS;
pub(crate) use table::copy_material;
pub use table::{Change, Content, Keys, Pair, Record};

use std::collections::VecDeque;

use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::Lease;
use sidelink_security::direct::Entropy;

use crate::pc3::match_report::{MatchReportAcks, MatchReports};
use crate::pc3::request::DiscoveryRequest;
use crate::pc3::response::{DiscoveryResponse, Reject};
use crate::pc3::{Cause, Imsi, Message};
use crate::puzzle::Puzzles;
use alarms::Alarms;
use limits::Bucket;
use revoke::Pushed;
use table::{Key, Table};
use ues::{Said, Ues};
use work::{Admitted, Puts, Stop, Storing, Then, Waiting, Work};

/// T4001, T4003, T4008, T4010, T4012 and T4014 are longer than T4000, T4002, T4007, T4009, T4011 and T4013 by 4 minutes, in
/// milliseconds. TS 24.334 §6.2.2.3.
pub const GRACE: u64 = 4 * 60_000;

/// Between two tries of an update, or of the store, in milliseconds. Ours.
pub const RETRY_INTERVAL: u64 = 10_000;

/// Tries of an update. Ours.
pub const TRIES: u32 = 3;

/// Between two alarms of a flood, in milliseconds. Ours.
pub const ALARM_INTERVAL: u64 = 5_000;

/// A ProSe Function.
pub struct ProseFunction {
    config: Config,
    now: UtcTime,
    numbers: Lease,
    entropy: Entropy,
    table: Table,
    ues: Ues,
    bucket: Bucket,
    alarms: Alarms,
    puzzles: Puzzles,
    waiting: VecDeque<Waiting>,
    storing: Vec<Storing>,
    next_ticket: u64,
    /// What could not be stored, and when to try again.
    retries: Vec<(UtcTime, Vec<Key>, Then)>,
    pushes: Vec<Pushed>,
    outbox: VecDeque<Output>,
}

impl ProseFunction {
    /// With what is durable, numbers of its own, and a seed of real chance.
    pub fn new(
        config: Config,
        numbers: Lease,
        seed: &[u8; 32],
        durable: Durable,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let mut table = Table::default();
        durable.records.into_iter().for_each(|record| table.put(record));
        let mut ues = Ues::default();
        ues.recall(durable.refused, &config.limits);
        Ok(Self {
            bucket: Bucket::new(config.limits.burst, config.limits.interval),
            puzzles: Puzzles::new(seed, config.limits.puzzle),
            config,
            now: UtcTime::from_millis(0),
            numbers,
            entropy: Entropy::new(seed),
            table,
            ues,
            alarms: Alarms::default(),
            waiting: VecDeque::new(),
            storing: Vec::new(),
            next_ticket: 0,
            retries: Vec::new(),
            pushes: Vec::new(),
            outbox: VecDeque::new(),
        })
    }

    /// Takes an input. Poll the outputs afterwards.
    pub fn handle_input(&mut self, input: Input<'_>) {
        if let Some(now) = input.now() {
            self.now = self.now.max(now);
            self.expire();
        }
        match input {
            Input::Tick { .. } => {}
            Input::Message { request, ue, solution, body, .. } => {
                if let Err(why) = self.message(request, ue, solution, body) {
                    self.respond(request, Response::Refused(why));
                }
            }
            Input::PublicKeys { request, ue, solution, body, .. } => {
                if let Err(why) = self.public_keys(request, ue, solution, body) {
                    self.respond(request, Response::Refused(why));
                }
            }
            Input::Subscription { ue, answer, .. } => self.subscription(ue, answer),
            Input::Revoke { what, .. } => self.revoke(what),
            Input::OtherNetwork { request, query, .. } => self.other_network(request, &query),
            Input::Stored { ticket, .. } => self.stored(ticket),
            Input::StoreFailed { ticket, .. } => self.store_failed(ticket),
            Input::Granted { granted, .. } => self.numbers.grant(granted),
            Input::ReservationFailed { .. } => self.numbers.failed(),
            Input::Entropy { seed } => self.entropy.mix(seed),
        }
        self.push_due();
    }

    /// The next thing to do; [`Output::Timeout`] when there is none.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outbox.pop_front() {
            return output;
        }
        match self.numbers.wanted() {
            Some(reservation) => Output::Reserve(reservation),
            None => Output::Timeout(self.deadline()),
        }
    }

    /// How many entries there are.
    pub fn entries(&self) -> usize {
        self.table.len()
    }

    fn deadline(&self) -> Option<UtcTime> {
        let waiting = self.waiting.iter().map(|waiting| waiting.deadline);
        let answers =
            self.storing.iter().filter(|s| matches!(s.then, Then::Respond { .. })).map(|s| s.deadline);
        let pushes = self.pushes.iter().map(|pushed| pushed.next_at);
        let retries = self.retries.iter().map(|(at, ..)| *at);
        waiting.chain(answers).chain(pushes).chain(retries).chain(self.table.next_end()).min()
    }

    /// What waits for this UE is served: without subscription with no rights, so that it is told why.
    fn subscription(&mut self, ue: Imsi, answer: Answer) {
        let limits = &self.config.limits;
        let (said, subscription, lasts) = match answer {
            Answer::Known(subscription) => {
                (Said::Known(subscription.clone()), subscription, limits.subscription)
            }
            Answer::Unknown => (Said::Unknown, Subscription::default(), limits.negative),
        };
        let until = self.now.plus_millis(lasts);
        if matches!(said, Said::Unknown) {
            self.outbox.push_back(Output::RememberRefusal { ue, until });
        }
        self.ues.remember(ue, said, until);
        let (served, waiting) = self.waiting.drain(..).partition(|waiting| waiting.ue == ue);
        self.waiting = waiting;
        for waiting in Vec::from_iter::<VecDeque<Waiting>>(served) {
            if let Err(why) = self.serve(waiting.request, ue, waiting.message, subscription.clone()) {
                self.respond(waiting.request, Response::Refused(why));
            }
        }
    }

    fn serve(
        &mut self,
        request: RequestId,
        ue: Imsi,
        message: Admitted,
        subscription: Subscription,
    ) -> Result<(), Refused> {
        let message = match message {
            Admitted::Pc3(message) => message,
            Admitted::PublicKeys(message) => {
                self.outbox.push_back(Output::PublicKeys { request, ue, message, subscription });
                return Ok(());
            }
        };
        let discovery = DiscoveryResponse {
            current_time: self.now,
            max_offset: self.config.max_offset,
            announces: Vec::new(),
            monitors: Vec::new(),
            restricted_announces: Vec::new(),
            restricted_monitors: Vec::new(),
            discoverees: Vec::new(),
            discoverers: Vec::new(),
            rejects: Vec::new(),
            method: None,
        };
        let work = Work { ue, subscription, discovery, changes: Vec::new(), allotted: Vec::new() };
        match message {
            Message::DiscoveryRequest(message) => self.discovery_request(request, message, work),
            Message::MatchReport(reports) => {
                self.match_report(request, reports, &work);
                Ok(())
            }
            Message::UeRegistrationRequest(_) | Message::ApplicationRegistrationRequest(_) => {
                let (message, subscription) = (Box::new(message), work.subscription);
                self.outbox.push_back(Output::EpcLevel { request, ue, message, subscription });
                Ok(())
            }
            _ => Err(Refused::Unexpected),
        }
    }

    fn discovery_request(
        &mut self,
        request: RequestId,
        message: DiscoveryRequest,
        mut work: Work,
    ) -> Result<(), Refused> {
        let limits = &self.config.limits;
        if self.storing.len() >= limits.waiting {
            return Err(Refused::Busy);
        }
        let pending = self.pending().filter(|change| matches!(change, Change::Put(_))).count();
        let wanted = message.open.len() + message.restricted.len();
        if self.table.len() + pending + wanted > limits.entries {
            return Err(Refused::Busy);
        }
        for open in message.open {
            let transaction = open.transaction;
            let stop = self.open_request(open, &mut work).err();
            self.reject(stop, transaction, &mut work)?;
        }
        for restricted in message.restricted {
            let transaction = restricted.transaction;
            let stop = self.restricted_request(restricted, &mut work).err();
            self.reject(stop, transaction, &mut work)?;
        }
        let Work { ue, discovery, changes, allotted, .. } = work;
        let body = Message::DiscoveryResponse(discovery).to_xml();
        if changes.is_empty() {
            self.respond(request, Response::Message(body));
        } else {
            self.store(changes, Puts::OnceStored, Then::Respond { request, ue, body, allotted });
        }
        Ok(())
    }

    /// Notes why a transaction is refused. Busy ends the whole request: what it has taken out of the table already is stored so.
    fn reject(
        &mut self,
        stop: Option<Stop>,
        transaction: crate::pc3::TransactionId,
        work: &mut Work,
    ) -> Result<(), Refused> {
        match stop {
            None => Ok(()),
            Some(Stop::Cause(cause)) => {
                self.report(Event::Rejected { ue: work.ue, cause });
                work.discovery.rejects.push(Reject { transaction, cause });
                Ok(())
            }
            Some(Stop::Busy) => {
                work.changes.retain(|change| matches!(change, Change::Remove(..)));
                if !work.changes.is_empty() {
                    let removed = core::mem::take(&mut work.changes);
                    self.store(removed, Puts::Done, Then::Nothing);
                }
                Err(Refused::Busy)
            }
        }
    }

    fn match_report(&mut self, request: RequestId, reports: MatchReports, work: &Work) {
        let mut acks = MatchReportAcks {
            current_time: self.now,
            acks: Vec::new(),
            rejects: Vec::new(),
            restricted: Vec::new(),
        };
        for report in reports.open {
            let transaction = report.transaction;
            if let Err(stop) = self.open_report(report, work, &mut acks) {
                self.match_reject(stop, transaction, work, &mut acks);
            }
        }
        for report in reports.restricted {
            let transaction = report.transaction;
            if let Err(stop) = self.restricted_report(report, work, &mut acks) {
                self.match_reject(stop, transaction, work, &mut acks);
            }
        }
        self.respond(request, Response::Message(Message::MatchReportAck(acks).to_xml()));
    }

    fn match_reject(
        &mut self,
        stop: Cause,
        transaction: crate::pc3::TransactionId,
        work: &Work,
        acks: &mut MatchReportAcks,
    ) {
        self.report(Event::Rejected { ue: work.ue, cause: stop });
        acks.rejects.push(Reject { transaction, cause: stop });
    }

    /// Entries that have ended, and requests that have waited for too long.
    fn expire(&mut self) {
        let ended = self.table.expire(self.now);
        if !ended.is_empty() {
            let removed = ended.into_iter().map(|(ue, entry)| Change::Remove(ue, entry)).collect();
            self.store(removed, Puts::Done, Then::Nothing);
        }
        self.retry();
        let now = self.now;
        let (late, waiting) = self.waiting.drain(..).partition(|waiting| waiting.deadline <= now);
        self.waiting = waiting;
        for waiting in Vec::from_iter::<VecDeque<Waiting>>(late) {
            self.respond(waiting.request, Response::Refused(Refused::Busy));
        }
        let late = self.storing.iter_mut().filter(|storing| storing.deadline <= now);
        for storing in late {
            if let Then::Respond { request, .. } = storing.then {
                storing.then = Then::Nothing;
                let response = Response::Refused(Refused::Busy);
                self.outbox.push_back(Output::Respond { request, response });
            }
        }
    }

    fn respond(&mut self, request: RequestId, response: Response) {
        self.outbox.push_back(Output::Respond { request, response });
    }

    fn report(&mut self, event: Event) {
        self.outbox.push_back(Output::Event(event));
    }
}

#[cfg(test)]
mod tests;
