//! The ProSe Key Management Function: keys of groups, of public-safety discovery and of relays. TS 33.303 §6.2.3, §6.6.4, §6.7,
//! Annex E.
//!
//! ```text
//! config.rs      what the operator says: services, members, lifetimes, limits
//! io.rs          inputs, outputs, what is durable
//! requests.rs    KEY_REQUEST: who may have what, PMK
//! periods.rs     PGKs and PSDKs: IDs, periods, the next one in time, revocation
//! deliveries.rs  MIKEY: messages, tries, verification
//! remotes.rs     remote UEs and their PRUKs
//! relays.rs      relays that ask for a KD, GBA push
//! storing.rs     what is being stored, and what then
//! ```
//!
//! A machine without clock, chance and I/O: [`Pkmf::handle_input`], then [`Pkmf::poll_output`] until it says
//! [`Output::Timeout`].
//!
//! - **Who asks** is whom the TLS connection was proven to be; nothing in a KEY_REQUEST names a UE.
//! - **A PMK** is handed out once. Whoever may have lost it, has no key, or did not answer, gets another: under one that is
//!   handed out again, old messages would be new to the UE.
//! - **A key** is durable before it is sent, and has one content under its name while anybody may have it: an ID whose five
//!   least significant bits are those of a key that has not ended, or was the last to end, is not taken (TS 33.303 §6.2.3.2).
//! - **A counter** of a PMK is reserved before it is used; every message takes one, a repetition too.
//! - **Revocation** ends all keys of the service at once, withdraws them from the members that have them, and gives the others
//!   a new one; each member loses the old ones after it has said that it has the new one, or does not answer.
//!
//! - **A PRUK** is durable before anybody has it; a KD and its freshness are nowhere but in the answer to the relay.
//!
//! A PRUK comes in a KEY_RESPONSE (§6.7.3.2.2.2, Annex E.5.2.2.11), not by MIKEY: so the text has it, where drafts had MIKEY.
//!
//! Not here: other PLMNs, PC4a (a GPI is made by the BSF), the choice of algorithms by the UE; a UE has one address.

mod config;
mod deliveries;
mod io;
mod periods;
mod relays;
mod remotes;
mod requests;
mod storing;

pub use config::{Config, ConfigError, DiscoveryCode, Kind, Limits, Relays, Remote, Service, Told};
pub use io::{
    Change, Durable, Event, Input, KeyRecord, Output, Refused, RequestId, Response, Standing, Ticket,
    UeRecord, Wanted,
};
pub use remotes::{PrukRecord, RemoteRecord};

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{Lease, StreamId};
use sidelink_security::direct::Entropy;

use crate::identity::Impi;
use crate::key_delivery::{PmkId, ServiceId};
use crate::limit::Bucket;
use crate::pc8::PrukId;
use deliveries::{Deliveries, Subject};
use periods::Keys;
use relays::{Pushes, RevokedRelays};
use remotes::Remotes;
use storing::{Retry, Storing};

/// Between two tries of the store, in milliseconds. Ours.
pub const RETRY_INTERVAL: u64 = 10_000;

/// Between two alarms of a flood, in milliseconds. Ours.
pub const ALARM_INTERVAL: u64 = 5_000;

/// Ua security protocol of a PRUK that is pushed. TS 33.220 Annex H names none; ours, among those for experiments (from memory).
pub const UA_PROTOCOL: [u8; 5] = [0xff, 0, 0, 0, 1];

/// A PRUK ID as the P-TID of a GPI, which is a text there: 16 hexadecimal digits. TS 33.303 §6.7.3.2.1.1 step 4b.
pub fn p_tid(id: PrukId) -> String {
    hex::encode(id.0)
}

/// The PRUK ID of a P-TID; none where it is another's, or all zero.
pub fn pruk_id(p_tid: &str) -> Option<PrukId> {
    let mut id = [0; 8];
    hex::decode_to_slice(p_tid, &mut id).ok()?;
    (id != [0; 8]).then_some(PrukId(id))
}

/// One past the last counter of a PMK: 32 bits, from 1 on.
const COUNTERS: u64 = 1 << 32;

/// The stream of a PMK's counter in a store of counters.
pub fn stream(pmk_id: PmkId) -> StreamId {
    let mut name = *b"pmk:\0\0\0\0\0\0\0\0\0\0\0\0";
    name[8..].copy_from_slice(&pmk_id.0);
    StreamId(name)
}

/// A UE that has a PMK.
struct Ue {
    record: UeRecord,
    counters: Lease,
    /// Whether it may be without its PMK: the next answer brings another.
    doubtful: bool,
    /// What waits for the next counters.
    parked: Vec<Subject>,
}

/// A PKMF.
pub struct Pkmf {
    config: Config,
    now: UtcTime,
    numbers: Lease,
    /// Numbers are not asked for before.
    numbers_at: UtcTime,
    keys_from: Entropy,
    nonces_from: Entropy,
    services: BTreeMap<ServiceId, Keys>,
    codes: BTreeMap<DiscoveryCode, ServiceId>,
    ues: BTreeMap<Impi, Ue>,
    by_pmk: BTreeMap<PmkId, Impi>,
    remotes: Remotes,
    revoked_relays: RevokedRelays,
    pushes: Pushes,
    deliveries: Deliveries,
    rates: BTreeMap<Impi, Bucket>,
    rate: Option<Bucket>,
    alarmed: Option<UtcTime>,
    storing: Vec<Storing>,
    next_ticket: u64,
    retries: Vec<Retry>,
    outbox: VecDeque<Output>,
}

impl Pkmf {
    /// With what is durable, numbers of its own (never another PKMF's of the same store), and a seed of real chance.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn new(
        config: Config,
        numbers: Lease,
        seed: &[u8; 32],
        durable: Durable,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        // Two sources: what one shows (RAND) must never be what the other keeps (keys), whatever the seed.
        let (mut keys_from, mut nonces_from) = (Entropy::new(seed), Entropy::new(seed));
        keys_from.mix(b"keys");
        nonces_from.mix(b"nonces");
        let mut pkmf = Self {
            services: config.services.iter().map(|service| (service.id, Keys::new(service))).collect(),
            codes: config.services.iter().flat_map(codes).collect(),
            config,
            now: UtcTime::from_millis(0),
            numbers,
            numbers_at: UtcTime::from_millis(0),
            keys_from,
            nonces_from,
            ues: BTreeMap::new(),
            by_pmk: BTreeMap::new(),
            remotes: Remotes::default(),
            revoked_relays: RevokedRelays::default(),
            pushes: Pushes::default(),
            deliveries: Deliveries::default(),
            rates: BTreeMap::new(),
            rate: None,
            alarmed: None,
            storing: Vec::new(),
            next_ticket: 0,
            retries: Vec::new(),
            outbox: VecDeque::new(),
        };
        pkmf.load(durable);
        Ok(pkmf)
    }

    fn load(&mut self, durable: Durable) {
        for (service, ue) in durable.revocations {
            if let Some(keys) = self.services.get_mut(&service) {
                keys.revoked.insert(ue);
            }
        }
        for record in durable.keys {
            if let Some(keys) = self.services.get_mut(&record.name.service) {
                keys.load(record);
            }
        }
        for (record, reserved) in durable.ues {
            self.install(record, reserved);
        }
        durable.remotes.into_iter().for_each(|record| self.remotes.install(record));
        self.revoked_relays = RevokedRelays::new(durable.revoked_relays);
        let services: Vec<_> = self.services.keys().copied().collect();
        services.into_iter().for_each(|service| self.schedule(service));
    }

    /// Takes an input. Poll the outputs afterwards.
    pub fn handle_input(&mut self, input: Input<'_>) {
        if let Some(now) = input.now() {
            self.now = self.now.max(now);
        }
        match input {
            Input::Request { request, ue, address, content_type, body, .. } => {
                if let Err(why) = self.request(request, ue, address, content_type, body) {
                    self.respond(request, Response::Refused(why));
                }
            }
            Input::Datagram { from, octets, .. } => self.datagram(from, octets),
            Input::Revoke { service, ue, .. } => self.revoke(service, ue),
            Input::Admit { service, ue, .. } => self.admit(service, ue),
            Input::RevokeRemote { ue, .. } => self.revoke_remote(ue),
            Input::AdmitRemote { ue, .. } => self.admit_remote(ue),
            Input::RevokeRelay { ue, .. } => self.revoke_relay(ue),
            Input::AdmitRelay { ue, .. } => self.admit_relay(ue),
            Input::Pushed { ticket, result, .. } => self.pushed(ticket, result),
            Input::Stored { ticket, .. } => self.stored(ticket),
            Input::StoreFailed { ticket, .. } => self.store_failed(ticket),
            Input::Granted { granted, .. } => {
                let stream = granted.stream();
                if stream == self.numbers.stream() {
                    self.numbers.grant(granted);
                } else if let Some(ue) = self.ue_of(stream) {
                    self.ues.entry(ue.clone()).and_modify(|state| state.counters.grant(granted));
                    self.unpark(&ue, self.now);
                }
            }
            Input::ReservationFailed { stream, .. } => self.reservation_failed(stream),
            Input::Tick { .. } => {}
            Input::Entropy { seed } => {
                self.keys_from.mix(seed);
                self.nonces_from.mix(seed);
            }
        }
        self.storing_due();
        self.pushes_due();
        self.keys_due();
        self.deliveries_due();
    }

    /// The next thing to do; [`Output::Timeout`] when there is none.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outbox.pop_front() {
            return output;
        }
        let reservation = if self.now >= self.numbers_at { self.numbers.wanted() } else { None };
        reservation.map_or_else(|| Output::Timeout(self.deadline()), Output::Reserve)
    }

    fn deadline(&self) -> Option<UtcTime> {
        let answers = self.storing.iter().filter_map(Storing::deadline);
        let retries = self.retries.iter().map(|retry| retry.at);
        let keys = self.services.values().filter_map(|keys| keys.due);
        let numbers = Some(self.numbers_at).filter(|at| *at > self.now);
        let times = answers.chain(retries).chain(keys).chain(self.deliveries.next()).chain(numbers);
        times.chain(self.next_push()).min()
    }

    fn reservation_failed(&mut self, stream: StreamId) {
        if stream == self.numbers.stream() {
            self.numbers.failed();
            self.numbers_at = self.now.plus_millis(RETRY_INTERVAL);
        } else if let Some(ue) = self.ue_of(stream) {
            self.ues.entry(ue.clone()).and_modify(|state| state.counters.failed());
            self.unpark(&ue, self.now.plus_millis(RETRY_INTERVAL));
        }
    }

    fn ue_of(&self, name: StreamId) -> Option<Impi> {
        let [.., a, b, c, d, e, f, g, h] = name.0;
        let pmk_id = PmkId([a, b, c, d, e, f, g, h]);
        self.by_pmk.get(&pmk_id).filter(|_| stream(pmk_id) == name).cloned()
    }

    /// A UE has this PMK from now on, and no other.
    fn install(&mut self, record: UeRecord, reserved: u64) {
        let (ue, pmk_id, since) = (record.ue.clone(), record.pmk_id, record.since);
        match self.ues.get_mut(&ue) {
            Some(state) if state.record.pmk_id == pmk_id => state.record = record,
            _ => {
                let counters = Lease::at(stream(pmk_id), reserved, 1, COUNTERS, self.config.reserve);
                let state = Ue { record, counters, doubtful: false, parked: Vec::new() };
                if let Some(old) = self.ues.insert(ue.clone(), state) {
                    self.by_pmk.remove(&old.record.pmk_id);
                }
                self.by_pmk.insert(pmk_id, ue.clone());
                self.deliveries.renew(&ue, self.now);
                let renewal = since.plus_millis(self.config.pmk_lifetime);
                self.deliveries.add(&ue, Subject::Solicit, renewal, Vec::new());
            }
        }
    }

    /// Whether a UE wants keys of a service, and may have them.
    fn wants(&self, ue: &Ue, service: ServiceId) -> bool {
        let wanted = ue.record.wanted.iter().any(|wanted| self.service_of(*wanted) == Some(service));
        wanted && self.services.get(&service).is_some_and(|keys| keys.may_have(&ue.record.ue))
    }

    fn wanting(&self, service: ServiceId) -> BTreeSet<Impi> {
        let members = self.services.get(&service).map(Keys::members);
        let states = members.into_iter().flatten().filter_map(|member| self.ues.get(member));
        states.filter(|ue| self.wants(ue, service)).map(|ue| ue.record.ue.clone()).collect()
    }

    fn service_of(&self, wanted: Wanted) -> Option<ServiceId> {
        match wanted {
            Wanted::Group(id) => Some(id),
            Wanted::Discovery(code) => self.codes.get(&code).copied(),
        }
    }

    fn respond(&mut self, request: RequestId, response: Response) {
        self.outbox.push_back(Output::Respond { request, response });
    }

    fn report(&mut self, event: Event) {
        self.outbox.push_back(Output::Event(event));
    }

    fn flood(&mut self) {
        if self.alarmed.is_none_or(|at| self.now >= at.plus_millis(ALARM_INTERVAL)) {
            self.alarmed = Some(self.now);
            self.report(Event::Flood);
        }
    }
}

fn codes(service: &Service) -> Vec<(DiscoveryCode, ServiceId)> {
    match &service.kind {
        Kind::Group { .. } => Vec::new(),
        Kind::Discovery { codes, .. } => codes.iter().map(|code| (*code, service.id)).collect(),
    }
}

#[cfg(test)]
mod tests;
