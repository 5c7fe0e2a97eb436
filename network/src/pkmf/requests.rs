//! KEY_REQUEST: who may have what, and with which PMK. TS 33.303 §6.2.3.3.2.2, §6.6.4.2.2.

use std::collections::BTreeSet;
use std::num::NonZeroU8;

use core::net::IpAddr;
use sidelink_security::keys::Pmk;

use super::config::{DiscoveryCode, Kind};
use super::io::{Event, Refused, RequestId, Response, UeRecord, Wanted};
use super::remotes::RemoteRecord;
use super::storing::{Answered, Held};
use super::{Keys, Pkmf};
use crate::identity::Impi;
use crate::key_delivery::{PmkId, ServiceId};
use crate::limit::Bucket;
use crate::pc8::request::KeyRequest;
use crate::pc8::response::{
    GroupMemberReject, GroupMemberResponse, GroupReject, GroupResponse, KeyResponse, PmkInfo, RelayReject,
    RelayResponse,
};
use crate::pc8::{
    self, Code, DiscoveryCapabilities, ErrorCode, HeldId, MemberId, Message, ProtectionProfile,
    SelectedAlgorithm,
};

/// What a request comes to, before its answer is written.
pub(super) struct Decision {
    pub(super) response: KeyResponse,
    wanted: BTreeSet<Wanted>,
    held: Held,
    pub(super) rejected: Vec<ErrorCode>,
    /// What becomes of a remote UE: durable before the answer.
    pub(super) remote: Option<RemoteRecord>,
}

impl Decision {
    /// A UE gets keys of a service, of which it has these.
    fn grant(&mut self, wanted: Wanted, service: ServiceId, held: &[HeldId]) {
        self.wanted.insert(wanted);
        let ids = held.iter().filter_map(|id| NonZeroU8::new(id.0));
        self.held.entry(service).or_default().extend(ids);
    }
}

impl Pkmf {
    pub(super) fn request(
        &mut self,
        request: RequestId,
        ue: Impi,
        address: IpAddr,
        content_type: &str,
        body: &[u8],
    ) -> Result<(), Refused> {
        self.pay(&ue)?;
        if !pc8::is_media_type(content_type) {
            return Err(Refused::MediaType);
        }
        let Message::KeyRequest(message) = Message::from_xml(body).map_err(Refused::Malformed)? else {
            return Err(Refused::Unexpected);
        };
        if self.is_being_stored(&ue) || self.waiting() >= self.config.limits.waiting {
            return Err(Refused::Busy);
        }
        self.relay_request(request, ue, address, message)
    }

    /// The UE's own rate first, so that one that floods takes nothing from the others.
    fn pay(&mut self, ue: &Impi) -> Result<(), Refused> {
        let (limits, relays, now) = (self.config.limits, &self.config.relays.relays, self.now);
        let limit_of = |ue: &Impi| {
            let is_relay = relays.iter().any(|(relay, _)| relay == ue);
            if is_relay { limits.relay } else { limits.ue }
        };
        if !self.rates.contains_key(ue) && self.rates.len() >= limits.ues {
            self.rates.retain(|ue, bucket| !bucket.is_full(limit_of(ue), now));
            if self.rates.len() >= limits.ues {
                self.flood();
                return Err(Refused::Busy);
            }
        }
        let limit = limit_of(ue);
        let own = self.rates.entry(ue.clone()).or_insert_with(|| Bucket::new(limit, now));
        let all = self.rate.get_or_insert_with(|| Bucket::new(limits.all, now));
        if own.take(limit, now) && all.take(limits.all, now) {
            return Ok(());
        }
        self.flood();
        Err(Refused::TooOften)
    }

    pub(super) fn decide(&mut self, ue: &Impi, message: &KeyRequest) -> Result<Decision, Refused> {
        let wanted = self.ues.get(ue).map(|state| state.record.wanted.clone()).unwrap_or_default();
        let response = KeyResponse::new(message.transaction);
        let mut decision =
            Decision { response, wanted, held: Held::new(), rejected: Vec::new(), remote: None };
        self.decide_groups(ue, message, &mut decision);
        self.decide_relays(ue, message, &mut decision);
        self.decide_group_members(ue, message, &mut decision);
        match message.pruk_id {
            // Two UEs at once nobody is: each part would be stored for itself.
            Some(_) if message.kd.is_some() => return Err(Refused::Unexpected),
            Some(held) => self.decide_pruk(ue, held, &mut decision)?,
            None => {}
        }
        Ok(decision)
    }

    fn decide_groups(&self, ue: &Impi, message: &KeyRequest, decision: &mut Decision) {
        let reject = |decision: &mut Decision, group, error| {
            decision.rejected.push(error);
            decision.response.group_rejects.push(GroupReject { group, error });
        };
        for group in &message.groups {
            let (id, wanted) = (group.group, Wanted::Group(group.group));
            match self.group(ue, message, id) {
                Ok((member, algorithm)) => {
                    decision.grant(wanted, id, &group.held);
                    decision.response.groups.push(GroupResponse { group: id, member, algorithm });
                }
                Err(error) => {
                    decision.wanted.remove(&wanted);
                    reject(decision, id, error);
                }
            }
        }
        for id in &message.stop_groups {
            decision.wanted.remove(&Wanted::Group(*id));
            decision.held.remove(id);
            decision.response.groups.retain(|granted| granted.group != *id);
            reject(decision, *id, ErrorCode::Stopped);
        }
    }

    /// Whether a UE gets keys of a group, as whom and how it is ciphered.
    fn group(
        &self,
        ue: &Impi,
        message: &KeyRequest,
        id: ServiceId,
    ) -> Result<(MemberId, SelectedAlgorithm), ErrorCode> {
        let service = self.config.services.iter().find(|service| service.id == id);
        let Some(Kind::Group { algorithm, .. }) = service.map(|service| &service.kind) else {
            return Err(ErrorCode::NotSupplied);
        };
        let member =
            self.services.get(&id).and_then(|keys| keys.member(ue)).ok_or(ErrorCode::NotAuthorised)?;
        if !message.algorithms.is_some_and(|algorithms| algorithms.has(*algorithm)) {
            return Err(ErrorCode::Algorithms);
        }
        Ok((member, SelectedAlgorithm::new(*algorithm)))
    }

    fn decide_relays(&self, ue: &Impi, message: &KeyRequest, decision: &mut Decision) {
        for relay in &message.relays {
            let code = relay.code;
            match self.discovery(ue, message, DiscoveryCode::Relay(code), &relay.held, decision) {
                Ok((key_type, protection, encrypted)) => {
                    let granted = RelayResponse { code, key_type, protection, encrypted };
                    decision.response.relays.push(granted);
                }
                Err(error) => decision.response.relay_rejects.push(RelayReject { code, error }),
            }
        }
        for code in message.stop_relays.iter().map(|number| number.0) {
            self.stop(DiscoveryCode::Relay(code), decision);
            decision.response.relays.retain(|granted| granted.code != code);
            let rejected = RelayReject { code, error: ErrorCode::Stopped };
            decision.response.relay_rejects.push(rejected);
        }
    }

    fn decide_group_members(&self, ue: &Impi, message: &KeyRequest, decision: &mut Decision) {
        for member in &message.group_members {
            let group = member.group;
            match self.discovery(ue, message, DiscoveryCode::GroupMember(group), &[member.held], decision) {
                Ok((key_type, protection, encrypted)) => {
                    let granted = GroupMemberResponse { group, key_type, protection, encrypted };
                    decision.response.group_members.push(granted);
                }
                Err(error) => decision.response.group_member_rejects.push(GroupMemberReject { group, error }),
            }
        }
        for group in message.stop_group_members.iter().map(|number| number.0) {
            self.stop(DiscoveryCode::GroupMember(group), decision);
            decision.response.group_members.retain(|granted| granted.group != group);
            let rejected = GroupMemberReject { group, error: ErrorCode::Stopped };
            decision.response.group_member_rejects.push(rejected);
        }
    }

    /// Whether a UE gets keys of a discovery, under which Key Type ID and for which protection.
    fn discovery(
        &self,
        ue: &Impi,
        message: &KeyRequest,
        code: DiscoveryCode,
        held: &[HeldId],
        decision: &mut Decision,
    ) -> Result<(Code, ProtectionProfile, Option<[u8; 23]>), ErrorCode> {
        let wanted = Wanted::Discovery(code);
        let id = self.codes.get(&code).copied();
        let found = self.may_discover(ue, message, id);
        match (found, id) {
            (Ok(granted), Some(id)) => {
                decision.grant(wanted, id, held);
                decision.response.current_time = Some(self.now);
                decision.response.max_offset = Some(self.config.max_offset);
                Ok(granted)
            }
            (found, _) => {
                let error = found.err().unwrap_or(ErrorCode::NotSupplied);
                decision.wanted.remove(&wanted);
                decision.rejected.push(error);
                Err(error)
            }
        }
    }

    fn may_discover(
        &self,
        ue: &Impi,
        message: &KeyRequest,
        id: Option<ServiceId>,
    ) -> Result<(Code, ProtectionProfile, Option<[u8; 23]>), ErrorCode> {
        let service = self.config.services.iter().find(|service| Some(service.id) == id);
        let Some(Kind::Discovery { protection, encrypted, .. }) = service.map(|service| &service.kind) else {
            return Err(ErrorCode::NotSupplied);
        };
        let keys = id.and_then(|id| self.services.get(&id)).ok_or(ErrorCode::NotSupplied)?;
        if !Keys::may_have(keys, ue) {
            return Err(ErrorCode::NotAuthorised);
        }
        if protection.scrambles() && message.discovery != Some(DiscoveryCapabilities::SCRAMBLING) {
            return Err(ErrorCode::Algorithms);
        }
        let key_type = Code(id.map_or([0; 3], |id| id.0));
        Ok((key_type, *protection, *encrypted))
    }

    /// A UE wants no more keys of a discovery; of its Key Type, if that was the last.
    fn stop(&self, code: DiscoveryCode, decision: &mut Decision) {
        decision.wanted.remove(&Wanted::Discovery(code));
        decision.rejected.push(ErrorCode::Stopped);
        if let Some(service) = self.codes.get(&code) {
            let others = decision.wanted.iter().any(|wanted| self.service_of(*wanted) == Some(*service));
            if !others {
                decision.held.remove(service);
            }
        }
    }

    /// Answers, once what the answer rests on is durable.
    pub(super) fn conclude(
        &mut self,
        request: RequestId,
        ue: Impi,
        address: IpAddr,
        decision: Decision,
    ) -> Result<(), Refused> {
        let Decision { mut response, wanted, held, rejected, remote } = decision;
        for error in rejected {
            self.report(Event::Rejected { ue: ue.clone(), error });
        }
        let known = self.ues.get(&ue);
        let old = known.map(|state| (state.record.address, state.record.wanted.clone()));
        let record = if self.needs_pmk(known, &held) {
            let number = self.numbers.take().map_err(|_| Refused::Busy)?;
            let (pmk_id, pmk) = (PmkId(number.to_be_bytes()), self.keys_from.draw(number));
            response.pmk = Some(PmkInfo { id: pmk_id, pmk: Pmk::from(pmk) });
            Some(UeRecord { ue: ue.clone(), pmk_id, pmk: Pmk::from(pmk), since: self.now, address, wanted })
        } else if old.is_some_and(|old| old == (address, wanted.clone())) {
            None
        } else {
            // No keys of groups are granted to somebody of whom nothing is known.
            known.map(|state| UeRecord { address, wanted, ..state.record.duplicate() })
        };
        let brings_pmk = response.pmk.is_some();
        let body = Message::KeyResponse(response).to_xml();
        if record.is_none() && remote.is_none() {
            self.respond(request, Response::Message(body));
            self.begin(&ue, held);
            return Ok(());
        }
        let deadline = self.now.plus_millis(self.config.limits.patience);
        let answered =
            Answered { request: Some(request), deadline, ue, record, remote, brings_pmk, body, held };
        self.store_and_answer(answered);
        Ok(())
    }

    /// Whether the answer brings a new PMK: the UE has none, or may have none, or an old one. A UE without any key may have
    /// lost its PMK with them.
    fn needs_pmk(&self, known: Option<&super::Ue>, held: &Held) -> bool {
        if held.is_empty() {
            return false;
        }
        let Some(state) = known else { return true };
        let old = self.now >= state.record.since.plus_millis(self.config.pmk_lifetime);
        state.doubtful || old || held.values().all(BTreeSet::is_empty)
    }
}
