//! Keys of groups that come over the air: the machines that agree on them, and how their messages travel.
//!
//! A message of a machine is a long message of PC5 signalling ([`sidelink_wire::long_message`]). To one UE it goes as
//! the messages of a link go before there is a link: under the header of one-to-one communication with KD-sess ID 0,
//! on [`Lcid::PC5_S_UNPROTECTED`]. To a group it goes on the same channel, under the header of one-to-many communication
//! with PGK Index and PTK Identity 0: the standard has no signalling to groups, so that this is our own. Layer 2 protects
//! neither: the messages protect themselves. A message that does not, goes over a protected link: as PC5 signalling, on
//! [`Lcid::PC5_S_PROTECTED`] (`sidelink_prose::direct_link`).
//!
//! `stack/group_keys.rs` drives the machines.
//!
//! ```text
//! identity.rs   keys of groups by identities (TR 33.833 §6.3.1)
//! naf.rs        events of groups whose keys a NAF gives (TR 33.833 §6.3.2)
//! owner.rs      group owner mode (TR 33.833 §6.3.4)
//! ```
//!
//! [`Lcid::PC5_S_UNPROTECTED`]: sidelink_wire::ids::Lcid::PC5_S_UNPROTECTED
//! [`Lcid::PC5_S_PROTECTED`]: sidelink_wire::ids::Lcid::PC5_S_PROTECTED

use crate::carriage::Carriage;
use crate::links::{LinkChange, Secrecy};
use sidelink_mac::mux::Address;
use sidelink_prose::direct_link::{Identity, KdRecord, UpperMessage};
use sidelink_prose::group_keys::{self, Destination, Messages, Path, SealJob};
use sidelink_prose::long_message::Way;
use sidelink_prose::{group_owner, long_message};
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{Granted, Reservation, StreamId};
use sidelink_security::group::{GroupConfig, GroupKey};
use sidelink_security::keys::Pgk;
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::long_message::Content;
use sidelink_wire::pdcp::{HEADER_LEN, OneToManyRepr, OneToOneRepr, Packet, SduType};
use std::fmt;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

mod identity;
mod naf;
mod owner;

pub use identity::{IdentityGroups, Managed};
pub use naf::NafEvent;
pub use owner::{OwnerGroup, OwnerRole};

/// A machine of group keys, as the stack drives it: one input, then outputs until a time-out.
pub trait GroupMachine: Send {
    /// What its messages are; `None` for a machine that has none.
    fn content(&self) -> Option<Content>;

    /// Takes an input.
    fn handle_input(&mut self, input: GroupInput<'_>);

    /// Returns the next output; [`GroupOutput::Timeout`] when there is none.
    fn poll_output(&mut self) -> GroupOutput;

    /// Takes other keys of identities. Machines without any leave them.
    fn set_messages(&mut self, _messages: Box<dyn Messages>) {}
}

/// An input of a machine.
#[derive(Debug)]
pub enum GroupInput<'a> {
    /// Time has passed.
    Tick {
        /// The time.
        now: UtcTime,
    },
    /// A message was heard.
    Message {
        /// The time.
        now: UtcTime,
        /// The way on which it came.
        path: Path<'a>,
        /// The message.
        octets: &'a [u8],
    },
    /// What [`GroupOutput::Store`] asked for is durable.
    Stored {
        /// The time.
        now: UtcTime,
        /// Its ticket.
        ticket: u64,
    },
    /// What [`GroupOutput::Store`] asked for could not be made durable.
    StoreFailed {
        /// The time.
        now: UtcTime,
        /// Its ticket.
        ticket: u64,
    },
    /// Counters of [`GroupOutput::Reserve`] are durable.
    Granted {
        /// The time.
        now: UtcTime,
        /// The proof.
        granted: Granted,
    },
    /// Counters of [`GroupOutput::Reserve`] could not be made durable.
    ReservationFailed {
        /// The time.
        now: UtcTime,
        /// Their stream.
        stream: StreamId,
    },
    /// The messages of [`GroupOutput::Seal`] are made, or could not be begun.
    Sealed {
        /// The time.
        now: UtcTime,
        /// The job.
        job: SealJob,
    },
    /// A protected link is up: the answer to [`GroupOutput::Connect`], or by itself.
    LinkUp {
        /// The time.
        now: UtcTime,
        /// Its peer.
        peer: Layer2Id,
        /// Identity that the peer has proven, as links know it.
        identity: &'a Identity,
    },
    /// The link with a UE could not be set up, or has ended.
    LinkDown {
        /// The time.
        now: UtcTime,
        /// Its peer.
        peer: Layer2Id,
    },
    /// A user's or an operator's request.
    Act {
        /// The time.
        now: UtcTime,
        /// The group.
        group: Layer2Id,
        /// The request.
        action: &'a GroupAction,
    },
}

/// A request for a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupAction {
    /// Manager or owner: a new key for all members.
    Distribute,
    /// Manager or owner: a new key for all members but this one, by its name.
    Exclude(String),
    /// Member: start a call to the group.
    StartCall,
    /// Member: end its call.
    EndCall,
    /// Member: request to be one of an owner's group, or the key of a NAF.
    Join,
    /// Member: leave the group of an owner or of a NAF.
    Leave,
}

/// An output of a machine.
pub enum GroupOutput {
    /// Send a message.
    Message(GroupMessage),
    /// Make this durable, and hand back [`GroupInput::Stored`] or [`GroupInput::StoreFailed`].
    Store {
        /// Ticket of the machine.
        ticket: u64,
        /// What to make durable.
        write: GroupWrite,
    },
    /// Make these counters durable, and hand back [`GroupInput::Granted`] or [`GroupInput::ReservationFailed`].
    Reserve(Reservation),
    /// Use this PGK: to receive, and to send where `may_send` says so.
    Install {
        /// The group.
        group: Layer2Id,
        /// The key.
        key: GroupKey,
        /// Whether this UE may send under it.
        may_send: bool,
        /// The algorithms of the group, where the machine agrees on them.
        config: Option<GroupConfig>,
    },
    /// Use this PGK no more, neither to send nor to receive.
    Remove {
        /// The group.
        group: Layer2Id,
        /// PGK ID.
        pgk_id: u8,
    },
    /// Set up a protected link; hand back [`GroupInput::LinkUp`], also if there is one, or [`GroupInput::LinkDown`].
    Connect {
        /// Its peer.
        peer: Layer2Id,
        /// Identity that the peer has to prove, as links know it.
        identity: Identity,
    },
    /// Receive for a group that the machine has learnt of, and be ready to send to it.
    Open {
        /// Its name.
        name: String,
        /// Its algorithms.
        config: GroupConfig,
    },
    /// The group that [`Self::Open`] named is over.
    Close(Layer2Id),
    /// A key that is shared with one UE, for links.
    LinkKey(Box<KdRecord>),
    /// Make messages beside the real-time path, and hand back [`GroupInput::Sealed`].
    Seal(SealJob),
    /// Tell whoever listens.
    Event(GroupEvent),
    /// Tell the operator: a request, or a step of the machine's own, is refused.
    Refused(GroupError),
    /// Nothing more before this time, or the next input.
    Timeout(Option<UtcTime>),
}

/// A message to send. `Debug` shows no octets: some are secret until a link protects them.
#[derive(Clone, PartialEq, Eq)]
pub struct GroupMessage {
    /// Where it goes.
    pub to: Destination,
    /// What it is, for reports.
    pub name: &'static str,
    /// The message.
    pub octets: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for GroupMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { to, name, octets } = self;
        write!(f, "GroupMessage({name} of {} octets to {to:?})", octets.len())
    }
}

/// What a machine makes durable.
pub enum GroupWrite {
    /// Group keys by identities.
    Identity(Vec<group_keys::Change>),
    /// Group owner mode: the number of a revocation list.
    ListNumber(group_owner::ListNumber),
}

/// What has happened in a machine.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupEvent {
    /// Group keys by identities (TR 33.833 §6.3.1).
    Identity(group_keys::Event),
    /// A NAF, by invitations and lists (TR 33.833 §6.3.2).
    Naf(NafEvent),
    /// Group owner mode (TR 33.833 §6.3.4).
    Owner(group_owner::Event),
    /// A key management function (TS 33.303 §6.2.3).
    Network(NetworkKey),
}

/// What a key management function did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkKey {
    /// It gave a PGK.
    Given {
        /// The group.
        group: Layer2Id,
        /// PGK ID.
        pgk_id: u8,
    },
    /// It took a PGK back.
    Withdrawn {
        /// The group.
        group: Layer2Id,
        /// PGK ID.
        pgk_id: u8,
    },
}

/// A request that a machine refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupError {
    /// Group keys by identities.
    Identity(group_keys::Error),
    /// Group owner mode.
    Owner(group_owner::Error),
    /// A member of an ad-hoc group has an identity that no link proves.
    NoLinkIdentity(Identity),
    /// Groups of a NAF; the text says what and what to do.
    Naf(String),
}

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity(error) => error.fmt(f),
            Self::Owner(error) => error.fmt(f),
            Self::NoLinkIdentity(member) => {
                write!(
                    f,
                    "no link proves the identity {member}: list the member as \"ProSe:NAME\", as links name it"
                )
            }
            Self::Naf(why) => f.write_str(why),
        }
    }
}

/// A PGK for sending whose counters are being read from the store.
pub(super) struct Unread {
    pub(super) stream: StreamId,
    pub(super) group: Layer2Id,
    pub(super) key: GroupKey,
}

/// Makes a second copy of a key: the caller is responsible for it.
pub(super) fn copy(key: &GroupKey) -> GroupKey {
    let GroupKey { pgk_id, valid_from, expiry, ref pgk } = *key;
    GroupKey { pgk_id, pgk: Pgk::from(*pgk.as_bytes()), valid_from, expiry }
}

/// What came of a PDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is another message of PC5 signalling, or protected: for the links.
    NotForGroups,
    /// A machine has the message.
    Message,
    /// A part of a message, or one for no machine here.
    Nothing,
}

/// The machines of group keys of one UE.
#[derive(Default)]
pub(super) struct GroupKeys {
    pub(super) machines: Vec<Box<dyn GroupMachine>>,
    /// Requests of the configuration: subframes after the first one, group, request.
    pub(super) plans: Vec<(u64, Layer2Id, GroupAction)>,
    /// PGKs for sending whose counters are being read from the store.
    pub(super) unread: Vec<Unread>,
    /// Reservations of machines that are on their way into the store.
    pub(super) reserving: Vec<(StreamId, usize)>,
    pub(super) carriage: Carriage,
    /// Messages over links: what comes unprotected does not mix with them.
    over_links: Carriage,
    /// Groups that machines have opened, with the names under which they are reached.
    pub(super) opened: Vec<(Layer2Id, Option<String>)>,
    began: Option<u64>,
    /// Time that the current step took in the machines: all cryptography of group keys is in it.
    spent: Duration,
}

impl GroupKeys {
    /// Begins subframe `t` at `now`: makes the requests that are due.
    pub(super) fn begin(&mut self, t: u64, now: UtcTime) {
        if self.machines.is_empty() {
            return;
        }
        let age = t - *self.began.get_or_insert(t);
        let due: Vec<_> = self.plans.extract_if(.., |(after, ..)| *after <= age).collect();
        for (_, group, action) in &due {
            self.act(now, *group, action);
        }
    }

    /// Lets time pass for all machines.
    pub(super) fn tick(&mut self, now: UtcTime) {
        for index in 0..self.machines.len() {
            self.handle_input(index, GroupInput::Tick { now });
        }
    }

    /// Hands a request to all machines: the one that has the group acts.
    pub(super) fn act(&mut self, now: UtcTime, group: Layer2Id, action: &GroupAction) {
        for index in 0..self.machines.len() {
            self.handle_input(index, GroupInput::Act { now, group, action });
        }
    }

    /// Hands the message that a PDU completes to its machine.
    pub(super) fn hear(&mut self, now: UtcTime, source: Layer2Id, to: Address, pdu: &[u8]) -> Heard {
        let Some(message) = unwrap(to, pdu).filter(|message| Carriage::is_its_own(message)) else {
            return Heard::NotForGroups;
        };
        let Some((content, octets)) = self.carriage.hear(now, source, message) else { return Heard::Nothing };
        match self.machines.iter().position(|machine| machine.content() == Some(content)) {
            Some(index) => {
                let path = match to {
                    Address::Ue(_) => Path::Ue { source },
                    Address::Group(group) | Address::V2x(group) => Path::Group { source, group },
                };
                self.handle_input(index, GroupInput::Message { now, path, octets: &octets });
                Heard::Message
            }
            None => Heard::Nothing,
        }
    }

    /// Sets the way in which messages are sent.
    pub(super) fn set_way(&mut self, way: Way) {
        (self.carriage.way, self.over_links.way) = (way, way);
    }

    /// Tells all machines of a link.
    pub(super) fn link(&mut self, now: UtcTime, change: &LinkChange) {
        for index in 0..self.machines.len() {
            let input = match change {
                LinkChange::Up { peer, identity, secrecy: Secrecy::Ciphered, .. } => {
                    GroupInput::LinkUp { now, peer: *peer, identity }
                }
                LinkChange::Up { peer, .. } | LinkChange::Down { peer } => {
                    GroupInput::LinkDown { now, peer: *peer }
                }
            };
            self.handle_input(index, input);
        }
    }

    /// Hands the message that a message over a link completes to its machine.
    pub(super) fn hear_link(&mut self, now: UtcTime, message: &UpperMessage) {
        let UpperMessage { peer, identity, octets, .. } = message;
        let Some((content, octets)) = self.over_links.hear(now, *peer, octets) else { return };
        let octets = Zeroizing::new(octets);
        if let Some(index) = self.machines.iter().position(|machine| machine.content() == Some(content)) {
            let path = Path::Link { peer: *peer, identity };
            self.handle_input(index, GroupInput::Message { now, path, octets: &octets });
        }
    }

    /// Returns the messages of PC5 signalling in which a message of the machine at `index` goes over a link.
    ///
    /// # Errors
    /// The message cannot be sent in the way of this UE.
    pub(super) fn over_link(
        &mut self,
        index: usize,
        octets: &[u8],
    ) -> Result<Vec<Zeroizing<Vec<u8>>>, long_message::Error> {
        let Some(content) = self.machines[index].content() else { return Ok(Vec::new()) };
        Ok(self.over_links.parts(content, octets)?.map(Zeroizing::new).collect())
    }

    /// Returns the PDCP PDUs of a message of the machine at `index` to `address`.
    ///
    /// # Errors
    /// The message cannot be sent in the way of this UE.
    pub(super) fn pdus(
        &mut self,
        index: usize,
        address: Address,
        octets: &[u8],
    ) -> Result<Vec<Vec<u8>>, long_message::Error> {
        let Some(content) = self.machines[index].content() else { return Ok(Vec::new()) };
        let parts = self.carriage.parts(content, octets)?;
        Ok(parts.map(|part| wrap(address, &part)).collect())
    }

    /// Hands an input to the machine at `index`, and measures the time.
    pub(super) fn handle_input(&mut self, index: usize, input: GroupInput<'_>) {
        let began = Instant::now();
        if let Some(machine) = self.machines.get_mut(index) {
            machine.handle_input(input);
        }
        self.spent += began.elapsed();
    }

    /// Returns the next output of the machine at `index`.
    pub(super) fn poll_output(&mut self, index: usize) -> GroupOutput {
        let began = Instant::now();
        let output = self.machines[index].poll_output();
        self.spent += began.elapsed();
        output
    }

    /// Returns the time that the machines took since the last call, by the clock of the system.
    pub(super) fn take_spent(&mut self) -> Duration {
        std::mem::take(&mut self.spent)
    }
}

/// Puts an unprotected PDCP header before a message of PC5 signalling.
fn wrap(to: Address, message: &[u8]) -> Vec<u8> {
    let sdu_type = SduType::Pc5Signalling;
    let mut pdu = vec![0; HEADER_LEN + message.len()];
    pdu[HEADER_LEN..].copy_from_slice(message);
    let header = match to {
        // TS 36.323 §5.6.2 (4)
        Address::Ue(_) => OneToOneRepr { sdu_type, kd_sess_id: 0, sn: 0 }.emit(&mut pdu),
        Address::Group(_) | Address::V2x(_) => {
            OneToManyRepr { sdu_type, pgk_index: 0, ptk_id: 0, sn: 0 }.emit(&mut pdu)
        }
    };
    debug_assert!(header.is_ok(), "the header fits by construction: {header:?}");
    pdu
}

/// Returns the message of PC5 signalling in a PDCP PDU without protection; `None` for any other PDU.
fn unwrap(to: Address, pdu: &[u8]) -> Option<&[u8]> {
    let packet = Packet::new_checked(pdu).ok()?;
    let (sdu_type, is_plain) = match to {
        Address::Ue(_) => {
            let header = OneToOneRepr::parse(&packet).ok()?;
            (header.sdu_type, header.kd_sess_id == 0)
        }
        Address::Group(_) | Address::V2x(_) => {
            let header = OneToManyRepr::parse(&packet).ok()?;
            (header.sdu_type, header.pgk_index == 0 && header.ptk_id == 0)
        }
    };
    (is_plain && sdu_type == SduType::Pc5Signalling).then(|| &pdu[HEADER_LEN..])
}
