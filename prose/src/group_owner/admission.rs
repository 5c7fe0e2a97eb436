//! Joins at an owner: what anybody can send, in a bounded table.

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::signed::digest;
use sidelink_security::kdf::own;
use sidelink_wire::group_owner::{Body, Cause, Challenge, JoinRequest, Kind, Proof, SIGNATURE};
use sidelink_wire::ids::Layer2Id;

use super::common::{CHALLENGE, PROOF};
use super::config::{Admitted, Renewal};
use super::io::Why;
use super::note::Note;
use super::owner::{Membership, Owner};
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
    pub(super) stage: Stage,
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
        let identity = Identity { kind: Identity::USER, value: request.identity.to_vec() };
        if let Err(cause) = self.may_join(&identity, request) {
            return self.refuse(from, identity, request.nonce, cause);
        }
        if self.half_open.len() >= self.common.config.cookies_from {
            let cookie = self.cookie(from, request);
            if request.cookie != Some(cookie) {
                if self.common.may_answer() {
                    let octets = self.common.emit(Body::Cookie { nonce: request.nonce, cookie });
                    self.common.send(from, Kind::Cookie, octets);
                }
                return;
            }
        }
        if !self.common.may_answer() {
            return self.common.note(Note::NoRoom { from, what: "the answers of this period are used up" });
        }
        self.challenge(from, identity, request, hash);
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
        let known = self.members.iter().any(|member| member.identity == *identity);
        if !known && self.members.len() >= config.members { Err(Cause::Full) } else { Ok(()) }
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
        let wait = common.config.retry.saturating_mul(u64::from(common.config.tries) + 1);
        self.half_open.push_back(HalfOpen {
            from,
            identity,
            request: hash,
            credential: request.credential.to_vec(),
            owner_nonce,
            transcript: digest(&[&hash, &challenge]),
            challenge: challenge.clone(),
            deadline: common.now.plus_millis(wait),
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
        let config = &self.common.config;
        let wait = config.retry.saturating_mul(u64::from(config.tries) + 1);
        let half = &mut self.half_open[at];
        half.deadline = self.common.now.plus_millis(wait);
        half.stage = Stage::Keyed { proof, member: Box::new(member) };
    }
}
