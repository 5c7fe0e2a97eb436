//! What comes in: which link and which key a PDU belongs to, and what is in it.

use sidelink_security::direct::{KdSessId, Kind, Opened, Profile};

use super::frame;
use super::hub::Hub;
use super::io::{Output, Received};
use super::link::{Link, Stage, Update};
use super::note::{Cause, Note, PduError};
use sidelink_security::pdu::Assurance;
use sidelink_security::pdu::PduRefusal;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::{self, Body, Repr};
use sidelink_wire::pdcp::{HEADER_LEN, OneToOneRepr, Packet, SduType};

impl Hub {
    /// A PDU for this UE: which link, which key, what is in it.
    pub(super) fn receive(&mut self, source: Layer2Id, lcid: Lcid, pdu: &[u8]) -> Result<(), PduError> {
        let header = OneToOneRepr::parse(&Packet::new_checked(pdu)?)?;
        let Some(id) = session_id(header.kd_sess_id) else {
            return self.receive_plain(source, lcid, header, pdu);
        };
        let mut octets = pdu.to_vec();
        if let Some(index) = self.links.iter().position(|link| link.hears(source)) {
            let command = lcid == Lcid::PC5_S_SECURITY_MODE && self.awaits_command(index, id);
            if command {
                return self.command_heard(index, header, &mut octets);
            }
            if self.links[index].ids().any(|known| known == id) {
                return self.receive_on_link(index, id, lcid, header, &mut octets);
            }
        }
        let half =
            self.half_open.iter().position(|half| half.source == source && half.answering.id() == Some(id));
        match half {
            Some(at) if lcid == Lcid::PC5_S_SECURITY_MODE => {
                self.complete_of_half_open(at, header, &mut octets)
            }
            _ => Err(PduRefusal::UnknownKey.into()),
        }
    }

    fn receive_on_link(
        &mut self,
        index: usize,
        id: KdSessId,
        lcid: Lcid,
        header: OneToOneRepr,
        octets: &mut [u8],
    ) -> Result<(), PduError> {
        let link = &mut self.links[index];
        if link.answering.as_ref().and_then(super::link::Answering::id) == Some(id) {
            return self.receive_on_proposed(index, lcid, header, octets);
        }
        if matches!(&link.update, Some(Update::Answering { renamed, .. }) if renamed.id() == id) {
            return self.receive_on_renamed(index, lcid, header, octets);
        }
        if link.stage == Stage::Connecting && self.config.profile == Profile::Nr && !lcid.is_signalling() {
            // Only the accept says whether it has a MAC-I.
            return Err(PduRefusal::UnknownKey.into());
        }
        let (sn, bearer) = (header.sn, lcid.value());
        let signalling = if lcid.is_signalling() { Kind::Signalling } else { Kind::User };
        let (opened, current) = match &mut link.active {
            Some(active) if active.id() == id => {
                let command = lcid == Lcid::PC5_S_SECURITY_MODE && !active.commanded();
                let kind = if command { Kind::Command } else { signalling };
                (active.open(sn, bearer, kind, octets, HEADER_LEN)?, true)
            }
            _ => {
                let old = link.retired.iter_mut().find(|old| old.retired.id() == id);
                let retired = &mut old.ok_or(PduRefusal::UnknownKey)?.retired;
                if lcid == Lcid::PC5_S_SECURITY_MODE {
                    return Err(PduRefusal::UnknownKey.into());
                }
                (retired.open(sn, bearer, signalling, octets, HEADER_LEN)?, false)
            }
        };
        self.opened(index, current, lcid, header, &opened, octets);
        Ok(())
    }

    /// What a key of the link opened.
    pub(super) fn opened(
        &mut self,
        index: usize,
        current: bool,
        lcid: Lcid,
        header: OneToOneRepr,
        opened: &Opened,
        octets: &[u8],
    ) {
        let data = &octets[HEADER_LEN..opened.end];
        let link = &mut self.links[index];
        let assurance = Assurance::from(&opened.proof);
        if assurance == Assurance::Verified || lcid.is_signalling() {
            link.heard = self.now;
            link.keepalive = None;
        }
        if !lcid.is_signalling() {
            return self.deliver(index, lcid, header.sdu_type, assurance, data);
        }
        let (id, peer) = (link.id, link.peer);
        match parse(self.config.profile, data) {
            Ok(repr) => {
                self.meter(peer, false, repr.body.message_type(), data.len(), octets.len());
                self.protected_message(index, current, lcid, repr, data);
            }
            Err(error) => self.note(Note::Refused { source: peer, lcid, error: error.into() }),
        }
        self.with(id, Self::rekey_if_due);
    }

    pub(super) fn deliver(
        &mut self,
        index: usize,
        lcid: Lcid,
        sdu_type: SduType,
        assurance: Assurance,
        data: &[u8],
    ) {
        let link = self.links[index].id;
        self.push(Output::Received(Received { link, lcid, sdu_type, assurance, data: data.to_vec() }));
    }

    /// A message without protection: it may begin something, never end it.
    fn receive_plain(
        &mut self,
        source: Layer2Id,
        lcid: Lcid,
        header: OneToOneRepr,
        pdu: &[u8],
    ) -> Result<(), PduError> {
        if lcid != Lcid::PC5_S_UNPROTECTED || header.sdu_type != SduType::Pc5Signalling {
            return Err(PduRefusal::Unprotected.into());
        }
        let message = &pdu[HEADER_LEN..];
        let repr = parse(self.config.profile, message)?;
        let kind = repr.body.message_type();
        match repr.body {
            Body::CommunicationRequest(request) => {
                self.meter(source, false, kind, message.len(), pdu.len());
                self.request_heard(source, &request, message);
            }
            Body::CommunicationReject { cause } | Body::SecurityModeReject { cause, .. } => {
                self.unproven_refusal(source, Cause::from_value(cause));
            }
            Body::Authentication { phase, method, content } => {
                self.meter(source, false, kind, message.len(), pdu.len());
                self.authentication_heard(source, phase, method, content);
            }
            _ => {
                let why = "it must come protected";
                self.note(Note::Unexpected { source, lcid, message: kind, why });
            }
        }
        Ok(())
    }

    /// Somebody refuses in the peer's name: remembered, never believed.
    pub(super) fn unproven_refusal(&mut self, source: Layer2Id, cause: Cause) {
        let connecting = |link: &&mut Link| link.peer == source && link.stage == Stage::Connecting;
        if let Some(link) = self.links.iter_mut().find(connecting) {
            link.hint = Some(cause);
            self.note(Note::PeerRefuses { peer: source, cause, proven: false });
        }
    }
}

/// The message of a profile.
pub(super) fn parse(profile: Profile, message: &[u8]) -> Result<Repr<'_>, sidelink_wire::Error> {
    Repr::parse(&pc5_signalling::Packet::new_checked(frame::coding(profile), message)?)
}

const fn session_id(value: u16) -> Option<KdSessId> {
    KdSessId::from_halves((value >> 8) as u8, value as u8)
}
