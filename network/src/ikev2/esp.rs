//! ESP in a tunnel, with AES-GCM-128. RFC 4303, RFC 4106.
//!
//! ```text
//!   SPI 4 | sequence 4 | IV 8 | packet, padding, its length 1, next 4 | ICV 16
//! ```

use std::fmt;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes128Gcm, Nonce, Tag};

/// Sequence numbers below the highest that are still taken, once each.
pub const WINDOW: u32 = 64;

const HEADER: usize = 8;
const IV: usize = 8;
const ICV: usize = 16;

/// IPv4 in a tunnel.
const NEXT: u8 = 4;

/// Octets that a packet of this length takes more: header, IV, padding to four, trailer, ICV. The outer IP header and UDP come to it.
pub const fn overhead(octets: usize) -> usize {
    let padding = (octets + 2).next_multiple_of(4) - octets - 2;
    HEADER + IV + padding + 2 + ICV
}

/// Why a packet is not taken, or not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EspError {
    /// It is none.
    Length,
    /// Of another SA.
    Spi,
    /// It came before, or is too old to know.
    Replayed,
    /// It was altered, or is under another key.
    Icv,
    /// What is in it is none of IPv4.
    Content,
    /// No sequence number is left: a new SA is needed.
    Worn,
}

impl fmt::Display for EspError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "no packet of ESP",
            Self::Spi => "a packet of another SA",
            Self::Replayed => "a packet that came before, or is too old",
            Self::Icv => "a packet that was altered, or is under another key",
            Self::Content => "no packet of IPv4 in ESP",
            Self::Worn => "no sequence number is left: make a new SA",
        })
    }
}

impl std::error::Error for EspError {}

struct Key {
    cipher: Aes128Gcm,
    salt: [u8; 4],
}

impl Key {
    fn new(key: &[u8; 20]) -> Self {
        let [octets @ .., a, b, c, d] = *key;
        let octets = zeroize::Zeroizing::new(octets);
        Self { cipher: Aes128Gcm::new((&*octets).into()), salt: [a, b, c, d] }
    }

    fn nonce(&self, iv: [u8; IV]) -> Nonce<aes_gcm::aead::consts::U12> {
        let [a, b, c, d] = self.salt;
        let [e, f, g, h, i, j, k, l] = iv;
        [a, b, c, d, e, f, g, h, i, j, k, l].into()
    }
}

/// Packets that go out.
pub struct Outbound {
    key: Key,
    spi: [u8; 4],
    sequence: u32,
}

impl Outbound {
    /// Under a key and its salt.
    pub fn new(key: &[u8; 20], spi: [u8; 4]) -> Self {
        Self { key: Key::new(key), spi, sequence: 0 }
    }

    /// Protects a packet of IPv4. The IV is the sequence number, which comes once.
    ///
    /// # Errors
    /// No sequence number is left.
    pub fn seal(&mut self, packet: &[u8]) -> Result<Vec<u8>, EspError> {
        let sequence = self.sequence.checked_add(1).ok_or(EspError::Worn)?;
        let padding = (packet.len() + 2).next_multiple_of(4) - packet.len() - 2;
        let mut inner = packet.to_vec();
        inner.extend((1..).take(padding));
        inner.extend([padding as u8, NEXT]);
        let header = [self.spi, sequence.to_be_bytes()].concat();
        let iv = u64::from(sequence).to_be_bytes();
        let tag =
            self.key.cipher.encrypt_inout_detached(&self.key.nonce(iv), &header, inner.as_mut_slice().into());
        let tag = tag.map_err(|_| EspError::Length)?;
        self.sequence = sequence;
        Ok([&header[..], &iv, &inner, &tag[..]].concat())
    }
}

/// Packets that come in.
pub struct Inbound {
    key: Key,
    spi: [u8; 4],
    highest: u32,
    /// Bit n: the highest less n has come.
    seen: u64,
}

impl Inbound {
    /// Under a key and its salt.
    pub fn new(key: &[u8; 20], spi: [u8; 4]) -> Self {
        Self { key: Key::new(key), spi, highest: 0, seen: 0 }
    }

    fn is_new(&self, sequence: u32) -> bool {
        match self.highest.checked_sub(sequence) {
            _ if sequence == 0 => false,
            None => true,
            Some(behind) => behind < WINDOW && self.seen >> behind & 1 == 0,
        }
    }

    fn mark(&mut self, sequence: u32) {
        match sequence.checked_sub(self.highest) {
            Some(ahead @ 1..) => {
                self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
                self.highest = sequence;
            }
            _ => self.seen |= 1 << (self.highest - sequence),
        }
    }

    /// The packet of IPv4. The window moves only after the packet is proven.
    ///
    /// # Errors
    /// Why it is dropped.
    pub fn open(&mut self, octets: &[u8]) -> Result<Vec<u8>, EspError> {
        let (header, rest) = octets.split_first_chunk::<HEADER>().ok_or(EspError::Length)?;
        let (iv, rest) = rest.split_first_chunk::<IV>().ok_or(EspError::Length)?;
        let (sealed, tag) = rest.split_last_chunk::<ICV>().ok_or(EspError::Length)?;
        let [spi @ .., a, b, c, d] = *header;
        if spi != self.spi {
            return Err(EspError::Spi);
        }
        let sequence = u32::from_be_bytes([a, b, c, d]);
        if !self.is_new(sequence) {
            return Err(EspError::Replayed);
        }
        let mut inner = sealed.to_vec();
        let nonce = self.key.nonce(*iv);
        let tag = Tag::from(*tag);
        let opened =
            self.key.cipher.decrypt_inout_detached(&nonce, header, inner.as_mut_slice().into(), &tag);
        opened.map_err(|_| EspError::Icv)?;
        self.mark(sequence);
        let [.., padding, NEXT] = *inner else { return Err(EspError::Content) };
        let length = inner.len().checked_sub(2 + usize::from(padding)).ok_or(EspError::Content)?;
        inner.truncate(length);
        Ok(inner)
    }
}
