//! The runs: each once at MME_1 and once at MME_2.

use sidelink_security::counter::UtcTime;
use sidelink_security::keys::Secret256;
use sidelink_wire::direct_keying::ConnectionId;

use super::io::{Callers, Dropped, Event, Record};
use super::message::{Answer, AnswerStep, Call, CallStep, Cause, Expression, Kind, Message, Peer};
use super::{MOST_RUNS, Mme};
use crate::identity::{Fqdn, Imsi};
use crate::limit::Bucket;

/// A run at MME_1.
pub(super) struct Outgoing {
    imsi: Imsi,
    to: Fqdn,
    /// Message 2; its share is KM_1 or UE_1's value.
    call: Call,
    state: OutgoingState,
    pub(super) until: UtcTime,
}

enum OutgoingState {
    /// Message 2 waits for the store.
    Storing,
    /// It is sent.
    Asked,
    /// Message 6 waits for the store.
    Answered(Box<Answer>),
}

/// A run at MME_2.
pub(super) struct Incoming {
    imsi: Imsi,
    own: Expression,
    /// Message 3; its shares are KM_1 and KM_2, or UE_1's value.
    call: Call,
    state: IncomingState,
    pub(super) until: UtcTime,
}

enum IncomingState {
    /// Message 3 waits for the store.
    Storing,
    /// It is sent.
    Notified,
    /// Message 5 waits for the store.
    Answered(Box<Answer>),
}

/// What waits for the store.
pub(super) enum Then {
    /// Message 2.
    Ask(ConnectionId),
    /// Message 3.
    Notify(Fqdn, ConnectionId),
    /// Message 5.
    AnswerMme(Fqdn, ConnectionId),
    /// Message 6.
    AnswerUe(ConnectionId),
}

fn copy(share: &Secret256) -> Secret256 {
    Secret256::from(*share.as_bytes())
}

impl Mme {
    /// A message of a UE, under its context.
    pub(super) fn of_ue(&mut self, imsi: Imsi, message: Message) -> Result<(), Dropped> {
        match message {
            Message::Call(call) if call.step == CallStep::ServiceRequest => {
                let connection = call.connection;
                if let Err(cause) = self.service_request(&imsi, call) {
                    self.refuse_ue(&imsi, connection, cause);
                }
                Ok(())
            }
            Message::Answer(answer) if answer.step == AnswerStep::NotificationAnswer => {
                self.notification_answer(&imsi, answer)
            }
            Message::Reject { connection, cause } => {
                let key = self.notified(&imsi, connection).ok_or(Dropped::Unexpected)?;
                self.incoming.remove(&key);
                self.refuse_mme(key.0, connection, cause);
                Ok(())
            }
            _ => Err(Dropped::Unexpected),
        }
    }

    /// A message of another MME.
    pub(super) fn of_mme(&mut self, from: &Fqdn, message: Message) -> Result<(), Dropped> {
        match message {
            Message::Call(call) if call.step == CallStep::KeyingRequest => {
                let connection = call.connection;
                if let Err(cause) = self.keying_request(from, call) {
                    self.refuse_mme(from.clone(), connection, cause);
                }
                Ok(())
            }
            Message::Answer(answer) if answer.step == AnswerStep::KeyingAnswer => {
                self.keying_answer(from, answer)
            }
            Message::Reject { connection, cause } => {
                let asked =
                    |run: &&mut Outgoing| run.to == *from && matches!(run.state, OutgoingState::Asked);
                let run = self.outgoing.get_mut(&connection).filter(asked).ok_or(Dropped::Unexpected)?;
                let imsi = run.imsi.clone();
                self.outgoing.remove(&connection);
                self.refuse_ue(&imsi, connection, cause);
                Ok(())
            }
            _ => Err(Dropped::Unexpected),
        }
    }

    /// Message 1 at MME_1.
    fn service_request(&mut self, imsi: &Imsi, mut call: Call) -> Result<(), Cause> {
        let connection = call.connection;
        if self.owners.get(&call.caller) != Some(imsi) {
            return Err(Cause::NotAllowed);
        }
        if self.connections.contains_key(&connection) || self.outgoing.contains_key(&connection) {
            return Err(Cause::ConnectionUsed);
        }
        let given = self.connections.values().filter(|record| record.imsi == *imsi).count();
        let subscriber = self.subscribers.get_mut(imsi).ok_or(Cause::NotAllowed)?;
        let bucket = subscriber.bucket.get_or_insert_with(|| Bucket::new(self.config.calls, self.now));
        let full = self.outgoing.len() >= MOST_RUNS || given >= self.config.connections;
        if full || !bucket.take(self.config.calls, self.now) {
            return Err(Cause::TooOften);
        }
        let (to, peer, mut records) = match &call.peer {
            Peer::Expression(expression) => {
                (self.home(expression).ok_or(Cause::UnknownPeer)?, Some(expression.clone()), Vec::new())
            }
            Peer::Connection(counterpart) => {
                let named = |record: &&Record| {
                    record.imsi == *imsi
                        && record.own == call.caller
                        && record.counterpart == Some(*counterpart)
                };
                let known = self.connections.values().find(named).ok_or(Cause::UnknownPeer)?;
                if known.spent {
                    return Err(Cause::ConnectionUsed);
                }
                (known.mme.clone(), known.peer.clone(), vec![Record { spent: true, ..known.clone() }])
            }
        };
        call.step = CallStep::KeyingRequest;
        call.lifetime = self.config.lifetime();
        if call.kind == Kind::HalfKeys {
            call.shares = vec![self.half_key()];
        }
        records.push(Record {
            connection,
            imsi: imsi.clone(),
            own: call.caller.clone(),
            peer,
            mme: to.clone(),
            counterpart: None,
            spent: false,
            expires: self.now.plus_millis(u64::from(call.lifetime) * 1000),
        });
        let until = self.now.plus_millis(self.config.patience);
        let run = Outgoing { imsi: imsi.clone(), to, call, state: OutgoingState::Storing, until };
        self.outgoing.insert(connection, run);
        self.store(records, Then::Ask(connection));
        Ok(())
    }

    /// Message 2 at MME_2.
    fn keying_request(&mut self, from: &Fqdn, mut call: Call) -> Result<(), Cause> {
        let connection = call.connection;
        if self.home(&call.caller).as_ref() != Some(from) {
            return Err(Cause::NotAllowed);
        }
        let bucket =
            self.foreign.entry(from.clone()).or_insert_with(|| Bucket::new(self.config.foreign, self.now));
        if self.incoming.len() >= MOST_RUNS || !bucket.take(self.config.foreign, self.now) {
            return Err(Cause::TooOften);
        }
        let (imsi, own, records) = self.called(from, &call)?;
        let key = (from.clone(), connection);
        // A UE that is called by two runs of one name could not tell its answers apart.
        let clashes = self.incoming.iter().any(|((_, other), run)| *other == connection && run.imsi == imsi);
        if clashes || self.counterparts.contains(&key) {
            return Err(Cause::ConnectionUsed);
        }
        let subscriber = self.subscribers.get(&imsi).ok_or(Cause::UnknownPeer)?;
        match &subscriber.subscription.callers {
            Callers::These(callers) if !callers.contains(&call.caller) => return Err(Cause::NotAllowed),
            _ => {}
        }
        if !self.ues.contains_key(&imsi) {
            return Err(Cause::Unreachable);
        }
        call.step = CallStep::Notification;
        call.lifetime = call.lifetime.min(self.config.lifetime());
        if call.kind == Kind::HalfKeys {
            call.shares.push(self.half_key());
        }
        let until = self.now.plus_millis(self.config.patience);
        self.incoming.insert(key, Incoming { imsi, own, call, state: IncomingState::Storing, until });
        let then = Then::Notify(from.clone(), connection);
        match records.is_empty() {
            true => self.stored(then),
            false => self.store(records, then),
        }
        Ok(())
    }

    /// Whom a call is for, by which of its names, and what is to be stored of it.
    fn called(&self, from: &Fqdn, call: &Call) -> Result<(Imsi, Expression, Vec<Record>), Cause> {
        match &call.peer {
            Peer::Expression(expression) => {
                let imsi = self.owners.get(expression).ok_or(Cause::UnknownPeer)?;
                Ok((imsi.clone(), expression.clone(), Vec::new()))
            }
            Peer::Connection(connection) => {
                let of_caller =
                    |record: &&Record| record.mme == *from && record.peer.as_ref() == Some(&call.caller);
                let known = self.connections.get(connection).filter(of_caller).ok_or(Cause::UnknownPeer)?;
                if known.spent {
                    return Err(Cause::ConnectionUsed);
                }
                let spent = Record { spent: true, ..known.clone() };
                Ok((known.imsi.clone(), known.own.clone(), vec![spent]))
            }
        }
    }

    /// Message 4 at MME_2.
    fn notification_answer(&mut self, imsi: &Imsi, mut answer: Answer) -> Result<(), Dropped> {
        let connection = answer.connection;
        let key = self.notified(imsi, connection).ok_or(Dropped::Unexpected)?;
        let run = self.incoming.get_mut(&key).ok_or(Dropped::Unexpected)?;
        if run.call.kind != answer.kind {
            return Err(Dropped::Unexpected);
        }
        if self.connections.contains_key(&answer.target) || answer.target == connection {
            self.incoming.remove(&key);
            self.refuse_mme(key.0, connection, Cause::ConnectionUsed);
            return Ok(());
        }
        let target = answer.target;
        answer.step = AnswerStep::KeyingAnswer;
        answer.lifetime = run.call.lifetime;
        if answer.kind == Kind::HalfKeys {
            answer.shares = run.call.shares.get(1).map(copy).into_iter().collect();
        }
        let record = Record {
            connection: target,
            imsi: imsi.clone(),
            own: run.own.clone(),
            peer: Some(run.call.caller.clone()),
            mme: key.0.clone(),
            counterpart: Some(connection),
            spent: false,
            expires: self.now.plus_millis(u64::from(answer.lifetime) * 1000),
        };
        run.state = IncomingState::Answered(Box::new(answer));
        self.store(vec![record], Then::AnswerMme(key.0, key.1));
        Ok(())
    }

    /// Message 5 at MME_1.
    fn keying_answer(&mut self, from: &Fqdn, mut answer: Answer) -> Result<(), Dropped> {
        let connection = answer.connection;
        let fits = |run: &&mut Outgoing| {
            run.to == *from && run.call.kind == answer.kind && matches!(run.state, OutgoingState::Asked)
        };
        let run = self.outgoing.get_mut(&connection).filter(fits).ok_or(Dropped::Unexpected)?;
        let record = self.connections.get(&connection).ok_or(Dropped::Unexpected)?;
        answer.step = AnswerStep::ServiceAnswer;
        answer.lifetime = answer.lifetime.min(run.call.lifetime);
        answer.shares.splice(0..0, run.call.shares.first().map(copy));
        let record = Record { counterpart: Some(answer.target), ..record.clone() };
        run.state = OutgoingState::Answered(Box::new(answer));
        self.store(vec![record], Then::AnswerUe(connection));
        Ok(())
    }

    /// Something is durable: what rests on it goes out, unless its run is over.
    pub(super) fn stored(&mut self, then: Then) {
        match then {
            Then::Ask(connection) => {
                let Some(run) = self.outgoing.get_mut(&connection) else { return };
                run.state = OutgoingState::Asked;
                let (to, message) = (run.to.clone(), Message::Call(duplicate(&run.call)));
                self.tell_mme(to, &message);
            }
            Then::Notify(mme, connection) => {
                let key = (mme, connection);
                let Some(run) = self.incoming.get_mut(&key) else { return };
                run.state = IncomingState::Notified;
                let (imsi, message) = (run.imsi.clone(), Message::Call(duplicate(&run.call)));
                if !self.tell(&imsi, &message) {
                    self.incoming.remove(&key);
                    self.refuse_mme(key.0, connection, Cause::Unreachable);
                }
            }
            Then::AnswerMme(mme, connection) => {
                let run = self.incoming.remove(&(mme.clone(), connection));
                if let Some(Incoming { state: IncomingState::Answered(answer), .. }) = run {
                    self.tell_mme(mme, &Message::Answer(*answer));
                    self.report(Event::Keyed { connection });
                }
            }
            Then::AnswerUe(connection) => {
                let run = self.outgoing.remove(&connection);
                if let Some(Outgoing { imsi, state: OutgoingState::Answered(answer), .. }) = run {
                    self.tell(&imsi, &Message::Answer(*answer));
                    self.report(Event::Keyed { connection });
                }
            }
        }
    }

    pub(super) fn store_failed(&mut self, then: Then) {
        match then {
            Then::Ask(connection) | Then::AnswerUe(connection) => {
                if let Some(run) = self.outgoing.remove(&connection) {
                    self.refuse_ue(&run.imsi, connection, Cause::Store);
                }
            }
            Then::Notify(mme, connection) | Then::AnswerMme(mme, connection) => {
                if self.incoming.remove(&(mme.clone(), connection)).is_some() {
                    self.refuse_mme(mme, connection, Cause::Store);
                }
            }
        }
    }

    pub(super) fn expire_runs(&mut self) {
        let now = self.now;
        let late = self.outgoing.iter().filter(|(_, run)| run.until <= now);
        for connection in late.map(|(connection, _)| *connection).collect::<Vec<_>>() {
            if let Some(run) = self.outgoing.remove(&connection) {
                self.refuse_ue(&run.imsi, connection, Cause::Late);
            }
        }
        // MME_1 has a timer of its own.
        self.incoming.retain(|_, run| run.until > now);
    }

    /// The run in which a UE has a notification that it has not answered.
    fn notified(&self, imsi: &Imsi, connection: ConnectionId) -> Option<(Fqdn, ConnectionId)> {
        let (key, _) = self.incoming.iter().find(|((_, named), run)| {
            *named == connection && run.imsi == *imsi && matches!(run.state, IncomingState::Notified)
        })?;
        Some(key.clone())
    }

    /// The MME of whoever has an expression.
    fn home(&self, expression: &Expression) -> Option<Fqdn> {
        if self.owners.contains_key(expression) {
            return Some(self.config.name.clone());
        }
        self.directory.get(expression).cloned()
    }

    fn refuse_ue(&mut self, imsi: &Imsi, connection: ConnectionId, cause: Cause) {
        self.tell(imsi, &Message::Reject { connection, cause });
        self.report(Event::Refused { connection, cause });
    }

    fn refuse_mme(&mut self, to: Fqdn, connection: ConnectionId, cause: Cause) {
        self.tell_mme(to, &Message::Reject { connection, cause });
        self.report(Event::Refused { connection, cause });
    }
}

fn duplicate(call: &Call) -> Call {
    Call {
        shares: call.shares.iter().map(copy).collect(),
        caller: call.caller.clone(),
        peer: call.peer.clone(),
        ..*call
    }
}
