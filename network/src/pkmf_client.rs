//! The UE's end of PC8 and of MIKEY: asks for keys, receives, acknowledges and keeps them. TS 33.303 §6.2.3.3.2, §6.6.4.2.
//!
//! ```text
//!   Want -> Request --KEY_RESPONSE--> Store (PMK, terms), Stored -> Granted
//!   datagram: PMK, counter, MAC -> Store (counter, key), Stored -> Key, and the verification message
//!   nothing comes, or a message asks for it -> Request
//!   a PRUK in a KEY_RESPONSE -> Pruk; who keeps it says Holds
//! ```
//!
//! - A message is proven before anything of it counts, and its counter is durable with what it brought: no message is taken
//!   twice, not after a crash either.
//! - A key is durable before the PKMF is told that it is there.
//! - One PMK is kept, the last that came (§6.2.3.3.2.2).
//! - A key that ended is kept until another ends (§6.2.3.1).

mod io;
mod keys;

pub use io::{
    Change, Durable, Event, Fault, Input, KeyRecord, Output, PmkRecord, Refused, Terms, Ticket, Wanted,
};

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::UtcTime;
use sidelink_security::keys::{Pmk, Secret256};

use crate::identity::Fqdn;
use crate::key_delivery::{Content, KeyName, Period, Received, ServiceId};
use crate::pc3::TransactionId;
use crate::pc8::request::{GroupMemberRequest, GroupRequest, KeyRequest, RelayRequest};
use crate::pc8::response::KeyResponse;
use crate::pc8::{Algorithms, CodeNumber, DiscoveryCapabilities, ErrorCode, Message, PrukId};
use keys::Held;

/// Settings of a UE.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its PKMF.
    pub pkmf: Fqdn,
    /// Ciphering that it has for one-to-many communication.
    pub algorithms: Vec<Algorithm>,
    /// Protection that it has for public-safety discovery.
    pub discovery: DiscoveryCapabilities,
    /// Milliseconds until it asks again when no answer, or no key, comes; twice as long each time.
    pub patience: u64,
    /// At most so many.
    pub most_patience: u64,
}

impl Config {
    /// All ciphers and scrambling; 15 s, at most an hour.
    pub fn new(pkmf: Fqdn) -> Self {
        Self {
            pkmf,
            algorithms: Algorithm::ALL.to_vec(),
            discovery: DiscoveryCapabilities::SCRAMBLING,
            patience: 15_000,
            most_patience: 3_600_000,
        }
    }
}

/// What happens once something is stored.
enum Then {
    Nothing,
    /// An answer of the PKMF counts.
    Answer(Option<PmkRecord>, Vec<(Wanted, Terms)>),
    /// A key counts, and the PKMF is told.
    Key(KeyRecord, Option<Vec<u8>>),
    /// A key is gone, and the PKMF is told.
    Deleted(KeyName, Option<Vec<u8>>),
}

/// The UE's end.
pub struct PkmfClient {
    config: Config,
    now: UtcTime,
    wanted: BTreeSet<Wanted>,
    /// What is to be stopped with the next request.
    stop: BTreeSet<Wanted>,
    /// What was refused, until it is wanted anew.
    refused: BTreeSet<Wanted>,
    pmk: Option<PmkRecord>,
    grants: BTreeMap<Wanted, Terms>,
    keys: BTreeMap<KeyName, Held>,
    /// The PRUK that the UE has.
    pruk: Option<PrukId>,
    transaction: u8,
    /// The transaction that is not answered.
    asked: Option<u8>,
    ask_at: Option<UtcTime>,
    patience: u64,
    storing: Vec<(Ticket, Then)>,
    next_ticket: u64,
    outbox: VecDeque<Output>,
}

impl PkmfClient {
    /// With what is durable. It asks for nothing until [`Input::Want`].
    pub fn new(config: Config, durable: Durable) -> Self {
        let Durable { pmk, grants, keys } = durable;
        let held = |record: KeyRecord| (record.name, Held { key: record.key, period: record.period });
        Self {
            patience: config.patience,
            config,
            now: UtcTime::from_millis(0),
            wanted: grants.iter().map(|(wanted, _)| *wanted).collect(),
            stop: BTreeSet::new(),
            refused: BTreeSet::new(),
            pmk,
            grants: grants.into_iter().collect(),
            keys: keys.into_iter().map(held).collect(),
            pruk: None,
            transaction: 0,
            asked: None,
            ask_at: None,
            storing: Vec::new(),
            next_ticket: 0,
            outbox: VecDeque::new(),
        }
    }

    /// Takes an input. Poll the outputs afterwards.
    pub fn handle_input(&mut self, input: Input<'_>) {
        self.now = self.now.max(input.now());
        match input {
            Input::Want { wanted, .. } => self.want(wanted),
            Input::Holds { pruk, .. } => self.holds(pruk),
            Input::Response { body, .. } => self.response(body),
            Input::Lost { .. } => self.lost(),
            Input::Datagram { octets, .. } => {
                if let Err(why) = self.datagram(octets) {
                    self.report(Event::Refused(why));
                }
            }
            Input::Stored { ticket, .. } => self.stored(ticket),
            Input::StoreFailed { ticket, .. } => self.store_failed(ticket),
            Input::Tick { .. } => {}
        }
        self.forget_ended();
        self.look();
    }

    /// The next thing to do; [`Output::Timeout`] when there is none.
    pub fn poll_output(&mut self) -> Output {
        self.outbox.pop_front().unwrap_or_else(|| {
            let times = [self.ask_at, self.next_end()];
            Output::Timeout(times.into_iter().flatten().min())
        })
    }

    /// Asks when it is time; waits for keys that are to come.
    fn look(&mut self) {
        if self.ask_at.is_some_and(|at| at <= self.now) {
            self.ask();
        } else if self.ask_at.is_none() && (self.lacks_keys() || self.lacks_pruk()) {
            self.wait();
        }
    }

    fn wait(&mut self) {
        self.ask_at = Some(self.now.plus_millis(self.patience));
        self.patience = self.patience.saturating_mul(2).min(self.config.most_patience);
    }

    /// A PRUK is never granted for good: wanting it anew asks whether the one that is there still serves.
    fn want(&mut self, wanted: &[Wanted]) {
        let wanted: BTreeSet<_> = wanted.iter().copied().collect();
        self.stop.extend(self.wanted.difference(&wanted));
        // A PRUK that nobody wants any more is stopped by nothing in a message.
        self.stop.retain(|stopped| !wanted.contains(stopped) && *stopped != Wanted::Pruk);
        self.refused.clear();
        self.wanted = wanted;
        self.patience = self.config.patience;
        let news =
            !self.stop.is_empty() || self.wanted.iter().any(|wanted| !self.grants.contains_key(wanted));
        if news || self.lacks_keys() {
            self.ask();
        }
    }

    /// Sends a KEY_REQUEST. TS 33.303 §6.2.3.3.2.2.
    fn ask(&mut self) {
        self.transaction = self.transaction.wrapping_add(1);
        let Ok(transaction) = TransactionId::new(self.transaction) else { return };
        let mut message = KeyRequest::new(transaction);
        for wanted in self.wanted.difference(&self.refused) {
            let held = self.held(self.service_of(*wanted));
            match wanted {
                Wanted::Pruk => message.pruk_id = Some(self.pruk.unwrap_or(PrukId([0; 8]))),
                Wanted::Group(group) => message.groups.push(GroupRequest { group: *group, held }),
                Wanted::Relay(code) => message.relays.push(RelayRequest { code: *code, held }),
                Wanted::GroupMember(group) => {
                    // The schema has room for one: the newest ends last.
                    let newest = self.service_of(*wanted).and_then(|service| {
                        self.of(service).max_by_key(|(_, held)| held.period.to).map(|(name, _)| name.id.get())
                    });
                    let held = crate::pc8::HeldId(newest.unwrap_or(0));
                    message.group_members.push(GroupMemberRequest { group: *group, held });
                }
            }
        }
        for stopped in &self.stop {
            match stopped {
                Wanted::Group(group) => message.stop_groups.push(*group),
                Wanted::Relay(code) => message.stop_relays.push(CodeNumber(*code)),
                Wanted::GroupMember(group) => message.stop_group_members.push(CodeNumber(*group)),
                Wanted::Pruk => {}
            }
        }
        if !message.groups.is_empty() {
            message.algorithms = Some(Algorithms::of(&self.config.algorithms));
        }
        if !message.relays.is_empty() || !message.group_members.is_empty() {
            message.discovery = Some(self.config.discovery);
        }
        self.asked = Some(self.transaction);
        self.wait();
        // Of two that nobody has sent yet the later one counts.
        self.outbox.retain(|output| !matches!(output, Output::Request(_)));
        self.outbox.push_back(Output::Request(Message::KeyRequest(message).to_xml()));
    }

    fn holds(&mut self, pruk: Option<PrukId>) {
        let is_another = self.pruk != pruk;
        self.pruk = pruk;
        // What is asked says the one before: for it the PKMF would give up the one that is here.
        if is_another && self.asked.is_some() && self.wanted.contains(&Wanted::Pruk) {
            return self.ask();
        }
        if !self.lacks_keys() && !self.lacks_pruk() && self.asked.is_none() {
            (self.ask_at, self.patience) = (None, self.config.patience);
        }
    }

    /// Whether a PRUK is wanted, was not refused, and is not there.
    fn lacks_pruk(&self) -> bool {
        let wanted = self.wanted.contains(&Wanted::Pruk) && !self.refused.contains(&Wanted::Pruk);
        wanted && self.pruk.is_none()
    }

    fn lost(&mut self) {
        if self.asked.take().is_some() {
            self.wait();
        }
    }

    fn response(&mut self, body: &[u8]) {
        let answer = match Message::from_xml(body) {
            Ok(Message::KeyResponse(answer)) if Some(answer.transaction.value()) == self.asked => answer,
            Ok(_) => return self.report(Event::BadResponse(Fault::Unexpected)),
            Err(error) => {
                self.report(Event::BadResponse(Fault::Malformed(error)));
                return self.lost();
            }
        };
        self.asked = None;
        self.ask_at = None;
        let rejects = rejects(&answer);
        let grants: Vec<_> =
            grants(&answer).into_iter().filter(|(wanted, _)| self.wanted.contains(wanted)).collect();
        if let Some(pruk) = answer.pruk.filter(|_| self.wanted.contains(&Wanted::Pruk)) {
            self.outbox.push_back(Output::Pruk(pruk));
        }
        let pmk = answer.pmk.map(|info| PmkRecord { id: info.id, pmk: info.pmk, counter: 0 });
        let mut changes: Vec<_> =
            grants.iter().map(|(wanted, terms)| Change::PutGrant(*wanted, *terms)).collect();
        changes.extend(pmk.iter().map(|record| Change::PutPmk(record.duplicate())));
        for (wanted, error) in rejects {
            if error != ErrorCode::Stopped {
                self.refused.insert(wanted);
                self.report(Event::Rejected(wanted, error));
            }
            self.stop.remove(&wanted);
            if self.grants.remove(&wanted).is_some() {
                changes.push(Change::RemoveGrant(wanted));
            }
        }
        if changes.is_empty() {
            return;
        }
        self.store(changes, Then::Answer(pmk, grants));
    }

    /// TS 33.303 §6.2.3.3.2.3.3, in its order: PMK, counter, integrity, then what it says.
    fn datagram(&mut self, octets: &[u8]) -> Result<(), Refused> {
        let received = Received::parse(octets, &self.config.pkmf).map_err(Refused::Message)?;
        // A new PMK is on its way to the store: nothing under the old one may be written behind it.
        if self.storing.iter().any(|(_, then)| matches!(then, Then::Answer(Some(_), _))) {
            return Err(Refused::UnknownPmk);
        }
        let Some(pmk) = self.pmk.as_mut().filter(|pmk| pmk.id == received.pmk_id) else {
            return Err(Refused::UnknownPmk);
        };
        if received.counter <= pmk.counter {
            return Err(Refused::Replayed);
        }
        let proven = received.verify(&pmk.pmk).map_err(Refused::Message)?;
        pmk.counter = received.counter;
        let counter = Change::PutPmk(pmk.duplicate());
        match proven.content {
            Content::Key(name, key, period) => {
                if let Err(why) = self.may_take(name, period) {
                    self.store(vec![counter], Then::Nothing);
                    return Err(why);
                }
                let record = || KeyRecord { name, key: Secret256::from(*key.as_bytes()), period };
                let changes = vec![counter, Change::PutKey(record())];
                self.store(changes, Then::Key(record(), proven.answer));
            }
            Content::Delete(name) => {
                let changes = vec![counter, Change::RemoveKey(name)];
                self.store(changes, Then::Deleted(name, proven.answer));
            }
            Content::Solicit(_) => {
                self.store(vec![counter], Then::Nothing);
                self.patience = self.config.patience;
                self.ask();
            }
        }
        Ok(())
    }

    fn may_take(&self, name: KeyName, period: Period) -> Result<(), Refused> {
        let granted = self.grants.keys().any(|wanted| self.service_of(*wanted) == Some(name.service));
        if !granted {
            return Err(Refused::NotGranted(name));
        }
        if period.to <= self.now.counter() { Err(Refused::Ended(name)) } else { Ok(()) }
    }

    fn store(&mut self, changes: Vec<Change>, then: Then) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.outbox.push_back(Output::Store { ticket, changes });
        self.storing.push((ticket, then));
    }

    fn take_stored(&mut self, ticket: Ticket) -> Option<Then> {
        let position = self.storing.iter().position(|(stored, _)| *stored == ticket)?;
        Some(self.storing.remove(position).1)
    }

    fn stored(&mut self, ticket: Ticket) {
        match self.take_stored(ticket) {
            Some(Then::Answer(pmk, grants)) => {
                if pmk.is_some() {
                    self.pmk = pmk;
                }
                for (wanted, terms) in grants {
                    self.grants.insert(wanted, terms);
                    self.report(Event::Granted(wanted, terms));
                }
            }
            Some(Then::Key(record, answer)) => {
                let KeyRecord { name, key, period } = record;
                self.keys.insert(name, Held { key, period });
                self.report(Event::Key(name));
                self.outbox.extend(answer.map(Output::Send));
                if !self.lacks_keys() && !self.lacks_pruk() && self.asked.is_none() {
                    (self.ask_at, self.patience) = (None, self.config.patience);
                }
            }
            Some(Then::Deleted(name, answer)) => {
                if self.keys.remove(&name).is_some() {
                    self.report(Event::Deleted(name));
                }
                self.outbox.extend(answer.map(Output::Send));
            }
            Some(Then::Nothing) | None => {}
        }
    }

    /// What came does not count, and the PKMF is told nothing: it says it again, or is asked.
    fn store_failed(&mut self, ticket: Ticket) {
        if let Some(then) = self.take_stored(ticket) {
            self.report(Event::Store);
            if matches!(then, Then::Answer(..)) {
                self.wait();
            }
        }
    }

    fn report(&mut self, event: Event) {
        self.outbox.push_back(Output::Event(event));
    }
}

impl PmkRecord {
    /// Another copy, for the store.
    fn duplicate(&self) -> Self {
        Self { id: self.id, pmk: Pmk::from(*self.pmk.as_bytes()), counter: self.counter }
    }
}

fn grants(answer: &KeyResponse) -> Vec<(Wanted, Terms)> {
    let groups = answer.groups.iter().map(|granted| {
        let terms = Terms::Group { member: granted.member, algorithm: granted.algorithm };
        (Wanted::Group(granted.group), terms)
    });
    let relays = answer.relays.iter().map(|granted| {
        let key_type = ServiceId(granted.key_type.0);
        let (protection, encrypted) = (granted.protection, granted.encrypted);
        (Wanted::Relay(granted.code), Terms::Discovery { key_type, protection, encrypted })
    });
    let members = answer.group_members.iter().map(|granted| {
        let key_type = ServiceId(granted.key_type.0);
        let (protection, encrypted) = (granted.protection, granted.encrypted);
        (Wanted::GroupMember(granted.group), Terms::Discovery { key_type, protection, encrypted })
    });
    groups.chain(relays).chain(members).collect()
}

fn rejects(answer: &KeyResponse) -> Vec<(Wanted, ErrorCode)> {
    let groups = answer.group_rejects.iter().map(|reject| (Wanted::Group(reject.group), reject.error));
    let relays = answer.relay_rejects.iter().map(|reject| (Wanted::Relay(reject.code), reject.error));
    let members =
        answer.group_member_rejects.iter().map(|reject| (Wanted::GroupMember(reject.group), reject.error));
    let pruk = answer.pruk_error.iter().map(|error| (Wanted::Pruk, *error));
    groups.chain(relays).chain(members).chain(pruk).collect()
}

#[cfg(test)]
mod tests;
