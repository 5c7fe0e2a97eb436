//! The sending side of a group.

use std::fmt;

use super::{GroupConfig, GroupKey, Traffic, usable};
use crate::cipher::{Bearer, Direction, Inputs};
use crate::counter::reserve::{
    CommitError, CounterStore, Granted, Lease, Reservation, ReserveConfig, StreamId, TakeError,
};
use crate::counter::{Count, UtcCounter};
use crate::kdf::own::stream_id;

/// The first usable COUNT: PTK identity 1, SN 1.
// TS 33.303 §6.2.3.2 (5)
const FIRST: u64 = 0x1_0001;

/// One past the last COUNT.
const LIMIT: u64 = 1 << 32;

/// One member's keys for sending to one group.
pub struct Sender {
    config: GroupConfig,
    member: [u8; 3],
    keys: Vec<SendKey>,
}

struct SendKey {
    key: GroupKey,
    lease: Lease,
    /// The current PTK identity and its cipher.
    traffic: Option<(u16, Traffic)>,
}

/// One COUNT, for one PDU and no other, and the values for its PDCP header.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Ticket {
    pgk_id: u8,
    count: Count,
}

impl Ticket {
    /// Returns the PGK index for the header. TS 36.323 §6.3.12.
    pub const fn pgk_index(&self) -> u8 {
        // TS 36.323 §6.3.12
        self.pgk_id & 0x1f
    }

    /// Returns the PTK identity for the header. TS 36.323 §6.3.13.
    pub const fn ptk_identity(&self) -> u16 {
        self.count.identity()
    }

    /// Returns the PDCP SN for the header.
    pub const fn sn(&self) -> u16 {
        self.count.sn()
    }

    /// Returns the PGK ID.
    pub const fn pgk_id(&self) -> u8 {
        self.pgk_id
    }
}

/// Reason why nothing can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The operator's error: there is no PGK whose validity includes the present. Request one.
    NoValidKey,
    /// The operator's error: every COUNT of this PGK is used. Request a new PGK; COUNT never wraps.
    Exhausted {
        /// The PGK ID that is used up.
        pgk_id: u8,
    },
    /// The next counters are not durable yet; drop this PDU or try again.
    Waiting,
    /// The caller's error: the buffer is shorter than header and MAC-I.
    TooShort,
    /// The caller's error: the key of the ticket was removed meanwhile.
    KeyRemoved,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoValidKey => f.write_str("the group has no valid PGK: request a new one"),
            Self::Exhausted { pgk_id } => {
                write!(f, "every PTK identity and SN of PGK {pgk_id} is used: request a new PGK")
            }
            Self::Waiting => f.write_str("the next counters are not durable yet"),
            Self::TooShort => f.write_str("the buffer is shorter than header and MAC-I"),
            Self::KeyRemoved => f.write_str("the PGK of this ticket was removed"),
        }
    }
}

impl std::error::Error for SendError {}

/// Reason why a PGK cannot be installed.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstallError<E> {
    /// The operator's error: another PGK in use has the same 5 bits of index, and a receiver could not distinguish
    /// them.
    IndexTaken {
        /// The PGK ID that is in use.
        by: u8,
    },
    /// The counters could not be reserved.
    Commit(CommitError<E>),
}

impl<E: fmt::Display> fmt::Display for InstallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IndexTaken { by } => write!(f, "PGK {by} is in use with the same index (5 LSB)"),
            Self::Commit(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for InstallError<E> {}

impl Sender {
    /// Makes a sender. `member` is the Group Member Identity: our layer-2 source address.
    pub const fn new(config: GroupConfig, member: [u8; 3]) -> Self {
        Self { config, member, keys: Vec::new() }
    }

    /// Returns the configuration of the group.
    pub const fn config(&self) -> &GroupConfig {
        &self.config
    }

    /// Returns the stream of counters of (PGK, member): PTK identity and SN are used once, whatever the name of the
    /// key.
    pub fn stream(&self, key: &GroupKey) -> StreamId {
        let mut context = [0; 6];
        context[..3].copy_from_slice(&self.config.group_id);
        context[3..].copy_from_slice(&self.member);
        StreamId(stream_id(key.pgk.as_bytes(), &context))
    }

    /// Adds a PGK, whose counters continue at the number in `store`. Blocks on the medium.
    pub fn install<S: CounterStore>(
        &mut self,
        key: GroupKey,
        reserve: ReserveConfig,
        store: &mut S,
    ) -> Result<(), InstallError<S::Error>> {
        if let Some(other) = self.keys.iter().find(|k| k.key.index() == key.index()) {
            return Err(InstallError::IndexTaken { by: other.key.pgk_id });
        }
        let lease =
            Lease::open(self.stream(&key), FIRST, LIMIT, reserve, store).map_err(InstallError::Commit)?;
        self.keys.push(SendKey { key, lease, traffic: None });
        self.keys.sort_by_key(|k| k.key.expiry);
        Ok(())
    }

    /// Adds a PGK whose counters begin at `stored`, the number of [`Self::stream`] in the store. Never blocks: the first
    /// counters are requested by [`Self::wanted`], and until they are granted nothing is sent under this PGK.
    ///
    /// # Errors
    /// The PGK ID in use with the same index.
    pub fn add(&mut self, key: GroupKey, reserve: ReserveConfig, stored: u64) -> Result<(), u8> {
        if let Some(other) = self.keys.iter().find(|k| k.key.index() == key.index()) {
            return Err(other.key.pgk_id);
        }
        let lease = Lease::at(self.stream(&key), stored, FIRST, LIMIT, reserve);
        self.keys.push(SendKey { key, lease, traffic: None });
        self.keys.sort_by_key(|k| k.key.expiry);
        Ok(())
    }

    /// Removes the keys whose validity is over.
    pub fn expire(&mut self, now: UtcCounter) {
        self.keys.retain(|k| k.key.expiry > now);
    }

    /// Removes a PGK before its validity is over: nothing more is sent under it. A key with its index can be added
    /// then.
    pub fn remove(&mut self, pgk_id: u8) {
        self.keys.retain(|k| k.key.pgk_id != pgk_id);
    }

    /// Takes the next COUNT of the valid PGK that expires first and is not used up. Never blocks.
    // TS 33.303 §6.2.3.1 (3); TS 36.323 §5.1.3 (1)
    pub fn begin(&mut self, now: UtcCounter) -> Result<Ticket, SendError> {
        let mut result = Err(SendError::NoValidKey);
        let valid = self.keys.iter_mut().filter(|k| k.key.valid_from <= now && now < k.key.expiry);
        for send_key in valid {
            match send_key.take() {
                Ok(count) => return Ok(Ticket { pgk_id: send_key.key.pgk_id, count }),
                Err(TakeError::Waiting) => return Err(SendError::Waiting),
                // TS 33.303 §6.2.3.2 (11)
                Err(TakeError::Exhausted) => {
                    result = Err(SendError::Exhausted { pgk_id: send_key.key.pgk_id });
                }
            }
        }
        result
    }

    /// Protects the PDU of a ticket. `pdu` is `header` octets of PDCP header (with the ticket's fields), the data, and
    /// room for [`GroupConfig::mac_octets`] at the end. `lcid` is its logical channel.
    pub fn protect(
        &mut self,
        ticket: Ticket,
        lcid: u8,
        pdu: &mut [u8],
        header: usize,
    ) -> Result<(), SendError> {
        let Some(end) = pdu.len().checked_sub(self.config.mac_octets()).filter(|end| *end >= header) else {
            return Err(SendError::TooShort);
        };
        let (config, member) = (self.config, self.member);
        let send_key =
            self.keys.iter_mut().find(|k| k.key.pgk_id == ticket.pgk_id).ok_or(SendError::KeyRemoved)?;
        // TS 36.323 §5.6.1 (1)
        let traffic = send_key.traffic(&config, member, ticket.count.identity());
        let inputs =
            // TS 33.303 §6.2.3.2 (6)
            Inputs { count: ticket.count, bearer: Bearer::from_lcid(lcid), direction: Direction::Zero };
        if let Some(eia) = &traffic.eia {
            let mac_i = eia.protect(inputs, &pdu[..end]);
            pdu[end..].copy_from_slice(&mac_i.0);
        }
        // TS 36.323 §5.6.1 (2)
        traffic.eea.apply(inputs, &mut pdu[header..]);
        Ok(())
    }

    /// Returns the reservations to be made durable now; pass each [`Granted`] to [`Self::grant`].
    pub fn wanted(&mut self) -> impl Iterator<Item = Reservation> + '_ {
        self.keys.iter_mut().filter_map(|k| k.lease.wanted())
    }

    /// Takes a reservation that is durable.
    pub fn grant(&mut self, granted: Granted) {
        if let Some(key) = self.keys.iter_mut().find(|k| k.lease.stream() == granted.stream()) {
            key.lease.grant(granted);
        }
    }

    /// Records that a reservation of `stream` failed: it is requested again.
    pub fn failed(&mut self, stream: StreamId) {
        if let Some(key) = self.keys.iter_mut().find(|k| k.lease.stream() == stream) {
            key.lease.failed();
        }
    }
}

impl SendKey {
    fn take(&mut self) -> Result<Count, TakeError> {
        loop {
            if let Some(count) = usable(self.lease.take()?) {
                return Ok(count);
            }
        }
    }

    // TS 33.303 §6.2.3.2 (10)
    fn traffic(&mut self, config: &GroupConfig, member: [u8; 3], ptk_identity: u16) -> &Traffic {
        let current = matches!(&self.traffic, Some((id, _)) if *id == ptk_identity);
        if !current {
            self.traffic = None;
        }
        let pgk = &self.key.pgk;
        let (_, traffic) = self
            .traffic
            .get_or_insert_with(|| (ptk_identity, Traffic::new(config, pgk, member, ptk_identity)));
        traffic
    }
}
