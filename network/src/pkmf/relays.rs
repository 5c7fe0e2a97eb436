//! Relays that ask for the KD of a remote UE. TS 33.303 §6.7.3.2.1, §6.7.3.2.3.
//!
//! ```text
//!   KDReqinfo -> relay and remote UE may, for this service -> PRUK ID known, PRUK not old -> KD
//!                                                          -> IMSI, RAND and AUTS, or old -> Push (Zpn) -> GPI, new PRUK, KD
//! ```
//!
//! A relay that is none learns nothing: it is refused before anybody looks for the remote UE.

use std::collections::{BTreeMap, BTreeSet};

use core::net::IpAddr;
use sidelink_security::counter::UtcTime;
use sidelink_security::keys::Pruk;

use super::Pkmf;
use super::config::{Remote, Told};
use super::io::{Event, Output, Refused, RequestId};
use super::remotes::RemoteRecord;
use super::requests::Decision;
use super::storing::{Slot, Then};
use crate::aka::{Auts, Rand};
use crate::gba_push::bsf::{Pushed, Refusal, Request as PushRequest};
use crate::gba_push::{Packet, Place};
use crate::hss::{self, Resynchronisation, Ticket};
use crate::identity::{Impi, NafId};
use crate::limit::Bucket;
use crate::pc8::request::{KdRequest, KeyRequest};
use crate::pc8::response::KdResponse;
use crate::pc8::{ErrorCode, Gpi, PrukId};

/// A request that waits for the BSF.
pub(super) struct Pushing {
    request: RequestId,
    relay: Impi,
    address: IpAddr,
    message: KeyRequest,
    remote: Impi,
    /// The name of the PRUK that comes.
    id: PrukId,
    deadline: UtcTime,
}

/// What goes on with the BSF.
#[derive(Default)]
pub(super) struct Pushes {
    waiting: BTreeMap<Ticket, Pushing>,
    next: u64,
    /// RAND of the last GPI of each remote UE: AUTS for another is none of ours.
    last: BTreeMap<Impi, Rand>,
    rates: BTreeMap<Impi, Bucket>,
}

/// Relays that may be none any more.
#[derive(Default)]
pub(super) struct RevokedRelays {
    revoked: BTreeSet<Impi>,
    /// Revoked until it is durable that they are not any more.
    admitting: BTreeSet<Impi>,
}

impl RevokedRelays {
    /// With those that are durable.
    pub(super) fn new(revoked: Vec<Impi>) -> Self {
        Self { revoked: revoked.into_iter().collect(), admitting: BTreeSet::new() }
    }

    fn has(&self, ue: &Impi) -> bool {
        self.revoked.contains(ue)
    }

    /// What is to be durable.
    pub(super) fn is_to_be(&self, ue: &Impi) -> bool {
        self.has(ue) && !self.admitting.contains(ue)
    }

    /// That it may be a relay again is durable.
    pub(super) fn admitted(&mut self, ue: &Impi) {
        if self.admitting.remove(ue) {
            self.revoked.remove(ue);
        }
    }
}

/// How a KD is made.
enum Way {
    /// Of a PRUK that is here; the remote UE has shown that it has the candidate.
    Here(PrukId, Option<RemoteRecord>),
    /// Of one that is pushed.
    Push(Option<Resynchronisation>),
}

/// Why there is no KD.
enum Stop {
    /// The relay is told in a message.
    Error(ErrorCode),
    /// The request is refused.
    Refused(Refused),
}

impl From<ErrorCode> for Stop {
    fn from(error: ErrorCode) -> Self {
        Self::Error(error)
    }
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl Pkmf {
    /// Answers a relay's request for a KD, or lets it wait for the BSF.
    pub(super) fn relay_request(
        &mut self,
        request: RequestId,
        relay: Impi,
        address: IpAddr,
        message: KeyRequest,
    ) -> Result<(), Refused> {
        let mut decision = self.decide(&relay, &message)?;
        let Some(kd) = &message.kd else { return self.conclude(request, relay, address, decision) };
        let remote = match self.served(&relay, kd) {
            Ok(remote) => remote.ue.clone(),
            Err(error) => {
                decision.no_kd(error);
                return self.conclude(request, relay, address, decision);
            }
        };
        let way = match self.way(&remote, kd) {
            Ok(way) => way,
            Err(Stop::Refused(why)) => return Err(why),
            Err(Stop::Error(error)) => {
                decision.no_kd(error);
                return self.conclude(request, relay, address, decision);
            }
        };
        match way {
            Way::Here(id, promoted) => {
                decision.response.kd = Some(self.kd_of(&remote, id, kd)?);
                decision.remote = promoted;
                self.conclude(request, relay, address, decision)
            }
            Way::Push(resynchronisation) => {
                let (id, _) = self.new_pruk_id()?;
                let deadline = self.now.plus_millis(self.config.limits.patience);
                let pushing = Pushing { request, relay, address, message, remote, id, deadline };
                self.push(pushing, resynchronisation);
                Ok(())
            }
        }
    }

    /// Whom a relay may serve. TS 33.303 §6.7.3.2.3.2.
    fn served(&self, relay: &Impi, kd: &KdRequest) -> Result<&Remote, ErrorCode> {
        let (relays, code) = (&self.config.relays, kd.relay_service_code);
        let serves = relays.relays.iter().any(|(ue, codes)| ue == relay && codes.contains(&code));
        if !serves || self.revoked_relays.has(relay) {
            return Err(ErrorCode::NotServed);
        }
        let named = |ue: &Impi| relays.remotes.iter().find(|remote| remote.ue == *ue);
        let found = match (kd.pruk_id, kd.imsi) {
            (Some(id), None) => self.remotes.of_id(id).and_then(|record| named(&record.ue)),
            (None, Some(imsi)) => relays.remotes.iter().find(|remote| remote.imsi == imsi),
            // One of both names the remote UE.
            _ => None,
        };
        let remote = found.ok_or(ErrorCode::UnknownRemoteUe)?;
        if remote.codes.contains(&code) && self.is_remote(&remote.ue) {
            Ok(remote)
        } else {
            Err(ErrorCode::NotServed)
        }
    }

    fn way(&mut self, remote: &Impi, kd: &KdRequest) -> Result<Way, Stop> {
        let pushing = self.pushes.waiting.values().any(|pushing| pushing.remote == *remote);
        if pushing || self.is_remote_being_stored(remote) {
            return Err(Refused::Busy.into());
        }
        let record = self.remotes.get(remote);
        let held = kd.pruk_id.and_then(|id| record.and_then(|record| record.pruk(id)));
        let resynchronisation = match (kd.rand, kd.auts) {
            (None, None) => None,
            (Some(rand), Some(auts)) if self.pushes.last.get(remote) == Some(&Rand(rand)) => {
                Some(Resynchronisation { rand: Rand(rand), auts: Auts(auts.0) })
            }
            // Of a challenge that was not the last, or half of it: no vector for that.
            _ => return Err(ErrorCode::NotServed.into()),
        };
        if let (None, Some(pruk)) = (resynchronisation, held)
            && !self.is_stale(pruk)
        {
            return Ok(Way::Here(pruk.id, record.and_then(|record| record.promoted(pruk.id))));
        }
        let (limit, now) = (self.config.limits.push, self.now);
        let bucket = self.pushes.rates.entry(remote.clone()).or_insert_with(|| Bucket::new(limit, now));
        if self.pushes.waiting.len() >= self.config.limits.waiting {
            return Err(Refused::Busy.into());
        }
        match (bucket.take(limit, now), held) {
            (true, _) => Ok(Way::Push(resynchronisation)),
            // An old PRUK is better than none.
            (false, Some(pruk)) if resynchronisation.is_none() => {
                let promoted = self.remotes.get(remote).and_then(|record| record.promoted(pruk.id));
                Ok(Way::Here(pruk.id, promoted))
            }
            (false, _) => Err(Refused::TooOften.into()),
        }
    }

    fn push(&mut self, pushing: Pushing, resynchronisation: Option<Resynchronisation>) {
        let ticket = Ticket(self.pushes.next);
        self.pushes.next += 1;
        // What is answered once is answered.
        self.pushes.last.remove(&pushing.remote);
        let naf_id = NafId { fqdn: self.config.name.clone(), protocol: super::UA_PROTOCOL };
        self.outbox.push_back(Output::Push(Box::new(PushRequest {
            ticket,
            naf: self.config.name.clone(),
            impi: pushing.remote.clone(),
            label: String::new(),
            naf_id,
            p_tid: super::p_tid(pushing.id),
            place: Place::Terminal,
            lifetime: self.config.relays.pruk_lifetime,
            resynchronisation,
        })));
        self.pushes.waiting.insert(ticket, pushing);
    }

    /// The BSF has answered. What was allowed then is looked at again: the operator may have spoken meanwhile.
    pub(super) fn pushed(&mut self, ticket: Ticket, result: Result<Pushed, Refusal>) {
        let Some(pushing) = self.pushes.waiting.remove(&ticket) else { return };
        let request = pushing.request;
        if let Err(why) = self.push_answered(pushing, result) {
            self.respond(request, super::Response::Refused(why));
        }
    }

    fn push_answered(&mut self, pushing: Pushing, result: Result<Pushed, Refusal>) -> Result<(), Refused> {
        let Pushing { request, relay, address, message, remote, id, .. } = pushing;
        let mut decision = self.decide(&relay, &message)?;
        let Some(kd) = &message.kd else { return Err(Refused::Busy) };
        if let Err(error) = self.served(&relay, kd) {
            decision.no_kd(error);
            return self.conclude(request, relay, address, decision);
        }
        match result {
            Ok(pushed) => {
                let gpi = Gpi::new(&pushed.gpi).ok_or(Refused::Busy)?;
                if let Ok(packet) = Packet::new_checked(&pushed.gpi) {
                    self.pushes.last.insert(remote.clone(), packet.rand());
                }
                let pruk = Pruk::from(*pushed.ks_naf.as_bytes());
                let mut response = self.kd(&remote, &pruk, kd)?;
                response.gpi = Some(gpi);
                decision.response.kd = Some(response);
                decision.remote = Some(self.with_candidate(&remote, kd.pruk_id, (id, pruk)));
                self.report(Event::Pushed { ue: remote });
            }
            Err(why) => {
                self.report(Event::NotPushed { ue: remote.clone(), why });
                let held = kd.pruk_id.filter(|_| kd.auts.is_none());
                match (held, why) {
                    (Some(id), _) => decision.response.kd = Some(self.kd_of(&remote, id, kd)?),
                    (None, Refusal::Hss(hss::Refusal::Unknown | hss::Refusal::Auts)) => {
                        decision.no_kd(ErrorCode::UnknownRemoteUe);
                    }
                    (None, _) => return Err(Refused::Busy),
                }
            }
        }
        self.conclude(request, relay, address, decision)
    }

    fn kd_of(&mut self, remote: &Impi, id: PrukId, kd: &KdRequest) -> Result<KdResponse, Refused> {
        let held = self.remotes.get(remote).and_then(|record| record.pruk(id)).ok_or(Refused::Busy)?;
        let pruk = Pruk::from(*held.pruk.as_bytes());
        self.kd(remote, &pruk, kd)
    }

    /// TS 33.303 §6.7.3.2.1.1 step 4c. A KD freshness parameter is bound to a number, and never comes twice.
    fn kd(&mut self, remote: &Impi, pruk: &Pruk, kd: &KdRequest) -> Result<KdResponse, Refused> {
        let number = self.numbers.take().map_err(|_| Refused::Busy)?;
        let mut freshness = [0; 16];
        freshness.copy_from_slice(&self.nonces_from.draw(number)[..16]);
        let mut response = KdResponse {
            kd: self.config.relays.derivation.kd(pruk, &kd.relay_service_code.0, &kd.nonce_1, &freshness),
            freshness,
            gpi: None,
            imsi: None,
            msisdn: None,
            other: None,
        };
        if let Some(remote) = self.config.relays.remotes.iter().find(|known| known.ue == *remote) {
            match &remote.told {
                Told::Imsi => response.imsi = Some(remote.imsi),
                Told::Msisdn(msisdn) => response.msisdn = Some(msisdn.clone()),
                Told::Other(id) => response.other = Some(*id),
            }
        }
        Ok(response)
    }

    /// A UE may be no relay any more, at once. A KD that it has lives until its link ends.
    pub(super) fn revoke_relay(&mut self, ue: Impi) {
        self.revoked_relays.admitting.remove(&ue);
        self.revoked_relays.revoked.insert(ue.clone());
        self.cancel_relay(&ue);
        self.store(vec![Slot::Relay(ue)], Then::Nothing);
    }

    /// It may again once that is durable.
    pub(super) fn admit_relay(&mut self, ue: Impi) {
        if self.revoked_relays.has(&ue) && self.revoked_relays.admitting.insert(ue.clone()) {
            self.store(vec![Slot::Relay(ue.clone())], Then::AdmitRelay(ue));
        }
    }

    /// Refuses what has waited for the BSF for too long.
    pub(super) fn pushes_due(&mut self) {
        let now = self.now;
        let late = self.pushes.waiting.iter().filter(|(_, pushing)| pushing.deadline <= now);
        let late: Vec<_> = late.map(|(ticket, _)| *ticket).collect();
        for ticket in late {
            self.pushed(ticket, Err(Refusal::Late));
        }
    }

    pub(super) fn next_push(&self) -> Option<UtcTime> {
        self.pushes.waiting.values().map(|pushing| pushing.deadline).min()
    }
}

impl Decision {
    fn no_kd(&mut self, error: ErrorCode) {
        self.rejected.push(error);
        self.response.kd_error = Some(error);
    }
}
