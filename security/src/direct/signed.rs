//! Method 2 of the direct authentication: ephemeral X25519 keys (RFC 7748) that both UEs sign with Ed25519 (RFC 8032),
//! with raw keys or X.509 certificates. Our own, since the drafts leave the method open (TR 33.833 §6.4.1.4.2 and its
//! notes).
//!
//! ```text
//! UE_1  request { .., key information: X1, hints of trusted roots, [cookie] }          h1 = H(request)
//! UE_2  0xE0    { X2, capabilities of UE_2, CRL number, credential,
//!                 signature over h1 and all of this }                                   h2 = H(h1 || 0xE0)
//! UE_1  0xE1    { CRL number, credential, signature over h2 and all of this }           h3 = H(h2 || 0xE1)
//! both  KD = KDF(X25519, h3, identity of UE_2)
//! ```
//!
//! The request holds UE_1's identity, nonce and capabilities: both signatures cover both ephemeral keys, both
//! identities and both capability sets. The security mode procedure that follows proves that both hold KD. UE_1 refuses
//! a command that exceeds the capabilities that UE_2 signed ([`Requested::hear`](super::Requested::hear)).
//!
//! The CRL numbers are signed as well, and serve people who read a capture: no UE refuses a peer because of them. A
//! peer's number does not say which issuer it belongs to, and a peer that stated a huge number would exclude all
//! others.

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};

use super::Capabilities;
use crate::counter::UtcTime;
use crate::kdf::{derive, fc};
use crate::keys::Kd;

pub mod certificate;
mod der;
mod extension;
mod failure;
pub mod issue;
mod role;
mod root;
mod statement;
mod vouched;

pub use failure::{CertificateError, Dated, Failure};
pub use role::{MAX_SERVICES, Role, Roles};
pub use root::Root;
pub use statement::{Statement, digest};
pub use vouched::Vouched;

/// Octet of this method in the containers.
pub const METHOD: u8 = 2;

const LABEL_1: &[u8] = b"sidelink PC5 signed ephemeral, UE_1";
const LABEL_2: &[u8] = b"sidelink PC5 signed ephemeral, UE_2";
const COOKIE: usize = 16;
/// Largest number of root hints in one request.
const MAX_HINTS: usize = 16;

/// The name of a user, and what it must be allowed to be: its role, and the service of relays.
type NameAndRole<'a> = (&'a [u8], Option<(Role, [u8; 3])>);

/// The expected identity of a peer: User Info of PC5, a type of identity and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// Type of the identity. Certificates and raw keys prove only names of users ([`Self::USER`]).
    pub kind: u8,
    /// The identity.
    pub value: &'a [u8],
}

impl<'a> Subject<'a> {
    /// Upper-layer user info: the type of common names and raw keys.
    pub const USER: u8 = 1;
    /// A user as UE-to-UE relay: three octets of Relay Service Code, and its name. It is on no air: a request has the user
    /// info and the code as elements of their own.
    pub const RELAY: u8 = 0x10;
    /// A user as an end behind such a relay, in the same form.
    pub const END: u8 = 0x11;

    /// Makes a name of a user.
    pub const fn user(value: &'a [u8]) -> Self {
        Self { kind: Self::USER, value }
    }

    /// Returns the name of the user, and what it must be allowed to be.
    fn claim(self) -> Result<NameAndRole<'a>, Failure> {
        let role = match self.kind {
            Self::USER => return Ok((self.value, None)),
            Self::RELAY => Role::Relay,
            Self::END => Role::End,
            _ => return Err(Failure::WrongIdentity),
        };
        let (service, name) = self.value.split_first_chunk().ok_or(Failure::WrongIdentity)?;
        Ok((name, Some((role, *service))))
    }
}

/// The key, and perhaps the certificate, with which a UE authenticates.
pub struct Credential {
    key: SigningKey,
    certificate: Option<Vec<u8>>,
}

impl Credential {
    /// Makes a credential of a raw key, which the peer must know.
    pub fn raw(seed: &[u8; 32]) -> Self {
        Self { key: SigningKey::from_bytes(seed), certificate: None }
    }

    /// Makes a credential of a key with its certificate (DER).
    pub fn certified(seed: &[u8; 32], certificate: Vec<u8>) -> Self {
        Self { key: SigningKey::from_bytes(seed), certificate: Some(certificate) }
    }

    /// Returns the public key.
    pub fn public(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    fn write(&self, out: &mut Vec<u8>) {
        let raw = self.public();
        let (kind, octets) = self.certificate.as_deref().map_or((0, &raw[..]), |der| (1, der));
        out.push(kind);
        out.extend((octets.len() as u16).to_be_bytes());
        out.extend(octets);
    }

    fn sign(&self, label: &[u8], hash: &[u8; 32], unsigned: &[u8]) -> [u8; 64] {
        self.key.sign(&[label, hash, unsigned].concat()).to_bytes()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.certificate.is_some() { "certified" } else { "raw" };
        write!(f, "Credential({kind}, key redacted)")
    }
}

/// The roots and raw keys that a UE trusts.
#[derive(Debug, Default)]
pub struct Trust {
    /// Roots of certificates, with their revocation lists.
    pub roots: Vec<Root>,
    /// Identities with their raw keys.
    pub raw: Vec<(Vec<u8>, [u8; 32])>,
    /// Milliseconds by which clocks may differ: added to both ends of a certificate's validity, so that a UE with a
    /// wrong clock does not refuse its peer. MAX_OFFSET of discovery is the measure.
    pub guard: u64,
    /// Milliseconds for which a peer's certificate is taken after its end, where the user of this UE says that it is an
    /// emergency; 0 otherwise. Those of issuers, and revocation lists, have no such time.
    pub grace: u64,
}

impl Trust {
    /// Milliseconds of grace in an emergency: 24 h.
    pub const EMERGENCY_GRACE: u64 = 24 * 3600 * 1000;

    /// Returns the milliseconds for which a peer's certificate is taken after its end.
    pub const fn after_the_end(&self) -> u64 {
        self.guard.saturating_add(self.grace)
    }
}

/// An ephemeral key pair, for one exchange.
pub struct Ephemeral(StaticSecret);

impl Ephemeral {
    /// Makes a key pair of 32 octets that are drawn for it and used for nothing else.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(StaticSecret::from(seed))
    }

    /// Returns the public key.
    pub fn public(&self) -> [u8; 32] {
        PublicKey::from(&self.0).to_bytes()
    }

    /// Returns the secret that is shared with the owner of a public key; `None` for a point of small order.
    pub(super) fn shared(&self, peer: [u8; 32]) -> Option<SharedSecret> {
        let shared = self.0.diffie_hellman(&PublicKey::from(peer));
        shared.was_contributory().then_some(shared)
    }

    fn agree(&self, peer: [u8; 32], transcript: &[u8; 32], ue_2: Subject<'_>) -> Result<Kd, Failure> {
        let shared = self.shared(peer).ok_or(Failure::WeakKey)?;
        // An identity is one octet of type and at most 255 of value; the length of a parameter has 16 bits.
        let value = &ue_2.value[..ue_2.value.len().min(0xfffe)];
        let identity = [&[ue_2.kind], value].concat();
        Ok(Kd::from(*derive(shared.as_bytes(), fc::OWN_KD_FROM_SIGNED, &[transcript, &identity])))
    }
}

impl fmt::Debug for Ephemeral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ephemeral(redacted)")
    }
}

/// Key establishment information of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// UE_1's ephemeral key.
    pub ephemeral: [u8; 32],
    /// First 4 octets of the hash of each trusted root's key.
    pub hints: Vec<[u8; 4]>,
    /// UE_2's cookie, which is echoed.
    pub cookie: Option<[u8; COOKIE]>,
}

impl KeyInfo {
    /// Makes the information for an ephemeral key and the trusted roots.
    pub fn new(ephemeral: &Ephemeral, trust: &Trust, cookie: Option<[u8; COOKIE]>) -> Self {
        let hints = trust.roots.iter().map(Root::hint).take(MAX_HINTS).collect();
        Self { ephemeral: ephemeral.public(), hints, cookie }
    }

    /// Writes the octets: method, key, number of hints, hints, cookie.
    pub fn emit(&self) -> Vec<u8> {
        let mut out = vec![METHOD];
        out.extend(self.ephemeral);
        out.push(self.hints.len() as u8);
        out.extend(self.hints.iter().flatten());
        out.extend(self.cookie.iter().flatten());
        out
    }

    /// Reads the octets; `None` when they are not of this method.
    pub fn parse(octets: &[u8]) -> Option<Self> {
        let mut reader = Reader(octets);
        if reader.take::<1>()? != [METHOD] {
            return None;
        }
        let ephemeral = reader.take()?;
        let [count] = reader.take()?;
        if usize::from(count) > MAX_HINTS {
            return None;
        }
        let hints = (0..count).map(|_| reader.take()).collect::<Option<_>>()?;
        let cookie = reader.take();
        reader.0.is_empty().then_some(Self { ephemeral, hints, cookie })
    }
}

/// UE_2 after it has signed.
#[derive(Debug)]
pub struct Challenged {
    ephemeral: Ephemeral,
    peer: [u8; 32],
    /// h2.
    transcript: [u8; 32],
}

/// Answers a request at UE_2: returns the state, and the content of 0xE0. `request` is the whole message.
pub fn challenge(
    credential: &Credential,
    trust: &Trust,
    request: &[u8],
    info: &KeyInfo,
    capabilities: Capabilities,
    ephemeral: Ephemeral,
) -> Result<(Challenged, Vec<u8>), Failure> {
    if let Some(der) = &credential.certificate {
        let issuer = trust.roots.iter().find(|root| root.issued(der)).map(Root::hint);
        // If the issuer's certificate is not here, the peer decides.
        if issuer.is_some_and(|hint| !info.hints.contains(&hint)) {
            return Err(Failure::NoCommonRoot);
        }
    }
    let h1 = hash(&[request]);
    let mut content = ephemeral.public().to_vec();
    content.extend([capabilities.eea, capabilities.eia]);
    content.extend(trust.crl_number().to_be_bytes());
    credential.write(&mut content);
    let signature = credential.sign(LABEL_2, &h1, &content);
    content.extend(signature);
    let transcript = hash(&[&h1, &content]);
    Ok((Challenged { ephemeral, peer: info.ephemeral, transcript }, content))
}

/// UE_1's result of 0xE0.
#[derive(Debug)]
pub struct Response {
    /// The content of 0xE1.
    pub content: Vec<u8>,
    /// The established KD.
    pub kd: Kd,
    /// The capabilities that UE_2 signed: its command must not exceed them.
    pub capabilities: Capabilities,
}

/// Checks 0xE0 at UE_1 and answers. `peer` is the expected identity of UE_2.
pub fn respond(
    ephemeral: &Ephemeral,
    credential: &Credential,
    trust: &Trust,
    now: UtcTime,
    peer: Subject<'_>,
    request: &[u8],
    content: &[u8],
) -> Result<Response, Failure> {
    let h1 = hash(&[request]);
    let malformed = Failure::Malformed("the authentication request");
    let (unsigned, signature) = split(content).ok_or(malformed.clone())?;
    let mut reader = Reader(unsigned);
    let x2: [u8; 32] = reader.take().ok_or(malformed.clone())?;
    let [eea, eia] = reader.take().ok_or(malformed.clone())?;
    let _crl_number: [u8; 4] = reader.take().ok_or(malformed.clone())?;
    let claim =
        Claim { credential: reader.0, identity: peer, label: LABEL_2, hash: &h1, unsigned, signature };
    trust.verify(&claim, now, malformed)?;
    let h2 = hash(&[&h1, content]);
    let mut answer = trust.crl_number().to_be_bytes().to_vec();
    credential.write(&mut answer);
    let signature = credential.sign(LABEL_1, &h2, &answer);
    answer.extend(signature);
    let kd = ephemeral.agree(x2, &hash(&[&h2, &answer]), peer)?;
    Ok(Response { content: answer, kd, capabilities: Capabilities { eea, eia } })
}

impl Challenged {
    /// Checks 0xE1 at UE_2. `peer` is the claimed identity of UE_1, `own` that of this UE. Takes `self` by reference:
    /// anyone can send an answer, and the next may be the right one.
    pub fn finish(
        &self,
        trust: &Trust,
        now: UtcTime,
        peer: Subject<'_>,
        own: Subject<'_>,
        content: &[u8],
    ) -> Result<Kd, Failure> {
        let malformed = Failure::Malformed("the authentication response");
        let (unsigned, signature) = split(content).ok_or(malformed.clone())?;
        let mut reader = Reader(unsigned);
        let _crl_number: [u8; 4] = reader.take().ok_or(malformed.clone())?;
        let claim = Claim {
            credential: reader.0,
            identity: peer,
            label: LABEL_1,
            hash: &self.transcript,
            unsigned,
            signature,
        };
        trust.verify(&claim, now, malformed)?;
        self.ephemeral.agree(self.peer, &hash(&[&self.transcript, content]), own)
    }
}

/// A peer's signed claim of its identity.
struct Claim<'a> {
    /// The received octets: kind, length, key or certificate.
    credential: &'a [u8],
    /// The expected identity.
    identity: Subject<'a>,
    /// Label of the role that signs.
    label: &'a [u8],
    /// Hash of the earlier messages.
    hash: &'a [u8; 32],
    /// The signed octets, after the label and the hash.
    unsigned: &'a [u8],
    signature: &'a [u8; 64],
}

impl Trust {
    /// Installs a revocation list (DER) at every root that signed it.
    ///
    /// # Errors
    /// The reason why no root accepts it.
    pub fn install_crl(&mut self, der: &[u8]) -> Result<(), CertificateError> {
        let mut result = Err(CertificateError::Issuer);
        for root in &mut self.roots {
            result = match (result, root.install_crl(der)) {
                // Only the signature distinguishes roots of one name: the result of the root that signed counts.
                (said, Err(CertificateError::Issuer)) => said,
                (said, Err(CertificateError::Signature)) if said != Err(CertificateError::Issuer) => said,
                (_, new) => new,
            };
        }
        result
    }

    /// Returns the highest number of the revocation lists, so that the peer can see whose are newer.
    fn crl_number(&self) -> u32 {
        self.roots.iter().map(Root::crl_number).max().unwrap_or(0)
    }

    /// Checks the credential and the signature of `claim` at `now`; `malformed` is the error for unreadable octets.
    fn verify(&self, claim: &Claim<'_>, now: UtcTime, malformed: Failure) -> Result<(), Failure> {
        let &Claim { credential, identity, label, hash, unsigned, signature } = claim;
        let mut reader = Reader(credential);
        let [kind] = reader.take().ok_or(malformed.clone())?;
        let length = u16::from_be_bytes(reader.take().ok_or(malformed.clone())?);
        if reader.0.len() != usize::from(length) {
            return Err(malformed);
        }
        let key = match kind {
            0 => {
                let key = reader.take::<32>().filter(|_| length == 32).ok_or(malformed)?;
                // A raw key says who has it, and not what it may be.
                let (name, None) = identity.claim()? else { return Err(Failure::NoRole) };
                let known = self.raw.iter().any(|(who, theirs)| who == name && *theirs == key);
                known.then_some(key).ok_or(Failure::UnknownKey)?
            }
            1 => certificate::verify(reader.0, &self.roots, identity, now, [self.guard, self.grace])?,
            _ => return Err(malformed),
        };
        let key = VerifyingKey::from_bytes(&key).map_err(|_| Failure::WrongSignature)?;
        let signed = [label, hash, unsigned].concat();
        key.verify_strict(&signed, &Signature::from_bytes(signature)).map_err(|_| Failure::WrongSignature)
    }
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// Splits the content into the signed part and the signature.
fn split(content: &[u8]) -> Option<(&[u8], &[u8; 64])> {
    content.split_last_chunk()
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk()?;
        self.0 = tail;
        Some(*head)
    }
}

#[cfg(test)]
mod tests;
