//! Common state of all links of one UE: rules, time, session numbers, keys, and the queue of outputs.

use std::collections::VecDeque;

use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::Lease;
use sidelink_security::direct::{
    Capabilities, Chosen, Command, Disagreement, Entropy, Fingerprint, KdId, KdSessId, Offer, Profile,
    Proposed, Stated, Terms, pick_half,
};
use sidelink_security::keys::{Kd, Secret256};

use super::admission::Admissions;
use super::budget::{Budget, Refuted};
use super::cause::Cause;
use super::config::Config;
use super::frame;
use super::io::{Event, LinkId, Metered, Output, Pdu};
use super::kd::{Change, Connection, Identity, KdRecord, Keyring, Method, Ticket};
use super::key_establishment::{AgreedKd, Credentials, KeyEstablishment, Party, Refusal};
use super::note::Note;
use super::relaying::RelayLink;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::{Identifiers, MessageType};
use sidelink_wire::sdes::is_carried;

/// Number of session keys that are remembered.
const SESSIONS: usize = 1024;

/// Peers that are remembered as having refused.
const REFUSED: usize = 64;

/// Queued outputs above which lines and meters are dropped. One input makes a few of them.
const WAITING: usize = 256;

/// Largest step in milliseconds between the times of two inputs; a larger one means that the clock was set.
const CLOCK_SET_AHEAD: u64 = 3_600_000;

/// Milliseconds by which the time of an input may be before that of the last one and count as equal.
const CLOCK_SET_BACK: u64 = 1000;

/// Milliseconds for which the clock must have run without being set before an expired KD is removed.
const CLOCK_STEADY: u64 = 60_000;

/// Resources of every state of a link. A state gets it as an argument and keeps no part of it.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) config: Config,
    /// Time of timers: advances with the clock, and stays when the clock is set.
    pub(super) now: UtcTime,
    /// Time of the clock, by which the validity of keys and certificates is judged.
    pub(super) clock: UtcTime,
    /// Time, by the time of timers, since when the clock has run without being set.
    pub(super) clock_set_at: UtcTime,
    pub(super) rng: Entropy,
    /// Session numbers: durable, therefore no nonce repeats.
    pub(super) numbers: Lease,
    pub(super) keyring: Keyring,
    /// Times of the newest messages taken from senders.
    pub(super) admissions: Admissions,
    /// Whether keys or revocation lists were added since the keys were last checked.
    pub(super) keys_changed: bool,
    /// Changes that are pending in the store.
    pub(super) storing: Vec<(Ticket, Vec<Change>)>,
    pub(super) outbox: VecDeque<Output>,
    /// Sequence number of the last message that belonged to no link.
    sequence: u16,
    next_ticket: u64,
    next_link: u32,
    /// Credential of this UE, and the issuers and keys that it trusts.
    pub(super) credentials: Option<Credentials>,
    /// Methods that agree on a KD; requests offer the first.
    pub(super) methods: Vec<Box<dyn KeyEstablishment>>,
    /// The secret of cookies.
    pub(super) cookies: Secret256,
    /// Session keys that were proven: none is used twice, for any nonces.
    pub(super) sessions: VecDeque<Fingerprint>,
    /// Budget of replies to unproven UEs.
    answers: Budget,
    /// Budget of unproven containers for methods.
    judged: Budget,
    /// Sources whose proofs were refused.
    refuted: Refuted,
    /// Time of the last refusal of an unproven request: at most one a period.
    refused_at: Option<UtcTime>,
    /// Peers that are not asked again before a time.
    refused: VecDeque<(Layer2Id, UtcTime)>,
    /// Names and addresses in use before the event that is handled now.
    pub(super) in_use: InUse,
}

/// Halves of KD-sess IDs and layer-2 identities that are in use by any link or half-open entry.
#[derive(Debug)]
pub(super) struct InUse {
    msb: [bool; 256],
    lsb: [bool; 256],
    addresses: Vec<Layer2Id>,
}

impl Default for InUse {
    fn default() -> Self {
        Self { msb: [false; 256], lsb: [false; 256], addresses: Vec::new() }
    }
}

impl InUse {
    pub(super) fn clear(&mut self) {
        (self.msb, self.lsb) = ([false; 256], [false; 256]);
        self.addresses.clear();
    }

    pub(super) fn add(&mut self, id: KdSessId) {
        self.add_msb(id.msb());
        self.lsb[usize::from(id.lsb())] = true;
    }

    pub(super) fn add_msb(&mut self, msb: u8) {
        self.msb[usize::from(msb)] = true;
    }

    pub(super) fn add_address(&mut self, id: Layer2Id) {
        self.addresses.push(id);
    }

    pub(super) fn has_address(&self, id: Layer2Id) -> bool {
        self.addresses.contains(&id)
    }
}

/// The half of a KD-sess ID that this UE chooses: the initiating UE the first, the target UE the second.
#[derive(Debug, Clone, Copy)]
pub(super) enum Half {
    Msb,
    Lsb,
}

impl Local {
    pub(super) fn new(config: Config, seed: &[u8; 32], numbers: Lease) -> Self {
        let mut rng = Entropy::new(seed);
        let cookies = Secret256::from(rng.draw(numbers.peek()));
        Self {
            config,
            now: UtcTime::from_millis(0),
            clock: UtcTime::from_millis(0),
            clock_set_at: UtcTime::from_millis(0),
            rng,
            numbers,
            keyring: Keyring::default(),
            admissions: Admissions::default(),
            keys_changed: false,
            storing: Vec::new(),
            outbox: VecDeque::new(),
            sequence: 0,
            next_ticket: 0,
            next_link: 0,
            credentials: None,
            methods: Vec::new(),
            cookies,
            sessions: VecDeque::with_capacity(SESSIONS),
            answers: Budget::default(),
            judged: Budget::default(),
            refuted: Refuted::default(),
            refused_at: None,
            refused: VecDeque::new(),
            in_use: InUse::default(),
        }
    }

    /// Sets the time of the clock. It does not go back by a small step. After a large step the timers continue from
    /// their present time: a wrong time neither ends a link nor persists.
    pub(super) fn set_clock(&mut self, clock: UtcTime) {
        let (old, new) = (self.clock.millis(), clock.millis());
        let (ahead, behind) = (new.saturating_sub(old), old.saturating_sub(new));
        if self.now.millis() == 0 {
            (self.now, self.clock_set_at) = (clock, clock);
        } else if ahead > CLOCK_SET_AHEAD || behind > CLOCK_SET_BACK {
            self.clock_set_at = self.now;
            let by = i64::try_from(ahead).unwrap_or(i64::MAX) - i64::try_from(behind).unwrap_or(i64::MAX);
            self.note(Note::ClockSet { by });
        } else {
            self.now = self.now.plus_millis(ahead);
            self.clock = self.clock.max(clock);
            return;
        }
        self.clock = clock;
    }

    /// Returns the time of the clock at which a timer is due.
    pub(super) fn on_clock(&self, timer: UtcTime) -> UtcTime {
        self.clock.plus_millis(timer.millis().saturating_sub(self.now.millis()))
    }

    pub(super) const fn is_nr(&self) -> bool {
        matches!(self.config.profile, Profile::Nr)
    }

    /// Returns the number of the next session.
    pub(super) const fn number(&self) -> u64 {
        self.numbers.peek()
    }

    /// Draws 32 octets for a nonce and for preferred halves; `None` until a session number is durable.
    pub(super) fn draw(&mut self) -> Option<[u8; 32]> {
        let number = self.numbers.take().ok()?;
        Some(self.rng.draw(number))
    }

    /// Returns a free half of a KD-sess ID, at or after `wish`.
    pub(super) fn free_half(&self, half: Half, wish: u8) -> Option<u8> {
        let taken = match half {
            Half::Msb => &self.in_use.msb,
            Half::Lsb => &self.in_use.lsb,
        };
        pick_half(wish.into(), 0xff, |value| taken[usize::from(value)]).map(|half| half as u8)
    }

    /// Returns a layer-2 identity and a half of a KD-sess ID that are not in use here.
    pub(super) fn new_identifiers(&mut self, half: Half) -> Option<Identifiers> {
        let drawn = self.draw()?;
        let layer2 = self.free_address(&drawn)?.octets();
        let kd_sess = self.free_half(half, drawn[31])?;
        Some(Identifiers { kd_sess, layer2 })
    }

    /// Returns a layer-2 identity that is not in use here.
    pub(super) fn new_address(&mut self) -> Option<Layer2Id> {
        let drawn = self.draw()?;
        self.free_address(&drawn)
    }

    fn free_address(&self, drawn: &[u8; 32]) -> Option<Layer2Id> {
        let mut candidates = drawn.chunks_exact(3).map(|octets| [octets[0], octets[1], octets[2]]);
        let free = candidates
            .find(|layer2| *layer2 != [0; 3] && !self.in_use.has_address(Layer2Id::from_octets(*layer2)));
        free.map(Layer2Id::from_octets)
    }

    /// Whether a session key was proven here before.
    pub(super) fn knows(&self, session: Fingerprint) -> bool {
        self.sessions.contains(&session)
    }

    /// Remembers a session key that the peer has proven. Unproven keys are not stored: nobody can evict a key with them.
    pub(super) fn remember(&mut self, session: Fingerprint) {
        if self.sessions.len() >= SESSIONS {
            self.sessions.pop_front();
        }
        self.sessions.push_back(session);
    }

    /// Whether an unproven UE may get a reply now. The budget is limited, since a reply costs a transmission to an
    /// address of its choice, and may contain a signature.
    pub(super) fn may_answer(&mut self) -> bool {
        self.answers.spend(self.now, self.config.sc_period, self.config.answers)
    }

    /// Whether an unproven container may be passed to a method now: this costs the verification of a signature.
    pub(super) fn may_judge(&mut self) -> bool {
        self.judged.spend(self.now, self.config.sc_period, self.config.judged)
    }

    /// Counts a proof from this source that a method refused.
    pub(super) fn refute(&mut self, source: Layer2Id) {
        self.refuted.count(source, self.now);
    }

    /// Whether a proof from this source may be verified now.
    pub(super) fn may_verify(&mut self, source: Layer2Id) -> bool {
        self.refuted.may_verify(source, self.now, self.config.refuted, self.config.sc_period)
    }

    /// Whether an unprotected refusal may be sent now: once a period.
    pub(super) fn may_refuse(&mut self) -> bool {
        let again = self.refused_at.map(|at| at.plus_millis(self.config.sc_period));
        let may = again.is_none_or(|again| self.now >= again);
        if may {
            self.refused_at = Some(self.now);
        }
        may
    }

    /// A proven peer wants not to be asked: TS 24.334 §10.4.2.5, §10.4.4.3.
    pub(super) fn is_refused_by(&mut self, peer: Layer2Id, cause: Cause) {
        if !matches!(cause, Cause::NotAllowed | Cause::LackOfResources | Cause::NoLongerAllowed) {
            return;
        }
        self.refused.retain(|(known, _)| *known != peer);
        if self.refused.len() >= REFUSED {
            self.refused.pop_front();
        }
        self.refused.push_back((peer, self.now.plus_millis(self.config.refused)));
    }

    /// Whether it is too soon to ask this peer.
    pub(super) fn refused_lately(&self, peer: Layer2Id) -> bool {
        self.refused.iter().any(|(known, until)| *known == peer && self.now < *until)
    }

    /// The policy as messages state it: present in NR, absent in LTE.
    pub(super) fn stated(&self, capabilities: Capabilities) -> Option<Stated> {
        self.is_nr().then(|| capabilities.stated())
    }

    /// Returns the terms of an exchange. Protection of user data is agreed on in set-up after the keys, and stays for
    /// the life of the link.
    pub(super) fn terms(&self, in_use: Option<(Chosen, bool)>) -> Terms {
        Terms {
            profile: self.config.profile,
            up_integrity: in_use.is_some_and(|(_, up_integrity)| up_integrity),
            in_use: in_use.map(|(chosen, _)| chosen),
        }
    }

    /// Returns the keys that answer an offer. `Err(None)` without a session number, and on nonce reuse.
    pub(super) fn propose(
        &mut self,
        terms: Terms,
        offer: Offer,
        kd: &Kd,
    ) -> Result<(Proposed, Command), Option<Disagreement>> {
        let chosen = self.config.policy.choose(offer.capabilities, offer.stated).map_err(Some)?;
        let drawn = self.draw().ok_or(None)?;
        let mut nonce_2 = [0; 16];
        // TS 24.334 §10.4.5.2 (4)
        nonce_2.copy_from_slice(&drawn[..16]);
        // The whole ID must be free, too: the peer may use it since an earlier exchange.
        // TS 24.334 §10.4.5.2 (3)
        let lsb = self.free_half(Half::Lsb, drawn[16]).ok_or(Some(Disagreement::Identity))?;
        let (echo, echo_stated) = (offer.capabilities, offer.stated);
        let command = Command { nonce_2, lsb, chosen, echo, echo_stated };
        let proposed = Proposed::new(terms, kd, &offer, &command).map_err(Some)?;
        // Nonce reuse: a faulty RNG at both ends, or an attack on it.
        if self.knows(proposed.fingerprint()) { Err(None) } else { Ok((proposed, command)) }
    }

    /// Returns a method's view of an exchange with `remote` that `request` began.
    pub(super) fn party<'a>(
        &'a self,
        remote: &'a Identity,
        request: &'a [u8],
        relay: Option<&'a RelayLink>,
    ) -> Party<'a> {
        Party {
            clock: self.clock,
            local: &self.config.identity,
            remote,
            request,
            capabilities: self.config.policy.capabilities(),
            credentials: self.credentials.as_ref(),
            newest: self.newest(remote),
            relay,
        }
    }

    /// Returns the time of the newest message taken from a sender, durable or about to be.
    pub(super) fn newest(&self, sender: &Identity) -> u64 {
        let pending =
            self.storing.iter().flat_map(|(_, changes)| changes).filter_map(|change| match change {
                Change::Admit(admission) if admission.sender == *sender => Some(admission.time),
                _ => None,
            });
        pending.max().unwrap_or(0).max(self.admissions.newest(sender))
    }

    /// Makes it durable that the message of this time was taken from a sender.
    ///
    /// # Errors
    /// It was taken already, or a newer one was.
    pub(super) fn admit(&mut self, sender: &Identity, time: u64) -> Result<Ticket, Refusal> {
        if time <= self.newest(sender) {
            let why = format!(
                "{sender} sent a message of this time, or a newer one, before: it is a replay, or its clock went back"
            );
            return Err(Refusal { cause: Cause::AuthenticationFailure, why });
        }
        Ok(self.store(self.admissions.changes(sender, time)))
    }

    /// The sequence number of a message that belongs to no link yet: TS 24.334 §12.5.1.2.
    // TS 24.334 §12.5.1.2
    pub(super) const fn next_sequence(&mut self) -> u16 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    pub(super) const fn new_link_id(&mut self) -> LinkId {
        self.next_link += 1;
        LinkId(self.next_link)
    }

    pub(super) const fn new_ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket - 1)
    }

    /// Requests that changes be made durable.
    pub(super) fn store(&mut self, changes: Vec<Change>) -> Ticket {
        let ticket = self.new_ticket();
        let copy = changes.iter().map(Change::copy).collect();
        self.storing.push((ticket, changes));
        self.push(Output::Store { ticket, changes: copy });
        ticket
    }

    /// Sends a message without protection. A key in the clear is not in it: only an attack that is measured may say so.
    pub(super) fn send_plain(&mut self, [source, peer]: [Layer2Id; 2], kind: MessageType, message: &[u8]) {
        if is_carried(message) && !self.config.in_the_clear {
            return self.note(Note::Withheld { peer });
        }
        let lcid = Lcid::PC5_S_UNPROTECTED;
        let octets = frame::plain(message);
        let pdu = Pdu { source, peer, lcid, message: Some(kind), session: None, octets };
        self.transmit(pdu, message.len());
    }

    /// Puts out the PDU of a message of `l3` octets.
    pub(super) fn transmit(&mut self, pdu: Pdu, l3: usize) {
        if let Some(message) = pdu.message {
            self.meter(pdu.peer, true, message, [l3, pdu.octets.len()]);
        }
        self.push(Output::Pdu(pdu));
    }

    /// Counts a message; `octets` are those of the message and of its PDU.
    pub(super) fn meter(&mut self, peer: Layer2Id, sent: bool, message: MessageType, octets: [usize; 2]) {
        let [l3_octets, pdu_octets] = octets;
        if self.outbox.len() < WAITING {
            self.event(Event::Message(Metered { peer, sent, message, l3_octets, pdu_octets }));
        }
    }

    pub(super) fn push(&mut self, output: Output) {
        self.outbox.push_back(output);
    }

    pub(super) fn event(&mut self, event: Event) {
        self.push(Output::Event(event));
    }

    /// Reports a line for the log. If outputs are not polled, no more than [`WAITING`] of them wait for lines and meters.
    pub(super) fn note(&mut self, note: Note) {
        if self.outbox.len() < WAITING {
            self.event(Event::Note(note));
        }
    }

    /// Returns the record of a KD agreed on now. It ends with the certificate that vouched for the peer.
    pub(super) fn record(&self, id: KdId, agreed: AgreedKd, peer: Identity) -> KdRecord {
        let AgreedKd { kd, vouched, lifetime, .. } = agreed;
        let after = self.credentials.as_ref().map_or(0, |own| own.trust.after_the_end());
        let end = vouched.as_ref().map(|vouched| vouched.end.plus_millis(after));
        let longest = self.config.kd_lifetime;
        let life = self.clock.plus_millis(lifetime.map_or(longest, |lifetime| lifetime.min(longest)));
        KdRecord {
            id,
            kd,
            peer,
            method: Method::Signed,
            expiry: end.map_or(life, |end| life.min(end)),
            created_at: self.number(),
            connection: Connection::default(),
            vouched,
        }
    }

    /// Removes the KDs of a link to a relay that has ended: each link gets its own from the network.
    pub(super) fn forget_relay(&mut self, relay: Option<&RelayLink>, peer: &Identity) {
        let old = if relay.is_some() { self.keyring.derived_with(peer) } else { Vec::new() };
        if !old.is_empty() {
            self.store(old);
        }
    }

    /// Whether a revocation list names the certificate that vouched for a KD.
    pub(super) fn is_revoked(&self, record: &KdRecord) -> bool {
        let trust = self.credentials.as_ref().map(|own| &own.trust);
        record.vouched.as_ref().zip(trust).is_some_and(|(vouched, trust)| trust.revokes(vouched))
    }

    /// Removes KDs whose certificate is revoked, and expired ones. Expired ones are removed only after the clock has
    /// run steadily for a while, since it may be wrong. Returns the revoked ones.
    pub(super) fn purge(&mut self) -> Vec<(KdId, Identity)> {
        let steady = self.now >= self.clock_set_at.plus_millis(CLOCK_STEADY);
        let ended = steady && self.keyring.derived().any(|record| self.clock >= record.expiry);
        if !core::mem::take(&mut self.keys_changed) && !ended {
            return Vec::new();
        }
        let (mut changes, mut revoked) = (Vec::new(), Vec::new());
        for record in self.keyring.derived() {
            let why = match self.is_revoked(record) {
                true => "its certificate was revoked",
                false if steady && self.clock >= record.expiry => "it expired",
                false => continue,
            };
            changes.push((Change::Remove(record.id, record.peer.clone()), why));
        }
        for (change, why) in &changes {
            if let Change::Remove(id, identity) = change {
                self.keyring.apply(change.copy());
                if *why != "it expired" {
                    revoked.push((*id, identity.clone()));
                }
                self.note(Note::KdEnded { identity: identity.clone(), why });
            }
        }
        if !changes.is_empty() {
            self.store(changes.into_iter().map(|(change, _)| change).collect());
        }
        revoked
    }
}
