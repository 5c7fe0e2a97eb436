//! UE_1: requests, judges the command, completes. Set-up and re-keying alike.

use sidelink_security::cipher::Algorithm;
use sidelink_security::direct::signed::Ephemeral;
use sidelink_security::direct::{
    Active, Capabilities, Chosen, Command, Disagreement, KdId, KdSessId, Offer, Policy, Profile, Requested,
    Stated, Terms, pick_half,
};

use super::auth;
use super::config::NewKd;
use super::connection;
use super::frame;
use super::hearing::parse;
use super::hub::Hub;
use super::io::{Closed, Error, State};
use super::kd::{Change, Identity, KdRecord, Ticket};
use super::link::{Asked, Asking, Link, Signing, Stage};
use super::note::{Cause, Note, PduError};
use sidelink_security::pdu::PduRefusal;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::{
    self as pc5, Body, CommunicationRequest, MessageType, RekeyingRequest, UserInfo, UserPlane,
};
use sidelink_wire::pdcp::{HEADER_LEN, MAC_I_LEN, OneToOneRepr};

/// SC periods from a request to its end by a shared KD: command, complete, accept, and the request itself.
const TURNS: u64 = 4;

impl Hub {
    pub(super) fn connect(&mut self, peer: Layer2Id, identity: Identity) -> Result<(), Error> {
        if let Some(link) = self.links.iter().find(|l| l.peer == peer || l.home == peer) {
            return Err(Error::Exists(link.id));
        }
        if self.links.len() >= self.config.links {
            return Err(Error::TooManyLinks { max: self.config.links });
        }
        let shared = self.keyring.of_peer(&identity, self.now, self.numbers.peek()).next().is_some();
        if !shared && self.signer.is_none() {
            return Err(Error::NoKey);
        }
        let id = self.new_link_id();
        let own = self.source_for_a_link();
        self.links.push(Link::new(id, [own, peer], identity, self.now));
        let index = self.links.len() - 1;
        self.state(index, State::Connecting);
        self.request(index, None);
        Ok(())
    }

    /// Sends a request with a new nonce.
    fn request(&mut self, index: usize, cookie: Option<[u8; 16]>) {
        let now = self.now;
        let number = self.numbers.peek();
        let Some(asking) = self.ask(None) else { return self.ask_later(index) };
        let link = &mut self.links[index];
        // A crash may have left an older key than ours with the peer: every try names the next one.
        let known = self.keyring.of_peer(&link.identity, now, number).map(|record| record.id);
        let known: Vec<KdId> = known.collect();
        let kd = known.get(usize::from(link.tries) % known.len().max(1)).copied();
        link.tries += 1;
        // The first try goes without it where a KD is known: it fits one block then.
        let signs = kd.is_none() || link.tries > 1;
        let Some((signing, kd_lsb)) = self.offer_signature(signs, cookie) else {
            return self.ask_later(index);
        };
        let (ephemeral, key_info) = signing.unzip();
        let link = &mut self.links[index];
        let offer = *asking.offer();
        let profile = self.config.profile;
        let (known_as, tries) = (link.identity.clone(), link.tries);
        let connection = self.connection_to(&known_as, kd, tries);
        let own = &self.config.identity;
        let link = &mut self.links[index];
        let request = CommunicationRequest {
            user_info: match &connection {
                Some(name) => UserInfo { kind: connection::KIND, value: name },
                None => UserInfo { kind: own.kind, value: &own.value },
            },
            ip_config: 1,
            maximum_inactivity: (self.config.inactivity / 1000) as u32,
            policy: offer.stated.map(frame::wire_policy),
            target: None,
            nonce: offer.nonce_1,
            capabilities: wire_capabilities(offer.capabilities),
            kd_sess_msb: offer.msb,
            kd_id: kd.filter(|_| connection.is_none()).map(|kd| kd.0.to_be_bytes()),
            relay_service_code: None,
            signature: None,
            link_local: None,
            key_info: key_info.as_deref(),
        };
        let message = frame::message(profile, link.next_sequence(), Body::CommunicationRequest(request));
        let peer = link.peer;
        let turns = if ephemeral.is_some() { TURNS + auth::TURNS } else { TURNS };
        let signing =
            ephemeral.map(|ephemeral| Signing { ephemeral, request: message.clone(), agreed: None });
        link.asking = Some(Asking {
            requested: asking,
            kd,
            reauthenticate: false,
            signing,
            cookie: cookie.is_some(),
            kd_lsb,
            phase: Asked::Requested,
            deadline: now.plus_millis(self.config.t4100(turns)),
            tries: 0,
            rekeying: false,
        });
        self.send_plain(peer, MessageType::CommunicationRequest, &message);
    }

    /// An authentication to offer, if wanted and possible, and our half of the name that its KD would get. `None` without
    /// a session number.
    #[allow(clippy::type_complexity)]
    fn offer_signature(
        &mut self,
        signs: bool,
        cookie: Option<[u8; 16]>,
    ) -> Option<(Option<(Ephemeral, Vec<u8>)>, u16)> {
        if !signs || self.signer.is_none() {
            return Some((None, 0));
        }
        let signing = self.sign_up(cookie)?;
        let drawn = self.draw()?;
        let wish = u16::from_be_bytes([drawn[0], drawn[1]]);
        let lsb = pick_half(wish, u16::MAX, |half| self.keyring.half_taken(|id| id.lsb() == half))?;
        Some((Some(signing), lsb))
    }

    /// UE_2 wants to see a cookie before it signs: the same try again, with it.
    pub(super) fn request_with_cookie(&mut self, index: usize, cookie: [u8; 16]) {
        let link = &mut self.links[index];
        let waits = |a: &Asking| matches!(a.phase, Asked::Requested) && a.signing.is_some() && !a.cookie;
        if link.asking.as_ref().is_some_and(waits) {
            link.tries = link.tries.saturating_sub(1);
            self.request(index, Some(cookie));
        }
    }

    /// No session number is durable: try in the next period.
    fn ask_later(&mut self, index: usize) {
        let deadline = self.now.plus_millis(self.config.sc_period);
        match &mut self.links[index].asking {
            Some(asking) => asking.deadline = deadline,
            None => self.close(index, Closed::Store),
        }
    }

    /// The state of a request with fresh values.
    fn ask(&mut self, in_use: Option<(Chosen, bool)>) -> Option<Requested> {
        let drawn = self.draw()?;
        let mut nonce_1 = [0; 16];
        nonce_1.copy_from_slice(&drawn[..16]);
        let msb = pick_half(drawn[16].into(), 0xff, |half| self.half_taken(KdSessId::msb, half))?;
        let capabilities = self.config.policy.capabilities();
        let terms = self.terms(in_use);
        let stated = self.stated(capabilities);
        let offer = Offer { nonce_1, msb: msb as u8, capabilities, stated };
        Some(Requested::new(terms, offer, self.config.policy))
    }

    /// What messages say of a policy: in NR it stands there, in LTE nothing does.
    pub(super) fn stated(&self, capabilities: Capabilities) -> Option<Stated> {
        (self.config.profile == Profile::Nr).then(|| capabilities.stated())
    }

    /// Protection of user data is agreed on in set-up after the keys, and stays for the life of the link.
    pub(super) fn terms(&self, in_use: Option<(Chosen, bool)>) -> Terms {
        Terms {
            profile: self.config.profile,
            up_integrity: in_use.is_some_and(|(_, up_integrity)| up_integrity),
            in_use: in_use.map(|(chosen, _)| chosen),
        }
    }

    pub(super) fn start_rekeying(&mut self, index: usize, reauthenticate: bool) -> Result<(), Error> {
        let link = &self.links[index];
        let Some(active) = &link.active else { return Err(Error::NotUp(link.id)) };
        if active.chosen().eia == Algorithm::Null {
            return Err(Error::NothingToRekey);
        }
        if link.asking.is_some() || link.answering.is_some() || link.update.is_some() {
            return Err(Error::RekeyingTooSoon);
        }
        self.request_rekeying(index, reauthenticate, 1);
        Ok(())
    }

    fn request_rekeying(&mut self, index: usize, reauthenticate: bool, tries: u8) {
        let link = &self.links[index];
        let in_use = link.active.as_ref().map(|active| (active.chosen(), active.up_integrity()));
        let kd = link.kd;
        let Some(asking) = self.ask(in_use) else {
            // The next thing that is sent or heard begins it again.
            return self.links[index].asking = None;
        };
        let offered = self.offer_signature(reauthenticate || self.config.new_kd != NewKd::WhenAsked, None);
        let Some((signing, kd_lsb)) = offered else { return self.links[index].asking = None };
        let (ephemeral, key_info) = signing.unzip();
        let offer = *asking.offer();
        let body = Body::RekeyingRequest(RekeyingRequest {
            capabilities: wire_capabilities(offer.capabilities),
            nonce: offer.nonce_1,
            kd_sess_msb: offer.msb,
            re_auth: reauthenticate.then_some(1),
            pruk_id: None,
            key_info: key_info.as_deref(),
        });
        let turns = if ephemeral.is_some() { TURNS + auth::TURNS } else { TURNS };
        let request = frame::message(self.config.profile, self.links[index].sequence.wrapping_add(1), body);
        let signing = ephemeral.map(|ephemeral| Signing { ephemeral, request, agreed: None });
        self.links[index].asking = Some(Asking {
            requested: asking,
            kd: Some(kd),
            reauthenticate,
            signing,
            cookie: false,
            kd_lsb,
            phase: Asked::Requested,
            deadline: self.now.plus_millis(self.config.t4100(turns)),
            tries,
            rekeying: true,
        });
        self.send_protected(index, Lcid::PC5_S_PROTECTED, body);
    }

    /// The timer of a request, or of a complete.
    pub(super) fn asking_due(&mut self, index: usize) {
        let (peer, tries) = (self.links[index].peer, self.links[index].tries);
        let Some(asking) = &self.links[index].asking else { return };
        let (rekeying, number, again) = (asking.rekeying, asking.tries, asking.reauthenticate);
        match &asking.phase {
            // The store is not waited for longer than the peer waits.
            Asked::Requested | Asked::Storing { .. } if rekeying => {
                self.links[index].asking = None;
                if number < self.config.tries {
                    self.note(Note::TryEnded { peer, number });
                    self.request_rekeying(index, again, number + 1);
                } else {
                    self.links[index].rekeyed = self.now;
                    self.note(Note::RekeyingGivenUp { peer });
                }
            }
            Asked::Completed { .. } if rekeying && number < self.config.tries => self.complete(index),
            Asked::Completed { .. } if rekeying => self.close(index, Closed::Rekeying),
            _ => {
                self.note(Note::TryEnded { peer, number: tries });
                if tries < self.config.tries {
                    // The peer may be up already; a new request with new nonces serves both cases.
                    self.links[index].active = None;
                    self.request(index, None);
                } else {
                    let hint = self.links[index].hint;
                    self.close(index, Closed::NoAnswer { hint });
                }
            }
        }
    }

    /// Whether a PDU on the security mode channel can be the command that this link waits for.
    pub(super) fn awaits_command(&self, index: usize, id: KdSessId) -> bool {
        self.links[index].asking.as_ref().is_some_and(|asking| {
            matches!(asking.phase, Asked::Requested) && asking.requested.offer().msb == id.msb()
        })
    }

    pub(super) fn command_heard(
        &mut self,
        index: usize,
        header: OneToOneRepr,
        octets: &mut [u8],
    ) -> Result<(), PduError> {
        let lcid = Lcid::PC5_S_SECURITY_MODE;
        let end = octets.len().checked_sub(MAC_I_LEN).filter(|end| *end >= HEADER_LEN);
        let message = octets.get(HEADER_LEN..end.unwrap_or(0)).ok_or(PduRefusal::TooShort)?;
        let Body::SecurityModeCommand(command) = parse(self.config.profile, message)?.body else {
            return Err(PduRefusal::BadMac.into());
        };
        let l3_octets = message.len();
        let (nonce_2, lsb) = (command.nonce, command.kd_sess_lsb);
        let (echo, algorithms, kd_id_msb) = (command.capabilities, command.algorithms, command.kd_id_msb);
        let echo_stated = command.policy.and_then(frame::stated);
        let link = &self.links[index];
        let (peer, Some(asking)) = (link.peer, &link.asking) else { return Ok(()) };
        let now = self.now;
        let known = asking.kd.and_then(|kd| self.keyring.find(kd, &link.identity, now, 0));
        let agreed = asking.signing.as_ref().and_then(|signing| signing.agreed.as_ref());
        let (kd, kd_id) = match kd_id_msb {
            // A new KD needs an authentication in this exchange, and whoever asked for one takes no old KD.
            Some(msb) => (agreed, KdId::from_halves(u16::from_be_bytes(msb), asking.kd_lsb)),
            None => (known.map(|r| &r.kd).filter(|_| !asking.reauthenticate), asking.kd.unwrap_or(KdId(0))),
        };
        let kd = kd.ok_or(PduRefusal::UnknownKey)?;
        let chosen = chosen(algorithms);
        let echo = Capabilities { eea: echo.eea, eia: echo.eia };
        let judged = match chosen {
            None => Err(Disagreement::NothingInCommon),
            Some(_) if self.clashes(index, header.kd_sess_id) => Err(Disagreement::Identity),
            Some(chosen) => {
                asking.requested.command(kd, &Command { nonce_2, lsb, chosen, echo, echo_stated })
            }
        };
        let unproven = match judged {
            Ok(unproven) => unproven,
            Err(disagreement) => {
                self.refuse_command(index, &disagreement);
                return Ok(());
            }
        };
        let (active, _) = unproven.prove(header.sn, lcid.value(), octets, HEADER_LEN)?;
        if !self.is_new(active.fingerprint()) {
            // Both nonces are those of an earlier session: its counters would come again.
            self.refuse_command(index, &Disagreement::Identity);
            return Ok(());
        }
        self.meter(peer, false, MessageType::SecurityModeCommand, l3_octets, octets.len());
        let link = &mut self.links[index];
        link.heard = now;
        let identity = link.identity.clone();
        let signing = link.asking.as_mut().and_then(|asking| asking.signing.as_mut());
        match signing.and_then(|signing| signing.agreed.take()).filter(|_| kd_id_msb.is_some()) {
            Some(kd) => {
                let record = self.record(kd_id, kd, identity);
                self.store_new(index, active, record);
            }
            None => self.take_over(index, active, kd_id, false),
        }
        Ok(())
    }

    /// Whether a KD-sess ID is in use with this peer already.
    fn clashes(&self, index: usize, id: u16) -> bool {
        self.links[index].ids().any(|known| known.value() == id)
    }

    /// A command that does not fit what was asked. It is not proven, so that it ends nothing: the cause goes to the
    /// peer, which may be the one that asks for less, and the timer decides.
    fn refuse_command(&mut self, index: usize, disagreement: &Disagreement) {
        let cause = Cause::from(disagreement);
        let link = &mut self.links[index];
        let peer = link.peer;
        // Once a try: a forger cannot make this UE talk.
        let first = link.hint != Some(cause);
        link.hint = Some(cause);
        let rekeying = link.asking.as_ref().is_some_and(|asking| asking.rekeying);
        let sequence = link.next_sequence();
        self.note(Note::Disagreed { peer, disagreement: *disagreement });
        let body = Body::SecurityModeReject { cause: cause.value(), rand: None, auts: None };
        if rekeying {
            self.send_protected(index, Lcid::PC5_S_PROTECTED, body);
        } else if first {
            self.send_plain(peer, body.message_type(), &frame::message(self.config.profile, sequence, body));
        }
    }

    /// The keys of a proven command begin to send.
    fn take_over(&mut self, index: usize, active: Active, kd: KdId, new_kd: bool) {
        let (until, keep) = (self.now.plus_millis(self.config.overlap), self.config.retired);
        let link = &mut self.links[index];
        link.switch(active, until, keep);
        link.kd = kd;
        if let Some(asking) = &mut link.asking {
            asking.phase = Asked::Completed { kd, new_kd };
            asking.tries = 0;
        }
        let (first, peer) = (link.stage == Stage::Connecting, link.identity.clone());
        let given = if first { self.give_connection(kd, &peer) } else { None };
        self.links[index].given = given;
        self.complete(index);
    }

    /// Sends the complete, or sends it again.
    pub(super) fn complete(&mut self, index: usize) {
        let deadline = self.now.plus_millis(self.config.t4111());
        let Some(asking) = &mut self.links[index].asking else { return };
        asking.tries += 1;
        asking.deadline = deadline;
        let kd_id_lsb = match asking.phase {
            Asked::Completed { new_kd: true, .. } => Some(asking.kd_lsb.to_be_bytes()),
            _ => None,
        };
        let up_policy = self.user_plane_policy().map(frame::wire_policy);
        let connection = self.links[index].given;
        let body = Body::SecurityModeComplete { kd_id_lsb, up_policy, connection };
        self.send_protected(index, Lcid::PC5_S_SECURITY_MODE, body);
    }

    /// How this UE stands to protection of user data, where messages say so.
    fn user_plane_policy(&self) -> Option<Stated> {
        let Policy { ciphering, up_integrity: integrity, .. } = self.config.policy;
        (self.config.profile == Profile::Nr).then_some(Stated { integrity, ciphering })
    }

    /// The accept came: it says what protects user data.
    pub(super) fn accepted(&mut self, index: usize, up: Option<UserPlane>, connection: Option<[u8; 4]>) {
        if let Some(up) = up {
            let policy = self.config.policy;
            let link = &mut self.links[index];
            let allowed =
                |active: &&mut Active| policy.allows_user_plane(up.integrity, up.ciphering, active.chosen());
            let Some(active) = link.active.as_mut().filter(allowed) else {
                let cause = Cause::NotAligned;
                self.send_protected(index, Lcid::PC5_S_PROTECTED, Body::Release { reason: cause.value() });
                return self.close(index, Closed::NoAnswer { hint: Some(cause) });
            };
            active.agree_up_integrity(up.integrity);
        }
        let (kd, peer) = (self.links[index].kd, self.links[index].identity.clone());
        self.take_connection(kd, &peer, connection);
        self.asking_done(index);
    }

    /// The accept or the response came under the new key: the exchange is over.
    pub(super) fn asking_done(&mut self, index: usize) {
        let link = &mut self.links[index];
        let Some(Asked::Completed { kd, new_kd }) = link.asking.take().map(|asking| asking.phase) else {
            return;
        };
        link.rekeyed = self.now;
        link.hint = None;
        let first = link.stage == Stage::Connecting;
        link.stage = Stage::Up;
        let identity = link.identity.clone();
        let Some(keys) = link.keys() else { return };
        self.state(
            index,
            if first { State::Up { initiator: true, keys } } else { State::Rekeyed { keys, new_kd } },
        );
        let old = self.keyring.others(&identity, kd);
        if new_kd && !old.is_empty() {
            self.store(old);
        }
    }

    /// A new KD is durable: the complete may go.
    pub(super) fn asking_stored(&mut self, ticket: Ticket) {
        let waits = |link: &Link| {
            let phase = link.asking.as_ref().map(|asking| &asking.phase);
            matches!(phase, Some(Asked::Storing { ticket: t, .. }) if *t == ticket)
        };
        let Some(index) = self.links.iter().position(waits) else { return };
        let Some(asking) = &mut self.links[index].asking else { return };
        let phase = core::mem::replace(&mut asking.phase, Asked::Requested);
        if let Asked::Storing { active, record, .. } = phase {
            self.take_over(index, active, record.id, true);
        }
    }

    /// A KD that was agreed on becomes durable before the complete names it.
    fn store_new(&mut self, index: usize, active: Active, record: KdRecord) {
        let ticket = self.store(vec![Change::Put(record.copy())]);
        if let Some(asking) = &mut self.links[index].asking {
            asking.phase = Asked::Storing { ticket, active, record };
        }
    }
}

pub(super) const fn wire_capabilities(capabilities: Capabilities) -> pc5::Capabilities {
    pc5::Capabilities { eea: capabilities.eea, eia: capabilities.eia }
}

fn chosen(algorithms: pc5::Algorithms) -> Option<Chosen> {
    let eea = Algorithm::try_from(algorithms.eea).ok()?;
    let eia = Algorithm::try_from(algorithms.eia).ok()?;
    Some(Chosen { eea, eia })
}
