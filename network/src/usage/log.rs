//! The UE's log: counts, stores, and uploads when in coverage.
//!
//! What is durable says that a period is open, from the first start on: a UE that starts again without having been shut down
//! writes that this period is lost. So a crash takes one record at most, and the place where it would be shows it.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::{BTreeMap, VecDeque};

use sidelink_security::counter::UtcTime;
use sidelink_security::keys::AccountingKey;
use zeroize::Zeroizing;

use super::messages::{ChainInfo, Message, Report, ReportList, UsageCause};
use super::record::{Content, Flow, Head, KeyName, Layer2Id, Line, Record};
use crate::pc3::{Imsi, TransactionId};
use crate::prose_function::RequestId;

/// Most lines of a record: another one begins a record. Ours.
const MOST_LINES: usize = 60;

/// Most records of a list: what one document holds. Ours.
const MOST_RECORDS: usize = 32;

/// Whether the UE is in E-UTRAN coverage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RadioCoverage {
    /// It is not.
    Out,
    /// It is.
    In,
}

/// Settings of the UE.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// Its identity.
    pub ue: Imsi,
    /// Its Layer-2 identity.
    pub local: Layer2Id,
    /// Its address.
    pub address: IpAddr,
    /// Addresses of groups.
    pub groups: Vec<(Layer2Id, IpAddr)>,
    /// Collection period, in milliseconds. TS 24.334 §10.3.2.1.2.
    pub period: u64,
    /// Milliseconds until an upload counts as lost, and until the next try.
    pub patience: u64,
    /// Records that are kept; where they are not uploaded, later periods are merged into the open one.
    pub records: usize,
}

impl LogConfig {
    pub(super) const fn unspecified(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }

    pub(super) fn multicast(&self, group: Layer2Id) -> IpAddr {
        let known = self.groups.iter().find(|(id, _)| *id == group);
        known.map_or(self.unspecified(), |(_, address)| *address)
    }
}

/// Names an [`LogOutput::Store`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(pub u64);

/// What changes in what is durable.
#[derive(Debug)]
pub enum LogChange {
    /// A period is open: what is not recorded of it is lost with the UE.
    Open,
    /// A record is added, and the next period is open.
    Record {
        /// The record.
        record: Record,
        /// The chain after it.
        head: Head,
        /// Under which key.
        key: KeyName,
    },
    /// Records before this place are uploaded, and forgotten.
    Uploaded(u64),
    /// Records are chained under this key from now on.
    Key(AccountingKey),
    /// The UE is shut down: nothing is open.
    Closed,
}

/// What a log begins with.
#[derive(Debug)]
pub struct LogDurable {
    /// Records that are not uploaded, each with the chain after it and the name of its key.
    pub records: Vec<(Record, Head, KeyName)>,
    /// The chain after the last record.
    pub head: Head,
    /// Place of the next record.
    pub next: u64,
    /// Whether a period was open.
    pub open: bool,
    /// The key.
    pub key: Option<AccountingKey>,
}

impl LogDurable {
    /// Of a UE that has never logged.
    pub fn first(ue: Imsi) -> Self {
        Self { records: Vec::new(), head: Head::start(ue), next: 0, open: false, key: None }
    }

    /// Makes a change, as a store does.
    pub fn apply(&mut self, change: LogChange) {
        match change {
            LogChange::Open => self.open = true,
            LogChange::Record { record, head, key } => {
                (self.next, self.head, self.open) = (record.seq + 1, head, true);
                self.records.push((record, head, key));
            }
            LogChange::Uploaded(until) => self.records.retain(|(record, ..)| record.seq >= until),
            LogChange::Key(key) => self.key = Some(key),
            LogChange::Closed => self.open = false,
        }
    }
}

/// What happened.
#[derive(Debug)]
pub enum LogInput<'a> {
    /// Time went on.
    Tick {
        /// The time.
        now: UtcTime,
    },
    /// A packet went.
    Traffic {
        /// The time.
        now: UtcTime,
        /// From or to whom.
        flow: Flow,
        /// Its octets.
        octets: u64,
        /// Its PDCP SN.
        sn: u32,
    },
    /// The UE came into coverage, or left it.
    Coverage {
        /// The time.
        now: UtcTime,
        /// Which.
        coverage: RadioCoverage,
    },
    /// The UE has bootstrapped: the key of the transport from now on.
    Key(AccountingKey),
    /// The ProSe Function answered.
    Response {
        /// The time.
        now: UtcTime,
        /// Which request.
        request: RequestId,
        /// The body.
        body: &'a [u8],
    },
    /// A change is durable.
    Stored(Ticket),
    /// It could not be made durable.
    StoreFailed(Ticket),
    /// The UE is shut down: what is open is recorded.
    Close {
        /// The time.
        now: UtcTime,
    },
}

/// For reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogEvent {
    /// The period before the start is lost, and recorded so.
    LostPeriod,
    /// Records are uploaded.
    Uploaded(usize),
    /// The ProSe Function refuses them.
    Rejected(UsageCause),
    /// A change could not be stored: it is tried again.
    StoreFailed,
}

/// What is to be done.
#[derive(Debug)]
pub enum LogOutput {
    /// Make this durable after what came before, and hand back [`LogInput::Stored`] or [`LogInput::StoreFailed`].
    Store {
        /// To hand back.
        ticket: Ticket,
        /// What.
        change: LogChange,
    },
    /// Send this to the ProSe Function over PC3ch, under the key that was bootstrapped last.
    Request {
        /// For the answer.
        request: RequestId,
        /// The body.
        body: Zeroizing<String>,
    },
    /// For reports.
    Event(LogEvent),
    /// Nothing more until then; none: until the next input.
    Timeout(Option<UtcTime>),
}

/// A change that is not durable yet, to be tried again.
enum Pending {
    Open,
    Record(Box<(Record, Head, KeyName)>),
    Uploaded(u64),
    Key(AccountingKey),
    Closed,
}

/// An upload under way.
struct Upload {
    request: RequestId,
    transaction: u8,
    until: UtcTime,
    next: u64,
    records: usize,
}

/// The log of a UE.
pub struct UsageLog {
    config: LogConfig,
    now: UtcTime,
    begun: UtcTime,
    coverage: RadioCoverage,
    lines: BTreeMap<Flow, Line>,
    records: VecDeque<(Record, Head, KeyName)>,
    head: Head,
    next: u64,
    number: u32,
    /// The key of the chain, and that of the transport.
    key: Option<AccountingKey>,
    session: Option<AccountingKey>,
    /// Whether the ProSe Function has seen the key of the chain.
    is_enrolled: bool,
    queue: VecDeque<Pending>,
    storing: Option<Ticket>,
    tickets: u64,
    upload: Option<Upload>,
    not_before: UtcTime,
    is_silenced: bool,
    outbox: VecDeque<LogOutput>,
}

impl UsageLog {
    /// With what is durable. A period that was open is recorded as lost.
    pub fn new(config: LogConfig, durable: LogDurable, now: UtcTime) -> Self {
        let LogDurable { records, head, next, open, key } = durable;
        let mut log = Self {
            config,
            now,
            begun: now,
            coverage: RadioCoverage::Out,
            lines: BTreeMap::new(),
            is_enrolled: next > 0,
            records: records.into(),
            head,
            next,
            number: 0,
            key,
            session: None,
            queue: VecDeque::new(),
            storing: None,
            tickets: 0,
            upload: None,
            not_before: now,
            is_silenced: false,
            outbox: VecDeque::new(),
        };
        if open && log.key.is_some() {
            log.record(Content::Lost);
            log.outbox.push_back(LogOutput::Event(LogEvent::LostPeriod));
        } else {
            log.queue.push_back(Pending::Open);
        }
        log.advance();
        log
    }

    /// Takes an input. Poll the outputs afterwards.
    pub fn handle_input(&mut self, input: LogInput<'_>) {
        match input {
            LogInput::Tick { now } => self.time(now),
            LogInput::Traffic { now, flow, octets, sn } => {
                self.time(now);
                self.traffic(flow, octets, sn);
            }
            LogInput::Coverage { now, coverage } => {
                self.time(now);
                if coverage != self.coverage {
                    // A record is of one kind of coverage.
                    self.close();
                    self.coverage = coverage;
                }
            }
            LogInput::Key(key) => {
                if self.key.is_none() {
                    self.switch(&key);
                }
                self.session = Some(key);
            }
            LogInput::Response { now, request, body } => {
                self.time(now);
                self.response(request, body);
            }
            LogInput::Stored(ticket) => self.stored(ticket),
            LogInput::StoreFailed(ticket) => {
                if self.storing == Some(ticket) {
                    self.storing = None;
                    self.outbox.push_back(LogOutput::Event(LogEvent::StoreFailed));
                }
                // Tried again with the next input.
                return;
            }
            LogInput::Close { now } => {
                self.time(now);
                self.close();
                self.queue.push_back(Pending::Closed);
            }
        }
        self.advance();
        self.upload();
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> LogOutput {
        self.outbox.pop_front().unwrap_or_else(|| {
            let period = (!self.lines.is_empty()).then(|| self.begun.plus_millis(self.config.period));
            let upload = self.upload.as_ref().map(|upload| upload.until);
            LogOutput::Timeout(period.into_iter().chain(upload).min())
        })
    }

    /// The chain after the last record, durable or not.
    pub const fn head(&self) -> Head {
        self.head
    }

    fn time(&mut self, now: UtcTime) {
        self.now = self.now.max(now);
        if self.now >= self.begun.plus_millis(self.config.period) {
            self.close();
        }
        if self.upload.as_ref().is_some_and(|upload| self.now >= upload.until) {
            self.upload = None;
        }
    }

    fn traffic(&mut self, flow: Flow, octets: u64, sn: u32) {
        if !self.lines.contains_key(&flow) && self.lines.len() >= MOST_LINES {
            self.close();
        }
        if self.lines.is_empty() {
            self.begun = self.begun.max(self.now);
        }
        let fresh = Line { flow, octets: 0, first_sn: sn, last_sn: sn, first_at: self.now };
        let line = self.lines.entry(flow).or_insert(fresh);
        line.octets = line.octets.saturating_add(octets);
        line.last_sn = sn;
    }

    /// Ends the period, with a record where something went. Without a key, or room, it goes on.
    fn close(&mut self) {
        let has_room = self.records.len() + self.queue.len() < self.config.records;
        if self.lines.is_empty() {
            self.begun = self.now;
        } else if self.key.is_some() && has_room {
            let lines = core::mem::take(&mut self.lines).into_values().collect();
            self.record(Content::Usage(lines));
        }
    }

    fn record(&mut self, content: Content) {
        let Some(key) = &self.key else { return };
        let record = Record {
            seq: self.next,
            number: self.number,
            local: self.config.local,
            in_coverage: self.coverage,
            from: self.begun,
            to: self.now,
            content,
        };
        self.head = self.head.after(key, &record);
        (self.next, self.number, self.begun) = (self.next + 1, self.number.wrapping_add(1), self.now);
        let name = KeyName::of(key);
        self.queue.push_back(Pending::Record(Box::new((record, self.head, name))));
    }

    fn switch(&mut self, key: &AccountingKey) {
        let copy = || AccountingKey::from(*key.as_bytes());
        if self.key.as_ref() != Some(key) {
            self.key = Some(copy());
            self.queue.push_back(Pending::Key(copy()));
        }
    }

    /// Stores the next change, once the one before is durable.
    fn advance(&mut self) {
        if self.storing.is_some() {
            return;
        }
        let Some(pending) = self.queue.front() else { return };
        let change = match pending {
            Pending::Open => LogChange::Open,
            Pending::Record(entry) => {
                let (record, head, key) = (**entry).clone();
                LogChange::Record { record, head, key }
            }
            Pending::Uploaded(until) => LogChange::Uploaded(*until),
            Pending::Key(key) => LogChange::Key(AccountingKey::from(*key.as_bytes())),
            Pending::Closed => LogChange::Closed,
        };
        let ticket = Ticket(self.tickets);
        self.tickets += 1;
        self.storing = Some(ticket);
        self.outbox.push_back(LogOutput::Store { ticket, change });
    }

    fn stored(&mut self, ticket: Ticket) {
        if self.storing != Some(ticket) {
            return;
        }
        self.storing = None;
        if let Some(Pending::Record(entry)) = self.queue.pop_front() {
            self.records.push_back(*entry);
        }
    }

    /// Sends what is durable, in coverage, one list at a time. The first one has a record though nothing went: the ProSe
    /// Function then knows the key before the UE leaves coverage.
    fn upload(&mut self) {
        let may = self.coverage == RadioCoverage::In && self.session.is_some() && !self.is_silenced;
        if !may || self.upload.is_some() || self.now < self.not_before {
            return;
        }
        if !self.is_enrolled && self.next == 0 && self.key.is_some() {
            self.record(Content::Usage(Vec::new()));
            self.advance();
        }
        let Some((_, _, key)) = self.records.front() else { return };
        let same_key = self.records.iter().take_while(|(.., of)| of == key).take(MOST_RECORDS);
        let batch: Vec<_> = same_key.collect();
        let Some((last, head, key)) = batch.last() else { return };
        let (next, records) = (last.seq + 1, batch.len());
        let transaction = self.tickets as u8;
        let reports = batch.iter().map(|(record, ..)| Report::of(record, &self.config)).collect();
        let list = ReportList {
            transaction: TransactionId::new(transaction).expect("a transaction ID is any octet"),
            ue: self.config.ue,
            reports,
            chain: Some(ChainInfo { key: *key, head: *head }),
        };
        let request = RequestId(self.tickets);
        self.tickets += 1;
        let until = self.now.plus_millis(self.config.patience);
        self.not_before = until;
        self.upload = Some(Upload { request, transaction, until, next, records });
        self.outbox.push_back(LogOutput::Request { request, body: Message::ReportList(list).to_xml() });
    }

    fn response(&mut self, request: RequestId, body: &[u8]) {
        let Some(upload) = self.upload.take_if(|upload| upload.request == request) else { return };
        let Ok(Message::Response(response)) = Message::from_xml(body) else { return };
        let ours = |transaction: TransactionId| transaction.value() == upload.transaction;
        if let Some(rejected) = response.rejected.filter(|rejected| ours(rejected.transaction)) {
            // TS 24.334 §10.3.2.1.6: none before the next power up, where the format is wrong.
            self.is_silenced = rejected.cause == UsageCause::InvalidFormat;
            self.outbox.push_back(LogOutput::Event(LogEvent::Rejected(rejected.cause)));
        } else if response.accepted.is_some_and(|accepted| ours(accepted.transaction)) {
            self.records.retain(|(record, ..)| record.seq >= upload.next);
            self.queue.push_back(Pending::Uploaded(upload.next));
            (self.is_enrolled, self.not_before) = (true, self.now);
            // The ProSe Function knows the key of the transport now.
            if let Some(session) = self.session.take() {
                self.switch(&session);
                self.session = Some(session);
            }
            self.outbox.push_back(LogOutput::Event(LogEvent::Uploaded(upload.records)));
        }
    }
}
