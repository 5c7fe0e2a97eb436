//! Joins at an owner: what anybody can send, in a bounded table.

use std::collections::BTreeSet;

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::signed::digest;
use sidelink_security::kdf::own;
use sidelink_wire::group_owner::{Body, Cause, Challenge, JoinRequest, Kind, Proof, SIGNATURE};
use sidelink_wire::ids::Layer2Id;

use super::common::{CHALLENGE, PROOF};
use super::config::{Admitted, Config, Renewal};
use super::delivery::send_again;
use super::io::Why;
use super::note::Note;
use super::owner::{Membership, Owner};
use super::pace::back_off;
use crate::direct_link::Identity;

/// A join that is not complete.
pub(super) struct HalfOpen {
    pub(super) from: Layer2Id,
    /// As claimed, until the proof.
    pub(super) identity: Identity,
    /// h1.
    request: [u8; 32],
    credential: Vec<u8>,
    owner_nonce: [u8; 16],
    challenge: Vec<u8>,
    /// h2.
    transcript: [u8; 32],
    pub(super) deadline: UtcTime,
    /// Until when it takes one of the places of joins that are served.
    until: UtcTime,
    /// Times that the challenge was sent, and when it is sent again.
    sent: u8,
    at: UtcTime,
    pub(super) stage: Stage,
}

/// A request that waits for its turn.
pub(super) struct Asked {
    from: Layer2Id,
    /// As claimed.
    pub(super) identity: Identity,
    request: Vec<u8>,
}

/// How far it is.
pub(super) enum Stage {
    /// The challenge was sent.
    Challenged,
    /// The UE has proven itself, and keys were sent.
    Keyed {
        /// Hash of its proof.
        proof: [u8; 32],
        /// The member to be.
        member: Box<Membership>,
    },
}

impl Owner {
    /// Handles a request: anybody can have sent it, therefore the cheap checks come first.
    pub(super) fn on_request(&mut self, from: Layer2Id, request: &JoinRequest<'_>, message: &[u8]) {
        let hash = digest(&[message]);
        if let Some(at) = self.half_open.iter().position(|half| half.from == from && half.request == hash) {
            if matches!(self.half_open[at].stage, Stage::Challenged) && self.common.may_answer() {
                let octets = self.half_open[at].challenge.clone();
                self.common.send(from, Kind::Challenge, octets);
            }
            return;
        }
        if self.queue.iter().any(|asked| asked.from == from && asked.request == message) {
            return;
        }
        let identity = Identity { kind: Identity::USER, value: request.identity.to_vec() };
        if let Err(cause) = self.may_join(&identity, request) {
            return self.refuse(from, identity, request.nonce, cause);
        }
        if self.half_open.len() + self.queue.len() >= self.common.config.cookies_from {
            let cookie = self.cookie(from, request);
            if request.cookie != Some(cookie) {
                if self.common.may_answer() {
                    let octets = self.common.emit(Body::Cookie { nonce: request.nonce, cookie });
                    self.common.send(from, Kind::Cookie, octets);
                }
                return;
            }
        }
        let asked = Asked { from, identity, request: message.to_vec() };
        match self.queue.iter().position(|known| known.from == from) {
            // A source has one place: its new join takes that of the old one.
            Some(at) => self.queue[at] = asked,
            None if self.queue.len() >= self.common.config.queue.max(1) => {
                let what = "too many requests wait for their turn";
                self.common.note(Note::NoRoom { from, what });
            }
            None => self.queue.push_back(asked),
        }
    }

    /// Returns the ends of the places that joins take.
    fn served(&self) -> impl Iterator<Item = UtcTime> {
        let now = self.common.now;
        self.half_open.iter().map(|half| half.until).filter(move |until| *until > now)
    }

    /// Answers requests in their order, as long as few joins are under way: whoever sends hears nothing meanwhile.
    pub(super) fn serve(&mut self) {
        while !self.queue.is_empty()
            && self.served().count() < self.common.config.serving.max(1)
            && self.common.may_answer()
        {
            let Some(Asked { from, identity, request: message }) = self.queue.pop_front() else { return };
            let Some(Body::JoinRequest(request)) = self.common.parse(from, &message) else { continue };
            match self.may_join(&identity, &request) {
                Ok(()) => self.challenge(from, identity, &request, digest(&[&message])),
                Err(cause) => self.refuse(from, identity, request.nonce, cause),
            }
        }
    }

    /// Returns when the next request has its turn, if one waits.
    pub(super) fn turn_due(&self) -> Option<UtcTime> {
        let Config { serving, sc_period, .. } = &self.common.config;
        if self.queue.is_empty() {
            return None;
        }
        match self.served().count() < (*serving).max(1) {
            // The answers of this period are used up.
            true => Some(self.common.now.plus_millis((*sc_period).max(1))),
            false => self.served().min(),
        }
    }

    /// Sends challenges and first keys again whose answer is missing, and drops joins that take too long.
    pub(super) fn try_joins_again(&mut self) {
        let common = &mut self.common;
        let Config { tries, retry, sc_period, .. } = common.config;
        let (now, tries, period) = (common.now, tries.max(1), sc_period.max(1));
        self.half_open.retain_mut(|half| {
            match &mut half.stage {
                Stage::Keyed { member, .. } => {
                    let due = member.pending.as_ref().filter(|pending| pending.at <= now);
                    match due.map(|pending| pending.sent >= tries) {
                        Some(true) => return false,
                        Some(false) => send_again(common, member),
                        None => {}
                    }
                }
                Stage::Challenged if half.at > now || half.sent >= tries => {}
                Stage::Challenged if !common.may_answer() => half.at = now.plus_millis(period),
                Stage::Challenged => {
                    half.sent += 1;
                    half.at = now.plus_millis(back_off(retry, half.sent, common.draw_number()));
                    common.send(half.from, Kind::Challenge, half.challenge.clone());
                }
            }
            half.deadline > now
        });
    }

    /// Returns when a join is to be looked at next.
    pub(super) fn joins_due(&self) -> Option<UtcTime> {
        let tries = self.common.config.tries.max(1);
        let due = |half: &HalfOpen| match &half.stage {
            Stage::Keyed { member, .. } => member.pending.as_ref().map(|pending| pending.at),
            Stage::Challenged => (half.sent < tries).then_some(half.at),
        };
        self.half_open.iter().flat_map(|half| [Some(half.deadline), due(half)]).flatten().min()
    }

    /// Returns the milliseconds that a step of a join may take: all tries with the longest back-off.
    fn patience(&self) -> u64 {
        let Config { retry, tries, .. } = &self.common.config;
        retry.saturating_mul(1 << (*tries).clamp(1, 6) << 1)
    }

    fn may_join(&self, identity: &Identity, request: &JoinRequest<'_>) -> Result<(), Cause> {
        let config = &self.common.config;
        let listed = match &config.admitted {
            Admitted::Certified => true,
            Admitted::Listed(all) => all.contains(identity),
        };
        if !listed || self.expelled.contains(identity) || *identity == config.identity {
            return Err(Cause::NotAdmitted);
        }
        let (eea, eia) = (config.group.eea.id(), config.group.mac.map_or(0, |eia| eia.id()));
        if request.eea & 0x80 >> eea == 0 || request.eia & 0x80 >> eia == 0 {
            return Err(Cause::Algorithms);
        }
        if self.has_room(identity) { Ok(()) } else { Err(Cause::Full) }
    }

    /// Returns whether the group has a place for an identity, beside all others that have proven themselves. One that joins
    /// again has one place.
    fn has_room(&self, identity: &Identity) -> bool {
        let most = self.common.config.members;
        if self.members.len() + self.half_open.len() < most {
            return true;
        }
        let all = self.all_proven().map(|member| &member.identity);
        all.filter(|other| *other != identity).collect::<BTreeSet<_>>().len() < most
    }

    /// Tells a UE that its request is not answered: a hint, within the budget of answers.
    fn refuse(&mut self, from: Layer2Id, identity: Identity, nonce: [u8; 16], cause: Cause) {
        self.common.note(Note::Refused { from, identity, cause });
        if self.common.may_answer() {
            let octets = self.common.emit(Body::Refusal { nonce, cause });
            self.common.send(from, Kind::Refusal, octets);
        }
    }

    /// Returns the cookie of a request: it proves that its source receives, and nothing is kept for it.
    fn cookie(&self, from: Layer2Id, request: &JoinRequest<'_>) -> [u8; 16] {
        let context = [&from.octets()[..], &request.nonce, request.identity, request.credential].concat();
        own::cookie(self.cookies.as_bytes(), &context)
    }

    fn challenge(&mut self, from: Layer2Id, identity: Identity, request: &JoinRequest<'_>, hash: [u8; 32]) {
        let patience = self.patience();
        let common = &mut self.common;
        while self.half_open.len() >= common.config.half_open.max(1)
            && let Some(oldest) = self.half_open.pop_front()
        {
            common.note(Note::HalfOpenFull { from: oldest.from });
        }
        let (owner_nonce, own, credential) =
            (common.draw_nonce(), common.config.identity.value.clone(), common.credential.encoded());
        let body = Body::Challenge(Challenge {
            nonce: request.nonce,
            owner_nonce,
            crl_number: common.trust.roots.iter().map(|root| root.crl_number()).max().unwrap_or(0),
            identity: &own,
            credential: &credential,
            signature: [0; SIGNATURE],
        });
        let challenge = common.emit_signed(body, CHALLENGE, &hash);
        let (now, retry) = (common.now, common.config.retry);
        let again = back_off(retry, 1, common.draw_number());
        self.half_open.push_back(HalfOpen {
            from,
            identity,
            request: hash,
            credential: request.credential.to_vec(),
            owner_nonce,
            transcript: digest(&[&hash, &challenge]),
            challenge: challenge.clone(),
            deadline: now.plus_millis(patience),
            until: now.plus_millis(retry),
            sent: 1,
            at: now.plus_millis(again),
            stage: Stage::Challenged,
        });
        common.send(from, Kind::Challenge, challenge);
    }

    pub(super) fn on_proof(&mut self, from: Layer2Id, proof: &Proof, message: &[u8]) {
        let at =
            self.half_open.iter().position(|half| half.from == from && half.owner_nonce == proof.owner_nonce);
        let Some(at) = at else {
            return self.common.note(Note::Unexpected { from, kind: Kind::Proof });
        };
        let half = &self.half_open[at];
        if let Stage::Keyed { proof, member } = &half.stage {
            // The keys were lost, perhaps.
            if let Some(pending) = &member.pending
                && *proof == digest(&[message])
            {
                let octets = pending.octets.clone();
                if self.common.may_answer() {
                    self.common.send(from, Kind::Keys, octets);
                }
            }
            return;
        }
        if !self.common.may_judge() {
            return self.common.note(Note::NoRoom { from, what: "the proofs of this period are used up" });
        }
        let claim = (&half.identity, &half.credential[..]);
        let proven = self.common.prove((from, Kind::Proof), (PROOF, &half.transcript), message, claim);
        let Some(proven) = proven else { return };
        let (identity, transcript) = (half.identity.clone(), digest(&[&half.transcript, message]));
        if !self.has_room(&identity) {
            // Others that asked at the same time were faster. It hears of it when it asks again.
            self.half_open.remove(at);
            return self.common.note(Note::Refused { from, identity, cause: Cause::Full });
        }
        let member = Membership {
            identity,
            layer2: from,
            vouched: proven.vouched,
            revocations: proven.revocations,
            public: proof.public,
            transcript,
            slot: self.new_slot(),
            held: None,
            pending: None,
        };
        self.give_keys(at, member, digest(&[message]));
    }

    /// Sends keys to a UE that has just proven itself.
    fn give_keys(&mut self, at: usize, mut member: Membership, proof: [u8; 32]) {
        let from = member.layer2;
        if self.common.config.renewal == Renewal::AtEachJoin {
            self.begin_epoch(Why::Joined);
        }
        if self.issue_first(&mut member).is_none() {
            // The proof comes again when the epoch's number is durable.
            return self.common.note(Note::NoRoom { from, what: "no epoch, or a key of small order" });
        }
        let (now, patience, retry) = (self.common.now, self.patience(), self.common.config.retry);
        let half = &mut self.half_open[at];
        (half.deadline, half.until) = (now.plus_millis(patience), now.plus_millis(retry));
        half.stage = Stage::Keyed { proof, member: Box::new(member) };
    }
}
