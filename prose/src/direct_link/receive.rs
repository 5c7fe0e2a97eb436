//! Received PDUs: finds the link and the key of each, opens it and routes its content.

use sidelink_security::direct::{KdSessId, Kind, Opened, Profile};

use super::cause::{Cause, CauseOf};
use super::frame;
use super::half_open::COOKIE_METHOD;
use super::io::{Event, LinkId, Received};
use super::link::{Common, Message, Next, State};
use super::local::Local;
use super::manager::LinkManager;
use super::note::{Note, PduError};
use super::session::{Exchange, Session, Up};
use super::target::Target;
use super::upper;
use sidelink_security::pdu::{Assurance, PduRefusal};
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::{self, AuthenticationPhase, Body, Repr};
use sidelink_wire::pdcp::{HEADER_LEN, OneToOneRepr, Packet, SduType};

/// The key that opened a PDU.
enum OpenedBy {
    /// The sending key.
    Current,
    /// A key that was replaced.
    Old,
    /// The key of a command without a complete: user data only.
    Early,
    /// The ID that this end has accepted, whose use proves that the peer knows it.
    Renamed,
}

impl LinkManager {
    /// Handles a PDU for this UE.
    pub(super) fn receive(&mut self, source: Layer2Id, lcid: Lcid, pdu: &[u8]) -> Result<(), PduError> {
        let header = OneToOneRepr::parse(&Packet::new_checked(pdu)?)?;
        let Some(id) = session_id(header.kd_sess_id) else {
            return self.receive_plain(source, lcid, header, pdu);
        };
        let mut octets = pdu.to_vec();
        if let Some(index) = self.links.iter().position(|link| link.hears(source)) {
            let link = &self.links[index];
            if lcid == Lcid::PC5_S_SECURITY_MODE && link.state.awaits_command(id) {
                return self.on_command(index, header, &mut octets);
            }
            if link.has_id(id) {
                return self.receive_on_link(index, id, (lcid, header), &mut octets);
            }
        }
        match self.half_open.position(source, id) {
            Some(at) if lcid == Lcid::PC5_S_SECURITY_MODE => {
                self.mark_in_use();
                self.on_half_open_complete(at, header, &mut octets)
            }
            _ => Err(PduRefusal::UnknownKey.into()),
        }
    }

    fn on_command(&mut self, index: usize, header: OneToOneRepr, octets: &mut [u8]) -> Result<(), PduError> {
        let clashes = session_id(header.kd_sess_id).is_some_and(|id| self.links[index].has_id(id));
        self.with(index, |state, link, local| match state {
            State::AwaitingSecurityMode(state) => state.on_command(link, local, header, octets),
            State::Up(up) => {
                let (up, result) = up.on_command(link, local, header, octets, clashes);
                (up.into(), result)
            }
            state => (Next::To(state), Ok(())),
        })
    }

    fn receive_on_link(
        &mut self,
        index: usize,
        id: KdSessId,
        (lcid, header): (Lcid, OneToOneRepr),
        octets: &mut [u8],
    ) -> Result<(), PduError> {
        let link = &mut self.links[index];
        if lcid == Lcid::PC5_S_SECURITY_MODE && link.state.awaits_complete(id) {
            return self.with(index, |state, link, local| match state {
                State::Up(up) => {
                    let (up, result) = up.on_complete(link, local, header, octets);
                    (up.into(), result)
                }
                state => (Next::To(state), Ok(())),
            });
        }
        let opened = link.state.open(id, (lcid, header), octets, self.local.config.profile);
        if matches!(opened, Err(PduRefusal::Late | PduRefusal::TooFarAhead)) && !lcid.is_signalling() {
            self.with(index, |mut state, link, local| {
                if let State::Up(up) = &mut state {
                    up.data_refused(link, local);
                }
                (Next::To(state), ())
            });
        }
        let (opened, from) = opened?;
        if matches!(from, OpenedBy::Renamed) {
            self.with(index, |state, link, local| match state {
                State::Up(up) => (up.updated(link, local).into(), ()),
                state => (Next::To(state), ()),
            });
        }
        self.opened(index, &from, (lcid, header), &opened, octets);
        Ok(())
    }

    /// Handles the content of a PDU that a key of the link opened.
    fn opened(
        &mut self,
        index: usize,
        from: &OpenedBy,
        (lcid, header): (Lcid, OneToOneRepr),
        opened: &Opened,
        pdu: &[u8],
    ) {
        let octets = &pdu[HEADER_LEN..opened.end];
        let link = &mut self.links[index];
        let assurance = Assurance::from(&opened.proof);
        if assurance == Assurance::Verified || lcid.is_signalling() {
            link.state.heard(self.local.now, from);
        }
        let (id, peer) = (link.common.id, link.common.remote);
        if !lcid.is_signalling() {
            let (sdu_type, data) = (header.sdu_type, octets.to_vec());
            self.local.event(Event::Received(Received { link: id, peer, lcid, sdu_type, assurance, data }));
            if let State::Up(up) = &mut link.state {
                up.session.ask_for_proof(&mut link.common, &mut self.local);
            }
            return;
        }
        let is_lte = !self.local.is_nr();
        if let Some(message_type) = upper::upper_type(octets).filter(|_| is_lte) {
            self.receive_upper(index, (lcid, assurance), (message_type, octets), pdu.len());
            return self.rekey_if_due(id);
        }
        match parse(self.local.config.profile, octets) {
            Ok(repr) => {
                self.local.meter(peer, false, repr.body.message_type(), [octets.len(), pdu.len()]);
                let current = !matches!(from, OpenedBy::Old);
                let message = Message { lcid, current, repr, octets };
                self.with(index, |state, link, local| (state.on_message(link, local, &message), ()));
            }
            Err(error) => self.local.note(Note::Refused { source: peer, lcid, error: error.into() }),
        }
        self.rekey_if_due(id);
    }

    /// Re-keys a link that is up, where its key is used up.
    fn rekey_if_due(&mut self, id: LinkId) {
        if let Some(index) = self.index(id) {
            self.with(index, |mut state, link, local| {
                if let State::Up(up) = &mut state {
                    up.rekey_if_due(link, local);
                }
                (Next::To(state), ())
            });
        }
    }

    /// Handles an unprotected message: it may begin an exchange, never end one.
    fn receive_plain(
        &mut self,
        source: Layer2Id,
        lcid: Lcid,
        header: OneToOneRepr,
        pdu: &[u8],
    ) -> Result<(), PduError> {
        // TS 33.303 §6.5.6.1 (1)
        if lcid != Lcid::PC5_S_UNPROTECTED || header.sdu_type != SduType::Pc5Signalling {
            return Err(PduRefusal::Unprotected.into());
        }
        let message = &pdu[HEADER_LEN..];
        let repr = parse(self.local.config.profile, message)?;
        let kind = repr.body.message_type();
        self.mark_in_use();
        match repr.body {
            Body::CommunicationRequest(request) => {
                self.local.meter(source, false, kind, [message.len(), pdu.len()]);
                self.on_request(source, &request, message);
            }
            Body::SecurityModeReject { rand: Some(rand), auts: Some(auts), .. } => {
                self.local.meter(source, false, kind, [message.len(), pdu.len()]);
                self.out_of_step(source, (&rand, &auts));
            }
            Body::CommunicationReject { cause } | Body::SecurityModeReject { cause, .. } => {
                // Either message of LTE has the one list.
                let cause = Cause::from_octet(self.local.config.profile, CauseOf::Reject, cause);
                self.unproven_refusal(source, cause);
            }
            Body::Authentication { phase, method, content } => {
                self.local.meter(source, false, kind, [message.len(), pdu.len()]);
                self.on_plain_container(source, phase, method, content);
            }
            _ => {
                let why = "it must come protected";
                self.local.note(Note::Unexpected { source, lcid, message: kind, why });
            }
        }
        Ok(())
    }

    /// Handles an unprotected container.
    fn on_plain_container(
        &mut self,
        source: Layer2Id,
        phase: AuthenticationPhase,
        method: u8,
        content: &[u8],
    ) {
        match (phase, method) {
            (AuthenticationPhase::Request, _) => self.on_setup(source, |state, link, local| {
                if state.request.method() == method {
                    state.on_container(link, local, content)
                } else {
                    state.into()
                }
            }),
            (AuthenticationPhase::Reject, COOKIE_METHOD) if self.connecting(source).is_some() => {
                if let Ok(cookie) = content.try_into() {
                    self.on_setup(source, |state, link, local| state.on_cookie(link, local, cookie).into());
                }
            }
            (AuthenticationPhase::Reject, _) => {
                self.unproven_refusal(source, Cause::from_value(content.first().copied().unwrap_or(0)));
            }
            (AuthenticationPhase::Response, _) => self.on_half_open_container(source, method, content),
        }
    }

    /// Returns the set-up with the peer that sends from this source.
    fn connecting(&self, source: Layer2Id) -> Option<usize> {
        self.links.iter().position(|link| link.common.remote == source && link.state.is_connecting())
    }

    fn on_setup(
        &mut self,
        source: Layer2Id,
        f: impl FnOnce(super::initiating::AwaitingSecurityMode, &mut Common, &mut Local) -> Next,
    ) {
        if let Some(index) = self.connecting(source) {
            self.with(index, |state, link, local| match state {
                State::AwaitingSecurityMode(state) => (f(state, link, local), ()),
                state => (Next::To(state), ()),
            });
        }
    }

    /// Stores an unproven refusal in the peer's name, as a hint.
    fn unproven_refusal(&mut self, source: Layer2Id, cause: Cause) {
        if let Some(index) = self.connecting(source) {
            if let Some(setup) = self.links[index].state.setup() {
                // That the peer waited in vain says less than any other hint.
                if cause != Cause::NonResponsive || setup.hint.is_none() {
                    setup.hint = Some(cause);
                }
            }
            self.local.note(Note::PeerRefuses { peer: source, cause, proven: false });
        }
    }
}

impl State {
    /// Whether a PDU on the security mode channel can be the command that this state waits for.
    fn awaits_command(&self, id: KdSessId) -> bool {
        match self {
            Self::AwaitingSecurityMode(state) => state.request.awaits(id),
            Self::Up(up) => up.exchange.request().is_some_and(|request| request.awaits(id)),
            _ => false,
        }
    }

    /// Whether the key of this ID is that of a command whose complete is pending.
    fn awaits_complete(&self, id: KdSessId) -> bool {
        matches!(self, Self::Up(Up { exchange: Exchange::TargetRekeying(target), .. })
            if target.state.id() == Some(id))
    }

    /// Records that the peer was received, and is alive.
    fn heard(&mut self, now: sidelink_security::counter::UtcTime, from: &OpenedBy) {
        let session = match self {
            Self::Up(up) if !matches!(from, OpenedBy::Early) => &mut up.session,
            Self::Releasing(releasing) => &mut releasing.session,
            _ => return,
        };
        session.heard_at = now;
        session.keepalive = None;
    }

    /// Opens a PDU with the key of this ID.
    fn open(
        &mut self,
        id: KdSessId,
        (lcid, header): (Lcid, OneToOneRepr),
        octets: &mut [u8],
        profile: Profile,
    ) -> Result<(Opened, OpenedBy), PduRefusal> {
        match self {
            Self::AwaitingSecurityMode(_) | Self::StoringKd(_) => Err(PduRefusal::UnknownKey),
            // Only the accept states whether user data has a MAC-I.
            Self::AwaitingAccept(_) if profile == Profile::Nr && !lcid.is_signalling() => {
                Err(PduRefusal::UnknownKey)
            }
            Self::AwaitingAccept(state) if state.active.id() == id => {
                let opened = open_active(&mut state.active, (lcid, header), octets)?;
                Ok((opened, OpenedBy::Current))
            }
            Self::AwaitingAccept(_) => Err(PduRefusal::UnknownKey),
            Self::Releasing(releasing) => releasing.session.open(id, (lcid, header), octets),
            Self::Up(up) => match &mut up.exchange {
                Exchange::UpdateAccepted(update) if update.renamed.id() == id => {
                    let (opened, proven) = update.open(lcid, header, octets)?;
                    Ok((opened, if proven { OpenedBy::Renamed } else { OpenedBy::Current }))
                }
                Exchange::TargetRekeying(target) if target.state.id() == Some(id) => {
                    Ok((target.state.open_early((lcid, header), octets)?, OpenedBy::Early))
                }
                _ => up.session.open(id, (lcid, header), octets),
            },
        }
    }
}

/// Opens a PDU with the sending key.
fn open_active(
    active: &mut sidelink_security::direct::Active,
    (lcid, header): (Lcid, OneToOneRepr),
    octets: &mut [u8],
) -> Result<Opened, PduRefusal> {
    let command = lcid == Lcid::PC5_S_SECURITY_MODE && !active.commanded();
    let kind = if command { Kind::Command } else { kind(lcid) };
    active.open(header.sn, lcid.value(), kind, octets, HEADER_LEN)
}

impl Session {
    fn open(
        &mut self,
        id: KdSessId,
        (lcid, header): (Lcid, OneToOneRepr),
        octets: &mut [u8],
    ) -> Result<(Opened, OpenedBy), PduRefusal> {
        if self.active.id() == id {
            return Ok((open_active(&mut self.active, (lcid, header), octets)?, OpenedBy::Current));
        }
        let old = self.retired.iter_mut().find(|old| old.retired.id() == id);
        let old = old.filter(|_| lcid != Lcid::PC5_S_SECURITY_MODE).ok_or(PduRefusal::UnknownKey)?;
        let opened = old.retired.open(header.sn, lcid.value(), kind(lcid), octets, HEADER_LEN)?;
        Ok((opened, OpenedBy::Old))
    }
}

impl Target {
    /// Opens user data that comes before the complete, or before the new KD is durable. Signalling that overtook the
    /// complete is refused: the peer repeats important messages.
    fn open_early(
        &mut self,
        (lcid, header): (Lcid, OneToOneRepr),
        octets: &mut [u8],
    ) -> Result<Opened, PduRefusal> {
        match self {
            Self::AwaitingComplete(state) if !lcid.is_signalling() => {
                state.proposed.open_early(header.sn, lcid.value(), octets, HEADER_LEN)
            }
            Self::StoringKd(state) if !lcid.is_signalling() => {
                state.active.open(header.sn, lcid.value(), Kind::User, octets, HEADER_LEN)
            }
            _ => Err(PduRefusal::UnknownKey),
        }
    }
}

const fn kind(lcid: Lcid) -> Kind {
    if lcid.is_signalling() { Kind::Signalling } else { Kind::User }
}

/// Parses a message of a profile.
pub(super) fn parse(profile: Profile, message: &[u8]) -> Result<Repr<'_>, sidelink_wire::Error> {
    Repr::parse(&pc5_signalling::Packet::new_checked(frame::coding(profile), message)?)
}

const fn session_id(value: u16) -> Option<KdSessId> {
    KdSessId::from_halves((value >> 8) as u8, value as u8)
}
