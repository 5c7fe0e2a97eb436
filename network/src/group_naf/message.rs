//! The messages of group keys over GBA: TR 33.833 §6.3.2. The report draws them; this coding, and the tag in the place of its
//! "signature", are our own.
//!
//! ```text
//! 1 to 3, 7 UE -> NAF   | number 1 | group 3 | nonce 16 | B-TID L V | body | 0, or 1, RAND 16, AUTS 14 | tag 16 |
//!         1 create        body: 1 by invitation, or 2, count 2, IMPI L V ..
//!         2 join          body: length 2, invitation
//!         3 refresh       body: count 2, IMPI L V .. of those who have to go
//!         7 state         body: count 2, IMPI L V .. of whom the owner asks
//! 4       owner -> UE   | 4 | group 3 | nonce 16 | B-TID L V | IMPI L V of the invitee | expiry 4 | tag 16 |
//! 5       NAF -> UE     | 5 | group 3 | nonce 16 of the request, or zeros | PGK ID 1 | expiry 4 | GPI, length 2 | wrapped key 40 | tag 16 |
//! 6       NAF -> UE     | 6 | group 3 | nonce 16 | cause 1 |
//! 8       NAF -> UE     | 8 | group 3 | nonce 16 | PGK ID 1, or 0 | count 2, a bit each | tag 16 |
//! ```
//!
//! L is one octet, expiry are seconds since 1970. A tag is the first 16 octets of HMAC-SHA-256(Ks_NAF, all before it): that of
//! 1 to 4 and 7 under the Ks_NAF of the B-TID in it, that of 5 under the key that the GPI pushes, that of 8 under the key of
//! the request. A nonce is 8 octets of time in milliseconds and 8 of chance: those of one UE rise.
//!
//! 7 and 8 are not in the report: an invitation has no answer there, and a pushed key none either. By them an owner learns who
//! has joined, and a member whether it missed a key.

use std::fmt;

use aes_kw::{KeyInit, KwAes256};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use sidelink_security::kdf::{fc, kdf};
use sidelink_security::keys::{KsNaf, Pgk};
use sidelink_wire::Error;
use subtle::ConstantTimeEq;

use crate::aka::{Auts, Rand};
use crate::hss::Resynchronisation;
use crate::identity::{BTid, Impi};
use crate::key_delivery::ServiceId;

mod coding;

use coding::{Reader, head, put_bits, put_list, put_long, put_text, unknown};

/// Octets of a tag.
pub const TAG: usize = 16;

/// Octets of a wrapped key. RFC 3394.
pub const WRAPPED: usize = 40;

/// Members of a group, at most: TR 33.833 speaks of 2000.
pub const MOST_MEMBERS: usize = 2000;

/// Octets of a message, at most: a list of [`MOST_MEMBERS`] identities fits.
pub const MOST_OCTETS: usize = 1 << 18;

/// What makes a message unlike every other of its UE. Ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce(pub [u8; 16]);

impl Nonce {
    /// Of no request: what the NAF pushes by itself.
    pub const NONE: Self = Self([0; 16]);
}

/// Who may join a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Whoever has an invitation of the owner.
    Invitation,
    /// These.
    WhiteList(Vec<Impi>),
}

/// What a UE asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A new group, of which it is the owner.
    Create(Policy),
    /// The key of a group, with an invitation or without.
    Join(Option<Vec<u8>>),
    /// A new key, without these members.
    Refresh(Vec<Impi>),
    /// Which key there is, and which of these have joined: those the owner alone may name.
    State(Vec<Impi>),
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Of which group.
    pub group: ServiceId,
    /// Its nonce.
    pub nonce: Nonce,
    /// Under whose key.
    pub b_tid: BTid,
    /// What for.
    pub body: Body,
    /// Of a USIM that did not take the last GPI.
    pub resynchronisation: Option<Resynchronisation>,
}

/// An invitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// To which group.
    pub group: ServiceId,
    /// Its nonce: it is good for one member.
    pub nonce: Nonce,
    /// Under the owner's key.
    pub b_tid: BTid,
    /// For whom: it is of no use to anybody else.
    pub invitee: Impi,
    /// First second at which it is not valid.
    pub expires: u32,
}

/// A group key on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// Of which group.
    pub group: ServiceId,
    /// Of the request that it answers, or [`Nonce::NONE`].
    pub nonce: Nonce,
    /// PGK ID.
    pub pgk_id: u8,
    /// First second at which the key is not valid.
    pub expires: u32,
    /// GBA push information.
    pub gpi: Vec<u8>,
    /// The key, wrapped.
    pub wrapped: [u8; WRAPPED],
}

/// How a group is at present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Which group.
    pub group: ServiceId,
    /// Of the request that it answers.
    pub nonce: Nonce,
    /// PGK ID of its key; none for a UE that is no member.
    pub pgk_id: Option<u8>,
    /// Of each user that the request names, whether it has joined.
    pub joined: Vec<bool>,
}

/// Why a UE gets no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    /// No message.
    Malformed = 1,
    /// No key has this B-TID: bootstrap again.
    UnknownBTid = 2,
    /// The tag is wrong.
    Tag = 3,
    /// The nonce is not above the last one.
    Replay = 4,
    /// No such group.
    UnknownGroup = 5,
    /// There is a group of this identity.
    GroupTaken = 6,
    /// Not on the white list, or not the owner.
    NotAllowed = 7,
    /// The invitation is none of the owner's, for somebody else, used or expired.
    Invitation = 8,
    /// Too often.
    TooOften = 9,
    /// Something else of this UE or group is going on, or too much of all.
    Busy = 10,
    /// The BSF pushes no key.
    NoPush = 11,
    /// The store failed.
    Store = 12,
    /// Somebody did not answer in time.
    Late = 13,
}

impl Cause {
    const ALL: [Self; 13] = [
        Self::Malformed,
        Self::UnknownBTid,
        Self::Tag,
        Self::Replay,
        Self::UnknownGroup,
        Self::GroupTaken,
        Self::NotAllowed,
        Self::Invitation,
        Self::TooOften,
        Self::Busy,
        Self::NoPush,
        Self::Store,
        Self::Late,
    ];
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the message is malformed",
            Self::UnknownBTid => "no key has this B-TID: bootstrap again",
            Self::Tag => "the tag is wrong: not under the key of this B-TID, or altered",
            Self::Replay => "the nonce is not above the last one: a repetition, or the clock went back",
            Self::UnknownGroup => "there is no such group: its owner has to create it first",
            Self::GroupTaken => "there is a group of this identity: choose another",
            Self::NotAllowed => "this user is not on the list of the group, or not its owner",
            Self::Invitation => "the invitation is not the owner's, for another user, used, or expired",
            Self::TooOften => "too many requests: wait, then ask again",
            Self::Busy => "something else is going on for this user or group: ask again",
            Self::NoPush => "the BSF pushed no key: see its error",
            Self::Store => "the group could not be stored: see the error of the store",
            Self::Late => "the BSF did not answer in time: is it there?",
        })
    }
}

/// An answer of the NAF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 5.
    Push(Push),
    /// 8.
    State(State),
    /// 6.
    Reject {
        /// Of which group.
        group: ServiceId,
        /// Of which request.
        nonce: Nonce,
        /// Why.
        cause: Cause,
    },
}

/// The tag of octets under a key.
pub(crate) fn tag(key: &KsNaf, octets: &[u8]) -> [u8; TAG] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    hmac.update(octets);
    let whole: [u8; 32] = hmac.finalize().into_bytes().into();
    let mut tag = [0; TAG];
    tag.copy_from_slice(&whole[..TAG]);
    tag
}

/// Whether the last 16 octets are the tag of those before, under a key.
pub(crate) fn has_tag(key: &KsNaf, octets: &[u8]) -> bool {
    octets.split_last_chunk::<TAG>().is_some_and(|(body, given)| tag(key, body).ct_eq(given).into())
}

/// The last 16 octets.
pub(crate) fn tag_of(octets: &[u8]) -> [u8; TAG] {
    octets.last_chunk().copied().unwrap_or_default()
}

fn wrapping(key: &KsNaf, group: ServiceId) -> KwAes256 {
    let key = kdf(key.as_bytes(), fc::OWN_GROUP_KEY_WRAP, &[&group.0]).expect("3 octets fit");
    KwAes256::new((&*key).into())
}

/// Wraps a group key under a pushed key: AES-KW (RFC 3394) under a key of its own. TR 33.833 §6.3.2, ours.
pub(crate) fn wrap(key: &KsNaf, group: ServiceId, pgk: &Pgk) -> [u8; WRAPPED] {
    let mut wrapped = [0; WRAPPED];
    wrapping(key, group).wrap_key(pgk.as_bytes(), &mut wrapped).expect("32 octets become 40");
    wrapped
}

/// Unwraps it; `None` when it was not wrapped under this key.
pub(crate) fn unwrap(key: &KsNaf, group: ServiceId, wrapped: &[u8; WRAPPED]) -> Option<Pgk> {
    let mut pgk = zeroize::Zeroizing::new([0; 32]);
    wrapping(key, group).unwrap_key(wrapped, &mut *pgk).ok()?;
    Some(Pgk::from(*pgk))
}

fn signed(mut octets: Vec<u8>, key: &KsNaf) -> Vec<u8> {
    let tag = tag(key, &octets);
    octets.extend(tag);
    octets
}

impl Request {
    /// Parses a request; whether its tag is right is another question.
    ///
    /// # Errors
    /// Octets that are none.
    pub fn parse(octets: &[u8]) -> Result<Self, Error> {
        if octets.len() > MOST_OCTETS {
            let have = octets.len();
            return Err(Error::Oversized { what: "message of group keys", max: MOST_OCTETS, have });
        }
        let mut reader = Reader(octets);
        let (number, group, nonce) = reader.head()?;
        let b_tid = reader.b_tid()?;
        let body = match number {
            1 => Body::Create(match reader.take("policy")? {
                [1] => Policy::Invitation,
                [2] => Policy::WhiteList(reader.list()?),
                [value] => return Err(Error::Reserved { what: "policy", value: u32::from(value) }),
            }),
            2 => {
                let length = usize::from(u16::from_be_bytes(reader.take("invitation")?));
                let invitation = reader.octets("invitation", length)?;
                Body::Join((!invitation.is_empty()).then(|| invitation.to_vec()))
            }
            3 => Body::Refresh(reader.list()?),
            7 => Body::State(reader.list()?),
            number => return Err(unknown(number)),
        };
        let resynchronisation = match reader.take("resynchronisation")? {
            [0] => None,
            [1] => {
                Some(Resynchronisation { rand: Rand(reader.take("RAND")?), auts: Auts(reader.take("AUTS")?) })
            }
            [value] => return Err(Error::Reserved { what: "resynchronisation", value: u32::from(value) }),
        };
        reader.take::<TAG>("tag")?;
        reader.end(octets.len())?;
        Ok(Self { group, nonce, b_tid, body, resynchronisation })
    }

    /// Returns the octets, with the tag under a key.
    ///
    /// # Errors
    /// Our misuse: too many members, an invitation that is too long.
    pub fn emit(&self, key: &KsNaf) -> Result<Vec<u8>, Error> {
        let number = match self.body {
            Body::Create(_) => 1,
            Body::Join(_) => 2,
            Body::Refresh(_) => 3,
            Body::State(_) => 7,
        };
        let mut octets = head(number, self.group, self.nonce);
        put_text(&mut octets, self.b_tid.as_str());
        match &self.body {
            Body::Create(Policy::Invitation) => octets.push(1),
            Body::Create(Policy::WhiteList(list)) => {
                octets.push(2);
                put_list(&mut octets, list)?;
            }
            Body::Join(invitation) => {
                put_long(&mut octets, "invitation", invitation.as_deref().unwrap_or_default())?;
            }
            Body::Refresh(named) | Body::State(named) => put_list(&mut octets, named)?,
        }
        match self.resynchronisation {
            None => octets.push(0),
            Some(Resynchronisation { rand, auts }) => {
                octets.push(1);
                octets.extend(rand.0);
                octets.extend(auts.0);
            }
        }
        Ok(signed(octets, key))
    }
}

impl Invitation {
    /// Parses an invitation; whether its tag is right is another question.
    ///
    /// # Errors
    /// Octets that are none.
    pub fn parse(octets: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader(octets);
        let (number, group, nonce) = reader.head()?;
        if number != 4 {
            return Err(unknown(number));
        }
        let (b_tid, invitee) = (reader.b_tid()?, reader.impi()?);
        let expires = u32::from_be_bytes(reader.take("expiry")?);
        reader.take::<TAG>("tag")?;
        reader.end(octets.len())?;
        Ok(Self { group, nonce, b_tid, invitee, expires })
    }

    /// Returns the octets, with the tag under the owner's key.
    pub fn emit(&self, key: &KsNaf) -> Vec<u8> {
        let mut octets = head(4, self.group, self.nonce);
        put_text(&mut octets, self.b_tid.as_str());
        put_text(&mut octets, self.invitee.as_str());
        octets.extend(self.expires.to_be_bytes());
        signed(octets, key)
    }
}

impl Answer {
    /// Parses an answer; whether its tag is right is another question.
    ///
    /// # Errors
    /// Octets that are none.
    pub fn parse(octets: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader(octets);
        let (number, group, nonce) = reader.head()?;
        let answer = match number {
            5 => {
                let ([pgk_id], expires) = (reader.take("PGK ID")?, reader.take("expiry")?);
                if pgk_id == 0 {
                    return Err(Error::Reserved { what: "PGK ID", value: 0 });
                }
                let length = usize::from(u16::from_be_bytes(reader.take("GPI")?));
                let gpi = reader.octets("GPI", length)?.to_vec();
                let wrapped = reader.take("wrapped key")?;
                reader.take::<TAG>("tag")?;
                Self::Push(Push { group, nonce, pgk_id, expires: u32::from_be_bytes(expires), gpi, wrapped })
            }
            6 => {
                let [value] = reader.take("cause")?;
                let cause = Cause::ALL.into_iter().find(|cause| *cause as u8 == value);
                let cause = cause.ok_or(Error::Reserved { what: "cause", value: u32::from(value) })?;
                Self::Reject { group, nonce, cause }
            }
            8 => {
                let [pgk_id] = reader.take("PGK ID")?;
                let joined = reader.bits()?;
                reader.take::<TAG>("tag")?;
                Self::State(State { group, nonce, pgk_id: (pgk_id > 0).then_some(pgk_id), joined })
            }
            number => return Err(unknown(number)),
        };
        reader.end(octets.len()).map(|()| answer)
    }
}

impl Push {
    /// Returns the octets, with the tag under the key that the GPI pushes.
    ///
    /// # Errors
    /// Our misuse: a GPI that is too long.
    pub fn emit(&self, key: &KsNaf) -> Result<Vec<u8>, Error> {
        let mut octets = head(5, self.group, self.nonce);
        octets.push(self.pgk_id);
        octets.extend(self.expires.to_be_bytes());
        put_long(&mut octets, "GPI", &self.gpi)?;
        octets.extend(self.wrapped);
        Ok(signed(octets, key))
    }
}

impl State {
    /// Returns the octets, with the tag under the key of who asked.
    ///
    /// # Errors
    /// Our misuse: too many members.
    pub fn emit(&self, key: &KsNaf) -> Result<Vec<u8>, Error> {
        let mut octets = head(8, self.group, self.nonce);
        octets.push(self.pgk_id.unwrap_or_default());
        put_bits(&mut octets, &self.joined)?;
        Ok(signed(octets, key))
    }
}

/// The octets of a reject.
pub(crate) fn reject(group: ServiceId, nonce: Nonce, cause: Cause) -> Vec<u8> {
    let mut octets = head(6, group, nonce);
    octets.push(cause as u8);
    octets
}
