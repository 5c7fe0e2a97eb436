//! SRTP: media between two users, protected by keys of their own. RFC 3711, RFC 7714.
//!
//! ```text
//!   RTP header | payload, ciphered | tag          HMAC-SHA-1 over header, payload and rollover counter, or the tag of AES-GCM
//!
//!   master key, master salt --label--> session key, session salt [, key of the HMAC]            RFC 3711 §4.3
//!   rollover counter 32 | sequence number 16                      packet index                  RFC 3711 §3.3.1
//! ```
//!
//! [`Sender`] and [`Receiver`] are of one source (SSRC). Own code: what media security costs is what this project compares, and
//! the crates for it need a library of C or an asynchronous runtime.
//!
//! Not there: SRTCP, MKI, key derivation at a rate, AES-F8, the null cipher.

use std::fmt;

use aes::Aes128;
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, Nonce, Tag};
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

mod index;

pub use index::PacketIndex;

use index::Window;

/// Octets of a master key and of a session key.
pub const KEY_OCTETS: usize = 16;

/// Octets of a master salt: RFC 3711 §8.2.
pub const SALT_OCTETS: usize = 14;

/// Octets of the master salt of AES-GCM: RFC 7714 §12.
pub const GCM_SALT_OCTETS: usize = 12;

/// Octets of an RTP header without contributing sources. RFC 3550 §5.1.
const HEADER: usize = 12;

/// How packets are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SrtpProfile {
    /// AES_CM_128_HMAC_SHA1_80. RFC 4568 §6.2.1.
    AesCm128HmacSha1Tag80,
    /// AES_CM_128_HMAC_SHA1_32. RFC 4568 §6.2.2.
    AesCm128HmacSha1Tag32,
    /// AEAD_AES_128_GCM. RFC 7714 §12.
    AeadAes128Gcm,
}

impl SrtpProfile {
    /// Octets that a packet takes more.
    pub const fn tag_octets(self) -> usize {
        match self {
            Self::AesCm128HmacSha1Tag80 => 10,
            Self::AesCm128HmacSha1Tag32 => 4,
            Self::AeadAes128Gcm => 16,
        }
    }
}

/// Master key and master salt of one direction, or of one source.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct MasterKey {
    key: [u8; KEY_OCTETS],
    salt: [u8; SALT_OCTETS],
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(redacted)")
    }
}

impl MasterKey {
    /// Of 128 and 112 bits.
    pub const fn new(key: [u8; KEY_OCTETS], salt: [u8; SALT_OCTETS]) -> Self {
        Self { key, salt }
    }

    /// Of AES-GCM, whose salt of 96 bits has 16 zeros behind it. RFC 7714 §11.
    pub fn with_gcm_salt(key: [u8; KEY_OCTETS], salt: [u8; GCM_SALT_OCTETS]) -> Self {
        let mut padded = [0; SALT_OCTETS];
        padded[..GCM_SALT_OCTETS].copy_from_slice(&salt);
        Self { key, salt: padded }
    }

    /// From key and salt behind each other, as a crypto attribute has them. RFC 4568 §6.1.
    pub fn from_key_and_salt(octets: &[u8; KEY_OCTETS + SALT_OCTETS]) -> Self {
        let mut master = Self { key: [0; KEY_OCTETS], salt: [0; SALT_OCTETS] };
        master.key.copy_from_slice(&octets[..KEY_OCTETS]);
        master.salt.copy_from_slice(&octets[KEY_OCTETS..]);
        master
    }

    /// Derives as many octets as `out` has. RFC 3711 §4.3.1, with a key derivation rate of 0.
    fn derive(&self, label: Label, out: &mut [u8]) {
        let mut iv = [0; 16];
        iv[..SALT_OCTETS].copy_from_slice(&self.salt);
        // label || 48 bits of 0, at the end of the 112 bits.
        iv[SALT_OCTETS - 7] ^= label as u8;
        out.fill(0);
        Ctr128BE::<Aes128>::new((&self.key).into(), (&iv).into()).apply_keystream(out);
    }
}

/// What a session key is for. RFC 3711 §4.3.2.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Label {
    Encryption = 0,
    Authentication = 1,
    Salt = 2,
}

/// Why a packet is not protected, or not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SrtpError {
    /// It is no packet of RTP, or shorter than its tag.
    NotRtp,
    /// It is of another source.
    Source,
    /// It came before.
    Replayed,
    /// It is so far behind that nobody knows whether it came before.
    Late,
    /// It was altered, or is under another key.
    Tag,
    /// Our fault: its sequence number is not ahead of the last one, and would use a key stream again.
    Reused,
    /// No packet index is left: take another master key.
    Worn,
}

impl fmt::Display for SrtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotRtp => "no packet of RTP, or shorter than its tag",
            Self::Source => "a packet of another source",
            Self::Replayed => "a packet that came before",
            Self::Late => "a packet that is too old to know whether it came before",
            Self::Tag => "a packet that was altered, or is under another key",
            Self::Reused => "the sequence number is not ahead of the last one: count on",
            Self::Worn => "no packet index is left: take another master key",
        })
    }
}

impl std::error::Error for SrtpError {}

/// Keys of a session. RFC 3711 §4.3.1.
#[derive(Zeroize, ZeroizeOnDrop)]
struct SessionKeys {
    #[zeroize(skip)]
    profile: SrtpProfile,
    #[zeroize(skip)]
    ssrc: [u8; 4],
    cipher: [u8; KEY_OCTETS],
    salt: [u8; SALT_OCTETS],
    authentication: [u8; 20],
}

impl SessionKeys {
    fn new(profile: SrtpProfile, master: &MasterKey, ssrc: u32) -> Self {
        let mut keys = Self {
            profile,
            ssrc: ssrc.to_be_bytes(),
            cipher: [0; KEY_OCTETS],
            salt: [0; SALT_OCTETS],
            authentication: [0; 20],
        };
        master.derive(Label::Encryption, &mut keys.cipher);
        match profile {
            // RFC 7714 §11: a salt of 96 bits, and no key of a MAC.
            SrtpProfile::AeadAes128Gcm => master.derive(Label::Salt, &mut keys.salt[..GCM_SALT_OCTETS]),
            _ => {
                master.derive(Label::Salt, &mut keys.salt);
                master.derive(Label::Authentication, &mut keys.authentication);
            }
        }
        keys
    }

    /// Ciphers or deciphers a payload. RFC 3711 §4.1.1.
    fn counter_mode(&self, index: PacketIndex, payload: &mut [u8]) {
        let mut iv = [0; 16];
        iv[..SALT_OCTETS].copy_from_slice(&self.salt);
        let ours = self.ssrc.iter().chain(&index.octets()).copied().collect::<Vec<_>>();
        iv[4..SALT_OCTETS].iter_mut().zip(ours).for_each(|(octet, with)| *octet ^= with);
        Ctr128BE::<Aes128>::new((&self.cipher).into(), (&iv).into()).apply_keystream(payload);
    }

    /// The tag before it is cut. RFC 3711 §4.2: it covers the rollover counter behind the packet.
    fn mac(&self, index: PacketIndex, packet: &[u8]) -> [u8; 20] {
        let mut mac = <Hmac<Sha1> as KeyInit>::new_from_slice(&self.authentication)
            .expect("HMAC takes a key of any length");
        mac.update(packet);
        mac.update(&index.rollover().to_be_bytes());
        mac.finalize().into_bytes().into()
    }

    fn gcm(&self, index: PacketIndex) -> (Aes128Gcm, Nonce<aes_gcm::aead::consts::U12>) {
        let mut iv = [0; 12];
        iv[2..6].copy_from_slice(&self.ssrc);
        iv[6..].copy_from_slice(&index.octets());
        iv.iter_mut().zip(&self.salt).for_each(|(octet, salt)| *octet ^= salt);
        (Aes128Gcm::new((&self.cipher).into()), iv.into())
    }

    fn seal(&self, index: PacketIndex, header: usize, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        match self.profile {
            SrtpProfile::AeadAes128Gcm => {
                let (cipher, nonce) = self.gcm(index);
                let (header, payload) = packet.split_at_mut(header);
                let tag = cipher.encrypt_inout_detached(&nonce, header, payload.into());
                packet.extend_from_slice(&tag.map_err(|_| SrtpError::NotRtp)?);
            }
            profile => {
                self.counter_mode(index, &mut packet[header..]);
                let tag = self.mac(index, packet);
                packet.extend_from_slice(&tag[..profile.tag_octets()]);
            }
        }
        Ok(())
    }

    /// Leaves the packet as it is where the tag is wrong.
    fn open(&self, index: PacketIndex, header: usize, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let end = packet.len() - self.profile.tag_octets();
        let (covered, tag) = packet.split_at_mut(end);
        match self.profile {
            SrtpProfile::AeadAes128Gcm => {
                let (cipher, nonce) = self.gcm(index);
                let tag = Tag::try_from(&*tag).map_err(|_| SrtpError::NotRtp)?;
                let (header, payload) = covered.split_at_mut(header);
                let opened = cipher.decrypt_inout_detached(&nonce, header, payload.into(), &tag);
                opened.map_err(|_| SrtpError::Tag)?;
            }
            profile => {
                let expected = self.mac(index, covered);
                if !bool::from(expected[..profile.tag_octets()].ct_eq(tag)) {
                    return Err(SrtpError::Tag);
                }
                self.counter_mode(index, &mut covered[header..]);
            }
        }
        packet.truncate(end);
        Ok(())
    }

    /// Length of the header, and the sequence number of a packet of this source with `tail` octets behind its payload.
    fn shape(&self, packet: &[u8], tail: usize) -> Result<(usize, u16), SrtpError> {
        let [first, _, high, low, _, _, _, _, ssrc @ ..] =
            packet.first_chunk::<HEADER>().ok_or(SrtpError::NotRtp)?;
        if first >> 6 != 2 {
            return Err(SrtpError::NotRtp);
        }
        let mut header = HEADER + 4 * usize::from(first & 0xf);
        if first & 0x10 != 0 {
            let length = packet.get(header + 2..header + 4).ok_or(SrtpError::NotRtp)?;
            header += 4 + 4 * usize::from(u16::from_be_bytes([length[0], length[1]]));
        }
        if packet.len() < header + tail {
            return Err(SrtpError::NotRtp);
        }
        match *ssrc == self.ssrc {
            true => Ok((header, u16::from_be_bytes([*high, *low]))),
            false => Err(SrtpError::Source),
        }
    }
}

/// Packets of one source that go out.
pub struct Sender {
    keys: SessionKeys,
    last: Option<PacketIndex>,
}

impl Sender {
    /// Of the source `ssrc`. Two sources under one master key must never have the same SSRC: they would share a key stream.
    pub fn new(profile: SrtpProfile, master: &MasterKey, ssrc: u32) -> Self {
        Self { keys: SessionKeys::new(profile, master, ssrc), last: None }
    }

    /// Makes a packet of RTP one of SRTP.
    ///
    /// # Errors
    /// No packet of this source, or a sequence number that is not ahead of the last one: nothing is changed.
    pub fn protect(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let (header, sequence) = self.keys.shape(packet, 0)?;
        let index = PacketIndex::guess(self.last, sequence).ok_or(SrtpError::Worn)?;
        if self.last.is_some_and(|last| index <= last) {
            return Err(SrtpError::Reused);
        }
        self.keys.seal(index, header, packet)?;
        self.last = Some(index);
        Ok(())
    }
}

/// Packets of one source that come in.
pub struct Receiver {
    keys: SessionKeys,
    window: Window,
}

impl Receiver {
    /// Of the source `ssrc`.
    pub fn new(profile: SrtpProfile, master: &MasterKey, ssrc: u32) -> Self {
        Self { keys: SessionKeys::new(profile, master, ssrc), window: Window::default() }
    }

    /// Makes a packet of SRTP one of RTP, and returns its index. The window moves only after the tag is proven.
    ///
    /// # Errors
    /// Why it is dropped: the packet is as it was.
    pub fn unprotect(&mut self, packet: &mut Vec<u8>) -> Result<PacketIndex, SrtpError> {
        let (header, sequence) = self.keys.shape(packet, self.keys.profile.tag_octets())?;
        let index = PacketIndex::guess(self.window.highest(), sequence).ok_or(SrtpError::Late)?;
        self.window.check(index)?;
        self.keys.open(index, header, packet)?;
        self.window.accept(index);
        Ok(index)
    }
}

#[cfg(test)]
mod tests;
