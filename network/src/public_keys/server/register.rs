//! NONCE_REQUEST, REGISTER and WITHDRAW: the owner of a name and its keys. TR 33.833 §6.2.3.2, step 1.

use sidelink_security::counter::UtcTime;

use super::io::{Change, Event, KeyRecord};
use super::revoked::{Cause, Revoking};
use super::{PublicKeyServer, Stop, Then, Work};
use crate::pc3::Imsi;
use crate::prose_function::{RequestId, Role};
use crate::public_keys::key::KeyName;
use crate::public_keys::message::{
    KeyCause, KeyMessage, NonceAnswer, NonceRequest, Octets, Register, Registered, Withdraw, Withdrawn,
};
use crate::public_keys::possession::is_proven;

impl PublicKeyServer {
    pub(super) fn give_nonce(&mut self, work: &Work, asked: NonceRequest) -> Result<(), Stop> {
        has_name(work, &asked.name)?;
        let nonce = self.nonces.give(work.ue, &asked.name, self.now);
        self.answer(work.request, &KeyMessage::Nonce(NonceAnswer { current_time: self.now, nonce }));
        Ok(())
    }

    /// The signature last: all else costs less.
    pub(super) fn register(&mut self, work: &Work, register: Register) -> Result<(), Stop> {
        let Register { name, key, nonce, signature: Octets(signature) } = register;
        has_name(work, &name)?;
        let challenged = self.nonces.given_at(&nonce, work.ue, &name, self.now).ok_or(KeyCause::Nonce)?;
        let before = self.table.get(&name, work.ue);
        if self.is_used(&name, work.ue, challenged) || before.is_some_and(|old| challenged <= old.challenged)
        {
            return Err(KeyCause::Nonce.into());
        }
        if self.revoked.has(&key.fingerprint()) {
            return Err(KeyCause::Revoked.into());
        }
        let limits = &self.config.limits;
        if self.storing.len() >= limits.waiting {
            return Err(Stop::Busy);
        }
        let pending = |of: Option<Imsi>| {
            let is = |then: &Then| match then {
                Then::Register { record, .. } => of.is_none_or(|ue| record.ue == ue),
                _ => false,
            };
            self.storing.iter().filter(|storing| is(&storing.then)).count()
        };
        let is_new = before.is_none();
        let of_ue = self.table.count_of(work.ue) + pending(Some(work.ue));
        if is_new && (of_ue >= limits.keys_per_ue || self.table.len() + pending(None) >= limits.keys) {
            return Err(KeyCause::TooMany.into());
        }
        let replaced = before.filter(|old| old.key != key).cloned();
        if replaced.is_some() && self.revoked.len() >= limits.revoked {
            return Err(KeyCause::TooMany.into());
        }
        if !is_proven(work.ue, &name, &key, &nonce, &signature) {
            return Err(KeyCause::Proof.into());
        }
        let valid_until = self.now.plus_millis(self.config.validity);
        let record = KeyRecord { name, ue: work.ue, key, valid_until, challenged };
        let replaced = replaced.map(|old| self.revoked.begin(Cause::Replaced, vec![old]));
        let mut changes = replaced.as_ref().map(Revoking::changes).unwrap_or_default();
        changes.push(Change::PutKey(record.clone()));
        let (request, record) = (Some(work.request), Box::new(record));
        self.store(changes, Then::Register { request, record, replaced, is_revoked: false });
        Ok(())
    }

    /// Whether a registration under this nonce, or a later one, is being stored.
    fn is_used(&self, name: &KeyName, ue: Imsi, challenged: UtcTime) -> bool {
        self.storing.iter().any(|storing| match &storing.then {
            Then::Register { record, .. } => {
                record.name == *name && record.ue == ue && challenged <= record.challenged
            }
            _ => false,
        })
    }

    pub(super) fn registered(
        &mut self,
        request: Option<RequestId>,
        record: KeyRecord,
        replaced: Option<Revoking>,
        is_revoked: bool,
    ) {
        if let Some(replaced) = replaced {
            self.is_revoked(replaced);
        }
        let ue = record.ue;
        if is_revoked {
            if let Some(request) = request {
                self.reject(request, ue, KeyCause::Revoked);
            }
            return;
        }
        let (name, key, valid_until) = (record.name.clone(), record.key.fingerprint(), record.valid_until);
        self.table.put(record);
        self.report(Event::Registered { ue, name, key });
        let (current_time, late) = (self.now, valid_until <= self.now);
        if late {
            // The store took longer than the key lasts.
            self.busy(request);
        } else if let Some(request) = request {
            self.answer(request, &KeyMessage::Registered(Registered { current_time, valid_until }));
        }
    }

    /// A thief that has the private key needs no network; who has the UE's keys of PC3 may.
    pub(super) fn withdraw(&mut self, work: &Work, withdraw: &Withdraw) -> Result<(), Stop> {
        has_name(work, &withdraw.name)?;
        let old = self.table.get(&withdraw.name, work.ue);
        let old = old.filter(|old| old.key.fingerprint() == withdraw.fingerprint).cloned();
        match old {
            Some(old) => self.begin_revoking(Cause::Owner(work.request), vec![old]),
            None if self.revoked.has(&withdraw.fingerprint) => self.tell_withdrawn(work.request),
            None => return Err(KeyCause::Unknown.into()),
        }
        Ok(())
    }

    pub(super) fn tell_withdrawn(&mut self, request: RequestId) {
        let (current_time, number) = (self.now, self.revoked.number());
        self.answer(request, &KeyMessage::Withdrawn(Withdrawn { current_time, number }));
    }
}

/// Whether a UE may announce under a name: it is in its subscription.
fn has_name(work: &Work, name: &KeyName) -> Result<(), KeyCause> {
    let Work { subscription, .. } = work;
    let (has, role) = match name {
        KeyName::User(rpauid) => (subscription.rpauids.contains(rpauid), Role::RestrictedAnnounce),
        KeyName::Application(id) => (subscription.application_ids.contains(id), Role::OpenAnnounce),
    };
    match (has, subscription.rights.iter().any(|(_, right)| *right == role)) {
        (true, true) => Ok(()),
        _ => Err(KeyCause::NotYours),
    }
}
