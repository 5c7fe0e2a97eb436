//! What one end knows of a link, and of a link to be.

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::signed::{Challenged, Credential, Ephemeral, Trust};
use sidelink_security::direct::{
    Active, Fingerprint, KdId, KdSessId, Offer, Proposed, Renamed, Requested, Retired,
};
use sidelink_security::keys::Kd;

use super::io::{Keys, LinkId};
use super::kd::{Identity, KdRecord, Ticket};
use super::note::Cause;
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::pc5_signalling::Identifiers;

/// What this UE proves itself with, and whom it believes.
#[derive(Debug)]
pub(super) struct Signer {
    pub(super) credential: Credential,
    pub(super) trust: Trust,
}

/// UE_1's part of an authentication.
#[derive(Debug)]
pub(super) struct Signing {
    pub(super) ephemeral: Ephemeral,
    /// The request, which both sign.
    pub(super) request: Vec<u8>,
    pub(super) agreed: Option<Kd>,
}

/// Where a link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// UE_1 before the accept.
    Connecting,
    /// In use.
    Up,
    /// A release is on its way.
    Releasing,
}

/// What UE_2 answered last to a complete: what to repeat when the complete comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Accept,
    Response,
}

/// One link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: LinkId,
    /// Where this end sends from.
    pub(super) own: Layer2Id,
    /// Where the peer listens.
    pub(super) peer: Layer2Id,
    /// Where it did when the link was set up.
    pub(super) home: Layer2Id,
    pub(super) identity: Identity,
    pub(super) stage: Stage,
    /// What sends, and what new PDUs are opened with.
    pub(super) active: Option<Active>,
    /// What old PDUs are opened with, and until when.
    pub(super) retired: Vec<Old>,
    /// UE_1's side of an exchange of keys.
    pub(super) asking: Option<Asking>,
    /// UE_2's side of one: in re-keying only, set-ups wait in the table of half-open links.
    pub(super) answering: Option<Answering>,
    /// A change of identifiers.
    pub(super) update: Option<Update>,
    /// The name that this end gave the peer in this set-up: to repeat it.
    pub(super) given: Option<[u8; 4]>,
    /// The peer's identifiers of the last change: for its answer again.
    pub(super) acknowledged: Option<Identifiers>,
    /// When the identifiers were last changed.
    pub(super) renamed: UtcTime,
    pub(super) kd: KdId,
    pub(super) answer: Answer,
    pub(super) sequence: u16,
    /// When the peer was last proven to be there.
    pub(super) heard: UtcTime,
    pub(super) rekeyed: UtcTime,
    pub(super) keepalive: Option<Repeat>,
    pub(super) counter: u32,
    pub(super) release: Option<Repeat>,
    /// The last refusal in the peer's name during set-up.
    pub(super) hint: Option<Cause>,
    /// Tries of the set-up.
    pub(super) tries: u8,
}

/// What an end used before, and still hears.
#[derive(Debug)]
pub(super) struct Old {
    pub(super) retired: Retired,
    pub(super) until: UtcTime,
    pub(super) own: Layer2Id,
    pub(super) peer: Layer2Id,
}

/// A change of identifiers. TS 24.554 §7.2.4.
#[derive(Debug)]
pub(super) enum Update {
    /// This end asked for its new ones.
    Asking { new: Identifiers, repeat: Repeat },
    /// This end accepted, and hears under both names; the peer has not yet shown that it knows.
    Answering { asked: Identifiers, new: Identifiers, renamed: Renamed, repeat: Repeat },
}

impl Update {
    pub(super) const fn repeat(&self) -> &Repeat {
        match self {
            Self::Asking { repeat, .. } | Self::Answering { repeat, .. } => repeat,
        }
    }
}

/// A message that is repeated until it is answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Repeat {
    pub(super) deadline: UtcTime,
    pub(super) tries: u8,
}

/// UE_1's side of an exchange.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) requested: Requested,
    /// The KD that the request names.
    pub(super) kd: Option<KdId>,
    pub(super) reauthenticate: bool,
    /// The authentication that the request offers.
    pub(super) signing: Option<Signing>,
    /// It carries a cookie.
    pub(super) cookie: bool,
    /// Our half of a new KD's ID.
    pub(super) kd_lsb: u16,
    pub(super) phase: Asked,
    pub(super) deadline: UtcTime,
    pub(super) tries: u8,
    /// The message type that stands in answers to this exchange: set-up or re-keying.
    pub(super) rekeying: bool,
}

/// How far UE_1 is.
#[derive(Debug)]
pub(super) enum Asked {
    /// The request is sent.
    Requested,
    /// The command was right; the new KD becomes durable.
    Storing { ticket: Ticket, active: Active, record: KdRecord },
    /// The complete is sent.
    Completed { kd: KdId, new_kd: bool },
}

/// UE_2's side of an exchange.
#[derive(Debug)]
pub(super) struct Answering {
    pub(super) offer: Offer,
    pub(super) phase: Commanded,
    /// The octets of the command, to repeat it.
    pub(super) command: Vec<u8>,
    pub(super) deadline: UtcTime,
    pub(super) tries: u8,
}

/// How far UE_2 is.
#[derive(Debug)]
pub(super) enum Commanded {
    /// The signature is sent, that of UE_1 is awaited.
    Challenged(Challenged),
    /// The command is sent under this KD. A new one has only UE_2's half of its name yet.
    Proposed { proposed: Proposed, kd: KdInUse },
    /// The complete was right; the new KD becomes durable.
    Storing { ticket: Ticket, active: Active, kd: KdId, connection: Option<[u8; 4]> },
    /// Between two states of one function; nothing is in it.
    Moving,
}

/// The KD of an exchange.
#[derive(Debug)]
pub(super) enum KdInUse {
    /// Durable already.
    Known(KdId),
    /// Agreed on in this exchange.
    New(KdRecord),
}

/// A request that UE_2 has answered, until its proof comes.
#[derive(Debug)]
pub(super) struct HalfOpen {
    pub(super) source: Layer2Id,
    pub(super) identity: Identity,
    pub(super) answering: Answering,
}

impl Answering {
    /// Public name of the session key that was proposed.
    pub(super) fn session(&self) -> Option<Fingerprint> {
        match &self.phase {
            Commanded::Proposed { proposed, .. } => Some(proposed.fingerprint()),
            Commanded::Storing { active, .. } => Some(active.fingerprint()),
            Commanded::Challenged(_) | Commanded::Moving => None,
        }
    }

    /// Name of the session key that was proposed.
    pub(super) const fn id(&self) -> Option<KdSessId> {
        match &self.phase {
            Commanded::Proposed { proposed, .. } => Some(proposed.id()),
            Commanded::Storing { active, .. } => Some(active.id()),
            Commanded::Challenged(_) | Commanded::Moving => None,
        }
    }
}

impl Link {
    pub(super) fn new(id: LinkId, [own, peer]: [Layer2Id; 2], identity: Identity, now: UtcTime) -> Self {
        Self {
            id,
            own,
            peer,
            home: peer,
            update: None,
            acknowledged: None,
            given: None,
            renamed: now,
            identity,
            stage: Stage::Connecting,
            active: None,
            retired: Vec::new(),
            asking: None,
            answering: None,
            kd: KdId(0),
            answer: Answer::Accept,
            sequence: 0,
            heard: now,
            rekeyed: now,
            keepalive: None,
            counter: 0,
            release: None,
            hint: None,
            tries: 0,
        }
    }

    /// The names of the session keys that this end could open something with.
    pub(super) fn ids(&self) -> impl Iterator<Item = KdSessId> + '_ {
        let retired = self.retired.iter().map(|old| old.retired.id());
        let renamed = self.update.iter().filter_map(|update| match update {
            Update::Answering { renamed, .. } => Some(renamed.id()),
            Update::Asking { .. } => None,
        });
        let active = self.active.iter().map(Active::id);
        let answering = self.answering.iter().filter_map(Answering::id);
        let storing = self.asking.iter().filter_map(|asking| match &asking.phase {
            Asked::Storing { active, .. } => Some(active.id()),
            _ => None,
        });
        active.chain(retired).chain(renamed).chain(answering).chain(storing)
    }

    /// Whether the peer may send from there.
    pub(super) fn hears(&self, source: Layer2Id) -> bool {
        let new = match &self.update {
            Some(Update::Answering { asked, .. }) => Some(Layer2Id::from_octets(asked.layer2)),
            _ => None,
        };
        self.peer == source || new == Some(source) || self.retired.iter().any(|old| old.peer == source)
    }

    /// Where the peer may send to.
    pub(super) fn addresses(&self) -> impl Iterator<Item = Layer2Id> + '_ {
        let new = self.update.iter().map(|update| match update {
            Update::Asking { new, .. } | Update::Answering { new, .. } => Layer2Id::from_octets(new.layer2),
        });
        [self.own].into_iter().chain(new).chain(self.retired.iter().map(|old| old.own))
    }

    /// New keys take over; the old ones still open.
    pub(super) fn switch(&mut self, active: Active, until: UtcTime, keep: usize) {
        if let Some(old) = self.active.replace(active) {
            let (own, peer) = (self.own, self.peer);
            self.retired.push(Old { retired: old.retire(), until, own, peer });
            if self.retired.len() > keep {
                self.retired.remove(0);
            }
        }
    }

    pub(super) fn keys(&self) -> Option<Keys> {
        let active = self.active.as_ref()?;
        let (session, fingerprint, chosen) = (active.id(), active.fingerprint(), active.chosen());
        Some(Keys { kd: self.kd, session, fingerprint, chosen })
    }

    pub(super) const fn next_sequence(&mut self) -> u16 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }
}
