//! MIKEY: what is on its way to UEs, said again until it is answered. TS 33.303 §6.2.3.3.2.3.

use std::collections::{BTreeMap, BTreeSet};

use core::net::IpAddr;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::TakeError;
use sidelink_security::keys::Secret256;

use super::Pkmf;
use super::io::{Event, Output, Standing};
use crate::identity::Impi;
use crate::key_delivery::{
    self, Answer, Content, KeyName, Peers, Refused, Sent, ServiceId, Stamp, Verification,
};

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Key(KeyName),
    Delete(KeyName),
    /// The UE should send a KEY_REQUEST: its PMK is old.
    Solicit,
}

struct Delivery {
    /// Every message of it, any of which may be answered.
    sent: Vec<Sent>,
    next_at: UtcTime,
    /// What begins when it is over.
    then: Vec<Subject>,
}

/// Everything that is on its way.
#[derive(Default)]
pub(super) struct Deliveries {
    all: BTreeMap<(Impi, Subject), Delivery>,
    due: BTreeSet<(UtcTime, Impi, Subject)>,
}

impl Deliveries {
    /// One more, unless it is on its way.
    pub(super) fn add(&mut self, ue: &Impi, subject: Subject, at: UtcTime, then: Vec<Subject>) {
        let key = (ue.clone(), subject);
        if let Some(delivery) = self.all.get_mut(&key) {
            delivery.then.extend(then);
            return;
        }
        self.all.insert(key, Delivery { sent: Vec::new(), next_at: at, then });
        self.due.insert((at, ue.clone(), subject));
    }

    pub(super) fn next(&self) -> Option<UtcTime> {
        self.due.first().map(|(at, ..)| *at)
    }

    /// How many are on their way to a UE.
    pub(super) fn of(&self, ue: &Impi) -> usize {
        self.subjects(ue).count()
    }

    fn subjects(&self, ue: &Impi) -> impl Iterator<Item = Subject> {
        // The least of all subjects.
        let name = KeyName { service: ServiceId([0; 3]), id: core::num::NonZeroU8::MIN };
        let from = (ue.clone(), Subject::Key(name));
        self.all.range(from..).take_while(move |((of, _), _)| of == ue).map(|((_, subject), _)| *subject)
    }

    /// A UE has a new PMK: what is on its way begins anew under that one, and nobody needs to ask for it.
    pub(super) fn renew(&mut self, ue: &Impi, now: UtcTime) {
        let subjects: Vec<_> = self.subjects(ue).collect();
        for subject in subjects {
            if subject == Subject::Solicit {
                self.remove(ue, subject);
                continue;
            }
            if let Some(delivery) = self.all.get_mut(&(ue.clone(), subject)) {
                delivery.sent.clear();
            }
            self.reschedule(ue, subject, now);
        }
    }

    fn remove(&mut self, ue: &Impi, subject: Subject) -> Option<Delivery> {
        let delivery = self.all.remove(&(ue.clone(), subject))?;
        self.due.remove(&(delivery.next_at, ue.clone(), subject));
        Some(delivery)
    }

    fn reschedule(&mut self, ue: &Impi, subject: Subject, at: UtcTime) {
        if let Some(delivery) = self.all.get_mut(&(ue.clone(), subject)) {
            self.due.remove(&(delivery.next_at, ue.clone(), subject));
            delivery.next_at = at;
            self.due.insert((at, ue.clone(), subject));
        }
    }
}

impl Pkmf {
    /// Says what is due.
    pub(super) fn deliveries_due(&mut self) {
        while let Some((at, ue, subject)) = self.deliveries.due.pop_first() {
            if at > self.now {
                self.deliveries.due.insert((at, ue, subject));
                break;
            }
            self.delivery_due(&ue, subject);
        }
    }

    /// It stands in no queue now.
    fn delivery_due(&mut self, ue: &Impi, subject: Subject) {
        let tries = self.deliveries.all.get(&(ue.clone(), subject)).map_or(0, |delivery| delivery.sent.len());
        if tries >= self.config.tries as usize {
            self.unanswered(ue, subject);
            return;
        }
        let Some((content, answer)) = self.content(ue, subject) else {
            self.finish(ue, subject);
            return;
        };
        let Some(state) = self.ues.get_mut(ue) else { return };
        match state.counters.take() {
            Ok(counter) => self.send(ue, subject, &content, answer, counter),
            Err(TakeError::Waiting) => state.parked.push(subject),
            // All 2^32 are used: the UE gets another PMK when it asks.
            Err(_) => {
                state.doubtful = true;
                self.deliveries.remove(ue, subject);
            }
        }
        if let Some(reservation) = self.ues.get_mut(ue).and_then(|state| state.counters.wanted()) {
            self.outbox.push_back(Output::Reserve(reservation));
        }
    }

    fn send(&mut self, ue: &Impi, subject: Subject, content: &Content, answer: Answer, counter: u64) {
        let Some(state) = self.ues.get(ue) else { return };
        let [a, b, c, d, rand @ ..] = self.nonces_from.draw(counter);
        let mut stamp =
            Stamp { counter: counter as u32, csb_id: u32::from_be_bytes([a, b, c, d]), rand: [0; 16] };
        stamp.rand.copy_from_slice(&rand[..16]);
        let record = &state.record;
        let peers = Peers { pkmf: &self.config.name, pmk_id: record.pmk_id, pmk: &record.pmk };
        let (octets, sent) = key_delivery::protect(peers, stamp, self.config.suite, content, answer);
        self.outbox.push_back(Output::Send { to: record.address, octets });
        if let Some(delivery) = self.deliveries.all.get_mut(&(ue.clone(), subject)) {
            delivery.sent.push(sent);
        }
        self.deliveries.reschedule(ue, subject, self.now.plus_millis(self.config.interval));
    }

    /// What to say; none when there is no more reason to.
    fn content(&self, ue: &Impi, subject: Subject) -> Option<(Content, Answer)> {
        let state = self.ues.get(ue)?;
        match subject {
            Subject::Key(name) => {
                let entry = self.services.get(&name.service)?.entry(name.id)?;
                let alive = entry.stored && entry.standing == Standing::Valid;
                if !alive || self.now.counter() >= entry.period.to || !self.wants(state, name.service) {
                    return None;
                }
                let key = Secret256::from(*entry.key.as_bytes());
                Some((Content::Key(name, key, entry.period), Answer::Wanted))
            }
            // Should the ID have a new key meanwhile, that one is not deleted.
            Subject::Delete(name) => {
                let keys = self.services.get(&name.service)?;
                keys.is_to_delete(name.id).then_some((Content::Delete(name), Answer::Wanted))
            }
            Subject::Solicit => {
                let service = state.record.wanted.iter().find_map(|wanted| self.service_of(*wanted))?;
                Some((Content::Solicit(service), Answer::NotWanted))
            }
        }
    }

    /// None of the tries was answered.
    fn unanswered(&mut self, ue: &Impi, subject: Subject) {
        if let Subject::Key(key) | Subject::Delete(key) = subject {
            self.report(Event::Unanswered { ue: ue.clone(), key });
            self.ues.entry(ue.clone()).and_modify(|state| state.doubtful = true);
        }
        self.finish(ue, subject);
    }

    fn finish(&mut self, ue: &Impi, subject: Subject) {
        let then = self.deliveries.remove(ue, subject).map(|delivery| delivery.then);
        for subject in then.into_iter().flatten() {
            self.deliveries.add(ue, subject, self.now, Vec::new());
        }
    }

    /// The counters of a UE are there, or are asked for again: what waited for them is due.
    pub(super) fn unpark(&mut self, ue: &Impi, at: UtcTime) {
        let parked = self.ues.get_mut(ue).map(|state| core::mem::take(&mut state.parked));
        for subject in parked.into_iter().flatten() {
            self.deliveries.reschedule(ue, subject, at);
        }
    }

    /// A datagram: a verification message, or nothing that is wanted here.
    pub(super) fn datagram(&mut self, from: IpAddr, octets: &[u8]) {
        match self.verified(octets) {
            Ok(Some((ue, subject))) => {
                if let Some(state) = self.ues.get_mut(&ue) {
                    state.doubtful = false;
                }
                match subject {
                    Subject::Key(key) => self.report(Event::Delivered { ue: ue.clone(), key }),
                    Subject::Delete(key) => self.report(Event::Deleted { ue: ue.clone(), key }),
                    Subject::Solicit => {}
                }
                self.finish(&ue, subject);
            }
            // An answer to what was answered.
            Ok(None) => {}
            Err(why) => self.report(Event::Refused { from, why }),
        }
    }

    fn verified(&self, octets: &[u8]) -> Result<Option<(Impi, Subject)>, Refused> {
        let message = Verification::parse(octets, &self.config.name)?;
        let Some(ue) = self.by_pmk.get(&message.pmk_id) else { return Ok(None) };
        let Some(state) = self.ues.get(ue) else { return Ok(None) };
        let of = |subject: &Subject| {
            let delivery = self.deliveries.all.get(&(ue.clone(), *subject))?;
            delivery.sent.iter().find(|sent| sent.counter() == message.counter)
        };
        let found = self.deliveries.subjects(ue).find_map(|subject| of(&subject).map(|sent| (subject, sent)));
        let Some((subject, sent)) = found else { return Ok(None) };
        let record = &state.record;
        let peers = Peers { pkmf: &self.config.name, pmk_id: record.pmk_id, pmk: &record.pmk };
        message.verify(peers, sent)?;
        Ok(Some((ue.clone(), subject)))
    }
}
