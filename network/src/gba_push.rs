//! GBA push: keys for a NAF and a UE that cannot, or is not to, reach the BSF. TS 33.223.
//!
//! ```text
//!   NAF -- request: IMPI, NAF_Id, P-TID --> bsf -- Fetch, Vector --> GPI, Ks_NAF, expiry --> NAF -- GPI, any way --> ue
//!   ue: GPI known already                -> Dropped
//!       USIM: out of sync                -> Resynchronise: RAND, AUTS, which the NAF puts into its next request
//!             Store, Stored -> MAC right -> Association;  MAC wrong -> incomplete, until the GPI comes whole
//! ```
//!
//! Ks serves for this one NAF key and is forgotten: nothing of it is stored at either end (TS 33.223 Annex A).
//!
//! - this file, the GPI: layout (§5.3.5), protection (§5.3.2 to §5.3.4)
//! - [`bsf`], the BSF's end (§5.1.3)
//! - [`ue`], the UE's end (§5.1.4)
//!
//! What is encrypted is one piece, from the length of NAF_Id to the end of P-TID: Table 5.2.3-1 speaks of "the encrypted part", and the
//! figure that would show whether the lengths belong to it is not in the text that was read.
//!
//! Not there: GBA_U, public identities, user security settings.

use std::fmt;

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use sidelink_security::counter::UtcTime;
use sidelink_security::kdf::gba;
use sidelink_security::keys::Ks;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::aka::{Autn, Rand};
use crate::identity::{Fqdn, Impi, NafId};

pub mod bsf;
pub mod ue;

/// The one version. TS 33.223 §5.2.1.
const VERSION: u8 = 1;

/// Octets before the label.
const HEADER: usize = 33;

/// Octets of MAC. TS 33.223 §5.2.1.
const MAC: usize = 4;

/// From 1900 to 1970, in seconds.
const NTP_TO_UNIX: u64 = 2_208_988_800;

/// Where the keys come to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// GBA_ME: in the terminal.
    Terminal,
    /// GBA_U: on the card.
    Card,
}

/// GBA push information.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpi {
    /// RAND of the vector.
    pub rand: Rand,
    /// Its AUTN.
    pub autn: Autn,
    /// App_Lbl, which application of the card; may be empty.
    pub label: String,
    /// For which NAF and protocol.
    pub naf_id: NafId,
    /// Key_LT, whole seconds.
    pub expires: UtcTime,
    /// P-TID, what the UE calls the association towards the NAF.
    pub p_tid: String,
}

/// A GPI that is none, cannot be opened, or cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The octets end before a field does, or go on after the last.
    Length(&'static str),
    /// A version that is not 1.
    Version(u8),
    /// Text that is not UTF-8, or a name that is none.
    Text(&'static str),
    /// The MAC is wrong: another Ks or IMPI, or an altered GPI.
    Mac,
    /// Our misuse: a field that its length cannot say.
    TooLong(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(what) => write!(f, "the length of {what} is wrong"),
            Self::Version(version) => write!(f, "version {version} of GPI is not known, only 1"),
            Self::Text(what) => write!(f, "{what} is not what it should be: UTF-8, a name"),
            Self::Mac => f.write_str("the MAC of the GPI is wrong: not for this subscriber, or altered"),
            Self::TooLong(what) => write!(f, "{what} is longer than a GPI can say"),
        }
    }
}

impl std::error::Error for Error {}

/// A GPI as it came: what is in the open, and what is not yet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    octets: &'a [u8],
    label: &'a str,
    /// Where what is encrypted begins.
    sealed: usize,
}

impl<'a> Packet<'a> {
    /// Checks what is in the open.
    pub fn new_checked(octets: &'a [u8]) -> Result<Self, Error> {
        let version = octets.first().ok_or(Error::Length("the GPI"))? >> 4;
        if version != VERSION {
            return Err(Error::Version(version));
        }
        let length = usize::from(*octets.get(HEADER).ok_or(Error::Length("the GPI"))?);
        let sealed = HEADER + 1 + length;
        let label = octets.get(HEADER + 1..sealed).ok_or(Error::Length("App_Lbl"))?;
        if octets.len() < sealed + MAC {
            return Err(Error::Length("the GPI"));
        }
        let label = std::str::from_utf8(label).map_err(|_| Error::Text("App_Lbl"))?;
        Ok(Self { octets, label, sealed })
    }

    /// U/M.
    pub const fn place(&self) -> Place {
        if self.octets[0] & 1 == 0 { Place::Terminal } else { Place::Card }
    }

    /// RAND.
    pub fn rand(&self) -> Rand {
        Rand(self.octets[1..].first_chunk().copied().unwrap_or_default())
    }

    /// AUTN.
    pub fn autn(&self) -> Autn {
        Autn(self.octets[17..].first_chunk().copied().unwrap_or_default())
    }

    /// Verifies and decrypts: MAC first.
    pub fn open(&self, ks: &Ks, impi: &Impi) -> Result<Gpi, Error> {
        let keys = Keys::new(ks, &self.rand(), impi);
        let (body, given) = self.octets.split_at(self.octets.len() - MAC);
        if !bool::from(keys.mac(body).ct_eq(given)) {
            return Err(Error::Mac);
        }
        let mut inner = body[self.sealed..].to_vec();
        keys.cipher(&mut inner);
        let mut rest = &inner[..];
        let naf_id = naf_id(field(&mut rest, "NAF_Id")?)?;
        let (seconds, mut rest) = rest.split_first_chunk().ok_or(Error::Length("Key_LT"))?;
        let p_tid = field(&mut rest, "P-TID")?;
        if !rest.is_empty() {
            return Err(Error::Length("the GPI"));
        }
        Ok(Gpi {
            rand: self.rand(),
            autn: self.autn(),
            label: self.label.to_owned(),
            naf_id,
            expires: from_ntp(u32::from_be_bytes(*seconds)),
            p_tid: std::str::from_utf8(p_tid).map_err(|_| Error::Text("P-TID"))?.to_owned(),
        })
    }
}

impl Gpi {
    /// Its octets, encrypted and under its MAC, for keys in the terminal.
    pub fn protect(&self, ks: &Ks, impi: &Impi) -> Result<Vec<u8>, Error> {
        let keys = Keys::new(ks, &self.rand, impi);
        let mut octets = vec![VERSION << 4];
        octets.extend(self.rand.0);
        octets.extend(self.autn.0);
        push(&mut octets, "App_Lbl", self.label.as_bytes())?;
        let sealed = octets.len();
        push(&mut octets, "NAF_Id", &self.naf_id.octets())?;
        octets.extend(to_ntp(self.expires).to_be_bytes());
        push(&mut octets, "P-TID", self.p_tid.as_bytes())?;
        keys.cipher(&mut octets[sealed..]);
        octets.extend(keys.mac(&octets));
        Ok(octets)
    }
}

fn push(octets: &mut Vec<u8>, what: &'static str, value: &[u8]) -> Result<(), Error> {
    octets.push(u8::try_from(value.len()).map_err(|_| Error::TooLong(what))?);
    octets.extend_from_slice(value);
    Ok(())
}

/// A length of one octet, and as many.
fn field<'a>(rest: &mut &'a [u8], what: &'static str) -> Result<&'a [u8], Error> {
    let (length, after) = rest.split_first().ok_or(Error::Length(what))?;
    let (value, after) = after.split_at_checked(usize::from(*length)).ok_or(Error::Length(what))?;
    *rest = after;
    Ok(value)
}

fn naf_id(octets: &[u8]) -> Result<NafId, Error> {
    let (name, protocol) = octets.split_last_chunk().ok_or(Error::Length("NAF_Id"))?;
    let name = std::str::from_utf8(name).ok().and_then(|name| Fqdn::new(name).ok());
    Ok(NafId { fqdn: name.ok_or(Error::Text("NAF_Id"))?, protocol: *protocol })
}

/// Seconds since 1900, as many as 32 bits hold: they begin anew in 2036.
const fn to_ntp(at: UtcTime) -> u32 {
    (at.millis() / 1000 + NTP_TO_UNIX) as u32
}

/// The first bit says on which side of 2036: from 1968 to 2036, or from there to 2104. What is before 1970 is 1970.
const fn from_ntp(seconds: u32) -> UtcTime {
    let era = if seconds >> 31 == 1 { 0 } else { 1 << 32 };
    UtcTime::from_millis((seconds as u64 + era).saturating_sub(NTP_TO_UNIX) * 1000)
}

/// GPI_INT_Key, GPI_ENC_Key and GPI_IV: Ks_NAF for names that no NAF has, 128 bits of it. TS 33.223 §5.3.2.
struct Keys {
    integrity: Zeroizing<[u8; 16]>,
    confidentiality: Zeroizing<[u8; 16]>,
    iv: Zeroizing<[u8; 16]>,
}

impl Keys {
    fn new(ks: &Ks, rand: &Rand, impi: &Impi) -> Self {
        let key = |name: &[u8]| {
            let whole =
                gba::ks_naf(ks, &rand.0, impi.as_str(), name).expect("an IMPI has at most 255 octets");
            let mut key = Zeroizing::new([0; 16]);
            key.copy_from_slice(&whole.as_bytes()[16..]);
            key
        };
        Self {
            integrity: key(b"GPI_integrity"),
            confidentiality: key(b"GPI_confidentiality"),
            iv: key(b"GPI_IV"),
        }
    }

    /// HMAC-SHA256-32 over all that stands before the MAC, and the MAC as zeros. TS 33.223 §5.3.3.
    fn mac(&self, body: &[u8]) -> [u8; MAC] {
        let mut hmac =
            Hmac::<Sha256>::new_from_slice(&self.integrity[..]).expect("HMAC takes keys of any length");
        hmac.update(body);
        hmac.update(&[0; MAC]);
        let whole: [u8; 32] = hmac.finalize().into_bytes().into();
        let [a, b, c, d, ..] = whole;
        [a, b, c, d]
    }

    /// AES-128 in counter mode, of which the last 16 bits of the block count. TS 33.223 §5.3.4.
    fn cipher(&self, octets: &mut [u8]) {
        let aes = Aes128::new((&*self.confidentiality).into());
        let first = u16::from_be_bytes([self.iv[14], self.iv[15]]);
        for (i, chunk) in octets.chunks_mut(16).enumerate() {
            let mut block = *self.iv;
            // At most 33 blocks.
            block[14..].copy_from_slice(&first.wrapping_add(i as u16).to_be_bytes());
            let mut stream = block.into();
            aes.encrypt_block(&mut stream);
            for (octet, stream) in chunk.iter_mut().zip(&stream) {
                *octet ^= stream;
            }
        }
    }
}

#[cfg(test)]
mod tests;
