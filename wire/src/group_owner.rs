//! Messages of group owner mode, TR 33.833 §6.3.4. The TR names the steps and has no messages: the coding is our own. Each is
//! the content of a long message ([`super::long_message`]).
//!
//! ```text
//! every message      | kind 1 | group 3 | ..
//! 1 join request     | nonce 16 | capabilities 2 | identity LV | credential LV-E | cookie LV, of 0 or 16 octets |
//! 2 cookie           | nonce of the member 16 | cookie 16 |
//! 3 challenge        | nonce of the member 16 | nonce of the owner 16 | CRL number 4 | identity LV | credential LV-E | signature 64 |
//! 4 proof            | nonce of the owner 16 | public key 32 | CRL number 4 | signature 64 |
//! 5 keys             | epoch 4 | slot 2 | PGK ID 1 | EEA 1 | EIA 1 | valid from 4 | expiry 4 | sealed 112 | signature 64 |
//! 6 confirm          | epoch 4 | MAC 16 |
//! 7 leave            | epoch 4 | MAC 16 |
//! 8 leave accept     | epoch 4 | MAC 16 |
//! 9 removal          | epoch 4 | MAC 16 |
//! 10 refusal         | nonce of the member 16 | cause 1 |
//! 11 notice          | epoch 4 | wait 4 | signature 64 |
//! ```
//!
//! LV has one octet of length, LV-E two. A signature or MAC covers all that stands before it. `sealed` is an encapsulated
//! key of 32 octets, K_unicast and K_multicast of 32 each, and a tag of 16. A notice goes to the group, all others to one UE.

use core::fmt;

use super::{Error, fits, need, room};

/// Length limit of an identity, octets.
pub const MAX_IDENTITY: usize = 64;
/// Length limit of a credential, octets: a certificate of one level has 350 to 450.
pub const MAX_CREDENTIAL: usize = 2048;
/// Octets of the sealed keys.
pub const SEALED: usize = 112;
/// Octets of a signature.
pub const SIGNATURE: usize = 64;
/// Octets of a MAC, a nonce and a cookie.
pub const MAC: usize = 16;

mod field {
    use core::ops::Range;

    pub(super) const KIND: usize = 0;
    pub(super) const GROUP: Range<usize> = 1..4;
    pub(super) const BODY: usize = 4;
}

/// Kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A UE asks to join.
    JoinRequest,
    /// The owner demands that its cookie be echoed.
    Cookie,
    /// The owner proves itself and asks for a proof.
    Challenge,
    /// The member proves itself.
    Proof,
    /// Keys of an epoch.
    Keys,
    /// The member has them.
    Confirm,
    /// The member leaves.
    Leave,
    /// The owner has noticed.
    LeaveAccept,
    /// The owner has removed the member.
    Removal,
    /// The owner does not answer the request. Anybody can send one.
    Refusal,
    /// The owner tells the group its epoch, and how busy it is.
    Notice,
}

const KINDS: [(Kind, u8, &str); 11] = [
    (Kind::JoinRequest, 1, "GROUP_JOIN_REQUEST"),
    (Kind::Cookie, 2, "GROUP_COOKIE"),
    (Kind::Challenge, 3, "GROUP_CHALLENGE"),
    (Kind::Proof, 4, "GROUP_PROOF"),
    (Kind::Keys, 5, "GROUP_KEYS"),
    (Kind::Confirm, 6, "GROUP_CONFIRM"),
    (Kind::Leave, 7, "GROUP_LEAVE"),
    (Kind::LeaveAccept, 8, "GROUP_LEAVE_ACCEPT"),
    (Kind::Removal, 9, "GROUP_REMOVAL"),
    (Kind::Refusal, 10, "GROUP_REFUSAL"),
    (Kind::Notice, 11, "GROUP_NOTICE"),
];

impl Kind {
    /// Returns the octet.
    pub const fn octet(self) -> u8 {
        KINDS[self as usize].1
    }

    /// Returns the kind with an octet.
    ///
    /// # Errors
    /// There is none.
    pub fn new(octet: u8) -> Result<Self, Error> {
        let row = KINDS.iter().find(|row| row.1 == octet);
        row.map(|row| row.0)
            .ok_or(Error::Reserved { what: "kind of a message of group owner mode", value: octet.into() })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(KINDS[*self as usize].2)
    }
}

/// Why an owner does not answer a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The UE is not on the list of the group.
    NotAdmitted,
    /// The group's algorithms are not among those of the UE.
    Algorithms,
    /// The group is full.
    Full,
    /// The proof was not accepted.
    Authentication,
}

impl Cause {
    const ALL: [Self; 4] = [Self::NotAdmitted, Self::Algorithms, Self::Full, Self::Authentication];

    const fn octet(self) -> u8 {
        self as u8 + 1
    }

    fn new(octet: u8) -> Result<Self, Error> {
        let cause = Self::ALL.into_iter().find(|cause| cause.octet() == octet);
        cause.ok_or(Error::Reserved { what: "cause of a refusal", value: octet.into() })
    }
}

/// A view of a message.
#[derive(Debug, Clone, Copy)]
pub struct Packet<T: AsRef<[u8]>> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Wraps bytes without a check; see the panic contract of [`super`].
    pub const fn new_unchecked(buffer: T) -> Self {
        Self { buffer }
    }

    /// Wraps bytes that hold a header.
    pub fn new_checked(buffer: T) -> Result<Self, Error> {
        let packet = Self { buffer };
        packet.check_len()?;
        Ok(packet)
    }

    /// Checks that kind and group are whole; [`Repr::parse`] checks the rest.
    pub fn check_len(&self) -> Result<(), Error> {
        need("header of group owner mode", field::BODY, self.buffer.as_ref().len())
    }

    /// Returns the kind, unparsed.
    pub fn kind(&self) -> u8 {
        self.buffer.as_ref()[field::KIND]
    }

    /// Returns the group.
    pub fn group(&self) -> [u8; 3] {
        let octets = &self.buffer.as_ref()[field::GROUP];
        [octets[0], octets[1], octets[2]]
    }
}

/// A request to join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct JoinRequest<'a> {
    /// Nonce of the member.
    pub nonce: [u8; 16],
    /// Ciphering algorithms, as in UE Security Capabilities: EEA0 in the most significant bit.
    pub eea: u8,
    /// Integrity algorithms, in the same way.
    pub eia: u8,
    /// Claimed identity, 1 to [`MAX_IDENTITY`] octets.
    pub identity: &'a [u8],
    /// Certificate of the member with its octet of type and its length, 1 to [`MAX_CREDENTIAL`] octets.
    pub credential: &'a [u8],
    /// The owner's cookie, echoed.
    pub cookie: Option<[u8; 16]>,
}

/// A challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Challenge<'a> {
    /// Nonce of the member, echoed.
    pub nonce: [u8; 16],
    /// Nonce of the owner.
    pub owner_nonce: [u8; 16],
    /// Number of the owner's revocation list, for people who read a capture.
    pub crl_number: u32,
    /// Identity of the owner, 1 to [`MAX_IDENTITY`] octets.
    pub identity: &'a [u8],
    /// Certificate of the owner, as in the request.
    pub credential: &'a [u8],
    /// Signature.
    pub signature: [u8; SIGNATURE],
}

/// A proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Proof {
    /// Nonce of the owner, echoed.
    pub owner_nonce: [u8; 16],
    /// Key of the member to which keys are sealed, for this join only.
    pub public: [u8; 32],
    /// Number of the member's revocation list.
    pub crl_number: u32,
    /// Signature.
    pub signature: [u8; SIGNATURE],
}

/// Keys of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Keys {
    /// Epoch, never 0.
    pub epoch: u32,
    /// Place of the member among those of the owner: the 16 least significant bits of the KD ID of K_unicast.
    pub slot: u16,
    /// PGK ID of K_multicast; its 5 least significant bits are not all 0.
    pub pgk_id: u8,
    /// Ciphering algorithm of the group, 0 to 7.
    pub eea: u8,
    /// Integrity algorithm of the group, 0 to 7; 0 for no MAC-I, as in the standard.
    pub eia: u8,
    /// First second of validity, UTC.
    pub valid_from: u32,
    /// First second after the validity.
    pub expiry: u32,
    /// K_unicast and K_multicast, sealed.
    pub sealed: [u8; SEALED],
    /// Signature.
    pub signature: [u8; SIGNATURE],
}

/// An epoch under a MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Proven {
    /// The epoch.
    pub epoch: u32,
    /// The MAC.
    pub mac: [u8; MAC],
}

/// What an owner tells its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Notice {
    /// The owner's epoch, never 0.
    pub epoch: u32,
    /// Milliseconds within which the owner gets to those who wait for it.
    pub wait: u32,
    /// Signature.
    pub signature: [u8; SIGNATURE],
}

/// Content of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
// Messages live on the stack one at a time; a box would allocate for each.
#[allow(clippy::large_enum_variant)]
pub enum Body<'a> {
    /// 1
    JoinRequest(JoinRequest<'a>),
    /// 2
    Cookie {
        /// Nonce of the member, echoed.
        nonce: [u8; 16],
        /// What to echo.
        cookie: [u8; 16],
    },
    /// 3
    Challenge(Challenge<'a>),
    /// 4
    Proof(Proof),
    /// 5
    Keys(Keys),
    /// 6
    Confirm(Proven),
    /// 7
    Leave(Proven),
    /// 8
    LeaveAccept(Proven),
    /// 9
    Removal(Proven),
    /// 10
    Refusal {
        /// Nonce of the member, echoed.
        nonce: [u8; 16],
        /// The reason.
        cause: Cause,
    },
    /// 11
    Notice(Notice),
}

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Repr<'a> {
    /// The group: its layer-2 identity.
    pub group: [u8; 3],
    /// Content.
    pub body: Body<'a>,
}

impl Body<'_> {
    /// Returns the kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::JoinRequest(_) => Kind::JoinRequest,
            Self::Cookie { .. } => Kind::Cookie,
            Self::Challenge(_) => Kind::Challenge,
            Self::Proof(_) => Kind::Proof,
            Self::Keys(_) => Kind::Keys,
            Self::Confirm(_) => Kind::Confirm,
            Self::Leave(_) => Kind::Leave,
            Self::LeaveAccept(_) => Kind::LeaveAccept,
            Self::Removal(_) => Kind::Removal,
            Self::Refusal { .. } => Kind::Refusal,
            Self::Notice(_) => Kind::Notice,
        }
    }
}

impl<'a> Repr<'a> {
    /// Parses a message. Nothing may follow its last field.
    ///
    /// # Errors
    /// Octets that are no message of group owner mode.
    pub fn parse(packet: &Packet<&'a [u8]>) -> Result<Self, Error> {
        packet.check_len()?;
        let mut reader = Reader { bytes: packet.buffer, at: field::BODY };
        let body = reader.body(Kind::new(packet.kind())?)?;
        let (max, have) = (reader.at, packet.buffer.len());
        if have > max {
            return Err(Error::Oversized { what: "message of group owner mode", max, have });
        }
        Ok(Self { group: packet.group(), body })
    }

    /// Returns the length of the message in octets.
    pub fn buffer_len(&self) -> usize {
        let mut length = 0;
        self.write(&mut |octets: &[u8]| length += octets.len());
        length
    }

    /// Writes the message over the first [`Self::buffer_len`] octets.
    ///
    /// # Errors
    /// A buffer that is too short, and values that cannot be read back.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<(), Error> {
        self.judge()?;
        room(self.buffer_len(), buffer.len())?;
        let mut at = 0;
        self.write(&mut |octets: &[u8]| {
            buffer[at..at + octets.len()].copy_from_slice(octets);
            at += octets.len();
        });
        Ok(())
    }

    fn judge(&self) -> Result<(), Error> {
        let named = |identity: &[u8], credential: &[u8]| {
            fits("length of an identity", identity.len() as u32, MAX_IDENTITY as u32)?;
            fits("length of a credential", credential.len() as u32, MAX_CREDENTIAL as u32)?;
            match identity.is_empty() || credential.is_empty() {
                true => Err(Error::NotCarried { what: "identity or credential" }),
                false => Ok(()),
            }
        };
        match &self.body {
            Body::JoinRequest(JoinRequest { identity, credential, .. })
            | Body::Challenge(Challenge { identity, credential, .. }) => named(identity, credential),
            Body::Keys(keys) => keys.judge().map_err(|_| Error::NotCarried { what: "keys of this shape" }),
            Body::Notice(Notice { epoch: 0, .. }) => Err(Error::NotCarried { what: "epoch 0" }),
            _ => Ok(()),
        }
    }

    fn write(&self, put: &mut dyn FnMut(&[u8])) {
        put(&[self.body.kind().octet()]);
        put(&self.group);
        match &self.body {
            Body::JoinRequest(request) => {
                put(&request.nonce);
                put(&[request.eea, request.eia]);
                put_named(put, request.identity, request.credential);
                put(&[request.cookie.map_or(0, |cookie| cookie.len() as u8)]);
                put(request.cookie.as_ref().map_or(&[], |cookie| cookie));
            }
            Body::Cookie { nonce, cookie } => {
                put(nonce);
                put(cookie);
            }
            Body::Challenge(challenge) => {
                put(&challenge.nonce);
                put(&challenge.owner_nonce);
                put(&challenge.crl_number.to_be_bytes());
                put_named(put, challenge.identity, challenge.credential);
                put(&challenge.signature);
            }
            Body::Proof(proof) => {
                put(&proof.owner_nonce);
                put(&proof.public);
                put(&proof.crl_number.to_be_bytes());
                put(&proof.signature);
            }
            Body::Keys(keys) => {
                put(&keys.epoch.to_be_bytes());
                put(&keys.slot.to_be_bytes());
                put(&[keys.pgk_id, keys.eea, keys.eia]);
                put(&keys.valid_from.to_be_bytes());
                put(&keys.expiry.to_be_bytes());
                put(&keys.sealed);
                put(&keys.signature);
            }
            Body::Confirm(proven)
            | Body::Leave(proven)
            | Body::LeaveAccept(proven)
            | Body::Removal(proven) => {
                put(&proven.epoch.to_be_bytes());
                put(&proven.mac);
            }
            Body::Refusal { nonce, cause } => {
                put(nonce);
                put(&[cause.octet()]);
            }
            Body::Notice(notice) => {
                put(&notice.epoch.to_be_bytes());
                put(&notice.wait.to_be_bytes());
                put(&notice.signature);
            }
        }
    }
}

fn put_named(put: &mut dyn FnMut(&[u8]), identity: &[u8], credential: &[u8]) {
    // Both lengths were checked.
    put(&[identity.len() as u8]);
    put(identity);
    put(&(credential.len() as u16).to_be_bytes());
    put(credential);
}

impl Keys {
    fn judge(&self) -> Result<(), Error> {
        let reserved = |what, value| Err(Error::Reserved { what, value });
        match self {
            Self { epoch: 0, .. } => reserved("epoch", 0),
            keys if keys.pgk_id & 0x1f == 0 => reserved("PGK ID", u32::from(keys.pgk_id)),
            keys if keys.eea > 7 => reserved("ciphering algorithm", u32::from(keys.eea)),
            keys if keys.eia > 7 => reserved("integrity algorithm", u32::from(keys.eia)),
            keys if keys.expiry <= keys.valid_from => reserved("expiry of a key", keys.expiry),
            _ => Ok(()),
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn slice(&mut self, what: &'static str, len: usize) -> Result<&'a [u8], Error> {
        let end = self.at + len;
        need(what, end, self.bytes.len())?;
        let slice = &self.bytes[self.at..end];
        self.at = end;
        Ok(slice)
    }

    fn take<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Error> {
        let mut out = [0; N];
        out.copy_from_slice(self.slice(what, N)?);
        Ok(out)
    }

    fn four(&mut self, what: &'static str) -> Result<u32, Error> {
        self.take(what).map(u32::from_be_bytes)
    }

    fn named(&mut self) -> Result<(&'a [u8], &'a [u8]), Error> {
        let [length] = self.take("length of an identity")?;
        let identity = self.limited("identity", usize::from(length), MAX_IDENTITY)?;
        let length = u16::from_be_bytes(self.take("length of a credential")?);
        Ok((identity, self.limited("credential", usize::from(length), MAX_CREDENTIAL)?))
    }

    fn limited(&mut self, what: &'static str, stated: usize, max: usize) -> Result<&'a [u8], Error> {
        let have = self.bytes.len() - self.at;
        match stated {
            0 => Err(Error::Reserved { what, value: 0 }),
            _ if stated > max => Err(Error::Oversized { what, max, have: stated }),
            _ if stated > have => Err(Error::LengthLies { what, stated, have }),
            _ => self.slice(what, stated),
        }
    }

    fn body(&mut self, kind: Kind) -> Result<Body<'a>, Error> {
        Ok(match kind {
            Kind::JoinRequest => {
                let nonce = self.take("nonce")?;
                let [eea, eia] = self.take("capabilities")?;
                let (identity, credential) = self.named()?;
                let cookie = match self.take("length of a cookie")? {
                    [0] => None,
                    [16] => Some(self.take("cookie")?),
                    [value] => {
                        return Err(Error::Reserved { what: "length of a cookie", value: value.into() });
                    }
                };
                Body::JoinRequest(JoinRequest { nonce, eea, eia, identity, credential, cookie })
            }
            Kind::Cookie => Body::Cookie { nonce: self.take("nonce")?, cookie: self.take("cookie")? },
            Kind::Challenge => {
                let (nonce, owner_nonce) = (self.take("nonce")?, self.take("nonce of the owner")?);
                let crl_number = self.four("CRL number")?;
                let (identity, credential) = self.named()?;
                let signature = self.take("signature")?;
                Body::Challenge(Challenge { nonce, owner_nonce, crl_number, identity, credential, signature })
            }
            Kind::Proof => Body::Proof(Proof {
                owner_nonce: self.take("nonce of the owner")?,
                public: self.take("public key")?,
                crl_number: self.four("CRL number")?,
                signature: self.take("signature")?,
            }),
            Kind::Keys => {
                let (epoch, slot) = (self.four("epoch")?, u16::from_be_bytes(self.take("slot")?));
                let [pgk_id, eea, eia] = self.take("PGK ID and algorithms")?;
                let (valid_from, expiry) = (self.four("valid from")?, self.four("expiry")?);
                let (sealed, signature) = (self.take("sealed keys")?, self.take("signature")?);
                let keys = Keys { epoch, slot, pgk_id, eea, eia, valid_from, expiry, sealed, signature };
                keys.judge()?;
                Body::Keys(keys)
            }
            Kind::Confirm => Body::Confirm(self.proven()?),
            Kind::Leave => Body::Leave(self.proven()?),
            Kind::LeaveAccept => Body::LeaveAccept(self.proven()?),
            Kind::Removal => Body::Removal(self.proven()?),
            Kind::Refusal => {
                let (nonce, [cause]) = (self.take("nonce")?, self.take("cause")?);
                Body::Refusal { nonce, cause: Cause::new(cause)? }
            }
            Kind::Notice => {
                let (epoch, wait) = (self.four("epoch")?, self.four("wait")?);
                if epoch == 0 {
                    return Err(Error::Reserved { what: "epoch", value: 0 });
                }
                Body::Notice(Notice { epoch, wait, signature: self.take("signature")? })
            }
        })
    }

    fn proven(&mut self) -> Result<Proven, Error> {
        Ok(Proven { epoch: self.four("epoch")?, mac: self.take("MAC")? })
    }
}

#[cfg(test)]
mod tests;
