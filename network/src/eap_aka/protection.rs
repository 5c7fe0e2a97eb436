//! AT_MAC, AT_ENCR_DATA and AT_CHECKCODE. RFC 4187 §10.12, §10.13, §10.15; RFC 9048 §3.1, §3.4.

use aes::Aes128;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use sidelink_security::kdf::eap_aka::{ExportedKeys, MasterKeys};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::attribute::{Attribute, parse_all};
use super::message::Bag;
use super::{Error, Packet};

/// Octets of a packet before its attributes: header, type, subtype, two reserved.
pub(super) const ATTRIBUTES: usize = 8;

/// The keys of a full authentication that re-authentications use too.
#[derive(ZeroizeOnDrop)]
pub struct Keys {
    /// K_encr.
    pub k_encr: [u8; 16],
    /// K_aut.
    pub k_aut: [u8; 32],
    /// K_re.
    pub k_re: [u8; 32],
}

impl Keys {
    /// Parts what stays from what is exported.
    pub fn split(keys: &MasterKeys) -> (Self, ExportedKeys) {
        let MasterKeys { k_encr, k_aut, k_re, msk, emsk } = keys;
        let kept = Self { k_encr: *k_encr, k_aut: *k_aut, k_re: *k_re };
        (kept, ExportedKeys { msk: *msk, emsk: *emsk })
    }
}

/// The MAC of a packet whose AT_MAC is at `at`, and of what follows it: HMAC-SHA-256, its first 128 bits.
fn mac(packet: &[u8], at: usize, k_aut: &[u8; 32], extra: &[u8]) -> [u8; 16] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(k_aut).expect("HMAC takes keys of any length");
    hmac.update(&packet[..at]);
    hmac.update(&[0; 16]);
    hmac.update(&packet[at + 16..]);
    hmac.update(extra);
    let whole: [u8; 32] = hmac.finalize().into_bytes().into();
    let mut mac = [0; 16];
    mac.copy_from_slice(&whole[..16]);
    mac
}

/// Puts the MAC into a packet whose AT_MAC has its value at `at`.
pub(super) fn put_mac(packet: &mut [u8], at: usize, k_aut: &[u8; 32], extra: &[u8]) {
    let made = mac(packet, at, k_aut, extra);
    packet[at..at + 16].copy_from_slice(&made);
}

/// Verifies AT_MAC. `extra` is NONCE_S for the response to a re-authentication, and nothing else. A message without AT_MAC
/// is refused. Returns the MAC, which names sessions.
pub fn verify_mac(packet: &Packet<'_>, k_aut: &[u8; 32], extra: &[u8]) -> Result<[u8; 16], Error> {
    let octets = packet.octets();
    let attributes = parse_all(octets.get(ATTRIBUTES..).unwrap_or(&[]))?;
    let mut macs = attributes.iter().filter_map(|(at, attribute)| match attribute {
        // Two octets are reserved.
        Attribute::Mac(mac) => Some((ATTRIBUTES + at + 2, *mac)),
        _ => None,
    });
    let (at, given) = macs.next().ok_or(Error::Mac)?;
    if bool::from(mac(octets, at, k_aut, extra).ct_eq(&given)) { Ok(given) } else { Err(Error::Mac) }
}

/// AT_IV and AT_ENCR_DATA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Initialisation vector.
    pub iv: [u8; 16],
    /// Whole blocks.
    pub data: Vec<u8>,
}

/// What is encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Inner {
    /// AT_COUNTER.
    pub counter: Option<u16>,
    /// Whether AT_COUNTER_TOO_SMALL is there.
    pub counter_too_small: bool,
    /// AT_NONCE_S.
    pub nonce_s: Option<[u8; 16]>,
    /// AT_NEXT_PSEUDONYM.
    pub next_pseudonym: Option<String>,
    /// AT_NEXT_REAUTH_ID.
    pub next_reauth_id: Option<String>,
}

impl Sealed {
    /// Encrypts: AES-128-CBC, padded by AT_PADDING.
    pub fn seal(k_encr: &[u8; 16], iv: [u8; 16], inner: &Inner) -> Result<Self, Error> {
        let mut data = Vec::new();
        let attributes = [
            inner.counter.map(Attribute::Counter),
            inner.counter_too_small.then_some(Attribute::CounterTooSmall),
            inner.nonce_s.map(Attribute::NonceS),
            inner.next_pseudonym.clone().map(Attribute::NextPseudonym),
            inner.next_reauth_id.clone().map(Attribute::NextReauthId),
        ];
        for attribute in attributes.into_iter().flatten() {
            attribute.emit(&mut data)?;
        }
        if data.len() % 16 != 0 {
            Attribute::Padding(16 - data.len() % 16).emit(&mut data)?;
        }
        let mut cipher = cbc::Encryptor::<Aes128>::new(k_encr.into(), &iv.into());
        for block in data.as_chunks_mut::<16>().0 {
            cipher.encrypt_block(block.into());
        }
        Ok(Self { iv, data })
    }

    /// Decrypts. Only what AT_MAC has proven is worth it.
    pub fn open(&self, k_encr: &[u8; 16]) -> Result<Inner, Error> {
        let mut data = self.data.clone();
        let mut cipher = cbc::Decryptor::<Aes128>::new(k_encr.into(), &self.iv.into());
        for block in data.as_chunks_mut::<16>().0 {
            cipher.decrypt_block(block.into());
        }
        let inner = parse_inner(&data);
        data.zeroize();
        inner
    }
}

fn parse_inner(data: &[u8]) -> Result<Inner, Error> {
    let mut bag = Bag::new("AT_ENCR_DATA", parse_all(data)?);
    let inner = Inner {
        counter: bag.take(|a| if let Attribute::Counter(v) = a { Some(*v) } else { None }),
        counter_too_small: bag.take(|a| matches!(a, Attribute::CounterTooSmall).then_some(())).is_some(),
        nonce_s: bag.take(|a| if let Attribute::NonceS(v) = a { Some(*v) } else { None }),
        next_pseudonym: bag
            .take(|a| if let Attribute::NextPseudonym(v) = a { Some(v.clone()) } else { None }),
        next_reauth_id: bag.take(|a| if let Attribute::NextReauthId(v) = a { Some(v.clone()) } else { None }),
    };
    bag.take(|a| matches!(a, Attribute::Padding(_)).then_some(()));
    bag.finish()?;
    Ok(inner)
}

/// Value of AT_CHECKCODE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkcode {
    /// No identities were exchanged.
    Empty,
    /// Of EAP-AKA.
    Sha1([u8; 20]),
    /// Of EAP-AKA'.
    Sha256([u8; 32]),
}

impl Checkcode {
    pub(super) fn parse(octets: &[u8]) -> Result<Self, Error> {
        match octets.len() {
            0 => Ok(Self::Empty),
            20 => Ok(Self::Sha1(octets.try_into().expect("just counted"))),
            32 => Ok(Self::Sha256(octets.try_into().expect("just counted"))),
            stated => Err(Error::Length { what: "AT_CHECKCODE", stated, have: 32 }),
        }
    }

    pub(super) const fn octets(&self) -> &[u8] {
        match self {
            Self::Empty => &[],
            Self::Sha1(hash) => hash,
            Self::Sha256(hash) => hash,
        }
    }
}

/// The exchange of identities, of which AT_CHECKCODE is the hash: whole packets, as they were sent and received.
#[derive(Clone, Default)]
pub struct Transcript(Option<Sha256>);

impl Transcript {
    /// Appends a packet of an AKA-Identity round.
    pub fn add(&mut self, packet: &[u8]) {
        self.0.get_or_insert_with(Sha256::new).update(packet);
    }

    /// AT_CHECKCODE of what was exchanged so far.
    pub fn checkcode(&self) -> Checkcode {
        match &self.0 {
            None => Checkcode::Empty,
            Some(hash) => Checkcode::Sha256(hash.clone().finalize().into()),
        }
    }
}
