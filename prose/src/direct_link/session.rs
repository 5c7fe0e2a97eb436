//! A link in use: its keys, its handling of messages, and the exchange in progress.

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::{Active, KdId, KdSessId, Retired};

use super::cause::{Cause, CauseOf};
use super::identifier_update::{UpdateAccepted, UpdateRequested};
use super::io::{Closed, Keys};
use super::link::{Common, Message, Next, Repeat};
use super::local::Local;
use super::rekeying::{AwaitingResponse, Rekeying, StoringRekeyed, Triggered};
use super::request::Request;
use super::target_rekeying::TargetRekeying;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::{AuthenticationPhase, Body, Identifiers};

/// The keys of a link in use, and the times of their events.
#[derive(Debug)]
// TS 33.303 §6.5.2 (1)
pub(super) struct Session {
    /// The sending key, which also opens new PDUs.
    pub(super) active: Active,
    /// Old keys for received PDUs, with their end.
    pub(super) retired: Vec<Old>,
    pub(super) kd: KdId,
    /// The last answer of this end to a complete.
    pub(super) answer: Answer,
    /// Time of the last proof that the peer is alive.
    pub(super) heard_at: UtcTime,
    pub(super) rekeyed_at: UtcTime,
    /// Time of the last change of identifiers.
    pub(super) renamed_at: UtcTime,
    /// The peer's identifiers of the last change, to repeat the answer.
    pub(super) acknowledged: Option<Identifiers>,
    /// A keep-alive without an answer yet.
    pub(super) keepalive: Option<Repeat>,
    /// Counter of the next keep-alive: those that were answered.
    pub(super) keepalive_counter: u32,
    /// Maximum Inactivity Period of the peer, milliseconds: TS 24.334 §10.4.3.3.
    pub(super) peer_inactivity: Option<u64>,
    /// Data under the key that was refused because of its SN.
    pub(super) out_of_step: u8,
}

/// The answer that the target UE repeats when a complete comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// The accept of a set-up, with the one-time identity that it gave.
    Accept(Option<[u8; 4]>),
    /// The response of a re-keying.
    Response,
}

/// Keys and addresses of an earlier time that still receive.
#[derive(Debug)]
pub(super) struct Old {
    pub(super) retired: Retired,
    pub(super) until: UtcTime,
    pub(super) local: Layer2Id,
    pub(super) remote: Layer2Id,
}

impl Session {
    pub(super) const fn new(active: Active, kd: KdId, answer: Answer, now: UtcTime) -> Self {
        Self {
            active,
            retired: Vec::new(),
            kd,
            answer,
            heard_at: now,
            rekeyed_at: now,
            renamed_at: now,
            acknowledged: None,
            keepalive: None,
            // TS 24.334 §10.4.3.2 (2)
            keepalive_counter: 0,
            peer_inactivity: None,
            out_of_step: 0,
        }
    }

    /// Returns the IDs of the keys.
    pub(super) fn keys(&self) -> Keys {
        let active = &self.active;
        let (session, fingerprint, chosen) = (active.id(), active.fingerprint(), active.chosen());
        Keys { kd: self.kd, session, fingerprint, chosen }
    }

    pub(super) fn for_each_id(&self, mut f: impl FnMut(KdSessId)) {
        f(self.active.id());
        self.retired.iter().for_each(|old| f(old.retired.id()));
    }

    /// Whether the peer sent from this source under an old key.
    pub(super) fn heard_from(&self, source: Layer2Id) -> bool {
        self.retired.iter().any(|old| old.remote == source)
    }

    /// Switches to new keys; the old ones still open PDUs.
    pub(super) fn switch(&mut self, active: Active, link: &Common, local: &Local) {
        let until = local.now.plus_millis(local.config.overlap);
        self.out_of_step = 0;
        let old = core::mem::replace(&mut self.active, active).retire();
        self.retired.push(Old { retired: old, until, local: link.local, remote: link.remote });
        if self.retired.len() > local.config.retired {
            self.retired.remove(0);
        }
    }

    /// Whether a re-keying ended recently, and another is too early.
    pub(super) fn rekeyed_lately(&self, local: &Local) -> bool {
        local.now < self.rekeyed_at.plus_millis(local.config.rekey_interval)
    }

    pub(super) fn send(&mut self, link: &mut Common, local: &mut Local, body: Body<'_>) {
        link.send_protected(local, &mut self.active, Lcid::PC5_S_PROTECTED, body);
    }

    pub(super) fn send_release(&mut self, link: &mut Common, local: &mut Local, reason: Cause) {
        let reason = reason.octet(local.config.profile, CauseOf::Release);
        self.send(link, local, Body::Release { reason });
    }
}

/// A link in use.
#[derive(Debug)]
pub(super) struct Up {
    pub(super) session: Session,
    pub(super) exchange: Exchange,
}

/// Exchange in progress on a link in use, one at a time.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it is moved once, and a box would allocate for every exchange"
)]
pub(super) enum Exchange {
    /// None.
    Idle,
    /// The peer is asked to ask for a re-keying.
    Triggered(Triggered),
    /// Re-keying, initiating: the request is sent.
    Rekeying(Rekeying),
    /// Re-keying, initiating: the new KD becomes durable.
    StoringRekeyed(StoringRekeyed),
    /// Re-keying, initiating: the complete is sent under the new key.
    AwaitingResponse(AwaitingResponse),
    /// Re-keying, target.
    TargetRekeying(TargetRekeying),
    /// Identifiers: this end requested its new ones.
    UpdateRequested(UpdateRequested),
    /// Identifiers: this end accepted, and receives under both IDs.
    UpdateAccepted(UpdateAccepted),
}

impl Exchange {
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }

    /// Returns the request whose command is pending.
    pub(super) const fn request(&self) -> Option<&Request> {
        match self {
            Self::Rekeying(rekeying) => Some(&rekeying.request),
            _ => None,
        }
    }

    pub(super) fn for_each_id(&self, mut f: impl FnMut(KdSessId)) {
        match self {
            Self::StoringRekeyed(storing) => f(storing.active.id()),
            Self::TargetRekeying(target) => target.state.id().into_iter().for_each(f),
            Self::UpdateAccepted(update) => f(update.renamed.id()),
            _ => {}
        }
    }

    /// Whether the peer may already send from this source.
    pub(super) fn hears(&self, source: Layer2Id) -> bool {
        self.new_remote() == Some(source)
    }

    /// Returns the address from which the peer will send.
    pub(super) const fn new_remote(&self) -> Option<Layer2Id> {
        match self {
            Self::UpdateAccepted(update) => Some(Layer2Id::from_octets(update.asked.layer2)),
            _ => None,
        }
    }

    /// Returns the address from which this end will send.
    pub(super) const fn new_address(&self) -> Option<Layer2Id> {
        match self {
            Self::UpdateRequested(UpdateRequested { new, .. })
            | Self::UpdateAccepted(UpdateAccepted { new, .. }) => Some(Layer2Id::from_octets(new.layer2)),
            _ => None,
        }
    }

    pub(super) const fn deadline(&self) -> Option<UtcTime> {
        match self {
            Self::Idle => None,
            Self::Triggered(state) => Some(state.deadline),
            Self::Rekeying(state) => Some(state.deadline),
            Self::StoringRekeyed(state) => Some(state.deadline),
            Self::AwaitingResponse(state) => Some(state.deadline),
            Self::TargetRekeying(state) => Some(state.deadline),
            Self::UpdateRequested(state) => Some(state.repeat.deadline),
            Self::UpdateAccepted(state) => Some(state.repeat.deadline),
        }
    }
}

impl Up {
    pub(super) const fn new(session: Session) -> Self {
        Self { session, exchange: Exchange::Idle }
    }

    /// Handles a message under a key of the link.
    pub(super) fn on_message(self, link: &mut Common, local: &mut Local, message: &Message<'_>) -> Next {
        if message.lcid == Lcid::PC5_S_SECURITY_MODE {
            return self.on_security_mode(link, local, message);
        }
        let current = message.current;
        match message.repr.body {
            Body::RekeyingResponse if current && matches!(self.exchange, Exchange::AwaitingResponse(_)) => {
                self.rekeying_done(link, local).into()
            }
            Body::SecurityModeReject { rand: Some(rand), auts: Some(auts), .. } => {
                self.on_out_of_step(link, local, (&rand, &auts)).into()
            }
            Body::SecurityModeReject { cause, .. } => {
                let cause = Cause::from_octet(local.config.profile, CauseOf::SecurityModeReject, cause);
                self.rekeying_refused(link, local, cause).into()
            }
            Body::RekeyingRequest(request) if current => {
                let asked = (message.repr.sequence, message.octets);
                self.on_rekeying_request(link, local, &request, asked).into()
            }
            Body::Authentication { phase, content, .. } if current => match phase {
                AuthenticationPhase::Reject => {
                    let cause = Cause::from_value(content.first().copied().unwrap_or(0));
                    self.rekeying_refused(link, local, cause).into()
                }
                AuthenticationPhase::Request | AuthenticationPhase::Response => {
                    self.on_container(link, local, phase, content).into()
                }
            },
            Body::IdentifierUpdateRequest(asked) if current => {
                self.on_update_request(link, local, asked).into()
            }
            Body::IdentifierUpdateAccept { new, asked } => {
                self.on_update_accept(link, local, current, new, asked).into()
            }
            Body::IdentifierUpdateAck(new) => self.on_update_ack(link, local, new).into(),
            Body::IdentifierUpdateReject { cause } if current => {
                self.on_update_reject(link, local, Cause::from_value(cause)).into()
            }
            Body::RekeyingTrigger if current => self.on_rekeying_trigger(link, local).into(),
            _ => self.on_upkeep(link, local, message),
        }
    }

    /// Handles a message that any link in use answers.
    fn on_upkeep(mut self, link: &mut Common, local: &mut Local, message: &Message<'_>) -> Next {
        match self.session.on_upkeep(link, local, message) {
            Some(closed) => Next::Close(closed),
            None => self.into(),
        }
    }

    fn on_security_mode(mut self, link: &mut Common, local: &mut Local, message: &Message<'_>) -> Next {
        match (&message.repr.body, self.session.active.commanded()) {
            (Body::SecurityModeComplete { .. }, true) => self.session.answer_again(link, local),
            // The complete was lost: the peer repeats the command under the same key.
            (Body::SecurityModeCommand(_), false) => {
                if let Exchange::AwaitingResponse(waiting) = &mut self.exchange {
                    waiting.complete(&mut self.session.active, link, local);
                }
            }
            _ => link.unexpected(local, message),
        }
        self.into()
    }
}

impl Session {
    /// Repeats the answer to a complete: the first one was lost.
    fn answer_again(&mut self, link: &mut Common, local: &mut Local) {
        match self.answer {
            Answer::Accept(given) => super::target::send_accept(&mut self.active, link, local, given),
            Answer::Response => self.send(link, local, Body::RekeyingResponse),
        }
    }

    /// Handles keep-alive and release, in every state that has a session.
    fn on_upkeep(&mut self, link: &mut Common, local: &mut Local, message: &Message<'_>) -> Option<Closed> {
        match message.repr.body {
            Body::Keepalive { counter, maximum_inactivity } => {
                if let Some(seconds) = maximum_inactivity {
                    self.peer_inactivity = Some(u64::from(seconds) * 1000);
                }
                // TS 24.334 §10.4.3.3 (1)
                self.send(link, local, Body::KeepaliveAck { counter });
            }
            // Its arrival has stopped the timer already.
            Body::KeepaliveAck { counter } => self.on_keepalive_ack(counter),
            Body::Release { reason } => {
                // TS 24.334 §10.4.4.3 (1)
                self.send(link, local, Body::ReleaseAccept);
                let reason = Cause::from_octet(local.config.profile, CauseOf::Release, reason);
                // TS 24.334 §10.4.4.3 (2)
                local.is_refused_by(link.permanent, reason);
                return Some(Closed::ByPeer { reason });
            }
            _ => link.unexpected(local, message),
        }
        None
    }
}

/// A link whose release was sent.
#[derive(Debug)]
pub(super) struct Releasing {
    pub(super) session: Session,
    repeat: Repeat,
}

impl Releasing {
    /// Sends the release, as try number `tries`.
    pub(super) fn new(mut session: Session, link: &mut Common, local: &mut Local, tries: u8) -> Self {
        let repeat = Repeat { deadline: local.now.plus_millis(local.config.t4101()), tries };
        session.send_release(link, local, Cause::NoLongerNeeded);
        Self { session, repeat }
    }

    pub(super) fn deadline(&self) -> UtcTime {
        self.session.retired.iter().map(|old| old.until).fold(self.repeat.deadline, UtcTime::min)
    }

    pub(super) fn on_time(mut self, link: &mut Common, local: &mut Local) -> Next {
        let now = local.now;
        self.session.retired.retain(|old| old.until > now);
        match self.repeat {
            Repeat { deadline, .. } if deadline > now => self.into(),
            // TS 24.334 §10.4.4.5.1
            Repeat { tries, .. } if tries < local.config.tries => {
                Self::new(self.session, link, local, tries + 1).into()
            }
            // The peer is gone, or its inactivity timer will end the link.
            _ => Next::Close(Closed::Released),
        }
    }

    pub(super) fn on_message(mut self, link: &mut Common, local: &mut Local, message: &Message<'_>) -> Next {
        let security_mode = message.lcid == Lcid::PC5_S_SECURITY_MODE;
        match message.repr.body {
            Body::SecurityModeComplete { .. } if security_mode && self.session.active.commanded() => {
                self.session.answer_again(link, local);
            }
            Body::SecurityModeCommand(_) if security_mode && !self.session.active.commanded() => {}
            _ if security_mode => link.unexpected(local, message),
            // TS 24.334 §10.4.4.4
            Body::ReleaseAccept => return Next::Close(Closed::Released),
            _ => {
                if let Some(closed) = self.session.on_upkeep(link, local, message) {
                    return Next::Close(closed);
                }
            }
        }
        self.into()
    }
}
