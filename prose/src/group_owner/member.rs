//! A member of a group.

use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::reserve::{CounterStore, ReserveConfig, StreamId};
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::direct::KdId;
use sidelink_security::direct::signed::{Credential, Trust, Vouched, digest};
use sidelink_security::group::{GroupConfig, GroupKey};
use sidelink_security::hpke::ReceiverKey;
use sidelink_security::kdf::own::stream_id;
use sidelink_security::keys::{Kd, Pgk};
use sidelink_wire::group_owner::{
    Body, Cause, Challenge, JoinRequest, Keys, Kind, Proof, Proven as ProvenEpoch, SEALED, SIGNATURE,
};
use sidelink_wire::ids::Layer2Id;

use super::common::{
    CHALLENGE, Common, KEYS, OpenError, PROOF, Proven, confirmed, has_mac, provable, put_mac,
};
use super::config::Config;
use super::delivery::info;
use super::io::{Error, Event, Forget, GroupKeys, Input, Out, Output, Revocations, UnicastKey};
use super::missed::Missed;
use super::note::Note;
use super::pace::back_off;
use crate::direct_link::{Identity, KdRecord};

/// A message that is sent until its answer comes.
pub(super) struct Unanswered {
    kind: Kind,
    octets: Vec<u8>,
    /// Times that it was sent.
    sent: u8,
    /// When it is sent again.
    pub(super) at: UtcTime,
    /// The owner has said that it is busy.
    pub(super) deferred: bool,
}

/// The owner as it has proven itself, and the join with it.
pub(super) struct Session {
    pub(super) credential: Vec<u8>,
    vouched: Vouched,
    /// h3.
    transcript: [u8; 32],
    receiver: ReceiverKey,
}

/// Keys in use.
pub(super) struct InUse {
    pub(super) epoch: u32,
    kd: Kd,
    pub(super) kd_id: KdId,
    pub(super) pgk_id: u8,
    expiry: UtcTime,
    /// Hash of the message that brought them, and the answer to it.
    brought: [u8; 32],
    confirm: Vec<u8>,
}

/// State of a member. The states that are not [`State::Out`] have an owner.
pub(super) enum State {
    Out,
    Requested { nonce: [u8; 16], cookie: Option<[u8; 16]>, hint: Option<Cause>, request: Unanswered },
    Proving { session: Session, proof: Unanswered },
    In { session: Session, keys: InUse, leaving: Option<Unanswered>, missed: Option<Missed> },
}

/// A member of a group, or a UE that may become one.
pub struct Member {
    pub(super) common: Common,
    pub(super) owner: (Layer2Id, Identity),
    pub(super) state: State,
    /// Requests of this join.
    pub(super) requests: u8,
    /// Whether the member wants this join, or its user.
    pub(super) by_itself: bool,
}

impl Member {
    /// Starts a member with its credential, which must be a certificate. Blocks on the medium: call it at start only.
    /// `seed` is drawn for this start.
    ///
    /// # Errors
    /// An identity or a credential that is not possible, a revocation list older than one that was used, or an error of
    /// the store.
    pub fn open<S: CounterStore>(
        config: Config,
        seed: &[u8; 32],
        (credential, trust): (Credential, Trust),
        store: &mut S,
    ) -> Result<Self, OpenError<S::Error>> {
        let stream = StreamId(stream_id(&config.identity.value, b"gjoins"));
        // One number for each start; draws within it are counted in memory.
        let reserve = ReserveConfig { block: 1, low_water: 0 };
        let (common, _) = Common::open(config, seed, (credential, trust), (stream, reserve), store)?;
        let owner = (Layer2Id::from_octets([0; 3]), Identity { kind: Identity::USER, value: Vec::new() });
        Ok(Self { common, owner, state: State::Out, requests: 0, by_itself: false })
    }

    /// Returns the epoch of the keys in use; `None` outside of a group.
    pub const fn epoch(&self) -> Option<u32> {
        match &self.state {
            State::In { keys, .. } => Some(keys.epoch),
            _ => None,
        }
    }

    /// Handles an input.
    ///
    /// # Errors
    /// Our own mistake, or the operator's.
    pub fn handle_input(&mut self, input: Input<'_>) -> Result<(), Error> {
        self.common.begin(&input);
        let result = match input {
            Input::Join { owner, identity, .. } => self.join(owner, identity),
            Input::Leave { .. } => self.leave(),
            Input::Message { from, message, .. } => {
                self.on_message(from, message);
                Ok(())
            }
            Input::RevocationList { der, .. } => self.common.install_list(der),
            Input::Stored { ticket, .. } => {
                if self.common.stored(ticket) {
                    self.check_owner();
                }
                Ok(())
            }
            Input::Expel { .. } => Err(Error::Role { what: "a member does not expel" }),
            Input::Renew { .. } => Err(Error::Role { what: "a member does not begin epochs" }),
            Input::Tick { .. }
            | Input::Entropy { .. }
            | Input::StoreFailed { .. }
            | Input::Granted { .. }
            | Input::ReservationFailed { .. } => Ok(()),
        };
        self.on_time();
        result
    }

    /// Returns what is to be done next.
    pub fn poll_output(&mut self) -> Output {
        self.common.pop().unwrap_or_else(|| Output::Timeout(self.due()))
    }

    fn due(&self) -> Option<UtcTime> {
        let unsaved = self.common.unsaved_due();
        let own = match &self.state {
            State::Out => None,
            State::Requested { request: sent, .. } | State::Proving { proof: sent, .. } => Some(sent.at),
            State::In { keys, leaving: None, missed: Some(missed), .. } => Some(keys.expiry.min(missed.at)),
            State::In { keys, leaving, .. } => {
                Some(leaving.as_ref().map_or(keys.expiry, |sent| sent.at.min(keys.expiry)))
            }
        };
        own.into_iter().chain(unsaved).min()
    }

    fn join(&mut self, owner: Layer2Id, identity: Identity) -> Result<(), Error> {
        if !matches!(self.state, State::Out) {
            return Err(Error::Busy);
        }
        if !provable(&identity) {
            return Err(Error::Identity { kind: identity.kind, len: identity.value.len() });
        }
        self.owner = (owner, identity);
        (self.by_itself, self.requests) = (false, 0);
        let nonce = self.common.draw_nonce();
        self.request(nonce, None, None);
        Ok(())
    }

    /// Sends a request. The cookie of the owner belongs to the same nonce.
    pub(super) fn request(&mut self, nonce: [u8; 16], cookie: Option<[u8; 16]>, hint: Option<Cause>) {
        let credential = self.common.credential.encoded();
        let Config { capabilities, identity, .. } = &self.common.config;
        let octets = self.common.emit(Body::JoinRequest(JoinRequest {
            nonce,
            eea: capabilities.eea,
            eia: capabilities.eia,
            identity: &identity.value,
            credential: &credential,
            cookie,
        }));
        self.requests = self.requests.saturating_add(1);
        let request = self.send_until_answered(Kind::JoinRequest, octets, self.requests);
        self.state = State::Requested { nonce, cookie, hint, request };
    }

    /// Sends a message that was sent `sent` times then.
    fn send_until_answered(&mut self, kind: Kind, octets: Vec<u8>, sent: u8) -> Unanswered {
        let wait = back_off(self.common.config.retry, sent, self.common.draw_number());
        let at = self.common.now.plus_millis(wait);
        self.common.send(self.owner.0, kind, octets.clone());
        Unanswered { kind, octets, sent, at, deferred: false }
    }

    fn leave(&mut self) -> Result<(), Error> {
        match &self.state {
            State::Out => return Err(Error::NotIn),
            State::Requested { .. } | State::Proving { .. } => {
                self.common.event(Event::Out(Out::Left));
                self.state = State::Out;
                return Ok(());
            }
            State::In { leaving: Some(_), .. } => return Ok(()),
            State::In { .. } => {}
        }
        let State::In { session, keys, .. } = &self.state else { return Err(Error::NotIn) };
        let mut octets = self.common.emit(Body::Leave(ProvenEpoch { epoch: keys.epoch, mac: [0; 16] }));
        put_mac(&keys.kd, Kind::Leave, &session.transcript, &mut octets);
        let sent = self.send_until_answered(Kind::Leave, octets, 1);
        if let State::In { leaving, .. } = &mut self.state {
            *leaving = Some(sent);
        }
        Ok(())
    }

    fn on_message(&mut self, from: Layer2Id, message: &[u8]) {
        let Some(body) = self.common.parse(from, message) else { return };
        let unexpected = Note::Unexpected { from, kind: body.kind() };
        if let Body::Notice(notice) = &body
            && (from == self.owner.0 || matches!(self.state, State::Out))
        {
            // Outside of a group every owner's notices are heard, and mean nothing.
            return self.on_notice(notice, message);
        }
        if from != self.owner.0 || matches!(self.state, State::Out) {
            return self.common.note(unexpected);
        }
        match (body, &mut self.state) {
            (Body::Cookie { nonce, cookie }, State::Requested { nonce: own, cookie: None, hint, .. })
                if nonce == *own =>
            {
                let hint = *hint;
                self.request(nonce, Some(cookie), hint);
            }
            (Body::Refusal { nonce, cause }, State::Requested { nonce: own, hint, .. }) if nonce == *own => {
                // Anybody can send one: it ends nothing.
                *hint = Some(cause);
            }
            (Body::Challenge(challenge), State::Requested { nonce, .. })
                if challenge.nonce == *nonce && challenge.identity == self.owner.1.value =>
            {
                self.on_challenge(&challenge, message);
            }
            (Body::Keys(keys), State::Proving { .. } | State::In { .. }) => self.on_keys(&keys, message),
            (Body::LeaveAccept(proven), State::In { leaving: Some(_), .. }) => {
                self.on_end(proven, Kind::LeaveAccept, message, Out::Left);
            }
            (Body::Removal(proven), State::In { .. }) => {
                self.on_end(proven, Kind::Removal, message, Out::Removed);
            }
            _ => self.common.note(unexpected),
        }
    }

    /// Checks a signed message of the owner.
    pub(super) fn prove(
        &mut self,
        kind: Kind,
        signed: (&'static [u8], &[u8; 32]),
        message: &[u8],
        credential: &[u8],
    ) -> Option<Proven> {
        let (from, identity) = &self.owner;
        if !self.common.may_judge() {
            let what = "the signatures of this period are used up";
            self.common.note(Note::NoRoom { from: *from, what });
            return None;
        }
        self.common.prove((*from, kind), signed, message, (identity, credential))
    }

    fn on_challenge(&mut self, challenge: &Challenge<'_>, message: &[u8]) {
        let State::Requested { request, .. } = &self.state else { return };
        let request = digest(&[&request.octets]);
        let proven = self.prove(Kind::Challenge, (CHALLENGE, &request), message, challenge.credential);
        let Some(Proven { vouched, .. }) = proven else { return };
        let transcript = digest(&[&request, message]);
        let receiver = ReceiverKey::new(&self.common.draw());
        let proof = self.common.emit_signed(
            Body::Proof(Proof {
                owner_nonce: challenge.owner_nonce,
                public: receiver.public(),
                crl_number: self.common.trust.roots.iter().map(|root| root.crl_number()).max().unwrap_or(0),
                signature: [0; SIGNATURE],
            }),
            PROOF,
            &transcript,
        );
        let transcript = digest(&[&transcript, &proof]);
        let session = Session { credential: challenge.credential.to_vec(), vouched, transcript, receiver };
        let proof = self.send_until_answered(Kind::Proof, proof, 1);
        self.state = State::Proving { session, proof };
    }

    fn on_keys(&mut self, keys: &Keys, message: &[u8]) {
        let (session, current) = match &self.state {
            State::Proving { session, .. } => (session, None),
            State::In { session, keys, .. } => (session, Some(keys)),
            _ => return,
        };
        let hash = digest(&[message]);
        if let Some(known) = current.filter(|known| known.brought == hash) {
            // The confirm was lost.
            let confirm = known.confirm.clone();
            if self.common.may_answer() {
                self.common.send(self.owner.0, Kind::Confirm, confirm);
            }
            return;
        }
        if current.is_some_and(|known| keys.epoch <= known.epoch) {
            return self.common.note(Note::Unexpected { from: self.owner.0, kind: Kind::Keys });
        }
        let (transcript, credential) = (session.transcript, session.credential.clone());
        let proven = self.prove(Kind::Keys, (KEYS, &transcript), message, &credential);
        let Some(Proven { revocations, .. }) = proven else { return };
        match self.opened(keys, message) {
            Ok((kd, pgk)) => self.install(keys, (kd, pgk), revocations, message),
            Err(why) => self.common.note(Note::UnusableKeys { from: self.owner.0, why }),
        }
    }

    /// Opens K_unicast and K_multicast, after a check of what stands beside them.
    fn opened(&self, keys: &Keys, message: &[u8]) -> Result<(Kd, Pgk), &'static str> {
        let (State::Proving { session, .. } | State::In { session, .. }) = &self.state else {
            return Err("no join");
        };
        let capabilities = self.common.config.capabilities;
        if capabilities.eea & 0x80 >> keys.eea == 0 || capabilities.eia & 0x80 >> keys.eia == 0 {
            return Err("an algorithm that this UE does not allow");
        }
        let (now, guard) = (self.common.now, self.common.config.guard);
        let seconds = |value: u32| UtcTime::from_millis(u64::from(value) * 1000);
        if now >= seconds(keys.expiry) {
            return Err("they have expired");
        }
        if now.plus_millis(guard) < seconds(keys.valid_from) {
            return Err("they are not valid yet");
        }
        let header = &message[..message.len() - SEALED - SIGNATURE];
        let opened = session.receiver.open(&info(&session.transcript), header, &keys.sealed);
        let opened = opened.ok_or("they cannot be opened")?;
        let (kd, pgk) = opened.split_at_checked(Kd::OCTETS).ok_or("too short")?;
        let (kd, pgk) = (Kd::try_from(kd), Pgk::try_from(pgk));
        Ok((kd.map_err(|_| "K_unicast")?, pgk.map_err(|_| "K_multicast")?))
    }

    fn install(&mut self, keys: &Keys, (kd, pgk): (Kd, Pgk), revocations: Revocations, message: &[u8]) {
        let (eea, eia) = (Algorithm::try_from(keys.eea), Algorithm::try_from(keys.eia));
        let (Ok(eea), Ok(eia)) = (eea, eia) else {
            let why = "an algorithm that this UE does not know";
            return self.common.note(Note::UnusableKeys { from: self.owner.0, why });
        };
        // Keys of the epoch that was missed, or later ones.
        let missed = match &self.state {
            State::In { missed, .. } => missed.filter(|missed| missed.epoch > keys.epoch),
            _ => None,
        };
        let state = core::mem::replace(&mut self.state, State::Out);
        let (session, old, leaving) = match state {
            State::Proving { session, .. } => (session, None, None),
            State::In { session, keys, leaving, .. } => (session, Some(keys), leaving),
            other => {
                self.state = other;
                return;
            }
        };
        let mut confirm = self.common.emit(Body::Confirm(ProvenEpoch { epoch: keys.epoch, mac: [0; 16] }));
        put_mac(&kd, Kind::Confirm, &confirmed(&session.transcript, message), &mut confirm);
        let kd_id = KdId::from_halves(keys.epoch as u16, keys.slot);
        let end = self.common.end_of(&session.vouched);
        let expiry = UtcTime::from_millis(u64::from(keys.expiry) * 1000).min(end);
        let (peer, owner) = (self.owner.0, self.owner.1.clone());
        let record = KdRecord::pre_shared(kd_id, Kd::from(*kd.as_bytes()), owner.clone());
        let record = KdRecord { expiry, vouched: Some(session.vouched.clone()), ..record };
        let replaces = old.as_ref().map(|old| old.kd_id).filter(|old| *old != kd_id);
        let config = GroupConfig {
            group_id: self.common.config.group.group_id,
            eea,
            mac: (eia != Algorithm::Null).then_some(eia),
        };
        let (valid_from, end) = (UtcCounter::new(keys.valid_from), UtcCounter::new(keys.expiry));
        let key = GroupKey { pgk_id: keys.pgk_id, pgk, valid_from, expiry: end };
        let old_pgk = old.map(|old| old.pgk_id).filter(|old| *old != keys.pgk_id);
        self.common.push(Output::GroupKeys(Box::new(GroupKeys { config, key, replaces: old_pgk })));
        self.common.push(Output::UnicastKey(Box::new(UnicastKey { record, peer, replaces })));
        self.common.send(peer, Kind::Confirm, confirm.clone());
        let (epoch, pgk_id, brought) = (keys.epoch, keys.pgk_id, digest(&[message]));
        let keys = InUse { epoch, kd, kd_id, pgk_id, expiry, brought, confirm };
        self.state = State::In { session, keys, leaving: None, missed };
        self.common.event(Event::In { owner, epoch, revocations });
        if leaving.is_some() {
            // The owner knows this UE by the later keys now.
            let left = self.leave();
            debug_assert!(left.is_ok(), "it is in the group");
        }
    }

    /// Handles the end of the membership, under the keys in use.
    fn on_end(&mut self, proven: ProvenEpoch, kind: Kind, message: &[u8], out: Out) {
        let State::In { session, keys, .. } = &self.state else { return };
        if proven.epoch != keys.epoch || !has_mac(&keys.kd, kind, &session.transcript, message) {
            return self.common.note(Note::WrongMac { from: self.owner.0, kind });
        }
        self.common.meter(self.owner.0, false, kind, message.len());
        self.go(out);
    }

    /// Goes out of the group: its keys are not used any more.
    fn go(&mut self, out: Out) {
        if let State::In { keys, .. } = core::mem::replace(&mut self.state, State::Out) {
            self.common.push(Output::Forget(Forget::Group(keys.pgk_id)));
            self.common.push(Output::Forget(Forget::Unicast(keys.kd_id, self.owner.1.clone())));
        }
        self.common.event(Event::Out(out));
    }

    /// Goes out when the certificate of the owner is revoked.
    fn check_owner(&mut self) {
        if let State::Proving { session, .. } | State::In { session, .. } = &self.state
            && self.common.trust.revokes(&session.vouched)
        {
            self.go(Out::OwnerRevoked);
        }
    }

    fn on_time(&mut self) {
        self.join_if_missed();
        let now = self.common.now;
        let (tries, most) = (self.common.config.tries.max(1), self.common.config.requests.max(1));
        let requests = if self.by_itself { u8::MAX } else { most };
        let (sent, out) = match &mut self.state {
            State::Out => return,
            State::Requested { request, hint, .. } => (request, Out::NoAnswer { hint: *hint }),
            State::Proving { proof, .. } => (proof, Out::NoAnswer { hint: None }),
            State::In { keys, .. } if now >= keys.expiry => return self.go(Out::Expired),
            State::In { leaving: None, .. } => return,
            // Without an answer it is out as well.
            State::In { leaving: Some(sent), .. } => (sent, Out::Left),
        };
        if sent.at > now {
            return;
        }
        let (kind, octets, sent) = (sent.kind, sent.octets.clone(), sent.sent);
        let refused = matches!(out, Out::NoAnswer { hint: Some(_) });
        let most_requests = if refused { most } else { requests };
        match kind {
            Kind::JoinRequest if self.may_ask(most_requests) => {
                self.requests = self.requests.saturating_add(1);
                let again = self.send_until_answered(kind, octets, self.requests);
                if let State::Requested { request, .. } = &mut self.state {
                    *request = again;
                }
            }
            Kind::Proof | Kind::Leave if sent < tries => {
                let again = self.send_until_answered(kind, octets, sent + 1);
                match &mut self.state {
                    State::Proving { proof, .. } => *proof = again,
                    State::In { leaving, .. } => *leaving = Some(again),
                    State::Out | State::Requested { .. } => {}
                }
            }
            // The owner has forgotten the join, perhaps.
            Kind::Proof if self.may_ask(requests) => {
                let nonce = self.common.draw_nonce();
                self.request(nonce, None, None);
            }
            _ => self.go(out),
        }
    }

    /// Whether one more request of this join may be sent, of so many; a join of its own has no end.
    const fn may_ask(&self, most: u8) -> bool {
        self.requests < most || most == u8::MAX
    }
}
