//! Change of the identifiers of a link, all at once, which breaks the track for an eavesdropper: layer-2 identities,
//! the ID of the session key, and with it the sequence numbers. TS 24.554 §7.2.4 (read in part), TS 33.536 §5.3.3.2
//! (from memory).
//!
//! The requesting end uses the new identifiers when the accept comes, and acknowledges under them. The other end
//! receives under both from its accept on, and uses the new ones after a reception that proves that the peer has them.
//! The keys stay.

use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::{Active, KdSessId, Kind, Opened, Renamed};
use sidelink_security::pdu::{PduRefusal, Proof};

use super::cause::Cause;
use super::io::{Error, State as Reported};
use super::link::{Common, Repeat};
use super::local::{Half, Local};
use super::note::Note;
use super::session::{Exchange, Session, Up};
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::{Body, Identifiers};
use sidelink_wire::pdcp::{HEADER_LEN, OneToOneRepr};

/// This end requested its new identifiers.
#[derive(Debug)]
pub(super) struct UpdateRequested {
    pub(super) new: Identifiers,
    pub(super) repeat: Repeat,
}

/// This end accepted, and receives under both IDs; the peer has not shown yet that it has the new ones.
#[derive(Debug)]
pub(super) struct UpdateAccepted {
    pub(super) asked: Identifiers,
    pub(super) new: Identifiers,
    pub(super) renamed: Renamed,
    pub(super) repeat: Repeat,
}

impl Up {
    /// Begins to change the identifiers.
    pub(super) fn update_identifiers(&mut self, link: &mut Common, local: &mut Local) -> Result<(), Error> {
        if !local.is_nr() || !local.config.updates {
            return Err(Error::NoUpdates);
        }
        if self.session.active.chosen().eia == Algorithm::Null {
            return Err(Error::NothingToRekey);
        }
        if !self.exchange.is_idle() {
            return Err(Error::RekeyingTooSoon);
        }
        // Without a session number it begins with the next privacy timer, or request.
        if let Some(new) = local.new_identifiers(Half::Msb) {
            self.exchange = UpdateRequested::send(new, 1, &mut self.session, link, local);
        }
        Ok(())
    }

    /// Returns the time at which the identifiers of a link are to be changed.
    pub(super) fn privacy_deadline(&self, local: &Local) -> Option<UtcTime> {
        let may = self.exchange.is_idle() && local.config.updates && local.is_nr();
        Some(self.session.renamed_at.plus_millis(local.config.privacy.filter(|_| may)?))
    }

    /// Handles the peer's request for new identifiers.
    pub(super) fn on_update_request(
        mut self,
        link: &mut Common,
        local: &mut Local,
        asked: Identifiers,
    ) -> Self {
        match &self.exchange {
            Exchange::UpdateAccepted(update) if update.asked == asked => {
                let body = Body::IdentifierUpdateAccept { new: update.new, asked };
                self.session.send(link, local, body);
                return self;
            }
            // Glare: the request of the lower layer-2 identity wins.
            Exchange::UpdateRequested(_) if link.local < link.remote => return self,
            Exchange::UpdateRequested(_) | Exchange::UpdateAccepted(_) => self.exchange = Exchange::Idle,
            Exchange::Idle => {}
            // A new key comes first; the peer will repeat its request.
            _ => return self,
        }
        match self.accept_update(link, local, asked) {
            Ok(exchange) => self.exchange = exchange,
            Err(cause) => self.session.refuse_update(link, local, cause),
        }
        self
    }

    fn accept_update(
        &mut self,
        link: &mut Common,
        local: &mut Local,
        asked: Identifiers,
    ) -> Result<Exchange, Cause> {
        if !local.config.updates {
            return Err(Cause::NotAllowed);
        }
        if asked.layer2 == [0; 3] || local.in_use.has_address(Layer2Id::from_octets(asked.layer2)) {
            return Err(Cause::Layer2IdConflict);
        }
        let Some(new) = local.new_identifiers(Half::Lsb) else {
            local.note(Note::NoRoom { source: link.remote, what: super::half_open::NO_NUMBER_OR_NAME });
            return Ok(Exchange::Idle);
        };
        let name = new_name(asked, new);
        let renamed = name.and_then(|name| self.session.active.renamed(name));
        let renamed = renamed.ok_or(Cause::SessionIdConflict)?;
        let repeat = Repeat { deadline: local.now.plus_millis(local.config.t4101()), tries: 1 };
        self.session.send(link, local, Body::IdentifierUpdateAccept { new, asked });
        Ok(Exchange::UpdateAccepted(UpdateAccepted { asked, new, renamed, repeat }))
    }

    /// Handles the peer's accept: this end uses the new identifiers from now on, and acknowledges.
    pub(super) fn on_update_accept(
        mut self,
        link: &mut Common,
        local: &mut Local,
        current: bool,
        new: Identifiers,
        asked: Identifiers,
    ) -> Self {
        match &self.exchange {
            Exchange::UpdateRequested(update) if current && update.new == asked => {}
            // The acknowledgement was lost: any PDU under the new ID has the same effect.
            _ if self.session.acknowledged == Some(new) => {
                self.session.send(link, local, Body::IdentifierUpdateAck(new));
                return self;
            }
            _ => return self,
        }
        self.exchange = Exchange::Idle;
        let name = new_name(asked, new);
        match name.and_then(|name| self.session.active.renamed(name)) {
            None => self.session.refuse_update(link, local, Cause::SessionIdConflict),
            Some(renamed) => {
                self.session.acknowledged = Some(new);
                self.session.rename(link, local, renamed.activate(), [asked, new]);
                self.session.send(link, local, Body::IdentifierUpdateAck(new));
            }
        }
        self
    }

    /// Handles an acknowledgement under the old ID, which another implementation may send.
    pub(super) fn on_update_ack(self, link: &mut Common, local: &mut Local, new: Identifiers) -> Self {
        match &self.exchange {
            Exchange::UpdateAccepted(update) if update.new == new => self.updated(link, local),
            _ => self,
        }
    }

    /// Switches to the new identifiers, which the peer has.
    pub(super) fn updated(self, link: &mut Common, local: &mut Local) -> Self {
        let Self { mut session, exchange } = self;
        let exchange = match exchange {
            Exchange::UpdateAccepted(UpdateAccepted { asked, new, renamed, .. }) => {
                session.rename(link, local, renamed.activate(), [new, asked]);
                Exchange::Idle
            }
            exchange => exchange,
        };
        Self { session, exchange }
    }

    /// Handles a refusal of the proven peer.
    pub(super) fn on_update_reject(mut self, link: &mut Common, local: &mut Local, cause: Cause) -> Self {
        if matches!(self.exchange, Exchange::UpdateRequested(_) | Exchange::UpdateAccepted(_)) {
            self.exchange = Exchange::Idle;
            self.session.renamed_at = local.now;
            local.note(Note::PeerRefuses { peer: link.remote, cause, proven: true });
            local.note(Note::UpdateGivenUp { peer: link.remote });
        }
        self
    }
}

impl Session {
    fn refuse_update(&mut self, link: &mut Common, local: &mut Local, cause: Cause) {
        self.send(link, local, Body::IdentifierUpdateReject { cause: cause.value() });
    }

    fn rename(
        &mut self,
        link: &mut Common,
        local: &mut Local,
        active: Active,
        [own, peer]: [Identifiers; 2],
    ) {
        self.switch(active, link, local);
        link.local = Layer2Id::from_octets(own.layer2);
        link.remote = Layer2Id::from_octets(peer.layer2);
        self.renamed_at = local.now;
        link.report(local, Reported::Renamed { source: link.local, keys: self.keys() });
    }
}

impl UpdateRequested {
    fn send(
        new: Identifiers,
        tries: u8,
        session: &mut Session,
        link: &mut Common,
        local: &mut Local,
    ) -> Exchange {
        let repeat = Repeat { deadline: local.now.plus_millis(local.config.t4101()), tries };
        session.send(link, local, Body::IdentifierUpdateRequest(new));
        Exchange::UpdateRequested(Self { new, repeat })
    }

    pub(super) fn on_time(self, session: &mut Session, link: &mut Common, local: &mut Local) -> Exchange {
        if self.repeat.tries < local.config.tries {
            return Self::send(self.new, self.repeat.tries + 1, session, link, local);
        }
        give_up(session, link, local)
    }
}

impl UpdateAccepted {
    /// Whether the accept was sent for the last time.
    pub(super) const fn is_last_try(&self, local: &Local) -> bool {
        self.repeat.tries >= local.config.tries
    }

    /// Opens a PDU under the new ID.
    pub(super) fn open(
        &mut self,
        lcid: Lcid,
        header: OneToOneRepr,
        octets: &mut [u8],
    ) -> Result<(Opened, bool), PduRefusal> {
        if lcid == Lcid::PC5_S_SECURITY_MODE {
            return Err(PduRefusal::UnknownKey);
        }
        let kind = if lcid.is_signalling() { Kind::Signalling } else { Kind::User };
        let opened = self.renamed.open(header.sn, lcid.value(), kind, octets, HEADER_LEN)?;
        let proven = matches!(opened.proof, Proof::Integrity(_));
        Ok((opened, proven))
    }

    pub(super) fn on_time(mut self, session: &mut Session, link: &mut Common, local: &mut Local) -> Exchange {
        if self.is_last_try(local) {
            return give_up(session, link, local);
        }
        let tries = self.repeat.tries + 1;
        // After the last try, for as long as the peer may still use the new ID.
        let wait = if tries == local.config.tries { local.config.overlap } else { local.config.t4101() };
        self.repeat = Repeat { deadline: local.now.plus_millis(wait), tries };
        session.send(link, local, Body::IdentifierUpdateAccept { new: self.new, asked: self.asked });
        Exchange::UpdateAccepted(self)
    }
}

fn give_up(session: &mut Session, link: &Common, local: &mut Local) -> Exchange {
    session.renamed_at = local.now;
    local.note(Note::UpdateGivenUp { peer: link.remote });
    Exchange::Idle
}

/// The name that two new halves make. NR, whose text was not read: neither may be 0.
fn new_name(asked: Identifiers, new: Identifiers) -> Option<KdSessId> {
    if asked.kd_sess == 0 || new.kd_sess == 0 {
        return None;
    }
    KdSessId::from_halves(asked.kd_sess, new.kd_sess)
}
