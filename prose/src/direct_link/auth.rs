//! Method 2 between two ends: the containers 0xE0 to 0xE2, in set-up in the clear, in re-keying under the old key.

use sidelink_security::direct::signed::{
    Challenged, Credential, Ephemeral, Failure, KeyInfo, METHOD, Response, Subject, Trust, challenge, respond,
};
use sidelink_security::direct::{Capabilities, KdId, Offer, pick_half};
use sidelink_security::kdf::own::stream_id;
use sidelink_security::keys::Kd;

use super::frame;
use super::hub::Hub;
use super::kd::{Connection, Identity, KdRecord, Method};
use super::link::{Answering, Asked, Commanded, HalfOpen, KdInUse, Signer, Stage};
use super::note::{Cause, Note};
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::{AuthenticationPhase, Body, MessageType};

/// The method octet of a refusal, which has none.
const NO_METHOD: u8 = 0;

/// The method octet of a cookie: no authentication, only the wish to see it again.
const COOKIE_METHOD: u8 = 0xc0;

/// SC periods that the containers add to a handshake, and as many again for their blocks.
pub(super) const TURNS: u64 = 4;

fn subject(identity: &Identity) -> Subject<'_> {
    Subject { kind: identity.kind, value: &identity.value }
}

impl From<&Failure> for Cause {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Expired { .. } | Failure::NotYetValid { .. } => Self::Expired,
            Failure::Revoked => Self::Revoked,
            Failure::UnknownIssuer { .. } | Failure::NoCommonRoot => Self::UnknownIssuer,
            _ => Self::AuthenticationFailure,
        }
    }
}

impl Hub {
    /// Lets this UE agree on a KD with peers of whom it has none, and make a new one when re-keying asks for it.
    pub fn authenticate_with(&mut self, credential: Credential, trust: Trust) {
        self.signer = Some(Signer { credential, trust });
    }

    /// Whom this UE believes: to install a revocation list.
    pub const fn trust(&mut self) -> Option<&mut Trust> {
        match &mut self.signer {
            Some(signer) => Some(&mut signer.trust),
            None => None,
        }
    }

    /// A new ephemeral key and its element; none without a credential or a session number.
    pub(super) fn sign_up(&mut self, cookie: Option<[u8; 16]>) -> Option<(Ephemeral, Vec<u8>)> {
        self.signer.as_ref()?;
        let ephemeral = Ephemeral::new(self.draw()?);
        let info = KeyInfo::new(&ephemeral, &self.signer.as_ref()?.trust, cookie).emit();
        Some((ephemeral, info))
    }

    /// UE_2 signs an answer to a request: the state and the content.
    fn challenge(
        &mut self,
        request: &[u8],
        info: &KeyInfo,
    ) -> Result<(Challenged, Vec<u8>), Option<Failure>> {
        let ephemeral = Ephemeral::new(self.draw().ok_or(None)?);
        let capabilities: Capabilities = self.config.policy.capabilities();
        let signer = self.signer.as_ref().ok_or(None)?;
        challenge(&signer.credential, &signer.trust, request, info, capabilities, ephemeral).map_err(Some)
    }

    /// A request in the clear of a peer with whom no KD is shared. True when it was taken care of.
    pub(super) fn authenticate_half_open(
        &mut self,
        source: Layer2Id,
        identity: &Identity,
        offer: Offer,
        request: &[u8],
        info: Option<&[u8]>,
    ) -> bool {
        let Some(info) = info.and_then(KeyInfo::parse).filter(|_| self.signer.is_some()) else {
            return false;
        };
        let busy = self.half_open.len() >= self.config.half_open / 4;
        if busy && info.cookie != Some(self.cookie(source, &offer)) {
            // Signatures cost: first show that you hear.
            let content = self.cookie(source, &offer);
            let (phase, method) = (AuthenticationPhase::Reject, COOKIE_METHOD);
            let body = Body::Authentication { phase, method, content: &content };
            self.send_plain(source, body.message_type(), &frame::message(self.config.profile, 0, body));
            return true;
        }
        match self.challenge(request, &info) {
            Ok((challenged, content)) => {
                let answering = self.challenged(offer, challenged);
                self.remember(HalfOpen { source, identity: identity.clone(), answering });
                let phase = AuthenticationPhase::Request;
                let body = Body::Authentication { phase, method: METHOD, content: &content };
                self.send_plain(source, body.message_type(), &frame::message(self.config.profile, 0, body));
            }
            Err(Some(failure)) => self.not_authenticated(source, &failure, None),
            Err(None) => self.note(Note::NoRoom { source, what: "no session number" }),
        }
        true
    }

    /// A re-keying that wants a new KD. True when it was taken care of.
    pub(super) fn authenticate_rekeying(
        &mut self,
        index: usize,
        offer: Offer,
        request: &[u8],
        info: Option<&[u8]>,
    ) -> bool {
        let Some(info) = info.and_then(KeyInfo::parse).filter(|_| self.signer.is_some()) else {
            return false;
        };
        match self.challenge(request, &info) {
            Ok((challenged, content)) => {
                self.links[index].answering = Some(self.challenged(offer, challenged));
                let phase = AuthenticationPhase::Request;
                let body = Body::Authentication { phase, method: METHOD, content: &content };
                self.send_protected(index, Lcid::PC5_S_PROTECTED, body);
                true
            }
            Err(_) => false,
        }
    }

    fn challenged(&self, offer: Offer, challenged: Challenged) -> Answering {
        Answering {
            offer,
            phase: Commanded::Challenged(challenged),
            command: Vec::new(),
            deadline: self.now.plus_millis(self.config.t4100(TURNS)),
            tries: self.config.tries,
        }
    }

    /// A cookie is bound to who asks, with what, and when: 2^16 ms.
    fn cookie(&self, source: Layer2Id, offer: &Offer) -> [u8; 16] {
        let epoch = (self.now.millis() >> 16).to_be_bytes();
        let [a, b, c] = source.octets();
        let secret = [&self.cookies.as_bytes()[..], &offer.nonce_1].concat();
        stream_id(&secret, &[a, b, c, epoch[5], epoch[6], epoch[7]])
    }

    /// A container in the clear.
    pub(super) fn authentication_heard(
        &mut self,
        source: Layer2Id,
        phase: AuthenticationPhase,
        method: u8,
        content: &[u8],
    ) {
        let connecting = |l: &super::link::Link| l.peer == source && l.stage == Stage::Connecting;
        let index = self.links.iter().position(connecting);
        match (phase, method, index) {
            (AuthenticationPhase::Request, METHOD, Some(index)) => self.challenge_heard(index, content),
            (AuthenticationPhase::Reject, COOKIE_METHOD, Some(index)) => {
                if let Ok(cookie) = <[u8; 16]>::try_from(content) {
                    self.request_with_cookie(index, cookie);
                }
            }
            (AuthenticationPhase::Reject, _, _) => {
                self.unproven_refusal(source, Cause::from_value(content.first().copied().unwrap_or(0)));
            }
            (AuthenticationPhase::Response, METHOD, _) => self.half_open_response(source, content),
            _ => {}
        }
    }

    /// UE_1: the peer signed.
    pub(super) fn challenge_heard(&mut self, index: usize, content: &[u8]) {
        let (now, turns) = (self.now, self.config.t4100(TURNS));
        let link = &mut self.links[index];
        let (peer, connecting) = (link.peer, link.stage == Stage::Connecting);
        let Some(asking) = link.asking.as_mut().filter(|a| matches!(a.phase, Asked::Requested)) else {
            return;
        };
        let (Some(signing), Some(signer)) = (asking.signing.as_mut(), &self.signer) else { return };
        let (identity, request) = (subject(&link.identity), &signing.request);
        let Signer { credential, trust } = signer;
        match respond(&signing.ephemeral, credential, trust, now, identity, request, content) {
            Ok(Response { content: answer, kd, capabilities }) => {
                signing.agreed = Some(kd);
                asking.requested.hear(capabilities);
                asking.deadline = now.plus_millis(turns);
                let phase = AuthenticationPhase::Response;
                let body = Body::Authentication { phase, method: METHOD, content: &answer };
                if connecting {
                    let sequence = link.next_sequence();
                    self.send_plain(
                        peer,
                        body.message_type(),
                        &frame::message(self.config.profile, sequence, body),
                    );
                } else {
                    self.send_protected(index, Lcid::PC5_S_PROTECTED, body);
                }
            }
            Err(failure) => {
                link.hint = Some(Cause::from(&failure));
                self.not_authenticated(peer, &failure, (!connecting).then_some(index));
            }
        }
    }

    /// UE_2, in set-up: the peer signed.
    fn half_open_response(&mut self, source: Layer2Id, content: &[u8]) {
        let mut failed = None;
        for at in 0..self.half_open.len() {
            let half = &self.half_open[at];
            let Commanded::Challenged(challenged) = &half.answering.phase else { continue };
            if half.source != source {
                continue;
            }
            match self.finish(challenged, &half.identity, content) {
                Ok(kd) => {
                    let (identity, offer) = (half.identity.clone(), half.answering.offer);
                    let Some(record) = self.new_record(kd, identity.clone()) else { return };
                    if let Some((l3, pdu, answering)) = self.propose_new(source, offer, record, None) {
                        let session = answering.session();
                        self.half_open[at].answering = answering;
                        self.send_octets(
                            source,
                            Lcid::PC5_S_SECURITY_MODE,
                            MessageType::SecurityModeCommand,
                            session,
                            l3,
                            pdu,
                        );
                    }
                    return;
                }
                Err(failure) => failed = Some(failure),
            }
        }
        if let Some(failure) = failed {
            self.not_authenticated(source, &failure, None);
        }
    }

    /// UE_2, in re-keying: the peer signed.
    pub(super) fn rekeying_response_heard(&mut self, index: usize, content: &[u8]) {
        let link = &self.links[index];
        let (peer, identity) = (link.peer, link.identity.clone());
        let in_use = link.active.as_ref().map(|active| (active.chosen(), active.up_integrity()));
        let Some(Answering { phase: Commanded::Challenged(challenged), offer, .. }) = &link.answering else {
            return;
        };
        let offer = *offer;
        match self.finish(challenged, &identity, content) {
            Ok(kd) => {
                let Some(record) = self.new_record(kd, identity) else { return };
                if let Some((l3, pdu, answering)) = self.propose_new(peer, offer, record, in_use) {
                    let session = answering.session();
                    self.links[index].answering = Some(answering);
                    self.send_octets(
                        peer,
                        Lcid::PC5_S_SECURITY_MODE,
                        MessageType::SecurityModeCommand,
                        session,
                        l3,
                        pdu,
                    );
                }
            }
            Err(failure) => self.not_authenticated(peer, &failure, Some(index)),
        }
    }

    fn finish(&self, challenged: &Challenged, identity: &Identity, content: &[u8]) -> Result<Kd, Failure> {
        let signer = self.signer.as_ref().ok_or(Failure::UnknownKey)?;
        let own = subject(&self.config.identity);
        challenged.finish(&signer.trust, self.now, subject(identity), own, content)
    }

    /// A KD that was agreed on; its name has UE_2's half so far.
    pub(super) fn new_record(&mut self, kd: Kd, peer: Identity) -> Option<KdRecord> {
        let drawn = self.draw()?;
        let wish = u16::from_be_bytes([drawn[0], drawn[1]]);
        let msb = pick_half(wish, u16::MAX, |half| self.keyring.half_taken(|id| id.msb() == half))?;
        let id = KdId::from_halves(msb, 0);
        Some(self.record(id, kd, peer))
    }

    pub(super) fn record(&self, id: KdId, kd: Kd, peer: Identity) -> KdRecord {
        let expiry = self.now.plus_millis(self.config.kd_lifetime);
        KdRecord {
            id,
            kd,
            peer,
            method: Method::Signed,
            expiry,
            born: self.numbers.peek(),
            connection: Connection::default(),
        }
    }

    fn propose_new(
        &mut self,
        peer: Layer2Id,
        offer: Offer,
        record: KdRecord,
        in_use: Option<(sidelink_security::direct::Chosen, bool)>,
    ) -> Option<(usize, Vec<u8>, Answering)> {
        let terms = self.terms(in_use);
        match self.propose(terms, offer, &record.kd) {
            Ok((proposed, command)) => self.command(offer, proposed, command, KdInUse::New(record), 0),
            Err(Some(disagreement)) => {
                self.note(Note::Disagreed { peer, disagreement });
                None
            }
            Err(None) => None,
        }
    }

    /// Says why, to the operator always, to the peer once a period.
    fn not_authenticated(&mut self, peer: Layer2Id, failure: &Failure, link: Option<usize>) {
        let cause = Cause::from(failure);
        self.note(Note::NotAuthenticated { peer, cause, why: failure.to_string() });
        let (phase, content) = (AuthenticationPhase::Reject, [cause.value()]);
        let body = Body::Authentication { phase, method: NO_METHOD, content: &content };
        match link {
            Some(index) => self.send_protected(index, Lcid::PC5_S_PROTECTED, body),
            None if self.may_refuse() => {
                self.send_plain(peer, body.message_type(), &frame::message(self.config.profile, 0, body));
            }
            None => {}
        }
    }
}
