//! The receiving side of a group.

use super::{GroupConfig, GroupKey, Traffic};
use crate::cipher::{Bearer, Direction, Inputs, Integrity, MacI};
use crate::counter::replay::{ReplayWindow, Replayed, UnprovenWindow};
use crate::counter::{Count, UtcCounter};
use crate::pdu::{PduRefusal, Proof};

/// Order of the PTK identities of a sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PtkOrder {
    /// They rise (TS 33.303 §6.2.3.2), as ours do: one replay window covers PTK identity and SN, and no old PTK comes
    /// back.
    #[default]
    Rising,
    /// They are only unique, from a sender that does not use them in order (TS 33.303 §6.2.3.2 demands order): each has
    /// a window, and PDUs under a PTK whose window was dropped can be replayed.
    Any,
}

/// Configuration of a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverConfig {
    /// Configuration of the group.
    pub group: GroupConfig,
    /// Whether to accept PDUs without protection (PGK index 0 and PTK identity 0). TS 36.323 §5.6.1.
    pub accept_unprotected: bool,
    /// Seconds for which the PGK that expired last still opens PDUs of stragglers. The standard sets no end
    /// (TS 33.303 §6.2.3.1); any other expired PGK opens nothing.
    pub grace: u32,
    /// Order of PTK identities.
    pub ptk_order: PtkOrder,
    /// Number of replay windows that are kept: (sender, PGK, logical channel). With a MAC-I only verified senders take
    /// one. When all are taken a new sender is refused until a PGK expires: a dropped window would let its PDUs in
    /// again.
    pub windows: usize,
    /// Number of ciphers that are kept ready: (sender, PTK identity). Dropped ones are derived again.
    pub ciphers: usize,
}

impl ReceiverConfig {
    /// Returns a configuration with 64 senders, an hour of grace, and no unprotected PDUs.
    pub const fn new(group: GroupConfig) -> Self {
        Self {
            group,
            accept_unprotected: false,
            grace: 3600,
            ptk_order: PtkOrder::Rising,
            windows: 256,
            ciphers: 128,
        }
    }
}

/// Fields of the headers of a PDU. TS 36.323 §6.2.10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Layer-2 source: the Group Member Identity of the sender.
    pub source: [u8; 3],
    /// Logical channel.
    pub lcid: u8,
    /// PGK index, 5 bits.
    pub pgk_index: u8,
    /// PTK identity.
    pub ptk_identity: u16,
    /// PDCP SN.
    pub sn: u16,
}

/// A PDU that was opened.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Opened {
    /// End of the data in the buffer; they begin after the header.
    pub end: usize,
    /// Proof of the data.
    pub proof: Proof,
    /// The PGK that opened it; `None` without protection.
    pub pgk_id: Option<u8>,
}

/// A group at a receiver. Allocates when it is made and when a key is installed, not per PDU.
pub struct Receiver {
    config: ReceiverConfig,
    keys: Vec<GroupKey>,
    windows: Remembered<WindowKey, Window>,
    ciphers: Remembered<CipherKey, Traffic>,
}

type WindowKey = (u8, [u8; 3], u8, u16);
type CipherKey = (u8, [u8; 3], u16);

impl Receiver {
    /// Makes a receiver without a key.
    pub fn new(config: ReceiverConfig) -> Self {
        Self {
            config,
            keys: Vec::new(),
            windows: Remembered::new(config.windows),
            ciphers: Remembered::new(config.ciphers),
        }
    }

    /// Returns the configuration.
    pub const fn config(&self) -> &ReceiverConfig {
        &self.config
    }

    /// Adds a PGK. Returns the key as the error when one in use has the same index.
    // TS 33.303 §6.2.2
    pub fn install(&mut self, key: GroupKey) -> Result<(), GroupKey> {
        if self.keys.iter().any(|k| k.index() == key.index()) {
            return Err(key);
        }
        self.keys.push(key);
        Ok(())
    }

    /// Removes the keys whose grace is over, with their windows and ciphers.
    pub fn expire(&mut self, now: UtcCounter) {
        let grace = self.config.grace;
        self.keys.retain(|k| k.expiry.plus(grace) > now);
        self.forget_removed();
    }

    /// Removes a PGK before its validity is over, with its windows and ciphers: nothing more is opened under it, not
    /// even in the grace.
    ///
    /// Installed again, it has no window: what was heard under it is then accepted once more.
    pub fn remove(&mut self, pgk_id: u8) {
        self.keys.retain(|k| k.pgk_id != pgk_id);
        self.forget_removed();
    }

    fn forget_removed(&mut self) {
        let keys = &self.keys;
        let live = |pgk_id: u8| keys.iter().any(|k| k.pgk_id == pgk_id);
        self.windows.retain(|(pgk_id, ..)| live(*pgk_id));
        self.ciphers.retain(|(pgk_id, ..)| live(*pgk_id));
    }

    /// Opens a PDU in place: `header` octets of PDCP header, then the protected part. `now` is for the validity of
    /// keys.
    ///
    /// On a refusal after deciphering the data are zeros.
    // TS 33.303 §6.2.3.3.1 step 4
    pub fn open(
        &mut self,
        now: UtcCounter,
        incoming: Incoming,
        pdu: &mut [u8],
        header: usize,
    ) -> Result<Opened, PduRefusal> {
        if incoming.pgk_index == 0 && incoming.ptk_identity == 0 {
            return self.open_unprotected(pdu.len(), header);
        }
        let group = self.config.group;
        let end = pdu.len().checked_sub(group.mac_octets()).filter(|end| *end >= header);
        let end = end.ok_or(PduRefusal::TooShort)?;
        let key = key(&self.keys, self.config.grace, now, incoming.pgk_index)?;
        let count = Count::from_parts(incoming.ptk_identity, incoming.sn);
        let window_key = match self.config.ptk_order {
            PtkOrder::Rising => (key.pgk_id, incoming.source, incoming.lcid, 0),
            PtkOrder::Any => (key.pgk_id, incoming.source, incoming.lcid, incoming.ptk_identity),
        };
        match self.windows.get(&window_key) {
            Some(window) => window.check(count)?,
            // A dropped window would let its PDUs in again.
            None if self.windows.is_full() => return Err(PduRefusal::TooManySenders),
            None => {}
        }

        let cipher_key = (key.pgk_id, incoming.source, incoming.ptk_identity);
        let traffic = self.ciphers.get_or_insert_with(cipher_key, || {
            Traffic::new(&group, &key.pgk, incoming.source, incoming.ptk_identity)
        });
        let bearer = Bearer::from_lcid(incoming.lcid);
        // TS 33.303 §6.2.3.6.1 (2); TS 36.323 §5.6.1 (1)
        let inputs = Inputs { count, bearer, direction: Direction::Zero };
        traffic.eea.apply(inputs, &mut pdu[header..]);
        let proof = match &traffic.eia {
            None => Proof::Deciphered,
            Some(eia) => {
                let (message, tag) = pdu.split_at(end);
                let mac_i = tag.first_chunk().map(|tag| MacI(*tag)).ok_or(PduRefusal::TooShort)?;
                match eia.verify(inputs, message, &mac_i) {
                    Ok(Integrity::Verified(proof)) => Proof::Integrity(proof),
                    Ok(Integrity::NotProtected) => Proof::Deciphered,
                    Err(_) => {
                        pdu[header..].fill(0);
                        return Err(PduRefusal::BadMac);
                    }
                }
            }
        };
        let new = || Window::new(&group);
        // TS 36.323 §5.1.2.1.4.1 (1)
        self.windows.get_or_insert_with(window_key, new).accept(count)?;
        Ok(Opened { end, proof, pgk_id: Some(cipher_key.0) })
    }

    /// Opens a PDU of `len` octets without a key.
    fn open_unprotected(&self, len: usize, header: usize) -> Result<Opened, PduRefusal> {
        match self.config.accept_unprotected {
            true if len >= header => Ok(Opened { end: len, proof: Proof::Unprotected, pgk_id: None }),
            true => Err(PduRefusal::TooShort),
            false => Err(PduRefusal::Unprotected),
        }
    }
}

/// Returns the PGK of an index, if it may open a PDU now.
// TS 33.303 §6.2.3.1 (5)
fn key(keys: &[GroupKey], grace: u32, now: UtcCounter, index: u8) -> Result<&GroupKey, PduRefusal> {
    let key = keys.iter().find(|key| key.index() == index).ok_or(PduRefusal::UnknownKey)?;
    let replaced = |other: &GroupKey| key.expiry < other.expiry && other.expiry <= now;
    let expired = now >= key.expiry && keys.iter().any(replaced);
    if expired || now >= key.expiry.plus(grace) || now < key.valid_from {
        return Err(PduRefusal::Expired);
    }
    Ok(key)
}

/// The accepted COUNT values of one sender, proven by a MAC-I or not.
// Not boxed: a new sender needs no allocation.
#[allow(clippy::large_enum_variant)]
enum Window {
    Proven(ReplayWindow),
    Unproven(UnprovenWindow),
}

impl Window {
    fn new(group: &GroupConfig) -> Self {
        match group.eia() {
            Some(_) => Self::Proven(ReplayWindow::new()),
            None => Self::Unproven(UnprovenWindow::new()),
        }
    }

    fn check(&self, count: Count) -> Result<(), Replayed> {
        match self {
            Self::Proven(window) => window.check(count),
            Self::Unproven(window) => window.check(count),
        }
    }

    fn accept(&mut self, count: Count) -> Result<(), Replayed> {
        match self {
            Self::Proven(window) => window.accept(count),
            Self::Unproven(window) => window.accept(count),
        }
    }
}

/// A sorted table of fixed capacity that drops the least recently used entry. A look-up is a binary search.
struct Remembered<K, V> {
    entries: Vec<(K, u64, V)>,
    capacity: usize,
    clock: u64,
}

impl<K: Ord + Copy, V> Remembered<K, V> {
    fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self { entries: Vec::with_capacity(capacity), capacity, clock: 0 }
    }

    fn is_full(&self) -> bool {
        self.entries.len() == self.capacity
    }

    fn get(&self, key: &K) -> Option<&V> {
        let i = self.entries.binary_search_by_key(key, |(k, ..)| *k).ok()?;
        Some(&self.entries[i].2)
    }

    fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        self.clock += 1;
        let i = match self.entries.binary_search_by_key(&key, |(k, ..)| *k) {
            Ok(i) => i,
            Err(mut i) => {
                if self.is_full() {
                    let oldest = (0..self.entries.len()).min_by_key(|i| self.entries[*i].1).unwrap_or(0);
                    self.entries.remove(oldest);
                    i -= usize::from(oldest < i);
                }
                self.entries.insert(i, (key, 0, make()));
                i
            }
        };
        let entry = &mut self.entries[i];
        entry.1 = self.clock;
        &mut entry.2
    }

    fn retain(&mut self, keep: impl Fn(&K) -> bool) {
        self.entries.retain(|(k, ..)| keep(k));
    }
}
