//! Root keys that a UE shares with others: durable, chosen by their IDs.

use core::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::KdId;
use sidelink_security::direct::signed::Vouched;
use sidelink_security::keys::Kd;

use super::admission::Admission;

/// Length limit of an identity, octets.
pub const MAX_IDENTITY: usize = 64;

/// Identity of a UE: User Info of TS 24.334 §12.5.1.3, a type of identity and its value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// Type: 1 of upper layers, 2 PRUK ID, 3 IMSI.
    pub kind: u8,
    /// Value, at most [`MAX_IDENTITY`] octets.
    pub value: Vec<u8>,
}

impl Identity {
    /// Type of upper-layer user info.
    // TS 24.334 §12.5.1.3 (1)
    pub const USER: u8 = 1;
    /// Type of a PRUK ID.
    pub const PRUK_ID: u8 = 2;
    /// Type of an IMSI.
    pub const IMSI: u8 = 3;

    /// Returns an identity of upper-layer user info.
    pub fn user(name: &str) -> Self {
        Self { kind: Self::USER, value: name.as_bytes().to_vec() }
    }

    /// Returns an identity of upper-layer user info of these octets.
    pub fn user_of(name: &[u8]) -> Self {
        Self { kind: Self::USER, value: name.to_vec() }
    }

    /// Returns the name under which a key management server knows the user: `ProSe:` and the user info. `None` for an
    /// identity of another type, and for user info that is no text.
    pub fn kms_user(&self) -> Option<String> {
        let text = core::str::from_utf8(&self.value).ok().filter(|_| self.kind == Self::USER);
        text.map(|text| format!("ProSe:{text}"))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({self})")
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((role, [a, b, c])) = self.role() {
            return write!(f, "{} as {role} of {a:02x}{b:02x}{c:02x}", Self::user_of(self.name()));
        }
        match core::str::from_utf8(&self.value) {
            Ok(text) if text.chars().all(|c| !c.is_control()) => write!(f, "{text:?}"),
            _ => {
                write!(f, "{}:", self.kind)?;
                self.value.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
            }
        }
    }
}

/// Origin of a KD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Given to both by the operator. Never removed by the machine.
    PreShared,
    /// Made from signed ephemeral keys.
    Signed,
}

/// One-time identities for the next set-up under a KD, similar to an S-TMSI: TR 33.833 §6.4.1.4.2. Each end gives the
/// other the identity that the other's next request carries instead of its own identity and the KD ID.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Connection {
    /// The identity that this UE gave: the peer's next request is recognised by it.
    pub local: Option<[u8; 4]>,
    /// The one that it gave before: the peer may not have received the new one.
    pub previous: Option<[u8; 4]>,
    /// The identity that the peer gave: the next request of this UE carries it.
    pub remote: Option<[u8; 4]>,
}

/// A KD with its attributes.
#[derive(Debug, PartialEq, Eq)]
pub struct KdRecord {
    /// KD ID.
    pub id: KdId,
    /// The key.
    pub kd: Kd,
    /// The UE with which it is shared.
    pub peer: Identity,
    /// Origin.
    pub method: Method,
    /// First moment at which it is not valid any more.
    pub expiry: UtcTime,
    /// Session number of this UE when it was made: its use ends [`Self::SESSIONS`] later.
    pub created_at: u64,
    /// One-time identities.
    pub connection: Connection,
    /// The certificate that vouched for the peer when the key was made, if any: the key ends with it.
    pub vouched: Option<Vouched>,
}

impl KdRecord {
    /// Largest number of sessions of one KD (ours).
    pub const SESSIONS: u64 = 1 << 16;

    /// Returns a key that the operator gave to both, without expiry.
    pub const fn pre_shared(id: KdId, kd: Kd, peer: Identity) -> Self {
        Self {
            id,
            kd,
            peer,
            method: Method::PreShared,
            expiry: UtcTime::from_millis(u64::MAX),
            created_at: u64::MAX,
            connection: Connection { local: None, previous: None, remote: None },
            vouched: None,
        }
    }

    /// Whether three quarters of its life of `lifetime` milliseconds are over, or of its sessions. Never for a
    /// pre-shared key.
    pub(super) fn due(&self, now: UtcTime, number: u64, lifetime: u64) -> bool {
        self.method == Method::Signed
            && (now.plus_millis(lifetime / 4) >= self.expiry
                || number.saturating_sub(self.created_at) >= Self::SESSIONS / 4 * 3)
    }

    /// Whether a network gave it to a relay for one link of a remote UE.
    pub(super) fn is_of_relay(&self) -> bool {
        self.method == Method::Signed && matches!(self.peer.kind, Identity::PRUK_ID | Identity::IMSI)
    }

    /// Makes a second copy of the same key: the caller is responsible for it.
    pub fn copy(&self) -> Self {
        Self {
            id: self.id,
            kd: Kd::from(*self.kd.as_bytes()),
            peer: self.peer.clone(),
            method: self.method,
            expiry: self.expiry,
            created_at: self.created_at,
            connection: self.connection,
            vouched: self.vouched.clone(),
        }
    }
}

/// Identifies a [`super::Output::Store`] or a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// A change of the durable keys.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// Add this key.
    Put(KdRecord),
    /// Remove the key with this ID and peer.
    Remove(KdId, Identity),
    /// Set the time of the newest message taken from a sender.
    Admit(Admission),
    /// Remove the time of a sender.
    Forget(Identity),
}

impl Change {
    /// Makes a second copy of the same change: the caller is responsible for it.
    pub(super) fn copy(&self) -> Self {
        match self {
            Self::Put(record) => Self::Put(record.copy()),
            Self::Remove(id, peer) => Self::Remove(*id, peer.clone()),
            Self::Admit(admission) => Self::Admit(admission.clone()),
            Self::Forget(sender) => Self::Forget(sender.clone()),
        }
    }
}

/// The keys in memory: the durable ones, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Keyring {
    records: Vec<KdRecord>,
}

impl Keyring {
    pub(super) fn add(&mut self, record: KdRecord) {
        self.records.retain(|r| r.id != record.id || r.peer != record.peer);
        self.records.push(record);
    }

    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Put(record) => self.add(record),
            Change::Remove(id, peer) => self.records.retain(|r| r.id != id || r.peer != peer),
            Change::Admit(_) | Change::Forget(_) => {}
        }
    }

    fn usable(record: &KdRecord, now: UtcTime, number: u64) -> bool {
        now < record.expiry && number.saturating_sub(record.created_at) < KdRecord::SESSIONS
    }

    /// Returns the keys shared with a peer, the newest first.
    pub(super) fn of_peer(
        &self,
        peer: &Identity,
        now: UtcTime,
        number: u64,
    ) -> impl Iterator<Item = &KdRecord> {
        self.records.iter().rev().filter(move |r| r.peer == *peer && Self::usable(r, now, number))
    }

    /// Returns the key with an ID, if it is shared with this peer.
    pub(super) fn find(&self, id: KdId, peer: &Identity, now: UtcTime, number: u64) -> Option<&KdRecord> {
        self.of_peer(peer, now, number).find(|r| r.id == id)
    }

    /// Returns the key whose peer was given this one-time identity.
    pub(super) fn by_connection(&self, given: [u8; 4], now: UtcTime, number: u64) -> Option<&KdRecord> {
        let known = |r: &&KdRecord| [r.connection.local, r.connection.previous].contains(&Some(given));
        self.records.iter().find(|r| known(r) && Self::usable(r, now, number))
    }

    /// Whether half of an ID is in use by any key.
    pub(super) fn half_taken(&self, half: impl Fn(KdId) -> bool) -> bool {
        self.records.iter().any(|r| half(r.id))
    }

    /// Returns the keys that methods made.
    pub(super) fn derived(&self) -> impl Iterator<Item = &KdRecord> {
        self.records.iter().filter(|record| record.method == Method::Signed)
    }

    /// Returns changes that remove the derived keys of a peer.
    pub(super) fn derived_with(&self, peer: &Identity) -> Vec<Change> {
        let derived = self.derived().filter(|record| record.peer == *peer);
        derived.map(|record| Change::Remove(record.id, record.peer.clone())).collect()
    }

    /// Returns changes that remove the derived keys of a peer but one.
    pub(super) fn others(&self, peer: &Identity, but: KdId) -> Vec<Change> {
        let derived =
            self.records.iter().filter(|r| r.peer == *peer && r.id != but && r.method == Method::Signed);
        derived.map(|r| Change::Remove(r.id, r.peer.clone())).collect()
    }
}
