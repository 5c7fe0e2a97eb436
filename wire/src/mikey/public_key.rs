//! Payloads of the public key and of Diffie and Hellman: PKE, DH, SIGN, CERT, CHASH. RFC 3830 §6.3 to §6.8.

use super::Error;
use super::cursor::{Cursor, Writer};
use super::key_data::Validity;
use super::values::{CertificateType, DhGroup, EnvelopeCache, HashAlgorithm, SignatureType};

/// An envelope key, ciphered for the responder: PKE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnvelopeKey<'a> {
    /// What may be done with it later.
    pub cache: EnvelopeCache,
    /// As it is ciphered, at most 16383 octets.
    pub data: &'a [u8],
}

impl<'a> EnvelopeKey<'a> {
    pub(super) fn parse(cursor: &mut Cursor<'a>) -> Result<Self, Error> {
        let (head, data) = headed(cursor, "PKE of MIKEY", 14)?;
        Ok(Self { cache: EnvelopeCache::from_octet(head)?, data })
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        put_headed(writer, "PKE of MIKEY", self.cache.octet(), 14, self.data);
    }
}

/// A signature: SIGN, always the last payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature<'a> {
    /// What it is made with.
    pub kind: SignatureType,
    /// As it is, at most 4095 octets.
    pub octets: &'a [u8],
}

impl<'a> Signature<'a> {
    /// Octets in front of the signature itself: its type and length.
    pub const HEAD: usize = 2;

    pub(super) fn parse(cursor: &mut Cursor<'a>) -> Result<Self, Error> {
        let (head, octets) = headed(cursor, "SIGN of MIKEY", 12)?;
        Ok(Self { kind: SignatureType::from_octet(head)?, octets })
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        put_headed(writer, "SIGN of MIKEY", self.kind.octet(), 12, self.octets);
    }
}

/// Goes behind a value whose length has this many bits of 16.
pub(super) fn skip_headed(cursor: &mut Cursor<'_>, what: &'static str, bits: u32) -> Result<(), Error> {
    headed(cursor, what, bits).map(|_| ())
}

/// Reads 16 bits, the last `bits` of which are a length, and so many octets.
fn headed<'a>(cursor: &mut Cursor<'a>, what: &'static str, bits: u32) -> Result<(u8, &'a [u8]), Error> {
    let head = cursor.u16(what)?;
    let data = cursor.announced(what, usize::from(head & ((1 << bits) - 1)))?;
    Ok(((head >> bits) as u8, data))
}

fn put_headed(writer: &mut Writer<'_>, what: &'static str, head: u8, bits: u32, data: &[u8]) {
    writer.limit(what, data.len(), (1 << bits) - 1);
    writer.put(&(u16::from(head) << bits | data.len() as u16 & ((1 << bits) - 1)).to_be_bytes());
    writer.put(data);
}

/// A public value of Diffie and Hellman: DH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DhValue<'a> {
    /// Of this group.
    pub group: DhGroup,
    /// As many octets as [`DhGroup::octets`] says.
    pub value: &'a [u8],
    /// When the key counts.
    pub validity: Validity<'a>,
}

impl<'a> DhValue<'a> {
    pub(super) fn parse(cursor: &mut Cursor<'a>) -> Result<Self, Error> {
        let what = "DH of MIKEY";
        let group = DhGroup::from_octet(cursor.octet(what)?)?;
        let value = cursor.slice(what, group.octets())?;
        // Four bits before the type of the validity are reserved.
        let kind = cursor.octet(what)? & 0xf;
        Ok(Self { group, value, validity: Validity::parse(kind, cursor)? })
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        if self.value.len() != self.group.octets() {
            writer.refuse("a public value of MIKEY of another length than its group has");
        }
        writer.put(&[self.group.octet()]);
        writer.put(self.value);
        writer.put(&[self.validity.number()]);
        self.validity.write(writer);
    }
}

/// A certificate: CERT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// What it is.
    pub kind: CertificateType,
    /// As it is, at most 65535 octets.
    pub data: &'a [u8],
}

impl<'a> Certificate<'a> {
    pub(super) fn parse(cursor: &mut Cursor<'a>) -> Result<Self, Error> {
        let kind = CertificateType::from_octet(cursor.octet("CERT of MIKEY")?)?;
        Ok(Self { kind, data: cursor.long("CERT of MIKEY")? })
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        writer.put(&[self.kind.octet()]);
        writer.long("CERT of MIKEY", self.data);
    }
}

/// The hash of the certificate that an envelope key is for: CHASH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateHash<'a> {
    /// What it is made with.
    pub algorithm: HashAlgorithm,
    /// As many octets as [`HashAlgorithm::octets`] says.
    pub hash: &'a [u8],
}

impl<'a> CertificateHash<'a> {
    pub(super) fn parse(cursor: &mut Cursor<'a>) -> Result<Self, Error> {
        let algorithm = HashAlgorithm::from_octet(cursor.octet("CHASH of MIKEY")?)?;
        Ok(Self { algorithm, hash: cursor.slice("CHASH of MIKEY", algorithm.octets())? })
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        if self.hash.len() != self.algorithm.octets() {
            writer.refuse("a hash of MIKEY of another length than its algorithm has");
        }
        writer.put(&[self.algorithm.octet()]);
        writer.put(self.hash);
    }
}
