//! User names, and what their first character says they are. RFC 4187 §4.1.1, RFC 9048 §5.
//!
//! A pseudonym is the IMSI itself, encrypted under a key of the server: nothing of it has to be stored, every server with the
//! key knows it, and a crash forgets none. The form is our own, like that of TS 33.234 §6.4 (from memory):
//!
//! ```text
//!   7 | number of the key, 2 hexadecimal digits | AES-128( IMSI in BCD, filled with F, 8 octets | random, 8 octets ), 32 digits
//! ```
//!
//! It has no integrity of its own: who makes one up names a subscriber at random, who then has to prove to be it.
//! The name of a re-authentication is random and stands for a context that the server keeps.

use aes::Aes128;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use sidelink_wire::hex;
use zeroize::ZeroizeOnDrop;

use crate::identity::Imsi;

/// Octets of an identity, at most: what one attribute carries.
pub const MAX_IDENTITY: usize = 253;

const PERMANENT: char = '6';
const PSEUDONYM: char = '7';
const REAUTHENTICATION: char = '8';

/// What an identity is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The IMSI in the open.
    Permanent(Imsi),
    /// A user name that begins as a pseudonym does.
    Pseudonym(String),
    /// A user name that begins as that of a re-authentication does.
    Reauthentication(String),
    /// None of EAP-AKA'.
    Other,
}

impl Kind {
    /// What a NAI is, by its user name.
    pub fn of(identity: &str) -> Self {
        let user = identity.split('@').next().unwrap_or_default();
        let mut rest = user.chars();
        match rest.next() {
            Some(PERMANENT) => Imsi::new(rest.as_str()).map_or(Self::Other, Self::Permanent),
            Some(PSEUDONYM) => Self::Pseudonym(user.to_owned()),
            Some(REAUTHENTICATION) => Self::Reauthentication(user.to_owned()),
            _ => Self::Other,
        }
    }
}

/// The permanent user name of a subscriber.
pub fn permanent(imsi: &Imsi) -> String {
    format!("{PERMANENT}{}", imsi.digits())
}

/// The user name of a re-authentication.
pub fn reauthentication(random: [u8; 16]) -> String {
    format!("{REAUTHENTICATION}{}", hex::of_bytes(&random))
}

/// A key that pseudonyms are made under.
#[derive(ZeroizeOnDrop)]
pub struct PseudonymKey {
    /// Its number.
    #[zeroize(skip)]
    pub number: u8,
    /// The key.
    pub key: [u8; 16],
}

impl PseudonymKey {
    /// A pseudonym.
    pub fn seal(&self, imsi: &Imsi, random: [u8; 8]) -> String {
        let mut block = [0xff; 16];
        for (i, digit) in imsi.digits().bytes().enumerate() {
            // At most 15 digits: half an octet stays.
            let shift = if i % 2 == 0 { 4 } else { 0 };
            block[i / 2] ^= (0xf ^ (digit - b'0')) << shift;
        }
        block[8..].copy_from_slice(&random);
        let mut sealed = block.into();
        Aes128::new((&self.key).into()).encrypt_block(&mut sealed);
        format!("{PSEUDONYM}{}{}", hex::of_bytes(&[self.number]), hex::of_bytes(&sealed))
    }

    /// Whose it is; `None` where it is not of this key.
    pub fn open(&self, pseudonym: &str) -> Option<Imsi> {
        let octets = hex::bytes(pseudonym.strip_prefix(PSEUDONYM)?)?;
        let (number, sealed) = octets.split_first()?;
        let sealed: [u8; 16] = sealed.try_into().ok()?;
        if *number != self.number {
            return None;
        }
        let mut block = sealed.into();
        Aes128::new((&self.key).into()).decrypt_block(&mut block);
        let halves = block[..8].iter().flat_map(|octet| [octet >> 4, octet & 0xf]);
        let halves: Vec<u8> = halves.collect();
        let end = halves.iter().position(|half| *half == 0xf)?;
        let (digits, filler) = halves.split_at(end);
        if filler.iter().any(|half| *half != 0xf) {
            return None;
        }
        let digits: Option<String> = digits.iter().map(|d| char::from_digit((*d).into(), 10)).collect();
        Imsi::new(&digits?).ok()
    }
}
