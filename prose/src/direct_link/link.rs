//! A link: its attributes, and its state.
//!
//! ```text
//!  initiating UE                                                    target UE
//!  AwaitingSecurityMode -> (StoringKd) -> AwaitingAccept -> Up  <-  half-open entry (target.rs)
//!                                                           |
//!                                                       Releasing
//! ```

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::{Active, KdSessId, Nonce};
use sidelink_security::pdu::Assurance;

use super::config::Allocation;
use super::frame;
use super::initiating::{AwaitingAccept, AwaitingSecurityMode, StoringKd};
use super::io::{Closed, Event, Keys, LinkId, Pdu, Role};
use super::kd::Identity;
use super::local::{InUse, Local};
use super::note::Note;
use super::relaying::RelayLink;
use super::session::{Releasing, Up};
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::{Body, MessageType, Repr};
use sidelink_wire::pdcp::SduType;

/// One link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) common: Common,
    pub(super) state: State,
}

/// Attributes of a link in every state.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) id: LinkId,
    /// Layer-2 source of this end.
    pub(super) local: Layer2Id,
    /// Layer-2 identity of the peer.
    pub(super) remote: Layer2Id,
    /// Layer-2 identity of the peer at set-up.
    pub(super) permanent: Layer2Id,
    /// Identity of the peer, proven or to be proven.
    pub(super) identity: Identity,
    /// Sequence number of the last message.
    pub(super) sequence: u16,
    pub(super) created_at: UtcTime,
    /// What makes it a link between remote UE and relay, if it is one.
    pub(super) relay: Option<RelayLink>,
    /// How the peer gives addresses, as its accept says.
    pub(super) allocation: Option<Allocation>,
}

/// State of a link. Every state is a struct that owns its keys.
#[derive(Debug)]
pub(super) enum State {
    /// Initiating UE: the request is sent.
    AwaitingSecurityMode(AwaitingSecurityMode),
    /// Initiating UE: the command was right, and the new KD becomes durable.
    StoringKd(StoringKd),
    /// Initiating UE: the complete is sent.
    AwaitingAccept(AwaitingAccept),
    /// In use.
    Up(Up),
    /// A release is sent.
    Releasing(Releasing),
}

/// Result of an event in a state.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is moved once, and a box would allocate for every message")]
pub(super) enum Next {
    /// The link continues in this state.
    To(State),
    /// The link ends.
    // TS 33.303 §6.5.3.2
    Close(Closed),
}

macro_rules! states {
    ($($name:ident)*) => {$(
        impl From<$name> for Next {
            fn from(state: $name) -> Self {
                Self::To(State::$name(state))
            }
        }
    )*};
}

states! { AwaitingSecurityMode StoringKd AwaitingAccept Up Releasing }

/// A PC5 signalling message that a key of the link opened.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub(super) lcid: Lcid,
    /// Whether the key is the sending one, not an older one.
    pub(super) current: bool,
    pub(super) repr: Repr<'a>,
    pub(super) octets: &'a [u8],
}

/// A message that is repeated until it is answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Repeat {
    pub(super) deadline: UtcTime,
    pub(super) tries: u8,
}

impl Common {
    pub(super) const fn new(
        id: LinkId,
        [local, remote]: [Layer2Id; 2],
        identity: Identity,
        now: UtcTime,
    ) -> Self {
        Self {
            id,
            local,
            remote,
            permanent: remote,
            identity,
            sequence: 0,
            created_at: now,
            relay: None,
            allocation: None,
        }
    }

    pub(super) const fn next_sequence(&mut self) -> u16 {
        // TS 24.334 §12.5.1.2
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// Reports the state of the link.
    pub(super) fn report(&self, local: &mut Local, state: super::io::State) {
        local.event(Event::State { link: self.id, peer: self.remote, state });
    }

    /// Takes the name by which the network of a relay knows this UE from now on.
    pub(super) fn is_known_as(&mut self, pruk_id: Option<[u8; 8]>) {
        if let (Some(relay), Some(id)) = (&mut self.relay, pruk_id) {
            relay.user = Identity { kind: Identity::PRUK_ID, value: id.to_vec() };
        }
    }

    /// Reports that the link has ended. A link to a relay takes its KD with it.
    pub(super) fn ended(&self, local: &mut Local, why: Closed) {
        self.report(local, super::io::State::Closed { why });
        local.forget_relay(self.relay.as_ref(), &self.identity);
    }

    /// Reports that the link is up, with a warning when nothing is proven.
    pub(super) fn report_up(&self, local: &mut Local, role: Role, keys: Keys) {
        let assurance = keys.assurance();
        self.report(local, super::io::State::Up { role, assurance, keys });
        if assurance != Assurance::Verified {
            local.note(Note::NotAuthenticatedLink { peer: self.remote });
        }
    }

    /// Sends a message without protection.
    pub(super) fn send_plain(&mut self, local: &mut Local, body: Body<'_>) {
        let message = frame::message(local.config.profile, self.next_sequence(), body);
        local.send_plain([self.local, self.remote], body.message_type(), &message);
    }

    /// Sends a message under a key. Nothing is sent when the key is exhausted: the link gave it up before.
    pub(super) fn send_protected(
        &mut self,
        local: &mut Local,
        active: &mut Active,
        lcid: Lcid,
        body: Body<'_>,
    ) {
        let message = frame::message(local.config.profile, self.next_sequence(), body);
        self.send_message(local, active, lcid, (body.message_type(), &message));
    }

    /// Sends a whole message under a key, for the first time or again.
    pub(super) fn send_message(
        &self,
        local: &mut Local,
        active: &mut Active,
        lcid: Lcid,
        (kind, message): (MessageType, &[u8]),
    ) {
        let Ok(octets) = frame::seal(active, lcid, SduType::Pc5Signalling, message) else { return };
        let (kind, session) = (Some(kind), Some(active.fingerprint()));
        let (source, peer) = (self.local, self.remote);
        local.transmit(Pdu { source, peer, lcid, message: kind, session, octets }, message.len());
    }

    /// Reports a message that is not expected in this state or on this channel.
    pub(super) fn unexpected(&self, local: &mut Local, message: &Message<'_>) {
        let why = match message.lcid {
            Lcid::PC5_S_SECURITY_MODE => "not on this channel",
            _ => "not in this state",
        };
        let (source, lcid) = (self.remote, message.lcid);
        local.note(Note::Unexpected { source, lcid, message: message.repr.body.message_type(), why });
    }
}

impl State {
    /// Whether the link is being set up.
    pub(super) const fn is_connecting(&self) -> bool {
        matches!(self, Self::AwaitingSecurityMode(_) | Self::StoringKd(_) | Self::AwaitingAccept(_))
    }

    /// Whether this end waits for a command to this nonce.
    pub(super) fn asked_with(&self, nonce: &Nonce) -> bool {
        match self {
            Self::AwaitingSecurityMode(state) => state.request.offer().nonce_1 == *nonce,
            Self::Up(up) => up.exchange.request().is_some_and(|request| request.offer().nonce_1 == *nonce),
            _ => false,
        }
    }

    /// Returns the sending key.
    pub(super) const fn active(&self) -> Option<&Active> {
        match self {
            Self::AwaitingSecurityMode(_) | Self::StoringKd(_) => None,
            Self::AwaitingAccept(state) => Some(&state.active),
            Self::Up(up) => Some(&up.session.active),
            Self::Releasing(releasing) => Some(&releasing.session.active),
        }
    }

    /// Calls `f` with the ID of each session key by which this end could open a PDU.
    pub(super) fn for_each_id(&self, mut f: impl FnMut(KdSessId)) {
        match self {
            Self::AwaitingSecurityMode(_) => {}
            Self::StoringKd(state) => f(state.active.id()),
            Self::AwaitingAccept(state) => f(state.active.id()),
            Self::Up(up) => {
                up.session.for_each_id(&mut f);
                up.exchange.for_each_id(&mut f);
            }
            Self::Releasing(releasing) => releasing.session.for_each_id(&mut f),
        }
    }

    pub(super) fn deadline(&self, local: &Local) -> UtcTime {
        match self {
            Self::AwaitingSecurityMode(state) => state.deadline,
            Self::StoringKd(state) => state.deadline,
            Self::AwaitingAccept(state) => state.deadline,
            Self::Up(up) => up.deadline(local),
            Self::Releasing(releasing) => releasing.deadline(),
        }
    }

    /// Handles the timer of the state.
    pub(super) fn on_time(self, link: &mut Common, local: &mut Local) -> Next {
        match self {
            Self::AwaitingSecurityMode(state) => state.on_time(link, local),
            Self::StoringKd(state) => state.on_time(link, local),
            Self::AwaitingAccept(state) => state.on_time(link, local),
            Self::Up(up) => up.on_time(link, local),
            Self::Releasing(releasing) => releasing.on_time(link, local),
        }
    }

    /// Handles a message under a key of the link.
    pub(super) fn on_message(self, link: &mut Common, local: &mut Local, message: &Message<'_>) -> Next {
        match self {
            Self::AwaitingAccept(state) => state.on_message(link, local, message),
            Self::Up(up) => up.on_message(link, local, message),
            Self::Releasing(releasing) => releasing.on_message(link, local, message),
            // No key of these states opens a message.
            state @ (Self::AwaitingSecurityMode(_) | Self::StoringKd(_)) => Next::To(state),
        }
    }
}

impl Link {
    /// Whether this end could open a PDU with the key of this ID.
    pub(super) fn has_id(&self, id: KdSessId) -> bool {
        let mut has = false;
        self.state.for_each_id(|known| has |= known == id);
        has
    }

    /// Whether the peer may send from this source.
    pub(super) fn hears(&self, source: Layer2Id) -> bool {
        self.common.remote == source
            || match &self.state {
                State::Up(up) => up.exchange.hears(source) || up.session.heard_from(source),
                State::Releasing(releasing) => releasing.session.heard_from(source),
                _ => false,
            }
    }

    /// Returns the addresses to which the peer may send.
    pub(super) fn addresses(&self) -> impl Iterator<Item = Layer2Id> + '_ {
        let (new, session) = match &self.state {
            State::Up(up) => (up.exchange.new_address(), Some(&up.session)),
            State::Releasing(releasing) => (None, Some(&releasing.session)),
            _ => (None, None),
        };
        let old = session.into_iter().flat_map(|session| session.retired.iter().map(|old| old.local));
        [self.common.local].into_iter().chain(new).chain(old)
    }

    /// Marks the IDs and addresses that this link uses.
    pub(super) fn mark(&self, in_use: &mut InUse) {
        self.state.for_each_id(|id| in_use.add(id));
        let requested = match &self.state {
            State::AwaitingSecurityMode(state) => Some(&state.request),
            State::Up(up) => up.exchange.request(),
            _ => None,
        };
        requested.into_iter().for_each(|request| in_use.add_msb(request.msb()));
        self.addresses().for_each(|address| in_use.add_address(address));
        self.remotes().for_each(|address| in_use.add_address(address));
    }

    /// Returns the addresses from which the peer sends: now, at set-up, before a change, and after the pending one.
    pub(super) fn remotes(&self) -> impl Iterator<Item = Layer2Id> + '_ {
        let (retired, new) = match &self.state {
            State::Up(up) => (&up.session.retired[..], up.exchange.new_remote()),
            State::Releasing(releasing) => (&releasing.session.retired[..], None),
            _ => (&[][..], None),
        };
        let old = retired.iter().map(|old| old.remote);
        [self.common.remote, self.common.permanent].into_iter().chain(new).chain(old)
    }

    /// Returns the keys in use.
    pub(super) fn keys(&self) -> Option<Keys> {
        match &self.state {
            State::Up(up) => Some(up.session.keys()),
            _ => None,
        }
    }
}
