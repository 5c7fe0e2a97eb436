//! The identifiers of a link change, all at once, so that who listens does not know it again: layer-2 identities, the
//! name of the session key, and with it the sequence numbers. TS 24.554 §7.2.4 (read in part), TS 33.536 §5.3.3.2 (from
//! memory).
//!
//! Who asks uses the new ones when the accept comes, and says so under them. Who answers hears under both from its accept
//! on, and uses the new ones once anything came that proves that the peer has them. The keys stay.

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::{KdSessId, Kind, Profile, pick_half};
use sidelink_security::pdu::{PduRefusal, Proof};

use super::hub::Hub;
use super::io::{Error, State};
use super::link::{Link, Repeat, Stage, Update};
use super::note::{Cause, Note, PduError};
use sidelink_security::cipher::Algorithm;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::{Body, Identifiers};
use sidelink_wire::pdcp::{HEADER_LEN, OneToOneRepr};

impl Hub {
    pub(super) fn update_identifiers(&mut self, index: usize) -> Result<(), Error> {
        if self.config.profile != Profile::Nr || !self.config.updates {
            return Err(Error::NoUpdates);
        }
        let link = &self.links[index];
        if link.active.as_ref().is_none_or(|active| active.chosen().eia == Algorithm::Null) {
            return Err(Error::NothingToRekey);
        }
        if link.asking.is_some() || link.answering.is_some() || link.update.is_some() {
            return Err(Error::RekeyingTooSoon);
        }
        // Without a session number it begins with the next privacy timer, or request.
        if let Some(new) = self.new_identifiers(KdSessId::msb) {
            self.ask_update(index, new, 1);
        }
        Ok(())
    }

    fn ask_update(&mut self, index: usize, new: Identifiers, tries: u8) {
        let repeat = Repeat { deadline: self.now.plus_millis(self.config.t4101()), tries };
        self.links[index].update = Some(Update::Asking { new, repeat });
        self.send_protected(index, Lcid::PC5_S_PROTECTED, Body::IdentifierUpdateRequest(new));
    }

    /// A layer-2 identity that is not in use here, and a half of a name that no link has.
    fn new_identifiers(&mut self, half: fn(KdSessId) -> u8) -> Option<Identifiers> {
        let drawn = self.draw()?;
        let layer2 = self.address_of(&drawn)?.octets();
        let kd_sess = pick_half(drawn[31].into(), 0xff, |value| self.half_taken(half, value))? as u8;
        Some(Identifiers { kd_sess, layer2 })
    }

    /// A layer-2 identity that is not in use here.
    pub(super) fn new_address(&mut self) -> Option<Layer2Id> {
        let drawn = self.draw()?;
        self.address_of(&drawn)
    }

    fn address_of(&self, drawn: &[u8; 32]) -> Option<Layer2Id> {
        let mut candidates = drawn.chunks_exact(3).map(|octets| [octets[0], octets[1], octets[2]]);
        let free = candidates.find(|layer2| *layer2 != [0; 3] && !self.address_taken(*layer2));
        free.map(Layer2Id::from_octets)
    }

    fn address_taken(&self, layer2: [u8; 3]) -> bool {
        let id = Layer2Id::from_octets(layer2);
        self.addresses().any(|own| own == id) || self.links.iter().any(|l| l.hears(id) || l.home == id)
    }

    /// The peer asks for new identifiers.
    pub(super) fn update_heard(&mut self, index: usize, asked: Identifiers) {
        let link = &self.links[index];
        let (own, peer) = (link.own, link.peer);
        match &link.update {
            Some(Update::Answering { asked: known, new, .. }) if *known == asked => {
                let body = Body::IdentifierUpdateAccept { new: *new, asked };
                return self.send_protected(index, Lcid::PC5_S_PROTECTED, body);
            }
            // Glare: the lower layer-2 identity asks.
            Some(Update::Asking { .. }) if own < peer => return,
            Some(_) => self.links[index].update = None,
            None => {}
        }
        let link = &self.links[index];
        // A new key comes first; the peer will ask again.
        if link.asking.is_some() || link.answering.is_some() {
            return;
        }
        if !self.config.updates {
            return self.refuse_update(index, Cause::NotAllowed);
        }
        if asked.layer2 == [0; 3] || self.address_taken(asked.layer2) {
            return self.refuse_update(index, Cause::Layer2IdConflict);
        }
        let Some(new) = self.new_identifiers(KdSessId::lsb) else {
            return self
                .note(Note::NoRoom { source: peer, what: "no session number, or no free KD-sess ID" });
        };
        let name = KdSessId::from_halves(asked.kd_sess, new.kd_sess);
        let active = self.links[index].active.as_mut();
        let Some(renamed) = name.and_then(|name| active.and_then(|active| active.renamed(name))) else {
            return self.refuse_update(index, Cause::SessionIdConflict);
        };
        let repeat = Repeat { deadline: self.now.plus_millis(self.config.t4101()), tries: 1 };
        self.links[index].update = Some(Update::Answering { asked, new, renamed, repeat });
        let body = Body::IdentifierUpdateAccept { new, asked };
        self.send_protected(index, Lcid::PC5_S_PROTECTED, body);
    }

    fn refuse_update(&mut self, index: usize, cause: Cause) {
        let body = Body::IdentifierUpdateReject { cause: cause.value() };
        self.send_protected(index, Lcid::PC5_S_PROTECTED, body);
    }

    /// The peer has accepted: the new identifiers are used from now on, and it hears so.
    pub(super) fn update_accepted(
        &mut self,
        index: usize,
        current: bool,
        new: Identifiers,
        asked: Identifiers,
    ) {
        let link = &mut self.links[index];
        match &link.update {
            Some(Update::Asking { new: own, .. }) if current && *own == asked => {}
            // Our answer was lost: what is sent under the new name says the same.
            _ if link.acknowledged == Some(new) => {
                return self.send_protected(index, Lcid::PC5_S_PROTECTED, Body::IdentifierUpdateAck(new));
            }
            _ => return,
        }
        let name = KdSessId::from_halves(asked.kd_sess, new.kd_sess);
        let active = link.active.as_mut();
        let Some(renamed) = name.and_then(|name| active.and_then(|active| active.renamed(name))) else {
            link.update = None;
            return self.refuse_update(index, Cause::SessionIdConflict);
        };
        link.acknowledged = Some(new);
        self.rename(index, renamed.activate(), asked, new);
        self.send_protected(index, Lcid::PC5_S_PROTECTED, Body::IdentifierUpdateAck(new));
    }

    /// A PDU under the name that this end has accepted: the peer has it.
    pub(super) fn receive_on_renamed(
        &mut self,
        index: usize,
        lcid: Lcid,
        header: OneToOneRepr,
        octets: &mut [u8],
    ) -> Result<(), PduError> {
        if lcid == Lcid::PC5_S_SECURITY_MODE {
            return Err(PduRefusal::UnknownKey.into());
        }
        let Some(Update::Answering { renamed, .. }) = &mut self.links[index].update else { return Ok(()) };
        let kind = if lcid.is_signalling() { Kind::Signalling } else { Kind::User };
        let opened = renamed.open(header.sn, lcid.value(), kind, octets, HEADER_LEN)?;
        if matches!(opened.proof, Proof::Integrity(_)) {
            self.updated(index);
        }
        self.opened(index, true, lcid, header, &opened, octets);
        Ok(())
    }

    /// The acknowledgement under the old name, which another implementation may send.
    pub(super) fn update_acknowledged(&mut self, index: usize, acknowledged: Identifiers) {
        if matches!(&self.links[index].update, Some(Update::Answering { new, .. }) if *new == acknowledged) {
            self.updated(index);
        }
    }

    /// The peer has the new identifiers, and this end uses them.
    fn updated(&mut self, index: usize) {
        if let Some(Update::Answering { asked, new, renamed, .. }) = self.links[index].update.take() {
            self.rename(index, renamed.activate(), new, asked);
        }
    }

    fn rename(
        &mut self,
        index: usize,
        active: sidelink_security::direct::Active,
        own: Identifiers,
        peer: Identifiers,
    ) {
        let (until, keep, now) = (self.now.plus_millis(self.config.overlap), self.config.retired, self.now);
        let link = &mut self.links[index];
        link.switch(active, until, keep);
        link.own = Layer2Id::from_octets(own.layer2);
        link.peer = Layer2Id::from_octets(peer.layer2);
        link.update = None;
        link.renamed = now;
        let source = link.own;
        if let Some(keys) = link.keys() {
            self.state(index, State::Renamed { source, keys });
        }
    }

    /// The peer, proven, will not.
    pub(super) fn update_refused(&mut self, index: usize, cause: Cause) {
        let link = &mut self.links[index];
        let peer = link.peer;
        if link.update.take().is_some() {
            link.renamed = self.now;
            self.note(Note::PeerRefuses { peer, cause, proven: true });
            self.note(Note::UpdateGivenUp { peer });
        }
    }

    /// When the identifiers of a link have been seen for long enough.
    pub(super) fn privacy_deadline(&self, link: &Link) -> Option<UtcTime> {
        let busy = link.asking.is_some() || link.answering.is_some() || link.update.is_some();
        let may = self.config.updates && self.config.profile == Profile::Nr;
        let period = self.config.privacy.filter(|_| link.stage == Stage::Up && !busy && may)?;
        Some(link.renamed.plus_millis(period))
    }

    pub(super) fn update_due(&mut self, index: usize) {
        let (now, tries) = (self.now, self.config.tries);
        if self.privacy_deadline(&self.links[index]).is_some_and(|deadline| deadline <= now) {
            self.links[index].renamed = now;
            // Refused where nothing would be protected: then there is nothing to hide either.
            let _ = self.update_identifiers(index);
            return;
        }
        let (overlap, t4101) = (self.config.overlap, self.config.t4101());
        let link = &mut self.links[index];
        let peer = link.peer;
        match &mut link.update {
            Some(update) if update.repeat().deadline > now => {}
            Some(Update::Asking { new, repeat }) if repeat.tries < tries => {
                let (new, number) = (*new, repeat.tries + 1);
                self.ask_update(index, new, number);
            }
            Some(Update::Answering { asked, new, repeat, .. }) if repeat.tries < tries => {
                let number = repeat.tries + 1;
                // After the last, for as long as the peer may still come with the new name.
                let wait = if number == tries { overlap } else { t4101 };
                *repeat = Repeat { deadline: now.plus_millis(wait), tries: number };
                let body = Body::IdentifierUpdateAccept { new: *new, asked: *asked };
                self.send_protected(index, Lcid::PC5_S_PROTECTED, body);
            }
            Some(_) => {
                link.update = None;
                link.renamed = now;
                self.note(Note::UpdateGivenUp { peer });
            }
            None => {}
        }
    }
}
