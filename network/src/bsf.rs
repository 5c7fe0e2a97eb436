//! Bootstrapping server function: Ub towards UEs, Zn towards NAFs. TS 33.220 §4.5, TS 24.109 §4.
//!
//! ```text
//!   Ub  GET, no answer       -> Fetch, Vector -> 401 with RAND and AUTN
//!       GET, the digest      -> Store, Stored -> 200 with B-TID and lifetime: the key replaces the one before
//!       GET, AUTS            -> Fetch with it, Vector -> 401
//!       GET, a wrong digest  -> 401 with the same challenge, 403 after some
//!   Zn  B-TID, NAF_Id        -> Ks_NAF
//! ```
//!
//! A request that proves nothing costs a vector only when no challenge of this subscriber is open: until then everybody
//! who names it gets the same challenge (TS 33.102 §6.3.3 lets a challenge without an answer be sent again). A wrong
//! digest closes no challenge, so nobody keeps a subscriber from answering. Fetches are limited for all together here, and
//! for one subscriber in the HSS.

use std::collections::{BTreeMap, VecDeque};

use base64ct::{Base64, Encoding};
use http::{Method, StatusCode, header};
use sidelink_security::counter::UtcTime;
use sidelink_security::kdf::gba;

use crate::aka::Quintet;
use crate::bootstrapping_info::{BootstrappingInfo, MEDIA_TYPE};
use crate::digest::{self, Algorithm, Answer, Authorization, Challenge, Of};
use crate::hss::{self, Resynchronisation, Ticket};
use crate::identity::{BTid, Fqdn, Impi, NafId};
use crate::limit::{Bucket, RateLimit};

mod io;

pub use io::{Connection, Input, KeyMaterial, KeyRefusal, Output, Record, Request, Response};

/// Octets of the body of a request, at most: a GET needs none.
pub const MAX_BODY: usize = 1024;

/// Requests that wait for one vector, at most.
pub const MOST_WAITING: usize = 8;

/// Vectors that are waited for, at most.
pub const MOST_FETCHES: usize = 1000;

/// Settings of a BSF.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name, the realm of the digest.
    pub name: Fqdn,
    /// Hash of the digest.
    pub algorithm: Algorithm,
    /// How long a key lives, in milliseconds.
    pub key_lifetime: u64,
    /// How long a challenge may be answered, in milliseconds.
    pub challenge_lifetime: u64,
    /// How long the HSS may take, in milliseconds.
    pub fetch_timeout: u64,
    /// Wrong answers to a challenge, and wrong AUTS, until a failure is indicated. TS 24.109 §4.3.
    pub wrong_answers: u32,
    /// Vectors of all subscribers together.
    pub rate: RateLimit,
}

impl Config {
    /// Keys live a day, challenges half a minute; 50 vectors a second.
    pub fn new(name: Fqdn) -> Self {
        Self {
            name,
            algorithm: Algorithm::AkaV1Md5,
            key_lifetime: 24 * 3_600_000,
            challenge_lifetime: 30_000,
            fetch_timeout: 5_000,
            wrong_answers: 3,
            rate: RateLimit { burst: 50, interval: 20 },
        }
    }
}

struct Open {
    quintet: Quintet,
    nonce: String,
    until: UtcTime,
    wrong: u32,
}

struct Fetch {
    impi: Impi,
    waiting: Vec<Connection>,
    until: UtcTime,
}

struct Storing {
    record: Record,
    to: Connection,
    response: Response,
}

/// A BSF.
pub struct Bsf {
    config: Config,
    open: BTreeMap<Impi, Open>,
    fetches: BTreeMap<Ticket, Fetch>,
    storing: BTreeMap<Ticket, Storing>,
    records: BTreeMap<Impi, Record>,
    by_b_tid: BTreeMap<BTid, Impi>,
    bucket: Option<Bucket>,
    tickets: u64,
    outputs: VecDeque<Output>,
}

impl Bsf {
    /// With the keys that were stored and not forgotten.
    pub fn new(config: Config, stored: impl IntoIterator<Item = Record>) -> Self {
        let mut bsf = Self {
            config,
            open: BTreeMap::new(),
            fetches: BTreeMap::new(),
            storing: BTreeMap::new(),
            records: BTreeMap::new(),
            by_b_tid: BTreeMap::new(),
            bucket: None,
            tickets: 0,
            outputs: VecDeque::new(),
        };
        stored.into_iter().for_each(|record| bsf.keep(record));
        bsf
    }

    /// Takes an input.
    pub fn handle_input(&mut self, input: Input<'_>) {
        match input {
            Input::Request { now, from, request } => {
                if let Err(status) = self.request(now, from, request) {
                    self.refuse(from, status);
                }
            }
            Input::Vector { now, ticket, result } => self.vector(now, ticket, result),
            Input::Stored { ticket } => self.stored(ticket),
            Input::StoreFailed { ticket } => {
                if let Some(Storing { to, .. }) = self.storing.remove(&ticket) {
                    self.refuse(to, StatusCode::SERVICE_UNAVAILABLE);
                }
            }
            Input::KeyRequest { now, ticket, naf, b_tid, naf_id } => {
                let result = self.key(now, &naf, &b_tid, &naf_id);
                self.outputs.push_back(Output::Key { ticket, result });
            }
            Input::Tick { now } => self.expire(now),
        }
    }

    /// What is to be done next; [`Output::Timeout`] when that is all.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| {
            let fetches = self.fetches.values().map(|f| f.until);
            let open = self.open.values().map(|o| o.until);
            let records = self.records.values().map(|r| r.expires);
            Output::Timeout(fetches.chain(open).chain(records).min())
        })
    }

    fn request(&mut self, now: UtcTime, from: Connection, request: &Request) -> Result<(), StatusCode> {
        if request.method() != Method::GET {
            return Err(StatusCode::METHOD_NOT_ALLOWED);
        }
        if request.uri().path() != "/" {
            return Err(StatusCode::NOT_FOUND);
        }
        if request.body().len() > MAX_BODY {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let mut fields = request.headers().get_all(header::AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else {
            return Err(StatusCode::BAD_REQUEST);
        };
        let authorization = Authorization::parse(field.as_bytes()).map_err(|_| StatusCode::BAD_REQUEST)?;
        let is_for_us = authorization.realm.eq_ignore_ascii_case(self.config.name.as_str());
        if !is_for_us || request.uri() != authorization.uri.as_str() {
            return Err(StatusCode::BAD_REQUEST);
        }
        let impi = Impi::new(&authorization.username).map_err(|_| StatusCode::BAD_REQUEST)?;
        self.open.retain(|_, open| open.until > now);
        let open = self.open.get(&impi);
        match &authorization.answer {
            Some(answer) if open.is_some_and(|o| o.nonce == answer.nonce) => {
                self.answer(now, from, impi, &authorization, answer, request.body())
            }
            // The first request, or an answer to a challenge that is not open any more.
            _ => self.challenge(now, from, impi, None),
        }
    }

    fn answer(
        &mut self,
        now: UtcTime,
        from: Connection,
        impi: Impi,
        authorization: &Authorization,
        answer: &Answer,
        body: &[u8],
    ) -> Result<(), StatusCode> {
        let open = self.open.get_mut(&impi).ok_or(StatusCode::BAD_REQUEST)?;
        if answer.algorithm != self.config.algorithm {
            return Err(StatusCode::BAD_REQUEST);
        }
        let exchange = authorization.exchange(answer);
        let password: &[u8] = if answer.auts.is_some() { &[] } else { &open.quintet.res };
        let is_right = exchange.verify(password, Of::Request(body), &answer.response);
        if !is_right || (answer.auts.is_some() && open.wrong >= self.config.wrong_answers) {
            open.wrong = open.wrong.saturating_add(1);
            return match open.wrong < self.config.wrong_answers {
                true => self.challenge(now, from, impi, None),
                false => Err(StatusCode::FORBIDDEN),
            };
        }
        if let Some(auts) = answer.auts {
            open.wrong = open.wrong.saturating_add(1);
            let resynchronisation = Resynchronisation { rand: open.quintet.rand, auts };
            return self.challenge(now, from, impi, Some(resynchronisation));
        }
        if self.storing.values().any(|s| s.record.impi == impi) {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        let record = self.record(now, impi, &exchange)?;
        let info = BootstrappingInfo { b_tid: record.b_tid.clone(), expires: record.expires };
        let body = info.emit().into_bytes();
        let open = self.open.remove(&record.impi).ok_or(StatusCode::BAD_REQUEST)?;
        let rspauth = exchange.digest(&open.quintet.res, Of::Answer(&body));
        let field = digest::emit_authentication_info(&rspauth, &answer.cnonce);
        let response = io::response(
            StatusCode::OK,
            &[("authentication-info", &field), ("content-type", MEDIA_TYPE)],
            body,
        );
        let ticket = self.ticket();
        self.outputs.push_back(Output::Store { ticket, record: record.duplicate() });
        self.storing.insert(ticket, Storing { record, to: from, response });
        Ok(())
    }

    fn record(
        &self,
        now: UtcTime,
        impi: Impi,
        exchange: &digest::Exchange<'_>,
    ) -> Result<Record, StatusCode> {
        debug_assert_eq!(exchange.username, impi.as_str());
        let open = self.open.get(&impi).ok_or(StatusCode::BAD_REQUEST)?;
        let rand = open.quintet.rand;
        let b_tid = format!("{}@{}", Base64::encode_string(&rand.0), self.config.name);
        Ok(Record {
            b_tid: BTid::new(&b_tid).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?,
            rand,
            ks: open.quintet.ks(),
            created: now,
            // The document says whole seconds: both ends mean the same.
            expires: UtcTime::from_millis(now.plus_millis(self.config.key_lifetime).millis() / 1000 * 1000),
            impi,
        })
    }

    /// Answers with the open challenge, or fetches a vector for a new one.
    fn challenge(
        &mut self,
        now: UtcTime,
        from: Connection,
        impi: Impi,
        resynchronisation: Option<Resynchronisation>,
    ) -> Result<(), StatusCode> {
        if resynchronisation.is_none()
            && let Some(open) = self.open.get(&impi)
        {
            let response = self.unauthorised(open);
            self.outputs.push_back(Output::Response { to: from, response });
            return Ok(());
        }
        if let Some(fetch) = self.fetches.values_mut().find(|f| f.impi == impi) {
            if fetch.waiting.len() >= MOST_WAITING {
                return Err(StatusCode::SERVICE_UNAVAILABLE);
            }
            fetch.waiting.push(from);
            return Ok(());
        }
        let bucket = self.bucket.get_or_insert_with(|| Bucket::new(self.config.rate, now));
        if self.fetches.len() >= MOST_FETCHES || !bucket.take(self.config.rate, now) {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        let ticket = self.ticket();
        let until = now.plus_millis(self.config.fetch_timeout);
        self.fetches.insert(ticket, Fetch { impi: impi.clone(), waiting: vec![from], until });
        self.outputs.push_back(Output::Fetch { ticket, impi, resynchronisation });
        Ok(())
    }

    fn vector(&mut self, now: UtcTime, ticket: Ticket, result: Result<Quintet, hss::Refusal>) {
        // One that came too late is used for nothing.
        let Some(Fetch { impi, waiting, .. }) = self.fetches.remove(&ticket) else { return };
        match result {
            Ok(quintet) => {
                let nonce = digest::nonce(quintet.rand, quintet.autn);
                let until = now.plus_millis(self.config.challenge_lifetime);
                let open = Open { quintet, nonce, until, wrong: 0 };
                for to in waiting {
                    let response = self.unauthorised(&open);
                    self.outputs.push_back(Output::Response { to, response });
                }
                self.open.insert(impi, open);
            }
            Err(hss::Refusal::Unknown | hss::Refusal::Auts) => {
                waiting.into_iter().for_each(|to| self.refuse(to, StatusCode::FORBIDDEN));
            }
            Err(_) => waiting.into_iter().for_each(|to| self.refuse(to, StatusCode::SERVICE_UNAVAILABLE)),
        }
    }

    fn stored(&mut self, ticket: Ticket) {
        if let Some(Storing { record, to, response }) = self.storing.remove(&ticket) {
            self.keep(record);
            self.outputs.push_back(Output::Response { to, response });
        }
    }

    /// One key a subscriber. TS 33.220 §4.5.2.
    fn keep(&mut self, record: Record) {
        self.by_b_tid.insert(record.b_tid.clone(), record.impi.clone());
        if let Some(before) = self.records.insert(record.impi.clone(), record) {
            self.by_b_tid.remove(&before.b_tid);
        }
    }

    fn key(&self, now: UtcTime, naf: &Fqdn, b_tid: &BTid, naf_id: &NafId) -> Result<KeyMaterial, KeyRefusal> {
        if *naf != naf_id.fqdn {
            return Err(KeyRefusal::NotItsName);
        }
        let record = self.by_b_tid.get(b_tid).and_then(|impi| self.records.get(impi));
        let record = record.filter(|r| r.expires > now).ok_or(KeyRefusal::UnknownBTid)?;
        let ks_naf = gba::ks_naf(&record.ks, &record.rand.0, record.impi.as_str(), &naf_id.octets())
            .expect("names have at most 255 octets");
        let (created, expires) = (record.created, record.expires);
        Ok(KeyMaterial { ks_naf, impi: record.impi.clone(), created, expires })
    }

    fn expire(&mut self, now: UtcTime) {
        self.open.retain(|_, open| open.until > now);
        let late: Vec<_> = self.fetches.iter().filter(|(_, f)| f.until <= now).map(|(t, _)| *t).collect();
        let late = late.into_iter().filter_map(|ticket| self.fetches.remove(&ticket));
        let late: Vec<_> = late.flat_map(|fetch| fetch.waiting).collect();
        late.into_iter().for_each(|to| self.refuse(to, StatusCode::SERVICE_UNAVAILABLE));
        let old = self.records.values().filter(|r| r.expires <= now).map(|r| r.impi.clone());
        for impi in old.collect::<Vec<_>>() {
            if let Some(record) = self.records.remove(&impi) {
                self.by_b_tid.remove(&record.b_tid);
                self.outputs.push_back(Output::Forget { impi });
            }
        }
    }

    fn unauthorised(&self, open: &Open) -> Response {
        let challenge = Challenge {
            realm: self.config.name.to_string(),
            nonce: open.nonce.clone(),
            algorithm: self.config.algorithm,
            opaque: None,
        };
        io::response(StatusCode::UNAUTHORIZED, &[("www-authenticate", &challenge.emit())], Vec::new())
    }

    fn refuse(&mut self, to: Connection, status: StatusCode) {
        let fields: &[(&str, &str)] = match status {
            StatusCode::SERVICE_UNAVAILABLE => &[("retry-after", "1")],
            StatusCode::METHOD_NOT_ALLOWED => &[("allow", "GET")],
            _ => &[],
        };
        self.outputs.push_back(Output::Response { to, response: io::response(status, fields, Vec::new()) });
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }
}

#[cfg(test)]
mod tests;
