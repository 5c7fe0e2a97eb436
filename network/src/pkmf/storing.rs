//! Changes on their way to the store: what depends on them happens once they are there.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU8;

use sidelink_security::counter::UtcTime;
use sidelink_security::keys::Pmk;
use zeroize::Zeroizing;

use super::deliveries::Subject;
use super::io::{Change, Event, Output, Refused, RequestId, Response, Ticket, UeRecord};
use super::remotes::RemoteRecord;
use super::{Pkmf, RETRY_INTERVAL};
use crate::identity::Impi;
use crate::key_delivery::{KeyName, ServiceId};

/// Something that is durable: what of it is stored is what is here when it is written.
#[derive(Clone, Debug)]
pub(super) enum Slot {
    Key(KeyName),
    Revocation(ServiceId, Impi),
    Remote(Impi),
    Relay(Impi),
}

/// What happens then.
pub(super) enum Then {
    Nothing,
    /// A UE that was revoked may have keys again.
    Admit(ServiceId, Impi),
    /// A remote UE that was revoked may use relays again.
    AdmitRemote(Impi),
    /// A relay that was revoked may be one again.
    AdmitRelay(Impi),
    /// A key is given to those who want it.
    Give {
        key: KeyName,
        replaces: Vec<KeyName>,
    },
    /// A request is answered.
    Answer(Box<Answered>),
}

/// A request whose answer waits for the store.
pub(super) struct Answered {
    /// None once it was told that it waited for too long.
    pub(super) request: Option<RequestId>,
    pub(super) deadline: UtcTime,
    /// Who asked.
    pub(super) ue: Impi,
    pub(super) record: Option<UeRecord>,
    pub(super) remote: Option<RemoteRecord>,
    /// Whether the answer brings this PMK.
    pub(super) brings_pmk: bool,
    pub(super) body: Zeroizing<String>,
    pub(super) held: Held,
}

/// What a UE has of what it was granted: IDs of keys by service, none where it has none.
pub(super) type Held = BTreeMap<ServiceId, BTreeSet<NonZeroU8>>;

pub(super) struct Storing {
    ticket: Ticket,
    slots: Vec<Slot>,
    then: Then,
}

impl Storing {
    pub(super) fn deadline(&self) -> Option<UtcTime> {
        self.answered().filter(|answered| answered.request.is_some()).map(|answered| answered.deadline)
    }

    pub(super) fn answered(&self) -> Option<&Answered> {
        match &self.then {
            Then::Answer(answered) => Some(answered),
            _ => None,
        }
    }
}

/// What could not be stored, and when to try again.
pub(super) struct Retry {
    pub(super) at: UtcTime,
    slots: Vec<Slot>,
    then: Then,
}

impl UeRecord {
    /// Another copy, for the store.
    pub(super) fn duplicate(&self) -> Self {
        Self {
            ue: self.ue.clone(),
            pmk_id: self.pmk_id,
            pmk: Pmk::from(*self.pmk.as_bytes()),
            since: self.since,
            address: self.address,
            wanted: self.wanted.clone(),
        }
    }
}

impl Pkmf {
    /// Whether the answer to this UE waits for the store.
    pub(super) fn is_being_stored(&self, ue: &Impi) -> bool {
        self.storing.iter().filter_map(Storing::answered).any(|answered| answered.ue == *ue)
    }

    /// Whether something of this remote UE waits for the store.
    pub(super) fn is_remote_being_stored(&self, ue: &Impi) -> bool {
        let remotes = self.storing.iter().filter_map(Storing::answered).filter_map(|a| a.remote.as_ref());
        remotes.into_iter().any(|remote| remote.ue == *ue)
    }

    /// What is being stored of a remote UE will not count, and is not told.
    pub(super) fn cancel_remote(&mut self, ue: &Impi) {
        let mut told = Vec::new();
        for storing in &mut self.storing {
            if let Then::Answer(answered) = &mut storing.then
                && answered.remote.take_if(|remote| remote.ue == *ue).is_some()
            {
                told.extend(answered.request.take());
            }
        }
        told.into_iter().for_each(|request| self.respond(request, Response::Refused(Refused::Busy)));
    }

    /// What a relay is to be told of remote UEs is not told.
    pub(super) fn cancel_relay(&mut self, relay: &Impi) {
        let mut told = Vec::new();
        for storing in &mut self.storing {
            if let Then::Answer(answered) = &mut storing.then
                && answered.ue == *relay
                && answered.remote.as_ref().is_some_and(|remote| remote.ue != *relay)
            {
                told.extend(answered.request.take());
            }
        }
        told.into_iter().for_each(|request| self.respond(request, Response::Refused(Refused::Busy)));
    }

    /// Answers that wait for the store.
    pub(super) fn waiting(&self) -> usize {
        self.storing.iter().filter_map(Storing::answered).count()
    }

    /// Stores these as they are now.
    pub(super) fn store(&mut self, slots: Vec<Slot>, then: Then) {
        let changes = slots.iter().map(|slot| self.as_it_is(slot)).collect();
        self.write(changes, slots, then);
    }

    /// Stores a UE, then answers it.
    pub(super) fn store_and_answer(&mut self, answered: Answered) {
        let ue = answered.record.iter().map(|record| Change::PutUe(Box::new(record.duplicate())));
        let remote = answered.remote.iter().map(|record| Change::PutRemote(Box::new(record.duplicate())));
        let changes = ue.chain(remote).collect();
        self.write(changes, Vec::new(), Then::Answer(Box::new(answered)));
    }

    fn write(&mut self, changes: Vec<Change>, slots: Vec<Slot>, then: Then) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.outbox.push_back(Output::Store { ticket, changes });
        self.storing.push(Storing { ticket, slots, then });
    }

    fn as_it_is(&self, slot: &Slot) -> Change {
        match slot {
            Slot::Key(name) => self.key_as_it_is(*name),
            Slot::Revocation(service, ue) => {
                let revoked = self.services.get(service).is_some_and(|keys| keys.is_to_be_revoked(ue));
                if revoked {
                    Change::PutRevocation(*service, ue.clone())
                } else {
                    Change::RemoveRevocation(*service, ue.clone())
                }
            }
            Slot::Remote(ue) => Change::PutRemote(Box::new(self.remote_as_it_is(ue))),
            Slot::Relay(ue) if self.revoked_relays.is_to_be(ue) => Change::PutRelayRevocation(ue.clone()),
            Slot::Relay(ue) => Change::RemoveRelayRevocation(ue.clone()),
        }
    }

    fn take_stored(&mut self, ticket: Ticket) -> Option<Storing> {
        let position = self.storing.iter().position(|storing| storing.ticket == ticket)?;
        Some(self.storing.remove(position))
    }

    pub(super) fn stored(&mut self, ticket: Ticket) {
        match self.take_stored(ticket).map(|storing| storing.then) {
            Some(Then::Answer(answered)) => self.answer(*answered),
            Some(Then::Give { key, replaces }) => self.give(key, &replaces),
            Some(Then::Admit(service, ue)) => self.admitted(service, &ue),
            Some(Then::AdmitRemote(ue)) => self.remote_admitted(ue),
            Some(Then::AdmitRelay(ue)) => self.revoked_relays.admitted(&ue),
            Some(Then::Nothing) | None => {}
        }
    }

    fn answer(&mut self, answered: Answered) {
        let Answered { request, ue, record, remote, brings_pmk, body, held, .. } = answered;
        if let Some(record) = record {
            self.install(record, 0);
        }
        if let Some(remote) = remote {
            self.remotes.install(remote);
        }
        match request {
            Some(request) => {
                if brings_pmk {
                    self.report(Event::NewPmk { ue: ue.clone() });
                }
                self.respond(request, Response::Message(body));
            }
            // Nobody was told of its PMK.
            None => _ = self.ues.get_mut(&ue).map(|state| state.doubtful |= brings_pmk),
        }
        self.begin(&ue, held);
    }

    /// A UE is known to want what it asked for: what there is goes to it, and what there is not is made.
    pub(super) fn begin(&mut self, ue: &Impi, held: Held) {
        for (service, ids) in held {
            self.ensure_key(service);
            let Some(keys) = self.services.get(&service) else { continue };
            let missing = keys.to_give(self.now.counter()).filter(|name| !ids.contains(&name.id));
            let stale =
                ids.iter().filter(|id| keys.is_to_delete(**id)).map(|id| KeyName { service, id: *id });
            let subjects: Vec<_> = missing.map(Subject::Key).chain(stale.map(Subject::Delete)).collect();
            for subject in subjects {
                if self.deliveries.of(ue) < self.config.limits.deliveries {
                    self.deliveries.add(ue, subject, self.now, Vec::new());
                }
            }
        }
    }

    /// What was to be answered is refused; everything else is tried again.
    pub(super) fn store_failed(&mut self, ticket: Ticket) {
        let Some(Storing { slots, then, .. }) = self.take_stored(ticket) else { return };
        match then {
            Then::Answer(answered) => {
                if let Some(request) = answered.request {
                    self.respond(request, Response::Refused(Refused::Busy));
                }
            }
            then => {
                let at = self.now.plus_millis(RETRY_INTERVAL);
                self.retries.push(Retry { at, slots, then });
            }
        }
    }

    /// Refuses what has waited for too long, and tries again what is due.
    pub(super) fn storing_due(&mut self) {
        let now = self.now;
        let mut late = Vec::new();
        for storing in &mut self.storing {
            if let Then::Answer(answered) = &mut storing.then
                && answered.deadline <= now
            {
                late.extend(answered.request.take());
            }
        }
        late.into_iter().for_each(|request| self.respond(request, Response::Refused(Refused::Busy)));
        while let Some(due) = self.retries.iter().position(|retry| retry.at <= now) {
            let Retry { slots, then, .. } = self.retries.remove(due);
            self.store(slots, then);
        }
    }
}
