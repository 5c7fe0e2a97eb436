//! EPC-level discovery at the ProSe Function, as far as registration: a UE gets an EPC ProSe User ID (EPUID), then registers a
//! user of an application (ALUID) under it. TS 24.334 §7.2.2, §7.2.3, TS 29.343 §5.1.1; the proof is our own, see
//! [`crate::app_server`].
//!
//! ```text
//! io.rs       inputs, outputs
//! ue.rs       the UE's end
//! ```
//!
//! [`crate::prose_function`] is the front: it has admitted a request, and the HSS has said what the UE may, before a message
//! comes here ([`crate::prose_function::Output::EpcLevel`]).
//!
//! - A UE has one EPUID, whatever it asks; it is stored before it is told.
//! - A nonce is of one EPUID, lives for [`NONCE_LIFETIME`] and is taken back with the first registration that names a token,
//!   whatever comes of it: a stolen token is refused under another EPUID, and a used one under its own.
//! - What the application server answers counts for the EPUID and the user that were asked about, and for nothing else.
//!
//! Not here: proximity requests, alerts, cancellation, deregistration; Diameter.

mod io;
pub mod ue;

pub use io::{Config, Event, Input, Output, Record, Ticket};

use std::collections::{BTreeMap, HashMap, VecDeque};

use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::Lease;
use sidelink_security::direct::Entropy;
use zeroize::Zeroizing;

use crate::app_server::{Denied, Proof, QueryId, RegistrationAnswer, RegistrationRequest};
use crate::pc3::registration::{
    ApplicationRegisterRequest, ApplicationRegistered, ApplicationRegistrationRequest,
    ApplicationRegistrationResponse, BindingNonce, EpcCause, EpcUserId, RegistrationReject, ServerMethod,
    UeRegisterRequest, UeRegistered, UeRegistrationRequest, UeRegistrationResponse, UserId,
};
use crate::pc3::{Imsi, Message, TransactionId};
use crate::prose_function::{Application, Refused, RequestId, Response, Role, Subscription};

/// Milliseconds that a nonce lives: a login, and the minute of a token. Own.
pub const NONCE_LIFETIME: u64 = 120_000;

/// The deadline of what nobody waits for.
const NEVER: UtcTime = UtcTime::from_millis(u64::MAX);

/// A request that waits for application servers and the store.
struct Open {
    request: RequestId,
    ue: Imsi,
    deadline: UtcTime,
    response: ApplicationRegistrationResponse,
    /// Transactions that have no answer yet.
    queries: Vec<(QueryId, TransactionId, Application, UserId, EpcUserId)>,
    /// Registered, and to be answered once stored.
    stored: Option<Ticket>,
}

/// What waits for the store.
enum Then {
    /// A UE is told its identity.
    Ue { request: RequestId, transaction: TransactionId },
    /// A request is answered, if it still waits.
    Applications,
}

/// EPC-level discovery of a ProSe Function.
pub struct EpcDiscovery {
    config: Config,
    now: UtcTime,
    numbers: Lease,
    entropy: Entropy,
    records: BTreeMap<Imsi, Record>,
    ids: HashMap<EpcUserId, Imsi>,
    nonces: HashMap<EpcUserId, (BindingNonce, UtcTime)>,
    open: Vec<Open>,
    storing: Vec<(Ticket, Record, Then, UtcTime)>,
    next: u64,
    outbox: VecDeque<Output>,
}

impl EpcDiscovery {
    /// With what is durable, numbers of its own, and a seed of real chance.
    pub fn new(config: Config, numbers: Lease, seed: &[u8; 32], durable: Vec<Record>) -> Self {
        let ids = durable.iter().map(|record| (record.epc_user_id, record.ue)).collect();
        Self {
            config,
            now: UtcTime::from_millis(0),
            numbers,
            entropy: Entropy::new(seed),
            records: durable.into_iter().map(|record| (record.ue, record)).collect(),
            ids,
            nonces: HashMap::new(),
            open: Vec::new(),
            storing: Vec::new(),
            next: 0,
            outbox: VecDeque::new(),
        }
    }

    /// Takes an input. Poll the outputs afterwards.
    pub fn handle_input(&mut self, input: Input<'_>) {
        if let Some(now) = input.now() {
            self.now = self.now.max(now);
            self.expire();
        }
        match input {
            Input::Tick { .. } => {}
            Input::Message { request, ue, message, subscription, .. } => {
                if let Err(why) = self.message(request, ue, *message, subscription) {
                    self.respond(request, Response::Refused(why));
                }
            }
            Input::Answer { query, answer, .. } => self.answered(query, answer),
            Input::Stored { ticket, .. } => self.stored(ticket, Ok(())),
            Input::StoreFailed { ticket, .. } => self.stored(ticket, Err(Refused::Busy)),
            Input::Granted { granted } => self.numbers.grant(granted),
            Input::ReservationFailed => self.numbers.failed(),
            Input::Entropy { seed } => self.entropy.mix(seed),
        }
    }

    /// The next thing to do; [`Output::Timeout`] when there is none.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outbox.pop_front() {
            return output;
        }
        match self.numbers.wanted() {
            Some(reservation) => Output::Reserve(reservation),
            None => {
                let storing = self.storing.iter().map(|(.., deadline)| *deadline);
                let all = self.open.iter().map(|open| open.deadline).chain(storing);
                Output::Timeout(all.filter(|at| *at != NEVER).min())
            }
        }
    }

    /// What is known of a UE.
    pub fn record(&self, ue: Imsi) -> Option<&Record> {
        self.records.get(&ue)
    }

    fn message(
        &mut self,
        request: RequestId,
        ue: Imsi,
        message: Message,
        subscription: &Subscription,
    ) -> Result<(), Refused> {
        if self.open.len() + self.storing.len() >= self.config.waiting {
            return Err(Refused::Busy);
        }
        let may =
            subscription.registered.is_some_and(|plmn| subscription.rights.contains(&(plmn, Role::EpcLevel)));
        match message {
            Message::UeRegistrationRequest(UeRegistrationRequest { requests }) => {
                self.ue_registration(request, ue, requests, may)
            }
            Message::ApplicationRegistrationRequest(ApplicationRegistrationRequest { requests }) => {
                self.application_registration(request, ue, requests, may);
                Ok(())
            }
            _ => Err(Refused::Unexpected),
        }
    }

    /// TS 24.334 §7.2.2.3. Of several transactions the first is meant: a UE has one identity.
    fn ue_registration(
        &mut self,
        request: RequestId,
        ue: Imsi,
        requests: Vec<UeRegisterRequest>,
        may: bool,
    ) -> Result<(), Refused> {
        let Some(first) = requests.first() else { return Err(Refused::Unexpected) };
        let transaction = first.transaction;
        if !may || first.ue != ue {
            let cause = EpcCause::AuthorisationFailure;
            let rejects = vec![RegistrationReject { transaction, cause }];
            let response = UeRegistrationResponse { registered: Vec::new(), rejects };
            self.reply(request, &Message::UeRegistrationResponse(response));
            return Ok(());
        }
        if let Some(known) = self.records.get(&ue).map(|record| record.epc_user_id) {
            return self.tell(request, transaction, known);
        }
        if self.storing.iter().any(|(_, record, ..)| record.ue == ue) || self.records.len() >= self.config.ues
        {
            return Err(Refused::Busy);
        }
        let epc_user_id = EpcUserId(self.draw()?);
        let is_taken = self.ids.contains_key(&epc_user_id)
            || self.storing.iter().any(|(_, record, ..)| record.epc_user_id == epc_user_id);
        if is_taken {
            // Chance has it once in four thousand million, times the UEs: try again then.
            return Err(Refused::Busy);
        }
        let record = Record { ue, epc_user_id, users: Vec::new() };
        self.store(record, Then::Ue { request, transaction });
        Ok(())
    }

    /// The identity, and another nonce for it.
    fn tell(
        &mut self,
        request: RequestId,
        transaction: TransactionId,
        epc_user_id: EpcUserId,
    ) -> Result<(), Refused> {
        let nonce = BindingNonce(self.draw()?);
        self.nonces.insert(epc_user_id, (nonce, self.now.plus_millis(NONCE_LIFETIME)));
        let nonce = Some(nonce).filter(|_| self.config.proof == Proof::Token);
        let registered = UeRegistered { transaction, epc_user_id, method: ServerMethod::OmaPush, nonce };
        let response = UeRegistrationResponse { registered: vec![registered], rejects: Vec::new() };
        self.reply(request, &Message::UeRegistrationResponse(response));
        Ok(())
    }

    /// TS 24.334 §7.2.3.3.
    fn application_registration(
        &mut self,
        request: RequestId,
        ue: Imsi,
        requests: Vec<ApplicationRegisterRequest>,
        may: bool,
    ) {
        let deadline = self.now.plus_millis(self.config.patience);
        let response = ApplicationRegistrationResponse { registered: Vec::new(), rejects: Vec::new() };
        let mut open = Open { request, ue, deadline, response, queries: Vec::new(), stored: None };
        for wanted in requests {
            let transaction = wanted.transaction;
            if let Err(cause) = self.ask(&mut open, wanted, may) {
                open.response.rejects.push(RegistrationReject { transaction, cause });
            }
        }
        self.open.push(open);
        self.finish(request);
    }

    fn ask(
        &mut self,
        open: &mut Open,
        wanted: ApplicationRegisterRequest,
        may: bool,
    ) -> Result<(), EpcCause> {
        let record = self.records.get(&open.ue).filter(|record| record.epc_user_id == wanted.epc_user_id);
        let Some(record) = record.filter(|_| may) else { return Err(EpcCause::AuthorisationFailure) };
        let application: Application = wanted.application.into();
        if !self.config.applications.contains(&application) {
            return Err(EpcCause::InvalidApplication);
        }
        if record.users.len() + open.queries.len() >= self.config.users_per_ue {
            return Err(EpcCause::AuthorisationFailure);
        }
        let proof = match (self.config.proof, wanted.token) {
            (Proof::Standard, _) => None,
            (Proof::Token, None) => return Err(EpcCause::InvalidUser),
            (Proof::Token, Some(token)) => {
                // Taken back here: each nonce serves one registration.
                let (nonce, until) = self.nonces.remove(&wanted.epc_user_id).ok_or(EpcCause::InvalidUser)?;
                if self.now >= until {
                    return Err(EpcCause::InvalidUser);
                }
                Some((token, nonce))
            }
        };
        let query = QueryId(self.next);
        self.next += 1;
        let (epc_user_id, user) = (wanted.epc_user_id, wanted.user);
        let prose_function = self.config.name.clone();
        let request = RegistrationRequest { epc_user_id, user: user.clone(), prose_function, proof };
        self.outbox.push_back(Output::AskApplicationServer {
            query,
            application: application.clone(),
            request: Box::new(request),
        });
        open.queries.push((query, wanted.transaction, application, user, epc_user_id));
        Ok(())
    }

    fn answered(&mut self, query: QueryId, answer: RegistrationAnswer) {
        let is_of = |open: &Open| open.queries.iter().position(|(of, ..)| *of == query);
        let Some(at) = self.open.iter().position(|open| is_of(open).is_some()) else { return };
        let open = &mut self.open[at];
        let Some(place) = is_of(open) else { return };
        let (_, transaction, application, user, epc_user_id) = open.queries.remove(place);
        let (request, ue) = (open.request, open.ue);
        let mut reject = |cause| open.response.rejects.push(RegistrationReject { transaction, cause });
        if (answer.epc_user_id, &answer.user) != (epc_user_id, &user) {
            // X2.6-3: it speaks of somebody else.
            reject(EpcCause::AuthorisationFailure);
            self.outbox.push_back(Output::Event(Event::WrongAnswer { ue, about: answer.epc_user_id }));
        } else if let Err(why) = answer.result {
            reject(match why {
                Denied::Busy => EpcCause::Disabled,
                _ => EpcCause::InvalidUser,
            });
            self.outbox.push_back(Output::Event(Event::Denied { ue, why }));
        } else {
            let ranges = self.config.ranges.clone();
            open.response.registered.push(ApplicationRegistered { transaction, ranges });
            let mut record = self.latest(ue, epc_user_id);
            record.users.retain(|(of, _)| *of != application);
            record.users.push((application, user));
            let ticket = self.store(record, Then::Applications);
            self.open[at].stored = Some(ticket);
        }
        self.finish(request);
    }

    /// The record of a UE with what is being stored of it already.
    fn latest(&self, ue: Imsi, epc_user_id: EpcUserId) -> Record {
        let storing = self.storing.iter().rev().map(|(_, record, ..)| record).find(|record| record.ue == ue);
        let none = || Record { ue, epc_user_id, users: Vec::new() };
        storing.or_else(|| self.records.get(&ue)).cloned().unwrap_or_else(none)
    }

    /// Answers a request that waits for nothing more. Stores of one UE come back in their order.
    fn finish(&mut self, request: RequestId) {
        let is_done =
            |open: &Open| open.request == request && open.queries.is_empty() && open.stored.is_none();
        if let Some(at) = self.open.iter().position(is_done) {
            let open = self.open.remove(at);
            self.reply(request, &Message::ApplicationRegistrationResponse(open.response));
        }
    }

    fn store(&mut self, record: Record, then: Then) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.outbox.push_back(Output::Store { ticket, record: record.clone() });
        let deadline = self.now.plus_millis(self.config.patience);
        self.storing.push((ticket, record, then, deadline));
        ticket
    }

    fn stored(&mut self, ticket: Ticket, result: Result<(), Refused>) {
        let Some(at) = self.storing.iter().position(|(of, ..)| *of == ticket) else { return };
        let (_, record, then, _) = self.storing.remove(at);
        if result.is_ok() {
            self.ids.insert(record.epc_user_id, record.ue);
            self.outbox.push_back(Output::Event(Event::Registered(record.clone())));
        }
        match (then, result) {
            (Then::Ue { request, transaction }, Ok(())) => {
                let epc_user_id = record.epc_user_id;
                self.records.insert(record.ue, record);
                if let Err(why) = self.tell(request, transaction, epc_user_id) {
                    self.respond(request, Response::Refused(why));
                }
            }
            (Then::Ue { request, .. }, Err(why)) => self.respond(request, Response::Refused(why)),
            (Then::Applications, result) => {
                let open = self.open.iter_mut().find(|open| open.stored == Some(ticket));
                let request = open.map(|open| {
                    open.stored = None;
                    open.request
                });
                match (request, result) {
                    (request, Ok(())) => {
                        self.records.insert(record.ue, record);
                        request.into_iter().for_each(|request| self.finish(request));
                    }
                    (Some(request), Err(why)) => {
                        self.open.retain(|open| open.request != request);
                        self.respond(request, Response::Refused(why));
                    }
                    (None, Err(_)) => {}
                }
            }
        }
    }

    /// Requests that have waited for too long, and nonces that have ended.
    fn expire(&mut self) {
        let now = self.now;
        let (late, open): (Vec<Open>, Vec<Open>) = self.open.drain(..).partition(|open| open.deadline <= now);
        self.open = open;
        for open in late {
            self.respond(open.request, Response::Refused(Refused::Busy));
        }
        for (.., then, deadline) in &mut self.storing {
            if let (Then::Ue { request, .. }, true) = (&then, *deadline <= now) {
                let response = Response::Refused(Refused::Busy);
                self.outbox.push_back(Output::Respond { request: *request, response });
                // Told too late: it registers again, and has the same identity then.
                *then = Then::Applications;
            }
            if *deadline <= now {
                *deadline = NEVER;
            }
        }
        if self.nonces.len() > self.config.waiting {
            self.nonces.retain(|_, (_, until)| now < *until);
        }
    }

    fn reply(&mut self, request: RequestId, message: &Message) {
        let body: Zeroizing<String> = message.to_xml();
        self.respond(request, Response::Message(body));
    }

    fn respond(&mut self, request: RequestId, response: Response) {
        self.outbox.push_back(Output::Respond { request, response });
    }

    /// Octets bound to a number that is durable and never comes again.
    fn draw<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        let number = self.numbers.take().map_err(|_| Refused::Busy)?;
        let drawn = Zeroizing::new(self.entropy.draw(number));
        let mut part = [0; N];
        part.iter_mut().zip(drawn.iter()).for_each(|(to, from)| *to = *from);
        Ok(part)
    }
}

#[cfg(test)]
mod tests;
