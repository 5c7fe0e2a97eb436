//! Remote UEs and their PRUKs. TS 33.303 §6.7.3.1, §6.7.3.2.2.
//!
//! ```text
//!   confirmed   the remote UE has used it, or has said that it has it
//!   candidate   given out: in a KEY_RESPONSE, or by GBA push through a relay; it may not have come
//! ```
//!
//! Both count until the remote UE shows which it has: then the candidate takes the place of the confirmed one. What is given out
//! is durable before.

use std::collections::{BTreeMap, BTreeSet};

use sidelink_security::keys::Pruk;

use super::Pkmf;
use super::io::{Refused, Standing};
use super::requests::Decision;
use super::storing::{Slot, Then};
use crate::identity::Impi;
use crate::pc8::response::PrukInfo;
use crate::pc8::{ErrorCode, PrukId};
use sidelink_security::counter::UtcTime;

/// A PRUK and its name.
#[derive(Debug, PartialEq, Eq)]
pub struct PrukRecord {
    /// Its name, never all zero.
    pub id: PrukId,
    /// The key.
    pub pruk: Pruk,
    /// Since when.
    pub since: UtcTime,
}

/// What is durable of a remote UE.
#[derive(Debug, PartialEq, Eq)]
pub struct RemoteRecord {
    /// Who.
    pub ue: Impi,
    /// The PRUK that it has.
    pub confirmed: Option<PrukRecord>,
    /// The PRUK that was given out, and may not have come.
    pub candidate: Option<PrukRecord>,
    /// Whether it may use relays.
    pub standing: Standing,
}

impl PrukRecord {
    fn duplicate(&self) -> Self {
        Self { id: self.id, pruk: Pruk::from(*self.pruk.as_bytes()), since: self.since }
    }
}

impl RemoteRecord {
    fn new(ue: Impi) -> Self {
        Self { ue, confirmed: None, candidate: None, standing: Standing::Valid }
    }

    pub(crate) fn duplicate(&self) -> Self {
        Self {
            ue: self.ue.clone(),
            confirmed: self.confirmed.as_ref().map(PrukRecord::duplicate),
            candidate: self.candidate.as_ref().map(PrukRecord::duplicate),
            standing: self.standing,
        }
    }

    fn pruks(&self) -> impl Iterator<Item = &PrukRecord> {
        self.confirmed.iter().chain(&self.candidate)
    }

    /// The PRUK of this name.
    pub(super) fn pruk(&self, id: PrukId) -> Option<&PrukRecord> {
        self.pruks().find(|pruk| pruk.id == id)
    }

    fn is_candidate(&self, id: PrukId) -> bool {
        self.candidate.as_ref().is_some_and(|candidate| candidate.id == id)
    }

    /// The remote UE has the candidate of this name, and nothing older.
    pub(super) fn promoted(&self, id: PrukId) -> Option<Self> {
        self.is_candidate(id).then(|| {
            let record = self.duplicate();
            Self { confirmed: record.candidate, candidate: None, ..record }
        })
    }
}

/// All remote UEs of which something is known.
#[derive(Default)]
pub(super) struct Remotes {
    known: BTreeMap<Impi, RemoteRecord>,
    by_id: BTreeMap<PrukId, Impi>,
    /// Revoked until it is durable that they are not any more.
    pub(super) admitting: BTreeSet<Impi>,
}

impl Remotes {
    pub(super) fn get(&self, ue: &Impi) -> Option<&RemoteRecord> {
        self.known.get(ue)
    }

    pub(super) fn of_id(&self, id: PrukId) -> Option<&RemoteRecord> {
        self.by_id.get(&id).and_then(|ue| self.known.get(ue))
    }

    /// In the place of what was known of this remote UE.
    pub(super) fn install(&mut self, record: RemoteRecord) {
        if let Some(old) = self.known.get(&record.ue) {
            old.pruks().for_each(|pruk| _ = self.by_id.remove(&pruk.id));
        }
        self.by_id.extend(record.pruks().map(|pruk| (pruk.id, record.ue.clone())));
        self.known.insert(record.ue.clone(), record);
    }

    pub(super) fn is_revoked(&self, ue: &Impi) -> bool {
        self.get(ue).is_some_and(|record| record.standing == Standing::Revoked)
    }

    fn copy(&self, ue: &Impi) -> RemoteRecord {
        self.get(ue).map_or_else(|| RemoteRecord::new(ue.clone()), RemoteRecord::duplicate)
    }
}

impl Pkmf {
    /// Whether a UE may use relays.
    pub(super) fn is_remote(&self, ue: &Impi) -> bool {
        let named = self.config.relays.remotes.iter().any(|remote| remote.ue == *ue);
        named && !self.remotes.is_revoked(ue)
    }

    /// What a UE that asks for a PRUK is told: that it may have none, nothing where what it has is good, or a new one. TS 33.303
    /// §6.7.3.2.2.2.
    pub(super) fn decide_pruk(
        &mut self,
        ue: &Impi,
        held: PrukId,
        decision: &mut Decision,
    ) -> Result<(), Refused> {
        if !self.is_remote(ue) {
            decision.rejected.push(ErrorCode::NoPruk);
            decision.response.pruk_error = Some(ErrorCode::NoPruk);
            return Ok(());
        }
        if self.is_remote_being_stored(ue) {
            return Err(Refused::Busy);
        }
        let known = self.remotes.get(ue);
        if let Some(pruk) = known.and_then(|record| record.pruk(held))
            && !self.is_stale(pruk)
        {
            decision.remote = known.and_then(|record| record.promoted(held));
            return Ok(());
        }
        let (id, number) = self.new_pruk_id()?;
        let pruk = Pruk::from(self.keys_from.draw(number));
        let record = self.with_candidate(ue, Some(held), (id, pruk));
        let given = record.candidate.as_ref().map(PrukRecord::duplicate);
        decision.response.pruk = given.map(|given| PrukInfo { id: given.id, pruk: given.pruk });
        decision.remote = Some(record);
        Ok(())
    }

    /// Whether it is time for another.
    pub(super) fn is_stale(&self, pruk: &PrukRecord) -> bool {
        self.now >= pruk.since.plus_millis(self.config.relays.pruk_lifetime)
    }

    /// A name that no PRUK has and nobody guesses, and the number that it comes from. The remote UE shows it in the clear.
    pub(super) fn new_pruk_id(&mut self) -> Result<(PrukId, u64), Refused> {
        let number = self.numbers.take().map_err(|_| Refused::Busy)?;
        let mut id = PrukId([0; 8]);
        id.0.copy_from_slice(&self.nonces_from.draw(number)[..8]);
        // Chance has it once in 2^64: another number then.
        let taken = id.0 == [0; 8] || self.remotes.by_id.contains_key(&id);
        if taken { Err(Refused::Busy) } else { Ok((id, number)) }
    }

    /// What is known of a remote UE, with a new candidate. The candidate before it is confirmed, if the remote UE has shown it.
    pub(super) fn with_candidate(
        &self,
        ue: &Impi,
        shown: Option<PrukId>,
        (id, pruk): (PrukId, Pruk),
    ) -> RemoteRecord {
        let candidate = Some(PrukRecord { id, pruk, since: self.now });
        let promoted = shown.and_then(|shown| self.remotes.get(ue).and_then(|known| known.promoted(shown)));
        RemoteRecord { candidate, ..promoted.unwrap_or_else(|| self.remotes.copy(ue)) }
    }

    /// A remote UE may use no relay any more: its PRUKs are gone at once. A KD that a relay has lives until its link ends.
    pub(super) fn revoke_remote(&mut self, ue: Impi) {
        self.remotes.admitting.remove(&ue);
        self.cancel_remote(&ue);
        let record = RemoteRecord { standing: Standing::Revoked, ..RemoteRecord::new(ue.clone()) };
        self.remotes.install(record);
        self.store(vec![Slot::Remote(ue)], Then::Nothing);
    }

    /// It may again once that is durable; it has no PRUK then.
    pub(super) fn admit_remote(&mut self, ue: Impi) {
        if self.remotes.is_revoked(&ue) && self.remotes.admitting.insert(ue.clone()) {
            self.store(vec![Slot::Remote(ue.clone())], Then::AdmitRemote(ue));
        }
    }

    pub(super) fn remote_admitted(&mut self, ue: Impi) {
        if self.remotes.admitting.remove(&ue) {
            self.remotes.install(RemoteRecord::new(ue));
        }
    }

    /// What of a remote UE is to be durable.
    pub(super) fn remote_as_it_is(&self, ue: &Impi) -> RemoteRecord {
        match self.remotes.admitting.contains(ue) {
            true => RemoteRecord::new(ue.clone()),
            false => self.remotes.copy(ue),
        }
    }
}
