//! External services that the machine of group keys needs.

use core::fmt::{Debug, Display};

use sidelink_security::counter::UtcTime;
use sidelink_security::keys::{Gmk, Gsk};

use super::Identity;
use super::note::Refusal;
use super::record::{Change, CsbId, GmkId, Kept, Period};

/// Durable store of the keys of groups.
pub trait GroupKeyStore {
    /// Reason of a failure.
    type Error: Display;

    /// Makes all changes durable, or none.
    ///
    /// # Errors
    /// The store's failure.
    fn apply(&mut self, changes: &[Change]) -> Result<(), Self::Error>;

    /// Returns all that is kept. A store that lost its latest state says so in [`Kept::lost`], and gives back no right
    /// to send.
    ///
    /// # Errors
    /// A damaged store.
    fn kept(&mut self, now: UtcTime) -> Result<Kept, Self::Error>;
}

/// A message that brings the GMK of a standard group to one member.
#[derive(Debug)]
pub struct GmkMessage {
    /// The group's identity, which signs.
    pub group: Identity,
    /// The member, to whose identity the key is encapsulated.
    pub member: Identity,
    /// Time of the message.
    pub time: UtcTime,
    /// GMK ID.
    pub id: GmkId,
    /// The key.
    pub gmk: Gmk,
    /// Its period.
    pub period: Period,
}

/// What a message claims, before anything is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The one who signs: the group's identity, or the caller's.
    pub sender: Identity,
    /// The member to which it is addressed; `None` for the whole group.
    pub member: Option<Identity>,
    /// Time of the message.
    pub time: UtcTime,
    /// GMK ID, if it stands in the clear.
    pub gmk_id: Option<GmkId>,
    /// CSB ID.
    pub csb_id: CsbId,
}

/// A message that announces a call.
#[derive(Debug)]
pub struct CallMessage {
    /// The caller, who signs.
    pub caller: Identity,
    /// Time of the message.
    pub time: UtcTime,
    /// CSB ID.
    pub csb_id: CsbId,
    /// The GMK under which it is.
    pub gmk_id: GmkId,
    /// Session key of the call.
    pub gsk: Gsk,
}

/// The MIKEY messages of groups. The keys of identities are on its other side. It neither judges times nor remembers
/// messages: the machine does.
pub trait Messages: Debug + Send + Sync {
    /// Whether the private keys of an identity are here, to sign with.
    fn may_sign(&self, identity: &Identity, now: UtcTime) -> bool;

    /// Makes one I_MESSAGE for each member, in the order of `members`. `seed` is secret, random, and used for nothing
    /// else.
    ///
    /// # Errors
    /// A key is missing, or an identity cannot be encapsulated to.
    fn seal_gmk(
        &self,
        message: &GmkOffer<'_>,
        members: &[&Identity],
        seed: &[u8; 32],
    ) -> Result<Vec<Vec<u8>>, Refusal>;

    /// Makes a message that announces a call. `seed` is secret, random, and used for nothing else.
    ///
    /// # Errors
    /// A key is missing.
    fn seal_call(&self, message: &CallMessage, gmk: &Gmk, seed: &[u8; 32]) -> Result<Vec<u8>, Refusal>;

    /// Reads what a message claims, without any proof.
    ///
    /// # Errors
    /// It is malformed, or of neither kind.
    fn claim(&self, octets: &[u8]) -> Result<(Kind, Claim), Refusal>;

    /// Verifies the signature of an I_MESSAGE by the group's identity, and decapsulates the GMK.
    ///
    /// # Errors
    /// Malformed, signed by another, or not for an identity of this UE.
    fn open_gmk(&self, octets: &[u8], now: UtcTime) -> Result<GmkMessage, Refusal>;

    /// Verifies the MAC under the GMK, then the caller's signature, and deciphers the session key.
    ///
    /// # Errors
    /// Malformed, of another GMK, or not signed by the caller that it names.
    fn open_call(&self, octets: &[u8], gmk: &Gmk, now: UtcTime) -> Result<CallMessage, Refusal>;
}

/// A GMK that is to be distributed.
#[derive(Debug)]
pub struct GmkOffer<'a> {
    /// The group's identity, which signs.
    pub group: &'a Identity,
    /// Time of the messages.
    pub time: UtcTime,
    /// GMK ID.
    pub id: GmkId,
    /// The key.
    pub gmk: &'a Gmk,
    /// Its period.
    pub period: Period,
}

/// Kind of a MIKEY message of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An I_MESSAGE that brings a GMK.
    Gmk,
    /// A message under a GMK that announces a call.
    Call,
}
