//! Values of single fields. RFC 3830 §6.2 to §6.12 (from memory).

use super::Error;
use super::cursor::{Cursor, Writer};

macro_rules! octets {
    ($($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $value:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub(super) const fn from_octet(octet: u8) -> Result<Self, Error> {
                match octet {
                    $($value => Ok(Self::$variant),)*
                    _ => Err(Error::Reserved { what: $what, value: octet as u32 }),
                }
            }

            pub(super) const fn octet(self) -> u8 {
                match self { $(Self::$variant => $value,)* }
            }
        }
    )*};
}

octets! {
    /// How keys are ciphered.
    Encryption, "encryption of MIKEY" {
        /// Not at all.
        Null = 0,
        /// AES in counter mode, 128 bits.
        AesCm128 = 1,
        /// AES key wrap, 128 bits.
        AesKw128 = 2,
        /// AES in counter mode, 256 bits. RFC 6043.
        AesCm256 = 3,
    }

    /// What a MAC is made with.
    MacAlgorithm, "MAC of MIKEY" {
        /// There is none.
        Null = 0,
        /// HMAC-SHA-1-160.
        HmacSha1 = 1,
        /// HMAC-SHA-256-256. RFC 6043.
        HmacSha256 = 2,
    }

    /// What an identity is.
    IdType, "ID type of MIKEY" {
        /// A network access identifier.
        Nai = 0,
        /// A URI.
        Uri = 1,
        /// Octets. RFC 6043.
        Octets = 2,
    }

    /// What was wrong with a message.
    ErrorNumber, "error of MIKEY" {
        /// Its authentication.
        Authentication = 0,
        /// Its timestamp.
        Timestamp = 1,
        /// The PRF is not there.
        Prf = 2,
        /// The MAC algorithm is not there.
        Mac = 3,
        /// The encryption is not there.
        Encryption = 4,
        /// The hash is not there.
        Hash = 5,
        /// The group is not there.
        Group = 6,
        /// The identity is not there.
        Id = 7,
        /// The certificate is not there.
        Certificate = 8,
        /// The policy type is not there.
        Policy = 9,
        /// Parameters of the policy are not there.
        PolicyParameters = 10,
        /// The data type is not there.
        DataType = 11,
        /// Something else.
        Unspecified = 12,
    }
}

impl MacAlgorithm {
    /// Length of a MAC.
    pub const fn octets(self) -> usize {
        match self {
            Self::Null => 0,
            Self::HmacSha1 => 20,
            Self::HmacSha256 => 32,
        }
    }
}

/// A MAC with what it is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac<'a> {
    /// What it is made with.
    pub algorithm: MacAlgorithm,
    /// As many octets as [`MacAlgorithm::octets`] says.
    pub tag: &'a [u8],
}

impl<'a> Mac<'a> {
    pub(super) fn parse(cursor: &mut Cursor<'a>) -> Result<Self, Error> {
        let algorithm = MacAlgorithm::from_octet(cursor.octet("MAC of MIKEY")?)?;
        Ok(Self { algorithm, tag: cursor.slice("MAC of MIKEY", algorithm.octets())? })
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        if self.tag.len() != self.algorithm.octets() {
            writer.refuse("a MAC of MIKEY of another length than its algorithm has");
        }
        writer.put(&[self.algorithm.octet()]);
        writer.put(self.tag);
    }
}

/// When a message was made, or its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timestamp {
    /// NTP in UTC, 64 bits.
    NtpUtc(u64),
    /// NTP, 64 bits.
    Ntp(u64),
    /// A counter.
    Counter(u32),
    /// NTP in UTC, seconds alone. RFC 6043.
    NtpUtc32(u32),
}

impl Timestamp {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Error> {
        let what = "timestamp of MIKEY";
        Ok(match cursor.octet(what)? {
            0 => Self::NtpUtc(u64::from_be_bytes(cursor.take(what)?)),
            1 => Self::Ntp(u64::from_be_bytes(cursor.take(what)?)),
            2 => Self::Counter(cursor.u32(what)?),
            3 => Self::NtpUtc32(cursor.u32(what)?),
            kind => return Err(Error::Reserved { what: "timestamp type of MIKEY", value: kind.into() }),
        })
    }

    pub(super) fn write(self, writer: &mut Writer<'_>) {
        let kind = match self {
            Self::NtpUtc(_) => 0,
            Self::Ntp(_) => 1,
            Self::Counter(_) => 2,
            Self::NtpUtc32(_) => 3,
        };
        writer.put(&[kind]);
        match self {
            Self::NtpUtc(value) | Self::Ntp(value) => writer.put(&value.to_be_bytes()),
            Self::Counter(value) | Self::NtpUtc32(value) => writer.put(&value.to_be_bytes()),
        }
    }
}
